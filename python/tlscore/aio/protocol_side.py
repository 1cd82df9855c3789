"""The side of a TLS transport that its protocol sees: what is delivered to it, what it writes, when it is held back.

The lower half of `TlsTransport`. Of the lower ends and of the connection's end it knows that they exist and no more.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from tlscore import errors
from tlscore.aio.terms import Terms

try:
    from asyncio.transports import _FlowControlMixin
except ImportError as missing:
    raise ImportError(
        "tlscore.aio is built on asyncio.transports._FlowControlMixin, which this version of Python does not have: "
        "use a newer tlscore, or tlscore.wrap_client and wrap_server, which do not need asyncio"
    ) from missing

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from tlscore.connection import Connection

HANDSHAKE, OPEN, CLOSING, CLOSED = range(4)
PHASES: Final = ("handshake", "open", "closing", "closed")
_log = logging.getLogger("tlscore.aio")


class ProtocolSide(_FlowControlMixin, asyncio.Transport):
    """Between a connection and the protocol above it."""

    __slots__ = (
        "_connection",
        "_ended",
        "_failing",
        "_into",
        "_phase",
        "_protocol",
        "_reading",
        "_terms",
        "_write_ended",
    )
    _connection: "Connection"
    if TYPE_CHECKING:
        # What the mixin of asyncio brings; the stubs do not tell.
        _loop: asyncio.AbstractEventLoop
        _extra: dict[str, Any]
        _protocol_paused: bool

        def _maybe_pause_protocol(self) -> None: ...
        def _maybe_resume_protocol(self) -> None: ...

    def __init__(self, loop: asyncio.AbstractEventLoop, terms: Terms) -> None:
        super().__init__(None, loop)
        self._terms = terms
        self._protocol: Any = None
        self._into = False
        self._phase = HANDSHAKE
        self._reading = True
        self._ended = False
        self._write_ended = False
        # The stream has refused a write; what follows from that comes with the next round of the loop.
        self._failing = False

    # -- what is done elsewhere ----------------------------------------------------------------------------------------

    def _flush(self) -> bool:
        """Send what waits; whether all of it has left. What has not leaves by itself, and `_flushed` is called."""
        raise NotImplementedError

    def _watch(self) -> None:
        """Receive, or do not, as phase and protocol now want it."""
        raise NotImplementedError

    def _step(self, step: Callable[[], object]) -> None:
        raise NotImplementedError

    def _fatal(self, error: BaseException, message: str = "") -> None:
        raise NotImplementedError

    def _lose(self, error: BaseException | None, *, graceful: bool = True) -> None:
        raise NotImplementedError

    # -- reading -------------------------------------------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        self._into = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def is_reading(self) -> bool:
        return self._reading and not self._ended and self._phase == OPEN

    def pause_reading(self) -> None:
        """Receive nothing more until resume_reading(): the peer is held back by the window of the stream below."""
        if self._reading:
            self._reading = False
            self._watch()

    def resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            self._watch()
            if self._phase == OPEN:
                self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        """Give the protocol what is received already."""
        connection = self._connection
        while self._phase == OPEN and self._reading and not self._ended:
            try:
                if self._into:
                    target = self._room()
                    if target is None:
                        return
                    octets = connection.read_into(target)
                    data = b""
                else:
                    data = connection.read()
                    octets = len(data)
            except (errors.TlsError, OSError) as error:
                self._fatal(error)
                return
            if not octets:
                if connection.peer_closed:
                    self._peer_ended()
                return
            self._hand_over(data, octets)

    def _room(self) -> "Buffer | None":
        """The buffer of the protocol above; None where it gave none, which ends the connection."""
        try:
            buffer: Buffer = self._protocol.get_buffer(-1)
            view = memoryview(buffer)
            if view.nbytes == 0:
                raise RuntimeError("get_buffer() returned an empty buffer")
            if view.readonly or not view.c_contiguous:
                raise BufferError("get_buffer() returned a buffer that is read-only or not contiguous")
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal(error, "Fatal error: protocol.get_buffer() call failed.")
            return None
        return buffer

    def _hand_over(self, data: bytes, octets: int) -> None:
        try:
            if self._into:
                self._protocol.buffer_updated(octets)
            else:
                self._protocol.data_received(data)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal(error, "Fatal error: the protocol could not take what was received.")

    def _peer_ended(self) -> None:
        """The peer's close_notify: the protocol decides whether our side goes on sending."""
        if self._ended:
            return
        self._ended = True
        self._watch()
        try:
            keep = self._protocol.eof_received()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal(error, "Fatal error: protocol.eof_received() call failed.")
            return
        if not keep:
            self.close()

    def _stream_ended(self) -> None:
        """The stream below is at its end. After close_notify that is in order; else it is a truncation."""
        if self._phase == CLOSING:
            self._lose(None)
            return
        try:
            self._connection.eof()
        except errors.TruncationError as error:
            if self._phase == OPEN and self._terms.ends_silently:
                self._peer_ended()
            else:
                self._fatal(error)
        except errors.TlsError as error:
            self._fatal(error)
        else:
            if self._phase == OPEN:
                self._deliver()

    # -- writing -------------------------------------------------------------------------------------------------------

    def _may_write(self, data: "Buffer") -> bool:
        """Whether there is something to write and somebody to write to."""
        if self._write_ended:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._phase == HANDSHAKE:
            raise errors.HandshakeNotComplete("the handshake still runs", remedy="wait for connection_made()")
        octets = memoryview(data).nbytes
        if self._phase != OPEN:
            _log.debug("%d octets were written to a connection that is %s", octets, PHASES[self._phase])
        return self._phase == OPEN and octets > 0 and not self._failing

    def writelines(self, list_of_data: "Iterable[Buffer]") -> None:
        """Write many buffers as one stream of full records."""
        buffers = [data for data in list_of_data if self._may_write(data)]
        if buffers:
            self._write_many(buffers)

    def _write_many(self, buffers: "list[Buffer]") -> None:
        raise NotImplementedError

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Say close_notify behind what was written; reading goes on.

        Source:   RFC 9846 section 6.1.
        """
        if self._phase != OPEN or self._write_ended:
            return
        self._write_ended = True
        self._step(self._say_end)

    def _say_end(self) -> None:
        self._connection.close()
        self._flush()
