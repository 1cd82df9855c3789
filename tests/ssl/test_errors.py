"""Errors of the shape: the very classes, numbers and names of the standard library, with our details on them."""

from __future__ import annotations

import ssl as stdlib
import traceback
from typing import Any

import pytest

from tlscore import errors
from tlscore.errors import AlertError, received_alert
from tlscore.ssl import reasons
from tlscore.ssl.errors import as_stdlib, raise_stdlib, ssl_error


def test_want_errors_have_the_exact_classes_and_numbers() -> None:
    for ours, cls, number in (
        (errors.WantReadError("x"), stdlib.SSLWantReadError, stdlib.SSL_ERROR_WANT_READ),
        (errors.WantWriteError("x"), stdlib.SSLWantWriteError, stdlib.SSL_ERROR_WANT_WRITE),
    ):
        made: Any = as_stdlib(ours)
        assert type(made) is cls
        assert made.errno == made.args[0] == number
        assert type(made.args[0]) is int
        assert str(made).startswith("The operation did not complete (")


@pytest.mark.parametrize("operation", ["read", "write", "handshake"])
def test_timeouts_are_plain_timeout_errors(operation: str) -> None:
    made = as_stdlib(errors.OperationTimeout("x"), operation=operation)
    assert type(made) is TimeoutError
    assert str(made) == f"The {operation} operation timed out"


def test_truncation_is_an_eof_error_with_the_words_that_programs_look_for() -> None:
    made: Any = as_stdlib(errors.TruncationError("the stream ended"))
    assert type(made) is stdlib.SSLEOFError
    assert made.args[0] == stdlib.SSL_ERROR_EOF == 8
    assert "UNEXPECTED_EOF_WHILE_READING" in made.strerror
    assert "EOF occurred in violation of protocol" in made.strerror
    assert (made.library, made.reason) == ("SSL", "UNEXPECTED_EOF_WHILE_READING")


def test_a_close_in_the_handshake_is_a_zero_return() -> None:
    closed = errors.TransportError("closed", code="TLS-CLOSED_IN_HANDSHAKE")
    made: Any = as_stdlib(closed)
    assert type(made) is stdlib.SSLZeroReturnError
    assert made.errno == stdlib.SSL_ERROR_ZERO_RETURN


@pytest.mark.parametrize("alert", sorted(reasons.RECEIVED))
def test_received_alerts_have_the_reasons_of_openssl(alert: int) -> None:
    made: Any = as_stdlib(received_alert(alert))
    assert type(made) is stdlib.SSLError
    assert (made.errno, made.library, made.reason) == (1, "SSL", reasons.RECEIVED[alert])
    assert str(made).startswith(f"[SSL: {made.reason}] {made.reason.lower().replace('_', ' ')} (")


def test_an_alert_that_openssl_does_not_know_is_named_after_itself() -> None:
    made: Any = as_stdlib(received_alert(117))
    assert made.reason == "TLSV1_ALERT_GENERAL_ERROR"


@pytest.mark.parametrize(
    ("code", "number", "message"),
    [
        ("TLS-UNKNOWN_CA-SELF_SIGNED", 18, "self-signed certificate"),
        ("TLS-UNKNOWN_CA-UNKNOWN_ROOT", 19, "self-signed certificate in certificate chain"),
        ("TLS-UNKNOWN_CA-MISSING_INTERMEDIATE", 20, "unable to get local issuer certificate"),
    ],
)
def test_refused_certificates_have_verify_codes(code: str, number: int, message: str) -> None:
    made: Any = as_stdlib(errors.UnknownCa("unknown", code=code))
    assert type(made) is stdlib.SSLCertVerificationError
    assert isinstance(made, ValueError)
    assert (made.verify_code, made.verify_message) == (number, message)
    assert str(made).startswith(f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {message} (")


@pytest.mark.parametrize(
    ("name", "number", "message"),
    [
        ("other.example", 62, "Hostname mismatch, certificate is not valid for 'other.example'."),
        ("192.0.2.1", 64, "IP address mismatch, certificate is not valid for '192.0.2.1'."),
        ("2001:db8::1", 64, "IP address mismatch, certificate is not valid for '2001:db8::1'."),
    ],
)
def test_name_mismatches_repeat_the_name(name: str, number: int, message: str) -> None:
    refused = errors.BadCertificate("not for it", code="TLS-NAME_MISMATCH")
    made: Any = as_stdlib(refused, server_hostname=name)
    assert (made.verify_code, made.verify_message) == (number, message)


def test_every_alert_of_ours_becomes_an_error_of_the_standard_library() -> None:
    for cls in (*errors.ALERT_CLASSES.values(), errors.UnknownAlert):
        made: Any = as_stdlib(cls("a cause"))
        assert type(made) in (stdlib.SSLError, stdlib.SSLCertVerificationError)
        assert made.reason
        assert made.library == "SSL"


def test_every_error_without_an_alert_is_translated_too() -> None:
    for name in errors.__all__:
        cls: Any = getattr(errors, name)
        if isinstance(cls, type) and issubclass(cls, errors.TlsError) and not issubclass(cls, AlertError):
            assert type(as_stdlib(cls("a cause"))).__module__ in ("ssl", "builtins"), name


def test_plain_octets_are_a_wrong_version_number_or_an_http_request() -> None:
    cause = "the octets HTTP/1.1 are no TLS record; the peer speaks plain HTTP"
    answer: Any = as_stdlib(errors.UnexpectedMessage(cause, state="ExpectServerHello"))
    asked: Any = as_stdlib(errors.UnexpectedMessage(cause, state="ExpectClientHello"))
    assert "wrong version number" in str(answer)
    assert (answer.reason, asked.reason) == ("WRONG_VERSION_NUMBER", "HTTP_REQUEST")


def test_details_hang_on_the_error() -> None:
    ours = errors.UnknownCa("nobody knows it", remedy="add the CA", code="TLS-UNKNOWN_CA-SELF_SIGNED")
    ours.add_note("also failed: name")
    with pytest.raises(stdlib.SSLCertVerificationError) as caught:
        raise_stdlib(ours)
    made: Any = caught.value
    assert made.tlscore is ours
    shown = "".join(traceback.format_exception(made))
    assert "nobody knows it. Add the CA." in shown
    assert "also failed: name" in shown
    assert made.__cause__ is None


def test_errors_of_others_pass_as_they_are() -> None:
    for error in (ConnectionResetError(104, "reset"), KeyboardInterrupt(), ValueError("x")):
        assert as_stdlib(error) is error


def test_built_errors_have_the_shape_of_openssl() -> None:
    made = ssl_error("NO_SHARED_CIPHER")
    assert (made.errno, made.library, made.reason) == (1, "SSL", "NO_SHARED_CIPHER")
    assert str(made) == "[SSL: NO_SHARED_CIPHER] no shared cipher (tlscore)"
