"""TLS 1.2 of the default tier against the programs of openssl, gnutls and curl.

Every suite meets every key that serves it, with and without a certificate of the client, with ALPN; both ends must say
the same of version, suite, group, protocol and peer. Each group stands alone once, and each scheme of an RSA key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.interop.harness import serve
from tests.interop.programs import OPENSSL_GROUPS, PEERS, Cell, answer, answer_http, meet_client, meet_server
from tests.interop.programs import server_config as configured
from tlscore import TlsSocket
from tlscore.iana import SUITES12

KEYS = {
    "p256": "ECDSA",
    "p384": "ECDSA",
    "p521": "ECDSA",
    "ed25519": "ECDSA",
    "ed448": "ECDSA",
    "rsa2048": "RSA",
    "rsapss": "RSA",
}
MODES = pytest.mark.parametrize("mutual", [False, True], ids=["simple", "mutual"])
CURVES = ("x25519", "secp256r1", "secp384r1", "secp521r1")
ANY_SUITE = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"


def cells(key: str, mutual: bool) -> list[Cell]:
    kind = KEYS[key]
    return [Cell(one.name, key=key, mutual=mutual) for one in SUITES12.values() if one.authentication == kind]


def handling(name: str) -> tuple[Callable[[TlsSocket], Any], str]:
    """Handler and protocol of a server for this program."""
    return (answer_http, "http/1.1") if name == "curl" else (answer, "h2")


@MODES
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", ["openssl", "gnutls"])
def test_client_agrees_with_the_program_on_every_suite(files, subtests, name, key, mutual):
    peer, (first, *rest) = PEERS[name], cells(key, mutual)
    with peer.start(files, first) as server:
        for cell in (first, *rest):
            with subtests.test(str(cell)):
                meet_server(peer, files, server, cell)


@MODES
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", PEERS)
def test_server_agrees_with_the_program_on_every_suite(files, subtests, name, key, mutual):
    peer, (first, *rest) = PEERS[name], cells(key, mutual)
    handle, alpn = handling(name)
    with serve(configured(files, first, alpn=(alpn,)), handle) as serving:
        for cell in (first, *rest):
            with subtests.test(str(cell)):
                meet_client(peer, files, serving, cell)


# -- one group alone ---------------------------------------------------------------------------------------------------

# A key on a curve needs that curve among the groups of its peer: it meets its own curve alone.
LONELY = [
    *((curve, key) for curve in CURVES for key in ("rsa2048", "ed25519")),
    *zip(CURVES[1:], ("p256", "p384", "p521"), strict=True),
]


def lonely(curve: str, key: str) -> Cell:
    name = f"TLS_ECDHE_{KEYS[key]}_WITH_AES_256_GCM_SHA384"
    return Cell(name, key=key, curve=curve)


def only_group(name: str, curve: str) -> tuple[str, ...]:
    """What makes a program know this group and no other."""
    if name == "openssl":
        return ("-groups", OPENSSL_GROUPS[curve][0])
    return ("--curves", OPENSSL_GROUPS[curve][0]) if name == "curl" else (f"+GROUP-{curve.upper()}",)


@pytest.mark.parametrize(("curve", "key"), LONELY)
@pytest.mark.parametrize("name", ["openssl", "gnutls"])
def test_client_agrees_on_the_only_group_of_the_program(files, name, curve, key):
    peer, cell = PEERS[name], lonely(curve, key)
    with peer.start(files, cell, *only_group(name, curve)) as server:
        meet_server(peer, files, server, cell)


@pytest.mark.parametrize(("curve", "key"), LONELY)
@pytest.mark.parametrize("name", PEERS)
def test_server_agrees_on_the_only_group_of_the_program(files, name, curve, key):
    peer, cell = PEERS[name], lonely(curve, key)
    handle, alpn = handling(name)
    with serve(configured(files, cell, alpn=(alpn,)), handle) as serving:
        meet_client(peer, files, serving, cell, *only_group(name, curve))


# -- one scheme of an RSA key ------------------------------------------------------------------------------------------

SCHEMES = {
    "rsa_pkcs1_sha256": ("RSA+SHA256", "RSA-SHA256"),
    "rsa_pkcs1_sha384": ("RSA+SHA384", "RSA-SHA384"),
    "rsa_pkcs1_sha512": ("RSA+SHA512", "RSA-SHA512"),
    "rsa_pss_rsae_sha256": ("rsa_pss_rsae_sha256", "RSA-PSS-RSAE-SHA256"),
    "rsa_pss_rsae_sha384": ("rsa_pss_rsae_sha384", "RSA-PSS-RSAE-SHA384"),
    "rsa_pss_rsae_sha512": ("rsa_pss_rsae_sha512", "RSA-PSS-RSAE-SHA512"),
    "rsa_pss_pss_sha256": ("rsa_pss_pss_sha256", "RSA-PSS-SHA256"),
    "rsa_pss_pss_sha384": ("rsa_pss_pss_sha384", "RSA-PSS-SHA384"),
    "rsa_pss_pss_sha512": ("rsa_pss_pss_sha512", "RSA-PSS-SHA512"),
}


def only_scheme(name: str, scheme: str) -> tuple[str, ...]:
    """What makes a program sign and verify by this scheme alone; ECDSA is for the CA's signatures."""
    openssl, gnutls = SCHEMES[scheme]
    if name == "openssl":
        return ("-sigalgs", f"{openssl}:ECDSA+SHA256")
    return (f"+SIGN-{gnutls}", "+SIGN-ECDSA-SHA256")


def signing(scheme: str) -> Cell:
    return Cell(ANY_SUITE, key="rsapss" if "_pss_pss_" in scheme else "rsa2048", mutual=True)


def openssl_names(scheme: str) -> tuple[str, str]:
    """Patterns of the digest and type of a signature, as openssl prints them; newer ones name the scheme."""
    return scheme.rpartition("_")[2].upper(), f"({'RSA-PSS' if 'pss' in scheme else 'RSA'}|{scheme})"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", ["openssl", "gnutls"])
def test_client_signs_and_verifies_by_the_only_scheme_of_the_program(files, name, scheme):
    peer, cell = PEERS[name], signing(scheme)
    with peer.start(files, cell, *only_scheme(name, scheme)) as server:
        agreed = meet_server(peer, files, server, cell)
        if name == "openssl":
            server.expect("Hash used: {}\nSignature type: {}\n".format(*openssl_names(scheme)))
        else:
            server.expect("- Server Signature: {0}\n- Client Signature: {0}\n".format(SCHEMES[scheme][1]))
    assert (agreed.own_scheme, agreed.peer_scheme) == (scheme, scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", ["openssl", "gnutls"])
def test_server_signs_and_verifies_by_the_only_scheme_of_the_program(files, name, scheme):
    peer, cell = PEERS[name], signing(scheme)
    said = {
        "openssl": "Peer signing digest: {}\nPeer signature type: {}\n".format(*openssl_names(scheme)),
        "gnutls": rf"\(ECDHE-X25519\)-\({SCHEMES[scheme][1]}\)-",
    }
    with serve(configured(files, cell), answer) as serving:
        agreed = meet_client(peer, files, serving, cell, *only_scheme(name, scheme), says=(said[name],))
    assert (agreed.own_scheme, agreed.peer_scheme) == (scheme, scheme)
