"""The status of one certificate by an OCSP response (RFC 6960), stapled or fetched.

A response counts if it was asked for this very certificate (all three parts of the CertID, under whatever hash), by
somebody who may answer (the issuer itself, or a certificate that the issuer signed for OCSP signing and nothing less),
in time, with a signature that holds. The status is read only then. Extensions that are critical and unknown make a
response useless.
"""

from __future__ import annotations

import hashlib
import warnings
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from tlscore.certs.peer import PARSE_ERRORS
from tlscore.certs.revocation import der, names
from tlscore.certs.revocation.crl_check import Asking
from tlscore.certs.revocation.crl_check import status as crl_status
from tlscore.certs.revocation.problems import BAD_STAPLE, REVOKED, Good, Problem, Unreadable, Verdict, furthest
from tlscore.certs.revocation.signed import SignatureProblem, check_signature, open_signed
from tlscore.certs.revocation.subject import Subject, extension, key_octets

# Own limits: honest responses are of 300 to 5,000 octets and hold one entry.
RESPONSE_OCTETS: Final = 65_536
_ENTRIES: Final = 64
_RESPONDERS: Final = 8
# Nonces are understood: a staple answers nobody's request in particular.
_UNDERSTOOD_OF_RESPONSE: Final = frozenset(("1.3.6.1.5.5.7.48.1.2",))
# Extensions of one entry that are understood (RFC 6960 4.4): archive cutoff, CRL references, service locator, SCTs.
_UNDERSTOOD: Final = frozenset(("1.3.6.1.5.5.7.48.1.6", "1.3.6.1.5.5.7.48.1.3", "2.5.29.21", "1.3.6.1.4.1.11129.2.4.5"))


class Clock(NamedTuple):
    """By which time a response is judged, and how much a clock may differ."""

    now: datetime
    skew: timedelta
    max_age: timedelta


def status(
    data: bytes,
    subject: Subject,
    clock: Clock,
    asking: Asking | None = None,
    *,
    required: bool = False,
    alert: int = BAD_STAPLE,
) -> Verdict:
    """Whether a response says that a certificate is good or revoked, or why it says nothing.

    Takes:    asking: CRLs by which a delegated responder is checked where its certificate does not opt out of that.
              required: refuse such a responder where no CRL speaks for it.
    """
    if not subject.above:
        return _problem("OCSP_ISSUER", "there is no issuer whose responses could be checked", 0, alert)
    try:
        response = _parsed(data)
        return _judge(response, data, subject, clock, asking, required, alert)
    except _Stop as stop:
        return stop.problem._replace(alert=stop.problem.alert or alert)
    except (Unreadable, *PARSE_ERRORS) as failure:
        return _problem("OCSP_UNREADABLE", f"the OCSP response cannot be read ({str(failure)[:160]})", 5, alert)


class _Stop(Exception):
    """Ends a judgement with a problem; 0 as its alert stands for that of the caller."""

    def __init__(self, code: str, text: str, progress: int, section: str = "RFC 6960 3.2") -> None:
        super().__init__(text)
        self.problem = _problem(code, text, progress, 0, section)


def _problem(code: str, text: str, progress: int, alert: int, section: str = "RFC 6960 3.2") -> Problem:
    return Problem(
        f"TLS-{code}",
        text,
        "have the peer staple a fresh response of its CA's OCSP responder",
        section,
        progress,
        alert,
    )


@lru_cache(maxsize=64)
def _parsed(data: bytes) -> ocsp.OCSPResponse:
    """A response, parsed; the octets alone decide what it is, so the same staple is parsed once."""
    if len(data) > RESPONSE_OCTETS:
        raise Unreadable(f"it has {len(data)} octets, more than {RESPONSE_OCTETS}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return ocsp.load_der_ocsp_response(data)


def _judge(
    response: ocsp.OCSPResponse,
    data: bytes,
    subject: Subject,
    clock: Clock,
    asking: Asking | None,
    required: bool,
    alert: int,
) -> Verdict:
    if response.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
        name = response.response_status.name.lower()
        raise _Stop("OCSP_UNSUCCESSFUL", f"the OCSP response holds no status: the responder answers {name}", 10)
    basic = _basic(data)
    single, place = _entry_for(response, subject)
    _check_extensions(basic, data, place)
    _check_responder(response, data, basic, subject, clock, asking, required)
    _check_time(response, single, clock)
    if single.certificate_status == ocsp.OCSPCertStatus.GOOD:
        until = f"until {single.next_update_utc:%Y-%m-%d %H:%M:%S} UTC" if single.next_update_utc else "without an end"
        return Good(f"{subject.text} is good, says its OCSP responder, {until}")
    if single.certificate_status == ocsp.OCSPCertStatus.REVOKED:
        reason = single.revocation_reason.value if single.revocation_reason is not None else "unspecified"
        return Problem(
            "TLS-REVOKED",
            f"{subject.text} was revoked on {single.revocation_time_utc:%Y-%m-%d %H:%M:%S} UTC, reason {reason}, "
            "says its OCSP responder",
            "the peer must get a new certificate with a new key; do not connect until it has one",
            "RFC 6960 2.2",
            100,
            REVOKED,
        )
    raise _Stop("OCSP_UNKNOWN", "the OCSP responder does not know the certificate", 90, "RFC 6960 2.2")


# -- the right entry ---------------------------------------------------------------------------------------------------


def _entry_for(response: ocsp.OCSPResponse, subject: Subject) -> tuple[ocsp.OCSPSingleResponse, int]:
    """The SingleResponse for a certificate, and its place in the list."""
    tbs, issuer = subject.certificate.tbs_certificate_bytes, subject.above[0]
    name, key = der.certificate_issuer(tbs), key_octets(issuer)
    for place, single in enumerate(response.responses):
        if place >= _ENTRIES:
            break
        if single.serial_number != subject.serial:
            continue
        try:
            algorithm = single.hash_algorithm
        except PARSE_ERRORS:
            continue
        # RFC 6960 4.1.1: issuerNameHash is over "the DER encoding of the issuer's name field in the certificate being
        # checked", issuerKeyHash over "the value (excluding tag and length) of the subject public key field in the
        # issuer's certificate".
        if single.issuer_name_hash == _digest(algorithm, name) and single.issuer_key_hash == _digest(algorithm, key):
            return single, place
    raise _Stop("OCSP_WRONG_CERTIFICATE", "the OCSP response is about another certificate", 20)


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()


# -- time --------------------------------------------------------------------------------------------------------------


def _check_time(response: ocsp.OCSPResponse, single: ocsp.OCSPSingleResponse, clock: Clock) -> None:
    now, skew = clock.now, clock.skew
    this_update, next_update = single.this_update_utc, single.next_update_utc
    # RFC 6960 4.2.2.1: "Responses whose nextUpdate value is earlier than the local system time value SHOULD be
    # considered unreliable."
    if next_update is not None and next_update < now - skew:
        raise _Stop("OCSP_STALE", f"the OCSP response is stale since {next_update:%Y-%m-%d %H:%M:%S} UTC", 61)
    if next_update is None and this_update < now - clock.max_age - skew:
        raise _Stop("OCSP_STALE", f"the OCSP response is of {this_update:%Y-%m-%d %H:%M:%S} UTC and names no end", 61)
    # RFC 6960 4.2.2.1: "Responses whose thisUpdate time is later than the local system time SHOULD be considered
    # unreliable."
    latest = max(this_update, response.produced_at_utc)
    if latest > now + skew:
        raise _Stop("OCSP_NOT_YET_VALID", f"the OCSP response is from the future ({latest:%Y-%m-%d %H:%M:%S} UTC)", 60)


# -- who may answer ----------------------------------------------------------------------------------------------------


def _check_responder(
    response: ocsp.OCSPResponse,
    data: bytes,
    basic: der.Value,
    subject: Subject,
    clock: Clock,
    asking: Asking | None,
    required: bool,
) -> None:
    issuer = subject.above[0]
    problems = []
    for candidate in (issuer, *list(response.certificates)[:_RESPONDERS]):
        if not _named(response, candidate):
            continue
        try:
            if candidate != issuer and key_octets(candidate) != key_octets(issuer):
                _check_delegation(candidate, subject, clock, asking, required)
            _check_signature(candidate, data, basic)
        except _Stop as stop:
            problems.append(stop.problem)
            continue
        return
    if not problems:
        raise _Stop(
            "OCSP_RESPONDER", "the OCSP response is signed by neither the issuer nor a responder that it sent along", 30
        )
    told = furthest(problems)
    raise _Stop(told.code.removeprefix("TLS-"), told.text, told.progress, told.section)


def _named(response: ocsp.OCSPResponse, candidate: x509.Certificate) -> bool:
    """Whether the ResponderID is that of a certificate (RFC 6960 4.2.1: by name, or by the SHA-1 hash of the key)."""
    if response.responder_key_hash is not None:
        return response.responder_key_hash == hashlib.sha1(key_octets(candidate), usedforsecurity=False).digest()
    name = response.responder_name
    return name is not None and names.normal(name) == names.normal(candidate.subject)


@lru_cache(maxsize=64)
def _verified(signer: x509.Certificate, data: bytes, outer: der.Value | None) -> bool:
    """A signature that holds is checked once, since a server sends the same staple for days; a failure is not kept."""
    check_signature(signer.public_key(), open_signed(data, outer))
    return True


def _check_signature(candidate: x509.Certificate, data: bytes, basic: der.Value) -> None:
    try:
        _verified(candidate, data, basic)
    except SignatureProblem as problem:
        code = "OCSP_WEAK_SIGNATURE" if problem.weak else "OCSP_BAD_SIGNATURE"
        raise _Stop(code, f"the OCSP response cannot be trusted: {problem}", 50) from None


def _check_delegation(
    candidate: x509.Certificate, subject: Subject, clock: Clock, asking: Asking | None, required: bool
) -> None:
    """RFC 6960 4.2.2.2: a responder's certificate is "issued directly by the CA" and has id-kp-OCSPSigning."""
    issuer = subject.above[0]
    usages = extension(candidate, ExtensionOID.EXTENDED_KEY_USAGE)
    # anyExtendedKeyUsage does not delegate: the CA must have meant this certificate to answer in its place.
    if usages is None or ExtendedKeyUsageOID.OCSP_SIGNING not in usages:
        raise _Stop(
            "OCSP_RESPONDER",
            "the OCSP response is signed by a certificate that lacks the extendedKeyUsage OCSPSigning",
            40,
            "RFC 6960 4.2.2.2",
        )
    usage = extension(candidate, ExtensionOID.KEY_USAGE)
    if usage is not None and not usage.digital_signature:
        raise _Stop("OCSP_RESPONDER", "the OCSP responder's certificate has a keyUsage without digitalSignature", 41)
    if names.normal(candidate.issuer) != names.normal(issuer.subject):
        raise _Stop("OCSP_RESPONDER", "the OCSP responder's certificate is not issued by the certificate's issuer", 42)
    if not candidate.not_valid_before_utc - clock.skew <= clock.now <= candidate.not_valid_after_utc + clock.skew:
        raise _Stop("OCSP_RESPONDER", "the OCSP responder's certificate has expired or is not yet valid", 43)
    try:
        _verified(issuer, candidate.public_bytes(Encoding.DER), None)
    except SignatureProblem:
        raise _Stop("OCSP_RESPONDER", "the OCSP responder's certificate is not signed by the issuer", 44) from None
    if extension(candidate, ExtensionOID.OCSP_NO_CHECK) is None:
        _check_responder_revocation(candidate, subject, asking, required)


def _check_responder_revocation(
    candidate: x509.Certificate, subject: Subject, asking: Asking | None, required: bool
) -> None:
    # RFC 6960 4.2.2.2.1: without id-pkix-ocsp-nocheck the responder's own certificate is one that may be revoked.
    if asking is not None:
        verdict = crl_status(Subject((candidate, *subject.above), 0), asking)
        if isinstance(verdict, Good):
            return
        if verdict.alert == REVOKED:
            raise _Stop("OCSP_RESPONDER_REVOKED", "the certificate of the OCSP responder is revoked", 45)
    if required:
        raise _Stop(
            "OCSP_RESPONDER_UNCHECKED",
            "the OCSP responder's certificate has no ocsp-nocheck, and no CRL says that it is good",
            46,
            "RFC 6960 4.2.2.2.1",
        )


# -- extensions --------------------------------------------------------------------------------------------------------


def _basic(data: bytes) -> der.Value:
    """Where the BasicOCSPResponse stands: OCSPResponse { status, {0} { type, OCTET STRING { here } } }."""
    outer = der.members(data)
    inner = der.members(data, der.value(data, outer[1].body, outer[1].end))
    return der.value(data, inner[1].body, inner[1].end)


def _check_extensions(basic: der.Value, data: bytes, place: int) -> None:
    """Refuse unknown critical extensions of the response and of the entry that is used (RFC 6960 4.4)."""
    body = der.members(data, der.members(data, basic)[0])
    listed = next(at for at, one in enumerate(body) if one.tag == 0x30)
    entry = der.members(data, der.members(data, body[listed])[place])
    # {1} is also a responder's name before the list, and the status "revoked" before the times: extensions come after.
    for tagged, understood in [(one, _UNDERSTOOD_OF_RESPONSE) for one in body[listed + 1 :]] + [
        (one, _UNDERSTOOD) for one in entry[3:]
    ]:
        if tagged.tag != 0xA1:
            continue
        for oid in _critical(data, tagged):
            if oid not in understood:
                raise _Stop(
                    "OCSP_CRITICAL_EXTENSION",
                    f"the OCSP response has the critical extension {oid}, which is unknown",
                    25,
                    "RFC 6960 4.4",
                )


def _critical(data: bytes, tagged: der.Value) -> list[str]:
    found = []
    for one in der.members(data, der.value(data, tagged.body, tagged.end)):
        parts = der.members(data, one)
        if len(parts) == 3 and parts[1].tag == 0x01 and data[parts[1].body] != 0:
            found.append(_dotted(parts[0].contents(data)))
    return found


def _dotted(octets: bytes) -> str:
    numbers, number = [], 0
    for octet in octets:
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(number)
            number = 0
    first: list[Any] = []
    if numbers:
        top = min(numbers[0] // 40, 2)
        first = [top, numbers[0] - 40 * top]
    return ".".join(str(one) for one in first + numbers[1:])


def request_for(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """An OCSP request for a certificate. RFC 5019 2.1.1 has SHA-1 in the CertID, where it protects nothing."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())
    return builder.build().public_bytes(Encoding.DER)
