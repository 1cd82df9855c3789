"""Messages of TLS 1.2: round trips, known octets, bounds, truncation, and which version reads which message."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.samples import SH12, around, block
from tlscore import errors
from tlscore import wire as w
from tlscore.iana import HandshakeType, ProtocolVersion

OLD = ProtocolVersion.TLS12

SAMPLES: dict[str, w.Message] = {
    type(message).__name__: message
    for message in (
        w.HelloRequest(),
        around(SH12, block(SH12)),
        w.NewSessionTicket12(7200, b"ticket"),
        w.Certificate12((b"leaf", b"intermediate")),
        w.CertificateStatus12(1, b"response"),
        w.ServerKeyExchange(3, 0x001D, bytes(range(32)), 0x0403, b"signature"),
        w.CertificateRequest12((64, 1), (0x0403, 0x0804), (b"0\x03abc", b"0")),
        w.ServerHelloDone(),
        w.CertificateVerify(0x0401, b"signature"),
        w.ClientKeyExchange(bytes(range(32))),
        w.Finished12(bytes(range(12))),
    )
}
# header and body by hand, after the RFCs
KNOWN = {
    "HelloRequest": "00000000",
    "NewSessionTicket12": "0400000c 00001c20 0006 7469636b6574",
    "Certificate12": "0b000019 000016 000004 6c656166 00000c 696e7465726d656469617465",
    "CertificateStatus12": "1600000c 01 000008 726573706f6e7365",
    "ServerKeyExchange": "0c000031 03001d 20 " + bytes(range(32)).hex() + " 0403 0009 7369676e6174757265",
    "CertificateRequest12": "0d000015 02 4001 0004 0403 0804 000a 0005 3003616263 0001 30",
    "ServerHelloDone": "0e000000",
    "CertificateVerify": "0f00000d 0401 0009 7369676e6174757265",
    "ClientKeyExchange": "10000021 20 " + bytes(range(32)).hex(),
    "Finished12": "1400000c 000102030405060708090a0b",
}


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_survives_encoding(name: str) -> None:
    message = SAMPLES[name]
    data = w.encode(message)
    assert w.decode(data, OLD) == message
    assert w.encode(w.decode(data, OLD)) == data


@pytest.mark.parametrize("name", KNOWN)
def test_octets_are_those_of_the_rfc(name: str) -> None:
    assert w.encode(SAMPLES[name]) == bytes.fromhex(KNOWN[name])


def test_every_message_class_has_a_sample() -> None:
    kinds = {cls.__name__ for cls in w.MESSAGES12.values()} - {"ClientHello", "ServerHello"}
    assert {*SAMPLES} == kinds | {"ServerHello12"}


def test_hellos_are_the_same_in_both_versions() -> None:
    for kind in (HandshakeType.client_hello, HandshakeType.server_hello):
        assert w.MESSAGES[kind] is w.MESSAGES12[kind]


@pytest.mark.parametrize("kind", [kind for kind in range(256) if kind not in w.MESSAGES12])
def test_decode_refuses_types_that_tls12_does_not_have(kind: int) -> None:
    with pytest.raises(errors.UnexpectedMessage, match=r"does not exist in TLS 1\.2"):
        w.decode(bytes([kind, 0, 0, 0]), OLD)


def with_length(data: bytes) -> bytes:
    return data[:1] + (len(data) - 4).to_bytes(3, "big") + data[4:]


@pytest.mark.parametrize("name", SAMPLES)
def test_decode_refuses_every_truncation_and_every_octet_behind(name: str) -> None:
    data = w.encode(SAMPLES[name])
    for cut in range(4, len(data)):
        try:
            shorter = w.decode(with_length(data[:cut]), OLD)
        except errors.DecodeError:
            continue
        # A hello without its extensions is a hello.
        assert isinstance(shorter, w.ServerHello12)
        assert len(shorter.extensions) == 0
    with pytest.raises(errors.DecodeError):
        w.decode(with_length(data + b"\0"), OLD)


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        # RFC 5246 7.4.9: "verify_data [...] 12 octets"
        (20, bytes(11), errors.DecodeError),
        (20, bytes(13), errors.DecodeError),
        (20, b"", errors.DecodeError),
        # RFC 8422 5.4: named_curve(3) alone
        (12, b"\x01\x00\x1d\x01x\x04\x03\x00\x00", errors.IllegalParameter),
        (12, b"\x02\x00\x1d\x01x\x04\x03\x00\x00", errors.IllegalParameter),
        (12, b"\x03\x00\x1d\x00\x04\x03\x00\x00", errors.DecodeError),
        (12, b"\x03\x00\x1d\x01x", errors.DecodeError),
        (16, b"\x00", errors.DecodeError),
        (16, b"", errors.DecodeError),
        (13, b"\x00\x00\x02\x04\x03\x00\x00", errors.DecodeError),
        (13, b"\x01\x40\x00\x00\x00\x00", errors.DecodeError),
        (13, b"\x01\x40\x00\x03\x04\x03\x04\x00\x00", errors.DecodeError),
        (13, b"\x01\x40\x00\x02\x04\x03\x00\x02\x00\x00", errors.DecodeError),
        (11, b"\x00\x00\x03\x00\x00\x00", errors.DecodeError),
        (22, b"\x01\x00\x00\x00", errors.DecodeError),
        (14, b"\0", errors.DecodeError),
        (0, b"\0", errors.DecodeError),
    ],
    ids=lambda value: value.hex() if isinstance(value, bytes) else str(value),
)
def test_bounds(kind: int, body: bytes, expected: type[errors.AlertError]) -> None:
    with pytest.raises(expected):
        w.decode(bytes([kind]) + len(body).to_bytes(3, "big") + body, OLD)


@given(st.sampled_from(sorted(w.MESSAGES12)), st.binary(max_size=120))
def test_noise_gives_a_value_or_a_tls_error(kind: int, body: bytes) -> None:
    try:
        message = w.decode(bytes([kind]) + len(body).to_bytes(3, "big") + body, OLD)
    except errors.AlertError:
        return
    assert w.decode(w.encode(message), OLD) == message


def test_what_tls13_calls_a_certificate_is_none_here() -> None:
    newer: Any = w.Certificate(b"", (w.CertificateEntry(b"leaf", w.Extensions()),))
    with pytest.raises(errors.DecodeError):
        w.decode(w.encode(newer), OLD)


def test_server_hello_without_extensions_ends_before_them() -> None:
    """RFC 4366 2.2: an extended ServerHello answers an extended ClientHello alone; without one there is no block."""
    hello = w.ServerHello12(0x0303, bytes(32), b"", 0x002F, 0, w.Extensions())
    assert w.encode(hello)[4:] == b"\3\3" + bytes(32) + b"\0" + b"\0\x2f" + b"\0"
    assert w.decode(w.encode(hello), ProtocolVersion.TLS12) == hello
