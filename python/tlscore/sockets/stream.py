"""Blocking and non-blocking TLS over a connected socket.

A `TlsSocket` pairs a sans-I/O `Connection` with a file descriptor. The hot calls hand the descriptor to Rust, which
seals and sends (or receives and opens) in one call with the interpreter released; this file adds what a socket has
besides: timeouts, the handshake with its deadline, half-close, files made from a socket, and errors with one type each.

Timeouts are those of `socket`: None waits for ever, 0 never waits (WantReadError, WantWriteError), else seconds per
call. The handshake has a deadline of its own for all of it, so that a peer that sends one octet a second cannot hold a
thread. One thread may read while another writes. A descriptor is closed by the last call that leaves it, never under a
call that still uses its number: the number could by then belong to another connection.
"""

import os
import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, NoReturn, Self

from tlscore import errors, trace
from tlscore.sockets.checks import NO_LOOP, check_stream, name_peer, transport_error
from tlscore.sockets.facts import SocketFacts

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from tlscore.connection import Connection

# How long a last alert or close_notify may wait for room in the send buffer; closing never hangs.
FAREWELL_SECONDS = 0.5
# What a closing socket takes out of its receive buffer: unread octets make the kernel answer with a reset, which
# destroys data that the peer has not read yet.
FAREWELL_DRAIN = 1024 * 1024


class TlsSocket(SocketFacts):
    """A TLS connection over a connected stream socket, which it owns from here on.

    Made by `connect`, `listen(...).accept`, `wrap_client` and `wrap_server`.
    """

    __slots__ = (
        "__weakref__",
        "_allowed",
        "_close_wanted",
        "_closing",
        "_deadline",
        "_files",
        "_handshake_timeout",
        "_in_use",
        "_pid",
        "_ready",
    )

    def __init__(
        self, sock: socket.socket, connection: "Connection", *, handshake_timeout: float | None = 10.0
    ) -> None:
        check_stream(sock)
        self._sock = sock
        self._connection = connection
        connection._never_wait(NO_LOOP)
        self._fd = sock.fileno()
        self._timeout = sock.gettimeout()
        if self._timeout:
            # Timeouts are kept here. One on the socket itself would make Python wait in each raw call of a farewell.
            sock.settimeout(None)
        self._handshake_timeout = handshake_timeout
        self._allowed = float("inf")
        self._deadline: float | None = None
        self._ready = False
        self._closing = False
        self._close_wanted = False
        self._files = 0
        self._in_use: list[None] = []
        self._pid = os.getpid()

    # -- reading -------------------------------------------------------------------------------------------------------

    def recv_into(self, buffer: "Buffer", nbytes: int = 0, /) -> int:
        """Receive and open application data straight into `buffer`.

        Takes:    buffer: writable; nbytes: take at most so many octets, 0 for the whole buffer.
        Gives:    octets written, at least 1; 0 when the peer has sent close_notify (or the buffer is empty).
        Raises:   WantReadError when non-blocking; TimeoutError; TruncationError at end of stream without close_notify;
                  AlertError when the peer breaks the protocol or says that we did; ValueError if nbytes is negative.
        Effects:  the interpreter is released while waiting.
        """
        if nbytes < 0:
            raise ValueError("recv_into: nbytes must not be negative")
        target = buffer if nbytes == 0 else memoryview(buffer).cast("B")[:nbytes]
        in_use = self._in_use
        in_use.append(None)
        try:
            if not self._ready or self._closing:
                self._prepare()
            return self._connection.read_from(self._fd, target, self._timeout)
        except BufferError:
            if memoryview(target).nbytes:
                raise
            return 0
        except (errors.TlsError, OSError) as error:
            self._raise(error)
        finally:
            in_use.pop()
            if self._closing:
                self._release()

    def recv(self, nbytes: int, /) -> bytes:
        """Receive at most `nbytes` octets of application data, and at most 256 KiB; b"" when the peer has sent
        close_notify.

        Takes:    nbytes: 0 or more; 0 gives b"" at once.
        Gives:    1..nbytes octets, or b"".
        Raises:   ValueError if nbytes is negative; else as recv_into.
        """
        if nbytes < 0:
            raise ValueError("recv: nbytes must not be negative")
        if nbytes == 0:
            return b""
        in_use = self._in_use
        in_use.append(None)
        try:
            if not self._ready or self._closing:
                self._prepare()
            return self._connection.read_bytes_from(self._fd, nbytes, self._timeout)
        except (errors.TlsError, OSError) as error:
            self._raise(error)
        finally:
            in_use.pop()
            if self._closing:
                self._release()

    def pending(self) -> int:
        """Octets of application data that are opened and can be read without receiving."""
        return self._connection.pending_plaintext

    # -- writing -------------------------------------------------------------------------------------------------------

    def sendall(self, data: "Buffer", /) -> None:
        """Seal all of `data` and send it: one call whatever the size, with the interpreter released.

        Raises:   WantWriteError when non-blocking (use `send`); TimeoutError, after which it is not known how much has
                  left; ConnectionClosedError after shutdown or close; TransportError.
        """
        in_use = self._in_use
        in_use.append(None)
        try:
            if not self._ready or self._closing:
                self._prepare()
            sent = self._connection.send_to(self._fd, data, self._timeout)
            if sent < memoryview(data).nbytes:
                self._send_rest(memoryview(data).cast("B"), sent)
            if self._closing:
                # Another thread closed the socket meanwhile, and took with it what had not left.
                raise _closed()
        except (errors.TlsError, OSError) as error:
            self._raise(error)
        finally:
            in_use.pop()
            if self._closing:
                self._release()

    def _send_rest(self, view: memoryview, sent: int) -> None:
        """A non-blocking call takes a chunk at a time, and the first call after one that was refused completes that one
        only."""
        while sent < len(view):
            sent += self._connection.send_to(self._fd, view[sent:], self._timeout)

    def send(self, data: "Buffer", /) -> int:
        """Seal and send as much of `data` as the socket takes.

        Gives:    octets of `data` that have been taken; all of them unless the socket is non-blocking.
        Raises:   WantWriteError when non-blocking: records are sealed and wait for room, so the next call must give the
                  same data.
        """
        with self._call():
            sent = self._connection.send_to(self._fd, data, self._timeout)
            if self._closing:
                raise _closed()
            return sent

    def write_many(self, buffers: "Sequence[Buffer]", /) -> int:
        """Send many buffers as one stream, coalesced into full records; octets of application data taken."""
        with self._call():
            taken = self._connection.write_many(buffers)
            self._connection.flush_to(self._fd, self._timeout)
            if self._closing:
                raise _closed()
            return taken

    def flush(self) -> None:
        """Send what waits: records that an earlier non-blocking call sealed, answers to the peer's post-handshake
        messages."""
        with self._call():
            self._connection.flush_to(self._fd, self._timeout)

    # -- handshake -----------------------------------------------------------------------------------------------------

    def do_handshake(self) -> None:
        """Run the handshake to its end; nothing when it is done already.

        Raises:   WantReadError, WantWriteError when non-blocking (call again); HandshakeTimeout; any AlertError, after
                  the alert has been sent as far as that is possible without waiting long.
        """
        if self._ready and not self._closing:
            return
        self._in_use.append(None)
        try:
            if self._closing:
                raise _closed()
            self._handshake()
        except (errors.TlsError, OSError) as error:
            self._raise(error)
        finally:
            self._in_use.pop()
            if self._closing:
                self._release()

    def _handshake(self) -> None:
        connection, fd = self._connection, self._fd
        if connection.error is not None:
            raise connection.error
        if self._deadline is None:
            limits = [seconds for seconds in (self._timeout, self._handshake_timeout) if seconds]
            self._allowed = min(limits, default=float("inf"))
            self._deadline = monotonic() + self._allowed
        while True:
            connection.flush_to(fd, self._left())
            if connection.handshake_complete:
                break
            if not connection.fill_from(fd, self._left()):
                connection.eof()
        self._ready = True

    def _left(self) -> float | None:
        """Seconds that a handshake step may still wait."""
        assert self._deadline is not None
        left = self._deadline - monotonic()
        if left <= 0:
            raise errors.OperationTimeout
        if self._timeout == 0:
            return 0
        return None if left == float("inf") else left

    def _prepare(self) -> None:
        """What a call does first on a socket that is not simply open."""
        if self._closing:
            raise _closed()
        self._handshake()

    # -- errors --------------------------------------------------------------------------------------------------------

    @contextmanager
    def _call(self) -> Iterator[None]:
        self._in_use.append(None)
        try:
            if not self._ready or self._closing:
                self._prepare()
            yield
        except (errors.TlsError, OSError) as error:
            self._raise(error)
        finally:
            self._in_use.pop()
            if self._closing:
                self._release()

    def _raise(self, error: Exception) -> NoReturn:
        """Raise `error` with its type; a fatal one only after the alert that tells the peer has left."""
        if isinstance(error, errors.TlsError):
            if isinstance(error, errors.OperationTimeout) and not self._ready and self._connection.error is None:
                error = self._give_up()
            if self._connection.error is not None:
                if not self._ready:
                    with suppress(OSError):
                        name_peer(error, self._sock.getpeername())
                self._say_farewell()
            raise error
        if self._closing:
            raise _closed() from error
        if not getattr(error, "from_stream", False):
            # A signal handler's own: it says nothing about the stream, which goes on.
            raise error
        self._stream_failed(error)

    def _give_up(self) -> errors.HandshakeTimeout:
        """End a handshake that took too long; later calls raise the same error."""
        steps = trace.describe(self._connection._trace)
        reached = f"the last step was {steps[-1][0]}, {steps[-1][1]}" if steps else "no whole ClientHello came"
        late = errors.HandshakeTimeout(
            f"the handshake did not end within {self._allowed:g} seconds: {reached}",
            remedy="check that the peer speaks TLS on this port and is reachable, or allow more: handshake_timeout of "
            "the configuration or the socket's timeout, whichever is less",
        )
        self._connection._fail(late, None)
        return late

    def _stream_failed(self, failure: Exception) -> NoReturn:
        """The stream below is broken. What the peer sent before that counts: its alert tells more than "connection
        reset", and data that waits can still be read."""
        connection = self._connection
        try:
            with suppress(OSError):
                connection.fill_from(self._fd, 0)
            connection.eof()
        except errors.TlsError as error:
            raise error from failure
        raise transport_error(failure, "the stream below TLS failed") from failure

    def _say_farewell(self) -> None:
        """Send the alert that waits, without waiting long: the peer may not read."""
        with suppress(errors.TlsError, OSError):
            waiting = memoryview(self._connection.data_to_send())
            until = monotonic() + (0 if self._timeout == 0 else FAREWELL_SECONDS)
            while waiting:
                try:
                    waiting = waiting[self._sock.send(waiting, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) :]
                except BlockingIOError:
                    if monotonic() >= until:
                        return
                    _wait_writable(self._fd, until - monotonic())

    # -- closing -------------------------------------------------------------------------------------------------------

    def shutdown(self, how: int, *, transport: bool = False) -> None:
        """Close one direction or both.

        Takes:    how: SHUT_WR sends close_notify, reading goes on; SHUT_RD stops reading; SHUT_RDWR does both.
                  transport: also end the writing direction of the stream below (FIN); some peers take that for a full
                  close.
        Raises:   ValueError for any other `how`; ConnectionClosedError after close; HandshakeTimeout and AlertError
                  where the handshake still had to be run; WantWriteError when non-blocking; TransportError.
        Source:   RFC 9846 section 6.1.
        """
        if how not in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR):
            raise ValueError("shutdown: how must be SHUT_RD, SHUT_WR or SHUT_RDWR")
        with self._call():
            if how != socket.SHUT_RD:
                self._connection.close()
                self._connection.flush_to(self._fd, self._timeout)
            if how != socket.SHUT_WR:
                self._shut_stream(socket.SHUT_RD)
            if transport and how != socket.SHUT_RD:
                self._shut_stream(socket.SHUT_WR)

    def _shut_stream(self, how: int) -> None:
        try:
            self._sock.shutdown(how)
        except OSError as failure:
            raise transport_error(failure, "the stream below TLS could not be shut down") from failure

    def close(self) -> None:
        """Send close_notify where that is possible without waiting long, then close the socket. Never raises, never
        hangs.

        The socket stays open below until every file made by `makefile` is closed.
        """
        if self._files:
            self._close_wanted = True
        elif not self._closing:
            self._closing = True
            if self._pid == os.getpid():
                self._part()
            self._release()

    def _part(self) -> None:
        if self._ready:
            with suppress(errors.TlsError, OSError):
                self._connection.close()
        else:
            with suppress(errors.TlsError, OSError):
                self._connection.abort()
        self._say_farewell()
        with suppress(OSError):
            if self._in_use:
                # Wakes a thread that waits in a call on this socket; that call then closes the descriptor.
                self._sock.shutdown(socket.SHUT_RDWR)
            else:
                drained = 0
                while drained < FAREWELL_DRAIN and (got := len(self._sock.recv(65536, socket.MSG_DONTWAIT))):
                    drained += got

    def abort(self) -> None:
        """Close at once without close_notify: the peer sees a truncated stream, as it should. Never raises."""
        if self._closing:
            return
        self._closing = True
        if self._pid == os.getpid():
            with suppress(errors.TlsError, OSError):
                self._connection.abort()
            with suppress(OSError):
                if self._in_use:
                    self._sock.shutdown(socket.SHUT_RDWR)
        self._release()

    def _release(self) -> None:
        """Close the descriptor unless a call still uses it; the last call comes here again."""
        if not self._in_use:
            self._sock.close()
            self._fd = -1

    def _file_closed(self) -> None:
        self._files -= 1
        if self._close_wanted and not self._files:
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if exception[0] is None:
            self.close()
        else:
            # An application that fails half-way must not look like an orderly end to the peer.
            self.abort()

    # -- what a socket has besides -------------------------------------------------------------------------------------

    def makefile(
        self,
        mode: str = "r",
        buffering: int = -1,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """A file over this socket, as `socket.makefile` makes it; the socket stays open until the file is closed
        too."""
        from tlscore.sockets.file import make_file

        return make_file(self, mode, buffering, encoding, errors, newline)

    def __repr__(self) -> str:
        state = "closed" if self._closing else "open" if self._ready else "handshake"
        return f"<TlsSocket fd={self._fd} {state} {self._connection.version or ''} {self._connection.suite or ''}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a TlsSocket cannot be pickled: its keys never leave the process")


def _wait_writable(fd: int, seconds: float) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    poll.poll(max(1, round(seconds * 1000)))


def _closed() -> errors.ConnectionClosedError:
    return errors.ConnectionClosedError("this socket is closed")
