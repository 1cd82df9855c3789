"""Whole handshake messages, header included, to values and back.

    [ type 1 | length 3 | body ... ]    one message, as the joiner of the record layer hands it over

`decode` decides by the version and the type octet, and for a ServerHello by its random and its supported_versions,
which class reads the body; it accepts exactly one message.
"""

from typing import Final

from .. import errors
from ..iana import ExtensionType, HandshakeType, ProtocolVersion
from . import messages12 as old
from . import messages13 as m
from .atoms import Site
from .extension_types import PreSharedKeyClientHello
from .messages13 import HRR_RANDOM, ClientHello, HelloRetryRequest, Message, ServerHello
from .struct import Struct, decoder_of, encoder_of

_HEADER: Final = 4
_RANDOM: Final = slice(_HEADER + 2, _HEADER + 2 + 32)  # of a ServerHello, behind legacy_version

# MessageHash is not here: it stands in transcripts, never on the wire.
MESSAGES: Final[dict[int, type[Message]]] = {
    cls.handshake_type: cls
    for cls in (
        m.ClientHello,
        m.ServerHello,
        m.NewSessionTicket,
        m.EndOfEarlyData,
        m.EncryptedExtensions,
        m.Certificate,
        m.CertificateRequest,
        m.CertificateVerify,
        m.Finished,
        m.KeyUpdate,
    )
}

MESSAGES12: Final[dict[int, type[Message]]] = {
    cls.handshake_type: cls
    for cls in (
        old.HelloRequest,
        m.ClientHello,
        m.ServerHello,
        old.NewSessionTicket12,
        old.Certificate12,
        old.ServerKeyExchange,
        old.CertificateRequest12,
        old.ServerHelloDone,
        m.CertificateVerify,
        old.ClientKeyExchange,
        old.Finished12,
        old.CertificateStatus12,
    )
}


def legacy_messages() -> dict[int, type[Message]]:
    """The messages of the legacy tier; loaded when the first of them arrives."""
    if not _LEGACY:
        from . import messages_legacy as legacy

        bodies = (
            legacy.ServerKeyExchangeBody,
            legacy.CertificateRequestBody,
            legacy.ClientKeyExchangeBody,
            legacy.CertificateVerifyBody,
        )
        _LEGACY.update(MESSAGES12)
        _LEGACY.update({cls.handshake_type: cls for cls in bodies})
    return _LEGACY


_LEGACY: Final[dict[int, type[Message]]] = {}


def decode(data: bytes, version: int = ProtocolVersion.TLS13) -> Message:
    """Decode one whole handshake message.

    Takes:    data: the message with its 4-octet header, and nothing behind it; version: the negotiated one (hellos are
              the same in all). TLS 1.1 stands for the legacy tier, whose handshake reads some bodies itself.
    Gives:    a value of one of the classes in messages13 and messages12; HelloRetryRequest is told from ServerHello by
              its random, ServerHello12 by its missing supported_versions.
    Raises:   DecodeError if it does not parse; IllegalParameter if it parses and breaks a rule that needs no other
              knowledge; UnexpectedMessage for a type that the version does not have.
    Source:   RFC 9846 section 4, RFC 5246 section 7.4.
    """
    end = len(data)
    if end < _HEADER or end - _HEADER != data[1] << 16 | data[2] << 8 | data[3]:
        raise errors.DecodeError("the length of a handshake message is not that of its header", section="RFC 9846 4")
    older = version != ProtocolVersion.TLS13
    if not older:
        cls = MESSAGES.get(data[0])
    else:
        cls = (MESSAGES12 if version == ProtocolVersion.TLS12 else legacy_messages()).get(data[0])
    if cls is None:
        # RFC 9846 6.2: "unexpected_message: An inappropriate message (e.g., the wrong handshake message, premature
        # Application Data, etc.) was received."
        name = HandshakeType.name_of(data[0])
        raise errors.UnexpectedMessage(
            f"handshake message {name} does not exist in TLS 1.{2 if older else 3}", section="RFC 9846 4"
        )
    # RFC 9846 4.2.3: "Upon receiving a message with type server_hello, implementations MUST first examine the Random
    # value and, if it matches this value, process it as described in Section 4.2.4."
    if cls is ServerHello and data[_RANDOM] == HRR_RANDOM:
        cls = HelloRetryRequest
    value, at = decoder_of(cls)(data, _HEADER, end)
    if cls is ServerHello and ExtensionType.supported_versions not in value.extensions:
        cls = old.ServerHello12
        value, at = decoder_of(cls)(data, _HEADER, end)
    if at != end:
        raise Site(cls.__name__, cls.section).malformed(f"is followed by {end - at} octets that belong to nothing")
    message: Message = value
    if cls.check_placed is not Struct.check_placed:
        message.check_placed(cls.__name__)
    return message


def encode(message: Message) -> bytes:
    """The whole handshake message, header included. Raises InternalError if a value does not fit its field."""
    cls = type(message)
    out = bytearray(_HEADER)
    encoder_of(cls)(message, out)
    length = len(out) - _HEADER
    if length >= 1 << 24:
        raise errors.InternalError(f"{cls.__name__} would have {length} octets", section="RFC 9846 4")
    out[0] = cls.handshake_type
    out[1:_HEADER] = length.to_bytes(3, "big")
    return bytes(out)


def truncate_before_binders(data: bytes, hello: ClientHello) -> bytes:
    """The encoded ClientHello without its list of binders: what a binder covers (RFC 9846 4.3.11.2)."""
    offer = hello.extensions.get(PreSharedKeyClientHello)
    return data if offer is None else data[: len(data) - offer.binders_octets]
