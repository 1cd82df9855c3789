"""The connections of a context: counted, and watched where a callback was set.

`ShapeConnection` counts handshakes for session_stats and keeps what a client offered. Only where a context has an
sni_callback or a _msg_callback is its connection a `WatchedConnection`, which looks at each message on the way to the
state machine: a ClientHello may change the context whose configuration answers it, and the message callback gets what
passes. What a callback raises never decides about a handshake: it is handed to sys.unraisablehook, or raised when the
step is over.
"""

from __future__ import annotations

import ssl
import weakref
from typing import TYPE_CHECKING, Any, Final

from tlscore.connection import Connection
from tlscore.errors import (
    ALERT_CLASSES,
    AlertError,
    CertificateRequired,
    HandshakeFailure,
    InternalError,
    UnknownAlert,
)
from tlscore.handshake.hellos13 import ExpectClientHello, ExpectSecondClientHello
from tlscore.handshake.machine import State
from tlscore.handshake.plans import server_plan
from tlscore.handshake.post_handshake import ExpectLateFinished
from tlscore.handshake.proofs import NoClientCertificate
from tlscore.handshake.version_choice import select_version
from tlscore.iana import AlertDescription, ContentType, HandshakeType, ProtocolVersion
from tlscore.wire import ClientHello, ServerName, decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlscore.certs import names
    from tlscore.config import ClientConfig, ServerConfig
    from tlscore.ssl.context import SSLContext
    from tlscore.ssl.stored import FixedSettings

_CLIENT_HELLO: Final = HandshakeType.client_hello
_SESSION_ID: Final = 4 + 2 + 32
# The standard library's number for a change_cipher_spec among handshake messages.
_CHANGE_CIPHER_SPEC: Final = 0x0101


class ShapeConnection(Connection):
    """A connection that its context counts, and that remembers the suites which a client offered. `_fixed` are the
    settings that stay whichever context answers."""

    __slots__ = ("_context", "_fixed", "_offered")

    def __init__(
        self,
        is_client: bool,
        config: ClientConfig | ServerConfig,
        context: SSLContext,
        fixed: FixedSettings,
        name: names.ServerName | None = None,
        reference: names.ServerName | None = None,
    ) -> None:
        self._context = context
        self._fixed = fixed
        self._offered = b""
        context._counts["connect" if is_client else "accept"] += 1
        super().__init__(is_client, config, name, reference)

    def _pull(self) -> bytes | int | None:
        """Keep the suites that a client offers, for shared_ciphers."""
        item = super()._pull()
        if not self._is_client and isinstance(item, bytes) and item[0] == _CLIENT_HELLO and len(item) > _SESSION_ID:
            # Header, version and random; then the session id and the suites, each behind its length.
            at = _SESSION_ID + 1 + item[_SESSION_ID]
            self._offered = item[at + 2 : at + 2 + int.from_bytes(item[at : at + 2], "big")]
        return item

    def _on_post_handshake(self, message: bytes, /) -> None:
        super()._on_post_handshake(message)
        state = self._state
        declined = isinstance(state, ExpectLateFinished) and isinstance(state.peer, NoClientCertificate)
        if declined and self._fixed.verify_mode == ssl.CERT_REQUIRED:
            refusal = CertificateRequired("the client sent no certificate when it was asked after the handshake")
            self._die(refusal)
            raise refusal

    def _report_completion(self) -> None:
        context, chain = self._context, self._outcome.chain if self._outcome is not None else None
        context._counts["connect_good" if self._is_client else "accept_good"] += 1
        if chain is not None and chain.path:
            context._trust.used(chain.path[-1].der)
        super()._report_completion()


class WatchedConnection(ShapeConnection):
    """A connection whose messages callbacks of the context see."""

    __slots__ = ("_failure", "_made", "_owner", "_stand_in", "_tell")

    def __init__(
        self,
        is_client: bool,
        config: ClientConfig | ServerConfig,
        context: SSLContext,
        fixed: FixedSettings,
        name: names.ServerName | None = None,
        reference: names.ServerName | None = None,
        *,
        owner: object | None = None,
    ) -> None:
        # Adapters without an object of their own let callbacks see one that only has a context.
        self._stand_in = _StandIn(context) if owner is None else None
        self._owner: Callable[[], object | None] = weakref.ref(self._stand_in if owner is None else owner)
        self._tell: Any = context._message_callback
        self._failure: BaseException | None = None
        self._made: Any = config
        super().__init__(is_client, config, context, fixed, name, reference)

    # -- what passes ---------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        super()._advance()
        failure, self._failure = self._failure, None
        if failure is not None:
            # The step is over, and the connection as good as before.
            raise failure

    def _pull(self) -> bytes | int | None:
        item = super()._pull()
        if isinstance(item, bytes):
            self._see("read", item)
            state = self._state
            if item[0] == _CLIENT_HELLO and isinstance(state, (ExpectClientHello, ExpectSecondClientHello)):
                self._state = self._answering(state, item)
        elif isinstance(item, int):
            self._see_alert("read", item >> 8, item & 0xFF)
        return item

    def _on_post_handshake(self, message: bytes, /) -> None:
        self._see("read", message)
        super()._on_post_handshake(message)

    def _on_alert(self, level: int, description: int, /) -> None:
        # While the handshake runs, `_pull` has told of it.
        if self._out is None:
            self._see_alert("read", level, description)
        super()._on_alert(level, description)

    def _send_handshake(self, messages: Any, /) -> None:
        super()._send_handshake(messages)
        self._see("write", bytes(messages))

    def _send_late_authentication(self, messages: bytes, transcript: Any, /) -> None:
        super()._send_late_authentication(messages, transcript)
        self._see("write", messages)

    def _send_change_cipher_spec(self) -> None:
        super()._send_change_cipher_spec()
        self._see_change("write")

    def _send_alert(self, level: int, description: int, /) -> None:
        super()._send_alert(level, description)
        self._see_alert("write", level, description)

    def _close_write(self) -> None:
        closed = self.write_closed
        super()._close_write()
        if not closed:
            self._see_alert("write", 1, AlertDescription.close_notify)

    # -- the message callback ------------------------------------------------------------------------------------------

    def _see(self, direction: str, messages: bytes) -> None:
        """Tell of each handshake message of a flight."""
        if self._tell is None:
            return
        while messages:
            octets = 4 + int.from_bytes(messages[1:4], "big")
            # The change_cipher_spec of TLS 1.2 passes below Python; Finished follows it at once (RFC 5246 7.4.9).
            if messages[0] == HandshakeType.finished and self._state.version == ProtocolVersion.TLS12:
                self._see_change(direction)
            self._call(direction, ContentType.handshake, messages[0], messages[:octets])
            messages = messages[octets:]

    def _see_alert(self, direction: str, level: int, description: int) -> None:
        self._call(direction, ContentType.alert, description, bytes((level, description)))

    def _see_change(self, direction: str) -> None:
        self._call(direction, ContentType.change_cipher_spec, _CHANGE_CIPHER_SPEC, b"\x01")

    def _call(self, direction: str, content_type: int, message_type: int, data: bytes) -> None:
        if self._tell is None:
            return
        try:
            self._tell(self._owner(), direction, int(self._state.version), content_type, message_type, data)
        except BaseException as failure:
            if self._out is None:
                _unraisable(failure, self._tell)
            else:
                self._failure = failure

    # -- the callback of server names ----------------------------------------------------------------------------------

    def _answering(self, state: ExpectClientHello | ExpectSecondClientHello, message: bytes) -> State:
        """The state with the plan that answers a ClientHello: that of the context which the callback chooses."""
        hello = decode(message, ProtocolVersion.TLS13)
        assert isinstance(hello, ClientHello)
        chosen = self._chosen(hello)
        # As in OpenSSL, what decides who is let in stays that of the context that the connection was made from.
        config = self._made if chosen is self._context else chosen._server_config(self._fixed)
        late = config.client_auth == "post_handshake"
        if late and select_version(hello, config.versions) == ProtocolVersion.TLS12:
            # Nothing can be asked after a handshake of TLS 1.2: it asks at once.
            config = chosen._server_config(self._fixed, late=False)
        return state if config is state.plan.config else state.replace(plan=server_plan(config))

    def _chosen(self, hello: ClientHello) -> SSLContext:
        """The context that the sni_callback chooses; the connection's own one without a callback, or a choice."""
        context: Any = self._context
        callback = context.sni_callback
        if callback is None:
            return self._context
        owner = self._owner()
        if owner is None:
            raise InternalError("the object of this connection is gone", code="TLS-SNI_CALLBACK")
        asked = hello.extensions.get(ServerName)
        name = asked.host_name.decode("ascii") if asked is not None and asked.host_name else None
        try:
            answer = callback(owner, name, context)
        except AlertError:
            raise
        except Exception as failure:
            _unraisable(failure, callback)
            raise HandshakeFailure(
                f"the sni_callback failed ({type(failure).__name__})", code="TLS-SNI_CALLBACK"
            ) from None
        if answer is not None:
            raise _refused(answer)
        chosen: SSLContext = getattr(owner, "context", context)
        return chosen


class _StandIn:
    """What callbacks get where the connection has no socket and no object."""

    def __init__(self, context: SSLContext) -> None:
        self.context = context


class _Reporter:
    """Raises an exception where nobody can catch it, so that the interpreter hands it to sys.unraisablehook."""

    def __init__(self, failure: BaseException, source: object) -> None:
        self._failure, self._source = failure, source

    def __call__(self, gone: object) -> None:
        raise self._failure

    def __repr__(self) -> str:
        return repr(self._source)


class _Dying:
    """Something to be watched while it goes."""


def _unraisable(failure: BaseException, source: object) -> None:
    """Report an exception of a callback as the interpreter does where it cannot be raised."""
    dying = _Dying()
    watch = weakref.ref(dying, _Reporter(failure, source))
    del dying
    assert watch() is None


def _refused(answer: object) -> AlertError:
    """The alert that a callback answers with."""
    if not isinstance(answer, int):
        failure = TypeError(f"'{type(answer).__name__}' object cannot be interpreted as an integer")
        _unraisable(failure, answer)
        return InternalError(f"the sni_callback gave {type(answer).__name__}", code="TLS-SNI_CALLBACK")
    text = f"the sni_callback refuses the name with {AlertDescription.name_of(answer)}"
    error = ALERT_CLASSES.get(answer, UnknownAlert)(text, code="TLS-SNI_CALLBACK")
    error.alert = answer
    return error
