"""HTTP clients from PyPI against HTTPS servers on OpenSSL; HTTP/2 against hypercorn."""

import asyncio
import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator
from typing import Any

import aiohttp
import elasticsearch
import httpcore
import httpx
import httpx2
import pytest
import requests
import requests.adapters
import tornado.httpclient
import tornado.simple_httpclient
import trio
import urllib3

from tests.ecosystem.services import hypercorn_server
from tests.ecosystem.support import DEADLINE, LARGE, Echo, Files, conversation, entry, http_server, server_context


@pytest.fixture
def site(peer_server: Any) -> Iterator[str]:
    with http_server(peer_server) as port:
        yield f"https://localhost:{port}"


@pytest.fixture
def http2_site(peer_shape: Any, files: Files) -> Iterator[str]:
    with hypercorn_server(server_context(peer_shape, files, "h2", "http/1.1")) as port:
        yield f"https://localhost:{port}"


@entry("urllib3", "client", "PoolManager(ssl_context=)")
def test_urllib3_keeps_a_connection(client: Any, site: str) -> None:
    with urllib3.PoolManager(ssl_context=client, timeout=DEADLINE) as manager:
        assert manager.request("GET", f"{site}/page").data == b"/page"
        assert manager.request("POST", f"{site}/", body=LARGE).data == LARGE
        assert manager.connection_from_url(site).num_connections == 1


def test_urllib3_gives_its_own_error_for_a_bad_certificate(shape: Any, site: str) -> None:
    with (
        urllib3.PoolManager(ssl_context=shape.create_default_context(), retries=False) as manager,
        pytest.raises(urllib3.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        manager.request("GET", site)


def test_urllib3_takes_a_bundle_and_no_context(client: Any, site: str, files: Files) -> None:
    """ca_certs= makes urllib3 configure the context that it is given."""
    with urllib3.PoolManager(ssl_context=client, ca_certs=str(files.ca), cert_reqs="CERT_REQUIRED") as manager:
        assert manager.request("GET", f"{site}/page").data == b"/page"


@pytest.fixture
def proxy(peer_server: Any) -> Iterator[str]:
    """An HTTPS proxy that knows CONNECT."""

    def handle(connection: socket.socket) -> None:
        with peer_server.wrap_socket(connection, server_side=True) as stream:
            reader = stream.makefile("rb")
            port = int(reader.readline().split()[1].rpartition(b":")[2])
            while reader.readline().strip():
                pass
            with socket.create_connection(("127.0.0.1", port)) as onward:
                stream.sendall(b"HTTP/1.1 200 connected\r\n\r\n")
                back = threading.Thread(target=pump, args=(onward, stream))
                back.start()
                pump(stream, onward)
                back.join(DEADLINE)
            reader.close()

    def pump(source: Any, target: Any) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                target.sendall(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(end, socket.SHUT_RDWR)

    with conversation(handle) as port:
        yield f"https://localhost:{port}"


@entry("urllib3", "client, TLS in TLS", "ProxyManager(proxy_ssl_context=, ssl_context=)")
def test_urllib3_speaks_tls_inside_the_tls_of_a_proxy(client: Any, site: str, proxy: str) -> None:
    """The inner connection runs on wrap_bio through urllib3's own transport."""
    with urllib3.ProxyManager(proxy, proxy_ssl_context=client, ssl_context=client, timeout=DEADLINE) as manager:
        assert manager.request("GET", f"{site}/page").data == b"/page"
        assert manager.request("POST", f"{site}/", body=LARGE, headers={"Connection": "close"}).data == LARGE


class Adapter(requests.adapters.HTTPAdapter):
    def __init__(self, context: Any) -> None:
        self.context = context
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **settings: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=self.context, **settings)


@entry("requests", "client", "HTTPAdapter.init_poolmanager(ssl_context=)")
def test_requests_posts(client: Any, site: str, files: Files) -> None:
    with requests.Session() as session:
        session.mount("https://", Adapter(client))
        session.verify = str(files.ca)
        assert session.get(f"{site}/page", timeout=DEADLINE).content == b"/page"
        assert session.post(site, data=LARGE, timeout=DEADLINE).content == LARGE
        with session.get(f"{site}/stream", stream=True, timeout=DEADLINE) as response:
            assert b"".join(response.iter_content(3)) == b"/stream"


def use_httpx(module: Any, context: Any, site: str, *, http2: bool = False) -> None:
    with module.Client(verify=context, http2=http2, timeout=DEADLINE) as session:
        first = session.get(f"{site}/page")
        assert first.content == b"/page"
        assert first.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        assert session.post(site, content=LARGE).content == LARGE


async def use_httpx_async(module: Any, context: Any, site: str, *, http2: bool = False) -> None:
    async with module.AsyncClient(verify=context, http2=http2, timeout=DEADLINE) as session:
        first = await session.get(f"{site}/page")
        assert first.content == b"/page"
        assert first.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        assert (await session.post(site, content=LARGE)).content == LARGE


@entry("httpx", "client, sync", "Client(verify=)")
def test_httpx_posts(client: Any, site: str) -> None:
    use_httpx(httpx, client, site)


@entry("httpx", "client, sync, HTTP/2", "Client(verify=, http2=True)")
def test_httpx_speaks_http2(client: Any, http2_site: str) -> None:
    use_httpx(httpx, client, http2_site, http2=True)


@entry("httpx", "client, asyncio", "AsyncClient(verify=)")
def test_httpx_posts_on_asyncio(client: Any, site: str) -> None:
    asyncio.run(use_httpx_async(httpx, client, site))


@entry("httpx", "client, asyncio, HTTP/2", "AsyncClient(verify=, http2=True)")
def test_httpx_speaks_http2_on_asyncio(client: Any, http2_site: str) -> None:
    asyncio.run(use_httpx_async(httpx, client, http2_site, http2=True))


@entry("httpx", "client, trio, HTTP/1.1 and HTTP/2", "AsyncClient(verify=)")
@pytest.mark.parametrize("http2", [False, True])
def test_httpx_posts_on_trio(client: Any, http2_site: str, http2: bool) -> None:
    async def main() -> None:
        await use_httpx_async(httpx, client, http2_site, http2=http2)

    trio.run(main)


@entry("httpx2", "client, sync and asyncio, HTTP/1.1 and HTTP/2", "Client(verify=), AsyncClient(verify=)")
@pytest.mark.parametrize("http2", [False, True])
def test_httpx2_posts(client: Any, http2_site: str, http2: bool) -> None:
    use_httpx(httpx2, client, http2_site, http2=http2)
    asyncio.run(use_httpx_async(httpx2, client, http2_site, http2=http2))


@entry("httpcore", "client, sync and async", "ConnectionPool(ssl_context=)")
def test_httpcore_posts(client: Any, http2_site: str) -> None:
    async def main() -> None:
        async with httpcore.AsyncConnectionPool(ssl_context=client, http2=True) as pool:
            response = await pool.request("POST", http2_site, content=LARGE)
            assert response.content == LARGE
            assert response.extensions["http_version"] == b"HTTP/2"

    with httpcore.ConnectionPool(ssl_context=client, http2=True) as pool:
        response = pool.request("POST", http2_site, content=LARGE)
        assert response.content == LARGE
        assert response.extensions["http_version"] == b"HTTP/2"
    asyncio.run(main())


@entry("aiohttp", "client", "TCPConnector(ssl=) or request(ssl=)")
def test_aiohttp_posts(client: Any, site: str) -> None:
    async def main() -> None:
        timeout = aiohttp.ClientTimeout(total=DEADLINE)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client), timeout=timeout) as session:
            async with session.get(f"{site}/page") as response:
                assert await response.read() == b"/page"
            async with session.post(site, data=LARGE, ssl=client) as response:
                assert await response.read() == LARGE

    asyncio.run(main())


@entry("tornado", "HTTP client", "AsyncHTTPClient.fetch(ssl_options=)")
def test_tornado_fetches(client: Any, site: str) -> None:
    async def main() -> None:
        fetcher = tornado.simple_httpclient.SimpleAsyncHTTPClient(force_instance=True)
        answer = await fetcher.fetch(f"{site}/", method="POST", body=LARGE, ssl_options=client)
        assert answer.body == LARGE
        fetcher.close()

    asyncio.run(asyncio.wait_for(main(), DEADLINE))


class Elastic(Echo):
    def answer(self, body: bytes) -> None:
        product = b'{"tagline": "You Know, for Search", "version": {"number": "9.0.0"}}'
        self.send_response(http.client.OK)
        self.send_header("Content-Type", "application/vnd.elasticsearch+json; compatible-with=9")
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Length", str(len(product)))
        self.end_headers()
        self.wfile.write(product)


@entry("elasticsearch", "client, sync and async", "Elasticsearch(ssl_context=)")
def test_elasticsearch_asks_for_its_server(client: Any, peer_server: Any) -> None:
    async def main(url: str) -> None:
        async with elasticsearch.AsyncElasticsearch(url, ssl_context=client) as search:
            assert (await search.info())["version"]["number"] == "9.0.0"

    with http_server(peer_server, Elastic) as port:
        url = f"https://localhost:{port}"
        with elasticsearch.Elasticsearch(url, ssl_context=client) as search:
            assert search.info()["version"]["number"] == "9.0.0"
        asyncio.run(main(url))
