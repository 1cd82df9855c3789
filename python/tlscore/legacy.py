"""The legacy tier: TLS as it was before 2018, for peers that cannot be replaced yet, and for no others.

`Legacy` names what is allowed (versions, suites, SHA-1), why, and until when; given as `legacy=` it makes a client or
server configuration of that tier alone. TLS 1.3 is never in it: RFC 9846 C.3 wants the old algorithms removed from all
configurations that support TLS 1.3, so who needs both runs two. Every such configuration warns, or is refused where
TLSCORE_FORBID_DANGEROUS is set; after the day of `expires` it neither builds nor connects. What is broken beyond repair
(SSL, RC4, EXPORT, 3DES, MD5 signatures) is in no build.

    ClientConfig.simple(trust, legacy=Legacy(reason="press 4 speaks TLS 1.1", versions=("1.1",), suites=RSA_SUITES))
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Final

from tlscore import clocks, danger, defaults, policies, settings
from tlscore.errors import ConfigError, escape, unknown_keyword
from tlscore.iana import SUITES12, CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme
from tlscore.pending import asynchronous
from tlscore.policies import Policy
from tlscore.record import Record
from tlscore.version_lists import CURVES, fitting
from tlscore.version_settings import TLS10, TLS11, TLS12, version_code, version_name

if TYPE_CHECKING:
    from tlscore.suites import Suite

VERSIONS: Final = (TLS12, TLS11, TLS10)
# RFC 7919: groups of 2048 bits and more, by name.
FINITE_FIELDS: Final = (
    NamedGroup.ffdhe2048,
    NamedGroup.ffdhe3072,
    NamedGroup.ffdhe4096,
    NamedGroup.ffdhe6144,
    NamedGroup.ffdhe8192,
)
SHA1_SCHEMES: Final = (SignatureScheme.ecdsa_sha1, SignatureScheme.rsa_pkcs1_sha1)

_CBC: Final = ("AES_128_CBC_SHA", "AES_256_CBC_SHA")
_CBC_SHA256: Final = ("AES_128_CBC_SHA256", "AES_256_CBC_SHA256")
_GCM: Final = ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384")

#: ECDHE with CBC: forward secrecy, and records that need encrypt_then_mac or constant time.
ECDHE_CBC_SUITES: Final = tuple(
    f"TLS_ECDHE_{key}_WITH_{encryption}"
    for encryption in ("AES_128_CBC_SHA256", "AES_256_CBC_SHA384", *_CBC)
    for key in ("ECDSA", "RSA")
)
#: RSA key exchange: no forward secrecy; only for peers that have nothing else.
RSA_SUITES: Final = tuple(f"TLS_RSA_WITH_{encryption}" for encryption in (*_GCM, *_CBC_SHA256, *_CBC))
#: Finite-field Diffie-Hellman, in named groups of 2048 bits and more.
DHE_SUITES: Final = tuple(
    f"TLS_DHE_RSA_WITH_{encryption}" for encryption in (*_GCM, "CHACHA20_POLY1305_SHA256", *_CBC_SHA256, *_CBC)
)
#: Nobody is authenticated: only for `encryption_only` configurations.
ANONYMOUS_SUITES: Final = (
    *(f"TLS_DH_anon_WITH_{encryption}" for encryption in _GCM),
    *(f"TLS_ECDH_anon_WITH_{encryption}" for encryption in _CBC),
    *(f"TLS_DH_anon_WITH_{encryption}" for encryption in (*_CBC_SHA256, *_CBC)),
)
#: Nothing is encrypted: only beside danger.no_encryption(reason), to look at what two ends say.
NULL_SUITES: Final = (
    "TLS_ECDHE_ECDSA_WITH_NULL_SHA",
    "TLS_ECDHE_RSA_WITH_NULL_SHA",
    "TLS_RSA_WITH_NULL_SHA256",
    "TLS_RSA_WITH_NULL_SHA",
)
#: What is offered where no suites are named: the default suites of TLS 1.2, then ECDHE with CBC.
DEFAULT_SUITES: Final = (
    *(CipherSuite.name_of(code) for code in defaults.SUITES if code in SUITES12),
    *ECDHE_CBC_SUITES,
)


class LegacyTlsWarning(UserWarning):
    """A configuration of the legacy tier was built."""


class Legacy(Record, kw_only=True):
    """What of the past a configuration allows.

    Takes:    reason: why, for audits. versions: of "1.2", "1.1" and "1.0", those that are allowed. suites: IANA names
              in order of preference; the tuples of this module name them by kind. expires: the last day on which the
              configuration works, or the exact time (in UTC where it names no zone). sha1_signatures: whether TLS 1.2
              may sign with SHA-1 (older versions know nothing else). require_encrypt_then_mac: refuse CBC suites
              without RFC 7366, which is offered with them in any case. accept_sslv2_hello: servers: take a ClientHello
              in the format of SSLv2. no_encryption: danger.no_encryption(reason), which the NULL suites need.
    Raises:   ConfigError, saying what to write instead.
    """

    reason: str
    versions: tuple[int, ...]
    suites: tuple[int, ...]
    expires: date | None
    sha1_signatures: bool
    require_encrypt_then_mac: bool
    accept_sslv2_hello: bool
    no_encryption: danger.NoEncryption | None

    def __init__(
        self,
        *,
        reason: str,
        versions: str | tuple[str | int, ...] | list[str | int] = "1.2",
        suites: tuple[str | int, ...] | list[str | int] = DEFAULT_SUITES,
        expires: date | None = None,
        sha1_signatures: bool = False,
        require_encrypt_then_mac: bool = False,
        accept_sslv2_hello: bool = False,
        no_encryption: danger.NoEncryption | None = None,
    ) -> None:
        if not isinstance(reason, str) or not reason.strip():
            raise ConfigError(
                "the legacy tier got no reason",
                remedy='say why, for audits: Legacy(reason="...", ...)',
                code="TLS-CONFIG-DANGEROUS",
            )
        if expires is not None and not isinstance(expires, date):
            raise ConfigError(f"expires is {type(expires).__name__}", remedy="give datetime.date(...)")
        if no_encryption is not None:
            settings.instance("no_encryption", no_encryption, danger.NoEncryption, "use danger.no_encryption(reason)")
        allowed = _versions(versions)
        super().__init__(
            reason=reason,
            versions=allowed,
            suites=_suites(suites, allowed, no_encryption is not None),
            expires=expires,
            sha1_signatures=settings.flag("sha1_signatures", sha1_signatures),
            require_encrypt_then_mac=settings.flag("require_encrypt_then_mac", require_encrypt_then_mac),
            accept_sslv2_hello=settings.flag("accept_sslv2_hello", accept_sslv2_hello),
            no_encryption=no_encryption,
        )

    @property
    def end(self) -> datetime | None:
        """The moment at which it expires; None for never."""
        if self.expires is None:
            return None
        if isinstance(self.expires, datetime):
            return clocks.aware(self.expires)
        return datetime.combine(self.expires, time.max, UTC)

    def check_expiry(self, clock: Callable[[], datetime] | None) -> None:
        """Refuse to work after the last day.

        Takes:    clock: the configuration's; the system's where there is none.
        Raises:   ConfigError, also where the clock gives no time to compare: what cannot be told to be in time is not.
        """
        end = self.end
        if end is not None and clocks.read(clock) > end:
            raise ConfigError(
                f"this legacy configuration expired at {end.isoformat()} (reason given: {self.reason})",
                remedy="bring the peer to TLS 1.2 with ECDHE and an AEAD, or decide again and set a new day",
                code="TLS-CONFIG-LEGACY_EXPIRED",
            )

    def parts(self) -> tuple[Suite, ...]:
        """The suites with their parts, in order of preference."""
        from tlscore.suites import suite

        return tuple([suite(code) for code in self.suites])


# -- settings ----------------------------------------------------------------------------------------------------------


def _versions(value: object) -> tuple[int, ...]:
    members = (value,) if isinstance(value, (str, int)) else tuple(value) if isinstance(value, (tuple, list)) else ()
    if not members:
        raise ConfigError("Legacy.versions is empty", remedy='give some of "1.2", "1.1", "1.0"')
    found = {version_code(one) for one in members}
    if ProtocolVersion.TLS13 in found:
        # RFC 9846 C.3: "Have you ensured that all support for SSL, RC4, EXPORT ciphers, and MD5 [...] is completely
        # removed from all possible configurations that support TLS 1.3 or later": the whole tier goes with them.
        raise ConfigError(
            "Legacy.versions names TLS 1.3, which is never in one configuration with the legacy tier",
            remedy="build two configurations, one of them without legacy",
            section="RFC 9846 C.3",
            code="TLS-CONFIG-CONTRADICTION",
        )
    for code in found:
        if code not in VERSIONS:
            raise ConfigError(
                f"Legacy.versions names {version_name(code)}, which must not be negotiated for any reason",
                remedy="bring the peer to TLS 1.0 at least, better to TLS 1.2",
                section="RFC 7568 3",
                code="TLS-CONFIG-FORBIDDEN_VERSION",
            )
    return tuple(sorted(found, reverse=True))


def _suites(value: object, versions: tuple[int, ...], unencrypted: bool) -> tuple[int, ...]:
    if isinstance(value, str) or not isinstance(value, (tuple, list)) or not value:
        raise ConfigError("Legacy.suites is no list of suites", remedy="give names, such as Legacy(suites=RSA_SUITES)")
    chosen = tuple(dict.fromkeys(_suite(one, unencrypted) for one in value))
    codes = tuple([one.code for one in chosen if any(one.usable_in(version) for version in versions)])
    for version in versions:
        if not any(one.usable_in(version) for one in chosen):
            raise ConfigError(
                f"{version_name(version)} is allowed, and Legacy.suites holds nothing that it could use",
                remedy="add suites with AES_128_CBC_SHA, or do without this version",
                code="TLS-CONFIG-NOT_AVAILABLE",
            )
    return codes


def _suite(which: object, unencrypted: bool) -> Suite:
    from tlscore import suites

    if not isinstance(which, (str, int)) or isinstance(which, bool):
        raise ConfigError(f"Legacy.suites holds {type(which).__name__}", remedy="give IANA names")
    try:
        found = suites.suite(which)
    except KeyError:
        raise unknown_keyword("the registry of cipher suites", f"{which:#06x}", IMPLEMENTED) from None
    if found.status == "never":
        raise ConfigError(
            f"Legacy.suites names {found.name}, which is never used: {found.why}",
            remedy="leave it out",
            code="TLS-CONFIG-FORBIDDEN_SUITE",
        )
    if found.name not in IMPLEMENTED:
        raise ConfigError(
            f"Legacy.suites names {found.name}, which the legacy tier does not have",
            remedy="choose from " + ", ".join(IMPLEMENTED),
            code="TLS-CONFIG-NOT_AVAILABLE",
        )
    if found.encryption == "NULL" and not unencrypted:
        raise ConfigError(
            f"Legacy.suites names {found.name}: {found.why}",
            remedy='say so: Legacy(no_encryption=danger.no_encryption("why"), ...)',
            code="TLS-CONFIG-DANGEROUS",
        )
    return found


def suites_for(cipher_string: str) -> tuple[str, ...]:
    """What an OpenSSL cipher string stands for in the tier: `Legacy(suites=suites_for("AES128-SHA:DHE+AES"), ...)`.

    Gives:    names in OpenSSL's order. Suites that authenticate nobody or encrypt nothing are never among them: those
              are named one by one.
    Raises:   ConfigError that marks the word it does not know, where nothing of the expansion is in the tier, and for a
              @SECLEVEL that asks for more than suites and than a configuration keeps anyway. What the lower levels say
              about old versions and SHA-1 is for `versions` and `sha1_signatures`.
    """
    from tlscore.security_levels import require_suites_alone
    from tlscore.suites import parse_cipher_string

    expansion = parse_cipher_string(cipher_string)
    require_suites_alone(expansion.security_level)
    found = tuple([one.name for one in expansion.permitted if one.name in IMPLEMENTED and not one.missing])
    if not found:
        raise ConfigError(
            f'of what "{escape(cipher_string, 200)}" stands for nothing is in the legacy tier',
            remedy="allow some of " + ", ".join(IMPLEMENTED[:6]) + " ...",
            code="TLS-CONFIG-CIPHER_STRING",
        )
    return found


#: Every suite of the tier by name.
IMPLEMENTED: Final = (
    *(info.name for info in SUITES12.values()),
    *ECDHE_CBC_SUITES,
    *RSA_SUITES,
    *DHE_SUITES,
    *ANONYMOUS_SUITES,
    *NULL_SUITES,
)


# -- what a configuration makes of it ----------------------------------------------------------------------------------


def policy_values(given: dict[str, Any], policy: Policy) -> dict[str, Any]:
    """Versions and suites of the tier, and what the policy has for them; for Config."""
    tier: Legacy = settings.instance("legacy", given["legacy"], Legacy, "give tlscore.legacy.Legacy(...)")
    _within(tier, policy)
    for field in ("versions", "suites"):
        if given[field] not in (None, getattr(tier, field)):
            raise ConfigError(
                f"{field} are given beside legacy, which names its own",
                remedy=f"give Legacy({field}=...), or leave legacy out",
                code="TLS-CONFIG-CONTRADICTION",
            )
    if given["key_shares"]:
        raise ConfigError("key_shares are given, and the legacy tier has no TLS 1.3", remedy="leave key_shares out")
    parts = tier.parts()
    return {
        "policy": policy,
        "versions": tier.versions,
        "suites": tier.suites,
        "groups": _groups(given["groups"], policy, parts),
        "schemes": _schemes(given["schemes"], policy, tier),
        "cert_schemes": policy.cert_schemes
        if given["cert_schemes"] is None
        else settings.codes(
            "cert_schemes",
            given["cert_schemes"],
            SignatureScheme,
            (*policies.IMPLEMENTED_CERT_SCHEMES, *SHA1_SCHEMES),
            empty=True,
        ),
        "key_shares": (),
    }


def _within(tier: Legacy, policy: Policy) -> None:
    """A policy that somebody names is a promise, which a tier does not widen in silence.

    The default policy is what there is where none is named: it promises nothing beside a tier.
    """
    if policy == policies.DEFAULT:
        return
    suites = [one.name for one in tier.parts() if one.code not in policy.suites]
    beyond = [version_name(code) for code in tier.versions if code not in policy.versions] + suites[:3]
    if len(suites) > 3:
        beyond.append(f"{len(suites) - 3} more suites")
    if tier.sha1_signatures and not set(SHA1_SCHEMES) <= set(policy.schemes):
        beyond.append("signatures with SHA-1")
    if beyond:
        raise ConfigError(
            f"Legacy allows {', '.join(beyond)}, and the policy {policy.name} does not",
            remedy="leave policy out: certificate_policy=, groups= and schemes= keep what it says about certificates "
            "and keys; or give a policy of your own that lists them: policy.replace(name=..., versions=..., "
            "suites=...)",
            code="TLS-CONFIG-CONTRADICTION",
        )


def usual_lists(tier: Legacy, policy: Policy) -> dict[str, tuple[int, ...]]:
    """The groups and schemes of the tier where none are given."""
    return {"groups": _groups(None, policy, tier.parts()), "schemes": _schemes(None, policy, tier)}


def _groups(value: object, policy: Policy, parts: tuple[Suite, ...]) -> tuple[int, ...]:
    """Curves and finite fields, as far as the suites use them."""
    uses = {one.key_exchange for one in parts}
    usable = (*CURVES,) * ("ECDHE" in uses) + FINITE_FIELDS * ("DHE" in uses)
    if not usable:
        return ()
    if value is None:
        chosen = fitting("groups", policy.groups, (TLS12,)) + FINITE_FIELDS[:3]
        groups = tuple([group for group in chosen if group in usable])
    else:
        groups = settings.codes("groups", value, NamedGroup, usable)
    for exchange, fields in (("ECDHE", CURVES), ("DHE", FINITE_FIELDS)):
        if exchange in uses and not any(group in fields for group in groups):
            raise ConfigError(
                f"Legacy.suites names suites with {exchange}, and groups holds nothing for them",
                remedy=f"add {NamedGroup.name_of(fields[0])} to groups, or leave those suites out",
                code="TLS-CONFIG-NOT_AVAILABLE",
            )
    return groups


def _schemes(value: object, policy: Policy, tier: Legacy) -> tuple[int, ...]:
    sha1 = SHA1_SCHEMES if tier.sha1_signatures else ()
    if value is None:
        return tuple(dict.fromkeys((*fitting("schemes", policy.schemes, (TLS12,)), *sha1)))
    known = fitting("schemes", policies.IMPLEMENTED_SCHEMES, (TLS12,)) + sha1
    return settings.codes("schemes", value, SignatureScheme, known)


def admit(values: dict[str, Any], owner: str) -> None:
    """The last check of a configuration of the tier: anonymous suites, answers, the day, the environment; then the
    warning."""
    tier: Legacy = values["legacy"]
    anonymous = [one.name for one in tier.parts() if one.authentication == "anon"]
    nobody = values.get("unauthenticated") or values.get("authentication")
    if anonymous and not isinstance(nobody, danger.AcceptAnyPeer):
        raise ConfigError(
            f"Legacy.suites names {anonymous[0]}, with which nobody is authenticated, and this {owner} says whom to "
            "expect",
            remedy=f"leave the anonymous suites out, or use {owner}.encryption_only(danger.accept_any_peer)",
            code="TLS-CONFIG-CONTRADICTION",
        )
    if anonymous and values.get("client_auth", "none") != "none":
        raise ConfigError(
            f"Legacy.suites names {anonymous[0]}, with which nobody is authenticated, and clients are asked for a "
            "certificate",
            remedy='leave the anonymous suites out, or client_auth="none"',
            section="RFC 5246 7.4.4",
            code="TLS-CONFIG-CONTRADICTION",
        )
    if tier.accept_sslv2_hello and owner == "ClientConfig":
        # RFC 6176 3: "TLS clients MUST NOT send the SSL version 2.0 compatible CLIENT-HELLO message format."
        raise ConfigError(
            "accept_sslv2_hello is a server's: clients never send that format",
            remedy="leave it out",
            section="RFC 6176 3",
            code="TLS-CONFIG-CONTRADICTION",
        )
    if values.get("hello_retry_cookie"):
        raise ConfigError(
            "hello_retry_cookie is on, and the legacy tier has no TLS 1.3",
            remedy="leave hello_retry_cookie out",
            code="TLS-CONFIG-CONTRADICTION",
        )
    slow = ", ".join(asynchronous(values))
    if slow:
        raise ConfigError(
            f"{slow} of this {owner} would have to be awaited, and the legacy tier waits for nobody",
            remedy="give functions and signers that answer at once, or leave legacy out",
            code="TLS-CONFIG-ASYNC",
        )
    tier.check_expiry(values["clock"])
    _announce(tier, owner)


def _announce(tier: Legacy, owner: str) -> None:
    import warnings

    names = ", ".join(map(version_name, tier.versions))
    what = f"{owner} with tlscore.legacy (reason given: {tier.reason})"
    danger.require_allowed(what, "leave legacy out, or unset the variable")
    if tier.no_encryption is not None:
        danger.announce(tier.no_encryption, owner)
    until = f" until {tier.expires.isoformat()}" if tier.expires is not None else ""
    warnings.warn(f"{what}: {names} and suites of the past are allowed{until}", LegacyTlsWarning, stacklevel=5)
