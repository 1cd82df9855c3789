"""What a `TlsSocket` says about itself: the settings of its socket, and what the handshake agreed.

A base class without behaviour, so that stream.py holds what moves octets and nothing else.
"""

import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlscore.certs.peer import PeerIdentity
    from tlscore.connection import Connection


class SocketFacts:
    __slots__ = ("_connection", "_fd", "_sock", "_timeout")

    _connection: "Connection"
    _fd: int
    _sock: socket.socket
    _timeout: float | None

    def settimeout(self, seconds: float | None) -> None:
        """None waits for ever, 0 never waits, else seconds per call."""
        if seconds is not None and seconds < 0:
            raise ValueError("settimeout: seconds must not be negative")
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        return self._timeout

    def setblocking(self, blocking: bool) -> None:
        self._timeout = None if blocking else 0.0

    def getblocking(self) -> bool:
        return self._timeout != 0

    def fileno(self) -> int:
        """The descriptor, for select and poll; -1 when closed. Look at `pending()` first: opened data does not show in
        it."""
        return self._fd

    def getpeername(self) -> Any:
        return self._sock.getpeername()

    def getsockname(self) -> Any:
        return self._sock.getsockname()

    def getsockopt(self, level: int, option: int) -> int:
        return self._sock.getsockopt(level, option)

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self._sock.setsockopt(level, option, value)

    @property
    def connection(self) -> "Connection":
        """The sans-I/O connection inside."""
        return self._connection

    @property
    def handshake_complete(self) -> bool:
        return self._connection.handshake_complete

    @property
    def version(self) -> str | None:
        return self._connection.version

    @property
    def suite(self) -> str | None:
        return self._connection.suite

    @property
    def group(self) -> str | None:
        return self._connection.group

    @property
    def alpn(self) -> str | None:
        return self._connection.alpn

    @property
    def server_name(self) -> str | None:
        return self._connection.server_name

    @property
    def peer_identity(self) -> "PeerIdentity | None":
        return self._connection.peer_identity

    @property
    def authenticated(self) -> bool:
        """True only where the peer proved an identity that was verified."""
        return self._connection.authenticated

    def export_keying_material(self, label: str | bytes, context: bytes | None, length: int) -> bytes:
        return self._connection.export_keying_material(label, context, length)

    def channel_binding(self, kind: str = "tls-exporter") -> bytes:
        return self._connection.channel_binding(kind)
