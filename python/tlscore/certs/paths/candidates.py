"""Where issuers come from: the trust anchors of a store, and what the peer sent beside its own certificate.

Both are indexed by subject in canonical form. Among several certificates of one name those come first whose key
identifier the issued certificate names, then those that are valid now; neither is a reason to leave one out. What the
peer sent is used only if an anchor can be reached from it by names, so that a pile of unrelated certificates costs no
signature check.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from tlscore.certs.paths.facts import CanonicalName, Facts
from tlscore.certs.peer import PARSE_ERRORS

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from tlscore.certs.trust_store import TrustStore

_INDEX: Final = "paths.Anchors"


class Anchors:
    """The anchors of one set of trust, indexed once. Its identity is the generation of the set."""

    __slots__ = ("by_subject", "ders", "helpers", "pins")

    def __init__(
        self, facts: Iterable[Facts], pins: frozenset[bytes] = frozenset(), helpers: Iterable[Facts] = ()
    ) -> None:
        self.by_subject: dict[CanonicalName, list[Facts]] = {}
        self.ders: dict[bytes, Facts] = {}
        self.pins = pins
        self.helpers = tuple(helpers)
        for one in facts:
            self.by_subject.setdefault(one.subject, []).append(one)
            self.ders[one.der] = one

    def with_pinned(self, shown: Iterable[Facts]) -> Anchors:
        """These anchors, and the certificates of a peer whose keys are pinned."""
        if not self.pins:
            return self
        pinned = [one for one in shown if one.spki and hashlib.sha256(one.spki).digest() in self.pins]
        return Anchors([*self.ders.values(), *pinned], self.pins, self.helpers) if pinned else self


def anchors_of(trust: TrustStore) -> Anchors:
    """The index of a store's current set; kept with the set, which stores of the same file share."""
    current = trust.anchors
    found = current.kept.get(_INDEX)
    if found is None:
        found = current.kept[_INDEX] = Anchors(
            _readable(current.certificates), current.pins, _readable(current.helpers)
        )
    anchors: Anchors = found
    return anchors


def _readable(certificates: Iterable[x509.Certificate]) -> list[Facts]:
    """The facts of anchors. One whose names cannot be read cannot issue for anybody, and is left out."""
    found: list[Facts] = []
    with warnings.catch_warnings():
        # Bundles hold old roots with a serial number of 0, which nobody who reads the warning could change.
        warnings.simplefilter("ignore", UserWarning)
        for one in certificates:
            try:
                found.append(Facts(one.public_bytes(Encoding.DER), one))
            except PARSE_ERRORS:
                continue
    return found


class Sent:
    """The certificates that the peer sent behind its own, as far as an anchor can be reached from them."""

    __slots__ = ("all", "by_subject")

    def __init__(self, others: tuple[Facts, ...], anchors: Anchors) -> None:
        self.all = others
        self.by_subject: dict[CanonicalName, list[Facts]] = {}
        reached: set[CanonicalName] = set()
        waiting = list(others)
        grown = True
        while grown and waiting:
            grown = False
            left: list[Facts] = []
            for facts in waiting:
                if facts.issuer in anchors.by_subject or facts.issuer in reached:
                    reached.add(facts.subject)
                    self.by_subject.setdefault(facts.subject, []).append(facts)
                    grown = True
                else:
                    left.append(facts)
            waiting = left


def ordered(child: Facts, candidates: list[Facts], now: datetime) -> list[Facts]:
    """Issuers of the right name, the likeliest first."""
    if len(candidates) < 2:
        return candidates

    def rank(facts: Facts) -> tuple[Any, ...]:
        wrong_key = child.aki is not None and facts.ski is not None and facts.ski != child.aki
        return wrong_key, not facts.not_before <= now <= facts.not_after

    return sorted(candidates, key=rank)
