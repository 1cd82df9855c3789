"""`tlscore cert`: look at certificates, verify them, and find out what belongs together. All of it works offline.

One file per command, named in COMMANDS, in the form of the commands themselves. Exit codes: 0 in order, 1 a certificate
that is not, 2 a file that cannot be read.
"""

import argparse
from importlib import import_module

HELP = "certificates: show what a file holds, verify a chain, check who signed what and which key belongs to which"

COMMANDS = {
    "show": "tlscore.cli.cert.show",
    "verify": "tlscore.cli.cert.verify",
    "verify-link": "tlscore.cli.cert.verify_link",
    "match": "tlscore.cli.cert.match",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="cert_command", metavar="COMMAND", required=True)
    for name, module_name in COMMANDS.items():
        module = import_module(module_name)
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(command)
        command.add_argument("--json", action="store_true", help="print as JSON")


def run(arguments: argparse.Namespace) -> int:
    return int(import_module(COMMANDS[arguments.cert_command]).run(arguments))
