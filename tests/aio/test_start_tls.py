"""TLS on what is connected already: STARTTLS at both ends, TLS in TLS, and what was read too early."""

import asyncio
import os
from typing import Any

import pytest

from tests.aio.conftest import NAME, Configs, Streams, connect, echo, part, port_of, run, serve, standstill, until
from tests.aio.test_protocols import KINDS, Recording
from tests.support.peers import pump
from tlscore import HandshakeTimeout, TlsError, TransportError, TruncationError, UsageError, aio
from tlscore.aio import layered


async def speak_starttls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The plaintext of a client up to its upgrade."""
    assert await reader.readline() == b"220 ready\n"
    writer.write(b"STARTTLS\n")
    assert await reader.readline() == b"220 go\n"


async def upgraded_pair(configs: Configs, **options: Any) -> tuple[Streams, Streams, asyncio.Server]:
    """(client's streams, server's streams, server) of a connection that began in plaintext."""
    arrived: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\n")
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"220 go\n")
        arrived.set_result(await aio.start_tls(reader, writer, configs.server, role="server", **options))

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    await speak_starttls(reader, writer)
    client = await aio.start_tls(reader, writer, configs.client, server_name=NAME, **options)
    return client, await arrived, server


async def done(server: Any) -> None:
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("size", [1, 20_000, 5_000_000])
def test_upgrade_of_both_ends(configs: Configs, size: int) -> None:
    async def main() -> None:
        (reader, writer), (far_reader, far_writer), server = await upgraded_pair(configs)
        data = os.urandom(size)
        assert writer.get_extra_info("peer_identity").dns_names == (NAME,)
        assert writer.get_extra_info("peername") == ("127.0.0.1", port_of(server))

        async def send() -> None:
            writer.write(data)
            await writer.drain()
            writer.write_eof()

        sending = asyncio.ensure_future(send())
        assert await far_reader.read() == data
        await sending
        far_writer.writelines([data[: size // 2], data[size // 2 :]])
        assert await reader.readexactly(size) == data
        await asyncio.gather(part(far_writer), part(writer))
        await done(server)

    run(main())


def test_octets_left_over_refuse_the_upgrade(configs: Configs) -> None:
    """RFC 3207 6: what stands behind the answer to STARTTLS was not protected and must not be read as if it were."""

    async def main() -> None:
        finished = asyncio.get_running_loop().create_future()

        async def inject(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 go\n250 injected\n")
            await reader.read()
            writer.close()
            finished.set_result(None)

        server = await asyncio.start_server(inject, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        assert await reader.readline() == b"220 go\n"
        await asyncio.sleep(0.01)
        with pytest.raises(UsageError, match=r"13 octets .* left over"):
            await aio.start_tls(reader, writer, configs.client, server_name=NAME)
        await part(writer)
        await finished
        await done(server)

    run(main())


def test_octets_left_over_refuse_the_upgrade_of_a_server(configs: Configs) -> None:
    async def main() -> None:
        refused = asyncio.get_running_loop().create_future()

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b"220 go\n")
            try:
                await aio.start_tls(reader, writer, configs.server, role="server")
            except UsageError as error:
                refused.set_result(error)
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        writer.write(b"STARTTLS\nMAIL FROM:<evil@example.org>\n")
        assert "left over" in str(await refused)
        await reader.read()
        await part(writer)
        await done(server)

    run(main())


def test_leftover_given_by_a_protocol_refuses_the_upgrade(configs: Configs) -> None:
    async def main() -> None:
        async with await serve(echo, configs.server) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
            with pytest.raises(UsageError, match="left over"):
                await aio.upgrade(writer.transport, Recording(), configs.client, server_name=NAME, leftover=b"x")
            await part(writer)

    run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_upgrade_of_a_transport_for_a_protocol(configs: Configs, kind: str) -> None:
    async def main() -> None:
        async with await serve(echo, configs.server) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
            protocol = KINDS[kind]()
            transport = await aio.upgrade(writer.transport, protocol, configs.client, server_name=NAME)
            assert protocol.calls == ["connection_made"]
            data = os.urandom(100_000)
            transport.write(data)
            await until(lambda: len(protocol.received) == len(data))
            assert protocol.received == data
            transport.close()
            assert await protocol.lost is None

    run(main())


def test_tls_in_tls(configs: Configs) -> None:
    """As through a proxy that itself is reached over TLS: two connections, each with its own peer."""
    inner = configs.authority.issue("inner.test", usage="server")
    from tlscore import Identity, ServerConfig

    inner_config = ServerConfig.simple(identity=Identity.load(inner.chain_pem, inner.key_pem))

    async def main() -> None:
        async with await serve(echo, inner_config) as target:

            async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                assert await reader.readline() == b"CONNECT\n"
                there, back = await asyncio.open_connection("127.0.0.1", port_of(target))
                writer.write(b"OK\n")
                await asyncio.gather(carry(reader, back), carry(there, writer))
                await asyncio.gather(part(back), part(writer))

            async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
                sink.write_eof()

            async with await serve(proxy, configs.server) as server:
                reader, writer = await connect(server, configs.client)
                writer.write(b"CONNECT\n")
                assert await reader.readline() == b"OK\n"
                reader, writer = await aio.start_tls(reader, writer, configs.client, server_name="inner.test")
                assert writer.get_extra_info("peer_identity").dns_names == ("inner.test",)
                data = os.urandom(3_000_000)

                async def send() -> None:
                    writer.write(data)
                    await writer.drain()
                    writer.write_eof()

                sending = asyncio.ensure_future(send())
                assert await reader.read() == data
                await sending
                await part(writer)

    run(main())


def test_truncation_below_is_truncation_above(configs: Configs) -> None:
    async def main() -> None:
        (reader, writer), (_, far_writer), server = await upgraded_pair(configs)
        far_writer.write(b"before")
        await asyncio.sleep(0.01)
        far_writer.transport._below.close()
        assert await reader.read(100) == b"before"
        with pytest.raises(TruncationError):
            await reader.read(100)
        with pytest.raises(TruncationError):
            await writer.wait_closed()
        await done(server)

    run(main())


@pytest.mark.parametrize("orderly", [True, False])
def test_stream_below_that_ends_while_reading_is_paused_loses_nothing(configs: Configs, orderly: bool) -> None:
    async def main() -> None:
        async with await serve(echo, configs.server) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
            protocol = Recording(keeps_open=True)
            transport = await aio.upgrade(writer.transport, protocol, configs.client, server_name=NAME)
            peer = configs.server.connection()
            # The peer from here on is one in memory: both ends of a connection, without a stream between them.
            client = configs.client.connection(NAME)
            pump(client, peer)
            transport._connection = client
            peer.write(b"the last octets")
            if orderly:
                peer.close()
            transport.pause_reading()
            client.receive(peer.data_to_send())
            transport._below_lost(None)
            assert not protocol.lost.done()
            transport.resume_reading()
            error = await protocol.lost
            assert protocol.received == b"the last octets"
            assert error is None if orderly else isinstance(error, TruncationError)
            writer.transport.abort()

    run(main())


def test_abort_and_failures_of_an_upgraded_stream(configs: Configs) -> None:
    async def main() -> None:
        (reader, writer), (far_reader, far_writer), server = await upgraded_pair(configs)
        far_writer.transport.abort()
        assert far_writer.transport.is_closing()
        with pytest.raises(TransportError):
            await reader.read()
        assert await far_reader.read() == b""
        writer.write(b"into the void")
        await done(server)

    run(main())


def test_stalled_reader_holds_the_writer_back_through_the_transport_below(configs: Configs) -> None:
    async def main() -> None:
        (reader, writer), (_far_reader, far_writer), server = await upgraded_pair(configs)
        written = 0

        async def produce() -> None:
            nonlocal written
            for _ in range(400):
                far_writer.write(bytes(65536))
                await far_writer.drain()
                written += 65536
            far_writer.write_eof()

        producing = asyncio.ensure_future(produce())
        assert await standstill(lambda: written) < 400 * 65536
        assert far_writer.transport.get_write_buffer_size() <= 65536 * 2 + 4096
        received = 0
        while data := await reader.read(1 << 20):
            received += len(data)
        await producing
        assert received == written == 400 * 65536
        await asyncio.gather(part(far_writer), part(writer))
        await done(server)

    run(main())


def test_close_of_an_upgraded_stream_ends_at_the_deadline(configs: Configs) -> None:
    async def main() -> None:
        (_, writer), (_, far_writer), server = await upgraded_pair(configs, shutdown_timeout=0.05)
        far_writer.transport.pause_reading()
        await part(writer)
        far_writer.transport.abort()
        await done(server)

    run(main())


def test_handshake_deadline_of_an_upgrade(configs: Configs) -> None:
    async def main() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        with pytest.raises(HandshakeTimeout):
            await aio.start_tls(reader, writer, configs.client, server_name=NAME, handshake_timeout=0.05)
        assert writer.transport.is_closing()
        await done(server)
        await asyncio.sleep(0.01)

    run(main())


def test_upgrade_that_is_refused_closes_the_stream(configs: Configs) -> None:
    async def main() -> None:
        async with await serve(echo, configs.server, refused=lambda *_: None) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
            with pytest.raises(TlsError):
                await aio.start_tls(reader, writer, configs.client, server_name="other.test")
            assert writer.transport.is_closing()

    run(main())


def test_asyncio_may_put_its_own_tls_on_ours(configs: Configs, tmp_path: Any) -> None:
    """The transport is good for asyncio's start_tls, so that any two of the implementations can be stacked."""
    import ssl

    leaf = configs.authority.issue("inner.test", usage="server")
    chain, key = leaf.write(tmp_path)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(chain, key)
    client_context = ssl.create_default_context(cadata=configs.authority.pem.decode())

    async def main() -> None:
        ended = asyncio.get_running_loop().create_future()

        async def inner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"go\n")
            loop = asyncio.get_running_loop()
            protocol = Recording()
            transport = await loop.start_tls(writer.transport, protocol, server_context, server_side=True)
            transport.write(b"from inside")
            await protocol.lost
            ended.set_result(None)

        async with await serve(inner, configs.server) as server:
            reader, writer = await connect(server, configs.client)
            assert await reader.readline() == b"go\n"
            loop = asyncio.get_running_loop()
            protocol = Recording()
            transport = await loop.start_tls(writer.transport, protocol, client_context, server_hostname="inner.test")
            await until(lambda: protocol.received == b"from inside")
            transport.close()
            await protocol.lost
            await ended

    # uvloop takes its own transports alone.
    run(main(), loop_factory=asyncio.new_event_loop)


def test_receive_buffers_go_back_to_the_pool(configs: Configs) -> None:
    async def main() -> None:
        pairs = [await upgraded_pair(configs) for _ in range(8)]
        assert len(layered._pool) <= layered.KEPT_AT_MOST
        for (_, writer), (_, far_writer), server in pairs:
            assert writer.transport._below.get_protocol()._buffer is None
            await asyncio.gather(part(far_writer), part(writer))
            await done(server)

    run(main())
