"""The fuzz targets of the Python half; those of messages are in messages.py, those of certificates and texts here.

Beside "no crash, no hang" each holds what a parser must never get wrong: a certificate, a CRL or a response that was
changed in what is signed is never accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)
from cryptography.x509 import ocsp

from tests.fuzz import messages
from tests.fuzz.engine import Target, refusal
from tests.support.certificates import Authority, Issued, make_ca
from tests.support.revocation import (
    DAY,
    NOW,
    REVOKED,
    UNKNOWN_STATUS,
    crl_pem,
    entry,
    make_crl,
    make_response,
    point,
    responder,
)
from tlscore import ConfigError, Identity, TrustStore, errors
from tlscore.certs import names, verify
from tlscore.certs.paths.facts import Facts
from tlscore.certs.peer import PARSE_ERRORS
from tlscore.certs.report import VerificationReport
from tlscore.certs.revocation import Revocation
from tlscore.certs.revocation.crl_store import CrlStore, read_crls
from tlscore.certs.revocation.problems import Unreadable
from tlscore.certs.revocation.signed import open_signed
from tlscore.certs.summary import CertificateSummary
from tlscore.cipher_strings import parse_cipher_string

HOST = "www.example.org"


# -- certificates ------------------------------------------------------------------------------------------------------


@cache
def authority() -> Authority:
    return make_ca("Fuzzed root")


@cache
def intermediate() -> Authority:
    return authority().intermediate("Fuzzed CA")


@cache
def leaf() -> Issued:
    return intermediate().issue(HOST, "*.example.org", "10.0.0.1", "mail@example.org", usage="both")


@cache
def anchors() -> TrustStore:
    return TrustStore.from_bytes(authority().pem)


@cache
def certificates() -> tuple[bytes, ...]:
    """Certificates with every extension that the rules read, and of every kind of key."""
    general = [x509.DNSName("example.org"), x509.RFC822Name("example.org"), x509.UniformResourceIdentifier(".org")]
    rich: tuple[tuple[x509.ExtensionType, bool], ...] = (
        (x509.NameConstraints(general, [x509.DirectoryName(x509.Name([]))]), True),
        (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.5.29.32.0"), ["x"])]), False),
        (x509.PolicyConstraints(0, 1), True),
        (x509.InhibitAnyPolicy(0), True),
        (x509.OCSPNoCheck(), False),
        (x509.TLSFeature([x509.TLSFeatureType.status_request]), False),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.16.840.1.113730.1.1"), b"\x03\x02\x00\x07"), False),
        (
            x509.CRLDistributionPoints(
                [x509.DistributionPoint([x509.UniformResourceIdentifier("http://a/")], None, None, None)]
            ),
            False,
        ),
    )
    issued = [intermediate().issue(HOST, key=kind) for kind in ("p256", "rsa2048", "ed25519", "mldsa44")]
    issued += [intermediate().issue(HOST, usage="server", extra=rich)]
    return (*(one.chain_der[0] for one in issued), leaf().chain_der[0], intermediate().der)


def certificate(data: bytes) -> None:
    """A server's certificate, before the CA that issued the honest one."""
    chain = (data, intermediate().der)
    report = verify.examine(chain, anchors(), names.ServerName.parse(HOST))
    assert str(report)
    assert report.as_json()
    try:
        facts = Facts(data)
    except PARSE_ERRORS:
        assert not report.ok
        return
    if report.ok:
        assert facts.tbs in {Facts(one).tbs for one in certificates()}, "a changed certificate was accepted"
    assert CertificateSummary.of(facts).as_dict()
    for purpose in ("server", "client"):
        verify.examine((leaf().chain_der[0], data), anchors(), purpose=purpose)
    refused = refusal(errors.AlertError, lambda: verify.verify_client(chain, anchors()))
    assert refused is None or str(refused)


@cache
def stores() -> tuple[bytes, ...]:
    """Chains and keys in every format."""
    key, chain = leaf().key, list(leaf().chain)
    password = BestAvailableEncryption(b"sesame")
    forms: list[tuple[Any, Any, Any]] = [
        (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        (Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        (Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        (Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    ]
    weak = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1).build(b"sesame")
    return (
        leaf().chain_pem + leaf().key_pem,
        *(key.private_bytes(*form) for form in forms),
        pkcs7.serialize_certificates(chain, Encoding.DER),
        pkcs7.serialize_certificates(chain, Encoding.PEM),
        pkcs12.serialize_key_and_certificates(b"name", key, chain[0], chain[1:], NoEncryption()),
        pkcs12.serialize_key_and_certificates(b"name", key, chain[0], chain[1:], weak),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, password),
    )


def key_store(data: bytes) -> None:
    """A file with a chain or a key: loaded, or refused with a ConfigError."""
    for load in (
        lambda: Identity.load(data, password="sesame"),
        lambda: Identity.load(leaf().chain_pem, data, password="sesame"),
        lambda: TrustStore.from_bytes(data),
    ):
        assert "sesame" not in str(refusal(ConfigError, load))


# -- revocation --------------------------------------------------------------------------------------------------------


@cache
def lists() -> tuple[bytes, ...]:
    """CRLs: of the intermediate CA without and with the leaf, delta, indirect, scoped, old, PEM."""
    ca, own = intermediate(), leaf().certificate
    return (
        make_crl(ca),
        make_crl(ca, [own, entry(5, x509.ReasonFlags.key_compromise)]),
        make_crl(ca, [entry(5)], number=3, base=1),
        make_crl(ca, [entry(own, issuer=ca.certificate.subject)], scope=point(indirect_crl=True)),
        make_crl(ca, scope=point(only_contains_user_certs=True)),
        make_crl(ca, this_update=NOW - 3 * DAY, next_update=NOW - 2 * DAY),
        crl_pem(make_crl(authority())).replace(b"\n\n", b"\n"),
    )


def _judged(revocation: Revocation, stapled: bytes | None = None) -> VerificationReport:
    return verify.examine(
        leaf().chain_der, anchors(), names.ServerName.parse(HOST), NOW, revocation=revocation, stapled_ocsp=stapled
    )


@cache
def _signed_parts() -> frozenset[bytes]:
    """What is signed in each honest list."""
    return frozenset(bytes(open_signed(one).tbs) for one in lists() if one[:1] == b"\x30")


def crl(data: bytes) -> None:
    """A revocation list: unreadable, or asked about a chain; a list that was changed says nothing good."""
    try:
        found = read_crls(data, "fuzz")
    except Unreadable:
        found = ()
    try:
        store = CrlStore(data=data)
    except ConfigError:
        return
    for scope in ("leaf", "chain"):
        report = _judged(Revocation(store=store, scope=scope, mode="require"))
        assert str(report)
        if report.ok:
            tbs = {bytes(open_signed(one.data).tbs) for one in found}
            assert tbs & _signed_parts(), "a changed CRL was believed"


@cache
def responses() -> tuple[bytes, ...]:
    """OCSP responses for the leaf: good, revoked, unknown, old, by key and by a delegated responder."""
    own, ca = leaf().certificate, intermediate()
    return (
        make_response(own, ca),
        make_response(own, ca, REVOKED, reason=x509.ReasonFlags.superseded),
        make_response(own, ca, UNKNOWN_STATUS),
        make_response(own, ca, this_update=NOW - 9 * DAY, next_update=NOW - 8 * DAY),
        make_response(own, ca, by=responder(ca), by_key=True),
        make_response(own, ca, next_update=None),
    )


def ocsp_response(data: bytes) -> None:
    """A stapled response: refused, or believed; one whose signed part was changed says nothing good."""
    report = _judged(Revocation.stapled("require"), data)
    assert str(report)
    if report.ok:
        good = {ocsp.load_der_ocsp_response(one).tbs_response_bytes for one in responses()}
        assert ocsp.load_der_ocsp_response(data).tbs_response_bytes in good, "a changed response was believed"
    _judged(Revocation.stapled("best_effort"), data)


# -- texts -------------------------------------------------------------------------------------------------------------


def name(data: bytes) -> None:
    """A name to connect to, and a pattern of a certificate."""
    given = data.decode("utf-8", "replace")
    try:
        asked = names.ServerName.parse(given)
    except ConfigError:
        return
    assert asked.text
    assert names.ServerName.parse(asked.text) == asked
    names.matches(given, asked.text)
    names.matches("*.example.org", asked.text)


def name_seeds() -> Sequence[bytes]:
    plain = ("www.example.org", "xn--bcher-kva.example", "bücher.example", "10.0.0.1", "::1", "*.example.org", "a.b.c.")
    return [
        text.encode() for text in (*plain, "[::ffff:1.2.3.4]", "example.org:443", "fe80::1%eth0", "_sip._tcp.a.org")
    ]


def cipher_string(data: bytes) -> None:
    """An OpenSSL cipher string."""
    try:
        expansion = parse_cipher_string(data.decode("utf-8", "replace"))
    except ConfigError:
        return
    assert len(set(expansion.suites)) == len(expansion.suites) > 0


def cipher_string_seeds() -> Sequence[bytes]:
    return [
        b"ECDHE+AESGCM:!aNULL:@STRENGTH",
        b"ALL:COMPLEMENTOFALL:-RC4:+RSA:!eNULL",
        b"DEFAULT@SECLEVEL=2:kECDHE,aRSA",
        b"TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256",
    ]


TARGETS = {
    target.name: target
    for target in (
        Target("message13", messages.message13, messages.handshakes, "tls"),
        Target("message12", messages.message12, messages.handshakes, "tls"),
        Target("client_hello", messages.client_hello, messages.handshakes, "tls"),
        Target("server_hello", messages.server_hello, messages.handshakes, "tls"),
        Target("server_flight", messages.server_flight, messages.flights, "tls"),
        Target("client_flight", messages.client_flight, messages.flights, "tls"),
        Target("server_flight12", messages.server_flight12, messages.flights, "tls"),
        Target("client_flight12", messages.client_flight12, messages.flights, "tls"),
        Target("certificate", certificate, certificates, "der"),
        # The owner's own files: a store may ask for ten million rounds of key derivation, and is read three times.
        Target("key_store", key_store, stores, "der", seconds=30.0),
        Target("key_store_text", key_store, stores, "text", seconds=30.0),
        Target("crl", crl, lists, "der"),
        Target("ocsp_response", ocsp_response, responses, "der"),
        Target("name", name, name_seeds, "text"),
        Target("cipher_string", cipher_string, cipher_string_seeds, "text"),
    )
}
