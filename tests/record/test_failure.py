"""Rule 8: a fatal error ends the connection; its alert leaves protected, the keys go, later calls raise it again."""

import gc
import weakref
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from tests.support.forger import ALERT, logged
from tests.support.peers import failure
from tests.support.standing import carry, connected, fresh, records_of
from tlscore import errors
from tlscore.connection import Connection

GARBAGE = b"\x17\x03\x03\x00\x30" + bytes(48)


def every_call(conn: Connection) -> dict[str, Callable[[], object]]:
    buffer = bytearray(1000)
    return {
        "receive": lambda: conn.receive(b""),
        "read": conn.read,
        "read_into": lambda: conn.read_into(buffer),
        "write": lambda: conn.write(b"x"),
        "write_empty": lambda: conn.write(b""),
        "write_many": lambda: conn.write_many([b"x"]),
        "write_into": lambda: conn.write_into(b"x", buffer),
        "wire_size": lambda: conn.wire_size(1),
        "events": conn.events,
        "eof": conn.eof,
        "close": conn.close,
        "update_keys": conn.update_keys,
        "request_client_certificate": conn.request_client_certificate,
        "export_keying_material": lambda: conn.export_keying_material("label", b"", 16),
        "channel_binding": conn.channel_binding,
        "read_from": lambda: conn.read_from(0, buffer, 0),
        "send_to": lambda: conn.send_to(1, b"x", 0),
        "fill_from": lambda: conn.fill_from(0, 0),
    }


def broken() -> tuple[Connection, Connection, errors.TlsError]:
    """A server that has failed on a bad record, its client, and the error."""
    client, server = connected()
    server.receive(GARBAGE)
    error = failure(server.read)
    assert isinstance(error, errors.BadRecordMac)
    return client, server, error


def test_every_call_raises_the_very_same_error() -> None:
    _, server, error = broken()
    for _ in range(2):
        for name, call in every_call(server).items():
            assert failure(call) is error, name
    assert server.error is error
    assert server.closed
    assert not server.handshake_complete
    assert not server.authenticated


def test_every_call_raises_the_very_same_error_after_a_failed_handshake() -> None:
    client, _ = fresh()
    client.data_to_send()
    error = failure(client.receive, b"\x16\x03\x03\x00\x04\x63\0\0\0")
    assert isinstance(error, errors.UnexpectedMessage)
    for name, call in every_call(client).items():
        assert failure(call) is error, name


def test_alert_leaves_protected_and_the_peer_sees_exactly_it() -> None:
    ends = logged()
    ends.server.receive(GARBAGE)
    failure(ends.server.read)
    assert ends.server.error is not None
    assert ends.server.error.alert_sent == 20
    wire = ends.server.data_to_send()
    (record,) = records_of(wire)
    assert ends.as_server().open(record) == (ALERT, b"\x02\x14", 0)
    ends.client.receive(wire)
    error = failure(ends.client.events)
    assert type(error) is errors.BadRecordMac
    assert (error.sender, error.alert_received, error.alert_sent) == ("peer", 20, None)


@pytest.mark.parametrize("reading", ["read", "read_into", "events", "eof"])
def test_bad_record_is_found_by_whatever_call_opens_it(reading: str) -> None:
    _, server = connected()
    server.receive(GARBAGE)
    call = {"read_into": lambda: server.read_into(bytearray(9))}.get(reading) or getattr(server, reading)
    assert isinstance(failure(call), errors.BadRecordMac)


def test_alert_during_the_handshake_leaves_protected_once_there_are_keys() -> None:
    client, server = fresh()
    carry(client, server)
    flight = bytearray(server.data_to_send())
    flight[-1] ^= 1
    assert isinstance(failure(client.receive, bytes(flight)), errors.BadRecordMac)
    alert = records_of(client.data_to_send())[-1]
    assert alert[0] == 23
    failure(server.receive, alert)
    assert type(server.error) is errors.BadRecordMac
    assert server.error.sender == "peer"


def test_data_that_was_opened_before_the_bad_record_is_delivered_and_nothing_after_it() -> None:
    client, server = connected()
    client.write(b"good")
    wire = client.data_to_send()
    client.write(b"never delivered")
    bad = bytearray(client.data_to_send())
    bad[-1] ^= 1
    client.write(b"nor this")
    server.receive(wire + bytes(bad) + client.data_to_send())
    assert server.read() == b"good"
    error = failure(server.read)
    assert isinstance(error, errors.BadRecordMac)
    assert failure(server.read) is error


def test_bad_tag_and_bad_padding_and_short_record_are_told_apart_by_nothing_before_authentication() -> None:
    texts = set()
    for octets in (17, 18, 48, 300):
        _, server = connected()
        server.receive(b"\x17\x03\x03" + octets.to_bytes(2, "big") + bytes(octets))
        error = failure(server.read)
        texts.add((type(error), str(error)))
    assert len(texts) == 1


def test_receiver_of_a_fatal_alert_answers_nothing_and_is_dead() -> None:
    client, server, _ = broken()
    carry(server, client)
    error = failure(client.read)
    assert client.data_to_send() == b""
    assert failure(client.write, b"x") is error


def test_alert_waits_behind_records_that_were_sealed_before() -> None:
    client, server = connected()
    server.write(b"sealed before")
    server.receive(GARBAGE)
    failure(server.read)
    client.receive(server.data_to_send())
    assert client.read() == b"sealed before"
    assert isinstance(failure(client.read), errors.BadRecordMac)


def test_nothing_is_left_of_the_keys() -> None:
    _, server, _ = broken()
    assert server.counters[:2] == (0, 0)
    assert server.buffered_wire == 0
    server.data_to_send()
    assert server.data_to_send() == b""


def test_error_that_is_raised_again_and_again_does_not_grow() -> None:
    _, server, error = broken()
    for call in (server.read, server.events, server.close):
        for _ in range(200):
            failure(call)
    depth, entry = 0, error.__traceback__
    while entry is not None:
        depth, entry = depth + 1, entry.tb_next
    assert depth < 20


def test_failed_connection_is_collected() -> None:
    def fail() -> "weakref.ref[Connection]":
        # As a caller does it: the connection is a local name of a frame in the traceback of its error.
        _, server = connected()
        with suppress(errors.TlsError):
            server.receive(GARBAGE)
            server.read()
        return weakref.ref(server)

    def fail_early() -> "weakref.ref[Connection]":
        _, server = fresh()
        with suppress(errors.TlsError):
            server.receive(b"GET / HTTP/1.1\r\n")
        return weakref.ref(server)

    for make in (fail, fail_early):
        seen = make()
        gc.collect()
        assert seen() is None, make.__name__


def test_misuse_leaves_the_connection_alive() -> None:
    client, server = fresh()
    assert isinstance(failure(client.write, b"x"), errors.HandshakeNotComplete)
    assert isinstance(failure(client.read), errors.HandshakeNotComplete)
    for _ in range(3):
        carry(client, server)
        carry(server, client)
    failure(client.write_into, b"x" * 1000, bytearray(10))
    client.write(b"alive")
    carry(client, server)
    assert server.read() == b"alive"


def test_exception_of_a_callback_is_an_error_and_never_consent() -> None:
    class Boom(Exception):
        pass

    def clock() -> object:
        raise Boom

    client, server = fresh({"clock": clock})
    carry(client, server)
    error = failure(client.receive, server.data_to_send())
    assert isinstance(error, errors.AlertError)
    assert "Boom" in str(error)
    failure(server.receive, client.data_to_send())
    assert server.error is not None
    assert server.error.alert_received == error.alert_sent == error.alert


def test_keyboard_interrupt_inside_a_callback_ends_the_connection_and_comes_through() -> None:
    calls = []

    def clock() -> object:
        calls.append(1)
        if len(calls) > 1:  # the first question is that of the configuration
            raise KeyboardInterrupt
        return datetime.now(UTC)

    client, server = fresh({"clock": clock})
    carry(client, server)
    with pytest.raises(KeyboardInterrupt):
        client.receive(server.data_to_send())
    assert client.closed
    assert not client.authenticated
    assert failure(client.write, b"x") is client.error
