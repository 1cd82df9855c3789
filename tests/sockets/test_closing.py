"""Ends of a connection: orderly, half, broken, and of a process that forked."""

import gc
import os
import pickle
import socket
import threading
import time
from contextlib import ExitStack

import pytest

from tests.sockets.conftest import NAME, Configs, Pair, tcp_pair
from tlscore import TlsError, TransportError, TruncationError, errors
from tlscore.sockets import wrap_client


def test_close_sends_close_notify(pair: Pair) -> None:
    client, server = pair()
    client.sendall(b"last")
    client.close()
    assert server.recv(10) == b"last"
    assert server.recv(10) == b""
    assert server.recv(10) == b""


def test_reading_goes_on_after_half_close(pair: Pair) -> None:
    client, server = pair()
    client.sendall(b"request")
    client.shutdown(socket.SHUT_WR)
    assert server.recv(10) == b"request"
    assert server.recv(10) == b""
    data = os.urandom(10 << 20)
    writer = threading.Thread(target=server.sendall, args=(data,))
    writer.start()
    received = bytearray()
    while len(received) < len(data):
        received += client.recv(1 << 20)
    assert received == data
    writer.join()
    with pytest.raises(errors.ConnectionClosedError):
        client.sendall(b"more")


def test_half_close_ends_the_stream_below_when_asked(pair: Pair) -> None:
    client, server = pair(tcp=True)
    client.shutdown(socket.SHUT_WR, transport=True)
    assert server.recv(10) == b""
    server.sendall(b"answer")
    assert client.recv(10) == b"answer"


def test_shutdown_refuses_an_unknown_direction(pair: Pair) -> None:
    client, _ = pair()
    with pytest.raises(ValueError, match="SHUT_RD"):
        client.shutdown(7)


def test_stream_end_without_close_notify_is_truncation(pair: Pair) -> None:
    client, server = pair()
    client.sendall(b"half a")
    client._sock.shutdown(socket.SHUT_RDWR)
    assert server.recv(100) == b"half a"
    with pytest.raises(TruncationError) as caught:
        server.recv(100)
    with pytest.raises(TruncationError) as again:
        server.recv(100)
    assert again.value is caught.value


def test_abort_looks_like_truncation(pair: Pair) -> None:
    client, server = pair()
    client.abort()
    with pytest.raises(TruncationError):
        server.recv(100)


def test_context_manager_hides_no_failure_from_the_peer(pair: Pair) -> None:
    client, server = pair()
    with pytest.raises(KeyError), client:
        raise KeyError
    with pytest.raises(TruncationError):
        server.recv(1)


def test_reset_is_a_typed_error(pair: Pair) -> None:
    client, server = pair(tcp=True)
    linger = b"\x01\0\0\0\0\0\0\0"
    client._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    client._sock.close()
    with pytest.raises(TransportError) as caught:
        server.recv(1)
    assert isinstance(caught.value.__cause__, OSError)


def test_write_after_reset_is_a_typed_error(pair: Pair) -> None:
    client, server = pair(tcp=True)
    client._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client._sock.close()
    with pytest.raises(TransportError):
        server.sendall(bytes(100 << 20))


def test_calls_after_close_are_refused(pair: Pair) -> None:
    client, _ = pair()
    client.close()
    client.close()
    for call in (lambda: client.recv(1), lambda: client.sendall(b"x"), client.do_handshake, lambda: client.send(b"x")):
        with pytest.raises(errors.ConnectionClosedError):
            call()
    assert client.fileno() == -1


def test_close_never_hangs_when_the_peer_does_not_read(pair: Pair) -> None:
    client, _ = pair()
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.sendall(bytes(64 << 20))
    client.setblocking(True)
    start = time.monotonic()
    client.close()
    assert time.monotonic() - start < 3


def test_data_arrives_when_the_sender_closes_with_unread_data(pair: Pair) -> None:
    """Closing with unread octets would reset the stream and destroy what was just sent."""
    client, server = pair(tcp=True)
    server.sendall(b"never read by the client")
    time.sleep(0.05)
    client.sendall(b"important")
    client.close()
    time.sleep(0.05)
    assert server.recv(100) == b"important"
    assert server.recv(100) == b""


def test_alert_reaches_the_peer_when_verification_fails(configs: Configs, resources: ExitStack) -> None:
    from tests.support.certificates import make_ca
    from tlscore import ClientConfig, TrustStore
    from tlscore.sockets import wrap_server

    stranger = ClientConfig.simple(trust=TrustStore.from_bytes(make_ca("Stranger").pem))
    one, two = tcp_pair()
    client = wrap_client(one, stranger, NAME, do_handshake=False)
    server = wrap_server(two, configs.server, do_handshake=False)
    resources.callback(client.close)
    resources.callback(server.close)
    failures: list[TlsError] = []

    def serve() -> None:
        try:
            server.do_handshake()
        except TlsError as error:
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(errors.UnknownCa) as caught:
        client.do_handshake()
    thread.join(10)
    assert caught.value.sender == "us"
    assert isinstance(failures[0], errors.UnknownCa)
    assert failures[0].sender == "peer"


def test_plaintext_peer_is_refused(configs: Configs, resources: ExitStack) -> None:
    one, two = socket.socketpair()
    resources.callback(two.close)
    two.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    client = wrap_client(one, configs.client, NAME, do_handshake=False)
    resources.callback(client.close)
    with pytest.raises(errors.AlertError):
        client.do_handshake()


def test_fork_leaves_the_parent_alone(pair: Pair) -> None:
    client, server = pair(tcp=True)
    child = os.fork()
    if not child:
        try:
            client.sendall(b"from the child")
        except errors.ForkedConnectionError:
            client.close()
            os._exit(7)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
    client.sendall(b"from the parent")
    assert server.recv(100) == b"from the parent"


def test_socket_is_not_pickled(pair: Pair) -> None:
    client, _ = pair()
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(client)


def test_descriptors_are_all_closed(configs: Configs) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    gc.collect()
    before = descriptors()
    for _ in range(20):
        one, two = socket.socketpair()
        two.close()
        with pytest.raises(TransportError):
            wrap_client(one, configs.client, NAME)
    assert descriptors() == before
