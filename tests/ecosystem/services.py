"""Servers from PyPI on a given context, in threads of this process or in one of their own."""

from __future__ import annotations

import asyncio
import functools
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import hypercorn.asyncio
import hypercorn.config
import hypercorn.trio
import uvicorn

from tests.ecosystem.support import DEADLINE, free_port, loop_in_thread, wait_for_port


async def echo_app(scope: Any, receive: Any, send: Any) -> None:
    """ASGI: GET answers with the path, POST with the body."""
    if scope["type"] != "http":
        raise ValueError("this application speaks HTTP alone")
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = bytes(body) if scope["method"] == "POST" else scope["path"].encode()
    headers = [(b"content-length", b"%d" % len(answer)), (b"content-type", b"text/html")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


class HypercornConfig(hypercorn.config.Config):
    """hypercorn's documented way to a context of one's own: the method that makes it."""

    context: Any = None

    @property
    def ssl_enabled(self) -> bool:
        return True

    def create_ssl_context(self) -> Any:
        return self.context


def hypercorn_config(context: Any) -> tuple[HypercornConfig, int]:
    config, port = HypercornConfig(), free_port()
    config.context = context
    config.bind = [f"127.0.0.1:{port}"]
    config.loglevel = "ERROR"
    config.graceful_timeout = config.shutdown_timeout = 1
    return config, port


@contextmanager
def hypercorn_server(context: Any, app: Any = echo_app) -> Iterator[int]:
    """hypercorn on asyncio; HTTP/2 where the context's ALPN agrees on it."""

    @asynccontextmanager
    async def service() -> AsyncIterator[int]:
        config, port = hypercorn_config(context)
        leave = asyncio.Event()
        serving = asyncio.create_task(hypercorn.asyncio.serve(app, config, shutdown_trigger=leave.wait))  # type: ignore[arg-type]
        try:
            await asyncio.to_thread(wait_for_port, port, lambda: not serving.done())
            yield port
        finally:
            leave.set()
            await serving

    with loop_in_thread(service) as port:
        yield port


@contextmanager
def uvicorn_server(context: Any, app: Any = echo_app) -> Iterator[int]:
    """uvicorn with a context from its factory hook."""

    @asynccontextmanager
    async def service() -> AsyncIterator[int]:
        config = uvicorn.Config(
            app,
            http="h11",
            lifespan="off",
            log_level="error",
            ssl_context_factory=lambda config, default: context,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        listening = socket.create_server(("127.0.0.1", 0))
        serving = asyncio.create_task(server._serve([listening]))
        try:
            await asyncio.to_thread(wait_for_port, listening.getsockname()[1])
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await serving

    with loop_in_thread(service) as port:
        yield port


@contextmanager
def program(*command: str, port: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A server in a process of its own; it must still run at the end, and its words are shown when it does not."""
    with open(folder / "output", "w+", encoding="utf-8") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, text=True)
        try:
            wait_for_port(port, lambda: process.poll() is None)
            yield process
            assert process.poll() is None
        finally:
            process.terminate()
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            output.seek(0)
            print(output.read())


python = functools.partial(program, sys.executable)
