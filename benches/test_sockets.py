"""Bulk transfer over a socketpair, with two threads of one process: the wall clock, since both ends share the CPU."""

import os
import socket
import threading

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tlscore.cli.bench.ends import Library, Stream

OCTETS = 16 << 20


@pytest.mark.benchmark(group="sockets")
@pytest.mark.parametrize("size", [4096, 65536, 1 << 20])
def test_bulk(benchmark: BenchmarkFixture, library: Library, size: int) -> None:
    one, two = socket.socketpair()
    streams: dict[str, Stream] = {}
    accepting = threading.Thread(target=lambda: streams.update(server=library.stream(two, is_client=False)))
    accepting.start()
    client = library.stream(one, is_client=True)
    accepting.join()
    server = streams["server"]
    data, buffer = memoryview(os.urandom(size)), bytearray(256 * 1024)

    def send() -> None:
        for _ in range(OCTETS // size):
            client.sendall(data)

    def move() -> None:
        sender = threading.Thread(target=send)
        sender.start()
        server.receive(OCTETS, buffer)
        sender.join()

    benchmark.extra_info["octets"] = OCTETS
    benchmark.pedantic(move, rounds=10)  # type: ignore[no-untyped-call]
    client.close()
    server.close()
