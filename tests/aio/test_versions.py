"""Versions over asyncio: silent refusals, hellos in the format of SSLv2, and tiers that expire meanwhile."""

import asyncio
import socket
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Literal

import pytest

from tests.aio.conftest import NAME, Configs, PlainLoop, connect, new_loop, part, port_of, run, serve
from tests.seed.wire import old_client_hello, old_server_hello
from tests.support import legacy
from tests.support.sslv2 import sslv2_hello, upgrade
from tlscore import ConfigError, ServerConfig, TlsError, aio, errors
from tlscore.versions import SSL30, TLS11, TLS12

RSA_CBC = "TLS_RSA_WITH_AES_128_CBC_SHA"
LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [new_loop, PlainLoop]


async def nobody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    raise AssertionError("a client was taken")


def all_of(sock: socket.socket) -> bytes:
    """Everything until the end of the stream: a reset would raise."""
    return b"".join(iter(lambda: sock.recv(4096), b""))


def answer_to(
    config: ServerConfig, hello: bytes, loop_factory: Callable[[], asyncio.AbstractEventLoop] = new_loop
) -> tuple[bytes, list[dict[str, Any]]]:
    """What a plain socket reads for a hello until the stream ends, and what the server's loop reports."""

    def ask(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            sock.sendall(hello)
            return all_of(sock)

    async def main() -> bytes:
        async with await serve(nobody, config) as server:
            return await asyncio.to_thread(ask, port_of(server))

    reports: list[dict[str, Any]] = []
    got: bytes = run(main(), reports=reports, loop_factory=loop_factory)
    return got, reports


@pytest.mark.parametrize("on_reject", ["silent", "alert"])
@pytest.mark.parametrize("asked", [TLS11, SSL30])
@pytest.mark.parametrize("loop_factory", LOOPS)
def test_server_refuses_a_version_with_nothing_but_the_end_of_the_stream(
    configs: Configs, on_reject: str, asked: int, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """S24, S34 on the wire: the client reads 0 octets, no alert and no reset."""
    got, _ = answer_to(configs.server.replace(on_reject=on_reject), old_client_hello(asked), loop_factory)
    if on_reject == "silent":
        assert got == b""
    else:
        assert (got[:1], got[3:]) == (b"\x15", b"\x00\x02\x02\x46")


@pytest.mark.parametrize("on_reject", ["silent", "alert"])
def test_client_refuses_an_answer_with_nothing_but_the_end_of_the_stream(configs: Configs, on_reject: str) -> None:
    """S24, S39: "the client silently disconnects"."""
    got = bytearray()

    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(old_server_hello(TLS11))
        while octets := await reader.read(4096):
            got.extend(octets)
        writer.close()
        ended.set()

    async def main() -> None:
        config = configs.client.replace(on_reject=on_reject, groups=["x25519", "secp256r1"])
        async with await asyncio.start_server(old, "127.0.0.1", 0) as server:
            with pytest.raises(errors.ProtocolVersionError) as caught:
                await connect(server, config)
            assert caught.value.alert_sent == (None if on_reject == "silent" else 70)
            await ended.wait()

    ended = asyncio.Event()
    run(main())
    hello = 5 + int.from_bytes(got[3:5], "big")
    assert got[:1] == b"\x16"
    assert got[hello:] == (b"" if on_reject == "silent" else b"\x15\x03\x03\x00\x02\x02\x46")


# -- the format of SSLv2 -----------------------------------------------------------------------------------------------


def upgrading(**settings: Any) -> ServerConfig:
    own = legacy.tier(suites=(RSA_CBC,), accept_sslv2_hello=True)
    return legacy.server(own, "rsa2048", require_extended_main_secret=False, **settings)


@pytest.mark.parametrize("number", [TLS11, TLS12])
@pytest.mark.parametrize("pieces", [1, 60])
@pytest.mark.parametrize("loop_factory", LOOPS)
def test_s20_sslv2_message_asks_a_server_for_tls(
    number: int, pieces: int, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """S20, C4: to the end, and both ways; a resolver is shown the hello as it came."""
    seen: list[Any] = []

    def resolver(hello: Any) -> Any:
        seen.append((hello.server_name, hello.alpn, hello.suites))
        return legacy.identity("rsa2048")

    def ask(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            raw = upgrade(number, sock.sendall, lambda: sock.recv(4096), pieces=pieces)
            raw.layer.write(b"question")
            sock.sendall(raw.wire())
            raw.feed(sock.recv(4096))
            return bytes(raw.layer.read())

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.append((await reader.readexactly(8), writer.get_extra_info("version")))
        writer.write(b"answer")
        # The client goes without close_notify: that is an error of its own, which is not the question here.
        await writer.drain()
        writer.close()

    async def main() -> bytes:
        async with await serve(answer, upgrading(resolver=resolver)) as server:
            return await asyncio.to_thread(ask, port_of(server))

    told: list[Any] = []
    assert run(main(), reports=[], loop_factory=loop_factory) == b"answer"
    assert [question for question, _ in told] == [b"question"]
    assert seen == [(None, (), (0x002F, 0x00FF))]


def test_s20_sslv2_message_meets_a_silent_server() -> None:
    assert answer_to(upgrading(on_reject="silent"), sslv2_hello(SSL30, bytes(16)))[0] == b""


# -- expiry ------------------------------------------------------------------------------------------------------------


def expired() -> tuple[Any, Any]:
    """Both configurations of a tier whose last day passed after they were built."""
    now = [datetime(2026, 11, 24, tzinfo=UTC)]
    own = legacy.tier(versions="1.2", suites=(RSA_CBC,), expires=date(2027, 1, 1))
    configs = legacy.client(own, clock=lambda: now[0]), legacy.server(own, "rsa2048", clock=lambda: now[0])
    now[0] = datetime(2027, 1, 2, tzinfo=UTC)
    return configs


@pytest.mark.parametrize("loop_factory", LOOPS)
@pytest.mark.parametrize("name", [NAME, "no name!"])
def test_given_socket_is_closed_where_no_connection_can_be_made(
    configs: Configs, name: str, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """It belongs to the transport, which will never be: nobody else would close it."""
    near, far = socket.socketpair()

    async def main() -> None:
        config = expired()[0] if name == NAME else configs.client
        with pytest.raises(ConfigError, match="expired at 2027-01-01" if name == NAME else "name"):
            await aio.open_connection(sock=near, config=config, server_name=name)

    run(main(), loop_factory=loop_factory)
    with far:
        assert near.fileno() == -1
        far.settimeout(10)
        assert far.recv(1) == b""


@pytest.mark.parametrize("role", ["client", "server"])
def test_upgrade_closes_the_stream_where_the_tier_has_expired(role: Literal["client", "server"]) -> None:
    near, far = socket.socketpair()

    async def main() -> None:
        client, server = expired()
        reader, writer = await asyncio.open_connection(sock=near)
        config, name = (client, NAME) if role == "client" else (server, None)
        with pytest.raises(ConfigError, match="expired"):
            await aio.start_tls(reader, writer, config, role=role, server_name=name)
        assert writer.transport.is_closing()
        await asyncio.sleep(0)

    run(main())
    with far:
        far.settimeout(10)
        assert far.recv(1) == b""


def test_upgrade_with_a_configuration_of_the_other_role_leaves_the_stream(configs: Configs) -> None:
    """As over sockets: what can be told without a connection is told before anything belongs to anybody else."""

    async def main() -> None:
        near, far = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=near)
        with pytest.raises(ConfigError, match="no configuration of a client"):
            await aio.start_tls(reader, writer, configs.server, server_name=NAME)
        assert not writer.transport.is_closing()
        await part(writer)
        far.close()

    run(main())


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_server_closes_clients_once_the_tier_has_expired(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    got, reports = answer_to(expired()[1], b"", loop_factory)
    assert got == b""
    (report,) = reports
    assert isinstance(report["exception"], TlsError)
    assert "expired" in str(report["exception"])
