"""The certificate of a server without identity: made in memory, self-signed, worth nothing but its key.

TLS 1.3 has no anonymous suites, so encryption without authentication needs some certificate (RFC 9846 appendix C.5).
Each configuration makes its own, so that nobody mistakes it for an identity that lasts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tlscore.certs.identity import Identity

_DAYS = 365


def ephemeral_identity() -> Identity:
    """A fresh P-256 key with a self-signed certificate that names nobody."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "unauthenticated")])
    start = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Identity((certificate,), key)
