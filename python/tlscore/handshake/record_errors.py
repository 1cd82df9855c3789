"""What the record layer reports, as errors: class, section and remedy of each of its codes."""

from typing import Final

from tlscore import errors
from tlscore.errors import TlsError

# What the record layer reports -> the class of the error. What ends the connection has an alert, or is "truncated".
RECORD_ERRORS: Final[dict[str, type[TlsError]]] = {
    "bad_record_mac": errors.BadRecordMac,
    "record_overflow": errors.RecordOverflow,
    "unexpected_message": errors.UnexpectedMessage,
    "decode_error": errors.DecodeError,
    "illegal_parameter": errors.IllegalParameter,
    "internal_error": errors.InternalError,
    "limit": errors.UnexpectedMessage,
    "handshake_not_complete": errors.HandshakeNotComplete,
    "forked": errors.ForkedConnectionError,
    "closed": errors.ConnectionClosedError,
    "truncated": errors.TruncationError,
    "buffer_too_small": errors.BufferTooSmall,
    "want_read": errors.WantReadError,
    "want_write": errors.WantWriteError,
    "bad_length": errors.UsageError,
    "timed_out": errors.OperationTimeout,
}
SSLV2_HELLO: Final = "TLS-SSLV2_HELLO"
CODES: Final = {"bad_length": "TLS-BAD_LENGTH"}
SECTIONS: Final = {
    "bad_record_mac": "RFC 9846 5.2",
    "record_overflow": "RFC 9846 5.2",
    "handshake_not_complete": "RFC 9846 4.5.3",
    "closed": "RFC 9846 6.1",
    "truncated": "RFC 9846 6.1",
}
REMEDIES: Final = {
    "handshake_not_complete": "exchange data_to_send() and receive() with the peer until HandshakeCompleted, and await "
    "settle() while waiting is not None",
    "forked": "make the connection in the process that uses it",
    "closed": "this side has sent close_notify; open another connection to send more",
    "bad_length": "after WantWriteError give the same data again, until the call takes it",
}
# How the record layer begins its account of octets that no TLS record starts with, and what helps.
NO_TLS: Final = "are no TLS record"
NO_TLS_REMEDIES: Final = {
    "client": "connect to the TLS port (often 443), or switch TLS on at that server's listener; where the protocol has "
    "STARTTLS, speak it first",
    "server": "let the client speak TLS (https:// for a browser), or give it another port for what it speaks",
}


def record_error(code: str, detail: str, role: str, eof_remedy: str) -> TlsError:
    """The error for a report of the record layer.

    Takes:    role: which end we are; eof_remedy: what a stream that ends here most likely means.
    """
    if "SSLv2" in detail:
        from tlscore.versions import sslv2_report

        asked = sslv2_report(detail)
        if asked is not None:
            return errors.UnexpectedMessage(
                f"the {'server' if role == 'client' else 'client'} sent an SSLv2 CLIENT-HELLO that asks for {asked}",
                remedy="bring the peer to TLS 1.2 or newer, or turn its SSLv2-compatible hello off",
                section="RFC 9846 E.5",
                code=SSLV2_HELLO,
            )
    remedy = REMEDIES.get(code, "")
    if code == "truncated":
        remedy = eof_remedy
    elif NO_TLS in detail:
        remedy = NO_TLS_REMEDIES[role]
    made = RECORD_ERRORS.get(code, errors.InternalError)
    return made(detail, remedy=remedy, section=SECTIONS.get(code, ""), code=CODES.get(code))


def eof_remedy(role: str, stage: int, complete: bool, awaits_verdict: bool) -> str:
    """What a stream that ends most likely means, by the step that was reached.

    Takes:    role: which end we are; awaits_verdict: whether a client waits to see that its certificate was taken.
    """
    if awaits_verdict:
        return "most likely it refuses our certificate: read its log"
    if complete:
        return "the peer, or something on the way, broke the connection off: do not trust the length of the data"
    if role == "client":
        if stage <= 6:
            return "check that the port speaks TLS and that the server accepts what we offer; read its log"
        return "the server gave up in the middle of its flight: read its log"
    if stage <= 3:
        return "the client connected and said nothing that we could answer: a port check, or a client without TLS"
    return "most likely the client does not accept our certificate, or what we selected: read its log"
