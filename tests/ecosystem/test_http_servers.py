"""HTTP servers from PyPI on the module under test; the clients are on OpenSSL."""

import http.client
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp.web
import httpx
import hypercorn.trio
import pytest
import tornado.httpserver
import tornado.web
import trio
import werkzeug.serving

from tests.ecosystem.services import echo_app, hypercorn_config, hypercorn_server, program, uvicorn_server
from tests.ecosystem.support import (
    CONTROL,
    DEADLINE,
    LARGE,
    Files,
    entry,
    free_port,
    in_thread,
    loop_in_thread,
    server_context,
    wait_for_port,
)


def ask(context: Any, port: int, *, http2: bool = False) -> None:
    """Two requests on one connection, and a second connection."""
    for _ in range(2):
        with httpx.Client(verify=context, http2=http2, http1=not http2, timeout=DEADLINE) as session:
            first = session.get(f"https://localhost:{port}/page")
            assert first.content == b"/page"
            assert first.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
            assert session.post(f"https://localhost:{port}/", content=LARGE).content == LARGE


@entry("aiohttp", "server", "TCPSite(ssl_context=)")
def test_aiohttp_serves(server: Any, peer_client: Any) -> None:
    async def answer(request: aiohttp.web.Request) -> aiohttp.web.Response:
        body = await request.read()
        return aiohttp.web.Response(body=body if request.method == "POST" else request.path.encode())

    @asynccontextmanager
    async def service() -> AsyncIterator[int]:
        app = aiohttp.web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", answer)
        runner = aiohttp.web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server)
        await site.start()
        yield runner.addresses[0][1]
        await runner.cleanup()

    with loop_in_thread(service) as port:
        ask(peer_client, port)


@entry("uvicorn", "server", "Config(ssl_context_factory=)")
def test_uvicorn_serves(server: Any, peer_client: Any) -> None:
    with uvicorn_server(server) as port:
        ask(peer_client, port)


@entry("hypercorn", "server, HTTP/1.1", "Config.create_ssl_context()")
def test_hypercorn_serves(server: Any, peer_client: Any) -> None:
    with hypercorn_server(server) as port:
        ask(peer_client, port)


@entry("hypercorn", "server, HTTP/2", "Config.create_ssl_context()")
def test_hypercorn_serves_http2(shape: Any, files: Files, peer_client: Any) -> None:
    with hypercorn_server(server_context(shape, files, "h2", "http/1.1")) as port:
        ask(peer_client, port, http2=True)


@entry("hypercorn", "server, trio, HTTP/2", "Config.create_ssl_context()")
def test_hypercorn_serves_on_trio(shape: Any, files: Files, peer_client: Any) -> None:
    config, port = hypercorn_config(server_context(shape, files, "h2", "http/1.1"))

    async def main() -> None:
        leave = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                lambda: hypercorn.trio.serve(echo_app, config, shutdown_trigger=leave.wait)  # type: ignore[arg-type]
            )
            await trio.to_thread.run_sync(wait_for_port, port)
            await trio.to_thread.run_sync(lambda: ask(peer_client, port, http2=True))
            leave.set()

    trio.run(main)


@entry("tornado", "HTTP server", "HTTPServer(ssl_options=)")
def test_tornado_serves(server: Any, peer_client: Any) -> None:
    class Answer(tornado.web.RequestHandler):
        def get(self) -> None:
            self.write(self.request.path)

        def post(self) -> None:
            self.write(self.request.body)

    @asynccontextmanager
    async def service() -> AsyncIterator[int]:
        port = free_port()
        site = tornado.httpserver.HTTPServer(tornado.web.Application([(".*", Answer)]), ssl_options=server)
        site.listen(port, "127.0.0.1")
        yield port
        site.stop()
        await site.close_all_connections()

    with loop_in_thread(service) as port:
        ask(peer_client, port)


@entry("werkzeug", "server", "make_server(ssl_context=), app.run(ssl_context=)")
def test_werkzeug_serves(server: Any, peer_client: Any) -> None:
    site = werkzeug.serving.make_server("127.0.0.1", 0, wsgi_echo, threaded=True, ssl_context=server)
    site.daemon_threads = True
    with in_thread(site):
        ask_once_each(peer_client, site.port)


def wsgi_echo(environ: Any, start_response: Any) -> list[bytes]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else environ["PATH_INFO"].encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def ask_once_each(context: Any, port: int) -> None:
    """`ask` for servers that close after each response."""
    for method, path, body, expected in (("GET", "/page", None, b"/page"), ("POST", "/", LARGE, LARGE)):
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=DEADLINE)
        connection.request(method, path, body)
        assert connection.getresponse().read() == expected
        connection.close()


GUNICORN = """
import sys
sys.path[:0] = {path!r}
from {module} import ssl as module
bind = "127.0.0.1:{port}"
worker_class = {worker!r}
http_protocols = {protocols!r}
is_ssl = True
certfile, keyfile = {chain!r}, {key!r}
control_socket_disable = True

def ssl_context(conf, default_ssl_context_factory):
    context = module.create_default_context(module.Purpose.CLIENT_AUTH)
    context.load_cert_chain(conf.certfile, conf.keyfile)
    context.set_alpn_protocols({alpn!r})
    return context

def post_worker_init(worker):
    worker.log.info("the context is one of %s", ssl_context(worker.cfg, None).__class__.__module__)
"""


@pytest.mark.elsewhere("gunicorn's worker says in its log whose context it uses")
@pytest.mark.parametrize(
    ("worker", "http2"),
    [
        pytest.param("sync", False, marks=entry("gunicorn", "server, sync worker", "ssl_context hook")),
        pytest.param("gthread", False, marks=entry("gunicorn", "server, gthread worker", "ssl_context hook")),
        pytest.param("gthread", True, marks=entry("gunicorn", "server, gthread worker, HTTP/2", "ssl_context hook")),
    ],
)
def test_gunicorn_serves(files: Files, peer_client: Any, tmp_path: Path, worker: str, http2: bool, capsys: Any) -> None:
    port = free_port()
    settings = GUNICORN.format(
        path=[entry for entry in sys.path if entry],
        module="tests.ecosystem.control" if CONTROL else "tlscore",
        port=port,
        worker=worker,
        protocols="h2,h1" if http2 else "h1",
        chain=str(files.chain),
        key=str(files.key),
        alpn=["h2", "http/1.1"] if http2 else ["http/1.1"],
    )
    (tmp_path / "settings.py").write_text(settings, encoding="utf-8")
    command = [sys.executable, "-m", "gunicorn", "-c", "settings.py", "tests.ecosystem.test_http_servers:wsgi_echo"]
    with program(*command, port=port, folder=tmp_path):
        if http2:
            ask(peer_client, port, http2=True)
        else:
            ask_once_each(peer_client, port)
    assert f"the context is one of {'ssl' if CONTROL else 'tlscore.ssl'}" in capsys.readouterr().out
