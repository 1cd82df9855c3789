"""The lower end that stands on another transport: an upgrade in the middle of a stream, TLS in TLS, loops without
descriptors.

The protocol below is a BufferedProtocol: the transport below receives into a buffer of a pool, which goes back as soon
as its octets are taken, so that idle connections hold none. What is sealed goes below as one bytes object per write;
flow control of writing is that of the transport below.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from tlscore import errors
from tlscore.aio.protocol_side import CLOSED, CLOSING, HANDSHAKE, OPEN
from tlscore.aio.terms import Terms
from tlscore.aio.transport import ProtocolFactory, TlsTransport
from tlscore.sockets.checks import transport_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from tlscore.connection import Connection

BUFFER_OCTETS: Final = 256 * 1024
# Buffers that wait for the next connection that receives. More are in use at a time only where a transport below asks
# for one and fills it later.
KEPT_AT_MOST: Final = 4
# How long the transport below may take to send the last octets of a connection that is given up.
FAREWELL_SECONDS: Final = 0.5

_pool: list[bytearray] = []


class _Below(asyncio.BufferedProtocol):
    """The protocol of the transport below: passes on what happens there."""

    __slots__ = ("_buffer", "_tls")

    def __init__(self, tls: "LayeredTransport") -> None:
        self._tls = tls
        self._buffer: bytearray | None = None

    def get_buffer(self, sizehint: int) -> bytearray:
        if self._buffer is None:
            self._buffer = _pool.pop() if _pool else bytearray(BUFFER_OCTETS)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        buffer, self._buffer = self._buffer, None
        assert buffer is not None
        try:
            with memoryview(buffer) as view:
                self._tls._received(view[:nbytes])
        finally:
            if len(_pool) < KEPT_AT_MOST:
                _pool.append(buffer)

    def eof_received(self) -> bool:
        self._tls._stream_ended()
        # Kept open below while our side goes on sending; the TLS transport closes what is below.
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        self._buffer = None
        self._tls._below_lost(exc)

    def pause_writing(self) -> None:
        self._tls._hold_writing()

    def resume_writing(self) -> None:
        self._tls._release_writing()


class LayeredTransport(TlsTransport):
    """A TLS transport over another transport, which belongs to it from here on."""

    __slots__ = ("_below", "_below_gone", "_below_paused")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        below: asyncio.Transport,
        terms: Terms,
        protocol: Any,
        waiter: "asyncio.Future[None] | None" = None,
        *,
        factory: "ProtocolFactory | None" = None,
        connection: "Connection | None" = None,
        announce: bool = True,
        leave: "Callable[[TlsTransport], object] | None" = None,
    ) -> None:
        super().__init__(
            loop, terms, protocol, waiter, factory=factory, connection=connection, announce=announce, leave=leave
        )
        self._below = below
        self._below_gone = False
        self._below_paused = not below.is_reading()
        below.set_protocol(_Below(self))
        self._begin()

    # -- reading -------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        wanted = (
            (self._phase == OPEN and self._reading and not self._ended)
            or (self._phase == HANDSHAKE and self._settling is None)
            or self._phase == CLOSING
        )
        if self._phase == CLOSED or self._below_gone or wanted != self._below_paused:
            return
        self._below_paused = not wanted
        if wanted:
            self._below.resume_reading()
        else:
            self._below.pause_reading()

    def _received(self, wire: memoryview) -> None:
        if self._phase == CLOSED:
            return
        if self._phase == HANDSHAKE:
            self._step(lambda: self._take_flight(wire))
            return
        try:
            self._connection.receive(wire)
            if self._phase == CLOSING:
                self._discard()
                return
        except errors.TlsError as error:
            self._fatal(error)
            return
        self._deliver()
        if self._phase == OPEN:
            if self._connection.pending_wire:
                self._step(self._flush_now)
            self._await_answers()

    def _peer_ended(self) -> None:
        super()._peer_ended()
        if self._below_gone and self._phase == OPEN:
            # What was paused is read now, and below nothing is left to write to.
            self._lose(None)

    def _take_flight(self, wire: memoryview) -> None:
        self._connection.receive(wire)
        self._go_on()

    def _discard(self) -> None:
        while self._connection.read():
            pass
        if self._connection.peer_closed:
            self._lose(None)

    # -- writing -------------------------------------------------------------------------------------------------------

    def write(self, data: "Buffer") -> None:
        """Seal `data` and hand it to the transport below."""
        if not self._may_write(data):
            return
        try:
            self._connection.write(data)
            self._flush_now()
        except errors.TlsError as error:
            self._fatal(error)

    def _write_many(self, buffers: "list[Buffer]") -> None:
        try:
            self._connection.write_many(buffers)
            self._flush_now()
        except errors.TlsError as error:
            self._fatal(error)

    def _flush(self) -> bool:
        self._flush_now()
        return True

    def _flush_now(self) -> None:
        wire = self._connection.data_to_send()
        if wire and not self._below_gone:
            self._below.write(wire)

    def _hold_writing(self) -> None:
        if not self._protocol_paused and self._protocol is not None:
            self._protocol_paused = True
            self._protocol.pause_writing()

    def _release_writing(self) -> None:
        if self._protocol_paused and self._protocol is not None:
            self._protocol_paused = False
            self._protocol.resume_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._below.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._below.get_write_buffer_limits()

    def get_write_buffer_size(self) -> int:
        """Octets that wait in the transport below."""
        return 0 if self._below_gone else self._below.get_write_buffer_size()

    # -- the end -------------------------------------------------------------------------------------------------------

    def _below_lost(self, failure: BaseException | None) -> None:
        self._below_gone = True
        if self._phase == CLOSED:
            return
        if failure is None or self._phase == CLOSING:
            if self._ended:
                # The peer's close_notify came before; nothing can be sent any more.
                self._lose(None)
            else:
                self._stream_ended()
            return
        try:
            self._deliver()
            self._connection.eof()
            error: BaseException = failure
            if not isinstance(failure, errors.TlsError):
                error = transport_error(failure, "the stream below TLS failed")
        except errors.TlsError as found:
            error = found
        if error is not failure:
            error.__cause__ = failure
        self._fatal(error)

    def _drop(self, graceful: bool) -> None:
        if self._below_gone:
            return
        if not graceful:
            self._below.abort()
            return
        with suppress(errors.TlsError):
            self._flush_now()
        self._below.close()
        self._loop.call_later(FAREWELL_SECONDS, self._forget_below)

    def _forget_below(self) -> None:
        if not self._below_gone:
            self._below.abort()

    def _below_info(self, name: str, default: Any) -> Any:
        return self._below.get_extra_info(name, default)
