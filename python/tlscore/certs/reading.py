"""Files and bytes with certificates and keys: read them, see what they are, and say precisely what is wrong with them.

A source is a path, PEM text or bytes. Its format is told from its content, never from its name. Every error names the
path, and which blocks were found where others were expected.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from tlscore.errors import ConfigError, escape, visible

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----.*?-----END \1-----", re.DOTALL)


class Source(NamedTuple):
    """Octets and where they come from, for texts; `path` where that is a file."""

    data: bytes
    origin: str
    path: str | None = None


def read(source: str | bytes | bytearray | os.PathLike[str], what: str) -> Source:
    """Read a path; bytes and PEM text are taken as they are."""
    if isinstance(source, (bytes, bytearray)):
        return Source(bytes(source), f"the {what} given as bytes")
    if isinstance(source, str) and "-----BEGIN " in source:
        return Source(source.encode(), f"the {what} given as text")
    if not isinstance(source, (str, os.PathLike)):
        raise ConfigError(f"the {what} is {type(source).__name__}", remedy="give a path, PEM text, or PEM or DER bytes")
    path = os.fspath(source)
    try:
        with open(path, "rb") as file:
            return Source(file.read(), visible(path), path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        who = f", user id {os.geteuid()}" if hasattr(os, "geteuid") else ""
        raise ConfigError(
            f"the {what} file {escape(path, 300)!r} cannot be read: {why} (working directory "
            f"{visible(os.getcwd())}{who})",
            remedy="check the path and its permissions",
            code="TLS-CONFIG-FILE",
        ) from None


def blocks(source: Source) -> list[tuple[str, bytes]]:
    """(label, whole block) of every PEM block."""
    return [(match[1].decode("ascii"), match[0]) for match in _BLOCK.finditer(source.data)]


def is_pem(source: Source) -> bool:
    return b"-----BEGIN " in source.data
