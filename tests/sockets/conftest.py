"""One authority and one pair of configurations for all socket tests; connected pairs over socketpairs and over TCP."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.support.certificates import Authority, make_ca
from tlscore import ClientConfig, Identity, ServerConfig, TlsSocket, TrustStore
from tlscore.sockets import wrap_client, wrap_server

NAME = "server.test"


@dataclass(frozen=True)
class Configs:
    client: ClientConfig
    server: ServerConfig


@pytest.fixture(scope="session")
def authority() -> Authority:
    return make_ca()


@pytest.fixture(scope="session")
def configs(authority: Authority) -> Configs:
    leaf = authority.issue(NAME, usage="server")
    return Configs(
        ClientConfig.simple(trust=TrustStore.from_bytes(authority.pem)),
        ServerConfig.simple(identity=Identity.load(leaf.chain_pem, leaf.key_pem)),
    )


@pytest.fixture
def resources() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def shake_hands(client: TlsSocket, server: TlsSocket) -> None:
    """Run both handshakes, the server's in a thread; the client's error is raised, or else the server's."""
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            server.do_handshake()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.do_handshake()
    finally:
        thread.join()
    if failures:
        raise failures[0]


Pair = Callable[..., tuple[TlsSocket, TlsSocket]]


@pytest.fixture
def pair(configs: Configs, resources: ExitStack) -> Pair:
    """Makes (client, server), handshake done, over a socketpair or TCP."""

    def make(
        *, tcp: bool = False, client: ClientConfig | None = None, server: ServerConfig | None = None
    ) -> tuple[TlsSocket, TlsSocket]:
        one, two = tcp_pair() if tcp else socket.socketpair()
        a = wrap_client(one, client or configs.client, NAME, do_handshake=False)
        b = wrap_server(two, server or configs.server, do_handshake=False)
        resources.callback(a.close)
        resources.callback(b.close)
        shake_hands(a, b)
        a.settimeout(10)
        b.settimeout(10)
        return a, b

    return make


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        return client, server
