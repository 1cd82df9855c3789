"""Messages: round trips, known bytes, and what every truncation and mutation does."""

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tools import require_vectors
from tests.wire.samples import MESSAGE_SAMPLES, MESSAGE_STRATEGIES
from tlscore import errors
from tlscore import wire as w
from tlscore.iana import HandshakeType


def rfc8448(name: str) -> bytes:
    """A plaintext record of RFC 8448 section 3, without its record header."""
    vectors = json.loads(require_vectors("rfc8448-section3.json").read_text())
    return bytes.fromhex(vectors["values"][name])[5:]


@pytest.mark.parametrize("name", MESSAGE_SAMPLES)
def test_sample_survives_encoding(name: str) -> None:
    message = MESSAGE_SAMPLES[name]
    data = w.encode(message)
    assert w.decode(data) == message
    assert w.encode(w.decode(data)) == data
    assert pickle.loads(pickle.dumps(message)) == message
    assert hash(w.decode(data)) == hash(message)


@pytest.mark.parametrize("name", MESSAGE_STRATEGIES)
def test_any_message_survives_encoding(name: str) -> None:
    @given(MESSAGE_STRATEGIES[name])
    def survives(message: w.Message) -> None:
        assert w.decode(w.encode(message)) == message

    survives()


def test_every_message_class_has_a_sample_and_a_strategy() -> None:
    kinds: list[type[w.Message]] = [*w.MESSAGES.values(), w.HelloRetryRequest, w.ServerHello12]
    classes = {cls.__name__ for cls in kinds}
    assert {type(message).__name__ for message in MESSAGE_SAMPLES.values()} == classes
    assert {*MESSAGE_STRATEGIES} == classes


def test_client_hello_of_rfc8448_decodes_and_encodes_to_the_same_octets() -> None:
    data = rfc8448("clientHello")
    hello = w.decode(data)
    assert isinstance(hello, w.ClientHello)
    assert w.encode(hello) == data
    assert hello.cipher_suites == (0x1301, 0x1303, 0x1302)
    assert hello.extensions.get(w.ServerName) == w.ServerName(b"server")
    assert hello.extensions.get(w.SupportedVersions) == w.SupportedVersions((0x0304,))
    share = hello.extensions.get(w.KeyShareClientHello)
    assert share is not None
    assert [entry.group for entry in share.client_shares] == [0x001D]
    assert hello.extensions.codes == (0, 65281, 10, 35, 51, 43, 13, 45, 28)


def test_server_hello_of_rfc8448_decodes_and_encodes_to_the_same_octets() -> None:
    data = rfc8448("serverHello")
    hello = w.decode(data)
    assert isinstance(hello, w.ServerHello)
    assert w.encode(hello) == data
    assert hello.cipher_suite == 0x1301
    assert hello.extensions.get(w.SelectedVersion) == w.SelectedVersion(0x0304)


def with_length(data: bytes) -> bytes:
    return data[:1] + (len(data) - 4).to_bytes(3, "big") + data[4:]


# Cuts that leave a shorter, valid message: a hello without its extensions (TLS 1.2), and verify_data, whose length only
# the suite knows.
def stands_shorter(message: w.Message, shorter: w.Message) -> bool:
    if isinstance(message, w.ServerHello | w.ServerHello12):
        return type(shorter) is w.ServerHello12 and shorter._values() == (*message._values()[:-1], w.Extensions())
    if isinstance(message, w.ClientHello):
        return shorter == message.replace(extensions=w.Extensions())
    return isinstance(message, w.Finished)


@pytest.mark.parametrize("name", MESSAGE_SAMPLES)
def test_decode_refuses_every_truncation(name: str) -> None:
    message = MESSAGE_SAMPLES[name]
    data = w.encode(message)
    for cut in range(len(data)):
        with pytest.raises(errors.DecodeError):
            w.decode(data[:cut])
        if cut < 4:
            continue
        # RFC 9846 6: "a message which cannot be parsed according to the syntax (e.g., have a length extending beyond
        # the message boundary [...]) MUST terminate the connection with a "decode_error" alert."
        try:
            shorter = w.decode(with_length(data[:cut]))
        except errors.DecodeError:
            continue
        assert stands_shorter(message, shorter), cut


@pytest.mark.parametrize("name", [name for name in MESSAGE_SAMPLES if name != "Finished"])
def test_decode_refuses_octets_behind_the_message(name: str) -> None:
    data = w.encode(MESSAGE_SAMPLES[name])
    with pytest.raises(errors.DecodeError):
        w.decode(data + b"\0")
    with pytest.raises(errors.DecodeError):
        w.decode(with_length(data + b"\0"))


def refusal(data: bytes) -> errors.AlertError | None:
    """How `data` is refused, or None if it decodes. Any other exception is a fault."""
    try:
        w.decode(data)
    except errors.AlertError as error:
        return error
    return None


@pytest.mark.parametrize("name", MESSAGE_SAMPLES)
def test_every_mutation_of_an_octet_gives_a_value_or_a_tls_error(name: str) -> None:
    kinds = (errors.DecodeError, errors.IllegalParameter, errors.UnexpectedMessage)
    data = w.encode(MESSAGE_SAMPLES[name])
    for place in range(len(data)):
        for flip in (0x01, 0x02, 0x08, 0x10, 0x80, 0xFF):
            mutated = bytearray(data)
            mutated[place] ^= flip
            error = refusal(bytes(mutated))
            assert error is None or isinstance(error, kinds)
            assert error is None or (error.cause and error.section)


@given(st.sampled_from(sorted(w.MESSAGES)), st.binary(max_size=120))
def test_noise_gives_a_value_or_a_tls_error(kind: int, body: bytes) -> None:
    try:
        message = w.decode(bytes([kind]) + len(body).to_bytes(3, "big") + body)
    except errors.AlertError:
        return
    assert w.decode(w.encode(message)) == message


@pytest.mark.parametrize("kind", [kind for kind in range(256) if kind not in w.MESSAGES])
def test_decode_refuses_types_that_tls13_does_not_have(kind: int) -> None:
    with pytest.raises(errors.UnexpectedMessage, match=HandshakeType.name_of(kind)):
        w.decode(bytes([kind, 0, 0, 0]))


def test_decode_tells_hello_retry_request_by_its_random() -> None:
    # RFC 9846 4.2.3: "implementations MUST first examine the Random value"
    retry = MESSAGE_SAMPLES["HelloRetryRequest"]
    data = bytearray(w.encode(retry))
    assert data[0] == HandshakeType.server_hello
    assert type(w.decode(bytes(data))) is w.HelloRetryRequest
    data[6] ^= 1
    with pytest.raises(errors.AlertError):
        w.decode(bytes(data))  # the form of key_share in a HelloRetryRequest is none of a ServerHello
    assert isinstance(retry, w.HelloRetryRequest)
    assert w.encode(retry.replace(random=bytes(32))) == w.encode(retry)


def test_client_hello_may_lack_the_block_of_extensions() -> None:
    hello = w.ClientHello(0x0303, bytes(32), b"", (0xC02F,), b"\0", w.Extensions())
    data = w.encode(hello)
    assert data.endswith(b"\0\0")
    assert w.decode(data) == hello
    assert w.decode(with_length(data[:-2])) == hello
    with pytest.raises(errors.DecodeError):
        w.decode(with_length(data[:-1]))


def test_server_hello_of_tls12_decodes_when_other_extensions_stand_in_it() -> None:
    # Those would be out of place in TLS 1.3.
    old = (w.ExtendedMainSecret(), w.RenegotiationInfo(b""), w.EcPointFormats((0,)), w.Alpn((b"h2",)))
    hello = w.ServerHello(0x0303, bytes(32), b"", 0xC02F, 0, w.Extensions(old))
    found = w.decode(w.encode(hello))
    assert isinstance(found, w.ServerHello12)
    assert list(found.extensions) == list(old)
    with pytest.raises(errors.IllegalParameter):
        w.decode(w.encode(hello.replace(extensions=w.Extensions((*old, w.SelectedVersion(0x0304))))))


@pytest.mark.parametrize("value", [2, 255])
def test_decode_refuses_key_update_with_another_value(value: int) -> None:
    # RFC 9846 4.7.3: "If an implementation receives any other value, it MUST terminate the connection with an
    # "illegal_parameter" alert."
    with pytest.raises(errors.IllegalParameter):
        w.decode(bytes([24, 0, 0, 1, value]))


BOUNDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("ClientHello", {"legacy_session_id": bytes(32)}, {"legacy_session_id": bytes(33)}),
    ("ClientHello", {"legacy_compression_methods": bytes(255)}, {"legacy_compression_methods": bytes(256)}),
    ("ClientHello", {"legacy_compression_methods": b"\0"}, {"legacy_compression_methods": b""}),
    ("ClientHello", {"cipher_suites": (1,) * 32767}, {"cipher_suites": (1,) * 32768}),
    ("ClientHello", {"cipher_suites": (65535,)}, {"cipher_suites": ()}),
    ("ClientHello", {"random": bytes(32)}, {"random": bytes(31)}),
    ("ClientHello", {"legacy_version": 65535}, {"legacy_version": 65536}),
    ("ServerHello", {"cipher_suite": 0}, {"cipher_suite": -1}),
    ("CertificateRequest", {"certificate_request_context": bytes(255)}, {"certificate_request_context": bytes(256)}),
    ("CertificateVerify", {"signature": bytes(65535)}, {"signature": bytes(65536)}),
    ("CertificateVerify", {"signature": b""}, {"algorithm": 65536}),
    ("Finished", {"verify_data": b"x"}, {"verify_data": b""}),
    ("NewSessionTicket", {"ticket": b"t"}, {"ticket": b""}),
    ("NewSessionTicket", {"ticket_nonce": bytes(255)}, {"ticket_nonce": bytes(256)}),
    ("NewSessionTicket", {"ticket_lifetime": 2**32 - 1}, {"ticket_lifetime": 2**32}),
    ("HelloRetryRequest", {"extensions": w.Extensions([w.SelectedVersion(1)])}, {"extensions": w.Extensions()}),
    ("Certificate", {"certificate_list": ()}, {"certificate_list": (w.CertificateEntry(b"", w.Extensions()),)}),
    ("ClientHello", {}, {"cipher_suites": (65536,)}),
]


@pytest.mark.parametrize(("name", "allowed", "refused"), BOUNDS)
def test_encode_keeps_the_bounds(name: str, allowed: dict[str, Any], refused: dict[str, Any]) -> None:
    message = MESSAGE_SAMPLES[name]
    assert w.decode(w.encode(message.replace(**allowed))) == message.replace(**allowed)
    with pytest.raises(errors.InternalError):
        w.encode(message.replace(**refused))


def test_encode_refuses_a_message_beyond_its_24_bit_length() -> None:
    entry = w.CertificateEntry(bytes(2**24 - 6), w.Extensions())
    with pytest.raises(errors.InternalError):
        w.encode(w.Certificate(b"", (entry,)))
    with pytest.raises(errors.InternalError):
        w.encode(w.Finished(bytes(2**24)))


BODY = bytes(2) + bytes(32)
MALFORMED = {
    "session id of 33 octets": (1, BODY + b"\x21" + bytes(33) + b"\0\2\x13\x01\1\0"),
    "no cipher suite": (1, BODY + b"\0\0\0\1\0"),
    "odd cipher suites": (1, BODY + b"\0\0\3\x13\x01\0\1\0"),
    "no compression method": (1, BODY + b"\0\0\2\x13\x01\0"),
    "empty certificate": (11, b"\0\0\0\5\0\0\0\0\0"),
    "certificate list cut": (11, b"\0\0\0\5\0\0\1\0\0"),
    "empty ticket": (4, bytes(8) + b"\0" + b"\0\0" + b"\0\0"),
    "empty finished": (20, b""),
    "end of early data with data": (5, b"\0"),
    "retry without extensions": (2, bytes(2) + w.HRR_RANDOM + b"\0\x13\x01\0"),
    "retry with an empty block": (2, bytes(2) + w.HRR_RANDOM + b"\0\x13\x01\0\0\0"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_decode_keeps_the_bounds(name: str) -> None:
    kind, body = MALFORMED[name]
    with pytest.raises(errors.DecodeError):
        w.decode(bytes([kind]) + len(body).to_bytes(3, "big") + body)


def test_message_hash_encodes_as_the_transcript_needs_it() -> None:
    # RFC 9846 4.1: the synthetic message has type message_hash (254) and the hash as its body.
    assert w.encode(w.MessageHash(b"\xaa" * 32)) == b"\xfe\0\0\x20" + b"\xaa" * 32


def test_binders_are_cut_off_where_the_list_begins() -> None:
    offer = w.PreSharedKeyClientHello((w.PskIdentity(b"a", 1), w.PskIdentity(b"b", 2)), (bytes(32), bytes(48)))
    hello = w.ClientHello(0x0303, bytes(32), b"", (0x1301,), b"\0", w.Extensions([offer]))
    data = w.encode(hello)
    cut = w.truncate_before_binders(data, hello)
    assert len(data) - len(cut) == offer.binders_octets == 2 + 33 + 49
    assert cut.endswith(b"\0\1b\0\0\0\2")
    plain = hello.replace(extensions=w.Extensions())
    assert w.truncate_before_binders(w.encode(plain), plain) == w.encode(plain)


def test_structures_decode_on_their_own() -> None:
    entry = w.KeyShareEntry(29, b"share")
    data = w.encode_struct(entry)
    assert w.decode_struct(w.KeyShareEntry, data) == entry
    with pytest.raises(errors.DecodeError, match=r"KeyShareEntry is followed by 1 octets"):
        w.decode_struct(w.KeyShareEntry, data + b"\0")


def test_error_names_the_field_and_its_section() -> None:
    with pytest.raises(errors.DecodeError, match=r"ClientHello\.legacy_session_id has 33 octets; 0 to 32") as caught:
        w.decode(bytes([1, 0, 0, 68]) + BODY + b"\x21" + bytes(33))
    assert caught.value.section == "RFC 9846 4.2.2"
