"""One authority and one pair of configurations for all asyncio tests; a runner that lets no error pass unseen.

The tests run on asyncio's own loop, and on uvloop where TLSCORE_TEST_LOOP=uvloop says so.
"""

import asyncio
import gc
import os
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.certificates import Authority, make_ca
from tlscore import ClientConfig, Identity, ServerConfig, TrustStore, aio

NAME = "server.test"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Configs:
    client: ClientConfig
    server: ServerConfig
    authority: Authority


@pytest.fixture(scope="session")
def configs() -> Configs:
    authority = make_ca()
    leaf = authority.issue(NAME, usage="server")
    return Configs(
        ClientConfig.simple(trust=TrustStore.from_bytes(authority.pem)),
        ServerConfig.simple(identity=Identity.load(leaf.chain_pem, leaf.key_pem)),
        authority,
    )


class PlainLoop(asyncio.SelectorEventLoop):
    """A loop that watches no descriptors for others, as that of Windows."""

    add_reader = asyncio.AbstractEventLoop.add_reader  # type: ignore[assignment]


def new_loop() -> asyncio.AbstractEventLoop:
    if os.environ.get("TLSCORE_TEST_LOOP") == "uvloop":
        import uvloop

        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        return loop
    return asyncio.new_event_loop()


def run(
    main: Coroutine[Any, Any, Any],
    *,
    reports: list[dict[str, Any]] | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = new_loop,
) -> Any:
    """Run a test's coroutine; what the loop reports fails it, unless the test asks for the reports, and so does a task
    that is left over."""
    seen: list[dict[str, Any]] = [] if reports is None else reports

    async def watched() -> Any:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
        result = await asyncio.wait_for(main, 60)
        # What was closed gets its connection_lost() in the next rounds of the loop.
        for _ in range(5):
            await asyncio.sleep(0)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, left
        return result

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        result = runner.run(watched())
    gc.collect()
    if reports is None:
        assert not seen, seen
    return result


def port_of(server: Any) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(handler: Handler, config: Any, **options: Any) -> aio.TlsServer:
    return await aio.start_server(handler, "127.0.0.1", 0, config, **options)


async def connect(server: Any, config: Any, **options: Any) -> Streams:
    return await aio.open_connection("127.0.0.1", port_of(server), config, **{"server_name": NAME, **options})


async def part(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def pair(configs: Configs, **options: Any) -> tuple[Streams, Streams, aio.TlsServer]:
    """(client's streams, server's streams, server)."""
    arrived: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set_result((reader, writer))

    server = await serve(keep, options.pop("server", configs.server))
    client = await connect(server, options.pop("client", configs.client), **options)
    return client, await arrived, server


def socket_pair() -> tuple[socket.socket, socket.socket]:
    one, two = socket.socketpair()
    one.setblocking(False)
    two.setblocking(False)
    return one, two


async def standstill(value: Callable[[], int]) -> int:
    """The value when it does not change any more."""
    seen, unchanged = value(), 0
    while unchanged < 20:
        await asyncio.sleep(0.01)
        unchanged = unchanged + 1 if value() == seen else 0
        seen = value()
    return seen


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something that no future tells."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it never came true"
        await asyncio.sleep(0.005)
