"""Random schedules: two ends that write, pause, change keys and close as chance has it; every octet arrives, in order.

The seed is part of the test's name; the same seed plays the same schedule, but for what the kernel takes at a time.
"""

import asyncio
import hashlib
import random
from typing import Any

import pytest

from tests.aio.conftest import NAME, Configs, echo, port_of, run, serve
from tests.aio.test_protocols import KINDS, connected, done
from tlscore import aio

STEPS = 150


class Half:
    """One direction: what was written, hashed; and what arrived."""

    def __init__(self, sender: Any, receiver: Any, chance: random.Random) -> None:
        self.sender, self.receiver, self.chance = sender, receiver, chance
        self.sent = hashlib.sha256()
        self.octets = 0

    def write(self, data: bytes) -> None:
        self.sent.update(data)
        self.octets += len(data)

    async def step(self) -> None:
        chance, transport = self.chance, self.sender.transport
        kind = chance.randrange(8)
        if kind < 3:
            data = chance.randbytes(chance.choice([1, 100, 16384, 16385, 70_000, 400_000]))
            self.write(data)
            transport.write(chance.choice([bytes, bytearray, memoryview])(data))
        elif kind == 3:
            pieces = [chance.randbytes(chance.randrange(3000)) for _ in range(chance.randrange(1, 9))]
            self.write(b"".join(pieces))
            transport.writelines(pieces)
        elif kind == 4:
            self.receiver.transport.pause_reading()
        elif kind == 5:
            self.receiver.transport.resume_reading()
        elif kind == 6 and chance.randrange(4) == 0:
            transport.connection.update_keys(request_peer=chance.random() < 0.5)
        else:
            await asyncio.sleep(chance.choice([0, 0, 0.0005]))

    def check(self) -> None:
        assert len(self.receiver.received) == self.octets
        assert hashlib.sha256(self.receiver.received).digest() == self.sent.digest()


async def play(one: Any, other: Any, seed: int) -> None:
    chance = random.Random(seed)
    halves = [Half(one, other, chance), Half(other, one, chance)]
    for _ in range(STEPS):
        await chance.choice(halves).step()
    for half in halves:
        half.sender.transport.write_eof()
    for half in halves:
        half.receiver.transport.resume_reading()
    while not all("eof_received" in end.calls for end in (one, other)):
        await asyncio.sleep(0.001)
    for half in halves:
        half.check()
    one.transport.close()
    other.transport.close()
    assert await one.lost is None
    assert await other.lost is None


@pytest.mark.parametrize("kinds", [("bytes", "bytes"), ("into", "bytes"), ("into", "into")], ids="-".join)
@pytest.mark.parametrize("seed", range(4))
def test_every_octet_arrives_whatever_the_schedule(configs: Configs, kinds: tuple[str, str], seed: int) -> None:
    async def main() -> None:
        one, other, server = await connected(
            configs, lambda: KINDS[kinds[0]](keeps_open=True), lambda: KINDS[kinds[1]](keeps_open=True)
        )
        await play(one, other, seed)
        await done(server)

    run(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_every_octet_arrives_over_a_transport_below(configs: Configs, kind: str, seed: int) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[Any] = loop.create_future()
        other = KINDS[kind](keeps_open=True)

        async def upgrading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await aio.upgrade(writer.transport, other, configs.server, role="server")
            # Kept: asyncio's writers close their transport when they are collected.
            arrived.set_result(writer)

        server = await asyncio.start_server(upgrading, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        one = KINDS[kind](keeps_open=True)
        await aio.upgrade(writer.transport, one, configs.client, server_name=NAME)
        kept = await arrived
        await play(one, other, seed)
        assert kept.is_closing()
        server.close()
        await server.wait_closed()

    run(main())


def test_many_clients_at_once_with_random_messages(configs: Configs) -> None:
    async def client(server: aio.TlsServer, seed: int) -> None:
        chance = random.Random(seed)
        reader, writer = await aio.open_connection("127.0.0.1", port_of(server), configs.client, server_name=NAME)
        for _ in range(10):
            data = chance.randbytes(chance.randrange(1, 100_000))
            writer.write(data)
            assert await reader.readexactly(len(data)) == data
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        async with await serve(echo, configs.server) as server:
            await asyncio.gather(*[client(server, seed) for seed in range(40)])

    run(main())
