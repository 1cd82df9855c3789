"""Where trust anchors come from: a file, a directory, octets, the system, certifi, fingerprints, or several of these.

A source gives its anchors, and says through a stamp whether the files behind it have changed. What was parsed is kept
for the process and shared by every store: the second store of an unchanged file costs one stat. The system's store is a
bundle file on Linux and the BSDs, what `security` exports on macOS, and what the certificate stores hold on Windows.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tlscore.certs.loading import material
from tlscore.certs.loading.passwords import Secret
from tlscore.certs.reading import Source, read
from tlscore.errors import ConfigError, escape

# Where the distributions keep their bundle: Debian, Fedora, SUSE, Alpine and macOS, FreeBSD, Arch.
SYSTEM_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
    "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
)
# Systems without a bundle keep one file per anchor: Debian without the bundle, Android.
SYSTEM_DIRECTORIES: Final = ("/etc/ssl/certs", "/system/etc/security/cacerts")
_MACOS_KEYCHAINS: Final = ("/System/Library/Keychains/SystemRootCertificates.keychain",)
_SERVER_AUTH: Final = "1.3.6.1.5.5.7.3.1"
# Own limits: a directory or file with more is no trust store.
_FILES: Final = 20_000
_FILE_OCTETS: Final = 64 * 1024 * 1024

Stamp = tuple[object, ...]


class Anchors:
    """What is computed once for a set of anchors, shared by every store of the same source."""

    __slots__ = ("certificates", "helpers", "kept", "names", "pins")

    def __init__(
        self,
        certificates: tuple[x509.Certificate, ...],
        pins: frozenset[bytes] = frozenset(),
        helpers: tuple[x509.Certificate, ...] = (),
    ) -> None:
        self.certificates = certificates
        self.pins = pins
        # No anchors, but at hand where a chain lacks a link.
        self.helpers = helpers
        self.names: tuple[bytes, ...] | None = None
        # What path verification prepares for these anchors, under keys of its own.
        self.kept: dict[Any, Any] = {}


class TrustSource:
    """Something that gives anchors. `origin` names it in texts; `public` says that everybody's CAs are in it."""

    origin: str
    public: bool = False

    def stamp(self) -> Stamp:
        """Differs when the files behind the source have changed."""
        return ()

    def load(self) -> Anchors:
        raise NotImplementedError

    def paths(self) -> tuple[str, ...]:
        """The files and directories behind the source."""
        return ()


_shared: dict[tuple[type[TrustSource], str], tuple[Stamp, Anchors]] = {}


def shared(source: TrustSource, fresh: bool = False) -> Anchors:
    """The anchors of a source; parsed again only where its stamp has changed, or where `fresh` asks for it."""
    key, stamp = (type(source), source.origin), source.stamp()
    known = _shared.get(key)
    if stamp and not fresh and known is not None and known[0] == stamp:
        return known[1]
    anchors = source.load()
    if stamp:
        _shared[key] = (stamp, anchors)
    return anchors


def file_stamp(path: str) -> Stamp:
    """Changes with the content of a file, also where a link leads to another one; (0,) where there is none."""
    try:
        facts = os.stat(path)
    except (OSError, ValueError):  # no path at all, such as one with a NUL in it: reading it says so
        return (0,)
    return (facts.st_mtime_ns, facts.st_size, facts.st_ino, facts.st_dev)


class FileSource(TrustSource):
    """One file: PEM or PKCS #7 with any number of certificates, DER with one, PKCS #12."""

    def __init__(self, path: str, password: Secret | None = None, public: bool = False) -> None:
        self.origin = path
        self.public = public
        self._password = password

    def stamp(self) -> Stamp:
        # What a password opened is not shared with whoever does not have it.
        return file_stamp(self.origin) if self._password is None else ()

    def load(self) -> Anchors:
        return anchors_in(read(self.origin, "trust store"), self._password)

    def paths(self) -> tuple[str, ...]:
        return (self.origin,)


class DirectorySource(TrustSource):
    """A directory of certificate files, also one made by `openssl rehash`: links to the same file count once."""

    def __init__(self, path: str, public: bool = False) -> None:
        self.origin = path
        self.public = public

    def stamp(self) -> Stamp:
        return ("directory", *file_stamp(self.origin))

    def load(self) -> Anchors:
        found: dict[x509.Certificate, None] = {}
        seen: set[tuple[int, int]] = set()
        for path in self._files():
            try:
                facts = os.stat(path)
            except OSError:
                continue  # a link that leads nowhere
            if (facts.st_dev, facts.st_ino) in seen or not 0 < facts.st_size <= _FILE_OCTETS:
                continue
            seen.add((facts.st_dev, facts.st_ino))
            source = read(path, "trust store")
            try:
                found.update(dict.fromkeys(anchors_in(source, None).certificates))
            except ConfigError as error:
                # A README or a CRL beside the certificates is normal; a certificate that cannot be read is not.
                if "damaged" in error.cause:
                    raise
        return Anchors(tuple(found))

    def _files(self) -> list[str]:
        try:
            with os.scandir(self.origin) as entries:
                names = sorted(entry.name for entry in entries)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise ConfigError(
                f"the trust directory {escape(self.origin, 300)!r} cannot be read: {why} (working directory "
                f"{os.getcwd()})",
                remedy="check the path and its permissions",
                code="TLS-CONFIG-FILE",
            ) from None
        paths = [os.path.join(self.origin, name) for name in names[:_FILES] if not name.startswith(".")]
        return [path for path in paths if os.path.isfile(path)]

    def paths(self) -> tuple[str, ...]:
        return (self.origin, *self._files())


class FixedSource(TrustSource):
    """Anchors that were given as objects."""

    def __init__(self, anchors: Anchors, origin: str, public: bool = False) -> None:
        self.origin = origin
        self.public = public
        self._anchors = anchors

    def load(self) -> Anchors:
        return self._anchors


class CallSource(TrustSource):
    """Anchors that the operating system hands out octet by octet, not in a file."""

    public = True

    def __init__(self, origin: str, ders: Any) -> None:
        self.origin = origin
        self._ders = ders

    def stamp(self) -> Stamp:
        return ("for the process",)

    def load(self) -> Anchors:
        found = [material.certificates(Source(one, self.origin), "a trust store")[0].value for one in self._ders()]
        return Anchors(tuple(dict.fromkeys(found)))


class UnionSource(TrustSource):
    """Several sources as one."""

    def __init__(self, members: tuple[TrustSource, ...]) -> None:
        self.members = members
        self.origin = " | ".join(one.origin for one in members)
        self.public = any(one.public for one in members)

    def stamp(self) -> Stamp:
        # A member without a stamp is told from another one by nothing, so what it is part of is never shared.
        stamps = tuple(one.stamp() for one in self.members)
        return stamps if all(stamps) else ()

    def load(self) -> Anchors:
        parts = [shared(one) for one in self.members]
        certificates = dict.fromkeys(certificate for part in parts for certificate in part.certificates)
        return Anchors(tuple(certificates), frozenset().union(*(part.pins for part in parts)))

    def paths(self) -> tuple[str, ...]:
        return tuple(path for one in self.members for path in one.paths())


def anchors_in(source: Source, password: Secret | None) -> Anchors:
    found = material.certificates(source, "a trust store", password)
    return Anchors(tuple(dict.fromkeys(one.value for one in found)))


def system_source(bundles: Iterable[str], directories: Iterable[str]) -> TrustSource | None:
    """The operating system's store; None where none is found."""
    if sys.platform == "win32":
        return CallSource("the Windows certificate store ROOT", _windows_roots)
    if sys.platform == "darwin" and os.path.isfile(_MACOS_KEYCHAINS[0]):
        return CallSource("the macOS system keychain", _macos_roots)
    for path in bundles:
        if os.path.isfile(path):
            return FileSource(path, public=True)
    for path in directories:
        if os.path.isdir(path) and any(name.endswith((".0", ".pem")) for name in os.listdir(path)):
            return DirectorySource(path, public=True)
    return None


def _windows_roots() -> list[bytes]:
    """Anchors of the store ROOT that are trusted for servers, or for everything."""
    import ssl

    entries: Any = getattr(ssl, "enum_certificates")("ROOT")  # noqa: B009  # exists on Windows only
    return [der for der, kind, trust in entries if kind == "x509_asn" and (trust is True or _SERVER_AUTH in trust)]


def _macos_roots() -> list[bytes]:
    """The roots that Apple ships. Changes that the user or an administrator made to trust settings are not seen."""
    import subprocess

    command = ["/usr/bin/security", "find-certificate", "-a", "-p", *_MACOS_KEYCHAINS]
    pem = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    found = material.certificates(Source(pem, _MACOS_KEYCHAINS[0]), "a trust store")
    return [one.value.public_bytes(Encoding.DER) for one in found]


def certifi_source() -> TrustSource:
    """Mozilla's bundle out of the package certifi."""
    try:
        import certifi
    except ImportError:
        raise ConfigError(
            "the package certifi is not installed",
            remedy="run pip install certifi, or use TrustStore.system()",
            code="TLS-CONFIG-NO_SYSTEM_TRUST",
        ) from None
    return FileSource(certifi.where(), public=True)


def spki_pin(certificate: x509.Certificate) -> bytes:
    """SHA-256 of a certificate's SubjectPublicKeyInfo."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize()


def pin_of(text: str | bytes) -> bytes:
    """A pin from 32 octets, 64 hexadecimal digits (colons allowed), or base64 as in "sha256/..."."""
    if isinstance(text, bytes) and len(text) == 32:
        return text
    if isinstance(text, str):
        plain = text.removeprefix("sha256/").removeprefix("sha256:").replace(":", "")
        try:
            pin = bytes.fromhex(plain) if len(plain) == 64 else _base64(plain)
        except ValueError:
            pin = b""
        if len(pin) == 32:
            return pin
    raise ConfigError(
        f"{escape(repr(text), 100)} is no SHA-256 fingerprint of a public key",
        remedy="give hexadecimal digits or base64 of the SHA-256 of the SubjectPublicKeyInfo, not of the certificate",
        code="TLS-CONFIG-PIN",
    )


def _base64(text: str) -> bytes:
    from base64 import b64decode

    return b64decode(text, validate=True)
