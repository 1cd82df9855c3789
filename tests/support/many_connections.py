"""Very many connections to one asyncio process, from clients in two others: errors, octets lost, memory.

By hand, for ten thousand (needs `ulimit -n 20000`):

    python -m tests.support.many_connections 10000

The server echoes. Each client sends three messages of 1 to 64 KiB, compares what comes back, and stays connected until
all have; the memory of the server is read when every connection is open and idle again, and while they echo.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.certificates import make_ca
from tests.support.memory import REPOSITORY, environment, peak_resident, resident
from tlscore import ClientConfig, Identity, ServerConfig, TrustStore, aio

NAME = "server.test"
CLIENT_PROCESSES = 2
MESSAGES = 3
LARGEST = 64 * 1024
# Handshakes at a time in one client process, and echoes: what waits longer than its turn is measured nowhere.
HANDSHAKES_AT_ONCE, ECHOES_AT_ONCE = 50, 100


def raise_descriptor_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < wanted:
        raise SystemExit(f"{wanted} descriptors are needed and {hard} are allowed: ulimit -n")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # No name for what was read: a coroutine that waits would keep the last message of every idle client.
    while not reader.at_eof():
        writer.write(await reader.read(LARGEST))
        await writer.drain()
    writer.close()


# -- a client process: its input is the word to go on, its output what has happened -----------------------------------


async def client_process(port: int, trust: bytes, count: int, seed: int) -> None:
    config = ClientConfig.simple(trust=TrustStore.from_bytes(trust))
    chosen = random.Random(seed)
    opening, echoing = asyncio.Semaphore(HANDSHAKES_AT_ONCE), asyncio.Semaphore(ECHOES_AT_ONCE)

    async def connect() -> Any:
        async with opening:
            return await aio.open_connection("127.0.0.1", port, config, server_name=NAME, handshake_timeout=60)

    async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sizes: list[int]) -> None:
        async with echoing:
            for size in sizes:
                data = os.urandom(size)
                writer.write(data)
                await writer.drain()
                back = await reader.readexactly(size)
                if hashlib.sha256(back).digest() != hashlib.sha256(data).digest():
                    raise ValueError("other octets came back than were sent")

    async def told(*what: Any) -> None:
        print(json.dumps(what), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

    made = await asyncio.gather(*[connect() for _ in range(count)], return_exceptions=True)
    streams = [pair for pair in made if not isinstance(pair, BaseException)]
    errors = [repr(one) for one in made if isinstance(one, BaseException)]
    await told("connected", errors)
    sizes = [[chosen.randint(1024, LARGEST) for _ in range(MESSAGES)] for _ in streams]
    done = await asyncio.gather(
        *[exchange(*pair, wanted) for pair, wanted in zip(streams, sizes, strict=True)], return_exceptions=True
    )
    errors = [repr(one) for one in done if isinstance(one, BaseException)]
    await told("echoed", errors)
    for _, writer in streams:
        writer.close()
    ends = await asyncio.gather(*[writer.wait_closed() for _, writer in streams], return_exceptions=True)
    print(json.dumps(["closed", [repr(one) for one in ends if isinstance(one, BaseException)]]), flush=True)


# -- the server process ------------------------------------------------------------------------------------------------


async def start_clients(count: int, port: int, trust: Path) -> list[asyncio.subprocess.Process]:
    share = -(-count // CLIENT_PROCESSES)
    return [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.support.many_connections",
            "client",
            str(port),
            str(trust),
            str(min(share, count - share * number)),
            str(number),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            cwd=REPOSITORY,
        )
        for number in range(CLIENT_PROCESSES)
    ]


async def follow(clients: list[asyncio.subprocess.Process], server: aio.TlsServer, found: dict[str, Any]) -> None:
    """Let all clients take each step together, and note what it cost."""
    started = time.monotonic()
    for wanted in ("connected", "echoed", "closed"):
        for client in clients:
            assert client.stdout is not None
            line = await client.stdout.readline()
            if not line:
                found["errors"].append(f"a client process ended before it had {wanted}")
                continue
            stage, errors = json.loads(line)
            assert stage == wanted
            found["errors"] += errors
        found[f"{wanted} after seconds"] = round(time.monotonic() - started, 1)
        found[f"{wanted}: resident"] = resident()
        found[f"{wanted}: connections"] = server.connections
        for client in clients:
            assert client.stdin is not None
            if wanted != "closed":
                client.stdin.write(b"\n")
    for client in clients:
        await client.wait()


async def run(count: int) -> dict[str, Any]:
    """Serve `count` clients; gives what happened, memory in octets."""
    raise_descriptor_limit(count + 200)
    authority = make_ca()
    leaf = authority.issue(NAME, usage="server")
    config = ServerConfig.simple(identity=Identity.load(leaf.chain_pem, leaf.key_pem))
    refused: list[str] = []
    server = await aio.start_server(
        echo,
        "127.0.0.1",
        0,
        config,
        backlog=4096,
        handshake_timeout=60,
        refused=lambda error, _: refused.append(repr(error)),
    )
    found: dict[str, Any] = {"connections": count, "errors": [], "before: resident": resident()}
    with tempfile.TemporaryDirectory() as folder:
        port = server.sockets[0].getsockname()[1]
        await follow(await start_clients(count, port, authority.write(folder)), server, found)
    found["peak: resident"] = peak_resident()
    found["errors"] += refused
    server.close()
    await server.wait_closed()
    return found


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["client"]:
        port, trust, count, seed = arguments[1:]
        raise_descriptor_limit(int(count) + 200)
        asyncio.run(client_process(int(port), Path(trust).read_bytes(), int(count), int(seed)))
        return
    found = asyncio.run(run(int(arguments[0]) if arguments else 10_000))
    found["errors"] = found["errors"][:10]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
