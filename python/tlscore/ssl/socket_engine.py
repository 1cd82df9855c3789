"""The inner object over a socket: one call into Rust per read or write, with the descriptor and the timeout of now.

Timeouts are those of the socket, asked for at each call: None waits for ever, 0 raises ssl.SSLWantReadError or
ssl.SSLWantWriteError, else TimeoutError after that many seconds. The connection is frugal: it takes record by record
from the socket, so that `select` stays as good a witness of what can be read as it is with OpenSSL, and plain octets
behind close_notify stay where they are. A descriptor is closed by the last call that leaves it, never under a call that
still uses its number.
"""

import errno
import os
import socket
import ssl
import weakref
from contextlib import suppress
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NoReturn

from tlscore import errors
from tlscore.ssl.engine import Engine
from tlscore.ssl.errors import ssl_error, want_read

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from tlscore.ssl.context import SSLContext

# What a closing socket takes out of its receive buffer: unread octets make the kernel answer with a reset, which
# destroys data that the peer has not read yet.
_DRAIN: Final = 1 << 20


class SocketEngine(Engine):
    """A connection over a stream socket, which is held weakly."""

    __slots__ = ("_in_use", "_orphan", "_parted", "_pid", "_ready", "_shaking", "_socket")

    def __init__(
        self,
        context: "SSLContext",
        sock: socket.socket,
        server_side: bool = False,
        server_hostname: str | None = None,
        owner: object | None = None,
    ) -> None:
        self._socket = weakref.ref(sock)
        self._ready = False
        self._in_use: list[None] = []
        self._orphan: int | None = None
        self._parted = False
        # One thread runs the handshake, whichever call comes first; a callback within it may call again.
        self._shaking = RLock()
        self._pid = os.getpid()
        super().__init__(context, server_side, server_hostname, owner)

    # -- application data ----------------------------------------------------------------------------------------------

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """Receive application data: as octets, or into `buffer`, and counted.

        Gives:    at most `len` octets; b"" or 0 after the peer's close_notify.
        Raises:   ssl.SSLWantReadError, TimeoutError; ssl.SSLEOFError at the end of the stream without close_notify;
                  ssl.SSLError; OSError of the system.
        """
        sock = self._socket()
        if sock is None:
            raise _gone()
        in_use = self._in_use
        in_use.append(None)
        try:
            if not self._ready:
                self._handshake(sock)
            if buffer is None:
                if len <= 0:
                    if len < 0:
                        raise ValueError("size should not be negative")
                    return b""
                return self.connection.read_bytes_from(sock.fileno(), len, sock.gettimeout())
            size = memoryview(buffer).nbytes
            if not size:
                return 0
            target = memoryview(buffer).cast("B")[:len] if 0 < len < size else buffer
            return self.connection.read_from(sock.fileno(), target, sock.gettimeout())
        except (errors.TlsError, OSError) as error:
            self._failed(error, "read")
        finally:
            in_use.pop()
            if self._orphan is not None:
                self._release()

    def write(self, data: "Buffer") -> int:
        """Seal and send `data`.

        Gives:    octets of it that have left: all of them, unless the socket does not block.
        Raises:   ssl.SSLWantWriteError, after which the same data must be given again; TimeoutError; ssl.SSLError;
                  OSError of the system.
        """
        sock = self._socket()
        if sock is None:
            raise _gone()
        in_use = self._in_use
        in_use.append(None)
        try:
            if not self._ready:
                self._handshake(sock)
            return self.connection.send_to(sock.fileno(), data, sock.gettimeout())
        except (errors.TlsError, OSError) as error:
            self._failed(error, "write")
        finally:
            in_use.pop()
            if self._orphan is not None:
                self._release()

    # -- beginning and end ---------------------------------------------------------------------------------------------

    def do_handshake(self) -> None:
        """Run the handshake, within the socket's timeout for all of it.

        Raises:   ssl.SSLWantReadError and ssl.SSLWantWriteError where the socket does not block; TimeoutError;
                  ssl.SSLError; OSError of the system.
        """
        sock = self._socket()
        if sock is None:
            raise _gone()
        if self._ready:
            return
        self._in_use.append(None)
        try:
            self._handshake(sock)
        except (errors.TlsError, OSError) as error:
            self._failed(error, "handshake")
        finally:
            self._in_use.pop()
            if self._orphan is not None:
                self._release()

    def _handshake(self, sock: socket.socket) -> None:
        if self._parted:
            raise _closed()
        left = _Deadline(sock.gettimeout())
        seconds = left()
        if not self._shaking.acquire(timeout=-1 if seconds is None else seconds):
            raise errors.OperationTimeout if seconds else errors.WantReadError
        try:
            if not self._ready:
                self._shake_hands(sock, left)
        finally:
            self._shaking.release()

    def _shake_hands(self, sock: socket.socket, left: "_Deadline") -> None:
        self._started = True
        connection, fd = self.connection, sock.fileno()
        while True:
            if connection.error is not None:
                raise connection.error
            done = connection.handshake_complete
            connection.flush_to(fd, left())
            if done:
                break
            if not connection.fill_from(fd, left()):
                connection.eof()
        self._ready = not self._parted

    def shutdown(self) -> Any:
        """Say close_notify, wait for that of the peer, and give the socket back, ready for plain octets.

        Raises:   as read; ssl.SSLError where data of the peer stands before its close_notify.
        """
        sock = self._socket()
        if sock is None:
            raise _gone()
        connection, left = self.connection, _Deadline(sock.gettimeout())
        if not self._ready and not connection.handshake_complete:
            raise ssl_error("SHUTDOWN_WHILE_IN_INIT")
        self._in_use.append(None)
        try:
            if self._parted:
                raise _closed()
            fd = sock.fileno()
            connection.close()
            connection.flush_to(fd, left())
            while True:
                connection._poll()
                if connection.peer_closed:
                    return sock
                if connection.pending_plaintext:
                    raise ssl_error("APPLICATION_DATA_AFTER_CLOSE_NOTIFY")
                if not connection.fill_from(fd, left()):
                    connection.eof()
        except (errors.TlsError, OSError) as error:
            self._failed(error, "read")
        finally:
            self._in_use.pop()
            if self._orphan is not None:
                self._release()

    def half_close(self, sock: socket.socket) -> None:
        """Say that we send nothing more, as far as that goes without waiting."""
        with suppress(errors.TlsError):
            if self._ready:
                self.connection.close()
            elif self._started:
                self.connection.abort()
        self._farewell(sock)

    def abandon(self) -> None:
        """Give the connection up without close_notify: the peer will see a truncated stream."""
        with suppress(errors.TlsError):
            if self._ready:
                self.connection.abort()

    def part(self, sock: socket.socket) -> bool:
        """The socket is being closed: say so, and tell whether it may close its descriptor at once.

        Where another call still uses the descriptor, that call is woken and closes it.
        """
        self.half_close(sock)
        # From here on whoever comes is turned away, by `_handshake`: it must not find the descriptor under a new owner.
        # Calls enter themselves first and look then, so that they are either seen here or see this.
        self._parted, self._ready = True, False
        if not self._in_use:
            # A child of the process that spoke has the same socket: what is in it belongs to the parent.
            if self._started and self._pid == os.getpid():
                self._drain(sock)
            return True
        with suppress(OSError):
            # The raw one: that of an SSLSocket would come here again.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        self._orphan = socket.socket.detach(sock)
        if not self._in_use:
            self._release()
        return False

    def _release(self) -> None:
        if not self._in_use:
            fd, self._orphan = self._orphan, None
            if fd is not None:
                os.close(fd)

    def _farewell(self, sock: socket.socket) -> None:
        with suppress(errors.TlsError, OSError):
            self.connection.flush_to(sock.fileno(), 0)

    def _drain(self, sock: socket.socket) -> None:
        if sock.gettimeout():
            # Else Python waits that long before each call, MSG_DONTWAIT or not.
            socket.socket.settimeout(sock, 0)
        with suppress(OSError):
            drained = 0
            while drained < _DRAIN and (got := len(socket.socket.recv(sock, 1 << 16, socket.MSG_DONTWAIT))):
                drained += got

    # -- errors --------------------------------------------------------------------------------------------------------

    def _failed(self, error: BaseException, operation: str) -> NoReturn:
        """Raise the error with the class of the standard library; a fatal one after the alert that tells the peer."""
        if isinstance(error, errors.WantReadError):
            raise want_read() from None
        sock = self._socket()
        if self._orphan is not None or sock is None:
            raise _closed() from None
        if isinstance(error, OSError) and not isinstance(error, errors.TlsError):
            if operation == "read" or not getattr(error, "from_stream", False):
                raise error
            error = self._last_words(sock) or error
        if self.connection.error is not None:
            self._farewell(sock)
        self._raise(error, operation)

    def _last_words(self, sock: socket.socket) -> errors.TlsError | None:
        """The stream takes nothing any more: an alert of the peer that waits in it tells more than the system does."""
        connection = self.connection
        try:
            with suppress(OSError):
                connection.fill_from(sock.fileno(), 0)
            if connection.handshake_complete:
                connection._poll()
        except errors.AlertError as alert:
            return alert
        except errors.TlsError:
            return None
        return None


class _Deadline:
    """Seconds that a call of several steps may still wait."""

    __slots__ = ("_timeout", "_until")

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._until = monotonic() + timeout if timeout else 0.0

    def __call__(self) -> float | None:
        if not self._timeout:
            return self._timeout
        left = self._until - monotonic()
        if left <= 0:
            raise errors.OperationTimeout
        return left


def _closed() -> OSError:
    return OSError(errno.EBADF, os.strerror(errno.EBADF))


def _gone() -> ssl.SSLError:
    return ssl.SSLError("Underlying socket connection gone")
