"""The ServerHello of TLS 1.2: which extensions answer which of the client's, and the octets that repeat.

All of it but the random follows from the configuration, the selection and a handful of yes and no of the offer, so it
is encoded when it is first needed, and kept in the plan of the configuration as what stands before the random and what
stands behind it.
"""

from tlscore.handshake.negotiation import Selection
from tlscore.handshake.negotiation12 import LARGEST_RECORD_LIMIT12, Offer12
from tlscore.handshake.output import Output
from tlscore.handshake.plans import UNCOMPRESSED, ServerPlan
from tlscore.iana import ProtocolVersion
from tlscore.wire import (
    Alpn,
    EcPointFormats,
    ExtendedMainSecret,
    Extension,
    Extensions,
    MaxFragmentLength,
    RecordSizeLimit,
    RenegotiationInfo,
    ServerHello12,
    ServerName,
    StatusRequestServerHello,
    encode,
)

# Distinct answers kept: one for each combination of suite, application protocol and what clients offer.
_KEPT_ANSWERS = 64
# handshake type, length and version; the random.
_BEFORE_RANDOM = 6
_BEHIND_RANDOM = 38


def server_hello(plan: ServerPlan, offer: Offer12, selection: Selection, random: bytes, stapled: bool) -> bytes:
    """The ServerHello of TLS 1.2 for what was selected.

    Takes:    stapled: whether a CertificateStatus follows.
    """
    key = (ProtocolVersion.TLS12, selection.suite, selection.name_used, selection.alpn, *answered(offer), stapled)
    known = plan.answers12.get(key)
    if known is None:
        values = answers(plan, offer, selection.name_used, selection.alpn, stapled)
        known = keep(plan, key, ProtocolVersion.TLS12, selection.suite, values)
    return random.join(known)


def answered(offer: Offer12) -> tuple[object, ...]:
    """What of an offer decides about its answer."""
    return offer.secure, offer.extended, offer.formats, offer.fragment, offer.record_size_limit is not None


def keep(
    plan: ServerPlan, key: tuple[object, ...], version: int, suite: int, values: list[Extension]
) -> tuple[bytes, bytes]:
    """Encode a ServerHello of TLS 1.2 or less, and keep it under what it follows from.

    Gives:    what stands before the random and what stands behind it.
    """
    # The empty session ID says that this session cannot be resumed (RFC 5246 7.4.1.3).
    # RFC 7627 5.3: "the server MUST NOT perform the abbreviated handshake. Instead, it SHOULD continue with a full
    # handshake (as described in Section 5.2) to negotiate a new session." Here it never does.
    octets = encode(ServerHello12(version, bytes(32), b"", suite, 0, Extensions(values)))
    parts = octets[:_BEFORE_RANDOM], octets[_BEHIND_RANDOM:]
    if len(plan.answers12) >= _KEPT_ANSWERS:
        plan.answers12.clear()
    plan.answers12[key] = parts
    return parts


def agree_sizes(plan: ServerPlan, offer: Offer12, out: Output) -> None:
    """Records of the sizes that the ServerHello agrees to, from here on."""
    if offer.fragment:
        # RFC 6066 4: "Once a maximum fragment length other than 2^14 has been successfully negotiated, the client and
        # server MUST immediately begin fragmenting messages (including handshake messages)".
        out.fragment(offer.fragment)
    elif offer.record_size_limit is not None:
        out.limit_records(min(plan.own_limit, LARGEST_RECORD_LIMIT12), offer.record_size_limit)


def answers(plan: ServerPlan, offer: Offer12, name_used: bool, alpn: bytes | None, stapled: bool) -> list[Extension]:
    """The extensions of a ServerHello, each where the client sent its own."""
    values: list[Extension] = []
    if name_used:
        values.append(ServerName())
    # RFC 5746 3.6: "If the secure_renegotiation flag is set to TRUE, the server MUST include an empty
    # "renegotiation_info" extension in the ServerHello message."
    if offer.secure:
        values.append(RenegotiationInfo(b""))
    # RFC 7627 5.2: "If a server implementing this document receives the "extended_master_secret" extension, it MUST
    # include the extension in its ServerHello message."
    if offer.extended:
        values.append(ExtendedMainSecret())
    if offer.formats:
        values.append(EcPointFormats((UNCOMPRESSED,)))
    # RFC 6066 8: "If a server returns a "CertificateStatus" message, then the server MUST have included an extension of
    # type "status_request" with empty "extension_data" in the extended server hello."
    if stapled:
        values.append(StatusRequestServerHello())
    if alpn is not None:
        values.append(Alpn((alpn,)))
    if offer.fragment:
        values.append(MaxFragmentLength(offer.fragment.bit_length() - 9))
    elif offer.record_size_limit is not None:
        values.append(RecordSizeLimit(min(plan.own_limit, LARGEST_RECORD_LIMIT12)))
    return values
