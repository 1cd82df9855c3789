"""Streams that are cut, broken, or stand still: every one ends with a typed error in time, and touches nobody else."""

import asyncio
import os
import socket
from typing import Any

import pytest

from tests.aio.conftest import (
    NAME,
    Configs,
    connect,
    echo,
    pair,
    part,
    port_of,
    run,
    serve,
    socket_pair,
    standstill,
    until,
)
from tests.aio.test_protocols import Recording
from tlscore import AlertError, HandshakeTimeout, TransportError, TruncationError, aio
from tlscore.aio.opening import over_socket
from tlscore.aio.terms import Terms
from tlscore.connection import Connection
from tlscore.errors import BadRecordMac, OperationTimeout

RECORDS = (b"first", os.urandom(1000), b"third")


class Cut:
    """A peer in memory behind one end of a socket pair, that sends `octets` octets and then ends the stream."""

    def __init__(self, connection: Connection, sock: socket.socket, octets: int) -> None:
        self.connection, self.sock, self.left = connection, sock, octets
        self.sent = 0
        self.complete = False

    async def play(self) -> None:
        loop = asyncio.get_running_loop()
        while self.left > 0:
            wire = self.connection.data_to_send()
            if self.connection.handshake_complete:
                for record in RECORDS:
                    self.connection.write(record)
                wire += self.connection.data_to_send()
                self.complete = len(wire) <= self.left
                await self._send(wire)
                break
            await self._send(wire)
            if self.left <= 0:
                break
            received = await loop.sock_recv(self.sock, 65536)
            if not received:
                break
            self.connection.receive(received)
        self.sock.shutdown(socket.SHUT_WR)
        # What is left unread would make the kernel answer with a reset.
        while await loop.sock_recv(self.sock, 65536):
            pass

    async def _send(self, wire: bytes) -> None:
        piece = wire[: self.left]
        self.left -= len(piece)
        self.sent += len(piece)
        await asyncio.get_running_loop().sock_sendall(self.sock, piece)


async def cut_after(configs: Configs, role: str, octets: int) -> tuple[Recording | None, BaseException | None, Cut]:
    """Run an asyncio end of `role` against a peer that is cut: (protocol if the handshake ended, error, peer)."""
    one, two = socket_pair()
    peer = configs.server.connection() if role == "client" else configs.client.connection(NAME)
    cut = Cut(peer, two, octets)
    playing = asyncio.ensure_future(cut.play())
    made: list[Recording] = []
    try:
        if role == "client":
            _, protocol = await aio.create_connection(Recording, config=configs.client, sock=one, server_name=NAME)
        else:
            protocol = Recording()
            await over_socket(asyncio.get_running_loop(), one, Terms(configs.server, "server"), protocol)
        made.append(protocol)
        error = await protocol.lost
    except TransportError as failure:
        error = failure
    await playing
    two.close()
    return (made[0] if made else None), error, cut


@pytest.mark.parametrize("role", ["client", "server"])
def test_cut_at_every_octet_is_truncation(configs: Configs, role: str) -> None:
    """RFC 9846 6.1: whatever octet of handshake or data is the last, it is never taken for the end of the data."""
    configs = Configs(
        configs.client.replace(groups=("x25519",)), configs.server.replace(groups=("x25519",)), configs.authority
    )
    handshakes: list[int] = []

    async def main() -> None:
        _, _, whole = await cut_after(configs, role, 1 << 20)
        assert whole.complete
        for octets in range(whole.sent):
            protocol, error, cut = await cut_after(configs, role, octets)
            assert isinstance(error, TruncationError), (octets, error)
            assert cut.sent <= octets
            if protocol is None:
                handshakes.append(octets)
            else:
                # What came before the cut is authentic, and whole records of it.
                wholes = [b"".join(RECORDS[:count]) for count in range(4 if cut.complete else 3)]
                assert bytes(protocol.received) in wholes

    run(main())
    assert len(handshakes) > 200


def test_flights_in_single_octets_complete(configs: Configs) -> None:
    async def main() -> None:
        one, two = socket_pair()
        loop = asyncio.get_running_loop()
        peer = configs.server.connection()

        async def drip() -> None:
            while not peer.handshake_complete:
                for octet in peer.data_to_send():
                    await loop.sock_sendall(two, bytes([octet]))
                    await asyncio.sleep(0)
                peer.receive(await loop.sock_recv(two, 65536))
            for octet in peer.data_to_send() + (peer.write(b"done") and peer.data_to_send()):
                await loop.sock_sendall(two, bytes([octet]))

        dripping = asyncio.ensure_future(drip())
        reader, writer = await aio.open_connection(config=configs.client, sock=one, server_name=NAME)
        assert await reader.readexactly(4) == b"done"
        await dripping
        writer.transport.abort()
        two.close()

    run(main())


def test_silent_and_dripping_clients_are_gone_at_the_deadline_and_delay_nobody(configs: Configs) -> None:
    refused: list[BaseException] = []

    async def main() -> None:
        options = {"handshake_timeout": 2.0, "refused": lambda error, address: refused.append(error)}
        async with await serve(echo, configs.server, **options) as server:
            loop = asyncio.get_running_loop()
            hello = configs.client.connection(NAME).data_to_send()
            slow = []
            for number in range(60):
                sock = socket.socket()
                sock.setblocking(False)
                await loop.sock_connect(sock, ("127.0.0.1", port_of(server)))
                if number % 3:
                    await loop.sock_sendall(sock, hello[: 5 + number * 20])
                slow.append(sock)
            dripping = asyncio.ensure_future(drip(slow, hello))
            for _ in range(20):
                reader, writer = await connect(server, configs.client)
                writer.write(b"honest")
                assert await reader.readexactly(6) == b"honest"
                await part(writer)
            for sock in slow:
                while await drained(loop, sock):
                    pass
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)
            for sock in slow:
                sock.close()
            await until(lambda: server.connections == 0)

    async def drained(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> bytes:
        try:
            return await loop.sock_recv(sock, 65536)
        except ConnectionError:
            return b""

    async def drip(socks: list[socket.socket], hello: bytes) -> None:
        while True:
            for sock in socks[::3]:
                try:
                    sock.send(hello[:1])
                except OSError:
                    continue
            await asyncio.sleep(0.02)

    run(main())
    assert len(refused) == 60
    # A dripped octet may come when the socket is closed already: its kernel's answer is a reset.
    assert all(isinstance(error, (HandshakeTimeout, TransportError)) for error in refused)
    assert sum(isinstance(error, HandshakeTimeout) for error in refused) == 60


def test_handshake_deadline_tells_how_far_it_came(configs: Configs) -> None:
    async def main() -> None:
        one, two = socket_pair()
        with pytest.raises(HandshakeTimeout, match="the last step was 5"):
            await aio.open_connection(config=configs.client, sock=one, server_name=NAME, handshake_timeout=0.05)
        # The peer is told: user_canceled and close_notify are no part of a timeout; the stream ends.
        assert two.recv(65536)[:1] == b"\x16"
        assert two.recv(65536) == b""
        two.close()

    run(main())


def test_configuration_has_the_deadline_where_the_call_has_none(configs: Configs) -> None:
    async def main() -> None:
        one, two = socket_pair()
        config = configs.client.replace(handshake_timeout=0.05)
        with pytest.raises(HandshakeTimeout, match=r"0\.05 seconds"):
            await aio.open_connection(config=config, sock=one, server_name=NAME)
        two.close()

    run(main())


def test_close_waits_for_a_silent_peer_until_the_deadline(configs: Configs) -> None:
    async def main() -> None:
        (reader, writer), (_, far_writer), server = await pair(configs, shutdown_timeout=0.1)
        far_writer.transport.pause_reading()
        writer.close()
        closing = asyncio.ensure_future(writer.wait_closed())
        await asyncio.sleep(0)
        assert not closing.done()
        await closing
        assert await reader.read() == b""
        far_writer.transport.abort()
        server.close()
        await server.wait_closed()

    run(main())


def test_close_with_a_peer_that_does_not_read_reports_what_was_lost(configs: Configs) -> None:
    async def main() -> None:
        (_, writer), (_, far_writer), server = await pair(configs, shutdown_timeout=0.1)
        far_writer.transport.pause_reading()
        writer.write(bytes(20 << 20))
        writer.close()
        with pytest.raises(OperationTimeout, match="did not read the last"):
            await writer.wait_closed()
        far_writer.transport.abort()
        server.close()
        await server.wait_closed()

    run(main())


def test_what_comes_after_close_is_dropped_until_the_peer_says_so(configs: Configs) -> None:
    async def main() -> None:
        (_reader, writer), (far_reader, far_writer), server = await pair(configs)
        writer.write(b"bye")
        writer.close()
        assert await far_reader.read() == b"bye"
        for _ in range(50):
            far_writer.write(bytes(100_000))
            await far_writer.drain()
        assert not writer.transport.get_extra_info("socket").fileno() < 0
        await asyncio.gather(part(far_writer), writer.wait_closed())
        server.close()
        await server.wait_closed()

    run(main())


def test_stalled_peer_bounds_memory_and_goes_on(configs: Configs) -> None:
    """A peer that stops reading: the writer is paused, both ends hold a bounded number of octets, then all arrives."""

    async def main() -> None:
        (reader, writer), (_far_reader, far_writer), server = await pair(configs)
        piece, pieces = os.urandom(65536), 400
        written = 0

        async def produce() -> None:
            nonlocal written
            for _ in range(pieces):
                far_writer.write(piece)
                await far_writer.drain()
                written += len(piece)
            far_writer.write_eof()

        producing = asyncio.ensure_future(produce())
        assert await standstill(lambda: written) < pieces * len(piece)
        high = far_writer.transport.get_write_buffer_limits()[1]
        assert far_writer.transport.get_write_buffer_size() <= high + len(piece) + 2000
        assert not writer.transport.is_reading()
        # Two limits of the reader and what one receive may take.
        assert len(reader._buffer) <= 2 * 65536 + 262144
        connection = writer.transport.connection
        assert connection.buffered_wire + connection.pending_plaintext <= 2 * 262144
        received = 0
        while data := await reader.read(1 << 20):
            for start in range(0, len(data), 65536):
                offset = (received + start) % len(piece)
                part_ = data[start : start + 65536]
                assert part_ == (piece + piece)[offset : offset + len(part_)]
            received += len(data)
        await producing
        assert received == pieces * len(piece)
        await asyncio.gather(part(far_writer), part(writer))
        server.close()
        await server.wait_closed()

    run(main())


def test_out_of_descriptors_the_server_goes_on_later(configs: Configs, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from tlscore.aio import serving

    monkeypatch.setattr(serving, "_EXHAUSTED_SECONDS", 0.05)
    reports: list[dict[str, Any]] = []

    async def main() -> None:
        async with await serve(echo, configs.server) as server:
            listening = server._listening[0]
            failures = iter([OSError(errno.EMFILE, "Too many open files")])

            class Exhausted:
                def accept(self) -> Any:
                    for failure in failures:
                        raise failure
                    return listening.accept()

                def __getattr__(self, name: str) -> Any:
                    return getattr(listening, name)

            loop = asyncio.get_running_loop()
            loop.remove_reader(listening.fileno())
            loop.add_reader(listening.fileno(), server._accept, Exhausted())
            reader, writer = await connect(server, configs.client)
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            await part(writer)

    run(main(), reports=reports)
    assert [report["message"] for report in reports] == ["no client can be accepted for a second"]


def test_server_closes_its_clients(configs: Configs) -> None:
    async def main() -> None:
        server = await serve(echo, configs.server)
        streams = [await connect(server, configs.client) for _ in range(3)]
        await until(lambda: server.connections == 3)
        server.close()
        assert not server.is_serving()
        assert server.sockets == ()
        with pytest.raises(ConnectionError):
            await server.start_serving()
        server.close_clients()
        for reader, writer in streams:
            assert await reader.read() == b""
            await part(writer)
        await server.wait_closed()
        await server.wait_closed()

    run(main())


@pytest.mark.parametrize("clients", [0, 1])
def test_who_waits_for_the_end_before_close_is_told(configs: Configs, clients: int) -> None:
    async def main() -> None:
        server = await serve(echo, configs.server)
        streams = [await connect(server, configs.client) for _ in range(clients)]
        waiting = [asyncio.ensure_future(server.wait_closed()) for _ in range(2)]
        await asyncio.sleep(0)
        for _, writer in streams:
            await part(writer)
        await until(lambda: server.connections == 0)
        assert not any(task.done() for task in waiting)
        server.close()
        await asyncio.wait_for(asyncio.gather(*waiting), 5)

    run(main())


def test_server_aborts_its_clients(configs: Configs) -> None:
    async def main() -> None:
        server = await serve(echo, configs.server)
        streams = [await connect(server, configs.client) for _ in range(3)]
        await until(lambda: server.connections == 3)
        server.close()
        server.abort_clients()
        await server.wait_closed()
        for reader, _ in streams:
            with pytest.raises(TruncationError):
                await reader.read()

    run(main())


def test_serve_forever_ends_with_its_task(configs: Configs) -> None:
    async def main() -> None:
        server = await serve(echo, configs.server, start_serving=False)
        assert not server.is_serving()
        serving = asyncio.ensure_future(server.serve_forever())
        reader, writer = await connect(server, configs.client)
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        serving.cancel()
        assert await reader.read() == b""
        await part(writer)
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert server.connections == 0

    run(main())


def test_garbage_is_a_typed_error_on_both_sides(configs: Configs) -> None:
    refused: list[BaseException] = []

    async def main() -> None:
        async def talks_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        plain = await asyncio.start_server(talks_http, "127.0.0.1", 0)
        with pytest.raises(AlertError, match="HTTP"):
            await aio.open_connection("127.0.0.1", port_of(plain), configs.client, server_name=NAME)
        plain.close()
        await plain.wait_closed()
        async with await serve(echo, configs.server, refused=lambda error, _: refused.append(error)) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await until(lambda: len(refused) == 1)
            writer.close()

    run(main())
    assert "HTTP" in str(refused[0])


def test_corrupted_record_gives_the_alert_to_the_peer(configs: Configs) -> None:
    async def main() -> None:
        (reader, _writer), (far_reader, far_writer), server = await pair(configs)
        far_writer.transport._sock.send(b"\x17\x03\x03\x00\x20" + bytes(32))
        with pytest.raises(BadRecordMac) as caught:
            await reader.read(1)
        assert caught.value.sender == "us"
        with pytest.raises(BadRecordMac) as told:
            await far_reader.read(1)
        assert told.value.sender == "peer"
        server.close()
        await server.wait_closed()

    run(main())
