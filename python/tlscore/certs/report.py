"""What the checks of a chain found: one Check per rule, and the report that holds them all.

A check says what was looked at, on which certificate, with which result, and where it failed also what to do and which
alert the peer gets. A verification that is asked for a report runs every check and stops at none; one that only has to
decide stops at the first failure and makes checks for that one alone. `raise_for_failure` turns the most telling
failure into the exception of its alert, so that a report and an exception never disagree.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from tlscore.errors import ALERT_CLASSES, TEXT_LIMIT, AlertError, BadCertificate
from tlscore.record import Record

Outcome = Literal["pass", "fail", "skip"]

# Every name that a check may have, in the order in which a report lists them; the first failure in this order is
# the one that is raised.
NAMES: Final = (
    "budget",
    "chain",
    "validity",
    "signature",
    "hash",
    "key_size",
    "version",
    "serial",
    "encoding",
    "critical_extensions",
    "basic_constraints",
    "path_length",
    "key_usage",
    "extended_key_usage",
    "netscape_cert_type",
    "name_constraints",
    "policies",
    "name",
    "revocation",
    "must_staple",
)


class Check(Record):
    """One rule, applied to one certificate (0 is the leaf) or to the whole chain (None)."""

    name: str
    outcome: Outcome
    text: str
    certificate: int | None = None
    alert: int | None = None
    code: str = ""
    remedy: str = ""
    section: str = ""

    def error(self) -> AlertError:
        """The exception of a failed check; bad_certificate where the check names no alert."""
        cls = BadCertificate if self.alert is None else ALERT_CLASSES.get(self.alert, BadCertificate)
        return cls(self.text, remedy=self.remedy, section=self.section, code=self.code or None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; fields that say nothing are left out."""
        return {field: value for field, value in self._as_dict().items() if value not in (None, "")}


class VerificationReport(Record):
    """Every check of a chain. `path`: the certificates (DER) that were judged, leaf to anchor; the longest path that
    could be built where none reached an anchor."""

    checks: tuple[Check, ...]
    path: tuple[bytes, ...] = ()

    @property
    def ok(self) -> bool:
        """Nothing failed, and something was checked."""
        return bool(self.checks) and not self.failures

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.outcome == "fail")

    @property
    def first_failure(self) -> Check | None:
        return next((check for check in self.checks if check.outcome == "fail"), None)

    def raise_for_failure(self) -> None:
        """Raise the AlertError of the first failure; the others are its notes."""
        failures = self.failures
        if not failures:
            return
        error = failures[0].error()
        for other in failures[1:]:
            error.add_note(f"also failed: {other.name}: {other.text}"[:TEXT_LIMIT])
        raise error

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "checks": [check.as_dict() for check in self.checks],
            "path": [der.hex() for der in self.path],
        }

    def as_json(self, indent: int | None = None) -> str:
        return json.dumps(self.as_dict(), indent=indent)

    def __str__(self) -> str:
        lines = []
        for check in self.checks:
            place = "" if check.certificate is None else f" [{check.certificate}]"
            lines.append(f"{check.outcome:4} {check.name}{place}: {check.text}")
        return "\n".join(lines)
