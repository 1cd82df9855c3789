"""`tlscore cert match CERTIFICATE KEY`: whether a private key belongs to a certificate.

Both fingerprints of the public key are printed; of the private key nothing else. Exit code 0 where they are one pair.
"""

from __future__ import annotations

import argparse
from typing import Any

HELP = "whether a private key belongs to a certificate, with the fingerprints of both"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("certificate", metavar="CERTIFICATE", help="file with certificates; any of them may be the one")
    parser.add_argument("key", metavar="KEY", help="file with the private key: PKCS #8, PKCS #1, SEC 1 or PKCS #12")
    parser.add_argument("--password-file", metavar="FILE", help="holds the password of the key, or of a PKCS #12 file")


def run(arguments: argparse.Namespace) -> int:
    from tlscore.cli.cert import files

    held = [
        (one.where, files.facts(one))
        for one in files.certificates(arguments.certificate, "certificate", arguments.password_file)
    ]
    keys = [(where, _spki(key.public_key())) for where, key in _keys(arguments.key, arguments.password_file)]
    pairs = [(place, where) for place, facts in held for where, spki in keys if facts.spki == spki]
    if arguments.json:
        import json

        told = {
            "match": bool(pairs),
            "pairs": [{"certificate": place, "key": where} for place, where in pairs],
            "certificates": [{"where": place, "spki_sha256": _digest(facts.spki)} for place, facts in held],
            "keys": [{"where": where, "spki_sha256": _digest(spki)} for where, spki in keys],
        }
        print(json.dumps(told, indent=2))
        return 0 if pairs else 1
    for place, facts in held:
        print(f"certificate  sha256:{_digest(facts.spki)}  {place}")
    for where, spki in keys:
        print(f"key          sha256:{_digest(spki)}  {where}")
    print(f"one pair: {pairs[0][0]} and {pairs[0][1]}" if pairs else "NO PAIR: the key belongs to another certificate")
    return 0 if pairs else 1


def _keys(path: str, password_file: str | None) -> list[tuple[str, Any]]:
    from tlscore.certs.loading import material
    from tlscore.certs.reading import read
    from tlscore.cli.cert.files import secret

    source, password = read(path, "private key"), secret(password_file)
    found = material.from_store(source, password, password)[1] if material.is_store(source) else []
    return [(one.where, one.value) for one in found or material.keys(source, password)]


def _spki(public: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    encoded: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _digest(spki: bytes) -> str:
    import hashlib

    return hashlib.sha256(spki).hexdigest()
