"""Which of our identities a client shows when the server asks: by CA list, by scheme, by OID filter.

The first identity that fits in every respect is taken, in the order of the configuration. When none fits, the answer is
an empty Certificate, and the reasons (one per identity) are kept for whoever wonders later why the server refused.
"""

from typing import TYPE_CHECKING

from tlscore.errors import IllegalParameter, MissingExtension
from tlscore.handshake.certificate_auth import choose_scheme
from tlscore.handshake.chain_schemes import chain_fits
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
    )


def choose(config: "ClientConfig", wanted: Wanted) -> "tuple[Identity, int] | str":
    """The identity to show and the scheme to sign with; or the reason why there is none."""
    if not config.identities:
        return "the server asked for a certificate, and this configuration has no identity"
    reasons = []
    # RFC 9846 4.5.1.2: "If the sender is the client, the client MAY use a fallback chain as above": identities whose
    # chain the server can check come first, the others are better than none.
    numbered = enumerate(config.identities, 1)
    for number, identity in sorted(numbered, key=lambda one: not chain_fits(one[1].chain, wanted.cert_schemes)):
        scheme = _scheme(config, identity, wanted)
        # RFC 9846 4.5.1.2: "If the peer sent a "certificate_authorities" extension, at least one of the certificates in
        # the certificate chain SHOULD be issued by one of the listed CAs."
        if wanted.authorities and not any(issuer in wanted.authorities for issuer in identity.issuers):
            reasons.append(f"identity {number} is issued by none of the CAs that the server lists")
        elif wanted.kinds is not None and _CERTIFICATE_TYPES.get(identity.kind) not in wanted.kinds:
            reasons.append(f"identity {number} is not of a kind that the server asks for")
        elif scheme is None:
            reasons.append(f"identity {number} cannot sign with {listed(SignatureScheme.name_of, wanted.schemes)}")
        elif wanted.filters and not _matches(identity.chain[0], wanted.filters):
            reasons.append(f"identity {number} lacks certificate extensions that the server asks for")
        else:
            return identity, scheme
    return "no identity fits the server's request: " + "; ".join(reasons)


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
