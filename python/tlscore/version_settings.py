"""Protocol versions by name, and what one end is set to: the input of the rules in versions.py.

Six versions have names here, since old settings and old peers speak of all of them; which of them may be on the wire
is their tier. A setting is what is configured and what the platform leaves of it. A setting that can never do what it
says is a ConfigError when it is built: a specific version that is not available, a list of which nothing is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from tlscore.errors import ConfigError, escape, unknown_keyword
from tlscore.iana import ProtocolVersion
from tlscore.record import Record

SSL20: Final = 0x0002  # what an SSLv2 hello carries; it is in no registry of TLS
SSL30: Final = ProtocolVersion.SSL30
TLS10: Final = ProtocolVersion.TLS10
TLS11: Final = ProtocolVersion.TLS11
TLS12: Final = ProtocolVersion.TLS12
TLS13: Final = ProtocolVersion.TLS13
ALL: Final = (TLS13, TLS12, TLS11, TLS10, SSL30, SSL20)

Tier = Literal["default", "legacy", "never"]
Kind = Literal["default", "compatibility", "specific"]
OnReject = Literal["alert", "silent"]

NAMES: Final = {
    TLS13: "TLSv1.3",
    TLS12: "TLSv1.2",
    TLS11: "TLSv1.1",
    TLS10: "TLSv1.0",
    SSL30: "SSLv3",
    SSL20: "SSLv2",
}
_ALIASES: Final = {
    **{name: code for code, name in NAMES.items()},
    **{name.removeprefix("TLSv"): code for code, name in NAMES.items() if name.startswith("TLS")},
    **{name.replace("v", ""): code for code, name in NAMES.items()},
    **{name.replace(".", ""): code for code, name in NAMES.items()},
    "TLSv1": TLS10,
    "TLS1": TLS10,
    "SSL2": SSL20,
    "SSL3": SSL30,
}
# RFC 9846 E.5 with RFC 8996: what may be on the wire, what only by exception, and what never.
_TIERS: Final[dict[int, Tier]] = {
    TLS13: "default",
    TLS12: "default",
    TLS11: "legacy",
    TLS10: "legacy",
    SSL30: "never",
    SSL20: "never",
}


class VersionOptionWarning(UserWarning):
    """An option of another product was read; what it says belongs into `versions`."""


def version_name(code: int) -> str:
    """ "TLSv1.3" for 0x0304; a number that no version has is shown as it is."""
    return NAMES.get(code) or f"{code:#06x}"


def version_code(name: str | int) -> int:
    """The code for "TLSv1.2", "TLSv12", "1.2", "SSLv3" and so on, or for a code.

    Raises:   ConfigError with the nearest name.
    """
    if isinstance(name, int) and not isinstance(name, bool) and name in NAMES:
        return name
    if not isinstance(name, (str, int)) or isinstance(name, bool):
        raise _no_version(name)
    found = _ALIASES.get(name) if isinstance(name, str) else None
    if found is None:
        raise unknown_keyword("the list of protocol versions", str(name), tuple(NAMES.values()))
    return found


def _no_version(value: object) -> ConfigError:
    """The error for what is neither a version nor a list of them: 1.2 without its quotes is the usual one."""
    shown = escape(repr(value), 40)
    number = f'"{value}"' if isinstance(value, float) else '"1.3" or ["1.3", "1.2"]'
    return ConfigError(
        f"versions are text, and {shown} is {type(value).__name__}", remedy=f"write {number}", code="TLS-CONFIG"
    )


def names(codes: Iterable[int]) -> str:
    """Versions as text, for errors."""
    return ", ".join(map(version_name, codes)) or "nothing"


def tier(version: int) -> Tier:
    """Whether a version may be on the wire: "default", "legacy" (by exception) or "never"."""
    return _TIERS.get(version, "never")


class VersionSetting(Record):
    """What one end is configured for, and what its platform leaves of it. Build it with one of the three constructors.

    `configured` is what the configuration accepts, `available` what is not disabled below it; both newest first.
    `on_reject` says how this end leaves: "silent" sends no alert.
    """

    kind: Kind
    configured: tuple[int, ...]
    available: tuple[int, ...]
    on_reject: OnReject = "alert"

    @classmethod
    def default(cls, *, available: Iterable[int | str] = ALL, on_reject: OnReject = "alert") -> VersionSetting:
        """Whatever the platform has, the highest first."""
        enabled = _sorted(available)
        return _checked(cls("default", enabled, enabled, on_reject))

    @classmethod
    def compatibility(
        cls,
        *versions: int | str,
        floor: int | str | None = None,
        available: Iterable[int | str] = ALL,
        on_reject: OnReject = "alert",
    ) -> VersionSetting:
        """Several versions, of which the highest common one counts: those named, or every one from `floor` on."""
        if (floor is None) is not bool(versions):
            raise ConfigError(
                "a compatibility setting names its versions or the lowest of them, one of the two",
                remedy='write compatibility("1.2", "1.3") or compatibility(floor="1.2")',
            )
        lowest = version_code(floor) if floor is not None else 0
        chosen = _sorted(versions) if versions else tuple([one for one in ALL if one >= lowest])
        return _checked(cls("compatibility", chosen, _sorted(available), on_reject))

    @classmethod
    def specific(
        cls,
        version: int | str,
        *,
        available: Iterable[int | str] = ALL,
        on_reject: OnReject = "alert",
    ) -> VersionSetting:
        """Exactly one version."""
        return _checked(cls("specific", (version_code(version),), _sorted(available), on_reject))

    @classmethod
    def parse(
        cls,
        value: str | Iterable[str | int],
        *,
        available: Iterable[int | str] = ALL,
        on_reject: OnReject = "alert",
    ) -> VersionSetting:
        """ "default"; one version; a list of versions; "1.2+" for this one and newer.

        Raises:   ConfigError, for what is no version at all too.
        """
        if value == "default":
            return cls.default(available=available, on_reject=on_reject)
        if isinstance(value, str) and value.endswith("+"):
            return cls.compatibility(floor=value[:-1], available=available, on_reject=on_reject)
        if isinstance(value, int) or (isinstance(value, str) and "," not in value):
            return cls.specific(value, available=available, on_reject=on_reject)
        if not isinstance(value, Iterable):
            raise _no_version(value)
        members = [part.strip() for part in value.split(",")] if isinstance(value, str) else list(value)
        if len(members) == 1:
            return cls.specific(members[0], available=available, on_reject=on_reject)
        if not members:
            raise _nothing("the list of versions is empty")
        return cls.compatibility(*members, available=available, on_reject=on_reject)

    @classmethod
    def from_sec_protocol(cls, value: str, *, available: Iterable[int | str] = ALL) -> VersionSetting:
        """The values of the option `sec-protocol`: "" is TLS 1.2 and newer, "SSLv23" TLS 1.1 and newer, every other one
        is strict.

        Raises:   ConfigError for SSLv3 and TLSv1, which that option does not take any more either.
        """
        return cls._from_option("sec-protocol", value, available)

    @classmethod
    def from_tls_version(cls, value: str, *, available: Iterable[int | str] = ALL) -> VersionSetting:
        """The option `tls-version`, an older name for `sec-protocol` with the same values.

        Raises:   as from_sec_protocol.
        Effects:  VersionOptionWarning.
        """
        setting = cls._from_option("tls-version", value, available)
        _warn("tls-version", setting)
        return setting

    @classmethod
    def from_protocol_list(cls, value: str | Iterable[str], *, available: Iterable[int | str] = ALL) -> VersionSetting:
        """The option `protocol-list`: the versions one by one, in a list, or in a text with commas or spaces between
        them. A list of one means what `sec-protocol` with this value means; so does the empty text.

        Raises:   as from_sec_protocol, and for a list of nothing.
        Effects:  VersionOptionWarning.
        """
        if not isinstance(value, Iterable):
            raise _no_version(value)
        members = value.replace(",", " ").split() if isinstance(value, str) else list(value)
        if not members and not isinstance(value, str):
            raise _nothing("protocol-list is an empty list")
        if len(members) < 2:
            setting = cls._from_option("protocol-list", members[0] if members else "", available)
        else:
            allowed = [_allowed("protocol-list", one) for one in members]
            setting = cls.compatibility(*allowed, available=available)
        _warn("protocol-list", setting)
        return setting

    @classmethod
    def _from_option(cls, option: str, value: str, available: Iterable[int | str]) -> VersionSetting:
        if value in ("", "SSLv23"):
            return cls.compatibility(floor=TLS11 if value else TLS12, available=available)
        return cls.specific(_allowed(option, value), available=available)

    @property
    def accepted(self) -> tuple[int, ...]:
        """What is configured and available, newest first."""
        return tuple([one for one in self.configured if one in self.available])

    def objection(self, version: int) -> Literal["disabled_by_platform_policy", "not_accepted_by_config"] | None:
        """Why this end would not use a version; None where it would."""
        if version not in self.available:
            return "disabled_by_platform_policy"
        return None if version in self.configured else "not_accepted_by_config"

    def with_version(self, version: int) -> VersionSetting:
        """The same with one more version accepted and available."""
        configured = self.configured if version in self.configured else _sorted((*self.configured, version))
        kind = self.kind if configured == self.configured or self.kind == "default" else "compatibility"
        return self.replace(kind=kind, configured=configured, available=_sorted((*self.available, version)))

    def __str__(self) -> str:
        said = {"default": "default", "compatibility": "one of", "specific": "exactly"}[self.kind]
        return f"{said} ({names(self.accepted)})"


def _allowed(option: str, value: str) -> int:
    """One version in an option of another product, where that product still takes it."""
    code = version_code(value)
    if code < TLS11:
        raise ConfigError(
            f"{option}={value} must not be negotiated any more",
            remedy='leave the option empty, or write "TLSv12" or "TLSv13"',
            section="RFC 9846 E.5",
            code="TLS-CONFIG-FORBIDDEN_VERSION",
        )
    return code


def _warn(option: str, setting: VersionSetting) -> None:
    import warnings

    text = f"the option {option} was read as {setting}; write versions instead"
    warnings.warn(text, VersionOptionWarning, stacklevel=3)


def _sorted(versions: Iterable[int | str]) -> tuple[int, ...]:
    if isinstance(versions, str) or not isinstance(versions, Iterable):
        raise ConfigError(
            f"a list of versions is the single value {escape(repr(versions), 40)}",
            remedy='give a list, such as ["1.3", "1.2"]',
        )
    return tuple(sorted({version_code(one) for one in versions}, reverse=True))


def _nothing(cause: str) -> ConfigError:
    return ConfigError(cause, remedy="name a version that is available", code="TLS-CONFIG-NOT_AVAILABLE")


def _checked(setting: VersionSetting) -> VersionSetting:
    if setting.on_reject not in ("alert", "silent"):
        raise ConfigError(f"on_reject is {setting.on_reject!r}", remedy='choose from "alert", "silent"')
    if setting.accepted:
        return setting
    if setting.kind == "specific":
        raise _nothing(
            f"{names(setting.configured)} is asked for, and disabled_by_platform_policy: available are "
            f"{names(setting.available)}"
        )
    raise _nothing(f"of {names(setting.configured)} nothing is available: the platform has {names(setting.available)}")
