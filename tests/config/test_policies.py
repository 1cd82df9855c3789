"""A snapshot of every named policy, and what they promise."""

from typing import Any

import pytest

from tests.support.certificates import make_ca
from tests.support.peers import pair
from tlscore import ClientConfig, Identity, KeyFilePermissionWarning, ServerConfig, TrustStore, policies
from tlscore.errors import ConfigError
from tlscore.iana import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme

REGISTRIES = {
    "versions": ProtocolVersion,
    "suites": CipherSuite,
    "groups": NamedGroup,
    "key_shares": NamedGroup,
    "schemes": SignatureScheme,
    "cert_schemes": SignatureScheme,
}
SCHEMES13 = (
    "ecdsa_secp256r1_sha256 ed25519 rsa_pss_rsae_sha256 ecdsa_secp384r1_sha384 rsa_pss_rsae_sha384 rsa_pss_rsae_sha512"
    " rsa_pss_pss_sha256 rsa_pss_pss_sha384 rsa_pss_pss_sha512 ecdsa_secp521r1_sha512 ed448 mldsa65 mldsa87 mldsa44"
)
PKCS1 = " rsa_pkcs1_sha256 rsa_pkcs1_sha384 rsa_pkcs1_sha512"
DEFAULT_CERT_SCHEMES = (
    "ecdsa_secp256r1_sha256 ecdsa_secp384r1_sha384 ecdsa_secp521r1_sha512 rsa_pss_rsae_sha256 rsa_pss_rsae_sha384"
    " rsa_pss_rsae_sha512 rsa_pkcs1_sha256 rsa_pkcs1_sha384 rsa_pkcs1_sha512 mldsa44 mldsa65 mldsa87"
)
MOZILLA_CERT_SCHEMES = (
    "ecdsa_secp256r1_sha256 ecdsa_secp384r1_sha384 ecdsa_secp521r1_sha512 rsa_pss_rsae_sha256 rsa_pss_rsae_sha384"
    " rsa_pss_rsae_sha512 rsa_pkcs1_sha256 rsa_pkcs1_sha384 rsa_pkcs1_sha512"
)
AES_128, AES_256, CHACHA20 = "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"
AES_12 = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    " TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
)
SUITES_12 = f"{AES_12} TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
SNAPSHOT: dict[str, dict[str, Any]] = {
    "default": {
        "versions": "TLS13 TLS12",
        "suites": f"{AES_128} {AES_256} {CHACHA20} {SUITES_12}",
        "groups": "X25519MLKEM768 x25519 secp256r1 secp384r1",
        "key_shares": "X25519MLKEM768 x25519",
        "schemes": SCHEMES13 + PKCS1,
        "cert_schemes": DEFAULT_CERT_SCHEMES,
        "certificate_policy": {},
    },
    "hardened": {
        "versions": "TLS13",
        "suites": f"{AES_256} {CHACHA20} {AES_128}",
        "groups": "X25519MLKEM768 SecP384r1MLKEM1024 x25519 secp384r1",
        "key_shares": "X25519MLKEM768 x25519",
        "schemes": SCHEMES13,
        "cert_schemes": DEFAULT_CERT_SCHEMES,
        "certificate_policy": {"wildcards": "refuse", "min_rsa_bits": 3072, "strict": True},
    },
    "compat": {
        "versions": "TLS13 TLS12",
        "suites": f"{AES_128} {AES_256} {CHACHA20} {SUITES_12} TLS_AES_128_CCM_SHA256"
        " TLS_ECDHE_ECDSA_WITH_AES_128_CCM TLS_ECDHE_ECDSA_WITH_AES_256_CCM",
        "groups": "X25519MLKEM768 x25519 secp256r1 secp384r1 secp521r1",
        "key_shares": "x25519",
        "schemes": SCHEMES13 + PKCS1,
        "cert_schemes": DEFAULT_CERT_SCHEMES
        + " rsa_pss_pss_sha256 rsa_pss_pss_sha384 rsa_pss_pss_sha512 ed25519 ed448",
        "certificate_policy": {"max_rsa_bits": 16384},
    },
    "mozilla_modern": {
        "versions": "TLS13",
        "suites": f"{AES_128} {AES_256} {CHACHA20}",
        "groups": "X25519MLKEM768 x25519 secp256r1 secp384r1",
        "key_shares": "X25519MLKEM768 x25519",
        "schemes": "ecdsa_secp256r1_sha256 ecdsa_secp384r1_sha384",
        "cert_schemes": MOZILLA_CERT_SCHEMES,
        "certificate_policy": {},
    },
    "mozilla_intermediate": {
        "versions": "TLS13 TLS12",
        "suites": f"{AES_128} {AES_256} {CHACHA20} {SUITES_12}",
        "groups": "X25519MLKEM768 x25519 secp256r1 secp384r1",
        "key_shares": "X25519MLKEM768 x25519",
        "schemes": "ecdsa_secp256r1_sha256 ecdsa_secp384r1_sha384 rsa_pss_rsae_sha256 rsa_pss_rsae_sha384"
        " rsa_pss_rsae_sha512" + PKCS1,
        "cert_schemes": MOZILLA_CERT_SCHEMES,
        "certificate_policy": {},
    },
    "cnsa2": {
        "versions": "TLS13",
        "suites": AES_256,
        "groups": "MLKEM1024",
        "key_shares": "MLKEM1024",
        "schemes": "mldsa87",
        "cert_schemes": "mldsa87",
        "certificate_policy": {},
    },
    "fips_algorithms": {
        "versions": "TLS13 TLS12",
        "suites": f"{AES_128} {AES_256} TLS_AES_128_CCM_SHA256 {AES_12}",
        "groups": "SecP256r1MLKEM768 SecP384r1MLKEM1024 secp256r1 secp384r1 secp521r1 MLKEM768 MLKEM1024",
        "key_shares": "SecP256r1MLKEM768 secp256r1",
        "schemes": SCHEMES13.replace(" ed25519", "").replace(" ed448", "") + PKCS1,
        "cert_schemes": DEFAULT_CERT_SCHEMES,
        "certificate_policy": {},
    },
}
CA = make_ca()
TRUST = TrustStore.from_bytes(CA.pem)


def test_policies_are_the_recorded_ones() -> None:
    assert [policy.name for policy in policies.ALL] == list(SNAPSHOT)
    ordinary = policies.DEFAULT.certificate_policy
    for policy in policies.ALL:
        shown: dict[str, Any] = {
            field: " ".join(map(registry.name_of, getattr(policy, field))) for field, registry in REGISTRIES.items()
        }
        own = policy.certificate_policy
        shown["certificate_policy"] = {
            field: getattr(own, field) for field in type(own)._fields if getattr(own, field) != getattr(ordinary, field)
        }
        assert shown == SNAPSHOT[policy.name]
        assert policy.date == "2026-11-24"


@pytest.mark.parametrize("policy", policies.ALL, ids=lambda policy: policy.name)
def test_policy_offers_only_what_is_implemented(policy: policies.Policy) -> None:
    assert set(policy.suites) <= set(policies.IMPLEMENTED_SUITES)
    assert set(policy.groups) <= set(policies.IMPLEMENTED_GROUPS)
    assert set(policy.key_shares) <= set(policy.groups)
    assert set(policy.schemes) <= set(policies.IMPLEMENTED_SCHEMES)
    assert set(policy.cert_schemes) <= set(policies.IMPLEMENTED_CERT_SCHEMES)
    assert policies.named(policy.name) is policy
    config = ClientConfig.simple(TRUST, policy=policy)
    assert config.certificate_policy == policy.certificate_policy
    with pytest.raises(AttributeError, match="frozen"):
        policy.suites = ()  # type: ignore[misc]


@pytest.mark.parametrize("policy", policies.ALL, ids=lambda policy: policy.name)
def test_two_ends_of_one_policy_agree(policy: policies.Policy) -> None:
    kinds = {"cnsa2": "mldsa87"}
    kind = kinds.get(policy.name, "p256")
    ca = make_ca(key=kind)
    issued = ca.issue("example.org", key=kind, usage="server")
    server = ServerConfig.simple(Identity(issued.chain, issued.key), policy=policy)
    client, _ = pair(ClientConfig.simple(TrustStore.from_bytes(ca.pem), policy=policy), server)
    assert client.authenticated
    assert client.suite == CipherSuite.name_of(policy.suites[0])
    assert client.group == NamedGroup.name_of(policy.key_shares[0])


def test_diff_tells_each_field_that_changes() -> None:
    assert policies.diff(policies.DEFAULT, policies.DEFAULT) == ()
    found = {one.field: str(one) for one in policies.diff(policies.DEFAULT, policies.HARDENED)}
    assert set(found) == {"versions", "suites", "groups", "schemes", "certificate_policy"}
    assert found["versions"] == "versions: -TLS12"
    assert found["suites"].endswith("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 (order)")
    assert found["schemes"] == "schemes: -rsa_pkcs1_sha256 -rsa_pkcs1_sha384 -rsa_pkcs1_sha512"
    assert found["groups"] == "groups: -secp256r1 +SecP384r1MLKEM1024"
    assert "-wildcards='leftmost'" in found["certificate_policy"]
    assert "+wildcards='refuse'" in found["certificate_policy"]
    (shares,) = [one for one in policies.diff(policies.COMPAT, policies.DEFAULT) if one.field == "key_shares"]
    assert (shares.only_first, shares.only_second, shares.reordered) == ((), ("X25519MLKEM768",), False)


def test_unknown_policy_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match='Did you mean "hardened"'):
        policies.named("hardend")


def test_replace_of_the_policy_brings_its_certificate_policy() -> None:
    config = ClientConfig.simple(TRUST)
    assert config.replace(policy=policies.HARDENED).certificate_policy.wildcards == "refuse"
    own = policies.DEFAULT.certificate_policy.replace(cn_fallback=True)
    kept = config.replace(certificate_policy=own).replace(policy=policies.HARDENED)
    assert kept.certificate_policy is own


def test_strict_policy_refuses_an_identity_whose_key_file_others_can_read(tmp_path: Any) -> None:
    chain, key = CA.issue("example.org").write(tmp_path)
    key.chmod(0o644)
    with pytest.warns(KeyFilePermissionWarning):
        identity = Identity.load(chain, key)
    assert ServerConfig.simple(identity)
    for build in (
        lambda: ServerConfig.simple(identity, policy=policies.HARDENED),
        lambda: ServerConfig(names={"a.example": identity}, policy=policies.HARDENED),
        lambda: ClientConfig.mutual(TRUST, identity=identity, policy=policies.HARDENED),
    ):
        with pytest.raises(ConfigError, match="can be read by"):
            build()
