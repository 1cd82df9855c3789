"""anyio on both of its backends, trio, Twisted, tornado's streams: client and server."""

import asyncio
import contextlib
import socket
import ssl as stdlib
from typing import Any

import anyio
import anyio.abc
import anyio.streams.tls
import pytest
import trio

from tests.ecosystem.support import DEADLINE, LARGE, conversation, entry, exactly, openssl_server

BACKENDS = ["asyncio", "trio"]


def openssl_client(context: stdlib.SSLContext, port: int, *messages: bytes) -> None:
    """Send each message and read it back; then say goodbye."""
    with (
        socket.create_connection(("localhost", port), DEADLINE) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as stream,
    ):
        for message in messages:
            stream.sendall(message)
            assert exactly(stream, len(message)) == message
        with contextlib.suppress(stdlib.SSLEOFError):
            # tornado never answers close_notify.
            stream.unwrap()


async def receive_exactly(stream: Any, octets: int) -> bytes:
    got = bytearray()
    while len(got) < octets:
        got += await stream.receive(octets - len(got))
    return bytes(got)


@entry("anyio", "client", "connect_tcp(ssl_context=)")
@pytest.mark.parametrize("backend", BACKENDS)
def test_anyio_connects(client: Any, peer_server: Any, backend: str) -> None:
    async def main(port: int) -> None:
        with anyio.fail_after(DEADLINE):
            async with await anyio.connect_tcp("localhost", port, ssl_context=client) as stream:
                await stream.send(LARGE)
                assert await receive_exactly(stream, len(LARGE)) == LARGE
                assert stream.extra(anyio.streams.tls.TLSAttribute.tls_version) == "TLSv1.3"
                assert stream.extra(anyio.streams.tls.TLSAttribute.peer_certificate)["issuer"]
                # Not every version has this binding; asking for it must not fail.
                stream.extra(anyio.streams.tls.TLSAttribute.channel_binding_tls_unique, None)

    with conversation(openssl_server(peer_server)) as port:
        anyio.run(main, port, backend=backend)


@entry("anyio", "server", "TLSListener(ssl_context=)")
@pytest.mark.parametrize("backend", BACKENDS)
def test_anyio_listens(server: Any, peer_client: Any, backend: str) -> None:
    async def handle(stream: Any) -> None:
        async with stream:
            with contextlib.suppress(anyio.EndOfStream):
                while True:
                    await stream.send(await stream.receive())

    async def main() -> None:
        with anyio.fail_after(DEADLINE):
            tcp = await anyio.create_tcp_listener(local_host="127.0.0.1")
            listener = anyio.streams.tls.TLSListener(tcp, server)
            port = tcp.extra(anyio.abc.SocketAttribute.local_port)
            async with listener, anyio.create_task_group() as group:
                group.start_soon(listener.serve, handle)
                await anyio.to_thread.run_sync(openssl_client, peer_client, port, b"small", LARGE)
                group.cancel_scope.cancel()

    anyio.run(main, backend=backend)


def test_anyio_tells_a_cut_stream_from_its_end(client: Any, peer_server: Any) -> None:
    """anyio clears OP_IGNORE_UNEXPECTED_EOF and looks for UNEXPECTED_EOF_WHILE_READING in the error."""

    def handle(connection: socket.socket) -> None:
        stream = peer_server.wrap_socket(connection, server_side=True)
        stream.sendall(b"half a mess")
        socket.socket.shutdown(stream, socket.SHUT_RDWR)
        stream.close()

    async def main(port: int) -> None:
        with anyio.fail_after(DEADLINE):
            stream = await anyio.connect_tcp("localhost", port, ssl_context=client, tls_standard_compatible=True)
            assert await receive_exactly(stream, 11) == b"half a mess"
            with pytest.raises((anyio.BrokenResourceError, anyio.EndOfStream)) as caught:
                await stream.receive()
            assert isinstance(caught.value, anyio.BrokenResourceError)
            await anyio.aclose_forcefully(stream)

    with conversation(handle) as port:
        anyio.run(main, port)


@entry("trio", "client", "open_ssl_over_tcp_stream(ssl_context=)")
def test_trio_connects(client: Any, peer_server: Any) -> None:
    async def main(port: int) -> None:
        with trio.fail_after(DEADLINE):
            stream = await trio.open_ssl_over_tcp_stream("localhost", port, ssl_context=client)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.send_all, LARGE)
                got = bytearray()
                while len(got) < len(LARGE):
                    got += await stream.receive_some()
            assert got == LARGE
            await stream.aclose()

    with conversation(openssl_server(peer_server)) as port:
        trio.run(main, port)


@entry("trio", "server", "SSLListener(ssl_context)")
def test_trio_listens(server: Any, peer_client: Any) -> None:
    async def handle(stream: Any) -> None:
        async with stream:
            async for piece in stream:
                await stream.send_all(piece)

    async def main() -> None:
        with trio.fail_after(DEADLINE):
            (tcp,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            port = tcp.socket.getsockname()[1]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.serve_listeners, handle, [trio.SSLListener(tcp, server)])
                await trio.to_thread.run_sync(openssl_client, peer_client, port, b"small", LARGE)
                nursery.cancel_scope.cancel()

    trio.run(main)


def test_trio_takes_back_the_socket_after_tls(client: Any, peer_server: Any) -> None:
    """SSLStream.unwrap gives the transport and what came behind close_notify."""

    def handle(connection: socket.socket) -> None:
        stream = peer_server.wrap_socket(connection, server_side=True)
        stream.sendall(b"secret")
        plain = stream.unwrap()
        plain.sendall(b"in the clear")
        plain.close()

    async def main(port: int) -> None:
        with trio.fail_after(DEADLINE):
            tcp = await trio.open_tcp_stream("localhost", port)
            stream = trio.SSLStream(tcp, client, server_hostname="localhost")
            assert await stream.receive_some() == b"secret"
            transport, trailing = await stream.unwrap()
            rest = bytearray(trailing)
            async with transport:
                async for piece in transport:
                    rest += piece
            assert rest == b"in the clear"

    with conversation(handle) as port:
        trio.run(main, port)


@entry("tornado", "client", "TCPClient.connect(ssl_options=)")
def test_tornado_connects(client: Any, peer_server: Any) -> None:
    from tornado.tcpclient import TCPClient

    async def main(port: int) -> None:
        stream = await TCPClient().connect("localhost", port, ssl_options=client)
        await stream.write(LARGE)
        assert await stream.read_bytes(len(LARGE)) == LARGE
        stream.close()

    with conversation(openssl_server(peer_server)) as port:
        asyncio.run(asyncio.wait_for(main(port), DEADLINE))


@entry("tornado", "server", "TCPServer(ssl_options=)")
def test_tornado_listens(server: Any, peer_client: Any) -> None:
    from tornado.iostream import StreamClosedError
    from tornado.tcpserver import TCPServer

    class EchoServer(TCPServer):
        async def handle_stream(self, stream: Any, address: Any) -> None:
            with contextlib.suppress(StreamClosedError):
                while True:
                    await stream.write(await stream.read_bytes(1 << 16, partial=True))

    async def main() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        echo = EchoServer(ssl_options=server)
        echo.add_socket(listening)
        await asyncio.to_thread(openssl_client, peer_client, listening.getsockname()[1], b"small", LARGE)
        echo.stop()
        listening.close()

    asyncio.run(asyncio.wait_for(main(), DEADLINE))
