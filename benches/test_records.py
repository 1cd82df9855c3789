"""Sealing and opening in memory by message size, from 16 octets to 16 MiB, and ping-pong."""

import os
from time import thread_time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tlscore.cli.bench.ends import Library, handshake
from tlscore.cli.bench.workloads import BATCH_OCTETS

SIZES = [16, 64, 1024, 16384, 65536, 1 << 20, 16 << 20]


def calls_for(size: int) -> int:
    """Repeats that make one measurement about a megabyte, so that the timer's own cost vanishes."""
    return max(1, min(BATCH_OCTETS // size, 4096))


@pytest.mark.benchmark(group="seal", timer=thread_time)
@pytest.mark.parametrize("size", SIZES)
def test_seal(benchmark: BenchmarkFixture, library: Library, size: int) -> None:
    client, server = library.client(), library.server()
    handshake(client, server)
    data = os.urandom(size)
    assert server.open(client.seal(data), size) == data
    benchmark.extra_info["octets"] = size * calls_for(size)
    benchmark(client.seal_many, data, calls_for(size))


@pytest.mark.benchmark(group="open", timer=thread_time)
@pytest.mark.parametrize("size", SIZES)
def test_open(benchmark: BenchmarkFixture, library: Library, size: int) -> None:
    client, server = library.client(), library.server()
    handshake(client, server)
    data = os.urandom(size)
    assert server.open(client.seal(data), size) == data
    benchmark.extra_info["octets"] = size * calls_for(size)

    def wires() -> tuple[tuple[list[bytes], int], dict[str, object]]:
        return ([client.seal(data) for _ in range(calls_for(size))], size), {}

    benchmark.pedantic(server.open_many, setup=wires, rounds=50)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="pingpong", timer=thread_time)
@pytest.mark.parametrize("size", [32, 1024, 16384])
def test_pingpong(benchmark: BenchmarkFixture, library: Library, size: int) -> None:
    client, server = library.client(), library.server()
    handshake(client, server)
    benchmark.extra_info["round trips"] = 200
    benchmark(library.pingpong, client, server, os.urandom(size), 200)
