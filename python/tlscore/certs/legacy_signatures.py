"""Signatures of the legacy tier: those of TLS 1.0 and 1.1, and SHA-1 in TLS 1.2 where a configuration allows it.

TLS 1.0 and 1.1 leave no choice: an RSA key signs MD5 and SHA-1 of the content together, without saying which hashes
they are, an ECDSA key signs SHA-1. The first has no code point; it gets a private one here, so that both ends of the
library can name it. Keys of other kinds do not exist there. Loaded by the legacy tier alone.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tlscore import errors
from tlscore.certs import key_use, signatures
from tlscore.iana import ProtocolVersion, SignatureScheme

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity

# From the registry's range for private use: on no wire.
RSA_MD5_SHA1: Final = 0xFF01
_NAMES: Final = {RSA_MD5_SHA1: "rsa_pkcs1_md5_sha1"}
# What opens premaster secrets takes no longer key: each costs a private operation before anything is known of a client.
_LARGEST_BITS: Final = 8192
_SECTION: Final = "RFC 4346 7.4.3"


def name_of(scheme: int) -> str:
    """The name of a scheme, that of MD5 with SHA-1 too."""
    return _NAMES.get(scheme) or SignatureScheme.name_of(scheme)


def old_scheme(kind: str, schemes13: tuple[int, ...]) -> int | None:
    """How a key signs in TLS 1.0 and 1.1; None for keys that cannot.

    Takes:    kind: of signatures.key_kind; schemes13: what the key signs in TLS 1.3.
    """
    if kind == "RSA" and SignatureScheme.rsa_pss_rsae_sha256 in schemes13:
        return RSA_MD5_SHA1
    return SignatureScheme.ecdsa_sha1 if signatures.curve_of(schemes13) else None


def sha1_scheme(kind: str, schemes13: tuple[int, ...]) -> tuple[int, ...]:
    """The scheme with SHA-1 of a key in TLS 1.2; empty for keys that have none."""
    old = old_scheme(kind, schemes13)
    return () if old is None else (SignatureScheme.rsa_pkcs1_sha1 if old == RSA_MD5_SHA1 else old,)


def able(identity: Identity, version: int) -> tuple[int, ...]:
    """The schemes that an identity can sign with in a version up to TLS 1.2, preferred first.

    Only a key in this process makes the signatures that a signer's interface cannot name.
    """
    if version < ProtocolVersion.TLS12:
        only = old_scheme(identity.kind, identity.schemes) if holds_key(identity) else None
        return () if only is None else (only,)
    sha1 = sha1_scheme(identity.kind, identity.schemes) if holds_key(identity) else ()
    return (*identity.schemes12, *sha1)


def exchange_problem(identity: Identity) -> str:
    """Why an identity serves no RSA key exchange; empty where it may."""
    if not key_use.encrypts(identity.certificate):
        return "has a key that only signs"
    if "keyEncipherment" not in identity.uses:
        return "has a keyUsage without keyEncipherment"
    if not holds_key(identity):
        return "has its key in a signer, which only signs"
    bits = _held(identity).key_size
    return f"has an RSA key of {bits} bits, which only signs" if bits > _LARGEST_BITS else ""


def _held(identity: Identity) -> Any:
    """The private key, where this process holds it; None where a signer does. It is shown to nobody else."""
    return None if identity._sign_checked else identity._private


def holds_key(identity: Identity) -> bool:
    """Whether the key of an identity is in this process."""
    return _held(identity) is not None


def pkcs8(identity: Identity) -> bytes | None:
    """The key of an identity as the part that opens premaster secrets takes it; None where it is elsewhere."""
    key = _held(identity)
    if key is None:
        return None
    der: bytes = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return der


def sign(identity: Identity, scheme: int, data: bytes) -> bytes:
    """Sign with a key that this process holds.

    Raises:   HandshakeFailure for a key that is elsewhere: its interface cannot say MD5 with SHA-1; InternalError where
              key and scheme do not go together, or where our own signature came out wrong.
    """
    key = _held(identity)
    if key is None:
        raise errors.HandshakeFailure(
            "the key of this identity is held by a signer, which cannot be asked for signatures of the legacy tier",
            remedy="load the identity with its key, or use TLS 1.2 with SHA-256",
            section=_SECTION,
        )
    if scheme == SignatureScheme.ecdsa_sha1 and isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hashes.SHA1()))
    if scheme in (RSA_MD5_SHA1, SignatureScheme.rsa_pkcs1_sha1) and isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(_digest(scheme, data), padding.PKCS1v15(), _hash(scheme))
        try:
            # A wrong RSA-CRT result, after a fault, tells the private key to whoever sees it.
            verify(key.public_key(), scheme, signature, data)
        except errors.AlertError:
            raise errors.InternalError(
                f"our own {name_of(scheme)} signature came out wrong and was not sent",
                remedy="suspect the hardware",
                section=_SECTION,
            ) from None
        return signature
    raise errors.InternalError(f"our key cannot make {name_of(scheme)}", section=_SECTION)


def verify(public_key: Any, scheme: int, signature: bytes, data: bytes) -> None:
    """Check a signature of the legacy tier.

    Raises:   DecryptError if it is wrong; IllegalParameter if key and scheme do not go together.
    Source:   RFC 4346 section 7.4.3.
    """
    try:
        if scheme == SignatureScheme.ecdsa_sha1 and isinstance(public_key, ec.EllipticCurvePublicKey):
            public_key.verify(signature, data, ec.ECDSA(hashes.SHA1()))
            return
        if scheme in (RSA_MD5_SHA1, SignatureScheme.rsa_pkcs1_sha1) and isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(signature, _digest(scheme, data), padding.PKCS1v15(), _hash(scheme))
            return
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        raise errors.DecryptError(
            f"the {name_of(scheme)} signature over the handshake is wrong",
            remedy="the peer does not hold the key of its certificate, or somebody changed the handshake on the way",
            section=_SECTION,
        ) from None
    raise errors.IllegalParameter(
        f"the peer signed with {name_of(scheme)}, which the key of its certificate cannot make", section=_SECTION
    )


def _digest(scheme: int, data: bytes) -> bytes:
    """What is given to the RSA operation: the two digests, or the data where it hashes itself."""
    if scheme != RSA_MD5_SHA1:
        return data
    md5 = hashlib.md5(data, usedforsecurity=False).digest()
    return md5 + hashlib.sha1(data, usedforsecurity=False).digest()


def _hash(scheme: int) -> Any:
    return utils.NoDigestInfo() if scheme == RSA_MD5_SHA1 else hashes.SHA1()
