"""Trust anchors: the certificates that a verified chain must end in.

A store is built from a file, from bytes, or from the system's bundle, and never changes. Files are parsed once per
process: a second store of the same unchanged file shares everything, so that building a configuration costs
microseconds. A certificate of a server itself may stand in a store (pinning): it is then trusted as it is, its name and
validity still checked. SSL_CERT_FILE is not honoured: whoever sets an environment variable would decide whom a program
trusts. A program that wants it says `TrustStore.from_file(os.environ["SSL_CERT_FILE"])`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store

from tlscore.certs import extension_rules
from tlscore.certs.reading import Source, certificates_in, read
from tlscore.errors import ConfigError

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
DEPTH: Final = 8

_parsed: dict[str, tuple[tuple[int, int, int], _Anchors]] = {}


class _Anchors:
    """What is computed once for a set of anchors, shared by every store of the same file."""

    __slots__ = ("certificates", "names", "policies")

    def __init__(self, certificates: tuple[x509.Certificate, ...]) -> None:
        self.certificates = certificates
        self.names: tuple[bytes, ...] | None = None
        self.policies: dict[tuple[str, bool], PolicyBuilder] = {}


class TrustStore:
    """A fixed set of trust anchors; equal to another one with the same certificates."""

    __slots__ = ("_anchors", "_origin", "is_system")

    is_system: bool

    def __init__(self, certificates: Iterable[x509.Certificate | bytes], *, origin: str = "certificates") -> None:
        given = tuple(x509.load_der_x509_certificate(one) if isinstance(one, bytes) else one for one in certificates)
        for one in given:
            if not isinstance(one, x509.Certificate):
                raise ConfigError(
                    f"a trust store holds certificates, not {type(one).__name__}",
                    remedy="give cryptography.x509.Certificate objects or DER bytes",
                )
        self._setup(_Anchors(tuple(dict.fromkeys(given))), origin)

    def _setup(self, anchors: _Anchors, origin: str, is_system: bool = False) -> None:
        if not anchors.certificates:
            raise ConfigError(
                f"the trust store from {origin} is empty: no chain could ever be verified",
                remedy="name a file that holds CA certificates",
                code="TLS-CONFIG-EMPTY_TRUST",
            )
        self._anchors, self._origin, self.is_system = anchors, origin, is_system

    @classmethod
    def _of(cls, anchors: _Anchors, origin: str, is_system: bool = False) -> TrustStore:
        store = cls.__new__(cls)
        store._setup(anchors, origin, is_system)
        return store

    @classmethod
    def system(cls) -> TrustStore:
        """The CA bundle of the operating system. Raises ConfigError if none is found."""
        for path in SYSTEM_BUNDLES:
            if os.path.isfile(path):
                return cls._of(_load(path), path, is_system=True)
        variable = " (SSL_CERT_FILE is set, but not honoured)" if os.environ.get("SSL_CERT_FILE") else ""
        raise ConfigError(
            f"no CA bundle of the system was found{variable}; looked at " + ", ".join(SYSTEM_BUNDLES),
            remedy="install the package ca-certificates, or name a file: TrustStore.from_file(path)",
            code="TLS-CONFIG-NO_SYSTEM_TRUST",
        )

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> TrustStore:
        """Anchors from a PEM file (any number) or a DER file (one)."""
        name = os.fspath(path)
        return cls._of(_load(name), name)

    @classmethod
    def from_bytes(cls, data: bytes) -> TrustStore:
        """Anchors from PEM (any number) or DER (one) in memory."""
        return cls._of(_Anchors(certificates_in(Source(data, "bytes"), "a trust store")), "bytes")

    @classmethod
    def from_certificates(cls, certificates: Iterable[x509.Certificate | bytes]) -> TrustStore:
        return cls(certificates)

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        return self._anchors.certificates

    @property
    def names(self) -> tuple[bytes, ...]:
        """DER subject names, as certificate_authorities lists them."""
        anchors = self._anchors
        if anchors.names is None:
            anchors.names = tuple(dict.fromkeys(one.subject.public_bytes() for one in anchors.certificates))
        return anchors.names

    def policy(self, purpose: extension_rules.Purpose, named: bool) -> PolicyBuilder:
        """The path verifier's policy for these anchors; only time and name are missing. `named`: a name will be
        checked."""
        builder = self._anchors.policies.get((purpose, named))
        if builder is None:
            builder = (
                PolicyBuilder()
                .store(Store(list(self._anchors.certificates)))
                .max_chain_depth(DEPTH)
                .extension_policies(
                    ca_policy=extension_rules.authority_policy(purpose), ee_policy=extension_rules.leaf_policy(named)
                )
            )
            self._anchors.policies[purpose, named] = builder
        return builder

    def __len__(self) -> int:
        return len(self._anchors.certificates)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TrustStore):
            return NotImplemented
        return self._anchors is other._anchors or self._anchors.certificates == other._anchors.certificates

    def __hash__(self) -> int:
        return hash((len(self), self._anchors.certificates[0]))

    def __repr__(self) -> str:
        return f"<TrustStore {self._origin}: {len(self)} anchors>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (
            tuple(one.public_bytes(Encoding.DER) for one in self.certificates),
            self._origin,
            self.is_system,
        )


def _unpickle(ders: tuple[bytes, ...], origin: str, is_system: bool) -> TrustStore:
    anchors = _Anchors(tuple(x509.load_der_x509_certificate(der) for der in ders))
    return TrustStore._of(anchors, origin, is_system)


def _load(path: str) -> _Anchors:
    """The anchors of a file; parsed again only when the file has changed."""
    try:
        facts = os.stat(path)
        stamp = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
    except OSError:
        stamp = (0, 0, 0)
    known = _parsed.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    anchors = _Anchors(certificates_in(read(path, "trust store"), "a trust store"))
    _parsed[path] = (stamp, anchors)
    return anchors
