"""What a server of the legacy tier makes of a ClientHello: the version by number, then suite, group and identity.

A suite of the tier says how keys are exchanged, who signs, and how records are protected, so it decides about group and
identity, and each suite is tried in order of preference until one can be served. Every failure names what the client
offers and what this server has.
"""

from typing import TYPE_CHECKING, ClassVar

from tlscore.handshake.legacy_exchange import own_scheme
from tlscore.handshake.legacy_plans import LegacyServerPlan, is_cbc
from tlscore.handshake.negotiation import (
    candidates_for,
    prefer,
    select_alpn,
    unwanted_sha1,
)
from tlscore.handshake.negotiation12 import Offer12
from tlscore.handshake.version_choice import refuse_fallback, refused_versions
from tlscore.iana import NamedGroup
from tlscore.legacy import FINITE_FIELDS, SHA1_SCHEMES
from tlscore.pending import at_once
from tlscore.record import Record
from tlscore.version_lists import CURVES
from tlscore.versions import server_answer
from tlscore.wire import ClientHello, EncryptThenMac, SignatureAlgorithms, SupportedVersions

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.suites import Suite

# RFC 7919 4: the codepoints of finite-field groups, also of those that nobody knows yet.
_FINITE_FIELD_CODES = frozenset(range(256, 512))


class LegacySelection(Record):
    """What a server selects. `group` is 0 for RSA; `identity` None for anonymous suites, `scheme` 0 where nothing is
    signed."""

    share_at: ClassVar[None] = None  # a ClientHello of these versions has no shares

    suite: "Suite"
    group: int
    alpn: bytes | None
    identity: "Identity | None"
    scheme: int
    name_used: bool
    encrypt_then_mac: bool


def select_version(hello: ClientHello, plan: LegacyServerPlan) -> int:
    """The newest version that both ends accept: from the client's list where it has one, by its number else.

    Raises:   ProtocolVersionError, ForbiddenProtocol, naming both lists; InappropriateFallback.
    """
    listed_ones = hello.extensions.get(SupportedVersions)
    offered = listed_ones.versions if listed_ones is not None else (hello.legacy_version,)
    refuse_fallback(hello, hello.legacy_version, plan.config.versions[0])
    version = server_answer(plan.setting, offered, "extension" if listed_ones is not None else "number")
    if version is None:
        raise refused_versions(offered, plan.config.versions)
    return version


def verifiable(offer: Offer12, hello: ClientHello) -> tuple[int, ...]:
    """The schemes that a client of TLS 1.2 verifies."""
    # RFC 5246 7.4.1.4.1: a client that sends no list means SHA-1, with the algorithm of the suite.
    return offer.schemes if SignatureAlgorithms in hello.extensions else SHA1_SCHEMES


def select(plan: LegacyServerPlan, offer: Offer12, version: int, hello: ClientHello, raw: bytes) -> LegacySelection:
    """Every choice; nothing is computed or signed before all of them stand.

    Takes:    hello, raw: the ClientHello, for a resolver.
    """
    config = plan.config
    ours, theirs = tuple(plan.parts), offer.suites
    first, second = (ours, theirs) if config.prefer == "server" else (theirs, ours)
    common = [plan.parts[code] for code in first if code in second and code in plan.parts]
    # Clients that are asked who they are get no suite with which nobody says it.
    usable = [one for one in common if one.usable_in(version) and not (plan.asks and one.authentication == "anon")]
    if not usable:
        from tlscore.handshake.legacy_refusals import no_common_suite

        raise no_common_suite(plan, offer, version, hello)
    alpn = select_alpn(config, plan.alpn, offer)
    named = config.resolver is not None or any(one.authentication != "anon" for one in usable)
    candidates = at_once(candidates_for(config, offer, hello, raw, tls12=True)) if named else ()
    sealed_first = EncryptThenMac in hello.extensions
    # Dozens of suites share three key exchanges, and each of these looks through the client's groups.
    exchanges = {one.key_exchange: one for one in usable}
    groups = {name: group_for(plan, offer, one) for name, one in exchanges.items()}
    for suite in usable:
        group = groups[suite.key_exchange]
        if group is None or (is_cbc(suite) and not sealed_first and plan.tier.require_encrypt_then_mac):
            continue
        found = identity_for(plan, candidates, suite, version, offer, hello)
        if found is not None:
            identity, scheme = found
            return LegacySelection(
                suite, group, alpn, identity, scheme, _name_used(plan, identity, offer), sealed_first and is_cbc(suite)
            )
    from tlscore.handshake.legacy_refusals import nothing_serves

    raise nothing_serves(plan, usable, candidates, version, offer, hello)


def group_for(plan: LegacyServerPlan, offer: Offer12, suite: "Suite") -> int | None:
    """The group for a suite: 0 where it needs none, None where there is no common one."""
    if suite.key_exchange == "RSA":
        return 0
    fields = CURVES if suite.key_exchange == "ECDHE" else FINITE_FIELDS
    ours = tuple([code for code in plan.config.groups if code in fields])
    if suite.key_exchange == "DHE" and not lists_fields(offer):
        # RFC 7919 4, on clients that list no finite field: the server "MAY select an FFDHE cipher suite and offer an
        # FFDHE group of its choice to the client".
        return ours[0]
    first, second = (ours, offer.groups) if plan.config.prefer == "server" else (offer.groups, ours)
    return prefer(first, second)


def lists_fields(offer: Offer12) -> bool:
    """Whether a client names finite fields."""
    # RFC 7919 4: "any codepoint between 256 and 511, inclusive, even if unknown to the server".
    return not _FINITE_FIELD_CODES.isdisjoint(offer.groups)


def identity_for(
    plan: LegacyServerPlan,
    candidates: "tuple[Identity, ...]",
    suite: "Suite",
    version: int,
    offer: Offer12,
    hello: ClientHello,
) -> "tuple[Identity | None, int] | None":
    """Who we are under a suite, and the scheme to sign with (0 where nothing is signed); None where nobody serves."""
    if suite.authentication == "anon":
        return None, 0
    for one in candidates:
        if one.kind != suite.authentication:
            continue
        # A client that lists no schemes, as before TLS 1.2, verifies SHA-1.
        if SignatureAlgorithms in hello.extensions and unwanted_sha1(one, offer):
            continue
        if suite.key_exchange == "RSA":
            if plan.decryptor(one) is not None:
                return one, 0
            continue
        # RFC 8422 5.1: the curve of the certificate is one of the client's.
        if one.curve and NamedGroup.code_of(one.curve) not in offer.groups:
            continue
        scheme = own_scheme(one, version, verifiable(offer, hello), plan.config.schemes)
        if scheme is not None:
            return one, scheme
    return None


def _name_used(plan: LegacyServerPlan, identity: "Identity | None", offer: Offer12) -> bool:
    name = offer.server_name
    if name is None or identity is None:
        return False
    return bool(plan.config.names) or plan.config.resolver is not None or identity.matches_name(name)
