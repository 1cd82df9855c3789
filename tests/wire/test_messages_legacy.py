"""Messages of the legacy tier whose bodies depend on what was agreed, and the ClientHello in the format of SSLv2."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlscore import errors
from tlscore.iana import HandshakeType, ProtocolVersion
from tlscore.wire import Certificate12, ClientHello, Message, ServerHelloDone, decode, encode, encode_struct
from tlscore.wire import messages_legacy as m
from tlscore.wire.struct import decode_struct

TLS11 = ProtocolVersion.TLS11
BODIES = (m.ServerKeyExchangeBody, m.CertificateRequestBody, m.ClientKeyExchangeBody, m.CertificateVerifyBody)

# Octets as the RFCs' presentation language writes them.
STRUCTURES = [
    (m.ServerEcdhParams(3, 0x17, b"\4point"), "03 0017 06 04706f696e74"),
    (m.ServerDhParams(b"\xffp", b"\2", b"y"), "0002 ff70 0001 02 0001 79"),
    (m.Signed12(0x0401, b"sig"), "0401 0003 736967"),
    (m.Signed10(b"sig"), "0003 736967"),
    (m.Request10((1, 64), (b"dn",)), "02 0140 0004 0002 646e"),
    (m.Request12((1,), (0x0401, 0x0403), ()), "01 01 0004 04010403 0000"),
    (m.EncryptedPremaster(b"c"), "0001 63"),
    (m.EncryptedPremaster(b""), "0000"),
    (m.ClientDhPublic(b"y"), "0001 79"),
    (m.ClientEcdhPublic(b"p"), "01 70"),
]


@pytest.mark.parametrize(("value", "octets"), STRUCTURES, ids=lambda value: type(value).__name__)
def test_structure_stands_as_the_rfc_writes_it(value: Any, octets: str) -> None:
    wire = bytes.fromhex(octets)
    assert encode_struct(value) == wire
    assert decode_struct(type(value), wire) == value
    for cut in range(len(wire)):
        with pytest.raises(errors.DecodeError):
            decode_struct(type(value), wire[:cut])
    with pytest.raises(errors.DecodeError):
        decode_struct(type(value), wire + b"\0")


@pytest.mark.parametrize("cls", BODIES)
@pytest.mark.parametrize("body", [b"", b"x", bytes(300)])
def test_body_is_kept_as_it_came(cls: type[Message], body: bytes) -> None:
    message = cls(body)
    assert decode(encode(message), TLS11) == message


def test_other_messages_are_those_of_tls12() -> None:
    for message in (ServerHelloDone(), Certificate12((b"c",))):
        assert decode(encode(message), TLS11) == message
    with pytest.raises(errors.UnexpectedMessage):
        decode(bytes((HandshakeType.encrypted_extensions, 0, 0, 2, 0, 0)), TLS11)


@pytest.mark.parametrize("curve_type", [0, 1, 2, 4, 255])
def test_explicit_curves_are_refused(curve_type: int) -> None:
    """RFC 8422 5.4 has named curves alone: nobody gives parameters of his own."""
    with pytest.raises(errors.IllegalParameter):
        m.decode_first(m.ServerEcdhParams, bytes((curve_type, 0, 23, 1, 4)))


def test_first_structure_and_the_rest() -> None:
    value, own, behind = m.decode_first(m.ServerDhParams, bytes.fromhex("0001 05 0001 02 0001 03") + b"behind")
    assert (value, own, behind) == (
        m.ServerDhParams(b"\5", b"\2", b"\3"),
        bytes.fromhex("000105000102000103"),
        b"behind",
    )


# -- SSLv2 -------------------------------------------------------------------------------------------------------------


def sslv2(
    version: int = 0x0303, specs: bytes = b"\0\0\x2f", session: bytes = b"", challenge: bytes = bytes(32)
) -> bytes:
    lengths = b"".join(len(part).to_bytes(2, "big") for part in (specs, session, challenge))
    body = b"\1" + version.to_bytes(2, "big") + lengths + specs + session + challenge
    return (0x8000 | len(body)).to_bytes(2, "big") + body


def test_sslv2_hello_stands_for_a_client_hello() -> None:
    """RFC 5246 E.2: suites with a zero in front are TLS's, a short challenge stands behind leading zeros."""
    raw = sslv2(0x0302, b"\0\0\x2f\1\0\x80\0\0\xff", challenge=b"c" * 16)
    hello = m.decode_sslv2_hello(raw)
    assert hello == ClientHello(0x0302, bytes(16) + b"c" * 16, b"", (0x002F, 0x00FF), b"\0", hello.extensions)
    assert len(hello.extensions) == 0
    assert m.sslv2_transcript(raw) == raw[2:]


def test_session_of_sslv2_is_passed_over() -> None:
    assert m.decode_sslv2_hello(sslv2(session=bytes(16))).legacy_session_id == b""


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x80",
        sslv2()[:-1],
        sslv2() + b"\0",
        sslv2(specs=b""),
        sslv2(specs=b"\0\0"),
        sslv2(session=b"x"),
        sslv2(challenge=bytes(15)),
        sslv2(challenge=bytes(33)),
        # Handshake messages of unknown types, whose length octets read as those of an SSLv2 hello.
        b"\x81\0\0\xfe" + sslv2()[4:11] + bytes(0x102 - 11),
        sslv2()[:2] + b"\2" + sslv2()[3:],
        sslv2(0x0200),
    ],
)
def test_sslv2_hello_whose_lengths_lie_is_refused(raw: bytes) -> None:
    """RFC 5246 E.2: cipher_spec_length cannot be zero and MUST be a multiple of 3; 16 to 32 octets of challenge."""
    with pytest.raises(errors.DecodeError):
        m.decode_sslv2_hello(raw)


@given(st.binary(max_size=120))
def test_any_octets_give_a_hello_or_a_decode_error(data: bytes) -> None:
    raw = (0x8000 | len(data)).to_bytes(2, "big") + data
    try:
        hello = m.decode_sslv2_hello(raw)
    except errors.DecodeError:
        return
    assert len(hello.random) == 32


@given(st.sampled_from([type(value) for value, _ in STRUCTURES]), st.binary(max_size=60))
def test_any_octets_are_a_structure_or_an_alert(cls: Any, data: bytes) -> None:
    try:
        value = decode_struct(cls, data)
    except (errors.DecodeError, errors.IllegalParameter):
        return
    assert encode_struct(value) == data
