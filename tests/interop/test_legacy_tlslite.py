"""The legacy tier against tlslite-ng, which shares nothing with OpenSSL: both ways, over socket pairs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.legacy import VERSIONS, client, issued, server, tier
from tests.support.standing import NAME, pattern
from tlscore import ClientConfig, ServerConfig, TlsSocket, errors, wrap_client, wrap_server
from tlscore.suites import suite

TIMEOUT = 20.0
NUMBERS = {"1.0": (3, 1), "1.1": (3, 2), "1.2": (3, 3)}
EXCHANGES = {"ECDHE": "ecdhe_", "DHE": "dhe_", "RSA": ""}
CIPHERS = {
    "AES-128-CBC": "aes128",
    "AES-256-CBC": "aes256",
    "AES-128-GCM": "aes128gcm",
    "AES-256-GCM": "aes256gcm",
    "CHACHA20-POLY1305": "chacha20-poly1305",
}
MACS = {"HMAC-SHA1": "sha", "HMAC-SHA256": "sha256", "HMAC-SHA384": "sha384", "AEAD": "aead"}
SUITES = (
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
)
NEWER = (
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
)
CASES = [
    *((version, name, etm) for version in VERSIONS for name in SUITES for etm in (True, False)),
    *(("1.2", name, True) for name in NEWER),
]


def settings(lite: SimpleNamespace, version: str, name: str, etm: bool = True, ems: bool = True) -> Any:
    """Exactly one version and one suite."""
    one, made = suite(name), lite.settings()
    made.minVersion = made.maxVersion = NUMBERS[version]
    kind = one.authentication.lower()
    made.keyExchangeNames = [f"{EXCHANGES[one.key_exchange]}{kind}"]
    made.cipherNames = [CIPHERS[one.encryption]]
    made.macNames = [MACS[one.mac]]
    made.useEncryptThenMAC, made.useExtendedMasterSecret = etm, ems
    made.dhGroups = ["ffdhe2048"]
    # Its list of default groups for servers names those of RFC 5114 first.
    made.eccCurves, made.defaultCurve = ["secp256r1", "x25519"], "secp256r1"
    return made


def own_chain(lite: SimpleNamespace, key: str) -> tuple[Any, Any]:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    chain = lite.chain()
    chain.parsePemList(issued(key).chain_pem.decode("ascii"))
    # It reads the traditional form of keys.
    pem = issued(key).key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return chain, lite.key(pem.decode("ascii"), private=True)


def key_of(name: str) -> str:
    return "p256" if suite(name).authentication == "ECDSA" else "rsa2048"


@contextmanager
def beside(run: Any) -> Iterator[tuple[socket.socket, list[Any]]]:
    """tlslite-ng in a thread at one end of a socket pair; what it raised or gave is in the list afterwards."""
    mine, its = socket.socketpair()
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(run(its))
        except Exception as error:
            found.append(error)
        finally:
            its.close()

    for end in (mine, its):
        end.settimeout(TIMEOUT)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield mine, found
    finally:
        mine.close()
        thread.join(TIMEOUT)
        assert not thread.is_alive()


def echo_server(lite: SimpleNamespace, key: str, made: Any, asks: bool = False) -> Any:
    def run(sock: socket.socket) -> Any:
        chain, private = own_chain(lite, key)
        connection = lite.connection(sock)
        connection.handshakeServer(certChain=chain, privateKey=private, settings=made, reqCert=asks)
        data = connection.read(min=len(DATA), max=len(DATA))
        connection.write(data)
        shown = connection.session.clientCertChain
        etm, ems = connection.session.encryptThenMAC, connection.session.extendedMasterSecret
        connection.close()
        return shown is not None, etm, ems

    return run


DATA = pattern(5_000)


def talk(tls: TlsSocket) -> None:
    tls.sendall(DATA)
    got = b""
    while len(got) < len(DATA):
        got += tls.recv(65536)
    assert got == DATA


def answer(tls: TlsSocket) -> None:
    """Send DATA back."""
    got = b""
    while len(got) < len(DATA):
        got += tls.recv(65536)
    tls.sendall(got)


def outcome(found: list[Any]) -> Any:
    assert found
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


@pytest.mark.parametrize(("version", "name", "etm"), CASES)
def test_client_against_tlslite(lite: SimpleNamespace, version: str, name: str, etm: bool) -> None:
    """With mutual authentication in the half of the cases that goes without encrypt_then_mac."""
    made = settings(lite, version, name, etm)
    config = client(tier(versions=version, suites=(name,)), None if etm else "rsa2048")
    run = echo_server(lite, key_of(name), made, not etm)
    with beside(run) as (sock, found), closing(wrap_client(sock, config, NAME)) as tls:
        assert (tls.version, tls.suite) == (f"TLSv{version}", name)
        talk(tls)
    shown, used, extended = outcome(found)
    assert shown is not etm
    assert extended
    assert used is (etm and "CBC" in suite(name).encryption)


@pytest.mark.parametrize(("version", "name", "etm"), CASES)
def test_server_against_tlslite(lite: SimpleNamespace, version: str, name: str, etm: bool) -> None:
    made = settings(lite, version, name, etm)

    def run(sock: socket.socket) -> Any:
        chain, private = own_chain(lite, "rsa2048")
        connection = lite.connection(sock)
        connection.handshakeClientCert(
            None if etm else chain, None if etm else private, settings=made, serverName=NAME
        )  # fmt: skip
        connection.write(DATA)
        got = connection.read(min=len(DATA), max=len(DATA))
        peer = bytes(connection.session.serverCertChain.x509List[0].bytes)
        used = connection.session.encryptThenMAC
        connection.close()
        return bytes(got) == DATA, peer, used

    config = server(tier(versions=version, suites=(name,)), key_of(name), mutual=not etm)
    with beside(run) as (sock, found), closing(wrap_server(sock, config)) as tls:
        assert (tls.version, tls.suite) == (f"TLSv{version}", name)
        assert tls.connection.authenticated is not etm
        answer(tls)
        assert tls.recv(1) == b""
    same, peer, used = outcome(found)
    assert same
    assert peer == issued(key_of(name)).chain_der[0]
    assert used is (etm and "CBC" in suite(name).encryption)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("ours", ["client", "server"])
def test_peer_without_the_extended_main_secret(lite: SimpleNamespace, version: str, required: bool, ours: str) -> None:
    """RFC 7627 5.2, both ways: aborted where required, taken where not."""
    name = "TLS_RSA_WITH_AES_128_CBC_SHA"
    made = settings(lite, version, name, ems=False)
    only = tier(versions=version, suites=(name,))

    def its_client(sock: socket.socket) -> Any:
        connection = lite.connection(sock)
        connection.handshakeClientCert(settings=made, serverName=NAME)
        connection.write(DATA)
        return bytes(connection.read(min=len(DATA), max=len(DATA))) == DATA

    run = echo_server(lite, "rsa2048", made) if ours == "client" else its_client
    with beside(run) as (sock, found):
        if required:
            with pytest.raises(errors.HandshakeFailure) as caught:
                open_(ours, sock, only, {})
            assert caught.value.code == "TLS-NO_EXTENDED_MAIN_SECRET"
            sock.close()
        else:
            with closing(open_(ours, sock, only, {"require_extended_main_secret": False})) as tls:
                talk(tls) if ours == "client" else answer(tls)
    if required:
        assert isinstance(found[0], Exception)
    else:
        outcome(found)


def open_(ours: str, sock: socket.socket, only: Any, more: dict[str, Any]) -> TlsSocket:
    if ours == "client":
        made: ClientConfig = client(only, **more)
        return wrap_client(sock, made, NAME)
    own: ServerConfig = server(only, "rsa2048", **more)
    return wrap_server(sock, own)
