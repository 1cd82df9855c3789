"""What an audit would ask about: each thing that is unusual about a connection, with a code and what to do about it.

Red is what somebody could make use of now: nobody was authenticated, the keys are in a file, a signature can be forged.
Yellow is what will become that, or what only its owner can judge. A connection with the defaults between two ends in
order has no flag, so that a flag is worth a look.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from tlscore import danger
from tlscore.errors import escape
from tlscore.iana import ProtocolVersion
from tlscore.record import Record
from tlscore.version_settings import version_name

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.certs.summary import CertificateSummary
    from tlscore.config_base import Config
    from tlscore.handshake.outcome import Outcome
    from tlscore.legacy import Legacy
    from tlscore.suites import Suite

# A certificate is late with its renewal in the last third of its life, and within the last month at any rate: ACME
# clients renew at a third, and those of seven days are fine with three.
EXPIRY_DAYS: Final = 30
_EXPIRY_SHARE: Final = 3
_RSA_BITS: Final = 2048
_DAY_SECONDS: Final = 86_400


class Flag(Record):
    """Something about a connection that is worth a look."""

    code: str
    level: Literal["red", "yellow"]
    text: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        return self._as_dict()


def _red(code: str, text: str, remedy: str) -> Flag:
    return Flag(f"TLS-FLAG-{code}", "red", text, remedy)


def _yellow(code: str, text: str, remedy: str) -> Flag:
    return Flag(f"TLS-FLAG-{code}", "yellow", text, remedy)


def of_config(config: Config) -> list[Flag]:
    """What the configuration alone gives away, whatever the peer does."""
    found = list[Flag]()
    opted_out = getattr(config, "authentication", None) or getattr(config, "unauthenticated", None)
    if isinstance(opted_out, danger.AcceptAnyPeer):
        nobody = "nobody checks who the server is" if config.role == "client" else "no client can check who we are"
        text = f"{nobody}: danger.accept_any_peer (reason: {escape(opted_out.reason, 200) or 'none given'})"
        found.append(_red("NOT_VERIFIED", text, "configure trust and a name, or an identity"))
    elif isinstance(opted_out, danger.SkipNameCheck):
        text = f"whose certificate it is was not checked: danger.skip_name_check (reason: {escape(opted_out.reason)})"
        found.append(_red("NAME_NOT_CHECKED", text, "give the name: connection(name), or verify_as="))
    if config.key_log is not None:
        text = f"the keys are written to {escape(config.key_log, 200)}: who reads that file can read the connection"
        found.append(_red("KEY_LOG", text, "leave key_log out when the search is over"))
    if config.revocation.mode == "off" and not isinstance(opted_out, danger.AcceptAnyPeer):
        text = f"revocation is off (reason: {escape(config.revocation.reason, 200)})"
        found.append(_yellow("REVOCATION_OFF", text, "give Revocation.crl(...), or leave the default"))
    if config.certificate_policy.cn_fallback:
        text = "a common name may stand in for a subjectAltName (cn_fallback)"
        found.append(_yellow("CN_FALLBACK", text, "issue certificates with a subjectAltName, and leave it out"))
    if config.legacy is not None:
        found.append(_of_tier(config.legacy))
    return found


def _of_tier(tier: Legacy) -> Flag:
    until = f"until {tier.expires.isoformat()}" if tier.expires is not None else "without an end"
    text = f"the legacy tier is in use {until} (reason: {escape(tier.reason, 200)})"
    return _yellow("LEGACY", text, "update the peer, and leave legacy out" if tier.expires else "set its expires")


def of_outcome(outcome: Outcome, suite: Suite, old_version: bool) -> list[Flag]:
    """What was agreed."""
    found = list[Flag]()
    if outcome.version < ProtocolVersion.TLS12:
        # RFC 8996 4 and 5: TLS 1.0 and TLS 1.1 "MUST NOT be used".
        text = f"{version_name(outcome.version)} must not be used any more: its hashes and its records are too weak"
        found.append(_red("OLD_VERSION", text, "update the peer to TLS 1.2 at least"))
    if suite.missing:
        text = f"{suite.name} gives no {' and no '.join(suite.missing)}"
        found.append(_red("SUITE_INCOMPLETE", text, "allow suites of the default policy alone"))
    if suite.status in ("legacy", "never"):
        found.append(_red("SUITE_WEAK", f"{suite.name}: {suite.why}", "update the peer, and leave the suite out"))
    if not suite.forward_secret:
        text = f"{suite.name}: who gets the server's key later can read what was recorded today"
        found.append(_red("NO_FORWARD_SECRECY", text, "use suites with ECDHE"))
    if not outcome.extended:
        text = "without the extended main secret, two connections can be made to share their keys (RFC 7627)"
        found.append(_red("NO_EXTENDED_MAIN_SECRET", text, "update the peer; leave require_extended_main_secret on"))
    if old_version:
        text = "the certificates were sent in the clear, as always before TLS 1.3"
        found.append(_yellow("CLEAR_CERTIFICATES", text, "allow TLS 1.3 at both ends"))
    return found


def of_certificates(who: str, chain: tuple[CertificateSummary, ...], now: datetime) -> list[Flag]:
    """Dates, keys and hashes of what one end showed; nobody checks the signature of a root."""
    found = list[Flag]()
    for number, one in enumerate(chain, 1):
        place = f"{who} certificate" + (f" {number} ({escape(one.subject, 80)})" if number > 1 else "")
        left = one.days_to_expiry(now)
        lifetime = (one.not_after - one.not_before).total_seconds() / _DAY_SECONDS
        if left < 0:
            found.append(_red("EXPIRED", f"{place} expired {-left:.1f} days ago", "renew it"))
        elif left < min(EXPIRY_DAYS, lifetime / _EXPIRY_SHARE):
            found.append(_yellow("EXPIRES", f"{place} expires in {left:.1f} days", "renew it"))
        if one.bits is not None and one.bits < _RSA_BITS:
            found.append(_red("WEAK_KEY", f"{place} has a key of {one.bits} bits", f"use {_RSA_BITS} bits or more"))
        if "SHA1" in one.signature and not one.self_issued:
            text = f"{place} is signed with SHA-1, which can be forged"
            found.append(_red("WEAK_HASH", text, "have it issued again with SHA-256"))
    return found


def of_own_end(identity: Identity | None, confirmed: bool | None, diagnostic: str | None) -> list[Flag]:
    """What is doubtful about how we showed ourselves."""
    found = list[Flag]()
    if identity is not None and identity.exposed is not None:
        found.append(_yellow("EXPOSED_KEY", identity.exposed, "chmod 600"))
    if confirmed is False:
        text = "the server has not shown yet that it took our certificate"
        found.append(_yellow("NOT_CONFIRMED", text, "read from it, or use confirm_client_auth=True"))
    if diagnostic is not None:
        found.append(_yellow("CLIENT_CERTIFICATE", escape(diagnostic), "give an identity that fits the request"))
    return found


def in_order(flags: list[Flag]) -> tuple[Flag, ...]:
    """The worst first."""
    return tuple(sorted(flags, key=lambda flag: flag.level != "red"))
