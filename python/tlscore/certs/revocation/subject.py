"""A certificate whose status is asked, with what the answer depends on, taken out of it once.

The parts are those that RFC 5280 6.3 and RFC 6960 4.1 name: serial number, issuer, whether it is a CA, where its CRLs
are distributed, which features it promises. Extensions that cannot be parsed raise; the caller of this room turns that
into a check that failed.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from tlscore.certs.peer import PARSE_ERRORS, subject_text
from tlscore.certs.revocation import der, names
from tlscore.errors import escape

# How many certificates may stand between a CRL issuer and the path, and how many of one name are tried.
_ISSUER_DEPTH: Final = 3
_NAMESAKES: Final = 8


def extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> Any:
    """The value of an extension, or None."""
    return next((one.value for one in certificate.extensions if one.oid == oid), None)


def key_octets(certificate: x509.Certificate) -> bytes:
    return der.certificate_key_bits(certificate.tbs_certificate_bytes)


class Subject:
    """One certificate of a path, at `place` (0 is the leaf)."""

    __slots__ = (
        "above",
        "certificate",
        "is_authority",
        "issuer",
        "octets",
        "place",
        "points",
        "promises_staple",
        "serial",
        "serial_octets",
        "text",
    )

    def __init__(self, path: tuple[x509.Certificate, ...], place: int) -> None:
        certificate = self.certificate = path[place]
        self.place = place
        self.octets = certificate.public_bytes(Encoding.DER)
        self.above = path[place + 1 :]
        self.issuer = names.normal(certificate.issuer)
        self.serial = certificate.serial_number
        self.serial_octets = der.certificate_serial(certificate.tbs_certificate_bytes)
        constraints = extension(certificate, ExtensionOID.BASIC_CONSTRAINTS)
        self.is_authority = bool(constraints is not None and constraints.ca)
        points = extension(certificate, ExtensionOID.CRL_DISTRIBUTION_POINTS)
        self.points: tuple[x509.DistributionPoint, ...] = tuple(points) if points is not None else ()
        # RFC 7633 4.1: the TLS feature extension lists what the certificate promises.
        features = extension(certificate, ExtensionOID.TLS_FEATURE)
        self.promises_staple = features is not None and x509.TLSFeatureType.status_request in features
        who = "the peer's certificate" if place == 0 else f"certificate {place + 1} of the path"
        self.text = f"{who} ({escape(subject_text(certificate), 120)}, serial {self.serial:x})"

    @property
    def crl_urls(self) -> tuple[str, ...]:
        return tuple(
            name.value
            for point in self.points
            for name in point.full_name or ()
            if isinstance(name, x509.UniformResourceIdentifier)
        )

    @property
    def ocsp_urls(self) -> tuple[str, ...]:
        access = extension(self.certificate, ExtensionOID.AUTHORITY_INFORMATION_ACCESS)
        return tuple(
            one.access_location.value
            for one in access or ()
            if one.access_method == AuthorityInformationAccessOID.OCSP
            and isinstance(one.access_location, x509.UniformResourceIdentifier)
        )


# Made anew for every handshake it would cost more than the rest of an answer; certificates alone decide what it is.
subject_of = lru_cache(maxsize=256)(Subject)


def signers(
    wanted: names.Normal, above: tuple[x509.Certificate, ...], others: tuple[x509.Certificate, ...], now: datetime
) -> list[x509.Certificate]:
    """Certificates of a CRL issuer: those of the path itself, then others that lead to it.

    RFC 5280 6.3.3 (f): "The trust anchor for the certification path MUST be the same as the trust anchor used to
    validate the target certificate." Here the path of a CRL issuer has to end in a CA of the certificate's own path.
    """
    found = [one for one in above if names.normal(one.subject) == wanted]
    namesakes = [one for one in others if names.normal(one.subject) == wanted][:_NAMESAKES]
    return found + [one for one in namesakes if one not in found and _leads_to(one, above, others, now, _ISSUER_DEPTH)]


def _leads_to(
    certificate: x509.Certificate,
    above: tuple[x509.Certificate, ...],
    others: tuple[x509.Certificate, ...],
    now: datetime,
    depth: int,
) -> bool:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return False
    issuer = names.normal(certificate.issuer)
    for candidate in above:
        if names.normal(candidate.subject) == issuer and issued_by(certificate, candidate):
            return True
    if depth == 0:
        return False
    return any(
        names.normal(candidate.subject) == issuer
        and candidate != certificate
        and issued_by(certificate, candidate)
        and _leads_to(candidate, above, others, now, depth - 1)
        for candidate in others
    )


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether a CA's key signed a certificate, with an algorithm that is strong enough."""
    from tlscore.certs.revocation.signed import SignatureProblem, check_signature, open_signed

    try:
        constraints = extension(issuer, ExtensionOID.BASIC_CONSTRAINTS)
        usage = extension(issuer, ExtensionOID.KEY_USAGE)
        if (constraints is not None and not constraints.ca) or (usage is not None and not usage.key_cert_sign):
            return False
        check_signature(issuer.public_key(), open_signed(certificate.public_bytes(Encoding.DER)))
    except (SignatureProblem, InvalidSignature, UnsupportedAlgorithm, *PARSE_ERRORS):
        return False
    return True
