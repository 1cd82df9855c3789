"""From a connected stream and a fresh connection to a TLS socket: what connect, accept and the wrapping calls share."""

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from tlscore.sockets.stream import TlsSocket

if TYPE_CHECKING:
    from tlscore.connection import Connection


def start(
    sock: socket.socket, connection: "Connection", handshake_timeout: float | None, do_handshake: bool
) -> TlsSocket:
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tls = TlsSocket(sock, connection, handshake_timeout=handshake_timeout)
    if do_handshake and tls.gettimeout() != 0:
        try:
            tls.do_handshake()
        except BaseException:
            tls.abort()
            raise
    return tls
