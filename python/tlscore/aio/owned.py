"""The lower end that owns a socket: the event loop says when, Rust does the rest.

    readable ──► try_read_from ──► recv into the pooled buffer, open every whole record ──► protocol
    write()  ──► try_send_to   ──► seal out of place, send ──► what the socket does not take waits, sealed, in Rust
    writable ──► try_send_to, until nothing waits

One call into Rust for each, no octet in between as a Python object, no buffer held while nothing moves. The loop needs
`add_reader` and `add_writer`: selector loops and uvloop have them.
"""

import asyncio
import socket
from asyncio.trsock import TransportSocket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tlscore import errors
from tlscore.aio.protocol_side import CLOSED, CLOSING, HANDSHAKE, OPEN
from tlscore.aio.terms import Terms
from tlscore.aio.transport import ProtocolFactory, TlsTransport
from tlscore.sockets.checks import transport_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from tlscore.connection import Connection

# Octets of application data that one read may give; Rust receives as much at a time.
READ_OCTETS = 256 * 1024
# What a closing socket takes out of its receive buffer: unread octets make the kernel answer with a reset, which
# destroys the alert, or the data, that the peer has not read yet.
FAREWELL_DRAIN = 1024 * 1024

_discarded = bytearray(64 * 1024)


def owns_descriptors(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this loop watches descriptors for others."""
    return type(loop).add_reader is not asyncio.AbstractEventLoop.add_reader and not isinstance(
        loop, getattr(asyncio, "ProactorEventLoop", ())
    )


class SocketTransport(TlsTransport):
    """A TLS transport over a connected stream socket, which belongs to it from here on."""

    __slots__ = ("_blocked", "_fd", "_sock", "_watching")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        terms: Terms,
        protocol: Any,
        waiter: "asyncio.Future[None] | None" = None,
        *,
        factory: "ProtocolFactory | None" = None,
        connection: "Connection | None" = None,
        leave: "Callable[[TlsTransport], object] | None" = None,
        peer_address: Any = None,
    ) -> None:
        super().__init__(loop, terms, protocol, waiter, factory=factory, connection=connection, leave=leave)
        self._sock = sock
        self._fd = sock.fileno()
        with suppress(OSError):
            self._extra["peername"] = sock.getpeername() if peer_address is None else peer_address
        # Which callback the loop has for reading, and whether it has one for writing.
        self._watching: Callable[[], None] | None = None
        self._blocked = False
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._begin()

    # -- reading -------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        wanted: Callable[[], None] | None = None
        if self._phase == OPEN:
            if self._reading and not self._ended:
                wanted = self._on_readable_into if self._into else self._on_readable
        elif self._phase == HANDSHAKE:
            # While a callback is awaited the peer is held back by the window of its stream.
            wanted = self._on_flight if self._settling is None else None
        elif self._phase == CLOSING and not self._connection.peer_closed and self._connection.error is None:
            wanted = self._on_late
        if wanted == self._watching:
            return
        self._watching = wanted
        if wanted is None:
            self._loop.remove_reader(self._fd)
        else:
            self._loop.add_reader(self._fd, wanted)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        super().set_protocol(protocol)
        self._watch()

    def _on_flight(self) -> None:
        self._step(self._take_flight)

    def _take_flight(self) -> None:
        try:
            received = self._connection.fill_from(self._fd, 0)
        except errors.WantReadError:
            return
        except OSError as failure:
            self._broken(failure)
            return
        if received:
            self._go_on()
        else:
            self._stream_ended()

    def _on_readable(self) -> None:
        try:
            data = self._connection.try_read_bytes_from(self._fd, READ_OCTETS)
        except (errors.TlsError, OSError) as error:
            self._unreadable(error)
            return
        if data:
            self._hand_over(data, 0)
        if data is not None:
            # What the limit left, or a close_notify behind the data, makes no descriptor readable.
            self._deliver()
        self._answer()

    def _on_readable_into(self) -> None:
        buffer = self._room()
        if buffer is None:
            return
        try:
            octets = self._connection.try_read_from(self._fd, buffer)
        except (errors.TlsError, OSError) as error:
            self._unreadable(error)
            return
        if octets > 0:
            self._hand_over(b"", octets)
        if octets >= 0:
            self._deliver()
        self._answer()

    def _answer(self) -> None:
        """Send what the peer asked for (a key update) and the socket did not take at once; await what it set off."""
        if self._phase == OPEN:
            if not self._blocked and self._connection.pending_wire:
                self._step(self._flush)
            self._await_answers()

    def _unreadable(self, error: Exception) -> None:
        if isinstance(error, errors.TruncationError):
            if self._terms.ends_silently:
                self._peer_ended()
            else:
                self._fatal(error)
        elif isinstance(error, errors.TlsError):
            self._fatal(error)
        else:
            self._broken(error)

    def _on_late(self) -> None:
        """After close(): drop what still comes, until the peer's close_notify or the end of its stream."""
        try:
            octets = self._connection.try_read_from(self._fd, _discarded)
        except errors.TlsError:
            octets = 0
        except OSError as failure:
            self._broken(failure)
            return
        if octets == 0:
            self._watch()
            if not self._blocked:
                self._flushed()

    # -- writing -------------------------------------------------------------------------------------------------------

    def write(self, data: "Buffer") -> None:
        """Seal `data` and send it; what the socket does not take now follows by itself."""
        if (self._phase != OPEN or self._write_ended or self._failing or not data) and not self._may_write(data):
            return
        try:
            if self._blocked:
                self._connection.write(data)
            elif self._connection.try_send_to(self._fd, data):
                self._block()
        except (errors.TlsError, OSError) as error:
            self._unwritable(error)
            return
        if self._blocked:
            self._maybe_pause_protocol()

    def _write_many(self, buffers: "list[Buffer]") -> None:
        try:
            self._connection.write_many(buffers)
            if not self._blocked:
                self._flush_now()
        except (errors.TlsError, OSError) as error:
            self._unwritable(error)
            return
        if self._blocked:
            self._maybe_pause_protocol()

    def _unwritable(self, error: Exception) -> None:
        if isinstance(error, errors.TlsError):
            self._fatal(error)
        elif not self._failing:
            # Not from inside write(): its caller does not expect to be called back.
            self._failing = True
            self._loop.call_soon(self._broken, error)

    def _block(self) -> None:
        self._blocked = True
        self._loop.add_writer(self._fd, self._on_writable)

    def _flush(self) -> bool:
        try:
            return self._flush_now()
        except OSError as failure:
            if isinstance(failure, errors.TlsError):
                raise
            self._broken(failure)
            return False

    def _flush_now(self) -> bool:
        if self._connection.handshake_complete:
            left = self._connection.try_send_to(self._fd, b"") > 0
        else:
            try:
                self._connection.flush_to(self._fd, 0)
                left = False
            except errors.WantWriteError:
                left = True
        if left and not self._blocked:
            self._block()
        elif not left and self._blocked:
            self._blocked = False
            self._loop.remove_writer(self._fd)
        return not left

    def _on_writable(self) -> None:
        self._step(self._send_on)

    def _send_on(self) -> None:
        if self._flush():
            self._maybe_resume_protocol()
            self._flushed()
        elif self._phase != CLOSED:
            self._maybe_resume_protocol()

    def get_write_buffer_size(self) -> int:
        """Sealed octets that the socket has not taken."""
        return self._connection.pending_wire if self._blocked else 0

    # -- the end -------------------------------------------------------------------------------------------------------

    def _broken(self, failure: Exception) -> None:
        """The stream is broken. What the peer sent before that counts: its alert tells more than "connection reset",
        and data that waits is still delivered."""
        if self._phase == CLOSED:
            return
        if self._phase == CLOSING:
            left = self._connection.pending_wire
            self._lose(self._terms.told(transport_error(failure, "the stream below TLS failed")) if left else None)
            return
        try:
            self._take_what_came()
            self._connection.eof()
            error: errors.TlsError = transport_error(failure, "the stream below TLS failed")
            self._connection._fail(error, None)
        except errors.TlsError as found:
            error = found
        error.__cause__ = failure
        self._fatal(error)

    def _take_what_came(self) -> None:
        with suppress(errors.WantReadError, OSError):
            while self._phase == HANDSHAKE and self._connection.fill_from(self._fd, 0):
                pass
            while self._phase == OPEN and self._reading and not self._ended:
                data = self._connection.try_read_bytes_from(self._fd, READ_OCTETS)
                if not data:
                    return
                self._take(data)

    def _take(self, data: bytes) -> None:
        """Give the protocol data that was read as bytes, whatever kind it is."""
        if not self._into:
            self._hand_over(data, 0)
            return
        rest = memoryview(data)
        while rest and self._phase == OPEN:
            room = self._room()
            if room is None:
                return
            octets = min(len(rest), memoryview(room).nbytes)
            memoryview(room).cast("B")[:octets] = rest[:octets]
            self._hand_over(b"", octets)
            rest = rest[octets:]

    def _drop(self, graceful: bool) -> None:
        if self._blocked:
            self._blocked = False
            self._loop.remove_writer(self._fd)
        if graceful:
            with suppress(errors.TlsError, OSError):
                self._connection.flush_to(self._fd, 0)
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)
                drained = 0
                while drained < FAREWELL_DRAIN and (got := self._sock.recv_into(_discarded)):
                    drained += got
        self._sock.close()
        self._fd = -1

    def _below_info(self, name: str, default: Any) -> Any:
        if name == "socket":
            return TransportSocket(self._sock)
        if name == "sockname" and name not in self._extra:
            with suppress(OSError):
                self._extra[name] = self._sock.getsockname()
        return self._extra.get(name, default)
