"""The ServerHello of TLS 1.2: which extensions answer which of the client's, and the octets that repeat.

All of it but the random follows from the configuration, the selection and a handful of yes and no of the offer, so it
is encoded when it is first needed, and kept in the plan of the configuration as what stands before the random and what
stands behind it.
"""

from tlscore.handshake.negotiation import Selection
from tlscore.handshake.negotiation12 import LARGEST_RECORD_LIMIT12, Offer12
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
    """The ServerHello for what was selected.

    Takes:    stapled: whether a CertificateStatus follows.
    """
    key = (
        selection.suite,
        selection.name_used,
        selection.alpn,
        offer.secure,
        offer.extended,
        offer.formats,
        offer.fragment,
        offer.record_size_limit is not None,
        stapled,
    )
    known = plan.answers12.get(key)
    if known is None:
        values = answers(plan, offer, selection.name_used, selection.alpn, stapled)
        # The empty session ID says that this session cannot be resumed (RFC 5246 7.4.1.3).
        # RFC 7627 5.3: "the server MUST NOT perform the abbreviated handshake. Instead, it SHOULD continue with a full
        # handshake (as described in Section 5.2) to negotiate a new session." Here it never does.
        message = ServerHello12(ProtocolVersion.TLS12, bytes(32), b"", selection.suite, 0, Extensions(values))
        octets = encode(message)
        known = octets[:_BEFORE_RANDOM], octets[_BEHIND_RANDOM:]
        if len(plan.answers12) < _KEPT_ANSWERS:
            plan.answers12[key] = known
    return b"".join((known[0], random, known[1]))


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
