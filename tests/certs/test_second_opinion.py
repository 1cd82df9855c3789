"""More than 200 generated chains, good and bad, judged by tlscore and by `openssl verify`: both must agree.

Every chain is built from one recipe of faults. OpenSSL is asked in batches: one process judges all leaves that share
anchors, intermediates and options.
"""

import datetime as dt
import itertools
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.certificates import make_key
from tests.support.chains import NOW, Node, authority, name, root, san
from tests.support.tools import require_tool
from tlscore import errors
from tlscore.certs import verify
from tlscore.certs.names import ServerName
from tlscore.certs.trust_store import TrustStore

NAME = "www.example.org"
KINDS = ("p256", "p384", "rsa2048", "ed25519", "ed448")
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False
CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False
SIGNS = x509.KeyUsage(False, False, False, False, False, True, True, False, False), True
SIGNS_NOT = x509.KeyUsage(True, False, False, False, False, False, False, False, False), True
STRANGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")

LEAF_FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "expired": {"end": NOW - dt.timedelta(hours=1)},
    "future": {"start": NOW + dt.timedelta(hours=1)},
    "client only": {"extensions": (san(NAME), CLIENT)},
    "server": {"extensions": (san(NAME), SERVER)},
    "other name": {"extensions": (san("www.example.com"),)},
    "wildcard": {"extensions": (san("*.example.org"),)},
    "two labels": {"extensions": (san("*.org"),)},
    "unknown critical": {"extensions": (san(NAME), (STRANGE, True))},
    "unknown": {"extensions": (san(NAME), (STRANGE, False))},
    "netscape server": {
        "extensions": (
            san(NAME),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.16.840.1.113730.1.1"), bytes((3, 2, 6, 0x40))), False),
        )
    },
    "netscape CA": {
        "extensions": (
            san(NAME),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.16.840.1.113730.1.1"), bytes((3, 2, 0, 0x07))), False),
        )
    },
    "changed": {},
}
MIDDLE_FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "absent": {},
    "no CA": {"extensions": ((x509.BasicConstraints(False, None), True),)},
    "no constraints": {"extensions": ()},
    "length 0": {"extensions": (authority(0),)},
    "signs": {"extensions": (authority(), SIGNS)},
    "signs not": {"extensions": (authority(), SIGNS_NOT)},
    "client only": {"extensions": (authority(), CLIENT)},
    "expired": {"end": NOW - dt.timedelta(hours=1)},
    "permits": {"extensions": (authority(), (x509.NameConstraints([x509.DNSName("example.org")], None), True))},
    "permits other": {"extensions": (authority(), (x509.NameConstraints([x509.DNSName("example.com")], None), True))},
    "excludes": {"extensions": (authority(), (x509.NameConstraints(None, [x509.DNSName("example.org")]), True))},
    "excludes DN": {
        "extensions": (authority(), (x509.NameConstraints(None, [x509.DirectoryName(name("leaf"))]), True))
    },
    "unknown critical": {"extensions": (authority(), (STRANGE, True))},
    "stranger": {},
}
TOP = root("Root")


def chains() -> list[tuple[str, Node, list[Node]]]:
    found: list[tuple[str, Node, list[Node]]] = []
    serials = itertools.count(1000)
    for kind, (fault, middle_options) in itertools.product(KINDS, MIDDLE_FAULTS.items()):
        chosen = dict(middle_options)
        issuer = root("Root") if fault == "stranger" else TOP
        middle = issuer.issue(
            f"Middle {kind} {fault}",
            *chosen.pop("extensions", (authority(),)),
            key=make_key(kind),
            serial=next(serials),
            **chosen,
        )
        faults = LEAF_FAULTS if fault == "none" else {"none": {}, "server": LEAF_FAULTS["server"]}
        for leaf_fault, leaf_options in faults.items():
            options = dict(leaf_options)
            leaf = middle.issue("leaf", *options.pop("extensions", (san(NAME),)), serial=next(serials), **options)
            if leaf_fault == "changed":
                der = bytearray(leaf.der)
                der[-2] ^= 1
                leaf = Node(x509.load_der_x509_certificate(bytes(der)), leaf.key)
            found.append((f"{kind}/{fault}/{leaf_fault}", leaf, [] if fault == "absent" else [middle]))
        lower = middle.issue(f"Lower {kind} {fault}", authority(), serial=next(serials))
        for extra in ("none", "server", "wildcard"):
            options = dict(LEAF_FAULTS[extra])
            leaf = lower.issue("leaf", *options.pop("extensions", (san(NAME),)), serial=next(serials), **options)
            found.append((f"{kind}/{fault}/lower {extra}", leaf, [lower] if fault == "absent" else [lower, middle]))
    return found


CHAINS = chains()


def pem(node: Node) -> bytes:
    return node.certificate.public_bytes(Encoding.PEM)


@pytest.fixture(scope="module")
def opinions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """What OpenSSL says of each chain; one process for all leaves under the same intermediates."""
    program, folder = require_tool("openssl"), tmp_path_factory.mktemp("chains")
    (folder / "ca.pem").write_bytes(pem(TOP))
    groups: dict[tuple[bytes, ...], list[tuple[str, Path]]] = {}
    for number, (label, leaf, others) in enumerate(CHAINS):
        path = folder / f"{number}.pem"
        path.write_bytes(pem(leaf))
        groups.setdefault(tuple(map(pem, others)), []).append((label, path))
    found: dict[str, bool] = {}
    for others, leaves in groups.items():
        command = [program, "verify", "-CAfile", str(folder / "ca.pem"), "-no-CApath", "-no-CAstore"]
        if others:
            (folder / "others.pem").write_bytes(b"".join(others))
            command += ["-untrusted", str(folder / "others.pem")]
        command += ["-purpose", "sslserver", "-verify_hostname", NAME, "-attime", str(int(NOW.timestamp()))]
        run = subprocess.run([*command, *[str(path) for _, path in leaves]], capture_output=True, text=True)
        said = run.stdout.splitlines()
        found.update({label: f"{path}: OK" in said for label, path in leaves})
    return found


def is_accepted(leaf: Node, others: list[Node]) -> bool:
    chain = tuple(one.der for one in (leaf, *others))
    try:
        verify.verify_server(chain, TrustStore([TOP.certificate]), ServerName.parse(NAME), NOW)
    except errors.AlertError:
        return False
    return True


def test_there_are_enough_chains_of_both_kinds(opinions: dict[str, bool]) -> None:
    assert len(CHAINS) >= 200
    assert sum(opinions.values()) >= 50
    assert len(CHAINS) - sum(opinions.values()) >= 50


def test_openssl_agrees_on_every_chain(opinions: dict[str, bool]) -> None:
    mine = {label: is_accepted(leaf, others) for label, leaf, others in CHAINS}
    assert {label: (mine[label], opinions[label]) for label in mine if mine[label] != opinions[label]} == {}
