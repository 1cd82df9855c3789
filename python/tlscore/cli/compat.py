"""`tlscore compat CLIENT.toml SERVER.toml`: whether the two connect, with what, and else the one change that helps.

No socket is opened. Exit codes: 0 they connect, 1 they do not, 2 a file is wrong.
"""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlscore.cli.compat_run import Verdict

HELP = (
    "whether a described client and server connect, without a socket: version, suite, certificates, and the one change"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("client", metavar="CLIENT.toml", help="description of the client")
    parser.add_argument("server", metavar="SERVER.toml", help="description of the server")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")


def run(arguments: argparse.Namespace) -> int:
    from tlscore.cli.compat_files import Side
    from tlscore.cli.compat_run import compare

    verdict = compare(Side(arguments.client, "client"), Side(arguments.server, "server"))
    if arguments.json:
        import json

        print(json.dumps(verdict.as_dict(), indent=2))
    else:
        print(text_of(verdict))
    return 0 if verdict.connects else 1


def text_of(verdict: "Verdict") -> str:
    """The verdict, one fact a line."""
    from tlscore.cli import compat_suites

    rule = verdict.rule
    lines = [("verdict", "connects" if verdict.connects else _drop(verdict))]
    by = "supported_versions" if rule["how"] == "extension" else "a single number"
    ranges = f"client {', '.join(rule['client'])}; server {', '.join(rule['server'])}; by {by}"
    lines.append(("version", f"{verdict.version or 'none'}  ({ranges})"))
    lines += [(name, value) for name in ("suite", "group", "alpn") if (value := getattr(verdict, name))]
    lines.append(("server certificate", verdict.server_certificate))
    lines.append(("client certificate", verdict.client_certificate))
    if rule["stricter"]:
        lines.append(("versions come from", f"client: {rule['client_source']}; server: {rule['server_source']}"))
        lines.append(("stricter", f"the {rule['stricter']}"))
    if verdict.suites is not None:
        lines += compat_suites.lines(verdict.suites)
    lines += [(name, value) for name in ("cause", "remedy", "change", "code") if (value := getattr(verdict, name))]
    lines += [("note", note) for note in verdict.notes]
    return "\n".join(f"{name:<20}{value}" for name, value in lines)


def _drop(verdict: "Verdict") -> str:
    if verdict.dropped_by is None:
        return "does not connect"
    how = f"alert {verdict.alert}" if verdict.alert else "silently"
    step = f" at step {verdict.step}" if verdict.step else ""
    return f"does not connect: the {verdict.dropped_by} drops{step}, {how}"
