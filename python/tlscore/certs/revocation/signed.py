"""Signatures over CRLs, OCSP responses and the certificates of those who sign them.

The algorithm comes as an OID out of the signed object itself; the table below is the floor: what is not in it is
refused, whatever the key. RSASSA-PSS brings parameters, which are read here and must name one hash throughout. Keys are
those of the `cryptography` package.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa

from tlscore.certs.revocation import der
from tlscore.certs.signatures import RSA_BITS

_HASHES: Final[dict[bytes, hashes.HashAlgorithm]] = {
    bytes.fromhex("0609608648016503040201"): hashes.SHA256(),
    bytes.fromhex("0609608648016503040202"): hashes.SHA384(),
    bytes.fromhex("0609608648016503040203"): hashes.SHA512(),
}
_RSA: Final[dict[bytes, hashes.HashAlgorithm]] = {
    bytes.fromhex("06092a864886f70d01010b"): hashes.SHA256(),
    bytes.fromhex("06092a864886f70d01010c"): hashes.SHA384(),
    bytes.fromhex("06092a864886f70d01010d"): hashes.SHA512(),
}
_ECDSA: Final[dict[bytes, hashes.HashAlgorithm]] = {
    bytes.fromhex("06082a8648ce3d040302"): hashes.SHA256(),
    bytes.fromhex("06082a8648ce3d040303"): hashes.SHA384(),
    bytes.fromhex("06082a8648ce3d040304"): hashes.SHA512(),
}
_PLAIN: Final[dict[bytes, type[Any]]] = {
    bytes.fromhex("06032b6570"): ed25519.Ed25519PublicKey,
    bytes.fromhex("06032b6571"): ed448.Ed448PublicKey,
    bytes.fromhex("0609608648016503040311"): mldsa.MLDSA44PublicKey,
    bytes.fromhex("0609608648016503040312"): mldsa.MLDSA65PublicKey,
    bytes.fromhex("0609608648016503040313"): mldsa.MLDSA87PublicKey,
}
_PSS: Final = bytes.fromhex("06092a864886f70d01010a")
_MGF1: Final = bytes.fromhex("06092a864886f70d010108")
# Known and too weak (RFC 9155): MD2, MD4, MD5 and SHA-1 with RSA, DSA and ECDSA.
_WEAK: Final = frozenset(
    map(
        bytes.fromhex,
        (
            "06092a864886f70d010102",
            "06092a864886f70d010103",
            "06092a864886f70d010104",
            "06092a864886f70d010105",
            "06072a8648ce380403",
            "06072a8648ce3d0401",
        ),
    )
)


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
    oid = signed.oid
    if oid in _WEAK:
        raise SignatureProblem("it is signed with SHA-1 or an older hash", weak=True)
    if isinstance(key, rsa.RSAPublicKey) and not RSA_BITS[0] <= key.key_size <= RSA_BITS[1]:
        raise SignatureProblem(f"it is signed by an RSA key of {key.key_size} bits", weak=True)
    data, signature = bytes(signed.tbs), signed.signature
    try:
        if oid in _ECDSA and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(_ECDSA[oid]))
        elif oid in _RSA and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), _RSA[oid])
        elif oid == _PSS and isinstance(key, rsa.RSAPublicKey):
            algorithm, salt = _pss_parameters(signed.parameters)
            key.verify(signature, data, padding.PSS(padding.MGF1(algorithm), salt), algorithm)
        elif oid in _PLAIN and isinstance(key, _PLAIN[oid]):
            key.verify(signature, data)
        else:
            raise SignatureProblem("its signature algorithm is unknown or does not fit the key of its signer")
    except InvalidSignature:
        raise SignatureProblem("its signature is wrong") from None
    except (ValueError, UnsupportedAlgorithm) as failure:
        raise SignatureProblem(f"its signature cannot be checked ({type(failure).__name__})") from None


def _pss_parameters(parameters: bytes) -> tuple[hashes.HashAlgorithm, int]:
    """Hash and length of the salt of RSASSA-PSS (RFC 4055 3.1). Absent fields mean SHA-1, which is refused."""
    fields = {one.tag: one for one in der.members(parameters)}
    if 0xA0 not in fields or 0xA1 not in fields:
        raise SignatureProblem("it is signed with SHA-1 or an older hash", weak=True)
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
    return algorithm, salt


def _hash_of(data: bytes, tagged: der.Value) -> hashes.HashAlgorithm:
    algorithm = _HASHES.get(_hash_oid(data, der.value(data, tagged.body, tagged.end)))
    if algorithm is None:
        raise SignatureProblem("it is signed with SHA-1 or another hash that is not accepted", weak=True)
    return algorithm


def _hash_oid(data: bytes, identifier: der.Value) -> bytes:
    parts = der.members(data, identifier)
    return parts[0].whole(data) if parts else b""
