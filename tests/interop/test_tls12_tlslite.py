"""TLS 1.2 of the default tier against tlslite-ng, which shares nothing with OpenSSL: both ways, over socket pairs.

Every suite meets every key that serves it, simple and mutual, with ALPN; each group and RSA scheme alone.
"""

from __future__ import annotations

import socket
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from tests.interop.harness import facts
from tests.interop.programs import Cell, Files, Leaf, check, client_config, server_config
from tests.interop.test_legacy_tlslite import DATA, answer, beside, outcome, talk
from tests.interop.test_tls12_programs import ANY_SUITE, CURVES, KEYS, LONELY, MODES, cells, lonely
from tests.support.standing import NAME
from tlscore import wrap_client, wrap_server

CIPHERS = {
    "AES-128-GCM": "aes128gcm",
    "AES-256-GCM": "aes256gcm",
    "CHACHA20-POLY1305": "chacha20-poly1305",
    "AES-128-CCM": "aes128ccm",
    "AES-256-CCM": "aes256ccm",
    "AES-128-CCM-8": "aes128ccm_8",
    "AES-256-CCM-8": "aes256ccm_8",
}
SCHEMES = [("pkcs1", "rsa_pkcs1_"), ("pss", "rsa_pss_rsae_")]


def settings(lite: SimpleNamespace, cell: Cell, groups: tuple[str, ...] = CURVES) -> Any:
    """TLS 1.2 with one suite."""
    made = lite.settings()
    made.minVersion = made.maxVersion = (3, 3)
    made.keyExchangeNames = [f"ecdhe_{cell.suite.authentication.lower()}"]
    made.cipherNames, made.macNames = [CIPHERS[cell.suite.encryption]], ["aead"]
    made.eccCurves, made.defaultCurve, made.keyShares = list(groups), cell.curve, [cell.curve]
    return made


def chain_of(lite: SimpleNamespace, cell: Cell, leaf: Leaf) -> tuple[Any, Any]:
    chain = lite.chain()
    chain.parsePemList(leaf.chain.read_text())
    private = load_pem_private_key(leaf.key.read_bytes(), None)
    # It reads the traditional form of keys, which those of EdDSA do not have.
    form = PrivateFormat.PKCS8 if cell.family == "ed" else PrivateFormat.TraditionalOpenSSL
    return chain, lite.key(private.private_bytes(Encoding.PEM, form, NoEncryption()).decode("ascii"), private=True)


def agreed_by(connection: Any, chain: Any) -> SimpleNamespace:
    """What tlslite-ng agreed on."""
    session = connection.session
    return SimpleNamespace(
        version=connection.version,
        suite=session.cipherSuite,
        alpn=bytes(session.appProto),
        extended=session.extendedMasterSecret,
        peer=None if chain is None else bytes(chain.x509List[0].bytes),
    )


def meet_its_server(lite: SimpleNamespace, files: Files, cell: Cell, made: Any) -> Any:
    def serve(sock: socket.socket) -> Any:
        chain, private = chain_of(lite, cell, files.leaf(cell.key))
        connection = lite.connection(sock)
        connection.handshakeServer(
            certChain=chain, privateKey=private, settings=made, reqCert=cell.mutual, alpn=[bytearray(b"h2")]
        )
        connection.write(connection.read(min=len(DATA), max=len(DATA)))
        theirs = agreed_by(connection, connection.session.clientCertChain)
        connection.close()
        return theirs

    with (
        beside(serve) as (sock, found),
        closing(wrap_client(sock, client_config(files, cell), NAME)) as tls,
    ):
        ours = facts(tls)
        talk(tls)
    compare(ours, outcome(found), cell)
    assert ours.authenticated
    assert ours.peer_chain[0] == files.leaf(cell.key).der
    assert outcome(found).peer == (files.client(cell.key).der if cell.mutual else None)
    return ours


def meet_its_client(lite: SimpleNamespace, files: Files, cell: Cell, made: Any) -> Any:
    def dial(sock: socket.socket) -> Any:
        chain, private = chain_of(lite, cell, files.client(cell.key)) if cell.mutual else (None, None)
        connection = lite.connection(sock)
        connection.handshakeClientCert(chain, private, settings=made, serverName=NAME, alpn=[bytearray(b"h2")])
        connection.write(DATA)
        theirs = agreed_by(connection, connection.session.serverCertChain)
        theirs.same = bytes(connection.read(min=len(DATA), max=len(DATA))) == DATA
        connection.close()
        return theirs

    with beside(dial) as (sock, found), closing(wrap_server(sock, server_config(files, cell))) as tls:
        ours = facts(tls)
        answer(tls)
        assert tls.recv(1) == b""
    theirs = outcome(found)
    compare(ours, theirs, cell)
    assert theirs.same
    assert theirs.peer == files.leaf(cell.key).der
    assert (ours.server_name, ours.authenticated) == (NAME, cell.mutual)
    assert ours.peer_chain[:1] == ((files.client(cell.key).der,) if cell.mutual else ())
    return ours


def compare(ours: Any, theirs: Any, cell: Cell) -> None:
    check(ours, cell)
    assert (theirs.version, theirs.suite, theirs.alpn) == ((3, 3), cell.suite.code, b"h2")
    assert theirs.extended


MEET = pytest.mark.parametrize("meet", [meet_its_server, meet_its_client], ids=["client", "server"])


@MODES
@pytest.mark.parametrize("key", KEYS)
@MEET
def test_both_agree_on_every_suite(lite, files, subtests, meet, key, mutual):
    for cell in cells(key, mutual):
        with subtests.test(str(cell)):
            meet(lite, files, cell, settings(lite, cell))


@MEET
@pytest.mark.parametrize(("curve", "key"), LONELY)
def test_both_agree_on_the_only_group(lite, files, meet, curve, key):
    cell = lonely(curve, key)
    meet(lite, files, cell, settings(lite, cell, (curve,)))


@MEET
@pytest.mark.parametrize(("padding", "family"), SCHEMES)
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_both_sign_by_the_only_scheme(lite, files, meet, padding, family, digest):
    cell = Cell(ANY_SUITE, key="rsa2048", mutual=True)
    made = settings(lite, cell)
    made.rsaSchemes, made.rsaSigHashes = [padding], [digest]
    ours = meet(lite, files, cell, made)
    assert (ours.own_scheme, ours.peer_scheme) == (family + digest, family + digest)
