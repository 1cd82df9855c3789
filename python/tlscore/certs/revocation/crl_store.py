"""The CRLs that an operator lays down: files, directories and bytes, picked up again when they change.

A store holds one snapshot, which lookups read without a lock. When it is asked and the last look is old enough, one
thread compares inode, time and size of each file; what changed is read again and, if all of it can be parsed, stands in
a new snapshot, which replaces the old one in one assignment. A file that is half written, or gone for a moment, leaves
the CRL that it held in place; `problems` says so. In a directory a file that is gone takes its CRL along.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from tlscore.certs.revocation import names
from tlscore.certs.revocation.crl import Crl
from tlscore.certs.revocation.problems import Unreadable
from tlscore.errors import ConfigError, escape, visible

Path = str | os.PathLike[str]

# Largest file that is read: some four million entries; what is larger was not meant to be a CRL.
FILE_OCTETS: Final = 128 * 2**20
CHECK_SECONDS: Final = 1.0
_BLOCK: Final = re.compile(rb"-----BEGIN X509 CRL-----(.*?)-----END X509 CRL-----", re.DOTALL)
_SUFFIXES: Final = (".crl", ".pem", ".der", ".r0", ".r1", ".r2", ".r3")

_Stamp = tuple[int, int, int]


def read_crls(data: bytes, origin: str) -> tuple[Crl, ...]:
    """All CRLs of PEM text, or the one of DER octets. Raises Unreadable."""
    if b"-----BEGIN " not in data:
        return (Crl(data, origin),)
    found = []
    blocks = _BLOCK.findall(data)
    if not blocks or len(blocks) != data.count(b"-----BEGIN X509 CRL-----"):
        raise Unreadable("it has no whole X509 CRL block")
    for number, block in enumerate(blocks, 1):
        try:
            octets = base64.b64decode(b"".join(block.split()), validate=True)
        except binascii.Error:
            raise Unreadable(f"X509 CRL block {number} is no base64") from None
        found.append(Crl(octets, origin if len(blocks) == 1 else f"{origin}, CRL {number}"))
    return tuple(found)


class _Snapshot:
    """What a store holds at one time."""

    __slots__ = ("crls", "files", "generation", "issuers")

    def __init__(self, files: dict[str, tuple[_Stamp, tuple[Crl, ...]]], fixed: tuple[Crl, ...], number: int) -> None:
        self.files, self.generation = files, number
        self.crls = fixed + tuple(crl for _, crls in files.values() for crl in crls)
        self.issuers: dict[names.Normal, list[Crl]] = {}
        for crl in self.crls:
            self.issuers.setdefault(crl.issuer, []).append(crl)
        for listed in self.issuers.values():
            listed.sort(key=lambda crl: crl.number or 0, reverse=True)


class CrlStore:
    """CRLs of any number of issuers, complete and delta.

    Takes:    files: paths, PEM or DER. directory: a path, or several; files named *.crl, *.pem, *.der or as c_rehash
              does (*.r0). data: PEM or DER octets. check_seconds: how often files are looked at; 0 for every lookup.
    Raises:   ConfigError where a file cannot be read or holds no CRL.
    """

    def __init__(
        self,
        files: Path | Sequence[Path] = (),
        directory: Path | Sequence[Path] | None = None,
        data: bytes | str | Sequence[bytes | str] = (),
        *,
        check_seconds: float = CHECK_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = _paths(files)
        self._directories = _paths(directory) if directory is not None else ()
        given = (data,) if isinstance(data, (bytes, bytearray, str)) else tuple(data)
        self._data = tuple(one.encode() if isinstance(one, str) else bytes(one) for one in given)
        if not self._files and not self._directories and not self._data:
            raise ConfigError(
                "a store of CRLs was made without any",
                remedy='name them: Revocation.crl(files="ca.crl"), or use Revocation.stapled() for OCSP alone',
                code="TLS-CONFIG-CRL",
            )
        self._check_seconds, self._monotonic = check_seconds, monotonic
        self._lock = threading.Lock()
        self._looked = monotonic()
        self.problems: dict[str, str] = {}
        fixed: list[Crl] = []
        for number, octets in enumerate(self._data, 1):
            try:
                fixed += read_crls(octets, "the CRL given as bytes" if len(self._data) == 1 else f"CRL {number} given")
            except Unreadable as failure:
                raise _no_crl("the CRL given as bytes", failure) from None
        self._fixed = tuple(fixed)
        self._snapshot = _Snapshot({}, self._fixed, 0)
        self._snapshot = self._load(strict=True)

    @property
    def paths(self) -> tuple[str, ...]:
        """Files and directories that the store follows."""
        return self._files + self._directories

    @property
    def stamp(self) -> tuple[object, ...]:
        """What a FileWatcher compares; a store looks by itself too, whenever it is asked."""
        return tuple(_stamp_or_none(path) for path, _ in self._list({}, strict=False))

    @property
    def generation(self) -> int:
        """Grows whenever another set of CRLs is in force. Looks at the files if that is due."""
        return self._current().generation

    @property
    def crls(self) -> tuple[Crl, ...]:
        return self._current().crls

    def issued_by(self, issuer: names.Normal) -> list[Crl]:
        """The CRLs of an issuer, the newest first."""
        return self._current().issuers.get(issuer, [])

    def reload(self) -> bool:
        """Look at the files now. Gives whether anything changed; what went wrong is in `problems`."""
        with self._lock:
            return self._reload()

    def _current(self) -> _Snapshot:
        if (
            self.paths
            and self._monotonic() - self._looked >= self._check_seconds
            and self._lock.acquire(blocking=False)
        ):
            try:
                self._reload()
            finally:
                self._lock.release()
        return self._snapshot

    def _reload(self) -> bool:
        before = self._snapshot
        self._looked = self._monotonic()
        self._snapshot = self._load(strict=False)
        return self._snapshot is not before

    def _load(self, strict: bool) -> _Snapshot:
        """A snapshot of what the files hold now; the same one where nothing changed."""
        old = self._snapshot
        problems: dict[str, str] = {}
        files: dict[str, tuple[_Stamp, tuple[Crl, ...]]] = {}
        for path, required in self._list(problems, strict):
            known = old.files.get(path)
            try:
                stamp = _stamp(path)
                if known is None or known[0] != stamp:
                    known = stamp, read_crls(_read(path), visible(path))
            except (OSError, Unreadable) as failure:
                if strict and required:
                    raise _no_crl(path, failure) from None
                problems[path] = escape(str(failure), 300)
            if known is not None:
                files[path] = known
        self.problems = problems
        same = files.keys() == old.files.keys() and all(files[path] is old.files[path] for path in files)
        return old if same and not strict else _Snapshot(files, self._fixed, old.generation + 1)

    def _list(self, problems: dict[str, str], strict: bool) -> list[tuple[str, bool]]:
        """Every file to read, with whether it was named itself."""
        listed = [(path, True) for path in self._files]
        for directory in self._directories:
            try:
                inside = sorted(os.listdir(directory))
            except OSError as failure:
                if strict:
                    raise _no_crl(directory, failure) from None
                problems[directory] = escape(str(failure), 300)
                kept = [path for path in self._snapshot.files if os.path.dirname(path) == directory.rstrip("/")]
                listed += [(path, False) for path in kept]
                continue
            listed += [(os.path.join(directory, name), False) for name in inside if name.lower().endswith(_SUFFIXES)]
        return listed

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._files, self._directories or None, self._data)

    def __repr__(self) -> str:
        snapshot = self._snapshot
        return f"<CrlStore {len(snapshot.crls)} CRLs of {len(snapshot.issuers)} issuers>"


def _paths(given: Path | Sequence[Path]) -> tuple[str, ...]:
    several = (given,) if isinstance(given, (str, os.PathLike)) else tuple(given)
    return tuple(os.fspath(one) for one in several)


def _stamp(path: str) -> _Stamp:
    found = os.stat(path)
    return found.st_ino, found.st_mtime_ns, found.st_size


def _stamp_or_none(path: str) -> _Stamp | None:
    try:
        return _stamp(path)
    except OSError:
        return None


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        data = file.read(FILE_OCTETS + 1)
    if len(data) > FILE_OCTETS:
        raise Unreadable(f"the file is larger than {FILE_OCTETS} octets")
    return data


def _no_crl(origin: str, failure: Exception) -> ConfigError:
    return ConfigError(
        f"{escape(origin, 300)} gives no CRL: {escape(str(failure), 300)}",
        remedy="give CRLs as PEM (X509 CRL) or DER; openssl crl -in FILE -noout -text shows what one holds",
        code="TLS-CONFIG-CRL",
    )
