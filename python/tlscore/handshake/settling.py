"""Waiting for answers of the caller's own: an async signer, resolver or `authorize`.

There is no event loop inside. A handshake that needs such an answer stops in a waiting state, and `waiting` says so;
what the peer sends meanwhile stays unopened, up to a bound. `settle` awaits the answer, under whatever loop runs it,
and goes on with what was received. After the handshake only the late authentication waits: data flows on beside it.

    receive ─► Await... ─► waiting ─► await settle() ─► next state ─► data_to_send()
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tlscore import errors
from tlscore.handshake import machine
from tlscore.handshake.output import Output
from tlscore.handshake.verdict import ConfirmedHandshake
from tlscore.pending import Pending

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tlscore.events import Event
    from tlscore.handshake.machine import State
    from tlscore.handshake.outcome import Agreement
    from tlscore.handshake.post_handshake import Late


class Waits:
    """What a connection that ever waited remembers of it."""

    __slots__ = ("busy", "ended", "late", "refused")

    def __init__(self) -> None:
        self.busy = False
        self.ended = False
        self.refused = ""
        self.late: list[Late] = []


class SettledHandshake(ConfirmedHandshake):
    """A handshake that can stop for an answer, and go on with it."""

    __slots__ = ("_events", "_waits")

    _events: "list[Event | Agreement]"
    _waits: Waits | None

    @property
    def waiting(self) -> "Awaitable[Any] | None":
        """What the connection waits for: the answer of an async signer, resolver or `authorize`; None for nothing.

        It is there to be asked for and to be shown; `settle` awaits it.
        """
        if self._error is not None:
            return None
        late = self._first_late()
        return self._pending_answer() or (late.pending if late is not None else None)

    async def settle(self) -> None:
        """Await what the connection waits for, and what comes after it, and go on with what was received meanwhile.

        Returns at once where nothing waits. Reading and settling are for one thread; abort() may come from another, and
        is noticed when the answer is there.

        Raises:   UsageError where another settle() is under way; the error that ended the connection: the AlertError of
                  an answer that is none, of a function that failed, or of what the peer sent meanwhile.
        Effects:  messages to send may wait in data_to_send(). Cancellation reaches what is awaited and gives the
                  connection up: with user_canceled in the handshake, with close_notify after it.
        Source:   RFC 9846 section 6.1.
        """
        self._check()
        waits = self._remember()
        if waits.busy:
            raise errors.UsageError(
                "another settle() of this connection is under way", remedy="let one task settle it, and await that"
            )
        waits.busy = True
        try:
            # In a child of the process that made the connection this raises: the answer belongs to the parent.
            self.counters  # noqa: B018
            while (pending := self._pending_answer()) is not None:
                self._drive(await self._answer(pending))
            while (late := self._first_late()) is not None:
                answer = await self._answer(late.pending)
                waits.late = [one for one in waits.late if one is not late]
                self._settle_late(late, answer)
            if waits.ended:
                waits.ended = False
                self.eof()
        finally:
            waits.busy = False

    async def _answer(self, pending: Pending[Any]) -> object:
        try:
            answer = await pending
        except Exception as failure:
            self._check()
            self._die(failure)
            raise
        except BaseException:
            # A handshake that was canceled cannot be taken up again: what was to be answered is gone.
            self._give_up()
            raise
        # Whatever ended the connection meanwhile has ended it.
        self._check()
        return answer

    def _give_up(self) -> None:
        if self._error is not None:
            return
        with suppress(errors.TlsError):
            if self._outcome is None:
                # RFC 9846 6.1: "user_canceled: This alert notifies the recipient that the sender is canceling the
                # handshake for some reason unrelated to a protocol failure."
                self._cancel("settle() was canceled, and with it the handshake")
                return
            # RFC 9846 6.1: "If a user cancels an operation after the handshake is complete, just closing the connection
            # by sending a "close_notify" is more appropriate."
            self._close_write()
            self._fail(errors.ConnectionClosedError("settle() was canceled, and with it the connection"), None)

    def _resumed(self, answer: object, out: Output) -> "State":
        """The state that the answer leads to."""
        return machine.resume(self._state, answer, out)

    def _settle_late(self, late: "Late", answer: object) -> None:
        """Go on with an authentication after the handshake, whose answer is there."""
        out = Output(self, bytearray(self._trace), self._events)
        try:
            self._enter(late.settle(self._state, answer, out))
        except BaseException as failure:
            self._die(failure)
            raise
        self._diagnostic = out.diagnostic or self._diagnostic

    def _advance(self) -> None:
        """The hook that the record layer calls while the handshake runs: go on with what was received."""
        if self._state.waits:
            self._hold()
        else:
            self._drive()

    # -- what Connection asks ------------------------------------------------------------------------------------------

    def _pending_answer(self) -> Pending[Any] | None:
        """What the handshake itself waits for."""
        state = self._state
        return state.pending if state.waits else None  # type: ignore[attr-defined]

    def _first_late(self) -> "Late | None":
        waits = self._waits
        return waits.late[0] if waits is not None and waits.late else None

    def _remember(self) -> Waits:
        if self._waits is None:
            self._waits = Waits()
        return self._waits

    def _never_wait(self, why: str) -> None:
        """An answer that would have to be awaited ends the connection with a UsageError."""
        self._remember().refused = why

    def _may_wait(self) -> None:
        """Raises UsageError where nobody would ever settle what begins to wait."""
        waits = self._waits
        if waits is not None and waits.refused:
            raise errors.UsageError(
                f"a signer, resolver or authorize gave something to await, and {waits.refused}",
                remedy="use tlscore.aio, or a Connection and its settle(), or give a function that answers at once",
                code="TLS-ASYNC",
            )

    def _keep(self, late: "Late") -> None:
        """Keep the rest of an authentication after the handshake until it is settled."""
        self._remember().late.append(late)
        if self._error is not None:
            self._drop_answers(self._state)
            self._check()
        self._may_wait()

    def _hold(self) -> None:
        """Bound what a peer may send while the handshake waits."""
        held = self._config.limits.held
        if self.buffered_wire > held:
            error = errors.GeneralError(
                f"the peer sent more than {held} octets while the handshake waited for an answer on this side",
                remedy="stop receiving while waiting is not None, and go on after settle()",
                code="TLS-TOO_MUCH_HELD",
            )
            self._fail(error, error.alert)
            raise error

    def _end_later(self) -> None:
        """The stream ended while the handshake waits: what was received before that may be all it needs."""
        self._remember().ended = True

    def _drop_answers(self, state: "State") -> None:
        """Nobody will await what `state` and the late authentications waited for."""
        for value in (getattr(state, "pending", None), getattr(state, "peer", None)):
            if isinstance(value, Pending):
                value.discard()
        waits = self._waits
        if waits is not None:
            for late in waits.late:
                late.pending.discard()
            waits.late = []

    def _check(self) -> None:
        if self._error is not None:
            # Each raise lengthens the traceback of its exception: without this, a dead connection that is asked again
            # and again would grow.
            raise self._error.with_traceback(None)

    # -- what Connection does about it ---------------------------------------------------------------------------------

    def _enter(self, state: "State") -> None:
        raise NotImplementedError

    def _drive(self, *answer: object) -> None:
        raise NotImplementedError

    def _die(self, failure: BaseException) -> None:
        raise NotImplementedError

    def _cancel(self, cause: str = "") -> None:
        raise NotImplementedError

    def eof(self) -> None:
        raise NotImplementedError
