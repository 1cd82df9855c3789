"""Whoever answers without TLS is named; random octets never do anything but end in an alert."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.peers import failure
from tests.support.standing import carry, connected, ended, fresh
from tlscore import errors

GREETINGS = [
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
    (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "HTTP"),
    (b"POST /form HTTP/1.1\r\n", "HTTP"),
    (b"HEAD / HTTP/1.0\r\n", "HTTP"),
    (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH"),
    (b"220 mail.example.org ESMTP Postfix\r\n", "SMTP"),
    (b"\x80\x2e\x01\x03\x03\x00\x15\x00\x00\x00\x10", "SSLv2"),
]


@pytest.mark.parametrize("role", [0, 1])
@pytest.mark.parametrize(("greeting", "name"), GREETINGS)
def test_other_protocol_is_named(greeting: bytes, name: str, role: int) -> None:
    end = fresh()[role]
    error = failure(end.receive, greeting)
    assert type(error) is errors.UnexpectedMessage
    assert name in str(error)
    assert str(error).isprintable()
    assert len(str(error)) <= 500


def test_terminal_escapes_of_a_peer_are_escaped() -> None:
    end, _ = fresh()
    text = str(failure(end.receive, b"\x1b[31mH\r\n\0\xff"))
    assert text.isprintable()
    assert "\x1b" not in text


@pytest.mark.parametrize("role", [0, 1])
@pytest.mark.parametrize("version", [b"\x03\x00", b"\x03\x01", b"\x03\x02", b"\x03\x03"])
def test_alert_of_an_old_peer_is_explained(role: int, version: bytes) -> None:
    end = fresh()[role]
    error = failure(end.receive, b"\x15" + version + b"\x00\x02\x02\x46")
    assert type(error) is errors.ProtocolVersionError
    assert error.sender == "peer"


@settings(max_examples=400, deadline=None, database=None)
@given(wire=st.binary(max_size=400), role=st.integers(0, 1))
def test_random_octets_end_in_an_alert_or_wait(wire: bytes, role: int) -> None:
    end = fresh()[role]
    error = ended(lambda: end.receive(wire), end.eof)
    assert error is not None, "the end of the stream was taken for a clean one"
    assert end.error is error
    assert not (isinstance(error, errors.InternalError) and error.sender == "us")
    assert len(str(error)) <= 1000


@settings(max_examples=400, deadline=None, database=None)
@given(
    kind=st.sampled_from((20, 21, 22, 23)),
    content=st.binary(min_size=1, max_size=300),
    step=st.integers(0, 3),
    role=st.integers(0, 1),
)
def test_random_records_at_any_step_end_in_an_alert_or_wait(kind: int, content: bytes, step: int, role: int) -> None:
    ends = fresh()
    for turn in range(step):
        carry(ends[turn % 2], ends[1 - turn % 2])
    end = ends[role]
    record = bytes((kind,)) + b"\x03\x03" + len(content).to_bytes(2, "big") + content
    error = ended(lambda: end.receive(record), end.events, end.eof)
    assert error is not None, "the end of the stream was taken for a clean one"
    assert not (isinstance(error, errors.InternalError) and error.sender == "us")
    assert not end.handshake_complete


@settings(max_examples=300, deadline=None, database=None)
@given(kind=st.integers(0, 254), body=st.binary(max_size=200), role=st.integers(0, 1))
def test_random_handshake_messages_end_in_an_alert_or_wait(kind: int, body: bytes, role: int) -> None:
    ends = fresh()
    if role == 0:
        carry(ends[0], ends[1])
    message = bytes((kind,)) + len(body).to_bytes(3, "big") + body
    error = failure(ends[role].receive, b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message)
    assert isinstance(error, errors.AlertError)
    assert not (isinstance(error, errors.InternalError) and error.sender == "us")


@settings(max_examples=200, deadline=None, database=None)
@given(wire=st.binary(min_size=5, max_size=400))
def test_random_octets_after_the_handshake_never_become_data(wire: bytes) -> None:
    _, server = connected()
    got: list[bytes] = []
    error = ended(lambda: server.receive(wire), lambda: got.append(server.read()), server.eof)
    assert b"".join(got) == b""
    assert error is not None, "the end of the stream was taken for a clean one"
    assert not (isinstance(error, errors.InternalError) and error.sender == "us")


@pytest.mark.parametrize("type_octet", [t for t in range(256) if t not in (20, 21, 22, 23)])
def test_unknown_record_types_are_refused_after_the_handshake(type_octet: int) -> None:
    _, server = connected()
    server.receive(bytes((type_octet,)) + b"\x03\x03\x00\x01\x00")
    error = failure(server.read)
    assert type(error) is errors.UnexpectedMessage
    assert error.alert_sent == 10


@pytest.mark.parametrize(
    "record", [b"\x16\x03\x03\x00\x01\x01", b"\x15\x03\x03\x00\x02\x01\x00", b"\x14\x03\x03\x00\x01\x01"]
)
@pytest.mark.parametrize("role", [0, 1])
def test_records_in_the_clear_are_refused_after_the_handshake(record: bytes, role: int) -> None:
    # attack 58. An alert in the clear would let anybody on the way end or close a connection.
    end = connected()[role]
    end.receive(record)
    assert type(failure(end.read)) is errors.UnexpectedMessage
    assert not end.peer_closed


def test_heartbeat_does_not_exist() -> None:
    # attack 52: type 24 is a record type like any unknown one.
    client, _ = fresh()
    assert b"\x00\x0f\x00\x01" not in client.data_to_send()
    assert type(failure(client.receive, b"\x18\x03\x03\x00\x03\x01\x40\x00")) is errors.UnexpectedMessage
