"""Blocking sockets run no event loop: what would have to be awaited is refused, at once and with the way out."""

import socket
import threading
from typing import Any

import pytest

from tests.support.certificates import make_ca
from tests.support.waiting import Material, Signer, Slow
from tlscore import ClientConfig, Identity, ServerConfig, TrustStore, errors
from tlscore.sockets import connect, listen, wrap_client, wrap_listener, wrap_server

CA = make_ca()
IT = Material(TrustStore.from_bytes(CA.pem), CA.issue("example.org"), CA.issue("client.example"))


def slow_identity() -> Identity:
    return Identity.from_signer(IT.issued.chain, Signer(IT.issued.key))


SERVERS = {
    "resolver": lambda: ServerConfig(resolver=Slow(lambda hello: None)),
    "authorize": lambda: ServerConfig.mutual(IT.identity, client_trust=IT.trust, authorize=Slow(lambda peer: True)),
    "an identity": lambda: ServerConfig.simple(slow_identity()),
    "an identity, resolver": lambda: ServerConfig(
        names={"example.org": slow_identity()}, identities=(IT.identity,), resolver=Slow(lambda hello: None)
    ),
}
CLIENTS = {
    "authorize": lambda: ClientConfig.simple(IT.trust, authorize=Slow(lambda peer: True)),
    "an identity": lambda: ClientConfig.mutual(IT.trust, identity=slow_identity()),
}


@pytest.mark.parametrize("what", SERVERS)
def test_servers_with_async_parts_are_refused(what: str) -> None:
    config = SERVERS[what]()
    one, other = socket.socketpair()
    listener = socket.create_server(("127.0.0.1", 0))
    with one, other, listener:
        for call in (
            lambda: wrap_server(one, config),
            lambda: listen(("127.0.0.1", 0), config),
            lambda: wrap_listener(listener, config),
        ):
            with pytest.raises(
                errors.ConfigError, match=f"^[^a-z]*{what} of the config would have to be awaited"
            ) as it:
                call()
            assert "Use tlscore.aio" in str(it.value)
            assert it.value.code == "TLS-CONFIG-ASYNC"


@pytest.mark.parametrize("what", CLIENTS)
def test_clients_with_async_parts_are_refused(what: str) -> None:
    config = CLIENTS[what]()
    one, other = socket.socketpair()
    with one, other:
        for call in (
            lambda: wrap_client(one, config, "example.org"),
            lambda: connect(("127.0.0.1", 1), config),
        ):
            with pytest.raises(errors.ConfigError, match=f"{what} of the config would have to be awaited"):
                call()


def _run(client: ClientConfig, server: ServerConfig) -> tuple[list[Any], list[Any]]:
    """The errors of both ends of a handshake over a socket pair."""
    one, other = socket.socketpair()
    found: tuple[list[Any], list[Any]] = ([], [])

    def serve() -> None:
        try:
            wrap_server(other, server).close()
        except errors.TlsError as error:
            found[1].append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with wrap_client(one, client, "example.org") as tls:
            tls.recv(1)
    except errors.TlsError as error:
        found[0].append(error)
    thread.join()
    return found


@pytest.mark.parametrize("versions", ["1.2", "1.3"])
@pytest.mark.parametrize("where", ["resolver", "signer", "authorize"])
def test_function_that_gives_something_to_await_ends_the_handshake(where: str, versions: str) -> None:
    """Nothing marks it: it shows in the handshake, which ends at once, without a coroutine left behind."""
    slow = Slow(lambda *arguments: True)
    client = ClientConfig.mutual(IT.trust, identity=IT.client_identity, versions=versions)
    unmarked: Any = lambda *arguments: slow(*arguments)  # noqa: E731
    if where == "signer":
        server = ServerConfig.simple(Identity.from_signer(IT.issued.chain, Signer(IT.issued.key, unmarked)))
    elif where == "resolver":
        server = ServerConfig(resolver=unmarked)
    else:
        server = ServerConfig.mutual(IT.identity, client_trust=IT.trust, authorize=unmarked)
    (heard,), (error,) = _run(client, server)
    assert type(error) is errors.UsageError
    assert "gave something to await, and these sockets run no event loop" in str(error)
    assert "Use tlscore.aio" in str(error)
    assert error.alert_sent == 80
    assert (type(heard), heard.sender) == (errors.InternalError, "peer")
    assert slow.calls == []


def test_late_authentication_that_must_be_awaited_ends_the_connection() -> None:
    slow = Slow(lambda *arguments: True)
    made: list[Any] = []

    def sign(*arguments: Any) -> Any:
        made.append(slow(*arguments))
        return made[-1]

    identity = Identity.from_signer(IT.client_issued.chain, Signer(IT.client_issued.key, sign))
    client = ClientConfig.mutual(IT.trust, identity=identity, post_handshake_auth=True)
    server = ServerConfig.simple(IT.identity, client_auth="post_handshake", client_trust=IT.trust)
    one, other = socket.socketpair()
    heard: list[Any] = []

    def serve() -> None:
        with wrap_server(other, server) as tls:
            tls.connection.request_client_certificate()
            tls.flush()
            try:
                tls.recv(1)
            except errors.TlsError as error:
                heard.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    tls = wrap_client(one, client, "example.org")
    with pytest.raises(errors.UsageError, match="gave something to await"):
        tls.recv(1)
    assert [one.cr_frame for one in made] == [None]
    tls.close()
    thread.join()
    assert [(type(error), error.sender) for error in heard] == [(errors.InternalError, "peer")]
    assert slow.calls == []
