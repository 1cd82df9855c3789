"""The two files of `tlscore compat`: what a TOML description of a client or a server says, as a real configuration.

The keys are the keywords of ClientConfig and ServerConfig, with paths (relative to the file) where those take objects;
compat_keys.py has their table. Versions may be any of the six that the rules know. Where a private key is not at hand,
which is usual on the desk of whoever plans, a stand-in of the same kind signs, issued by an authority that lives as
long as the run.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tlscore import danger, policies
from tlscore.cli.compat_keys import IDENTITY, VERSIONS, DescriptionError, Role, blame, read
from tlscore.errors import unknown_keyword
from tlscore.record import Record
from tlscore.versions import VersionSetting

if TYPE_CHECKING:
    from tlscore import ClientConfig, Identity, ServerConfig, TrustStore
    from tlscore.cli.stand_in import StandIns
    from tlscore.legacy import Legacy

# Keywords of the configurations that a file gives as they are.
_AS_THEY_ARE: Final = (
    "groups",
    "schemes",
    "cert_schemes",
    "alpn",
    "record_size_limit",
    "on_reject",
    "require_extended_main_secret",
    "key_shares",
    "send_certificate_authorities",
    "advertise_cas",
    "strict_sni",
    "prefer",
    "client_auth",
)
_POLICIES: Final = {policy.name: policy for policy in policies.ALL}
_READERS: Final = {
    "versions": VersionSetting.parse,
    "sec_protocol": VersionSetting.from_sec_protocol,
    "tls_version": VersionSetting.from_tls_version,
    "protocol_list": VersionSetting.from_protocol_list,
}


class Certificate(Record):
    """A certificate of a file: its chain in DER, and the identity where its key is there too."""

    chain: tuple[bytes, ...]
    identity: Identity | None


class Side:
    """One end, as its file describes it. `notes` is what was read with a warning."""

    def __init__(self, path: str, role: Role) -> None:
        self.path = Path(path)
        self.role: Role = role
        self.table = read(self.path, role)
        self.notes: list[str] = []
        self.certificates = self._certificates()
        self.anchors = self._anchors("trust" if role == "client" else "client_trust")
        self.legacy = self._legacy()
        self.setting = self._setting()
        with blame(self.path, self.table, "encryption_only"):
            self.unauthenticated = _unauthenticated(self.table.get("encryption_only", False))

    def without(self, key: str) -> Side:
        """What the file would describe without one of its keys.

        Raises:   ConfigError where the rest means nothing.
        """
        shorter = copy(self)
        shorter.table = {name: value for name, value in self.table.items() if name != key}
        shorter.notes = []
        shorter.legacy = shorter._legacy()
        shorter.setting = shorter._setting()
        return shorter

    def _legacy(self) -> Legacy | None:
        """The tier that the file allows, with its own versions and suites; None where it allows none."""
        if "legacy" not in self.table:
            return None
        from tlscore.legacy import Legacy, suites_for

        wanted = {"reason": "", **self.table["legacy"]}
        with blame(self.path, {}, "legacy.cipher_string"):
            if "cipher_string" in wanted:
                wanted["suites"] = suites_for(wanted.pop("cipher_string"))
        with blame(self.path, wanted, inside="legacy"):
            if "no_encryption" in wanted:
                wanted["no_encryption"] = danger.no_encryption(wanted["no_encryption"])
            return Legacy(**wanted)

    def _setting(self) -> VersionSetting | None:
        """What the file says about versions; None where it says nothing."""
        table = self.table
        on_reject = table.get("on_reject", "alert")
        if self.legacy is not None:
            with blame(self.path, table, "on_reject"):
                return VersionSetting.compatibility(*self.legacy.versions, on_reject=on_reject)
        available = table.get("available_versions")
        options: dict[str, Any] = {} if available is None else {"available": available}
        key = next((name for name in VERSIONS if name in table), None)
        if key is None or table[key] == "default":
            if available is None:
                return None
            with blame(self.path, table, "available_versions"):
                setting = VersionSetting.default(**options)
        else:
            with blame(self.path, table, key), self._noted():
                setting = _READERS[key](table[key], **options)
        with blame(self.path, table, "on_reject"):
            return VersionSetting(setting.kind, setting.configured, setting.available, on_reject)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Keep what the library warns of as notes: it is about the file, and belongs into the report."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        self.notes += [f"{self.path.name}: {one.message}" for one in caught]

    @property
    def version_source(self) -> str:
        """The line that decides about versions."""
        for key in ("legacy", *VERSIONS, "available_versions", "suites", "cipher_string", "policy"):
            if key in self.table:
                return f"{key} in {self.path.name}"
        return "the default policy"

    @property
    def knows_extension(self) -> bool:
        """Whether this end knows supported_versions, as everybody does who knows TLS 1.3.

        Servers of the legacy tier read it, clients of the tier do not send it.
        """
        sends_none = self.legacy is not None and self.role == "client"
        return bool(self.table.get("supported_versions", not sends_none))

    def _certificates(self) -> tuple[Certificate, ...]:
        entries = [(f"identities[{number}].", entry) for number, entry in enumerate(self.table.get("identities", ()))]
        if "certificate" in self.table:
            entries.insert(0, ("", {name: self.table[name] for name in IDENTITY if name in self.table}))
        return tuple([self._certificate(prefix, entry) for prefix, entry in entries])

    def _certificate(self, prefix: str, entry: dict[str, str]) -> Certificate:
        from tlscore.certs.identity import Identity
        from tlscore.certs.loading import material
        from tlscore.certs.reading import read as read_file

        chain = self._path(f"{prefix}certificate", entry["certificate"])
        if "key" in entry:
            with blame(self.path, {}, f"{prefix}key"), self._noted():
                identity = Identity.load(chain, self._path(f"{prefix}key", entry["key"]), entry.get("password"))
            return Certificate(identity.chain, identity)
        from cryptography.hazmat.primitives.serialization import Encoding

        with blame(self.path, {}, f"{prefix}certificate"):
            parsed = material.certificates(read_file(chain, "certificate chain"), "an identity")
        return Certificate(tuple([one.value.public_bytes(Encoding.DER) for one in parsed]), None)

    def _path(self, key: str, name: str) -> str:
        if "\0" in name:
            raise DescriptionError.about(
                self.path, key, f"{key} names a file with NUL in it", "give the path of a file"
            )
        return str(self.path.parent / name)

    def _anchors(self, key: str) -> TrustStore | None:
        """The store that the file names under `key`; None where it names none."""
        from tlscore.certs.trust_store import TrustStore

        name = self.table.get(key)
        if name is None:
            return None
        with blame(self.path, {}, key):
            return TrustStore.system() if name == "system" else TrustStore.from_file(self._path(key, name))

    @property
    def has_keys(self) -> bool:
        """Whether every certificate came with its key."""
        return all(one.identity is not None for one in self.certificates)

    def common(self, versions: tuple[int, ...] | None) -> dict[str, Any]:
        """The keywords that both kinds of configuration share."""
        table = self.table
        given: dict[str, Any] = {name: table[name] for name in _AS_THEY_ARE if name in table}
        if "policy" in table:
            if table["policy"] not in _POLICIES:
                wrong = unknown_keyword("the list of policies", table["policy"], tuple(_POLICIES))
                raise DescriptionError.naming(wrong, self.path, "policy")
            given["policy"] = _POLICIES[table["policy"]]
        if self.legacy is not None:
            tier = self.legacy if versions in (None, self.legacy.versions) else self.legacy.replace(versions=versions)
            return {**given, "legacy": tier}
        if versions is not None:
            given["versions"] = versions
        if "cipher_string" in table:
            from tlscore.cipher_strings import suites_for_config

            with blame(self.path, table, "cipher_string"):
                given["suites"] = suites_for_config(table["cipher_string"], versions)
        elif "suites" in table:
            given["suites"] = table["suites"]
        return given


def _unauthenticated(value: bool | str) -> danger.AcceptAnyPeer | None:
    """What `encryption_only` says: its text is the reason."""
    if value is False:
        return None
    return danger.accept_any_peer if value is True else danger.accept_any_peer(str(value))


def client_config(side: Side, versions: tuple[int, ...] | None, stand_ins: StandIns | None) -> ClientConfig:
    """The configuration of the client; with `stand_ins` it trusts those instead of the real anchors."""
    from tlscore import ClientConfig

    with blame(side.path, side.table):
        given, identities = side.common(versions), _identities(side, stand_ins)
        if side.unauthenticated is not None:
            return ClientConfig.encryption_only(
                side.unauthenticated, identities=identities, **given, **_if_given("trust", side.anchors)
            )
        trust = stand_ins.trust if stand_ins is not None else side.anchors
        if identities:
            return ClientConfig.mutual(trust, identity=identities, **given)
        return ClientConfig.simple(trust, **given)


def server_config(side: Side, versions: tuple[int, ...] | None, stand_ins: StandIns | None) -> ServerConfig:
    """The configuration of the server; a file without certificate gets stand-ins, unless it needs none."""
    from tlscore import ServerConfig

    with blame(side.path, side.table):
        given, identities = side.common(versions), _identities(side, stand_ins)
        asks = side.table.get("client_auth", "none") != "none"
        trust = stand_ins.trust if stand_ins is not None and asks and side.anchors is not None else side.anchors
        given |= _if_given("client_trust", trust)
        if side.unauthenticated is not None:
            return ServerConfig.encryption_only(side.unauthenticated, identities=identities, **given)
        return ServerConfig(identities=identities, **given)


def _if_given(name: str, value: object) -> dict[str, Any]:
    return {} if value is None else {name: value}


def _identities(side: Side, stand_ins: StandIns | None) -> tuple[Identity, ...]:
    if stand_ins is None:
        return tuple([one.identity for one in side.certificates if one.identity is not None])
    with blame(side.path, side.table, "certificate" if "certificate" in side.table else "identities"):
        made = tuple([stand_ins.like(one.chain[0]) for one in side.certificates])
    if made or side.role == "client" or side.unauthenticated is not None:
        return made
    # Nothing is said about the certificate: it must not be what decides. Only the kinds of TLS 1.2 and older matter.
    of_kind = any(name in side.table for name in ("legacy", "suites", "cipher_string", "schemes"))
    return (stand_ins.identity(), stand_ins.rsa_identity()) if of_kind else (stand_ins.identity(),)
