"""Why a chain was refused: the walk that turns the verifier's one text into the right alert, cause and remedy.

It runs only after the verifier has refused, so it decides nothing but the explanation, and may take its time. It checks
the leaf, then climbs from issuer to issuer through what the peer sent and what is trusted, and reports the first thing
that is wrong, most telling first: validity, weak hashes, critical extensions, names, then the step at which the climb
stops. What the peer wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from tlscore import errors
from tlscore.certs import extension_rules, names
from tlscore.certs.names import DnsName, ServerName
from tlscore.certs.peer import PARSE_ERRORS, alternative_names, issuer_text, subject_text
from tlscore.errors import AlertError, escape

if TYPE_CHECKING:
    from tlscore.certs.extension_rules import Purpose
    from tlscore.certs.trust_store import TrustStore

_DEPTH = 8
_NAMES_SHOWN = 12
_WEAK_HASHES: Final = {"md2", "md4", "md5", "sha1"}
_KNOWN_CRITICAL: Final = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.NAME_CONSTRAINTS,
    ExtensionOID.CERTIFICATE_POLICIES,
}
# Signature algorithms of certificates that the verifier does not know, by OID.
_UNVERIFIABLE: Final = {"1.3.101.112": "Ed25519", "1.3.101.113": "Ed448"}


def explain(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    trust: TrustStore,
    name: ServerName | None,
    now: datetime,
    purpose: Purpose,
    verifier_text: str,
) -> AlertError:
    """The error for a chain that the verifier refused."""
    if extension_rules.budget_is_spent():
        return errors.BadCertificate(
            f"the {purpose}'s chain needs more than {extension_rules.SIGNATURE_CHECKS} signature checks",
            remedy="send the chain alone, without certificates that issue each other",
        )
    role = f"the {purpose}'s certificate"
    found = _validity(leaf, role, now) or _critical(leaf, role)
    if found is None and name is not None:
        found = _name_mismatch(leaf, name)
    # Each step may try several candidates; each of them is visited once.
    return found or _climb(leaf, others, trust, now, purpose, role) or _unexplained(role, verifier_text)


def _unexplained(role: str, verifier_text: str) -> AlertError:
    return errors.BadCertificate(
        f"{role} does not verify: {escape(verifier_text, 300)}",
        remedy="check the chain with `openssl verify -x509_strict`",
    )


def _shown(certificate: x509.Certificate) -> str:
    return escape(subject_text(certificate), 120) or "(no subject)"


def _validity(certificate: x509.Certificate, role: str, now: datetime) -> AlertError | None:
    moment = now if now.tzinfo is not None else now.replace(tzinfo=UTC)
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if start <= moment <= end:
        return None
    if moment > end:
        cause = f"{role} ({_shown(certificate)}) expired {_span(moment - end)} ago, on {end:%Y-%m-%d %H:%M} UTC"
    else:
        cause = (
            f"{role} ({_shown(certificate)}) becomes valid in {_span(start - moment)}, on {start:%Y-%m-%d %H:%M} UTC"
        )
    return errors.CertificateExpired(
        cause,
        remedy=f"renew it; if it should be valid, check the clock of this machine: {moment:%Y-%m-%d %H:%M} UTC",
        section="RFC 5280 6.1.3",
    )


def _span(delta: timedelta) -> str:
    if delta.days >= 2:
        return f"{delta.days} days"
    hours, rest = divmod(int(delta.total_seconds()), 3600)
    return f"{hours} hours" if hours >= 2 else f"{hours * 60 + rest // 60} minutes"


def _critical(certificate: x509.Certificate, role: str) -> AlertError | None:
    try:
        unknown = [
            one.oid.dotted_string for one in certificate.extensions if one.critical and one.oid not in _KNOWN_CRITICAL
        ]
    except PARSE_ERRORS as damage:
        return errors.BadCertificate(
            f"{role} has extensions that cannot be parsed: {escape(str(damage), 200)}", remedy="issue it anew"
        )
    if not unknown:
        return None
    # RFC 5280 4.2: "A certificate-using system MUST reject the certificate if it encounters a critical extension it
    # does not recognize"
    return errors.UnsupportedCertificate(
        f"{role} ({_shown(certificate)}) has critical extensions that nobody here knows: " + ", ".join(unknown[:8]),
        remedy="issue it without them, or not critical",
        section="RFC 5280 4.2",
    )


def _name_mismatch(leaf: x509.Certificate, name: ServerName) -> AlertError | None:
    san = alternative_names(leaf)
    presented = [str(value) for kind in (x509.DNSName, x509.IPAddress) for value in _of_kind(san, kind)]
    dns = [str(value).lower().rstrip(".") for value in _of_kind(san, x509.DNSName)]
    if isinstance(name, DnsName):
        if any(names.matches(pattern, name.text) for pattern in dns):
            return None
    elif name.text in map(str, _of_kind(san, x509.IPAddress)):
        return None
    return errors.BadCertificate(
        f"the server's certificate is not for {escape(name.text, 120)}; {_presented(leaf, presented)}",
        remedy=_name_remedy(leaf, name, presented, dns),
        section="RFC 9525 6.3",
        code="TLS-NAME_MISMATCH",
    )


def _of_kind(san: x509.SubjectAlternativeName | None, kind: Any) -> list[Any]:
    return san.get_values_for_type(kind) if san is not None else []


def _presented(leaf: x509.Certificate, presented: list[str]) -> str:
    if not presented:
        return f"it lists no name at all (subject {_shown(leaf)})"
    more = f" and {len(presented) - _NAMES_SHOWN} more" if len(presented) > _NAMES_SHOWN else ""
    return "it is for " + escape(", ".join(presented[:_NAMES_SHOWN]), 300) + more


def _name_remedy(leaf: x509.Certificate, name: ServerName, presented: list[str], dns: list[str]) -> str:
    common = [str(one.value).lower() for one in leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    if not presented and name.text in common:
        return (
            "the name stands in the CN only, which names nobody any more: issue the certificate with a subjectAltName"
        )
    if not isinstance(name, DnsName):
        return "connect by one of these names, or issue the certificate with this IP address in its subjectAltName"
    if any(pattern.startswith("*.") and name.text.endswith(pattern[1:]) for pattern in dns):
        return "a wildcard stands for one label only: issue the certificate for the full name"
    from difflib import get_close_matches

    near = get_close_matches(name.text, dns[:1000], 1, 0.6)
    hint = f"; the nearest is {escape(near[0], 100)}" if near else ""
    return f"connect by a name that it lists, or give verify_as=, or issue the certificate for this name{hint}"


def _climb(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    trust: TrustStore,
    now: datetime,
    purpose: Purpose,
    role: str,
) -> AlertError | None:
    """Go up from issuer to issuer; the error of the step where it ends."""
    current, anchors = leaf, trust.certificates
    visited = {leaf}
    for depth in range(_DEPTH + 1):
        found = _weak_hash(current, role if depth == 0 else f"certificate {_shown(current)}")
        if found is not None:
            return found
        candidates = [(one, True) for one in anchors if one.subject == current.issuer]
        candidates += [(one, False) for one in others if one.subject == current.issuer and one not in visited]
        if not candidates:
            return _no_issuer(current, leaf, others, role)
        problems: list[AlertError] = []
        above: x509.Certificate | None = None
        for issuer, trusted in candidates:
            problem = _issuer_problem(current, issuer, depth, now, purpose, trusted)
            if problem is not None:
                problems.append(problem)
            elif trusted:
                return None
            else:
                above = above or issuer
        if above is None:
            return problems[0]
        visited.add(above)
        current = above
    return errors.BadCertificate(
        f"the {purpose}'s chain has more than {_DEPTH} intermediate certificates",
        remedy="issue it from a CA nearer to the root",
    )


def _weak_hash(certificate: x509.Certificate, role: str) -> AlertError | None:
    oid = certificate.signature_algorithm_oid.dotted_string
    if oid in _UNVERIFIABLE:
        return errors.UnsupportedCertificate(
            f"{role} is signed with {_UNVERIFIABLE[oid]}, which paths are not verified with here",
            remedy="have the CA sign with ECDSA or RSA; keys of leaf certificates may be of this kind",
        )
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return errors.UnsupportedCertificate(
            f"{role} has a signature of an unknown kind ({oid})", remedy="issue it anew"
        )
    if algorithm is None or algorithm.name not in _WEAK_HASHES:
        return None
    # RFC 9846 4.5.1.3: "Any endpoint receiving any certificate which it would need to validate using any signature
    # algorithm using an MD5 hash MUST abort the handshake with a "bad_certificate" alert."; for SHA-1 the same is
    # RECOMMENDED.
    return errors.BadCertificate(
        f"{role} is signed with {algorithm.name.upper()}, which can be forged",
        remedy="have the CA sign it with SHA-256",
        section="RFC 9846 4.5.1.3",
    )


def _no_issuer(
    current: x509.Certificate, leaf: x509.Certificate, others: Sequence[x509.Certificate], role: str
) -> AlertError:
    issuer = escape(issuer_text(current), 200)
    if current.issuer == current.subject:
        if current is leaf:
            return errors.UnknownCa(
                f"{role} is self-signed ({_shown(current)}) and not in the trust store",
                remedy="put this certificate into the trust store, or have a CA that is trusted here sign one",
                code="TLS-UNKNOWN_CA-SELF_SIGNED",
            )
        return errors.UnknownCa(
            f"the chain ends in the root {_shown(current)}, which is not in the trust store",
            remedy="if this CA is to be trusted, add its certificate to the trust store",
            code="TLS-UNKNOWN_CA-UNKNOWN_ROOT",
        )
    sent = f"it sent {len(others)} more certificates" if others else "it sent its own certificate alone"
    what = role if current is leaf else f"the intermediate certificate {_shown(current)}"
    return errors.UnknownCa(
        f'{what} was issued by "{issuer}", which is neither in the trust store nor among what the peer sent ({sent})',
        remedy="if that is an intermediate CA, the peer must send its certificate behind its own; "
        "if it is a root, add it to the trust store" + _where_to_fetch(current),
        code="TLS-UNKNOWN_CA-MISSING_INTERMEDIATE" if not others else "TLS-UNKNOWN_CA-UNKNOWN_ISSUER",
    )


def _where_to_fetch(certificate: x509.Certificate) -> str:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        return ""
    places = [
        one.access_location.value
        for one in access
        if one.access_method == x509.oid.AuthorityInformationAccessOID.CA_ISSUERS
    ]
    return f" (the certificate says where it is: {escape(str(places[0]), 120)})" if places else ""


def _issuer_problem(
    child: x509.Certificate, issuer: x509.Certificate, depth: int, now: datetime, purpose: Purpose, trusted: bool
) -> AlertError | None:
    """What keeps a certificate of the right name from being the issuer."""
    kind = "the trusted CA" if trusted else "the intermediate CA"
    role = f"{kind} {_shown(issuer)}"
    try:
        child.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return errors.BadCertificate(
            f"the signature of {_shown(child)} is not by {role}, though it names that issuer",
            remedy="either the certificate was changed, or another CA has the same name: compare the key identifiers",
            section="RFC 9846 6.2",
            code="TLS-BAD_CERTIFICATE-SIGNATURE",
        )
    return _validity(issuer, kind, now) or _critical(issuer, role) or _authority_problem(issuer, role, depth, purpose)


def _authority_problem(issuer: x509.Certificate, role: str, depth: int, purpose: Purpose) -> AlertError | None:
    extensions = issuer.extensions
    values: dict[x509.ObjectIdentifier, Any] = {one.oid: one.value for one in extensions}
    constraints = values.get(ExtensionOID.BASIC_CONSTRAINTS)
    usage, purposes = values.get(ExtensionOID.KEY_USAGE), values.get(ExtensionOID.EXTENDED_KEY_USAGE)
    if constraints is None or not constraints.ca:
        cause, remedy = "is no CA certificate (basicConstraints)", "have a CA sign: this certificate may not"
    elif constraints.path_length is not None and depth > constraints.path_length:
        cause = f"allows {constraints.path_length} intermediate certificates below it, and the chain has {depth}"
        remedy = "issue the certificate from a CA nearer to the root"
    elif usage is not None and not usage.key_cert_sign:
        cause, remedy = "may not sign certificates (keyUsage)", "issue the CA certificate with keyCertSign"
    elif (
        purposes is not None
        and extension_rules.PURPOSE_OIDS[purpose] not in purposes
        and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in purposes
    ):
        return errors.UnsupportedCertificate(
            f"{role} may not issue for {purpose}Auth (extendedKeyUsage)",
            remedy="use a CA for this purpose",
            section="RFC 5280 4.2.1.12",
        )
    else:
        return None
    return errors.BadCertificate(f"{role} {cause}", remedy=remedy, section="RFC 5280 6.1.4")
