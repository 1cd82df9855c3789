"""The legacy tier in configurations: explicit, warned of, apart from TLS 1.3, off by default, ended by a day."""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import tlscore
from tests.support import standing
from tests.support.legacy import NULLS, identity, quiet, tier
from tlscore import ClientConfig, Identity, ServerConfig, danger, legacy, policies
from tlscore.errors import ConfigError
from tlscore.iana import NamedGroup, SignatureScheme
from tlscore.legacy import Legacy, LegacyTlsWarning
from tlscore.policies import ALL
from tlscore.suites import suite

RSA_SHA = "TLS_RSA_WITH_AES_128_CBC_SHA"


def simple(made: Legacy, **settings: Any) -> ClientConfig:
    return quiet(ClientConfig.simple, standing.trust(), legacy=made, **settings)


# -- explicit and warned -----------------------------------------------------------------------------------------------


def test_both_ends_warn_with_reason_versions_and_day() -> None:
    made = Legacy(reason="press 4", versions=("1.0", "1.2"), expires=date(2099, 1, 31))
    with pytest.warns(LegacyTlsWarning, match=r"ClientConfig.*press 4.*TLSv1\.2, TLSv1\.0.*until 2099-01-31"):
        ClientConfig.simple(standing.trust(), legacy=made)
    with pytest.warns(LegacyTlsWarning, match="ServerConfig with"):
        ServerConfig.simple(standing.identity(), legacy=made)


def test_warning_names_the_line_that_builds_the_configuration() -> None:
    with pytest.warns(LegacyTlsWarning) as caught:
        ClientConfig(authentication=tlscore.VerifyServer(standing.trust()), legacy=tier())
    assert caught[0].filename == __file__


@pytest.mark.parametrize("value", ["1", "yes", "true", "typo"])
def test_environment_forbids_the_tier(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(danger.FORBID_VARIABLE, value)
    with pytest.raises(ConfigError, match="TLSCORE_FORBID_DANGEROUS forbids") as caught:
        ClientConfig.simple(standing.trust(), legacy=tier())
    assert caught.value.code == "TLS-CONFIG-DANGEROUS"
    with pytest.raises(ConfigError, match="TLSCORE_FORBID_DANGEROUS forbids"):
        ServerConfig.simple(standing.identity(), legacy=tier())


@pytest.mark.parametrize("reason", ["", " ", None, 3])
def test_reason_is_needed(reason: Any) -> None:
    with pytest.raises(ConfigError, match="got no reason"):
        Legacy(reason=reason)


# -- never beside TLS 1.3 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("versions", ["1.3", ("1.2", "1.3"), 0x0304])
def test_tls13_is_never_in_one_configuration_with_the_tier(versions: Any) -> None:
    """RFC 9846 C.3: old algorithms must be out of all configurations that support TLS 1.3."""
    with pytest.raises(ConfigError, match="never in one configuration"):
        Legacy(reason="a test", versions=versions)
    with pytest.raises(ConfigError, match="versions are given beside legacy"):
        ClientConfig.simple(standing.trust(), legacy=tier(), versions=versions)


@pytest.mark.parametrize("field", ["suites", "key_shares"])
def test_lists_beside_the_tier_are_refused(field: str) -> None:
    given = {"suites": ("TLS_AES_128_GCM_SHA256",), "key_shares": ("x25519",)}[field]
    with pytest.raises(ConfigError, match=field):
        ClientConfig.simple(standing.trust(), legacy=tier(), **{field: given})


@pytest.mark.parametrize("version", ["SSLv3", "SSLv2", 0x0300, 0x0002])
def test_ssl_is_refused_by_name(version: Any) -> None:
    with pytest.raises(ConfigError, match="must not be negotiated for any reason"):
        Legacy(reason="a test", versions=version)


def test_cookie_of_tls13_is_refused() -> None:
    with pytest.raises(ConfigError, match="hello_retry_cookie"):
        quiet(ServerConfig.simple, standing.identity(), legacy=tier(), hello_retry_cookie=True)


@pytest.mark.parametrize("version", ["1.1", "TLSv1.0", "SSLv3"])
def test_old_versions_without_the_tier_name_it_where_it_helps(version: str) -> None:
    with pytest.raises(ConfigError, match="must not be negotiated any more") as caught:
        ClientConfig.simple(standing.trust(), versions=version)
    assert ("see tlscore.legacy" in str(caught.value)) is (version != "SSLv3")


def test_what_needs_tls13_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"TLS 1\.3 is not enabled"):
        quiet(ServerConfig.mutual, standing.identity(), client_trust=standing.trust(), legacy=tier(),
              client_auth="post_handshake")  # fmt: skip


# -- off by default ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ALL, ids=lambda one: one.name)
def test_no_policy_holds_anything_of_the_tier(policy: policies.Policy) -> None:
    for code in policy.suites:
        assert suite(code).status in ("default", "compat")
    assert not set(policy.schemes) & set(legacy.SHA1_SCHEMES)
    assert not set(policy.groups) & set(legacy.FINITE_FIELDS)
    assert set(policy.versions) <= {0x0304, 0x0303}


@pytest.mark.parametrize("name", [*legacy.RSA_SUITES, *legacy.ECDHE_CBC_SUITES, *legacy.DHE_SUITES])
def test_suites_of_the_tier_are_refused_without_it(name: str) -> None:
    with pytest.raises(ConfigError, match=r"of the legacy tier.*see tlscore\.legacy"):
        ClientConfig.simple(standing.trust(), suites=(name,))


@pytest.mark.parametrize("scheme", legacy.SHA1_SCHEMES)
def test_sha1_is_refused_without_the_tier(scheme: int) -> None:
    with pytest.raises(ConfigError):
        ClientConfig.simple(standing.trust(), schemes=(SignatureScheme.ecdsa_secp256r1_sha256, scheme))


def test_default_connections_load_nothing_of_the_tier() -> None:
    code = """
import sys
from tests.support.standing import connected
connected()
connected({"versions": "1.2", "groups": ("x25519", "secp256r1")})
print(*[name for name in sys.modules if name.startswith("tlscore") and "legacy" in name])
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.split() == []


# -- the day -----------------------------------------------------------------------------------------------------------


def test_expired_tier_builds_no_configuration() -> None:
    made = tier(expires=datetime.now(UTC).date() - timedelta(days=1))
    for build in (lambda: simple(made), lambda: quiet(ServerConfig.simple, standing.identity(), legacy=made)):
        with pytest.raises(ConfigError, match=r"expired at .* \(reason given: a test\)") as caught:
            build()
        assert caught.value.code == "TLS-CONFIG-LEGACY_EXPIRED"


def test_configuration_makes_no_connection_after_the_day() -> None:
    now = [datetime(2027, 5, 1, 12, tzinfo=UTC)]
    made = tier(expires=date(2027, 5, 1))
    client = simple(made, clock=lambda: now[0])
    server = quiet(ServerConfig.simple, standing.identity(), legacy=made, clock=lambda: now[0])
    now[0] = datetime(2027, 5, 1, 23, 59, 59, tzinfo=UTC)
    client.connection(standing.NAME)
    now[0] = datetime(2027, 5, 2, 0, 0, 1, tzinfo=UTC)
    for connect in (lambda: client.connection(standing.NAME), server.connection):
        with pytest.raises(ConfigError, match="expired at 2027-05-01") as caught:
            connect()
        assert caught.value.code == "TLS-CONFIG-LEGACY_EXPIRED"


def test_exact_time_counts_as_utc_without_a_zone() -> None:
    naive = tier(expires=datetime(2027, 5, 1, 12))
    assert naive.end == datetime(2027, 5, 1, 12, tzinfo=UTC)
    aware = datetime(2027, 5, 1, 12, tzinfo=UTC)
    assert tier(expires=aware).end is aware
    assert tier().end is None
    with pytest.raises(ConfigError, match=r"datetime\.date"):
        tier(expires="2027-05-01")


# -- suites ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TLS_RSA_WITH_RC4_128_SHA", "RC4"),
        ("TLS_RSA_EXPORT_WITH_RC4_40_MD5", "export"),
        ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", "Sweet32"),
        ("TLS_RSA_WITH_NULL_MD5", "MD5"),
        ("TLS_DHE_DSS_WITH_AES_128_CBC_SHA", "DSA"),
        ("TLS_DH_RSA_WITH_AES_128_CBC_SHA", "static Diffie-Hellman"),
        ("TLS_AES_128_GCM_SHA256", "does not have"),
        ("TLS_ECDH_anon_WITH_NULL_SHA", "does not have"),
        ("TLS_RSA_WITH_AES_129_CBC_SHA", "Did you mean"),
    ],
)
def test_broken_and_foreign_suites_are_refused_with_the_reason(name: str, text: str) -> None:
    """Rows 6, 15 and 16 of the attacks: export ciphers, 64-bit blocks and RC4 are in no build."""
    with pytest.raises(ConfigError, match=text):
        tier(suites=(name,))


def test_suites_of_the_wrong_kind_are_refused() -> None:
    for value in ("TLS_RSA_WITH_AES_128_CBC_SHA", (), None, (3.5,), (True,), (0xFFF0,)):
        with pytest.raises(ConfigError):
            tier(suites=value)


def test_each_version_needs_a_suite() -> None:
    with pytest.raises(ConfigError, match=r"TLSv1\.1 is allowed, and Legacy\.suites holds nothing"):
        tier(versions=("1.2", "1.1"), suites=("TLS_RSA_WITH_AES_128_GCM_SHA256",))


def test_suites_that_no_version_can_use_are_left_out() -> None:
    made = tier(versions="1.1", suites=("TLS_RSA_WITH_AES_128_GCM_SHA256", RSA_SHA))
    assert [one.name for one in made.parts()] == [RSA_SHA]


def test_names_of_openssl_count_too() -> None:
    assert [one.name for one in tier(suites=("AES128-SHA",)).parts()] == [RSA_SHA]


def test_cipher_string_of_openssl_names_suites_of_the_tier() -> None:
    """G17: cipher lists in OpenSSL's syntax; what authenticates nobody or encrypts nothing never comes in unnamed."""
    assert legacy.suites_for("AES128-SHA:DHE-RSA-AES256-SHA:AES128-SHA") == (
        RSA_SHA,
        "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
    )
    everything = [suite(name) for name in legacy.suites_for("ALL:COMPLEMENTOFALL")]
    assert {one.key_exchange for one in everything} == {"RSA", "DHE", "ECDHE"}
    assert not any(one.missing for one in everything)
    assert not any("3DES" in one.name or "RC4" in one.name for one in everything)
    tier(suites=legacy.suites_for("kRSA+AES"))
    with pytest.raises(ConfigError, match="nothing is in the legacy tier"):
        legacy.suites_for("AECDH:NULL-SHA:DES-CBC3-SHA")
    with pytest.raises(ConfigError, match="AES129"):
        legacy.suites_for("AES129-SHA")


def test_every_suite_of_the_tier_is_known_with_its_parts() -> None:
    for name in legacy.IMPLEMENTED:
        assert suite(name).status != "never", name
    assert len(set(legacy.IMPLEMENTED)) == len(legacy.IMPLEMENTED)


def test_build_protects_what_the_tier_names() -> None:
    from tlscore._core import SUITES12, SUITES_LEGACY

    assert {suite(name).code for name in legacy.IMPLEMENTED} <= {*SUITES12, *SUITES_LEGACY}


# -- NULL and anonymous ------------------------------------------------------------------------------------------------


def test_null_suites_need_their_danger_by_name() -> None:
    """S60 for encryption: nothing is unencrypted by accident."""
    with pytest.raises(ConfigError, match=r"danger\.no_encryption") as caught:
        tier(suites=legacy.NULL_SUITES)
    assert caught.value.code == "TLS-CONFIG-DANGEROUS"
    with pytest.raises(ConfigError, match="no reason"):
        danger.no_encryption(" ")
    with pytest.raises(ConfigError, match="no_encryption"):
        tier(suites=legacy.NULL_SUITES, no_encryption=True)
    made = tier(suites=legacy.NULL_SUITES, no_encryption=NULLS)
    with (
        pytest.warns(danger.UnencryptedTlsWarning, match=r"danger\.no_encryption.*everybody on the way can read"),
        pytest.warns(LegacyTlsWarning),
    ):
        ServerConfig.simple(identity("rsa2048"), legacy=made)


def test_environment_forbids_null(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(danger.FORBID_VARIABLE, "1")
    with pytest.raises(ConfigError, match="forbids"):
        simple(tier(suites=legacy.NULL_SUITES, no_encryption=NULLS))


@pytest.mark.parametrize("role", ["client", "server"])
def test_anonymous_suites_belong_to_encryption_only(role: str) -> None:
    """S60: where a configuration says whom to expect, nobody may come without a name."""
    made = tier(suites=(*legacy.ANONYMOUS_SUITES, RSA_SHA))
    config: Any = ClientConfig if role == "client" else ServerConfig
    whom = standing.trust() if role == "client" else identity("rsa2048")
    with pytest.raises(ConfigError, match="with which nobody is authenticated") as caught:
        quiet(config.simple, whom, legacy=made)
    assert caught.value.code == "TLS-CONFIG-CONTRADICTION"
    assert quiet(config.encryption_only, danger.accept_any_peer, legacy=made).legacy is made


# -- beside a policy ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [one for one in ALL if one is not policies.DEFAULT], ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("versions", "suites", "text"),
    [
        ("1.1", (RSA_SHA,), r"TLSv1\.1, TLS_RSA_WITH_AES_128_CBC_SHA"),
        ("1.2", (RSA_SHA,), "TLS_RSA_WITH_AES_128_CBC_SHA"),
        (("1.2", "1.0"), legacy.DEFAULT_SUITES, r"TLSv1\.0, "),
        ("1.2", legacy.RSA_SUITES, r"TLS_RSA_WITH_AES_128_GCM_SHA256, .* 3 more suites"),
    ],
)
def test_tier_never_widens_a_policy_that_is_named(
    policy: policies.Policy, versions: Any, suites: Any, text: str
) -> None:
    """A named policy is a promise about versions and suites: what breaks it is refused, never allowed in silence."""
    made = tier(versions=versions, suites=suites)
    usual = simple(made)
    for build in (
        lambda: simple(made, policy=policy),
        lambda: quiet(ServerConfig.simple, (identity(), identity("rsa2048")), legacy=made, policy=policy),
        lambda: quiet(usual.replace, policy=policy),
        lambda: quiet(ClientConfig.simple(standing.trust(), policy=policy).replace, legacy=made),
    ):
        with pytest.raises(
            ConfigError, match=f"Legacy allows .*{text}.*, and the policy {policy.name} does not"
        ) as found:
            build()
        assert found.value.code == "TLS-CONFIG-CONTRADICTION"
        assert "policy.replace(name=..., versions=..., suites=...)" in found.value.remedy


def test_policy_that_lists_the_tier_stands_beside_it() -> None:
    """Who wants both says so in the policy; then it says everything else as well."""
    made = tier(versions=("1.2", "1.1"), suites=(RSA_SHA, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"))
    own = policies.HARDENED.replace(name="press", versions=made.versions, suites=made.suites)
    config = simple(made, policy=own)
    assert (config.policy, config.versions, config.suites) == (own, made.versions, made.suites)
    assert config.certificate_policy is policies.HARDENED.certificate_policy
    assert config.groups == tuple(one for one in own.groups if one in (NamedGroup.x25519, NamedGroup.secp384r1))
    with pytest.raises(ConfigError, match="Legacy allows TLS_RSA_WITH_AES_256_CBC_SHA, and the policy press does not"):
        quiet(config.replace, legacy=tier(versions="1.2", suites=("TLS_RSA_WITH_AES_256_CBC_SHA",)))
    assert quiet(config.replace, alpn=("h2",)).policy == own


def test_tier_within_a_policy_needs_no_other_one() -> None:
    made = tier(versions="1.2", suites=("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",))
    assert simple(made, policy=policies.MOZILLA_INTERMEDIATE).suites == made.suites
    with pytest.raises(ConfigError, match=r"Legacy allows TLSv1\.2, "):
        simple(made, policy=policies.MOZILLA_MODERN)


def test_sha1_is_beyond_every_policy_that_does_not_list_it() -> None:
    made = tier(versions="1.2", suites=("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",), sha1_signatures=True)
    named = policies.MOZILLA_INTERMEDIATE
    with pytest.raises(ConfigError, match="allows signatures with SHA-1, and the policy mozilla_intermediate does not"):
        simple(made, policy=named)
    own = named.replace(name="own", schemes=(*named.schemes, *legacy.SHA1_SCHEMES))
    assert simple(made, policy=own).schemes[-2:] == legacy.SHA1_SCHEMES
    assert len(set(simple(made, policy=own).schemes)) == len(simple(made, policy=own).schemes)


def test_default_policy_promises_nothing_beside_a_tier() -> None:
    """It is what there is where none is named, so that naming it and naming none are one configuration."""
    made = tier(suites=(RSA_SHA,))
    assert simple(made, policy=policies.DEFAULT) == simple(made)
    same = policies.DEFAULT.replace(name="own")
    with pytest.raises(ConfigError, match="the policy own does not"):
        simple(made, policy=same)


# -- what follows from it ----------------------------------------------------------------------------------------------


def test_groups_follow_the_suites() -> None:
    assert simple(tier(suites=(RSA_SHA,))).groups == ()
    assert NamedGroup.ffdhe2048 in simple(tier(suites=legacy.DHE_SUITES)).groups
    assert not set(simple(tier(suites=legacy.ECDHE_CBC_SUITES)).groups) & set(legacy.FINITE_FIELDS)
    with pytest.raises(ConfigError, match="groups holds nothing for them"):
        simple(tier(suites=(*legacy.DHE_SUITES, *legacy.ECDHE_CBC_SUITES)), groups=("x25519",))
    with pytest.raises(ConfigError, match="X25519MLKEM768"):
        simple(tier(), groups=("X25519MLKEM768", "x25519"))


def test_sha1_signs_only_where_it_is_allowed() -> None:
    assert not set(simple(tier()).schemes) & set(legacy.SHA1_SCHEMES)
    assert set(legacy.SHA1_SCHEMES) <= set(simple(tier(sha1_signatures=True)).schemes)
    with pytest.raises(ConfigError):
        simple(tier(), schemes=("rsa_pkcs1_sha1",))


def test_replace_keeps_the_tier_and_may_end_it() -> None:
    config = simple(tier(suites=(RSA_SHA,)))
    changed = quiet(config.replace, alpn=("h2",))
    assert (changed.suites, changed.versions, changed.legacy) == (config.suites, config.versions, config.legacy)
    other = quiet(config.replace, legacy=tier(versions="1.1"))
    assert other.versions == (0x0302,)
    assert config.replace(legacy=None) == ClientConfig.simple(standing.trust())
    back = quiet(ClientConfig.simple(standing.trust()).replace, legacy=config.legacy)
    assert back == config


def test_configuration_with_the_tier_is_a_value() -> None:
    config = quiet(ClientConfig.encryption_only, danger.accept_any_peer, legacy=tier())
    assert quiet(pickle.loads, pickle.dumps(config)) == config
    assert hash(config) == hash(quiet(config.replace))


def test_sslv2_format_is_a_servers() -> None:
    """RFC 6176 3: clients MUST NOT send the SSL version 2.0 compatible CLIENT-HELLO message format."""
    with pytest.raises(ConfigError, match="clients never send"):
        simple(tier(accept_sslv2_hello=True))


def test_server_needs_an_identity_that_serves_a_suite() -> None:
    with pytest.raises(ConfigError, match=r"no identity serves any of Legacy\.suites, which need a key for RSA"):
        quiet(ServerConfig.simple, identity("p256"), legacy=tier(suites=legacy.RSA_SUITES))


@pytest.mark.parametrize(
    ("field", "value"),
    [("sha1_signatures", 1), ("require_encrypt_then_mac", "yes"), ("accept_sslv2_hello", None), ("versions", ())],
)
def test_settings_of_the_wrong_kind_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=field):
        Legacy(reason="a test", **{field: value})


def test_anything_but_a_legacy_is_refused() -> None:
    with pytest.raises(ConfigError, match="legacy is"):
        ClientConfig.simple(standing.trust(), legacy=True)  # type: ignore[arg-type]


async def _later(*given: Any) -> Any:
    raise AssertionError("never called")


class _SlowSigner:
    async def sign(self, scheme: int, data: bytes) -> bytes:
        raise AssertionError("never called")


def test_answers_that_must_be_awaited_are_refused() -> None:
    """The states of the tier wait for nobody."""
    slow = Identity.from_signer(identity().chain, _SlowSigner())
    cases: list[tuple[str, Any, dict[str, Any]]] = [
        ("authorize", simple, {"authorize": _later}),
        ("an identity", mutual, {"identity": slow}),
        ("resolver", serving, {"resolver": _later}),
        ("an identity", serving, {"names": {"other.example": slow}}),
        ("authorize", serving, {"authorize": _later, "client_auth": "required", "client_trust": standing.trust()}),
    ]
    for name, build, settings in cases:
        with pytest.raises(ConfigError, match=f"^{name} of this .*Config would have to be awaited") as caught:
            build(tier(), **settings)
        assert caught.value.code == "TLS-CONFIG-ASYNC"
    assert serving(tier(), resolver=lambda hello: None).resolver is not None


def mutual(made: Legacy, **settings: Any) -> ClientConfig:
    return quiet(ClientConfig.mutual, standing.trust(), legacy=made, **settings)


def serving(made: Legacy, **settings: Any) -> ServerConfig:
    return quiet(ServerConfig.simple, identity(), legacy=made, **settings)


@pytest.mark.parametrize("client_auth", ["required", "optional"])
def test_anonymous_suites_and_clients_that_are_asked_contradict_each_other(client_auth: str) -> None:
    """RFC 5246 7.4.4: an anonymous server asks nobody: it would let in clients that must show who they are."""
    mixed = tier(suites=(*legacy.ANONYMOUS_SUITES, *legacy.RSA_SUITES))
    with pytest.raises(ConfigError, match="clients are asked for a certificate"):
        quiet(
            ServerConfig.mutual,
            identity("rsa2048"),
            client_trust=standing.trust(),
            client_auth=client_auth,
            unauthenticated=danger.accept_any_peer,
            legacy=mixed,
        )


def test_lists_that_were_set_by_hand_outlive_a_renewed_tier() -> None:
    """Whoever renews the last day must not get more groups and schemes than before."""
    groups, schemes = ("secp384r1", "ffdhe4096"), ("ecdsa_secp384r1_sha384",)
    first = tier(versions="1.2", suites=(*legacy.DEFAULT_SUITES, *legacy.DHE_SUITES))
    config = quiet(ClientConfig.simple, standing.trust(), legacy=first, groups=groups, schemes=schemes)
    renewed = quiet(config.replace, legacy=first.replace(expires=date(2999, 1, 1)))
    assert (renewed.groups, renewed.schemes) == (config.groups, config.schemes)
    promised = policies.HARDENED.replace(name="own", versions=first.versions, suites=first.suites)
    again = quiet(config.replace, policy=promised)
    assert (again.groups, again.schemes) == (config.groups, config.schemes)
    usual = quiet(ClientConfig.simple, standing.trust(), legacy=first)
    shorter = quiet(usual.replace, legacy=tier(versions="1.2", suites=legacy.DEFAULT_SUITES))
    assert NamedGroup.ffdhe2048 in usual.groups
    assert NamedGroup.ffdhe2048 not in shorter.groups
