"""Every rule over a whole path, as one table: its name, the function that finds the failures, and what a pass means.

A rule gives the failed checks, or a text that says why it was skipped. The builder asks `first_failure` for each path
that it completes and stops at the first one; a report runs the whole table. The rules of single certificates
(certificate_rules.py) are rows of the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from tlscore import clocks
from tlscore.certs import algorithms
from tlscore.certs.paths import certificate_rules, signing
from tlscore.certs.paths.budget import Budget
from tlscore.certs.paths.constraints import violations
from tlscore.certs.paths.name_rule import name_failure
from tlscore.certs.paths.policy_tree import needs_policies, policy_problem
from tlscore.certs.paths.wording import Purpose, Role, Title, shown, span
from tlscore.certs.report import Check

if TYPE_CHECKING:
    from tlscore.certs.key_use import KeyUse
    from tlscore.certs.names import ServerName
    from tlscore.certs.paths.candidates import Anchors
    from tlscore.certs.paths.facts import Facts
    from tlscore.certs.policy import CertificatePolicy

EXPIRED = 45
Path = tuple["Facts", ...]


class Question:
    """What a path is asked: for whom, when, by which policy, and what it may cost."""

    __slots__ = ("anchors", "budget", "edges", "name", "now", "policy", "purpose", "use")

    def __init__(
        self,
        anchors: Anchors,
        name: ServerName | None,
        now: datetime,
        purpose: Purpose,
        policy: CertificatePolicy,
        use: KeyUse,
    ) -> None:
        self.anchors = anchors
        self.name = name
        # Certificates count whole seconds (RFC 5280 4.1.2.5.2): the second of notAfter is valid to its end.
        self.now = clocks.aware(now).replace(microsecond=0)
        self.purpose: Purpose = purpose
        self.policy = policy
        self.use: KeyUse = use
        self.budget = Budget(policy.budgets)
        # (child, issuer) -> whether the signature is right; objects are alive as long as the question.
        self.edges: dict[tuple[int, int], bool] = {}

    def is_signed(self, child: Facts, issuer: Facts) -> bool:
        """Whether `issuer` signed `child`; checked once per question."""
        key = (id(child), id(issuer))
        known = self.edges.get(key)
        if known is None:
            known = self.edges[key] = signing.is_signed_by(child, issuer, self.budget)
        return known

    def role(self, path: Path, index: int, complete: bool) -> Role:
        if index == 0:
            return "leaf"
        return "anchor" if complete and index == len(path) - 1 else "intermediate"


Findings = Sequence[Check] | str


class Rule(NamedTuple):
    """One row: `find` gives failures, or the reason to skip."""

    name: str
    passed: str
    find: Callable[[Question, Path, bool], Findings]


def _validity(question: Question, path: Path, complete: bool) -> Findings:
    now = question.now
    return [
        _not_valid(facts, index, question.role(path, index, complete), question)
        for index, facts in enumerate(path)
        # RFC 5280 4.1.2.5: "the period of time from notBefore through notAfter, inclusive."
        if not facts.not_before <= now <= facts.not_after
    ]


def _not_valid(facts: Facts, index: int, role: Role, question: Question) -> Check:
    now, start, end = question.now, facts.not_before, facts.not_after
    who = Title(facts, role, question.purpose)
    if now > end:
        text = f"{who} expired {span(now - end)} ago, on {end:%Y-%m-%d %H:%M} UTC"
    else:
        text = f"{who} becomes valid in {span(start - now)}, on {start:%Y-%m-%d %H:%M} UTC"
    return Check(
        "validity",
        "fail",
        text,
        index,
        EXPIRED,
        "TLS-CERTIFICATE_EXPIRED" if now > end else "TLS-CERTIFICATE_EXPIRED-NOT_YET_VALID",
        f"renew it; if it should be valid, check the clock of this machine: {now:%Y-%m-%d %H:%M} UTC",
        "RFC 5280 6.1.3",
    )


def _signature(question: Question, path: Path, complete: bool) -> Findings:
    if len(path) < 2:
        return "the certificate itself is trusted" if complete else "no issuer was found"
    failed: list[Check] = []
    unchecked = False
    for index in range(len(path) - 1):
        child, issuer = path[index], path[index + 1]
        algorithm = signing.algorithm_of(child)
        if algorithm is None or algorithm.key is None:
            unchecked = True  # the rule about hashes refuses it
            continue
        if not question.is_signed(child, issuer):
            role = question.role(path, index + 1, complete)
            failed.append(_bad_signature(child, issuer, index, role, question.purpose))
    if unchecked and not failed:
        return "a signature of a kind that is never accepted was not checked"
    return failed


def _bad_signature(child: Facts, issuer: Facts, index: int, role: Role, purpose: Purpose) -> Check:
    return Check(
        "signature",
        "fail",
        f"the signature of {shown(child)} is not by {Title(issuer, role, purpose)}, though it names that issuer",
        index,
        certificate_rules.BAD,
        "TLS-BAD_CERTIFICATE-SIGNATURE",
        "either the certificate was changed, or another CA has the same name: compare the key identifiers",
        "RFC 9846 6.2",
    )


def _legacy_hash(question: Question, path: Path, complete: bool) -> Findings:
    """SHA-1, which the octets alone do not decide: the legacy window knows anchors and dates."""
    window = question.policy.allow_sha1
    failed: list[Check] = []
    for index, facts in enumerate(path[:-1] if complete else path):
        found = signing.algorithm_of(facts)
        if found is None or found.key is None or found.hash_name not in algorithms.FORGEABLE:
            continue
        who: object = Title(facts, question.role(path, index, complete), question.purpose)
        if window is not None and complete and path[-1].digest.hex() in window.anchors:
            if question.now <= window.end:
                continue
            who = f"the time for SHA-1 ended on {window.end:%Y-%m-%d}: {who}"
        failed.append(certificate_rules.forged(facts, who, found.hash_name).replace(certificate=index))
    return failed


def _path_length(question: Question, path: Path, complete: bool) -> Findings:
    failed: list[Check] = []
    counted = 0
    for index in range(1, len(path)):
        facts = path[index]
        constraints = facts.basic_constraints
        limit = constraints.path_length if constraints is not None and constraints.ca else None
        if limit is not None and counted > limit:
            who = Title(facts, question.role(path, index, complete), question.purpose)
            failed.append(
                Check(
                    "path_length",
                    "fail",
                    f"{who} allows {limit} intermediate certificates below it, and the chain has {counted}",
                    index,
                    certificate_rules.BAD,
                    "",
                    "issue the certificate from a CA nearer to the root",
                    "RFC 5280 6.1.4",
                )
            )
        # RFC 5280 6.1.4 (l): self-issued certificates are not counted.
        if not facts.self_issued and not (complete and index == len(path) - 1):
            counted += 1
    if counted > question.policy.depth:
        failed.append(too_deep(question))
    return failed


def too_deep(question: Question) -> Check:
    return Check(
        "path_length",
        "fail",
        f"the {question.purpose}'s chain has more than {question.policy.depth} intermediate certificates",
        None,
        certificate_rules.BAD,
        "TLS-BAD_CERTIFICATE-DEPTH",
        "issue it from a CA nearer to the root",
        "",
    )


def _name_constraints(question: Question, path: Path, complete: bool) -> Findings:
    failed = []
    for below, above, what in violations(path, question.policy.cn_fallback, question.budget):
        who = Title(path[below], question.role(path, below, complete), question.purpose)
        authority = Title(path[above], question.role(path, above, complete), question.purpose)
        failed.append(
            Check(
                "name_constraints",
                "fail",
                f"{who} has {what}, which {authority} may not have certificates for",
                below,
                certificate_rules.BAD,
                "TLS-BAD_CERTIFICATE-NAME_CONSTRAINTS",
                "issue the certificate from a CA that is not constrained so, or without this name",
                "RFC 5280 4.2.1.10",
            )
        )
    return failed


def _policies(question: Question, path: Path, complete: bool) -> Findings:
    if not needs_policies(path[:-1], question.policy):
        return "nothing in the path requires a certificate policy"
    problem = policy_problem(path, question.policy, question.budget)
    if problem is None:
        return ()
    index, text = problem
    who = Title(path[index], question.role(path, index, complete), question.purpose)
    return (
        Check(
            "policies",
            "fail",
            f"{who} {text}",
            index,
            certificate_rules.BAD,
            "TLS-BAD_CERTIFICATE-POLICIES",
            "issue it for a certificate policy that its CAs and the caller accept",
            "RFC 5280 6.1.5",
        ),
    )


def _name(question: Question, path: Path, complete: bool) -> Findings:
    if question.name is None:
        return "no name was asked for"
    failure = name_failure(path[0], question.name, question.policy)
    return () if failure is None else (failure,)


def _single(name: str) -> Callable[[Question, Path, bool], list[Check]]:
    def find(question: Question, path: Path, complete: bool) -> list[Check]:
        return [
            check.replace(certificate=index)
            for index, facts in enumerate(path)
            for check in verdict_of(question, path, index, complete)
            if check.name == name
        ]

    return find


def verdict_of(question: Question, path: Path, index: int, complete: bool) -> tuple[Check, ...]:
    """Failed checks of one certificate of a path; of a leaf that is itself trusted, not the hash of its signature."""
    role = question.role(path, index, complete)
    found = certificate_rules.verdict(path[index], role, question.purpose, question.policy, question.use)
    if found and complete and len(path) == 1:
        return tuple(check for check in found if check.name != "hash")
    return found


def _and_single(
    name: str, other: Callable[[Question, Path, bool], Findings], skips: bool = True
) -> Callable[[Question, Path, bool], Findings]:
    """What the octets of each certificate decide, and a rule that needs the path too.

    Takes:    skips: whether nothing is checked where `other` has nothing to check.
    """
    of_each = _single(name)

    def find(question: Question, path: Path, complete: bool) -> Findings:
        failed, found = of_each(question, path, complete), other(question, path, complete)
        if isinstance(found, str):
            return found if skips and not failed else failed
        return [*failed, *found]

    return find


# Rules that need the path or the time, cheapest first; what the octets of each certificate decide comes before them.
_DYNAMIC: Final = (_validity, _path_length, _legacy_hash, _name, _name_constraints, _policies)

TABLE: Final = (
    Rule("validity", "every certificate of the path is valid now", _validity),
    Rule("signature", "every certificate is signed by the one above it", _signature),
    Rule("hash", "no signature uses a hash that can be forged", _and_single("hash", _legacy_hash, skips=False)),
    Rule("key_size", "every key is large enough and of a known kind", _single("key_size")),
    Rule("version", "every certificate has version 3", _single("version")),
    Rule("serial", "every serial number is positive and short", _single("serial")),
    Rule("encoding", "every certificate is well-formed", _single("encoding")),
    Rule("critical_extensions", "every critical extension is known", _single("critical_extensions")),
    Rule("basic_constraints", "every issuer is a CA", _single("basic_constraints")),
    Rule("path_length", "the path is as short as its CAs demand", _path_length),
    Rule("key_usage", "every key may be used as it is", _single("key_usage")),
    Rule("extended_key_usage", "every certificate is for this purpose", _single("extended_key_usage")),
    Rule("netscape_cert_type", "no Netscape certificate type forbids the purpose", _single("netscape_cert_type")),
    Rule(
        "name_constraints",
        "every name may stand below its CAs",
        _and_single("name_constraints", _name_constraints, skips=False),
    ),
    Rule("policies", "the certificate policies suffice", _and_single("policies", _policies)),
    Rule("name", "the certificate is for the name that was asked for", _and_single("name", _name)),
)


def first_failure(question: Question, path: Path) -> Check | None:
    """The first failed check of a complete path whose signatures the builder has checked; None if all hold."""
    for index in range(len(path)):
        for check in verdict_of(question, path, index, True):
            return check.replace(certificate=index)
    for find in _DYNAMIC:
        found = find(question, path, True)
        if found and not isinstance(found, str):
            return found[0]
    return None


def all_checks(question: Question, path: Path, complete: bool) -> list[Check]:
    """Every rule of the table with its result, for a path that may end before an anchor."""
    checks: list[Check] = []
    for rule in TABLE:
        found = rule.find(question, path, complete)
        if isinstance(found, str):
            checks.append(Check(rule.name, "skip", found))
        elif found:
            checks.extend(found)
        else:
            checks.append(Check(rule.name, "pass", rule.passed))
    return checks
