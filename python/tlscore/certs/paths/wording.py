"""The words that checks of certificates share: who a certificate is, how long ago, and what the peer wrote, escaped."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from tlscore.certs.peer import issuer_text, subject_text
from tlscore.errors import escape

if TYPE_CHECKING:
    from tlscore.certs.paths.facts import Facts

Purpose = Literal["server", "client"]
Role = Literal["leaf", "intermediate", "anchor"]


def shown(facts: Facts) -> str:
    """The subject, short and printable."""
    return escape(subject_text(facts.certificate), 120) or "(no subject)"


def issuer_shown(facts: Facts) -> str:
    return escape(issuer_text(facts.certificate), 200) or "(no issuer)"


class Title:
    """How a text names a certificate of a path; put into words only where a text is made."""

    __slots__ = ("facts", "purpose", "role")

    def __init__(self, facts: Facts, role: Role, purpose: Purpose) -> None:
        self.facts, self.role, self.purpose = facts, role, purpose

    def __str__(self) -> str:
        if self.role == "leaf":
            return f"the {self.purpose}'s certificate ({shown(self.facts)})"
        kind = "the intermediate CA" if self.role == "intermediate" else "the trusted CA"
        return f"{kind} ({shown(self.facts)})"


def span(delta: timedelta) -> str:
    """A length of time as people say it."""
    if delta.days >= 2:
        return f"{delta.days} days"
    hours, rest = divmod(int(delta.total_seconds()), 3600)
    if hours >= 2:
        return f"{hours} hours"
    minutes = hours * 60 + rest // 60
    return f"{minutes} minutes" if minutes >= 2 else f"{hours * 3600 + rest} seconds"


def listed(values: list[str], limit: int = 12) -> str:
    """The first values of a list and how many more there are."""
    more = f" and {len(values) - limit} more" if len(values) > limit else ""
    return escape(", ".join(values[:limit]), 300) + more
