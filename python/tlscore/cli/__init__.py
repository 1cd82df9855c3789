"""The `tlscore` command.

One file (or package) per command, named in COMMANDS: it has HELP, `add_arguments(parser)` and `run(arguments) -> exit
code`, and imports what is heavy only in `run`. Exit codes: 0 fine, 1 a finding or a failed check, 2 wrong use, 3 the
network.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from tlscore import errors

COMMANDS = {
    "bench": "tlscore.cli.bench",
    "cert": "tlscore.cli.cert",
    "compat": "tlscore.cli.compat",
    "demo": "tlscore.cli.demo",
    "suites": "tlscore.cli.suites",
}

EXIT_FINDING, EXIT_USAGE, EXIT_NETWORK = 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (without the program's name; sys.argv by default) and give its exit code."""
    parser = argparse.ArgumentParser(prog="tlscore", description="TLS for Python with a Rust record layer.")
    parser.add_argument("--version", action="store_true", help="print version, provider, CPU path and build facts")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    runs = {}
    for name, module_name in COMMANDS.items():
        module = import_module(module_name)
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(command)
        runs[name] = module.run
    arguments = parser.parse_args(argv)
    if arguments.version:
        from tlscore.cli.version import version_text

        print(version_text())
        return 0
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    return _guarded(runs[arguments.command], arguments)


def _drop_output() -> None:
    """Nobody takes what is still to be written: the interpreter must not complain about that at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _guarded(run: object, arguments: argparse.Namespace) -> int:
    assert callable(run)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal or a pipe whose encoding lacks a letter is no reason to show nothing.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = int(run(arguments))
        # Here and not at the end of the interpreter, which could only complain.
        print(end="", flush=True)
        return code
    except errors.ConfigError as error:
        _tell(arguments, error, *getattr(error, "__notes__", ()))
        return EXIT_USAGE
    except errors.TransportError as error:
        _tell(arguments, error)
        return EXIT_NETWORK
    except errors.TlsError as error:
        _tell(arguments, error)
        return EXIT_FINDING
    except BrokenPipeError:
        # Who reads our output, `head` for instance, has seen enough.
        _drop_output()
        return 0
    except OSError as error:
        _drop_output()
        print(f"tlscore: {error.strerror or error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("tlscore: interrupted", file=sys.stderr)
        return 130


def _tell(arguments: argparse.Namespace, error: errors.TlsError, *notes: str) -> None:
    """Say what went wrong: as JSON on standard output where that was asked for, for people on standard error."""
    # Only a switch asks for JSON here: `bench` takes the name of a file under the same name.
    if getattr(arguments, "json", False) is not True:
        print(f"tlscore: {error}", *notes, sep="\n", file=sys.stderr)
        return
    import json

    # Only what compat reads has a file and a key.
    facts = {name: getattr(error, name, None) or None for name in ("code", "cause", "remedy", "section", "file", "key")}
    print(json.dumps({"error": {**facts, "notes": list(notes)}}, indent=2), flush=True)
