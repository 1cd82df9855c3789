"""What a server says of a ClientHello of which it can select nothing: both lists, and the one change that would help.

The change is concrete: a suite, group or scheme by name that one of the two ends could add, secure ones first, out of
what this library has, and only what then connects as far as the ClientHello and our identities show. What two ends
share before the filters (version, kind of key) is named too. Loaded by the first refusal; nothing here selects.

    ours A B   theirs C D      "enable A at the client, or add C to suites of this server"
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from tlscore.errors import HandshakeFailure
from tlscore.handshake.negotiation import Offer, listed, listed_suites
from tlscore.iana import SUITES12, NamedGroup, ProtocolVersion, SignatureScheme, is_grease
from tlscore.policies import IMPLEMENTED_GROUPS, IMPLEMENTED_SCHEMES, IMPLEMENTED_SUITES
from tlscore.version_lists import usable

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.config import ServerConfig

Helps = Callable[[int], bool]

_SECTIONS: Final[dict[int, dict[str, str]]] = {
    ProtocolVersion.TLS13: {"suites": "RFC 9846 4.2.1", "groups": "RFC 9846 4.2.1", "schemes": "RFC 9846 4.5.1.2"},
    ProtocolVersion.TLS12: {"suites": "RFC 5246 7.4.1.3", "groups": "RFC 8422 4", "schemes": "RFC 5246 7.4.1.4.1"},
}
_KEYS: Final[dict[int, str]] = {
    SignatureScheme.ecdsa_secp256r1_sha256: "ECDSA P-256",
    SignatureScheme.ecdsa_secp384r1_sha384: "ECDSA P-384",
    SignatureScheme.ecdsa_secp521r1_sha512: "ECDSA P-521",
    SignatureScheme.ed25519: "Ed25519",
    SignatureScheme.ed448: "Ed448",
    SignatureScheme.rsa_pss_pss_sha256: "RSA-PSS",
    SignatureScheme.mldsa44: "ML-DSA-44",
    SignatureScheme.mldsa65: "ML-DSA-65",
    SignatureScheme.mldsa87: "ML-DSA-87",
}
MAY_SIGN: Final = "have our certificate issued with digitalSignature in its keyUsage"
SIGNED_ANEW: Final = "have our certificate issued anew, with signatures of SHA-256"


def one_change(
    field: str,
    name_of: Callable[[int], str],
    ours: Sequence[int],
    theirs: Sequence[int],
    known: Iterable[int],
    helps: Helps = lambda code: True,
) -> str:
    """What either end could add to its list; empty where nothing would help.

    Takes:    known: everything that the library has of the kind, what is best first; helps: whether a code that both
              ends had would be selected.
    """
    changes: dict[bool, str] = {}
    for code in known:
        is_ours = code in ours
        # One change for each end, the better one first.
        if is_ours != (code in theirs) and is_ours not in changes and helps(code):
            name = name_of(code)
            changes[is_ours] = f"enable {name} at the client" if is_ours else f"add {name} to {field} of this server"
    return ", or ".join(changes.values())


def offered_suites(theirs: Sequence[int], version: int) -> str:
    """The client's suites as text: those of a version, unless it has none of it."""
    from tlscore.suites import name_of

    of_version = [code for code in theirs if usable_in(code, version)]
    return listed(name_of, of_version or [code for code in theirs if not is_grease(code)])


def usable_in(code: int, version: int) -> bool:
    """Whether a registered suite may be used in a version, whatever this library makes of it."""
    from tlscore.suites import suite

    try:
        return suite(code).usable_in(version)
    except KeyError:
        return False


def served_by(config: "ServerConfig", offer: Offer, serves: "Callable[[Identity, int], bool]") -> Helps:
    """Whether one of the identities for a client serves a code; unknown, and so taken for true, with a resolver."""
    identities = config.identities_for(offer.server_name) if config.resolver is None else ()
    if not identities:
        return lambda code: True
    return lambda code: any(serves(one, code) for one in identities)


# -- suites ------------------------------------------------------------------------------------------------------------


def no_common_suite(
    config: "ServerConfig", offer: Offer, version: int, ours: Sequence[int], helps: Helps = lambda code: True
) -> HandshakeFailure:
    """The error where no suite of the version is in both lists."""
    from tlscore.suites import name_of

    theirs = offer.suites
    known = [code for code in IMPLEMENTED_SUITES if usable("suites", code, version)]
    remedy = one_change("suites", name_of, ours, theirs, known, helps)
    if not remedy:
        part = one_change("suites", name_of, ours, theirs, known)
        remedy = f"{part}; that alone does not help: compare groups and schemes too" if part else "update the client"
    others = [code for code in config.suites if code in theirs]
    shared = f"; both have {listed_suites(others)}, of another version" if others else ""
    named = " for TLS 1.2" if version == ProtocolVersion.TLS12 else ""
    return HandshakeFailure(
        f"no common cipher suite{named}: the client offers {offered_suites(theirs, version)}; "
        f"we accept {listed_suites(ours)}{shared}",
        remedy=remedy + _besides(config, offer, version) + _older_tier(theirs),
        section=_SECTIONS[version]["suites"],
        code="TLS-NO_COMMON_SUITE",
    )


def _older_tier(theirs: Sequence[int]) -> str:
    """Where a client belongs that has nothing of what a usual configuration may have; empty for others."""
    if any(code in IMPLEMENTED_SUITES for code in theirs):
        return ""
    from tlscore import legacy
    from tlscore.suites import suite

    names = [one for one in legacy.IMPLEMENTED if suite(one).code in theirs and not suite(one).missing]
    return (
        f"; a client that cannot be changed needs a configuration of tlscore.legacy, with {names[0]}" if names else ""
    )


def _besides(config: "ServerConfig", offer: Offer, version: int) -> str:
    """What more is missing, where a suite is not all."""
    ours = [code for code in config.groups if usable("groups", code, version)]
    if any(code in offer.groups for code in ours):
        return ""
    change = one_change("groups", NamedGroup.name_of, ours, offer.groups, _groups(version))
    return f"; besides, no group is common: {change}" if change else ""


# -- groups ------------------------------------------------------------------------------------------------------------


def no_common_group(
    offer: Offer, version: int, ours: Sequence[int], helps: Helps = lambda code: True
) -> HandshakeFailure:
    """The error where no group of the version is in both lists."""
    theirs = offer.groups
    remedy = one_change("groups", NamedGroup.name_of, ours, theirs, _groups(version), helps)
    named = " for TLS 1.2" if version == ProtocolVersion.TLS12 else ""
    return HandshakeFailure(
        f"no common group{named}: the client offers {listed(NamedGroup.name_of, theirs)}; "
        f"we accept {listed(NamedGroup.name_of, ours)}",
        remedy=remedy or "update the client: it has none of the groups that this library has",
        section=_SECTIONS[version]["groups"],
        code="TLS-NO_COMMON_GROUP",
    )


def _groups(version: int) -> list[int]:
    return [code for code in IMPLEMENTED_GROUPS if usable("groups", code, version)]


# -- schemes and keys --------------------------------------------------------------------------------------------------


def no_common_scheme(
    config: "ServerConfig",
    offer: Offer,
    version: int,
    candidates: "Sequence[Identity]",
    able: "Callable[[Identity], Sequence[int]]",
) -> HandshakeFailure:
    """The error where no candidate can sign what the client verifies, or none whose chain it takes.

    Takes:    able: what the key of an identity signs in this version.
    """
    theirs, allowed = offer.schemes, config.schemes
    keys = tuple(dict.fromkeys(scheme for one in candidates for scheme in able(one)))
    ours = [code for code in keys if code in allowed]
    named = " for TLS 1.2" if version == ProtocolVersion.TLS12 else ""
    if any(code in theirs for code in ours):
        return _refused_chain(offer, version)
    # A scheme that our key has and the configuration leaves out is ours to add; one of another key needs that key.
    takes = [code for code in theirs if code in keys]
    changes = one_change("schemes", SignatureScheme.name_of, ours, takes, IMPLEMENTED_SCHEMES)
    if _forbidden(candidates):
        changes = ", or ".join(filter(None, (MAY_SIGN, changes)))
    return HandshakeFailure(
        f"no common signature scheme{named}: the client verifies {listed(SignatureScheme.name_of, theirs)}; "
        f"our certificates can sign with {listed(SignatureScheme.name_of, ours)}{_forbidden(candidates)}",
        remedy=", or ".join(filter(None, (changes, "" if takes else another_key(config, offer, version))))
        or "update the client: it verifies no scheme that this library has",
        section=_SECTIONS[version]["schemes"],
        code="TLS-NO_COMMON_SCHEME",
    )


def _forbidden(candidates: "Sequence[Identity]") -> str:
    """What to say of identities whose certificates forbid their keys to sign; empty where there is none."""
    count = sum("digitalSignature" not in one.uses for one in candidates)
    return f" ({count} of {len(candidates)} may not sign: a keyUsage without digitalSignature)" if count else ""


def another_key(config: "ServerConfig", offer: Offer, version: int) -> str:
    """The identity that would serve a client, by what it verifies and by the common suites; empty where none would."""
    kinds = {SUITES12[code].authentication for code in config.suites if code in SUITES12 and code in offer.suites}
    for scheme in config.schemes:
        kind = "RSA" if SignatureScheme.name_of(scheme).startswith("rsa") else "ECDSA"
        # In TLS 1.2 a suite says of which kind the key is.
        served = version == ProtocolVersion.TLS13 or kind in kinds
        if scheme in offer.schemes and usable("schemes", scheme, version) and served:
            return f"add an identity with {key_for(scheme)} to this server"
    return ""


def key_for(scheme: int) -> str:
    """The kind of key that signs with a scheme, in words."""
    return f"an {_KEYS.get(scheme, 'RSA')} key"


def _refused_chain(offer: Offer, version: int) -> HandshakeFailure:
    return HandshakeFailure(
        "our certificate, or one of its chain, is signed with SHA-1, which the client does not take: it verifies "
        f"{listed(SignatureScheme.name_of, offer.cert_schemes)}",
        remedy=SIGNED_ANEW,
        section="RFC 9846 4.5.1.2" if version == ProtocolVersion.TLS13 else "RFC 5246 7.4.2",
        code="TLS-NO_COMMON_SCHEME",
    )
