"""Signature algorithms of certificates, CRLs and OCSP responses: one table for all that an authority signs.

It is keyed by the OID of the algorithm, as dotted text and, for what is read from DER directly, as octets. For a hash
that can be forged there is no way to check a signature at all: MD2, MD4, MD5 and SHA-224 have an entry that only names
them. SHA-1 has one that works, for certificates in the legacy window of a policy alone. RSASSA-PSS is not in the table:
its parameters, which each reader takes apart its own way, name the hash.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa

PSS_OID: Final = "1.2.840.113549.1.1.10"


class Algorithm(NamedTuple):
    """One signature algorithm of certificates; `key` is None where it is never checked."""

    name: str
    hash_name: str
    key: type[Any] | None
    arguments: tuple[Any, ...] = ()


def _rsa(hash_name: str, algorithm: hashes.HashAlgorithm) -> Algorithm:
    return Algorithm(f"RSA with {hash_name}", hash_name, rsa.RSAPublicKey, (padding.PKCS1v15(), algorithm))


def _ecdsa(hash_name: str, algorithm: hashes.HashAlgorithm) -> Algorithm:
    return Algorithm(f"ECDSA with {hash_name}", hash_name, ec.EllipticCurvePublicKey, (ec.ECDSA(algorithm),))


def _never(name: str, hash_name: str) -> Algorithm:
    return Algorithm(name, hash_name, None)


_SHA1, _SHA256, _SHA384, _SHA512 = hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()
ALGORITHMS: Final = {
    "1.2.840.113549.1.1.2": _never("RSA with MD2", "MD2"),
    "1.2.840.113549.1.1.3": _never("RSA with MD4", "MD4"),
    "1.2.840.113549.1.1.4": _never("RSA with MD5", "MD5"),
    "1.2.840.113549.1.1.5": _rsa("SHA1", _SHA1),
    "1.3.14.3.2.29": _rsa("SHA1", _SHA1),
    "1.2.840.113549.1.1.14": _never("RSA with SHA224", "SHA224"),
    "1.2.840.113549.1.1.11": _rsa("SHA256", _SHA256),
    "1.2.840.113549.1.1.12": _rsa("SHA384", _SHA384),
    "1.2.840.113549.1.1.13": _rsa("SHA512", _SHA512),
    "1.2.840.10045.4.1": _ecdsa("SHA1", _SHA1),
    "1.2.840.10045.4.3.1": _never("ECDSA with SHA224", "SHA224"),
    "1.2.840.10045.4.3.2": _ecdsa("SHA256", _SHA256),
    "1.2.840.10045.4.3.3": _ecdsa("SHA384", _SHA384),
    "1.2.840.10045.4.3.4": _ecdsa("SHA512", _SHA512),
    "1.3.101.112": Algorithm("Ed25519", "", ed25519.Ed25519PublicKey),
    "1.3.101.113": Algorithm("Ed448", "", ed448.Ed448PublicKey),
    "2.16.840.1.101.3.4.3.17": Algorithm("ML-DSA-44", "", mldsa.MLDSA44PublicKey),
    "2.16.840.1.101.3.4.3.18": Algorithm("ML-DSA-65", "", mldsa.MLDSA65PublicKey),
    "2.16.840.1.101.3.4.3.19": Algorithm("ML-DSA-87", "", mldsa.MLDSA87PublicKey),
}
# Hashes of which collisions or worse are known: never, whatever the policy says.
BROKEN: Final = frozenset(("MD2", "MD4", "MD5"))
# RFC 9325 4.5: SHA-224 and SHA-1 "MUST NOT" be used.
FORGEABLE: Final = BROKEN | {"SHA1", "SHA224"}


def encoded(oid: str) -> bytes:
    """An OID as a whole DER element (X.690 8.19); its first two arcs share an octet."""
    first, second, *others = map(int, oid.split("."))
    body = bytearray()
    for arc in (40 * first + second, *others):
        octets = [arc & 0x7F]
        while arc := arc >> 7:
            octets.append(arc & 0x7F | 0x80)
        body += bytes(reversed(octets))
    return bytes((0x06, len(body))) + body


BY_OCTETS: Final = {encoded(oid): algorithm for oid, algorithm in ALGORITHMS.items()}
