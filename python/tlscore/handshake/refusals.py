"""What a server says of a ClientHello of which it can select nothing: both lists, and the one change that would help.

The change is concrete: a suite, group or scheme by name that one of the two ends could add, secure ones first, out of
what this library has. It is one after which the two connect, by the rules that select, as far as the ClientHello and
our identities show; where no single one is, the text says so ("that alone does not help"). What two ends share before
the filters (version, kind of key) is named too. Loaded by the first refusal; nothing here selects.

A ClientHello may list thousands of codes, and everything here looks for codes in its lists. So they are cut once to
what has a name, and only the first dozen codes of the list as it came become text: a refusal costs no more than a
selection.

    ours A B   theirs C D      "enable A at the client, or add C to suites of this server"
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

from tlscore.errors import HandshakeFailure
from tlscore.handshake.certificate_auth import choose_scheme
from tlscore.handshake.negotiation import Offer, listed, listed_suites, unwanted_sha1
from tlscore.handshake.negotiation12 import Offer12, curve_fits, scheme_for
from tlscore.iana import SUITES12, CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme, is_grease
from tlscore.policies import IMPLEMENTED_GROUPS, IMPLEMENTED_SCHEMES, IMPLEMENTED_SUITES
from tlscore.version_lists import usable

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.config import ServerConfig
    from tlscore.handshake.plans import ServerPlan

AnyOffer = TypeVar("AnyOffer", bound=Offer)
Helps = Callable[[int], bool]

TLS12, TLS13 = ProtocolVersion.TLS12, ProtocolVersion.TLS13
_SECTIONS: Final[dict[int, dict[str, str]]] = {
    TLS13: {"suites": "RFC 9846 4.2.1", "groups": "RFC 9846 4.2.1", "schemes": "RFC 9846 4.5.1.2"},
    TLS12: {"suites": "RFC 5246 7.4.1.3", "groups": "RFC 8422 4", "schemes": "RFC 5246 7.4.1.4.1"},
}
# What else to look at where no single change helps.
_ALSO: Final = {
    (TLS13, "suites"): "groups and schemes",
    (TLS12, "suites"): "groups and schemes",
    (TLS13, "groups"): "schemes",
    (TLS12, "groups"): "suites, schemes and the curve of our key",
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
# The curves that keys of certificates are on, with the scheme of each in TLS 1.3; in TLS 1.2 each signs with all three.
KEY_CURVES: Final = {
    "secp256r1": SignatureScheme.ecdsa_secp256r1_sha256,
    "secp384r1": SignatureScheme.ecdsa_secp384r1_sha384,
    "secp521r1": SignatureScheme.ecdsa_secp521r1_sha512,
}
# RFC 7919 4: the codepoints of finite fields say something of a client, also those that nobody knows yet.
_NAMED_GROUPS: Final = frozenset((*NamedGroup.codes(), *range(256, 512)))
_NAMED_SCHEMES: Final = frozenset(SignatureScheme.codes())
_GREASE: Final = frozenset(filter(is_grease, range(0x0A0A, 0x10000, 0x1010)))


def named_part(offer: AnyOffer) -> AnyOffer:
    """The same offer with the codes alone that have a name, each of them once."""
    schemes = _only(offer.schemes, _NAMED_SCHEMES)
    one_list = offer.cert_schemes is offer.schemes
    return offer.replace(
        suites=_only(offer.suites, _suites_of(None)),
        groups=_only(offer.groups, _NAMED_GROUPS),
        schemes=schemes,
        cert_schemes=schemes if one_list else _only(offer.cert_schemes, _NAMED_SCHEMES),
    )


def _only(codes: Sequence[int], named: frozenset[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys([code for code in codes if code in named]))


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


def _remedy(
    field: str,
    name_of: Callable[[int], str],
    ours: Sequence[int],
    theirs: Sequence[int],
    version: int,
    helps: Helps,
) -> str:
    """The change that helps; where none alone does, the one that must be made in any case, and that it is not all."""
    implemented = IMPLEMENTED_SUITES if field == "suites" else IMPLEMENTED_GROUPS
    known = [code for code in implemented if usable(field, code, version)]
    change = one_change(field, name_of, ours, theirs, known, helps)
    if change:
        return change
    part = one_change(field, name_of, ours, theirs, known)
    return f"{part}; that alone does not help: compare {_ALSO[version, field]} too"


def offered_suites(theirs: Sequence[int], version: int) -> str:
    """The client's suites as text: those of a version, unless it has none of it."""
    from tlscore.suites import name_of

    codes = _suites_of(version)
    of_version = [code for code in theirs if code in codes]
    return listed(name_of, of_version or [code for code in theirs if code not in _GREASE])


@cache
def _suites_of(version: int | None) -> frozenset[int]:
    """The registered suites, or those that may be used in a version, whatever this library makes of them."""
    from tlscore.suites import all_suites

    return frozenset([one.code for one in all_suites() if version is None or one.usable_in(version)])


def _served_by(config: "ServerConfig", offer: Offer, serves: "Callable[[Identity, int], bool]") -> Helps:
    """Whether one of the identities for a client serves a code; unknown, and so taken for true, with a resolver."""
    identities = config.identities_for(offer.server_name) if config.resolver is None else ()
    if not identities:
        return lambda code: True
    return lambda code: any(serves(one, code) for one in identities)


def _signed_for(config: "ServerConfig", offer: Offer) -> Helps:
    """Whether one of our identities signs for a client of TLS 1.3, which its suite and its group say nothing about."""
    signed = _served_by(config, offer, lambda one, code: _signs13(config, offer, one))(0)
    return lambda code: signed


def _signs13(config: "ServerConfig", offer: Offer, identity: "Identity") -> bool:
    scheme = choose_scheme(identity.schemes, offer.schemes, config.schemes)
    return scheme is not None and not unwanted_sha1(identity, offer)


# -- suites ------------------------------------------------------------------------------------------------------------


def no_common_suite13(config: "ServerConfig", offer: Offer, ours: Sequence[int]) -> HandshakeFailure:
    """The error where no suite of TLS 1.3 is in both lists."""
    named = named_part(offer)
    remedy = _remedy("suites", CipherSuite.name_of, ours, named.suites, TLS13, _signed_for(config, named))
    return _no_common_suite(config, offer, named, TLS13, ours, remedy)


def no_common_suite12(plan: "ServerPlan", offer: Offer12) -> HandshakeFailure:
    """The error where no suite of TLS 1.2 is in both lists."""
    named, ours = named_part(offer), plan.suites12
    remedy = _remedy("suites", CipherSuite.name_of, ours, named.suites, TLS12, _useful(plan, named))
    return _no_common_suite(plan.config, offer, named, TLS12, ours, remedy)


def _no_common_suite(
    config: "ServerConfig", offer: Offer, named: Offer, version: int, ours: Sequence[int], remedy: str
) -> HandshakeFailure:
    others = [code for code in config.suites if code in named.suites]
    shared = f"; both have {listed_suites(others)}, of another version" if others else ""
    return HandshakeFailure(
        f"no common cipher suite{_for(version)}: the client offers {offered_suites(offer.suites, version)}; "
        f"we accept {listed_suites(ours)}{shared}",
        remedy=remedy + _besides(config, named, version) + _older_tier(named.suites),
        section=_SECTIONS[version]["suites"],
        code="TLS-NO_COMMON_SUITE",
    )


def _for(version: int) -> str:
    return " for TLS 1.2" if version == TLS12 else ""


def _useful(plan: "ServerPlan", offer: Offer12) -> Helps:
    """Whether a suite of TLS 1.2, were it in both lists, would be served by one of our identities."""
    return _served_by(plan.config, offer, lambda one, suite: scheme_for(plan, one, suite, offer) is not None)


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
    known = [code for code in IMPLEMENTED_GROUPS if usable("groups", code, version)]
    change = one_change("groups", NamedGroup.name_of, ours, offer.groups, known)
    return f"; besides, no group is common: {change}" if change else ""


# -- groups ------------------------------------------------------------------------------------------------------------


def no_common_group13(config: "ServerConfig", offer: Offer) -> HandshakeFailure:
    """The error where no group of TLS 1.3 is in both lists."""
    return _no_common_group(offer, TLS13, config.groups, _signed_for(config, named_part(offer)))


def no_common_group12(plan: "ServerPlan", offer: Offer12, ours: Sequence[int]) -> HandshakeFailure:
    """The error where no curve is in both lists: the change that helps gives the client the curve of our key too."""
    named = named_part(offer)
    common = [code for code in plan.suites12 if code in named.suites]

    def helps(group: int) -> bool:
        serves = _serving_with(plan, common, named, group)
        return _served_by(plan.config, named, lambda one, code: serves(one))(group)

    return _no_common_group(offer, TLS12, ours, helps)


def _serving_with(
    plan: "ServerPlan", common: Sequence[int], offer: Offer12, group: int
) -> "Callable[[Identity], bool]":
    """Whether an identity would serve one of the common suites, had the client one group more."""
    more = offer.replace(groups=(*offer.groups, group))
    # A suite says no more of an identity than its kind.
    one_of_kind = {SUITES12[suite].authentication: suite for suite in common}.values()
    return lambda one: any(scheme_for(plan, one, suite, more) is not None for suite in one_of_kind)


def _no_common_group(offer: Offer, version: int, ours: Sequence[int], helps: Helps) -> HandshakeFailure:
    theirs = _only(offer.groups, _NAMED_GROUPS)
    return HandshakeFailure(
        f"no common group{_for(version)}: the client offers {listed(NamedGroup.name_of, offer.groups)}; "
        f"we accept {listed(NamedGroup.name_of, ours)}",
        remedy=_remedy("groups", NamedGroup.name_of, ours, theirs, version, helps),
        section=_SECTIONS[version]["groups"],
        code="TLS-NO_COMMON_GROUP",
    )


# -- identities of TLS 1.2 ---------------------------------------------------------------------------------------------


def no_identity12(
    plan: "ServerPlan", common: Sequence[int], candidates: "Sequence[Identity]", offer: Offer12
) -> HandshakeFailure:
    """Why no identity serves one of the common suites, and what would help."""
    named = named_part(offer)
    needed = tuple(dict.fromkeys(SUITES12[suite].authentication for suite in common))
    of_kind = [one for one in candidates if one.kind in needed]
    if not of_kind:
        return _no_kind(plan, common, needed, candidates, named)
    fitting = [one for one in of_kind if curve_fits(one, named)]
    if not fitting:
        return _no_curve(plan, common, of_kind, offer, named)
    return no_common_scheme(plan.config, offer, TLS12, fitting)


def _no_kind(
    plan: "ServerPlan",
    common: Sequence[int],
    needed: Sequence[str],
    candidates: "Sequence[Identity]",
    offer: Offer12,
) -> HandshakeFailure:
    kinds = " or ".join(f"an {kind}" for kind in needed)
    changes = [_other_suite(plan, offer, candidates), another_key(plan.config, offer, TLS12)]
    return HandshakeFailure(
        f"{len(common)} common suite{'s' if len(common) > 1 else ''}, all need {kinds} certificate; "
        f"yours is {_kinds(candidates)}",
        remedy=", or ".join(filter(None, changes))
        or f"add an identity with {kinds} key to this server; that alone does not help: compare groups and schemes too",
        section="RFC 5246 7.4.2",
        code="TLS-NO_FITTING_CERTIFICATE",
    )


def _no_curve(
    plan: "ServerPlan", common: Sequence[int], of_kind: "Sequence[Identity]", offer: Offer12, named: Offer12
) -> HandshakeFailure:
    curves = tuple(dict.fromkeys(one.curve for one in of_kind))
    helping = [
        curve for curve in curves if any(map(_serving_with(plan, common, named, NamedGroup.code_of(curve)), of_kind))
    ]
    other = next((curve for curve in KEY_CURVES if NamedGroup.code_of(curve) in named.groups), "")
    return HandshakeFailure(
        f"our certificates are for keys on {', '.join(curves)}; the client knows "
        f"{listed(NamedGroup.name_of, offer.groups)}",
        remedy=f"enable {(helping or curves)[0]} at the client"
        + (f", or add an identity with a key on {other} to this server" if other else "")
        + ("" if helping else "; that alone does not help: compare schemes too"),
        section="RFC 5246 7.4.2",
        code="TLS-NO_FITTING_CERTIFICATE",
    )


def _other_suite(plan: "ServerPlan", offer: Offer12, candidates: "Sequence[Identity]") -> str:
    """The suite for our key that one end could add; empty where there is none."""
    change = one_change("suites", CipherSuite.name_of, plan.suites12, offer.suites, SUITES12, _useful(plan, offer))
    newer = TLS13 in plan.config.versions and any(_signs13(plan.config, offer, one) for one in candidates)
    return change or ("enable TLS 1.3 at the client" if newer else "")


def _kinds(candidates: "Sequence[Identity]") -> str:
    # One that may not sign has no scheme to be named by.
    return " and ".join(dict.fromkeys(_key(one.schemes[0]) if one.schemes else one.kind for one in candidates))


# -- schemes and keys --------------------------------------------------------------------------------------------------


def no_common_scheme(
    config: "ServerConfig", offer: Offer, version: int, candidates: "Sequence[Identity]"
) -> HandshakeFailure:
    """The error where no candidate can sign what the client verifies, or none whose chain it takes."""
    named, allowed = named_part(offer), config.schemes
    able = [one.schemes12 if version == TLS12 else one.schemes for one in candidates]
    keys = tuple(dict.fromkeys(scheme for schemes in able for scheme in schemes))
    ours = [code for code in keys if code in allowed]
    if any(code in named.schemes for code in ours):
        return _refused_chain(offer, version)
    # A scheme that our key has and the configuration leaves out is ours to add; one of another key needs that key.
    takes = [code for code in named.schemes if code in keys]
    changes = [one_change("schemes", SignatureScheme.name_of, ours, takes, IMPLEMENTED_SCHEMES)]
    if _forbidden(candidates):
        changes.insert(0, MAY_SIGN)
    if all(unwanted_sha1(one, named) for one in candidates):
        changes = [f"{' and '.join(filter(None, changes))} and {SIGNED_ANEW}"]
    if not takes:
        changes.append(another_key(config, named, version))
    return HandshakeFailure(
        f"no common signature scheme{_for(version)}: the client verifies "
        f"{listed(SignatureScheme.name_of, offer.schemes)}; our certificates can sign with "
        f"{listed(SignatureScheme.name_of, ours)}{_forbidden(candidates)}",
        remedy=", or ".join(filter(None, changes)) or "compare the schemes of both ends",
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
        if scheme not in offer.schemes or not usable("schemes", scheme, version):
            continue
        name = SignatureScheme.name_of(scheme)
        key: int | None = scheme
        if version == TLS12:
            # A suite says of which kind the key is, and the groups bound its curve.
            if ("RSA" if name.startswith("rsa") else "ECDSA") not in kinds:
                continue
            key = _on_a_curve_of(offer, scheme) if scheme in KEY_CURVES.values() else scheme
        if key is not None:
            return f"add an identity with an {_key(key)} key to this server"
    return ""


def _on_a_curve_of(offer: Offer, scheme: int) -> int | None:
    """A scheme by which to name an ECDSA key of TLS 1.2 whose curve a client knows: this one, or another."""
    known = [own for curve, own in KEY_CURVES.items() if NamedGroup.code_of(curve) in offer.groups]
    return scheme if scheme in known else next(iter(known), None)


def _key(scheme: int) -> str:
    """The kind of key that signs with a scheme, in words."""
    return _KEYS.get(scheme, "RSA")


def _refused_chain(offer: Offer, version: int) -> HandshakeFailure:
    return HandshakeFailure(
        "our certificate, or one of its chain, is signed with SHA-1, which the client does not take: it verifies "
        f"{listed(SignatureScheme.name_of, offer.cert_schemes)}",
        remedy=SIGNED_ANEW,
        section="RFC 9846 4.5.1.2" if version == TLS13 else "RFC 5246 7.4.2",
        code="TLS-NO_COMMON_SCHEME",
    )
