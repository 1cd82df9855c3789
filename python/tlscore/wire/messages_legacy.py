"""Handshake messages whose form depends on version and key exchange: TLS 1.0 and 1.1, RSA and finite-field exchanges.

What such a message means, only the handshake knows, so it is decoded in two steps: the type octet gives a message with
its body as it came, and the handshake reads the body by the structure that belongs to what was agreed. A signature of
TLS 1.0 and 1.1 names no algorithm: it is MD5 and SHA-1 together for RSA keys, SHA-1 for ECDSA (RFC 4346 7.4.3, RFC 8422
5.4). Everything else has the forms of messages12.py. The ClientHello in the format of SSLv2 is at the end.

    80 2e | 01 | 03 03 | suites length 2 | session id length 2 | challenge length 2 | suites (3 each) | id | challenge
"""

from typing import Annotated, Final, TypeVar

from .. import errors
from ..iana import HandshakeType
from .atoms import opaque, rest, uint, vector
from .extensions import Extensions
from .messages12 import CurveType
from .messages13 import ClientHello, Message
from .struct import Struct, decoder_of, struct

S = TypeVar("S", bound=Struct)
_MAX16: Final = 2**16 - 1


@struct("RFC 4346 7.4.3")
class ServerKeyExchangeBody(Message):
    handshake_type = HandshakeType.server_key_exchange
    body: Annotated[bytes, rest()]


@struct("RFC 4346 7.4.4")
class CertificateRequestBody(Message):
    handshake_type = HandshakeType.certificate_request
    body: Annotated[bytes, rest()]


@struct("RFC 4346 7.4.7")
class ClientKeyExchangeBody(Message):
    handshake_type = HandshakeType.client_key_exchange
    body: Annotated[bytes, rest()]


@struct("RFC 4346 7.4.8")
class CertificateVerifyBody(Message):
    handshake_type = HandshakeType.certificate_verify
    body: Annotated[bytes, rest()]


# -- what stands in the bodies -----------------------------------------------------------------------------------------


@struct("RFC 8422 5.4")
class ServerEcdhParams(Struct):
    curve_type: Annotated[int, CurveType()]
    named_curve: Annotated[int, uint(2)]
    public: Annotated[bytes, opaque(1, 255)]


@struct("RFC 5246 7.4.3")
class ServerDhParams(Struct):
    dh_p: Annotated[bytes, opaque(1, _MAX16)]
    dh_g: Annotated[bytes, opaque(1, _MAX16)]
    dh_public: Annotated[bytes, opaque(1, _MAX16)]


@struct("RFC 5246 4.7")
class Signed12(Struct):
    algorithm: Annotated[int, uint(2)]
    signature: Annotated[bytes, opaque(0, _MAX16)]


@struct("RFC 4346 4.7")
class Signed10(Struct):
    """Without algorithm: the key says which it is."""

    signature: Annotated[bytes, opaque(0, _MAX16)]


@struct("RFC 4346 7.4.4")
class Request10(Struct):
    certificate_types: Annotated[tuple[int, ...], vector(uint(1), 1, 255)]
    certificate_authorities: Annotated[tuple[bytes, ...], vector(opaque(1, _MAX16), 0, _MAX16)]


@struct("RFC 5246 7.4.4")
class Request12(Struct):
    certificate_types: Annotated[tuple[int, ...], vector(uint(1), 1, 255)]
    supported_signature_algorithms: Annotated[tuple[int, ...], vector(uint(2), 2, 2**16 - 2)]
    certificate_authorities: Annotated[tuple[bytes, ...], vector(opaque(1, _MAX16), 0, _MAX16)]


@struct("RFC 5246 7.4.7.1")
class EncryptedPremaster(Struct):
    encrypted: Annotated[bytes, opaque(0, _MAX16)]


@struct("RFC 5246 7.4.7.2")
class ClientDhPublic(Struct):
    dh_public: Annotated[bytes, opaque(1, _MAX16)]


@struct("RFC 8422 5.7")
class ClientEcdhPublic(Struct):
    public: Annotated[bytes, opaque(1, 255)]


def decode_first(cls: type[S], data: bytes) -> tuple[S, bytes, bytes]:
    """A structure at the start of `data`, its octets, and what follows it."""
    value, at = decoder_of(cls)(data, 0, len(data))
    return value, data[:at], data[at:]


# -- SSLv2 -------------------------------------------------------------------------------------------------------------

_HEADER: Final = 2
_FIELDS: Final = 9


def decode_sslv2_hello(raw: bytes) -> ClientHello:
    """The ClientHello that one in the format of SSLv2 stands for.

    Takes:    raw: the whole of it, with its two length octets.
    Raises:   DecodeError where its lengths contradict each other, or its type or version is another's.
    Source:   RFC 5246 E.2.
    """
    body = raw[_HEADER:]
    section = "RFC 5246 E.2"
    if len(raw) < _HEADER + _FIELDS or (raw[0] & 0x7F) << 8 | raw[1] != len(body):
        raise errors.DecodeError("the length of an SSLv2 CLIENT-HELLO is not that of its header", section=section)
    # Its own type, 1, and a version of SSL 3.0 or TLS: a handshake message of a type with the high bit is none.
    if body[0] != 1 or body[1] != 3:
        raise errors.DecodeError("what looks like an SSLv2 CLIENT-HELLO says that it is none", section=section)
    suites, session_id, challenge = (int.from_bytes(body[at : at + 2], "big") for at in (3, 5, 7))
    # RFC 5246 E.2, on cipher_spec_length: "It cannot be zero and MUST be a multiple of the V2CipherSpec length (3)." On
    # challenge_length: "Historically, permissible values are between 16 and 32 bytes inclusive." A session ID, which
    # older versions let have 16 octets (RFC 2246 E.1), resumes nothing here.
    if (
        not suites
        or suites % 3
        or session_id not in (0, 16)
        or not 16 <= challenge <= 32
        or len(body) != _FIELDS + suites + session_id + challenge
    ):
        raise errors.DecodeError("the lengths in an SSLv2 CLIENT-HELLO contradict each other", section=section)
    specs = [body[at : at + 3] for at in range(_FIELDS, _FIELDS + suites, 3)]
    # RFC 5246 E.2: TLS suites have a zero in front; the others are those of SSLv2, which nobody has.
    known = tuple([int.from_bytes(one[1:], "big") for one in specs if not one[0]])
    # RFC 5246 E.2: "If the challenge length is less than 32, the TLS server will pad the data with leading (note: not
    # trailing) zero bytes to make it 32 bytes long."
    random = body[len(body) - challenge :].rjust(32, b"\0")
    return ClientHello(int.from_bytes(body[1:3], "big"), random, b"", known, b"\0", Extensions())


def sslv2_transcript(raw: bytes) -> bytes:
    """What of an SSLv2 CLIENT-HELLO enters the transcript: all but its length."""
    return raw[_HEADER:]
