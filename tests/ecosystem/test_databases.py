"""Database clients: redis and valkey against a real server with TLS; asyncpg, PyMySQL and pymongo against the opening
of their protocols, which is where TLS comes in."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import bson
import pymongo
import pymysql
import pytest
import redis
import redis.asyncio
import valkey

from tests.ecosystem.services import program
from tests.ecosystem.support import DEADLINE, LARGE, Files, conversation, entry, exactly, free_port
from tests.support.tools import require_tool


@pytest.fixture(scope="module")
def redis_port(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A redis-server that speaks TLS alone."""
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    settings = {
        "bind": "127.0.0.1",
        "port": "0",
        "tls-port": str(port),
        "tls-cert-file": str(files.chain),
        "tls-key-file": str(files.key),
        "tls-ca-cert-file": str(files.ca),
        "tls-auth-clients": "no",
        "save": "",
        "dir": str(folder),
    }
    command = [word for name, value in settings.items() for word in (f"--{name}", value)]
    with program(require_tool("redis-server"), *command, port=port, folder=folder):
        yield port


def redis_connection(module: Any, context: Any) -> Any:
    """redis-py makes the context itself; a subclass of its connection takes ours."""

    class Connection(module.SSLConnection):  # type: ignore[misc, name-defined]
        def _wrap_socket_with_ssl(self, sock: Any) -> Any:
            return context.wrap_socket(sock, server_hostname=self.host)

    return Connection


def use_redis(module: Any, context: Any, port: int) -> None:
    pool = module.ConnectionPool(
        connection_class=redis_connection(module, context), host="localhost", port=port, socket_timeout=DEADLINE
    )
    store = module.Redis.from_pool(pool) if hasattr(module.Redis, "from_pool") else module.Redis(connection_pool=pool)
    with store:
        store.set("large", LARGE)
        assert store.get("large") == LARGE
        with store.pipeline() as pipeline:
            for number in range(200):
                pipeline.set(f"key:{number}", number)
            pipeline.execute()
        subscriber = store.pubsub()
        subscriber.subscribe("channel")
        assert subscriber.get_message(timeout=DEADLINE)["type"] == "subscribe"
        # A read that must not wait: redis-py looks its error up by its exact class.
        assert subscriber.get_message(timeout=0) is None
        store.publish("channel", "news")
        assert subscriber.get_message(timeout=DEADLINE)["data"] == b"news"
        subscriber.close()
    pool.disconnect()


@entry("redis", "client, sync", "subclass of SSLConnection")
def test_redis_stores(client: Any, redis_port: int) -> None:
    use_redis(redis, client, redis_port)


@entry("valkey", "client, sync", "subclass of SSLConnection")
def test_valkey_stores(client: Any, redis_port: int) -> None:
    use_redis(valkey, client, redis_port)


@entry("redis", "client, asyncio", "SSLConnection.ssl_context.context")
def test_redis_stores_on_asyncio(client: Any, redis_port: int) -> None:
    class Connection(redis.asyncio.SSLConnection):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.ssl_context.context = client

    async def main() -> None:
        pool = redis.asyncio.ConnectionPool(connection_class=Connection, host="localhost", port=redis_port)
        async with redis.asyncio.Redis(connection_pool=pool) as store:
            await store.set("large", LARGE)
            assert await store.get("large") == LARGE
            assert await asyncio.gather(*(store.ping() for _ in range(5))) == [True] * 5
        await pool.disconnect()

    asyncio.run(asyncio.wait_for(main(), DEADLINE))


@contextmanager
def postgres(context: Any) -> Iterator[int]:
    """SSLRequest, the upgrade, startup, simple queries."""

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    ready = message(b"Z", b"I")

    def handle(connection: socket.socket) -> None:
        assert struct.unpack("!ii", exactly(connection, 8)) == (8, 80877103)
        connection.sendall(b"S")
        with context.wrap_socket(connection, server_side=True) as stream:
            (length,) = struct.unpack("!i", exactly(stream, 4))
            exactly(stream, length - 4)
            stream.sendall(message(b"R", struct.pack("!i", 0)) + message(b"S", b"server_version\x0016.0\0"))
            stream.sendall(message(b"K", struct.pack("!ii", 1, 2)) + ready)
            while (kind := exactly(stream, 1)) != b"X":
                (length,) = struct.unpack("!i", exactly(stream, 4))
                exactly(stream, length - 4)
                if kind == b"Q":
                    stream.sendall(message(b"C", b"SELECT 1\0") + ready)

    with conversation(handle) as port:
        yield port


@entry("asyncpg", "client, upgrade", "connect(ssl=)")
def test_asyncpg_connects(client: Any, peer_server: Any) -> None:
    async def main(port: int) -> None:
        connection = await asyncpg.connect(
            host="localhost", port=port, user="user", database="base", ssl=client, timeout=DEADLINE
        )
        assert await connection.execute("SELECT 1 -- " + "x" * 100_000) == "SELECT 1"
        await connection.close()

    with postgres(peer_server) as port:
        asyncio.run(main(port))


@contextmanager
def mysql(context: Any) -> Iterator[int]:
    """The greeting, SSLRequest, the upgrade, OK to everything."""

    def packet(number: int, body: bytes) -> bytes:
        return len(body).to_bytes(3, "little") + bytes([number]) + body

    def read(stream: Any) -> tuple[int, bytes]:
        head = exactly(stream, 4)
        return head[3], exactly(stream, int.from_bytes(head[:3], "little"))

    fine = b"\0\0\0\2\0\0\0"
    # PROTOCOL_41, SSL, SECURE_CONNECTION, PLUGIN_AUTH, CONNECT_WITH_DB, TRANSACTIONS
    capabilities = 0x0200 | 0x0800 | 0x8000 | 0x80000 | 0x0008 | 0x2000

    def handle(connection: socket.socket) -> None:
        greeting = b"\x0a8.0.0\0" + struct.pack("<I", 1) + b"12345678\0" + struct.pack("<H", capabilities & 0xFFFF)
        greeting += b"\x2d\x02\0" + struct.pack("<H", capabilities >> 16) + b"\x15" + bytes(10) + b"123456789012\0"
        connection.sendall(packet(0, greeting + b"mysql_native_password\0"))
        _, request = read(connection)
        assert struct.unpack("<I", request[:4])[0] & 0x0800
        assert len(request) == 32
        with context.wrap_socket(connection, server_side=True) as stream:
            number, _ = read(stream)
            stream.sendall(packet(number + 1, fine))
            while True:
                number, command = read(stream)
                if command[:1] == b"\x01":
                    return
                stream.sendall(packet(number + 1, fine))

    with conversation(handle) as port:
        yield port


@entry("pymysql", "client, upgrade", "connect(ssl=)")
def test_pymysql_connects(client: Any, peer_server: Any) -> None:
    with mysql(peer_server) as port:
        connection = pymysql.connect(host="localhost", port=port, user="user", password="secret", ssl=client)
        connection.ping(reconnect=False)
        assert connection.cursor().execute("DO '" + "x" * 100_000 + "'") == 0
        connection.close()


@contextmanager
def mongo(context: Any) -> Iterator[int]:
    """Answers hello and ping, as OP_MSG or as the older OP_QUERY."""

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as stream:
            while True:
                try:
                    length, request, _, code = struct.unpack("<iiii", exactly(stream, 16))
                except EOFError:
                    return
                body = exactly(stream, length - 16)
                stream.sendall(reply(request, code, bson.encode(answer_to(body))))

    def answer_to(body: bytes) -> dict[str, Any]:
        facts: dict[str, Any] = {"ok": 1.0}
        if b"ello" in body or b"ismaster" in body.lower():
            facts |= {"isWritablePrimary": True, "ismaster": True, "helloOk": True}
            facts |= {"minWireVersion": 0, "maxWireVersion": 25, "maxBsonObjectSize": 1 << 24}
            facts |= {"maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000}
        else:
            facts["text"] = "x" * 100_000
        return facts

    def reply(request: int, code: int, document: bytes) -> bytes:
        if code == 2004:
            body = struct.pack("<iqii", 8, 0, 0, 1) + document
            return struct.pack("<iiii", 16 + len(body), 1, request, 1) + body
        body = struct.pack("<I", 0) + b"\0" + document
        return struct.pack("<iiii", 16 + len(body), 1, request, 2013) + body

    with conversation(handle) as port:
        yield port


def mongo_client(kind: Any, context: Any, port: int) -> Any:
    """pymongo makes the context itself; the pool's private option is where another one goes."""
    settings: dict[str, Any] = {"tls": True, "connect": False, "serverSelectionTimeoutMS": DEADLINE * 1000}
    made = kind("localhost", port, directConnection=True, **settings)
    made.options.pool_options._PoolOptions__ssl_context = context
    return made


@entry("pymongo", "client, sync", "pool option")
def test_pymongo_pings(client: Any, peer_server: Any) -> None:
    with mongo(peer_server) as port, mongo_client(pymongo.MongoClient, client, port) as database:
        assert len(database.admin.command("ping")["text"]) == 100_000


@entry("pymongo", "client, asyncio", "pool option")
def test_pymongo_pings_on_asyncio(client: Any, peer_server: Any) -> None:
    async def main(port: int) -> None:
        async with mongo_client(pymongo.AsyncMongoClient, client, port) as database:
            assert len((await database.admin.command("ping"))["text"]) == 100_000

    with mongo(peer_server) as port:
        asyncio.run(asyncio.wait_for(main(port), DEADLINE))
