"""Path building and the rules of paths: constraints of every type, hashes, purposes, versions, loops and budgets."""

import datetime as dt
import ipaddress
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.certificates import make_key
from tests.support.chains import NOW, Node, authority, name, root, san
from tests.support.counting import counted
from tlscore import errors
from tlscore.certs import verify
from tlscore.certs.names import ServerName, SrvName, UriName
from tlscore.certs.paths.facts import Facts
from tlscore.certs.policy import Budgets, CertificatePolicy, LegacyHash
from tlscore.certs.trust_store import TrustStore

ROOT = root()
# What no chain may cost, in calls and in signature checks: the promise is 0.05 s, and times are for benches/.
CALLS, CHECKS = 12_000, 36


def judge(
    leaf: Node, *others: Node, top: Node = ROOT, asked: ServerName | str | None = "www.example.org", **options: Any
) -> verify.ChainVerified:
    wanted = ServerName.parse(asked) if asked is not None else None
    chain = tuple(one.der for one in (leaf, *others))
    return verify.verify_server(chain, TrustStore([top.certificate]), wanted, options.pop("now", NOW), **options)


# -- name constraints --


def constrained(permitted: list[x509.GeneralName] | None, excluded: list[x509.GeneralName] | None) -> Node:
    return root("Root", authority(), (x509.NameConstraints(permitted, excluded), True))


DNS, EMAIL, URI = x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier
WWW = DNS("www.example.org")


def address(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_address(text) if "/" not in text else ipaddress.ip_network(text))


def directory(**parts: str) -> x509.DirectoryName:
    return x509.DirectoryName(name(**parts))


@pytest.mark.parametrize(
    ("permitted", "excluded", "names", "allowed"),
    [
        ([DNS("example.org")], None, [WWW], True),
        ([DNS("EXAMPLE.org")], None, [WWW], True),
        ([DNS("example.com")], None, [WWW], False),
        ([DNS("")], None, [WWW], True),
        (None, [DNS("")], [WWW], False),
        (None, [DNS("xample.org")], [WWW], True),
        (None, [DNS("WWW.Example.ORG")], [WWW], False),  # case: CVE-2026-33810, CVE-2026-3833
        # A wildcard is every name that it stands for: CVE-2025-61727, RUSTSEC-2026-0099.
        (None, [DNS("bar.example.org")], [WWW, DNS("*.example.org")], False),
        (None, [DNS("a.bar.example.org")], [WWW, DNS("*.example.org")], True),
        ([DNS("foo.example.org"), WWW], None, [WWW, DNS("*.example.org")], False),
        ([DNS("example.org")], None, [WWW, DNS("*.example.org")], True),
        ([DNS("example.org")], None, [WWW, DNS(".example.org")], False),
        (None, [DNS("other.test")], [WWW, DNS("f*.example.org")], False),
        ([DNS(".example.org")], None, [WWW], False),
        ([address("192.0.2.0/24")], None, [WWW, address("192.0.2.9")], True),
        ([address("192.0.2.0/24")], None, [WWW, address("198.51.100.1")], False),
        (None, [address("192.0.2.0/24")], [WWW, address("192.0.2.9")], False),
        (None, [address("::/0")], [WWW, address("192.0.2.9")], True),
        (None, [address("2001:db8::/32")], [WWW, address("2001:db8::1")], False),
        ([EMAIL("example.org")], None, [WWW, EMAIL("a@example.org")], True),
        ([EMAIL("example.org")], None, [WWW, EMAIL("a@sub.example.org")], False),
        ([EMAIL(".example.org")], None, [WWW, EMAIL("a@sub.example.org")], True),
        ([EMAIL("a@example.org")], None, [WWW, EMAIL("A@example.org")], False),
        ([EMAIL("a@example.org")], None, [WWW, EMAIL("a@EXAMPLE.org")], True),
        # Every address counts, not only the first: CVE-2026-27137.
        ([EMAIL("example.org")], None, [WWW, EMAIL("a@example.org"), EMAIL("b@evil.test")], False),
        (None, [EMAIL("evil.test")], [WWW, EMAIL("a@example.org"), EMAIL("b@evil.test")], False),
        ([EMAIL("example.org")], None, [WWW, EMAIL('"a@evil.test"@example.org')], False),
        # Hosts of URIs: RUSTSEC-2026-0098; zones and addresses: CVE-2024-45341.
        ([URI("example.org")], None, [WWW, URI("https://example.org/path")], True),
        ([URI(".example.org")], None, [WWW, URI("https://a.EXAMPLE.org:443/")], True),
        ([URI("example.org")], None, [WWW, URI("https://a.example.org/")], False),
        ([URI("example.org")], None, [WWW, URI("https://example.org@evil.test/")], False),
        (None, [URI("evil.test")], [WWW, URI("https://user@evil.test/")], False),
        (None, [URI("evil.test")], [WWW, URI("https://[fe80::1%25en0]/")], False),
        (None, [URI("evil.test")], [WWW, URI("https://192.0.2.1/")], False),
        (None, [URI("evil.test")], [WWW, URI("urn:uuid:1")], False),
        ([directory(o="Good")], None, [WWW], False),  # the subject itself is a directory name
        (None, [directory(o="Bad")], [WWW, directory(o="bad")], False),
        (None, [directory(o="Bad")], [WWW, directory(o="Good")], True),
        # Types that nobody here compares: refused where they are constrained and present.
        (None, [x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))], [WWW], True),
        (
            None,
            [x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))],
            [WWW, x509.RegisteredID(x509.ObjectIdentifier("1.2.4"))],
            False,
        ),
        ([x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")], None, [WWW], True),
    ],
)
def test_name_constraints_of_every_type(permitted: Any, excluded: Any, names: Any, allowed: bool) -> None:
    """RFC 5280 4.2.1.10."""
    top = constrained(permitted, excluded)
    leaf = top.issue("leaf", san(*names))
    if allowed:
        assert judge(leaf, top=top).authenticated
    else:
        with pytest.raises(errors.BadCertificate, match=r"may not have certificates for|name constraint"):
            judge(leaf, top=top)


def test_constraints_of_all_authorities_hold_together() -> None:
    """An empty intersection permits nothing (CVE-2026-42011)."""
    top = constrained([DNS("example.org")], None)
    middle = top.issue("Middle", authority(), (x509.NameConstraints([DNS("example.com")], None), True))
    for wanted in ("www.example.org", "www.example.com"):
        with pytest.raises(errors.BadCertificate, match="may not have certificates for"):
            judge(middle.issue("leaf", san(wanted)), middle, top=top, asked=wanted)


def test_constraints_hold_for_the_common_name_where_it_counts() -> None:
    top = constrained([DNS("example.com")], None)
    leaf = top.issue("www.example.org")
    fallback = CertificatePolicy(cn_fallback=True)
    with pytest.raises(errors.BadCertificate, match="may not have certificates for"):
        judge(leaf, top=top, policy=fallback)
    assert judge(ROOT.issue("www.example.org"), policy=fallback).authenticated


def test_self_issued_authorities_are_exempt_and_leaves_are_not() -> None:
    top = constrained([DNS("example.org")], None)
    again = top.issue("Root", authority(), san("other.test"))
    assert judge(again.issue("leaf", san("www.example.org")), again, top=top).authenticated
    with pytest.raises(errors.BadCertificate):
        judge(top.issue("Root", san("other.test")), top=top, asked="other.test")


# -- hashes, keys, versions, serial numbers --


def sha1_leaf(top: Node) -> Node:
    """SHA-1 signed: the library that makes certificates refuses to, so the algorithm is exchanged and signed anew."""
    leaf = top.issue("leaf", san("www.example.org"))
    sha256, sha1 = (bytes.fromhex("06092a864886f70d0101" + last) for last in ("0b", "05"))
    tbs = leaf.certificate.tbs_certificate_bytes.replace(sha256, sha1)
    whole = leaf.der.replace(sha256, sha1)
    signature = top.key.sign(tbs, padding.PKCS1v15(), hashes.SHA1())
    return Node(x509.load_der_x509_certificate(whole[: -len(signature)] + signature), leaf.key)


def test_sha1_is_taken_below_named_anchors_until_a_day_and_never_else() -> None:
    """RFC 9846 4.5.1.3, with the exception that the policy names."""
    top = root("RSA root", key=make_key("rsa2048"))
    leaf = sha1_leaf(top)
    fingerprint = top.certificate.fingerprint(hashes.SHA256()).hex()
    with pytest.raises(errors.BadCertificate, match="signed with SHA1, which can be forged"):
        judge(leaf, top=top)
    window = LegacyHash((fingerprint,), NOW.date())
    assert judge(leaf, top=top, policy=CertificatePolicy(allow_sha1=window)).authenticated
    closed = LegacyHash((fingerprint,), NOW.date() - dt.timedelta(days=1))
    with pytest.raises(errors.BadCertificate, match="the time for SHA-1 ended on 2026-05-31"):
        judge(leaf, top=top, policy=CertificatePolicy(allow_sha1=closed))
    other = LegacyHash(("00" * 32,), NOW.date())
    with pytest.raises(errors.BadCertificate, match="can be forged"):
        judge(leaf, top=top, policy=CertificatePolicy(allow_sha1=other))


def test_rsa_pss_signatures_and_keys_are_verified() -> None:
    key = make_key("rsa2048")
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    top = root("PSS root", key=key, padding=pss)
    leaf = top.issue("leaf", san("www.example.org"), padding=pss)
    assert judge(leaf, top=top).authenticated
    wide = padding.PSS(padding.MGF1(hashes.SHA512()), 64)
    assert judge(top.issue("leaf", san("www.example.org"), padding=wide, algorithm=hashes.SHA512()), top=top)


def test_rsa_key_with_a_huge_exponent_is_refused_before_it_costs_time() -> None:
    numbers = make_key("rsa2048").public_key().public_numbers()
    huge = rsa.RSAPublicNumbers(2**1023 + 1, numbers.n).public_key()

    class Holder:
        def public_key(self) -> Any:
            return huge

    middle = ROOT.issue("Middle", authority(), key=Holder())
    leaf = Node(middle.certificate, make_key("rsa2048")).issue("leaf", san("www.example.org"))
    with counted() as made, pytest.raises(errors.BadCertificate, match="exponent above"):
        judge(leaf, middle)
    assert len(made) < CALLS
    assert made.count("verify") <= CHECKS


def signed_anew(content: bytes, issuer: Node, algorithm: bytes) -> bytes:
    """A certificate with this content of the signed part."""

    def element(tag: int, body: bytes) -> bytes:
        length = len(body)
        octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
        size = bytes((length,)) if length < 0x80 else bytes((0x80 | len(octets),)) + octets
        return bytes((tag,)) + size + body

    tbs = element(0x30, content)
    signature = issuer.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    return element(0x30, tbs + algorithm + element(0x03, b"\0" + signature))


def test_version_1_and_bad_serial_numbers_are_refused() -> None:
    """RFC 5280 4.1.2.1 and 4.1.2.2."""
    facts = Facts(ROOT.issue("leaf", serial=0x55).der)
    content = facts.tbs[facts.tbs.index(b"\xa0\x03\x02\x01\x02") :]
    trust = TrustStore([ROOT.certificate])
    first = signed_anew(content[5:], ROOT, facts.outer_algorithm)
    with pytest.raises(errors.UnsupportedCertificate, match=r"X\.509 v1"):
        verify.verify_server((first,), trust, None, NOW)
    for serial, text in ((b"\x55" * 21, "longer than 20"), (b"\0", "negative or zero"), (b"\xff", "negative or zero")):
        changed = content.replace(b"\x02\x01\x55", bytes((2, len(serial))) + serial, 1)
        with pytest.raises(errors.BadCertificate, match=text):
            verify.verify_server((signed_anew(changed, ROOT, facts.outer_algorithm),), trust, None, NOW)


def test_inner_and_outer_signature_algorithm_must_be_one() -> None:
    """RFC 5280 4.1.1.2."""
    leaf = ROOT.issue("leaf", san("www.example.org"))
    sha256, sha384 = bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06082a8648ce3d040303")
    at = leaf.der.rindex(sha256)
    changed = leaf.der[:at] + sha384 + leaf.der[at + len(sha384) :]
    with pytest.raises(errors.BadCertificate):
        verify.verify_server((changed,), TrustStore([ROOT.certificate]), None, NOW)
    found = verify.examine((changed,), TrustStore([ROOT.certificate]), None, NOW)
    assert "encoding" in {check.name for check in found.failures}


# -- purposes --


def netscape(bits: int) -> tuple[x509.ExtensionType, bool]:
    octets = bytes((3, 2, 0, bits))
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("2.16.840.1.113730.1.1"), octets), False


def test_netscape_type_restricts_where_no_extended_key_usage_stands() -> None:
    with pytest.raises(errors.UnsupportedCertificate, match="without the bit 'SSL server'; it has SSL CA, S/MIME CA"):
        judge(ROOT.issue("leaf", san("www.example.org"), netscape(0x07)))
    assert judge(ROOT.issue("leaf", san("www.example.org"), netscape(0x40)))
    middle = ROOT.issue("Middle", authority(), netscape(0x40))
    with pytest.raises(errors.UnsupportedCertificate, match="without the bit 'SSL CA'"):
        judge(middle.issue("leaf", san("www.example.org")), middle)
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False
    assert judge(ROOT.issue("leaf", san("www.example.org"), netscape(0x07), server))


def test_purpose_is_applied_to_every_authority() -> None:
    clients = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False
    middle = ROOT.issue("Middle", authority(), clients)
    with pytest.raises(errors.UnsupportedCertificate, match="may not issue for serverAuth"):
        judge(middle.issue("leaf", san("www.example.org")), middle)
    anything = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False
    middle = ROOT.issue("Middle", authority(), anything)
    with pytest.raises(errors.UnsupportedCertificate, match="may not issue for serverAuth"):
        judge(middle.issue("leaf", san("www.example.org")), middle)


# -- names --


def srv(text: str) -> x509.OtherName:
    return x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7"), bytes((0x16, len(text))) + text.encode())


def test_services_match_by_service_and_domain() -> None:
    """RFC 9525 6.5."""
    leaf = ROOT.issue("leaf", san(srv("_sips.example.org"), URI("sip:example.org"), URI("https://web.example.org/x")))
    assert judge(leaf, asked=SrvName.of("sips", "example.org"))
    assert judge(leaf, asked=UriName.of("sip", "example.org"))
    assert judge(leaf, asked=UriName.of("https", "web.example.org"))
    for wrong in (
        SrvName.of("sip", "example.org"),
        SrvName.of("sips", "example.com"),
        UriName.of("sips", "example.org"),
        UriName.of("http", "web.example.org"),
    ):
        with pytest.raises(errors.BadCertificate, match="is not for"):
            judge(leaf, asked=wrong)
    plain = ROOT.issue("leaf", san("example.org"))
    assert judge(plain, asked=SrvName.of("sips", "example.org"))
    with pytest.raises(errors.BadCertificate):
        judge(plain, asked=SrvName.of("sips", "example.org", or_dns=False))


# -- building --


def test_builder_goes_back_where_a_path_fails() -> None:
    """Two certificates of one CA: the first leads to an authority that excludes the name."""
    key = make_key("p256")
    strict = root("Strict", authority(), (x509.NameConstraints(None, [DNS("example.org")]), True))
    first, second = strict.issue("Middle", authority(), key=key), ROOT.issue("Middle", authority(), key=key)
    leaf = first.issue("leaf", san("www.example.org"))
    trust = TrustStore([strict.certificate, ROOT.certificate])
    found = verify.verify_server((leaf.der, first.der, second.der), trust, ServerName.parse("www.example.org"), NOW)
    assert [one.der for one in found.path] == [leaf.der, second.der, ROOT.der]
    assert found.report.ok
    assert found.report.path[1] == second.der


def test_authorities_that_certify_each_other_are_no_loop() -> None:
    keys = [make_key("p256") for _ in range(3)]
    names = ["A", "B", "C"]
    cross = [
        Node(root(names[i], key=keys[i]).certificate, keys[i]).issue(names[j], authority(), key=keys[j])
        for i in range(3)
        for j in range(3)
        if i != j
    ]
    entry = ROOT.issue("C", authority(), key=keys[2])
    leaf = Node(root("A", key=keys[0]).certificate, keys[0]).issue("leaf", san("www.example.org"))
    assert judge(leaf, *cross, entry).authenticated
    with pytest.raises(errors.UnknownCa):
        judge(leaf, *cross)


def long_chain(count: int, kind: str = "p256") -> list[Node]:
    path, above = [], ROOT
    for number in range(count):
        above = above.issue(f"Level {number}", authority(), key=make_key(kind))
        path.append(above)
    return [above.issue("leaf", san("www.example.org")), *reversed(path)]


def test_eight_intermediates_of_the_slowest_kind_are_cheap_enough() -> None:
    chain = long_chain(8, "p521")
    with counted() as made:
        assert judge(*chain, policy=CertificatePolicy(remember=False)).authenticated
    assert len(made) < CALLS
    assert made.count("verify") == len(chain)
    with pytest.raises(errors.BadCertificate, match="more than 8 intermediate"):
        judge(*long_chain(9))


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "mldsa65"])
def test_worst_pile_of_authorities_stays_below_its_budget(kind: str) -> None:
    """Every level has several keys of one name, and only the top is missing."""
    key = make_key(kind)
    pile = []
    for level in range(6):
        above = Node(root(f"L{level + 1}", key=key).certificate, key)
        pile += [above.issue(f"L{level}", authority(), key=make_key(kind) if n else key) for n in range(5)]
    pile.append(Node(root("Root", key=make_key("p256")).certificate, key).issue("L6", authority(), key=key))
    leaf = Node(root("L0", key=key).certificate, key).issue("leaf", san("www.example.org"))
    with counted() as made, pytest.raises(errors.AlertError):
        judge(leaf, *pile)
    assert len(made) < CALLS
    assert made.count("verify") <= CHECKS


def test_hundred_thousand_names_and_huge_keys_are_refused_at_once() -> None:
    from tlscore.certs.policy import DEFAULT

    leaf = ROOT.issue("leaf", san(*(f"a{number}.test" for number in range(100_000))))
    der = leaf.der
    with counted() as made, pytest.raises(errors.BadCertificate, match="more than 131072"):
        verify.verify_server((der,), TrustStore([ROOT.certificate]), ServerName.parse("x.test"), NOW)
    assert len(made) < CALLS
    assert made.count("verify") <= CHECKS
    assert len(der) > DEFAULT.budgets.chain_octets
    numbers = rsa.RSAPublicNumbers(65537, (1 << 16383) + 1)

    class Holder:
        def public_key(self) -> Any:
            return numbers.public_key()

    huge = ROOT.issue("Middle", authority(), key=Holder())
    below = Node(huge.certificate, make_key("rsa2048")).issue("leaf", san("www.example.org"))
    with counted() as made, pytest.raises(errors.BadCertificate, match="RSA key of 16384 bits"):
        judge(below, huge)
    assert len(made) < CALLS
    assert made.count("verify") <= CHECKS


def test_most_names_that_fit_are_compared_within_the_budget() -> None:
    names = [f"a{number}.test" for number in range(9000)]
    top = constrained([DNS("example.org"), DNS("test")], None)
    leaf = top.issue("leaf", san("www.example.org", *names))
    with counted() as made:
        assert judge(leaf, top=top).authenticated
    assert len(made) < 230_000
    tight = CertificatePolicy(budgets=Budgets(name_comparisons=9000))
    with pytest.raises(errors.BadCertificate, match="more than 9000 comparisons of names"):
        judge(leaf, top=top, policy=tight)
    few = CertificatePolicy(budgets=Budgets(signatures=1))
    with pytest.raises(errors.BadCertificate, match="more than 1 signature checks"):
        judge(*long_chain(2), policy=few)
    with pytest.raises(errors.BadCertificate, match="more than 10 steps"):
        judge(*long_chain(2), policy=CertificatePolicy(budgets=Budgets(steps=10)))


def test_pinned_key_is_an_anchor_wherever_it_is_shown() -> None:
    import hashlib

    stranger = root("Stranger")
    middle = stranger.issue("Middle", authority())
    leaf = middle.issue("leaf", san("www.example.org"))
    for pinned in (leaf, middle, stranger):
        trust = TrustStore.pinned(hashlib.sha256(Facts(pinned.der).spki).digest())
        chain = (leaf.der, middle.der, stranger.der)
        found = verify.verify_server(chain, trust, ServerName.parse("www.example.org"), NOW)
        assert found.path[-1].der == pinned.der
        with pytest.raises(errors.AlertError):
            verify.verify_server(chain, trust, ServerName.parse("other.test"), NOW)
    with pytest.raises(errors.UnknownCa):
        verify.verify_server((leaf.der,), trust, ServerName.parse("www.example.org"), NOW)


def test_strict_profile_refuses_what_the_default_lets_pass() -> None:
    leaf = ROOT.issue("leaf", san("www.example.org"))
    assert judge(leaf)
    with pytest.raises(errors.BadCertificate) as refused:
        judge(leaf, policy=CertificatePolicy(strict=True))
    assert any("authorityKeyIdentifier" in note for note in [str(refused.value), *refused.value.__notes__])


def test_issuer_rules_ask_for_what_rfc5280_asks_of_issuers_and_for_no_more() -> None:
    """RFC 5280 4.2.1.1: a certificate names the key of its issuer."""
    with pytest.raises(errors.BadCertificate, match="authorityKeyIdentifier"):
        judge(ROOT.issue("leaf", san("www.example.org")), policy=CertificatePolicy(issuer_rules=True))


# -- the policy's own checks --


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"wildcards": "all"}, "wildcards is"),
        ({"min_rsa_bits": 512}, "cannot be meant"),
        ({"max_rsa_bits": 1024}, "cannot be meant"),
        ({"depth": 17}, "depth is"),
        ({"allow_sha1": True}, "has no scope"),
        ({"budgets": 5}, "budgets is no Budgets"),
    ],
)
def test_policy_refuses_what_cannot_be_meant(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(errors.ConfigError, match=text):
        CertificatePolicy(**wrong)


def test_legacy_window_needs_fingerprints_and_a_day() -> None:
    for anchors, until in ((("ab",), NOW.date()), ("ab" * 32, NOW.date()), (("ab" * 32,), "2027")):
        with pytest.raises(errors.ConfigError):
            LegacyHash(anchors, until)  # type: ignore[arg-type]
    with pytest.raises(errors.ConfigError):
        Budgets(steps=0)


def test_many_self_issued_certificates_are_too_many() -> None:
    """They do not count for the depth, and still the path ends somewhere."""
    above, path = ROOT, list[Node]()
    for _ in range(20):
        above = above.issue("Root", authority())
        path.insert(0, above)
    leaf = above.issue("leaf", san("www.example.org"))
    with pytest.raises(errors.BadCertificate, match="more than"):
        judge(leaf, *path)


def test_changed_octets_anywhere_in_a_chain_end_in_an_alert() -> None:
    """No other exception, and no acceptance but where the changed certificate is not needed."""
    middle = ROOT.issue(
        "Middle",
        authority(3),
        (
            x509.NameConstraints([DNS("example.org"), EMAIL("example.org"), URI("example.org"), address("::/0")], None),
            True,
        ),
        (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)]), False),
        (x509.PolicyConstraints(0, 0), True),
        netscape(0x04),
    )
    leaf = middle.issue(
        "leaf",
        san("www.example.org"),
        (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)]), False),
    )
    assert judge(leaf, middle).authenticated
    trust, asked = TrustStore([ROOT.certificate]), ServerName.parse("www.example.org")
    for place in range(len(middle.der)):
        for mask in (0xFF, 0x01, 0x80):
            changed = bytearray(middle.der)
            changed[place] ^= mask
            with pytest.raises(errors.AlertError):
                verify.verify_server((leaf.der, bytes(changed)), trust, asked, NOW)


def test_tls_feature_that_has_no_name_is_a_bad_certificate() -> None:
    """RFC 7633: the parser knows two features by name; a third one is the peer's mistake, and no fault of ours."""
    top = root()
    feature = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.24"), b"\x30\x04\x02\x02\x01\x00")
    leaf = top.issue("leaf", san("www.example.org"), (feature, False))
    with pytest.raises(errors.BadCertificate):
        verify.verify_server((leaf.der,), TrustStore([top.certificate]), ServerName.parse("www.example.org"), NOW)


def test_peer_cannot_write_to_standard_error(tmp_path: Path) -> None:
    """An authorityKeyIdentifier with a negative serial number of the issuer: the parser would warn about it."""
    key_identifier = x509.UnrecognizedExtension(
        x509.ObjectIdentifier("2.5.29.35"), bytes.fromhex("3008a1038201618201ff")
    )
    leaf = root().issue("leaf", san("www.example.org"), (key_identifier, False))
    path = tmp_path / "leaf.der"
    path.write_bytes(leaf.der)
    program = (
        "import sys; from tlscore.certs.verify import accept_unverified\n"
        "accept_unverified((open(sys.argv[1], 'rb').read(),), 'a test').identity"
    )
    run = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert run.stderr == ""
