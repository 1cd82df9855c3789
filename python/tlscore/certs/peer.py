"""Who the peer is, as its certificate says: made from the certificate when somebody asks, since few handshakes need it.

The texts are the peer's own words. They are true only where `conn.authenticated` is; print them with `escape` or repr.
"""

from __future__ import annotations

import warnings
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from tlscore.record import Record

# The parser warns of names longer than X.520 allows. Who reads a log cannot change what a peer sent, and a peer must
# not write to standard error; `catch_warnings` is not for threads. A certificate's own serial number of zero or less is
# refused before the parser sees it (paths/facts.py); one that it tells of its issuer says nothing that anybody reads.
warnings.filterwarnings("ignore", "Attribute's length must be", UserWarning, r"tlscore\.")
warnings.filterwarnings("ignore", "Parsed a serial number which wasn't positive", UserWarning, r"tlscore\.")

# What reading a hostile certificate can raise; parts of it are parsed only when asked for.
PARSE_ERRORS: Final = (
    ValueError,
    TypeError,
    OverflowError,
    KeyError,  # a TLS feature (RFC 7633) that the parser has no name for
    UnsupportedAlgorithm,
    UserWarning,  # where warnings are errors; those of cryptography are such
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class PeerIdentity(Record, kw_only=True):
    """The peer's own certificate in plain values. Names are in A-labels, addresses as text, `fingerprint` is SHA-256 in
    hexadecimal."""

    subject: str
    issuer: str
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    email_addresses: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    serial_number: int
    not_before: datetime
    not_after: datetime
    fingerprint: str

    @classmethod
    def of(cls, certificate: x509.Certificate) -> PeerIdentity:
        """The identity that a certificate states."""
        san = alternative_names(certificate)
        return cls(
            subject=subject_text(certificate),
            issuer=issuer_text(certificate),
            dns_names=_values(san, x509.DNSName),
            ip_addresses=_values(san, x509.IPAddress),
            email_addresses=_values(san, x509.RFC822Name),
            uris=_values(san, x509.UniformResourceIdentifier),
            serial_number=certificate.serial_number,
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        )


def alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    """The subjectAltName, or None where there is none or it cannot be parsed."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        return None


def subject_text(certificate: x509.Certificate) -> str:
    """The subject as RFC 4514 text."""
    try:
        return certificate.subject.rfc4514_string()
    except PARSE_ERRORS:
        return "(unreadable name)"


def issuer_text(certificate: x509.Certificate) -> str:
    """The issuer as RFC 4514 text."""
    try:
        return certificate.issuer.rfc4514_string()
    except PARSE_ERRORS:
        return "(unreadable name)"


def _values(san: x509.SubjectAlternativeName | None, kind: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in san.get_values_for_type(kind)) if san is not None else ()
