"""Errors: one class per alert, texts that say cause and remedy, safe to print, safe to pickle."""

import pickle

import pytest

from tlscore import errors
from tlscore.catalogue import ALERTS, explain
from tlscore.iana import AlertDescription


def test_every_alert_of_tls13_has_its_class_and_iana_name() -> None:
    for number, cls in errors.ALERT_CLASSES.items():
        assert AlertDescription.name_of(number) == cls.alert_name
        assert cls.code == "TLS-" + cls.alert_name.upper()
    recommended = {one.code for one in AlertDescription.entries() if one.status in ("recommended", "optional")}
    assert set(errors.ALERT_CLASSES) == recommended - {AlertDescription.close_notify}


@pytest.mark.parametrize("role", ["client", "server", None])
@pytest.mark.parametrize("number", sorted(errors.ALERT_CLASSES))
def test_received_alert_is_explained_from_our_side(number: int, role: str) -> None:
    error = errors.received_alert(number, 2, 9, role=role)  # type: ignore[arg-type]
    assert type(error) is errors.ALERT_CLASSES[number]
    assert (error.sender, error.alert_received, error.alert_sent, error.stage) == ("peer", number, None, 9)
    assert str(error).startswith(f"the peer sent {error.alert_name}({number}): ")
    assert error.cause
    assert error.remedy


def test_received_unknown_ca_tells_the_server_about_its_own_certificate() -> None:
    assert "server certificate" in str(errors.received_alert(48, role="server"))
    assert "client certificate" in str(errors.received_alert(48, role="client"))


def test_received_alert_that_tls13_does_not_define_keeps_its_number() -> None:
    assert "no_certificate(41)" in str(errors.received_alert(41))
    error = errors.received_alert(213)
    assert isinstance(error, errors.UnknownAlert)
    assert error.alert == error.alert_received == 213


def test_catalogue_names_only_alerts_of_the_registry() -> None:
    assert all(AlertDescription.knows(number) for number in ALERTS)
    assert explain(48, "client") != explain(48, "server")


def test_own_alert_says_who_refused_and_where_it_is_written() -> None:
    error = errors.IllegalParameter("the group was not offered", remedy="offer it", section="RFC 9846 4.3.8")
    assert str(error) == "we refused: illegal_parameter(47): the group was not offered. Offer it. [RFC 9846 4.3.8]"
    assert (error.sender, error.code, error.alert) == ("us", "TLS-ILLEGAL_PARAMETER", 47)


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [
        (errors.ConfigError, ValueError),
        (errors.TruncationError, ConnectionError),
        (errors.HandshakeTimeout, TimeoutError),
        (errors.WantReadError, BlockingIOError),
        (errors.WantWriteError, BlockingIOError),
        (errors.ConnectionClosedError, ConnectionError),
        (errors.BufferTooSmall, ValueError),
    ],
)
def test_errors_are_also_what_programs_catch_today(cls: type[errors.TlsError], builtin: type[Exception]) -> None:
    error = cls("cause", remedy="remedy", code="TLS-X")
    assert isinstance(error, builtin)
    assert (str(error).startswith("cause. Remedy."), error.code) == (True, "TLS-X")


@pytest.mark.parametrize(
    "cls", [errors.DecryptError, errors.WantReadError, errors.HandshakeTimeout, errors.ConfigError]
)
def test_error_survives_pickling_with_attributes_and_notes(cls: type[errors.TlsError]) -> None:
    error = cls("cause", remedy="remedy", section="here", stage=13, state="ExpectFinished", alert_sent=51, sender="us")
    error.add_note("while connecting to example.org")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert (str(copy), vars(copy)) == (str(error), vars(error))
    assert copy.__notes__ == ["while connecting to example.org"]


def test_escape_makes_peer_text_harmless_and_short() -> None:
    assert errors.escape("a\nb\x1b[31m\u202e\\") == "a\\nb\\x1b[31m\\u202e\\\\"
    assert errors.escape(b"\xff\x00ok") == "\\xff\\x00ok"
    assert len(errors.escape(b"\x00" * 10**6)) == errors.TEXT_LIMIT
    assert errors.escape("x" * 501).endswith("...")
    assert errors.escape("x" * 500) == "x" * 500


def test_unknown_keyword_names_the_nearest() -> None:
    assert 'Did you mean "suites"?' in str(errors.unknown_keyword("ClientConfig", "suite", ("suites", "groups")))
    assert "known: suites, groups" in str(errors.unknown_keyword("ClientConfig", "zzz", ("suites", "groups")))


def test_remedy_is_a_sentence_and_a_command_in_it_stays_as_it_is_typed() -> None:
    error = errors.ConfigError("no such cipher", remedy="leave it out")
    assert str(error) == "no such cipher. Leave it out."
    error = errors.ConfigError("no such cipher", remedy="tlscore suites --openssl HIGH shows an expansion")
    assert str(error) == "no such cipher. tlscore suites --openssl HIGH shows an expansion."
