"""Checks of single settings: each turns what a user wrote into what the protocol reads, or says what to write instead.

Every refusal is a ConfigError in three parts: what was given, why it cannot work, what to do. Names are IANA names; a
wrong one gets the nearest right one. Nothing here knows a connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from tlscore import defaults
from tlscore.errors import ConfigError, escape, unknown_keyword
from tlscore.record import Record

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.certs.trust_store import TrustStore
    from tlscore.certs.watch import IdentityFile
    from tlscore.iana import Registry

    AnyIdentity = Identity | IdentityFile

_VERSION_NAMES = {"1.3": 0x0304, "TLSv1.3": 0x0304, "TLS13": 0x0304, "1.2": 0x0303, "TLSv1.2": 0x0303, "TLS12": 0x0303}
_OLD_VERSIONS = ("SSLv2", "SSLv3", "SSLv23", "TLSv1", "TLSv11", "TLSv1.0", "TLSv1.1", "1.0", "1.1")


class Padding(Record):
    """How records are padded against the analysis of their lengths: RFC 9846 5.4."""

    kind: Literal["none", "multiple", "full"] = "none"
    value: int = 0

    @classmethod
    def none(cls) -> Padding:
        """Records as long as their content."""
        return cls()

    @classmethod
    def to_multiple(cls, octets: int) -> Padding:
        """Every record's content is filled up to a multiple of `octets`."""
        if not isinstance(octets, int) or isinstance(octets, bool) or not 2 <= octets <= 2**14:
            raise ConfigError(f"padding to a multiple of {octets!r}", remedy="give a number of octets from 2 to 16384")
        return cls("multiple", octets)

    @classmethod
    def full(cls) -> Padding:
        """Every record is as long as a record can be."""
        return cls("full", 0)


# Octets: what the core can hold. Records: AES-GCM keys wear out at 2^24.5 records (RFC 9846 5.5).
_LIMIT_BOUNDS = {
    "client_hello": (64, 2**24),
    "certificate": (64, 2**24),
    "message": (64, 2**24),
    "rekey_records": (2, defaults.REKEY_RECORDS),
}


class Limits(Record, kw_only=True):
    """What one peer may cost; exceeding one ends the connection. client_hello, certificate, message (every other
    handshake message) and held (what comes while a handshake waits for an async answer) are octets, the rest are
    counts. The reasons stand in tlscore.defaults."""

    client_hello: int = defaults.CLIENT_HELLO_OCTETS
    certificate: int = defaults.CERTIFICATE_OCTETS
    message: int = defaults.HANDSHAKE_MESSAGE_OCTETS
    empty_records: int = defaults.EMPTY_RECORDS
    warning_alerts: int = defaults.WARNING_ALERTS
    key_updates: int = defaults.KEY_UPDATES
    post_handshake_messages: int = defaults.POST_HANDSHAKE_MESSAGES
    change_cipher_specs: int = defaults.CHANGE_CIPHER_SPECS
    rekey_records: int = defaults.REKEY_RECORDS
    held: int = defaults.HELD_OCTETS

    def __init__(self, **named: int) -> None:
        for name, value in named.items():
            if name not in type(self)._fields:
                raise unknown_keyword("Limits", name, type(self)._fields)
            whole_number(f"Limits.{name}", value, *_LIMIT_BOUNDS.get(name, (1, 2**31 - 1)))
        super().__init__(**named)

    def as_dict(self) -> dict[str, int]:
        """Every limit by its name."""
        return self._as_dict()


def _items(field: str, value: object, example: str) -> tuple[Any, ...]:
    """The members of a list setting; a lone string or another single thing is the usual mistake."""
    if isinstance(value, (str, bytes)):
        raise ConfigError(f"{field} is the single text {value!r}", remedy=f"give a list: {field}=({value!r},)")
    if not isinstance(value, Iterable):
        raise ConfigError(
            f"{field} is {type(value).__name__}, not a list", remedy=f"give a list such as {field}={example}"
        )
    members = tuple(value)
    if len(set(map(repr, members))) != len(members):
        raise ConfigError(f"{field} names something twice", remedy="name each once, in order of preference")
    return members


def codes(
    field: str, value: object, registry: type[Registry], implemented: tuple[int, ...], *, empty: bool = False
) -> tuple[int, ...]:
    """Codes for IANA names or codes of one registry, all of them implemented here."""
    members = _items(field, value, f'("{registry.name_of(implemented[0])}",)')
    if not members and not empty:
        raise ConfigError(
            f"{field} is empty: nothing could ever be agreed", remedy=f"leave {field} out for the default"
        )
    return tuple(dict.fromkeys(_code(field, member, registry, implemented) for member in members))


def _code(field: str, member: object, registry: type[Registry], implemented: tuple[int, ...]) -> int:
    names = tuple(registry.name_of(code) for code in implemented)
    if isinstance(member, str):
        try:
            code = registry.code_of(member)
        except KeyError:
            code = _code_for_other_name(field, member, names)
    elif isinstance(member, int) and not isinstance(member, bool):
        code = member
    else:
        raise ConfigError(
            f"{field} holds {type(member).__name__}", remedy=f'give IANA names such as "{names[0]}", or codes'
        )
    if code not in implemented and field == "suites":
        _refuse_legacy(code)
    if code not in implemented:
        raise ConfigError(
            f"{field} names {registry.name_of(code)}, which belongs to no version that is enabled or is not "
            f"implemented",
            remedy="choose from " + ", ".join(names),
            code="TLS-CONFIG-NOT_AVAILABLE",
        )
    return code


def _refuse_legacy(code: int) -> None:
    """Say where a suite of the legacy tier belongs."""
    from tlscore import suites

    found = next((one for one in suites.all_suites() if one.code == code and one.status == "legacy"), None)
    if found is not None:
        raise ConfigError(
            f"suites names {found.name}, which is of the legacy tier: {found.why}",
            remedy="leave it out; for a peer that has nothing else see tlscore.legacy",
            code="TLS-CONFIG-NOT_AVAILABLE",
        )


def _code_for_other_name(field: str, member: str, names: tuple[str, ...]) -> int:
    """The code for a name that the registry of constants does not have: suites have OpenSSL names too."""
    if field == "suites":
        from tlscore import suites

        found = suites.find(member)
        if found is not None and found.status == "never":
            raise ConfigError(
                f"suites names {found.name}, which is never used: {found.why}",
                remedy="leave it out",
                code="TLS-CONFIG-FORBIDDEN_SUITE",
            )
        if found is not None:
            return found.code
    raise unknown_keyword(field, member, names) from None


def versions(value: object, implemented: tuple[int, ...]) -> tuple[int, ...]:
    """Versions from "1.3", "TLSv1.3" or codes, newest first; one may stand alone, since that is how one version is
    demanded."""
    members = (value,) if isinstance(value, (str, int)) else _items("versions", value, '("1.3",)')
    if not members:
        raise ConfigError(
            "versions is empty: nothing could ever be agreed", remedy='leave it out, or give versions="1.3"'
        )
    found = []
    for member in members:
        code = _VERSION_NAMES.get(member) if isinstance(member, str) else member
        if code is None and member in _OLD_VERSIONS:
            raise ConfigError(
                f"versions names {member}, which must not be negotiated any more",
                remedy='give "1.3" or "1.2"'
                + ("" if member.startswith("SSL") else "; for a peer that has nothing else see tlscore.legacy"),
                section="RFC 9846 E.5",
                code="TLS-CONFIG-FORBIDDEN_VERSION",
            )
        if code not in implemented:
            raise ConfigError(
                f"versions names {escape(str(member), 40)}, which is not available in this version of tlscore",
                remedy='give "1.3" or "1.2"',
                code="TLS-CONFIG-NOT_AVAILABLE",
            )
        found.append(code)
    return tuple(sorted(set(found), reverse=True))


def key_shares(
    value: object, groups: tuple[int, ...], shares: tuple[int, ...], versions: tuple[int, ...]
) -> tuple[int, ...]:
    """The groups that a client sends shares for: a subset of `groups`, in their order; an empty list asks the server to
    choose. Without TLS 1.3 there are none."""
    from tlscore.iana import NamedGroup, ProtocolVersion

    if ProtocolVersion.TLS13 not in versions:
        if value:
            raise ConfigError("key_shares are given, but TLS 1.3 is not enabled", remedy="leave key_shares out")
        return ()
    if value is None:
        return tuple(group for group in groups if group in shares) or groups[:1]
    chosen = codes("key_shares", value, NamedGroup, groups, empty=True)
    # RFC 9846 4.3.8: "Each KeyShareEntry value MUST correspond to a group offered in the "supported_groups" extension
    # and MUST appear in the same order."
    return tuple(group for group in groups if group in chosen)


def alpn(value: object) -> tuple[str, ...]:
    """Application protocols in order of preference."""
    members = _items("alpn", value, '("h2", "http/1.1")')
    for member in members:
        # RFC 7301 3.1: "Empty strings MUST NOT be included and byte strings MUST NOT be truncated"; one has at most 255
        # octets.
        if not isinstance(member, str) or not member.isascii() or not 1 <= len(member) <= 255:
            raise ConfigError(
                f"alpn holds {escape(repr(member), 80)}",
                remedy="a protocol is text of 1 to 255 ASCII characters, such as h2",
                section="RFC 7301 3.1",
            )
    if sum(len(member) + 1 for member in members) > 2**16 - 3:
        raise ConfigError("alpn is too long to be sent", remedy="name fewer protocols", section="RFC 7301 3.1")
    return members


def flag(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{field} is {value!r}", remedy="give True or False")
    return value


def choice(field: str, value: object, known: tuple[Any, ...]) -> Any:
    # "1 is True" must not count: the type decides too.
    if not any(value is option or (isinstance(value, str) and value == option) for option in known):
        raise ConfigError(f"{field} is {escape(repr(value), 80)}", remedy="choose from " + ", ".join(map(repr, known)))
    return value


def whole_number(field: str, value: object, lowest: int, highest: int, section: str = "") -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ConfigError(
            f"{field} is {escape(repr(value), 80)}",
            remedy=f"give a whole number from {lowest} to {highest}",
            section=section,
        )
    return value


def seconds(field: str, value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not value > 0:
        raise ConfigError(f"{field} is {escape(repr(value), 80)}", remedy="give seconds above 0, such as 10.0")
    return float(value)


def instance(field: str, value: object, cls: type[Any], remedy: str) -> Any:
    if not isinstance(value, cls):
        raise ConfigError(f"{field} is {_kind(value)}, not {cls.__name__}", remedy=remedy)
    return value


def key_log(value: object) -> str | None:
    import os

    if value is None:
        return None
    if not isinstance(value, (str, os.PathLike)):
        raise ConfigError(f"key_log is {_kind(value)}", remedy="give the path of the file, or None")
    return str(os.fspath(value))


def callback(field: str, value: object, takes: str) -> Any:
    """A function that is called during handshakes, plain or async, or None."""
    if value is None:
        return None
    if not callable(value):
        raise ConfigError(f"{field} is {_kind(value)}", remedy=f"give a function that takes {takes}")
    return value


def identities(field: str, value: object, strict: bool = False) -> tuple[AnyIdentity, ...]:
    """The identities of a list setting. `strict`: none whose key file others can read."""
    from tlscore.certs.identity import Identity
    from tlscore.certs.loading.permissions import exposed
    from tlscore.certs.watch import IdentityFile

    if isinstance(value, (Identity, IdentityFile)):
        raise ConfigError(f"{field} is one Identity", remedy=f"give a list: {field}=(identity,)")
    if isinstance(value, (str, bytes)):
        raise ConfigError(f"{field} is {_kind(value)}", remedy=f"load it: {field}=(Identity.load(chain, key),)")
    members = tuple(value) if isinstance(value, Iterable) else (value,)
    for member in members:
        if not isinstance(member, IdentityFile):
            instance(field, member, Identity, "load it with Identity.load(chain, key)")
        if strict and member.current.exposed is not None:
            raise exposed(member.current.exposed)
    return members


def identity_or_list(value: object) -> tuple[AnyIdentity, ...]:
    """`identity=` of the named constructors: one, or several in order of preference."""
    if value is not None and hasattr(value, "current"):
        value = (value,)
    members = identities("identity", value) if value is not None else ()
    if not members:
        raise ConfigError("no identity was given", remedy="give one: identity=Identity.load(chain, key)")
    return members


def trust_store(field: str, value: object) -> TrustStore:
    from tlscore.certs.trust_store import TrustStore

    store: TrustStore = instance(
        field, value, TrustStore, f'give {field}=TrustStore.from_file("ca.pem") or TrustStore.system()'
    )
    return store


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
