"""Twisted through the adapter `tlscore.twisted`; the control runs on pyOpenSSL, Twisted's own way.

The reactor exists once in a process: it runs in a thread of its own for all tests of this file.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from twisted.internet import defer, endpoints, protocol, reactor, ssl
from twisted.internet.error import ConnectionLost
from twisted.internet.threads import blockingCallFromThread
from twisted.web.client import Agent, FileBodyProducer, readBody
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.ecosystem.support import (
    CONTROL,
    DEADLINE,
    LARGE,
    Files,
    conversation,
    entry,
    exactly,
    http_server,
    openssl_server,
)


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    thread = threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, daemon=True)
    thread.start()
    yield
    reactor.callFromThread(reactor.stop)
    thread.join(DEADLINE)
    assert not thread.is_alive()


def wait(work: Callable[[], Any]) -> Any:
    """Start `work` in the reactor's thread and give the result of its Deferred."""
    return blockingCallFromThread(reactor, lambda: defer.maybeDeferred(work).addTimeout(DEADLINE, reactor))


def client_creator(context: Any, files: Files, hostname: str = "localhost") -> Any:
    if CONTROL:
        anchor = ssl.Certificate.loadPEM(files.ca.read_bytes())
        return ssl.optionsForClientTLS(hostname, trustRoot=ssl.trustRootFromCertificates([anchor]))
    from tlscore.twisted import ClientConnectionCreator

    return ClientConnectionCreator(context, hostname)


def server_creator(context: Any, files: Files) -> Any:
    if CONTROL:
        return ssl.PrivateCertificate.loadPEM(files.key.read_bytes() + files.chain.read_bytes()).options()
    from tlscore.twisted import ServerConnectionCreator

    return ServerConnectionCreator(context)


def https_policy(context: Any, files: Files) -> Any:
    if CONTROL:
        from twisted.web.client import BrowserLikePolicyForHTTPS

        anchor = ssl.Certificate.loadPEM(files.ca.read_bytes())
        return BrowserLikePolicyForHTTPS(trustRoot=ssl.trustRootFromCertificates([anchor]))
    from tlscore.twisted import HttpsPolicy

    return HttpsPolicy(context)


@entry("twisted", "client, twisted.web Agent", "tlscore.twisted.HttpsPolicy")
def test_twisted_agent_posts(client: Any, files: Files, peer_server: Any) -> None:
    agent = Agent(reactor, contextFactory=https_policy(client, files))

    async def ask(method: bytes, url: str, body: Any = None) -> bytes:
        response = await agent.request(method, url.encode(), bodyProducer=body)
        answer: bytes = await readBody(response)
        return answer

    def start(*arguments: Any) -> Any:
        return defer.ensureDeferred(ask(*arguments))

    with http_server(peer_server) as port:
        assert wait(lambda: start(b"GET", f"https://localhost:{port}/page")) == b"/page"
        body = FileBodyProducer(BytesIO(LARGE))
        assert wait(lambda: start(b"POST", f"https://localhost:{port}/", body)) == LARGE


class Answer(Resource):
    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        path: bytes = request.path
        return path

    def render_POST(self, request: Any) -> bytes:
        body: bytes = request.content.read()
        return body


@entry("twisted", "server, twisted.web Site", "tlscore.twisted.ServerConnectionCreator")
def test_twisted_site_serves(server: Any, files: Files, peer_client: Any) -> None:
    site = Site(Answer())
    listening = wait(lambda: reactor.listenSSL(0, site, server_creator(server, files), interface="127.0.0.1"))
    url = f"https://localhost:{listening.getHost().port}"
    try:
        with httpx.Client(verify=peer_client, timeout=DEADLINE) as session:
            assert session.get(f"{url}/page").content == b"/page"
            assert session.post(url, content=LARGE).content == LARGE
    finally:
        wait(listening.stopListening)
        wait(site.stopFactory)


class Upgrading(protocol.Protocol):
    """Says STARTTLS, upgrades at the answer, sends much, and gives what comes back."""

    def __init__(self, creator: Any, answer: int) -> None:
        self.creator = creator
        self.answer = answer
        self.got = b""
        self.upgraded = False
        self.done: defer.Deferred[bytes] = defer.Deferred()

    def connectionMade(self) -> None:
        self.transport.write(b"STARTTLS\r\n")

    def dataReceived(self, data: bytes) -> None:
        self.got += data
        if not self.upgraded and self.got == b"OK\r\n":
            self.got, self.upgraded = b"", True
            self.transport.startTLS(self.creator)
            self.transport.write(LARGE)
        elif self.upgraded and len(self.got) == self.answer:
            self.transport.loseConnection()

    def connectionLost(self, reason: Any) -> None:
        done, self.done = self.done, defer.Deferred()
        done.callback(self.got) if len(self.got) == self.answer else done.errback(reason)


def connected(work: protocol.Protocol, port: int) -> Any:
    return endpoints.connectProtocol(endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", port), work)


@entry("twisted", "client, upgrade", "transport.startTLS(tlscore.twisted.ClientConnectionCreator)")
def test_twisted_client_upgrades(client: Any, files: Files, peer_server: Any) -> None:
    def handle(connection: socket.socket) -> None:
        assert exactly(connection, 10) == b"STARTTLS\r\n"
        connection.sendall(b"OK\r\n")
        openssl_server(peer_server)(connection)

    with conversation(handle) as port:
        work = Upgrading(client_creator(client, files), len(LARGE))
        done = work.done
        wait(lambda: connected(work, port))
        assert wait(lambda: done) == LARGE


@entry("twisted", "server, upgrade", "transport.startTLS(tlscore.twisted.ServerConnectionCreator)")
def test_twisted_server_upgrades(server: Any, files: Files, peer_client: Any) -> None:
    class Upgraded(protocol.Protocol):
        upgraded = False

        def dataReceived(self, data: bytes) -> None:
            if self.upgraded:
                self.transport.write(data)
            else:
                self.upgraded = True
                self.transport.write(b"OK\r\n")
                self.transport.startTLS(server_creator(server, files))

    factory = protocol.Factory.forProtocol(Upgraded)
    listening = wait(lambda: reactor.listenTCP(0, factory, interface="127.0.0.1"))
    with socket.create_connection(("localhost", listening.getHost().port), DEADLINE) as plain:
        plain.sendall(b"STARTTLS\r\n")
        assert exactly(plain, 4) == b"OK\r\n"
        with peer_client.wrap_socket(plain, server_hostname="localhost") as stream:
            stream.sendall(LARGE)
            assert exactly(stream, len(LARGE)) == LARGE
    wait(listening.stopListening)


def test_twisted_says_connection_lost_for_a_cut_stream(client: Any, files: Files, peer_server: Any) -> None:
    """Twisted finds "unexpected eof" in the error's text and reports a lost connection."""

    def handle(connection: socket.socket) -> None:
        exactly(connection, 10)
        connection.sendall(b"OK\r\n")
        stream = peer_server.wrap_socket(connection, server_side=True)
        exactly(stream, len(LARGE))
        stream.sendall(b"half a mess")
        socket.socket.shutdown(stream, socket.SHUT_RDWR)
        stream.close()

    with conversation(handle) as port:
        work = Upgrading(client_creator(client, files), len(LARGE))
        done = work.done
        wait(lambda: connected(work, port))
        with pytest.raises(ConnectionLost):
            wait(lambda: done)
        assert work.got == b"half a mess"


def test_twisted_refuses_a_server_of_another_name(client: Any, files: Files, peer_server: Any) -> None:
    def handle(connection: socket.socket) -> None:
        exactly(connection, 10)
        connection.sendall(b"OK\r\n")
        with contextlib.suppress(OSError):
            peer_server.wrap_socket(connection, server_side=True)

    with conversation(handle) as port:
        work = Upgrading(client_creator(client, files, "elsewhere.example"), len(LARGE))
        done = work.done
        wait(lambda: connected(work, port))
        with pytest.raises(Exception, match=r"(?i)certificate|verification|match") as caught:
            wait(lambda: done)
    if not CONTROL:
        assert "elsewhere.example" in str(caught.value.tlscore)


@pytest.mark.elsewhere("the connections come from configurations; their handles are asked")
@pytest.mark.skipif(CONTROL, reason="the native configurations are tlscore's alone")
def test_twisted_takes_native_configurations_and_agrees_on_a_protocol(files: Files) -> None:
    """twisted.web wants http/1.1 by ALPN: the creator adds what the factory behind it wants."""
    from tlscore import ClientConfig, Identity, ServerConfig, TrustStore
    from tlscore.twisted import ClientConnectionCreator, ServerConnectionCreator, TlsConnection

    identity = Identity.load(files.chain, files.key)
    site = Site(Answer())
    creator = ServerConnectionCreator(ServerConfig.simple(identity))
    listening = wait(lambda: reactor.listenSSL(0, site, creator, interface="127.0.0.1"))

    class Ask(protocol.Protocol):
        def connectionMade(self) -> None:
            self.got = b""
            self.handle = self.transport.getHandle()
            self.done: defer.Deferred[None] = defer.Deferred()
            self.transport.write(b"GET /native HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

        def dataReceived(self, data: bytes) -> None:
            self.got += data

        def connectionLost(self, reason: Any) -> None:
            self.done.callback(None)

    config = ClientConfig.simple(TrustStore.from_file(files.ca), alpn=("http/1.1",))
    endpoint = endpoints.wrapClientTLS(
        ClientConnectionCreator(config, "localhost"),
        endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", listening.getHost().port),
    )
    work = wait(lambda: endpoints.connectProtocol(endpoint, Ask()))
    wait(lambda: work.done)
    handle = work.handle
    assert work.got.endswith(b"/native")
    assert isinstance(handle, TlsConnection)
    assert handle.get_alpn_proto_negotiated() == b"http/1.1"
    assert handle.get_peer_certificate().get_subject().CN == "localhost"
    assert handle.get_protocol_version_name() == "TLSv1.3"
    wait(listening.stopListening)


@pytest.mark.elsewhere("nothing is connected: the configuration is refused")
@pytest.mark.skipif(CONTROL, reason="the native configurations are tlscore's alone")
def test_twisted_refuses_answers_that_must_be_awaited(files: Files) -> None:
    """Twisted asks its TLS and does not wait: a handshake that waits would hang."""
    from tlscore import ConfigError, Identity, ServerConfig
    from tlscore.twisted import ServerConnectionCreator

    async def resolver(hello: Any) -> None:
        return None

    config = ServerConfig.simple(Identity.load(files.chain, files.key), resolver=resolver)
    with pytest.raises(ConfigError, match="would have to be awaited"):
        ServerConnectionCreator(config)
