"""D20 on an event loop: the error of a handshake names the address of the peer, at both ends."""

import asyncio

from tests.support import standing
from tlscore import aio, errors


async def nobody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    raise AssertionError("no handshake completes here")


def test_client_and_server_name_each_other() -> None:
    config = standing.server_config(suites=("TLS_AES_128_GCM_SHA256",))
    other = standing.client_config(suites=("TLS_AES_256_GCM_SHA384",))

    async def run() -> None:
        told: asyncio.Future[tuple[BaseException, object]] = asyncio.get_running_loop().create_future()
        server = await aio.start_server(
            nobody, "127.0.0.1", 0, config, refused=lambda error, address: told.set_result((error, address))
        )
        async with server:
            address = server.sockets[0].getsockname()
            try:
                await aio.open_connection(*address, other, server_name=standing.NAME)
            except errors.HandshakeFailure as error:
                seen = error
            refused, client = await told
            assert isinstance(refused, errors.HandshakeFailure)
            assert seen.peer_address == address
            assert seen.__notes__ == [f"in the handshake with 127.0.0.1:{address[1]}"]
            assert refused.peer_address == client
            assert len(refused.__notes__) == 1

    asyncio.run(run())
