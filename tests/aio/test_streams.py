"""Streams over TLS: what goes in comes out, ends are told apart, what was agreed can be asked."""

import asyncio
import os
import socket

import pytest

from tests.aio.conftest import NAME, Configs, PlainLoop, connect, echo, pair, part, port_of, run, serve
from tlscore import (
    ClientConfig,
    ConfigError,
    Identity,
    ServerConfig,
    TransportError,
    TruncationError,
    TrustStore,
    aio,
    errors,
)
from tlscore.errors import UnknownCa

RESET = b"\x01\0\0\0\0\0\0\0"


@pytest.mark.parametrize("size", [0, 1, 16384, 16385, 262144, 3_000_000])
@pytest.mark.parametrize("loop", ["own", "plain"])
def test_every_octet_comes_back(configs: Configs, size: int, loop: str) -> None:
    async def main() -> None:
        async with await serve(echo, configs.server) as server:
            reader, writer = await connect(server, configs.client)
            data = os.urandom(size)
            sending = asyncio.ensure_future(send(writer, data))
            assert await reader.read() == data
            await sending
            await part(writer)

    async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()
        writer.write_eof()

    if loop == "plain":
        run(main(), loop_factory=PlainLoop)
    else:
        run(main())


@pytest.mark.parametrize("versions", ["1.3", "1.2"])
def test_reading_goes_on_after_half_close(configs: Configs, versions: str) -> None:
    """RFC 9846 6.1: close_notify ends one direction; the other one carries ten megabytes afterwards."""

    async def main() -> None:
        client = configs.client.replace(versions=versions)
        (reader, writer), (far_reader, far_writer), server = await pair(configs, client=client)
        assert writer.can_write_eof()
        writer.write(b"request")
        writer.write_eof()
        writer.write_eof()
        assert await far_reader.read() == b"request"
        data = os.urandom(10 << 20)
        far_writer.write(data)
        assert await reader.readexactly(len(data)) == data
        with pytest.raises(RuntimeError, match="write_eof"):
            writer.write(b"more")
        await asyncio.gather(part(far_writer), part(writer))
        assert await reader.read() == b""
        server.close()
        await server.wait_closed()

    run(main())


def test_stream_end_without_close_notify_is_truncation_after_what_came(configs: Configs) -> None:
    async def main() -> None:
        (reader, writer), (_, far_writer), server = await pair(configs)
        far_writer.write(b"whole line\nhalf a li")
        far_writer.transport._sock.shutdown(socket.SHUT_WR)
        assert await reader.readline() == b"whole line\n"
        with pytest.raises(TruncationError):
            await reader.readline()
        with pytest.raises(TruncationError):
            await reader.readexactly(100)
        with pytest.raises(TruncationError):
            await reader.read()
        assert await reader.read(100) == b"half a li"
        for _ in range(2):
            with pytest.raises(TruncationError):
                await reader.read(100)
        with pytest.raises(TruncationError):
            await writer.drain()
        with pytest.raises(TruncationError):
            await writer.wait_closed()
        far_writer.transport.abort()
        server.close()
        await server.wait_closed()

    run(main())


def test_reset_is_a_typed_error_with_the_data_before_it(configs: Configs) -> None:
    async def main() -> None:
        (reader, writer), (_, far_writer), server = await pair(configs)
        far_writer.write(b"before")
        await asyncio.sleep(0.05)
        far_writer.transport._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        far_writer.transport.abort()
        assert await reader.read(100) == b"before"
        with pytest.raises(TransportError) as caught:
            await reader.read(100)
        assert isinstance(caught.value.__cause__, OSError) or isinstance(caught.value, TruncationError)
        with pytest.raises(TransportError):
            await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(main())


async def write_on(writer: asyncio.StreamWriter) -> None:
    for _ in range(1000):
        writer.write(bytes(100_000))
        await writer.drain()


def test_write_after_reset_is_a_typed_error(configs: Configs) -> None:
    async def main() -> None:
        (reader, writer), (_, far_writer), server = await pair(configs)
        writer.transport.pause_reading()
        far_writer.transport._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        far_writer.transport.abort()
        with pytest.raises(ConnectionError):
            await write_on(writer)
        with pytest.raises(TransportError):
            await reader.read(1)
        server.close()
        await server.wait_closed()

    run(main())


def test_close_delivers_all_that_was_written_to_a_slow_reader(configs: Configs) -> None:
    async def main() -> None:
        (reader, writer), (far_reader, far_writer), server = await pair(configs)
        data = os.urandom(8 << 20)
        far_writer.write(data)
        far_writer.close()
        received = bytearray()
        while block := await reader.read(100_000):
            received += block
            if len(received) < 2_000_000:
                await asyncio.sleep(0.001)
        assert received == data
        writer.close()
        await asyncio.gather(writer.wait_closed(), far_writer.wait_closed())
        assert await far_reader.read() == b""
        server.close()
        await server.wait_closed()

    run(main())


def test_both_ends_may_close_at_once_with_data_under_way(configs: Configs) -> None:
    async def main() -> None:
        (_reader, writer), (_far_reader, far_writer), server = await pair(configs)
        for one in (writer, far_writer):
            one.write(os.urandom(4 << 20))
            one.close()
        await asyncio.wait_for(asyncio.gather(writer.wait_closed(), far_writer.wait_closed()), 5)
        server.close()
        await server.wait_closed()

    run(main())


def test_abort_looks_like_truncation_to_the_peer(configs: Configs) -> None:
    async def main() -> None:
        (reader, writer), (_, far_writer), server = await pair(configs)
        far_writer.transport.abort()
        with pytest.raises(TruncationError):
            await reader.read(1)
        assert writer.is_closing()
        server.close()
        await server.wait_closed()

    run(main())


def test_writelines_is_one_stream_of_full_records(configs: Configs) -> None:
    async def main() -> None:
        (reader, writer), (_, far_writer), server = await pair(configs)
        sealed = far_writer.transport.connection.counters[1]
        pieces = [os.urandom(100) for _ in range(1000)]
        far_writer.writelines([pieces[0], bytearray(pieces[1]), memoryview(pieces[2]), b"", *pieces[3:]])
        assert await reader.readexactly(100_000) == b"".join(pieces)
        assert far_writer.transport.connection.counters[1] - sealed == 7
        far_writer.writelines([])
        await asyncio.gather(part(far_writer), part(writer))
        server.close()
        await server.wait_closed()

    run(main())


def test_idle_end_answers_a_key_update(configs: Configs) -> None:
    """RFC 9846 4.7.3: the answer to update_requested leaves although the application has nothing to say."""

    async def main() -> None:
        (reader, writer), (far_reader, far_writer), server = await pair(configs)
        writer.transport.connection.update_keys(request_peer=True)
        writer.write(b"with new keys")
        assert await far_reader.read(100) == b"with new keys"
        assert far_writer.transport.connection.counters[2:] == (1, 1)
        far_writer.write(b"answer")
        assert await reader.read(100) == b"answer"
        assert writer.transport.connection.counters[2:] == (1, 1)
        await asyncio.gather(part(far_writer), part(writer))
        server.close()
        await server.wait_closed()

    run(main())


def test_extra_info_tells_what_was_agreed(configs: Configs) -> None:
    client_leaf = configs.authority.issue("client.test", usage="client")
    server_config = ServerConfig.mutual(
        configs.server.identities[0], client_trust=TrustStore.from_bytes(configs.authority.pem), alpn=("h2", "http/1.1")
    )
    client_config = ClientConfig.mutual(
        identity=Identity.load(client_leaf.chain_pem, client_leaf.key_pem),
        trust=TrustStore.from_bytes(configs.authority.pem),
        alpn=("http/1.1",),
    )

    async def main() -> None:
        (_reader, writer), (_far_reader, far_writer), server = await pair(
            configs, client=client_config, server=server_config
        )
        info, far_info = writer.get_extra_info, far_writer.get_extra_info
        connection = info("tlscore_connection")
        assert connection is writer.transport.connection
        assert info("peer_identity").dns_names == (NAME,)
        assert far_info("peer_identity").dns_names == ("client.test",)
        assert info("peer_chain")[0] == info("ssl_object").getpeercert(True)
        assert info("authenticated") is True
        assert not info("report").failures
        assert info("trace")[-1][0] == 22
        assert (info("version"), info("group")) == ("TLSv1.3", connection.group)
        assert info("suite") == info("cipher")[0] == connection.suite
        assert info("cipher")[1:] == ("TLSv1.3", 128)
        assert info("alpn") == info("ssl_object").selected_alpn_protocol() == "http/1.1"
        assert far_info("server_name") == NAME
        assert info("sslcontext") is client_config
        assert info("compression") is None
        assert info("session") is None
        assert info("peername") == far_info("sockname") == ("127.0.0.1", port_of(server))
        assert info("socket").fileno() > 0
        assert info("no such thing", 7) == 7
        view = info("ssl_object")
        assert view is info("ssl_object")
        assert view.version() == "TLSv1.3"
        assert (view.server_side, view.server_hostname) == (False, NAME)
        assert (far_info("ssl_object").server_side, far_info("ssl_object").server_hostname) == (True, None)
        assert view.get_channel_binding("tls-exporter") == far_info("ssl_object").get_channel_binding("tls-exporter")
        assert view.get_channel_binding("tls-unique") is None
        with pytest.raises(ValueError, match="not implemented"):
            view.get_channel_binding("tls-other")
        await asyncio.gather(part(far_writer), part(writer))
        assert info("peername") == ("127.0.0.1", port_of(server))
        server.close()
        await server.wait_closed()

    run(main())


def test_peercert_is_the_dict_of_the_standard_library(configs: Configs) -> None:
    async def main() -> None:
        (_reader, writer), (_far_reader, far_writer), server = await pair(configs)
        found = writer.get_extra_info("peercert")
        assert found["subjectAltName"] == (("DNS", NAME),)
        assert far_writer.get_extra_info("peercert") is None
        await asyncio.gather(part(far_writer), part(writer))
        server.close()
        await server.wait_closed()

    run(main())


def test_refused_certificate_raises_at_the_client_and_tells_the_server(configs: Configs) -> None:
    from tests.support.certificates import make_ca

    stranger = ClientConfig.simple(trust=TrustStore.from_bytes(make_ca("Another CA").pem))
    refused: list[BaseException] = []

    async def main() -> None:
        async with await serve(echo, configs.server, refused=lambda error, address: refused.append(error)) as server:
            with pytest.raises(UnknownCa):
                await connect(server, stranger)
            reader, writer = await connect(server, configs.client)
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            await part(writer)
            assert server.connections == 0

    run(main())
    assert len(refused) == 1
    assert isinstance(refused[0], UnknownCa)
    assert refused[0].sender == "peer"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"host": "localhost", "port": 1, "config": None}, "no configuration of a client"),
        ({"host": "localhost", "port": 1, "config": "server"}, "no configuration of a client"),
        ({"host": "localhost", "config": "client"}, "no port"),
        ({"config": "client"}, "no peer"),
        ({"host": "localhost", "port": 1, "path": "x", "config": "client"}, "no peer"),
        ({"path": "x", "config": "client"}, "server_name"),
        ({"host": "localhost", "port": 1, "config": "client", "handshake_timeout": 0}, "handshake_timeout"),
        ({"host": "localhost", "port": 1, "config": "client", "shutdown_timeout": float("inf")}, "shutdown_timeout"),
        ({"host": "local host", "port": 1, "config": "client"}, "name"),
    ],
)
def test_mistakes_are_refused_before_anything_is_sent(configs: Configs, options: dict, text: str) -> None:
    named = {"client": configs.client, "server": configs.server, None: None}
    with pytest.raises(ConfigError, match=text):
        run(aio.open_connection(**{**options, "config": named[options["config"]]}))


def test_server_refuses_a_configuration_of_a_client(configs: Configs) -> None:
    with pytest.raises(ConfigError, match="no configuration of a server"):
        run(aio.start_server(echo, "127.0.0.1", 0, configs.client))
    with pytest.raises(ConfigError, match="no address"):
        run(aio.start_server(echo, "127.0.0.1", config=configs.server))


def test_nobody_listens(configs: Configs) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with pytest.raises(TransportError, match="Nothing listens"):
        run(aio.open_connection("127.0.0.1", port, configs.client, server_name=NAME))


def test_unknown_host(configs: Configs) -> None:
    with pytest.raises(TransportError, match="no connection to"):
        run(aio.open_connection("no-such-host.invalid", 443, configs.client))


def test_unix_socket(configs: Configs, tmp_path) -> None:
    path = str(tmp_path / "socket")

    async def main() -> None:
        async with await aio.start_server(echo, path=path, config=configs.server):
            reader, writer = await aio.open_connection(path=path, config=configs.client, server_name=NAME)
            writer.write(b"over a path")
            assert await reader.readexactly(11) == b"over a path"
            await part(writer)
        with pytest.raises(errors.TransportError, match="cannot listen"):
            await aio.start_server(echo, path=path, config=configs.server)

    run(main())


def test_server_on_several_addresses(configs: Configs) -> None:
    async def main() -> None:
        async with await aio.start_server(echo, ["127.0.0.1", "127.0.0.2"], 0, configs.server) as server:
            assert server.is_serving()
            assert len({sock.getsockname()[1] for sock in server.sockets}) == 1
            for host in ("127.0.0.1", "127.0.0.2"):
                reader, writer = await aio.open_connection(host, port_of(server), configs.client, server_name=NAME)
                writer.write(b"x")
                assert await reader.read(1) == b"x"
                await part(writer)

    run(main())


def test_attempts_overtake_a_silent_address(configs: Configs, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8305 5: the next address is tried beside one that does not answer, and the families take turns."""

    async def main() -> None:
        async with await serve(echo, configs.server) as server:
            loop = asyncio.get_running_loop()
            port, tried = port_of(server), []

            async def getaddrinfo(host: str, port: int, **options: object) -> list:
                return [
                    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.3", port)),
                    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.4", port)),
                    (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
                    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
                ]

            real = loop.sock_connect

            async def sock_connect(sock: socket.socket, address: tuple) -> None:
                tried.append(address[0])
                if address[0] == "127.0.0.3":
                    await asyncio.sleep(3600)
                await real(sock, address)

            monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
            monkeypatch.setattr(loop, "sock_connect", sock_connect)
            _reader, writer = await aio.open_connection(
                "many.test", port, configs.client, server_name=NAME, attempt_delay=0.01
            )
            assert tried[:2] == ["127.0.0.3", "::1"]
            assert writer.get_extra_info("peername") == ("127.0.0.1", port)
            await part(writer)
            await asyncio.sleep(0.01)

    # Its methods are replaced, which compiled loops do not allow.
    run(main(), loop_factory=asyncio.new_event_loop)
