"""The interface of PEP 748 on tlscore: configurations, sockets, buffers, errors under the PEP's names."""

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority, Issued, make_ca
from tlscore import pep748
from tlscore.pep748 import (
    IMPLEMENTATION,
    Certificate,
    CipherSuite,
    NextProtocol,
    PrivateKey,
    SigningChain,
    TLSBuffer,
    TLSClientConfiguration,
    TLSServerConfiguration,
    TLSSocket,
    TLSVersion,
    TrustStore,
)

DEADLINE = 20
LARGE = bytes(range(251)) * 400


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_ca("PEP 748 CA")


@pytest.fixture(scope="module")
def issued(authority: Authority) -> Issued:
    return authority.issue("localhost")


def chain_of(issued: Issued) -> SigningChain:
    leaf, *above = (Certificate.from_buffer(der) for der in issued.chain_der)
    return SigningChain((leaf, PrivateKey.from_buffer(issued.key_pem)), above)


def client_of(authority: Authority, **settings: Any) -> pep748.ClientContext:
    store = TrustStore.from_buffer(authority.pem)
    return IMPLEMENTATION.client_context(TLSClientConfiguration(trust_store=store, **settings))


def server_of(issued: Issued, **settings: Any) -> pep748.ServerContext:
    return IMPLEMENTATION.server_context(TLSServerConfiguration(certificate_chain=[chain_of(issued)], **settings))


def carry(sender: TLSBuffer, receiver: TLSBuffer) -> None:
    """Move what waits, in pieces smaller than a record."""
    while sender.outgoing_bytes_buffered():
        receiver.process_incoming(sender.process_outgoing(1000))


def shaken(client: TLSBuffer, server: TLSBuffer) -> None:
    for _ in range(4):
        carry(client, server)
        carry(server, client)
    client.do_handshake()
    server.do_handshake()


def test_buffers_shake_hands_and_carry_data(authority: Authority, issued: Issued) -> None:
    protocols = [NextProtocol.H2, b"custom"]
    client = client_of(authority, inner_protocols=protocols).create_buffer("localhost")
    server = server_of(issued, inner_protocols=[b"custom"]).create_buffer()
    with pytest.raises(pep748.WantReadError):
        client.do_handshake()
    assert (
        client.cipher() is client.negotiated_protocol() is client.negotiated_tls_version is client.getpeercert() is None
    )
    shaken(client, server)
    assert client.cipher() in set(CipherSuite)
    assert client.negotiated_protocol() == server.negotiated_protocol() == b"custom"
    assert client.negotiated_tls_version is TLSVersion.TLSv1_3
    assert client.getpeercert() == issued.chain_der[0]
    assert server.getpeercert() is None
    assert client.write(LARGE) == len(LARGE)
    carry(client, server)
    assert server.incoming_bytes_buffered() >= len(LARGE)
    got = bytearray()
    while len(got) < len(LARGE):
        piece = server.read(1000)
        assert isinstance(piece, bytes)
        assert 0 < len(piece) <= 1000
        got += piece
    assert got == LARGE
    with pytest.raises(pep748.WantReadError):
        server.read(1)


def test_buffer_reads_into_memory_of_the_caller(authority: Authority, issued: Issued) -> None:
    client, server = client_of(authority).create_buffer("localhost"), server_of(issued).create_buffer()
    shaken(client, server)
    server.write(b"0123456789")
    carry(server, client)
    room = bytearray(4)
    assert client.read(4, room) == 4
    assert room == b"0123"
    assert client.read(100) == b"456789"
    assert client.read(0) == b""


def test_buffers_say_goodbye(authority: Authority, issued: Issued) -> None:
    client, server = client_of(authority).create_buffer("localhost"), server_of(issued).create_buffer()
    shaken(client, server)
    with pytest.raises(pep748.WantReadError):
        client.shutdown()
    carry(client, server)
    assert server.read(1) == b""
    server.shutdown()
    carry(server, client)
    client.shutdown()


def test_buffer_tells_a_ragged_end(authority: Authority, issued: Issued) -> None:
    client, server = client_of(authority).create_buffer("localhost"), server_of(issued).create_buffer()
    shaken(client, server)
    with pytest.raises(pep748.RaggedEOF):
        client.process_incoming(b"")
    assert issubclass(pep748.RaggedEOF, pep748.TLSError)


def test_handshake_with_the_wrong_name_fails(authority: Authority, issued: Issued) -> None:
    client, server = client_of(authority).create_buffer("elsewhere.example"), server_of(issued).create_buffer()
    carry(client, server)
    with pytest.raises(pep748.TLSError, match=r"elsewhere\.example"):
        carry(server, client)
    with pytest.raises(pep748.TLSError, match=r"elsewhere\.example"):
        client.do_handshake()
    assert client.outgoing_bytes_buffered() > 0, "the alert waits"


@pytest.mark.parametrize(
    ("lowest", "highest", "agreed"),
    [
        (None, TLSVersion.TLSv1_2, TLSVersion.TLSv1_2),
        (None, TLSVersion.MINIMUM_SUPPORTED, TLSVersion.TLSv1_2),
        (TLSVersion.TLSv1_3, None, TLSVersion.TLSv1_3),
        (TLSVersion.MAXIMUM_SUPPORTED, TLSVersion.MAXIMUM_SUPPORTED, TLSVersion.TLSv1_3),
        (TLSVersion.MINIMUM_SUPPORTED, TLSVersion.MAXIMUM_SUPPORTED, TLSVersion.TLSv1_3),
    ],
)
def test_versions_are_bounded(authority: Authority, issued: Issued, lowest: Any, highest: Any, agreed: Any) -> None:
    bounds = {"lowest_supported_version": lowest, "highest_supported_version": highest}
    client, server = client_of(authority, **bounds).create_buffer("localhost"), server_of(issued).create_buffer()
    shaken(client, server)
    assert client.negotiated_tls_version is server.negotiated_tls_version is agreed


def test_versions_that_leave_nothing_are_refused(authority: Authority) -> None:
    bounds = {"lowest_supported_version": TLSVersion.TLSv1_3, "highest_supported_version": TLSVersion.TLSv1_2}
    with pytest.raises(pep748.ConfigurationError):
        client_of(authority, **bounds)


@pytest.mark.parametrize("suite", [CipherSuite.TLS_CHACHA20_POLY1305_SHA256, 0x1302])
def test_suites_are_chosen(authority: Authority, issued: Issued, suite: int) -> None:
    only = {"lowest_supported_version": TLSVersion.TLSv1_3}
    client = client_of(authority, ciphers=[suite], **only).create_buffer("localhost")
    server = server_of(issued).create_buffer()
    shaken(client, server)
    assert client.cipher() == server.cipher() == suite
    assert isinstance(client.cipher(), CipherSuite)


def test_server_with_a_trust_store_demands_a_certificate(authority: Authority, issued: Issued) -> None:
    own = authority.issue("client.example", usage="client")
    context = server_of(issued, trust_store=TrustStore.from_buffer(authority.pem))
    client = client_of(authority, certificate_chain=chain_of(own)).create_buffer("localhost")
    server = context.create_buffer()
    shaken(client, server)
    assert server.getpeercert() == own.chain_der[0]
    anonymous, server = client_of(authority).create_buffer("localhost"), context.create_buffer()
    carry(anonymous, server)
    carry(server, anonymous)
    with pytest.raises(pep748.TLSError, match="certificate"):
        carry(anonymous, server)


def test_sockets_talk(authority: Authority, issued: Issued, tmp_path: Path) -> None:
    chain, key = issued.write(tmp_path)
    signing = SigningChain((Certificate.from_file(chain), PrivateKey.from_file(key)))
    context = IMPLEMENTATION.server_context(TLSServerConfiguration(certificate_chain=[signing]))
    listener = context.connect(("127.0.0.1", 0))
    with pytest.raises(pep748.TLSError, match="does not listen"):
        listener.accept()
    listener.listen(1)
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            accepted, _ = listener.accept()
            assert isinstance(accepted, TLSSocket)
            assert accepted.context is context
            accepted.send(accepted.recv(100))
            assert accepted.recv(1) == b""
            accepted.close()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    store = TrustStore.from_file(authority.write(tmp_path))
    client = IMPLEMENTATION.client_context(TLSClientConfiguration(trust_store=store))
    stream = client.connect(("localhost", listener.getsockname()[1]))
    assert stream.send(b"over a socket") == 13
    assert stream.recv(100) == b"over a socket"
    assert stream.negotiated_tls_version is TLSVersion.TLSv1_3
    assert stream.getpeercert() == issued.chain_der[0]
    assert stream.getpeername()[1] == listener.getsockname()[1]
    stream.close()
    thread.join(DEADLINE)
    listener.close(force=True)
    assert not failures


def test_listening_twice_and_on_a_client_is_refused(authority: Authority, issued: Issued) -> None:
    listener = server_of(issued).connect(("127.0.0.1", 0))
    listener.listen(1)
    with pytest.raises(pep748.TLSError, match="once"):
        listener.listen(1)
    with pytest.raises(pep748.TLSError, match="waits for connections"):
        listener.recv(1)
    listener.close(force=True)


def test_taken_address_leaves_no_socket_behind(issued: Issued) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        server_of(issued).connect(("127.0.0.1", taken.getsockname()[1]))


@pytest.mark.parametrize("kind", [Certificate, PrivateKey])
def test_empty_sources_are_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="cannot be empty"):
        kind()


def test_identifiers_are_refused_with_the_alternative(issued: Issued) -> None:
    known, unknown = Certificate.from_buffer(issued.chain_der[0]), Certificate.from_id(b"token")
    cases = [
        TLSClientConfiguration(trust_store=TrustStore.from_id(b"store")),
        TLSClientConfiguration(certificate_chain=SigningChain((known, PrivateKey.from_id(b"key")))),
        TLSServerConfiguration(certificate_chain=[SigningChain((unknown, None))]),
    ]
    for configuration in cases:
        with pytest.raises(pep748.ConfigurationError, match="by identifier") as caught:
            IMPLEMENTATION.validate_config(configuration)
        assert "from_signer" in str(caught.value)
    IMPLEMENTATION.validate_config(TLSClientConfiguration(trust_store=TrustStore.system()))


def test_key_shows_nowhere(issued: Issued) -> None:
    key = PrivateKey.from_buffer(issued.key_pem)
    assert repr(key) == "PrivateKey(buffer)"
    assert "BEGIN" not in repr(TLSServerConfiguration(certificate_chain=[chain_of(issued)]))


def test_configurations_are_immutable_and_compare(authority: Authority) -> None:
    first, second = (TLSClientConfiguration(trust_store=TrustStore.from_buffer(authority.pem)) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    with pytest.raises(AttributeError):
        first.trust_store = None  # type: ignore[misc]
