"""What a server of the legacy tier says of a ClientHello that it cannot serve: what each suite misses, and a change.

A suite of the tier can fail for the kind of our key, for a certificate that may not be encrypted to, for a group, for
the curve of our key, for a signature or for encrypt_then_mac. These are told apart, suite by suite, and the remedy is
that of the suite that misses least, the more secure one among equals. As in refusals.py, nothing here selects.
"""

from typing import TYPE_CHECKING

from tlscore import legacy
from tlscore.certs.legacy_signatures import exchange_problem
from tlscore.errors import HandshakeFailure, InsufficientSecurity
from tlscore.handshake import legacy_negotiation as rules
from tlscore.handshake.legacy_exchange import own_scheme
from tlscore.handshake.legacy_plans import LegacyServerPlan, is_cbc
from tlscore.handshake.negotiation import listed, listed_suites, unwanted_sha1
from tlscore.handshake.negotiation12 import Offer12
from tlscore.handshake.refusals import KEY_CURVES, MAY_SIGN, SIGNED_ANEW, named_part, offered_suites, one_change
from tlscore.iana import NamedGroup, SignatureScheme
from tlscore.legacy import FINITE_FIELDS
from tlscore.policies import DEFAULT, IMPLEMENTED_SCHEMES
from tlscore.record import Record
from tlscore.suites import name_of, suite
from tlscore.version_lists import CURVES
from tlscore.version_settings import TLS12, version_name
from tlscore.wire import ClientHello, EncryptThenMac, SignatureAlgorithms

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.suites import Suite

_USUAL_CURVES = tuple(code for code in DEFAULT.groups if code in CURVES)


class Obstacle(Record):
    """What keeps a suite from being served: the code and what is said of it, and the remedy."""

    code: str
    text: str
    remedy: str


_NOBODY = Obstacle(
    "TLS-NO_FITTING_CERTIFICATE",
    "each of our identities misses something else: the curve, the scheme, or a chain without SHA-1",
    "add an identity that fits in every respect",
)


class Refused(Record):
    """A ClientHello that cannot be served, and what it met; `candidates` None where only a resolver knows them.

    `offer` has the codes alone that have a name, `groups` and `schemes` are the client's lists as text; `met` keeps the
    obstacles of suites that have all in common that matters to them.
    """

    plan: LegacyServerPlan
    offer: Offer12
    version: int
    hello: ClientHello
    candidates: "tuple[Identity, ...] | None"
    groups: str
    schemes: str
    met: dict[tuple[str, str, bool], list[Obstacle]]

    @classmethod
    def of(
        cls,
        plan: LegacyServerPlan,
        offer: Offer12,
        version: int,
        hello: ClientHello,
        candidates: "tuple[Identity, ...] | None",
    ) -> "Refused":
        """What is needed to explain the refusal of an offer; whatever its length, it is gone through once, here."""
        groups = listed(NamedGroup.name_of, offer.groups)
        schemes = listed(SignatureScheme.name_of, rules.verifiable(offer, hello))
        return cls(plan, named_part(offer), version, hello, candidates, groups, schemes, {})

    def obstacles(self, one: "Suite") -> list[Obstacle]:
        """Everything that keeps a suite from being served, were it in both lists; empty where nothing does."""
        like = one.key_exchange, one.authentication, is_cbc(one)
        if like not in self.met:
            self.met[like] = self._obstacles(one)
        return self.met[like]

    def _obstacles(self, one: "Suite") -> list[Obstacle]:
        found = [self._sealing(one), self._group(one)]
        if one.authentication != "anon" and self.candidates is not None:
            fitting = [own for own in self.candidates if own.kind == one.authentication]
            if not fitting:
                found += [self._key(one), *self._key_unknown(one)]
            elif one.key_exchange == "RSA":
                found += [self._decryption(fitting), self._chain(fitting)]
            else:
                found += [self._curve(fitting), self._scheme(fitting), self._chain(fitting)]
            if not any(found) and self._nobody(one):
                found.append(_NOBODY)
        return [obstacle for obstacle in found if obstacle is not None]

    def _nobody(self, one: "Suite") -> bool:
        """Whether no identity serves a suite, by the rule that selects."""
        candidates = self.candidates or ()
        return rules.identity_for(self.plan, candidates, one, self.version, self.offer, self.hello) is None

    def suite_change(self) -> str:
        """The suites that either end could add, each the most secure one that we could serve."""
        ours = [one.code for one in self.plan.parts.values() if one.usable_in(self.version)]
        known = sorted(map(suite, legacy.IMPLEMENTED), key=_worse)
        allowed = [one.code for one in known if not one.missing or one.code in ours]
        return one_change(
            "Legacy.suites",
            name_of,
            ours,
            self.offer.suites,
            allowed,
            lambda code: suite(code).usable_in(self.version) and not self.obstacles(suite(code)),
        )

    def nearest(self, usable: "list[Suite]") -> "Suite":
        """The suite that misses least, of equals the most secure one."""
        return min(usable, key=lambda one: (len(self.obstacles(one)), _worse(one)))

    def changes(self, usable: "list[Suite]") -> str:
        """What would have one of the common suites served, or another one."""
        remedies = list(dict.fromkeys(met.remedy for met in self.obstacles(self.nearest(usable)) if met.remedy))
        other = self.suite_change()
        if len(remedies) > 1:
            # One change that helps is better than two that are both needed.
            return other or "; besides, ".join(remedies)
        return ", or ".join(filter(None, (*remedies, other))) or "update the client"

    def fields_differ(self) -> bool:
        """Whether the client lists finite fields, and none of ours."""
        ours = self.plan.config.groups
        common = any(code in FINITE_FIELDS and code in ours for code in self.offer.groups)
        return rules.lists_fields(self.offer) and not common

    def group_change(self, known: "tuple[int, ...]") -> str:
        """The group that either end could add, of a kind."""
        ours = [code for code in self.plan.config.groups if code in known]
        return one_change("groups", NamedGroup.name_of, ours, self.offer.groups, known)

    # -- one obstacle each ---------------------------------------------------------------------------------------------

    def _sealing(self, one: "Suite") -> Obstacle | None:
        if not is_cbc(one) or EncryptThenMac in self.hello.extensions or not self.plan.tier.require_encrypt_then_mac:
            return None
        return Obstacle(
            "TLS-NO_ENCRYPT_THEN_MAC",
            "CBC, and the client does not offer encrypt_then_mac, which require_encrypt_then_mac asks for",
            "update the client (RFC 7366 is of 2014), or leave require_encrypt_then_mac out",
        )

    def _group(self, one: "Suite") -> Obstacle | None:
        if one.key_exchange == "RSA":
            return None
        theirs, of_kind = self.offer.groups, CURVES if one.key_exchange == "ECDHE" else FINITE_FIELDS
        ours = [code for code in self.plan.config.groups if code in of_kind]
        if ours and rules.group_for(self.plan, self.offer, one) is not None:
            return None
        # Groups come with the first suite that needs them, at this end and at the client's.
        if not ours and (of_kind is FINITE_FIELDS or any(code in theirs for code in _USUAL_CURVES)):
            return None
        return Obstacle(
            "TLS-NO_COMMON_GROUP",
            f"no common group: the client's are {self.groups}; ours are {listed(NamedGroup.name_of, ours)}",
            self.group_change(of_kind),
        )

    def _key(self, one: "Suite") -> Obstacle:
        kinds = " and ".join(dict.fromkeys(own.kind or "none of TLS 1.2" for own in self.candidates or ())) or "none"
        key, known = f"an {one.authentication} key", self._known_curves()
        if one.authentication == "ECDSA" and known and known[0] != "secp256r1":
            key = f"a key on {known[0]}"
        return Obstacle(
            "TLS-NO_FITTING_CERTIFICATE",
            f"the certificate must be for an {one.authentication} key; ours is {kinds}",
            f"add an identity with {key} to this server",
        )

    def _key_unknown(self, one: "Suite") -> "list[Obstacle | None]":
        """What would keep a key from being used that a suite asks for and that we have not."""
        kind = one.authentication
        found: list[Obstacle | None] = []
        if kind == "ECDSA" and not self._known_curves():
            text = "the client's groups have no curve of such a key"
            found.append(Obstacle("TLS-NO_FITTING_CERTIFICATE", text, "enable secp256r1 at the client"))
        if one.key_exchange == "RSA" or self.version < TLS12:
            return found
        theirs = rules.verifiable(self.offer, self.hello)
        names = [SignatureScheme.name_of(code) for code in self.plan.config.schemes if code in theirs]
        # The names of all RSA schemes begin with it.
        if not any(name.startswith("rsa") == (kind == "RSA") for name in names):
            text, remedy = (
                "the client verifies nothing that such a key signs",
                f"enable schemes of {kind} at the client",
            )
            found.append(Obstacle("TLS-NO_COMMON_SCHEME", text, remedy))
        return found

    def _known_curves(self) -> list[str]:
        return [curve for curve in KEY_CURVES if NamedGroup.code_of(curve) in self.offer.groups]

    def _decryption(self, fitting: "list[Identity]") -> Obstacle | None:
        if any(self.plan.decryptor(own) is not None for own in fitting):
            return None
        return Obstacle(
            "TLS-NO_FITTING_CERTIFICATE",
            f"premaster secrets would be encrypted to our certificate, which {exchange_problem(fitting[0])}",
            "have the certificate issued with keyEncipherment in its keyUsage, for an RSA key in this process",
        )

    def _curve(self, fitting: "list[Identity]") -> Obstacle | None:
        curves, known = [own.curve for own in fitting if own.curve], self._known_curves()
        if len(curves) < len(fitting) or any(curve in known for curve in curves):
            return None
        other = f", or add an identity with a key on {known[0]} to this server" if known else ""
        return Obstacle(
            "TLS-NO_FITTING_CERTIFICATE",
            f"our key is on {curves[0]}, which the client's groups lack",
            f"enable {curves[0]} at the client{other}",
        )

    def _scheme(self, fitting: "list[Identity]") -> Obstacle | None:
        allowed, theirs = self.plan.config.schemes, rules.verifiable(self.offer, self.hello)
        if any(own_scheme(own, self.version, theirs, allowed) is not None for own in fitting):
            return None
        if not any("digitalSignature" in own.uses for own in fitting):
            text = "our key would sign, and our certificate has a keyUsage without digitalSignature"
            return Obstacle("TLS-NO_FITTING_CERTIFICATE", text, MAY_SIGN)
        if self.version < TLS12:
            return Obstacle(
                "TLS-NO_FITTING_CERTIFICATE",
                "our key does not sign as this version asks: it is held by a signer, or of a kind that is younger",
                "load an identity with its ECDSA or RSA key into this server",
            )
        keys = [scheme for own in fitting for scheme in own.schemes12]
        ours = [scheme for scheme in dict.fromkeys(keys) if scheme in allowed]
        takes = [scheme for scheme in theirs if scheme in keys]
        change = one_change("schemes", SignatureScheme.name_of, ours, takes, IMPLEMENTED_SCHEMES)
        return Obstacle(
            "TLS-NO_COMMON_SCHEME",
            f"no common signature scheme: the client verifies {self.schemes}; our key signs with "
            f"{listed(SignatureScheme.name_of, ours)}",
            change,
        )

    def _chain(self, fitting: "list[Identity]") -> Obstacle | None:
        if SignatureAlgorithms not in self.hello.extensions:
            return None
        if not all(unwanted_sha1(own, self.offer) for own in fitting):
            return None
        text = "our certificate, or one of its chain, is signed with SHA-1, which the client does not take"
        return Obstacle("TLS-NO_FITTING_CERTIFICATE", text, SIGNED_ANEW)


def _worse(one: "Suite") -> tuple[bool, bool, bool]:
    """What sorts suites from the most secure to the least; equals keep their order."""
    return bool(one.missing), not one.forward_secret, not one.aead


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def no_common_suite(plan: LegacyServerPlan, offer: Offer12, version: int, hello: ClientHello) -> HandshakeFailure:
    """The error where no suite of the version is in both lists."""
    config = plan.config
    known = config.identities_for(offer.server_name) if config.resolver is None else None
    refused = Refused.of(plan, offer, version, hello, known)
    ours = [one.code for one in plan.parts.values() if one.usable_in(version)]
    others = [code for code in plan.parts if code in refused.offer.suites and code not in ours]
    shared = f"; both have {listed_suites(others)}, of another version" if others else ""
    return HandshakeFailure(
        f"no common cipher suite for {version_name(version)}: the client offers "
        f"{offered_suites(offer.suites, version)}; we accept {listed_suites(ours)}{shared}",
        remedy=refused.suite_change() or "update the client: it offers no suite that this server could serve",
        section="RFC 5246 7.4.1.3",
        code="TLS-NO_COMMON_SUITE",
    )


def nothing_serves(
    plan: LegacyServerPlan,
    usable: "list[Suite]",
    candidates: "tuple[Identity, ...]",
    version: int,
    offer: Offer12,
    hello: ClientHello,
) -> HandshakeFailure | InsufficientSecurity:
    """Why no common suite can be served."""
    refused = Refused.of(plan, offer, version, hello, candidates)
    if all(one.key_exchange == "DHE" for one in usable) and refused.fields_differ():
        # RFC 7919 4: "If the extension is present with FFDHE groups, none of the client's offered groups are acceptable
        # by the server, and none of the client's proposed non-FFDHE cipher suites are acceptable to the server, the
        # server MUST end the connection with a fatal TLS alert of type insufficient_security(71)."
        return InsufficientSecurity(
            f"no common finite-field group: the client offers {refused.groups}; "
            f"we accept {listed(NamedGroup.name_of, plan.config.groups)}",
            remedy=refused.changes(usable),
            section="RFC 7919 4",
            code="TLS-NO_COMMON_GROUP",
        )
    by_text: dict[str, list[str]] = {}
    for one in usable:
        by_text.setdefault("; ".join(met.text for met in refused.obstacles(one)), []).append(one.name)
    return HandshakeFailure(
        "none of the common suites can be served: "
        + "; ".join(f"{_some(names)}: {text}" for text, names in by_text.items()),
        remedy=refused.changes(usable),
        section="RFC 5246 7.4.1.3",
        code=refused.obstacles(refused.nearest(usable))[0].code,
    )
