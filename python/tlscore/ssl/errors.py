"""From our errors to the very classes of the standard library, with our details hung on them.

Programs look errors of `ssl` up by class (`type(error) is ssl.SSLWantReadError`), by `errno`, `reason`, `verify_code`
and by pieces of their text: all of these are what OpenSSL would have given in the same case. What we know besides
stands in notes (PEP 678), which a traceback shows, and in the attribute `tlscore`: the original error, with its cause,
remedy, section and trace. Errors of the system pass as they are.
"""

import ipaddress
import ssl
from typing import Final, NoReturn, TypeVar

from tlscore import errors
from tlscore.handshake.record_errors import NO_TLS
from tlscore.ssl import reasons

# Where OpenSSL's texts name a line of _ssl.c: some programs look for the parenthesis, none for what is in it.
_WHERE: Final = "(tlscore)"
_CLOSED_IN_HANDSHAKE: Final = "TLS-CLOSED_IN_HANDSHAKE"
_CERTIFICATE: Final = (
    errors.BadCertificate,
    errors.UnsupportedCertificate,
    errors.CertificateRevoked,
    errors.CertificateExpired,
    errors.CertificateUnknown,
    errors.UnknownCa,
    errors.BadCertificateStatusResponse,
)
_SPEAKS_HTTP: Final = "speaks plain HTTP"
_EOF_REASON: Final = "UNEXPECTED_EOF_WHILE_READING"

_Made = TypeVar("_Made", bound=BaseException)
_Ssl = TypeVar("_Ssl", bound=ssl.SSLError)


def as_stdlib(error: BaseException, *, operation: str = "read", server_hostname: str | None = None) -> BaseException:
    """The error that the standard library's `ssl` raises where ours does.

    Takes:    error: any exception; operation: "read", "write" or "handshake", for the text of a timeout;
              server_hostname: whom the client asked for, which the text of a name mismatch repeats.
    Gives:    an instance of exactly ssl.SSLError or of one of its subclasses, or TimeoutError; what is no error of
              ours, as it is.
    """
    if not isinstance(error, errors.TlsError):
        return error
    if isinstance(error, errors.WantReadError):
        return want_read()
    if isinstance(error, errors.WantWriteError):
        return want_write()
    if isinstance(error, errors.OperationTimeout):
        return TimeoutError(f"The {operation} operation timed out")
    if isinstance(error, errors.AlertError):
        made = _alert(error, server_hostname)
    elif error.code == _CLOSED_IN_HANDSHAKE:
        made = zero_return()
    elif isinstance(error, errors.TruncationError):
        made = unexpected_eof()
    else:
        made = ssl_error(reasons.BY_CODE.get(error.code, "INTERNAL_ERROR"))
    return annotate(made, error)


def raise_stdlib(error: BaseException, *, operation: str = "read", server_hostname: str | None = None) -> NoReturn:
    """Raise what `as_stdlib` gives."""
    raise as_stdlib(error, operation=operation, server_hostname=server_hostname) from None


def want_read() -> ssl.SSLWantReadError:
    error = ssl.SSLWantReadError(int(ssl.SSL_ERROR_WANT_READ), f"The operation did not complete (read) {_WHERE}")
    return _fill(error, None, None)


def want_write() -> ssl.SSLWantWriteError:
    error = ssl.SSLWantWriteError(int(ssl.SSL_ERROR_WANT_WRITE), f"The operation did not complete (write) {_WHERE}")
    return _fill(error, None, None)


def zero_return() -> ssl.SSLZeroReturnError:
    """Both ends have said that they send nothing more, or the peer did so in the handshake."""
    text = f"TLS/SSL connection has been closed (EOF) {_WHERE}"
    return _fill(ssl.SSLZeroReturnError(int(ssl.SSL_ERROR_ZERO_RETURN), text), None, None)


def unexpected_eof() -> ssl.SSLEOFError:
    """The stream ended without close_notify."""
    text = f"[SSL: {_EOF_REASON}] EOF occurred in violation of protocol {_WHERE}"
    return _fill(ssl.SSLEOFError(int(ssl.SSL_ERROR_EOF), text), "SSL", _EOF_REASON)


def ssl_error(reason: str, text: str | None = None, library: str = "SSL") -> ssl.SSLError:
    """An ssl.SSLError of OpenSSL's shape: "[SSL: NO_SHARED_CIPHER] no shared cipher (...)"."""
    words = reasons.text_of(reason) if text is None else text
    error = ssl.SSLError(int(ssl.SSL_ERROR_SSL), f"[{library}: {reason}] {words} {_WHERE}")
    return _fill(error, library, reason)


def annotate(made: _Made, error: errors.TlsError) -> _Made:
    """Hang what our error knows on the standard one."""
    made.tlscore = error  # type: ignore[attr-defined]
    made.add_note(f"tlscore: {error}")
    for note in getattr(error, "__notes__", ()):
        made.add_note(note)
    return made


def _fill(error: _Ssl, library: str | None, reason: str | None) -> _Ssl:
    # Stubs have these as str; OpenSSL's errors have None where no reason is in its queue.
    error.library = library  # type: ignore[assignment]
    error.reason = reason  # type: ignore[assignment]
    return error


def _alert(error: errors.AlertError, server_hostname: str | None) -> ssl.SSLError:
    if error.sender == "peer":
        return ssl_error(reasons.RECEIVED.get(error.alert, f"TLSV1_ALERT_{error.alert_name.upper()}"))
    if isinstance(error, _CERTIFICATE):
        return _verification(error, server_hostname)
    if error.code not in reasons.BY_CODE and NO_TLS in error.cause:
        asked = _SPEAKS_HTTP in error.cause and error.state == "ExpectClientHello"
        return ssl_error("HTTP_REQUEST" if asked else "WRONG_VERSION_NUMBER")
    reason = reasons.BY_CODE.get(error.code) or reasons.BY_ALERT.get(error.alert)
    return ssl_error(reason or error.alert_name.upper())


def _verification(error: errors.AlertError, server_hostname: str | None) -> ssl.SSLCertVerificationError:
    if error.code == reasons.NAME_MISMATCH:
        code, message = _mismatch(server_hostname)
    else:
        code, message = reasons.VERIFY_BY_CODE.get(error.code) or reasons.VERIFY_BY_ALERT[error.alert]
    reason = "CERTIFICATE_VERIFY_FAILED"
    made = ssl.SSLCertVerificationError(
        int(ssl.SSL_ERROR_SSL), f"[SSL: {reason}] certificate verify failed: {message} {_WHERE}"
    )
    made.verify_code, made.verify_message = code, message
    return _fill(made, "SSL", reason)


def _mismatch(server_hostname: str | None) -> tuple[int, str]:
    what, code = "Hostname", reasons.HOST_MISMATCH
    try:
        ipaddress.ip_address(server_hostname or "")
        what, code = "IP address", reasons.ADDRESS_MISMATCH
    except ValueError:
        pass
    return code, f"{what} mismatch, certificate is not valid for '{server_hostname}'."
