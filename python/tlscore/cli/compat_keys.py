"""What may stand in the two files of `tlscore compat`: every key, of which end it is, what it holds, and an example.

A file is held to this table before anything is made of it, so that a value of the wrong kind is a typed error with the
file, the key, what was found and what to write, and never an exception from somewhere inside. Nothing is passed over in
silence: a key that would be ignored is refused too.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Literal

from tlscore.errors import ConfigError, escape, unknown_keyword, visible
from tlscore.record import Record

Role = Literal["client", "server"]


class DescriptionError(ConfigError):
    """What a file describes cannot be: `file` says which one, `key` which of its keys, None where it is the file."""

    file: str = ""
    key: str | None = None

    def _prefix(self) -> str:
        return f"{self.file}: "

    @classmethod
    def about(cls, path: Path, key: str | None, cause: str, remedy: str) -> DescriptionError:
        """The error for one key of one file."""
        return cls.naming(ConfigError(cause, remedy=remedy), path, key)

    @classmethod
    def naming(cls, error: ConfigError, path: Path, key: str | None) -> DescriptionError:
        """An error of the library, with the file and the key that it comes from."""
        found = cls(error.cause, remedy=error.remedy, section=error.section, code=error.code)
        found.file, found.key = visible(str(path)), key
        for note in getattr(error, "__notes__", ()):
            found.add_note(note)
        return found


@contextmanager
def blame(path: Path, table: dict[str, Any], key: str | None = None, inside: str | None = None) -> Iterator[None]:
    """Let errors of the library name the file and the key: the one given, or the one that their text begins with.

    Takes:    inside: the key whose table `table` is.
    """
    try:
        yield
    except DescriptionError:
        raise
    except ConfigError as error:
        if error.code == "TLS-CONFIG-LEGACY_EXPIRED":
            key = "legacy.expires"
        raise DescriptionError.naming(error, path, key or _named(error.cause, table, inside)) from None


def _named(cause: str, table: dict[str, Any], inside: str | None) -> str | None:
    """The key that a text of the library is about: settings stand at its beginning."""
    of_tier = re.search(r"\bLegacy\.(\w+)", cause)
    if of_tier is not None:
        return f"legacy.{of_tier[1]}"
    word = cause.partition(" ")[0]
    if word in table:
        return f"{inside}.{word}" if inside is not None else word
    return f"legacy.{word}" if word in table.get("legacy", {}) else inside


# -- kinds of values ---------------------------------------------------------------------------------------------------


class Kind(Record):
    """What a key holds: how it is said, and whether a value is that."""

    said: str
    holds: Callable[[object], bool]


def _list_of(*kinds: type) -> Callable[[object], bool]:
    return lambda value: (
        isinstance(value, list) and all(isinstance(one, kinds) and not isinstance(one, bool) for one in value)
    )


def _or(*tests: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: any(test(value) for test in tests)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


_TEXT: Final = Kind("text", _is_text)
_FLAG: Final = Kind("true or false", _is_flag)
_NUMBER: Final = Kind("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool))
_DATE: Final = Kind("a date", lambda value: isinstance(value, date))
_TEXTS: Final = Kind("a list of texts", _list_of(str))
_TEXT_OR_TEXTS: Final = Kind("text or a list of texts", _or(_is_text, _list_of(str)))
_NAMES: Final = Kind("a list of names", _list_of(str, int))
_FLAG_OR_TEXT: Final = Kind("true, false or text", _or(_is_flag, _is_text))
_TABLE: Final = Kind("a table", lambda value: isinstance(value, dict))
_TABLES: Final = Kind("a list of tables", _list_of(dict))


class Key(Record):
    """One key: what it holds, an example in TOML, the end that it is of (None for both), and all it may say."""

    kind: Kind
    example: str
    of: Role | None = None
    choices: tuple[str | bool, ...] = ()


IDENTITY: Final = {
    "certificate": Key(_TEXT, '"server.pem"'),
    "key": Key(_TEXT, '"server.key"'),
    "password": Key(_TEXT, '"the password of the key"'),
}
KEYS: Final = {
    "versions": Key(_TEXT_OR_TEXTS, '["1.3", "1.2"]'),
    "sec_protocol": Key(_TEXT, '"TLSv12"'),
    "tls_version": Key(_TEXT, '"TLSv12"'),
    "protocol_list": Key(_TEXT_OR_TEXTS, '["TLSv1.3", "TLSv1.2"]'),
    "available_versions": Key(_TEXTS, '["1.3", "1.2"]'),
    "supported_versions": Key(_FLAG, "false"),
    "suites": Key(_NAMES, '["TLS_AES_128_GCM_SHA256"]'),
    "cipher_string": Key(_TEXT, '"ECDHE+AESGCM"'),
    "legacy": Key(_TABLE, '{reason = "why", versions = ["1.2"]}'),
    "policy": Key(_TEXT, '"default"'),
    "groups": Key(_NAMES, '["x25519", "secp256r1"]'),
    "schemes": Key(_NAMES, '["ecdsa_secp256r1_sha256"]'),
    "cert_schemes": Key(_NAMES, '["rsa_pkcs1_sha256"]'),
    "alpn": Key(_TEXTS, '["h2", "http/1.1"]'),
    "record_size_limit": Key(_NUMBER, "4096"),
    "on_reject": Key(_TEXT, '"silent"', None, ("alert", "silent")),
    "require_extended_main_secret": Key(_FLAG, "true"),
    "encryption_only": Key(_FLAG_OR_TEXT, '"why nobody is authenticated"'),
    **IDENTITY,
    "identities": Key(_TABLES, '[{certificate = "server.pem", key = "server.key"}]'),
    "trust": Key(_TEXT, '"ca.pem"', "client"),
    "server_name": Key(_TEXT, '"server.example"', "client"),
    "verify_as": Key(_TEXT, '"server.example"', "client"),
    "key_shares": Key(_NAMES, '["x25519"]', "client"),
    "send_certificate_authorities": Key(_FLAG, "true", "client"),
    "client_trust": Key(_TEXT, '"ca.pem"', "server"),
    "client_auth": Key(_TEXT, '"required"', "server", ("none", "optional", "required", "post_handshake")),
    "advertise_cas": Key(_FLAG_OR_TEXT, "true", "server", (True, False, "auto")),
    "strict_sni": Key(_FLAG, "true", "server"),
    "prefer": Key(_TEXT, '"client"', "server", ("server", "client")),
}
LEGACY: Final = {
    "reason": Key(_TEXT, '"the press speaks nothing newer"'),
    "versions": Key(_TEXT_OR_TEXTS, '["1.1", "1.2"]'),
    "suites": Key(_NAMES, '["TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"]'),
    "cipher_string": Key(_TEXT, '"ECDHE-RSA-AES128-SHA"'),
    "expires": Key(_DATE, "2027-06-30"),
    "sha1_signatures": Key(_FLAG, "true"),
    "require_encrypt_then_mac": Key(_FLAG, "true"),
    "accept_sslv2_hello": Key(_FLAG, "true"),
    "no_encryption": Key(_TEXT, '"why nothing is encrypted"'),
}
# Keys that name the versions, of which a file gives one; other products spell theirs with a hyphen.
VERSIONS: Final = ("versions", "sec_protocol", "tls_version", "protocol_list")
_HYPHENS: Final = {name.replace("_", "-"): name for name in VERSIONS if "_" in name}
# What the other end calls the same.
_TWINS: Final = {"trust": "client_trust", "client_trust": "trust"}
# What says whom to verify.
_VERIFYING: Final = ("trust", "verify_as", "send_certificate_authorities", "client_trust", "client_auth", "strict_sni")
_NOT_BESIDE_LEGACY: Final = (*VERSIONS, "available_versions", "suites", "cipher_string")


# -- reading -----------------------------------------------------------------------------------------------------------


def read(path: Path, role: Role) -> dict[str, Any]:
    """The table of a file, every key known and of the right kind, and none beside one that excludes it.

    Raises:   DescriptionError.
    """
    found: dict[str, Any] = {}
    for name, value in _parsed(path).items():
        known = _HYPHENS.get(name, name)
        if known in found:
            raise DescriptionError.about(path, known, f"{known} is written twice, as {name} too", "keep one of them")
        found[known] = value
    _check(path, f"the description of a {role}", "", found, _keys_of(path, role, found))
    _check(path, "[legacy]", "legacy.", found.get("legacy", {}), LEGACY)
    for number, entry in enumerate(found.get("identities", ())):
        owner = f"identities[{number}]"
        _check(path, owner, f"{owner}.", entry, IDENTITY)
        _check_identity(path, f"{owner}.", entry)
    _check_identity(path, "", found)
    _check_exclusions(path, found)
    return found


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DescriptionError.about(path, None, error.strerror or str(error), "give the path of a TOML file") from None
    except (ValueError, RecursionError) as error:
        # Beside its own error for what is no TOML, the parser lets through those of numbers that have too many digits
        # and of dates that do not exist.
        said = "it nests too deeply" if isinstance(error, RecursionError) else escape(str(error), 200)
        raise DescriptionError.about(
            path, None, f"this is no TOML: {said}", 'write lines such as versions = ["1.3", "1.2"]'
        ) from None


def _keys_of(path: Path, role: Role, table: dict[str, Any]) -> dict[str, Key]:
    """The keys of one end; a key of the other end is refused."""
    keys = {name: key for name, key in KEYS.items() if key.of in (None, role)}
    for name in table:
        if name in KEYS and name not in keys:
            remedy = f"write {_TWINS[name]}" if name in _TWINS else "move it to the other file"
            raise DescriptionError.about(path, name, f"{name} is a key of a {KEYS[name].of}, not of a {role}", remedy)
    return keys


def _check(path: Path, owner: str, prefix: str, table: dict[str, Any], keys: dict[str, Key]) -> None:
    for name, value in table.items():
        if name not in keys:
            raise DescriptionError.naming(unknown_keyword(owner, name, tuple(keys)), path, prefix + name)
        key = keys[name]
        if not key.kind.holds(value):
            cause = f"{prefix}{name} is {_found(value)}, not {key.kind.said}"
            raise DescriptionError.about(path, prefix + name, cause, f"write {name} = {key.example}")
        if key.choices and value not in key.choices:
            known = ", ".join(map(_written, key.choices))
            raise DescriptionError.about(path, name, f"{name} is {_written(value)}", f"choose from {known}")


def _written(value: object) -> str:
    """A value as TOML writes it."""
    return str(value).lower() if isinstance(value, bool) else f'"{escape(str(value), 40)}"'


def _found(value: object) -> str:
    """The kind of a value in the words of TOML, with the value where it is short."""
    if isinstance(value, list):
        wrong = sorted({_kind(one) for one in value})
        return f"a list of {' and '.join(wrong)} values" if wrong else "an empty list"
    if isinstance(value, dict):
        return "a table"
    shown = _written(value) if isinstance(value, (str, bool)) else escape(str(value), 40)
    return f"the {_kind(value)} {shown}"


def _kind(value: object) -> str:
    if isinstance(value, datetime):
        return "date-time"
    names = {bool: "boolean", int: "integer", float: "float", str: "text", list: "list", dict: "table", date: "date"}
    return names.get(type(value), "time")


def _check_identity(path: Path, prefix: str, table: dict[str, Any]) -> None:
    """A key belongs to a certificate, a password to a key; an entry of identities has a certificate."""
    for name, needed in (("key", "certificate"), ("password", "key")):
        if name in table and needed not in table:
            raise DescriptionError.about(
                path,
                prefix + name,
                f"{prefix}{name} is given without {needed}: it would be ignored",
                f"write {needed} = {IDENTITY[needed].example}, or leave {name} out",
            )
    if prefix and "certificate" not in table:
        raise DescriptionError.about(
            path,
            prefix + "certificate",
            f"{prefix.removesuffix('.')} has no certificate",
            f"write {{certificate = {IDENTITY['certificate'].example}}}",
        )


def _check_exclusions(path: Path, table: dict[str, Any]) -> None:
    """Keys that exclude each other, and one that needs another."""
    if table.get("client_auth", "none") != "none" and "client_trust" not in table:
        cause = f"client_auth is {_written(table['client_auth'])}, and no client_trust says whom to believe"
        remedy = f"write client_trust = {KEYS['client_trust'].example}"
        raise DescriptionError.about(path, "client_trust", cause, remedy)
    verifying = next((name for name in _VERIFYING if table.get(name, False) not in (False, "none")), None)
    if verifying is not None and table.get("encryption_only", False) is not False:
        cause = f"encryption_only verifies nobody, and {verifying} says whom to verify"
        raise DescriptionError.about(path, verifying, cause, "leave one of them out")
    given = [name for name in VERSIONS if name in table]
    if len(given) > 1:
        raise DescriptionError.about(
            path, given[1], f"{given[0]} and {given[1]} say the same thing", "keep one of them"
        )
    for prefix, owner in (("", table), ("legacy.", table.get("legacy", {}))):
        if "suites" in owner and "cipher_string" in owner:
            raise DescriptionError.about(
                path, prefix + "cipher_string", f"{prefix}suites and {prefix}cipher_string are both given", "keep one"
            )
    beside = next((name for name in _NOT_BESIDE_LEGACY if name in table), None)
    if "legacy" in table and beside is not None:
        raise DescriptionError.about(
            path,
            beside,
            f"{beside} is given beside legacy, which names its own versions and suites",
            "move it into [legacy]",
        )
