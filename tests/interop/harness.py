"""What the interoperability tests stand on: programs, servers in threads, and a payload that comes back.

`Program` runs another TLS implementation as a process whose output a test can wait for; `serve` and `serve_ssl` run a
server of tlscore and of the standard library in a thread. Everything is bounded by TIMEOUT and ended when its `with`
block is left, whatever happened inside. Nobody waits by sleeping: a test waits for output, for a connection or for the
end of a process. Ports are free ones, reserved until the process that shall listen there has bound them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import random
import re
import select
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, Self

import tlscore
from tlscore import ClientConfig, ServerConfig, TlsSocket

TIMEOUT = 20.0
CHUNK = 256 * 1024
PAYLOAD = random.Random(20261124).randbytes(10 * 1024 * 1024)
DIGEST = hashlib.sha256(PAYLOAD).digest()
NAME = "example.org"
LOOPBACK = "127.0.0.1"


def combinations(suites: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """(certificate, suite, group) so that every two values of different kind meet, without the full product."""
    kinds, groups = ("p256", "rsa2048", "ed25519"), ("x25519", "secp256r1")
    return [
        (kind, suite, groups[(row + column) % 2])
        for row, kind in enumerate(kinds)
        for column, suite in enumerate(suites)
    ]


class Program:
    """Another implementation as a process: what it prints is collected, what is sent to it goes to its stdin.

    With `echo`, everything that it prints goes back into its stdin: that makes an echo server of a program that only
    connects its standard streams with a peer.
    """

    def __init__(self, *command: str | os.PathLike[str], echo: bool = False, cwd: Any = None) -> None:
        self.command = [os.fspath(part) for part in command]
        self._echo = echo
        self._output = {"stdout": bytearray(), "stderr": bytearray()}
        self._changed = threading.Condition()
        self._open = 2
        self._to_send: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=cwd,
        )
        self._threads = [
            threading.Thread(target=self._read, args=("stdout",)),
            threading.Thread(target=self._read, args=("stderr",)),
            threading.Thread(target=self._write),
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, name: str) -> None:
        stream = getattr(self._process, name)
        while chunk := stream.read(65536):
            if self._echo and name == "stdout":
                self._to_send.put(chunk)
            with self._changed:
                self._output[name] += chunk
                self._changed.notify_all()
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def _write(self) -> None:
        # A process that has ended takes nothing more; the test finds that out by what is missing.
        with contextlib.suppress(BrokenPipeError):
            while (data := self._to_send.get()) is not None:
                view = memoryview(data)
                while view:
                    view = view[self._process.stdin.write(view) :]
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def send(self, data: bytes) -> None:
        """Put octets into stdin, without waiting until they are read."""
        self._to_send.put(data)

    def end_input(self) -> None:
        """Close stdin behind what was sent."""
        self._to_send.put(None)

    @property
    def stdout(self) -> bytes:
        with self._changed:
            return bytes(self._output["stdout"])

    @property
    def text(self) -> str:
        """Everything printed so far, stdout first."""
        with self._changed:
            return (self._output["stdout"] + self._output["stderr"]).decode("latin-1")

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until the output matches; fails when it cannot any more."""
        found: list[re.Match[str]] = []

        def matches() -> bool:
            match = re.search(pattern, self.text)
            found.extend([match] if match is not None else [])
            return match is not None or self._open == 0

        with self._changed:
            in_time = self._changed.wait_for(matches, TIMEOUT)
        assert found, f"{'never' if in_time else f'not within {TIMEOUT:.0f} s'} printed {pattern!r}:\n{self.report()}"
        return found[0]

    def forget(self) -> None:
        """Drop what was printed so far, so that what follows is about the next connection."""
        with self._changed:
            for octets in self._output.values():
                octets.clear()

    def receive(self, octets: int) -> bytes:
        """Wait for so many octets on stdout."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._output["stdout"]) >= octets or self._open == 0, TIMEOUT)
            got = bytes(self._output["stdout"])
        assert len(got) >= octets, f"{len(got)} of {octets} octets came:\n{self.report()}"
        return got

    def wait(self) -> int:
        """Wait for the end; gives the exit status. All output is in afterwards."""
        try:
            status = self._process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {TIMEOUT:.0f} s:\n{self.report()}") from None
        for thread in self._threads[:2]:
            thread.join(TIMEOUT)
        return status

    def kill(self) -> None:
        """End the process at once, as a crash would: the kernel closes its sockets, nobody says close_notify."""
        self._process.kill()
        self._process.wait(TIMEOUT)

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def report(self) -> str:
        """What is needed to understand a failure."""
        with self._changed:
            parts = [f"{name}: {bytes(octets[-2000:])!r}" for name, octets in self._output.items() if octets]
        return "\n".join([" ".join(self.command), f"exit status {self._process.poll()}", *parts])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.kill()
        self._to_send.put(None)
        for thread in self._threads:
            thread.join(TIMEOUT)
        self._process.stdout.close()
        self._process.stderr.close()
        if error is not None:
            error.add_note(self.report())


class ProgramServer(Program):
    """A program that listens at `port`; the command is given that number in place of "{port}"."""

    def __init__(self, *command: str | os.PathLike[str], echo: bool = False, cwd: Any = None) -> None:
        # Bound and not listening, with SO_REUSEADDR as the programs set it: nobody else is given this port meanwhile.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind((LOOPBACK, 0))
        self.port: int = self._reserved.getsockname()[1]
        filled = [os.fspath(part).replace("{port}", str(self.port)) for part in command]
        super().__init__(*filled, echo=echo, cwd=cwd)

    def dial(self) -> socket.socket:
        """A connection to the server, as soon as it listens."""
        until = time.monotonic() + TIMEOUT
        while True:
            try:
                sock = socket.create_connection((LOOPBACK, self.port), TIMEOUT)
            except ConnectionRefusedError:
                assert not self.ended, f"ended before it listened:\n{self.report()}"
                assert time.monotonic() < until, f"does not listen:\n{self.report()}"
                # Nothing tells when another process begins to listen; asking again is the only way.
                select.select([], [], [], 0.005)
                continue
            sock.settimeout(TIMEOUT)
            return sock

    def connect(self, config: ClientConfig, name: str = NAME) -> TlsSocket:
        """A client of tlscore, through its handshake."""
        return tlscore.wrap_client(self.dial(), config, name)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        super().__exit__(kind, error, traceback)
        self._reserved.close()


class Serving:
    """A server in a thread: hands one client after another to `handle` and keeps what each came to, in order."""

    def __init__(self, sock: Any, accept: Callable[[], Any], handle: Callable[[Any], Any]) -> None:
        self._sock, self._accept, self._handle = sock, accept, handle
        self._outcomes: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
        self._closing = False
        self.port: int = sock.getsockname()[1]
        sock.settimeout(TIMEOUT)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing:
            try:
                stream = self._accept()
            except Exception as error:
                self._outcomes.put((None, error))
                continue
            if self._closing:
                stream.close()
                return
            try:
                stream.settimeout(TIMEOUT)
                outcome = self._handle(stream)
            except Exception as error:
                self._outcomes.put((None, error))
            else:
                self._outcomes.put((outcome, None))
            finally:
                stream.close()

    def result(self) -> Any:
        """What `handle` gave for the next client; raises what it raised, or what the handshake did."""
        outcome, error = self._outcomes.get(timeout=TIMEOUT)
        if error is not None:
            raise error
        return outcome

    def error(self) -> Any:
        """The exception that the next client came to."""
        outcome, error = self._outcomes.get(timeout=TIMEOUT)
        assert error is not None, f"the server raised nothing and gave {outcome!r}"
        return error

    def dial(self) -> socket.socket:
        sock = socket.create_connection((LOOPBACK, self.port), TIMEOUT)
        sock.settimeout(TIMEOUT)
        return sock

    def connect(self, config: ClientConfig, name: str = NAME) -> TlsSocket:
        """A client of tlscore, through its handshake."""
        return tlscore.connect((LOOPBACK, self.port), config, server_name=name, timeout=TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing = True
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self.port), TIMEOUT):
            pass
        self._thread.join(2 * TIMEOUT)
        self._sock.close()
        assert not self._thread.is_alive(), "the server thread hangs"


NEGOTIATED = ("version", "suite", "group", "alpn", "server_name", "hello_retried", "own_scheme")
FACTS = (*NEGOTIATED, "peer_scheme", "peer_chain", "peer_identity", "authenticated")


def facts(tls: TlsSocket) -> SimpleNamespace:
    """What a connection agreed on, readable after it is closed."""
    return SimpleNamespace(**{name: getattr(tls.connection, name) for name in FACTS})


def echo(tls: TlsSocket) -> SimpleNamespace:
    """Handler of a tlscore server: send everything back until the client says close_notify, then say it too."""
    agreed = facts(tls)
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    while octets := tls.recv_into(buffer):
        tls.sendall(view[:octets])
    return agreed


def ssl_echo(stream: ssl.SSLSocket) -> SimpleNamespace:
    """The same for the standard library."""
    agreed = ssl_facts(stream)
    while data := stream.recv(65536):
        stream.sendall(data)
    stream.unwrap()
    return agreed


def ssl_facts(stream: Any) -> SimpleNamespace:
    return SimpleNamespace(
        version=stream.version(),
        suite=stream.cipher()[0],
        alpn=stream.selected_alpn_protocol(),
        peer=stream.getpeercert(binary_form=True),
    )


@contextlib.contextmanager
def serve(config: ServerConfig, handle: Callable[[TlsSocket], Any] = echo) -> Iterator[Serving]:
    """A server of tlscore in a thread."""
    listener = tlscore.listen((LOOPBACK, 0), config)
    with Serving(listener, lambda: listener.accept()[0], handle) as serving:
        yield serving


@contextlib.contextmanager
def serve_ssl(context: ssl.SSLContext, handle: Callable[[ssl.SSLSocket], Any] = ssl_echo) -> Iterator[Serving]:
    """A server of the standard library in a thread."""
    listener = socket.create_server((LOOPBACK, 0))

    def accept() -> ssl.SSLSocket:
        return wrap_ssl(context, listener.accept()[0], server_side=True)

    with Serving(listener, accept, handle) as serving:
        yield serving


@contextlib.contextmanager
def serve_plain(handle: Callable[[socket.socket], Any]) -> Iterator[Serving]:
    """A server without TLS in a thread."""
    listener = socket.create_server((LOOPBACK, 0))
    with Serving(listener, lambda: listener.accept()[0], handle) as serving:
        yield serving


def wrap_ssl(context: ssl.SSLContext, sock: socket.socket, **options: Any) -> ssl.SSLSocket:
    """A connection of the standard library that reports truncation, as its default does not."""
    sock.settimeout(TIMEOUT)
    try:
        return context.wrap_socket(sock, suppress_ragged_eofs=False, **options)
    except BaseException:
        sock.close()
        raise


def echo_payload(tls: TlsSocket) -> None:
    """Send PAYLOAD from a thread of its own, compare what comes back, and end both directions in order."""
    digest, octets, buffer = hashlib.sha256(), 0, bytearray(CHUNK)
    view = memoryview(buffer)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(tls.sendall, PAYLOAD)
        try:
            while octets < len(PAYLOAD):
                received = tls.recv_into(buffer)
                assert received, f"the peer closed after {octets} of {len(PAYLOAD)} octets"
                digest.update(view[:received])
                octets += received
            sending.result(TIMEOUT)
        except BaseException:
            tls.abort()
            raise
    assert octets == len(PAYLOAD)
    assert digest.digest() == DIGEST
    tls.shutdown(socket.SHUT_WR)
    assert tls.recv(1) == b""


def ssl_echo_payload(stream: ssl.SSLSocket) -> None:
    """The same for the standard library, whose sockets must not be used by two threads: chunk by chunk."""
    digest, buffer = hashlib.sha256(), bytearray(CHUNK)
    for start in range(0, len(PAYLOAD), CHUNK):
        chunk = PAYLOAD[start : start + CHUNK]
        stream.sendall(chunk)
        view = memoryview(buffer)[: len(chunk)]
        while view:
            octets = stream.recv_into(view)
            assert octets
            digest.update(view[:octets])
            view = view[octets:]
    assert digest.digest() == DIGEST
    stream.unwrap().close()


def program_echo_payload(program: Program, octets: int = len(PAYLOAD)) -> None:
    """The same for a client program: PAYLOAD, or its beginning, into its stdin, the same octets out of its stdout."""
    program.send(PAYLOAD[:octets])
    assert hashlib.sha256(program.receive(octets)).digest() == hashlib.sha256(PAYLOAD[:octets]).digest()
    program.end_input()


def receive_exactly(stream: Any, octets: int) -> bytes:
    """Octets from any socket; fails when fewer come."""
    received = b""
    while len(received) < octets:
        more = stream.recv(octets - len(received))
        assert more, f"the peer closed after {received!r}"
        received += more
    return received


def refused(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """The exception that a call raises; a connection that comes up after all is closed."""
    try:
        stream = call(*arguments, **options)
    except Exception as error:
        return error
    stream.close()
    raise AssertionError("nothing was refused")
