"""Extensions: the table of what may stand where, duplicates, order, left-over octets, and the rules about values."""

from typing import Any

import pytest

from tests.wire.samples import EXTENSION_SAMPLES, around, block, extensions_of, placed
from tlscore import errors
from tlscore import wire as w
from tlscore.iana import ExtensionType
from tlscore.wire.extensions import CH, CR, CT, EE, EXTENSIONS, HRR, MESSAGES_WITH_EXTENSIONS, NST, SH, SH12

# RFC 9846 4.3, table 1, written down a second time; what is not in it is for TLS 1.2, whose ServerHello is SH12.
TABLE = {
    "server_name": "CH EE CR SH12",
    "max_fragment_length": "CH EE SH12",
    "status_request": "CH CR CT SH12",
    "supported_groups": "CH EE",
    "signature_algorithms": "CH CR",
    "application_layer_protocol_negotiation": "CH EE SH12",
    "signed_certificate_timestamp": "CH CR CT SH12",
    "padding": "CH",
    "record_size_limit": "CH EE SH12",
    "pre_shared_key": "CH SH",
    "early_data": "CH EE NST",
    "supported_versions": "CH SH HRR",
    "cookie": "CH HRR",
    "psk_key_exchange_modes": "CH",
    "certificate_authorities": "CH CR",
    "oid_filters": "CR",
    "post_handshake_auth": "CH",
    "signature_algorithms_cert": "CH CR",
    "key_share": "CH SH HRR",
    "ec_point_formats": "CH SH12",
    "encrypt_then_mac": "CH SH12",
    "extended_main_secret": "CH SH12",
    "session_ticket": "CH SH12",
    "renegotiation_info": "CH SH12",
}
SHORT = {"CH": CH, "SH": SH, "HRR": HRR, "EE": EE, "CR": CR, "CT": CT, "NST": NST, "SH12": SH12}
FORMS = {ExtensionType.name_of(next(iter(forms.values())).code): forms for forms in EXTENSIONS}
PAIRS = [(name, message) for name in FORMS for message in MESSAGES_WITH_EXTENSIONS]


def in_message(message: str, *raw: tuple[int, bytes]) -> bytes:
    """An encoded message with extensions given as codes and data, whatever they hold."""
    return w.encode(around(message, w.Extensions([w.UnknownExtension(code, data) for code, data in raw])))


def raw(value: w.Extension) -> tuple[int, bytes]:
    return value.code, w.encode_struct(value)


# A ServerHello is judged by the table only if it selects a version.
def version_for(message: str, code: int) -> list[tuple[int, bytes]]:
    return [(43, b"\3\4")] if message in (SH, HRR) and code != 43 else []


def test_table_says_what_the_rfc_says() -> None:
    assert {*FORMS} == {*TABLE}
    for name, forms in FORMS.items():
        assert {*forms} == {SHORT[short] for short in TABLE[name].split()}, name
        assert {cls.code for cls in forms.values()} == {ExtensionType.code_of(name)}


def test_every_form_has_a_sample() -> None:
    assert {*EXTENSION_SAMPLES} == {cls for forms in EXTENSIONS for cls in forms.values()}


@pytest.mark.parametrize(("name", "message"), PAIRS)
def test_extension_is_accepted_where_it_may_stand_and_refused_elsewhere(name: str, message: str) -> None:
    forms = FORMS[name]
    code = ExtensionType.code_of(name)
    if message in forms:
        value = placed(forms, message)
        found = extensions_of(w.decode(in_message(message, *version_for(message, code), raw(value))))
        assert found.get(forms[message]) == value
        assert type(found.get(forms[message])) is forms[message]
        return
    # RFC 9846 4.3: "If an implementation receives an extension which it recognizes and which is not specified for the
    # message in which it appears, it MUST abort the handshake with an "illegal_parameter" alert."
    if message == SH12 and code == ExtensionType.supported_versions:  # it makes a ServerHello of TLS 1.3
        return
    sample = EXTENSION_SAMPLES[forms[SH] if message == SH12 and SH in forms else next(iter(forms.values()))]
    data = in_message(message, *version_for(message, code), raw(sample))
    with pytest.raises(errors.IllegalParameter, match=f"{name} may not stand in {message}"):
        # Whether a ServerHello of TLS 1.2 is wanted at all comes first there, so the handshake judges it.
        w.check_placement(extensions_of(w.decode(data)), message) if message == SH12 else w.decode(data)


@pytest.mark.parametrize(("name", "message"), PAIRS)
def test_octets_left_over_are_refused(name: str, message: str) -> None:
    forms = FORMS[name]
    if message not in forms or forms[message] in (w.Padding, w.SessionTicket):  # these two take all there is
        return
    code, data = raw(placed(forms, message))
    # RFC 9846 4.3: "receivers MUST abort the handshake with a "decode_error" alert if there is data left over"
    with pytest.raises(errors.DecodeError):
        w.decode(in_message(message, *version_for(message, code), (code, data + b"\0")))


@pytest.mark.parametrize("message", MESSAGES_WITH_EXTENSIONS)
@pytest.mark.parametrize("same", [(0x2A2A, b""), (0, b"\0\x04\0\0\1a")])
def test_duplicates_are_refused(message: str, same: tuple[int, bytes]) -> None:
    if same[0] == 0 and message not in (CH, CR):
        same = (0x7777, b"x")
    one = in_message(message, *version_for(message, 0), same)
    other = in_message(message, *version_for(message, 0), same, (same[0] ^ 1, same[1]))
    assert w.decode(one)
    forged = bytearray(other)
    place = forged.rindex((same[0] ^ 1).to_bytes(2, "big") + len(same[1]).to_bytes(2, "big"))
    forged[place : place + 2] = same[0].to_bytes(2, "big")
    # RFC 9846 4.3: "There MUST NOT be more than one extension of the same type in a given extension block."
    with pytest.raises(errors.IllegalParameter, match="two"):
        w.decode(bytes(forged))


def test_pre_shared_key_is_refused_when_it_is_not_last_in_client_hello() -> None:
    offer = raw(EXTENSION_SAMPLES[w.PreSharedKeyClientHello])
    assert w.decode(in_message(CH, (0x2A2A, b""), offer))
    # RFC 9846 4.3.11: "Servers MUST check that it is the last extension and otherwise fail the handshake with an
    # "illegal_parameter" alert."
    with pytest.raises(errors.IllegalParameter, match="last"):
        w.decode(in_message(CH, offer, (0x2A2A, b"")))
    # "(but can appear anywhere in the ServerHello extensions block)"
    assert w.decode(in_message(SH, raw(w.PreSharedKeyServerHello(0)), (43, b"\3\4")))


REFUSED: list[tuple[str, int, bytes, type[errors.AlertError]]] = [
    (CH, 0, b"", errors.DecodeError),  # an empty server_name is the server's answer
    (EE, 0, b"\0\4\0\0\1a", errors.DecodeError),  # and a full one is none
    (CH, 0, b"\0\0", errors.DecodeError),  # a list without names
    (CH, 0, b"\0\3\0\0\0", errors.DecodeError),  # an empty name
    (CH, 0, b"\0\4\1\0\1a", errors.DecodeError),  # of an unknown type
    (CH, 0, b"\0\x08\0\0\1a\0\0\1b", errors.DecodeError),  # two names
    (CH, 0, b"\0\4\0\0\2a", errors.DecodeError),
    (CH, 0, b"\0\4\0\0\1\xe9", errors.IllegalParameter),  # not ASCII
    (CH, 0, b"\0\6\0\0\3a\0b", errors.IllegalParameter),  # NUL
    (CH, 1, b"\0", errors.IllegalParameter),
    (CH, 1, b"\5", errors.IllegalParameter),
    (CH, 5, b"\1\0\0", errors.DecodeError),
    (CH, 5, b"", errors.DecodeError),
    (CT, 5, b"\2\0\0\1x", errors.IllegalParameter),
    (CT, 5, b"\1\0\0\0", errors.DecodeError),
    (CH, 10, b"\0\0", errors.DecodeError),
    (CH, 10, b"\0\3\0\x1d\0", errors.DecodeError),
    (CH, 11, b"\0", errors.DecodeError),
    (CH, 13, b"\0\0", errors.DecodeError),
    (CH, 13, b"\0\1\4", errors.DecodeError),
    (CH, 50, b"\0\0", errors.DecodeError),
    (CH, 16, b"\0\0", errors.DecodeError),
    (CH, 16, b"\0\1\0", errors.DecodeError),
    (CH, 16, b"\0\3\1a\0", errors.DecodeError),  # an empty protocol name
    (EE, 16, b"\0\4\1a\1b", errors.DecodeError),  # the server selects exactly one
    (CH, 28, b"\0\x3f", errors.IllegalParameter),
    (EE, 28, b"\0\0", errors.IllegalParameter),
    (CT, 18, b"\0\0", errors.DecodeError),
    (CT, 18, b"\0\2\0\0", errors.DecodeError),
    (CH, 41, b"\0\0\0\0", errors.DecodeError),
    (CH, 41, b"\0\7\0\1i\0\0\0\0\0\0", errors.DecodeError),
    (CH, 41, b"\0\7\0\1i\0\0\0\0\0\x20\x1f" + bytes(31), errors.DecodeError),  # a binder of 31 octets
    (CH, 41, b"\0\7\0\1i\0\0\0\0\0\x42" + (b"\x20" + bytes(32)) * 2, errors.IllegalParameter),  # two for one identity
    (CH, 43, b"\0", errors.DecodeError),
    (CH, 43, b"\1\3", errors.DecodeError),
    (CH, 43, b"\3\3\4\3", errors.DecodeError),
    (CH, 43, b"\xff" + bytes(255), errors.DecodeError),
    (CH, 44, b"\0\0", errors.DecodeError),
    (CH, 45, b"\0", errors.DecodeError),
    (CH, 47, b"\0\0", errors.DecodeError),
    (CH, 47, b"\0\2\0\0", errors.DecodeError),
    (CR, 48, b"\0\3\0\0\0", errors.DecodeError),
    (CH, 51, b"\0\4\0\x1d\0\0", errors.DecodeError),  # an empty share
    (CH, 51, b"\0\x0a" + b"\0\x1d\0\1k" * 2, errors.IllegalParameter),  # two shares for one group
    (NST, 42, b"", errors.DecodeError),
    (CH, 0, b"\0\5\0\0\2a.", errors.IllegalParameter),  # a trailing dot
    (CH, 42, b"\0\0\0\0", errors.DecodeError),
]


@pytest.mark.parametrize(("message", "code", "data", "error"), REFUSED)
def test_value_is_refused(message: str, code: int, data: bytes, error: type[errors.AlertError]) -> None:
    with pytest.raises(error) as caught:
        w.decode(in_message(message, (code, data)))
    assert type(caught.value) is error


ACCEPTED: list[tuple[str, int, bytes, w.Extension]] = [
    (CH, 51, b"\0\0", w.KeyShareClientHello(())),
    (CR, 48, b"\0\0", w.OidFilters(())),
    (CH, 5, b"\x77anything", w.StatusRequest(0x77, b"anything")),
    (CH, 0, b"\0\x0c\0\0\x09_a-B.0.xn", w.ServerName(b"_a-B.0.xn")),
    (CH, 28, b"\0\x40", w.RecordSizeLimit(64)),
    (CH, 28, b"\xff\xff", w.RecordSizeLimit(65535)),
    (CH, 43, b"\xfe" + b"\3\4" * 127, w.SupportedVersions((0x0304,) * 127)),
]


@pytest.mark.parametrize(("message", "code", "data", "value"), ACCEPTED)
def test_value_is_accepted(message: str, code: int, data: bytes, value: w.Extension) -> None:
    assert list(extensions_of(w.decode(in_message(message, (code, data))))) == [value]


@pytest.mark.parametrize("body", [b"\0", b"\0\0", b"\0\0\0", b"\0\x2a\0\1"])
def test_block_that_ends_inside_an_extension_is_refused(body: bytes) -> None:
    data = len(body).to_bytes(2, "big") + body
    with pytest.raises(errors.DecodeError):
        w.decode(bytes([8]) + len(data).to_bytes(3, "big") + data)


def test_unknown_extensions_are_kept_as_they_came() -> None:
    value = w.UnknownExtension(0xFAFA, b"\0")
    found = extensions_of(w.decode(in_message(CH, (0xFAFA, b"\0"))))
    assert list(found) == [value]
    assert found.codes == (0xFAFA,)


def test_collection_is_read_by_class_and_keeps_wire_order() -> None:
    values = (w.Cookie(b"c"), w.UnknownExtension(0x2A2A, b""), w.SupportedVersions((0x0304,)))
    extensions = w.Extensions(values)
    assert tuple(extensions) == values
    assert extensions.codes == (44, 0x2A2A, 43)
    assert len(extensions) == 3
    assert extensions.get(w.Cookie) == values[0]
    assert extensions.get(w.SelectedVersion) is None  # the same code in its other form
    assert w.SupportedVersions in extensions
    assert w.SelectedVersion not in extensions
    assert 43 in extensions
    assert 51 not in extensions
    assert extensions == w.Extensions(list(values))
    assert extensions != w.Extensions(reversed(values))
    assert extensions != 1
    assert not w.Extensions()
    assert "Cookie(cookie=b'c')" in repr(extensions)


def test_collection_is_immutable_and_refuses_duplicates() -> None:
    extensions: Any = w.Extensions()
    with pytest.raises(AttributeError):
        extensions._by_code = {}
    with pytest.raises(AttributeError):
        del extensions._by_code
    with pytest.raises(errors.InternalError):
        w.Extensions([w.Cookie(b"a"), w.Cookie(b"b")])


@pytest.mark.parametrize("message", [SH, HRR, EE, CT])
def test_check_solicited_refuses_what_was_not_asked_for(message: str) -> None:
    extensions = block(message)
    w.check_solicited(extensions, frozenset(extensions.codes), message)
    for code in extensions.codes:
        offered = frozenset(extensions.codes) - {code}
        if message == HRR and code == ExtensionType.cookie:
            w.check_solicited(extensions, offered, message)
            continue
        # RFC 9846 4.3: "Upon receiving such an extension, an endpoint MUST abort the handshake with an
        # "unsupported_extension" alert."
        with pytest.raises(errors.UnsupportedExtension, match=message):
            w.check_solicited(extensions, offered, message)


@pytest.mark.parametrize("message", [CR, NST])
def test_check_solicited_accepts_requests(message: str) -> None:
    w.check_solicited(block(message), (), message)


def test_error_text_is_escaped_when_it_shows_a_name_of_the_peer() -> None:
    name = b"\x1b[31m" + b"\xff" * 2000
    data = (len(name) + 3).to_bytes(2, "big") + b"\0" + len(name).to_bytes(2, "big") + name
    with pytest.raises(errors.IllegalParameter) as caught:
        w.decode(in_message(CH, (0, data)))
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 700
