"""The extensions that tlscore understands: one class per form of extension_data, fields named as the RFC names them.

An extension whose data looks the same everywhere has one class; one whose data depends on the message (key_share) has a
class for each form. Where each may stand says the table in extensions.py. `check_placed` holds the rules about values
that need no other knowledge; everything that depends on configuration or on other messages is the handshake's.
"""

from typing import Annotated, ClassVar, Final

from .. import errors
from ..iana import CertificateStatusType, ExtensionType, NamedGroup, ServerNameType
from ..record import Record
from .atoms import Codec, Decode, Encode, Site, enclose, opaque, rest, span, uint, vector
from .struct import Struct, nested, struct

_MAX16: Final = 2**16 - 1
# Where a server answers what the client offered, in TLS 1.3 and in TLS 1.2.
_SERVER_ANSWERS: Final = ("EncryptedExtensions", "ServerHello12")
# RFC 1035 2.3.4: octets of a name, and of one label.
_HOST_NAME_OCTETS: Final = 255
_LABEL_OCTETS: Final = 63
_LABEL_CHARACTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"


class Extension(Struct):
    """Base of the known extensions."""

    code: ClassVar[int]


class UnknownExtension(Record):
    """An extension that tlscore has no class for: GREASE, private use, or simply not implemented. Kept as it came."""

    code: int
    data: bytes


# -- RFC 6066 ----------------------------------------------------------------------------------------------------------


class _HostName(Codec):
    """ServerNameList with one host_name, or nothing: the server's answer is empty."""

    __slots__ = ()

    def decoder(self, site: Site) -> Decode:
        names, name = span(site, 1, _MAX16), span(site, 1, _MAX16)

        def decode(data: bytes, at: int, end: int) -> tuple[bytes | None, int]:
            if at == end:
                return None, at
            at, stop = names(data, at, end)
            # The list can be extended only by name types that say how to skip them, and none was ever defined: what is
            # no host_name cannot be parsed.
            if data[at] != ServerNameType.host_name:
                raise site.malformed(f"has a name of the unknown type {data[at]}")
            start, after = name(data, at + 1, stop)
            # RFC 6066 3: "The ServerNameList MUST NOT contain more than one name of the same name_type."
            if after != stop:
                raise site.malformed("has more than one name")
            return data[start:after], stop

        return decode

    def encoder(self, site: Site) -> Encode:
        def encode(value: bytes | None, out: bytearray) -> None:
            if value is None:
                return
            start = len(out)
            out.append(ServerNameType.host_name)
            begin = len(out)
            out += value
            enclose(site, 1, _MAX16, out, begin)
            enclose(site, 1, _MAX16, out, start)

        return encode


def _is_label(label: bytes) -> bool:
    return 1 <= len(label) <= _LABEL_OCTETS and not label.translate(None, _LABEL_CHARACTERS)


@struct("RFC 6066 3")
class ServerName(Extension):
    """The name that the client wants to reach; None is the server's empty answer."""

    code = ExtensionType.server_name
    host_name: Annotated[bytes | None, _HostName()] = None

    def check_placed(self, message: str) -> None:
        name = self.host_name
        if message in _SERVER_ANSWERS:
            # RFC 6066 3: "The "extension_data" field of this extension SHALL be empty." (the server's)
            if name is not None:
                raise errors.DecodeError("the server's server_name extension is not empty", section=self.section)
            return
        if name is None:
            raise errors.DecodeError("the server_name extension is empty", section=self.section)
        # RFC 6066 3: ""HostName" contains the fully qualified DNS hostname of the server [...]. The hostname is
        # represented as a byte string using ASCII encoding without a trailing dot." Letters, digits, hyphens, and the
        # underscore that internal DNS has: nothing that could end a line in somebody's log.
        if len(name) > _HOST_NAME_OCTETS or not all(map(_is_label, name.split(b"."))):
            raise errors.IllegalParameter(
                f"the host name {errors.escape(name, 200)} of the ClientHello is no DNS name",
                remedy="the client must send a DNS name in A-labels, without a dot at its end",
                section=self.section,
                code="TLS-BAD_HOST_NAME",
            )


@struct("RFC 6066 4")
class MaxFragmentLength(Extension):
    code = ExtensionType.max_fragment_length
    max_fragment_length: Annotated[int, uint(1)]

    def check_placed(self, message: str) -> None:
        # RFC 6066 4: "If a server receives a maximum fragment length negotiation request for a value other than the
        # allowed values, it MUST abort the handshake with an "illegal_parameter" alert."
        if not 1 <= self.max_fragment_length <= 4:
            raise errors.IllegalParameter(
                f"max_fragment_length is {self.max_fragment_length}, not 1 to 4", section=self.section
            )


@struct("RFC 6066 8")
class OcspStatusRequest(Struct):
    responder_id_list: Annotated[tuple[bytes, ...], vector(opaque(1, _MAX16), 0, _MAX16)]
    request_extensions: Annotated[bytes, opaque(0, _MAX16)]


@struct("RFC 6066 8")
class StatusRequest(Extension):
    """The client asks for a certificate status; `request` is an OcspStatusRequest if `status_type` is ocsp(1)."""

    code = ExtensionType.status_request
    status_type: Annotated[int, uint(1)] = CertificateStatusType.ocsp
    request: Annotated[bytes, rest()] = b"\x00\x00\x00\x00"

    def check_placed(self, message: str) -> None:
        if self.status_type == CertificateStatusType.ocsp:
            from .struct import decode_struct

            decode_struct(OcspStatusRequest, self.request)


@struct("RFC 9846 4.5.1.1")
class StatusRequestCertificateRequest(Extension):
    """The server asks for the status of the client's certificate: the extension is empty."""

    code = ExtensionType.status_request


@struct("RFC 6066 8")
class StatusRequestServerHello(Extension):
    """A server of TLS 1.2 will send a CertificateStatus message: the extension is empty."""

    code = ExtensionType.status_request


@struct("RFC 9846 4.5.1.1")
class CertificateStatus(Extension):
    """The status of the certificate in whose entry it stands."""

    code = ExtensionType.status_request
    status_type: Annotated[int, uint(1)]
    response: Annotated[bytes, opaque(1, 2**24 - 1)]

    def check_placed(self, message: str) -> None:
        if self.status_type != CertificateStatusType.ocsp:
            raise errors.IllegalParameter(
                f"the certificate status is of type {self.status_type}, not ocsp(1)", section=self.section
            )


# -- groups and signatures ---------------------------------------------------------------------------------------------


@struct("RFC 9846 4.3.7")
class SupportedGroups(Extension):
    code = ExtensionType.supported_groups
    named_group_list: Annotated[tuple[int, ...], vector(uint(2), 2, _MAX16)]


@struct("RFC 8422 5.1.2")
class EcPointFormats(Extension):
    code = ExtensionType.ec_point_formats
    ec_point_format_list: Annotated[tuple[int, ...], vector(uint(1), 1, 255)]


@struct("RFC 9846 4.3.3")
class SignatureAlgorithms(Extension):
    code = ExtensionType.signature_algorithms
    supported_signature_algorithms: Annotated[tuple[int, ...], vector(uint(2), 2, 2**16 - 2)]


@struct("RFC 9846 4.3.3")
class SignatureAlgorithmsCert(Extension):
    code = ExtensionType.signature_algorithms_cert
    supported_signature_algorithms: Annotated[tuple[int, ...], vector(uint(2), 2, 2**16 - 2)]


@struct("RFC 9846 4.3.8")
class KeyShareEntry(Struct):
    group: Annotated[int, uint(2)]
    key_exchange: Annotated[bytes, opaque(1, _MAX16)]


@struct("RFC 9846 4.3.8")
class KeyShareClientHello(Extension):
    code = ExtensionType.key_share
    client_shares: Annotated[tuple[KeyShareEntry, ...], vector(nested(KeyShareEntry), 0, _MAX16)]

    def check_placed(self, message: str) -> None:
        # RFC 9846 4.3.8: "Clients MUST NOT offer multiple KeyShareEntry values for the same group. [...] Servers MAY
        # check for violations of these rules and abort the handshake with an "illegal_parameter" alert if one is
        # violated."
        groups = [share.group for share in self.client_shares]
        if len(set(groups)) != len(groups):
            again = next(group for group in groups if groups.count(group) > 1)
            raise errors.IllegalParameter(f"two key shares are for {NamedGroup.name_of(again)}", section=self.section)


@struct("RFC 9846 4.3.8")
class KeyShareServerHello(Extension):
    code = ExtensionType.key_share
    server_share: KeyShareEntry


@struct("RFC 9846 4.3.8")
class KeyShareHelloRetryRequest(Extension):
    code = ExtensionType.key_share
    selected_group: Annotated[int, uint(2)]


# -- versions, cookie, application protocol, record size ---------------------------------------------------------------


@struct("RFC 9846 4.3.1")
class SupportedVersions(Extension):
    """The versions that the client offers, the most preferred first."""

    code = ExtensionType.supported_versions
    versions: Annotated[tuple[int, ...], vector(uint(2), 2, 254)]


@struct("RFC 9846 4.3.1")
class SelectedVersion(Extension):
    code = ExtensionType.supported_versions
    selected_version: Annotated[int, uint(2)]


@struct("RFC 9846 4.3.2")
class Cookie(Extension):
    code = ExtensionType.cookie
    cookie: Annotated[bytes, opaque(1, _MAX16)]


@struct("RFC 7301 3.1")
class Alpn(Extension):
    """The application protocols that the client offers, or the one that the server selected."""

    code = ExtensionType.application_layer_protocol_negotiation
    # RFC 7301 3.1: "Empty strings MUST NOT be included and byte strings MUST NOT be truncated."
    protocol_name_list: Annotated[tuple[bytes, ...], vector(opaque(1, 255), 2, _MAX16)]

    def check_placed(self, message: str) -> None:
        # RFC 7301 3.1: "the "ProtocolNameList" MUST contain exactly one "ProtocolName"." (the server's)
        if message in _SERVER_ANSWERS and len(self.protocol_name_list) != 1:
            raise errors.DecodeError(
                f"the server selected {len(self.protocol_name_list)} application protocols", section=self.section
            )


@struct("RFC 8449 4")
class RecordSizeLimit(Extension):
    code = ExtensionType.record_size_limit
    limit: Annotated[int, uint(2)]

    def check_placed(self, message: str) -> None:
        # RFC 8449 4: "An endpoint MUST treat receipt of a smaller value as a fatal error and generate an
        # "illegal_parameter" alert."
        if self.limit < 64:
            raise errors.IllegalParameter(f"record_size_limit is {self.limit}, below 64", section=self.section)


@struct("RFC 7685 3")
class Padding(Extension):
    code = ExtensionType.padding
    data: Annotated[bytes, rest()]


# -- pre-shared keys and early data ------------------------------------------------------------------------------------


@struct("RFC 9846 4.3.9")
class PskKeyExchangeModes(Extension):
    code = ExtensionType.psk_key_exchange_modes
    ke_modes: Annotated[tuple[int, ...], vector(uint(1), 1, 255)]


@struct("RFC 9846 4.3.11")
class PskIdentity(Struct):
    identity: Annotated[bytes, opaque(1, _MAX16)]
    obfuscated_ticket_age: Annotated[int, uint(4)]


@struct("RFC 9846 4.3.11")
class PreSharedKeyClientHello(Extension):
    code = ExtensionType.pre_shared_key
    identities: Annotated[tuple[PskIdentity, ...], vector(nested(PskIdentity), 7, _MAX16)]
    binders: Annotated[tuple[bytes, ...], vector(opaque(32, 255), 33, _MAX16)]

    @property
    def binders_octets(self) -> int:
        """Octets of the list of binders, length included: what a binder does not cover."""
        return 2 + sum([1 + len(binder) for binder in self.binders])

    def check_placed(self, message: str) -> None:
        # RFC 9846 4.3.11: "binders: A series of HMAC values, one for each value in the identities list and in the same
        # order"
        if len(self.identities) != len(self.binders):
            raise errors.IllegalParameter(
                f"there are {len(self.binders)} binders for {len(self.identities)} identities", section=self.section
            )


@struct("RFC 9846 4.3.11")
class PreSharedKeyServerHello(Extension):
    code = ExtensionType.pre_shared_key
    selected_identity: Annotated[int, uint(2)]


@struct("RFC 9846 4.3.10")
class EarlyDataIndication(Extension):
    code = ExtensionType.early_data


@struct("RFC 9846 4.3.10")
class TicketEarlyData(Extension):
    """How much early data may follow the ticket in whose message it stands."""

    code = ExtensionType.early_data
    max_early_data_size: Annotated[int, uint(4)]


# -- certificates ------------------------------------------------------------------------------------------------------


@struct("RFC 9846 4.3.4")
class CertificateAuthorities(Extension):
    """DER-encoded distinguished names of the anchors that the sender trusts."""

    code = ExtensionType.certificate_authorities
    authorities: Annotated[tuple[bytes, ...], vector(opaque(1, _MAX16), 3, _MAX16)]


@struct("RFC 9846 4.3.5")
class OidFilter(Struct):
    certificate_extension_oid: Annotated[bytes, opaque(1, 255)]
    certificate_extension_values: Annotated[bytes, opaque(0, _MAX16)]


@struct("RFC 9846 4.3.5")
class OidFilters(Extension):
    code = ExtensionType.oid_filters
    filters: Annotated[tuple[OidFilter, ...], vector(nested(OidFilter), 0, _MAX16)]


@struct("RFC 9846 4.3.6")
class PostHandshakeAuth(Extension):
    code = ExtensionType.post_handshake_auth


@struct("RFC 6962 3.3")
class SignedCertificateTimestampsRequest(Extension):
    """Asks for timestamps: the extension is empty."""

    code = ExtensionType.signed_certificate_timestamp


@struct("RFC 6962 3.3")
class SignedCertificateTimestamps(Extension):
    code = ExtensionType.signed_certificate_timestamp
    sct_list: Annotated[tuple[bytes, ...], vector(opaque(1, _MAX16), 1, _MAX16)]


# -- TLS 1.2 alone -----------------------------------------------------------------------------------------------------


@struct("RFC 7366 2")
class EncryptThenMac(Extension):
    code = ExtensionType.encrypt_then_mac


@struct("RFC 7627 5.1")
class ExtendedMainSecret(Extension):
    code = ExtensionType.extended_main_secret


@struct("RFC 5077 3.2")
class SessionTicket(Extension):
    code = ExtensionType.session_ticket
    ticket: Annotated[bytes, rest()]


@struct("RFC 5746 3.2")
class RenegotiationInfo(Extension):
    code = ExtensionType.renegotiation_info
    renegotiated_connection: Annotated[bytes, opaque(0, 255)]
