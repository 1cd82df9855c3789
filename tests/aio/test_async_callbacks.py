"""Every state in which a handshake waits for an async callback, over real asyncio connections at both ends."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any

import pytest

from tests.aio.conftest import echo, part, port_of, run, until
from tests.support.certificates import make_ca
from tests.support.waiting import CASES, Material, Slow
from tlscore import TlsError, TrustStore, aio


@pytest.fixture(scope="module")
def material() -> Material:
    authority = make_ca()
    issued = authority.issue("example.org", usage="server")
    return Material(TrustStore.from_bytes(authority.pem), issued, authority.issue("client.example", usage="client"))


@pytest.mark.parametrize("name", CASES)
def test_async_callback_is_awaited_without_blocking_the_loop(material: Material, name: str) -> None:
    case = CASES[name](material)

    async def main() -> None:
        case.slow.gate = asyncio.Event()
        async with await aio.start_server(echo, "127.0.0.1", 0, case.server) as server:
            opening = [
                asyncio.ensure_future(
                    aio.open_connection("127.0.0.1", port_of(server), case.client, server_name="example.org")
                )
                for _ in range(8)
            ]
            # All eight are asked while none of them has an answer: nobody waits for another one's.
            while len(case.slow.calls) < 8:
                await asyncio.sleep(0.001)
            case.slow.gate.set()
            for reader, writer in await asyncio.gather(*opening):
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                assert writer.get_extra_info("peer_identity").dns_names == ("example.org",)
                await part(writer)

    run(main())


class _Begun(Coroutine[Any, Any, Any]):
    """A coroutine that waits already, for a task to go on with."""

    def __init__(self, coro: Coroutine[Any, Any, Any], waits_for: Any) -> None:
        self.coro, self.waits_for = coro, [waits_for]

    def send(self, value: Any) -> Any:
        return self.waits_for.pop() if self.waits_for else self.coro.send(value)

    def throw(self, *error: Any) -> Any:
        return self.coro.throw(*error)

    def close(self) -> None:
        self.coro.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError


def eager(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any) -> Any:
    """A task factory that runs the tasks of transports at once until they wait: Python's own where it has one."""
    factory = getattr(asyncio, "eager_task_factory", None)
    if factory is not None:
        return factory(loop, coro, **options)
    if "_settle" not in coro.__qualname__:
        return asyncio.Task(coro, loop=loop, **options)
    finished = loop.create_future()
    try:
        waits_for = coro.send(None)
    except StopIteration as stop:
        finished.set_result(stop.value)
        return finished
    return asyncio.Task(_Begun(coro, waits_for), loop=loop)


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_eager_tasks_go_on_with_the_handshake(material: Material, name: str, waits: bool) -> None:
    """An answer that is there at once ends the task before its creator has seen it."""
    case = CASES[name](material)

    class Prompt(Slow):
        async def __call__(self, *arguments: Any) -> Any:
            self.calls.append(arguments)
            return self.answer(*arguments)

    if not waits:
        case.slow.__class__ = Prompt

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(eager)
        async with await aio.start_server(echo, "127.0.0.1", 0, case.server) as server:
            reader, writer = await asyncio.wait_for(
                aio.open_connection("127.0.0.1", port_of(server), case.client, server_name="example.org"), 10
            )
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            assert len(case.slow.calls) == 1 + case.earlier
            await part(writer)

    run(main())


@pytest.mark.parametrize("waits", [False, True])
def test_eager_answer_that_ends_the_connection(material: Material, waits: bool) -> None:
    """What is awaited aborts the transport from inside the first step of the task: the task does not outlive it."""
    case = CASES["AwaitSignature"](material)
    seen: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(eager)
        refused: list[BaseException] = []
        server = await aio.start_server(
            echo, "127.0.0.1", 0, case.server, refused=lambda error, address: refused.append(error)
        )

        class Aborting(Slow):
            async def __call__(self, *arguments: Any) -> Any:
                server.abort_clients()
                seen.append(arguments)
                return await super().__call__(*arguments) if waits else self.answer(*arguments)

        case.slow.__class__ = Aborting
        async with server:
            with pytest.raises((TlsError, OSError)):
                await aio.open_connection("127.0.0.1", port_of(server), case.client, server_name="example.org")
            await until(lambda: bool(refused) and case.slow.canceled == waits)

    run(main())
    assert len(seen) == 1


@pytest.mark.parametrize("name", ["AwaitAuthorization", "AwaitAuthorization12", "AwaitServerAuthorization"])
def test_refusal_that_was_awaited_ends_the_connection(material: Material, name: str) -> None:
    case = CASES[name](material)
    case.slow.answer = lambda peer: False
    refused: list[BaseException] = []

    async def main() -> None:
        options = {"refused": lambda error, address: refused.append(error)}
        async with await aio.start_server(echo, "127.0.0.1", 0, case.server, **options) as server:
            with pytest.raises(TlsError, match="access_denied"):  # noqa: PT012
                reader, writer = await aio.open_connection(
                    "127.0.0.1", port_of(server), case.client, server_name="example.org"
                )
                try:
                    # A server's refusal in TLS 1.3 comes after the client's handshake is over.
                    await reader.read(1)
                finally:
                    writer.transport.abort()
            while not refused:
                await asyncio.sleep(0.001)

    run(main())
