"""Who else can read a key: a file that its group or everybody may read is a warning, and an error where asked for."""

from __future__ import annotations

import os
import stat
import warnings

from tlscore.errors import ConfigError, escape


class KeyFilePermissionWarning(UserWarning):
    """A private key or password stands in a file that others than its owner can read."""


def exposure(path: str, what: str) -> str | None:
    """What is wrong with the permissions of a file, as text. None where nothing is, or where there are no modes."""
    if os.name != "posix":
        return None
    try:
        facts = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(facts.st_mode):
        return None
    who = [name for bit, name in ((stat.S_IRGRP, "its group"), (stat.S_IROTH, "everybody")) if facts.st_mode & bit]
    if not who:
        return None
    mode = stat.S_IMODE(facts.st_mode)
    return f"the {what} file {escape(path, 300)!r} can be read by {' and '.join(who)} (mode {mode:04o})"


def check(path: str | None, what: str, strict: bool, stacklevel: int = 3) -> str | None:
    """Warn about a file that others can read; with `strict`, refuse it. Gives the text of what is wrong."""
    text = exposure(path, what) if path is not None else None
    if text is None or path is None:
        return None
    if strict:
        raise exposed(text)
    warnings.warn(f"{text}: chmod 600 it", KeyFilePermissionWarning, stacklevel=stacklevel)
    return text


def exposed(text: str) -> ConfigError:
    """The error for a file that others can read, where that is refused."""
    return ConfigError(
        text,
        remedy="run chmod 600 on the file, and replace the key if others may have seen it",
        code="TLS-CONFIG-EXPOSED_KEY",
    )
