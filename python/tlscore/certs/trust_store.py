"""Trust anchors: the certificates and key fingerprints that a verified chain must end in.

A store is built from a file, a directory, octets, the system's bundle, certifi, fingerprints of keys, or several
stores. Files are parsed once per process and shared: a second store of the same unchanged file costs microseconds.
`reload()` reads the sources again and swaps the whole set at once; connections that are under way keep what they have,
a set that cannot be read is refused and the old one stays. A certificate of a server itself may stand in a store: it is
then trusted as it is, its name and validity still checked. SSL_CERT_FILE is not honoured: whoever sets an environment
variable would decide whom a program trusts. A program that wants it says
`TrustStore.from_file(os.environ["SSL_CERT_FILE"])`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from threading import Lock
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tlscore.certs import trust_sources
from tlscore.certs.loading.passwords import Password, Secret
from tlscore.certs.reading import Source
from tlscore.certs.trust_sources import Anchors, TrustSource
from tlscore.errors import ConfigError, visible

SYSTEM_BUNDLES: Final = trust_sources.SYSTEM_BUNDLES
SYSTEM_DIRECTORIES: Final = trust_sources.SYSTEM_DIRECTORIES


class TrustStore:
    """A set of trust anchors; equal to another one with the same anchors.

    `is_system` tells a store of everybody's CAs (the operating system's, certifi's), whose names are of no use to a
    client that has to choose a certificate; `generation` counts the sets that `reload()` brought.
    """

    __slots__ = ("_anchors", "_lock", "_source", "generation", "is_system")

    is_system: bool
    generation: int

    def __init__(self, certificates: Iterable[x509.Certificate | bytes], *, origin: str = "certificates") -> None:
        given = tuple(x509.load_der_x509_certificate(one) if isinstance(one, bytes) else one for one in certificates)
        for one in given:
            if not isinstance(one, x509.Certificate):
                raise ConfigError(
                    f"a trust store holds certificates, not {type(one).__name__}",
                    remedy="give cryptography.x509.Certificate objects or DER bytes",
                )
        self._setup(trust_sources.FixedSource(Anchors(tuple(dict.fromkeys(given))), origin))

    def _setup(self, source: TrustSource) -> None:
        self._anchors = _filled(trust_sources.shared(source), source)
        self._source, self.is_system, self.generation = source, source.public, 0
        self._lock = Lock()

    @classmethod
    def _of(cls, source: TrustSource) -> TrustStore:
        store = cls.__new__(cls)
        store._setup(source)
        return store

    # -- sources -------------------------------------------------------------------------------------------------------

    @classmethod
    def system(cls) -> TrustStore:
        """The CAs of the operating system. Raises ConfigError if none are found."""
        source = trust_sources.system_source(SYSTEM_BUNDLES, SYSTEM_DIRECTORIES)
        if source is not None:
            return cls._of(source)
        variable = " (SSL_CERT_FILE is set, but not honoured)" if os.environ.get("SSL_CERT_FILE") else ""
        raise ConfigError(
            f"no CA bundle of the system was found{variable}; looked at " + ", ".join(SYSTEM_BUNDLES),
            remedy="install the package ca-certificates, or name a file: TrustStore.from_file(path)",
            code="TLS-CONFIG-NO_SYSTEM_TRUST",
        )

    @classmethod
    def certifi(cls) -> TrustStore:
        """Mozilla's CAs, as the package certifi has them. Raises ConfigError where it is not installed."""
        return cls._of(trust_sources.certifi_source())

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, password: Password | None = None) -> TrustStore:
        """Anchors from a file: PEM or PKCS #7 (any number), DER (one), or PKCS #12 (with its password)."""
        return cls._of(trust_sources.FileSource(os.fspath(path), Secret(password) if password is not None else None))

    @classmethod
    def from_directory(cls, path: str | os.PathLike[str]) -> TrustStore:
        """Anchors from every certificate file of a directory, `openssl rehash` links or plain files. Other files are
        passed over; a damaged certificate is an error."""
        return cls._of(trust_sources.DirectorySource(os.fspath(path)))

    @classmethod
    def from_bytes(cls, data: bytes) -> TrustStore:
        """Anchors from PEM or PKCS #7 (any number) or DER (one) in memory."""
        return cls._of(trust_sources.FixedSource(trust_sources.anchors_in(Source(data, "bytes"), None), "bytes"))

    @classmethod
    def from_certificates(cls, certificates: Iterable[x509.Certificate | bytes]) -> TrustStore:
        """Anchors that are at hand already.

        Takes:    certificates: objects of the cryptography package, or DER octets, one certificate each.
        Raises:   ConfigError for anything else, and where none is given; ValueError for octets that are no certificate.
        """
        return cls(certificates)

    @classmethod
    def of_anchors(cls, anchors: Anchors, origin: str) -> TrustStore:
        """A store of a set that was put together elsewhere; stores of one set share what is prepared for it."""
        return cls._of(trust_sources.FixedSource(anchors, origin))

    @classmethod
    def pinned(cls, *sha256: str | bytes) -> TrustStore:
        """Keys instead of certificates: a certificate that the peer shows is an anchor if the SHA-256 of its
        SubjectPublicKeyInfo is listed. Name and validity are still checked.

        Takes:    64 hexadecimal digits, base64 ("sha256/..." as curl writes it), or 32 octets, for each key.
        """
        pins = frozenset(map(trust_sources.pin_of, sha256))
        return cls._of(trust_sources.FixedSource(Anchors((), pins), f"{len(pins)} pinned keys"))

    @classmethod
    def union(cls, *stores: TrustStore) -> TrustStore:
        """The anchors of several stores; `a | b` for two. `reload()` reloads all of them."""
        for one in stores:
            if not isinstance(one, TrustStore):
                raise ConfigError(f"union takes trust stores, not {type(one).__name__}")
        return cls._of(trust_sources.UnionSource(tuple(one._source for one in stores)))

    def __or__(self, other: object) -> TrustStore:
        return TrustStore.union(self, other) if isinstance(other, TrustStore) else NotImplemented

    # -- anchors -------------------------------------------------------------------------------------------------------

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        return self._anchors.certificates

    @property
    def pins(self) -> frozenset[bytes]:
        """SHA-256 of the SubjectPublicKeyInfo of keys that are anchors wherever the peer shows them."""
        return self._anchors.pins

    @property
    def anchors(self) -> Anchors:
        """The current set as one object that never changes: what one verification should hold on to."""
        return self._anchors

    @property
    def names(self) -> tuple[bytes, ...]:
        """DER subject names, as certificate_authorities lists them."""
        anchors = self._anchors
        if anchors.names is None:
            anchors.names = tuple(dict.fromkeys(one.subject.public_bytes() for one in anchors.certificates))
        return anchors.names

    @property
    def paths(self) -> tuple[str, ...]:
        """The files behind the store, for whoever watches them."""
        return self._source.paths()

    @property
    def stamp(self) -> tuple[object, ...]:
        """Differs when a file behind the store has changed."""
        return tuple(map(trust_sources.file_stamp, self._source.paths()))

    def reload(self) -> bool:
        """Read the sources again and swap the set; whether it differs from the old one.

        Raises:   ConfigError where a source cannot be read or is empty: the old set stays then.
        Effects:  generation + 1 where the set differs. Safe beside connections of other threads.
        """
        with self._lock:
            anchors = _filled(_fresh(self._source), self._source)
            old = self._anchors
            if (anchors.certificates, anchors.pins) == (old.certificates, old.pins):
                return False
            self._anchors = anchors
            self.generation += 1
            return True

    def __len__(self) -> int:
        return len(self._anchors.certificates) + len(self._anchors.pins)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TrustStore):
            return NotImplemented
        mine, theirs = self._anchors, other._anchors
        return mine is theirs or (mine.certificates, mine.pins) == (theirs.certificates, theirs.pins)

    def __hash__(self) -> int:
        # The set may change and equal stores must hash alike, so nothing of it may enter.
        return hash(TrustStore)

    def __repr__(self) -> str:
        return f"<TrustStore {visible(self._source.origin)}: {len(self)} anchors>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (
            tuple(one.public_bytes(Encoding.DER) for one in self.certificates),
            self._source.origin,
            self.is_system,
            self.pins,
        )


def _fresh(source: TrustSource) -> Anchors:
    """The anchors of a source read anew, members of a union first."""
    for member in source.members if isinstance(source, trust_sources.UnionSource) else ():
        _fresh(member)
    return trust_sources.shared(source, fresh=True)


def _filled(anchors: Anchors, source: TrustSource) -> Anchors:
    if not anchors.certificates and not anchors.pins:
        raise ConfigError(
            f"the trust store from {visible(source.origin)} is empty: no chain could ever be verified",
            remedy="name a file that holds CA certificates",
            code="TLS-CONFIG-EMPTY_TRUST",
        )
    return anchors


def _unpickle(
    ders: tuple[bytes, ...], origin: str, is_system: bool, pins: frozenset[bytes] = frozenset()
) -> TrustStore:
    anchors = Anchors(tuple(x509.load_der_x509_certificate(der) for der in ders), pins)
    return TrustStore._of(trust_sources.FixedSource(anchors, origin, is_system))
