"""Certificates with exactly the extensions that a test says, and paths of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support.certificates import make_key

NOW = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)
Extension = tuple[x509.ExtensionType, bool]


def authority(path_length: int | None = None) -> Extension:
    return x509.BasicConstraints(True, path_length), True


def san(*names: x509.GeneralName | str) -> Extension:
    values = [x509.DNSName(one) if isinstance(one, str) else one for one in names]
    return x509.SubjectAlternativeName(values), False


def name(*common: str, **others: str) -> x509.Name:
    oids = {"o": NameOID.ORGANIZATION_NAME, "email": NameOID.EMAIL_ADDRESS}
    pairs = [x509.NameAttribute(oids[key], value) for key, value in others.items()]
    return x509.Name([*pairs, *(x509.NameAttribute(NameOID.COMMON_NAME, one) for one in common)])


class Node:
    """A certificate and its key, which can issue others."""

    def __init__(self, certificate: x509.Certificate, key: Any) -> None:
        self.certificate, self.key = certificate, key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def issue(self, subject: x509.Name | str, *extensions: Extension, key: Any = None, **options: Any) -> Node:
        own = key or make_key("p256")
        return Node(build(subject, own, self.certificate.subject, self.key, *extensions, **options), own)


def root(subject: x509.Name | str = "Root", *extensions: Extension, key: Any = None, **options: Any) -> Node:
    own = key or make_key("p256")
    return Node(build(subject, own, subject, own, *(extensions or (authority(),)), **options), own)


def build(
    subject: x509.Name | str,
    key: Any,
    issuer: x509.Name | str,
    issuer_key: Any,
    *extensions: Extension,
    start: dt.datetime = NOW - dt.timedelta(days=1),
    end: dt.datetime = NOW + dt.timedelta(days=30),
    algorithm: Any = None,
    serial: int | None = None,
    padding: Any = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject) if isinstance(subject, str) else subject)
        .issuer_name(name(issuer) if isinstance(issuer, str) else issuer)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    if algorithm is None and isinstance(issuer_key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        algorithm = hashes.SHA256()
    return builder.sign(issuer_key, algorithm, rsa_padding=padding)
