"""CRLs: every way in which one can say yes, no or nothing, each told apart by its code."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.support.certificates import Authority, Issued, make_ca
from tests.support.revocation import DAY, HOUR, NOW, UNKNOWN, crl_pem, entry, make_crl, point, uri, without_next_update
from tlscore.certs.report import Check
from tlscore.certs.revocation import Revocation, check
from tlscore.errors import ConfigError
from tlscore.iana import AlertDescription


def judge(leaf: Issued, root: Authority, *crls: bytes, mode: Any = "require", **others: Any) -> Check:
    path = (*leaf.chain, root.certificate)
    policy = Revocation.crl(data=crls, mode=mode, **others)
    checks = [one for one in check(path, NOW, policy) if one.name == "revocation"]
    return checks[0] if len(checks) == 1 else next((one for one in checks if one.outcome == "fail"), checks[0])


def assert_fails(found: Check, code: str, alert: int = AlertDescription.certificate_unknown) -> None:
    assert (found.outcome, found.code, found.alert) == ("fail", code, alert), found
    assert found.text
    assert found.remedy
    assert found.section
    assert found.error().code == code


def test_client_accepts_a_certificate_that_is_on_no_list(leaf: Issued, root: Authority) -> None:
    found = judge(leaf, root, make_crl(root, [entry(12345)]))
    assert found.outcome == "pass"
    assert "good until" in found.text


def test_time_without_a_zone_counts_as_utc(leaf: Issued, root: Authority) -> None:
    path, policy = (*leaf.chain, root.certificate), Revocation.crl(data=(make_crl(root),), mode="require")
    assert check(path, NOW.replace(tzinfo=None), policy) == check(path, NOW, policy)


@pytest.mark.parametrize("mode", ["best_effort", "require"])
def test_client_refuses_a_revoked_certificate_in_every_mode(leaf: Issued, root: Authority, mode: str) -> None:
    listed = entry(leaf.certificate, x509.ReasonFlags.key_compromise)
    found = judge(leaf, root, make_crl(root, [entry(1), listed]), mode=mode)
    # RFC 9846 6.2: certificate_revoked is "A certificate was revoked by its signer."
    assert_fails(found, "TLS-REVOKED", AlertDescription.certificate_revoked)
    assert "keyCompromise" in found.text


def test_client_reads_pem_and_several_lists_in_one(leaf: Issued, root: Authority) -> None:
    other = make_ca("Another CA")
    pem = crl_pem(make_crl(other)) + b"a comment\n" + crl_pem(make_crl(root, [leaf.certificate]))
    assert judge(leaf, root, pem).code == "TLS-REVOKED"


def test_client_takes_a_namesake_serial_of_another_issuer_for_nothing(leaf: Issued, root: Authority) -> None:
    other = make_ca("Another CA")
    found = judge(leaf, root, make_crl(other, [leaf.certificate]), make_crl(root))
    assert found.outcome == "pass"


def critical_entry(leaf: Issued) -> x509.RevokedCertificate:
    return entry(99, extra=((UNKNOWN, True),))


CASES: dict[str, Any] = {
    "TLS-CRL_STALE": lambda root, leaf: make_crl(root, this_update=NOW - 3 * DAY, next_update=NOW - DAY),
    "TLS-CRL_NOT_YET_VALID": lambda root, leaf: make_crl(root, this_update=NOW + HOUR),
    "TLS-CRL_NUMBER": lambda root, leaf: make_crl(root, number=None),
    "TLS-CRL_CRITICAL_EXTENSION": lambda root, leaf: make_crl(root, extra=((UNKNOWN, True),)),
    "TLS-CRL_CRITICAL_ENTRY": lambda root, leaf: make_crl(root, [critical_entry(leaf)]),
    "TLS-CRL_BAD_SIGNATURE": lambda root, leaf: make_crl(root)[:-4] + b"\0\0\0\0",
    "TLS-CRL_NO_NEXT_UPDATE": lambda root, leaf: without_next_update(make_crl(root), root.key),
    "TLS-CRL_WRONG_ISSUER": lambda root, leaf: make_crl(make_ca("Somebody else")),
    "TLS-CRL_SCOPE": lambda root, leaf: make_crl(root, scope=point(only_contains_ca_certs=True)),
    "TLS-CRL_DELTA_ALONE": lambda root, leaf: make_crl(root, number=2, base=1),
    "TLS-CRL_REASONS": lambda root, leaf: make_crl(
        root, scope=point(only_some_reasons=frozenset((x509.ReasonFlags.key_compromise,)))
    ),
}


@pytest.mark.parametrize("code", CASES)
def test_each_failure_has_a_code_of_its_own(leaf: Issued, root: Authority, code: str) -> None:
    crl = CASES[code](root, leaf)
    assert_fails(judge(leaf, root, crl), code)


@pytest.mark.parametrize("code", CASES)
def test_best_effort_lets_an_open_question_pass_and_says_so(leaf: Issued, root: Authority, code: str) -> None:
    found = judge(leaf, root, CASES[code](root, leaf), mode="best_effort")
    assert (found.outcome, found.code, found.alert) == ("skip", code, None)


@pytest.mark.parametrize(
    "alert", [AlertDescription.unknown_ca, AlertDescription.certificate_expired, AlertDescription.bad_certificate]
)
def test_no_open_question_misleads_the_peer(leaf: Issued, root: Authority, alert: int) -> None:
    assert all(judge(leaf, root, make(root, leaf)).alert != alert for make in CASES.values())


def test_client_refuses_a_critical_crl_number(leaf: Issued, root: Authority) -> None:
    # RFC 5280 5.2.3: "CRL issuers [...] MUST mark this extension as non-critical"
    assert_fails(judge(leaf, root, make_crl(root, number_critical=True)), "TLS-CRL_NUMBER")


def test_client_refuses_a_list_of_a_namesake_with_another_key(leaf: Issued, root: Authority) -> None:
    namesake = make_ca("Revocation root")
    assert_fails(judge(leaf, root, make_crl(namesake)), "TLS-CRL_WRONG_ISSUER")


def test_client_refuses_a_signature_by_another_key(leaf: Issued, root: Authority) -> None:
    crl = make_crl(root, key=make_ca().key, key_identifier=False)
    assert_fails(judge(leaf, root, crl), "TLS-CRL_BAD_SIGNATURE")


def test_client_refuses_sha1(root: Authority) -> None:
    # RFC 9155 4: SHA-1 is no hash for signatures.
    ca = make_ca("RSA root", key="rsa2048")
    issued = ca.issue("example.org")
    try:
        crl = make_crl(ca, algorithm=hashes.SHA1())
    except Exception:  # a builder that refuses to sign with SHA-1: put its OID in place of that of SHA-256
        sha256, sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
        crl = make_crl(ca).replace(sha256, sha1)
    assert_fails(judge(issued, ca, crl), "TLS-CRL_WEAK_SIGNATURE")


def test_client_refuses_a_ca_without_crl_sign(root: Authority) -> None:
    # RFC 5280 6.3.3 (f): "If a key usage extension is present in the CRL issuer's certificate, verify that the cRLSign
    # bit is set."
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    weak = reissue(root, usage)
    issued = weak.issue("example.org")
    assert_fails(judge(issued, weak, make_crl(weak)), "TLS-CRL_NO_CRLSIGN")


def reissue(root: Authority, usage: x509.KeyUsage | None) -> Authority:
    """The root's certificate again, with another keyUsage or none."""
    old = root.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.subject)
        .public_key(old.public_key())
        .serial_number(old.serial_number)
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root.key.public_key()), critical=False)
    )
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    return Authority(builder.sign(root.key, hashes.SHA256()), root.key)


def test_client_accepts_a_ca_without_key_usage(root: Authority) -> None:
    plain = reissue(root, None)
    assert judge(plain.issue("example.org"), plain, make_crl(plain)).outcome == "pass"


def test_skew_covers_clocks_that_differ_a_little(leaf: Issued, root: Authority) -> None:
    early = make_crl(root, this_update=NOW + dt.timedelta(seconds=60))
    late = make_crl(root, this_update=NOW - DAY, next_update=NOW - dt.timedelta(seconds=60))
    assert judge(leaf, root, early).outcome == judge(leaf, root, late).outcome == "pass"
    assert judge(leaf, root, late, clock_skew_seconds=0).code == "TLS-CRL_STALE"


def test_the_problem_that_came_furthest_is_told(leaf: Issued, root: Authority) -> None:
    stale = make_crl(root, this_update=NOW - 3 * DAY, next_update=NOW - DAY)
    found = judge(leaf, root, CASES["TLS-CRL_SCOPE"](root, leaf), stale, CASES["TLS-CRL_BAD_SIGNATURE"](root, leaf))
    assert found.code == "TLS-CRL_STALE"


# -- scope of the policy -----------------------------------------------------------------------------------------------


def test_scope_chain_asks_for_every_certificate_but_the_anchor(
    root: Authority, middle: Authority, deep_leaf: Issued
) -> None:
    path = (*deep_leaf.chain, root.certificate)
    crls = [make_crl(root, [middle.certificate]), make_crl(middle)]
    leaf_only = check(path, NOW, Revocation.crl(data=crls, mode="require"))
    chain = check(path, NOW, Revocation.crl(data=crls, mode="require", scope="chain"))
    assert [one.outcome for one in leaf_only if one.name == "revocation"] == ["pass"]
    assert [(one.outcome, one.certificate) for one in chain if one.name == "revocation"] == [("pass", 0), ("fail", 1)]
    assert chain[1].alert == AlertDescription.certificate_revoked


def test_a_leaf_that_is_an_anchor_itself_is_skipped(leaf: Issued) -> None:
    policy = Revocation.stapled("require")
    found = check((leaf.certificate,), NOW, policy)
    assert (found[0].outcome, found[0].code) == ("skip", "TLS-REVOCATION_ANCHOR")


def test_off_is_visible_and_needs_a_reason(leaf: Issued, root: Authority) -> None:
    policy = Revocation.off(reason="the enterprise CA disables accounts instead")
    (found,) = check((*leaf.chain, root.certificate), NOW, policy)
    assert (found.outcome, found.code) == ("skip", "TLS-REVOCATION_OFF")
    assert "enterprise CA" in found.text
    assert policy.as_dict() == {"mode": "off", "reason": "the enterprise CA disables accounts instead"}
    with pytest.raises(ConfigError, match="without a reason"):
        Revocation.off(reason=" ")


def test_contradictions_are_refused(root: Authority) -> None:
    makers: tuple[Callable[[], object], ...] = (
        lambda: Revocation(mode="sometimes"),  # type: ignore[arg-type]
        lambda: Revocation(scope="root"),  # type: ignore[arg-type]
        lambda: Revocation.stapled("require", scope="chain"),
        lambda: Revocation(mode="require", staple=False),
        lambda: Revocation.crl(data=make_crl(root), mode="off"),
        lambda: Revocation.crl(),
        lambda: Revocation.crl(data=b"no CRL"),
        lambda: Revocation(clock_skew_seconds=-1),
        lambda: Revocation(crl_fetcher=object()),  # type: ignore[arg-type]
    )
    for make in makers:
        with pytest.raises(ConfigError):
            make()


# -- distribution points -----------------------------------------------------------------------------------------------


def with_points(root: Authority, *points: x509.DistributionPoint) -> Issued:
    return root.issue("example.org", extra=((x509.CRLDistributionPoints(points), False),))


def at(url: str, reasons: Any = None, crl_issuer: Any = None) -> x509.DistributionPoint:
    return x509.DistributionPoint(uri(url), None, reasons, crl_issuer)


def test_distribution_point_names_must_match(root: Authority) -> None:
    issued = with_points(root, at("http://crl.example/1"))
    right = make_crl(root, scope=point(full_name=uri("http://crl.example/1")))
    wrong = make_crl(root, [issued.certificate], scope=point(full_name=uri("http://crl.example/2")))
    assert judge(issued, root, right, wrong).outcome == "pass"
    assert_fails(judge(issued, root, wrong), "TLS-CRL_SCOPE")


def test_relative_names_continue_the_issuer(root: Authority) -> None:
    part = x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CRL1")])
    issued = with_points(root, x509.DistributionPoint(None, part, None, None))
    assert judge(issued, root, make_crl(root, scope=point(relative_name=part))).outcome == "pass"
    full = [x509.DirectoryName(x509.Name([*root.certificate.subject, *part]))]
    assert judge(issued, root, make_crl(root, scope=point(full_name=full))).outcome == "pass"


@pytest.mark.parametrize(
    ("scope", "is_for_leaf", "is_for_authority"),
    [
        ({"only_contains_user_certs": True}, True, False),
        ({"only_contains_ca_certs": True}, False, True),
        ({"only_contains_attribute_certs": True}, False, False),
    ],
)
def test_kinds_of_certificates_are_told_apart(
    root: Authority, middle: Authority, deep_leaf: Issued, scope: Any, is_for_leaf: bool, is_for_authority: bool
) -> None:
    path = (*deep_leaf.chain, root.certificate)
    crls = [make_crl(middle, scope=point(**scope)), make_crl(root, scope=point(**scope))]
    checks = check(path, NOW, Revocation.crl(data=crls, scope="chain"))
    assert [one.outcome == "pass" for one in checks[:2]] == [is_for_leaf, is_for_authority]


def test_lists_that_are_split_by_reason_are_put_together(root: Authority) -> None:
    issued = with_points(root, at("http://crl.example/a"))
    everything = frozenset(x509.ReasonFlags) - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
    some = frozenset((x509.ReasonFlags.key_compromise, x509.ReasonFlags.ca_compromise))
    first = make_crl(root, scope=point(full_name=uri("http://crl.example/a"), only_some_reasons=some))
    rest = point(full_name=uri("http://crl.example/a"), only_some_reasons=everything - some)
    assert judge(issued, root, first).code == "TLS-CRL_REASONS"
    assert judge(issued, root, first, make_crl(root, scope=rest)).outcome == "pass"
    listed = entry(issued.certificate, x509.ReasonFlags.superseded)
    assert judge(issued, root, first, make_crl(root, [listed], scope=rest)).code == "TLS-REVOKED"


def test_a_reason_of_the_distribution_point_limits_what_a_list_covers(root: Authority) -> None:
    some = frozenset((x509.ReasonFlags.key_compromise,))
    issued = with_points(root, at("http://crl.example/a", reasons=some))
    scope = point(full_name=uri("http://crl.example/a"))
    assert judge(issued, root, make_crl(root, scope=scope)).code in ("TLS-CRL_REASONS", "TLS-CRL_SCOPE")


# -- delta -------------------------------------------------------------------------------------------------------------


def test_a_delta_adds_to_the_complete_list(leaf: Issued, root: Authority) -> None:
    complete = make_crl(root, number=5)
    assert judge(leaf, root, complete, make_crl(root, [leaf.certificate], number=6, base=5)).code == "TLS-REVOKED"
    assert judge(leaf, root, complete, make_crl(root, number=6, base=5)).outcome == "pass"


def test_a_delta_takes_a_hold_back(leaf: Issued, root: Authority) -> None:
    complete = make_crl(root, [entry(leaf.certificate, x509.ReasonFlags.certificate_hold)], number=5)
    lifted = entry(leaf.certificate, x509.ReasonFlags.remove_from_crl)
    assert judge(leaf, root, complete).code == "TLS-REVOKED"
    assert judge(leaf, root, complete, make_crl(root, [lifted], number=6, base=5)).outcome == "pass"
    stale = make_crl(root, [lifted], number=6, base=5, this_update=NOW - 3 * DAY, next_update=NOW - 2 * DAY)
    assert judge(leaf, root, complete, stale).code == "TLS-REVOKED"


@pytest.mark.parametrize(("number", "base"), [(9, 6), (4, 3)], ids=["base too new", "older than the complete list"])
def test_a_delta_that_does_not_continue_the_list_is_not_used(
    leaf: Issued, root: Authority, number: int, base: int
) -> None:
    delta = make_crl(root, [leaf.certificate], number=number, base=base)
    assert judge(leaf, root, make_crl(root, number=5), delta).outcome == "pass"


def test_a_delta_of_another_scope_or_signer_is_not_used(leaf: Issued, root: Authority) -> None:
    complete = make_crl(root, number=5)
    other_scope = make_crl(root, [leaf.certificate], number=6, base=5, scope=point(only_contains_user_certs=True))
    forged = make_crl(root, [leaf.certificate], number=6, base=5)[:-3] + b"\0\0\0"
    assert judge(leaf, root, complete, other_scope, forged).outcome == "pass"


# -- indirect ----------------------------------------------------------------------------------------------------------


def crl_issuer(root: Authority) -> Authority:
    """Somebody who is no CA and signs CRLs for one."""
    made = root.intermediate("CRL issuer")
    return Authority(made.certificate, made.key)


def test_an_indirect_list_speaks_for_other_issuers(root: Authority) -> None:
    signer = crl_issuer(root)
    name = [x509.DirectoryName(signer.certificate.subject)]
    issued = with_points(root, at("http://crl.example/i", crl_issuer=name))
    other = make_ca("Another CA").certificate.subject
    scope = point(full_name=uri("http://crl.example/i"), indirect_crl=True)
    ours = entry(issued.certificate, issuer=root.certificate.subject)
    given = {"issuers": [signer.certificate]}
    good = make_crl(signer, [entry(issued.certificate, issuer=other)], scope=scope)
    assert judge(issued, root, good, **given).outcome == "pass"
    # RFC 5280 5.3.3: "the certificate issuer for the entry is the same as that for the preceding entry."
    sticky = make_crl(signer, [entry(7, issuer=root.certificate.subject), entry(issued.certificate)], scope=scope)
    assert judge(issued, root, make_crl(signer, [ours], scope=scope), **given).code == "TLS-REVOKED"
    assert judge(issued, root, sticky, **given).code == "TLS-REVOKED"
    # The first entries are the CRL issuer's own.
    assert judge(issued, root, make_crl(signer, [issued.certificate], scope=scope), **given).outcome == "pass"


def test_an_indirect_list_needs_a_signer_that_leads_to_the_path(root: Authority) -> None:
    stranger = make_ca("CRL issuer")
    name = [x509.DirectoryName(stranger.certificate.subject)]
    issued = with_points(root, at("http://crl.example/i", crl_issuer=name))
    crl = make_crl(stranger, scope=point(full_name=uri("http://crl.example/i"), indirect_crl=True))
    assert_fails(judge(issued, root, crl, issuers=[stranger.certificate]), "TLS-CRL_WRONG_ISSUER")
    assert_fails(judge(issued, root, crl), "TLS-CRL_WRONG_ISSUER")


def test_a_delegated_list_must_be_indirect(root: Authority) -> None:
    signer = crl_issuer(root)
    name = [x509.DirectoryName(signer.certificate.subject)]
    issued = with_points(root, at("http://crl.example/i", crl_issuer=name))
    direct = make_crl(signer, scope=point(full_name=uri("http://crl.example/i")))
    assert_fails(judge(issued, root, direct, issuers=[signer.certificate]), "TLS-CRL_SCOPE")


def test_a_direct_list_may_not_name_other_issuers(leaf: Issued, root: Authority) -> None:
    crl = make_crl(root, [entry(3, issuer=make_ca("Another CA").certificate.subject)])
    assert_fails(judge(leaf, root, crl), "TLS-CRL_CRITICAL_ENTRY")


def test_a_rolled_over_key_signs_for_the_old_one(leaf: Issued, root: Authority) -> None:
    from tests.support.certificates import make_key

    key = make_key("p256")
    new = Authority(reissue_for(root, key), key)
    crl = make_crl(new, [leaf.certificate])
    assert judge(leaf, root, crl).code == "TLS-CRL_WRONG_ISSUER"
    assert judge(leaf, root, crl, issuers=[new.certificate]).code == "TLS-REVOKED"


def reissue_for(root: Authority, key: Any) -> x509.Certificate:
    """A certificate for the CA's new key, signed with the old one."""
    return (
        x509.CertificateBuilder()
        .subject_name(root.certificate.subject)
        .issuer_name(root.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(root.key, hashes.SHA256())
    )


# -- faults that others had --------------------------------------------------------------------------------------------


def test_every_distribution_point_is_looked_at(root: Authority) -> None:
    """RUSTSEC-2026-0049: only the first distribution point and the first name of it were compared."""
    names = [*uri("ldap://crl.example/"), *uri("http://crl.example/2")]
    second = x509.DistributionPoint(names, None, None, None)
    issued = with_points(root, at("http://crl.example/1"), second)
    crl = make_crl(root, [issued.certificate], scope=point(full_name=uri("http://crl.example/2")))
    assert judge(issued, root, crl).code == "TLS-REVOKED"


@pytest.mark.parametrize("bits", [b"\x83\x01\x00", b"\x83\x00", b"\x83\x01\x07"], ids=["empty", "nothing", "bad count"])
def test_an_empty_set_of_reasons_breaks_nothing(leaf: Issued, root: Authority, bits: bytes) -> None:
    """RUSTSEC-2026-0104: an empty BIT STRING in the issuingDistributionPoint ended the program."""
    value = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.28"), bytes((0x30, len(bits))) + bits)
    crl = make_crl(root, [leaf.certificate], extra=((value, True),))
    try:
        code = judge(leaf, root, crl).code
    except ConfigError as error:
        code = error.code
    assert code in ("TLS-CONFIG-CRL", "TLS-REVOKED", "TLS-CRL_REASONS")


@pytest.mark.parametrize("scope", [None, "users"])
def test_a_delta_without_a_number_is_passed_over(leaf: Issued, root: Authority, scope: Any) -> None:
    """CVE-2026-28388: a delta CRL without a CRL number ended the program."""
    kind = point(only_contains_user_certs=True) if scope else None
    delta = make_crl(root, [leaf.certificate], number=None, base=1, scope=kind)
    complete = make_crl(root, number=5, scope=kind)
    assert judge(leaf, root, complete, delta).outcome == "pass"
    assert judge(leaf, root, delta).code == "TLS-CRL_DELTA_ALONE"


def test_a_crl_issuer_that_is_revoked_itself_is_not_believed(root: Authority) -> None:
    signer = crl_issuer(root)
    name = [x509.DirectoryName(signer.certificate.subject)]
    issued = with_points(root, at("http://crl.example/i", crl_issuer=name))
    crl = make_crl(signer, scope=point(full_name=uri("http://crl.example/i"), indirect_crl=True))
    assert judge(issued, root, crl, issuers=[signer.certificate]).outcome == "pass"
    own = make_crl(root, [signer.certificate], scope=point(full_name=uri("http://crl.example/other")))
    whole = make_crl(root, [signer.certificate])
    assert judge(issued, root, crl, own, issuers=[signer.certificate]).outcome == "pass"
    # The root's whole list answers for the leaf by itself; the indirect one is not used any more.
    found = judge(issued, root, crl, whole, issuers=[signer.certificate])
    assert found.outcome == "pass"
    assert "CRL 2" in found.text
