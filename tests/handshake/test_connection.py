"""The connection as an object: alerts, ends of streams, closing, and one error for ever."""

import gc
import os
import threading

import pytest

from tests.support.peers import RawServer, failure, pair, pump
from tlscore import errors
from tlscore.events import AlertReceived, HandshakeCompleted, PeerClosed
from tlscore.iana import AlertDescription
from tlscore.wire import Extensions, NewSessionTicket


@pytest.fixture
def connected(client_config, issued):
    client = client_config.connection("example.org")
    raw = RawServer(issued, client).flight()
    client.receive(raw.wire())
    raw.complete(client.data_to_send())
    client.events()
    return client, raw


FATAL = [code for code in AlertDescription.codes() if code not in (0, 90)]


@pytest.mark.parametrize("level", [1, 2, 77])
@pytest.mark.parametrize("description", [*FATAL, 255], ids=AlertDescription.name_of)
def test_every_alert_is_fatal_whatever_its_level(connected, level, description):
    client, raw = connected
    raw.layer._send_alert(level, description)
    client.receive(raw.wire())
    error = failure(client.read)
    assert isinstance(error, errors.AlertError)
    assert error.sender == "peer"
    assert error.alert_received == error.alert == description
    assert error.alert_sent is None
    # Nothing is sent back.
    assert client.data_to_send() == b""
    assert failure(client.write, b"x") is error


@pytest.mark.parametrize("description", FATAL[:6], ids=AlertDescription.name_of)
def test_alert_during_the_handshake(client_config, issued, description):
    client = client_config.connection("example.org")
    raw = RawServer(issued, client)
    raw.layer._send_alert(2, description)
    error = failure(client.receive, raw.wire())
    assert error.alert_received == description
    assert error.stage == 6
    assert client.data_to_send() == b""


def test_user_canceled_is_reported_and_waits_for_close_notify(connected):
    client, raw = connected
    raw.layer._send_alert(1, 90)
    client.receive(raw.wire())
    assert client.events() == [AlertReceived(1, 90, "user_canceled")]
    client.write(b"still alive")
    raw.layer._close_write()
    client.receive(raw.wire())
    assert client.events() == [PeerClosed()]


def test_canceled_handshake(client_config, server_config):
    client, server = client_config.connection("example.org"), server_config.connection()
    server.receive(client.data_to_send())
    client.receive(server.data_to_send()[:200])
    client.close()
    error = failure(server.receive, client.data_to_send())
    assert type(error) is errors.TransportError
    assert "canceled" in str(error)
    assert type(failure(client.receive, b"")) is errors.ConnectionClosedError
    assert type(failure(client.write, b"x")) is errors.ConnectionClosedError


@pytest.mark.parametrize("role", ["client", "server"])
def test_close_notify_during_the_handshake_is_an_error(client_config, server_config, issued, role):
    if role == "client":
        connection = client_config.connection("example.org")
        raw = RawServer(issued, connection)
        raw.layer._close_write()
        wire = raw.wire()
    else:
        connection, wire = server_config.connection(), b"\x15\x03\x03\x00\x02\x01\x00"
    error = failure(connection.receive, wire)
    assert type(error) is errors.TransportError
    assert error.code == "TLS-CLOSED_IN_HANDSHAKE"


def test_data_after_close_notify_is_ignored(connected):
    client, raw = connected
    raw.layer.write(b"the end")
    raw.layer._close_write()
    client.receive(raw.wire() + b"\x17\x03\x03\x00\x20" + bytes(32))
    assert client.read() == b"the end"
    assert client.read() == b""
    assert client.events() == [PeerClosed()]
    client.eof()


# -- truncation --------------------------------------------------------------------------------------------------------


def test_truncation_is_an_error_at_every_cut(client_config, server_config):
    """Cut the stream to the client at every octet of a handshake, some data and close_notify."""
    client, server = pair(client_config, server_config)
    server.write(b"hello")
    server.close()
    tail = server.data_to_send()
    for cut in range(len(tail)):
        client, server = pair(client_config, server_config)
        server.write(b"hello")
        server.close()
        client.receive(server.data_to_send()[:cut])
        got = b""
        while chunk := client.read():
            got += chunk
        assert got in (b"", b"hello")
        error = failure(client.eof)
        assert type(error) is errors.TruncationError
        assert failure(client.read) is error


def test_eof_waits_until_the_data_is_read(connected):
    client, raw = connected
    raw.layer.write(b"last words")
    client.receive(raw.wire())
    client.eof()
    assert client.read() == b"last words"
    assert type(failure(client.eof)) is errors.TruncationError


@pytest.mark.parametrize("cut", [0, 1, 5, 60, 130, 400])
def test_eof_during_the_handshake_says_where(client_config, server_config, cut):
    client, server = client_config.connection("example.org"), server_config.connection()
    server.receive(client.data_to_send())
    client.receive(server.data_to_send()[:cut])
    error = failure(client.eof)
    assert type(error) is errors.TruncationError
    assert "during the handshake" in str(error)
    assert error.stage in (6, 8, 9)
    assert error.remedy
    # No alert; at most the change_cipher_spec that follows a ServerHello.
    assert client.data_to_send() in (b"", b"\x14\x03\x03\x00\x01\x01")


def test_eof_of_a_silent_client(server_config):
    server = server_config.connection()
    error = failure(server.eof)
    assert type(error) is errors.TruncationError
    assert "ClientHello" in str(error)
    assert error.stage == 3


# -- one error for ever ------------------------------------------------------------------------------------------------


def test_after_failure_every_call_raises_the_original_error(client_config, server_config):
    client, server = pair(client_config, server_config)
    client.write(b"data")
    wire = bytearray(client.data_to_send())
    wire[-1] ^= 1
    server.receive(bytes(wire))
    error = failure(server.read)
    assert type(error) is errors.BadRecordMac
    assert error.alert_sent == 20
    assert error.trace == server.trace
    buffer = bytearray(100)
    for call in (
        server.read,
        server.events,
        server.eof,
        server.close,
        server.update_keys,
        server.channel_binding,
        server.request_client_certificate,
        lambda: server.read_into(buffer),
        lambda: server.write(b"x"),
        lambda: server.write_many([b"x"]),
        lambda: server.write_into(b"x", buffer),
        lambda: server.receive(b"x"),
        lambda: server.export_keying_material("EXPORTER-x", b"", 32),
    ):
        assert failure(call) is error
    server.abort()
    assert not server.handshake_complete
    assert not server.authenticated
    assert server.peer_chain == ()
    client.receive(server.data_to_send())
    assert type(failure(client.read)) is errors.BadRecordMac


def test_original_error_does_not_grow(client_config, server_config):
    """Raised a thousand times it keeps one traceback's worth of frames, not a thousand."""
    client = client_config.connection("example.org")
    failure(client.receive, b"HTTP/1.1 400 Bad Request\r\n")
    error = client.error
    for _ in range(1000):
        failure(client.events)
    depth, traceback = 0, error.__traceback__
    while traceback is not None:
        depth, traceback = depth + 1, traceback.tb_next
    assert depth < 20


def test_plain_http_is_recognised(client_config):
    client = client_config.connection("example.org")
    error = failure(client.receive, b"HTTP/1.1 400 Bad Request\r\n")
    assert type(error) is errors.UnexpectedMessage
    assert "HTTP" in str(error)


def test_misuse_leaves_the_connection_alive(client_config, server_config):
    client = client_config.connection("example.org")
    for call in (client.read, lambda: client.write(b"x"), client.update_keys, client.channel_binding):
        assert type(failure(call)) is errors.HandshakeNotComplete
    server = server_config.connection()
    pump(client, server)
    assert client.handshake_complete
    assert type(failure(client.channel_binding, "tls-unique")) is errors.UsageError
    client.close()
    client.close()
    assert type(failure(client.write, b"x")) is errors.ConnectionClosedError
    assert client.error is None


def test_abort_sends_nothing_and_is_final(client_config, server_config):
    client, server = pair(client_config, server_config)
    client.abort()
    client.abort()
    assert client.data_to_send() == b""
    assert type(failure(client.write, b"x")) is errors.ConnectionClosedError
    assert type(failure(server.eof)) is errors.TruncationError


def test_errors_carry_stage_state_and_trace(client_config, issued):
    client = client_config.connection("example.org")
    raw = RawServer(issued, client)
    raw.send(b"\x14\x00\x00\x20" + bytes(32))
    error = failure(client.receive, raw.wire())
    assert error.stage == 6
    assert error.state == "ExpectServerHello"
    assert error.trace[0] == (2, "TLS is requested")
    assert error.code == "TLS-UNEXPECTED_MESSAGE"


def test_repr_shows_no_octets(client_config, server_config):
    client, _server = pair(client_config, server_config)
    assert repr(client) == "<Connection client ClientConnected TLSv1.3 TLS_AES_128_GCM_SHA256 x25519>"
    assert "ExpectClientHello" in repr(server_config.connection())


def test_connections_cannot_be_pickled_or_copied(client_config, server_config):
    import copy
    import pickle

    client, _ = pair(client_config, server_config)
    for call in (lambda: pickle.dumps(client), lambda: copy.copy(client), lambda: copy.deepcopy(client)):
        with pytest.raises(TypeError):
            call()


# -- fork, threads, memory ---------------------------------------------------------------------------------------------


def test_child_of_a_fork_cannot_use_the_connection(client_config, server_config):
    client, server = pair(client_config, server_config)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            outcome = [type(failure(call)).__name__ for call in (lambda: client.write(b"x"), client.read, client.close)]
            os.write(write, ",".join(outcome).encode())
        finally:
            os._exit(0)
    os.close(write)
    assert os.read(read, 1000) == b"ForkedConnectionError,ForkedConnectionError,ForkedConnectionError"
    os.close(read)
    os.waitpid(child, 0)
    client.write(b"the parent goes on")
    server.receive(client.data_to_send())
    assert server.read() == b"the parent goes on"


def test_one_thread_reads_while_another_writes(client_config, server_config):
    client, server = pair(client_config, server_config)
    rounds, wires, got = 2000, [], []

    def write():
        for number in range(rounds):
            server.write(b"%06d" % number)
            wires.append(server.data_to_send())
            if number % 100 == 0:
                server.update_keys(True)

    def read():
        taken = 0
        while taken < rounds * 6:
            while wires:
                server_side = wires.pop(0)
                client.receive(server_side)
            data = client.read()
            taken += len(data)
            got.append(data)

    threads = [threading.Thread(target=write), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert b"".join(got) == b"".join(b"%06d" % number for number in range(rounds))


def test_idle_connections_are_small(client_config, server_config):
    """Resident memory per connected pair, events read: at most 8 KiB an end."""

    def resident():
        gc.collect()
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def many(count):
        made = []
        for _ in range(count):
            client, server = pair(client_config, server_config)
            assert isinstance(client.events()[0], HandshakeCompleted)
            server.events()
            made.append((client, server))
        return made

    warm = many(200)
    before = resident()
    pairs = many(1000)
    per_end = (resident() - before) / 2000
    assert per_end < 8192, per_end
    del pairs, warm


# -- events ------------------------------------------------------------------------------------------------------------


def test_events_that_nobody_asks_for_do_not_pile_up(connected):
    client, raw = connected
    for number in range(40):
        for _ in range(20):
            raw.send(NewSessionTicket(number, 1, b"n", b"t", Extensions()))
        raw.layer.write(b"data")
        client.receive(raw.wire())
        assert client.read() == b"data"
    waiting = client.events()
    assert len(waiting) == 64
    assert waiting[-1].lifetime == 39


def test_failing_alert_does_not_hide_the_error(client_config, issued, monkeypatch):
    client = client_config.connection("example.org")
    client.data_to_send()

    def refuse(self, level, description):
        raise RuntimeError("cannot send")

    monkeypatch.setattr(type(client), "_send_alert", refuse)
    error = failure(client.receive, b"\x16\x03\x03\x00\x04\x14\x00\x00\x00")
    assert type(error) is errors.UnexpectedMessage
    assert error.alert_sent is None
    assert client.error is error
