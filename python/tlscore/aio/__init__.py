"""TLS for asyncio: native transports over the sans-I/O connection, without MemoryBIO.

`open_connection` and `start_server` give asyncio's streams, `create_connection` and `create_server` drive a Protocol or
a BufferedProtocol, `start_tls` and `upgrade` put TLS on what is connected already. `install()` makes asyncio's own
functions take this path for the contexts of this library.
"""

from tlscore.aio.installing import install, installed, uninstall
from tlscore.aio.opening import create_connection, open_connection, start_tls, upgrade
from tlscore.aio.serving import TlsServer, create_server, start_server
from tlscore.aio.streams import TlsStreamReader
from tlscore.aio.transport import TlsTransport

__all__ = [
    "TlsServer",
    "TlsStreamReader",
    "TlsTransport",
    "create_connection",
    "create_server",
    "install",
    "installed",
    "open_connection",
    "start_server",
    "start_tls",
    "uninstall",
    "upgrade",
]
