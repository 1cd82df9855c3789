"""`tlscore cert show FILE...`: every certificate and revocation list of some files, whatever their format.

Exit code 1 where a certificate has expired or is not valid yet, or a list is overdue.
"""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlscore.certs.loading.material import Placed
    from tlscore.certs.loading.notes import Note
    from tlscore.certs.summary import CertificateSummary

HELP = "what a file holds: each certificate with names, key, dates and what peers may refuse, each CRL with its dates"

_NAMES_SHOWN = 12
_CRL_LABEL = "X509 CRL"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="PEM, DER, PKCS #7, PKCS #12 or CRL")
    parser.add_argument("--password-file", metavar="FILE", help="holds the password of a PKCS #12 file")
    parser.add_argument("--time", metavar="ISO", help="judge dates by this time instead of now")


def run(arguments: argparse.Namespace) -> int:
    from tlscore.cli.cert.files import moment

    now = moment(arguments.time)
    shown = [entry for path in arguments.files for entry in _entries(path, arguments.password_file, now)]
    if arguments.json:
        import json

        print(json.dumps([entry["json"] for entry in shown], indent=2))
    else:
        print("\n\n".join("\n".join(entry["lines"]) for entry in shown))
    return 1 if any(entry["late"] for entry in shown) else 0


def _entries(path: str, password_file: str | None, now: datetime) -> list[dict[str, Any]]:
    """What one file holds. It is read once: it may be a pipe."""
    from tlscore.certs.loading import material, sniff
    from tlscore.certs.reading import is_pem, read
    from tlscore.cli.cert import files

    source = read(path, "certificate")
    if not is_pem(source):
        blocks, lists = [], [(source.data, source.origin)] if sniff.kind_of(source.data) == "crl" else []
    else:
        blocks = sniff.pem_blocks(source)
        lists = [(one.data, f"{source.origin}, PEM block {one.number}") for one in blocks if one.label == _CRL_LABEL]
    others = {block.label for block in blocks}.intersection(sniff.CERTIFICATE_LABELS + sniff.PKCS7_LABELS)
    held = [] if lists and not others else material.certificates(source, "certificate", files.secret(password_file))
    return _certificates(path, held, now) + [
        entry for data, origin in lists for entry in _lists(path, data, origin, now)
    ]


def _certificates(path: str, held: list[Placed], now: datetime) -> list[dict[str, Any]]:
    from tlscore.certs.loading import lint
    from tlscore.certs.summary import CertificateSummary
    from tlscore.cli.cert import files

    found = []
    for placed in held:
        summary = CertificateSummary.of(files.facts(placed))
        notes = () if summary.is_ca else lint.lint((placed.value,), now)
        late = not summary.not_before <= now <= summary.not_after
        told = {"file": path, "where": placed.where, **summary.as_dict()}
        told["days_to_expiry"] = round(summary.days_to_expiry(now), 3)
        told["notes"] = [{"code": note.code, "text": note.text} for note in notes]
        found.append({"json": told, "lines": _lines(placed.where, summary, notes, now), "late": late})
    return found


def _lines(where: str, one: CertificateSummary, notes: tuple[Note, ...], now: datetime) -> list[str]:
    from tlscore.errors import escape

    more = f" and {one.name_count - _NAMES_SHOWN} more" if one.name_count > _NAMES_SHOWN else ""
    pairs = [
        ("subject", escape(one.subject)),
        ("issuer", "itself" if one.self_issued else escape(one.issuer)),
        ("names", escape(", ".join(one.names[:_NAMES_SHOWN])) + more if one.names else "none"),
        ("key", f"{one.key}, spki sha256:{one.spki_fingerprint}"),
        ("signed with", one.signature),
        ("valid", f"{one.not_before:%Y-%m-%d %H:%M} to {one.not_after:%Y-%m-%d %H:%M} UTC ({_left(one, now)})"),
        ("serial", f"{one.serial_number:x}"),
        ("role", "certificate authority" if one.is_ca else "end entity"),
        ("sha256", one.fingerprint),
    ]
    pairs += [("note", escape(note.text)) for note in notes]
    return [where, *(f"  {name:<12}{value}" for name, value in pairs)]


def _left(one: CertificateSummary, now: datetime) -> str:
    days = one.days_to_expiry(now)
    if now < one.not_before:
        return "NOT VALID YET"
    return f"{days:.1f} days left" if days >= 0 else f"EXPIRED {-days:.1f} days ago"


def _lists(path: str, data: bytes, origin: str, now: datetime) -> list[dict[str, Any]]:
    from tlscore.certs.revocation.crl_store import read_crls
    from tlscore.certs.revocation.problems import Unreadable
    from tlscore.errors import ConfigError, escape

    try:
        lists = read_crls(data, origin)
    except Unreadable as damage:
        raise ConfigError(f"{origin}: {damage}", remedy="fetch the CRL again", code="TLS-CONFIG-CRL") from None
    found = []
    for crl in lists:
        parsed = crl.parsed
        due = parsed.next_update_utc
        told = {
            "file": path,
            "where": crl.origin,
            "crl_issuer": parsed.issuer.rfc4514_string(),
            "this_update": parsed.last_update_utc.isoformat(),
            "next_update": due.isoformat() if due is not None else None,
            "number": crl.number,
            "delta": crl.is_delta,
            "entries": len(parsed),
            "problem": crl.flaw.text if crl.flaw is not None else None,
        }
        late = due is not None and due < now
        until = f"{due:%Y-%m-%d %H:%M} UTC{' (OVERDUE)' if late else ''}" if due is not None else "no date"
        pairs = [
            ("CRL of", escape(str(told["crl_issuer"]))),
            ("entries", str(told["entries"]) + (" (a delta CRL)" if crl.is_delta else "")),
            ("from", f"{parsed.last_update_utc:%Y-%m-%d %H:%M} UTC"),
            ("next", until),
        ]
        if crl.flaw is not None:
            pairs.append(("problem", escape(crl.flaw.text)))
        lines = [crl.origin, *(f"  {name:<12}{value}" for name, value in pairs)]
        found.append({"json": told, "lines": lines, "late": late or crl.flaw is not None})
    return found
