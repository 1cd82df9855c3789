"""Echo under asyncio, both ends in one event loop, each library by the way that its users take.

A message goes there and back before the next one leaves: the cost of one pass through transport, TLS and protocol, four
times. By the clock, since everything happens on one thread.
"""

import asyncio
import os
from time import perf_counter
from typing import Any

from tlscore.cli.bench.ends import Library
from tlscore.cli.bench.workloads import Probe, Unavailable, repeats


class Echo(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Asking(Echo):
    """Writes a message again as soon as all of it is back."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.back = bytearray()

    def data_received(self, data: bytes) -> None:
        self.missing -= len(data)
        if self.checking:
            self.back += data
        if self.missing == 0:
            self._next()

    async def ask(self, message: bytes, times: int, *, checking: bool = False) -> None:
        self.message, self.times, self.checking = message, times, checking
        self.done = asyncio.get_running_loop().create_future()
        self._next()
        await self.done

    def _next(self) -> None:
        if self.times == 0:
            self.done.set_result(None)
            return
        self.times -= 1
        self.missing = len(self.message)
        self.transport.write(self.message)


class EchoProbe(Probe):
    def __init__(self, library: Library, size: int, seconds: float) -> None:
        self._message = os.urandom(size)
        self._loop = asyncio.new_event_loop()
        self._asking = self._run(self._open(library))
        self._run(self._asking.ask(self._message, 3, checking=True))
        if self._asking.back != self._message * 3:
            raise Unavailable("the octets that came out are not those that went in")
        self._count = 16
        self._count = repeats(self._time() / self._count, seconds)

    def _run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    async def _open(self, library: Library) -> Asking:
        port = await library.serve(Echo)
        asking = Asking()
        transport = await library.join(lambda: asking, port)
        agreed = transport.get_extra_info("cipher")[0]
        if agreed != library.material.suite:
            raise Unavailable(f"agreed on {agreed}: it does not let its suite be chosen")
        return asking

    def _time(self) -> float:
        start = perf_counter()
        self._run(self._asking.ask(self._message, self._count))
        return perf_counter() - start

    def sample(self) -> float:
        # What is written is carried twice.
        return 2 * len(self._message) * self._count / self._time() / 1e6
