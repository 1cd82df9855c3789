"""asyncio's own functions with our contexts: native after install(), the stdlib's way for its own, and back again."""

import asyncio
import os
import ssl
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from tests.aio.conftest import NAME, Configs, PlainLoop, echo, port_of, run
from tests.support.memory import run_script
from tlscore import TlsError, TruncationError, UsageError, aio
from tlscore.aio.layered import LayeredTransport
from tlscore.aio.owned import SocketTransport

# uvloop's own functions keep their sockets: there TLS stands on their transports.
ON_DESCRIPTORS = os.environ.get("TLSCORE_TEST_LOOP") != "uvloop"


@pytest.fixture
def installed() -> Iterator[None]:
    aio.install()
    aio.install()
    try:
        yield
    finally:
        aio.uninstall()
        aio.uninstall()


class ShapedContext:
    """A context as of the stdlib's shape: settings of its own, connections of this library."""

    options = 0

    def __init__(self, config: Any) -> None:
        self.config = config
        self.owners: list[weakref.ref[Any]] = []

    def _new_connection(self, server_side: bool, server_hostname: str | None, owner: object | None = None) -> Any:
        self.owners.append(weakref.ref(owner))
        return self.config.connection() if server_side else self.config.connection(server_hostname)


@pytest.mark.parametrize("shaped", [False, True])
@pytest.mark.parametrize("loop", ["own", "plain"])
def test_streams_of_asyncio_take_the_native_path(configs: Configs, installed: None, shaped: bool, loop: str) -> None:
    wrap = ShapedContext if shaped else (lambda config: config)

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=wrap(configs.server))
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port_of(server), ssl=wrap(configs.client), server_hostname=NAME
        )
        assert type(writer.transport) is (SocketTransport if ON_DESCRIPTORS and loop == "own" else LayeredTransport)
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        data = os.urandom(200_000)
        writer.write(data)
        await writer.drain()
        assert await reader.readexactly(len(data)) == data
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(main(), **({"loop_factory": PlainLoop} if loop == "plain" else {}))


def test_context_gets_an_owner_that_its_callbacks_may_change(configs: Configs, installed: None) -> None:
    context = ShapedContext(configs.server)
    other = ShapedContext(configs.server)

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
        _reader, writer = await asyncio.open_connection(
            "127.0.0.1", port_of(server), ssl=configs.client, server_hostname=NAME
        )
        view = context.owners[0]()
        assert view.context is context
        view.context = other
        assert view.context is other
        assert view.server_side
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(main())


def test_server_of_asyncio_counts_our_connections(configs: Configs, installed: None) -> None:
    async def main() -> None:
        arrived = asyncio.get_running_loop().create_future()

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived.set_result(None)
            await reader.read()
            writer.close()

        server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=configs.server)
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port_of(server), ssl=configs.client, server_hostname=NAME
        )
        await arrived
        server.close()
        writer.close()
        await writer.wait_closed()
        await asyncio.wait_for(server.wait_closed(), 5)
        if hasattr(server, "_active_count"):
            await asyncio.sleep(0.01)
            assert server._active_count == 0

    run(main())


def test_start_tls_of_asyncio_takes_the_native_path(configs: Configs, installed: None) -> None:
    async def main() -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.readline() == b"STARTTLS\n"
            writer.write(b"go\n")
            await writer.start_tls(configs.server)
            writer.write(b"hello " + await reader.readexactly(5))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go\n"
        await writer.start_tls(configs.client, server_hostname=NAME)
        assert type(writer.transport) is LayeredTransport
        writer.write(b"there")
        assert await reader.read() == b"hello there"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(main())


@pytest.mark.parametrize("injected", ["server", "client"])
def test_octets_before_start_tls_of_asyncio_are_refused(configs: Configs, installed: None, injected: str) -> None:
    """What came in plaintext behind STARTTLS, or behind its answer, is never read as if TLS had protected it."""
    refused: list[UsageError] = []

    async def upgraded(writer: asyncio.StreamWriter, *arguments: Any, **options: Any) -> None:
        transport = writer.transport
        try:
            await writer.start_tls(*arguments, **options)
        except UsageError as error:
            refused.append(error)
        assert writer.transport is transport
        transport.abort()

    async def main() -> None:
        ended = asyncio.get_running_loop().create_future()

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.readline() == b"STARTTLS\n"
            if injected == "server":
                await upgraded(writer, configs.server)
            else:
                writer.write(b"go\nEVIL ANSWER\n")
                assert await reader.read() == b""
                writer.close()
            ended.set_result(None)

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        writer.write(b"STARTTLS\n" + (b"EVIL COMMAND\n" if injected == "server" else b""))
        if injected == "client":
            assert await reader.readline() == b"go\n"
            await upgraded(writer, configs.client, server_hostname=NAME)
        await ended
        writer.transport.abort()
        server.close()
        await server.wait_closed()

    run(main())
    assert len(refused) == 1
    assert "left over" in str(refused[0])


def test_unix_sockets_of_asyncio_take_the_native_path(configs: Configs, installed: None, tmp_path: Any) -> None:
    path = str(tmp_path / "socket")

    async def main() -> None:
        server = await asyncio.start_unix_server(echo, path, ssl=configs.server)
        reader, writer = await asyncio.open_unix_connection(path, ssl=configs.client, server_hostname=NAME)
        assert type(writer.transport) is (SocketTransport if ON_DESCRIPTORS else LayeredTransport)
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(main())


def test_failed_handshake_through_asyncio(configs: Configs, installed: None) -> None:
    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=configs.server)
        with pytest.raises(TlsError, match=r"other\.test"):
            await asyncio.open_connection(
                "127.0.0.1", port_of(server), ssl=configs.client, server_hostname="other.test"
            )
        server.close()
        await server.wait_closed()

    run(main())


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that goes away in the middle, without close_notify."""
    writer.write(b"half")
    await writer.drain()
    writer.transport.abort()


@pytest.mark.parametrize("option", [0, getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)])
def test_stdlibs_option_decides_about_truncation_in_the_shape(configs: Configs, option: int) -> None:
    """The stdlib passes a missing close_notify for the end of data where OP_IGNORE_UNEXPECTED_EOF is set."""
    context = ShapedContext(configs.client)
    context.options = option

    async def main() -> None:
        server = await aio.start_server(cut, "127.0.0.1", 0, config=configs.server)
        reader, writer = await aio.open_connection("127.0.0.1", port_of(server), config=context, server_name=NAME)
        if option:
            assert await reader.read() == b"half"
            writer.close()
            await writer.wait_closed()
        else:
            with pytest.raises(ssl.SSLEOFError) as caught:
                await reader.readexactly(100)
            assert isinstance(caught.value.tlscore, TruncationError)
            writer.close()
        server.close()
        await server.wait_closed()

    run(main())


@pytest.mark.parametrize("shaped", [True, False])
def test_truncation_is_told_as_asyncio_tells_it_in_the_shape(configs: Configs, installed: None, shaped: bool) -> None:
    """asyncio's own functions never made an error of a missing close_notify, and half of the world sends none: programs
    that are written for contexts of the stdlib's shape see what they always saw. Configurations are not lenient."""

    async def main() -> None:
        server = await asyncio.start_server(cut, "127.0.0.1", 0, ssl=configs.server)
        context = ShapedContext(configs.client) if shaped else configs.client
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server), ssl=context, server_hostname=NAME)
        if shaped:
            assert await reader.read() == b"half"
            writer.close()
            await writer.wait_closed()
        else:
            with pytest.raises(TruncationError):
                await reader.readexactly(100)
            writer.close()
        server.close()
        await server.wait_closed()

    run(main())


def test_contexts_of_the_stdlib_go_their_own_way(configs: Configs, installed: None, tmp_path: Any) -> None:
    leaf = configs.authority.issue(NAME, usage="server")
    chain, key = leaf.write(tmp_path)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(chain, key)
    client_context = ssl.create_default_context(cadata=configs.authority.pem.decode())

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port_of(server), ssl=client_context, server_hostname=NAME
        )
        assert isinstance(writer.get_extra_info("ssl_object"), ssl.SSLObject)
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(main())


def test_uninstall_leaves_nothing_behind() -> None:
    from asyncio import base_events, proactor_events, selector_events

    owners = (
        selector_events.BaseSelectorEventLoop,
        proactor_events.BaseProactorEventLoop,
        base_events.BaseEventLoop,
    )
    before = [dict(vars(owner)) for owner in owners]
    aio.install()
    assert aio.installed()
    assert [dict(vars(owner)) for owner in owners] != before
    aio.uninstall()
    assert not aio.installed()
    assert [dict(vars(owner)) for owner in owners] == before


@pytest.mark.parametrize("loop", ["own", "plain"])
def test_contexts_of_our_ssl_take_the_native_path(configs: Configs, installed: None, tmp_path: Any, loop: str) -> None:
    from tlscore import ssl as shape

    chain, key = configs.authority.issue(NAME, usage="server").write(tmp_path)
    server_context = shape.SSLContext(shape.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(chain, key)
    server_context.set_alpn_protocols(["h2", "http/1.1"])
    client_context = shape.create_default_context(cadata=configs.authority.pem.decode())
    client_context.set_alpn_protocols(["http/1.1"])

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port_of(server), ssl=client_context, server_hostname=NAME
        )
        assert type(writer.transport) is (SocketTransport if ON_DESCRIPTORS and loop == "own" else LayeredTransport)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        assert writer.get_extra_info("peercert")["subjectAltName"] == (("DNS", NAME),)
        assert writer.get_extra_info("sslcontext") is client_context
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        writer.close()
        await writer.wait_closed()
        with pytest.raises(ssl.SSLCertVerificationError, match="other"):
            await asyncio.open_connection(
                "127.0.0.1", port_of(server), ssl=client_context, server_hostname="other.test"
            )
        server.close()
        await server.wait_closed()

    run(main(), **({"loop_factory": PlainLoop} if loop == "plain" else {}))


@pytest.mark.parametrize("verified", [True, False])
def test_peercert_is_there_where_a_chain_was_verified_for_no_name(
    configs: Configs, installed: None, tmp_path: Any, verified: bool
) -> None:
    from tlscore import ssl as shape

    chain, key = configs.authority.issue(NAME, usage="server").write(tmp_path)
    server_context = shape.SSLContext(shape.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(chain, key)
    client_context = shape.create_default_context(cadata=configs.authority.pem.decode())
    client_context.check_hostname = False
    if not verified:
        client_context.verify_mode = ssl.CERT_NONE

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context)
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(server), ssl=client_context)
        found = writer.get_extra_info("peercert")
        if verified:
            assert found["subjectAltName"] == (("DNS", NAME),)
        else:
            assert found == {}
        assert isinstance(writer.get_extra_info("ssl_object").getpeercert(True), bytes)
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(main())


@pytest.mark.parametrize("missing", ["transports._FlowControlMixin", "constants._SendfileMode"])
def test_private_names_that_asyncio_may_lose(missing: str) -> None:
    """One cannot be done without, and the import says so; without the other sendfile() alone is lost."""
    script = f"""
        import asyncio, asyncio.proactor_events, json
        del asyncio.{missing}
        try:
            from tlscore import aio
            print(json.dumps(repr(aio.TlsTransport._sendfile_compatible)))
        except ImportError as error:
            print(json.dumps(str(error)))
    """
    told = run_script(script)
    if "Mixin" in missing:
        assert "asyncio.transports._FlowControlMixin" in told
        assert "wrap_client" in told
    else:
        assert told == "None"


def test_unknown_asyncio_is_refused_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from asyncio import base_events, proactor_events, selector_events

    for owner in (proactor_events.BaseProactorEventLoop, base_events.BaseEventLoop):
        monkeypatch.delattr(owner, "_make_ssl_transport")
    before = selector_events.BaseSelectorEventLoop._make_ssl_transport
    with pytest.raises(UsageError, match="not known"):
        aio.install()
    assert not aio.installed()
    assert selector_events.BaseSelectorEventLoop._make_ssl_transport is before
