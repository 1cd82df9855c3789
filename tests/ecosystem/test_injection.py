"""`tlscore.inject_into_ssl()` as the first statement of a program, for libraries that make their contexts themselves.

Each program runs in a process of its own, as an application would, and fails where tlscore made no connection. The
control runs the same programs without the injection.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ecosystem.services import program
from tests.ecosystem.support import CONTROL, Echo, Files, entry, free_port, http_server
from tests.support.tools import REPOSITORY, require_tool

PROLOGUE = """
import sys
made = []
if {inject}:
    import tlscore
    tlscore.inject_into_ssl()
    from tlscore.ssl import SSLContext
    original = SSLContext._new_connection
    SSLContext._new_connection = lambda self, *rest, **more: made.append(1) or original(self, *rest, **more)
ca, chain, key, port = {ca!r}, {chain!r}, {key!r}, {port}
"""
EPILOGUE = """
if {inject}:
    assert made, "no connection went through tlscore"
    tlscore.extract_from_ssl()
    import ssl
    assert ssl.SSLContext.__module__ == "ssl"
    ssl.create_default_context().options |= ssl.OP_NO_TICKET
print("done")
"""
Run = Callable[[str, int], None]

pytestmark = pytest.mark.elsewhere("the program counts the connections of tlscore itself")


@pytest.fixture
def run(files: Files, tmp_path: Path) -> Run:
    def run(text: str, port: int) -> None:
        names = {"inject": not CONTROL, "ca": str(files.ca), "chain": str(files.chain), "key": str(files.key)}
        source = PROLOGUE.format(port=port, **names) + text + EPILOGUE.format(**names)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", source],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "python")])},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("done\n")

    return run


@pytest.fixture
def site_port(peer_server: Any) -> Iterator[int]:
    with http_server(peer_server) as port:
        yield port


@entry("requests", "client, injected", "tlscore.inject_into_ssl()")
def test_requests_is_injected(run: Run, site_port: int) -> None:
    run(
        """
import requests
with requests.Session() as session:
    assert session.get(f"https://localhost:{port}/page", verify=ca).content == b"/page"
    try:
        session.get(f"https://localhost:{port}/page")
    except requests.exceptions.SSLError as error:
        assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    else:
        raise AssertionError
""",
        site_port,
    )


@entry("aiohttp", "client, injected", "tlscore.inject_into_ssl()")
def test_aiohttp_is_injected(run: Run, site_port: int) -> None:
    run(
        """
import asyncio, os
os.environ["SSL_CERT_FILE"] = ca
import aiohttp

async def main():
    async with aiohttp.ClientSession() as session, session.get(f"https://localhost:{port}/page") as response:
        assert await response.read() == b"/page"

asyncio.run(main())
""",
        site_port,
    )


class Storage(Echo):
    def answer(self, body: bytes) -> None:
        assert "AWS4-HMAC-SHA256" in self.headers["Authorization"]
        listing = (
            b"<ListAllMyBucketsResult><Buckets><Bucket><Name>one</Name></Bucket></Buckets></ListAllMyBucketsResult>"
        )
        super().answer(listing)


@entry("botocore", "client, injected", "tlscore.inject_into_ssl()")
def test_botocore_is_injected(run: Run, peer_server: Any) -> None:
    with http_server(peer_server, Storage) as port:
        run(
            """
import botocore.session
session = botocore.session.Session()
session.set_credentials("key", "secret")
client = session.create_client("s3", region_name="eu-west-1", endpoint_url=f"https://localhost:{port}", verify=ca)
assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["one"]
client.close()
""",
            port,
        )


@entry("redis", "client, sync and asyncio, injected", "tlscore.inject_into_ssl()")
def test_redis_is_injected(run: Run, files: Files, tmp_path: Path) -> None:
    port = free_port()
    tls = ["--tls-cert-file", str(files.chain), "--tls-key-file", str(files.key), "--tls-ca-cert-file", str(files.ca)]
    ports = ["--bind", "127.0.0.1", "--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", "--save", ""]
    with program(require_tool("redis-server"), *ports, *tls, port=port, folder=tmp_path):
        run(
            """
import asyncio, redis, redis.asyncio
with redis.Redis(host="localhost", port=port, ssl=True, ssl_ca_certs=ca) as store:
    assert store.set("name", "value") and store.get("name") == b"value"

async def main():
    async with redis.asyncio.Redis(host="localhost", port=port, ssl=True, ssl_ca_certs=ca) as store:
        assert await store.get("name") == b"value"

asyncio.run(main())
""",
            port,
        )


@entry("uvicorn", "server, injected", "tlscore.inject_into_ssl()")
def test_uvicorn_is_injected(run: Run) -> None:
    run(
        """
import ssl
# The client is on OpenSSL whatever is injected.
peer = next(cls for cls in ssl.SSLContext.__mro__ if cls.__module__ == "ssl")
import asyncio, socket, uvicorn
from tests.ecosystem.services import echo_app

config = uvicorn.Config(echo_app, lifespan="off", log_level="error", ssl_certfile=chain, ssl_keyfile=key)
listening = socket.create_server(("127.0.0.1", 0))

def ask():
    context = peer(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    with socket.create_connection(listening.getsockname()) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as stream:
            stream.sendall(b"GET /page HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
            answer = b"".join(iter(lambda: stream.recv(1 << 16), b""))
    assert answer.endswith(b"/page"), answer

async def main():
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listening]))
    await asyncio.to_thread(ask)
    server.should_exit = True
    await serving

asyncio.run(main())
""",
        0,
    )


@entry("truststore", "client, on top", "tlscore.inject_into_ssl()")
def test_truststore_stands_on_what_is_injected(run: Run, site_port: int) -> None:
    """truststore wraps the context class that it finds, and asks `_sslobj` for the chain that the server sent."""
    run(
        """
import ssl, truststore, urllib3
context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(ca)
with urllib3.PoolManager(ssl_context=context) as manager:
    assert manager.request("GET", f"https://localhost:{port}/page").data == b"/page"
""",
        site_port,
    )


@entry("urllib3", "client, injected", "tlscore.urllib3.inject_into_urllib3()")
def test_urllib3_is_injected_alone(run: Run, site_port: int) -> None:
    run(
        """
import ssl, urllib3
if "tlscore" in sys.modules:
    tlscore.extract_from_ssl()
    from tlscore.urllib3 import extract_from_urllib3, inject_into_urllib3, pool_manager
    inject_into_urllib3()
    inject_into_urllib3()
with urllib3.PoolManager(ca_certs=ca) as manager:
    assert manager.request("GET", f"https://localhost:{port}/page").data == b"/page"
if "tlscore" in sys.modules:
    assert made
    extract_from_urllib3()
    extract_from_urllib3()
    before = len(made)
    with urllib3.PoolManager(ca_certs=ca) as manager:
        assert manager.request("GET", f"https://localhost:{port}/page").data == b"/page"
    assert len(made) == before
    from tlscore.ssl import create_default_context
    with pool_manager(create_default_context(cafile=ca)) as manager:
        assert manager.request("GET", f"https://localhost:{port}/page").data == b"/page"
    assert len(made) == before + 1
""",
        site_port,
    )
