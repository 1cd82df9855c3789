"""The TLS transport: what is the same whatever lies below.

One core, two lower ends. The core holds the phases of a connection, and below it the side that the protocol sees
(protocol_side.py). A lower end moves octets: `SocketTransport` (owned.py) has a descriptor that the event loop watches
and lets Rust receive and open, seal and send in one call each; `LayeredTransport` (layered.py) stands on any other
transport.

    HANDSHAKE ──► OPEN ──► CLOSING ──► CLOSED        a failure leads from anywhere to CLOSED
                    │         └ close_notify leaves, what still comes is dropped until the peer's, or the deadline
                    └ write_eof(): close_notify leaves, reading goes on; the peer's close_notify: eof_received()

Nothing is given to the protocol before the handshake is complete. connection_lost() comes exactly once, from the loop,
with the error or None; an end of stream without close_notify is a TruncationError.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from tlscore import errors
from tlscore.aio import terms as terms_
from tlscore.aio.facts import extra_info
from tlscore.aio.protocol_side import CLOSED, CLOSING, HANDSHAKE, OPEN, PHASES, ProtocolSide
from tlscore.aio.terms import Terms
from tlscore.sockets.checks import name_peer

if TYPE_CHECKING:
    from tlscore.aio.facts import SslObjectView
    from tlscore.connection import Connection

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class TlsTransport(ProtocolSide):
    """A TLS connection as an asyncio transport."""

    __slots__ = ("__weakref__", "_announced", "_factory", "_leave", "_settling", "_timer", "_view", "_waiter")
    # asyncio's own start_tls may stand on this transport, and its sendfile may write to it.
    _start_tls_compatible: ClassVar[bool] = True
    _sendfile_compatible: ClassVar[Any] = getattr(getattr(asyncio.constants, "_SendfileMode", None), "FALLBACK", None)

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        terms: Terms,
        protocol: Any,
        waiter: "asyncio.Future[None] | None" = None,
        *,
        factory: "ProtocolFactory | None" = None,
        connection: "Connection | None" = None,
        announce: bool = True,
        leave: "Callable[[TlsTransport], object] | None" = None,
    ) -> None:
        """Make it, and its connection where none is given; the lower end begins the handshake.

        Takes:    protocol: the one above, or None where factory makes it when the handshake is complete; waiter: is
                  done then; announce: whether the protocol is told by connection_made(); leave: is called at the end.
        """
        super().__init__(loop, terms)
        if protocol is not None:
            ProtocolSide.set_protocol(self, protocol)
        self._factory = factory
        self._waiter = waiter
        self._announced = not announce
        self._leave = leave
        self._view: SslObjectView | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._settling: asyncio.Task[None] | None = None
        if terms_.has_shape(terms.context):
            self._view = self._make_view()
        self._connection = terms.connection(self._view) if connection is None else connection

    # -- what a lower end does -----------------------------------------------------------------------------------------

    def _drop(self, graceful: bool) -> None:
        """Let go of what lies below; graceful: what waits may still leave."""
        raise NotImplementedError

    def _below_info(self, name: str, default: Any) -> Any:
        raise NotImplementedError

    # -- handshake -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._timer = self._loop.call_later(self._terms.handshake_seconds, self._too_late)
        self._step(self._go_on)
        self._watch()

    def _step(self, step: Callable[[], object]) -> None:
        """Run a step of the handshake; whatever it raises ends the connection."""
        try:
            step()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal(error)

    def _go_on(self) -> None:
        """The handshake has moved: send what it says, wait for what it waits for, or be done."""
        self._flush()
        if self._phase != HANDSHAKE:
            return
        if self._await_answers():
            self._watch()
            return
        if self._connection.handshake_complete:
            self._open()

    def _await_answers(self) -> bool:
        """Await what the connection waits for, a signer or a resolver; whether it waits."""
        if terms_.awaited(self._connection) is None:
            return False
        if self._settling is None:
            settling = self._loop.create_task(self._settle())
            # An eager task may be done already, and has gone on with the handshake then.
            if not settling.done():
                self._settling = settling
                if self._phase == CLOSED:
                    settling.cancel()
        return True

    async def _settle(self) -> None:
        try:
            await terms_.settle(self._connection)
        except (SystemExit, KeyboardInterrupt):
            raise
        except asyncio.CancelledError:
            self._settling = None
            # Only the end of the connection cancels this; a signer that was cancelled by itself is a failure.
            self._fatal(self._connection.error or errors.GeneralError("what the connection waited for was cancelled"))
            raise
        except BaseException as error:
            self._settling = None
            self._fatal(error)
            return
        self._settling = None
        if self._phase == HANDSHAKE:
            self._step(self._go_on)
            self._watch()
        elif self._phase != CLOSED:
            # An authentication after the handshake: its messages wait to be sent.
            self._step(self._flush)
            self._await_answers()

    def _open(self) -> None:
        self._stop_timer()
        self._phase = OPEN
        if self._factory is not None:
            self.set_protocol(self._factory())
            self._factory = None
        if not self._announced:
            self._announced = True
            self._protocol.connection_made(self)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self._waiter = None
        if self._phase == OPEN:
            self._watch()
            # What came with the peer's last flight makes no descriptor readable.
            self._loop.call_soon(self._deliver)

    def _too_late(self) -> None:
        late = terms_.too_late(self._connection, self._terms.handshake_seconds)
        self._connection._fail(late, None)
        self._fatal(late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- the end -------------------------------------------------------------------------------------------------------

    def is_closing(self) -> bool:
        return self._phase >= CLOSING or self._failing

    def close(self) -> None:
        """Send what waits and close_notify, then close; what the peer still sends is dropped. The protocol's
        connection_lost() comes when the peer has answered with its own, or after shutdown_timeout."""
        if self._phase == HANDSHAKE:
            self._give_up()
        elif self._phase == OPEN:
            self._phase = CLOSING
            self._timer = self._loop.call_later(self._terms.shutdown_seconds, self._too_late_to_part)
            self._step(self._part)

    def _part(self) -> None:
        if self._connection.error is not None:
            # The stream ended in silence, and that passed for an end of data: nobody is left to part from.
            self._lose(None)
            return
        self._connection.close()
        flushed = self._flush()
        self._watch()
        if flushed:
            self._flushed()

    def _flushed(self) -> None:
        """Everything has left."""
        # The stream below stays whole until the peer has answered: some take its end for a reason to drop what they
        # have not read yet.
        if self._phase == CLOSING and (self._connection.peer_closed or self._connection.error is not None):
            self._lose(None)

    def _too_late_to_part(self) -> None:
        error: BaseException | None = None
        if octets := self.get_write_buffer_size():
            error = self._terms.told(
                errors.OperationTimeout(
                    f"the peer did not read the last {octets} octets within {self._terms.shutdown_seconds:g} seconds",
                    remedy="allow more: shutdown_timeout; or use abort() where nobody waits for what was written",
                )
            )
        self._lose(error, graceful=False)

    def _end_stream(self) -> None:
        """Nothing more will be sent below, where that can be said."""

    def abort(self) -> None:
        """Close at once, without a word: the peer sees a truncated stream."""
        if self._phase == HANDSHAKE:
            self._give_up(graceful=False)
        elif self._phase != CLOSED:
            with suppress(errors.TlsError):
                self._connection.abort()
            self._lose(None, graceful=False)

    def _give_up(self, *, graceful: bool = True) -> None:
        """End the handshake; graceful: with the alerts that say so (a client that is complete already takes them for an
        orderly end)."""
        with suppress(errors.TlsError):
            self._connection.abort()
        error = errors.ConnectionClosedError("the connection was closed on this side during the handshake")
        self._lose(error, graceful=graceful)

    def _withdraw(self) -> None:
        """Nobody waits for this connection any more."""
        if self._phase == HANDSHAKE and self._terms.role == "client":
            self._give_up()
        else:
            self.abort()

    def _fatal(self, error: BaseException, message: str = "") -> None:
        """The end by a failure: of the peer, of the stream, or of the protocol above (which has a message)."""
        if self._phase == CLOSED:
            return
        if self._phase == HANDSHAKE:
            name_peer(error, self._below_info("peername", None))
        told = self._terms.told(error)
        if message:
            self._loop.call_exception_handler(
                {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
            )
            with suppress(errors.TlsError):
                self._connection.abort()
        elif not isinstance(error, (errors.TlsError, OSError)) and self._phase != HANDSHAKE:
            self._loop.call_exception_handler({"message": "Fatal error in TLS", "exception": error, "transport": self})
        # In a forked child the socket is the parent's too: not a shutdown, not an octet read.
        self._lose(told, graceful=not message and not isinstance(error, errors.ForkedConnectionError))

    def _lose(self, error: BaseException | None, *, graceful: bool = True) -> None:
        if self._phase == CLOSED:
            return
        failed_handshake = self._phase == HANDSHAKE
        self._phase = CLOSED
        self._stop_timer()
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        self._watch()
        if failed_handshake and error is not None and self._terms.refused is not None:
            self._loop.call_soon(self._terms.refused, error, self._below_info("peername", None))
        self._drop(graceful)
        self._loop.call_soon(self._say_lost, error)

    def _say_lost(self, error: BaseException | None) -> None:
        waiter, self._waiter = self._waiter, None
        protocol, self._protocol = self._protocol, None
        leave, self._leave = self._leave, None
        self._factory = None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error or ConnectionAbortedError("the connection was closed during the handshake"))
        try:
            if protocol is not None and self._announced:
                protocol.connection_lost(error)
        finally:
            if leave is not None:
                leave(self)

    # -- what can be asked ---------------------------------------------------------------------------------------------

    def _make_view(self) -> "SslObjectView":
        from tlscore.aio.facts import SslObjectView

        return SslObjectView(self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known about the connection, by name.

        Takes:    name: tlscore_connection, peer_identity, peer_chain, authenticated, report, trace, version, suite,
                  group, alpn, server_name, session; the names of asyncio on stdlib ssl: ssl_object, sslcontext,
                  peercert, cipher, compression; what the stream below knows: socket, peername, sockname.
        """
        known, value = extra_info(self, name)
        return value if known and value is not None else default if known else self._below_info(name, default)

    @property
    def connection(self) -> "Connection":
        """The sans-I/O connection inside."""
        return self._connection

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {PHASES[self._phase]} {self._connection!r}>"
