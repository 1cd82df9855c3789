"""Handshakes that wait for something slow: the loop goes on, the deadline holds, the peer is held back.

The connection tells what it waits for (`waiting`) and is told to go on (`settle`); a stand-in has both here, so that
the transport's part is tested alone.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.aio.conftest import NAME, Configs, connect, echo, part, port_of, run, serve, until
from tlscore import HandshakeTimeout, TransportError, aio
from tlscore.connection import Connection
from tlscore.errors import HandshakeFailure


class SlowConnection(Connection):
    """Waits once, after the first octets of the peer."""

    def __init__(self, *arguments: Any, wait: Callable[[], Any], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.wait = wait
        self.awaited: asyncio.Future[Any] | None = None
        self.settled = False

    @property
    def waiting(self) -> Any:
        return self.awaited

    def _advance(self) -> None:
        if self.settled:
            super()._advance()
        elif self.awaited is None:
            self.awaited = asyncio.ensure_future(self.wait())

    async def settle(self) -> None:
        assert self.awaited is not None
        await self.awaited
        self.awaited = None
        if self.settled:
            self.update_keys()
            return
        self.settled = True
        super()._advance()


class SlowContext:
    """Makes connections that wait."""

    options = 0

    def __init__(self, config: Any, wait: Callable[[], Any]) -> None:
        self.config, self.wait = config, wait
        self.made: list[SlowConnection] = []

    def _new_connection(self, server_side: bool, server_hostname: str | None, owner: object | None = None) -> Any:
        assert server_side
        self.made.append(SlowConnection(False, self.config, wait=self.wait))
        return self.made[-1]


def test_slow_handshake_completes_and_blocks_nobody(configs: Configs) -> None:
    waited: list[int] = []

    async def signer() -> None:
        for step in range(5):
            waited.append(step)
            await asyncio.sleep(0.01)

    async def main() -> None:
        async with await serve(echo, SlowContext(configs.server, signer)) as server:
            streams = await asyncio.gather(*[connect(server, configs.client) for _ in range(10)])
            for reader, writer in streams:
                writer.write(b"x")
                assert await reader.read(1) == b"x"
                await part(writer)

    run(main())
    # All ten waited side by side.
    assert waited == sorted(waited)
    assert len(waited) == 50


@pytest.mark.parametrize("upgraded", [False, True])
def test_peer_is_held_back_while_a_callback_is_awaited(configs: Configs, upgraded: bool) -> None:
    async def main() -> None:
        go_on = asyncio.Event()
        context = SlowContext(configs.server, go_on.wait)

        async def upgrading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            reader, writer = await aio.start_tls(reader, writer, context, role="server")
            await echo(reader, writer)

        server: Any
        if upgraded:
            server = await asyncio.start_server(upgrading, "127.0.0.1", 0)
        else:
            server = await serve(echo, context)
        connecting = asyncio.ensure_future(connect(server, configs.client))
        await until(lambda: bool(context.made) and context.made[0].waiting is not None)
        await asyncio.sleep(0.02)
        assert not connecting.done()
        go_on.set()
        reader, writer = await connecting
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        await part(writer)
        server.close()
        await server.wait_closed()

    run(main())


@pytest.mark.parametrize("upgraded", [False, True])
def test_answer_after_the_handshake_is_awaited_beside_the_data(configs: Configs, upgraded: bool) -> None:
    """A late authentication: reading goes on, and what the answer makes to send leaves by itself."""

    async def main() -> None:
        go_on = asyncio.Event()
        context = SlowContext(configs.server, lambda: asyncio.sleep(0))

        async def upgrading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            reader, writer = await aio.start_tls(reader, writer, context, role="server")
            await echo(reader, writer)

        server: Any
        if upgraded:
            server = await asyncio.start_server(upgrading, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
            reader, writer = await aio.start_tls(reader, writer, configs.client, server_name=NAME)
        else:
            server = await serve(echo, context)
            reader, writer = await connect(server, configs.client)
        await until(lambda: context.made[0].settled and context.made[0].handshake_complete)
        context.made[0].awaited = asyncio.ensure_future(go_on.wait())
        for _ in range(3):
            writer.write(b"beside it")
            assert await reader.readexactly(9) == b"beside it"
        assert context.made[0].counters[3] == 0
        go_on.set()
        await until(lambda: context.made[0].counters[3] == 1)
        await until(lambda: context.made[0].pending_wire == 0)
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        assert writer.transport.connection.counters[2] == 1
        await part(writer)
        server.close()
        await server.wait_closed()

    run(main())


def test_deadline_cancels_what_is_awaited(configs: Configs) -> None:
    cancelled: list[bool] = []
    refused: list[BaseException] = []

    async def forever() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def main() -> None:
        context = SlowContext(configs.server, forever)
        options = {"handshake_timeout": 0.05, "refused": lambda error, _: refused.append(error)}
        async with await serve(echo, context, **options) as server:
            with pytest.raises(TransportError):
                await connect(server, configs.client)
            await until(lambda: bool(cancelled) and bool(refused))

    run(main())
    # The context has the stdlib's shape: so have its errors.
    assert isinstance(refused[0], TimeoutError)


@pytest.mark.parametrize(
    "error", [KeyError("signer"), HandshakeFailure("the signer refused"), asyncio.CancelledError()]
)
def test_failure_of_what_is_awaited_ends_the_handshake(configs: Configs, error: BaseException) -> None:
    refused: list[BaseException] = []

    async def failing() -> None:
        await asyncio.sleep(0)
        raise error

    async def main() -> None:
        options = {"refused": lambda error, _: refused.append(error)}
        async with await serve(echo, SlowContext(configs.server, failing), **options) as server:
            with pytest.raises(TransportError):
                await connect(server, configs.client)
            await until(lambda: bool(refused))
            assert server.connections == 0

    run(main())
    assert len(refused) == 1


def test_client_that_leaves_meanwhile_costs_nothing(configs: Configs) -> None:
    async def main() -> None:
        context = SlowContext(configs.server, lambda: asyncio.sleep(0.05))
        async with await serve(echo, context, refused=lambda *_: None) as server:
            with pytest.raises(HandshakeTimeout):
                await connect(server, configs.client, handshake_timeout=0.02)
            await until(lambda: server.connections == 0)

    run(main())


def test_name_that_is_sent_is_the_one_that_is_verified(configs: Configs) -> None:
    async def main() -> None:
        async with await serve(echo, configs.server) as server:
            _, writer = await connect(server, configs.client, server_name="other.test", verify_as=NAME)
            assert writer.get_extra_info("server_name") == "other.test"
            await part(writer)

    run(main())
