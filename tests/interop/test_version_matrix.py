"""S23 to S25, S34, S35: every set of versions of ours against openssl with exactly one version, both ways, by alert.

Before TLS 1.3 a server answers with its highest version up to the client's, by number, and a client that does not take
it drops (the C! cells); supported_versions leaves nothing to drop, and the server refuses (the S! cells). No cell ends
in a version that one end did not list, and each refusal is protocol_version(70), or nothing where that is asked for.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from tests.interop.harness import LOOPBACK, ProgramServer, facts, receive_exactly, refused, serve
from tests.interop.programs import FLAGS, QUESTION, REVERSED, Files, answer, openssl_version, run
from tests.support import standing
from tests.support.legacy import client as legacy_client
from tests.support.legacy import quiet, tier
from tests.support.legacy import server as legacy_server
from tests.support.standing import NAME
from tests.support.tools import require_tool
from tlscore import ClientConfig, ServerConfig, errors

SETS = [("1.0",), ("1.1",), ("1.2",), ("1.0", "1.1"), ("1.1", "1.2"), ("1.0", "1.1", "1.2"), ("1.2", "1.3"), ("1.3",)]
SUITE = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
PROTOCOL_VERSION = 70
EVERY_CIPHER = ("-cipher", "ALL:@SECLEVEL=0")


def our_client(mine: tuple[str, ...], **settings: Any) -> ClientConfig:
    if "1.3" not in mine:
        return legacy_client(tier(mine, (SUITE,)), **settings)
    return ClientConfig.simple(standing.trust(), versions=mine, groups=("x25519", "secp256r1"), **settings)


def our_server(files: Files, mine: tuple[str, ...], **settings: Any) -> ServerConfig:
    if "1.3" not in mine:
        return legacy_server(tier(mine, (SUITE,)), "rsa2048", **settings)
    return quiet(ServerConfig.simple, files.leaf("rsa2048").identity, versions=mine, **settings)


def start(files: Files, *options: str) -> ProgramServer:
    leaf = files.leaf("rsa2048")
    where = ("s_server", "-rev", "-accept", f"{LOOPBACK}:{{port}}", "-cert", leaf.chain, "-key", leaf.key)
    return ProgramServer(require_tool("openssl"), *where, *EVERY_CIPHER, *options)


def who_refuses_the_server(mine: tuple[str, ...], theirs: str) -> str | None:
    """Our client, a server of exactly one version."""
    if theirs in mine:
        return None
    return "peer" if "1.3" in mine or theirs > max(mine) else "us"


def who_refuses_the_client(mine: tuple[str, ...], theirs: str) -> str | None:
    """Our server, a client of exactly one version."""
    if theirs in mine:
        return None
    return "us" if theirs in ("1.3", min(theirs, *mine)) else "peer"


@pytest.mark.parametrize("theirs", FLAGS)
def test_client_meets_openssl_of_one_version(files, subtests, theirs):
    """RFC 5246 6.2.1: the alert about an answer comes in a record of the answer's version, or the server reads none."""
    with start(files, FLAGS[theirs]) as server:
        # A client with a gap takes what is on either side of it, and drops what stands in it.
        for mine in (*SETS, ("1.0", "1.2")):
            with subtests.test(f"{'+'.join(mine)} x {theirs}"):
                server.forget()
                refuser = who_refuses_the_server(mine, theirs)
                if refuser is None:
                    with closing(server.connect(our_client(mine))) as tls:
                        tls.sendall(QUESTION)
                        assert receive_exactly(tls, len(REVERSED)) == REVERSED
                        assert tls.version == f"TLSv{theirs}"
                    server.expect(f"Protocol version: {openssl_version(theirs)}\n")
                else:
                    refusal(refused(server.connect, our_client(mine)), refuser)
                    server.expect(f"SSL alert number {PROTOCOL_VERSION}" if refuser == "us" else "unsupported protocol")


@pytest.mark.parametrize("mine", SETS, ids="+".join)
def test_server_meets_openssl_of_one_version(files, subtests, mine):
    with serve(our_server(files, mine), answer) as serving:
        for theirs, flag in FLAGS.items():
            with subtests.test(f"{'+'.join(mine)} x {theirs}"):
                refuser = who_refuses_the_client(mine, theirs)
                where = ("-ign_eof", "-connect", f"{LOOPBACK}:{serving.port}", "-CAfile", files.ca)
                done = run(require_tool("openssl"), "s_client", *where, flag, *EVERY_CIPHER)
                if refuser is None:
                    agreed = serving.result()
                    assert (agreed.version, agreed.received) == (f"TLSv{theirs}", QUESTION)
                    assert REVERSED in done.stdout
                    assert f"Protocol  : {openssl_version(theirs)}\n".encode() in done.stdout or theirs == "1.3"
                else:
                    refusal(serving.error(), refuser)
                    said = f"SSL alert number {PROTOCOL_VERSION}" if refuser == "us" else "unsupported protocol"
                    assert said.encode() in done.stderr


def refusal(error: Any, sender: str) -> None:
    """protocol_version(70), sent by that end."""
    assert type(error) is errors.ProtocolVersionError
    assert error.sender == sender
    assert error.alert_sent == (PROTOCOL_VERSION if sender == "us" else None)
    assert error.alert_received == (PROTOCOL_VERSION if sender == "peer" else None)


# -- the client drops, the server drops: in words and in silence -------------------------------------------------------


@pytest.mark.parametrize("silent", [False, True])
def test_client_of_tls_1_2_drops_the_answer_of_a_gnutls_of_tls_1_1(files, silent):
    """S24, S38: a C! cell with a server of these days: loud by default, without one octet where that is asked for."""
    leaf = files.leaf("rsa2048")
    own = ("--x509certfile", leaf.chain, "--x509keyfile", leaf.key, "--disable-client-cert")
    how = ("--echo", "--port", "{port}", "--priority=NORMAL:-VERS-ALL:+VERS-TLS1.1")
    config = our_client(("1.2",), **({"on_reject": "silent"} if silent else {}))
    with ProgramServer(require_tool("gnutls-serv"), *own, *how) as server:
        error = refused(server.connect, config)
        server.expect("was non-properly terminated" if silent else "A TLS fatal alert has been received")
    assert type(error) is errors.ProtocolVersionError
    assert (error.sender, error.alert_sent) == ("us", None if silent else PROTOCOL_VERSION)


@pytest.mark.parametrize("mine", [("1.2",), ("1.2", "1.3")], ids="+".join)
def test_server_drops_openssl_of_tls_1_1_in_silence(files, mine):
    """S39: not one octet comes before the end of the stream."""
    with serve(our_server(files, mine, on_reject="silent"), facts) as serving:
        where = ("-connect", f"{LOOPBACK}:{serving.port}", "-servername", NAME)
        done = run(require_tool("openssl"), "s_client", *where, FLAGS["1.1"], *EVERY_CIPHER)
        error = serving.error()
    assert type(error) is errors.ProtocolVersionError
    assert (error.sender, error.alert_sent) == ("us", None)
    assert b"SSL handshake has read 0 bytes" in done.stdout
