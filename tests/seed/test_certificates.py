"""The statements of the requirement text about certificates, one test for each: S63 to S69 and S72 to S82."""

import datetime as dt
import hashlib
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from tests.support.certificates import make_ca, make_key
from tests.support.chains import NOW, Node, authority, root, san
from tlscore import errors
from tlscore.certs import verify
from tlscore.certs.identity import Identity
from tlscore.certs.names import ServerName
from tlscore.certs.policy import CertificatePolicy, LegacyHash
from tlscore.certs.revocation import Revocation
from tlscore.certs.trust_store import TrustStore

ROOT = root()
NAME = "www.example.org"


def judge(leaf: Node, *others: Node, top: Node = ROOT, asked: str = NAME, **options: Any) -> verify.ChainVerified:
    chain = tuple(one.der for one in (leaf, *others))
    moment = options.pop("now", NOW)
    return verify.verify_server(chain, TrustStore([top.certificate]), ServerName.parse(asked), moment, **options)


def resigned(leaf: Node, issuer: Node, arc: bytes, algorithm: Any) -> Node:
    """The same certificate under another RSA signature algorithm; `arc` is the last octet of its OID."""
    old, new = (bytes.fromhex("06092a864886f70d0101") + one for one in (b"\x0b", arc))
    tbs = leaf.certificate.tbs_certificate_bytes.replace(old, new)
    signature = issuer.key.sign(tbs, padding.PKCS1v15(), algorithm)
    der = leaf.der.replace(old, new)[: -len(signature)] + signature
    return Node(x509.load_der_x509_certificate(der), leaf.key)


def test_s63_signature_is_verified_with_issuer_and_certificate_alone() -> None:
    leaf, stranger = ROOT.issue("leaf"), root()
    assert verify.verify_link(leaf.der, ROOT.der).ok
    assert [check.name for check in verify.verify_link(leaf.der, stranger.der).failures] == ["signature"]
    assert not verify.verify_link(leaf.der, root("Other").der).ok


@pytest.mark.parametrize("count", range(1, 9))
def test_s64_nested_authorities_lead_to_the_root(count: int) -> None:
    path, above = list[Node](), ROOT
    for number in range(count):
        above = above.issue(f"CA {number}", authority())
        path.insert(0, above)
    assert len(judge(above.issue("leaf", san(NAME)), *path).path) == count + 2


def test_s65_root_must_be_trusted_here() -> None:
    stranger = root("Stranger")
    with pytest.raises(errors.UnknownCa):
        judge(stranger.issue("leaf", san(NAME)), stranger)
    alone = root("alone", san(NAME))
    with pytest.raises(errors.UnknownCa, match="self-signed and not in the trust store"):
        judge(alone)
    assert judge(alone, top=alone).authenticated


@pytest.mark.parametrize("arc", [b"\x02", b"\x03", b"\x04"], ids=["MD2", "MD4", "MD5"])
def test_s66_broken_hashes_are_never_accepted(arc: bytes) -> None:
    top = root("RSA root", key=make_key("rsa2048"))
    leaf = resigned(top.issue("leaf", san(NAME)), top, arc, hashes.MD5())
    window = LegacyHash((top.certificate.fingerprint(hashes.SHA256()).hex(),), NOW.date())
    for policy in (CertificatePolicy(), CertificatePolicy(allow_sha1=window)):
        with pytest.raises(errors.BadCertificate, match="can be forged") as refused:
            judge(leaf, top=top, policy=policy)
        assert refused.value.alert == 42
    # The signature of an anchor is not verified: an old root still works (C17).
    anchor = resigned(top, top, arc, hashes.MD5())
    anchor.key = top.key
    assert judge(top.issue("leaf", san(NAME)), top=anchor).authenticated


def test_s67_sha1_is_refused_but_for_a_window_with_a_scope() -> None:
    top = root("RSA root", key=make_key("rsa2048"))
    leaf = resigned(top.issue("leaf", san(NAME)), top, b"\x05", hashes.SHA1())
    with pytest.raises(errors.BadCertificate, match="SHA1"):
        judge(leaf, top=top)
    window = LegacyHash((top.certificate.fingerprint(hashes.SHA256()).hex(),), NOW.date())
    assert judge(leaf, top=top, policy=CertificatePolicy(allow_sha1=window)).authenticated
    with pytest.raises(errors.BadCertificate, match="the time for SHA-1 ended"):
        judge(leaf, top=top, policy=CertificatePolicy(allow_sha1=window), now=NOW + dt.timedelta(days=1))


@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda one: one.name)
@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
def test_s68_sha2_is_accepted(kind: str, algorithm: Any) -> None:
    top = root(key=make_key(kind), algorithm=algorithm)
    assert judge(top.issue("leaf", san(NAME), algorithm=algorithm), top=top).authenticated


def test_s69_key_and_certificate_must_belong_together(tmp_path: Path) -> None:
    leaf, other = ROOT.issue("leaf", san(NAME)), make_key("p256")
    chain, key = tmp_path / "leaf.pem", tmp_path / "leaf.key"
    chain.write_bytes(leaf.certificate.public_bytes(Encoding.PEM))
    key.touch(mode=0o600)
    key.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(errors.ConfigError) as refused:
        Identity.load(chain, key)
    for public in (leaf.certificate.public_key(), other.public_key()):
        from cryptography.hazmat.primitives.serialization import PublicFormat

        spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert hashlib.sha256(spki).hexdigest()[:16] in str(refused.value)


def test_s72_expiry_says_by_how_much_and_names_the_clock() -> None:
    leaf = ROOT.issue("leaf", san(NAME))
    with pytest.raises(errors.CertificateExpired, match=r"expired 10 days ago.*check the clock of this machine"):
        judge(leaf, now=NOW + dt.timedelta(days=40))
    with pytest.raises(errors.CertificateExpired, match="becomes valid in 24 hours"):
        judge(leaf, now=NOW - dt.timedelta(days=2))


def test_s73_reasons_why_a_chain_is_not_trusted_are_told_apart() -> None:
    place = x509.AccessDescription(
        AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://ca.test/middle.crt")
    )
    middle = ROOT.issue("Middle", authority())
    hint = (x509.AuthorityInformationAccess([place]), False)
    key = (x509.AuthorityKeyIdentifier.from_issuer_public_key(middle.key.public_key()), False)
    stranger, short = root("Stranger"), root("Short", authority(0))
    below = short.issue("Middle", authority())
    no_ca = ROOT.issue("No CA", (x509.BasicConstraints(False, None), True))
    only = root("Only", authority(), (x509.NameConstraints([x509.DNSName("example.com")], None), True))
    imposter = Node(ROOT.certificate, make_key("p256"))
    cases: list[tuple[tuple[Node, ...], Node, str]] = [
        ((middle.issue("leaf", san(NAME), hint, key),), ROOT, "MISSING_INTERMEDIATE"),
        ((stranger.issue("leaf", san(NAME)), stranger), ROOT, "UNKNOWN_ROOT"),
        ((imposter.issue("leaf", san(NAME)),), ROOT, "SIGNATURE"),
        ((no_ca.issue("leaf", san(NAME)), no_ca), ROOT, "is no CA certificate"),
        ((below.issue("leaf", san(NAME)), below), short, "allows 0 intermediate"),
        ((only.issue("leaf", san(NAME)),), only, "NAME_CONSTRAINTS"),
    ]
    texts = set()
    for chain, top, expected in cases:
        with pytest.raises(errors.AlertError) as refused:
            judge(*chain, top=top)
        assert expected in f"{refused.value.code} {refused.value}"
        texts.add(str(refused.value))
    assert len(texts) == len(cases)
    with pytest.raises(errors.UnknownCa) as missing:
        judge(*cases[0][0])
    assert "CN=Middle" in str(missing.value)
    assert "http://ca.test/middle.crt" in str(missing.value)
    assert x509.SubjectKeyIdentifier.from_public_key(middle.key.public_key()).digest.hex() in str(missing.value)


def test_s74_revocation_is_off_best_effort_or_required() -> None:
    signer = root("CRL root", authority())
    leaf = signer.issue("leaf", san(NAME))
    entry = x509.RevokedCertificateBuilder().serial_number(leaf.certificate.serial_number).revocation_date(NOW).build()
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(signer.certificate.subject)
        .last_update(NOW - dt.timedelta(days=1))
        .next_update(NOW + dt.timedelta(days=1))
        .add_extension(x509.CRLNumber(1), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), False)
        .add_revoked_certificate(entry)
        .sign(signer.key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    assert judge(leaf, top=signer, revocation=Revocation.off("a test")).authenticated
    with pytest.raises(errors.CertificateRevoked) as refused:
        judge(leaf, top=signer, revocation=Revocation.crl(data=crl))
    assert refused.value.alert == 44
    stranger = root("Stranger")
    other = stranger.issue("leaf", san(NAME))
    assert judge(other, top=stranger, revocation=Revocation.crl(data=crl)).authenticated
    with pytest.raises(errors.AlertError):
        judge(other, top=stranger, revocation=Revocation.crl(data=crl, mode="require"))


def test_s75_certificate_must_be_for_the_right_subject() -> None:
    with pytest.raises(errors.BadCertificate, match=r"is not for other\.example"):
        judge(ROOT.issue("leaf", san(NAME)), asked="other.example")


def test_s76_certificate_type_must_fit_the_purpose() -> None:
    """The text's own example: SSL CA, S/MIME CA and object signing CA on the certificate of a server."""
    example = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.16.840.1.113730.1.1"), bytes.fromhex("03020007"))
    with pytest.raises(errors.UnsupportedCertificate, match="SSL CA, S/MIME CA, object signing CA") as refused:
        judge(ROOT.issue("leaf", san(NAME), (example, False)))
    assert refused.value.alert == 43
    clients = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    with pytest.raises(errors.UnsupportedCertificate, match="without serverAuth"):
        judge(ROOT.issue("leaf", san(NAME), (clients, False)))


def test_s77_every_check_runs_and_is_reported() -> None:
    good = judge(ROOT.issue("leaf", san(NAME))).report
    assert good.ok
    assert {"chain", "validity", "signature", "hash", "name", "name_constraints", "revocation"} <= {
        check.name for check in good.checks
    }
    clients = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    bad = ROOT.issue("leaf", san("other.test"), (clients, False), key=make_key("rsa1024"))
    trust, asked = TrustStore([ROOT.certificate]), ServerName.parse(NAME)
    report = verify.examine((bad.der,), trust, asked, NOW + dt.timedelta(days=60))
    assert {check.name for check in report.failures} == {"validity", "key_size", "extended_key_usage", "name"}
    assert json.loads(report.as_json())["ok"] is False
    assert report.first_failure is not None
    with pytest.raises(errors.CertificateExpired) as refused:
        report.raise_for_failure()
    assert len(refused.value.__notes__) == len(report.failures) - 1
    for check in report.failures:
        assert check.text
        assert check.remedy
        assert check.alert


def test_s78_clients_check_the_name_by_default() -> None:
    from tlscore import ClientConfig

    config = ClientConfig.simple(trust=TrustStore([ROOT.certificate]))
    with pytest.raises(errors.ConfigError):
        config.connection(None)  # a client without a name to check cannot be made


def test_s79_common_name_counts_only_where_asked_for_and_no_san_exists() -> None:
    bare = ROOT.issue(NAME)
    with pytest.raises(errors.BadCertificate, match=f"has CN={NAME} but no subjectAltName.*CN only"):
        judge(bare)
    fallback = CertificatePolicy(cn_fallback=True)
    assert judge(bare, policy=fallback).authenticated
    mail = ROOT.issue(NAME, san(x509.RFC822Name("a@example.org")))
    with pytest.raises(errors.BadCertificate):
        judge(mail, policy=fallback)


def test_s80_mismatch_lists_asked_presented_and_nearest() -> None:
    leaf = ROOT.issue("leaf", san("mail.example.org", "ww.example.org"))
    with pytest.raises(errors.BadCertificate) as refused:
        judge(leaf)
    for part in (NAME, "mail.example.org", "the nearest is ww.example.org"):
        assert part in str(refused.value)


def test_s81_wildcards_are_one_whole_leftmost_label_or_refused() -> None:
    leaf = ROOT.issue("leaf", san("*.example.org"))
    assert judge(leaf).authenticated
    with pytest.raises(errors.BadCertificate, match="Wildcards are refused here"):
        judge(leaf, policy=CertificatePolicy(wildcards="refuse"))
    for pattern, asked in (
        ("w*.example.org", NAME),
        ("*.*.org", NAME),
        ("www.*.org", NAME),
        ("*.org", "example.org"),
        ("*", "org"),
        ("*.example.org", "a.b.example.org"),
        ("*.0.2.1", "192.0.2.1"),
    ):
        with pytest.raises(errors.BadCertificate, match="is not for"):
            judge(ROOT.issue("leaf", san(pattern)), asked=asked)


def test_s82_server_looks_up_no_name_of_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a name was looked up")

    for function in ("getaddrinfo", "gethostbyaddr", "gethostbyname", "getnameinfo", "getfqdn"):
        monkeypatch.setattr(socket, function, refuse)
    issued = make_ca("Other").issue("client.example.org", usage="client")
    trust = TrustStore([make_ca().certificate])
    with pytest.raises(errors.UnknownCa):
        verify.verify_client(issued.chain_der, trust)
    client = ROOT.issue("client", san("client.example.org"))
    found = verify.verify_client((client.der,), TrustStore([ROOT.certificate]), NOW)
    assert found.identity.dns_names == ("client.example.org",)
