"""The workloads: what each one measures, in which unit, and the probe that takes one sample of it in a worker process.

A probe is made for one library, suite and size: making it runs the handshake, checks what was agreed, compares the
octets that come out with those that went in, and finds out how often to repeat so that a sample takes about one slice
of time. `sample` then only measures.
"""

import gc
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from time import thread_time

from tlscore.cli.bench.ends import OLDER_SUITES, RECORD, Agreed, End, Library, Shaken, handshake

MIB = 1024 * 1024
# Sealed records that wait to be opened in one timed loop: about what a second-level cache holds, as a receive buffer
# would.
BATCH_OCTETS, BATCH_MESSAGES = MIB, 4096


@dataclass(frozen=True, slots=True)
class Workload:
    name: str
    title: str
    unit: str
    sizes: tuple[int, ...]
    quick_sizes: tuple[int, ...]
    more_is_better: bool
    per_suite: bool = True


_MESSAGES = (64, 1024, RECORD, 65536, MIB)
_NONE = (0,)

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload("seal", "Seal, in memory", "MB/s", _MESSAGES, _MESSAGES, True),
        Workload("open", "Open, in memory", "MB/s", _MESSAGES, _MESSAGES, True),
        Workload("pingpong", "Ping-pong, in memory, both ends", "round trips/s", (32,), (32,), True),
        Workload(
            "loopback_cpu", "Loopback TCP, CPU of both ends", "ns/B", (RECORD, 65536, 262144, MIB), (262144,), False
        ),
        Workload("loopback_wall", "Loopback TCP, by the clock", "MB/s", (RECORD, 65536, 262144, MIB), (262144,), True),
        Workload(
            "asyncio_echo",
            "Echo under asyncio, both ends in one loop, octets of both ways",
            "MB/s",
            (1024, 65536, MIB),
            (65536,),
            True,
        ),
        Workload("handshake_client", "Full handshake, client, P-256 certificate, x25519", "us", _NONE, _NONE, False),
        Workload("handshake_server", "Full handshake, server, P-256 certificate, x25519", "us", _NONE, _NONE, False),
        Workload("idle_client", "Memory of an idle client connection, in memory", "KiB", _NONE, _NONE, False),
        Workload("idle_server", "Memory of an idle server connection, in memory", "KiB", _NONE, _NONE, False),
        Workload("import", "Import, CPU", "ms", _NONE, _NONE, False, False),
        Workload("ready", "Import to first client connection object, CPU", "ms", _NONE, _NONE, False, False),
    )
}


class Unavailable(Exception):
    """This library cannot be measured at this; the text says why."""


class Probe(ABC):
    """Takes samples of one workload."""

    note = ""

    @abstractmethod
    def sample(self) -> float:
        """One measurement, in the workload's unit."""


def check(library: Library, found: Agreed) -> None:
    """Refuse a measurement of something else than was asked for."""
    if found.version != library.material.version or found.resumed:
        raise Unavailable(f"agreed on {found.version}{', resumed' if found.resumed else ''}")
    if found.suite != library.material.suite:
        raise Unavailable(f"agreed on {found.suite}: it does not let its suite be chosen")


def pair(library: Library, other: Library, *, is_client: bool) -> tuple[End, End, Shaken]:
    """A connection whose measured end is of `library`: (that end, the other end, the handshake)."""
    client, server = (library.client(), other.server()) if is_client else (other.client(), library.server())
    shaken = handshake(client, server)
    check(library, shaken.agreed)
    return (client, server, shaken) if is_client else (server, client, shaken)


def repeats(once: float, seconds: float) -> int:
    return max(1, round(seconds / max(once, 1e-9)))


class SealProbe(Probe):
    def __init__(self, library: Library, other: Library, size: int, seconds: float) -> None:
        self._data, self._size = os.urandom(size), size
        self._end, far, _ = pair(library, other, is_client=True)
        for _ in range(3):
            if far.open(self._end.seal(self._data), size) != self._data:
                raise Unavailable("the octets that came out are not those that went in")
        self._count = 1
        while (took := self._end.seal_many(self._data, self._count)) < seconds / 4:
            self._count *= 2
        self._count = repeats(took / self._count, seconds)

    def sample(self) -> float:
        return self._size * self._count / self._end.seal_many(self._data, self._count) / 1e6


class OpenProbe(Probe):
    def __init__(self, library: Library, other: Library, size: int, seconds: float) -> None:
        self._data, self._size, self._seconds = os.urandom(size), size, seconds
        self._end, self._far, _ = pair(library, other, is_client=False)
        for _ in range(3):
            if self._end.open(self._far.seal(self._data), size) != self._data:
                raise Unavailable("the octets that came out are not those that went in")
        self._batch = max(1, min(BATCH_OCTETS // size, BATCH_MESSAGES))

    def sample(self) -> float:
        took, messages = 0.0, 0
        while took < self._seconds:
            wires = [self._far.seal(self._data) for _ in range(self._batch)]
            took += self._end.open_many(wires, self._size)
            messages += self._batch
        return self._size * messages / took / 1e6


class PingpongProbe(Probe):
    def __init__(self, library: Library, other: Library, size: int, seconds: float) -> None:
        # Configured anew: a library that keeps the tickets delivered here would resume its next connection with them.
        library = type(library)(library.material)
        self._library, self._data = library, os.urandom(size)
        self._client, self._server, shaken = pair(library, library, is_client=True)
        self._client.deliver(shaken.left)
        for sender, receiver in ((self._client, self._server), (self._server, self._client)):
            if receiver.open(sender.seal(self._data), size) != self._data:
                raise Unavailable("the octets that came out are not those that went in")
        self._count = 64
        self._count = repeats(self._run() / self._count, seconds)

    def _run(self) -> float:
        return self._library.pingpong(self._client, self._server, self._data, self._count)

    def sample(self) -> float:
        return self._count / self._run()


class HandshakeProbe(Probe):
    """CPU of one end: making its connection object and every step of the handshake."""

    def __init__(self, library: Library, other: Library, seconds: float, *, is_client: bool) -> None:
        self._library, self._other, self._is_client = library, other, is_client
        self._count = 4
        for _ in range(3):
            took, found = self._run()
            check(library, found)
        if found.group != "x25519":
            raise Unavailable(f"agreed on {found.group}")
        self._count = repeats(took / self._count, seconds)

    def _run(self) -> tuple[float, Agreed]:
        mine, theirs = self._library, self._other
        took = 0.0
        for _ in range(self._count):
            start = thread_time()
            end = mine.client() if self._is_client else mine.server()
            took += thread_time() - start
            far = theirs.server() if self._is_client else theirs.client()
            shaken = handshake(end, far) if self._is_client else handshake(far, end)
            took += shaken.client_seconds if self._is_client else shaken.server_seconds
        return took, shaken.agreed

    def sample(self) -> float:
        took, found = self._run()
        check(self._library, found)
        return took / self._count * 1e6


class IdleProbe(Probe):
    """Resident memory that connections keep after their handshake; for a fresh process."""

    def __init__(self, library: Library, other: Library, seconds: float, *, is_client: bool) -> None:
        self._library, self._other, self._is_client = library, other, is_client
        self._count = 1000 if seconds >= 0.02 else 300
        self._kept: list[End] = []
        for _ in range(50):
            pair(library, other, is_client=is_client)

    def sample(self) -> float:
        gc.collect()
        before = resident_octets()
        kept = [pair(self._library, self._other, is_client=self._is_client)[0] for _ in range(self._count)]
        gc.collect()
        grown = resident_octets() - before
        # Kept until the process ends: memory that an earlier sample freed would make the next one look smaller.
        self._kept.extend(kept)
        return grown / self._count / 1024


def resident_octets() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class LimitProbe(Probe):
    """The raw AEAD, record by record into a reused buffer: no TLS, no Python."""

    def __init__(self, provider: str, suite: str, size: int, seconds: float, *, opens: bool) -> None:
        from tlscore import _core, iana

        self._measure = _core.aead_limit
        # The AEAD alone: the suite of TLS 1.3 that has it.
        newer = next((new for new, old in OLDER_SUITES.items() if old == suite), suite)
        self._arguments = (provider, iana.CipherSuite.code_of(newer), min(size, RECORD))
        self._opens = opens
        self._count = 16
        self._count = repeats(self._run() / self._count, seconds)

    def _run(self) -> float:
        took = self._measure(*self._arguments, self._count, self._opens)
        if took is None:
            raise Unavailable("this provider lacks this AEAD")
        return took

    def sample(self) -> float:
        return self._arguments[2] * self._count / self._run() / 1e6


def probe(name: str, library: Library, other: Library, size: int, seconds: float) -> Probe:
    """The probe of an in-memory workload."""
    if name == "seal":
        return SealProbe(library, other, size, seconds)
    if name == "open":
        return OpenProbe(library, other, size, seconds)
    if name == "pingpong":
        return PingpongProbe(library, other, size, seconds)
    if name == "asyncio_echo":
        from tlscore.cli.bench.echo import EchoProbe

        return EchoProbe(library, size, seconds)
    kind, _, role = name.partition("_")
    if kind == "handshake":
        return HandshakeProbe(library, other, seconds, is_client=role == "client")
    return IdleProbe(library, other, seconds, is_client=role == "client")
