"""`tlscore cert verify FILE`: every check that a handshake would make of a chain, without a peer.

The file holds what the peer would send, its own certificate first. Exit code 0 where all of it is in order, 1 where the
peer would be refused.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tlscore import policies

if TYPE_CHECKING:
    from tlscore.certs.report import VerificationReport
    from tlscore.certs.revocation.policy import Revocation
    from tlscore.certs.trust_store import TrustStore

HELP = "whether a chain would be accepted: path, dates, signatures, purpose, name, revocation, each with its result"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the chain as a peer would send it, its own certificate first")
    parser.add_argument("--name", metavar="NAME", help="the server's DNS name or address that the chain must be for")
    parser.add_argument("--purpose", choices=("server", "client"), default="server", help="whose chain it is")
    parser.add_argument(
        "--key-use",
        choices=("digitalSignature", "keyEncipherment"),
        default="digitalSignature",
        help="what the key is for: keyEncipherment for servers of the legacy tier with RSA key exchange",
    )
    parser.add_argument(
        "--trust",
        metavar="PATH",
        action="append",
        help="file or directory with trusted CAs, several times if need be; the system's CAs by default",
    )
    parser.add_argument("--crl", metavar="FILE", action="append", default=[], help="a CRL to ask; several times")
    parser.add_argument("--require-revocation", action="store_true", help="refuse what no CRL answers for")
    parser.add_argument(
        "--policy", choices=[one.name for one in policies.ALL], default="default", help="rules to apply"
    )
    parser.add_argument("--password-file", metavar="FILE", help="holds the password of a PKCS #12 file")
    parser.add_argument("--time", metavar="ISO", help="judge by this time instead of now")


def run(arguments: argparse.Namespace) -> int:
    from tlscore.certs import verify
    from tlscore.certs.names import ServerName
    from tlscore.cli.cert import files

    chain = [files.der(one) for one in files.certificates(arguments.file, "chain", arguments.password_file)]
    report = verify.examine(
        tuple(chain),
        _trust(arguments.trust),
        ServerName.parse(arguments.name) if arguments.name is not None else None,
        files.moment(arguments.time),
        purpose=arguments.purpose,
        policy=policies.named(arguments.policy).certificate_policy,
        revocation=_revocation(arguments.crl, arguments.require_revocation),
        key_use=arguments.key_use,
    )
    if arguments.json:
        print(report.as_json(indent=2))
    else:
        print(text_of(report, arguments))
    return 0 if report.ok else 1


def _trust(paths: list[str] | None) -> TrustStore:
    import os

    from tlscore.certs.trust_store import TrustStore

    if paths is None:
        return TrustStore.system()
    stores = [(TrustStore.from_directory if os.path.isdir(one) else TrustStore.from_file)(one) for one in paths]
    return stores[0] if len(stores) == 1 else TrustStore.union(*stores)


def _revocation(lists: list[str], required: bool) -> Revocation | None:
    from tlscore.certs.revocation.policy import Revocation
    from tlscore.errors import ConfigError

    if required and not lists:
        raise ConfigError("--require-revocation without a CRL", remedy="name one: --crl FILE")
    if not lists:
        return None
    return Revocation.crl(files=lists, scope="chain", mode="require" if required else "best_effort")


def text_of(report: VerificationReport, arguments: Any) -> str:
    """The checks, and the verdict as the last line."""
    lines = [str(report)]
    if arguments.purpose == "server" and arguments.name is None:
        lines.append("note no name was given, so none was checked: --name example.org")
    failure = report.first_failure
    if failure is None:
        lines.append("accepted")
    else:
        remedy = f"; {failure.remedy}" if failure.remedy else ""
        lines.append(f"REFUSED: {failure.text}{remedy}" + (f" [{failure.section}]" if failure.section else ""))
    return "\n".join(lines)
