"""Versions over real sockets: silent refusals, hellos in the format of SSLv2, and tiers that expire meanwhile."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest

import tlscore
from tests.seed.wire import old_client_hello, old_server_hello
from tests.sockets.conftest import NAME, Configs, tcp_pair
from tests.support import legacy
from tests.support.sslv2 import sslv2_hello, upgrade
from tlscore import ConfigError, ServerConfig, TlsError, TlsSocket, errors
from tlscore.sockets import wrap_client, wrap_server
from tlscore.versions import SSL30, TLS11, TLS12

RSA_CBC = "TLS_RSA_WITH_AES_128_CBC_SHA"


@contextmanager
def one_client(
    config: ServerConfig, then: Callable[[TlsSocket], object] = lambda tls: None
) -> Iterator[tuple[socket.socket, list[TlsError]]]:
    """A client's plain socket, and the errors of a listener that accepts this one."""
    failures: list[TlsError] = []
    with tlscore.listen(("127.0.0.1", 0), config) as listener:

        def run() -> None:
            try:
                tls, _ = listener.accept()
                with tls:
                    then(tls)
            except TlsError as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), 10) as sock:
                yield sock, failures
        finally:
            thread.join(10)
        assert not thread.is_alive()


def all_of(sock: socket.socket) -> bytes:
    """Everything until the end of the stream: a reset would raise."""
    return b"".join(iter(lambda: sock.recv(4096), b""))


# -- without a word ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_reject", ["silent", "alert"])
@pytest.mark.parametrize("asked", [TLS11, SSL30])
def test_server_refuses_a_version_with_nothing_but_the_end_of_the_stream(
    configs: Configs, on_reject: str, asked: int
) -> None:
    """S24, S34 on the wire: the client reads 0 octets, no alert and no reset."""
    with one_client(configs.server.replace(on_reject=on_reject)) as (sock, failures):
        sock.sendall(old_client_hello(asked))
        got = all_of(sock)
    (error,) = failures
    assert isinstance(error, errors.ProtocolVersionError)
    if on_reject == "silent":
        assert got == b""
        assert error.alert_sent is None
    else:
        assert (got[:1], got[3:]) == (b"\x15", b"\x00\x02\x02\x46")
        assert error.alert_sent == 70


@pytest.mark.parametrize("on_reject", ["silent", "alert"])
def test_client_refuses_an_answer_with_nothing_but_the_end_of_the_stream(configs: Configs, on_reject: str) -> None:
    """S24, S39: "the client silently disconnects"."""
    near, far = tcp_pair()
    with far:
        far.settimeout(10)
        far.sendall(old_server_hello(TLS11))
        with pytest.raises(errors.ProtocolVersionError) as caught:
            wrap_client(near, configs.client.replace(on_reject=on_reject, groups=["x25519", "secp256r1"]), NAME)
        got = all_of(far)
    hello = 5 + int.from_bytes(got[3:5], "big")
    assert got[:1] == b"\x16"
    assert got[hello:] == (b"" if on_reject == "silent" else b"\x15\x03\x03\x00\x02\x02\x46")
    assert caught.value.alert_sent == (None if on_reject == "silent" else 70)


def test_other_refusals_of_a_silent_server_are_told(configs: Configs) -> None:
    """on_reject is about versions: whoever asks for a suite that is not there hears why."""
    config = configs.server.replace(versions="1.2", on_reject="silent")
    with one_client(config) as (sock, failures):
        sock.sendall(old_client_hello(TLS12))
        got = all_of(sock)
    assert got[-2:] == b"\x02\x28"
    assert [error.alert_sent for error in failures if isinstance(error, errors.AlertError)] == [40]


# -- the format of SSLv2 -----------------------------------------------------------------------------------------------


def upgrading(**settings: Any) -> ServerConfig:
    own = legacy.tier(suites=(RSA_CBC,), accept_sslv2_hello=True)
    return legacy.server(own, "rsa2048", require_extended_main_secret=False, **settings)


@pytest.mark.parametrize("number", [TLS11, TLS12])
@pytest.mark.parametrize("pieces", [1, 60])
@pytest.mark.parametrize("resolving", [True, False])
def test_s20_sslv2_message_asks_a_listener_for_tls(number: int, pieces: int, resolving: bool) -> None:
    """S20, C4: to the end, and both ways; a resolver is shown the hello as it came."""
    seen: list[Any] = []

    def resolver(hello: Any) -> Any:
        seen.append((hello.server_name, hello.alpn, bytes(hello.raw[:1])))
        return legacy.identity("rsa2048")

    def then(tls: TlsSocket) -> None:
        told.append((tls.recv(100), tls.version))
        tls.sendall(b"answer")

    told: list[object] = []
    config = upgrading(**({"resolver": resolver} if resolving else {}))
    with one_client(config, then) as (sock, failures):
        raw = upgrade(number, sock.sendall, lambda: sock.recv(4096), pieces=pieces)
        raw.layer.write(b"question")
        sock.sendall(raw.wire())
        raw.feed(all_of(sock))
        got = raw.layer.read()
    assert failures == []
    assert got == b"answer"
    assert told == [(b"question", tlscore.versions.version_name(number))]
    assert len(seen) == resolving
    assert seen in ([], [(None, (), b"\x01")])


def test_s20_sslv2_message_that_stops_short_runs_into_the_deadline() -> None:
    with one_client(upgrading(handshake_timeout=0.3)) as (sock, failures):
        sock.sendall(sslv2_hello(TLS12, bytes(32))[:-1])
        with suppress(ConnectionError):
            all_of(sock)
    assert [type(error) for error in failures] == [errors.HandshakeTimeout]


def test_s20_sslv2_message_of_a_great_length_is_not_waited_for() -> None:
    with one_client(upgrading()) as (sock, failures):
        sock.sendall(b"\xff\xff\x01\x03\x03" + bytes(20))
        assert all_of(sock)[-2:] == b"\x02\x0a"
    assert [error.code for error in failures] == ["TLS-SSLV2_HELLO"]


def test_s20_sslv2_message_meets_a_silent_server() -> None:
    with one_client(upgrading(on_reject="silent")) as (sock, failures):
        sock.sendall(sslv2_hello(SSL30, bytes(16)))
        assert all_of(sock) == b""
    (error,) = failures
    assert type(error) is errors.ForbiddenProtocol
    assert error.alert_sent is None


# -- expiry ------------------------------------------------------------------------------------------------------------


def expired() -> tuple[Any, Any]:
    """Both configurations of a tier whose last day passed after they were built."""
    now = [datetime(2026, 11, 24, tzinfo=UTC)]
    own = legacy.tier(versions="1.2", suites=(RSA_CBC,), expires=date(2027, 1, 1))
    configs = legacy.client(own, clock=lambda: now[0]), legacy.server(own, "rsa2048", clock=lambda: now[0])
    now[0] = datetime(2027, 1, 2, tzinfo=UTC)
    return configs


@pytest.mark.parametrize("role", ["client", "server"])
def test_wrapping_closes_the_socket_where_the_tier_has_expired(role: str) -> None:
    """The socket belongs to the call by then, as after a handshake that failed: nobody else would close it."""
    client, server = expired()
    near, far = socket.socketpair()
    with far:
        with pytest.raises(ConfigError, match="expired at 2027-01-01") as caught:
            wrap_client(near, client, NAME) if role == "client" else wrap_server(near, server)
        assert caught.value.remedy
        assert near.fileno() == -1
        far.settimeout(10)
        assert far.recv(1) == b""


def test_wrapping_closes_the_socket_where_the_name_is_none(configs: Configs) -> None:
    near, far = socket.socketpair()
    with far:
        with pytest.raises(ConfigError, match="name"):
            wrap_client(near, configs.client, "no name!")
        assert near.fileno() == -1


def test_listener_closes_the_client_where_the_tier_has_expired() -> None:
    _, server = expired()
    with tlscore.listen(("127.0.0.1", 0), server) as listener:
        with socket.create_connection(listener.getsockname(), 10) as sock:
            with pytest.raises(ConfigError, match="expired"):
                listener.accept()
            assert sock.recv(1) == b""
        # The listener itself goes on.
        assert listener.fileno() >= 0


def test_connect_with_an_expired_tier_costs_no_connection() -> None:
    client, _ = expired()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with pytest.raises(ConfigError, match="expired"):
            tlscore.connect(listening.getsockname(), client, server_name=NAME)
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()
