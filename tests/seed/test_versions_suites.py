"""The guide's statements about cipher suites: S8 to S12, S21, S37."""

from itertools import product

import pytest

from tests.seed.wire import client_config, connected
from tests.support.peers import pair
from tests.support.standing import NAME, server_config
from tlscore import policies, suites
from tlscore.iana import CipherSuite, ProtocolVersion
from tlscore.wire import ClientHello, decode

TLS12, TLS13 = ProtocolVersion.TLS12, ProtocolVersion.TLS13
SUITES13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
SUITES12 = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
)


def offered_suites(**settings: object) -> tuple[int, ...]:
    wire = client_config(**settings).connection(NAME).data_to_send()
    hello = decode(wire[5 : 5 + int.from_bytes(wire[3:5], "big")])
    assert isinstance(hello, ClientHello)
    return hello.cipher_suites


def test_s08_registry_names_every_suite_both_ways() -> None:
    """S8: algorithms are chosen from a vast set; the registry tells one from the other by either name."""
    assert len(suites.all_suites()) > 300
    for one in suites.all_suites():
        assert suites.to_iana(one.name) == one.name
        if one.openssl_name is not None:
            assert suites.to_iana(one.openssl_name) == one.name
            assert suites.to_openssl(one.name) == one.openssl_name


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_s09_agreed_suite_shows_its_four_parts(version: str) -> None:
    """S9: a suite covers hashing, key exchange, encryption and message verification."""
    client, _ = connected({"versions": version}, {"versions": version})
    suite = client.cipher_suite
    assert suite is not None
    assert suite.name == client.suite
    assert (suite.encryption, suite.mac, suite.hash) == ("AES-128-GCM", "AEAD", "sha256")
    if version == "1.2":
        assert (suite.key_exchange, suite.authentication) == ("ECDHE", "ECDSA")
    else:
        # In TLS 1.3 these two are agreed on their own.
        assert (suite.key_exchange, suite.authentication) == ("any", "any")
        assert client.group == "x25519"
        assert client.peer_scheme == "ecdsa_secp256r1_sha256"


def test_s11_default_suites_give_all_three_benefits() -> None:
    """S11: a suite achieves authentication, confidentiality and integrity; what lacks one says so."""
    assert suites.lint(policies.DEFAULT.suites) == ()
    for code in policies.IMPLEMENTED_SUITES:
        assert suites.suite(code).missing == ()
        assert suites.suite(code).forward_secret
    for name, missing in (("ADH-AES128-GCM-SHA256", ("authentication",)), ("NULL-SHA", ("encryption",))):
        assert suites.suite(name).missing == missing


@pytest.mark.parametrize("order", [SUITES13, SUITES13[::-1], (SUITES13[1], SUITES13[0])])
def test_s12_suites_go_out_in_the_configured_order(order: tuple[str, ...]) -> None:
    """S12: the list is configurable to user preference."""
    names = tuple(CipherSuite.name_of(code) for code in offered_suites(versions="1.3", suites=order))
    assert tuple(name for name in names if not name.endswith("_SCSV")) == order


def test_s12_openssl_names_are_taken_too() -> None:
    config = client_config(versions="1.2", suites=("ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256"))
    assert [CipherSuite.name_of(code) for code in config.suites] == [
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ]


@pytest.mark.parametrize(("version", "names"), [("1.3", SUITES13), ("1.2", SUITES12)])
@pytest.mark.parametrize("prefer", ["server", "client"])
def test_s12_preference_of_either_end_decides(prefer: str, version: str, names: tuple[str, ...]) -> None:
    client, server = pair(
        client_config(versions=version, suites=names),
        server_config(versions=version, suites=names[::-1], prefer=prefer),
    )
    assert client.suite == server.suite == (names[0] if prefer == "client" else names[-1])


@pytest.mark.parametrize(("version", "names"), [("1.3", SUITES13), ("1.2", SUITES12)])
def test_s21_s37_one_suite_is_selected_that_belongs_to_the_version(version: str, names: tuple[str, ...]) -> None:
    """S10, S21, S37: exactly one suite, in both lists and valid for the negotiated version, for every pair of lists."""
    lists = [names[:1], names[1:], names[::2]]
    code = TLS13 if version == "1.3" else TLS12
    for ours, theirs in product(lists, lists):
        common = set(ours) & set(theirs)
        if not common:
            continue
        client, server = pair(
            client_config(versions=version, suites=ours), server_config(versions=version, suites=theirs)
        )
        assert client.suite == server.suite
        assert client.suite in common
        assert suites.suite(client.suite).usable_in(code)


@pytest.mark.parametrize(("server", "version"), [("1.3", "TLSv1.3"), ("1.2", "TLSv1.2")])
def test_s21_both_kinds_offered_only_the_fitting_one_is_selected(server: str, version: str) -> None:
    client, _ = connected({}, {"versions": server})
    assert client.version == version
    assert client.suite is not None
    assert suites.suite(client.suite).usable_in(TLS13 if server == "1.3" else TLS12)
    assert not suites.suite(client.suite).usable_in(TLS12 if server == "1.3" else TLS13)
