"""The handshake messages of TLS 1.3, fields and bounds as RFC 9846 section 4 writes them.

What the grammar says is checked when a message is decoded; what depends on the negotiation (echoes, selections, lengths
of a hash) is the handshake's. HelloRetryRequest is a ServerHello with a special random on the wire and a message of its
own here.
"""

from typing import Annotated, ClassVar, Final

from .. import errors
from ..iana import HandshakeType, KeyUpdateRequest
from .atoms import Codec, Decode, Encode, Site, fixed, opaque, rest, uint, vector
from .extensions import CH, CR, CT, EE, HRR, NST, SH, Extensions, extension_block
from .struct import Struct, nested, struct

# RFC 9846 4.2.3: the SHA-256 of "HelloRetryRequest"
HRR_RANDOM: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_MAX16: Final = 2**16 - 1


class Message(Struct):
    """Base of the handshake messages."""

    handshake_type: ClassVar[int]


@struct("RFC 9846 4.2.2")
class ClientHello(Message):
    handshake_type = HandshakeType.client_hello
    legacy_version: Annotated[int, uint(2)]
    random: Annotated[bytes, fixed(32)]
    legacy_session_id: Annotated[bytes, opaque(0, 32)]
    cipher_suites: Annotated[tuple[int, ...], vector(uint(2), 2, 2**16 - 2)]
    legacy_compression_methods: Annotated[bytes, opaque(1, 255)]
    # TLS 1.2 clients may leave the block out, or send an empty one; without supported_versions the handshake takes them
    # for that.
    # RFC 9846 4.2.2: "a server MUST check that the message either contains no data after legacy_compression_methods or
    # that it contains a valid extensions block with no data following. If not, then it MUST abort the handshake with a
    # "decode_error" alert."
    extensions: Annotated[Extensions, extension_block(CH, optional=True)]


@struct("RFC 9846 4.2.3")
class ServerHello(Message):
    handshake_type = HandshakeType.server_hello
    legacy_version: Annotated[int, uint(2)]
    random: Annotated[bytes, fixed(32)]
    legacy_session_id_echo: Annotated[bytes, opaque(0, 32)]
    cipher_suite: Annotated[int, uint(2)]
    legacy_compression_method: Annotated[int, uint(1)]
    # Absent or short where the server negotiates TLS 1.2; the handshake tells that from the missing supported_versions.
    extensions: Annotated[Extensions, extension_block(SH, optional=True)]


class _RetryRandom(Codec):
    """The random that says HelloRetryRequest: written whatever the value, checked when it is read."""

    __slots__ = ()

    def decoder(self, site: Site) -> Decode:
        inner = fixed(32).decoder(site)

        def decode(data: bytes, at: int, end: int) -> tuple[bytes, int]:
            value, after = inner(data, at, end)
            if value != HRR_RANDOM:
                raise site.malformed("is not that of a HelloRetryRequest")
            return HRR_RANDOM, after

        return decode

    def encoder(self, site: Site) -> Encode:
        def encode(value: bytes, out: bytearray) -> None:
            out += HRR_RANDOM

        return encode


@struct("RFC 9846 4.2.4")
class HelloRetryRequest(Message):
    handshake_type = HandshakeType.server_hello
    legacy_version: Annotated[int, uint(2)]
    random: Annotated[bytes, _RetryRandom()]
    legacy_session_id_echo: Annotated[bytes, opaque(0, 32)]
    cipher_suite: Annotated[int, uint(2)]
    legacy_compression_method: Annotated[int, uint(1)]
    extensions: Annotated[Extensions, extension_block(HRR, 6)]


@struct("RFC 9846 4.4.1")
class EncryptedExtensions(Message):
    handshake_type = HandshakeType.encrypted_extensions
    extensions: Annotated[Extensions, extension_block(EE)]


@struct("RFC 9846 4.4.2")
class CertificateRequest(Message):
    handshake_type = HandshakeType.certificate_request
    certificate_request_context: Annotated[bytes, opaque(0, 255)]
    extensions: Annotated[Extensions, extension_block(CR)]


@struct("RFC 9846 4.5.1")
class CertificateEntry(Struct):
    """One certificate (DER) of the chain, and what the sender says about it."""

    cert_data: Annotated[bytes, opaque(1, 2**24 - 1)]
    extensions: Annotated[Extensions, extension_block(CT)]


@struct("RFC 9846 4.5.1")
class Certificate(Message):
    """The chain, the sender's own certificate first. An empty list is grammatical: only a client may send it."""

    handshake_type = HandshakeType.certificate
    certificate_request_context: Annotated[bytes, opaque(0, 255)]
    certificate_list: Annotated[tuple[CertificateEntry, ...], vector(nested(CertificateEntry), 0, 2**24 - 1)]


@struct("RFC 9846 4.5.2")
class CertificateVerify(Message):
    handshake_type = HandshakeType.certificate_verify
    algorithm: Annotated[int, uint(2)]
    signature: Annotated[bytes, opaque(0, _MAX16)]


@struct("RFC 9846 4.5.3")
class Finished(Message):
    """`verify_data` is as long as the hash of the suite, which the handshake checks."""

    handshake_type = HandshakeType.finished
    verify_data: Annotated[bytes, rest(1)]


@struct("RFC 9846 4.6")
class EndOfEarlyData(Message):
    handshake_type = HandshakeType.end_of_early_data


@struct("RFC 9846 4.7.1")
class NewSessionTicket(Message):
    handshake_type = HandshakeType.new_session_ticket
    ticket_lifetime: Annotated[int, uint(4)]
    ticket_age_add: Annotated[int, uint(4)]
    ticket_nonce: Annotated[bytes, opaque(0, 255)]
    ticket: Annotated[bytes, opaque(1, _MAX16)]
    extensions: Annotated[Extensions, extension_block(NST)]


@struct("RFC 9846 4.7.3")
class KeyUpdate(Message):
    handshake_type = HandshakeType.key_update
    request_update: Annotated[int, uint(1)]

    def check_placed(self, message: str) -> None:
        # RFC 9846 4.7.3: "If an implementation receives any other value, it MUST terminate the connection with an
        # "illegal_parameter" alert."
        if not KeyUpdateRequest.knows(self.request_update):
            raise errors.IllegalParameter(f"request_update is {self.request_update}, not 0 or 1", section=self.section)


@struct("RFC 9846 4.1")
class MessageHash(Message):
    """The synthetic message that stands for the first ClientHello in a transcript; it is never on the wire."""

    handshake_type = HandshakeType.message_hash
    hash: Annotated[bytes, rest(1)]
