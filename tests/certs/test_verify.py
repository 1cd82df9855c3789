"""Chains: each kind of failure with its alert, its cause and its repair; and what must be accepted."""

import datetime as dt
import time
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support.certificates import Authority, Issued, make_ca, make_key
from tlscore import errors
from tlscore.certs import verify
from tlscore.certs.names import ServerName
from tlscore.certs.policy import CertificatePolicy
from tlscore.certs.trust_store import TrustStore

CA = make_ca()
TRUST = TrustStore.from_bytes(CA.pem)
NAME = ServerName.parse("www.example.org")
NOW = dt.datetime.now(dt.UTC)


def check(
    issued: Issued, trust: TrustStore = TRUST, name: str = "www.example.org", **options: Any
) -> verify.ChainVerified:
    return verify.verify_server(issued.chain_der, trust, ServerName.parse(name), options.get("now", NOW))


def plain(
    subject: str,
    key: Any,
    issuer: str,
    issuer_key: Any,
    *extensions: tuple[x509.ExtensionType, bool],
    days: int = 30,
    algorithm: Any = None,
) -> x509.Certificate:
    """A certificate with exactly these extensions."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=days))
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.sign(issuer_key, algorithm or hashes.SHA256())


def der(*certificates: x509.Certificate) -> tuple[bytes, ...]:
    return tuple(one.public_bytes(Encoding.DER) for one in certificates)


SAN = (x509.SubjectAlternativeName([x509.DNSName("www.example.org")]), False)
IS_CA = (x509.BasicConstraints(True, None), True)


# -- accepted --


@pytest.mark.parametrize(
    "kind", ["p256", "p384", "p521", "rsa2048", "ed25519", "ed448", "mldsa44", "mldsa65", "mldsa87"]
)
def test_leaf_of_every_kind_is_verified(kind: str) -> None:
    found = check(CA.issue("www.example.org", key=kind))
    assert found.authenticated
    assert found.signature_schemes


def test_chain_gives_identity_when_asked() -> None:
    issued = CA.issue("www.example.org", "192.0.2.7", "mail@example.org")
    found = check(issued)
    assert found.chain == issued.chain_der
    assert found.identity.dns_names == ("www.example.org",)
    assert found.identity.ip_addresses == ("192.0.2.7",)
    assert found.identity.email_addresses == ("mail@example.org",)
    assert found.identity.subject == "CN=www.example.org"
    assert found.identity.fingerprint == issued.certificate.fingerprint(hashes.SHA256()).hex()
    assert found.identity is found.identity


def test_intermediates_in_any_order_doubled_or_unneeded_are_accepted() -> None:
    upper = CA.intermediate("Upper")
    issued = upper.intermediate("Lower").issue("www.example.org")
    leaf, lower, upper_der = issued.chain_der
    stranger = make_ca("Stranger").der
    for chain in (
        (leaf, lower, upper_der),
        (leaf, upper_der, lower),
        (leaf, lower, lower, upper_der, CA.der, stranger, leaf),
    ):
        assert verify.verify_server(chain, TRUST, NAME, NOW).authenticated


def test_certificates_without_key_identifiers_are_accepted() -> None:
    """In-house CAs issue certificates without SKI, AKI and key usage; every TLS peer takes them."""
    root_key, leaf_key = make_key("p256"), make_key("p256")
    root = plain("Bare", root_key, "Bare", root_key, IS_CA)
    leaf = plain("x", leaf_key, "Bare", root_key, SAN)
    assert verify.verify_server(der(leaf), TrustStore([root]), NAME, NOW).authenticated


def test_certificate_of_the_server_itself_may_be_trusted() -> None:
    key = make_key("p256")
    leaf = plain("self", key, "self", key, SAN)
    trust = TrustStore([leaf])
    assert verify.verify_server(der(leaf), trust, NAME, NOW).authenticated
    with pytest.raises(errors.BadCertificate, match=r"is not for other\.org"):
        verify.verify_server(der(leaf), trust, ServerName.parse("other.org"), NOW)
    with pytest.raises(errors.CertificateExpired):
        verify.verify_server(der(leaf), trust, NAME, NOW + dt.timedelta(days=40))


@pytest.mark.parametrize("name", ["192.0.2.7", "2001:db8::7", "WWW.example.org", "a.wild.example"])
def test_names_and_addresses_match(name: str) -> None:
    assert check(CA.issue("www.example.org", "192.0.2.7", "2001:db8::7", "*.wild.example"), name=name).authenticated


def test_without_name_the_chain_is_verified_and_not_authenticated() -> None:
    found = verify.verify_server(CA.issue(common_name="no names").chain_der, TRUST, None, NOW)
    assert not found.authenticated
    with pytest.raises(errors.UnknownCa):
        verify.verify_server(make_ca("Other").issue("x").chain_der, TRUST, None, NOW)


def test_naive_clock_and_default_clock_work() -> None:
    issued = CA.issue("www.example.org")
    assert verify.verify_server(issued.chain_der, TRUST, NAME).authenticated
    assert check(issued, now=NOW.replace(tzinfo=None)).authenticated


def test_clients_are_verified_without_a_name() -> None:
    assert verify.verify_client(CA.issue("someone@example.org", usage="client").chain_der, TRUST, NOW).authenticated
    assert verify.verify_client(CA.issue(usage="none").chain_der, TRUST, NOW).authenticated


def test_unverified_chain_is_taken_as_it_is() -> None:
    found = verify.accept_unverified(make_ca("Other").issue("x", days=1 / 48).chain_der, "lab")
    assert not found.authenticated
    assert found.signature_schemes


# -- refused --


def test_expired_and_future_certificates_say_which_and_by_how_much() -> None:
    issued = CA.issue("www.example.org")
    with pytest.raises(
        errors.CertificateExpired, match=r"server's certificate \(CN=www\.example\.org\) expired 10 days ago.*clock"
    ):
        check(issued, now=NOW + dt.timedelta(days=40))
    with pytest.raises(errors.CertificateExpired, match=r"becomes valid in 4 hours.*check the clock"):
        check(issued, now=NOW - dt.timedelta(hours=5, minutes=5))
    below = CA.intermediate("Old CA").issue("www.example.org", days=9000)
    with pytest.raises(errors.CertificateExpired, match=r"intermediate CA \(CN=Old CA\) expired"):
        check(below, now=NOW + dt.timedelta(days=3651))


def test_unknown_issuers_are_told_apart() -> None:
    other = make_ca("Other root")
    with pytest.raises(
        errors.UnknownCa, match=r'issued by "CN=Other root".*its own certificate alone.*must send'
    ) as found:
        check(other.issue("www.example.org"))
    assert found.value.code == "TLS-UNKNOWN_CA-MISSING_INTERMEDIATE"
    with pytest.raises(errors.UnknownCa, match=r"ends in the root CN=Other root, which is not in the trust store"):
        verify.verify_server((*other.issue("www.example.org").chain_der, other.der), TRUST, NAME, NOW)
    with pytest.raises(errors.UnknownCa, match=r"intermediate certificate CN=Mid was issued by .*Other root"):
        check(other.intermediate("Mid").issue("www.example.org"))
    key = make_key("p256")
    with pytest.raises(errors.UnknownCa, match="is self-signed"):
        verify.verify_server(der(plain("self", key, "self", key, SAN)), TRUST, NAME, NOW)


def test_missing_issuer_names_where_the_certificate_says_it_is() -> None:
    place = x509.AccessDescription(
        x509.oid.AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://ca.example/mid.crt")
    )
    issued = make_ca("Other").issue("www.example.org", extra=((x509.AuthorityInformationAccess([place]), False),))
    with pytest.raises(errors.UnknownCa, match=r"http://ca\.example/mid\.crt"):
        check(issued)


def test_name_mismatch_lists_asked_presented_and_nearest() -> None:
    with pytest.raises(
        errors.BadCertificate, match=r"not for ww\.example\.org; it is for www\.example\.org.*nearest is www"
    ) as found:
        check(CA.issue("www.example.org"), name="ww.example.org")
    assert found.value.code == "TLS-NAME_MISMATCH"
    with pytest.raises(errors.BadCertificate, match="wildcard stands for one label only"):
        check(CA.issue("*.example.org"), name="a.b.example.org")
    with pytest.raises(errors.BadCertificate, match="issue the certificate with this IP address"):
        check(CA.issue("www.example.org"), name="192.0.2.1")
    with pytest.raises(errors.BadCertificate, match="stands in the CN only"):
        check(CA.issue(common_name="www.example.org"))


def test_error_text_of_hostile_names_is_escaped_and_short() -> None:
    hostile = ["a" * 60 + f"{number}.example" for number in range(1500)]
    with pytest.raises(errors.BadCertificate, match="and 1488 more") as found:
        check(CA.issue(*hostile, common_name="x"))
    assert len(str(found.value)) < 1000
    issued = make_ca("Evil\n\x1b[2J\u202e").issue("www.example.org")
    with pytest.raises(errors.UnknownCa) as refused:
        check(issued)
    assert str(refused.value).isprintable()


def test_wrong_purpose_is_unsupported() -> None:
    with pytest.raises(errors.UnsupportedCertificate, match=r"without serverAuth.*extendedKeyUsage = serverAuth"):
        check(CA.issue("www.example.org", usage="client"))
    with pytest.raises(errors.UnsupportedCertificate, match="without clientAuth"):
        verify.verify_client(CA.issue("x", usage="server").chain_der, TRUST, NOW)
    usage = x509.KeyUsage(False, False, True, False, False, False, False, False, False)
    with pytest.raises(errors.UnsupportedCertificate, match="without digitalSignature"):
        check(CA.issue("www.example.org", key_usage=False, extra=((usage, True),)))


def test_any_purpose_is_no_purpose_unless_allowed() -> None:
    """RFC 5280 4.2.1.12: applications may require the particular purpose."""
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    issued = CA.issue("www.example.org", usage="none", extra=((usage, False),))
    with pytest.raises(errors.UnsupportedCertificate, match="without serverAuth; it has anyExtendedKeyUsage"):
        check(issued)
    allowed = CertificatePolicy(allow_any_purpose=True)
    assert verify.verify_server(issued.chain_der, TRUST, NAME, NOW, policy=allowed).authenticated


def test_intermediate_that_may_not_issue_is_refused() -> None:
    root_key, key, leaf_key = make_key("p256"), make_key("p256"), make_key("p256")
    root = plain("Root", root_key, "Root", root_key, IS_CA)
    leaf = plain("leaf", leaf_key, "Mid", key, SAN)
    no_sign = (x509.KeyUsage(True, False, False, False, False, False, True, False, False), True)
    clients_only = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    for extensions, error, text in (
        (((x509.BasicConstraints(False, None), True),), errors.BadCertificate, "is no CA certificate"),
        ((), errors.BadCertificate, "is no CA certificate"),
        ((IS_CA, no_sign), errors.BadCertificate, "may not sign certificates"),
        ((IS_CA, clients_only), errors.UnsupportedCertificate, "may not issue for serverAuth"),
    ):
        middle = plain("Mid", key, "Root", root_key, *extensions)
        with pytest.raises(error, match=text):
            verify.verify_server(der(leaf, middle), TrustStore([root]), NAME, NOW)


def test_path_length_and_depth_are_enforced() -> None:
    key = make_key("p256")
    root = plain("Root", key, "Root", key, (x509.BasicConstraints(True, 0), True))
    middle_key = make_key("p256")
    middle = plain("Mid", middle_key, "Root", key, IS_CA)
    leaf = plain("leaf", make_key("p256"), "Mid", middle_key, SAN)
    with pytest.raises(errors.BadCertificate, match="allows 0 intermediate certificates below it, and the chain has 1"):
        verify.verify_server(der(leaf, middle), TrustStore([root]), NAME, NOW)
    authority = CA
    for number in range(8):
        authority = authority.intermediate(f"Level {number}")
    assert check(authority.issue("www.example.org")).authenticated
    with pytest.raises(errors.BadCertificate, match="more than 8 intermediate"):
        check(authority.intermediate("Level 8").issue("www.example.org"))


def test_name_constraints_are_enforced() -> None:
    key, leaf_key = make_key("p256"), make_key("p256")
    only = (x509.NameConstraints([x509.DNSName("example.com")], None), True)
    root = plain("Root", key, "Root", key, IS_CA, only)
    with pytest.raises(errors.BadCertificate):
        verify.verify_server(der(plain("leaf", leaf_key, "Root", key, SAN)), TrustStore([root]), NAME, NOW)


def test_changed_certificate_is_bad() -> None:
    issued = CA.issue("www.example.org")
    changed = bytearray(issued.chain_der[0])
    changed[-3] ^= 1
    with pytest.raises(errors.BadCertificate, match="is not by the trusted CA"):
        verify.verify_server((bytes(changed),), TRUST, NAME, NOW)
    imposter = Authority(CA.certificate, make_key("p256"))
    with pytest.raises(errors.BadCertificate, match="another CA has the same name"):
        check(imposter.issue("www.example.org"))


def weakly_signed(old: bytes, algorithm: Any, root: Authority) -> bytes:
    """An RSA-signed leaf, signed anew with another hash; `old` is the last arc of its signature's OID."""
    issued = root.issue("www.example.org")
    oid = bytes.fromhex("06092a864886f70d0101")
    whole = issued.chain_der[0].replace(oid + b"\x0b", oid + old)
    tbs = issued.certificate.tbs_certificate_bytes.replace(oid + b"\x0b", oid + old)
    return whole[:-256] + bytes(root.key.sign(tbs, padding.PKCS1v15(), algorithm))


@pytest.mark.parametrize(
    ("arc", "algorithm", "name"), [(b"\x05", hashes.SHA1(), "SHA1"), (b"\x04", hashes.MD5(), "MD5")]
)
def test_forgeable_hashes_are_bad(arc: bytes, algorithm: Any, name: str) -> None:
    root = make_ca("RSA root", "rsa2048")
    leaf = weakly_signed(arc, algorithm, root)
    with pytest.raises(errors.BadCertificate, match=f"signed with {name}, which can be forged.*SHA-256"):
        verify.verify_server((leaf,), TrustStore([root.certificate]), NAME, NOW)


def test_weak_rsa_keys_are_bad() -> None:
    with pytest.raises(errors.BadCertificate, match=r"RSA key of 1024 bits.*2048"):
        check(CA.issue("www.example.org", key="rsa1024"))
    weak = make_ca("Weak", "rsa1024")
    with pytest.raises(errors.BadCertificate):
        check(weak.issue("www.example.org"), TrustStore([weak.certificate]))


@pytest.mark.parametrize("kind", ["ed25519", "ed448", "mldsa44", "mldsa65", "mldsa87", "p384", "p521", "rsa3072"])
def test_ca_of_every_kind_signs_chains(kind: str) -> None:
    root = make_ca("Root", kind)
    issued = root.intermediate("Middle", kind).issue("www.example.org", key=kind)
    trust = TrustStore([root.certificate])
    assert check(issued, trust).authenticated
    changed = bytearray(issued.chain_der[0])
    changed[-3] ^= 1
    with pytest.raises(errors.BadCertificate):
        verify.verify_server((bytes(changed), *issued.chain_der[1:]), trust, NAME, NOW)


def test_unknown_critical_extension_is_unsupported() -> None:
    strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
    with pytest.raises(errors.UnsupportedCertificate, match=r"critical extensions.*1\.2\.3\.4\.5"):
        check(CA.issue("www.example.org", extra=((strange, True),)))
    assert check(CA.issue("www.example.org", extra=((strange, False),))).authenticated


def test_unusable_key_is_unsupported() -> None:
    from cryptography.hazmat.primitives.asymmetric import x25519

    key = x25519.X25519PrivateKey.generate()
    leaf = plain("x", key, CA.certificate.subject.rfc4514_string()[3:], CA.key, SAN)
    with pytest.raises(errors.UnsupportedCertificate, match="makes no signatures in TLS"):
        verify.verify_server(der(leaf), TRUST, NAME, NOW)


@pytest.mark.parametrize(
    "junk", [b"", b"\x30\x00", b"junk", b"\x30\x84\xff\xff\xff\xff", CA.der + b"\x00", CA.der[:-1]]
)
def test_unparseable_certificates_are_bad(junk: bytes) -> None:
    leaf = CA.issue("www.example.org").chain_der[0]
    with pytest.raises(errors.BadCertificate, match="certificate 1 of the chain cannot be parsed"):
        verify.verify_server((junk,), TRUST, NAME, NOW)
    with pytest.raises(errors.BadCertificate, match="certificate 2 of the chain cannot be parsed"):
        verify.verify_server((leaf, junk), TRUST, NAME, NOW)
    with pytest.raises(errors.BadCertificate):
        verify.accept_unverified((junk,), "")


def test_every_truncation_and_many_changes_are_refused_cleanly() -> None:
    leaf = CA.issue("www.example.org").chain_der[0]
    for length in range(len(leaf)):
        with pytest.raises(errors.BadCertificate):
            verify.verify_server((leaf[:length],), TRUST, NAME, NOW)
    for place in range(len(leaf)):
        changed = bytearray(leaf)
        changed[place] ^= 0xFF
        with pytest.raises(errors.AlertError):
            verify.verify_server((bytes(changed),), TRUST, NAME, NOW)


def test_empty_chains_have_their_own_alerts() -> None:
    with pytest.raises(errors.DecodeError):
        verify.verify_server((), TRUST, NAME, NOW)
    with pytest.raises(errors.DecodeError):
        verify.accept_unverified((), "")
    with pytest.raises(errors.CertificateRequired, match="Give the client an identity"):
        verify.verify_client((), TRUST, NOW)


def test_too_many_certificates_are_refused_before_parsing() -> None:
    with pytest.raises(errors.BadCertificate, match="sent 33 certificates"):
        verify.verify_server((CA.issue("www.example.org").chain_der[0],) + (b"junk",) * 32, TRUST, NAME, NOW)


def test_certificates_that_issue_each_other_cost_a_bounded_time() -> None:
    """Eight levels of fifteen candidates would be a thousand million signature checks."""
    key, other, root = make_key("p256"), make_key("p256"), make_key("p256")
    trusted = plain("Root", root, "Root", root, IS_CA)
    loop = [plain("A", key if number else make_key("p256"), "B", other, IS_CA) for number in range(15)] + [
        plain("B", other if number else make_key("p256"), "A", key, IS_CA) for number in range(14)
    ]
    # By its name it leads to the root, so that everything has to be tried.
    loop.append(plain("B", other, "Root", make_key("p256"), IS_CA))
    leaf = plain("leaf", make_key("p256"), "A", key, SAN)
    start = time.process_time()
    with pytest.raises(errors.AlertError):
        verify.verify_server(der(leaf, *loop), TrustStore([trusted]), NAME, NOW)
    assert time.process_time() - start < 0.15  # 0.05 on a quiet machine
    # The budget belongs to one verification.
    assert check(CA.issue("www.example.org")).authenticated


@pytest.mark.parametrize("purpose", ["server", "client"])
def test_name_that_nobody_asked_for_is_told_as_skipped(purpose: str) -> None:
    """Whose certificate it is was not looked at: the list of checks must not say that it was."""
    chain = CA.issue("www.example.org").chain_der
    report = verify.examine(chain, TRUST, None, NOW, purpose=purpose)  # type: ignore[arg-type]
    outcomes = {one.name: (one.outcome, one.text) for one in report.checks}
    assert outcomes["name"] == ("skip", "no name was asked for")
    assert outcomes["policies"] == ("skip", "nothing in the path requires a certificate policy")
    assert outcomes["hash"][0] == outcomes["name_constraints"][0] == "pass"
    asked = verify.examine(chain, TRUST, NAME, NOW)
    assert {one.name: one.outcome for one in asked.checks}["name"] == "pass"
