"""What this shape takes from the standard library: the class it stands in for, its checks, its locations.

The original class is looked up by its module, since others (truststore, and `inject_into_ssl` itself) put their own
under its name. Its loaders judge files and octets on a context that is dropped at once: an exception of theirs has the
text, the number and the reason that programs know.
"""

from __future__ import annotations

import base64
import os
import re
import ssl
from typing import Any, Final

from tlscore.errors import ConfigError
from tlscore.ssl.errors import annotate, ssl_error

_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----(.*?)-----END \1-----", re.DOTALL)


def original(name: str) -> Any:
    """A class as the standard library defined it. Raises ImportError where another library hides it."""
    found: Any = getattr(ssl, name)
    for cls in getattr(found, "__mro__", ()):
        if cls.__module__ == "ssl":
            return cls
    raise ImportError(
        f"ssl.{name} was replaced by {getattr(found, '__module__', None)}.{name}, which is no {name} of the standard "
        "library: tlscore.ssl cannot stand on it. Do not patch the module ssl, or keep that library's own TLS"
    )


# The context's class, and the part of it that OpenSSL is behind.
Original: Any = original("SSLContext")
Core: Any = next((cls for cls in Original.__mro__ if cls.__module__ == "_ssl"), None)
if Core is None:
    raise ImportError("ssl.SSLContext is not the one of CPython: tlscore.ssl stands on what CPython has below it")


def scratch(server_side: bool = False) -> Any:
    """A context of the standard library's, to be judged by and dropped."""
    return Core.__new__(Original, ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)


def checked_locations(cafile: Any, capath: Any, cadata: Any) -> None:
    """Raise what load_verify_locations raises for these."""
    Core.load_verify_locations(scratch(), cafile, capath, cadata)


def default_locations() -> tuple[str | None, str | None]:
    """The file and the directory that OpenSSL would load by default, where an environment variable names them or the
    file exists; (None, None) leaves the choice to us."""
    paths = ssl.get_default_verify_paths()
    file, directory = os.environ.get(paths.openssl_cafile_env), os.environ.get(paths.openssl_capath_env)
    if file is None and directory is None:
        return paths.cafile, None
    return (file if file and os.path.isfile(file) else None), directory or ""


def pem_blocks(data: bytes) -> list[tuple[bytes, bytes]]:
    """(label, octets) of every whole PEM block."""
    found = []
    for match in _BLOCK.finditer(data):
        try:
            found.append((match[1], base64.b64decode(b"".join(match[2].split()), validate=True)))
        except ValueError:
            continue
    return found


def as_pem(octets: bytes, label: str) -> bytes:
    """A PEM block."""
    text = base64.b64encode(octets)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label.encode(), b"\n".join(lines), label.encode())


def refuse_connection(context: Any, server_side: bool) -> None:
    """Raise what the standard library raises for a connection in a role that is not the context's."""
    bio = ssl.MemoryBIO()
    Core._wrap_bio(context, bio, bio, server_side=server_side)


def refused_here(error: ConfigError | OSError | ValueError) -> ssl.SSLError:
    """The SSLError for what the standard library would take and this library does not."""
    if not isinstance(error, ConfigError):
        return ssl_error("CONFIG", str(error), "TLSCORE")
    return annotate(ssl_error(error.code, error.cause, "TLSCORE"), error)


def noted(error: ssl.SSLError, note: str) -> ssl.SSLError:
    """An exception of the standard library with what it does not say."""
    error.add_note(note)
    return error
