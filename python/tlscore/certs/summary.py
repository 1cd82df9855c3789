"""One certificate in a dozen plain values: what reports and the command line show of it.

The texts are what the certificate says, as its issuer wrote them; `escape` them before they are printed. A certificate
may list a hundred thousand names: here are the first fifty, and how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tlscore import clocks
from tlscore.certs import signatures
from tlscore.certs.paths.facts import Facts
from tlscore.certs.paths.signing import algorithm_of
from tlscore.certs.peer import PeerIdentity
from tlscore.iana import SignatureScheme
from tlscore.record import Record

NAMES_SHOWN: Final = 50
_DAY_SECONDS: Final = 86_400


class CertificateSummary(Record, kw_only=True):
    """What one certificate says. `names`: DNS names, addresses, e-mail addresses and URIs of its subjectAltName, the
    first fifty of `name_count`; `key` and `signature` in words, `bits` the size of an RSA key, else None; fingerprints
    are SHA-256 in hexadecimal."""

    subject: str
    issuer: str
    serial_number: int
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]
    name_count: int
    key: str
    bits: int | None
    signature: str
    is_ca: bool
    self_issued: bool
    fingerprint: str
    spki_fingerprint: str

    @classmethod
    def of(cls, facts: Facts) -> CertificateSummary:
        """The summary of a certificate that was parsed."""
        stated = PeerIdentity.of(facts.certificate)
        names = (*stated.dns_names, *stated.ip_addresses, *stated.email_addresses, *stated.uris)
        algorithm = algorithm_of(facts)
        basic = facts.basic_constraints
        return cls(
            subject=stated.subject,
            issuer=stated.issuer,
            serial_number=stated.serial_number,
            not_before=stated.not_before,
            not_after=stated.not_after,
            names=names[:NAMES_SHOWN],
            name_count=len(names),
            key=_key_text(facts),
            bits=facts.key.key_size if isinstance(facts.key, rsa.RSAPublicKey) else None,
            signature=algorithm.name if algorithm is not None else f"an unknown algorithm ({facts.oid})",
            is_ca=basic is not None and basic.ca,
            self_issued=facts.self_issued,
            fingerprint=stated.fingerprint,
            spki_fingerprint=_sha256(facts.spki),
        )

    def days_to_expiry(self, now: datetime) -> float:
        """Days until it expires; below 0 where it has."""
        return (self.not_after - clocks.aware(now)).total_seconds() / _DAY_SECONDS

    def as_dict(self) -> dict[str, Any]:
        """For JSON: times in ISO 8601, the serial number in hexadecimal."""
        return {
            **self._as_dict(),
            "names": list(self.names),
            "serial_number": f"{self.serial_number:x}",
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
        }


def days_to_expiry(certificates: Iterable[Facts], now: datetime) -> float:
    """Days until the first of some certificates expires; below 0 where one has."""
    return min((one.not_after - now).total_seconds() for one in certificates) / _DAY_SECONDS


def _key_text(facts: Facts) -> str:
    key = facts.key
    if key is None:
        return f"a key that cannot be used ({facts.key_damage})"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    schemes = signatures.schemes_for(key)
    return SignatureScheme.name_of(schemes[0]) if schemes else type(key).__name__.removesuffix("PublicKey")


def _sha256(data: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize().hex()
