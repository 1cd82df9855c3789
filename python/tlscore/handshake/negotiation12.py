"""What a server makes of a ClientHello that selects TLS 1.2: its checks, and the selection of each parameter.

In TLS 1.2 a suite says which kind of key the server must sign with, so suite and identity are one choice, where TLS 1.3
has two. The curves of the key exchange bound the certificates as well. SHA-1 is never a scheme: a client that offers
nothing better is refused.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tlscore.errors import HandshakeFailure, IllegalParameter
from tlscore.handshake.negotiation import (
    Offer,
    Selection,
    candidates_for,
    fragment_wanted,
    name_used,
    prefer,
    select_alpn,
    unwanted_sha1,
    wants_staple,
)
from tlscore.handshake.plans import UNCOMPRESSED, ServerPlan
from tlscore.iana import SUITES12, CipherSuite, NamedGroup
from tlscore.pending import Pending
from tlscore.version_lists import CURVES
from tlscore.wire import (
    Alpn,
    CertificateAuthorities,
    ClientHello,
    EcPointFormats,
    ExtendedMainSecret,
    RecordSizeLimit,
    RenegotiationInfo,
    ServerName,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    SupportedGroups,
)

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.config import ServerConfig

# RFC 8449 4: TLS 1.2 has no content type octet inside a record.
LARGEST_RECORD_LIMIT12 = 2**14


class Offer12(Offer):
    """A checked ClientHello of TLS 1.2.

    `extended` and `secure` say whether it has the extended main secret and RFC 5746, `formats` whether it lists point
    formats.
    """

    extended: bool
    secure: bool
    formats: bool


def check_offer12(hello: ClientHello, config: "ServerConfig") -> Offer12:
    """Hold a ClientHello that selects TLS 1.2 to the rules that come before any other selection."""
    _check_compression(hello)
    secure = _check_renegotiation(hello)
    extended = _check_extended(hello, config)
    find = hello.extensions.get
    groups, schemes, cert = find(SupportedGroups), find(SignatureAlgorithms), find(SignatureAlgorithmsCert)
    name, alpn, authorities = find(ServerName), find(Alpn), find(CertificateAuthorities)
    formats, limit = find(EcPointFormats), find(RecordSizeLimit)
    if formats is not None and UNCOMPRESSED not in formats.ec_point_format_list:
        # RFC 8422 5.1.2: a list of point formats must hold uncompressed(0).
        raise IllegalParameter("the client's ec_point_formats lack uncompressed", section="RFC 8422 5.1.2")
    # RFC 5246 7.4.1.4.1 has a client without the list mean SHA-1, which is nothing here.
    verifiable = schemes.supported_signature_algorithms if schemes is not None else ()
    return Offer12(
        hello.cipher_suites,
        # RFC 8422 4 lets the server choose any curve then; P-256 is what everybody has.
        groups.named_group_list if groups is not None else (NamedGroup.secp256r1,),
        (),
        verifiable,
        cert.supported_signature_algorithms if cert is not None else verifiable,
        alpn.protocol_name_list if alpn is not None else (),
        name.host_name.decode("ascii").lower() if name is not None and name.host_name else None,
        min(limit.limit, LARGEST_RECORD_LIMIT12) if limit is not None else None,
        authorities.authorities if authorities is not None else (),
        None,
        False,
        fragment_wanted(hello),
        wants_staple(hello),
        False,
        extended,
        secure,
        formats is not None,
    )


def _check_extended(hello: ClientHello, config: "ServerConfig") -> bool:
    """Whether the client knows RFC 7627."""
    extended = ExtendedMainSecret in hello.extensions
    # RFC 7627 5.2: "If the server receives a ClientHello without the extension, it SHOULD abort the handshake if it
    # does not wish to interoperate with legacy clients."
    if not extended and config.require_extended_main_secret:
        raise HandshakeFailure(
            "the client does not offer the extended main secret",
            remedy="update the client (RFC 7627 is of 2015), or set require_extended_main_secret=False",
            section="RFC 7627 5.2",
            code="TLS-NO_EXTENDED_MAIN_SECRET",
        )
    return extended


def _check_compression(hello: ClientHello) -> None:
    # RFC 5246 7.4.1.2: "This vector MUST contain, and all implementations MUST support, CompressionMethod.null."
    if 0 not in hello.legacy_compression_methods:
        raise IllegalParameter(
            "the client offers no way to go without compression", section="RFC 5246 7.4.1.2", code="TLS-COMPRESSION"
        )


def _check_renegotiation(hello: ClientHello) -> bool:
    """Whether the client knows RFC 5746."""
    info = hello.extensions.get(RenegotiationInfo)
    # RFC 5746 3.6: "The server MUST then verify that the length of the "renegotiated_connection" field is zero, and if
    # it is not, MUST abort the handshake."
    if info is not None and info.renegotiated_connection:
        raise HandshakeFailure(
            "the client's first ClientHello says that it renegotiates a connection", section="RFC 5746 3.6"
        )
    return info is not None or CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV in hello.cipher_suites


# -- selection ---------------------------------------------------------------------------------------------------------


def select12(plan: ServerPlan, offer: Offer12, hello: ClientHello, raw: bytes) -> Selection | Pending[Selection]:
    """Every choice of TLS 1.2; nothing is computed or signed before all of them stand.

    Takes:    hello, raw: the ClientHello, for a resolver.
    """
    config = plan.config
    ours, theirs = plan.suites12, offer.suites
    first, second = (ours, theirs) if config.prefer == "server" else (theirs, ours)
    common = tuple([code for code in first if code in second and code in SUITES12])
    if not common:
        from tlscore.handshake.refusals import no_common_suite12

        raise no_common_suite12(plan, offer)
    group = _select_group(plan, offer)
    alpn = select_alpn(config, plan.alpn, offer)

    def signed(candidates: "tuple[Identity, ...]") -> Selection:
        for suite in common:
            for identity in candidates:
                scheme = scheme_for(plan, identity, suite, offer)
                if scheme is not None:
                    used = name_used(config, offer, identity)
                    return Selection(suite, group, None, alpn, identity, scheme, used)
        from tlscore.handshake.refusals import no_identity12

        raise no_identity12(plan, common, candidates, offer)

    candidates = candidates_for(config, offer, hello, raw, tls12=True)
    return candidates.then(signed) if isinstance(candidates, Pending) else signed(candidates)


def _select_group(plan: ServerPlan, offer: Offer12) -> int:
    ours = tuple([code for code in plan.config.groups if code in CURVES])
    first, second = (ours, offer.groups) if plan.config.prefer == "server" else (offer.groups, ours)
    group = prefer(first, second)
    if group is None:
        from tlscore.handshake.refusals import no_common_group12

        raise no_common_group12(plan, offer, ours)
    return group


def scheme_for(plan: ServerPlan, identity: "Identity", suite: int, offer: Offer12) -> int | None:
    """The scheme that an identity signs with under a suite; None where it does not serve it."""
    if identity.kind != SUITES12[suite].authentication or not curve_fits(identity, offer):
        return None
    if unwanted_sha1(identity, offer):
        return None
    return choose_scheme12(identity.schemes12, offer.schemes, plan.schemes12)


def choose_scheme12(own: Sequence[int], peer: Sequence[int], allowed: Sequence[int]) -> int | None:
    """The first scheme of our key that the peer takes and the configuration allows."""
    return next((scheme for scheme in own if scheme in peer and scheme in allowed), None)


def curve_fits(identity: "Identity", offer: Offer12) -> bool:
    """Whether the client knows the curve of our key."""
    # RFC 5246 7.4.2: "The public key MUST use a curve and point format supported by the client".
    return not identity.curve or NamedGroup.code_of(identity.curve) in offer.groups
