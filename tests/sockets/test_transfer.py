"""Octets go through unchanged, in every way that a socket offers."""

import hashlib
import os
import threading

import pytest

from tests.sockets.conftest import Pair
from tlscore import TlsSocket, WantWriteError

MIB = 1024 * 1024
# What one receive of the system may bring, with what one record leaves over.
AHEAD = MIB


def receive_all(tls: TlsSocket, octets: int) -> bytes:
    data = b""
    while len(data) < octets:
        piece = tls.recv(octets - len(data))
        assert piece
        data += piece
    return data


@pytest.mark.parametrize("tcp", [False, True])
def test_socket_carries_ten_mebibytes_when_both_ends_write_at_once(pair: Pair, tcp: bool) -> None:
    ends = pair(tcp=tcp)
    data = os.urandom(10 * MIB)
    digests: list[str] = []

    def read(tls: TlsSocket) -> None:
        digest, buffer, left = hashlib.sha256(), memoryview(bytearray(100_000)), len(data)
        while left:
            octets = tls.recv_into(buffer)
            digest.update(buffer[:octets])
            left -= octets
        digests.append(digest.hexdigest())

    threads = [threading.Thread(target=read, args=(tls,)) for tls in ends]
    threads += [threading.Thread(target=tls.sendall, args=(data,)) for tls in ends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert digests == [hashlib.sha256(data).hexdigest()] * 2


def test_recv_gives_at_most_what_is_asked_for(pair: Pair) -> None:
    client, server = pair()
    client.sendall(b"0123456789")
    assert server.recv(4) == b"0123"
    assert server.pending() == 6
    assert server.recv(1000) == b"456789"
    assert server.pending() == 0


def test_recv_caps_one_result_when_asked_for_more(pair: Pair) -> None:
    client, server = pair()
    data = os.urandom(MIB)
    writer = threading.Thread(target=client.sendall, args=(data,))
    writer.start()
    received = server.recv(1 << 40)
    assert 0 < len(received) <= 256 * 1024
    assert received + receive_all(server, len(data) - len(received)) == data
    writer.join()


def test_recv_into_respects_nbytes(pair: Pair) -> None:
    client, server = pair()
    client.sendall(b"abcdef")
    buffer = bytearray(10)
    assert server.recv_into(buffer, 3) == 3
    assert buffer == b"abc" + bytes(7)
    assert server.recv_into(buffer) == 3
    assert buffer[:3] == b"def"


def test_recv_of_nothing_gives_nothing(pair: Pair) -> None:
    _, server = pair()
    assert server.recv(0) == b""
    assert server.recv_into(bytearray()) == 0
    with pytest.raises(ValueError, match="negative"):
        server.recv(-1)


def test_send_takes_everything_when_blocking(pair: Pair) -> None:
    client, server = pair()
    reader = threading.Thread(target=receive_all, args=(server, MIB))
    reader.start()
    assert client.send(bytes(MIB)) == MIB
    reader.join(10)
    assert not reader.is_alive()


def test_write_many_sends_one_stream(pair: Pair) -> None:
    client, server = pair()
    pieces: list[bytes | bytearray | memoryview] = [
        b"GET / HTTP/1.1\r\n",
        bytearray(b"Host: x\r\n"),
        memoryview(b"\r\n"),
    ]
    assert client.write_many(pieces) == 27
    # One record holds them all: one receive gives them all.
    assert server.recv(100) == b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("factory", [bytes, bytearray, memoryview])
def test_sendall_takes_any_buffer(pair: Pair, factory: type) -> None:
    client, server = pair()
    client.sendall(factory(b"hello"))
    client.sendall(factory(b""))
    assert server.recv(10) == b"hello"


def test_sendall_counts_octets_when_items_are_wider(pair: Pair) -> None:
    from array import array

    client, server = pair()
    values = array("I", range(1000))
    client.sendall(values)
    assert receive_all(server, 4000) == values.tobytes()


def test_thread_reads_while_another_writes_both_ways(pair: Pair) -> None:
    client, server = pair(tcp=True)

    def echo() -> None:
        buffer = memoryview(bytearray(65536))
        while octets := server.recv_into(buffer):
            server.sendall(buffer[:octets])

    echoer = threading.Thread(target=echo)
    data = os.urandom(4 * MIB)
    writer = threading.Thread(target=client.sendall, args=(data,))
    echoer.start()
    writer.start()
    assert receive_all(client, len(data)) == data
    writer.join()
    client.close()
    echoer.join(10)
    assert not echoer.is_alive()


def test_socket_tells_what_was_agreed(pair: Pair) -> None:
    client, server = pair()
    for tls in (client, server):
        assert tls.version == "TLSv1.3"
        assert tls.handshake_complete
        assert (tls.suite, tls.group, tls.alpn) == (tls.connection.suite, tls.connection.group, None)
        assert tls.server_name == "server.test"
    assert client.authenticated
    assert client.peer_identity is not None
    assert not server.authenticated
    assert server.peer_identity is None
    assert client.export_keying_material("label", b"", 32) == server.export_keying_material("label", b"", 32)
    assert client.channel_binding() == server.channel_binding()


def test_reader_answers_key_update_without_writing(pair: Pair) -> None:
    client, server = pair()
    client.connection.update_keys(request_peer=True)
    client.sendall(b"x")
    assert server.recv(1) == b"x"
    for tls in (server, client):
        tls.settimeout(0)
        with pytest.raises(BlockingIOError):
            tls.recv(1)
    # The server only read, and its answer left before it would have waited: one key update received.
    assert client.connection.counters[2] == 1


def test_socket_reads_no_more_ahead_than_one_buffer(pair: Pair) -> None:
    """A peer that sends without end fills the kernel's buffer and ours, and then waits."""
    client, server = pair()
    data = bytes(32 << 20)
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    received, ahead = 0, 0
    while received < 1000:
        received += len(server.recv(1))
        ahead = max(ahead, server.connection.buffered_wire + server.pending())
    while received < len(data):
        received += len(server.recv(1 << 20))
    sender.join(10)
    assert ahead <= AHEAD


def test_socket_queues_no_more_than_one_call_when_the_peer_does_not_read(pair: Pair) -> None:
    client, _ = pair()
    client.setblocking(False)
    data = bytes(65536)
    refused = 0
    while refused < 100:
        try:
            client.send(data)
        except WantWriteError:
            refused += 1
        assert client.connection.pending_wire <= client.connection.wire_size(len(data))
