"""TLS over sockets: `connect`, `listen`, wrapping of sockets that exist, and the two classes that these give."""

from tlscore.sockets.listener import TlsListener
from tlscore.sockets.opening import connect, listen, wrap_client, wrap_listener, wrap_server
from tlscore.sockets.stream import TlsSocket

__all__ = ["TlsListener", "TlsSocket", "connect", "listen", "wrap_client", "wrap_listener", "wrap_server"]
