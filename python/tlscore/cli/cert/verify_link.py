"""`tlscore cert verify-link ISSUER CERTIFICATE`: whether one certificate was signed by another one.

Nothing else is looked at: no trust, no dates, no names but those of issuer and subject. Exit code 0 where it was.
"""

from __future__ import annotations

import argparse

HELP = "whether one certificate is signed by another: names, key and signature, with nothing but the two at hand"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("issuer", metavar="ISSUER", help="file with the issuer's certificate (the first one counts)")
    parser.add_argument("certificate", metavar="CERTIFICATE", help="file with the certificate (the first one counts)")


def run(arguments: argparse.Namespace) -> int:
    from tlscore.certs.verify import verify_link
    from tlscore.cli.cert import files

    issuer, certificate = (
        files.der(files.certificates(path, what)[0])
        for path, what in ((arguments.issuer, "issuer"), (arguments.certificate, "certificate"))
    )
    report = verify_link(certificate, issuer)
    print(report.as_json(indent=2) if arguments.json else str(report))
    return 0 if report.ok else 1
