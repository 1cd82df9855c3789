"""tlscore in the place of the standard library's ssl, for a whole program: `inject_into_ssl()` and its reverse.

Only the name ssl.SSLContext changes hands: every function of the module that makes a context looks it up there, and our
sockets are instances of ssl.SSLSocket by themselves. It is for applications, at the top of their first module: what was
imported before may hold the old class already. A library must not choose for others.

The properties of the standard class look their base up through that very name; while the name is ours they are replaced
by ones that do not, so that contexts of before go on working.
"""

from __future__ import annotations

import ssl
import sys
from threading import Lock
from typing import Any, Final

from tlscore.errors import UsageError
from tlscore.ssl import messages, stdlib
from tlscore.ssl.context import SSLContext

_lock = Lock()
_properties: Final[dict[str, Any]] = {}
_NAMES: Final = ("options", "verify_flags", "verify_mode", "minimum_version", "maximum_version", "_msg_callback")
# Modules that copy the class when they are imported, and make contexts from the copy; `held` are those in which an
# adapter keeps ours whatever happens here.
_COPIES: Final = ("urllib3.util.ssl_", "urllib3.util")
held: Final[set[str]] = set()


def inject_into_ssl() -> None:
    """Make every context that this program creates through the module ssl one of tlscore's.

    Raises:   UsageError where another library has put its class there.
    Effects:  ssl.SSLContext is tlscore.ssl.SSLContext until extract_from_ssl(). A second call does nothing.
    """
    with _lock:
        if ssl.SSLContext is SSLContext:
            return
        if ssl.SSLContext is not stdlib.Original:
            raise _foreign()
        for name in _NAMES:
            _properties[name] = stdlib.Original.__dict__[name]
            setattr(stdlib.Original, name, _direct(name, _properties[name]))
        _put(SSLContext)


def extract_from_ssl() -> None:
    """Undo inject_into_ssl(). Contexts that were made meanwhile stay what they are.

    Raises:   UsageError where another library has put its class there since.
    """
    with _lock:
        if ssl.SSLContext is stdlib.Original:
            return
        if ssl.SSLContext is not SSLContext:
            raise _foreign()
        _put(stdlib.Original)
        for name in _NAMES:
            setattr(stdlib.Original, name, _properties.pop(name))


def _put(cls: Any) -> None:
    before: Any = ssl.SSLContext
    setattr(ssl, "SSLContext", cls)  # noqa: B010  # mypy rightly refuses the assignment
    for name in _COPIES:
        module = sys.modules.get(name)
        if name not in held and module is not None and getattr(module, "SSLContext", None) is before:
            setattr(module, "SSLContext", cls)  # noqa: B010


def _direct(name: str, original: Any) -> Any:
    """The property with a setter that goes to the hidden context without a detour."""

    def put(self: Any, value: Any) -> None:
        if name == "minimum_version" and value == ssl.TLSVersion.SSLv3:
            self.options &= ~ssl.Options.OP_NO_SSLv3
        if name == "_msg_callback":
            value = messages.checked(value)
        stdlib.Core.__dict__[name].__set__(self, value)

    return property(original.fget, put, doc=original.__doc__)


def _foreign() -> UsageError:
    owner: Any = ssl.SSLContext
    return UsageError(
        f"ssl.SSLContext is a class of {owner.__module__}",
        remedy="take that one back first: two libraries cannot stand in one place",
        code="TLS-INJECT",
    )
