"""C2SP's x509-limbo: every case as expected, under the default policy and the strict one, or in a list with its reason.

The lists below are mirrored in docs/limitations.md. A case that starts to behave as expected fails here too, so that
the lists never grow stale.
"""

import base64
import gc
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support import tools
from tests.support.counting import counted
from tlscore import errors
from tlscore.certs import verify
from tlscore.certs.names import IpAddress, ServerName
from tlscore.certs.policy import CertificatePolicy
from tlscore.certs.revocation import Revocation
from tlscore.certs.trust_store import TrustStore

VECTORS = tools.VECTORS / "x509-limbo-core.json"
# Calls that no case may make: the dearest, with thousands of names under constraints, makes 240,000.
CALLS = 300_000

KEY_IDENTIFIERS = "certificates without key identifiers are accepted: in-house CAs issue them; strict=True refuses"
PROFILE = "a rule of the CA/Browser Forum alone; strict=True refuses"
COMMON_NAME = (
    "the common name is not read: the certificate is accepted for its subjectAltName, which is the name asked for"
)
SUFFIX = "no public suffix list is carried: a wildcard needs two labels behind it, whatever they are"
TLS_USAGE = "the leaf has a keyUsage without digitalSignature, which TLS 1.3 demands (RFC 9846 4.5.1.2)"
CONTRADICTION = "the suite asks for both answers: rfc5280:: refuses, webpki:: accepts the same certificates"

# Accepted although the suite refuses.
ACCEPTED = {
    "rfc5280::aki::leaf-missing-aki": KEY_IDENTIFIERS,
    "rfc5280::aki::intermediate-missing-aki": KEY_IDENTIFIERS,
    "rfc5280::aki::cross-signed-root-missing-aki": KEY_IDENTIFIERS,
    "rfc5280::ski::root-missing-ski": KEY_IDENTIFIERS,
    "rfc5280::ski::intermediate-missing-ski": KEY_IDENTIFIERS,
    "rfc5280::nc::permitted-dns-match-noncritical": CONTRADICTION,
    "rfc5280::pc::ica-noncritical-pc": "NIST's PKITS has such certificates in valid paths; strict=True refuses",
    "rfc5280::san::underscore-dns": "internal DNS has names with underscores; strict=True refuses",
    "rfc5280::san::noncritical-with-empty-subject": "other TLS libraries accept it; strict=True refuses",
    "rfc5280::root-non-critical-basic-constraints": "many in-house roots have it so; strict=True refuses",
    "webpki::aki::root-with-aki-missing-keyidentifier": PROFILE,
    "webpki::aki::root-with-aki-all-fields": PROFILE,
    "webpki::aki::root-with-aki-ski-mismatch": PROFILE,
    "webpki::cn::ipv4-hex-mismatch": COMMON_NAME,
    "webpki::cn::ipv4-leading-zeros-mismatch": COMMON_NAME,
    "webpki::cn::ipv6-uppercase-mismatch": COMMON_NAME,
    "webpki::cn::ipv6-uncompressed-mismatch": COMMON_NAME,
    "webpki::cn::ipv6-non-rfc5952-mismatch": COMMON_NAME,
    "webpki::cn::punycode-not-in-san": COMMON_NAME,
    "webpki::cn::utf8-vs-punycode-mismatch": COMMON_NAME,
    "webpki::cn::not-in-san": COMMON_NAME,
    "webpki::cn::case-mismatch": COMMON_NAME,
    "webpki::eku::ee-anyeku": PROFILE,
    "webpki::eku::ee-critical-eku": PROFILE,
    "webpki::eku::ee-without-eku": CONTRADICTION,
    "webpki::eku::root-has-eku": PROFILE,
    "webpki::san::public-suffix-multi-label-wildcard-san": SUFFIX,
    "webpki::san::public-suffix-private-namespace-wildcard-san": SUFFIX,
    "webpki::san::san-critical-with-nonempty-subject": PROFILE,
    "webpki::forbidden-rsa-not-divisible-by-8-in-root": PROFILE,
    "webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf": PROFILE,
    "webpki::ee-basicconstraints-ca": PROFILE,
}
# Refused although the suite accepts.
REFUSED = {
    "pathlen::validation-ignores-pathlen-in-leaf": TLS_USAGE,
    "rfc5280::ca-as-leaf": TLS_USAGE,
}
STRICT_ACCEPTED = {case: reason for case, reason in ACCEPTED.items() if reason in (COMMON_NAME, SUFFIX)} | {
    "rfc5280::nc::permitted-dns-match-noncritical": CONTRADICTION
}
STRICT_REFUSED = {
    **REFUSED,
    "rfc5280::eku::ee-without-eku": CONTRADICTION,
    "cve::cve-2024-0567": "its root has no authorityKeyIdentifier and is not self-signed",
}


def cases() -> list[dict[str, Any]]:
    if not VECTORS.exists():
        return []
    found: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["testcases"]
    return found


CASES = {case["id"]: case for case in cases()}
pytestmark = [
    pytest.mark.skipif(not CASES, reason=f"{VECTORS} is not here"),
    # Anchors with odd serial numbers, which nobody who reads the warning could change.
    pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning"),
]


def der(pem: str) -> bytes:
    return base64.b64decode("".join(line for line in pem.splitlines() if "-----" not in line))


@pytest.fixture(scope="module", autouse=True)
def without_old_objects() -> Iterator[None]:
    """The times below are those of the verifier: no collection of what the tests before have left."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def is_accepted(case: dict[str, Any], strict: bool) -> bool:
    depth = case["max_chain_depth"]
    policy = CertificatePolicy(strict=strict, depth=8 if depth is None else min(depth, 16))
    chain = tuple(map(der, [case["peer_certificate"], *case["untrusted_intermediates"]]))
    now = datetime.fromisoformat(case["validation_time"]) if case["validation_time"] else datetime.now(UTC)
    revocation = Revocation.crl(data=case["crls"], mode="require") if case["crls"] else None
    trust = TrustStore(map(der, case["trusted_certs"]))
    expected = case["expected_peer_name"]
    name: ServerName | None = None
    if expected is not None:
        name = IpAddress(expected["value"]) if expected["kind"] == "IP" else ServerName.parse(expected["value"])
    accepted = False
    with counted() as made, suppress(errors.AlertError):
        if case["validation_kind"] == "SERVER":
            verify.verify_server(chain, trust, name, now, policy=policy, revocation=revocation)
        else:
            verify.verify_client(chain, trust, now, policy=policy, revocation=revocation)
        accepted = True
    assert len(made) < CALLS
    return accepted


@pytest.mark.parametrize("strict", [False, True], ids=["default", "strict"])
@pytest.mark.parametrize("name", CASES)
def test_limbo_case_ends_as_expected_or_as_listed(name: str, strict: bool) -> None:
    case = CASES[name]
    expected = case["expected_result"] == "SUCCESS"
    if name in (STRICT_ACCEPTED if strict else ACCEPTED):
        assert not expected
        expected = True
    elif name in (STRICT_REFUSED if strict else REFUSED):
        assert expected
        expected = False
    assert is_accepted(case, strict) is expected


def test_lists_name_cases_that_exist() -> None:
    assert set(ACCEPTED) | set(STRICT_REFUSED) <= set(CASES)


def test_every_listed_case_stands_in_the_limitations() -> None:
    limitations = Path(tools.REPOSITORY, "docs", "limitations.md").read_text(encoding="utf-8")
    assert [name for name in {*ACCEPTED, *STRICT_REFUSED} if f"`{name}`" not in limitations] == []
