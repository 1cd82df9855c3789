"""Who this end is: a certificate chain and the key of its first certificate, as one object that cannot be taken apart.

The key may be a file, PEM or DER bytes, a key of the `cryptography` package, or any object with `sign(scheme, data)`,
such as a token or a key service. Everything that can be wrong is found when the identity is loaded: an unreadable file,
a wrong password, a missing key, a key of another certificate. What is only unwise stands in `notes` and in `lint()`.
The key appears in no repr and is never pickled. Signatures by RSA keys and by foreign signers are checked before they
leave, since one wrong RSA signature tells the key.
"""

from __future__ import annotations

import os
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Never, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tlscore import clocks
from tlscore.certs import key_use, names, signatures
from tlscore.certs.loading import lint, material, neighbours, order, permissions
from tlscore.certs.loading.material import Placed
from tlscore.certs.loading.notes import Note
from tlscore.certs.loading.passwords import Password as Password
from tlscore.certs.loading.passwords import PasswordFile as PasswordFile
from tlscore.certs.loading.passwords import Secret
from tlscore.certs.reading import Source, read
from tlscore.errors import ConfigError
from tlscore.pending import Answer, Pending, ask, is_async

if TYPE_CHECKING:
    from tlscore.certs.key_use import KeyUse
    from tlscore.certs.revocation.stapler import StapleSource

Readable = str | bytes | os.PathLike[str]


class Identity:
    """A certificate chain with its key.

    `chain` are DER certificates, own first, without a root; `names` the DNS names of the own one; `issuers` the DER
    names of all issuers of the chain; `schemes` what the key can sign in TLS 1.3, preferred first, `schemes12` in TLS
    1.2, both empty where the certificate forbids its key to sign; `kind` which suites of TLS 1.2 it serves: "ECDSA",
    "RSA" or, for keys of TLS 1.3 alone, ""; `roles` what the certificate is for ("server", "client"); `uses` what it
    lets its key be used for ("digitalSignature" and, for RSA key exchange, "keyEncipherment"); `notes` what was noticed
    when it was loaded; `exposed` says who else can read the key's file, None where nobody can; `signed_with` the
    schemes of each signature of the chain; `is_async` whether the key belongs to a signer whose `sign` is an `async
    def`.
    """

    __slots__ = (
        "_parsed",
        "_private",
        "_public",
        "_sign_checked",
        "certificate",
        "chain",
        "exposed",
        "is_async",
        "issuers",
        "kind",
        "names",
        "notes",
        "roles",
        "schemes",
        "schemes12",
        "signed_with",
        "staple",
        "uses",
    )

    chain: tuple[bytes, ...]
    certificate: x509.Certificate
    names: tuple[str, ...]
    issuers: tuple[bytes, ...]
    schemes: tuple[int, ...]
    schemes12: tuple[int, ...]
    kind: str
    signed_with: tuple[frozenset[int], ...]
    roles: tuple[str, ...]
    uses: tuple[KeyUse, ...]
    notes: tuple[Note, ...]
    exposed: str | None
    is_async: bool
    staple: StapleSource | None

    def __init__(
        self,
        chain: tuple[bytes | x509.Certificate, ...] | list[bytes | x509.Certificate],
        key: signatures.PrivateKey | signatures.Signer | signatures.AsyncSigner,
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
        self._take_chain(parsed, send_root)
        leaf = self.certificate
        public = self._public = _public_key(leaf, origin)
        self._private: Any = key
        own = isinstance(key, signatures.PRIVATE_KEY_CLASSES)
        if not own and not callable(getattr(key, "sign", None)):
            raise ConfigError(
                f"the key is {type(key).__name__}",
                remedy="give a key of the cryptography package, or an object with sign(scheme, data)",
            )
        self.is_async = not own and is_async(key.sign)
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
        # RFC 9846 4.5.1.2, RFC 5246 7.4.2: no key signs a handshake whose certificate has a keyUsage without
        # digitalSignature; without schemes it is chosen for none.
        if "digitalSignature" not in self.uses:
            self.schemes = self.schemes12 = ()

    def _take_chain(self, parsed: list[x509.Certificate], send_root: bool) -> None:
        """What the certificates alone tell."""
        leaf = self.certificate = parsed[0]
        # RFC 9846 4.5.1: "a certificate that specifies a trust anchor MAY be omitted from the chain".
        if not send_root and len(parsed) > 1 and parsed[-1].issuer == parsed[-1].subject:
            del parsed[-1]
        self._parsed = tuple(parsed)
        self.chain = tuple(one.public_bytes(Encoding.DER) for one in parsed)
        self.issuers = tuple(dict.fromkeys(one.issuer.public_bytes() for one in parsed))
        # RFC 9846 4.5.1.2: a self-signed certificate "MAY be signed with any algorithm": nobody checks it.
        issued = [one for one in parsed if one.issuer != one.subject]
        self.signed_with = tuple(signatures.schemes_signing(one) for one in issued)
        self.names = _dns_names(leaf)
        self.roles = lint.roles(leaf)
        self.uses = key_use.uses(leaf)
        self.notes = tuple(lint.role_notes(leaf))
        self.exposed = None
        self.staple = None

    @classmethod
    def load(
        cls,
        chain: Readable,
        key: object = None,
        password: Password | None = None,
        *,
        key_password: Password | None = None,
        send_root: bool = False,
        strict: bool = False,
    ) -> Identity:
        """Load a chain and its key, of whatever format.

        Takes:    chain: path, PEM text or octets: PEM, DER, PKCS #7, or PKCS #12. key: path, PEM text, octets, a key
                  object or a signer; None if the key stands in `chain` too. password: for a PKCS #12 store and for an
                  encrypted key: text, octets, a function (called once) or PasswordFile(path). key_password: where the
                  key has another one than the store. strict: a key file that others can read is an error.
        Raises:   ConfigError, naming the path, the PEM block and what was found there.
        Effects:  KeyFilePermissionWarning for a key file that others can read; a chain out of order is put in order,
                  which `notes` tells.
        """
        secret, own_secret = Secret(password, strict), Secret(key_password, strict)
        source = read(chain, "certificate chain")
        if material.is_store(source):
            certificates, held = material.from_store(source, secret, own_secret)
            if not certificates:
                raise ConfigError(f"{source.origin} is PKCS #12 without a certificate", code="TLS-CONFIG-CERTIFICATE")
        else:
            certificates, held = material.certificates(source, "an identity"), []
        certificates = material.readable(certificates)
        keys, key_source = _keys(key, source, held, secret, own_secret, certificates)
        private = _fitting(keys, certificates)
        public = private.value.public_key() if callable(getattr(private.value, "public_key", None)) else None
        ordered, notes = order.in_order(certificates, public, told=not material.is_unordered(source))
        _check_loaded(private, ordered[0], public, source, key_source)
        exposed = permissions.check(key_source.path, "private key", strict) if key_source is not None else None
        made = cls([one.value for one in ordered], private.value, send_root=send_root, origin=ordered[0].where)
        made.notes = (*notes, *made.notes)
        if exposed is not None:
            made.exposed = exposed
            made.notes += (Note("TLS-NOTE-EXPOSED_KEY", exposed),)
        return made

    @classmethod
    def from_signer(
        cls,
        chain: Readable | tuple[bytes | x509.Certificate, ...] | list[bytes | x509.Certificate],
        signer: signatures.Signer | signatures.AsyncSigner,
    ) -> Identity:
        """An identity whose key is elsewhere: `signer.sign(scheme, data)` gives the signature of TLS 1.3 over `data`,
        or something to await that gives it: an `async def` will do."""
        if isinstance(chain, (tuple, list)):
            return cls(chain, signer)
        return cls.load(chain, signer)

    @property
    def curve(self) -> str:
        """The curve of an ECDSA key by its IANA name, empty for others."""
        return signatures.curve_of(self.schemes)

    def sign(self, scheme: int, data: bytes, *, tls12: bool = False) -> bytes | Pending[bytes]:
        """Sign the content of a handshake signature; it has been checked where a fault could betray the key.

        Gives:    the signature; from an asynchronous signer what must be awaited for it.
        """
        if not self._sign_checked:
            return signatures.sign(self._private, scheme, data, self._public, tls12)
        return ask(partial(self._checked, scheme, data, tls12), self._private.sign, scheme, data)

    def _checked(self, scheme: int, data: bytes, tls12: bool, answer: Answer) -> bytes:
        signature: bytes = answer()
        # What is no signature is given as it is: whoever uses it says what is wrong with it.
        if not isinstance(signature, bytes):
            return signature
        return signatures.checked(self._public, scheme, signature, data, tls12)

    def matches_name(self, name: str) -> bool:
        """Whether the certificate lists a DNS name (lower case, A-labels), by itself or through a wildcard."""
        return any(names.matches(pattern, name) for pattern in self.names)

    def is_verifiable_with(self, cert_schemes: tuple[int, ...]) -> bool:
        """Whether every signature of the chain has one of these schemes."""
        return all(not one.isdisjoint(cert_schemes) for one in self.signed_with)

    @property
    def current(self) -> Identity:
        """The identity itself: what an IdentityFile has, so that both may stand in a configuration."""
        return self

    def with_staple(self, source: StapleSource) -> Identity:
        """The same identity with a source of OCSP responses, which peers that ask for one get with the certificate.

        Takes:    source: OcspStapler, OcspFile, or any object whose `response()` gives octets or None without waiting.
        """
        if not callable(getattr(source, "response", None)) or is_async(source.response):
            raise ConfigError(
                "the staple source has no response() that gives octets at once",
                remedy="give an OcspStapler or an OcspFile",
            )
        if getattr(source, "certificate", self.chain[0]) != self.chain[0]:
            raise ConfigError(
                "the staple source is about another certificate, so that every peer would refuse it",
                remedy="make it for this identity: OcspStapler((*identity.chain, issuer), ...)",
                code="TLS-CONFIG-OCSP",
            )
        other = object.__new__(type(self))
        for slot in Identity.__slots__:
            object.__setattr__(other, slot, getattr(self, slot))
        other.staple = source
        return other

    def staple_response(self) -> bytes | None:
        """The OCSP response to send now; None where there is none, or where its source fails: a handshake goes on."""
        if self.staple is None:
            return None
        try:
            response = self.staple.response()
        except Exception:
            return None
        return response if isinstance(response, bytes) and response else None

    def days_to_expiry(self, now: datetime | None = None) -> float:
        """Days until the first certificate of the chain expires; below 0 where one has: a number to watch.

        Takes:    now: the time to judge by, in UTC where it names no zone; the system's by default.
        """
        return lint.days_left(self._parsed, clocks.moment(now))

    def lint(self, now: datetime | None = None) -> tuple[Note, ...]:
        """What peers may refuse or soon will: roles, dates, SHA-1, weak keys, a missing subjectAltName. Nothing of it
        stops this end: the peer's policy decides. `now` as for days_to_expiry."""
        exposed = (Note("TLS-NOTE-EXPOSED_KEY", self.exposed),) if self.exposed is not None else ()
        return (*exposed, *lint.lint(self._parsed, clocks.moment(now)))

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
        found = [Placed(one, "the certificate given")]
    else:
        found = material.certificates(Source(bytes(one), "the certificate given as bytes"), "an identity")
    parsed: x509.Certificate = material.readable(found)[0].value
    return parsed


def _keys(
    key: object,
    chain: Source,
    held: list[Placed],
    secret: Secret,
    own_secret: Secret,
    certificates: list[Placed],
) -> tuple[list[Placed], Source | None]:
    """The private keys that were given, and the source they came from; None for an object."""
    if key is not None and not isinstance(key, (str, bytes, bytearray, os.PathLike)):
        return [Placed(key, "the key given as an object")], None
    source = chain if key is None else read(key, "private key")
    if key is None and held:
        return held, source
    if key is not None and material.is_store(source):
        held = material.from_store(source, secret, own_secret)[1]
        if held:
            return held, source
    try:
        return material.keys(source, own_secret or secret), source
    except ConfigError as error:
        if error.code == "TLS-CONFIG-NO_KEY":
            beside = neighbours.key_for(order.public_key(certificates[0].value), source.path)
            if beside is not None:
                error.remedy = f"the file {beside} in the same directory holds the key of this certificate"
        raise


def _fitting(keys: list[Placed], certificates: list[Placed]) -> Placed:
    """Of several keys the one that a certificate was issued for."""
    if len(keys) > 1:
        held = [order.public_key(one.value) for one in certificates]
        return next((one for one in keys if one.value.public_key() in held), keys[0])
    return keys[0]


def _check_loaded(private: Placed, own: Placed, public: Any, chain: Source, key: Source | None) -> None:
    """Refuse a pair that does not belong together, with the file that would have fitted."""
    held = order.public_key(own.value)
    if public is None or held is None or held == public:
        return
    hints = []
    if (name := neighbours.key_for(held, (key or chain).path)) is not None:
        hints.append(f"the file {name} in the same directory holds the key of this certificate")
    if (name := neighbours.certificate_for(public, chain.path)) is not None:
        hints.append(f"the file {name} in the same directory holds the certificate of this key")
    raise _mismatch(f"{own.where} and {private.where}", held, public, "; ".join(hints))


def _mismatch(origin: str, held: Any, own: Any, hint: str) -> ConfigError:
    return ConfigError(
        f"{origin}: the key does not belong to the first certificate: the certificate holds the key with SPKI sha256 "
        f"{_digest(held)}, the private key given has {_digest(own)}",
        remedy=hint
        or "give the key that the certificate was issued for, or the certificate that was issued for the key",
        code="TLS-CONFIG-KEY_MISMATCH",
    )


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
    place = next((number for number, one in enumerate(chain[1:], 2) if order.public_key(one) == own), None)
    hint = f"the key belongs to certificate {place} of the chain: put that one first" if place else ""
    raise _mismatch(origin, public, own, hint)
