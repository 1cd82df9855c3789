"""The status of one certificate by CRLs: RFC 5280 6.3.3, its letters beside the steps.

Every distribution point of the certificate, and at last the CA's own name, is asked for lists that cover it. A list has
to be for this kind of certificate, in time, from the right issuer, with the right to sign CRLs, and signed. Lists that
are split by reason are put together until every reason is covered; a delta goes before the complete list that it
continues. What stops each list is kept, and the one that came furthest explains why there is no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from tlscore.certs.peer import PARSE_ERRORS
from tlscore.certs.revocation import names
from tlscore.certs.revocation.crl import ALL_REASONS, Crl, Entry
from tlscore.certs.revocation.problems import REVOKED, Good, Problem, Verdict, furthest
from tlscore.certs.revocation.subject import Subject, extension, key_octets, signers, subject_of
from tlscore.errors import escape

# Lists of one issuer, and distribution points of one certificate, that are looked at.
_LISTS: Final = 64
_POINTS: Final = 16

Lists = Callable[[names.Normal], Sequence[Crl]]


class Asking(NamedTuple):
    """Where lists come from, and by which clock they are judged."""

    lists: Lists
    others: tuple[x509.Certificate, ...]
    now: datetime
    skew: timedelta
    known_issuers: tuple[str, ...] = ()


class _Point(NamedTuple):
    """One distribution point of the certificate: who issues its lists, under which names, for which reasons."""

    issuers: tuple[names.Normal, ...]
    names: frozenset[object]
    reasons: frozenset[x509.ReasonFlags]
    delegated: bool


def status(subject: Subject, asking: Asking) -> Verdict:
    """Whether lists say that a certificate is revoked or good, or what keeps them from saying so."""
    covered: frozenset[x509.ReasonFlags] = frozenset()
    problems: list[Problem] = []
    used: list[Crl] = []
    for point in _points(subject):
        for issuer in point.issuers:
            for crl in list(asking.lists(issuer))[:_LISTS]:
                if crl.is_delta or crl in used:
                    continue
                # (e) "Verify that interim_reasons_mask includes one or more reasons that are not included in the
                # reasons_mask."
                reasons = crl.scope.reasons & point.reasons
                if not reasons - covered:
                    continue
                problem = _unusable(crl, subject, point, asking)
                if problem is not None:
                    problems.append(problem)
                    continue
                used.append(crl)
                entry = _find(crl, subject, asking)
                if entry is not None:
                    return _revoked(subject, crl, entry)
                covered |= reasons
                if covered >= ALL_REASONS:
                    return Good(f"{subject.text} is not on {crl.origin}, good until {_until(used)}")
    return _undecided(subject, asking, problems, covered)


def _points(subject: Subject) -> list[_Point]:
    certificate = subject.certificate
    own = frozenset((("directory", subject.issuer),))
    found = []
    for point in subject.points[:_POINTS]:
        issuers = [one.value for one in point.crl_issuer or () if isinstance(one, x509.DirectoryName)]
        parents = issuers or [certificate.issuer]
        listed = names.point_names(point.full_name, point.relative_name, parents)
        if listed is None:
            listed = frozenset(("directory", names.normal(one)) for one in parents)
        found.append(
            _Point(
                tuple(names.normal(one) for one in parents),
                frozenset(listed),
                point.reasons or ALL_REASONS,
                bool(issuers),
            )
        )
    # "Repeat the process above with any available CRLs not specified in a distribution point but issued by the
    # certificate issuer [...] with both the reasons and the cRLIssuer fields omitted and a distribution point name of
    # the certificate issuer."
    found.append(_Point((subject.issuer,), own, ALL_REASONS, False))
    return found


def _unusable(crl: Crl, subject: Subject, point: _Point, asking: Asking) -> Problem | None:
    problem = _outside(crl, subject, point) or crl.flaw or _untrusted(crl, subject, asking)
    return problem or crl.time_problem(asking.now, asking.skew)


def _outside(crl: Crl, subject: Subject, point: _Point) -> Problem | None:
    """(b): whether the list is for other certificates."""
    scope = crl.scope
    why = None
    if point.delegated and not scope.indirect and crl.issuer != subject.issuer:
        # (b)(1) "If the DP includes cRLIssuer, then verify that the issuer field in the complete CRL matches cRLIssuer
        # in the DP and that the complete CRL contains an issuing distribution point extension with the indirectCRL
        # boolean asserted."
        why = "is not indirect, but the certificate's CA delegates to it"
    elif scope.names is not None and not scope.names & point.names:
        why = "is for another distribution point"
    elif scope.users_only and subject.is_authority:
        why = "is for user certificates only, and this is a CA's"
    elif scope.authorities_only and not subject.is_authority:
        why = "is for CA certificates only, and this is a user's"
    elif scope.attributes_only:
        why = "is for attribute certificates only"
    if why is None:
        return None
    return Problem(
        "TLS-CRL_SCOPE", f"{crl.origin} {why}", "give the CRL whose scope covers the certificate", "RFC 5280 6.3.3", 40
    )


def _untrusted(crl: Crl, subject: Subject, asking: Asking) -> Problem | None:
    """(f) and (g): the right to sign the list, and its signature."""
    issuer = escape(crl.parsed.issuer.rfc4514_string(), 200)
    candidates = signers(crl.issuer, subject.above, asking.others, asking.now)
    if not candidates:
        return Problem(
            "TLS-CRL_WRONG_ISSUER",
            f"{crl.origin} is signed by {issuer}, whose certificate leads to no CA of this path",
            "give the certificate of the CRL issuer: Revocation.crl(..., issuers=...)",
            "RFC 5280 6.3.3",
            55,
        )
    problems = []
    for one in sorted(candidates, key=lambda one: not _key_fits(crl, one)):
        usage = extension(one, ExtensionOID.KEY_USAGE)
        # (f) "If a key usage extension is present in the CRL issuer's certificate, verify that the cRLSign bit is set."
        if usage is not None and not usage.crl_sign:
            problem: Problem | None = Problem(
                "TLS-CRL_NO_CRLSIGN",
                f"{crl.origin} is signed by {issuer}, whose keyUsage lacks cRLSign",
                "have the CA certificate issued with keyUsage = keyCertSign, cRLSign",
                "RFC 5280 6.3.3",
                70,
            )
        else:
            try:
                problem = _revoked_issuer(one, crl, subject, asking) or crl.signature_problem(
                    one.public_key(), key_octets(one)
                )
            except PARSE_ERRORS:
                continue
        if problem is None:
            return None
        if problem.code == "TLS-CRL_BAD_SIGNATURE" and not _key_fits(crl, one):
            problem = problem._replace(
                code="TLS-CRL_WRONG_ISSUER",
                text=f"{crl.origin} was made by another CA of the name {issuer}: its key identifier differs",
                remedy="give the CRL of the CA that issued the certificate",
                progress=56,
            )
        problems.append(problem)
    return furthest(problems) if problems else _no_key(crl, issuer)


def _revoked_issuer(one: x509.Certificate, crl: Crl, subject: Subject, asking: Asking) -> Problem | None:
    """Whether a CRL issuer that stands beside the path was revoked itself, as far as lists of the path's CAs tell."""
    if one in subject.above:
        return None
    issuer = names.normal(one.issuer)
    place = next((at for at, above in enumerate(subject.above) if names.normal(above.subject) == issuer), None)
    if place is None:
        return None
    # The CAs of the path alone are asked: an issuer beside it shall not speak for itself.
    verdict = status(subject_of((one, *subject.above[place:]), 0), asking._replace(others=()))
    if isinstance(verdict, Good) or verdict.alert != REVOKED:
        return None
    return Problem(
        "TLS-CRL_ISSUER_REVOKED",
        f"{crl.origin} is signed with a key whose certificate was revoked",
        "get the CRL that the CA signs with its new key",
        "RFC 5280 6.3.3",
        71,
    )


def _no_key(crl: Crl, issuer: str) -> Problem:
    return Problem(
        "TLS-CRL_WRONG_ISSUER",
        f"{crl.origin} is signed by {issuer}, whose key cannot be used",
        "have the CRL signed with an ECDSA, EdDSA, ML-DSA or RSA key",
        "RFC 5280 6.3.3",
        54,
    )


def _key_fits(crl: Crl, issuer: x509.Certificate) -> bool:
    """Whether the list's key identifier is that of an issuer, or one of the two says nothing."""
    held = extension(issuer, ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    return crl.key_identifier is None or held is None or held.digest == crl.key_identifier


def _find(crl: Crl, subject: Subject, asking: Asking) -> Entry | None:
    """(h), (i), (j): the entry in the delta where there is one, then in the complete list."""
    for delta in asking.lists(crl.issuer):
        if not _continues(delta, crl) or _untrusted(delta, subject, asking) is not None:
            continue
        in_time = delta.time_problem(asking.now, asking.skew) is None
        entry = delta.entry(subject.issuer, subject.serial, subject.serial_octets)
        if entry is not None and entry.reason != x509.ReasonFlags.remove_from_crl:
            return entry
        if in_time:
            # RFC 5280 5.3.1: removeFromCRL "may only appear in delta CRLs": the hold of the complete list is over.
            if entry is not None:
                return None
            break
    return crl.entry(subject.issuer, subject.serial, subject.serial_octets)


def _continues(delta: Crl, complete: Crl) -> bool:
    """(c): whether a delta may be laid over a complete list."""
    # RFC 5280 5.2.4: the complete CRL's number must be "equal to or greater than the BaseCRLNumber" and "less than the
    # CRL number of the delta CRL"; both have the same issuer, scope and key.
    return (
        delta.base_number is not None
        and delta.flaw is None
        and complete.number is not None
        and delta.number is not None
        and delta.base_number <= complete.number <= delta.number
        and delta.scope == complete.scope
        and delta.key_identifier == complete.key_identifier
    )


def _revoked(subject: Subject, crl: Crl, entry: Entry) -> Problem:
    return Problem(
        "TLS-REVOKED",
        f"{subject.text} was revoked on {entry.date:%Y-%m-%d %H:%M:%S} UTC, reason {entry.reason.value}, "
        f"says {crl.origin}",
        "the peer must get a new certificate with a new key; do not connect until it has one",
        "RFC 5280 6.3.3",
        100,
        REVOKED,
    )


def _until(used: list[Crl]) -> str:
    return min(f"{crl.next_update:%Y-%m-%d %H:%M:%S} UTC" for crl in used if crl.next_update is not None)


def _undecided(
    subject: Subject, asking: Asking, problems: list[Problem], covered: frozenset[x509.ReasonFlags]
) -> Problem:
    if problems:
        told = furthest(problems)
        return told._replace(text=f"{subject.text}: {told.text}")
    issuer = escape(subject.certificate.issuer.rfc4514_string(), 200)
    if covered:
        left = ", ".join(sorted(one.value for one in ALL_REASONS - covered))
        return Problem(
            "TLS-CRL_REASONS",
            f"{subject.text}: the CRLs at hand do not cover the reasons {left}",
            "give the CRLs for the other reasons too",
            "RFC 5280 6.3.3",
            45,
        )
    if _only_deltas(subject, asking):
        return Problem(
            "TLS-CRL_DELTA_ALONE",
            f"{subject.text}: only delta CRLs of {issuer} are at hand, and none of them says anything alone",
            "give the complete CRL that the delta continues",
            "RFC 5280 5.2.4",
            30,
        )
    if asking.known_issuers:
        known = escape("; ".join(asking.known_issuers), 200)
        return Problem(
            "TLS-CRL_WRONG_ISSUER",
            f"{subject.text}: there is no CRL of its issuer {issuer}; there are CRLs of {known}",
            "give the CRL of the CA that issued the certificate",
            "RFC 5280 6.3.3",
            20,
        )
    return Problem(
        "TLS-CRL_MISSING",
        f"{subject.text}: there is no CRL of its issuer {issuer}",
        "give it: Revocation.crl(files=...)"
        + (f"; the CA offers {escape(_url(subject), 200)}" if _url(subject) else ""),
        "RFC 5280 6.3.3",
        10,
    )


def _only_deltas(subject: Subject, asking: Asking) -> bool:
    return any(crl.is_delta for point in _points(subject) for one in point.issuers for crl in asking.lists(one))


def _url(subject: Subject) -> str:
    return next(iter(subject.crl_urls), "")


def issuer_texts(crls: Sequence[Crl]) -> tuple[str, ...]:
    """The issuers of some lists, for a text."""
    return tuple(dict.fromkeys(crl.parsed.issuer.rfc4514_string() for crl in crls[:_LISTS]))
