"""A worker process: one library and one suite, for as long as the comparison runs.

It answers one JSON object a line on the standard output that it was started with; whatever a library prints goes to
standard error. A process per library keeps their allocators and caches apart, and lets stdlib ssl read the
configuration file that sets its suite.
"""

import json
import os
import random
import sys
import traceback
from importlib import import_module
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY, create_connection, create_server, socket
from time import perf_counter, process_time
from typing import Any

from tlscore.cli.bench.ends import Library, Material, Stream
from tlscore.cli.bench.targets import TARGETS
from tlscore.cli.bench.workloads import MIB, LimitProbe, Probe, Unavailable, pair, probe

CHECKED_OCTETS = 2 * MIB
RECEIVE_BUFFER = 256 * 1024
PROVIDERS = {"limit-aws_lc": "AWS-LC", "limit-ring": "ring"}


class Worker:
    def __init__(self, target: str, material: Material) -> None:
        self._target, self._material = TARGETS[target], material
        self._library: Library | None = None
        self._other: Library | None = None
        self._probe: Probe | None = None
        self._listener: socket | None = None
        self._stream: Stream | None = None

    def library(self) -> Library:
        if self._library is None:
            self._library = _load(self._target.library, self._material)
        return self._library

    def other(self) -> Library:
        """What stands at the other end of handshakes in memory."""
        library = self.library()
        if library.pairs_with_itself:
            return library
        if self._other is None:
            self._other = _load(TARGETS["tlscore"].library, self._material)
        return self._other

    # -- in memory --

    def on_prepare(self, workload: str, size: int, seconds: float) -> dict[str, Any]:
        self._probe = None
        if self._target.name.startswith("limit-"):
            provider, opens = PROVIDERS[self._target.name], workload == "open"
            self._probe = LimitProbe(provider, self._material.suite, size, seconds, opens=opens)
        else:
            self._probe = probe(workload, self.library(), self.other(), size, seconds)
        return {"note": self._probe.note}

    def on_sample(self) -> dict[str, Any]:
        assert self._probe is not None
        return {"value": self._probe.sample()}

    # -- over sockets --

    def on_listen(self) -> dict[str, Any]:
        if self._target.name != "limit-tcp":
            # Checks what two ends of this library agree to.
            pair(self.library(), self.library(), is_client=True)
        self._listener = create_server(("127.0.0.1", 0))
        return {"port": self._listener.getsockname()[1]}

    def on_accept(self) -> dict[str, Any]:
        assert self._listener is not None
        sock, _ = self._listener.accept()
        return self._join(sock, is_client=False)

    def on_connect(self, port: int) -> dict[str, Any]:
        return self._join(create_connection(("127.0.0.1", port)), is_client=True)

    def _join(self, sock: socket, *, is_client: bool) -> dict[str, Any]:
        sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self._stream = self.library().stream(sock, is_client=is_client)
        data = random.Random(1).randbytes(CHECKED_OCTETS)
        if is_client:
            self._stream.sendall(memoryview(data))
        else:
            received = bytearray()
            while len(received) < len(data):
                received += self._stream.receive_some(65536)
            if received != data:
                raise Unavailable("the octets that came out are not those that went in")
        return {}

    def on_send(self, size: int, count: int) -> dict[str, Any]:
        assert self._stream is not None
        data, sendall = memoryview(bytes(size)), self._stream.sendall
        wall, cpu = perf_counter(), process_time()
        for _ in range(count):
            sendall(data)
        return {"cpu": process_time() - cpu, "wall": perf_counter() - wall}

    def on_receive(self, octets: int) -> dict[str, Any]:
        assert self._stream is not None
        buffer = bytearray(RECEIVE_BUFFER)
        wall, cpu = perf_counter(), process_time()
        self._stream.receive(octets, buffer)
        return {"cpu": process_time() - cpu, "wall": perf_counter() - wall}

    def on_close(self) -> dict[str, Any]:
        if self._stream is not None:
            self._stream.close()
        if self._listener is not None:
            self._listener.close()
        self._stream = self._listener = None
        return {}


def _load(path: str, material: Material) -> Library:
    module, _, name = path.partition(":")
    library = getattr(import_module(module), name)(material)
    assert isinstance(library, Library)
    return library


def main() -> None:
    target, suite, directory, server_name = sys.argv[1:]
    files = Path(directory)
    material = Material(
        suite, files / "ca.pem", files / f"{server_name}.pem", files / f"{server_name}.key", server_name
    )
    # Whatever a library prints must not look like an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(target, material)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = getattr(worker, "on_" + order.pop("do"))(**order)
        except Unavailable as reason:
            answer = {"unavailable": str(reason)}
        except Exception as error:  # one library's failure must not end the comparison
            answer = {"failed": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
