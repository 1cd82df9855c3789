"""Handshakes in memory with the standard library's ssl module: another implementation of the same RFC."""

import ssl

import pytest

from tlscore import ClientConfig, Identity, ServerConfig
from tlscore.events import ClientCertificateReceived, ClientCertificateRequested

KEYS = ("p256", "p384", "rsa2048", "ed25519")


class Other:
    """An ssl object between two memory buffers."""

    def __init__(self, context, server_side, name=None):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=server_side, server_hostname=name)
        self.done = False

    def handshake(self):
        if not self.done:
            try:
                self.tls.do_handshake()
                self.done = True
            except ssl.SSLWantReadError:
                pass

    def take(self):
        """Process what came in, without expecting data."""
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.read(1)


def connect(connection, other):
    for _ in range(6):
        other.incoming.write(connection.data_to_send())
        other.handshake()
        connection.receive(other.outgoing.read())
    assert other.done
    assert connection.handshake_complete
    other.tls.write(b"from ssl")
    connection.receive(other.outgoing.read())
    assert connection.read() == b"from ssl"
    connection.write(b"from us")
    other.incoming.write(connection.data_to_send())
    assert other.tls.read(100) == b"from us"
    assert other.tls.version() == connection.version
    assert other.tls.cipher()[0] == connection.suite
    connection.events()
    return other


@pytest.fixture(scope="module")
def folder(tmp_path_factory, authority):
    path = tmp_path_factory.mktemp("ssl")
    authority.write(path)
    return path


def context_for(folder, issued, protocol):
    context = ssl.SSLContext(protocol)
    context.load_cert_chain(*issued.write(folder, "own"))
    context.load_verify_locations(folder / "ca.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@pytest.fixture(params=KEYS)
def ends(request, folder, authority):
    """(server certificate, client certificate) of one kind of key"""
    return authority.issue("example.org", key=request.param), authority.issue("me", key=request.param, usage="client")


def load(issued):
    return Identity.load(issued.chain_pem, issued.key_pem)


CLIENTS = [
    {},
    {"groups": ("secp256r1",)},
    {"groups": ("X25519MLKEM768", "secp384r1", "x25519"), "key_shares": ("secp384r1",)},
    {"groups": ("x25519", "secp256r1"), "key_shares": ()},
    {"grease": True, "shuffle_extensions": True, "alpn": ("h2",), "record_size_limit": 500},
    {"suites": ("TLS_CHACHA20_POLY1305_SHA256",), "middlebox_compatibility": False},
    {"suites": ("TLS_AES_256_GCM_SHA384",)},
]


@pytest.mark.parametrize("changes", CLIENTS, ids=str)
def test_client_against_ssl(trust, folder, ends, changes):
    context = context_for(folder, ends[0], ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    client = ClientConfig.mutual(trust, identity=load(ends[1]), **changes).connection("example.org")
    other = connect(client, Other(context, True))
    assert client.authenticated
    assert other.tls.getpeercert()
    assert client.alpn == other.tls.selected_alpn_protocol() == ("h2" if "alpn" in changes else None)
    assert client.hello_retried is (changes.get("key_shares") == ())


SERVERS = [
    {},
    {"groups": ("secp384r1",)},
    {"groups": ("secp384r1",), "hello_retry_cookie": True},
    {"alpn": ("http/1.1",)},
    {"suites": ("TLS_CHACHA20_POLY1305_SHA256",)},
]


@pytest.mark.parametrize("changes", SERVERS, ids=str)
def test_server_against_ssl(trust, folder, ends, changes):
    server = ServerConfig.mutual(load(ends[0]), client_trust=trust, **changes).connection()
    context = context_for(folder, ends[1], ssl.PROTOCOL_TLS_CLIENT)
    connect(server, Other(context, False, "example.org"))
    assert server.authenticated
    assert server.server_name == "example.org"
    assert server.alpn == (changes["alpn"][0] if "alpn" in changes else None)
    assert server.hello_retried is ("groups" in changes)


def test_server_asks_ssl_later(trust, folder, ends):
    config = ServerConfig.simple(load(ends[0]), client_auth="post_handshake", client_trust=trust)
    server = config.connection()
    context = context_for(folder, ends[1], ssl.PROTOCOL_TLS_CLIENT)
    context.post_handshake_auth = True
    other = connect(server, Other(context, False, "example.org"))
    assert not server.authenticated
    server.request_client_certificate()
    other.incoming.write(server.data_to_send())
    other.take()
    server.receive(other.outgoing.read())
    (answer,) = server.events()
    assert isinstance(answer, ClientCertificateReceived)
    assert answer.authenticated
    assert server.authenticated


def test_ssl_asks_client_later(trust, folder, ends):
    context = context_for(folder, ends[0], ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.post_handshake_auth = True
    config = ClientConfig.mutual(trust, identity=load(ends[1]), post_handshake_auth=True)
    client = config.connection("example.org")
    other = connect(client, Other(context, True))
    assert not other.tls.getpeercert()
    other.tls.verify_client_post_handshake()
    other.tls.write(b"")
    client.receive(other.outgoing.read())
    (asked,) = client.events()
    assert isinstance(asked, ClientCertificateRequested)
    assert asked.answered
    other.incoming.write(client.data_to_send())
    other.take()
    assert other.tls.getpeercert()


def test_closing_with_ssl(trust, folder, ends):
    context = context_for(folder, ends[0], ssl.PROTOCOL_TLS_SERVER)
    client = ClientConfig.simple(trust).connection("example.org")
    other = connect(client, Other(context, True))
    client.close()
    other.incoming.write(client.data_to_send())
    assert other.tls.read(1) == b""
    other.tls.unwrap()
    client.receive(other.outgoing.read())
    client.eof()
    assert client.peer_closed
