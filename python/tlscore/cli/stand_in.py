"""Certificates that stand in for those whose keys are not at hand: same kind of key, same names, another authority.

They let a negotiation run that depends on the kind of key. What they prove is worth nothing, and they never leave the
process.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tlscore.certs.identity import Identity
from tlscore.certs.trust_store import TrustStore
from tlscore.errors import ConfigError

_NAME = "stand-in.invalid"


class StandIns:
    """An authority in memory, and what it issues."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names or (_NAME,)
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed("stand-in authority", self._key.public_key(), ca=True)
        self.trust = TrustStore.from_certificates((certificate,))

    def identity(self) -> Identity:
        """One with a P-256 key."""
        return self._issue(ec.generate_private_key(ec.SECP256R1()))

    def like(self, der: bytes) -> Identity:
        """One with a key of the same kind as that of a certificate."""
        key: Any = x509.load_der_x509_certificate(der).public_key()
        if isinstance(key, ec.EllipticCurvePublicKey):
            return self._issue(ec.generate_private_key(key.curve))
        if isinstance(key, rsa.RSAPublicKey):
            return self._issue(rsa.generate_private_key(65537, 2048))
        if isinstance(key, ed25519.Ed25519PublicKey):
            return self._issue(ed25519.Ed25519PrivateKey.generate())
        if isinstance(key, ed448.Ed448PublicKey):
            return self._issue(ed448.Ed448PrivateKey.generate())
        raise ConfigError(
            f"a certificate with a {type(key).__name__} is described without its key",
            remedy="add key, or leave the certificate out",
        )

    def _issue(self, private: Any) -> Identity:
        certificate = self._signed(self.names[0], private.public_key(), ca=False)
        return Identity((certificate.public_bytes(Encoding.DER),), private)

    def _signed(self, subject: str, public: Any, *, ca: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_x509_name(subject))
            .issuer_name(_x509_name("stand-in authority"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if not ca:
            usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False).add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in self.names]), critical=False
            )
        return builder.sign(self._key, hashes.SHA256())


def _x509_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _general_name(name: str) -> x509.GeneralName:
    from ipaddress import ip_address

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
