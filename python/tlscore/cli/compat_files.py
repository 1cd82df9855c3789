"""The two files of `tlscore compat`: what a TOML description of a client or a server says, as a real configuration.

The keys are the keywords of ClientConfig and ServerConfig, with paths (relative to the file) where those take objects.
Versions may be any of the six that the rules know. Where a private key is not at hand, which is usual on the desk of
whoever plans, a stand-in of the same kind signs, issued by an authority that lives as long as the run.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tlscore import policies
from tlscore.errors import ConfigError, unknown_keyword, visible
from tlscore.record import Record
from tlscore.versions import VersionSetting

if TYPE_CHECKING:
    from tlscore import ClientConfig, Identity, ServerConfig, TrustStore
    from tlscore.cli.stand_in import StandIns
    from tlscore.legacy import Legacy

Role = Literal["client", "server"]

# Keywords of the configurations that a file gives as they are.
_COMMON = (
    "groups",
    "schemes",
    "cert_schemes",
    "alpn",
    "record_size_limit",
    "on_reject",
    "require_extended_main_secret",
)
_OWN = {"client": ("key_shares", "send_certificate_authorities"), "server": ("advertise_cas", "strict_sni", "prefer")}
_VERSIONS = ("versions", "sec_protocol", "available_versions", "suites", "cipher_string")
_SPECIAL = (*_VERSIONS, "supported_versions", "policy", "legacy")
_IDENTITY = ("certificate", "key", "password", "identities")
_TRUST = {"client": ("trust", "server_name", "verify_as"), "server": ("client_trust", "client_auth")}
_POLICIES = {policy.name: policy for policy in policies.ALL}


class Certificate(Record):
    """A certificate of a file: its chain in DER, and the identity where its key is there too."""

    chain: tuple[bytes, ...]
    identity: Identity | None


class Side:
    """One end, as its file describes it."""

    def __init__(self, path: str, role: Role) -> None:
        self.path = Path(path)
        self.role: Role = role
        self.table = _table(self.path)
        known = (*_COMMON, *_OWN[role], *_SPECIAL, *_IDENTITY, *_TRUST[role])
        for name in self.table:
            if name not in known:
                raise unknown_keyword(f"{visible(str(path))}: the description of a {role}", name, known)
        self.certificates = self._certificates()
        self.legacy = self._legacy()
        self.setting = self._setting()

    def _legacy(self) -> Legacy | None:
        """The tier that the file allows, with its own versions and suites; None where it allows none."""
        if "legacy" not in self.table:
            return None
        from tlscore.legacy import Legacy, suites_for

        given = self.table["legacy"]
        if not isinstance(given, dict):
            raise ConfigError(f"{self.path}: legacy is no table", remedy='write [legacy] and reason = "..."')
        beside = next((name for name in _VERSIONS if name in self.table), None)
        if beside is not None:
            raise ConfigError(
                f"{self.path}: {beside} is given beside legacy, which names its own versions and suites",
                remedy="move it into [legacy]",
            )
        known = (*(name for name in Legacy._fields if name != "no_encryption"), "cipher_string")
        for name in given:
            if name not in known:
                raise unknown_keyword(f"{self.path}: [legacy]", name, known)
        wanted = {"reason": "", **given}
        if "cipher_string" in wanted:
            wanted["suites"] = suites_for(wanted.pop("cipher_string"))
        return Legacy(**wanted)

    def _setting(self) -> VersionSetting | None:
        """What the file says about versions; None where it says nothing."""
        table = self.table
        if self.legacy is not None:
            return VersionSetting.compatibility(*self.legacy.versions, on_reject=table.get("on_reject", "alert"))
        available = table.get("available_versions")
        options: dict[str, Any] = {} if available is None else {"available": available}
        if "versions" in table and "sec_protocol" in table:
            raise ConfigError(f"{self.path}: versions and sec_protocol say the same thing", remedy="keep one of them")
        if "sec_protocol" in table:
            setting = VersionSetting.from_sec_protocol(table["sec_protocol"], **options)
        elif table.get("versions", "default") != "default":
            setting = VersionSetting.parse(table["versions"], **options)
        elif available is not None:
            setting = VersionSetting.default(**options)
        else:
            return None
        return setting.replace(on_reject=table.get("on_reject", "alert"))

    @property
    def version_source(self) -> str:
        """The line that decides about versions."""
        for key in ("legacy", "sec_protocol", "versions", "available_versions", "suites", "cipher_string", "policy"):
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
        from tlscore.certs.identity import Identity
        from tlscore.certs.loading import material
        from tlscore.certs.reading import read

        entries = list(self.table.get("identities", ()))
        if "certificate" in self.table:
            entries.insert(0, {name: self.table[name] for name in _IDENTITY[:3] if name in self.table})
        found = []
        for entry in entries:
            chain = self._path(entry["certificate"])
            if "key" in entry:
                identity = Identity.load(chain, self._path(entry["key"]), entry.get("password"))
                found.append(Certificate(identity.chain, identity))
            else:
                from cryptography.hazmat.primitives.serialization import Encoding

                parsed = material.certificates(read(chain, "certificate chain"), "an identity")
                found.append(Certificate(tuple([one.value.public_bytes(Encoding.DER) for one in parsed]), None))
        return tuple(found)

    def _path(self, name: str) -> str:
        return str(self.path.parent / name)

    def trust(self, key: str) -> TrustStore | None:
        """The store that the file names under `key`; None where it names none."""
        from tlscore.certs.trust_store import TrustStore

        name = self.table.get(key)
        if name is None:
            return None
        return TrustStore.system() if name == "system" else TrustStore.from_file(self._path(name))

    @property
    def has_keys(self) -> bool:
        """Whether every certificate came with its key."""
        return all(one.identity is not None for one in self.certificates)

    def common(self, versions: tuple[int, ...] | None) -> dict[str, Any]:
        """The keywords that both kinds of configuration share."""
        table = self.table
        given = {name: table[name] for name in (*_COMMON, *_OWN[self.role]) if name in table}
        if "policy" in table:
            if table["policy"] not in _POLICIES:
                raise unknown_keyword("the list of policies", str(table["policy"]), tuple(_POLICIES))
            given["policy"] = _POLICIES[table["policy"]]
        if self.legacy is not None:
            return {**given, "legacy": self.legacy}
        if versions is not None:
            given["versions"] = versions
        if "cipher_string" in table:
            from tlscore.cipher_strings import suites_for_config

            given["suites"] = suites_for_config(table["cipher_string"], versions)
        elif "suites" in table:
            given["suites"] = table["suites"]
        return given


def client_config(side: Side, versions: tuple[int, ...] | None, stand_ins: StandIns | None) -> ClientConfig:
    """The configuration of the client; with `stand_ins` it trusts those instead of the real anchors."""
    from tlscore import ClientConfig

    identities, trust = _identities(side, stand_ins), stand_ins.trust if stand_ins else side.trust("trust")
    given = side.common(versions)
    if identities:
        return ClientConfig.mutual(trust, identity=identities, **given)
    return ClientConfig.simple(trust, **given)


def server_config(side: Side, versions: tuple[int, ...] | None, stand_ins: StandIns | None) -> ServerConfig:
    """The configuration of the server; a file without certificate gets a stand-in."""
    from tlscore import ServerConfig

    given = side.common(versions)
    client_auth = side.table.get("client_auth", "none")
    if client_auth != "none":
        given["client_auth"] = client_auth
        given["client_trust"] = side.trust("client_trust")
        if stand_ins is not None and given["client_trust"] is not None:
            given["client_trust"] = stand_ins.trust
    return ServerConfig(identities=_identities(side, stand_ins), **given)


def _identities(side: Side, stand_ins: StandIns | None) -> tuple[Identity, ...]:
    if stand_ins is None:
        return tuple([one.identity for one in side.certificates if one.identity is not None])
    made = tuple([stand_ins.like(one.chain[0]) for one in side.certificates])
    return made if made or side.role == "client" else (stand_ins.identity(),)


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{visible(str(path))}: {error.strerror}", remedy="give the path of a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{visible(str(path))} is no TOML: {error}", remedy='write lines such as versions = ["1.3", "1.2"]'
        ) from None
