"""The climb from a leaf to a trust anchor: depth first, back where a path fails, every step paid from the budget.

At each certificate the anchors of the right name are tried before what the peer sent, so that a chain that is rooted
twice ends as early as it can. A signature is checked before anything is built upon it. A certificate may stand in a
path once, and so may a key under one name: two CAs that certify each other are no loop. A path that reaches an anchor
and breaks a rule is remembered, for the text, and the search goes on: another path may obey (RFC 5280 6.1 judges one
path; which one is up to the verifier).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlscore.certs.paths import certificate_rules
from tlscore.certs.paths.budget import BudgetSpent
from tlscore.certs.paths.candidates import Sent, ordered
from tlscore.certs.paths.path_rules import first_failure

if TYPE_CHECKING:
    from tlscore.certs.paths.facts import Facts
    from tlscore.certs.paths.path_rules import Path, Question

# Steps that looking at one candidate costs, and at one complete path.
_CANDIDATE_STEPS = 25
_PATH_STEPS = 150


class Search:
    """One search; `refused` is the first complete path that broke a rule, `spent` what ran out."""

    __slots__ = ("cap", "question", "refused", "sent", "spent")

    def __init__(self, question: Question, others: tuple[Facts, ...]) -> None:
        self.question = question
        self.sent = Sent(others, question.anchors)
        self.refused: Path | None = None
        self.spent = ""
        # Self-issued certificates do not count for the depth; this many certificates are the end in any case.
        self.cap = 1 + 2 * question.policy.depth

    def run(self, leaf: Facts) -> Path | None:
        """A path that obeys every rule, leaf to anchor; None if there is none or the budget is spent."""
        try:
            if leaf.der in self.question.anchors.ders:
                path = self._judge((leaf,))
                if path is not None:
                    return path
            return self._climb((leaf,), 0)
        except BudgetSpent as end:
            self.spent = end.what
            return None

    def _judge(self, path: Path) -> Path | None:
        self.question.budget.step(_PATH_STEPS * len(path))
        if first_failure(self.question, path) is None:
            return path
        if self.refused is None:
            self.refused = path
        return None

    def _climb(self, path: Path, counted: int) -> Path | None:
        question, current = self.question, path[-1]
        anchors = question.anchors.by_subject.get(current.issuer)
        if anchors is not None:
            for issuer in ordered(current, anchors, question.now):
                question.budget.step(_CANDIDATE_STEPS)
                if issuer.der != current.der and question.is_signed(current, issuer):
                    found = self._judge((*path, issuer))
                    if found is not None:
                        return found
        sent = self.sent.by_subject.get(current.issuer)
        if sent is None:
            return None
        for issuer in ordered(current, sent, question.now):
            question.budget.step(_CANDIDATE_STEPS)
            if not self._may_follow(issuer, path):
                continue
            depth = counted + (not issuer.self_issued)
            if depth > question.policy.depth or len(path) >= self.cap:
                continue
            if certificate_rules.verdict(issuer, "intermediate", question.purpose, question.policy):
                continue
            if question.is_signed(current, issuer):
                found = self._climb((*path, issuer), depth)
                if found is not None:
                    return found
        return None

    def _may_follow(self, issuer: Facts, path: Path) -> bool:
        """Whether a certificate stands in the path for the first time, and its key under this name."""
        self.question.budget.step(len(path) * 5)
        return all(one.der != issuer.der and (one.subject != issuer.subject or one.spki != issuer.spki) for one in path)
