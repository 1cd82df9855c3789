"""Cancellation at each await: whatever step it comes at, no octet is lost or doubled and nothing is left open.

A task is let run for n steps of the loop and cancelled then, for every n until it finishes by itself.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.aio.conftest import NAME, Configs, connect, echo, pair, part, port_of, run, serve, until
from tlscore import TlsError, aio

MOST_STEPS = 400


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def cancelled_after(steps: int, work: Coroutine[Any, Any, Any]) -> tuple[bool, Any]:
    """Run `work` for so many steps, then cancel it: (finished by itself, result)."""
    task = asyncio.ensure_future(work)
    for _ in range(steps):
        if task.done():
            return True, task.result()
        await asyncio.sleep(0)
    task.cancel()
    try:
        return True, await task
    except asyncio.CancelledError:
        return False, None


async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An echo whose clients may leave without a word."""
    try:
        await echo(reader, writer)
    except ConnectionError:
        writer.close()


async def settled(server: aio.TlsServer, before: int) -> None:
    await until(lambda: server.connections == 0 and descriptors() == before)
    assert len(asyncio.all_tasks()) <= 2


def test_connect_cancelled_at_each_step_leaves_nothing(configs: Configs) -> None:
    async def main() -> None:
        async with await serve(patient, configs.server, refused=lambda *_: None) as server:
            reader, writer = await connect(server, configs.client)
            await part(writer)
            await until(lambda: server.connections == 0)
            before = descriptors()
            for steps in range(MOST_STEPS):
                finished, streams = await cancelled_after(steps, connect(server, configs.client))
                if finished:
                    await part(streams[1])
                await settled(server, before)
                if finished:
                    break
            assert finished
            assert steps > 4
            reader, writer = await connect(server, configs.client)
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            await part(writer)

    run(main())


def test_upgrade_cancelled_at_each_step_leaves_nothing(configs: Configs) -> None:
    async def upgraded(server: aio.TlsServer) -> Any:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        try:
            return await aio.start_tls(reader, writer, configs.client, server_name=NAME)
        except BaseException:
            writer.close()
            raise

    async def main() -> None:
        async with await serve(patient, configs.server, refused=lambda *_: None) as server:
            await part((await upgraded(server))[1])
            await until(lambda: server.connections == 0)
            before = descriptors()
            for steps in range(MOST_STEPS):
                finished, streams = await cancelled_after(steps, upgraded(server))
                if finished:
                    await part(streams[1])
                await settled(server, before)
                if finished:
                    break
            assert finished

    run(main())


@pytest.mark.parametrize("call", ["read", "readexactly", "readline", "readuntil"])
def test_reads_cancelled_at_each_step_lose_nothing(configs: Configs, call: str) -> None:
    lines = [os.urandom(40).hex().encode() + b"\n" for _ in range(400)]
    data = b"".join(lines)
    calls: dict[str, Callable[[asyncio.StreamReader], Coroutine[Any, Any, bytes]]] = {
        "read": lambda reader: reader.read(1000),
        "readexactly": lambda reader: reader.readexactly(81),
        "readline": lambda reader: reader.readline(),
        "readuntil": lambda reader: reader.readuntil(b"\n"),
    }

    async def main() -> None:
        (reader, writer), (_, far_writer), server = await pair(configs)

        async def drip() -> None:
            for start in range(0, len(data), 57):
                far_writer.write(data[start : start + 57])
                await far_writer.drain()
                await asyncio.sleep(0)
            far_writer.write_eof()

        dripping = asyncio.ensure_future(drip())
        received = bytearray()
        steps = 0
        while len(received) < len(data):
            steps = (steps + 1) % 7
            finished, piece = await cancelled_after(steps, calls[call](reader))
            if finished:
                received += piece
        assert received == data
        await dripping
        assert await reader.read() == b""
        await asyncio.gather(part(far_writer), part(writer))
        server.close()
        await server.wait_closed()

    run(main())


def test_drain_cancelled_at_each_step_neither_loses_nor_doubles(configs: Configs) -> None:
    async def main() -> None:
        (reader, writer), (_, far_writer), server = await pair(configs)
        data = os.urandom(6_000_000)
        received = bytearray()

        async def take() -> None:
            while block := await reader.read(50_000):
                received.extend(block)
                await asyncio.sleep(0)

        taking = asyncio.ensure_future(take())
        for number, start in enumerate(range(0, len(data), 100_000)):
            far_writer.write(data[start : start + 100_000])
            await cancelled_after(number % 9, far_writer.drain())
        far_writer.write_eof()
        await taking
        assert received == data
        await asyncio.gather(part(far_writer), part(writer))
        server.close()
        await server.wait_closed()

    run(main())


def test_wait_closed_cancelled_at_each_step_closes_all_the_same(configs: Configs) -> None:
    async def main() -> None:
        async with await serve(echo, configs.server) as server:
            before = descriptors()
            for steps in range(MOST_STEPS):
                _, writer = await connect(server, configs.client)
                writer.write(b"last words")
                writer.close()
                finished, _ = await cancelled_after(steps, writer.wait_closed())
                await settled(server, before)
                if finished:
                    break
            assert finished

    run(main())


def test_server_handler_cancelled_in_the_middle(configs: Configs) -> None:
    async def main() -> None:
        tasks: list[asyncio.Task[Any]] = []

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.append(task)
            try:
                await echo(reader, writer)
            except asyncio.CancelledError:
                writer.transport.abort()

        async with await serve(handler, configs.server) as server:
            reader, writer = await connect(server, configs.client)
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            tasks[0].cancel()
            with pytest.raises(TlsError):
                await reader.read()
            await until(lambda: server.connections == 0)

    run(main())


def test_timeouts_around_every_call(configs: Configs) -> None:
    async def main() -> None:
        (reader, writer), (far_reader, far_writer), server = await pair(configs)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.01)
        far_writer.transport.pause_reading()
        writer.write(bytes(8 << 20))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.01)
        far_writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
        far_writer.transport.resume_reading()
        assert await far_reader.readexactly(8 << 20) == bytes(8 << 20)
        await asyncio.gather(part(far_writer), part(writer))
        server.close()
        await server.wait_closed()

    run(main())
