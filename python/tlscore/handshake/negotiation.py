"""What a server makes of a ClientHello: the checks that every offer must pass, and the selection of each parameter.

`check_offer` holds the client to the rules of RFC 9846 9.2 and 4.3.8 and gives the offer in the form that selection
needs; the `select_` functions are orthogonal, as RFC 9846 4.2.1 says, and each failure names both lists, ours and the
client's. Nothing here signs or computes keys: a hopeless ClientHello must be cheap.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tlscore.errors import (
    AlertError,
    HandshakeFailure,
    IllegalParameter,
    MissingExtension,
    NoApplicationProtocol,
    ProtocolVersionError,
    UnrecognizedName,
    escape,
)
from tlscore.handshake.certificate_auth import choose_scheme
from tlscore.handshake.hello_info import ClientHelloInfo
from tlscore.iana import (
    SUITES13,
    CertificateStatusType,
    ExtensionType,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from tlscore.pending import Answer, Pending, ask, is_fresh
from tlscore.record import Record
from tlscore.wire import (
    Alpn,
    CertificateAuthorities,
    ClientHello,
    Cookie,
    EarlyDataIndication,
    KeyShareClientHello,
    KeyShareEntry,
    MaxFragmentLength,
    PostHandshakeAuth,
    PreSharedKeyClientHello,
    PskKeyExchangeModes,
    RecordSizeLimit,
    ServerName,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    StatusRequest,
    SupportedGroups,
)

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.config import ServerConfig

# RFC 8449 4: "A server MUST NOT enforce this restriction; a client might advertise a higher limit that is enabled by an
# extension or version the server does not understand." More counts as the most that TLS 1.3 allows, content type
# included.
LARGEST_RECORD_LIMIT = 2**14 + 1
# Own limit, in characters: two such lists and what is said about them stay below errors.TEXT_LIMIT.
_LIST_LENGTH = 160
_LIST_NAMES = 12
_SHA1 = frozenset((SignatureScheme.rsa_pkcs1_sha1, SignatureScheme.ecdsa_sha1))


class Offer(Record):
    """A checked ClientHello, as far as selection and the answer read it.

    `fragment` is its max_fragment_length in octets, 0 without one; `staple` whether it asks for an OCSP response;
    `late_authentication` whether it has post_handshake_auth.
    """

    suites: tuple[int, ...]
    groups: tuple[int, ...]
    shares: tuple[KeyShareEntry, ...]
    schemes: tuple[int, ...]
    cert_schemes: tuple[int, ...]
    alpn: tuple[bytes, ...]
    server_name: str | None
    record_size_limit: int | None
    authorities: tuple[bytes, ...]
    cookie: bytes | None
    early_data: bool
    fragment: int
    staple: bool
    late_authentication: bool

    def without_shares(self) -> "Offer":
        """The same, to be kept: a share may be as long as a message, and is nothing that comes again."""
        values = list(self._values())
        values[type(self)._fields.index("shares")] = ()
        return type(self)(*values)


class Selection(Record):
    """What a server selects from an offer; `share_at` is the place of the share for `group`, None without one."""

    suite: int
    group: int
    share_at: int | None
    alpn: bytes | None
    identity: "Identity"
    scheme: int
    name_used: bool


def listed(name_of: Callable[[int], str], codes: Sequence[int]) -> str:
    """Codes as text for an error: as many of them as leave room for another list beside them."""
    # A peer may send thousands of codes: none is named that is not shown.
    names = [name_of(code) for code in codes[:_LIST_NAMES]]
    shown = names[:1]
    for name in names[1:]:
        if len(", ".join((*shown, name))) > _LIST_LENGTH:
            break
        shown.append(name)
    return ", ".join(shown) + (f" and {len(codes) - len(shown)} more" if len(codes) > len(shown) else "") or "nothing"


def listed_suites(codes: Sequence[int]) -> str:
    """Suites by name, also those that nobody here would use: an error must say what the peer has."""
    from tlscore.suites import name_of

    return listed(name_of, codes)


def check_offer(hello: ClientHello) -> Offer:
    """Hold a ClientHello that selects TLS 1.3 to the rules that come before any other selection."""
    # RFC 9846 4.2.2: "A server which receives a legacy_version value not equal to 0x0303 MUST abort the handshake with
    # a "protocol_version" alert."
    if hello.legacy_version != ProtocolVersion.TLS12:
        raise ProtocolVersionError(
            f"legacy_version of the ClientHello is {hello.legacy_version:#06x} instead of 0x0303",
            section="RFC 9846 4.2.2",
        )
    # RFC 9846 4.2.2: "If a TLS 1.3 ClientHello is received with any other value in this field, the server MUST abort
    # the handshake with an "illegal_parameter" alert."
    if hello.legacy_compression_methods != b"\0":
        raise IllegalParameter(
            "the client offers compression, which TLS 1.3 does not have",
            section="RFC 9846 4.2.2",
            code="TLS-COMPRESSION",
        )
    find = hello.extensions.get
    schemes, groups, shares = find(SignatureAlgorithms), find(SupportedGroups), find(KeyShareClientHello)
    if schemes is None or groups is None or shares is None:
        raise _missing(hello)
    if PreSharedKeyClientHello in hello.extensions and PskKeyExchangeModes not in hello.extensions:
        # RFC 9846 4.3.9: "If clients offer "pre_shared_key" without a "psk_key_exchange_modes" extension, servers MUST
        # abort the handshake."
        raise MissingExtension("the ClientHello offers a PSK without psk_key_exchange_modes", section="RFC 9846 4.3.9")
    _check_shares(groups.named_group_list, shares.client_shares)
    name, limit, alpn, cert = find(ServerName), find(RecordSizeLimit), find(Alpn), find(SignatureAlgorithmsCert)
    authorities, cookie = find(CertificateAuthorities), find(Cookie)
    verifiable = schemes.supported_signature_algorithms
    return Offer(
        hello.cipher_suites,
        groups.named_group_list,
        shares.client_shares,
        verifiable,
        cert.supported_signature_algorithms if cert is not None else verifiable,
        alpn.protocol_name_list if alpn is not None else (),
        name.host_name.decode("ascii").lower() if name is not None and name.host_name else None,
        min(limit.limit, LARGEST_RECORD_LIMIT) if limit is not None else None,
        authorities.authorities if authorities is not None else (),
        cookie.cookie if cookie is not None else None,
        EarlyDataIndication in hello.extensions,
        fragment_wanted(hello),
        wants_staple(hello),
        PostHandshakeAuth in hello.extensions,
    )


def fragment_wanted(hello: ClientHello) -> int:
    """The maximum fragment length that the client asks for, in octets; 0 where it does not."""
    wanted = hello.extensions.get(MaxFragmentLength)
    # RFC 8449 5: "A server that supports the "record_size_limit" extension MUST ignore a "max_fragment_length" that
    # appears in a ClientHello if both extensions appear."
    return 256 << wanted.max_fragment_length if wanted is not None and RecordSizeLimit not in hello.extensions else 0


def wants_staple(hello: ClientHello) -> bool:
    """Whether the client asks for an OCSP response."""
    # RFC 9846 4.5.1: "Extensions in the Certificate message from the server MUST correspond to ones from the
    # ClientHello message."
    asked = hello.extensions.get(StatusRequest)
    return asked is not None and asked.status_type == CertificateStatusType.ocsp


def _missing(hello: ClientHello) -> MissingExtension:
    """The error for a ClientHello without one of the three extensions that authentication by certificate needs."""
    # RFC 9846 9.2: "If not containing a "pre_shared_key" extension, it MUST contain both a "signature_algorithms"
    # extension and a "supported_groups" extension." No PSK is accepted here, so a certificate is needed in any case.
    # RFC 9846 9.2: "If containing a "supported_groups" extension, it MUST also contain a "key_share" extension, and
    # vice versa."
    needed = (SupportedGroups, KeyShareClientHello, SignatureAlgorithms)
    missing = [ExtensionType.name_of(one.code) for one in needed if one not in hello.extensions]
    return MissingExtension(f"the ClientHello has no {' and no '.join(missing)} extension", section="RFC 9846 9.2")


def _check_shares(groups: tuple[int, ...], shares: tuple[KeyShareEntry, ...]) -> None:
    if len(set(groups)) != len(groups):
        # RFC 9846 4.3.7: "A recipient MAY abort a connection with a fatal "illegal_parameter" alert if it detects a
        # duplicate entry."
        raise IllegalParameter("the client's supported_groups names a group twice", section="RFC 9846 4.3.7")
    at = 0
    for share in shares:
        # RFC 9846 4.3.8: "Each KeyShareEntry value MUST correspond to a group offered in the "supported_groups"
        # extension and MUST appear in the same order."
        try:
            at = groups.index(share.group, at) + 1
        except ValueError:
            wrong = "twice or out of order" if share.group in groups else "that its supported_groups does not name"
            raise IllegalParameter(
                f"the client sent a key share for {NamedGroup.name_of(share.group)} {wrong}", section="RFC 9846 4.3.8"
            ) from None


def select(
    config: "ServerConfig", protocols: tuple[bytes, ...], offer: Offer, hello: ClientHello, raw: bytes
) -> Selection | Pending[Selection]:
    """Every choice of TLS 1.3, the cheap ones first; nothing is computed or signed before all of them stand.

    Takes:    protocols: the configuration's application protocols as octets; hello, raw: the ClientHello, for a
              resolver.
    """
    suite = select_suite(config, offer)
    group, share_at = select_group(config, offer)
    alpn = select_alpn(config, protocols, offer)

    def signed(candidates: "tuple[Identity, ...]") -> Selection:
        identity, scheme = _signing(config, offer, candidates)
        return Selection(suite, group, share_at, alpn, identity, scheme, name_used(config, offer, identity))

    candidates = candidates_for(config, offer, hello, raw)
    return candidates.then(signed) if isinstance(candidates, Pending) else signed(candidates)


def name_used(config: "ServerConfig", offer: Offer, identity: "Identity") -> bool:
    """Whether the name that the client asked for had a part in the choice."""
    name = offer.server_name
    return name is not None and (bool(config.names) or config.resolver is not None or identity.matches_name(name))


def prefer(first: Sequence[int], second: Sequence[int]) -> int | None:
    """The first code of `first` that `second` holds too."""
    for code in first:
        if code in second:
            return code
    return None


def select_suite(config: "ServerConfig", offer: Offer) -> int:
    """One suite of TLS 1.3 out of both lists."""
    ours, theirs = tuple([code for code in config.suites if code in SUITES13]), offer.suites
    suite = prefer(ours, theirs) if config.prefer == "server" else prefer(theirs, ours)
    if suite is None:
        from tlscore.handshake.refusals import no_common_suite13

        raise no_common_suite13(config, offer, ours)
    return suite


def select_group(config: "ServerConfig", offer: Offer) -> tuple[int, int | None]:
    """One group out of both lists, with the place of the client's share; without one a HelloRetryRequest asks for it.

    A group whose share came along wins over a preferred one that would cost another round trip.
    """
    ours, theirs = config.groups, offer.groups
    sent = [share.group for share in offer.shares]
    first, second = (ours, theirs) if config.prefer == "server" else (theirs, ours)
    common = [code for code in first if code in second]
    for code in common:
        if code in sent:
            return code, sent.index(code)
    if not common:
        # RFC 9846 4.2.1: "If there is no overlap between the received "supported_groups" and the groups supported by
        # the server, then the server MUST abort the handshake with a "handshake_failure" or an "insufficient_security"
        # alert."
        from tlscore.handshake.refusals import no_common_group13

        raise no_common_group13(config, offer)
    return common[0], None


def select_alpn(config: "ServerConfig", ours: tuple[bytes, ...], offer: Offer) -> bytes | None:
    """One application protocol; None where one end has no list, and where none is common and need not be."""
    theirs = offer.alpn
    if not ours or not theirs:
        return None
    first, second = (ours, theirs) if config.prefer == "server" else (theirs, ours)
    for name in first:
        if name in second:
            return name
    if not config.require_alpn:
        return None
    # RFC 7301 3.2: "In the event that the server supports no protocols that the client advertises, then the server
    # SHALL respond with a fatal "no_application_protocol" alert."
    raise NoApplicationProtocol(
        f"no common application protocol: the client offers {_names(theirs)}; we accept {_names(ours)}",
        # What the client sent is no part of our advice: a name may read like a sentence.
        remedy=f"add one of the client's to alpn of this server, or {_names(ours[:1])} at the client; or let "
        "require_alpn be False",
        section="RFC 7301 3.2",
    )


def _names(names: Sequence[bytes]) -> str:
    return escape(", ".join(name.decode("latin-1") for name in names[:_LIST_NAMES]), 160) or "nothing"


def candidates_for(
    config: "ServerConfig", offer: Offer, hello: ClientHello, raw: bytes, tls12: bool = False
) -> "tuple[Identity, ...] | Pending[tuple[Identity, ...]]":
    """The identities that may be shown, best first: by the resolver, by name, then by what the client can verify."""
    if config.resolver is None:
        return _usual_candidates(config, offer, tls12)

    def of(resolved: "Identity | None") -> "tuple[Identity, ...]":
        return (resolved,) if resolved is not None else _usual_candidates(config, offer, tls12)

    info = ClientHelloInfo.of(hello, raw, offer.server_name, offer.groups, offer.authorities)
    resolved = ask(partial(_resolved, offer), config.resolver, info)
    return resolved.then(of) if isinstance(resolved, Pending) else of(resolved)


def _usual_candidates(config: "ServerConfig", offer: Offer, tls12: bool) -> "tuple[Identity, ...]":
    candidates = config.identities_for(offer.server_name)
    if config.strict_sni and (offer.server_name is None or not candidates):
        raise unknown_name(offer.server_name, tls12)
    if not candidates:
        raise (
            unknown_name(offer.server_name)
            if offer.server_name
            else HandshakeFailure(
                "the resolver left the choice to a configuration without identities", code="TLS-NO_IDENTITY"
            )
        )
    if len(candidates) > 1:
        candidates = _by_what_the_client_knows(offer, candidates)
    return candidates


def _by_what_the_client_knows(offer: Offer, candidates: "tuple[Identity, ...]") -> "tuple[Identity, ...]":
    """Candidates in order: what the client can verify first. It decides among several; it never excludes the only."""
    listed_first = set(offer.authorities)

    def misfits(one: "Identity") -> tuple[bool, bool]:
        # RFC 9846 4.5.1.2: "If the peer sent a "certificate_authorities" extension, at least one of the certificates in
        # the certificate chain SHOULD be issued by one of the listed CAs."
        unlisted = bool(listed_first) and listed_first.isdisjoint(one.issuers)
        # RFC 9846 4.5.1.2: "All certificates provided by the sender MUST be signed by a signature algorithm advertised
        # by the peer, if it is able to provide such a chain"
        return not one.is_verifiable_with(offer.cert_schemes), unlisted

    return tuple(sorted(candidates, key=misfits))


def _signing(config: "ServerConfig", offer: Offer, candidates: "tuple[Identity, ...]") -> "tuple[Identity, int]":
    """The first candidate that can sign what the client verifies, with the scheme."""
    for identity in candidates:
        scheme = choose_scheme(identity.schemes, offer.schemes, config.schemes)
        if scheme is not None and not unwanted_sha1(identity, offer):
            return identity, scheme
    from tlscore.handshake.refusals import no_common_scheme

    raise no_common_scheme(config, offer, ProtocolVersion.TLS13, candidates)


def unwanted_sha1(identity: "Identity", offer: Offer) -> bool:
    """Whether the chain of an identity has a SHA-1 signature that the client does not take."""
    # RFC 9846 4.5.1.2: "This fallback chain MUST NOT use the deprecated SHA-1 hash, unless the client specifically
    # advertises that it is willing to accept SHA-1."
    return any(one <= _SHA1 - set(offer.cert_schemes) for one in identity.signed_with if one)


def _resolved(offer: Offer, answer: Answer) -> "Identity | None":
    """What the caller's resolver gave. Whatever it raises ends the handshake: nothing that goes wrong picks an
    identity."""
    from tlscore.certs.identity import Identity

    try:
        resolved = answer()
    except LookupError as failure:
        # RFC 6066 3: "If the server understood the ClientHello extension but does not recognize the server name, the
        # server SHOULD take one of two actions: either abort the handshake by sending a fatal-level
        # unrecognized_name(112) alert or continue the handshake."
        asked = f"the name {escape(offer.server_name, 120)}" if offer.server_name else "a client without a name"
        raise UnrecognizedName(
            f"the resolver knows no identity for {asked} ({type(failure).__name__})",
            remedy="add the name to what the resolver looks in, or let it give None for the usual choice",
            section="RFC 6066 3",
        ) from failure
    except Exception as failure:
        if isinstance(failure, AlertError) and is_fresh(failure):
            raise
        raise HandshakeFailure(
            f"the resolver failed ({type(failure).__name__})",
            remedy="see the chained exception; a LookupError says that the name is unknown",
            code="TLS-RESOLVER_FAILED",
        ) from failure
    if resolved is None:
        return None
    identity = getattr(resolved, "current", None)
    if not isinstance(identity, Identity):
        raise HandshakeFailure(
            f"the resolver gave {type(resolved).__name__}",
            remedy="it must give an Identity, or None for the usual choice",
            code="TLS-RESOLVER_FAILED",
        )
    return identity


def unknown_name(name: str | None, tls12: bool = False) -> MissingExtension | HandshakeFailure | UnrecognizedName:
    """The error of strict_sni."""
    if name is None and tls12:
        # TLS 1.2 has no alert for a missing extension.
        return HandshakeFailure(
            "the client does not say which server it wants, and strict_sni asks for that", section="RFC 6066 3"
        )
    if name is None:
        # RFC 9846 9.2: "Servers requiring this extension SHOULD respond to a ClientHello lacking a "server_name"
        # extension by terminating the connection with a "missing_extension" alert."
        return MissingExtension(
            "the client does not say which server it wants, and strict_sni asks for that", section="RFC 9846 9.2"
        )
    return UnrecognizedName(
        f"the client wants {escape(name, 120)}, and no identity is for that name",
        remedy="add an identity whose certificate lists the name, or turn strict_sni off",
        section="RFC 6066 3",
    )
