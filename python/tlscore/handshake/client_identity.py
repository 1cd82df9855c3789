"""Which of our identities a client shows when the server asks: by CA list, by scheme, by OID filter.

The first identity that fits in every respect is taken, in the order of the configuration. When none fits, the answer is
an empty Certificate, and the reasons (what was asked for, and one for each identity) are kept for whoever wonders
later why the server refused.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tlscore.errors import IllegalParameter, MissingExtension, escape
from tlscore.handshake.certificate_auth import choose_scheme, now
from tlscore.handshake.negotiation import listed
from tlscore.handshake.negotiation12 import choose_scheme12
from tlscore.iana import ClientCertificateType, SignatureScheme
from tlscore.record import Record
from tlscore.wire import (
    CertificateAuthorities,
    CertificateRequest,
    OidFilter,
    OidFilters,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    StatusRequestCertificateRequest,
)

if TYPE_CHECKING:
    from tlscore.certs.identity import Identity
    from tlscore.config import ClientConfig

# RFC 8422 5.5: Ed25519 and Ed448 come under ecdsa_sign.
_CERTIFICATE_TYPES = {"ECDSA": ClientCertificateType.ecdsa_sign, "RSA": ClientCertificateType.rsa_sign}
# Extensions whose values can be matched (RFC 9846 4.3.5), by DER OID: 2.5.29.15 and 2.5.29.37.
_KEY_USAGE = bytes.fromhex("0603551d0f")
_EXTENDED_KEY_USAGE = bytes.fromhex("0603551d25")


class Wanted(Record):
    """What a CertificateRequest asks for; `kinds` are its certificate_types in TLS 1.2, None in TLS 1.3."""

    context: bytes
    schemes: tuple[int, ...]
    cert_schemes: tuple[int, ...]
    authorities: tuple[bytes, ...]
    filters: tuple[OidFilter, ...]
    staple: bool = False
    kinds: tuple[int, ...] | None = None


def read_request(request: CertificateRequest) -> Wanted:
    """The parts of a CertificateRequest that choose an identity. Unknown extensions are ignored."""
    schemes = request.extensions.get(SignatureAlgorithms)
    if schemes is None:
        # RFC 9846 4.4.2: "The "signature_algorithms" extension MUST be specified"
        raise MissingExtension(
            "the server's CertificateRequest has no signature_algorithms extension", section="RFC 9846 4.4.2"
        )
    authorities, filters = request.extensions.get(CertificateAuthorities), request.extensions.get(OidFilters)
    cert = request.extensions.get(SignatureAlgorithmsCert)
    wanted = filters.filters if filters is not None else ()
    verifiable = schemes.supported_signature_algorithms
    # RFC 9846 4.3.5: "Any given OID MUST NOT appear more than once in the filters list."
    if len({one.certificate_extension_oid for one in wanted}) != len(wanted):
        raise IllegalParameter("oid_filters of the CertificateRequest names an OID twice", section="RFC 9846 4.3.5")
    return Wanted(
        request.certificate_request_context,
        verifiable,
        cert.supported_signature_algorithms if cert is not None else verifiable,
        authorities.authorities if authorities is not None else (),
        wanted,
        StatusRequestCertificateRequest in request.extensions,
    )


def choose(
    config: "ClientConfig", wanted: Wanted, scheme_of: "Callable[[Identity], int | None] | None" = None
) -> "tuple[Identity, int] | str":
    """The identity to show and the scheme to sign with; or the reason why there is none.

    Takes:    scheme_of: what an identity would sign with, where that does not follow from `wanted`: the legacy tier.
    Of several that fit, one whose chain the server can check comes first; one that is valid today comes before one
    that is not. An expired one alone is shown all the same, since the server decides and our clock may be wrong.
    """
    identities = config.current_identities
    if not identities:
        return "the server asked for a certificate, and this configuration has no identity"
    reasons, expired = [], None
    # RFC 9846 4.5.1.2: "If the sender is the client, the client MAY use a fallback chain as above": identities whose
    # chain the server can check come first, the others are better than none.
    numbered = list(enumerate(identities, 1))
    if len(numbered) > 1:
        numbered.sort(key=lambda one: not one[1].is_verifiable_with(wanted.cert_schemes))
    for number, identity in numbered:
        scheme = _scheme(config, identity, wanted) if scheme_of is None else scheme_of(identity)
        reason = _misfit(identity, scheme, wanted)
        if reason is None and scheme is not None:
            if len(identities) == 1 or identity.days_to_expiry(now(config)) >= 0:
                return identity, scheme
            expired = expired or (identity, scheme)
            reason = "has expired"
        reasons.append(f"identity {number} ({_who(identity)}) {reason}")
    if expired is not None:
        return expired
    asked = f" from {_issuers(wanted.authorities)}" if wanted.authorities else ""
    return f"the server asked for a certificate{asked}, and no identity fits its request: " + "; ".join(reasons)


def _misfit(identity: "Identity", scheme: int | None, wanted: Wanted) -> str | None:
    """Why an identity does not fit, None where it does."""
    # RFC 9846 4.5.1.2: "If the peer sent a "certificate_authorities" extension, at least one of the certificates in the
    # certificate chain SHOULD be issued by one of the listed CAs."
    if wanted.authorities and not any(issuer in wanted.authorities for issuer in identity.issuers):
        return f"is issued by none of the CAs that the server lists, but by {_issuers(identity.issuers)}"
    if wanted.kinds is not None and _CERTIFICATE_TYPES.get(identity.kind) not in wanted.kinds:
        return "is not of a kind that the server asks for"
    # RFC 5246 7.4.6: "the certificate MUST allow the key to be used for signing with the signature scheme and hash
    # algorithm that will be employed in the certificate verify message."
    if "digitalSignature" not in identity.uses:
        return "may not sign: its certificate has a keyUsage without digitalSignature"
    if scheme is None:
        return f"cannot sign with {listed(SignatureScheme.name_of, wanted.schemes)}"
    if wanted.filters and not _matches(identity.chain[0], wanted.filters):
        return "does not have the certificate extensions that the server asks for"
    return None


def doubts(config: "ClientConfig", identity: "Identity") -> str | None:
    """What a server may refuse in the certificate that we show: kept for whoever wonders why it did."""
    found = []
    if identity.days_to_expiry(now(config)) < 0:
        found.append("has expired")
    if "client" not in identity.roles:
        found.append("is not for clients (its extendedKeyUsage lists no clientAuth)")
    return f"the certificate that we sent ({_who(identity)}) " + " and ".join(found) if found else None


def _who(identity: "Identity") -> str:
    from tlscore.certs.peer import subject_text

    return escape(subject_text(identity.certificate), 80) or "no subject"


def _issuers(names: tuple[bytes, ...]) -> str:
    """DER names as text, at most four of them."""
    from tlscore.certs.name_text import name_text

    shown = [escape(name_text(one), 80) for one in names[:4]]
    return ", ".join(shown) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _scheme(config: "ClientConfig", identity: "Identity", wanted: Wanted) -> int | None:
    if wanted.kinds is None:
        return choose_scheme(identity.schemes, wanted.schemes, config.schemes)
    return choose_scheme12(identity.schemes12, wanted.schemes, config.schemes)


def _matches(leaf: bytes, filters: tuple[OidFilter, ...]) -> bool:
    """Whether a certificate has what the filters ask for, as far as we can tell."""
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(leaf)
    for one in filters:
        oid, values = one.certificate_extension_oid, one.certificate_extension_values
        # RFC 9846 4.3.5: "the client MUST ignore and skip any unrecognized certificate extension OIDs"
        if oid not in (_KEY_USAGE, _EXTENDED_KEY_USAGE):
            continue
        kind = x509.KeyUsage if oid == _KEY_USAGE else x509.ExtendedKeyUsage
        try:
            held = certificate.extensions.get_extension_for_class(kind).value.public_bytes()
        except x509.ExtensionNotFound:
            return False
        read = _usage_bits if oid == _KEY_USAGE else _purposes
        # RFC 9846 4.3.5: "all of the specified values MUST be present in the client certificate (but the certificate
        # MAY have other values as well)"
        if values and not read(values) <= read(held):
            return False
    return True


def _usage_bits(der: bytes) -> set[object]:
    """The positions of the bits that a DER BIT STRING sets."""
    body = _body(der, 0x03)
    if not body or body[0] > 7:
        raise _bad_filter()
    return {8 * at + bit for at, octet in enumerate(body[1:]) for bit in range(8) if octet & 0x80 >> bit}


def _purposes(der: bytes) -> set[object]:
    """The OIDs of a DER SEQUENCE OF OBJECT IDENTIFIER."""
    rest, found = _body(der, 0x30), set[object]()
    while rest:
        if len(rest) < 2 or rest[0] != 0x06 or rest[1] >= 0x80 or len(rest) < 2 + rest[1]:
            raise _bad_filter()
        found.add(rest[2 : 2 + rest[1]])
        rest = rest[2 + rest[1] :]
    return found


def _body(der: bytes, tag: int) -> bytes:
    """The contents of one DER value that fills `der`."""
    if len(der) < 2 or der[0] != tag:
        raise _bad_filter()
    octets = der[1] & 0x7F if der[1] & 0x80 else 0
    length = int.from_bytes(der[2 : 2 + octets], "big") if octets else der[1]
    body = der[2 + octets :]
    if octets > 2 or len(body) != length:
        raise _bad_filter()
    return body


def _bad_filter() -> IllegalParameter:
    return IllegalParameter(
        "oid_filters of the CertificateRequest holds a value that is no DER of its extension", section="RFC 9846 4.3.5"
    )
