"""A handshake cut, split and joined at every octet: it completes with the same result, or ends in a named error."""

import time
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.peers import failure
from tests.support.standing import carry, ended, fresh, mutual_client_config, mutual_server_config, records_of
from tlscore import errors
from tlscore.connection import Connection
from tlscore.events import AlertReceived, HandshakeCompleted, PeerClosed

# Of CPU time, so that a busy machine does not look like a loop; a wait for ever ends by the time limit of each test.
WATCHDOG_SECONDS = 1.0


def simple_ends() -> tuple[Connection, Connection]:
    return fresh({"groups": ("x25519",)}, {})


def mutual_ends() -> tuple[Connection, Connection]:
    return mutual_client_config().connection("example.org"), mutual_server_config().connection()


def retried_ends() -> tuple[Connection, Connection]:
    return fresh({"groups": ("x25519", "secp256r1"), "key_shares": ("x25519",)}, {"groups": ("secp256r1",)})


KINDS = {"simple": (simple_ends, 3), "mutual": (mutual_ends, 3), "retried": (retried_ends, 5)}


def cut(ends: Any, number: int, at: int) -> tuple[Connection, Connection, bool]:
    """The receiver of flight `number` after its first `at` octets, its peer, and whether that was all of the flight."""
    order = ends()
    for turn in range(number):
        carry(order[turn % 2], order[1 - turn % 2])
    sender, receiver = order[number % 2], order[1 - number % 2]
    wire = sender.data_to_send()
    receiver.receive(wire[:at])
    return receiver, sender, at >= len(wire)


@pytest.mark.parametrize(
    ("kind", "number"), [(kind, number) for kind, (_, count) in KINDS.items() for number in range(count)]
)
def test_end_of_stream_at_every_octet_is_truncation_and_never_clean(kind: str, number: int) -> None:
    ends, _ = KINDS[kind]
    # Large flights of the longer handshakes are cut at every third octet; the simple one at each.
    at, step = 0, 1 if kind == "simple" else 3
    while True:
        receiver, _, whole = cut(ends, number, at)
        error = failure(receiver.eof)
        assert type(error) is errors.TruncationError, at
        assert error.alert_sent is None
        assert str(error)
        assert failure(receiver.read) is error
        if whole:
            return
        at += step


@pytest.mark.parametrize("kind", KINDS)
def test_close_after_every_octet_ends_both_sides_at_once(kind: str) -> None:
    # attack 63: close_notify during a handshake must never let anybody wait or spin.
    ends, count = KINDS[kind]
    for number in range(count):
        at = 0
        while True:
            started = time.thread_time()
            receiver, sender, whole = cut(ends, number, at)
            receiver.close()
            assert receiver.write_closed or receiver.closed
            error = ended(partial(sender.receive, receiver.data_to_send()), sender.events)
            assert error is None or isinstance(error, (errors.TransportError, errors.AlertError)), at
            assert sender.peer_closed or sender.error is not None, (number, at)
            assert time.thread_time() - started < WATCHDOG_SECONDS
            if whole:
                break
            at += 7


@pytest.mark.parametrize("kind", KINDS)
def test_alert_in_the_clear_between_any_two_records_ends_the_handshake(kind: str) -> None:
    ends, count = KINDS[kind]
    for alert in (b"\x01\x00", b"\x02\x28", b"\x01\x5a", b"\x02\xff"):
        for number in range(count):
            order = ends()
            for turn in range(number):
                carry(order[turn % 2], order[1 - turn % 2])
            sender, receiver = order[number % 2], order[1 - number % 2]
            wire = b"\x15\x03\x03\x00\x02" + alert + sender.data_to_send()
            started = time.thread_time()
            error = ended(partial(receiver.receive, wire))
            assert receiver.error is error
            # Nobody but user_canceled may stand in front of a flight that goes on.
            assert error is not None or alert[1] == 90, (number, alert)
            assert time.thread_time() - started < WATCHDOG_SECONDS


@pytest.mark.parametrize("step", [1, 2])
def test_canceled_handshake_is_told_to_the_server(step: int) -> None:
    client, server = simple_ends()
    carry(client, server)
    if step == 2:
        # Up to its ServerHello: the client has handshake keys then, and cancels under them.
        client.receive(records_of(server.data_to_send())[0])
    client.close()
    error = failure(server.receive, client.data_to_send())
    assert isinstance(error, errors.TransportError)
    assert error.sender == "peer"
    assert "cancel" in str(error)
    assert server.closed


def test_server_that_cancels_after_its_flight_is_heard() -> None:
    client, server = simple_ends()
    carry(client, server)
    server.close()
    client.receive(server.data_to_send())
    assert [type(event) for event in client.events()] == [HandshakeCompleted, AlertReceived, PeerClosed]
    client.eof()


@settings(max_examples=150, deadline=None, database=None)
@given(data=st.data())
def test_any_cut_of_a_handshake_gives_the_same_events_and_one_exporter(data: st.DataObject) -> None:
    ends, count = KINDS[data.draw(st.sampled_from(tuple(KINDS)))]
    order = ends()
    for turn in range(count):
        wire = order[turn % 2].data_to_send()
        # Signatures differ in length from run to run, so the places are drawn as parts of the whole.
        places = sorted({int(part * len(wire)) for part in data.draw(st.lists(st.floats(0, 1), max_size=30))})
        for start, end in zip([0, *places], [*places, len(wire)], strict=True):
            piece = wire[start:end]
            order[1 - turn % 2].receive(bytearray(piece) if start % 2 else piece)
    client, server = order
    for end in order:
        assert [type(event) for event in end.events()] == [HandshakeCompleted]
        assert end.events() == []
    exported = {end.export_keying_material("EXPORTER-test", b"context", 32) for end in order}
    assert len(exported) == 1
    assert [step for step, _ in client.trace][-1] == [step for step, _ in server.trace][-1] == 22


@pytest.mark.parametrize("kind", KINDS)
def test_handshake_octet_by_octet_is_the_handshake(kind: str) -> None:
    ends, count = KINDS[kind]
    order = ends()
    for turn in range(count):
        for octet in order[turn % 2].data_to_send():
            order[1 - turn % 2].receive(bytes((octet,)))
    assert order[0].channel_binding() == order[1].channel_binding()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 50, 228])
def test_client_hello_in_records_of_any_size(size: int) -> None:
    # attack 62: a ClientHello in fragments, down to one octet each.
    client, server = simple_ends()
    (record,) = records_of(client.data_to_send())
    message = record[5:]
    for at in range(0, len(message), size):
        piece = message[at : at + size]
        server.receive(record[:3] + len(piece).to_bytes(2, "big") + piece)
    carry(server, client)
    carry(client, server)
    assert server.handshake_complete


def test_client_hello_split_in_two_records_at_every_octet() -> None:
    for at in range(1, 224):
        client, server = simple_ends()
        (record,) = records_of(client.data_to_send())
        head, message = record[:3], record[5:]
        pieces = (message[:at], message[at:])
        server.receive(b"".join(head + len(piece).to_bytes(2, "big") + piece for piece in pieces))
        assert server.error is None
        assert server.pending_wire > 0, at


@pytest.mark.parametrize("kind", [20, 21, 23, 0, 24, 255])
def test_other_record_inside_a_client_hello_is_refused(kind: int) -> None:
    client, server = simple_ends()
    (record,) = records_of(client.data_to_send())
    first = record[:3] + b"\0\x10" + record[5:21]
    other = bytes((kind,)) + b"\x03\x03\x00\x01\x01"
    error = failure(server.receive, first + other)
    assert isinstance(error, (errors.UnexpectedMessage, errors.DecodeError))


def test_messages_behind_a_flight_in_the_same_record_are_refused() -> None:
    # RFC 9846 5.1: messages that change the keys end at a record boundary (CVE-2025-61730).
    client, server = simple_ends()
    (record,) = records_of(client.data_to_send())
    message = record[5:] + b"\x01\x00\x00\x05"
    error = failure(server.receive, record[:3] + len(message).to_bytes(2, "big") + message)
    assert isinstance(error, errors.UnexpectedMessage)
    client, server = simple_ends()
    carry(client, server)
    hello = records_of(server.data_to_send())[0]
    message = hello[5:] + b"\x08\x00\x00\x02"
    error = failure(client.receive, hello[:3] + len(message).to_bytes(2, "big") + message)
    assert isinstance(error, errors.UnexpectedMessage)


@pytest.mark.parametrize("version", [b"\x03\x00", b"\x03\x01", b"\x03\x03", b"\x03\x04", b"\x00\x00", b"\xff\xff"])
def test_legacy_record_version_is_ignored(version: bytes) -> None:
    client, server = simple_ends()
    wire = client.data_to_send()
    server.receive(wire[:1] + version + wire[3:])
    assert server.pending_wire > 0
    flight = server.data_to_send()
    client.receive(flight[:1] + version + flight[3:])
    assert client.handshake_complete
