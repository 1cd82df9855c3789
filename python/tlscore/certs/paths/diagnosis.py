"""Why no path obeys: the path that came nearest, and what the chain check says about it.

It runs only after a search has failed. If a complete path broke a rule, that one is reported. Otherwise the climb is
made once more, taking at each step the likeliest certificate whatever its faults, until an anchor is reached or no
issuer is left; where it ends tells a missing intermediate from a root that is not trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from tlscore.certs.paths import certificate_rules
from tlscore.certs.paths.budget import BudgetSpent
from tlscore.certs.paths.candidates import ordered
from tlscore.certs.paths.wording import Title, issuer_shown, shown
from tlscore.certs.report import Check
from tlscore.errors import escape

if TYPE_CHECKING:
    from tlscore.certs.paths.builder import Search
    from tlscore.certs.paths.facts import Facts
    from tlscore.certs.paths.path_rules import Path, Question

_UNKNOWN_CA = 48


def nearest_path(search: Search, leaf: Facts) -> tuple[Path, bool]:
    """The path to report, and whether it reaches an anchor."""
    if search.refused is not None:
        return search.refused, True
    question = search.question
    path: Path = (leaf,)
    while len(path) <= search.cap + 1:
        issuer, trusted = _likeliest(search, path)
        if issuer is None:
            return path, False
        path = (*path, issuer)
        if trusted:
            return path, True
    return path[: question.policy.depth + 1], False


def _likeliest(search: Search, path: Path) -> tuple[Facts | None, bool]:
    question, current = search.question, path[-1]
    anchors = ordered(current, question.anchors.by_subject.get(current.issuer, []), question.now)
    named = [one for one in search.sent.all if one.subject == current.issuer and one not in path]
    sent = ordered(current, named, question.now)
    for candidates, trusted in ((anchors, True), (sent, False)):
        for one in candidates:
            if one is not current and one.der != current.der and _is_signed(question, current, one):
                return one, trusted
    if anchors and anchors[0].der != current.der:
        return anchors[0], True
    return (sent[0], False) if sent else (None, False)


def _is_signed(question: Question, child: Facts, issuer: Facts) -> bool:
    try:
        return question.is_signed(child, issuer)
    except BudgetSpent:
        return False


def chain_check(search: Search, path: Path, complete: bool) -> Check:
    """The check "chain" of a failed search."""
    question = search.question
    if complete:
        return Check("chain", "pass", f"the chain ends in {Title(path[-1], 'anchor', question.purpose)}")
    return _no_issuer(question, path, search.sent.all)


def _no_issuer(question: Question, path: Path, others: tuple[Facts, ...]) -> Check:
    current, index = path[-1], len(path) - 1
    role = Title(path[0], "leaf", question.purpose)
    if current.self_issued:
        if index == 0:
            return _unknown(
                index,
                f"{role} is self-signed and not in the trust store",
                "put this certificate into the trust store, or have a CA that is trusted here sign one",
                "TLS-UNKNOWN_CA-SELF_SIGNED",
            )
        return _unknown(
            index,
            f"the chain ends in the root {shown(current)}, which is not in the trust store",
            "if this CA is to be trusted, add its certificate to the trust store",
            "TLS-UNKNOWN_CA-UNKNOWN_ROOT",
        )
    sent = "it sent its own certificate alone"
    if others:
        sent = f"it sent {len(others)} more certificates: " + escape(", ".join(shown(one) for one in others[:4]), 200)
    what = role if index == 0 else f"the intermediate certificate {shown(current)}"
    key = f", key identifier {current.aki.hex()}" if current.aki else ""
    return _unknown(
        index,
        f'{what} was issued by "{issuer_shown(current)}"{key}, which is neither in the trust store nor among what the '
        f"peer sent ({sent})",
        "if that is an intermediate CA, the peer must send its certificate behind its own; if it is a root, add it to "
        "the trust store" + _where_to_fetch(current),
        "TLS-UNKNOWN_CA-UNKNOWN_ISSUER" if others else "TLS-UNKNOWN_CA-MISSING_INTERMEDIATE",
    )


def _unknown(index: int, text: str, remedy: str, code: str) -> Check:
    return Check("chain", "fail", text, index, _UNKNOWN_CA, code, remedy, "RFC 9846 6.2")


def _where_to_fetch(facts: Facts) -> str:
    access: Any = facts.value(ExtensionOID.AUTHORITY_INFORMATION_ACCESS)
    places = [
        str(one.access_location.value)
        for one in access or ()
        if one.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        and isinstance(one.access_location, x509.UniformResourceIdentifier)
    ]
    return f" (the certificate says where it is: {escape(places[0], 120)})" if places else ""


def spent_check(question: Question, what: str) -> Check:
    """The check of a verification that cost too much."""
    return Check(
        "budget",
        "fail",
        f"the {question.purpose}'s chain needs {what}",
        None,
        certificate_rules.BAD,
        "TLS-BAD_CERTIFICATE-BUDGET",
        "send the chain alone, without certificates that issue each other",
    )
