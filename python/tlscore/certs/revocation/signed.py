"""Signatures over CRLs, OCSP responses and the certificates of those who sign them.

The algorithm comes as an OID out of the signed object itself, and is looked up in certs/algorithms.py: what is not
there, or has a hash that can be forged, is refused, whatever the key. RSASSA-PSS brings parameters, which are read here
and must name one hash throughout. Keys are those of the `cryptography` package.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tlscore.certs.algorithms import BY_OCTETS, FORGEABLE, PSS_OID, Algorithm, encoded
from tlscore.certs.revocation import der
from tlscore.certs.signatures import RSA_BITS

_HASHES: Final[dict[bytes, hashes.HashAlgorithm]] = {
    encoded("2.16.840.1.101.3.4.2.1"): hashes.SHA256(),
    encoded("2.16.840.1.101.3.4.2.2"): hashes.SHA384(),
    encoded("2.16.840.1.101.3.4.2.3"): hashes.SHA512(),
}
_PSS: Final = encoded(PSS_OID)
_MGF1: Final = encoded("1.2.840.113549.1.1.8")
_TOO_WEAK: Final = "it is signed with SHA-1 or another hash that is not accepted"


class SignatureProblem(Exception):
    """A signature that does not hold; `weak` where its algorithm alone is the reason."""

    def __init__(self, text: str, weak: bool = False) -> None:
        super().__init__(text)
        self.weak = weak


class Signed(NamedTuple):
    """SEQUENCE { tbs, AlgorithmIdentifier, BIT STRING, ... }: what CRLs, certificates and OCSP responses all are."""

    tbs: memoryview
    oid: bytes
    parameters: bytes
    algorithm: bytes
    signature: bytes


def open_signed(data: bytes, outer: der.Value | None = None) -> Signed:
    """Take a signed object apart without copying what is signed. Raises DerError."""
    parts = der.members(data, outer)
    if len(parts) < 3 or parts[2].tag != 0x03 or parts[2].body == parts[2].end or data[parts[2].body] != 0:
        raise der.DerError("no signed object")
    algorithm = der.members(data, parts[1])
    if not algorithm or algorithm[0].tag != 0x06:
        raise der.DerError("no algorithm identifier")
    return Signed(
        memoryview(data)[parts[0].start : parts[0].end],
        algorithm[0].whole(data),
        data[algorithm[0].end : parts[1].end],
        parts[1].whole(data),
        data[parts[2].body + 1 : parts[2].end],
    )


def check_signature(key: Any, signed: Signed) -> None:
    """Check a signature. Raises SignatureProblem."""
    algorithm = _pss_algorithm(signed.parameters) if signed.oid == _PSS else BY_OCTETS.get(signed.oid)
    # RFC 9155: no signature with MD5 or SHA-1; there is no window for them here as there is for certificates.
    if algorithm is not None and algorithm.hash_name in FORGEABLE:
        raise SignatureProblem(_TOO_WEAK, weak=True)
    if isinstance(key, rsa.RSAPublicKey) and not RSA_BITS[0] <= key.key_size <= RSA_BITS[1]:
        raise SignatureProblem(f"it is signed by an RSA key of {key.key_size} bits", weak=True)
    if algorithm is None or algorithm.key is None or not isinstance(key, algorithm.key):
        raise SignatureProblem("its signature algorithm is unknown or does not fit the key of its signer")
    try:
        key.verify(signed.signature, bytes(signed.tbs), *algorithm.arguments)
    except InvalidSignature:
        raise SignatureProblem("its signature is wrong") from None
    except (ValueError, UnsupportedAlgorithm) as failure:
        raise SignatureProblem(f"its signature cannot be checked ({type(failure).__name__})") from None


def _pss_algorithm(parameters: bytes) -> Algorithm:
    """RSASSA-PSS with its parameters (RFC 4055 3.1). Absent fields mean SHA-1, which is refused."""
    fields = {one.tag: one for one in der.members(parameters)}
    if 0xA0 not in fields or 0xA1 not in fields:
        raise SignatureProblem(_TOO_WEAK, weak=True)
    algorithm = _hash_of(parameters, fields[0xA0])
    mask = der.members(parameters, der.value(parameters, fields[0xA1].body, fields[0xA1].end))
    if len(mask) != 2 or mask[0].whole(parameters) != _MGF1 or _hash_oid(parameters, mask[1]) not in _HASHES:
        raise SignatureProblem("its RSASSA-PSS parameters are not usable")
    if _HASHES[_hash_oid(parameters, mask[1])].name != algorithm.name:
        raise SignatureProblem("its RSASSA-PSS parameters name two hashes")
    salt = 20
    if 0xA2 in fields:
        number = der.value(parameters, fields[0xA2].body, fields[0xA2].end)
        salt = int.from_bytes(number.contents(parameters), "big")
    if salt > algorithm.digest_size or 0xA3 in fields:
        raise SignatureProblem("its RSASSA-PSS parameters are not usable")
    scheme = padding.PSS(padding.MGF1(algorithm), salt)
    return Algorithm(f"RSA-PSS with {algorithm.name}", algorithm.name.upper(), rsa.RSAPublicKey, (scheme, algorithm))


def _hash_of(data: bytes, tagged: der.Value) -> hashes.HashAlgorithm:
    algorithm = _HASHES.get(_hash_oid(data, der.value(data, tagged.body, tagged.end)))
    if algorithm is None:
        raise SignatureProblem(_TOO_WEAK, weak=True)
    return algorithm


def _hash_oid(data: bytes, identifier: der.Value) -> bytes:
    parts = der.members(data, identifier)
    return parts[0].whole(data) if parts else b""
