"""Everything about one connection as a record: what `conn.report()` gives, for people as text and for programs as JSON.

`facts.py` here reads the connection, `flags.py` judges what it read, `text.py` puts it into lines. A report is a
snapshot: made when somebody asks, true for that moment, without keys and without a way back to the connection. What
the peer wrote stands in it as it came; `text()` escapes it.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from tlscore.certs.report import VerificationReport
from tlscore.certs.summary import CertificateSummary
from tlscore.record import Record
from tlscore.report.flags import Flag as Flag

if TYPE_CHECKING:
    from tlscore.trace import TraceStep

Situation = Literal["handshaking", "established", "closed", "failed"]


class Side(Record, kw_only=True):
    """What one end showed of itself: its certificates, its own first (none where it showed none), the scheme that it
    signed with, and the days until the first certificate that its authentication rests on expires."""

    certificates: tuple[CertificateSummary, ...] = ()
    scheme: str | None = None
    days_to_expiry: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return {**self._as_dict(), "certificates": [one.as_dict() for one in self.certificates]}


class ConnectionReport(Record, kw_only=True):
    """One connection at one moment.

    What was agreed is None before the handshake is complete and after a failure. `suite_parts` are key exchange,
    authentication, encryption and MAC; `verified_by` is the anchor that the peer's chain ends in, `verification` every
    check of that chain (after a failure: of the chain that was refused), `revocation` what was asked about it and what
    came of that; `flags` is what an audit would ask about, the worst first; `error` how the connection ended.
    """

    role: Literal["client", "server"]
    situation: Situation
    made_at: datetime
    version: str | None = None
    suite: str | None = None
    suite_parts: dict[str, str] | None = None
    group: str | None = None
    alpn: str | None = None
    server_name: str | None = None
    hello_retried: bool = False
    extended_main_secret: bool | None = None
    forward_secret: bool | None = None
    authenticated: bool = False
    verified_by: str | None = None
    client_auth_confirmed: bool | None = None
    own: Side = Side()
    peer: Side = Side()
    verification: VerificationReport | None = None
    revocation: dict[str, Any] | None = None
    policy: str = ""
    flags: tuple[Flag, ...] = ()
    diagnostic: str | None = None
    error: dict[str, Any] | None = None
    trace: tuple[TraceStep, ...] = ()
    records: dict[str, int] | None = None

    @property
    def red_flags(self) -> tuple[Flag, ...]:
        """The flags that somebody could make use of now."""
        return tuple(flag for flag in self.flags if flag.level == "red")

    def as_dict(self) -> dict[str, Any]:
        """For JSON: plain values, times in ISO 8601, certificates as hexadecimal DER."""
        verification = self.verification
        return {
            **self._as_dict(),
            "made_at": self.made_at.isoformat(),
            "own": self.own.as_dict(),
            "peer": self.peer.as_dict(),
            "verification": verification.as_dict() if verification is not None else None,
            "flags": [flag.as_dict() for flag in self.flags],
            "trace": [{"step": step, "text": text} for step, text in self.trace],
        }

    def as_json(self, indent: int | None = None) -> str:
        return json.dumps(self.as_dict(), indent=indent)

    def text(self) -> str:
        """The report in lines, one fact each, safe to print."""
        from tlscore.report.text import text_of

        return text_of(self)

    def __str__(self) -> str:
        return self.text()
