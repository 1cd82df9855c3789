"""`tlscore suites`: the registry of cipher suites, or what an OpenSSL cipher string stands for."""

import argparse
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlscore.cipher_strings import Expansion
    from tlscore.suites import Suite

HELP = "cipher suites with both names, parts, strength and status; --openssl expands an OpenSSL cipher string"
FIELDS = ("code", "name", "openssl_name", "key_exchange", "authentication", "encryption", "mac", "hash", "strength")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--openssl", metavar="STRING", help="expand this cipher string, in OpenSSL's order")
    parser.add_argument("--status", choices=("default", "compat", "legacy", "never"), help="only these")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(arguments: argparse.Namespace) -> int:
    from tlscore import suites

    shown: Iterable[Suite] = suites.all_suites()
    if arguments.openssl is not None:
        expansion = suites.parse_cipher_string(arguments.openssl)
        shown = expansion.permitted
        _tell_level(expansion)
    chosen = [one for one in shown if arguments.status in (None, one.status)]
    if arguments.json:
        import json

        print(json.dumps([_facts(one) for one in chosen], indent=2))
        return 0
    for one in chosen:
        parts = f"{one.key_exchange}/{one.authentication}/{one.encryption}/{one.mac}"
        print(f"{one.code:#06x}  {one.status:<8}{one.name:<48}{one.openssl_name or '-':<34}{parts}")
    return 0


def _tell_level(expansion: "Expansion") -> None:
    """Say what a security level did to the list, and what it asks for beside suites."""
    from tlscore.security_levels import beyond_suites

    level = expansion.security_level
    if level is None:
        return
    left_out = len(expansion.suites) - len(expansion.permitted)
    beyond = beyond_suites(level)
    said = [f"leaves out {left_out} of {len(expansion.suites)} suites"] * bool(left_out)
    said += [f"asks for {beyond}, of which suites do not speak"] * bool(beyond)
    if said:
        print(f"tlscore: @SECLEVEL={level} {' and '.join(said)}", file=sys.stderr)


def _facts(one: "Suite") -> dict[str, object]:
    from tlscore.versions import version_name

    return {
        **{name: getattr(one, name) for name in FIELDS},
        "versions": [version_name(version) for version in one.versions],
        "status": one.status,
        "why": one.why,
        "missing": list(one.missing),
        "source": one.source,
    }
