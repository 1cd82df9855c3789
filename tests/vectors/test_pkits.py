"""NIST's PKITS, from the package cryptography-vectors: every test by its name, or in a list with its reason.

A test is one end entity certificate; what it may be verified with is found by issuer names among all certificates of
the suite, as a peer would have sent them. Revocation is required for the whole chain, from all CRLs of the suite. Tests
whose name does not tell the result, or that ask for certain policies, are in `POLICIES`.
"""

import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.tools import REPOSITORY
from tlscore import errors
from tlscore.certs import verify
from tlscore.certs.policy import CertificatePolicy
from tlscore.certs.revocation import Revocation
from tlscore.certs.trust_store import TrustStore

cryptography_vectors = pytest.importorskip("cryptography_vectors")
DATA = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
NOW = datetime(2025, 6, 1, tzinfo=UTC)
pytestmark = [
    pytest.mark.skipif(not DATA.exists(), reason="the package has no PKITS data"),
    pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning"),
]

DSA = "DSA keys and signatures do not exist in TLS 1.3 (RFC 9846 4.3.3)"
# Refused although PKITS accepts.
REFUSED = {
    "ValidDSASignaturesTest4": DSA,
    "ValidDSAParameterInheritanceTest5": DSA,
}

# Accepted although PKITS refuses.
ACCEPTED: dict[str, str] = {}
# CRLs that are no CRLs by RFC 5280: the store refuses to load them.
UNREADABLE = {"BadCRLSignatureCACRL"}

P1, P2, P3, P6 = (f"2.16.840.1.101.3.2.1.48.{number}" for number in (1, 2, 3, 6))
EXPLICIT = {"require_explicit_policy": True}
# (test, settings, expected)
POLICIES = [
    ("ValidCertificatePathTest1", EXPLICIT, True),
    ("ValidCertificatePathTest1", {**EXPLICIT, "accepted_policies": (P1,)}, True),
    ("ValidCertificatePathTest1", {**EXPLICIT, "accepted_policies": (P2,)}, False),
    ("ValidCertificatePathTest1", {**EXPLICIT, "accepted_policies": (P1, P2)}, True),
    ("AllCertificatesNoPoliciesTest2", {}, True),
    ("AllCertificatesNoPoliciesTest2", EXPLICIT, False),
    ("DifferentPoliciesTest3", {}, True),
    ("DifferentPoliciesTest3", EXPLICIT, False),
    ("DifferentPoliciesTest3", {**EXPLICIT, "accepted_policies": (P1, P2)}, False),
    ("DifferentPoliciesTest4", {}, False),
    ("DifferentPoliciesTest5", {}, False),
    ("OverlappingPoliciesTest6", {}, True),
    ("OverlappingPoliciesTest6", {"accepted_policies": (P1,)}, True),
    ("OverlappingPoliciesTest6", {"accepted_policies": (P2,)}, False),
    ("DifferentPoliciesTest7", {}, False),
    ("DifferentPoliciesTest8", {}, False),
    ("DifferentPoliciesTest9", {}, False),
    ("AllCertificatesSamePoliciesTest10", {}, True),
    ("AllCertificatesSamePoliciesTest10", {"accepted_policies": (P1,)}, True),
    ("AllCertificatesSamePoliciesTest10", {"accepted_policies": (P2,)}, True),
    ("AllCertificatesanyPolicyTest11", {}, True),
    ("AllCertificatesanyPolicyTest11", {"accepted_policies": (P1,)}, True),
    ("DifferentPoliciesTest12", {}, False),
    ("AllCertificatesSamePoliciesTest13", {"accepted_policies": (P1,)}, True),
    ("AllCertificatesSamePoliciesTest13", {"accepted_policies": (P2,)}, True),
    ("AllCertificatesSamePoliciesTest13", {"accepted_policies": (P3,)}, True),
    ("AnyPolicyTest14", {"accepted_policies": (P1,)}, True),
    ("AnyPolicyTest14", {"accepted_policies": (P2,)}, False),
    ("UserNoticeQualifierTest15", {}, True),
    ("UserNoticeQualifierTest16", {}, True),
    ("UserNoticeQualifierTest17", {}, True),
    ("UserNoticeQualifierTest18", {"accepted_policies": (P1,)}, True),
    ("UserNoticeQualifierTest18", {"accepted_policies": (P2,)}, True),
    ("UserNoticeQualifierTest19", {}, True),
    ("CPSPointerQualifierTest20", {}, True),
    ("ValidPolicyMappingTest1", {"accepted_policies": (P1,)}, True),
    ("ValidPolicyMappingTest1", {"accepted_policies": (P2,)}, False),
    ("ValidPolicyMappingTest1", {"inhibit_policy_mapping": True}, False),
    ("ValidPolicyMappingTest3", {"accepted_policies": (P1,)}, False),
    ("ValidPolicyMappingTest3", {"accepted_policies": (P2,)}, True),
    ("ValidPolicyMappingTest5", {"accepted_policies": (P1,)}, True),
    ("ValidPolicyMappingTest5", {"accepted_policies": (P6,)}, False),
    ("ValidPolicyMappingTest6", {"accepted_policies": (P1,)}, True),
    ("ValidPolicyMappingTest6", {"accepted_policies": (P6,)}, False),
    ("ValidPolicyMappingTest12", {"accepted_policies": (P1,)}, True),
    ("ValidPolicyMappingTest12", {"accepted_policies": (P2,)}, True),
    ("inhibitAnyPolicyTest3", {}, True),
    ("inhibitAnyPolicyTest3", {"inhibit_any_policy": True}, False),
]
NAMED = (
    sorted(
        path.stem.removesuffix("EE")
        for path in (DATA / "certs").glob("*EE.crt")
        if re.match("Valid|Invalid", path.stem)
    )
    if DATA.exists()
    else []
)


@cache
def authorities() -> dict[bytes, list[tuple[bytes, bytes]]]:
    """Subject -> (DER, issuer) of every certificate that is no end entity."""
    found: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for path in (DATA / "certs").glob("*.crt"):
        if not path.stem.endswith("EE") and path.stem != "TrustAnchorRootCertificate":
            der = path.read_bytes()
            try:
                certificate = x509.load_der_x509_certificate(der)
            except ValueError:  # DSA parameters that are inherited
                continue
            found.setdefault(folded(certificate.subject), []).append((der, folded(certificate.issuer)))
    return found


def folded(name: x509.Name) -> bytes:
    """Names that PKITS writes in different ways, made equal for the search."""
    return "".join(str(one.value) for one in name).lower().replace(" ", "").encode()


@cache
def sources() -> tuple[TrustStore, Revocation]:
    trust = TrustStore([(DATA / "certs" / "TrustAnchorRootCertificate.crt").read_bytes()])
    crls = [path.read_bytes() for path in (DATA / "crls").glob("*.crl") if path.stem not in UNREADABLE]
    issuers = [der for same in authorities().values() for der, _ in same]
    return trust, Revocation.crl(data=crls, issuers=issuers, scope="chain", mode="require")


def is_accepted(name: str, **settings: object) -> bool:
    leaf = (DATA / "certs" / f"{name}EE.crt").read_bytes()
    chain = [leaf]
    try:
        waiting = [folded(x509.load_der_x509_certificate(leaf).issuer)]
    except ValueError:
        waiting = []
    while waiting:
        for der, issuer in authorities().get(waiting.pop(), []):
            if der not in chain:
                chain.append(der)
                waiting.append(issuer)
    trust, revocation = sources()
    try:
        verify.verify_client(
            tuple(chain),
            trust,
            NOW,
            policy=CertificatePolicy(**settings),
            revocation=revocation,  # type: ignore[arg-type]
        )
    except errors.AlertError:
        return False
    return True


@pytest.mark.parametrize("name", NAMED)
def test_pkits_path_ends_as_its_name_says(name: str) -> None:
    assert is_accepted(name) is (name in ACCEPTED or (name.startswith("Valid") and name not in REFUSED))


def test_every_listed_path_stands_in_the_limitations() -> None:
    limitations = (REPOSITORY / "docs" / "limitations.md").read_text(encoding="utf-8")
    assert [name for name in {*ACCEPTED, *REFUSED} if f"`{name}`" not in limitations] == []


@pytest.mark.parametrize(("name", "settings", "expected"), POLICIES)
def test_pkits_policies_end_as_the_suite_says(name: str, settings: dict[str, object], expected: bool) -> None:
    assert is_accepted(name, **settings) is expected
