"""Listening sockets: every accepted client becomes a `TlsSocket`.

A client whose handshake fails costs its own socket and one exception; the listener goes on. The handshake runs in
`accept` within its deadline, or in the first call on the accepted socket where a thread of its own shall wait for slow
clients.
"""

import socket
from typing import TYPE_CHECKING, Any, Self

from tlscore import errors
from tlscore.sockets.checks import check_stream, name_peer, transport_error
from tlscore.sockets.starting import start
from tlscore.sockets.stream import TlsSocket

if TYPE_CHECKING:
    from tlscore.config import ServerConfig


class TlsListener:
    """A listening socket whose `accept` gives TLS connections; made by `listen` and `wrap_listener`."""

    def __init__(self, sock: socket.socket, config: "ServerConfig", *, handshake_on_accept: bool = True) -> None:
        check_stream(sock)
        if not listens(sock):
            raise errors.ConfigError(
                "the socket does not listen", remedy="call listen() on it, or use wrap_server for an accepted socket"
            )
        self._sock = sock
        self._config = config
        self._handshake_on_accept = handshake_on_accept

    def accept(self) -> tuple[TlsSocket, Any]:
        """Accept one client and run the handshake with it, within the configuration's handshake_timeout.

        Gives:    (socket, address). With handshake_on_accept=False the handshake is left to the first call on the
                  socket, so that a thread of its own can run it and a slow client delays nobody.
        Raises:   the client's handshake error, with its address (`peer_address`, and a note): that client's socket is
                  closed, the listener goes on. TimeoutError, WantReadError when the listener's own timeout ends;
                  TransportError when the process is out of descriptors.
        """
        sock, address = self._accept()
        try:
            tls = start(sock, self._config.connection(), self._config.handshake_timeout, do_handshake=False)
        except BaseException:
            sock.close()
            raise
        if self._handshake_on_accept:
            try:
                tls.do_handshake()
            except BaseException as error:
                tls.abort()
                name_peer(error, address)
                raise
        return tls, address

    def _accept(self) -> tuple[socket.socket, Any]:
        while True:
            try:
                sock, address = self._sock.accept()
            except ConnectionAbortedError:
                continue
            except TimeoutError as error:
                raise errors.OperationTimeout("no client connected in time") from error
            except BlockingIOError as error:
                raise errors.WantReadError("no client waits") from error
            except OSError as error:
                raise transport_error(error, "no client can be accepted") from error
            sock.settimeout(None)
            return sock, address

    def settimeout(self, seconds: float | None) -> None:
        """How long `accept` waits for a client to connect: None for ever, 0 not at all (WantReadError), else
        seconds. The handshake has its own deadline.

        Raises:   ValueError if seconds is negative.
        """
        self._sock.settimeout(seconds)

    def gettimeout(self) -> float | None:
        """What `settimeout` set."""
        return self._sock.gettimeout()

    def fileno(self) -> int:
        """The descriptor, readable for select and poll when a client waits; -1 when closed."""
        return self._sock.fileno()

    def getsockname(self) -> Any:
        """The address that it listens at, as `socket` gives it: (host, port) for IPv4, with the port that was taken
        where 0 was asked for; the path of a Unix socket."""
        return self._sock.getsockname()

    def days_to_expiry(self) -> float | None:
        """Days until the first certificate of the configuration's identities expires: a number to watch. Below 0 where
        one has expired, None where clients are shown none."""
        return self._config.days_to_expiry()

    def close(self) -> None:
        """Stop listening. Connections that were accepted go on; the file of a Unix socket stays."""
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def listens(sock: socket.socket) -> bool:
    try:
        return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        return False
