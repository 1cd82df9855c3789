"""What the tests of other people's libraries share: contexts, servers in threads, an HTTP server that echoes.

The library under test always runs on the module under test; the other end of the connection runs on the standard
library's `ssl`, so that every test is a conversation with OpenSSL as well. TLSCORE_ECOSYSTEM_SSL=stdlib puts the
standard library on both ends (a test that fails then is a bad test), =both puts tlscore there, =aio makes asyncio's own
functions take the transport of tlscore.aio.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl as stdlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

CONTROL = os.environ.get("TLSCORE_ECOSYSTEM_SSL") == "stdlib"
AIO = os.environ.get("TLSCORE_ECOSYSTEM_SSL") == "aio"
BOTH = os.environ.get("TLSCORE_ECOSYSTEM_SSL") == "both"
DEADLINE = 20
# More than one record, more than one socket buffer, no power of two.
LARGE = bytes(range(251)) * 2003


def entry(library: str, side: str, through: str) -> pytest.MarkDecorator:
    """Mark a test as a row of the table in docs/ecosystem.md, which is generated from these marks.

    Takes:    library: its name on PyPI, or "stdlib" and the module; side: client or server, and what else is special;
              through: where the library takes the context.
    """
    return pytest.mark.entry(library, side, through)


@dataclass(frozen=True)
class Files:
    """Where the certificates of a run lie."""

    ca: Path
    chain: Path
    key: Path


def client_context(module: Any, files: Files, *protocols: str) -> Any:
    context = module.create_default_context(cafile=str(files.ca))
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def server_context(module: Any, files: Files, *protocols: str) -> Any:
    context = module.create_default_context(module.Purpose.CLIENT_AUTH)
    context.load_cert_chain(str(files.chain), str(files.key))
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, alive: Callable[[], bool] = lambda: True) -> None:
    """Until something listens on the port; seen in the kernel's table, so that no connection is made to find out."""
    wanted = f":{port:04X} "
    pause = threading.Event()
    for _ in range(DEADLINE * 50):
        if any(wanted in line and " 0A " in line for line in Path("/proc/net/tcp").read_text().splitlines()):
            return
        if not alive():
            break
        pause.wait(0.02)
    pytest.fail(f"nothing listens on port {port}")


def exactly(connection: Any, octets: int) -> bytes:
    """That many octets from a blocking socket."""
    got = bytearray()
    while len(got) < octets:
        piece = connection.recv(octets - len(got))
        if not piece:
            raise EOFError(f"the stream ended after {len(got)} of {octets} octets")
        got += piece
    return bytes(got)


@contextmanager
def conversation(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server in a thread that hands every connection to `handle`; gives its port, and raises what `handle` raised."""
    failures: list[BaseException] = []
    threads: list[threading.Thread] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        try:
            connection.settimeout(DEADLINE)
            with connection:
                handle(connection)
        except BaseException as error:
            failures.append(error)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        # A listener that is merely closed would leave the thread in accept().
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(DEADLINE)
        for thread in threads:
            thread.join(DEADLINE)
    assert not any(thread.is_alive() for thread in threads)
    if failures:
        raise failures[0]


class Echo(BaseHTTPRequestHandler):
    """GET answers with the path, POST with the body; the connection stays open."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(self.path.encode())

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    do_PUT = do_POST

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@contextmanager
def http_server(
    context: Any, handler: type[BaseHTTPRequestHandler] = Echo, *, wrap_listener: bool = False
) -> Iterator[int]:
    """An HTTPS server of the standard library on `context`; gives its port."""
    server = Server(("127.0.0.1", 0), handler, context, wrap_listener=wrap_listener)
    with in_thread(server):
        yield server.server_address[1]


class Server(ThreadingHTTPServer):
    """http.server with TLS: each connection wrapped, or the listening socket, as most tutorials do it."""

    daemon_threads = True

    def __init__(self, address: Any, handler: Any, context: Any, *, wrap_listener: bool) -> None:
        super().__init__(address, handler)
        self.context: Any = None if wrap_listener else context
        if wrap_listener:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        connection.settimeout(DEADLINE)
        return connection, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.context is not None:
            request = self.context.wrap_socket(request, server_side=True)
        with request:
            super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is not this server's failure; the client's test tells."""


@contextmanager
def in_thread(server: Any) -> Iterator[Any]:
    """Run a server of socketserver's kind in a thread."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(DEADLINE)
        assert not thread.is_alive()


@contextmanager
def loop_in_thread(
    service: Callable[[], AbstractAsyncContextManager[Any]], runner: Callable[[Any], Any] = asyncio.run
) -> Iterator[Any]:
    """Enter the asynchronous context manager `service()` in a loop of its own thread; gives what it gives."""
    ready, value, failures = threading.Event(), [], []
    stop: list[Callable[[], None]] = []

    async def main() -> None:
        leave = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(leave.set))
        async with service() as given:
            value.append(given)
            ready.set()
            await leave.wait()

    def run() -> None:
        try:
            runner(main())
        except BaseException as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(DEADLINE)
    if failures:
        raise failures[0]
    try:
        yield value[0]
    finally:
        stop[0]()
        thread.join(DEADLINE)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


@asynccontextmanager
async def asyncio_server(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], context: Any = None
) -> AsyncIterator[int]:
    """asyncio.start_server on loopback; gives its port."""
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Give back what comes until the peer has said its last."""
    while piece := await reader.read(1 << 16):
        writer.write(piece)
        await writer.drain()
    writer.close()


def echo_blocking(connection: Any) -> None:
    """`echo` for a blocking socket."""
    while piece := connection.recv(1 << 16):
        connection.sendall(piece)


def openssl_server(context: stdlib.SSLContext) -> Callable[[socket.socket], None]:
    """For `conversation`: an echo over TLS, whose clients may leave as they like."""

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as stream, contextlib.suppress(ConnectionResetError):
            echo_blocking(stream)
            with contextlib.suppress(OSError):
                stream.unwrap()

    return handle
