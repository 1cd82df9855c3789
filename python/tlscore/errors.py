"""Every error that tlscore raises, one class per cause that a caller may want to tell apart.

`TlsError` is the root. Below it stand `AlertError` (one class per TLS alert of RFC 9846 section 6, whether we send it
or the peer does), `ConfigError` (yours to fix, raised before any octet is sent), `TransportError` (the stream below
failed), `UsageError` (a call that the connection's state does not allow) and the two Want errors of non-blocking use.
An error carries a stable code, the cause, the remedy, the section that asks for it, who found it, the step of the
handshake, and the alert that went out or came in. Protocol code only raises; one place in connection.py sends the
alert. What the peer wrote is escaped and cut before it gets into a text. The explanations of received alerts live in
catalogue.py, which is loaded when the first one is needed. Errors can be pickled, and notes (PEP 678) survive.
"""

import os
from errno import EAGAIN, EPIPE, ETIMEDOUT
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tlscore.catalogue import Moment
    from tlscore.certs.report import VerificationReport

Sender = Literal["us", "peer"]

# Own limit: a peer must not be able to flood a log through our error text.
TEXT_LIMIT = 500


def escape(text: str | bytes, limit: int = TEXT_LIMIT) -> str:
    """Make text that a peer chose safe to print: printable ASCII only, at most `limit` characters."""
    if isinstance(text, (bytes, bytearray, memoryview)):
        text = bytes(text[: limit + 1]).decode("latin-1")
    cut = len(text) > limit
    safe = "".join(
        character
        if " " <= character <= "~" and character != "\\"
        else character.encode("unicode_escape").decode("ascii")
        for character in text[:limit]
    )
    return safe[: limit - 3] + "..." if cut or len(safe) > limit else safe


def visible(path: str | bytes) -> str:
    """Make the name of a file safe to print: letters of every script stay, whatever steers a terminal is escaped."""
    text = os.fsdecode(path)
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


class TlsError(Exception):
    """Root of every error of this library.

    Takes:    cause: one sentence; remedy: what to do about it; section: the rule, such as "RFC 9846 4.2.3"; code:
              stable, for machines.
    """

    code: str = "TLS-ERROR"
    alert: int | None = None
    alert_sent: int | None = None
    alert_received: int | None = None
    sender: Sender | None = None
    stage: int | None = None
    state: str | None = None
    cause: str
    remedy: str = ""
    section: str = ""
    trace: tuple[object, ...] = ()
    # Of a handshake over a socket: whom it was with, as socket.getpeername gives it.
    peer_address: Any = None

    def __init__(
        self,
        cause: str = "",
        *,
        remedy: str = "",
        section: str = "",
        code: str | None = None,
        sender: Sender | None = None,
        stage: int | None = None,
        state: str | None = None,
        alert_sent: int | None = None,
        alert_received: int | None = None,
    ) -> None:
        if len(cause) > TEXT_LIMIT and not isinstance(self, ConfigError):
            # It may quote the peer, who could flood a log through it; each part alone is escaped and short already.
            cause = cause[: TEXT_LIMIT - 3] + "..."
        self.args = (cause,)
        self.cause = cause
        # Only what differs from the class is stored: most errors carry few of these.
        if remedy:
            self.remedy = remedy
        if section:
            self.section = section
        if code is not None:
            self.code = code
        if sender is not None:
            self.sender = sender
        if stage is not None:
            self.stage = stage
        if state is not None:
            self.state = state
        if alert_sent is not None:
            self.alert_sent = alert_sent
        if alert_received is not None:
            self.alert_received = alert_received

    def __str__(self) -> str:
        # The remedy is a sentence of its own behind the cause; a command at its start is written as it is typed.
        remedy, first = self.remedy, self.remedy.partition(" ")[0]
        if self.cause and first.isalpha() and first != "tlscore":
            remedy = remedy[0].upper() + remedy[1:]
        sentences = [part if part.endswith((".", "!", "?")) else part + "." for part in (self.cause, remedy) if part]
        text = self._prefix() + " ".join(sentences)
        return f"{text} [{self.section}]" if self.section else text

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.code}: {self}>"

    def _prefix(self) -> str:
        return ""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.cause), self.__dict__

    def __setstate__(self, state: dict[str, Any] | None) -> None:
        self.__dict__.update(state or {})


def _rebuild(cls: type[TlsError], cause: str) -> TlsError:
    return cls(cause)


# -- alerts ------------------------------------------------------------------------------------------------------------


class AlertError(TlsError):
    """A fatal alert: sent by us where `sender` is "us", received where it is "peer". Where a peer's chain was refused,
    `report` is its VerificationReport, with every check."""

    report: "VerificationReport | None" = None
    alert: int = 80
    alert_name: str = "internal_error"
    sender: Sender | None = "us"
    section: str = "RFC 9846 6.2"

    def _prefix(self) -> str:
        verb = "the peer sent" if self.sender == "peer" else "we refused:"
        return f"{verb} {self.alert_name}({self.alert}): "


class UnexpectedMessage(AlertError):
    alert, alert_name, code = 10, "unexpected_message", "TLS-UNEXPECTED_MESSAGE"


class BadRecordMac(AlertError):
    alert, alert_name, code = 20, "bad_record_mac", "TLS-BAD_RECORD_MAC"


class RecordOverflow(AlertError):
    alert, alert_name, code = 22, "record_overflow", "TLS-RECORD_OVERFLOW"


class HandshakeFailure(AlertError):
    alert, alert_name, code = 40, "handshake_failure", "TLS-HANDSHAKE_FAILURE"


class BadCertificate(AlertError):
    alert, alert_name, code = 42, "bad_certificate", "TLS-BAD_CERTIFICATE"


class UnsupportedCertificate(AlertError):
    alert, alert_name, code = 43, "unsupported_certificate", "TLS-UNSUPPORTED_CERTIFICATE"


class CertificateRevoked(AlertError):
    alert, alert_name, code = 44, "certificate_revoked", "TLS-CERTIFICATE_REVOKED"


class CertificateExpired(AlertError):
    alert, alert_name, code = 45, "certificate_expired", "TLS-CERTIFICATE_EXPIRED"


class CertificateUnknown(AlertError):
    alert, alert_name, code = 46, "certificate_unknown", "TLS-CERTIFICATE_UNKNOWN"


class IllegalParameter(AlertError):
    alert, alert_name, code = 47, "illegal_parameter", "TLS-ILLEGAL_PARAMETER"


class UnknownCa(AlertError):
    alert, alert_name, code = 48, "unknown_ca", "TLS-UNKNOWN_CA"


class AccessDenied(AlertError):
    alert, alert_name, code = 49, "access_denied", "TLS-ACCESS_DENIED"


class DecodeError(AlertError):
    alert, alert_name, code = 50, "decode_error", "TLS-DECODE_ERROR"


class DecryptError(AlertError):
    alert, alert_name, code = 51, "decrypt_error", "TLS-DECRYPT_ERROR"


class ProtocolVersionError(AlertError):
    alert, alert_name, code = 70, "protocol_version", "TLS-PROTOCOL_VERSION"


class ForbiddenProtocol(ProtocolVersionError):
    """The peer speaks SSL 2.0 or SSL 3.0, which no configuration can allow."""

    code = "TLS-FORBIDDEN_PROTOCOL"


class InsufficientSecurity(AlertError):
    alert, alert_name, code = 71, "insufficient_security", "TLS-INSUFFICIENT_SECURITY"


class InternalError(AlertError):
    alert, alert_name, code = 80, "internal_error", "TLS-INTERNAL_ERROR"


class InappropriateFallback(AlertError):
    alert, alert_name, code = 86, "inappropriate_fallback", "TLS-INAPPROPRIATE_FALLBACK"


class UserCanceled(AlertError):
    alert, alert_name, code, section = 90, "user_canceled", "TLS-USER_CANCELED", "RFC 9846 6.1"


class MissingExtension(AlertError):
    alert, alert_name, code = 109, "missing_extension", "TLS-MISSING_EXTENSION"


class UnsupportedExtension(AlertError):
    alert, alert_name, code = 110, "unsupported_extension", "TLS-UNSUPPORTED_EXTENSION"


class UnrecognizedName(AlertError):
    alert, alert_name, code = 112, "unrecognized_name", "TLS-UNRECOGNIZED_NAME"


class BadCertificateStatusResponse(AlertError):
    alert, alert_name, code = 113, "bad_certificate_status_response", "TLS-BAD_CERTIFICATE_STATUS_RESPONSE"


class UnknownPskIdentity(AlertError):
    alert, alert_name, code = 115, "unknown_psk_identity", "TLS-UNKNOWN_PSK_IDENTITY"


class CertificateRequired(AlertError):
    alert, alert_name, code = 116, "certificate_required", "TLS-CERTIFICATE_REQUIRED"


class GeneralError(AlertError):
    alert, alert_name, code = 117, "general_error", "TLS-GENERAL_ERROR"


class NoApplicationProtocol(AlertError):
    alert, alert_name, code = 120, "no_application_protocol", "TLS-NO_APPLICATION_PROTOCOL"


class EchRequired(AlertError):
    alert, alert_name, code, section = 121, "ech_required", "TLS-ECH_REQUIRED", "RFC 9849 11.2"


class UnknownAlert(AlertError):
    """An alert from the peer that TLS 1.3 does not define, or that only old versions do; `alert` holds its number."""

    alert_name, code = "unknown", "TLS-UNKNOWN_ALERT"


ALERT_CLASSES: dict[int, type[AlertError]] = {
    cls.alert: cls for cls in AlertError.__subclasses__() if cls is not UnknownAlert
}


def received_alert(
    description: int,
    level: int = 2,
    stage: int | None = None,
    *,
    role: Literal["client", "server"] | None = None,
    state: str | None = None,
    moment: "Moment | None" = None,
) -> AlertError:
    """Build the error for an alert that the peer sent, explained from our side.

    Takes:    description, level: as on the wire; stage: step 1..22 reached; role: which end we are, which sharpens the
              explanation, as `moment` does: what had happened before, where that tells more.
    Gives:    the error, with sender "peer"; the caller raises it.
    Source:   RFC 9846 section 6.
    """
    from tlscore.catalogue import explain
    from tlscore.iana import AlertDescription

    cause, remedy = explain(description, role, moment)
    cls = ALERT_CLASSES.get(description, UnknownAlert)
    error = cls(cause, remedy=remedy, sender="peer", stage=stage, state=state, alert_received=description)
    if cls is UnknownAlert:
        error.alert = description
        error.alert_name = AlertDescription.name_of(description)
    return error


# -- what is not an alert ----------------------------------------------------------------------------------------------


class ConfigError(TlsError, ValueError):
    """A configuration that cannot work, or a key, certificate or name that cannot be used. Raised before anything is
    sent."""

    code = "TLS-CONFIG"


class TransportError(TlsError, ConnectionError):
    """The byte stream below TLS failed."""

    code = "TLS-TRANSPORT"


class TruncationError(TransportError):
    """The stream ended without close_notify: data may be missing, so this is never end of data."""

    code = "TLS-TRUNCATED"
    section = "RFC 9846 6.1"


class OperationTimeout(TransportError, TimeoutError):
    """The peer did not answer, or did not read, within the timeout."""

    code = "TLS-TIMEOUT"
    errno = ETIMEDOUT


class HandshakeTimeout(OperationTimeout):
    """The handshake did not end within `handshake_timeout`."""

    code = "TLS-HANDSHAKE_TIMEOUT"


class UsageError(TlsError):
    """A call that does not fit the state of the connection."""

    code = "TLS-USAGE"


class HandshakeNotComplete(UsageError):
    """Application data may not be written or read before the peer is verified."""

    code = "TLS-HANDSHAKE_NOT_COMPLETE"


class ForkedConnectionError(UsageError):
    """The connection belongs to the parent of this process: two processes must never seal under one key."""

    code = "TLS-FORKED"


class BufferTooSmall(UsageError, ValueError):
    """The caller's buffer cannot hold the result."""

    code = "TLS-BUFFER_TOO_SMALL"


class ConnectionClosedError(UsageError, ConnectionError):
    """The connection, or its write side, is closed already."""

    code = "TLS-CLOSED"
    errno = EPIPE


class WantReadError(TlsError, BlockingIOError):
    """Non-blocking use: octets from the peer are needed first."""

    code = "TLS-WANT_READ"
    errno = EAGAIN


class WantWriteError(TlsError, BlockingIOError):
    """Non-blocking use: octets that wait must leave first."""

    code = "TLS-WANT_WRITE"
    errno = EAGAIN


def unknown_keyword(owner: str, wrong: str, known: tuple[str, ...]) -> ConfigError:
    """The ConfigError for a keyword or name that does not exist, with the nearest one that does."""
    from difflib import get_close_matches

    near = get_close_matches(wrong, known, 1, 0.5)
    hint = f'did you mean "{near[0]}"?' if near else "known: " + ", ".join(known)
    return ConfigError(f'{owner} has no "{escape(wrong, 80)}"', remedy=hint, code="TLS-CONFIG-UNKNOWN_NAME")


__all__ = [name for name, value in globals().items() if isinstance(value, type) and issubclass(value, TlsError)] + [
    "ALERT_CLASSES",
    "TEXT_LIMIT",
    "Sender",
    "escape",
    "received_alert",
    "unknown_keyword",
    "visible",
]
