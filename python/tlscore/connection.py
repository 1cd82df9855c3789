"""One TLS connection without a socket: octets in, octets out, events.

The record layer below (Rust) owns keys, buffers and locks; this class owns the state of the handshake and is the one
place where an error becomes an alert and the end of the connection. Rust calls four hooks: `_advance` while the
handshake runs, `_on_post_handshake` and `_on_alert` afterwards, `_record_error` to make an exception. After a failure
every call raises the original error. One thread may read while another one writes.

    receive(wire) ─► _advance ─► machine.step(state, message) ─► state     data_to_send() ─► wire
"""

from typing import TYPE_CHECKING, cast

from tlscore import errors, trace
from tlscore.errors import TlsError
from tlscore.events import AlertReceived, Event, KeyUpdated, PeerClosed
from tlscore.handshake import client_end13, machine  # noqa: F401  # fills its part of the table
from tlscore.handshake.alerts12 import is_warning, moment_of
from tlscore.handshake.exporting import ExportingConnection
from tlscore.handshake.facts import completion
from tlscore.handshake.machine import Closed, State
from tlscore.handshake.outcome import Agreement
from tlscore.handshake.output import Output, keep_event
from tlscore.handshake.post_handshake import (
    ExpectLateCertificateVerify,
    ExpectLateFinished,
    interrupted,
    request_certificate,
)
from tlscore.handshake.record_errors import SSLV2_HELLO, eof_remedy, record_error
from tlscore.handshake.starting import start_client, start_server
from tlscore.iana import AlertDescription, AlertLevel, ProtocolVersion

if TYPE_CHECKING:
    from tlscore.certs.names import ServerName
    from tlscore.config import ClientConfig, ServerConfig
    from tlscore.suites import Suite

_CLOSED = Closed()
_FATAL = AlertLevel.fatal

# Key updates of one direction that one call of events() reports; long-lived connections make more when nobody asks.
_KEY_UPDATES_REPORTED = 16


class Connection(ExportingConnection):
    """A client or server connection, made by `ClientConfig.connection` or `ServerConfig.connection`.

    `receive`, `data_to_send`, `write`, `write_many`, `write_into`, `wire_size`, `read` and `read_into` come from the
    record layer, what was agreed from ConnectionFacts; no call blocks, none touches a socket.
    """

    __slots__ = ("_key_updates", "_out", "_silent")

    def __init__(
        self,
        is_client: bool,
        config: "ClientConfig | ServerConfig",
        name: "ServerName | None" = None,
        reference: "ServerName | None" = None,
        *,
        cookie_context: bytes = b"",
    ) -> None:
        """Start a connection; a client's ClientHello waits in `data_to_send()`.

        Takes:    name: what a client sends; reference: whom the server's certificate must be for. cookie_context: what
                  a server binds the cookies of HelloRetryRequest to, such as the client's address.
        """
        self._is_client = is_client
        self._config = config
        self._events: list[Event | Agreement] = []
        self._trace: bytearray | bytes = bytearray()
        self._error: TlsError | None = None
        self._diagnostic: str | None = None
        self._awaits_verdict = False
        self._early = (0, 0, 0)
        self._waits = None
        self._key_updates = (0, 0)
        self._silent = config.on_reject == "silent"
        self._out: Output | None = Output(self, self._trace, self._events)
        self._state: State = _CLOSED
        if is_client:
            self._state = start_client(cast("ClientConfig", config), name, reference, self._out)
        else:
            self._state = start_server(cast("ServerConfig", config), cookie_context, self._out)
        del self._out.layer

    @property
    def cipher_suite(self) -> "Suite | None":
        """The agreed suite with its four parts: key exchange, authentication, encryption, MAC."""
        from tlscore.suites import suite

        return suite(self.suite) if self.suite is not None else None

    # -- events and the end --------------------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        """What happened since the last call, in order. Opens what waits up to the next application data.

        Raises:   the original error after a failure; the AlertError of what waits, if that is bad.
        """
        self._check()
        if self.handshake_complete:
            self._poll()
            self._note_key_updates()
        happened: list[Event] = []
        events = self._events
        while events:
            event = events.pop(0)
            happened.append(completion(event) if isinstance(event, Agreement) else event)
        return happened

    def eof(self) -> None:
        """The stream below has ended: nothing will be received any more.

        Raises:   TruncationError where the peer did not say close_notify before; the connection is dead then. Where
                  application data still waits to be read, the read that comes after it raises; where the handshake
                  waits for an answer of ours, settle() does.
        Source:   RFC 9846 section 6.1.
        """
        self._check()
        if self.handshake_complete:
            self._poll()
            if self.peer_closed:
                return
            if self.pending_plaintext:
                self._mark_end_of_stream()
                return
            cause = "the stream ended without close_notify: data may be missing"
        elif self._state.waits:
            self._end_later()
            return
        elif self._awaits_verdict:
            cause = "the server ended the stream before it showed whether it takes our certificate"
        else:
            expected = machine.expected_text(self._state)
            cause = f"the peer ended the stream during the handshake, where {expected} should come"
        error = errors.TruncationError(cause, remedy=self._eof_remedy(), section="RFC 9846 6.1")
        self._fail(error, None)
        raise error

    def close(self) -> None:
        """Say that we send nothing more; reading goes on. Before the handshake is complete this gives it up.

        Effects:  close_notify waits in `data_to_send()`, after user_canceled where the handshake was still running.
        Source:   RFC 9846 section 6.1.
        """
        self._check()
        if self._outcome is not None:
            self._close_write()
            return
        self._cancel()

    def abort(self) -> None:
        """Give the connection up without close_notify: the peer sees a truncated stream. Does nothing to a dead one."""
        if self._error is not None:
            return
        if self._outcome is None:
            self._cancel()
            return
        self._fail(errors.ConnectionClosedError("the connection was aborted on this side"), None)

    def _cancel(self, cause: str = "the connection was closed on this side during the handshake") -> None:
        # RFC 9846 6.1: "This alert MUST be followed by a "close_notify"."
        self._send_alert(AlertLevel.warning, AlertDescription.user_canceled)
        self._close_write()
        self._fail(errors.ConnectionClosedError(cause), None)

    def update_keys(self, request_peer: bool = False) -> None:
        """Go on to new write keys.

        Takes:    request_peer: whether to ask the peer to do the same.
        Raises:   HandshakeNotComplete before the handshake is; UsageError in TLS 1.2, which has no such thing;
                  ConnectionClosedError after close(); the original error after a failure.
        Effects:  a KeyUpdate waits in `data_to_send()`; write sequence number 0.
        Source:   RFC 9846 section 4.7.3.
        """
        self._check_complete()
        if self._state.version != ProtocolVersion.TLS13:
            raise errors.UsageError(
                "TLS 1.2 cannot change its keys",
                remedy="open a new connection, or allow TLS 1.3 alone",
                section="RFC 9846 4.7.3",
            )
        self._request_key_update(request_peer)

    def request_client_certificate(self) -> bytes:
        """Server: ask the client to authenticate now; a ClientCertificateReceived event with this value answers.

        Raises:   UsageError where the client did not offer that, or this server has no trust for clients.
        Source:   RFC 9846 section 4.7.2.
        """
        self._check_complete()
        if self.role != "server":
            raise errors.UsageError("only servers ask for a certificate after the handshake", section="RFC 9846 4.7.2")
        return request_certificate(self._state, Output(self, bytearray(), self._events))

    # -- hooks that the record layer calls -----------------------------------------------------------------------------

    def _drive(self, *answer: object) -> None:
        """Drive the handshake with what was received; out of a waiting state with the answer that it waited for."""
        out = self._out
        if out is None:
            return
        # Only while it runs: a half-open connection that is dropped must go at once, not with the next collection.
        out.layer = self
        try:
            state = self._resumed(answer[0], out) if answer else self._state
            while True:
                self._enter(state)
                if state.terminal:
                    self._complete(out)
                    break
                if state.waits:
                    self._may_wait()
                    self._hold()
                    break
                item = self._pull()
                while isinstance(item, int):
                    self._on_handshake_alert(item >> 8, item & 0xFF)
                    item = self._pull()
                if item is None:
                    break
                state = machine.step(self._state, item, out)
        except BaseException as failure:
            self._die(failure)
            raise
        finally:
            del out.layer

    def _on_post_handshake(self, message: bytes, /) -> None:
        recorded = bytearray(self._trace)
        out = Output(self, recorded, self._events)
        out.queued = self._first_late() is not None
        try:
            self._enter(machine.step(self._state, message, out))
            if out.late is not None:
                self._keep(out.late)
        except BaseException as failure:
            self._die(failure)
            raise
        self._diagnostic = out.diagnostic or self._diagnostic

    def _on_alert(self, level: int, description: int, /) -> None:
        if description == AlertDescription.close_notify:
            keep_event(self._events, PeerClosed())
            return
        if description == AlertDescription.user_canceled:
            if isinstance(self._state, (ExpectLateCertificateVerify, ExpectLateFinished)):
                refusal = interrupted()
                self._die(refusal)
                raise refusal
            # RFC 9846 6.1: "Receiving implementations SHOULD continue to read data from the peer until a "close_notify"
            # is received"
            keep_event(self._events, AlertReceived(level, description, AlertDescription.name_of(description)))
            return
        if is_warning(self._state, level, description):
            # RFC 5246 7.2.2: "If an alert with a level of warning is sent and received, generally the connection can
            # continue normally."
            keep_event(self._events, AlertReceived(level, description, AlertDescription.name_of(description)))
            return
        # RFC 9846 6.2: "All alerts defined below in this section, as well as all unknown alerts, are universally
        # considered fatal as of TLS 1.3", whatever their level says.
        error = errors.received_alert(description, level, role=self.role, moment=moment_of(self._state))
        # In TLS 1.2 the alert about a missing certificate comes while the handshake is still running.
        diagnostic = self._out.diagnostic if self._out is not None else self._diagnostic
        if diagnostic is not None:
            self._diagnostic = diagnostic
            error.add_note(diagnostic)
        self._fail(error, None)
        raise error

    def _record_error(self, code: str, alert: int, detail: str, /) -> BaseException:
        if self._error is not None:
            return self._error.with_traceback(None)
        error = record_error(code, detail, self.role, self._eof_remedy() if code == "truncated" else "")
        if alert >= 0:
            self._fail(error, alert)
        elif code == "truncated":
            self._fail(error, None)
        return error

    # -- inside --------------------------------------------------------------------------------------------------------

    def _enter(self, state: State) -> None:
        """Take the next state. Another thread, or a callback of the caller's, may have ended the connection meanwhile:
        nothing leads out of that."""
        self._state = state
        # Asked only now: what fails from here on closes the state itself.
        if self._error is not None:
            self._state = _CLOSED
            self._drop_answers(state)
            self._check()

    def _complete(self, out: Output) -> None:
        """The handshake is over: report it, and let go of what only it needed."""
        self._diagnostic = out.diagnostic
        self._trace = bytes(self._trace)
        self._out = None
        self._awaits_verdict = out.awaits_verdict
        if not self._awaits_verdict:
            self._report_completion()
        self._note_early()

    def _report_completion(self) -> None:
        outcome = self._outcome
        if outcome is None:
            # abort() by another thread came first.
            self._check()
            return
        # What was agreed at this moment: events() makes the event of it.
        keep_event(self._events, outcome.agreement)

    def _on_handshake_alert(self, level: int, description: int) -> None:
        if description != AlertDescription.close_notify:
            self._on_alert(level, description)
            return
        canceled = any(isinstance(event, AlertReceived) for event in self._events)
        error = errors.TransportError(
            "the peer canceled the handshake" if canceled else "the peer closed the connection during the handshake",
            remedy=self._eof_remedy(),
            section="RFC 9846 6.1",
            code="TLS-CLOSED_IN_HANDSHAKE",
            sender="peer",
            alert_received=description,
        )
        self._fail(error, None)
        raise error

    def _eof_remedy(self) -> str:
        """What a silent peer most likely means, by the step that was reached."""
        return eof_remedy(self.role, self._state.stage, self._outcome is not None, self._awaits_verdict)

    def _note_key_updates(self) -> None:
        _, _, received, sent = self.counters
        if (received, sent) != self._key_updates:
            before_received, before_sent = self._key_updates
            self._key_updates = (received, sent)
            for _ in range(min(received - before_received, _KEY_UPDATES_REPORTED)):
                keep_event(self._events, KeyUpdated("received"))
            for _ in range(min(sent - before_sent, _KEY_UPDATES_REPORTED)):
                keep_event(self._events, KeyUpdated("sent"))

    def _die(self, failure: BaseException) -> None:
        """Make the end of whatever a handler raised: nothing that goes wrong is ever taken for consent.

        Raises:   InternalError for what is no error of TLS; the caller raises the others again as they are.
        """
        if self._error is not None:
            return
        if isinstance(failure, TlsError):
            # A fork, seen by the record layer: the parent's connection is not ours to end.
            if not isinstance(failure, errors.ForkedConnectionError):
                self._fail(failure, AlertDescription.internal_error if failure.alert is None else failure.alert)
            return
        error = errors.InternalError(
            f"an unexpected {type(failure).__name__} inside the handshake",
            remedy="report this with the chained exception: it is a fault of tlscore, or of a callback",
            code="TLS-INTERNAL_ERROR",
        )
        self._fail(error, AlertDescription.internal_error)
        if isinstance(failure, Exception):
            raise error from failure

    def _fail(self, error: TlsError, alert: int | None) -> None:
        """The one place that sends a fatal alert and ends the connection."""
        if self._error is not None:
            return
        # First of all: whatever else is done here may fail, or let a function of the caller's run, and must not replace
        # the error that it is about.
        self._error = error
        state = self._state
        if error.state is None:
            error.state = type(state).__name__
        if error.stage is None:
            error.stage = state.stage or trace.stage_of(self._trace)
        error.trace = trace.describe(self._trace)
        if self._silent and (isinstance(error, errors.ProtocolVersionError) or error.code == SSLV2_HELLO):
            alert = None
        if alert is not None:
            try:
                self._send_alert(_FATAL, alert)
                error.alert_sent = alert
            except (TlsError, RuntimeError):
                # Nothing can be sent any more (closed, forked): the error itself is what matters.
                error.alert_sent = None
        self._state = _CLOSED
        self._awaits_verdict = False
        self._out = None
        self._trace = bytes(self._trace)
        self._drop_answers(state)
        self._kill(error)
