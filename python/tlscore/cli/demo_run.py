"""The measuring of `tlscore demo`: its server processes, and the two things that are counted.

Protocol over the encrypted stream, the same for both libraries: the server first writes a line about the client. Then,
per segment, the client writes 8 octets with the segment's length and the segment; the server answers one octet when all
of it is there, which ends the timed part, then hashes it and answers the digest so far and its CPU time. The client
hashes meanwhile.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY, create_connection
from statistics import median
from time import perf_counter, process_time
from typing import Any, Self

from tlscore.cli.throwaway import CLIENT_NAME, SERVER_NAME

MIB = 1024 * 1024
RECEIVED = b"\x06"
REPORT = 32 + 8
_TURN = 50
# Each segment starts elsewhere in one random block: no two are alike, and making them costs nothing.
_STRIDE, _SPARE = 4099, 1 << 17


@dataclass
class Measured:
    """What one library took."""

    suite: str = ""
    octets: int = 0
    rates: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0
    digest: str = ""
    hashes_match: bool = True

    def rate(self) -> float:
        return median(self.rates)

    def cost(self) -> float:
        return self.cpu_seconds / self.octets * 1e9


class ServerProcess:
    """A server of one library in a process of its own, on a free port."""

    def __init__(self, library: str, directory: Path) -> None:
        self.library, self._directory = library, directory
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tlscore.cli.demo_server", library, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the {library} server did not start: code {self._process.wait()}")
        self.port: int = json.loads(line)["port"]
        self.pid = self._process.pid
        self.wrap = client_wrapper(library, directory)

    @contextmanager
    def connect(self) -> Iterator[Any]:
        sock = create_connection(("127.0.0.1", self.port))
        sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        tls = self.wrap(sock)
        try:
            yield tls
        finally:
            tls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # End of its standard input is what tells the server to stop.
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def client_wrapper(library: str, directory: Path) -> Callable[[Any], Any]:
    """A function that runs a client handshake over a connected socket, configured once."""
    trust, chain = str(directory / "ca.pem"), str(directory / f"{CLIENT_NAME}.pem")
    key = str(directory / f"{CLIENT_NAME}.key")
    if library == "ssl":
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(trust)
        context.load_cert_chain(chain, key)
        context.set_alpn_protocols(["demo"])
        return lambda sock: context.wrap_socket(sock, server_hostname=SERVER_NAME)
    from tlscore import ClientConfig, Identity, TrustStore
    from tlscore.cli.demo import SUITE
    from tlscore.sockets import wrap_client

    config = ClientConfig.mutual(trust=TrustStore.from_file(trust), identity=Identity.load(chain, key)).replace(
        suites=(SUITE,), groups=("x25519",), key_shares=("x25519",), alpn=("demo",)
    )
    return lambda sock: wrap_client(sock, config, SERVER_NAME)


def suite_of(tls: Any) -> str:
    return str(tls.cipher()[0] if hasattr(tls, "cipher") else tls.suite)


def receive_exactly(tls: Any, octets: int) -> bytes:
    data = b""
    while len(data) < octets:
        piece = tls.recv(octets - len(data))
        if not piece:
            raise ConnectionError("the stream ended early")
        data += piece
    return data


def receive_line(tls: Any) -> str:
    data = b""
    while not data.endswith(b"\n"):
        data += receive_exactly(tls, 1)
    return data.decode().rstrip()


def move_segments(
    servers: dict[str, ServerProcess], segments: list[int], progress: Callable[[str], None]
) -> dict[str, Measured]:
    """Move the segments (MiB each) with every library, in turns."""
    block = memoryview(os.urandom(max(segments) * MIB + _SPARE))
    measured = {name: Measured() for name in servers}
    with _all_connected(servers) as streams:
        hashes = {name: hashlib.sha256() for name in servers}
        for name, tls in streams.items():
            receive_line(tls)
            measured[name].suite = suite_of(tls)
        for index, mib in enumerate(segments):
            start = index * _STRIDE % _SPARE
            data = block[start : start + mib * MIB]
            for name, tls in streams.items():
                progress(f"segment {index + 1} of {len(segments)}, {name}")
                _move(tls, data, measured[name], hashes[name])
    progress("")
    return measured


@contextmanager
def _all_connected(servers: dict[str, ServerProcess]) -> Iterator[dict[str, Any]]:
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield {name: stack.enter_context(server.connect()) for name, server in servers.items()}


def _move(tls: Any, data: memoryview, measured: Measured, digest: "hashlib._Hash") -> None:
    wall, cpu = perf_counter(), process_time()
    tls.sendall(len(data).to_bytes(8))
    tls.sendall(data)
    if receive_exactly(tls, 1) != RECEIVED:
        raise ConnectionError("the server did not confirm")
    measured.cpu_seconds += process_time() - cpu
    measured.rates.append(len(data) / (perf_counter() - wall) / 1e6)
    digest.update(data)
    report = receive_exactly(tls, REPORT)
    measured.cpu_seconds += int.from_bytes(report[32:]) / 1e9
    measured.octets += len(data)
    measured.digest = digest.hexdigest()
    measured.hashes_match = measured.hashes_match and report[:32] == digest.digest()


def count_handshakes(
    servers: dict[str, ServerProcess], handshakes: int, progress: Callable[[str], None]
) -> dict[str, list[float]]:
    """Handshakes a second, by the clock, of one client after the other over TCP: a rate per turn, for every library."""
    rates: dict[str, list[float]] = {name: [] for name in servers}
    for turn in range(0, handshakes, _TURN):
        count = min(_TURN, handshakes - turn)
        for name, server in servers.items():
            progress(f"handshakes {turn} of {handshakes}, {name}")
            start = perf_counter()
            for _ in range(count):
                # The line from the server shows that it has verified us: in TLS 1.3 the client's own handshake ends
                # before that.
                with server.connect() as tls:
                    receive_line(tls)
            rates[name].append(count / (perf_counter() - start))
    progress("")
    return rates
