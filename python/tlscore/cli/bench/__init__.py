"""`tlscore bench`: measures tlscore beside the TLS libraries that are installed, in one run, and writes tables and
plots."""

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlscore.cli.bench.runner import Plan

HELP = "measure tlscore beside stdlib ssl and other TLS libraries, in one run"

# What a run measures by itself; with --quick the first alone. The last is TLS 1.2.
SUITES = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
)
OTHERS = ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--quick", action="store_true", help="one suite, fewer rounds: under 40 seconds")
    add("--json", metavar="FILE", type=Path, help="write the results as JSON")
    add("--html", metavar="FILE", type=Path, help="write one self-contained page with plots (needs matplotlib)")
    add(
        "--suite",
        metavar="NAME",
        action="append",
        help="cipher suite of TLS 1.3 or 1.2, such as TLS_AES_128_GCM_SHA256",
    )
    add("--workload", metavar="NAME", action="append", help="seal, open, pingpong, loopback_cpu, handshake_client ...")
    add("--target", metavar="NAME", action="append", help="measure these only; options may be repeated, or hold commas")
    add("--peer", metavar="NAME", action="append", help="measure tlscore, its limits and these peers only")
    add("--size", metavar="OCTETS", action="append", help="message size, such as 64, 16K or 1M")
    add("--rounds", metavar="N", type=int, help="how often each target is measured (5 with --quick, else 15)")


def run(arguments: argparse.Namespace) -> int:
    from tlscore.cli.bench.progress import Progress
    from tlscore.cli.bench.report_text import plain_table, rich_table, text_report
    from tlscore.cli.bench.runner import Comparison

    plan = make_plan(arguments)
    if arguments.html is not None:
        from tlscore.cli.bench.report_html import check_plots

        # A missing library must show before the minutes of measuring, not after.
        check_plots()
    for path in (arguments.json, arguments.html):
        _check_writable(path)
    results = Comparison(plan, Progress()).run()
    drawn = sys.stdout.isatty() and find_spec("rich") is not None
    print(text_report(results, rich_table if drawn else plain_table))
    if arguments.json is not None:
        import json

        arguments.json.write_text(json.dumps(results.as_json(), indent=1) + "\n")
    if arguments.html is not None:
        from tlscore.cli.bench.report_html import html_report

        arguments.html.write_text(html_report(results))
    for path in (arguments.json, arguments.html):
        if path is not None:
            print(f"written: {path}", file=sys.stderr)
    return 0


def _check_writable(path: Path | None) -> None:
    """A report that cannot be written must show before the minutes of measuring, not after."""
    from tlscore.errors import ConfigError

    if path is None:
        return
    if path.is_dir():
        raise ConfigError(f"{path} is a directory", remedy="name a file in it")
    if not path.parent.is_dir():
        raise ConfigError(f"there is no directory {path.parent}", remedy="make it first, or name another file")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f"{path} cannot be written", remedy="check the rights, or name another file")


def make_plan(arguments: argparse.Namespace) -> "Plan":
    from tlscore.cli.bench.runner import Plan
    from tlscore.cli.bench.targets import TARGETS, installed
    from tlscore.cli.bench.workloads import MIB, WORKLOADS
    from tlscore.errors import ConfigError

    quick = arguments.quick
    if arguments.rounds is not None and arguments.rounds < 1:
        raise ConfigError("--rounds must be at least 1", remedy="leave it out for the usual run")
    names = _listed(arguments.target)
    if arguments.peer:
        names += [name for name in TARGETS if name.startswith(("tlscore", "limit-"))] + _listed(arguments.peer)
    rounds = arguments.rounds or (5 if quick else 15)
    return Plan(
        targets=installed(names),
        suites=_known("suite", _listed(arguments.suite), SUITES + OTHERS) or list(SUITES[: 1 if quick else None]),
        workloads=[
            WORKLOADS[name]
            for name in _known("workload", _listed(arguments.workload), tuple(WORKLOADS)) or list(WORKLOADS)
        ],
        sizes=[_octets(text) for text in _listed(arguments.size)],
        quick=quick,
        rounds=rounds,
        seconds=0.01 if quick else 0.03,
        loopback_octets=(32 if quick else 128) * MIB,
    )


def _listed(values: list[str] | None) -> list[str]:
    return [part.strip() for value in values or [] for part in value.split(",") if part.strip()]


def _known(what: str, names: list[str], known: tuple[str, ...]) -> list[str]:
    from tlscore.errors import ConfigError

    for name in names:
        if name not in known:
            raise ConfigError(f"no {what} is called {name!r}", remedy="known: " + ", ".join(known))
    return names


def _octets(text: str) -> int:
    from tlscore.errors import ConfigError

    factor = {"K": 1 << 10, "M": 1 << 20}.get(text[-1:].upper(), 1)
    digits = text[:-1] if factor > 1 else text
    if not digits.isdigit() or not int(digits):
        raise ConfigError(f"{text!r} is not a size", remedy="write octets, such as 64, 16K or 1M")
    return int(digits) * factor
