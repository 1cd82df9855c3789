"""urllib3 on tlscore: a pool manager for code of one's own, and injection for code that makes its own pools.

`pool_manager()` is the way for new code. `inject_into_urllib3()` makes every context that urllib3 builds from then on
one of `tlscore.ssl`: for applications whose libraries build their pools themselves, requests and botocore among them.
It touches what urllib3's own injection of pyOpenSSL touches, and `extract_from_urllib3()` puts everything back.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import urllib3

    from tlscore.ssl import SSLContext

_MODULES: Final = ("urllib3.util.ssl_", "urllib3.util")
# What stood in each of the modules, where that was no class of the standard library's or ours.
_foreign: dict[str, Any] = {}


def pool_manager(context: SSLContext | None = None, **settings: Any) -> urllib3.PoolManager:
    """A PoolManager whose HTTPS connections run on tlscore.

    Takes:    context: of `tlscore.ssl`; the default one, with the system's trust, where none is given. settings: what
              PoolManager takes.
    Raises:   ImportError where urllib3 is not installed.
    """
    import urllib3

    from tlscore.ssl import create_default_context

    return urllib3.PoolManager(ssl_context=context if context is not None else create_default_context(), **settings)


def inject_into_urllib3() -> None:
    """Make the contexts that urllib3 builds contexts of `tlscore.ssl`.

    Raises:   ImportError where urllib3 is not installed.
    Effects:  for pools whose contexts are made from now on, in the whole process. A second call does nothing.
    """
    from tlscore.ssl import SSLContext, inject, stdlib

    for name in _MODULES:
        module: Any = import_module(name)
        if name not in inject.held:
            if module.SSLContext not in (SSLContext, stdlib.Original):
                _foreign[name] = module.SSLContext
            inject.held.add(name)
            module.SSLContext = SSLContext


def extract_from_urllib3() -> None:
    """Take back `inject_into_urllib3()`; pools that were made meanwhile keep their contexts.

    Effects:  urllib3 has again what it would have without it: the class of the module ssl, which is ours as long as
              `tlscore.inject_into_ssl()` holds.
    """
    import ssl

    from tlscore.ssl import inject

    for name in _MODULES:
        if name in inject.held:
            inject.held.discard(name)
            module: Any = import_module(name)
            module.SSLContext = _foreign.pop(name, ssl.SSLContext)
