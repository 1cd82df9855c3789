"""Passwords as text, octets, a function or a file; asked for when they are needed, and at most once.

No password appears in a repr, in an error or in a note.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from tlscore.certs.loading import permissions
from tlscore.certs.reading import read
from tlscore.errors import ConfigError
from tlscore.record import Record


class PasswordFile(Record):
    """A password that stands in the first line of a file."""

    path: str | os.PathLike[str]

    def read(self, strict: bool = False) -> bytes:
        """The first line without its end. Raises ConfigError where the file cannot be read or is empty."""
        source = read(os.fspath(self.path), "password")
        permissions.check(source.path, "password", strict)
        lines = source.data.splitlines()
        if not lines or not lines[0]:
            raise ConfigError(
                f"the password file {source.origin} is empty",
                remedy="put the password into its first line",
                code="TLS-CONFIG-PASSWORD",
            )
        return lines[0]


Password = str | bytes | Callable[[], str | bytes] | PasswordFile


class Secret:
    """A password that is fetched when it is first needed."""

    __slots__ = ("_given", "_octets", "_strict")

    def __init__(self, given: Password | None, strict: bool = False) -> None:
        if given is not None and not isinstance(given, (str, bytes, PasswordFile)) and not callable(given):
            raise ConfigError(
                f"the password is {type(given).__name__}",
                remedy="give text, octets, a function without arguments, or PasswordFile(path)",
                code="TLS-CONFIG-PASSWORD",
            )
        self._given = given
        self._strict = strict
        self._octets: bytes | None = None

    def __bool__(self) -> bool:
        """Whether any password was given; an empty one counts as none."""
        return self._given is not None and self._given not in ("", b"")

    def octets(self) -> bytes | None:
        """The password, None where none was given."""
        if self._octets is None and self:
            self._octets = self._fetched()
        return self._octets or None

    def _fetched(self) -> bytes:
        value = self._given
        if isinstance(value, PasswordFile):
            return value.read(self._strict)
        if callable(value):
            try:
                value = value()
            except Exception as failure:
                raise ConfigError(
                    f"the password function failed ({type(failure).__name__})",
                    remedy="see the chained exception",
                    code="TLS-CONFIG-PASSWORD",
                ) from failure
        if not isinstance(value, (str, bytes)):
            raise ConfigError(
                f"the password function gave {type(value).__name__}",
                remedy="it must give text or octets",
                code="TLS-CONFIG-PASSWORD",
            )
        return value.encode() if isinstance(value, str) else value

    def __repr__(self) -> str:
        return "<Secret>"
