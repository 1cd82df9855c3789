"""WebSockets: the library websockets on both of its programming models and both ends, and websocket-client."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import websocket
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.sync.client
import websockets.sync.server

from tests.ecosystem.support import DEADLINE, LARGE, entry


@contextmanager
def echo_server(context: Any) -> Iterator[str]:
    """A server of the threaded kind; gives its address."""

    def handle(connection: Any) -> None:
        for message in connection:
            connection.send(message)

    with websockets.sync.server.serve(handle, "127.0.0.1", 0, ssl=context, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"wss://localhost:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join(DEADLINE)


def exchange(address: str, context: Any) -> None:
    with websockets.sync.client.connect(address, ssl=context, max_size=None) as connection:
        for message in ("text", LARGE):
            connection.send(message)
            assert connection.recv(DEADLINE) == message


@entry("websockets", "client, sync", "sync.client.connect(ssl=)")
def test_websockets_connects_with_threads(client: Any, peer_server: Any) -> None:
    with echo_server(peer_server) as address:
        exchange(address, client)


@entry("websockets", "server, sync", "sync.server.serve(ssl=)")
def test_websockets_serves_with_threads(server: Any, peer_client: Any) -> None:
    with echo_server(server) as address:
        exchange(address, peer_client)


async def exchange_on_asyncio(client: Any, server: Any) -> None:
    async def handle(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    async with websockets.asyncio.server.serve(handle, "127.0.0.1", 0, ssl=server, max_size=None) as service:
        address = f"wss://localhost:{service.sockets[0].getsockname()[1]}"
        async with websockets.asyncio.client.connect(address, ssl=client, max_size=None) as connection:
            for message in ("text", LARGE):
                await connection.send(message)
                assert await connection.recv() == message


@entry("websockets", "client, asyncio", "asyncio.client.connect(ssl=)")
def test_websockets_connects_on_asyncio(client: Any, peer_server: Any) -> None:
    asyncio.run(asyncio.wait_for(exchange_on_asyncio(client, peer_server), DEADLINE))


@entry("websockets", "server, asyncio", "asyncio.server.serve(ssl=)")
def test_websockets_serves_on_asyncio(server: Any, peer_client: Any) -> None:
    asyncio.run(asyncio.wait_for(exchange_on_asyncio(peer_client, server), DEADLINE))


@entry("websocket-client", "client", 'create_connection(sslopt={"context":})')
def test_websocket_client_connects(client: Any, peer_server: Any) -> None:
    with echo_server(peer_server) as address:
        connection = websocket.create_connection(address, sslopt={"context": client}, timeout=DEADLINE)
        connection.send("text")
        assert connection.recv() == "text"
        connection.send_binary(LARGE)
        assert connection.recv() == LARGE
        connection.close()
