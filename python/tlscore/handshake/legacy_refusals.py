"""What a server of the legacy tier says of a ClientHello that it cannot serve: what each suite misses, and a change.

A suite of the tier can fail for the kind of our key, for a certificate that may not be encrypted to, for a group, for
the curve of our key, for a signature or for encrypt_then_mac. These are told apart, suite by suite, and the remedy is
that of the suite that misses least, the more secure one among equals. As in refusals.py, nothing here selects.
"""

from typing import TYPE_CHECKING

from tlscore import legacy
from tlscore.certs.legacy_signatures import exchange_problem
from tlscore.errors import HandshakeFailure
from tlscore.handshake import legacy_negotiation as rules
from tlscore.handshake.legacy_exchange import own_scheme
from tlscore.handshake.legacy_plans import LegacyServerPlan, is_cbc
from tlscore.handshake.negotiation import listed, listed_suites, unwanted_sha1
from tlscore.handshake.negotiation12 import Offer12
from tlscore.handshake.refusals import MAY_SIGN, SIGNED_ANEW, offered_suites, one_change
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
_KEY_CURVES = ("secp256r1", "secp384r1", "secp521r1")


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
    """A ClientHello that cannot be served, and what it met; `candidates` None where only a resolver knows them."""

    plan: LegacyServerPlan
    offer: Offer12
    version: int
    hello: ClientHello
    candidates: "tuple[Identity, ...] | None"

    def obstacles(self, one: "Suite") -> list[Obstacle]:
        """Everything that keeps a suite from being served, were it in both lists; empty where nothing does."""
        found = [self._sealing(one), self._group(one)]
        if one.authentication != "anon" and self.candidates is not None:
            fitting = [own for own in self.candidates if own.kind == one.authentication]
            found += [self._key(one)] if not fitting else [self._use(one, fitting), self._chain(fitting)]
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
            f"no common group: the client's are {listed(NamedGroup.name_of, theirs)}; ours are "
            f"{listed(NamedGroup.name_of, ours)}",
            self.group_change(of_kind),
        )

    def _key(self, one: "Suite") -> Obstacle:
        kinds = " and ".join(dict.fromkeys(own.kind or "none of TLS 1.2" for own in self.candidates or ())) or "none"
        return Obstacle(
            "TLS-NO_FITTING_CERTIFICATE",
            f"the certificate must be for an {one.authentication} key; ours is {kinds}",
            f"add an identity with an {one.authentication} key to this server",
        )

    def _use(self, one: "Suite", fitting: "list[Identity]") -> Obstacle | None:
        """Whether our keys may do what the exchange asks of them."""
        if one.key_exchange == "RSA":
            if any(self.plan.decryptor(own) is not None for own in fitting):
                return None
            return Obstacle(
                "TLS-NO_FITTING_CERTIFICATE",
                f"premaster secrets would be encrypted to our certificate, which {exchange_problem(fitting[0])}",
                "have the certificate issued with keyEncipherment in its keyUsage, for an RSA key in this process",
            )
        curves = [own.curve for own in fitting if own.curve]
        if len(curves) == len(fitting) and not any(NamedGroup.code_of(one) in self.offer.groups for one in curves):
            others = [curve for curve in _KEY_CURVES if NamedGroup.code_of(curve) in self.offer.groups]
            other = f", or add an identity with a key on {others[0]} to this server" if others else ""
            return Obstacle(
                "TLS-NO_FITTING_CERTIFICATE",
                f"our key is on {curves[0]}, which the client's groups lack",
                f"enable {curves[0]} at the client{other}",
            )
        return self._scheme(fitting)

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
            f"no common signature scheme: the client verifies {listed(SignatureScheme.name_of, theirs)}; our key signs "
            f"with {listed(SignatureScheme.name_of, ours)}",
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
    config, theirs = plan.config, offer.suites
    known = config.identities_for(offer.server_name) if config.resolver is None else None
    refused = Refused(plan, offer, version, hello, known)
    ours = [one.code for one in plan.parts.values() if one.usable_in(version)]
    others = [code for code in plan.parts if code in theirs and code not in ours]
    shared = f"; both have {listed_suites(others)}, of another version" if others else ""
    return HandshakeFailure(
        f"no common cipher suite for {version_name(version)}: the client offers {offered_suites(theirs, version)}; "
        f"we accept {listed_suites(ours)}{shared}",
        remedy=refused.suite_change() or "update the client: it offers no suite that this server could serve",
        section="RFC 5246 7.4.1.3",
        code="TLS-NO_COMMON_SUITE",
    )


def nothing_serves(refused: Refused, usable: "list[Suite]") -> HandshakeFailure:
    """Why no common suite can be served."""
    met = {one.name: refused.obstacles(one) for one in usable}
    by_text: dict[str, list[str]] = {}
    for name, found in met.items():
        by_text.setdefault("; ".join(one.text for one in found), []).append(name)
    # The suite that misses least, of equals the most secure one.
    best = min(usable, key=lambda one: (len(met[one.name]), _worse(one)))
    remedies = dict.fromkeys(one.remedy for one in met[best.name] if one.remedy)
    changes = " and ".join(remedies), refused.suite_change()
    return HandshakeFailure(
        "none of the common suites can be served: "
        + "; ".join(f"{_some(names)}: {text}" for text, names in by_text.items()),
        remedy=", or ".join(filter(None, changes)) or "update the client",
        section="RFC 5246 7.4.1.3",
        code=met[best.name][0].code,
    )
