"""KeyUpdate (RFC 9846 4.7.3, 7.2): both directions, one request at a time, replies before data; each nonce once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.forger import DATA, HANDSHAKE, SUITES, Forger, logged
from tests.support.peers import failure
from tests.support.standing import carry, connected, pattern, records_of
from tlscore import errors
from tlscore.events import KeyUpdated

UPDATE, REQUEST = b"\x18\0\0\x01\0", b"\x18\0\0\x01\1"


def opened(forger: Forger, wire: bytes) -> tuple[list[tuple[int, bytes]], Forger]:
    """What the records hold, read with the nonce that must be next, through updates of the key."""
    found = []
    for record in records_of(wire):
        kind, content, _ = forger.open(record)
        found.append((kind, content))
        if kind == HANDSHAKE:
            assert content[:4] == b"\x18\0\0\x01"
            forger = forger.updated()
    return found, forger


@pytest.mark.parametrize("suite", SUITES)
def test_every_record_has_the_next_sequence_number_as_its_nonce_through_all_updates(suite: str) -> None:
    # attack 17: nonces repeat under no circumstances. The forger opens record n with nonce n only.
    ends = logged({"suites": (suite,)}, {"suites": tuple(SUITES)})
    forger = ends.as_client()
    seen = 0
    for turn in range(60):
        if turn % 7 == 3:
            ends.client.update_keys(turn % 2 == 1)
        if turn % 5 == 0:
            ends.client.write(pattern(40_000))
        if turn % 3 == 0:
            ends.client.write_many([b"a", b"b" * 20_000])
        out = bytearray(ends.client.wire_size(100))
        wire = ends.client.data_to_send() + bytes(out[: ends.client.write_into(b"c" * 100, out)])
        found, forger = opened(forger, wire)
        seen += len(found)
    assert seen > 100
    assert ends.client.counters[3] >= 5
    assert ends.client.counters[1] == forger.sequence


def test_alerts_and_close_notify_take_their_own_nonces() -> None:
    ends = logged()
    forger = ends.as_client()
    ends.client.write(b"x")
    ends.client.close()
    found, _ = opened(forger, ends.client.data_to_send())
    assert found == [(DATA, b"x"), (21, b"\x01\x00")]


def test_failed_write_uses_no_nonce_up() -> None:
    ends = logged()
    forger = ends.as_client()
    failure(ends.client.write_into, b"x" * 100, bytearray(10))
    failure(ends.client.write_many, [b"good", None])
    failure(ends.client.write, "text")
    ends.client.write(b"first")
    assert opened(forger, ends.client.data_to_send())[0] == [(DATA, b"first")]


def test_both_directions_update_and_report_it() -> None:
    client, server = connected()
    client.update_keys(True)
    carry(client, server)
    assert server.events() == [KeyUpdated("received")]
    carry(server, client)
    assert client.events() == [KeyUpdated("received"), KeyUpdated("sent")]
    assert server.events() == [KeyUpdated("sent")]
    assert client.counters[2:] == server.counters[2:] == (1, 1)
    for sender, receiver in ((client, server), (server, client)):
        sender.write(b"under new keys")
        carry(sender, receiver)
        assert receiver.read() == b"under new keys"


def test_only_one_request_is_outstanding() -> None:
    # RFC 9846 4.7.3: "an endpoint MUST NOT send another" before the answer to the first.
    ends = logged()
    forger = ends.as_client()
    for _ in range(3):
        ends.client.update_keys(True)
    wire = ends.client.data_to_send()
    found, _ = opened(forger, wire)
    assert [content for _, content in found].count(REQUEST) == 1
    ends.server.receive(wire)
    ends.server.events()
    carry(ends.server, ends.client)
    ends.client.events()
    assert ends.server.counters[3] == 1


def test_reply_stands_before_the_next_data_and_asks_for_nothing() -> None:
    # RFC 9846 4.7.3: "the receiver MUST send a KeyUpdate of its own with request_update set to "update_not_requested"
    # prior to sending its next Application Data record."
    for way in ("write", "write_many", "write_into"):
        ends = logged()
        forger = ends.as_server()
        ends.client.update_keys(True)
        carry(ends.client, ends.server)
        ends.server.read()
        if way == "write_into":
            out = bytearray(ends.server.wire_size(4))
            wire = bytes(out[: ends.server.write_into(b"data", out)])
        else:
            getattr(ends.server, way)(b"data" if way == "write" else [b"data"])
            wire = ends.server.data_to_send()
        assert opened(forger, wire)[0] == [(HANDSHAKE, UPDATE), (DATA, b"data")], way


def test_many_requests_are_answered_by_one_reply() -> None:
    ends = logged()
    forger = ends.as_client()
    wire = b""
    for _ in range(5):
        wire += forger.seal(REQUEST, HANDSHAKE)
        forger = forger.updated()
    ends.server.receive(wire)
    ends.server.events()
    assert opened(ends.as_server(), ends.server.data_to_send())[0] == [(HANDSHAKE, UPDATE)]


def test_silent_receiver_is_told_that_a_reply_waits() -> None:
    client, server = connected()
    client.update_keys(True)
    carry(client, server)
    server.events()
    assert server.pending_wire > 0
    carry(server, client)
    assert server.pending_wire == 0


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"\x18\0\0\x01\2", errors.IllegalParameter),
        (b"\x18\0\0\x01\xff", errors.IllegalParameter),
        (b"\x18\0\0\0", errors.DecodeError),
        (b"\x18\0\0\2\0\0", errors.DecodeError),
        (UPDATE + UPDATE, errors.UnexpectedMessage),
        (UPDATE + b"\x04", errors.UnexpectedMessage),
    ],
)
def test_bad_key_updates_are_refused(content: bytes, error: type[errors.TlsError]) -> None:
    ends = logged()
    ends.server.receive(ends.as_client().seal(content, HANDSHAKE))
    assert type(failure(ends.server.read)) is error


def test_record_under_the_old_key_after_an_update_is_refused() -> None:
    ends = logged()
    forger = ends.as_client()
    ends.server.receive(forger.seal(UPDATE, HANDSHAKE) + forger.seal(b"old key"))
    assert type(failure(ends.server.read)) is errors.BadRecordMac


def test_record_under_the_new_key_without_an_update_is_refused() -> None:
    ends = logged()
    ends.server.receive(ends.as_client().updated().seal(b"too new"))
    assert type(failure(ends.server.read)) is errors.BadRecordMac


def test_update_before_the_handshake_is_complete_is_refused() -> None:
    ends = logged(complete=False)
    carry(ends.client, ends.server)
    hello = records_of(ends.server.data_to_send())[0]
    ends.client.receive(hello)
    forger = ends.forger("SERVER_HANDSHAKE_TRAFFIC_SECRET", "TLS_AES_128_GCM_SHA256")
    assert type(failure(ends.client.receive, forger.seal(UPDATE, HANDSHAKE))) is errors.UnexpectedMessage
    assert isinstance(failure(ends.client.update_keys), errors.TlsError)


@settings(max_examples=60, deadline=None, database=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from((0, 1)), st.sampled_from(("data", "update", "request", "carry", "read"))), max_size=60
    )
)
def test_any_order_of_updates_and_data_on_both_sides_loses_nothing(steps: list[tuple[int, str]]) -> None:
    ends = connected()
    sent, got = [bytearray(), bytearray()], [bytearray(), bytearray()]

    def read(who: int) -> None:
        while piece := ends[who].read():
            got[1 - who] += piece

    for number, (who, what) in enumerate(steps):
        if what == "data":
            ends[who].write(b"%d," % number)
            sent[who] += b"%d," % number
        elif what == "carry":
            carry(ends[who], ends[1 - who])
        elif what == "read":
            read(who)
        else:
            ends[who].update_keys(what == "request")
    for _ in range(4):
        for who in (0, 1):
            carry(ends[who], ends[1 - who])
            read(1 - who)
    assert got == sent
