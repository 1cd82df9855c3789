"""load_cert_chain: a certificate chain and its key, with passwords in every form that the standard library takes.

Our own loader reads first. Where it refuses, the standard library's loader gets the same files on a context that is
dropped, so that a missing file, a wrong password or a key of another certificate raises what programs know; what only
ours refuses is an ssl.SSLError with our cause and remedy. A password function is called once, whoever needs it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature

from tlscore.certs.identity import Identity
from tlscore.certs.paths.candidates import anchors_of
from tlscore.certs.paths.facts import canonical
from tlscore.certs.peer import PARSE_ERRORS
from tlscore.defaults import SCHEMES
from tlscore.errors import ConfigError
from tlscore.ssl import stdlib

if TYPE_CHECKING:
    from cryptography import x509

    from tlscore.certs.trust_store import TrustStore

_PASSWORD_OCTETS: Final = 1024
# Own limit: no honest chain has more certificates.
_CHAIN: Final = 8


class _Password:
    """What load_cert_chain was given, asked for at most once; what goes wrong is kept as it was raised."""

    __slots__ = ("_given", "_octets", "failure")

    def __init__(self, given: Any) -> None:
        if given is not None and not callable(given) and not isinstance(given, (str, bytes, bytearray)):
            raise TypeError("password should be a string or callable")
        self._given = given
        self._octets: bytes | None = None
        self.failure: BaseException | None = None
        if given is not None and not callable(given):
            self._octets = _checked(given, "password")

    @property
    def given(self) -> bool:
        return self._given is not None

    def __call__(self) -> bytes:
        if self._octets is None:
            try:
                self._octets = _checked(self._given(), "password callback")
            except BaseException as failure:
                self.failure = failure
                raise
        return self._octets


def _checked(value: Any, what: str) -> bytes:
    if not isinstance(value, (str, bytes, bytearray)):
        raise TypeError(f"{what} must return a string")
    octets = value.encode() if isinstance(value, str) else bytes(value)
    if len(octets) > _PASSWORD_OCTETS:
        raise ValueError(f"password cannot be longer than {_PASSWORD_OCTETS} bytes")
    return octets


def load(certfile: Any, keyfile: Any, password: Any) -> Identity:
    """The identity of a certificate file and a key file.

    Raises:   TypeError, ValueError, OSError, ssl.SSLError: what the standard library raises; whatever the password
              function raised.
    """
    _path(certfile, "certfile")
    if keyfile is not None:
        _path(keyfile, "keyfile")
    secret = _Password(password)
    try:
        return _own(certfile, keyfile, secret)
    except (ConfigError, OSError, ValueError) as refused:
        if secret.failure is not None:
            raise secret.failure from None
        _as_stdlib_refuses(certfile, keyfile, secret)
        raise stdlib.refused_here(refused) from None


def _path(value: Any, what: str) -> None:
    if not isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError(f"{what} should be a valid filesystem path")


def _own(certfile: Any, keyfile: Any, secret: _Password) -> Identity:
    # Octets, not paths: whether others may read the file of a key is no question in this idiom.
    with open(certfile, "rb") as file:
        chain = file.read()
    key = None
    if keyfile is not None:
        with open(keyfile, "rb") as file:
            key = file.read()
    identity = Identity.load(chain, key, secret if secret.given else None)
    if "digitalSignature" not in identity.uses:
        raise ConfigError(
            "the certificate has a keyUsage without digitalSignature, so that its key may sign no handshake",
            remedy="have it issued with keyUsage = digitalSignature, or without keyUsage",
            section="RFC 9846 4.5.1.2",
            code="TLS-CONFIG-KEY_USAGE",
        )
    return identity


def _as_stdlib_refuses(certfile: Any, keyfile: Any, secret: _Password) -> None:
    password = secret if secret.given else None
    stdlib.Core.load_cert_chain(stdlib.scratch(server_side=True), certfile, keyfile, password)


def put(identities: list[Identity], new: Identity) -> list[Identity]:
    """The identities with one more: as in OpenSSL, a context has one for each kind of key, the cheapest first."""
    kept = [*[one for one in identities if one.schemes[0] != new.schemes[0]], new]
    return sorted(kept, key=lambda one: SCHEMES.index(one.schemes[0]))


def limited(identity: Identity, schemes: tuple[int, ...]) -> Identity:
    """The same identity, which signs with some schemes only."""
    other = _copied(identity)
    other.schemes = tuple([one for one in identity.schemes if one in schemes])
    other.schemes12 = tuple([one for one in identity.schemes12 if one in schemes])
    return other


def completed(identity: Identity, trust: TrustStore) -> Identity:
    """The identity with the issuers that a context has loaded, where its own file names none: as OpenSSL sends it."""
    if len(identity.chain) > 1:
        return identity
    known, chain = anchors_of(trust).by_subject, [identity.certificate]
    while chain[-1].issuer != chain[-1].subject and len(chain) < _CHAIN:
        issuers = [facts.certificate for facts in known.get(canonical(chain[-1].issuer), ())]
        issuer = next((one for one in issuers if _issued(chain[-1], one)), None)
        if issuer is None:
            break
        chain.append(issuer)
    if len(chain) == 1:
        return identity
    other = _copied(identity)
    other._take_chain(chain, send_root=True)
    return other


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *PARSE_ERRORS):
        return False
    return True


def _copied(identity: Identity) -> Identity:
    other = object.__new__(Identity)
    for slot in Identity.__slots__:
        object.__setattr__(other, slot, getattr(identity, slot))
    return other
