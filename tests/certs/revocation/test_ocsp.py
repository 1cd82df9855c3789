"""OCSP responses: the right entry, the right responder, the right time; each failure told apart."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.certificates import Authority, Issued, make_ca
from tests.support.revocation import (
    DAY,
    HOUR,
    NOW,
    REVOKED,
    UNKNOWN,
    UNKNOWN_STATUS,
    make_crl,
    make_response,
    responder,
)
from tlscore.certs.report import Check
from tlscore.certs.revocation import Revocation, check
from tlscore.iana import AlertDescription

FROM_CLIENTS = Revocation(staple_from_clients=True)
MUST_STAPLE = x509.TLSFeature([x509.TLSFeatureType.status_request])


def judge(leaf: Issued, root: Authority, staple: bytes | None, policy: Any = None, **others: Any) -> Check:
    path = (*leaf.chain, root.certificate)
    return check(path, NOW, policy or Revocation(), staple, **others)[0]


def assert_fails(found: Check, code: str) -> None:
    # RFC 9846 6.2: bad_certificate_status_response is sent "when an invalid or unacceptable OCSP response is provided
    # by the server".
    alert = AlertDescription.bad_certificate_status_response
    assert (found.outcome, found.code, found.alert) == ("fail", code, alert), found
    assert found.remedy
    assert found.section


@pytest.mark.parametrize("by_key", [False, True], ids=["by name", "by key"])
@pytest.mark.parametrize("delegated", [False, True], ids=["issuer", "delegated"])
@pytest.mark.parametrize("kind", [hashes.SHA1, hashes.SHA256, hashes.SHA384, hashes.SHA512])
def test_client_accepts_a_good_response(
    leaf: Issued, root: Authority, by_key: bool, delegated: bool, kind: Any
) -> None:
    by = responder(root) if delegated else None
    staple = make_response(leaf.certificate, root, by=by, by_key=by_key, certid_hash=kind())
    found = judge(leaf, root, staple)
    assert (found.outcome, found.certificate) == ("pass", 0), found


@pytest.mark.parametrize("key", ["p256", "p384", "p521", "rsa2048", "ed25519"])
def test_client_accepts_responses_by_every_kind_of_key(key: str) -> None:
    ca = make_ca(key=key)
    issued = ca.issue("example.org")
    assert judge(issued, ca, make_response(issued.certificate, ca)).outcome == "pass"


def test_client_refuses_a_revoked_certificate(leaf: Issued, root: Authority) -> None:
    staple = make_response(leaf.certificate, root, REVOKED, reason=x509.ReasonFlags.key_compromise)
    found = judge(leaf, root, staple)
    assert (found.outcome, found.code) == ("fail", "TLS-REVOKED")
    assert found.alert == AlertDescription.certificate_revoked
    assert "keyCompromise" in found.text


def unsuccessful(leaf: Issued, root: Authority) -> bytes:
    made = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    return made.public_bytes(Encoding.DER)


CASES: dict[str, Any] = {
    "TLS-STAPLE_UNKNOWN": lambda leaf, root: make_response(leaf.certificate, root, UNKNOWN_STATUS),
    "TLS-STAPLE_UNSUCCESSFUL": unsuccessful,
    "TLS-STAPLE_UNREADABLE": lambda leaf, root: b"no response",
    "TLS-STAPLE_WRONG_CERTIFICATE": lambda leaf, root: make_response(root.issue("other").certificate, root),
    "TLS-STAPLE_STALE": lambda leaf, root: make_response(
        leaf.certificate, root, this_update=NOW - 3 * DAY, next_update=NOW - DAY
    ),
    "TLS-STAPLE_NOT_YET_VALID": lambda leaf, root: make_response(leaf.certificate, root, this_update=NOW + HOUR),
    "TLS-STAPLE_BAD_SIGNATURE": lambda leaf, root: make_response(leaf.certificate, root)[:-4] + bytes(4),
    "TLS-STAPLE_CRITICAL_EXTENSION": lambda leaf, root: make_response(leaf.certificate, root, extra=((UNKNOWN, True),)),
    "TLS-STAPLE_RESPONDER": lambda leaf, root: make_response(leaf.certificate, root, by=make_ca("Stranger")),
}


@pytest.mark.parametrize("code", CASES)
def test_each_failure_of_a_staple_has_a_code_of_its_own(leaf: Issued, root: Authority, code: str) -> None:
    assert_fails(judge(leaf, root, CASES[code](leaf, root)), code)


@pytest.mark.parametrize("code", CASES)
def test_server_has_another_alert_for_a_clients_staple(leaf: Issued, root: Authority, code: str) -> None:
    # RFC 9846 6.2: bad_certificate_status_response is "Sent by clients".
    found = judge(leaf, root, CASES[code](leaf, root), FROM_CLIENTS, peer="client")
    assert (found.outcome, found.code, found.alert) == ("fail", code, AlertDescription.certificate_unknown)


def test_a_fresh_list_does_not_save_a_bad_staple(leaf: Issued, root: Authority) -> None:
    # RFC 6066 8: clients "MUST check the OCSP response and abort the handshake if the response is not satisfactory".
    policy = Revocation.crl(data=make_crl(root))
    assert_fails(judge(leaf, root, CASES["TLS-STAPLE_STALE"](leaf, root), policy), "TLS-STAPLE_STALE")


def test_a_response_without_an_end_holds_for_a_day(leaf: Issued, root: Authority) -> None:
    fresh = make_response(leaf.certificate, root, next_update=None)
    old = make_response(leaf.certificate, root, this_update=NOW - 2 * DAY, next_update=None)
    assert judge(leaf, root, fresh).outcome == "pass"
    assert_fails(judge(leaf, root, old), "TLS-STAPLE_STALE")
    assert judge(leaf, root, old, Revocation(max_age_seconds=3 * 86_400)).outcome == "pass"


def test_skew_covers_clocks_that_differ_a_little(leaf: Issued, root: Authority) -> None:
    minute = dt.timedelta(seconds=60)
    staple = make_response(leaf.certificate, root, this_update=NOW - DAY, next_update=NOW - minute)
    assert judge(leaf, root, staple).outcome == "pass"
    assert_fails(judge(leaf, root, staple, Revocation(clock_skew_seconds=0)), "TLS-STAPLE_STALE")


# -- who may answer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "usage",
    [
        None,
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        # One arc more than id-kp-OCSPSigning, and one less.
        x509.ObjectIdentifier(ExtendedKeyUsageOID.OCSP_SIGNING.dotted_string + ".1"),
        x509.ObjectIdentifier("1.3.6.1.5.5.7.3"),
    ],
)
def test_a_responder_needs_exactly_ocsp_signing(leaf: Issued, root: Authority, usage: Any) -> None:
    # RFC 6960 4.2.2.2: "OCSP signing delegation SHALL be designated by the inclusion of id-kp-OCSPSigning in an
    # extended key usage certificate extension included in the OCSP response signer's certificate."
    staple = make_response(leaf.certificate, root, by=responder(root, usage=usage))
    assert_fails(judge(leaf, root, staple), "TLS-STAPLE_RESPONDER")


def test_a_responder_is_issued_directly_by_the_issuer(root: Authority, middle: Authority, deep_leaf: Issued) -> None:
    # RFC 6960 4.2.2.2: "This certificate MUST be issued directly by the CA that is identified in the request."
    path = (*deep_leaf.chain, root.certificate)
    for signer, outcome in ((responder(middle), "pass"), (responder(root), "fail")):
        staple = make_response(deep_leaf.certificate, middle, by=signer)
        assert check(path, NOW, Revocation(), staple)[0].outcome == outcome


def test_a_responder_of_a_namesake_ca_is_refused(leaf: Issued, root: Authority) -> None:
    namesake = make_ca("Revocation root")
    staple = make_response(leaf.certificate, root, by=responder(namesake))
    assert_fails(judge(leaf, root, staple), "TLS-STAPLE_RESPONDER")


def test_a_response_for_a_namesake_issuer_is_about_another_certificate(leaf: Issued, root: Authority) -> None:
    namesake = make_ca("Revocation root")
    staple = make_response(leaf.certificate, namesake)
    assert_fails(judge(leaf, root, staple), "TLS-STAPLE_WRONG_CERTIFICATE")


def test_a_responder_that_is_not_sent_along_is_unknown(leaf: Issued, root: Authority) -> None:
    staple = make_response(leaf.certificate, root, by=responder(root), include=False)
    assert_fails(judge(leaf, root, staple), "TLS-STAPLE_RESPONDER")


def test_a_responder_without_nocheck_is_checked_by_crls(leaf: Issued, root: Authority) -> None:
    signer = responder(root, nocheck=False)
    staple = make_response(leaf.certificate, root, by=signer)
    good, bad = make_crl(root), make_crl(root, [signer.certificate])
    assert judge(leaf, root, staple).outcome == "pass"
    assert_fails(judge(leaf, root, staple, Revocation.stapled("require")), "TLS-STAPLE_RESPONDER_UNCHECKED")
    assert judge(leaf, root, staple, Revocation.crl(data=good, mode="require")).outcome == "pass"
    assert_fails(judge(leaf, root, staple, Revocation.crl(data=bad)), "TLS-STAPLE_RESPONDER_REVOKED")


def test_client_refuses_sha1_signatures() -> None:
    ca = make_ca(key="rsa2048")
    issued = ca.issue("example.org")
    sha256, sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    staple = make_response(issued.certificate, ca).replace(sha256, sha1)
    assert_fails(judge(issued, ca, staple), "TLS-STAPLE_WEAK_SIGNATURE")


def test_the_right_entry_of_several_is_used(leaf: Issued, root: Authority) -> None:
    """A response with two entries: no builder makes one, so it is put together from two."""
    from tests.support.revocation import resign, tlv
    from tlscore.certs.revocation import der as reading

    def parts(data: bytes) -> tuple[bytes, list[reading.Value], bytes, bytes]:
        outer = reading.members(data)
        inner = reading.members(data, reading.value(data, outer[1].body, outer[1].end))
        basic = reading.members(data, reading.value(data, inner[1].body, inner[1].end))
        return data, reading.members(data, basic[0]), basic[1].whole(data), inner[0].whole(data)

    other = root.issue("other.example")
    one = make_response(leaf.certificate, root, REVOKED)
    two = make_response(other.certificate, root)
    data, body, algorithm, kind = parts(one)
    data2, body2, _, _ = parts(two)
    place = next(at for at, part in enumerate(body) if part.tag == 0x30)
    entries = tlv(0x30, body2[place].contents(data2), body[place].contents(data))
    tbs = tlv(0x30, *[entries if at == place else part.whole(data) for at, part in enumerate(body)])
    basic = resign(tbs, algorithm, root.key)
    both = tlv(0x30, b"\x0a\x01\x00", tlv(0xA0, tlv(0x30, kind, tlv(0x04, basic))))
    assert judge(leaf, root, both).code == "TLS-REVOKED"
    assert judge(other, root, both).outcome == "pass"


# -- no staple ---------------------------------------------------------------------------------------------------------


def test_a_missing_staple_passes_by_default_and_fails_where_required(leaf: Issued, root: Authority) -> None:
    assert (judge(leaf, root, None).outcome, judge(leaf, root, None).code) == ("skip", "TLS-REVOCATION_NO_ANSWER")
    found = judge(leaf, root, None, Revocation.stapled("require"))
    assert (found.outcome, found.alert) == ("fail", AlertDescription.certificate_unknown)


@pytest.mark.parametrize(("peer", "alert"), [("server", 113), ("client", 46)])
def test_must_staple_is_honoured(root: Authority, peer: Any, alert: int) -> None:
    # RFC 7633 4.2.3.1: a client that asked and gets no response has to refuse the certificate.
    issued = root.issue("example.org", extra=((MUST_STAPLE, False),))
    path = (*issued.chain, root.certificate)
    staple = make_response(issued.certificate, root)

    both: dict[str, Any] = {"staple_from_clients": True}

    def found(policy: Revocation, response: bytes | None) -> tuple[str, int | None]:
        one = next(one for one in check(path, NOW, policy, response, peer=peer) if one.name == "must_staple")
        return one.outcome, one.alert

    assert found(Revocation(**both), None) == ("fail", alert)
    assert found(Revocation(**both), staple) == ("pass", None)
    assert found(Revocation.crl(data=make_crl(root), **both), None) == ("fail", alert)
    assert found(Revocation(must_staple=False), None) == ("skip", None)
    assert found(Revocation.crl(data=make_crl(root), staple=False), None) == ("skip", None)


def test_staples_of_the_whole_chain_are_used(root: Authority, middle: Authority, deep_leaf: Issued) -> None:
    path = (*deep_leaf.chain, root.certificate)
    staples = {
        path[0].public_bytes(Encoding.DER): make_response(path[0], middle),
        path[1].public_bytes(Encoding.DER): make_response(path[1], root, REVOKED),
    }
    checks = check(path, NOW, Revocation.crl(data=make_crl(make_ca("x")), scope="chain"), staples)
    assert [one.outcome for one in checks[:2]] == ["pass", "fail"]
