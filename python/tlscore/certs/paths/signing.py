"""Signatures inside certificates: which algorithm a certificate names, and whether its issuer made it.

The algorithms stand in certs/algorithms.py. SHA-1 can be checked, for the legacy window of the policy;
certificate_rules.py refuses it everywhere else. What a check costs is known before it is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa

from tlscore.certs.algorithms import ALGORITHMS, PSS_OID, Algorithm
from tlscore.certs.peer import PARSE_ERRORS

if TYPE_CHECKING:
    from tlscore.certs.paths.budget import Budget
    from tlscore.certs.paths.facts import Facts

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
