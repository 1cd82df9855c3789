"""The whole legacy tier against the programs of openssl, gnutls and curl over TCP on loopback.

Every version x suite x key that serves it x {simple, mutual} x {encrypt_then_mac, MAC first}, with ALPN; anonymous and
NULL suites, which openssl alone has. curl cannot do without encrypt_then_mac.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from tests.interop.harness import LOOPBACK, ProgramServer, facts, receive_exactly, serve
from tests.interop.programs import (
    FLAGS,
    PEERS,
    QUESTION,
    REVERSED,
    Cell,
    answer,
    answer_http,
    check,
    meet_client,
    meet_server,
    openssl_server_says,
    run,
    server_config,
    start_openssl,
)
from tests.support.legacy import KEYS, VERSIONS, groups_of, quiet, suites_of, tier
from tests.support.tools import require_tool
from tlscore import ClientConfig, ServerConfig, danger

SIGNERS = {"ECDSA": ("p256", "p384", "p521", "ed25519", "ed448"), "RSA": ("rsa2048",)}


def rows() -> list[tuple[str, str, bool, bool]]:
    """Version, key, EtM, mutual: what one server is started for. EdDSA is for TLS 1.2."""
    keys = [(version, key) for version in VERSIONS for kind in SIGNERS.values() for key in kind]
    return [
        (version, key, etm, mutual)
        for version, key in keys
        if version == "1.2" or not key.startswith("ed")
        for etm in (True, False)
        for mutual in (False, True)
    ]


def cells(version: str, key: str, etm: bool, mutual: bool) -> list[Cell]:
    """Every suite of the row; without EtM those that it is about."""
    made = [
        Cell(one.name, version, key, mutual, etm, legacy=True)
        for one in suites_of(version)
        if not one.missing and key in SIGNERS[one.authentication]
    ]
    return [cell for cell in made if etm or cell.cbc]


def marked(chosen: list[tuple[str, str, bool, bool]]) -> pytest.MarkDecorator:
    ids = ["-".join((*row[:2], "EtM" if row[2] else "MtE", "mutual" if row[3] else "simple")) for row in chosen]
    return pytest.mark.parametrize(("version", "key", "etm", "mutual"), chosen, ids=ids)


ROWS = marked(rows())


@ROWS
@pytest.mark.parametrize("name", ["openssl", "gnutls"])
def test_client_agrees_with_the_program_on_every_suite(files, subtests, name, version, key, etm, mutual):
    peer, (first, *rest) = PEERS[name], cells(version, key, etm, mutual)
    with peer.start(files, first) as server:
        for cell in (first, *rest):
            with subtests.test(str(cell)):
                meet_server(peer, files, server, cell)


@ROWS
@pytest.mark.parametrize("name", ["openssl", "gnutls"])
def test_server_agrees_with_the_program_on_every_suite(files, subtests, name, version, key, etm, mutual):
    first, *rest = cells(version, key, etm, mutual)
    with serve(server_config(files, first), answer) as serving:
        for cell in (first, *rest):
            with subtests.test(str(cell)):
                meet_client(PEERS[name], files, serving, cell)


@marked([row for row in rows() if row[2]])
def test_server_agrees_with_curl_on_every_suite(files, subtests, version, key, etm, mutual):
    first, *rest = cells(version, key, etm, mutual)
    with serve(server_config(files, first, alpn=("http/1.1",)), answer_http) as serving:
        for cell in (first, *rest):
            with subtests.test(str(cell)):
                meet_client(PEERS["curl"], files, serving, cell)


# -- nothing is encrypted, or nobody is authenticated: openssl ---------------------------------------------------------


def lacking(what: str, version: str, authentication: str) -> list[Cell]:
    key = KEYS.get(authentication, "none")
    return [
        Cell(one.name, version, key, legacy=True)
        for one in suites_of(version)
        if what in one.missing and one.authentication == authentication
    ]


@pytest.mark.parametrize("authentication", KEYS)
@pytest.mark.parametrize("version", VERSIONS)
def test_client_agrees_with_openssl_on_every_null_suite(files, subtests, version, authentication):
    first, *rest = lacking("encryption", version, authentication)
    with start_openssl(files, first, "-cipher", "eNULL:@SECLEVEL=0") as server:
        for cell in (first, *rest):
            with subtests.test(str(cell)):
                meet_server(PEERS["openssl"], files, server, cell)


@pytest.mark.parametrize("authentication", KEYS)
@pytest.mark.parametrize("version", VERSIONS)
def test_server_agrees_with_openssl_on_every_null_suite(files, subtests, version, authentication):
    first, *rest = lacking("encryption", version, authentication)
    with serve(server_config(files, first), answer) as serving:
        for cell in (first, *rest):
            with subtests.test(str(cell)):
                meet_client(PEERS["openssl"], files, serving, cell)


def anonymous(config: Any, version: str, cells: list[Cell]) -> Any:
    """S60: a configuration that accepts any peer, and says so."""
    only = tier(version, [cell.name for cell in cells])
    return quiet(config.encryption_only, danger.accept_any_peer, legacy=only, groups=groups_of(only), alpn=("h2",))


@pytest.mark.parametrize("version", VERSIONS)
def test_client_agrees_with_openssl_on_every_anonymous_suite(files, subtests, version):
    how = (FLAGS[version], "-cipher", "aNULL:@SECLEVEL=0", "-alpn", "h2", "-dhparam", files.dh, "-nocert")
    with ProgramServer(require_tool("openssl"), "s_server", "-rev", "-accept", f"{LOOPBACK}:{{port}}", *how) as server:
        for cell in lacking("authentication", version, "anon"):
            with subtests.test(str(cell)):
                server.forget()
                with closing(server.connect(anonymous(ClientConfig, version, [cell]))) as tls:
                    agreed = facts(tls)
                    tls.sendall(QUESTION)
                    assert receive_exactly(tls, len(QUESTION)) == REVERSED
                check(agreed, cell)
                assert (agreed.authenticated, agreed.peer_chain, agreed.peer_scheme) == (False, (), None)
                for pattern in openssl_server_says(cell):
                    server.expect(pattern)


@pytest.mark.parametrize("version", VERSIONS)
def test_server_agrees_with_openssl_on_every_anonymous_suite(subtests, version):
    cells = lacking("authentication", version, "anon")
    with serve(anonymous(ServerConfig, version, cells), answer) as serving:
        for cell in cells:
            with subtests.test(str(cell)):
                where = ("-ign_eof", "-connect", f"{LOOPBACK}:{serving.port}", "-alpn", "h2", FLAGS[version])
                ciphers = ("-cipher", f"{cell.suite.openssl_name}:@SECLEVEL=0")
                done = run(require_tool("openssl"), "s_client", *where, *ciphers)
                agreed = serving.result()
                check(agreed, cell)
                assert (agreed.authenticated, agreed.received, agreed.own_scheme) == (False, QUESTION, None)
                assert REVERSED in done.stdout
                assert b"no peer certificate available" in done.stdout
                assert f"Cipher    : {cell.suite.openssl_name}\n".encode() in done.stdout
