"""The handshake messages of TLS 1.2 with ECDHE, fields and bounds as RFC 5246 section 7.4 and RFC 8422 write them.

ClientHello and CertificateVerify have one form in both versions and stand in messages13.py. A ServerHello without
supported_versions is a ServerHello12: the two have the same fields, but other extensions may stand in them. Messages of
one type octet that differ between the versions have a 12 at the end of their name here; which is meant, only the
handshake knows.
"""

from typing import Annotated, Final

from .. import errors
from ..iana import HandshakeType
from .atoms import Codec, Decode, Encode, Site, fixed, opaque, uint, vector
from .extensions import SH12, Extensions, extension_block
from .messages13 import Message
from .struct import struct

_MAX16: Final = 2**16 - 1
_MAX24: Final = 2**24 - 1
NAMED_CURVE: Final = 3


@struct("RFC 5246 7.4.1.1")
class HelloRequest(Message):
    """The server asks for a renegotiation; it stands in no transcript."""

    handshake_type = HandshakeType.hello_request


@struct("RFC 5246 7.4.1.3")
class ServerHello12(Message):
    handshake_type = HandshakeType.server_hello
    server_version: Annotated[int, uint(2)]
    random: Annotated[bytes, fixed(32)]
    session_id: Annotated[bytes, opaque(0, 32)]
    cipher_suite: Annotated[int, uint(2)]
    compression_method: Annotated[int, uint(1)]
    extensions: Annotated[Extensions, extension_block(SH12, optional=True)]


@struct("RFC 5246 7.4.2")
class Certificate12(Message):
    """The chain in DER, the sender's own certificate first. Only a client may send an empty list."""

    handshake_type = HandshakeType.certificate
    certificate_list: Annotated[tuple[bytes, ...], vector(opaque(1, _MAX24), 0, _MAX24)]


@struct("RFC 6066 8")
class CertificateStatus12(Message):
    handshake_type = HandshakeType.certificate_status
    status_type: Annotated[int, uint(1)]
    response: Annotated[bytes, opaque(1, _MAX24)]


class CurveType(Codec):
    """The octet that says named_curve, the one form of ECParameters that is left."""

    __slots__ = ()

    def decoder(self, site: Site) -> Decode:
        inner = uint(1).decoder(site)

        def decode(data: bytes, at: int, end: int) -> tuple[int, int]:
            value, after = inner(data, at, end)
            # RFC 8422 5.4 knows named_curve alone; what follows another type cannot be parsed.
            if value != NAMED_CURVE:
                raise errors.IllegalParameter(
                    f"the server's key exchange has curve type {value} instead of named_curve(3)", section=site.section
                )
            return value, after

        return decode

    def encoder(self, site: Site) -> Encode:
        return uint(1).encoder(site)


@struct("RFC 8422 5.4")
class ServerKeyExchange(Message):
    """The server's ephemeral share, and the signature over it and both randoms."""

    handshake_type = HandshakeType.server_key_exchange
    curve_type: Annotated[int, CurveType()]
    named_curve: Annotated[int, uint(2)]
    public: Annotated[bytes, opaque(1, 255)]
    algorithm: Annotated[int, uint(2)]
    signature: Annotated[bytes, opaque(0, _MAX16)]


@struct("RFC 5246 7.4.4")
class CertificateRequest12(Message):
    handshake_type = HandshakeType.certificate_request
    certificate_types: Annotated[tuple[int, ...], vector(uint(1), 1, 255)]
    supported_signature_algorithms: Annotated[tuple[int, ...], vector(uint(2), 2, 2**16 - 2)]
    certificate_authorities: Annotated[tuple[bytes, ...], vector(opaque(1, _MAX16), 0, _MAX16)]


@struct("RFC 5246 7.4.5")
class ServerHelloDone(Message):
    handshake_type = HandshakeType.server_hello_done


@struct("RFC 8422 5.7")
class ClientKeyExchange(Message):
    """The client's ephemeral share, as the server's."""

    handshake_type = HandshakeType.client_key_exchange
    public: Annotated[bytes, opaque(1, 255)]


@struct("RFC 5077 3.3")
class NewSessionTicket12(Message):
    handshake_type = HandshakeType.new_session_ticket
    ticket_lifetime_hint: Annotated[int, uint(4)]
    ticket: Annotated[bytes, opaque(0, _MAX16)]


@struct("RFC 5246 7.4.9")
class Finished12(Message):
    """RFC 5246 7.4.9: verify_data has 12 octets, unless the suite says another length; none does."""

    handshake_type = HandshakeType.finished
    verify_data: Annotated[bytes, fixed(12)]
