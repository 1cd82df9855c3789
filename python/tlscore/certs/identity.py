"""Who this end is: a certificate chain and the key of its first certificate, as one object that cannot be taken apart.

The key may be a file, PEM or DER bytes, a key of the `cryptography` package, or any object with `sign(scheme, data)`,
such as a token or a key service. Everything that can be wrong is found when the identity is loaded: an unreadable file,
a wrong password, a missing key, a key of another certificate. The key appears in no repr and is never pickled.
Signatures by RSA keys and by foreign signers are checked before they leave, since one wrong RSA signature tells the
key.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Never, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

from tlscore.certs import names, signatures
from tlscore.certs.reading import Source, blocks, certificates_in, found, is_pem, read
from tlscore.errors import ConfigError

Password = str | bytes | Callable[[], str | bytes]
Readable = str | bytes | os.PathLike[str]


class Identity:
    """A certificate chain with its key.

    `chain` are DER certificates, own first, without a root; `names` the DNS names of the own one; `issuers` the DER
    names of all issuers of the chain; `schemes` what the key can sign in TLS 1.3, preferred first, `schemes12` in TLS
    1.2; `kind` which suites of TLS 1.2 it serves: "ECDSA", "RSA" or, for keys of TLS 1.3 alone, "".
    """

    __slots__ = (
        "_private",
        "_public",
        "_sign_checked",
        "certificate",
        "chain",
        "issuers",
        "kind",
        "names",
        "schemes",
        "schemes12",
    )

    chain: tuple[bytes, ...]
    certificate: x509.Certificate
    names: tuple[str, ...]
    issuers: tuple[bytes, ...]
    schemes: tuple[int, ...]
    schemes12: tuple[int, ...]
    kind: str

    def __init__(
        self,
        chain: tuple[bytes | x509.Certificate, ...] | list[bytes | x509.Certificate],
        key: signatures.PrivateKey | signatures.Signer,
        *,
        send_root: bool = False,
        origin: str = "the chain",
    ) -> None:
        if isinstance(chain, (str, bytes)):
            raise ConfigError(
                "the chain is one text", remedy="use Identity.load(chain, key), or give a list of DER certificates"
            )
        parsed = [_certificate(one) for one in chain]
        if not parsed:
            raise ConfigError("the chain is empty", remedy="give the own certificate first, then the intermediate ones")
        leaf = self.certificate = parsed[0]
        # RFC 9846 4.5.1: "a certificate that specifies a trust anchor MAY be omitted from the chain".
        if not send_root and len(parsed) > 1 and parsed[-1].issuer == parsed[-1].subject:
            del parsed[-1]
        self.chain = tuple(one.public_bytes(Encoding.DER) for one in parsed)
        self.issuers = tuple(dict.fromkeys(one.issuer.public_bytes() for one in parsed))
        self.names = _dns_names(leaf)
        public = self._public = _public_key(leaf, origin)
        self._private: Any = key
        own = isinstance(key, signatures.PRIVATE_KEY_CLASSES)
        if not own and not callable(getattr(key, "sign", None)):
            raise ConfigError(
                f"the key is {type(key).__name__}",
                remedy="give a key of the cryptography package, or an object with sign(scheme, data)",
            )
        _check_pair(key, parsed, public, origin)
        self._sign_checked = not own
        usable = signatures.schemes_for(public, leaf.public_key_algorithm_oid.dotted_string)
        asked = None if own else getattr(key, "schemes", None)
        self.schemes = usable if asked is None else tuple(scheme for scheme in usable if scheme in tuple(asked))
        # A signer that does not say what it makes was written for TLS 1.3; its schemes exist in TLS 1.2 too.
        older = signatures.schemes12(usable)
        self.schemes12 = (
            older if own else tuple(scheme for scheme in older if scheme in (usable if asked is None else tuple(asked)))
        )
        self.kind = signatures.key_kind(usable)
        if not self.schemes:
            raise ConfigError(
                f"the key of {origin} can make no signature that TLS 1.3 has",
                remedy="use a P-256, P-384, P-521, Ed25519, Ed448, ML-DSA or RSA key (of 2048 bits or more)",
                section="RFC 9846 4.3.3",
            )

    @classmethod
    def load(
        cls, chain: Readable, key: object = None, password: Password | None = None, *, send_root: bool = False
    ) -> Identity:
        """Load a chain and its key.

        Takes:    chain: path, PEM text or bytes: own certificate first, then the intermediate ones. key: path, PEM
                  text, bytes, a key object or a signer; None if the key stands in `chain` too. password: for an
                  encrypted key; a function is called once.
        Raises:   ConfigError, naming the path and what was found there.
        """
        source = read(chain, "certificate chain")
        certificates = certificates_in(source, "an identity")
        if key is None:
            private: object = _private_key(source, password)
        elif isinstance(key, (str, bytes, bytearray, os.PathLike)):
            private = _private_key(read(key, "private key"), password)
        else:
            private = key
        return cls(certificates, cast(Any, private), send_root=send_root, origin=source.origin)

    @classmethod
    def from_signer(
        cls,
        chain: Readable | tuple[bytes | x509.Certificate, ...] | list[bytes | x509.Certificate],
        signer: signatures.Signer,
    ) -> Identity:
        """An identity whose key is elsewhere: `signer.sign(scheme, data)` gives the signature of TLS 1.3 over
        `data`."""
        if isinstance(chain, (tuple, list)):
            return cls(chain, signer)
        return cls.load(chain, signer)

    @property
    def curve(self) -> str:
        """The curve of an ECDSA key by its IANA name, empty for others."""
        return signatures.curve_of(self.schemes)

    def sign(self, scheme: int, data: bytes, *, tls12: bool = False) -> bytes:
        """Sign the content of a handshake signature; it has been checked where a fault could betray the key."""
        if not self._sign_checked:
            return signatures.sign(self._private, scheme, data, self._public, tls12)
        signature: bytes = self._private.sign(scheme, data)
        if not isinstance(signature, bytes):
            return signature
        return signatures.checked(self._public, scheme, signature, data, tls12)

    def matches_name(self, name: str) -> bool:
        """Whether the certificate lists a DNS name (lower case, A-labels), by itself or through a wildcard."""
        return any(names.matches(pattern, name) for pattern in self.names)

    def __repr__(self) -> str:
        fingerprint = self.certificate.fingerprint(hashes.SHA256()).hex()
        return f"<Identity {self.certificate.subject.rfc4514_string()!r} sha256:{fingerprint[:16]}>"

    def __reduce__(self) -> Never:
        raise ConfigError(
            "an Identity holds a private key, which is never pickled",
            remedy="load the identity where it is used",
            code="TLS-CONFIG-PICKLE",
        )

    def __copy__(self) -> Identity:
        return self

    def __deepcopy__(self, memo: object) -> Identity:
        return self


def _certificate(one: bytes | x509.Certificate) -> x509.Certificate:
    if isinstance(one, x509.Certificate):
        return one
    return certificates_in(Source(bytes(one), "the certificate given as bytes"), "an identity")[0]


def _public_key(leaf: x509.Certificate, origin: str) -> signatures.PublicKey:
    try:
        public: Any = leaf.public_key()
    except (UnsupportedAlgorithm, ValueError) as error:
        raise ConfigError(f"{origin} has a key that cannot be used: {error}", remedy="use a P-256 key") from None
    if isinstance(public, rsa.RSAPublicKey) and not signatures.RSA_BITS[0] <= public.key_size <= signatures.RSA_BITS[1]:
        raise ConfigError(
            f"{origin} has an RSA key of {public.key_size} bits, which peers refuse",
            remedy=f"use {signatures.RSA_BITS[0]} to {signatures.RSA_BITS[1]} bits, or a P-256 key",
        )
    return cast(signatures.PublicKey, public)


def _dns_names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(dict.fromkeys(name.lower().rstrip(".") for name in san.get_values_for_type(x509.DNSName)))


def _spki(public: Any) -> bytes:
    encoded: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _digest(public: Any) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(_spki(public))
    return digest.finalize().hex()


def _check_pair(key: Any, chain: list[x509.Certificate], public: Any, origin: str) -> None:
    """Refuse a key that is not that of the first certificate. A signer without public_key() is checked when it first
    signs."""
    if not callable(getattr(key, "public_key", None)):
        return
    own = key.public_key()
    if own == public:
        return
    place = next((number for number, one in enumerate(chain[1:], 2) if one.public_key() == own), None)
    hint = (
        f"the key belongs to certificate {place} of the chain: put that one first"
        if place
        else "give the key that the certificate was issued for, or the certificate that was issued for the key"
    )
    raise ConfigError(
        f"{origin}: the key does not belong to the first certificate: the certificate holds the key with SPKI sha256"
        f" {_digest(public)}, "
        f"the private key given has {_digest(own)}",
        remedy=hint,
        code="TLS-CONFIG-KEY_MISMATCH",
    )


def _password_octets(password: Password | None) -> bytes | None:
    value = password() if callable(password) else password
    return value.encode() if isinstance(value, str) else value


def _private_key(source: Source, password: Password | None) -> Any:
    """The private key of a PEM or DER source."""
    pem = is_pem(source)
    data = source.data
    encrypted = not pem
    if pem:
        keys = [(label, block) for label, block in blocks(source) if label.endswith("PRIVATE KEY")]
        if not keys:
            raise ConfigError(
                f"{source.origin} has no PRIVATE KEY block: it is {found(source)}",
                remedy="name the file of the key: Identity.load(chain, key)",
                code="TLS-CONFIG-KEY",
            )
        label, data = keys[0]
        encrypted = label.startswith("ENCRYPTED") or b"Proc-Type: 4,ENCRYPTED" in data
    secret = _password_octets(password) if encrypted else None
    loader: Any = load_pem_private_key if pem else load_der_private_key
    try:
        return _loaded(loader, data, secret)
    except TypeError:
        raise ConfigError(
            f"{source.origin}: the private key is encrypted and no password was given",
            remedy="give password=, as text or as a function that asks for it",
            code="TLS-CONFIG-PASSWORD",
        ) from None
    except (ValueError, UnsupportedAlgorithm) as error:
        if pem and encrypted:
            cause, remedy = "the password does not open the private key", "give the right password"
        elif pem:
            cause, remedy = f"the private key is damaged or of an unknown kind ({error})", "export the key again"
        else:
            cause, remedy = (
                f"no private key can be read: it is {found(source)}",
                "give the key as PEM, or as DER (PKCS #8)",
            )
        raise ConfigError(f"{source.origin}: {cause}", remedy=remedy, code="TLS-CONFIG-KEY") from None


def _loaded(loader: Any, data: bytes, secret: bytes | None) -> Any:
    """Load a key; a DER key says only by failing whether it wants a password."""
    try:
        return loader(data, secret or None)
    except TypeError:
        if secret is None:
            raise
        return loader(data, None)
