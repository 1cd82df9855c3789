"""A report in lines: one fact each, with its name in front, and what is missing left out.

The flags come first, and of the checks those that passed share a line, so that what is wrong shows. Everything that a
peer or a certificate wrote is escaped and cut: a report may be printed to a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from tlscore.errors import escape

if TYPE_CHECKING:
    from tlscore.certs.summary import CertificateSummary
    from tlscore.report import ConnectionReport, Side

_WIDTH: Final = 15
_NAMES_SHOWN: Final = 6


def text_of(report: ConnectionReport) -> str:
    """The lines of `ConnectionReport.text()`."""
    lines = [f"{name:<{_WIDTH}}{value}" for name, value in _facts(report)]
    return "\n".join(lines)


def _facts(report: ConnectionReport) -> Iterator[tuple[str, str]]:
    yield "connection", f"{report.role}, {report.situation}, at {report.made_at:%Y-%m-%d %H:%M:%S} UTC"
    for flag in report.flags:
        yield f"{flag.level.upper()} FLAG", f"{flag.text}; {flag.remedy} [{flag.code}]"
    if report.version is not None:
        yield "version", report.version
        yield "suite", f"{report.suite} ({_parts(report.suite_parts or {})})"
        yield "group", report.group or "-"
        yield "authenticated", _authenticated(report)
    for name in ("alpn", "server_name"):
        value = getattr(report, name)
        if value is not None:
            yield name.replace("_", " "), escape(value, 300)
    if report.hello_retried:
        yield "hello", "the server asked for a second ClientHello"
    yield from _end("we showed", report.own)
    yield from _end("peer showed", report.peer)
    yield from _checks(report)
    yield "policy", report.policy
    yield from _ending(report)


def _parts(parts: dict[str, str]) -> str:
    return "/".join(parts[name] for name in ("key_exchange", "authentication", "encryption", "mac") if name in parts)


def _authenticated(report: ConnectionReport) -> str:
    if report.authenticated:
        return f"yes, by {escape(report.verified_by or '', 300)}"
    if report.peer.certificates:
        return "NO: the peer's certificate was not verified in full"
    return "no: the client showed no certificate" if report.role == "server" else "NO"


def _end(who: str, side: Side) -> Iterator[tuple[str, str]]:
    for number, one in enumerate(side.certificates):
        yield (who if number == 0 else ""), _certificate(one)
    if side.certificates and side.scheme is not None:
        yield "", f"signed with {side.scheme}; {side.days_to_expiry:.1f} days to expiry"


def _certificate(one: CertificateSummary) -> str:
    names = ", ".join(one.names[:_NAMES_SHOWN])
    more = f" and {one.name_count - _NAMES_SHOWN} more" if one.name_count > _NAMES_SHOWN else ""
    listed = f" for {escape(names, 200)}{more}" if names else ""
    dates = f"{one.not_before:%Y-%m-%d} to {one.not_after:%Y-%m-%d}"
    return f"{escape(one.subject, 120)}{listed}; {one.key}; {dates}; sha256:{one.fingerprint[:16]}"


def _checks(report: ConnectionReport) -> Iterator[tuple[str, str]]:
    if report.verification is not None:
        checks = report.verification.checks
        passed = dict.fromkeys(check.name for check in checks if check.outcome == "pass")
        if passed:
            yield "checks passed", ", ".join(passed)
        for check in checks:
            if check.outcome != "pass":
                title = "FAILED" if check.outcome == "fail" else "not checked"
                yield title, f"{check.name}: {check.text}"
    if report.revocation is not None:
        reason = report.revocation.get("reason")
        yield "revocation", f"{report.revocation['mode']}" + (f" ({escape(reason, 200)})" if reason else "")


def _ending(report: ConnectionReport) -> Iterator[tuple[str, str]]:
    if report.error is None:
        return
    yield "ended by", f"{report.error['code']}: {report.error['cause']}"
    if report.error["remedy"]:
        yield "remedy", report.error["remedy"]
    yield "last step", f"{report.trace[-1][0]} {report.trace[-1][1]}" if report.trace else "none"
