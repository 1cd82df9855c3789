"""Echo over loopback TCP with both ends in one event loop: this library, and asyncio on stdlib ssl, by the clock.

The two take turns inside one benchmark of their own (`test_echo_ratio`), since only the ratio of one run counts; the
others watch this library over time.
"""

import asyncio
import os
import ssl
from collections.abc import Iterator
from statistics import median
from time import perf_counter
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tlscore import ClientConfig, Identity, ServerConfig, TrustStore, aio
from tlscore.cli.bench.echo import Asking, Echo
from tlscore.cli.bench.ends import Material

SIZES = [1024, 65536, 1 << 20]
OCTETS = 8 << 20
# What stdlib ssl agrees to with itself: its suites for TLS 1.3 cannot be chosen from Python.
SUITE = "TLS_AES_256_GCM_SHA384"
ROUNDS = 9


class Pairs:
    """A loop with one echoing connection of each library."""

    def __init__(self, material: Material) -> None:
        self.runner = asyncio.Runner()
        self.asking: dict[str, Asking] = {}
        self.servers: list[Any] = []
        self.runner.run(self._open(material))

    async def _open(self, material: Material) -> None:
        loop = asyncio.get_running_loop()
        suites = {"suites": (SUITE,), "versions": "1.3"}
        server = ServerConfig.simple(identity=Identity.load(material.chain, material.key), **suites)
        client = ClientConfig.simple(trust=TrustStore.from_file(material.trust), **suites)
        ours = await aio.create_server(Echo, "127.0.0.1", 0, server)
        _, self.asking["tlscore"] = await aio.create_connection(
            Asking, *ours.sockets[0].getsockname()[:2], client, server_name=material.server_name
        )
        far = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        far.load_cert_chain(material.chain, material.key)
        near = ssl.create_default_context(cafile=str(material.trust))
        theirs = await loop.create_server(Echo, "127.0.0.1", 0, ssl=far)
        _, self.asking["ssl"] = await loop.create_connection(
            Asking, *theirs.sockets[0].getsockname()[:2], ssl=near, server_hostname=material.server_name
        )
        self.servers = [ours, theirs]
        assert {one.transport.get_extra_info("cipher")[0] for one in self.asking.values()} == {SUITE}

    def seconds(self, library: str, size: int) -> float:
        """To carry OCTETS there and back."""
        message, times = os.urandom(size), max(1, OCTETS // size)
        started = perf_counter()
        self.runner.run(self.asking[library].ask(message, times))
        return perf_counter() - started

    def close(self) -> None:
        async def close() -> None:
            for one in self.asking.values():
                one.transport.abort()
            for server in self.servers:
                server.close()
                await server.wait_closed()
            await asyncio.sleep(0.01)

        self.runner.run(close())
        self.runner.close()


@pytest.fixture(scope="module")
def pairs(material: Material) -> Iterator[Pairs]:
    made = Pairs(material)
    yield made
    made.close()


@pytest.mark.benchmark(group="asyncio echo")
@pytest.mark.parametrize("library", ["tlscore", "ssl"])
@pytest.mark.parametrize("size", SIZES)
def test_echo(benchmark: BenchmarkFixture, pairs: Pairs, library: str, size: int) -> None:
    benchmark.extra_info["octets each way"] = max(1, OCTETS // size) * size
    benchmark.pedantic(pairs.seconds, args=(library, size), rounds=ROUNDS)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="asyncio echo, turns")
@pytest.mark.parametrize("size", SIZES)
def test_echo_ratio(benchmark: BenchmarkFixture, pairs: Pairs, size: int) -> None:
    """How many times the octets of stdlib ssl, the two taking turns."""

    def turns() -> float:
        taken: dict[str, list[float]] = {"tlscore": [], "ssl": []}
        for _ in range(ROUNDS):
            for library, seconds in taken.items():
                seconds.append(pairs.seconds(library, size))
        return median(taken["ssl"]) / median(taken["tlscore"])

    benchmark.extra_info["times ssl"] = benchmark.pedantic(turns, rounds=1)  # type: ignore[no-untyped-call]
