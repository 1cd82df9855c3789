"""Versions, suites, groups and schemes of one configuration fit each other, whoever named which of them."""

import pickle
from typing import Any

import pytest

from tests.support.certificates import make_ca
from tlscore import ClientConfig, ConfigError, Identity, ServerConfig, TrustStore, policies, version_lists
from tlscore.iana import SUITES12, SUITES13, CipherSuite, NamedGroup, ProtocolVersion

AUTHORITY = make_ca()
TRUST = TrustStore.from_bytes(AUTHORITY.pem)
NEW, OLD = ProtocolVersion.TLS13, ProtocolVersion.TLS12


def client(**settings: Any) -> ClientConfig:
    return ClientConfig.simple(TRUST, **settings)


def test_both_versions_by_default() -> None:
    config = client()
    assert config.versions == (NEW, OLD)
    assert config.suites == policies.DEFAULT.suites
    assert config.schemes == policies.DEFAULT.schemes


@pytest.mark.parametrize("versions", ["1.3", ("1.3",), "TLSv1.3", NEW])
def test_tls13_alone_has_nothing_of_tls12(versions: Any) -> None:
    config = client(versions=versions)
    assert config.versions == (NEW,)
    assert set(config.suites) <= set(SUITES13)
    assert not set(config.schemes) & {0x0401, 0x0501, 0x0601}
    assert config.key_shares == policies.DEFAULT.key_shares


@pytest.mark.parametrize("versions", ["1.2", ["1.2"], OLD])
def test_tls12_alone_has_nothing_of_tls13(versions: Any) -> None:
    config = client(versions=versions)
    assert config.versions == (OLD,)
    assert set(config.suites) <= set(SUITES12)
    assert set(config.groups) <= set(version_lists.CURVES)
    assert not set(config.schemes) & {0x0904, 0x0905, 0x0906}
    assert config.key_shares == ()


def test_versions_are_kept_newest_first() -> None:
    assert client(versions=("1.2", "1.3")) == client(versions=("1.3", "1.2"))


@pytest.mark.parametrize(
    "settings",
    [
        {"suites": ("TLS_AES_128_GCM_SHA256",)},
        {"groups": ("X25519MLKEM768",)},
        {"schemes": ("mldsa65",)},
        {"suites": (0x1301, 0x1302), "groups": ("x25519",)},
    ],
    ids=str,
)
def test_tls12_goes_where_the_named_lists_have_nothing_for_it(settings: Any) -> None:
    assert client(**settings).versions == (NEW,)


def test_tls13_never_goes_unsaid() -> None:
    with pytest.raises(ConfigError, match=r'do without it: versions=\("1\.2",\)'):
        client(suites=("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",))
    said = client(suites=("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",), versions="1.2")
    assert said.versions == (OLD,)


def test_ccm_is_there_by_name() -> None:
    ccm = [code for code, info in SUITES12.items() if "CCM" in info.aead]
    assert len(ccm) == 4
    assert not set(ccm) & set(policies.DEFAULT.suites)
    assert client(suites=(0x1301, *ccm)).versions == (NEW, OLD)


def test_replace_keeps_versions_and_lists_together() -> None:
    config = client()
    newer = config.replace(versions="1.3")
    assert newer == client(versions="1.3")
    older = config.replace(versions="1.2")
    assert older == client(versions="1.2")
    assert older.replace(versions=("1.3", "1.2")) == config
    assert newer.replace(versions=("1.3", "1.2")) == config
    assert newer.replace(versions="1.2") == older
    assert older.replace(versions="1.3").key_shares == policies.DEFAULT.key_shares
    assert config.replace(suites=("TLS_AES_256_GCM_SHA384",)).versions == (NEW,)
    assert newer.replace(alpn=("h2",)).versions == (NEW,)
    # What was said stays said.
    with pytest.raises(ConfigError, match="no version that is enabled"):
        newer.replace(suites=(0x1301, 0xC02B))
    with pytest.raises(ConfigError, match="no version that is enabled"):
        client(suites=(0x1301,)).replace(versions="1.2")
    assert client(groups=("x25519",)).replace(versions="1.2").groups == (NamedGroup.x25519,)


@pytest.mark.parametrize("versions", ["1.2", "1.3", ("1.3", "1.2")])
def test_pickle_and_replace_give_the_same(versions: Any) -> None:
    config = client(versions=versions)
    assert pickle.loads(pickle.dumps(config)) == config
    assert config.replace() == config


def test_policy_may_bound_the_versions() -> None:
    strict = policies.DEFAULT.replace(name="own", versions=(NEW,))
    assert client(policy=strict).versions == (NEW,)
    assert set(client(policy=strict).suites) <= set(SUITES13)
    assert client().replace(policy=strict).versions == (NEW,)


@pytest.mark.parametrize("key", ["mldsa65", "p256"])
def test_server_must_be_able_to_sign_in_an_enabled_version(key: str) -> None:
    issued = AUTHORITY.issue("x", key=key)
    identity = Identity(issued.chain, issued.key)
    assert ServerConfig.simple(identity).versions == (NEW, OLD)
    if key == "p256":
        assert ServerConfig.simple(identity, versions="1.2", schemes=("ecdsa_secp384r1_sha384",))
    else:
        with pytest.raises(ConfigError, match="no identity can sign"):
            ServerConfig.simple(identity, versions="1.2")


def test_authentication_after_the_handshake_needs_tls13() -> None:
    issued = AUTHORITY.issue("x")
    identity = Identity(issued.chain, issued.key)
    late: Any = {"client_auth": "post_handshake", "client_trust": TRUST}
    with pytest.raises(ConfigError, match="nothing older has it"):
        ServerConfig.simple(identity, versions="1.2", **late)
    with pytest.raises(ConfigError, match="nothing older has it"):
        ClientConfig.mutual(TRUST, identity=identity, versions="1.2", post_handshake_auth=True)
    assert ServerConfig.simple(identity, **late).versions == (NEW, OLD)


@pytest.mark.parametrize("name", ["require_extended_main_secret", "require_renegotiation_info"])
def test_demands_of_tls12_are_flags(name: str) -> None:
    assert getattr(client(), name) is True
    assert getattr(client(**{name: False}), name) is False
    with pytest.raises(ConfigError, match=f"{name} is 0"):
        client(**{name: 0})


def test_registry_of_suites_has_the_names_of_openssl() -> None:
    info = SUITES12[CipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]
    assert (info.openssl_name, info.authentication, info.hash) == ("ECDHE-RSA-AES256-GCM-SHA384", "RSA", "sha384")
    assert (info.key_octets, info.tag_octets) == (32, 16)
    ccm = SUITES12[CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8]
    assert (ccm.openssl_name, ccm.key_octets, ccm.tag_octets) == ("ECDHE-ECDSA-AES128-CCM8", 16, 8)
    assert {info.authentication for info in SUITES13.values()} == {""}
