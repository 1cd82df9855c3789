"""Alerts in TLS 1.2: whether one of level warning is taken as such, and at which moment a fatal one came.

Levels mean something in TLS 1.2 alone; how many warnings may come, the record layer says. A handshake_failure means
something else after a ClientHello, after a certificate or none, and after the handshake.
"""

from typing import TYPE_CHECKING

from tlscore.handshake.client12 import ClientState12
from tlscore.handshake.client13 import ExpectServerHello
from tlscore.handshake.machine import State
from tlscore.handshake.server12 import ServerState12
from tlscore.iana import AlertDescription, AlertLevel

if TYPE_CHECKING:
    from tlscore.catalogue import Moment

# RFC 5246 7.2.2: "always fatal", whatever level stands beside them; and two that are younger.
_ALWAYS_FATAL = frozenset(
    (
        AlertDescription.unexpected_message,
        AlertDescription.bad_record_mac,
        AlertDescription.record_overflow,
        AlertDescription.decompression_failure,
        AlertDescription.handshake_failure,
        AlertDescription.illegal_parameter,
        AlertDescription.unknown_ca,
        AlertDescription.access_denied,
        AlertDescription.decode_error,
        AlertDescription.decrypt_error,
        AlertDescription.protocol_version,
        AlertDescription.insufficient_security,
        AlertDescription.internal_error,
        AlertDescription.unsupported_extension,
        AlertDescription.inappropriate_fallback,
        AlertDescription.no_application_protocol,
    )
)


def is_warning(state: State, level: int, description: int) -> bool:
    """Whether an alert ends nothing: in TLS 1.2, and while the server may still select that."""
    if level != AlertLevel.warning or description in _ALWAYS_FATAL:
        return False
    if isinstance(state, ExpectServerHello):
        return state.context.hello.plan.older
    return isinstance(state, (ClientState12, ServerState12))


def moment_of(state: State) -> "Moment | None":
    """What had happened when an alert came, where that explains it."""
    if not isinstance(state, (ClientState12, ServerState12)):
        return None
    if state.terminal:
        return "established"
    sent = getattr(state, "sent", None)
    if sent is None or not sent.asked:
        return None
    return "no_certificate" if sent.leaf is None else "certificate"
