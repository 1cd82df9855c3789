"""CRLs and OCSP responses for tests, good ones and every kind of bad one.

The builders of `cryptography` make what the standards allow. What they refuse to make (a list without nextUpdate, an
entry with an unknown critical extension beside known ones, an OCSP response with two entries) is put together here.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.certificates import Authority, Issued

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
UNKNOWN_OID = x509.ObjectIdentifier("1.3.6.1.4.1.55555.1")
UNKNOWN = x509.UnrecognizedExtension(UNKNOWN_OID, b"\x05\x00")


def hash_for(key: Any) -> Any:
    return hashes.SHA256() if isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)) else None


def entry(
    serial: int | x509.Certificate,
    reason: x509.ReasonFlags | None = None,
    issuer: x509.Name | None = None,
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> x509.RevokedCertificate:
    number = serial.serial_number if isinstance(serial, x509.Certificate) else serial
    builder = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(NOW - DAY)
    if reason is not None:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    if issuer is not None:
        builder = builder.add_extension(x509.CertificateIssuer([x509.DirectoryName(issuer)]), critical=True)
    for value, critical in extra:
        builder = builder.add_extension(value, critical=critical)
    return builder.build()


def point(**changes: Any) -> x509.IssuingDistributionPoint:
    values: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**{**values, **changes})


def uri(text: str) -> list[x509.GeneralName]:
    return [x509.UniformResourceIdentifier(text)]


def make_crl(
    authority: Authority,
    revoked: tuple[x509.RevokedCertificate | x509.Certificate, ...] | list[Any] = (),
    *,
    number: int | None = 1,
    number_critical: bool = False,
    base: int | None = None,
    this_update: dt.datetime = NOW - HOUR,
    next_update: dt.datetime = NOW + DAY,
    scope: x509.IssuingDistributionPoint | None = None,
    key_identifier: bool = True,
    issuer: x509.Name | None = None,
    key: Any = None,
    algorithm: Any = "default",
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> bytes:
    """A CRL in DER."""
    signer = authority.key if key is None else key
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject if issuer is None else issuer)
        .last_update(this_update)
        .next_update(next_update)
    )
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=number_critical)
    if base is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(base), critical=True)
    if key_identifier:
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(known, critical=False)
    if scope is not None:
        builder = builder.add_extension(scope, critical=True)
    for value, critical in extra:
        builder = builder.add_extension(value, critical=critical)
    for one in revoked:
        builder = builder.add_revoked_certificate(entry(one) if isinstance(one, x509.Certificate) else one)
    return builder.sign(signer, hash_for(signer) if algorithm == "default" else algorithm).public_bytes(Encoding.DER)


def crl_pem(der: bytes) -> bytes:
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)


# -- OCSP --------------------------------------------------------------------------------------------------------------

GOOD, REVOKED, UNKNOWN_STATUS = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN


def responder(authority: Authority, *, usage: Any = ExtendedKeyUsageOID.OCSP_SIGNING, nocheck: bool = True) -> Issued:
    """A delegated OCSP responder."""
    extra: list[tuple[x509.ExtensionType, bool]] = []
    if usage is not None:
        extra.append((x509.ExtendedKeyUsage([usage]), False))
    if nocheck:
        extra.append((x509.OCSPNoCheck(), False))
    return authority.issue(usage="none", common_name="OCSP responder", extra=tuple(extra))


def make_response(
    certificate: x509.Certificate,
    authority: Authority,
    status: ocsp.OCSPCertStatus = GOOD,
    *,
    by: Issued | Authority | None = None,
    by_key: bool = False,
    include: bool = True,
    issuer: x509.Certificate | None = None,
    certid_hash: Any = None,
    this_update: dt.datetime = NOW - HOUR,
    next_update: dt.datetime | None = NOW + DAY,
    algorithm: Any = "default",
    reason: x509.ReasonFlags | None = None,
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    key: Any = None,
) -> bytes:
    """A response in DER, signed by the issuer or by a delegated responder."""
    signer = authority if by is None else by
    encoding = ocsp.OCSPResponderEncoding.HASH if by_key else ocsp.OCSPResponderEncoding.NAME
    builder = ocsp.OCSPResponseBuilder().add_response(
        certificate,
        authority.certificate if issuer is None else issuer,
        certid_hash or hashes.SHA1(),
        status,
        this_update,
        next_update,
        NOW - DAY if status is REVOKED else None,
        reason,
    )
    builder = builder.responder_id(encoding, signer.certificate)
    if by is not None and include:
        builder = builder.certificates([by.certificate])
    for value, critical in extra:
        builder = builder.add_extension(value, critical=critical)
    private = signer.key if key is None else key
    made = builder.sign(private, hash_for(private) if algorithm == "default" else algorithm)
    return made.public_bytes(Encoding.DER)


# -- octets by hand ----------------------------------------------------------------------------------------------------


def tlv(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + body


def resign(tbs: bytes, algorithm: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A signed object around a tbs that was changed."""
    signature = key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    return tlv(0x30, tbs, algorithm, tlv(0x03, b"\0", signature))


def without_next_update(der: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The same CRL without nextUpdate."""
    from tlscore.certs.revocation import der as reading

    outer = reading.members(der)
    parts = reading.members(der, outer[0])
    times = [one for one in parts if one.tag in (0x17, 0x18)]
    kept = [one.whole(der) for one in parts if one is not times[1]]
    return resign(tlv(0x30, *kept), outer[1].whole(der), key)
