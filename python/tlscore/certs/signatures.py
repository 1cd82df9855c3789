"""Signatures of the handshake: which key makes which scheme, how to make one, how to check one.

All of it is the `cryptography` package; here stand the tables from TLS 1.3 code points to its objects. Padding and hash
objects are made once: they are stateless, and making them costs as much as a tenth of a P-256 signature. In TLS 1.3 a
curve belongs to a scheme (ecdsa_secp256r1_sha256 is P-256 only), and an RSA key says by its OID whether it signs as
rsa_pss_rsae or as rsa_pss_pss. In TLS 1.2 the same code points say hash and algorithm alone: any curve goes with any
hash, and PKCS #1 v1.5 signs too. SHA-1 and MD5 sign nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, Protocol, runtime_checkable

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.x509.oid import SignatureAlgorithmOID

from tlscore import errors
from tlscore.iana import SignatureScheme

PrivateKey = (
    ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
)
PublicKey = (
    ec.EllipticCurvePublicKey
    | rsa.RSAPublicKey
    | ed25519.Ed25519PublicKey
    | ed448.Ed448PublicKey
    | mldsa.MLDSA44PublicKey
    | mldsa.MLDSA65PublicKey
    | mldsa.MLDSA87PublicKey
)


@runtime_checkable
class Signer(Protocol):
    """A key that is not ours to hold: a token, a key service. `schemes`, if it has them, says which it can make."""

    def sign(self, scheme: int, data: bytes, /) -> bytes: ...


@runtime_checkable
class AsyncSigner(Protocol):
    """A signer whose answer takes its time, such as a service on the network: the handshake waits in a state of its
    own, and the event loop goes on."""

    def sign(self, scheme: int, data: bytes, /) -> Awaitable[bytes]: ...


def _pss(algorithm: hashes.HashAlgorithm) -> tuple[padding.PSS, hashes.HashAlgorithm]:
    # RFC 9846 4.3.3: "The length of the Salt MUST be equal to the length of the output of the digest algorithm."
    return padding.PSS(padding.MGF1(algorithm), algorithm.digest_size), algorithm


_SHA256, _SHA384, _SHA512 = hashes.SHA256(), hashes.SHA384(), hashes.SHA512()
_ECDSA: Final = {
    SignatureScheme.ecdsa_secp256r1_sha256: ("secp256r1", ec.ECDSA(_SHA256)),
    SignatureScheme.ecdsa_secp384r1_sha384: ("secp384r1", ec.ECDSA(_SHA384)),
    SignatureScheme.ecdsa_secp521r1_sha512: ("secp521r1", ec.ECDSA(_SHA512)),
}
_CURVE_SCHEMES: Final = {curve: (scheme,) for scheme, (curve, _) in _ECDSA.items()}
_RSAE: Final = (
    SignatureScheme.rsa_pss_rsae_sha256,
    SignatureScheme.rsa_pss_rsae_sha384,
    SignatureScheme.rsa_pss_rsae_sha512,
)
_RSA_PSS: Final = (
    SignatureScheme.rsa_pss_pss_sha256,
    SignatureScheme.rsa_pss_pss_sha384,
    SignatureScheme.rsa_pss_pss_sha512,
)
_PADDINGS: Final = {
    scheme: _pss(algorithm)
    for schemes in (_RSAE, _RSA_PSS)
    for scheme, algorithm in zip(schemes, (_SHA256, _SHA384, _SHA512), strict=True)
}
# TLS 1.2 alone: PKCS #1 v1.5 signs handshakes there (RFC 5246 4.7).
_PKCS1: Final = {
    SignatureScheme.rsa_pkcs1_sha256: (padding.PKCS1v15(), _SHA256),
    SignatureScheme.rsa_pkcs1_sha384: (padding.PKCS1v15(), _SHA384),
    SignatureScheme.rsa_pkcs1_sha512: (padding.PKCS1v15(), _SHA512),
}
# Keys that sign in one way only, with the public and private classes that tell them.
_FIXED: Final[dict[int, tuple[type[Any], type[Any]]]] = {
    SignatureScheme.ed25519: (ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey),
    SignatureScheme.ed448: (ed448.Ed448PublicKey, ed448.Ed448PrivateKey),
    SignatureScheme.mldsa44: (mldsa.MLDSA44PublicKey, mldsa.MLDSA44PrivateKey),
    SignatureScheme.mldsa65: (mldsa.MLDSA65PublicKey, mldsa.MLDSA65PrivateKey),
    SignatureScheme.mldsa87: (mldsa.MLDSA87PublicKey, mldsa.MLDSA87PrivateKey),
}
_EDWARDS: Final = (SignatureScheme.ed25519, SignatureScheme.ed448)
_SIGNATURE_OIDS: Final = {
    oid: frozenset((scheme,))
    for oid, scheme in (
        (SignatureAlgorithmOID.ECDSA_WITH_SHA256, SignatureScheme.ecdsa_secp256r1_sha256),
        (SignatureAlgorithmOID.ECDSA_WITH_SHA384, SignatureScheme.ecdsa_secp384r1_sha384),
        (SignatureAlgorithmOID.ECDSA_WITH_SHA512, SignatureScheme.ecdsa_secp521r1_sha512),
        (SignatureAlgorithmOID.RSA_WITH_SHA256, SignatureScheme.rsa_pkcs1_sha256),
        (SignatureAlgorithmOID.RSA_WITH_SHA384, SignatureScheme.rsa_pkcs1_sha384),
        (SignatureAlgorithmOID.RSA_WITH_SHA512, SignatureScheme.rsa_pkcs1_sha512),
        (SignatureAlgorithmOID.RSA_WITH_SHA1, SignatureScheme.rsa_pkcs1_sha1),
        (SignatureAlgorithmOID.ECDSA_WITH_SHA1, SignatureScheme.ecdsa_sha1),
        (SignatureAlgorithmOID.ED25519, SignatureScheme.ed25519),
        (SignatureAlgorithmOID.ED448, SignatureScheme.ed448),
        (x509.ObjectIdentifier("2.16.840.1.101.3.4.3.17"), SignatureScheme.mldsa44),
        (x509.ObjectIdentifier("2.16.840.1.101.3.4.3.18"), SignatureScheme.mldsa65),
        (x509.ObjectIdentifier("2.16.840.1.101.3.4.3.19"), SignatureScheme.mldsa87),
    )
}
# RFC 9325 4.5: fewer than 2048 bits are not to be used; the upper bound keeps one check below a millisecond.
RSA_BITS: Final = (2048, 16384)
PSS_KEY_OID: Final = "1.2.840.113549.1.1.10"
PRIVATE_KEY_CLASSES: Final[tuple[type[Any], ...]] = (
    ec.EllipticCurvePrivateKey,
    rsa.RSAPrivateKey,
    *(private for _, private in _FIXED.values()),
)


def schemes_for(public_key: object, key_oid: str = "") -> tuple[int, ...]:
    """TLS 1.3 schemes that a key can make, preferred first; empty if there are none.

    Takes:    key_oid: the algorithm OID of the SubjectPublicKeyInfo, which alone tells RSASSA-PSS keys from plain RSA
              keys.
    """
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return _CURVE_SCHEMES.get(public_key.curve.name, ())
    if isinstance(public_key, rsa.RSAPublicKey):
        # RFC 9846 4.3.3: rsa_pss_pss "MUST use the RSASSA-PSS OID", rsa_pss_rsae "MUST use the rsaEncryption OID".
        return _RSA_PSS if key_oid == PSS_KEY_OID else _RSAE
    for scheme, (public, _) in _FIXED.items():
        if isinstance(public_key, public):
            return (scheme,)
    return ()


def schemes12(schemes13: tuple[int, ...]) -> tuple[int, ...]:
    """Schemes that a key can make in TLS 1.2, preferred first, by those that it can make in TLS 1.3."""
    if not schemes13:
        return ()
    if schemes13[0] in _ECDSA:
        # RFC 9846 4.3.3 on TLS 1.2: "ECDSA signature schemes [...] do not constrain the signing curve".
        return (*schemes13, *(scheme for scheme in _ECDSA if scheme not in schemes13))
    if schemes13[0] in _RSAE:
        return (*schemes13, *_PKCS1)
    # RFC 8422 5.10 has Ed25519 and Ed448; ML-DSA exists in TLS 1.3 alone.
    return tuple(scheme for scheme in schemes13 if scheme in _PADDINGS or scheme in _EDWARDS)


def schemes_signing(certificate: x509.Certificate) -> frozenset[int]:
    """The names that the signature on a certificate has in signature_algorithms_cert; empty for one that has none."""
    oid = certificate.signature_algorithm_oid
    if oid in _SIGNATURE_OIDS:
        return _SIGNATURE_OIDS[oid]
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        digest = None
    if oid != SignatureAlgorithmOID.RSASSA_PSS or digest is None:
        return frozenset()
    return frozenset(scheme for scheme, (_, own) in _PADDINGS.items() if own.name == digest.name)


def key_kind(schemes13: tuple[int, ...]) -> str:
    """The kind of key that TLS 1.2 suites speak of: "ECDSA" (Edwards curves too, RFC 8422 5.10), "RSA" or neither."""
    first = schemes13[0] if schemes13 else 0
    return "RSA" if first in _PADDINGS else "ECDSA" if first in _ECDSA or first in _EDWARDS else ""


def curve_of(schemes13: tuple[int, ...]) -> str:
    """The name of the curve of an ECDSA key, empty for others."""
    return _ECDSA[schemes13[0]][0] if schemes13 and schemes13[0] in _ECDSA else ""


def verify(public_key: PublicKey, scheme: int, signature: bytes, data: bytes, tls12: bool = False) -> None:
    """Check a signature of the handshake.

    Takes:    scheme: one that schemes_for(public_key) lists, or schemes12 of that; the handshake has checked that it
              was offered.
    Raises:   DecryptError if the signature is wrong; IllegalParameter if key and scheme do not go together.
    Source:   RFC 9846 section 4.5.2, RFC 5246 section 4.7.
    """
    key: Any = public_key
    try:
        if scheme in _ECDSA:
            curve, algorithm = _ECDSA[scheme]
            if isinstance(key, ec.EllipticCurvePublicKey) and (tls12 or key.curve.name == curve):
                key.verify(signature, data, algorithm)
                return
        elif scheme in _PADDINGS or (tls12 and scheme in _PKCS1):
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, data, *(_PADDINGS.get(scheme) or _PKCS1[scheme]))
                return
        elif scheme in _FIXED and isinstance(key, _FIXED[scheme][0]):
            key.verify(signature, data)
            return
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        # RFC 9846 4.5.2: "If the verification fails, the receiver MUST terminate the handshake with a "decrypt_error"
        # alert."
        raise errors.DecryptError(
            f"the {SignatureScheme.name_of(scheme)} signature over the handshake is wrong",
            remedy="the peer does not hold the key of its certificate, or somebody changed the handshake on the way",
            section="RFC 9846 4.5.2",
        ) from None
    raise errors.IllegalParameter(
        f"the peer signed with {SignatureScheme.name_of(scheme)}, which the key of its certificate cannot make",
        remedy="the peer must sign with a scheme of its key and of our signature_algorithms",
        section="RFC 9846 4.5.2",
    )


def sign(
    private_key: PrivateKey, scheme: int, data: bytes, public_key: PublicKey | None = None, tls12: bool = False
) -> bytes:
    """Sign with a key of the `cryptography` package. An RSA signature is checked before it is given out."""
    key: Any = private_key
    signature: bytes
    if (
        scheme in _ECDSA
        and isinstance(key, ec.EllipticCurvePrivateKey)
        and (tls12 or key.curve.name == _ECDSA[scheme][0])
    ):
        signature = key.sign(data, _ECDSA[scheme][1])
    elif (scheme in _PADDINGS or (tls12 and scheme in _PKCS1)) and isinstance(key, rsa.RSAPrivateKey):
        made = key.sign(data, *(_PADDINGS.get(scheme) or _PKCS1[scheme]))
        signature = checked(public_key or key.public_key(), scheme, made, data, tls12)
    elif scheme in _FIXED and isinstance(key, _FIXED[scheme][1]):
        signature = key.sign(data)
    else:
        raise errors.InternalError(f"our key cannot make {SignatureScheme.name_of(scheme)}", section="RFC 9846 4.5.2")
    return signature


def checked(public_key: Any, scheme: int, signature: bytes, data: bytes, tls12: bool = False) -> bytes:
    """Give out a signature only if it is right: a wrong RSA-CRT result, after a fault, tells the private key to whoever
    sees it."""
    try:
        verify(public_key, scheme, signature, data, tls12)
    except errors.AlertError:
        raise errors.InternalError(
            f"our own {SignatureScheme.name_of(scheme)} signature came out wrong and was not sent",
            remedy="the signer is broken or holds the key of another certificate; if neither, suspect the hardware",
            section="RFC 9846 6.2",
        ) from None
    return signature
