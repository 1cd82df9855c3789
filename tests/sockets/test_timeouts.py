"""Timeouts, non-blocking calls and the deadline of the handshake."""

import socket
import threading
import time
from contextlib import ExitStack

import pytest

from tests.sockets.conftest import NAME, Configs, Pair
from tlscore import HandshakeTimeout, TlsError, TlsSocket, WantReadError, WantWriteError, errors
from tlscore.sockets import wrap_client, wrap_server


def test_recv_times_out_and_goes_on_afterwards(pair: Pair) -> None:
    client, server = pair()
    server.settimeout(0.05)
    with pytest.raises(TimeoutError) as caught:
        server.recv(1)
    assert isinstance(caught.value, TlsError)
    client.sendall(b"late")
    assert server.recv(10) == b"late"


def test_sendall_times_out_when_the_peer_does_not_read(pair: Pair) -> None:
    client, _ = pair()
    client.settimeout(0.1)
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        client.sendall(bytes(64 << 20))
    assert time.monotonic() - start < 5


def test_recv_wants_read_when_non_blocking(pair: Pair) -> None:
    client, server = pair()
    server.setblocking(False)
    assert server.gettimeout() == 0
    assert not server.getblocking()
    with pytest.raises(WantReadError) as caught:
        server.recv(1)
    assert isinstance(caught.value, BlockingIOError)
    client.sendall(b"now")
    assert server.recv(10) == b"now"


def test_send_wants_write_and_loses_nothing_when_non_blocking(pair: Pair) -> None:
    client, server = pair()
    client.setblocking(False)
    data = bytes(range(256)) * 40_000
    received = bytearray()
    done = threading.Event()

    def read() -> None:
        done.wait(10)
        while len(received) < len(data):
            received.extend(server.recv(1 << 20))

    reader = threading.Thread(target=read)
    reader.start()
    sent, refusals = 0, 0
    while sent < len(data):
        try:
            sent += client.send(memoryview(data)[sent:])
        except WantWriteError:
            refusals += 1
            done.set()
            time.sleep(0.001)
    while True:
        try:
            client.flush()
            break
        except WantWriteError:
            time.sleep(0.001)
    reader.join(10)
    assert refusals
    assert bytes(received) == data


def test_other_data_after_want_write_is_refused(pair: Pair) -> None:
    client, server = pair()
    client.setblocking(False)
    sent = 0
    with pytest.raises(WantWriteError):  # noqa: PT012
        while True:
            sent += client.send(b"A" * 16384)
    received = bytearray(server.recv(1 << 20))
    for call in (client.send, client.sendall):
        with pytest.raises(errors.UsageError) as caught:
            call(b"B" * 10)
        assert caught.value.code == "TLS-BAD_LENGTH"
        assert not isinstance(caught.value, WantWriteError)
    client.setblocking(True)
    thread = threading.Thread(target=lambda: (client.sendall(b"A" * 16384), client.sendall(b"B" * 10), client.close()))
    thread.start()
    while piece := server.recv(1 << 20):
        received += piece
    thread.join(10)
    assert received == b"A" * (sent + 16384) + b"B" * 10


def test_sendall_raises_when_non_blocking_and_full(pair: Pair) -> None:
    client, _ = pair()
    client.settimeout(0)
    with pytest.raises(WantWriteError):
        client.sendall(bytes(64 << 20))


def test_handshake_runs_when_both_ends_are_non_blocking(configs: Configs, resources: ExitStack) -> None:
    one, two = socket.socketpair()
    one.setblocking(False)
    two.setblocking(False)
    client = resources.enter_context(wrap_client(one, configs.client, NAME))
    server = resources.enter_context(wrap_server(two, configs.server))
    assert not client.handshake_complete
    waiting = [client, server]
    for _ in range(20):
        for tls in list(waiting):
            try:
                tls.do_handshake()
                waiting.remove(tls)
            except WantReadError:
                pass
        if not waiting:
            break
    assert client.handshake_complete
    assert server.handshake_complete
    client.sendall(b"hi")
    assert server.recv(2) == b"hi"


def test_handshake_ends_at_its_deadline_when_the_peer_is_silent(configs: Configs, resources: ExitStack) -> None:
    one, two = socket.socketpair()
    resources.callback(two.close)
    client = wrap_client(one, configs.client.replace(handshake_timeout=0.2), NAME, do_handshake=False)
    resources.callback(client.close)
    start = time.monotonic()
    with pytest.raises(HandshakeTimeout) as caught:
        client.do_handshake()
    assert 0.15 < time.monotonic() - start < 2
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.stage is not None
    assert "within 0.2 seconds: the last step was 5, the client waits for the server" in str(caught.value)
    with pytest.raises(HandshakeTimeout) as again:
        client.recv(1)
    assert again.value is caught.value


def test_handshake_ends_at_its_deadline_when_the_peer_drips(configs: Configs, resources: ExitStack) -> None:
    """One octet a time renews a timeout per read, and not a deadline."""
    one, two = socket.socketpair()
    resources.callback(one.close)
    stop = threading.Event()

    def drip() -> None:
        for octet in b"\x16\x03\x01\x40\x00" + bytes(10_000):
            if stop.wait(0.02):
                return
            one.send(bytes([octet]))

    dripper = threading.Thread(target=drip)
    dripper.start()
    try:
        server = wrap_server(two, configs.server.replace(handshake_timeout=0.3), do_handshake=False)
        resources.callback(server.close)
        start = time.monotonic()
        with pytest.raises((HandshakeTimeout, errors.AlertError)):
            server.do_handshake()
        assert time.monotonic() - start < 2
    finally:
        stop.set()
        dripper.join()


def test_timeout_of_a_server_says_that_no_hello_came(configs: Configs, resources: ExitStack) -> None:
    one, two = socket.socketpair()
    resources.callback(one.close)
    two.settimeout(0.1)
    server = wrap_server(two, configs.server, do_handshake=False)
    resources.callback(server.close)
    # The socket's own timeout is the shorter one here.
    with pytest.raises(HandshakeTimeout, match=r"within 0\.1 seconds: no whole ClientHello came"):
        server.do_handshake()


def test_handshake_ends_at_its_deadline_when_non_blocking(configs: Configs, resources: ExitStack) -> None:
    one, two = socket.socketpair()
    resources.callback(two.close)
    one.setblocking(False)
    client = wrap_client(one, configs.client.replace(handshake_timeout=0.1), NAME)
    resources.callback(client.close)
    with pytest.raises(WantReadError):
        client.do_handshake()
    time.sleep(0.15)
    with pytest.raises(HandshakeTimeout):
        client.do_handshake()


def test_settimeout_refuses_negative_seconds(pair: Pair) -> None:
    client, _ = pair()
    with pytest.raises(ValueError, match="negative"):
        client.settimeout(-1)


def test_socket_keeps_the_timeout_of_what_it_wraps(configs: Configs, resources: ExitStack) -> None:
    one, two = socket.socketpair()
    resources.callback(two.close)
    one.settimeout(3.5)
    client = wrap_client(one, configs.client, NAME, do_handshake=False)
    resources.callback(client.close)
    assert client.gettimeout() == 3.5


def test_reader_wakes_when_another_thread_closes(pair: Pair) -> None:
    client, _ = pair()
    client.settimeout(None)
    caught: list[BaseException] = []

    def read(tls: TlsSocket) -> None:
        try:
            tls.recv(1)
        except BaseException as error:
            caught.append(error)

    reader = threading.Thread(target=read, args=(client,))
    reader.start()
    time.sleep(0.1)
    client.close()
    reader.join(5)
    assert not reader.is_alive()
    assert client.fileno() == -1
    assert isinstance(caught[0], TlsError)
