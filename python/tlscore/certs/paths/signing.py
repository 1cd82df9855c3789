"""Signatures inside certificates: which algorithm a certificate names, and whether its issuer made it.

The table is keyed by the OID of the signature algorithm. For a hash that can be forged there is no way to check a
signature at all: MD2, MD4, MD5 and SHA-224 have an entry that only names them. SHA-1 has one that works, for the legacy
window of the policy; certificate_rules.py refuses it everywhere else. What a check costs is known before it is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa

from tlscore.certs.peer import PARSE_ERRORS

if TYPE_CHECKING:
    from tlscore.certs.paths.budget import Budget
    from tlscore.certs.paths.facts import Facts

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

# Steps (0.2 microseconds) that one check costs.
_CURVE_STEPS: Final = {"secp256r1": 330, "secp384r1": 2800, "secp521r1": 3600}
_KIND_STEPS: Final[dict[type[Any], int]] = {
    ed25519.Ed25519PublicKey: 500,
    ed448.Ed448PublicKey: 1300,
    mldsa.MLDSA44PublicKey: 1000,
    mldsa.MLDSA65PublicKey: 1200,
    mldsa.MLDSA87PublicKey: 2000,
}


def algorithm_of(child: Facts) -> Algorithm | None:
    """The algorithm that signed a certificate; None for one that nobody here knows."""
    if child.oid == PSS_OID:
        return _pss_algorithm(child)
    return ALGORITHMS.get(child.oid)


def _pss_algorithm(child: Facts) -> Algorithm | None:
    try:
        parameters: Any = child.certificate.signature_algorithm_parameters
        algorithm: Any = child.certificate.signature_hash_algorithm
    except PARSE_ERRORS:
        return None
    if algorithm is None or not isinstance(parameters, padding.PSS):
        return None
    name = algorithm.name.upper().replace("-", "")
    checked = name in ("SHA1", "SHA256", "SHA384", "SHA512")
    return Algorithm(f"RSA-PSS with {name}", name, rsa.RSAPublicKey if checked else None, (parameters, algorithm))


def steps_of(key: Any) -> int:
    """What a check with this key costs."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVE_STEPS.get(key.curve.name, 5000)
    if isinstance(key, rsa.RSAPublicKey):
        return 100 + key.key_size**2 // 33_000
    return next((steps for kind, steps in _KIND_STEPS.items() if isinstance(key, kind)), 100)


def is_signed_by(child: Facts, issuer: Facts, budget: Budget) -> bool:
    """Whether the issuer's key made the signature of `child`; names and rights of the issuer are checked elsewhere.

    Source:   RFC 5280 section 6.1.3 (a) (1). Raises BudgetSpent before the check that the budget does not cover.
    """
    found = algorithm_of(child)
    key = issuer.key
    if found is None or found.key is None or not isinstance(key, found.key):
        return False
    if isinstance(key, rsa.RSAPublicKey) and not is_cheap(key):
        return False
    budget.signature(steps_of(key))
    try:
        key.verify(child.signature, child.tbs, *found.arguments)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def is_cheap(key: rsa.RSAPublicKey) -> bool:
    """Whether a check with an RSA key costs what keys of its size cost: neither huge, nor with a huge exponent."""
    return key.key_size <= 16384 and key.public_numbers().e.bit_length() <= 33
