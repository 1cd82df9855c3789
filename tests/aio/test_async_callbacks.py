"""Every state in which a handshake waits for an async callback, over real asyncio connections at both ends."""

from __future__ import annotations

import asyncio

import pytest

from tests.aio.conftest import echo, part, port_of, run
from tests.support.certificates import make_ca
from tests.support.waiting import CASES, Material
from tlscore import TlsError, TrustStore, aio


@pytest.fixture(scope="module")
def material() -> Material:
    authority = make_ca()
    issued = authority.issue("example.org", usage="server")
    return Material(TrustStore.from_bytes(authority.pem), issued, authority.issue("client.example", usage="client"))


@pytest.mark.parametrize("name", CASES)
def test_async_callback_is_awaited_without_blocking_the_loop(material: Material, name: str) -> None:
    case = CASES[name](material)

    async def main() -> None:
        case.slow.gate = asyncio.Event()
        async with await aio.start_server(echo, "127.0.0.1", 0, case.server) as server:
            opening = [
                asyncio.ensure_future(
                    aio.open_connection("127.0.0.1", port_of(server), case.client, server_name="example.org")
                )
                for _ in range(8)
            ]
            # All eight are asked while none of them has an answer: nobody waits for another one's.
            while len(case.slow.calls) < 8:
                await asyncio.sleep(0.001)
            case.slow.gate.set()
            for reader, writer in await asyncio.gather(*opening):
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                assert writer.get_extra_info("peer_identity").dns_names == ("example.org",)
                await part(writer)

    run(main())


@pytest.mark.parametrize("name", ["AwaitAuthorization", "AwaitAuthorization12", "AwaitServerAuthorization"])
def test_refusal_that_was_awaited_ends_the_connection(material: Material, name: str) -> None:
    case = CASES[name](material)
    case.slow.answer = lambda peer: False
    refused: list[BaseException] = []

    async def main() -> None:
        options = {"refused": lambda error, address: refused.append(error)}
        async with await aio.start_server(echo, "127.0.0.1", 0, case.server, **options) as server:
            with pytest.raises(TlsError, match="access_denied"):
                reader, writer = await aio.open_connection(
                    "127.0.0.1", port_of(server), case.client, server_name="example.org"
                )
                try:
                    # A server's refusal in TLS 1.3 comes after the client's handshake is over.
                    await reader.read(1)
                finally:
                    writer.transport.abort()
            while not refused:
                await asyncio.sleep(0.001)

    run(main())
