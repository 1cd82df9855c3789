"""TLS 1.2 against OpenSSL: stdlib ssl in memory, suite by suite; staples and renegotiation of its programs over TCP.

What those programs agree on with us, suite by suite, stands in test_tls12_programs.py.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.support.certificates import issue_rsa_pss, make_ca
from tests.support.revocation import GOOD, REVOKED, make_response
from tests.support.tools import require_tool
from tlscore import ClientConfig, Identity, Revocation, ServerConfig, TrustStore, errors, wrap_client, wrap_server
from tlscore.iana import SUITES12, SUITES13

NAME = "example.org"
TIMEOUT = 20.0
CURVES = ("x25519", "secp256r1", "secp384r1", "secp521r1")
EVERY_SUITE = (*SUITES13, *SUITES12)
KEYS = {
    "p256": "ECDSA",
    "p384": "ECDSA",
    "p521": "ECDSA",
    "ed25519": "ECDSA",
    "ed448": "ECDSA",
    "rsa2048": "RSA",
    "rsapss": "RSA",
}
CASES = [
    (key, info.openssl_name) for key, kind in KEYS.items() for info in SUITES12.values() if info.authentication == kind
]
LARGE = bytes(range(256)) * 400


class Pki:
    def __init__(self, directory: Path) -> None:
        self.authority = make_ca("Interop CA of TLS 1.2")
        self.ca = self.authority.write(directory, "ca12")
        self.trust = TrustStore.from_file(self.ca)
        self.directory = directory
        self._leaves: dict[str, tuple[Path, Path, Identity]] = {}

    def leaf(self, key: str) -> tuple[Path, Path, Identity]:
        if key not in self._leaves:
            if key == "rsapss":
                chain, private = issue_rsa_pss(self.authority, NAME, self.directory, require_tool("openssl"))
            else:
                chain, private = self.authority.issue(NAME, "127.0.0.1", key=key).write(self.directory, f"leaf12-{key}")
            self._leaves[key] = chain, private, Identity.load(chain, private)
        return self._leaves[key]

    def client(self, key: str | None = None, **settings: Any) -> ClientConfig:
        settings = {"groups": CURVES, "suites": EVERY_SUITE, **settings}
        if key is None:
            return ClientConfig.simple(self.trust, **settings)
        return ClientConfig.mutual(self.trust, identity=self.leaf(key)[2], **settings)

    def server(self, key: str, mutual: bool = False, **settings: Any) -> ServerConfig:
        settings = {"groups": CURVES, "suites": EVERY_SUITE, **settings}
        if not mutual:
            return ServerConfig.simple(self.leaf(key)[2], **settings)
        return ServerConfig.mutual(self.leaf(key)[2], client_trust=self.trust, **settings)

    def context(self, protocol: int, key: str, ciphers: str) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*self.leaf(key)[:2])
        context.load_verify_locations(self.ca)
        context.set_ciphers(ciphers)
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context


@pytest.fixture(scope="module")
def pki12(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("interop12"))


# -- stdlib ssl --------------------------------------------------------------------------------------------------------


class Other:
    """An ssl object between two memory buffers."""

    def __init__(self, context: ssl.SSLContext, server_side: bool) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server_side else NAME
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=server_side, server_hostname=name)

    def connect(self, connection: Any) -> Other:
        done = False
        for _ in range(6):
            self.incoming.write(connection.data_to_send())
            with contextlib.suppress(ssl.SSLWantReadError):
                if not done:
                    self.tls.do_handshake()
                    done = True
            connection.receive(self.outgoing.read())
        assert done
        assert connection.handshake_complete
        return self

    def exchange(self, connection: Any) -> None:
        self.tls.write(LARGE)
        connection.receive(self.outgoing.read())
        got = b""
        while len(got) < len(LARGE):
            got += connection.read()
        assert got == LARGE
        connection.write(LARGE)
        self.incoming.write(connection.data_to_send())
        got = b""
        while len(got) < len(LARGE):
            got += self.tls.read(65536)
        assert got == LARGE


def check_agreement(connection: Any, other: Other, cipher: str, group: str = "x25519") -> None:
    assert connection.version == other.tls.version() == "TLSv1.2"
    assert other.tls.cipher()[0] == cipher
    assert SUITES12[other_code(connection)].openssl_name == cipher
    assert connection.group == group
    assert connection.alpn == other.tls.selected_alpn_protocol() == "h2"
    assert connection.channel_binding("tls-unique") == other.tls.get_channel_binding("tls-unique")
    other.exchange(connection)


def other_code(connection: Any) -> int:
    return next(code for code, info in SUITES12.items() if info.name == connection.suite)


@pytest.mark.parametrize("mutual", [False, True], ids=["simple", "mutual"])
@pytest.mark.parametrize(("key", "cipher"), CASES)
def test_client_against_ssl(pki12: Pki, key: str, cipher: str, mutual: bool) -> None:
    context = pki12.context(ssl.PROTOCOL_TLS_SERVER, key, cipher + ":@SECLEVEL=1")
    context.verify_mode = ssl.CERT_REQUIRED if mutual else ssl.CERT_NONE
    client = pki12.client(key, alpn=("h2",)).connection(NAME)
    other = Other(context, True).connect(client)
    check_agreement(client, other, cipher)
    der = pki12.leaf(key)[2].chain[0]
    assert client.authenticated
    assert client.peer_chain[0] == der
    assert other.tls.getpeercert(binary_form=True) == (der if mutual else None)
    assert (client.own_scheme is not None) is mutual


@pytest.mark.parametrize("mutual", [False, True], ids=["simple", "mutual"])
@pytest.mark.parametrize(("key", "cipher"), CASES)
def test_server_against_ssl(pki12: Pki, key: str, cipher: str, mutual: bool) -> None:
    context = pki12.context(ssl.PROTOCOL_TLS_CLIENT, key, cipher + ":@SECLEVEL=1")
    server = pki12.server(key, mutual, alpn=("h2",)).connection()
    other = Other(context, False).connect(server)
    check_agreement(server, other, cipher)
    der = pki12.leaf(key)[2].chain[0]
    assert server.authenticated is mutual
    assert server.peer_chain[:1] == ((der,) if mutual else ())
    assert other.tls.getpeercert(binary_form=True) == der
    assert server.server_name == NAME


@pytest.mark.parametrize("group", CURVES[1:])
@pytest.mark.parametrize("ours", ["client", "server"])
def test_only_group_of_ssl(pki12: Pki, ours: str, group: str) -> None:
    """x25519 is what both ends prefer in every other test; this module cannot choose it."""
    cipher = "ECDHE-RSA-AES128-GCM-SHA256"
    protocol = ssl.PROTOCOL_TLS_SERVER if ours == "client" else ssl.PROTOCOL_TLS_CLIENT
    context = pki12.context(protocol, "rsa2048", cipher)
    context.set_ecdh_curve({"secp256r1": "prime256v1"}.get(group, group))
    if ours == "client":
        connection = pki12.client(alpn=("h2",)).connection(NAME)
    else:
        connection = pki12.server("rsa2048", alpn=("h2",)).connection()
    check_agreement(connection, Other(context, ours == "client").connect(connection), cipher, group)


def test_closing_with_ssl(pki12: Pki) -> None:
    context = pki12.context(ssl.PROTOCOL_TLS_SERVER, "p256", "ECDHE+AESGCM")
    client = pki12.client().connection(NAME)
    other = Other(context, True).connect(client)
    client.close()
    other.incoming.write(client.data_to_send())
    assert other.tls.read(1) == b""
    other.tls.unwrap()
    client.receive(other.outgoing.read())
    client.eof()
    assert client.peer_closed


# -- the programs of openssl -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def s_server(pki: Pki, key: str, *options: str) -> Iterator[socket.socket]:
    """A connection to `openssl s_server -rev`, which sends every line back in reverse."""
    chain, private, _ = pki.leaf(key)
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        command = [require_tool("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-naccept", "1", "-rev"]
        paths = ("-cert", str(chain), "-key", str(private), "-CAfile", str(pki.ca))
        process = subprocess.Popen([*command, *paths, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield dial(port, process)
        finally:
            process.kill()
            process.wait(TIMEOUT)


def dial(port: int, process: subprocess.Popen[bytes]) -> socket.socket:
    until = time.monotonic() + TIMEOUT
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), TIMEOUT)
        except ConnectionRefusedError:
            assert process.poll() is None, "openssl ended before it listened"
            assert time.monotonic() < until
            time.sleep(0.02)


def test_client_falls_to_tls12_where_openssl_has_nothing_newer(pki12: Pki) -> None:
    with s_server(pki12, "p256", "-tls1_2") as sock, wrap_client(sock, ClientConfig.simple(pki12.trust), NAME) as tls:
        assert tls.version == "TLSv1.2"
    with s_server(pki12, "p256", "-tls1_2") as sock, pytest.raises(errors.ProtocolVersionError):
        wrap_client(sock, ClientConfig.simple(pki12.trust, versions="1.3"), NAME)


def test_client_of_tls12_against_an_openssl_that_knows_more(pki12: Pki) -> None:
    """The sentinel in its random means nothing to a client that did not offer TLS 1.3."""
    config = ClientConfig.simple(pki12.trust, versions="1.2")
    with s_server(pki12, "p256") as sock, wrap_client(sock, config, NAME) as tls:
        assert tls.version == "TLSv1.2"


class Staple:
    """A source that always has the same OCSP response."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets

    def response(self) -> bytes:
        return self.octets


def staple_of(pki: Pki, status: Any = GOOD) -> bytes:
    certificate = x509.load_der_x509_certificate(pki.leaf("p256")[2].chain[0])
    return make_response(certificate, pki.authority, status)


def test_client_takes_and_requires_the_staple_of_openssl(pki12: Pki, tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(staple_of(pki12))
    (tmp_path / "revoked").write_bytes(staple_of(pki12, REVOKED))
    config = ClientConfig.simple(pki12.trust, versions="1.2", revocation=Revocation.stapled("require"))
    with (
        s_server(pki12, "p256", "-status_file", str(tmp_path / "good")) as sock,
        wrap_client(sock, config, NAME) as tls,
    ):
        assert tls.version == "TLSv1.2"
    with (
        s_server(pki12, "p256", "-status_file", str(tmp_path / "revoked")) as sock,
        pytest.raises(errors.CertificateRevoked),
    ):
        wrap_client(sock, config, NAME)
    with s_server(pki12, "p256") as sock, pytest.raises(errors.CertificateUnknown):
        wrap_client(sock, config, NAME)


def test_openssl_takes_our_staple(pki12: Pki) -> None:
    identity = pki12.leaf("p256")[2].with_staple(Staple(staple_of(pki12)))
    _, output = serve_s_client(pki12, ServerConfig.simple(identity), "-tls1_2", "-status")
    assert b"OCSP Response Status: successful (0x0)" in output
    assert b"Cert Status: good" in output
    _, output = serve_s_client(pki12, pki12.server("p256"), "-tls1_2", "-status")
    assert b"OCSP response: no response sent" in output


def serve_s_client(pki: Pki, config: ServerConfig, *options: str) -> tuple[Any, bytes]:
    """One connection of `openssl s_client`: what the server agreed on, and what the client printed."""
    found: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)

        def serve() -> None:
            sock, _ = listener.accept()
            with wrap_server(sock, config) as tls:
                found.append((tls.version, SUITES12[other_code(tls)].openssl_name, tls.connection.authenticated))
                tls.sendall(b"hello from the server\n")

        thread = threading.Thread(target=serve)
        thread.start()
        verify = ("-CAfile", str(pki.ca), "-verify_return_error", "-verify_hostname", NAME, "-servername", NAME)
        command = (
            require_tool("openssl"),
            "s_client",
            "-ign_eof",
            "-connect",
            f"127.0.0.1:{listener.getsockname()[1]}",
            *verify,
        )
        done = subprocess.run([*command, *options], input=b"", capture_output=True, timeout=TIMEOUT)
        thread.join(TIMEOUT)
    assert found, done.stdout + done.stderr
    return found[0], done.stdout + done.stderr


def test_openssl_asks_for_a_renegotiation_in_vain(pki12: Pki) -> None:
    """`R` makes s_client start one. It makes a fatal error of the warning that answers it."""
    refused: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)

        def serve() -> None:
            sock, _ = listener.accept()
            sock.settimeout(TIMEOUT)
            with contextlib.closing(wrap_server(sock, pki12.server("p256"))) as tls:
                tls.sendall(b"ready\n")
                try:
                    tls.recv(100)
                except errors.TlsError as error:
                    refused.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        command = [require_tool("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2", "-servername", NAME]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            printed = b""
            while b"ready" not in printed:
                printed += process.stdout.read1(65536)  # type: ignore[attr-defined]
            process.stdin.write(b"R\n")
            process.stdin.flush()
            printed += process.stdout.read()
        thread.join(TIMEOUT)
    assert b"no renegotiation" in printed
    (error,) = refused
    assert isinstance(error, errors.AlertError)
    assert error.sender == "peer"
