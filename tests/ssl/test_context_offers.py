"""set_ciphers and its kin: OpenSSL's words, what they leave, how it is described, and what is agreed then."""

from __future__ import annotations

import ssl as stdlib
from typing import Any

import pytest

from tests.ssl.contexts import Files, connect
from tlscore import policies, ssl
from tlscore.errors import TlsError


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("offers"))


def context(module: Any = ssl) -> Any:
    return module.SSLContext(module.PROTOCOL_TLS_CLIENT)


def names(one: Any, version: str | None = None) -> list[str]:
    return [suite["name"] for suite in one.get_ciphers() if version in (None, suite["protocol"])]


def test_suites_are_described_as_the_standard_library_describes_them() -> None:
    theirs, ours = context(stdlib), context()
    for one in (theirs, ours):
        one.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM")
    described = {suite["name"]: suite for suite in theirs.get_ciphers()}
    assert len(ours.get_ciphers()) >= 13
    for suite in ours.get_ciphers():
        if suite["name"] in described:
            assert suite == described[suite["name"]]
    assert set(names(ours, "TLSv1.2")) == set(names(theirs, "TLSv1.2"))


@pytest.mark.parametrize(
    "text",
    [
        "ECDHE+AESGCM",
        "ECDHE+CHACHA20:ECDHE+AESGCM",
        "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384",
        "AESGCM:!aECDSA",
        "HIGH:!aNULL:!eNULL:@STRENGTH",
        "DEFAULT:!aNULL:!eNULL:!MD5:!3DES:!DES:!RC4:!IDEA:!SEED:!aDSS:!SRP:!PSK",
        "ECDHE+AESGCM:DHE+AESGCM:!NoSuchWord:kGOST18",
        "ALL:-AES256:NonSense",
    ],
)
def test_cipher_string_leaves_what_openssl_leaves_of_what_is_implemented(text: str) -> None:
    theirs, ours = context(stdlib), context()
    theirs.set_ciphers(text)
    ours.set_ciphers(text)
    implemented = {suite["name"] for suite in ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).get_ciphers()}
    implemented |= {name for name in names(theirs) if name.startswith("ECDHE-ECDSA-AES") and "CCM" in name}
    expected = [name for name in names(theirs, "TLSv1.2") if name in implemented]
    found = [name for name in names(ours, "TLSv1.2") if name in implemented]
    assert found == expected
    assert found
    assert names(ours, "TLSv1.3") == names(context(), "TLSv1.3")


def test_cipher_string_without_anything_implemented_says_so() -> None:
    with pytest.raises(ssl.SSLError, match="No cipher can be selected") as caught:
        context().set_ciphers("RC4-SHA:DES-CBC3-SHA:CAMELLIA256-SHA:ECDHE-RSA-CAMELLIA256-SHA384")
    assert type(caught.value) is stdlib.SSLError


def test_cipher_string_decides_what_tls12_agrees_on(files: Files) -> None:
    server = files.server_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    server.set_ciphers("ECDHE+CHACHA20")
    one, _ = connect(files.client_context(), server)
    assert one.suite == "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
    client = files.client_context()
    client.set_ciphers("ECDHE+AESGCM")
    with pytest.raises(TlsError, match="suite"):
        connect(client, server)


def test_ciphersuites_decide_what_tls13_agrees_on(files: Files) -> None:
    client = files.client_context()
    client.set_ciphersuites("TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256")
    assert names(client, "TLSv1.3") == ["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_CCM_SHA256"]
    assert connect(client, files.server_context())[0].suite == "TLS_CHACHA20_POLY1305_SHA256"
    for wrong in ("", "TLS_NO_SUCH", "ECDHE-RSA-AES128-GCM-SHA256"):
        with pytest.raises(ssl.SSLError, match="No cipher suite can be selected"):
            client.set_ciphersuites(wrong)
    with pytest.raises(TypeError, match="must be str"):
        client.set_ciphersuites(b"TLS_AES_128_GCM_SHA256")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_versions_bound_the_suites_that_are_shown() -> None:
    one = context()
    one.minimum_version = ssl.TLSVersion.TLSv1_3
    assert {suite["protocol"] for suite in one.get_ciphers()} == {"TLSv1.3"}


@pytest.mark.parametrize(
    ("text", "level", "weakest"), [("HIGH:@SECLEVEL=3", 3, 128), ("HIGH:@SECLEVEL=4", 4, 256), ("HIGH", None, 128)]
)
def test_security_level_bounds_the_suites(text: str, level: int | None, weakest: int) -> None:
    one = context()
    default = one.security_level
    one.set_ciphers(text)
    assert one.security_level == (default if level is None else level)
    assert min(suite["strength_bits"] for suite in one.get_ciphers()) == weakest


# -- groups ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "groups", "agreed"),
    [
        ("P-384", ["secp384r1"], "secp384r1"),
        ("secp521r1:P-256", ["secp521r1", "secp256r1"], "secp256r1"),
        ("x25519:prime256v1", ["x25519", "secp256r1"], "x25519"),
        ("X25519MLKEM768/x25519", ["X25519MLKEM768", "x25519"], "X25519MLKEM768"),
        ("DEFAULT:-X25519MLKEM768", ["x25519", "secp256r1", "secp384r1"], "x25519"),
        ("x448:ffdhe2048:?nonsense:P-256", ["secp256r1"], "secp256r1"),
        ("P-256:*P-384", ["secp256r1", "secp384r1"], "secp384r1"),
    ],
)
def test_group_list_decides_what_is_agreed(files: Files, text: str, groups: list[str], agreed: str) -> None:
    client = files.client_context()
    client.set_groups(text)
    assert client.get_groups() == groups
    assert connect(client, files.server_context())[0].group == agreed


def test_key_shares_are_those_that_the_group_list_marks(files: Files) -> None:
    client = files.client_context()
    client.set_groups("P-256:*P-384:x25519")
    shares = client._client_config().key_shares
    assert [policies.NamedGroup.name_of(one) for one in shares] == ["secp384r1"]


@pytest.mark.parametrize("text", ["nonsense", "P-256:nonsense", "", "x448", "P-256:-P-256"])
def test_group_list_that_is_wrong_or_leaves_nothing_is_an_ssl_error(text: str) -> None:
    with pytest.raises(ssl.SSLError, match="unrecognized group"):
        context().set_groups(text)


def test_groups_have_aliases() -> None:
    one = context()
    assert one.get_groups()[0] == "X25519MLKEM768"
    assert {"P-256", "prime256v1", "secp256r1"} <= set(one.get_groups(include_aliases=True))


def test_curve_decides_what_is_agreed(files: Files) -> None:
    server = files.server_context()
    server.set_ecdh_curve("secp384r1")
    one, _ = connect(files.client_context(), server)
    assert one.group == "secp384r1"
    assert one.hello_retried
    assert server.get_groups() == ["secp384r1"]


# -- signatures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "agreed"),
    [
        ("ECDSA+SHA256", True),
        ("ecdsa_secp256r1_sha256:ed25519", True),
        ("?nonsense:ECDSA+SHA256", True),
        ("rsa_pss_rsae_sha256", False),
        ("ed25519:RSA-PSS+SHA256:RSA+SHA512", False),
    ],
)
def test_signature_algorithms_of_servers_bound_what_a_client_takes(files: Files, text: str, agreed: bool) -> None:
    client = files.client_context()
    client.set_server_sigalgs(text)
    if agreed:
        assert connect(client, files.server_context())[0].peer_scheme == "ecdsa_secp256r1_sha256"
        return
    with pytest.raises(TlsError, match="scheme"):
        connect(client, files.server_context())


def test_signature_algorithms_of_clients_bound_what_a_server_asks_for(files: Files) -> None:
    client = files.client_context()
    client.load_cert_chain(files.client_chain, files.client_key)
    server = files.server_context(verify_mode=ssl.CERT_REQUIRED)
    server.load_verify_locations(files.ca)
    server.set_client_sigalgs("ECDSA+SHA256")
    assert connect(client, server)[1].peer_scheme == "ecdsa_secp256r1_sha256"
    client.set_client_sigalgs("ed25519")
    with pytest.raises(TlsError, match="certificate_required"):
        connect(client, server)


def test_wrong_signature_algorithms_are_refused_and_the_right_ones_listed() -> None:
    one = context()
    for wrong in ("nonsense", "", "ECDSA+nonsense", "ECDSA+SHA1"):
        for call in (one.set_client_sigalgs, one.set_server_sigalgs):
            with pytest.raises(ssl.SSLError, match="unrecognized signature algorithm"):
                call(wrong)
    one.set_server_sigalgs(":".join(ssl.get_sigalgs()))
    assert "ed25519" in ssl.get_sigalgs()
