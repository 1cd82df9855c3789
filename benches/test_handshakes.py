"""Full handshakes in memory, both ends together, and what connections cost in number."""

from time import thread_time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tlscore.cli.bench.ends import Library, handshake
from tlscore.cli.bench.workloads import resident_octets


@pytest.mark.benchmark(group="handshake", timer=thread_time)
def test_handshake(benchmark: BenchmarkFixture, library: Library) -> None:
    def shake() -> None:
        assert not handshake(library.client(), library.server()).agreed.resumed

    benchmark(shake)


@pytest.mark.benchmark(group="connections", timer=thread_time, warmup=False)
@pytest.mark.parametrize("count", [1, 10, 100, 1000])
def test_handshakes_while_others_are_open(benchmark: BenchmarkFixture, library: Library, count: int) -> None:
    """The cost of one must not grow with the number that is open."""
    kept = []
    before = resident_octets()
    for _ in range(count):
        client, server = library.client(), library.server()
        handshake(client, server)
        kept.append((client, server))
    benchmark.extra_info["octets a pair"] = (resident_octets() - before) // count
    benchmark(lambda: handshake(library.client(), library.server()))
