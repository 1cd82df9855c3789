"""A snapshot of every default: a change of one is a change of this file, and of the changelog."""

from tests.support.certificates import make_ca
from tlscore import ClientConfig, Identity, ServerConfig, TrustStore, policies
from tlscore.iana import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme

POLICY = {
    "name": "default",
    "date": "2026-11-24",
    "versions": "TLS13 TLS12",
    "suites": "TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256"
    " TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    " TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
    " TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "groups": "X25519MLKEM768 x25519 secp256r1 secp384r1",
    "key_shares": "X25519MLKEM768 x25519",
    "schemes": "ecdsa_secp256r1_sha256 ed25519 rsa_pss_rsae_sha256 ecdsa_secp384r1_sha384 rsa_pss_rsae_sha384"
    " rsa_pss_rsae_sha512 rsa_pss_pss_sha256 rsa_pss_pss_sha384 rsa_pss_pss_sha512 ecdsa_secp521r1_sha512 ed448"
    " mldsa65 mldsa87 mldsa44 rsa_pkcs1_sha256 rsa_pkcs1_sha384 rsa_pkcs1_sha512",
    "cert_schemes": "ecdsa_secp256r1_sha256 ecdsa_secp384r1_sha384 ecdsa_secp521r1_sha512 rsa_pss_rsae_sha256"
    " rsa_pss_rsae_sha384 rsa_pss_rsae_sha512 rsa_pkcs1_sha256 rsa_pkcs1_sha384 rsa_pkcs1_sha512 mldsa44 mldsa65"
    " mldsa87",
    "certificate_policy": policies.DEFAULT.certificate_policy,  # recorded among the settings below
}
COMMON = {
    "certificate_policy": "CertificatePolicy(wildcards='leftmost', cn_fallback=False, min_rsa_bits=2048,"
    " max_rsa_bits=8192, allow_sha1=None, allow_any_purpose=False, depth=8, budgets=Budgets(signatures=100,"
    " steps=200000, name_comparisons=250000, chain_octets=131072), strict=False, issuer_rules=False,"
    " accepted_policies=(), require_explicit_policy=False, inhibit_policy_mapping=False,"
    " inhibit_any_policy=False, remember=True)",
    "revocation": "Revocation(mode='best_effort', scope='leaf', reason='', store=None, staple=True,"
    " staple_from_clients=False, must_staple=True, issuers=(), crl_fetcher=None, ocsp_fetcher=None,"
    " clock_skew_seconds=120, max_age_seconds=86400)",
    "identities": (),
    "alpn": (),
    "record_size_limit": None,
    "padding": "Padding(kind='none', value=0)",
    "middlebox_compatibility": True,
    "require_extended_main_secret": True,
    "key_log": None,
    "handshake_timeout": 10.0,
    "limits": "Limits(client_hello=16384, certificate=131072, message=65536, empty_records=32, warning_alerts=4,"
    " key_updates=32, post_handshake_messages=32, change_cipher_specs=2, rekey_records=16777216,"
    " held=524288)",
    "clock": None,
    "interpreter_release_threshold": 131072,
    "on_reject": "alert",
    "legacy": None,
}
CLIENT = {
    "authorize": None,
    "grease": False,
    "shuffle_extensions": False,
    "post_handshake_auth": False,
    "confirm_client_auth": False,
    "send_certificate_authorities": False,
    "require_renegotiation_info": True,
}
SERVER = {
    "names": (),
    "resolver": None,
    "authorize": None,
    "confirm_client_auth": False,
    "client_auth": "none",
    "client_trust": None,
    "advertise_cas": "auto",
    "strict_sni": False,
    "prefer": "server",
    "hello_retry_cookie": False,
    "require_alpn": True,
    "unauthenticated": None,
}
SHOWN = ("padding", "limits", "certificate_policy", "revocation")
REGISTRIES = {
    "versions": ProtocolVersion,
    "suites": CipherSuite,
    "groups": NamedGroup,
    "key_shares": NamedGroup,
    "schemes": SignatureScheme,
    "cert_schemes": SignatureScheme,
}


def test_default_policy_is_the_recorded_one() -> None:
    shown = {
        field: " ".join(map(REGISTRIES[field].name_of, getattr(policies.DEFAULT, field)))
        if field in REGISTRIES
        else getattr(policies.DEFAULT, field)
        for field in type(policies.DEFAULT)._fields
    }
    assert shown == POLICY


def test_default_settings_are_the_recorded_ones() -> None:
    authority = make_ca()
    issued = authority.issue("x")
    client = ClientConfig.simple(TrustStore.from_bytes(authority.pem))
    server = ServerConfig.simple(Identity(issued.chain, issued.key))
    for config, own, given in ((client, CLIENT, "authentication"), (server, SERVER, "identities")):
        expected = {**COMMON, **own}
        shown = {
            field: str(getattr(config, field)) if field in SHOWN else getattr(config, field)
            for field in type(config)._fields
            if field not in (*REGISTRIES, "policy", given)
        }
        expected.pop(given, None)
        assert shown == expected


def test_policies_offer_only_what_is_implemented() -> None:
    default = policies.DEFAULT
    assert set(default.suites) <= set(policies.IMPLEMENTED_SUITES)
    assert set(default.groups) <= set(policies.IMPLEMENTED_GROUPS)
    assert set(default.key_shares) <= set(default.groups)
    assert set(default.schemes) <= set(policies.IMPLEMENTED_SCHEMES)
    assert set(default.cert_schemes) <= set(policies.IMPLEMENTED_CERT_SCHEMES)
