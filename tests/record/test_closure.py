"""Rule 10 and RFC 9846 6.1: how a connection ends. Only an authenticated close_notify is the end of data."""

import pytest

from tests.support.forger import ALERT, DATA, HANDSHAKE, logged
from tests.support.peers import failure
from tests.support.standing import carry, connected, fresh, pattern
from tlscore import errors
from tlscore.connection import Connection
from tlscore.events import AlertReceived, PeerClosed


def three_records(sender: Connection) -> bytes:
    for size in (1, 20, 3):
        sender.write(b"x" * size)
    return sender.data_to_send()


@pytest.mark.parametrize("receiver", ["client", "server"])
def test_end_of_stream_at_every_octet_of_records_is_truncation(receiver: str) -> None:
    client, server = connected()
    whole = len(three_records(client if receiver == "server" else server))
    for cut in range(whole + 1):
        client, server = connected()
        sender, reader = (client, server) if receiver == "server" else (server, client)
        reader.receive(three_records(sender)[:cut])
        while reader.read():
            pass
        error = failure(reader.eof)
        assert type(error) is errors.TruncationError, cut
        assert failure(reader.read) is error
        assert not reader.peer_closed


def test_truncation_is_told_only_when_the_data_before_it_is_read() -> None:
    client, server = connected()
    client.write(b"before the cut")
    carry(client, server)
    server.eof()
    assert server.read() == b"before the cut"
    assert type(failure(server.eof)) is errors.TruncationError


def test_end_of_stream_after_close_notify_is_clean() -> None:
    client, server = connected()
    client.write(b"all")
    client.close()
    carry(client, server)
    server.eof()
    assert server.read() == b"all"
    server.eof()
    assert server.read() == b""
    assert server.peer_closed
    assert server.error is None


def test_every_cut_inside_close_notify_is_truncation() -> None:
    client, _ = connected()
    client.close()
    for cut in range(len(client.data_to_send())):
        client, server = connected()
        client.close()
        server.receive(client.data_to_send()[:cut])
        assert type(failure(server.eof)) is errors.TruncationError, cut


def test_data_after_close_notify_is_ignored() -> None:
    # RFC 9846 6.1: "Any data received after a closure alert has been received MUST be ignored."
    for late in (b"", b"late", b"\xff" * 100):
        ends = logged()
        forger = ends.as_client()
        wire = forger.seal(b"data") + forger.seal(b"\x01\x00", ALERT)
        ends.server.receive(wire + forger.seal(b"ignored") + late)
        assert ends.server.read() == b"data"
        assert ends.server.read() == b""
        ends.server.receive(late)
        assert ends.server.read() == b""
        assert ends.server.error is None
        assert [type(event) for event in ends.server.events()] == [PeerClosed]


def test_half_close_lets_the_other_direction_go_on() -> None:
    client, server = connected()
    client.close()
    carry(client, server)
    assert server.read() == b""
    data = pattern(10 << 20)
    got = bytearray()
    for at in range(0, len(data), 1 << 20):
        server.write(data[at : at + (1 << 20)])
        carry(server, client)
        while piece := client.read():
            got += piece
    assert got == data
    assert not client.closed
    server.close()
    carry(server, client)
    assert client.read() == b""
    assert client.closed
    assert server.closed


def test_close_is_idempotent_and_nothing_can_be_written_after_it() -> None:
    client, server = connected()
    client.close()
    first = client.data_to_send()
    client.close()
    assert first
    assert client.data_to_send() == b""
    for call in (client.write, client.write_many):
        error = failure(call, [b"x"] if call == client.write_many else b"x")
        assert isinstance(error, errors.ConnectionClosedError)
    assert isinstance(failure(client.update_keys), errors.ConnectionClosedError)
    server.receive(first)
    server.write(b"still read")
    carry(server, client)
    assert client.read() == b"still read"


def test_key_update_request_after_our_close_is_taken_and_not_answered() -> None:
    client, server = connected()
    client.close()
    carry(client, server)
    server.update_keys(True)
    server.write(b"new keys")
    carry(server, client)
    assert client.read() == b"new keys"
    assert client.data_to_send() == b""


def test_user_canceled_is_reported_and_reading_goes_on() -> None:
    # RFC 9846 6.1: "Receiving implementations SHOULD continue to read data from the peer until a "close_notify" is
    # received"
    for level in (1, 2):
        ends = logged()
        forger = ends.as_client()
        ends.server.receive(forger.seal(bytes((level, 90)), ALERT) + forger.seal(b"still here"))
        (event,) = ends.server.events()
        assert isinstance(event, AlertReceived)
        assert event.name == "user_canceled"
        assert ends.server.read() == b"still here"


@pytest.mark.parametrize("level", [0, 1, 2, 255])
@pytest.mark.parametrize("description", [10, 20, 40, 41, 46, 60, 99, 100, 111, 200, 255])
def test_every_other_alert_is_fatal_whatever_its_level(level: int, description: int) -> None:
    # RFC 9846 6.2: "All alerts defined below in this section, as well as all unknown alerts, are universally considered
    # fatal as of TLS 1.3"
    ends = logged()
    ends.server.receive(ends.as_client().seal(bytes((level, description)), ALERT))
    error = failure(ends.server.read)
    assert isinstance(error, errors.AlertError)
    assert (error.sender, error.alert_received) == ("peer", description)
    assert str(description) in str(error)
    assert failure(ends.server.write, b"x") is error
    assert ends.server.data_to_send() == b""


@pytest.mark.parametrize("level", [1, 2, 77])
def test_close_notify_is_a_closure_whatever_its_level(level: int) -> None:
    ends = logged()
    ends.server.receive(ends.as_client().seal(bytes((level, 0)), ALERT))
    assert ends.server.read() == b""
    assert ends.server.peer_closed


@pytest.mark.parametrize("content", [b"", b"\x02", b"\x02\x28\x02\x28", b"\x01\x00\x00"])
def test_alert_record_holds_exactly_one_alert(content: bytes) -> None:
    ends = logged()
    ends.server.receive(ends.as_client().seal(content, ALERT))
    assert type(failure(ends.server.read)) is errors.DecodeError


@pytest.mark.parametrize("content", [b"", b"\x02", b"\x02\x28\x02\x28"])
@pytest.mark.parametrize("role", ["client", "server"])
def test_alert_in_the_clear_holds_exactly_one_alert_too(content: bytes, role: str) -> None:
    client, server = fresh()
    end = client if role == "client" else server
    assert isinstance(
        failure(end.receive, b"\x15\x03\x03" + len(content).to_bytes(2, "big") + content), errors.DecodeError
    )


def test_alert_inside_a_handshake_message_is_refused() -> None:
    ends = logged()
    forger = ends.as_server()
    ends.client.receive(forger.seal(b"\x04\x00\x00\x20\x00", HANDSHAKE) + forger.seal(b"\x01\x00", ALERT))
    assert type(failure(ends.client.read)) is errors.UnexpectedMessage
    assert not ends.client.peer_closed


def test_data_inside_a_handshake_message_is_refused() -> None:
    ends = logged()
    forger = ends.as_server()
    ends.client.receive(forger.seal(b"\x04\x00\x00\x20\x00", HANDSHAKE) + forger.seal(b"data", DATA))
    assert type(failure(ends.client.read)) is errors.UnexpectedMessage


def test_abort_sends_nothing_and_the_peer_sees_truncation() -> None:
    client, server = connected()
    client.abort()
    assert client.data_to_send() == b""
    assert isinstance(failure(client.write, b"x"), errors.ConnectionClosedError)
    assert type(failure(server.eof)) is errors.TruncationError
