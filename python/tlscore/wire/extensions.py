"""Blocks of extensions: the collection, the one table of what may stand where, and the checks of every block.

`EXTENSIONS` has a line per extension: the class of its data in each message that it may stand in. A known extension
that has no class for a message is out of place there; a code that has no line is kept as an UnknownExtension.
Duplicates, misplaced extensions, lengths and the place of pre_shared_key are checked here and nowhere else. Whether an
extension was asked for, only the handshake knows: it calls `check_solicited`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from struct import Struct as Layout
from typing import Final, TypeVar

from .. import errors
from ..iana import ExtensionType
from . import extension_types as x
from .atoms import Codec, Decode, Encode, Site, enclose, span
from .extension_types import Extension, UnknownExtension
from .struct import Struct, decoder_of, encoder_of

E = TypeVar("E", bound=Extension)
ExtensionValue = Extension | UnknownExtension

CH, SH, HRR, SH12 = "ClientHello", "ServerHello", "HelloRetryRequest", "ServerHello12"
EE, CR, CT, NST = "EncryptedExtensions", "CertificateRequest", "Certificate", "NewSessionTicket"
MESSAGES_WITH_EXTENSIONS: Final = (CH, SH, HRR, EE, CR, CT, NST, SH12)

_Forms = dict[str, type[Extension]]

# RFC 9846 4.3, table 1; what TLS 1.3 does not use, and what TLS 1.2 has in its ServerHello, as the RFC of each says.
EXTENSIONS: Final[tuple[_Forms, ...]] = (
    {CH: x.ServerName, EE: x.ServerName, CR: x.ServerName, SH12: x.ServerName},
    {CH: x.MaxFragmentLength, EE: x.MaxFragmentLength, SH12: x.MaxFragmentLength},
    {
        CH: x.StatusRequest,
        CR: x.StatusRequestCertificateRequest,
        CT: x.CertificateStatus,
        SH12: x.StatusRequestServerHello,
    },
    {CH: x.SupportedGroups, EE: x.SupportedGroups},
    {CH: x.EcPointFormats, SH12: x.EcPointFormats},
    {CH: x.SignatureAlgorithms, CR: x.SignatureAlgorithms},
    {CH: x.Alpn, EE: x.Alpn, SH12: x.Alpn},
    {
        CH: x.SignedCertificateTimestampsRequest,
        CR: x.SignedCertificateTimestampsRequest,
        CT: x.SignedCertificateTimestamps,
        SH12: x.SignedCertificateTimestamps,
    },
    {CH: x.Padding},
    {CH: x.EncryptThenMac, SH12: x.EncryptThenMac},
    {CH: x.ExtendedMainSecret, SH12: x.ExtendedMainSecret},
    {CH: x.RecordSizeLimit, EE: x.RecordSizeLimit, SH12: x.RecordSizeLimit},
    {CH: x.SessionTicket, SH12: x.SessionTicket},
    {CH: x.PreSharedKeyClientHello, SH: x.PreSharedKeyServerHello},
    {CH: x.EarlyDataIndication, EE: x.EarlyDataIndication, NST: x.TicketEarlyData},
    {CH: x.SupportedVersions, SH: x.SelectedVersion, HRR: x.SelectedVersion},
    {CH: x.Cookie, HRR: x.Cookie},
    {CH: x.PskKeyExchangeModes},
    {CH: x.CertificateAuthorities, CR: x.CertificateAuthorities},
    {CR: x.OidFilters},
    {CH: x.PostHandshakeAuth},
    {CH: x.SignatureAlgorithmsCert, CR: x.SignatureAlgorithmsCert},
    {CH: x.KeyShareClientHello, SH: x.KeyShareServerHello, HRR: x.KeyShareHelloRetryRequest},
    {CH: x.RenegotiationInfo, SH12: x.RenegotiationInfo},
)


_KNOWN: Final = frozenset([next(iter(forms.values())).code for forms in EXTENSIONS])


class Extensions:
    """The extensions of one block, in wire order, at most one of each type. Immutable."""

    __slots__ = ("_by_code",)
    _by_code: dict[int, ExtensionValue]

    def __init__(self, values: Iterable[ExtensionValue] = ()) -> None:
        by_code: dict[int, ExtensionValue] = {}
        for value in values:
            if value.code in by_code:
                raise errors.InternalError(
                    f"two {ExtensionType.name_of(value.code)} extensions in one block", section="RFC 9846 4.3"
                )
            by_code[value.code] = value
        object.__setattr__(self, "_by_code", by_code)

    @classmethod
    def _of(cls, by_code: dict[int, ExtensionValue]) -> "Extensions":
        made = cls.__new__(cls)
        object.__setattr__(made, "_by_code", by_code)
        return made

    def get(self, cls: type[E]) -> E | None:
        """The extension of this class, or None."""
        value = self._by_code.get(cls.code)
        return value if isinstance(value, cls) else None

    @property
    def codes(self) -> tuple[int, ...]:
        return tuple(self._by_code)

    def __contains__(self, what: type[Extension] | int) -> bool:
        """Whether an extension of this class, or any form with this code, is there."""
        return what in self._by_code if isinstance(what, int) else self.get(what) is not None

    def __iter__(self) -> Iterator[ExtensionValue]:
        return iter(self._by_code.values())

    def __len__(self) -> int:
        return len(self._by_code)

    def __eq__(self, other: object) -> bool:
        # The order is part of the value: it is on the wire, and the transcript covers it.
        return isinstance(other, Extensions) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Extensions([{', '.join(map(repr, self))}])"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Extensions are immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("Extensions are immutable")

    def __reduce__(self) -> tuple[type["Extensions"], tuple[list[ExtensionValue]]]:
        return Extensions, (list(self),)


# How one extension is read in one message: its class, decoder, and its check where it has one.
_Reading = tuple[type[Extension], Decode, Callable[[Extension, str], None] | None]


def _readings(message: str) -> dict[int, _Reading | None]:
    """By code: how to read it in `message`; None for an extension that is known and may not stand there."""
    found: dict[int, _Reading | None] = {}
    for forms in EXTENSIONS:
        code = next(iter(forms.values())).code
        cls = forms.get(message)
        check = cls.check_placed if cls and cls.check_placed is not Struct.check_placed else None
        found[code] = (cls, decoder_of(cls), check) if cls else None
    return found


def _misplaced(code: int, message: str) -> errors.IllegalParameter:
    # RFC 9846 4.3: "If an implementation receives an extension which it recognizes and which is not specified for the
    # message in which it appears, it MUST abort the handshake with an "illegal_parameter" alert."
    # RFC 9846 4.4.1: "The client MUST check EncryptedExtensions for the presence of any forbidden extensions and if any
    # are found MUST abort the handshake with an "illegal_parameter" alert."
    return errors.IllegalParameter(
        f"the extension {ExtensionType.name_of(code)} may not stand in {message}", section="RFC 9846 4.3"
    )


class extension_block(Codec):
    """Extension extensions<minimum..2^16-1> of one message; `optional` where older grammars let the block be absent."""

    __slots__ = ("message", "minimum", "optional")

    def __init__(self, message: str, minimum: int = 0, optional: bool = False) -> None:
        self.message: Final = message
        self.minimum: Final = minimum
        self.optional: Final = optional

    def decoder(self, site: Site) -> Decode:
        message, optional = self.message, self.optional
        read = span(site, self.minimum, 2**16 - 1)
        read_items = _items_decoder(site, message)

        def decode(data: bytes, at: int, end: int) -> tuple[Extensions, int]:
            if optional and at == end:
                return Extensions(), at
            start, stop = read(data, at, end)
            return Extensions._of(read_items(data, start, stop)[0]), stop

        return decode

    def encoder(self, site: Site) -> Encode:
        minimum, omits = self.minimum, self.message == SH12

        def encode(value: Extensions, out: bytearray) -> None:
            if omits and not len(value):
                # RFC 4366 2.2: "the extended server hello message is only sent in response to an extended client hello
                # message": clients that sent no extensions may know of none, and an empty block is one octet too many.
                return
            start = len(out)
            for extension in value:
                out += extension.code.to_bytes(2, "big")
                body = len(out)
                if isinstance(extension, UnknownExtension):
                    out += extension.data
                else:
                    encoder_of(type(extension))(extension, out)
                enclose(site, 0, 2**16 - 1, out, body)
            enclose(site, minimum, 2**16 - 1, out, start)

        return encode


# Code and length of an extension.
_HEADER: Final = Layout(">HH")
# Extensions of a ClientHello that are remembered with what they say: 32 KiB of octets at most.
LONGEST_SEEN: Final = 128
KEPT_SEEN: Final = 256


def _items_decoder(site: Site, message: str) -> Decode:
    """Decoder of the extensions between two offsets, by code."""
    readings = _readings(message)
    # Clients of one kind repeat most of their extensions octet by octet. Values are frozen, so they can be shared.
    seen: dict[bytes, ExtensionValue] = {}
    longest = LONGEST_SEEN if message == CH else -1
    header, share = _HEADER.unpack_from, ExtensionType.key_share

    def decode(data: bytes, at: int, end: int) -> tuple[dict[int, ExtensionValue], int]:
        found: dict[int, ExtensionValue] = {}
        misplaced = code = -1
        while at < end:
            body = at + 4
            if body > end:
                raise site.cut_short()
            start = at
            code, length = header(data, start)
            at = body + length
            if at > end:
                raise site.malformed(
                    f"holds {ExtensionType.name_of(code)}, which claims {at - body} octets where {end - body} are left"
                )
            # RFC 9846 4.3: "There MUST NOT be more than one extension of the same type in a given extension block."
            if code in found:
                raise errors.IllegalParameter(
                    f"{message} has two {ExtensionType.name_of(code)} extensions", section="RFC 9846 4.3"
                )
            reading = readings.get(code)
            if reading is not None:
                repeated = length <= longest and code != share
                whole = data[start:at] if repeated else b""
                known = seen.get(whole) if repeated else None
                if known is not None:
                    found[code] = known
                    continue
                cls, decode_body, check = reading
                value, after = decode_body(data, body, at)
                # RFC 9846 4.3: "When processing an extension, receivers MUST abort the handshake with a "decode_error"
                # alert if there is data left over after parsing the structure."
                if after != at:
                    raise Site(cls.__name__, cls.section).malformed(f"in {message} has {at - after} octets left over")
                if check is not None:
                    check(value, message)
                found[code] = value
                if repeated:
                    if len(seen) >= KEPT_SEEN:
                        seen.clear()
                    seen[whole] = value
            else:
                found[code] = UnknownExtension(code, data[body:at])
                if code in readings:
                    misplaced = code
        _check_block(found, code, misplaced, message)
        return found, end

    return decode


def _check_block(found: dict[int, ExtensionValue], last: int, misplaced: int, message: str) -> None:
    # A ServerHello without supported_versions negotiates TLS 1.2, where other extensions stand in it: judging it by the
    # rules of TLS 1.3, or at all before its version is known to be wanted, would hide that the peer is simply old.
    # The handshake calls `check_placement` for it.
    if misplaced >= 0 and message != SH12 and (message != SH or ExtensionType.supported_versions in found):
        raise _misplaced(misplaced, message)
    # RFC 9846 4.3.11: "The "pre_shared_key" extension MUST be the last extension in the ClientHello [...]. Servers MUST
    # check that it is the last extension and otherwise fail the handshake with an "illegal_parameter" alert."
    if message == CH and ExtensionType.pre_shared_key in found and last != ExtensionType.pre_shared_key:
        raise errors.IllegalParameter(
            "pre_shared_key is not the last extension of the ClientHello", section="RFC 9846 4.3.11"
        )


def check_placement(extensions: Extensions, message: str) -> None:
    """Refuse known extensions that may not stand in `message`, where decoding has let them pass."""
    for value in extensions:
        if isinstance(value, UnknownExtension) and value.code in _KNOWN:
            raise _misplaced(value.code, message)


def check_solicited(extensions: Extensions, offered_codes: Collection[int], message_name: str) -> None:
    """Refuse extensions of a response that were not asked for.

    Takes:    offered_codes: extension codes of our ClientHello (of our CertificateRequest, for a client's Certificate).
              message_name: such as "EncryptedExtensions". CertificateRequest and NewSessionTicket ask, they do
              not respond: nothing in them is unsolicited.
    Raises:   UnsupportedExtension.
    Source:   RFC 9846 section 4.3.
    """
    if message_name in (CR, NST, CH):
        return
    for code in extensions.codes:
        # RFC 9846 4.3: "Implementations MUST NOT send extension responses [...] if the remote endpoint did not send the
        # corresponding extension requests, with the exception of the "cookie" extension in the HelloRetryRequest. Upon
        # receiving such an extension, an endpoint MUST abort the handshake with an "unsupported_extension" alert."
        if code not in offered_codes and not (message_name == HRR and code == ExtensionType.cookie):
            raise errors.UnsupportedExtension(
                f"{message_name} has the extension {ExtensionType.name_of(code)}, which was not asked for",
                section="RFC 9846 4.3",
            )
