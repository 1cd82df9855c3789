"""asyncio's own functions on the ssl shape, and uvloop's, which are other code: streams, upgrades, TLS in TLS.

Each test runs on both loops; their rows of the table differ in nothing but the loop.
"""

import asyncio
import contextlib
import socket
import ssl as stdlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from tests.ecosystem.support import LARGE, asyncio_server, conversation, echo, entry, openssl_server

RUNNERS = {"asyncio": asyncio.run, "uvloop": uvloop.run}
Runner = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=RUNNERS)
def run(request: pytest.FixtureRequest) -> Runner:
    def run(main: Coroutine[Any, Any, None]) -> None:
        RUNNERS[request.param](asyncio.wait_for(main, 30))

    return run


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Much goes out and comes back, then both ends close."""
    for piece in (b"small", LARGE, b"x"):
        writer.write(piece)
        assert await reader.readexactly(len(piece)) == piece
    writer.close()
    await writer.wait_closed()


@entry("asyncio", "client", "open_connection(ssl=)")
@entry("uvloop", "client", "open_connection(ssl=)")
def test_open_connection_talks_to_openssl(run: Runner, client: Any, peer_server: Any) -> None:
    async def main(port: int) -> None:
        reader, writer = await asyncio.open_connection("localhost", port, ssl=client)
        assert writer.get_extra_info("cipher")[1] == "TLSv1.3"
        assert ("DNS", "localhost") in writer.get_extra_info("peercert")["subjectAltName"]
        assert writer.get_extra_info("sslcontext") is client
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        await exchange(reader, writer)

    with conversation(openssl_server(peer_server)) as port:
        run(main(port))


@entry("asyncio", "server", "start_server(ssl=)")
@entry("uvloop", "server", "start_server(ssl=)")
def test_start_server_talks_to_openssl(run: Runner, server: Any, peer_client: Any) -> None:
    async def main() -> None:
        async with asyncio_server(echo, server) as port:
            ends = [await asyncio.open_connection("localhost", port, ssl=peer_client) for _ in range(3)]
            await asyncio.gather(*(exchange(*end) for end in ends))

    run(main())


@entry("asyncio", "client, upgrade", "StreamWriter.start_tls() and loop.start_tls()")
@entry("uvloop", "client, upgrade", "StreamWriter.start_tls() and loop.start_tls()")
def test_client_upgrades(run: Runner, client: Any, peer_server: Any) -> None:
    def handle(connection: socket.socket) -> None:
        assert connection.recv(10) == b"STARTTLS\r\n"
        connection.sendall(b"OK\r\n")
        openssl_server(peer_server)(connection)

    async def main(port: int) -> None:
        reader, writer = await asyncio.open_connection("localhost", port)
        writer.write(b"STARTTLS\r\n")
        assert await reader.readline() == b"OK\r\n"
        await writer.start_tls(client, server_hostname="localhost")
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        await exchange(reader, writer)

    with conversation(handle) as port:
        run(main(port))


@entry("asyncio", "server, upgrade", "StreamWriter.start_tls() and loop.start_tls()")
@entry("uvloop", "server, upgrade", "StreamWriter.start_tls() and loop.start_tls()")
def test_server_upgrades(run: Runner, server: Any, peer_client: Any) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"STARTTLS\r\n"
        writer.write(b"OK\r\n")
        await writer.drain()
        await writer.start_tls(server)
        await echo(reader, writer)

    async def main() -> None:
        async with asyncio_server(serve) as port:
            await asyncio.to_thread(client_of_openssl, port)

    def client_of_openssl(port: int) -> None:
        with socket.create_connection(("localhost", port), 20) as plain:
            plain.sendall(b"STARTTLS\r\n")
            assert plain.recv(4) == b"OK\r\n"
            with peer_client.wrap_socket(plain, server_hostname="localhost") as stream:
                stream.sendall(b"after the upgrade")
                assert stream.recv(100) == b"after the upgrade"

    run(main())


def test_tls_runs_inside_tls(run: Runner, client: Any, server: Any) -> None:
    """What an HTTPS proxy does: the stream of one connection carries another one."""
    relayed = asyncio.Event()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pipe(reader, inner_writer), pipe(inner_reader, writer))
        relayed.set()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                writer.write(piece)
                await writer.drain()
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()

    async def main() -> None:
        async with (
            asyncio_server(echo, server) as port,
            asyncio_server(lambda reader, writer: relay(reader, writer, port), server) as proxy,
        ):
            reader, writer = await asyncio.open_connection("localhost", proxy, ssl=client)
            await writer.start_tls(client, server_hostname="localhost")
            for piece in (b"inside", LARGE):
                writer.write(piece)
                assert await reader.readexactly(len(piece)) == piece
            writer.close()
            await writer.wait_closed()
            await relayed.wait()

    run(main())


def test_asyncio_client_gets_the_verification_error(run: Runner, shape: Any, peer_server: Any) -> None:
    async def main() -> None:
        async with asyncio_server(echo, peer_server) as port:
            with pytest.raises(stdlib.SSLCertVerificationError) as caught:
                await asyncio.open_connection("localhost", port, ssl=shape.create_default_context())
        assert type(caught.value) is stdlib.SSLCertVerificationError

    run(main())


def test_asyncio_refuses_a_wrapped_socket_where_it_wants_a_plain_one(client: Any, peer_server: Any) -> None:
    """`create_connection(sock=)` asks isinstance(sock, ssl.SSLSocket): the shape must be one."""

    async def main(stream: Any) -> None:
        with pytest.raises(TypeError, match="SSLSocket"):
            await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=stream)

    with (
        conversation(openssl_server(peer_server)) as port,
        client.wrap_socket(socket.create_connection(("localhost", port)), server_hostname="localhost") as stream,
    ):
        asyncio.run(main(stream))
