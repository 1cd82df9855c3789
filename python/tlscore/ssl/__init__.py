"""The standard library's `ssl` with tlscore behind it: `from tlscore import ssl` instead of `import ssl`.

Every name of the module is here. Constants, enumerations, exceptions, MemoryBIO and the helpers for PEM and times are
the standard library's own objects; contexts, sockets and objects are subclasses or equals of its classes whose
connections run on tlscore. Names that only newer Pythons have are here on older ones too, where they mean something.
What OpenSSL alone has raises NotImplementedError and says what to use; docs/stdlib-ssl.md lists each attribute.
"""

import ssl as _stdlib
import sys
from ssl import *  # noqa: F403
from typing import Any

from tlscore.ssl.context import SSLContext as SSLContext
from tlscore.ssl.inject import extract_from_ssl as extract_from_ssl
from tlscore.ssl.inject import inject_into_ssl as inject_into_ssl
from tlscore.ssl.making import _create_unverified_context as _create_unverified_context
from tlscore.ssl.making import create_default_context as create_default_context
from tlscore.ssl.making import get_server_certificate as get_server_certificate
from tlscore.ssl.object import SSLObject as SSLObject
from tlscore.ssl.offers import get_sigalgs as get_sigalgs
from tlscore.ssl.socket import SSLSocket as SSLSocket

if sys.version_info < (3, 12):
    from tlscore.ssl.making import wrap_socket as wrap_socket

SSLContext.sslsocket_class = SSLSocket
SSLContext.sslobject_class = SSLObject
_create_stdlib_context = _create_unverified_context
_create_default_https_context = create_default_context

# What there is behind the shape, whatever OpenSSL's build has; options that older Pythons have no name for; and the
# class that the standard library has under the name of one of our rooms.
globals().update(
    HAS_SSLv2=False,
    HAS_SSLv3=False,
    HAS_TLSv1=False,
    HAS_TLSv1_1=False,
    HAS_TLSv1_2=True,
    HAS_TLSv1_3=True,
    HAS_NPN=False,
    HAS_PSK=False,
    HAS_PSK_TLS13=False,
    HAS_PHA=True,
    OP_LEGACY_SERVER_CONNECT=_stdlib.Options(0x4),
    OP_ENABLE_KTLS=_stdlib.Options(0x8),
    socket=vars(_stdlib)["socket"],
)


def __getattr__(name: str) -> Any:
    """Private names, which programs use all the same."""
    try:
        return getattr(_stdlib, name)
    except AttributeError:
        raise AttributeError(f"module 'tlscore.ssl' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_stdlib)})
