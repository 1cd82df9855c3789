"""Whom a context trusts: what load_verify_locations, load_default_certs and set_default_verify_paths brought together.

The standard library's own loader checks each source first, so that what is refused is refused with its very exception;
what it let pass is remembered with the file's stamp, parsed once per process and shared, so that the second context of
the same file costs one stat. As in OpenSSL, certificates that are not self-signed only help to build chains, unless
VERIFY_X509_PARTIAL_CHAIN makes anchors of them. Directories are read when a connection first needs them.

    file, directory, octets ─► Loaded (shared) ─► Trust (of one context) ─► TrustStore (shared)
"""

from __future__ import annotations

import os
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from hashlib import sha256
from stat import S_ISREG
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import MD5, SHA1
from cryptography.hazmat.primitives.serialization import Encoding

from tlscore.certs import trust_sources
from tlscore.certs.peer import PARSE_ERRORS
from tlscore.certs.trust_store import SYSTEM_BUNDLES, SYSTEM_DIRECTORIES, TrustStore
from tlscore.ssl import stdlib

if TYPE_CHECKING:
    from typing_extensions import Buffer

# Sources whose parsed content is kept for the process.
_KEPT: Final = 32
_kept: OrderedDict[tuple[object, ...], Loaded] = OrderedDict()
_CERTIFICATES: Final = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")
_CRL: Final = b"X509 CRL"
# A key that nobody has: SHA-256 of nothing known is all zeros. It stands for trust in nobody.
_NOBODY: Final = bytes(32)


class Loaded:
    """The content of one source: certificates and CRLs. `anchors` and `helped` are its two readings: all certificates
    as anchors, and the self-signed ones with the others as helpers. They carry what verification prepares for them."""

    __slots__ = ("_authorities", "_helped", "anchors", "certificates", "crls")

    def __init__(self, certificates: Iterable[x509.Certificate], crls: tuple[bytes, ...] = ()) -> None:
        self.certificates = tuple(dict.fromkeys(certificates))
        self.crls = tuple(dict.fromkeys(crls))
        self._authorities: frozenset[x509.Certificate] | None = None
        self.anchors = trust_sources.Anchors(self.certificates)
        self._helped: trust_sources.Anchors | None = None

    @classmethod
    def of(cls, anchors: trust_sources.Anchors) -> Loaded:
        """What another room has parsed already."""
        made = cls(())
        made.certificates, made.anchors = anchors.certificates, anchors
        return made

    @property
    def helped(self) -> trust_sources.Anchors:
        """The self-signed certificates as anchors, and the others as helpers."""
        if self._helped is None:
            self._helped = _split(self.certificates) or self.anchors
        return self._helped

    @property
    def authorities(self) -> frozenset[x509.Certificate]:
        """The certificates of CAs among them."""
        if self._authorities is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                self._authorities = frozenset(filter(_is_authority, self.certificates))
        return self._authorities


def _split(certificates: tuple[x509.Certificate, ...]) -> trust_sources.Anchors | None:
    """The self-signed certificates as anchors, the others as helpers; None where all are self-signed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        own = tuple([one for one in certificates if _self_signed(one)])
    if len(own) == len(certificates):
        return None
    helpers = tuple([one for one in certificates if one not in own])
    return trust_sources.Anchors(own, frozenset() if own else frozenset((_NOBODY,)), helpers)


def _self_signed(certificate: x509.Certificate) -> bool:
    """Whether a certificate is signed with its own key. Its issuer's name alone would also fit a cross certificate that
    another key of the same name signed, which is no anchor: so the two key identifiers decide, as in OpenSSL, and where
    one of them is missing the signature."""
    try:
        if certificate.issuer != certificate.subject:
            return False
        own, issuer = _key_identifiers(certificate)
        if own is not None and issuer is not None:
            return own == issuer
        return _own_key_verifies(certificate)
    except PARSE_ERRORS:
        return False


def _key_identifiers(certificate: x509.Certificate) -> tuple[bytes | None, bytes | None]:
    """Of the key in a certificate, and of the key that signed it."""
    extensions = certificate.extensions
    own: Any = _value(extensions, x509.SubjectKeyIdentifier)
    issuer: Any = _value(extensions, x509.AuthorityKeyIdentifier)
    return own.digest if own is not None else None, issuer.key_identifier if issuer is not None else None


def _own_key_verifies(certificate: x509.Certificate) -> bool:
    try:
        key, hashed = certificate.public_key(), certificate.signature_hash_algorithm
        if isinstance(key, RSAPublicKey) and isinstance(hashed, (MD5, SHA1)):
            # Nothing else verifies old roots any more, and nobody trusts a root for its signature.
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, PKCS1v15(), hashed)
        else:
            certificate.verify_directly_issued_by(certificate)
    except InvalidSignature:
        return False
    except PARSE_ERRORS:
        # What cannot be verified at all: its name counts, as everywhere with OpenSSL.
        return True
    return True


class Trust:
    """The trust of one context."""

    __slots__ = ("_directories", "_loaded", "_stores", "_used")

    def __init__(self) -> None:
        self._loaded: list[Loaded] = []
        self._directories: list[str] = []
        self._stores: dict[bool, tuple[tuple[object, ...], TrustStore]] = {}
        # Anchors in which chains have ended, where directories count.
        self._used: set[bytes] = set()

    def load(self, cafile: Any, capath: Any, cadata: str | Buffer | None) -> None:
        """Take what load_verify_locations was given. Raises what the standard library raises."""
        found = []
        if cadata is not None:
            octets = cadata.encode("ascii", "replace") if isinstance(cadata, str) else _octets(cadata)
            found.append(_shared(("data", isinstance(cadata, str), sha256(octets).digest()), octets, cadata=cadata))
        if cafile is not None:
            path = os.fsdecode(os.fspath(cafile)) if isinstance(cafile, (str, bytes, os.PathLike)) else ""
            stamp = trust_sources.file_stamp(path)
            stream = len(stamp) > 1 and not os.path.isfile(path)
            found.append(_of_stream(path) if stream else _shared(("file", path, stamp), None, cafile=cafile))
        if not found or capath is not None:
            stdlib.checked_locations(None, capath, None)
        self._loaded += found
        if capath is not None:
            self._add_directories(os.fsdecode(capath))
        self._stores.clear()

    def load_default(self) -> None:
        """Take what the system trusts: SSL_CERT_FILE and SSL_CERT_DIR, OpenSSL's file, or the system's bundle."""
        file, directory = stdlib.default_locations()
        if file is not None:
            self.load(file, None, None)
        elif directory is None:
            source = trust_sources.system_source(SYSTEM_BUNDLES, SYSTEM_DIRECTORIES)
            if source is not None:
                key = ("system", source.origin, source.stamp())
                self._loaded.append(_remember(key, lambda: Loaded.of(trust_sources.shared(source))))
        if directory:
            self._add_directories(directory)
        self._stores.clear()

    def _add_directories(self, given: str) -> None:
        # OpenSSL takes several, as in PATH.
        self._directories += [one for one in given.split(os.pathsep) if one]

    def used(self, anchor: bytes) -> None:
        """Note that a chain ended in an anchor: one out of a directory counts as loaded from then on."""
        if not self._directories or anchor in self._used:
            return
        self._used.add(anchor)
        if any(anchor == der_of(one) for one in self.certificates):
            return
        self._loaded = [*self._loaded, Loaded((x509.load_der_x509_certificate(anchor),))]

    @property
    def empty(self) -> bool:
        """Whether nothing was ever loaded."""
        return not self._loaded and not self._directories

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """What was loaded, without the directories, as get_ca_certs lists it."""
        return tuple(dict.fromkeys(one for loaded in self._loaded for one in loaded.certificates))

    @property
    def authorities(self) -> tuple[x509.Certificate, ...]:
        """Those of them that are certificates of CAs."""
        return tuple([one for one in self.certificates if any(one in loaded.authorities for loaded in self._loaded)])

    @property
    def crls(self) -> tuple[bytes, ...]:
        """CRLs in PEM, those of the directories included."""
        found = [*self._loaded, *self._from_directories()]
        return tuple(dict.fromkeys(crl for loaded in found for crl in loaded.crls))

    @property
    def loaded_crls(self) -> tuple[bytes, ...]:
        """CRLs in PEM that were loaded, without the directories."""
        return tuple(dict.fromkeys(crl for loaded in self._loaded for crl in loaded.crls))

    @property
    def stamp(self) -> tuple[object, ...]:
        """Differs when a directory has changed, or one of its files."""
        return tuple([_directory_stamp(one) for one in self._directories])

    def store(self, partial_chain: bool) -> TrustStore:
        """The anchors: of everything that was loaded, or of its self-signed certificates with the others as helpers."""
        stamp = self.stamp
        known = self._stores.get(partial_chain)
        if known is None or known[0] != stamp:
            known = self._stores[partial_chain] = (stamp, self._store(partial_chain))
        return known[1]

    def _store(self, partial_chain: bool) -> TrustStore:
        parts = tuple(dict.fromkeys([*self._loaded, *self._from_directories()]))
        loaded = parts[0] if len(parts) == 1 else _remember(("together", *parts), partial(_together, parts))
        chosen = loaded.anchors if partial_chain else loaded.helped
        if not chosen.certificates and not chosen.pins:
            chosen = trust_sources.Anchors((), frozenset((_NOBODY,)))
        return TrustStore.of_anchors(chosen, "the context")

    def _from_directories(self) -> list[Loaded]:
        return [
            _remember(("directory", path, _directory_stamp(path)), partial(_of_directory, path))
            for path in dict.fromkeys(self._directories)
        ]


def _together(parts: tuple[Loaded, ...]) -> Loaded:
    return Loaded(one for part in parts for one in part.certificates)


def _octets(cadata: Any) -> bytes:
    try:
        return bytes(memoryview(cadata))
    except TypeError:
        return b""


def _shared(key: tuple[object, ...], octets: bytes | None, **location: Any) -> Loaded:
    """A source's content, parsed now or before; the standard library's loader judges it the first time."""

    def load() -> Loaded:
        stdlib.checked_locations(location.get("cafile"), None, location.get("cadata"))
        if octets is not None:
            # What was given says how it is read: the text of a PEM block inside a DER certificate is only text.
            return _parsed(octets if isinstance(location["cadata"], str) else b"", octets)
        with open(location["cafile"], "rb") as file:
            return _parsed(file.read())

    return _remember(key, load)


def _of_stream(path: str) -> Loaded:
    """The content of a pipe, which can be read once, and may be another the next time."""
    try:
        with open(path, "rb") as stream:
            octets = stream.read()
    except OSError:
        # A directory, or what may not be read.
        stdlib.checked_locations(path, None, None)
        raise
    with NamedTemporaryFile() as copy:
        copy.write(octets)
        copy.flush()
        stdlib.checked_locations(copy.name, None, None)
    return _parsed(octets)


def _directory_stamp(path: str) -> tuple[object, ...]:
    """Changes with the names in a directory and with what stands behind each of them."""
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return ()
    return tuple([(name, trust_sources.file_stamp(os.path.join(path, name))) for name in names])


def _remember(key: tuple[object, ...], load: Callable[[], Loaded]) -> Loaded:
    known = _kept.get(key)
    if known is None:
        known = _kept[key] = load()
        while len(_kept) > _KEPT:
            _kept.popitem(last=False)
    return known


def _parsed(pem: bytes, der: bytes = b"") -> Loaded:
    """Certificates and CRLs of PEM; where there is no PEM, certificates of DER, one behind the other.

    What cannot be parsed could verify nothing, and is left out.
    """
    certificates: list[x509.Certificate] = []
    crls: list[bytes] = []
    with warnings.catch_warnings():
        # Bundles hold old roots with a serial number of 0, which nobody who reads the warning could change.
        warnings.simplefilter("ignore", UserWarning)
        for label, octets in stdlib.pem_blocks(pem) if pem else _der_values(der):
            if label == _CRL:
                crls.append(stdlib.as_pem(octets, "X509 CRL"))
                continue
            certificate = _first_value(octets)
            if label not in _CERTIFICATES or _has_settings(octets[len(certificate) :]):
                continue
            try:
                certificates.append(x509.load_der_x509_certificate(certificate))
            except PARSE_ERRORS:
                continue
    return Loaded(certificates, tuple(crls))


def _has_settings(behind: bytes) -> bool:
    """Whether OpenSSL's settings behind a certificate say what it is trusted for, or not: they are not read, so that
    such a certificate is left out."""
    return _content(behind)[:1] in (b"\x30", b"\xa0")


def _content(value: bytes) -> bytes:
    if len(value) < 2:
        return b""
    return value[2 + (value[1] & 0x7F if value[1] & 0x80 else 0) :]


def _der_values(data: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    while data:
        first = _first_value(data)
        found.append((_CERTIFICATES[0], first))
        data = data[len(first) :]
    return found


def _first_value(data: bytes) -> bytes:
    """The first DER value of octets: trusted certificates have OpenSSL's settings behind the certificate."""
    if len(data) < 2 or data[1] < 0x80:
        return data[: 2 + data[1]] if len(data) >= 2 else data
    size = data[1] & 0x7F
    return data[: 2 + size + int.from_bytes(data[2 : 2 + size], "big")]


def _of_directory(path: str) -> Loaded:
    """Every certificate and CRL of a directory made by `openssl rehash`, or of plain files."""
    certificates: list[x509.Certificate] = []
    crls: list[bytes] = []
    seen: set[tuple[int, int]] = set()
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return Loaded(())
    for name in names:
        whole = os.path.join(path, name)
        try:
            facts = os.stat(whole)
            # Only files: a pipe would be waited for.
            if (facts.st_dev, facts.st_ino) in seen or not S_ISREG(facts.st_mode):
                continue
            seen.add((facts.st_dev, facts.st_ino))
            with open(whole, "rb") as file:
                found = _parsed(file.read())
        except OSError:
            continue
        certificates += found.certificates
        crls += found.crls
    return Loaded(certificates, tuple(crls))


def _is_authority(certificate: x509.Certificate) -> bool:
    """Whether OpenSSL counts a certificate as a CA's: by basicConstraints, or by what stood for them before."""
    try:
        extensions = certificate.extensions
        constraints: Any = _value(extensions, x509.BasicConstraints)
        usage: Any = _value(extensions, x509.KeyUsage)
        if usage is not None and not usage.key_cert_sign:
            return False
        if constraints is not None:
            return bool(constraints.ca)
        return (certificate.version is x509.Version.v1 and _self_signed(certificate)) or usage is not None
    except PARSE_ERRORS:
        return False


def _value(extensions: x509.Extensions, kind: type[x509.ExtensionType]) -> x509.ExtensionType | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
