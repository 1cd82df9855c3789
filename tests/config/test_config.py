"""Configurations: what can be said, and that every contradiction is refused at construction with the repair."""

import datetime as dt
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import legacy
from tests.support.certificates import make_ca
from tests.support.legacy import ENCRYPTS, SIGNS
from tlscore import ClientConfig, Identity, Limits, Padding, ServerConfig, TrustStore, VerifyServer, policies
from tlscore.certs.trust_store import SYSTEM_BUNDLES
from tlscore.errors import ConfigError
from tlscore.iana import CipherSuite, NamedGroup, SignatureScheme

CA = make_ca()
TRUST = TrustStore.from_bytes(CA.pem)


def identity(*names: str, key: str = "p256") -> Identity:
    issued = CA.issue(*names, key=key)
    return Identity(issued.chain, issued.key)


IDENTITY = identity("www.example.org")


# -- what can be said --


def test_simple_client_has_the_default_policy() -> None:
    config = ClientConfig.simple(TRUST)
    assert config == ClientConfig(authentication=VerifyServer(TRUST)) == ClientConfig.simple(trust=TRUST)
    assert hash(config) == hash(ClientConfig.simple(TRUST))
    for field in ("versions", "suites", "groups", "key_shares", "schemes", "cert_schemes"):
        assert getattr(config, field) == getattr(policies.DEFAULT, field)
    assert config.trust is TRUST
    assert config.role == "client"


@pytest.mark.skipif(not any(map(__import__("os").path.isfile, SYSTEM_BUNDLES)), reason="this machine has no CA bundle")
def test_simple_client_trusts_the_system_by_default() -> None:
    trust = ClientConfig.simple().trust
    assert trust is not None
    assert trust.is_system


def test_names_and_codes_mean_the_same() -> None:
    named = ClientConfig.simple(
        TRUST, suites=["TLS_AES_128_CCM_SHA256"], groups=("secp521r1", "x25519"), schemes=("ed25519",), versions="1.3"
    )
    coded = ClientConfig.simple(TRUST, suites=(0x1304,), groups=[0x19, 0x1D], schemes=[0x0807], versions=(0x0304,))
    assert named == coded
    assert named.suites == (CipherSuite.TLS_AES_128_CCM_SHA256,)


def test_key_shares_follow_the_groups() -> None:
    assert ClientConfig.simple(TRUST, groups=("x25519",)).key_shares == (NamedGroup.x25519,)
    assert ClientConfig.simple(TRUST, groups=("secp384r1", "secp256r1")).key_shares == (NamedGroup.secp384r1,)
    assert ClientConfig.simple(TRUST, key_shares=()).key_shares == ()
    # RFC 9846 4.3.8: shares stand in the order of supported_groups.
    config = ClientConfig.simple(TRUST, groups=("x25519", "secp256r1"), key_shares=("secp256r1", "x25519"))
    assert config.key_shares == config.groups


def test_mutual_takes_one_identity_or_several() -> None:
    other = identity("b.example")
    assert ClientConfig.mutual(TRUST, identity=IDENTITY).identities == (IDENTITY,)
    assert ClientConfig.mutual(trust=TRUST, identity=[IDENTITY, other]).identities == (IDENTITY, other)
    server = ServerConfig.mutual(IDENTITY, client_trust=TRUST)
    assert (server.client_auth, server.client_trust, server.identities) == ("required", TRUST, (IDENTITY,))
    assert ServerConfig.mutual(identity=IDENTITY, client_trust=TRUST, client_auth="optional").client_auth == "optional"


def test_replace_runs_the_checks_and_keeps_the_rest() -> None:
    config = ClientConfig.simple(TRUST, alpn=("h2",))
    assert config.replace(alpn=("http/1.1",)).replace(alpn=("h2",)) == config
    assert config.replace(groups=("secp256r1",)).key_shares == (NamedGroup.secp256r1,)
    with pytest.raises(ConfigError, match="alpn"):
        config.replace(alpn="h2")
    with pytest.raises(ConfigError, match='Did you mean "alpn"'):
        config.replace(alpm=())


def test_replace_of_the_policy_replaces_what_came_from_it() -> None:
    strict = policies.DEFAULT.replace(name="own", suites=(0x1302,), groups=(0x18,), key_shares=(0x18,))
    config = ClientConfig.simple(TRUST, suites=("TLS_AES_128_GCM_SHA256",)).replace(policy=strict)
    assert (config.suites, config.groups, config.key_shares) == ((0x1301,), (0x18,), (0x18,))


def test_config_is_frozen_and_hides_keys() -> None:
    config: Any = ServerConfig.simple(IDENTITY)
    with pytest.raises(AttributeError, match="frozen"):
        config.alpn = ("h2",)
    assert "PrivateKey" not in repr(config)
    assert hash(config) == hash(config.replace())


def test_pickle_works_without_keys_and_is_refused_with_them() -> None:
    config = ClientConfig.simple(TRUST, alpn=("h2",), padding=Padding.to_multiple(256), limits=Limits(key_updates=3))
    assert pickle.loads(pickle.dumps(config)) == config
    for holder in (ClientConfig.mutual(TRUST, identity=IDENTITY), ServerConfig.simple(IDENTITY)):
        with pytest.raises(ConfigError, match="private keys are never pickled"):
            pickle.dumps(holder)


def test_padding_and_limits_are_values() -> None:
    assert (Padding.none().kind, Padding.full().kind, Padding.to_multiple(64)) == (
        "none",
        "full",
        Padding("multiple", 64),
    )
    assert Limits(empty_records=1).as_dict()["empty_records"] == 1
    assert Limits() == Limits(**Limits().as_dict())


def test_cas_are_advertised_for_private_stores_only() -> None:
    server = ServerConfig.mutual(IDENTITY, client_trust=TRUST)
    assert server.certificate_authorities == (CA.name_der,)
    assert server.replace(advertise_cas=False).certificate_authorities == ()
    system = TrustStore.from_bytes(CA.pem)
    system.is_system = True
    assert server.replace(client_trust=system).certificate_authorities == ()
    assert server.replace(client_trust=system, advertise_cas=True).certificate_authorities == (CA.name_der,)
    assert ServerConfig.simple(IDENTITY).certificate_authorities == ()
    assert ClientConfig.simple(TRUST).certificate_authorities == ()
    assert ClientConfig.simple(TRUST, send_certificate_authorities=True).certificate_authorities == (CA.name_der,)


def test_identities_are_chosen_by_name() -> None:
    wild, rsa = identity("*.example.net"), identity("www.example.org", key="rsa2048")
    config = ServerConfig(identities=(IDENTITY, wild, rsa))
    assert config.identities_for("www.example.org") == (IDENTITY, rsa)
    assert config.identities_for("WWW.example.org.") == (IDENTITY, rsa)
    assert config.identities_for("a.example.net") == (wild,)
    assert config.identities_for(None) == config.identities
    assert config.identities_for("unknown.test") == config.identities
    assert config.replace(strict_sni=True).identities_for("unknown.test") == ()
    named = config.replace(names={"alias.test": wild, "*.test": rsa})
    assert named.identities_for("alias.test") == (wild, rsa)
    assert named.identities_for("b.test") == (rsa,)
    assert ServerConfig(names={"only.test": IDENTITY}).identities == (IDENTITY,)


# -- what is refused --

SIMPLE: Callable[..., Any] = lambda **named: ClientConfig.simple(TRUST, **named)  # noqa: E731
SERVER: Callable[..., Any] = lambda **named: ServerConfig(**{"identities": (IDENTITY,), **named})  # noqa: E731
BARE: Callable[..., Any] = ClientConfig
BARE_SERVER: Callable[..., Any] = ServerConfig


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("x.example", {"x.example": ENCRYPTS}),
        ("*.example", {"*.example": ENCRYPTS, "a.other.example": SIGNS}),
        ("x.y.example", {"y.example": SIGNS, "x.y.example": ENCRYPTS}),
        ("x.example", [("x.example", ENCRYPTS), ("x.example", ENCRYPTS)]),
    ],
)
def test_name_without_an_identity_that_may_sign_is_refused(pattern: str, names: Any) -> None:
    """RFC 9846 4.5.1.2: the digitalSignature bit MUST be set. A name that has identities gets no others."""
    listed = [
        (name, legacy.identity("rsa2048", bits)) for name, bits in (names if type(names) is list else names.items())
    ]
    for build in (
        lambda: SERVER(names=listed),
        lambda: SERVER().replace(names=listed),
        lambda: BARE_SERVER(names=[*listed, ("z.example", IDENTITY)]),
    ):
        with pytest.raises(
            ConfigError, match=f"asks for {re.escape(pattern)}, .*identity 1 .*without digitalSignature"
        ) as refused:
            build()
        assert (refused.value.code, refused.value.section) == ("TLS-CONFIG-KEY_USAGE", "RFC 9846 4.5.1.2")


def test_name_is_served_by_whichever_identity_is_for_it() -> None:
    """One named beside it, one named for its wildcard, or one whose certificate has the name; then handshakes work."""
    unfit, fit = legacy.identity("rsa2048", ENCRYPTS), identity("x.example", "*.y.example")
    for names in (
        [("x.example", unfit), ("x.example", fit)],
        [("x.z.example", unfit), ("*.z.example", fit)],
        [("*.y.example", unfit), ("b.y.example", unfit), ("x.example", unfit)],
    ):
        config = SERVER(identities=(IDENTITY, fit), names=names)
        for name, _ in names:
            assert fit in config.identities_for(name.replace("*", "any"))
    with pytest.raises(ConfigError, match=r"asks for \*\.example"):
        SERVER(identities=(IDENTITY, fit), names={"*.example": unfit})


def test_name_whose_identity_makes_none_of_the_schemes_is_refused() -> None:
    rsa, schemes = identity("x.example", key="rsa2048"), ("ecdsa_secp256r1_sha256",)
    with pytest.raises(ConfigError, match=r"asks for x\.example, .*signs with none of the schemes") as refused:
        SERVER(names={"x.example": rsa}, schemes=schemes)
    assert refused.value.code == "TLS-CONFIG-NOT_AVAILABLE"
    SERVER(names={"x.example": rsa})
    SERVER(names=[("x.example", rsa), ("x.example", IDENTITY)], schemes=schemes)


def test_name_in_the_legacy_tier_needs_an_identity_for_one_of_its_suites() -> None:
    tier = legacy.tier("1.2", ("TLS_RSA_WITH_AES_128_CBC_SHA",))
    both, signs = legacy.identity("rsa2048"), legacy.identity("rsa2048", SIGNS)
    with pytest.raises(ConfigError, match=r"asks for x\.example, .*without keyEncipherment") as refused:
        legacy.quiet(ServerConfig.simple, both, names={"x.example": signs}, legacy=tier)
    assert refused.value.code == "TLS-CONFIG-NOT_AVAILABLE"
    encrypts = legacy.identity("rsa2048", ENCRYPTS)
    config = legacy.quiet(ServerConfig.simple, both, names={"x.example": encrypts}, legacy=tier)
    assert config.identities_for("x.example") == (encrypts,)


@pytest.mark.parametrize(
    ("build", "named", "text"),
    [
        (BARE, {}, r"no authentication.*use ClientConfig\.simple\(\)"),
        (BARE, {"authentication": TRUST}, r"authentication is a TrustStore.*VerifyServer\(trust\)"),
        (BARE, {"authentication": VerifyServer(None)}, "trust is None, not TrustStore"),  # type: ignore[arg-type]
        (ClientConfig.simple, {"trust": "ca.pem"}, r"trust is a str.*TrustStore\.from_file"),
        (ClientConfig.mutual, {"trust": TRUST}, r"no identity was given.*Identity\.load"),
        (ClientConfig.mutual, {"trust": TRUST, "identity": "chain.pem"}, r"identity is a str.*Identity\.load"),
        (ClientConfig.mutual, {"trust": TRUST, "identity": [5]}, "identity is a int, not Identity"),
        (
            SIMPLE,
            {"identities": IDENTITY},
            r"simple does not take identities=.*use ClientConfig\.mutual\(identity=...\)",
        ),
        (
            BARE,
            {"authentication": VerifyServer(TRUST), "identities": IDENTITY},
            r"identities is one Identity.*identities=\(identity,\)",
        ),
        (SIMPLE, {"suite": ()}, 'ClientConfig has no "suite".*did you mean "suites"'),
        (SIMPLE, {"suites": "TLS_AES_128_GCM_SHA256"}, r"suites is the single text.*give a list"),
        (SIMPLE, {"suites": 5}, "suites is int, not a list"),
        (SIMPLE, {"suites": ()}, "suites is empty.*leave suites out"),
        (SIMPLE, {"suites": [None]}, "suites holds NoneType"),
        (SIMPLE, {"suites": [True]}, "suites holds bool"),
        (SIMPLE, {"suites": ["TLS_AES_128_GCM_SHA265"]}, 'did you mean "TLS_AES_128_GCM_SHA256"'),
        (SIMPLE, {"suites": ["TLS_AES_128_GCM_SHA256"] * 2}, "names something twice"),
        (SIMPLE, {"suites": ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]}, r'TLS 1\.3 is enabled.*versions=\("1\.2",\)'),
        (SIMPLE, {"suites": ["TLS_RSA_WITH_AES_128_GCM_SHA256"]}, "suites names .*is of the legacy tier"),
        (SIMPLE, {"suites": [0x1301, 0xC02F], "versions": "1.3"}, r"names TLS_ECDHE_RSA.*no version that is enabled"),
        (SIMPLE, {"suites": [0x1301], "versions": ("1.3", "1.2")}, r"TLS 1\.2 is enabled, and suites holds nothing"),
        (SIMPLE, {"groups": ["MLKEM768"], "versions": "1.2"}, r"groups names MLKEM768.*no version that is enabled"),
        (SIMPLE, {"versions": "1.2", "key_shares": ["x25519"]}, r"key_shares are given, but TLS 1\.3 is not enabled"),
        (SIMPLE, {"suites": [0x9999]}, "0x9999.*choose from TLS_AES"),
        (SIMPLE, {"groups": ["X25519"]}, 'did you mean "x25519"'),
        (SIMPLE, {"groups": ["ffdhe2048"]}, "is not implemented.*choose from x25519"),
        (SIMPLE, {"schemes": ["rsa_pkcs1_sha256"]}, r"TLS 1\.3 is enabled, and schemes holds nothing"),
        (SIMPLE, {"schemes": ["ed25519", "rsa_pkcs1_sha256"], "versions": "1.3"}, "schemes names rsa_pkcs1_sha256"),
        (SIMPLE, {"schemes": ["rsa_pkcs1_sha1"]}, "schemes names rsa_pkcs1_sha1"),
        (SIMPLE, {"groups": ["x25519"], "key_shares": ["secp256r1"]}, "key_shares names secp256r1.*choose from x25519"),
        (SIMPLE, {"versions": "1.4"}, 'versions names 1.4, which is not available.*give "1.3" or "1.2"'),
        (SIMPLE, {"versions": "SSLv3"}, r"must not be negotiated any more.*E\.5"),
        (SIMPLE, {"versions": ()}, "versions is empty"),
        (SIMPLE, {"policy": "default"}, "policy is a str, not Policy"),
        (SIMPLE, {"alpn": "h2"}, r"alpn is the single text 'h2'.*alpn=\('h2',\)"),
        (SIMPLE, {"alpn": [""]}, r"1 to 255 ASCII.*\[RFC 7301 3.1\]"),
        (SIMPLE, {"alpn": ["x" * 256]}, "1 to 255 ASCII"),
        (SIMPLE, {"alpn": [b"h2"]}, "alpn holds b'h2'"),
        (SIMPLE, {"alpn": ["h2", "h2"]}, "alpn names something twice"),
        (SIMPLE, {"alpn": [f"{number:0255}" for number in range(257)]}, "too long to be sent"),
        (SIMPLE, {"record_size_limit": 63}, r"from 64 to 16385.*\[RFC 8449 4\]"),
        (SIMPLE, {"record_size_limit": 16386}, "from 64 to 16385"),
        (SIMPLE, {"record_size_limit": True}, "record_size_limit is True"),
        (SIMPLE, {"padding": 256}, r"padding is a int, not Padding.*to_multiple"),
        (SIMPLE, {"limits": {}}, r"limits is a dict.*Limits\("),
        (SIMPLE, {"handshake_timeout": 0}, "handshake_timeout is 0.*above 0"),
        (SIMPLE, {"handshake_timeout": float("nan")}, "handshake_timeout is nan"),
        (SIMPLE, {"handshake_timeout": None}, "handshake_timeout is None"),
        (SIMPLE, {"clock": dt.datetime.now(dt.UTC)}, "clock is a datetime.*function without arguments"),
        (SIMPLE, {"key_log": 5}, "key_log is a int"),
        (SIMPLE, {"grease": 1}, "grease is 1.*True or False"),
        (SIMPLE, {"interpreter_release_threshold": -1}, "interpreter_release_threshold is -1"),
        (SIMPLE, {"post_handshake_auth": True}, "there is no identity to authenticate with"),
        (BARE_SERVER, {}, r"no identity: no client could ever connect.*Identity\.load"),
        (ServerConfig.simple, {}, "no identity was given"),
        (SERVER, {"client_auth": "require"}, "client_auth is 'require'.*'none', 'optional', 'required'"),
        (SERVER, {"client_auth": "required"}, "no client_trust to verify clients against"),
        (SERVER, {"client_trust": TRUST}, "it would be ignored.*ServerConfig.mutual"),
        (SERVER, {"advertise_cas": True}, "advertise_cas needs client_trust"),
        (SERVER, {"advertise_cas": 1}, "advertise_cas is 1"),
        (SERVER, {"prefer": "me"}, "prefer is 'me'.*'server', 'client'"),
        (SERVER, {"names": {"192.0.2.1": IDENTITY}}, "an IP address, which clients never send"),
        (SERVER, {"names": {"a.example": "chain.pem"}}, "names is a str, not Identity"),
        (SERVER, {"names": 5}, "names is no mapping"),
        (SERVER, {"schemes": ["ed25519"]}, "no identity can sign.*ecdsa_secp256r1_sha256"),
        (SERVER, {"stict_sni": True}, 'did you mean "strict_sni"'),
        (SERVER, {"unauthenticated": True}, "use danger.accept_any_peer"),
        (ServerConfig.mutual, {"identity": IDENTITY}, "no client_trust"),
        (Limits, {"empty_record": 1}, 'did you mean "empty_records"'),
        (Limits, {"empty_records": 0}, "Limits.empty_records is 0"),
        (Limits, {"rekey_records": 2**25}, "from 2 to 16777216"),
    ],
)
def test_mistakes_are_refused_with_the_repair(build: Callable[..., Any], named: dict[str, Any], text: str) -> None:
    # A remedy begins with a capital letter where it follows the cause.
    with pytest.raises(ConfigError, match=re.compile(text, re.IGNORECASE)):
        build(**named)


@pytest.mark.parametrize("octets", [0, 1, 16385, "x", True])
def test_padding_to_nonsense_is_refused(octets: Any) -> None:
    with pytest.raises(ConfigError, match="from 2 to 16384"):
        Padding.to_multiple(octets)


def test_connection_needs_a_name() -> None:
    with pytest.raises(ConfigError, match=r"no server_name was given.*config\.connection"):
        ClientConfig.simple(TRUST).connection()
    with pytest.raises(ConfigError, match="which no host name may have"):
        ClientConfig.simple(TRUST).connection("exa mple.org")


def test_cert_schemes_may_be_left_unsaid() -> None:
    assert ClientConfig.simple(TRUST, cert_schemes=()).cert_schemes == ()
    assert ClientConfig.simple(TRUST, cert_schemes=("ed25519",)).cert_schemes == (SignatureScheme.ed25519,)
