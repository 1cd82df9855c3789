"""What a `TlsSocket` says about itself: the settings of its socket, and what the handshake agreed.

A base class without behaviour, so that stream.py holds what moves octets and nothing else.
"""

import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlscore.certs.peer import PeerIdentity
    from tlscore.connection import Connection
    from tlscore.report import ConnectionReport


# Seconds of a year: what waits longer waits for ever, and None says so.
LONGEST_TIMEOUT = 31_536_000


class SocketFacts:
    __slots__ = ("_connection", "_fd", "_sock", "_timeout")

    _connection: "Connection"
    _fd: int
    _sock: socket.socket
    _timeout: float | None

    def settimeout(self, seconds: float | None) -> None:
        """None waits for ever, 0 never waits, else seconds per call.

        Raises:   ValueError if seconds is negative, NaN or more than a year; TypeError if it is no number.
        """
        if seconds is not None and not 0 <= seconds <= LONGEST_TIMEOUT:
            raise ValueError(f"settimeout: seconds must be None, or at most {LONGEST_TIMEOUT} and not negative")
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        """What `settimeout` or `setblocking` set: None, 0 or seconds per call."""
        return self._timeout

    def setblocking(self, blocking: bool) -> None:
        """True is `settimeout(None)`, False is `settimeout(0)`."""
        self._timeout = None if blocking else 0.0

    def getblocking(self) -> bool:
        """Whether calls wait: False only where the timeout is 0."""
        return self._timeout != 0

    def fileno(self) -> int:
        """The descriptor, for select and poll; -1 when closed. Look at `pending()` first: opened data does not show in
        it."""
        return self._fd

    def getpeername(self) -> Any:
        """The address of the peer, as `socket` gives it; OSError when it is gone."""
        return self._sock.getpeername()

    def getsockname(self) -> Any:
        """Our own address, as `socket` gives it."""
        return self._sock.getsockname()

    def getsockopt(self, level: int, option: int) -> int:
        """An option of the socket below, as a number."""
        return self._sock.getsockopt(level, option)

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Set an option of the socket below; TCP_NODELAY is set already."""
        self._sock.setsockopt(level, option, value)

    @property
    def connection(self) -> "Connection":
        """The sans-I/O connection inside."""
        return self._connection

    @property
    def handshake_complete(self) -> bool:
        """Whether application data may flow. False again after a failure."""
        return self._connection.handshake_complete

    @property
    def version(self) -> str | None:
        """ "TLSv1.3"; None before the handshake is complete, as with all that it agrees."""
        return self._connection.version

    @property
    def suite(self) -> str | None:
        """IANA name of the cipher suite."""
        return self._connection.suite

    @property
    def group(self) -> str | None:
        """IANA name of the group of the key exchange."""
        return self._connection.group

    @property
    def alpn(self) -> str | None:
        """The application protocol that was selected; None where none was."""
        return self._connection.alpn

    @property
    def server_name(self) -> str | None:
        """The name that the client asked for; None for an address, which is never sent."""
        return self._connection.server_name

    @property
    def peer_identity(self) -> "PeerIdentity | None":
        """Who the peer's certificate says it is; believe it only where `authenticated` is True."""
        return self._connection.peer_identity

    @property
    def authenticated(self) -> bool:
        """True only where the peer proved an identity that was verified."""
        return self._connection.authenticated

    @property
    def client_auth_confirmed(self) -> bool | None:
        """Client: whether the server has shown that it took our certificate; None where it asked for none."""
        return self._connection.client_auth_confirmed

    def report(self) -> "ConnectionReport":
        """Everything about this connection at this moment: `.text()` for people, `.as_json()` for programs."""
        return self._connection.report()

    def export_keying_material(self, label: str | bytes, context: bytes | None, length: int) -> bytes:
        """Keys for another protocol, bound to this connection.

        Takes:    label: registered with IANA, or one that begins with "EXPERIMENTAL"; context: may be empty, which in
                  TLS 1.2 is not the same as None; length: in octets.
        Gives:    the same octets at both ends, and at no other connection.
        Raises:   HandshakeNotComplete before the handshake is complete; UsageError for a label over 249 octets
                  or a length outside 1..8160.
        Source:   RFC 9846 section 7.5; RFC 5705.
        """
        return self._connection.export_keying_material(label, context, length)

    def channel_binding(self, kind: str = "tls-exporter") -> bytes:
        """Octets that name this connection, for the authentication of a protocol above to be bound to.

        Takes:    kind: "tls-exporter", or "tls-server-end-point" where an older protocol asks for it.
        Gives:    the same octets at both ends.
        Raises:   HandshakeNotComplete before the handshake is complete; UsageError for a kind that TLS 1.3 lacks.
        Source:   RFC 9266; RFC 5929 section 4.
        """
        return self._connection.channel_binding(kind)
