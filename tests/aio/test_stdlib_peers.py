"""Against asyncio on the standard library's ssl (OpenSSL), in either role and both versions."""

import asyncio
import os
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.aio.conftest import NAME, Configs, connect, part, port_of, run, serve
from tlscore import ClientConfig, TlsError, TrustStore, aio
from tlscore.errors import UnknownCa

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def contexts(configs: Configs, folder: Path, version: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(client's, server's) of the standard library, of one version."""
    chain, key = configs.authority.issue(NAME, usage="server").write(folder)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, key)
    client = ssl.create_default_context(cadata=configs.authority.pem.decode())
    for context in (client, server):
        context.minimum_version = context.maximum_version = VERSIONS[version]
    return client, server


async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    size = int(await reader.readline())
    writer.write(await reader.readexactly(size))
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send, receive, and wait for the server's end: all of it, and in order."""
    data = os.urandom(2_000_000)
    writer.writelines([f"{len(data)}\n".encode(), data])
    assert await reader.read() == data
    await part(writer)


@pytest.mark.parametrize("version", VERSIONS)
def test_our_client_and_a_server_of_the_stdlib(configs: Configs, tmp_path: Path, version: str) -> None:
    async def main() -> None:
        server = await asyncio.start_server(once, "127.0.0.1", 0, ssl=contexts(configs, tmp_path, version)[1])
        for _ in range(3):
            await exchange(*await connect(server, configs.client))
        server.close()
        await server.wait_closed()

    run(main())


@pytest.mark.parametrize("version", VERSIONS)
def test_our_server_and_a_client_of_the_stdlib(configs: Configs, tmp_path: Path, version: str) -> None:
    async def main() -> None:
        context = contexts(configs, tmp_path, version)[0]
        async with await serve(once, configs.server) as server:
            for _ in range(3):
                streams = await asyncio.open_connection("127.0.0.1", port_of(server), ssl=context, server_hostname=NAME)
                await exchange(*streams)

    run(main())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ours", ["client", "server"])
def test_upgrade_against_the_stdlib(configs: Configs, tmp_path: Path, version: str, ours: str) -> None:
    client_context, server_context = contexts(configs, tmp_path, version)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"go\n")
        if ours == "server":
            reader, writer = await aio.start_tls(reader, writer, configs.server, role="server")
        else:
            await writer.start_tls(server_context)
        await once(reader, writer)

    async def main() -> None:
        server: Any = await asyncio.start_server(greet, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go\n"
        if ours == "client":
            reader, writer = await aio.start_tls(reader, writer, configs.client, server_name=NAME)
        else:
            await writer.start_tls(client_context, server_hostname=NAME)
        await exchange(reader, writer)
        server.close()
        await server.wait_closed()

    run(main())


def test_alert_reaches_a_client_of_the_stdlib(configs: Configs, tmp_path: Path) -> None:
    """The alert leaves before the socket is closed, also where the peer's octets were not all read."""

    async def main() -> None:
        context = contexts(configs, tmp_path, "1.2")[0]
        only13 = configs.server.replace(versions="1.3")
        refused: list[BaseException] = []
        async with await serve(once, only13, refused=lambda error, _: refused.append(error)) as server:
            with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
                await asyncio.open_connection("127.0.0.1", port_of(server), ssl=context, server_hostname=NAME)
        assert isinstance(refused[0], TlsError)

    run(main())


def test_alert_reaches_a_server_of_the_stdlib(configs: Configs, tmp_path: Path) -> None:
    from tests.support.certificates import make_ca

    stranger = ClientConfig.simple(trust=TrustStore.from_bytes(make_ca("Another CA").pem))
    reports: list[dict[str, Any]] = []

    async def main() -> None:
        server = await asyncio.start_server(once, "127.0.0.1", 0, ssl=contexts(configs, tmp_path, "1.3")[1])
        with pytest.raises(UnknownCa):
            await connect(server, stranger)
        server.close()
        await server.wait_closed()

    run(main(), reports=reports)
