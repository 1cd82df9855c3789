"""Where nobody but the peer could say that a certificate is revoked, nothing is asked; no answer changes by that."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from cryptography import x509

from tests.support import standing
from tests.support.peers import failure
from tlscore import Revocation
from tlscore.certs import verify
from tlscore.certs.names import ServerName

NAME = ServerName.parse(standing.NAME)
TLS_FEATURE, AUTHORITY_INFORMATION, CRL_POINTS = "1.3.6.1.5.5.7.1.24", "1.3.6.1.5.5.7.1.1", "2.5.29.31"


def raw(oid: str, value: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)


EXTENSIONS: dict[str, tuple[tuple[Any, bool], ...]] = {
    "plain": (),
    "must-staple": ((x509.TLSFeature([x509.TLSFeatureType.status_request]), False),),
    "must-staple, critical": ((x509.TLSFeature([x509.TLSFeatureType.status_request]), True),),
    "status_request_v2": ((x509.TLSFeature([x509.TLSFeatureType.status_request_v2]), False),),
    "must-staple by octets": ((raw(TLS_FEATURE, b"\x30\x03\x02\x01\x05"), False),),
    "feature that cannot be read": ((raw(TLS_FEATURE, b"\xff"), False),),
    "responders that cannot be read": ((raw(AUTHORITY_INFORMATION, b"\xff"), False),),
    "lists that cannot be read": ((raw(CRL_POINTS, b"\xff"), False),),
}
POLICIES = {
    "default": Revocation(),
    "not asked": Revocation(staple=False),
    "promise is nothing": Revocation(must_staple=False),
    "whole chain": Revocation(scope="chain"),
    "required": Revocation.stapled("require"),
    "off": Revocation.off("a test"),
}


@cache
def chain(kind: str) -> tuple[bytes, ...]:
    return standing.authority().issue(standing.NAME, usage="server", extra=EXTENSIONS[kind]).chain_der


def staples(leaf: bytes) -> dict[str, bytes | Mapping[bytes, bytes] | None]:
    return {
        "none": None,
        "empty": b"",
        "octets": b"x",
        "of nobody": {},
        "of the leaf": {leaf: b"x"},
        "of the leaf, empty": {leaf: b""},
        "of another": {b"other": b"x"},
    }


def result(kind: str, policy: Revocation, staple: bytes | Mapping[bytes, bytes] | None) -> tuple[str, object]:
    def judged() -> None:
        verify.verify_server(chain(kind), standing.trust(), NAME, revocation=policy, stapled_ocsp=staple)
        raise LookupError("nothing was wrong")

    error = failure(judged)
    return type(error).__name__, getattr(error, "code", None)


@pytest.mark.parametrize("kind", EXTENSIONS)
@pytest.mark.parametrize("policy", POLICIES)
def test_answer_is_the_same_as_with_every_check(kind: str, policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # RFC 7633 4.2.3.1: a client refuses a certificate that promises a response, and comes without.
    every = staples(chain(kind)[0])
    short = {name: result(kind, POLICIES[policy], staple) for name, staple in every.items()}
    monkeypatch.setattr(Revocation, "hears_peer_alone", False)
    assert short == {name: result(kind, POLICIES[policy], staple) for name, staple in every.items()}


def test_an_empty_staple_is_no_silence() -> None:
    """No peer can send one, for its length is 1 at least; whoever calls with one hears that it is no response."""
    assert result("plain", POLICIES["default"], b"") == ("BadCertificateStatusResponse", "TLS-STAPLE_UNREADABLE")
    assert result("plain", POLICIES["default"], None)[0] == "LookupError"
    assert result("must-staple", POLICIES["default"], None)[1] == "TLS-MUST_STAPLE"
    assert result("must-staple by octets", POLICIES["default"], None)[1] == "TLS-MUST_STAPLE"


def test_report_makes_the_checks_that_were_left_out() -> None:
    verified = verify.verify_server(chain("plain"), standing.trust(), NAME, revocation=POLICIES["default"])
    told = {check.name: (check.outcome, check.code) for check in verified.report.checks}
    assert told["revocation"] == ("skip", "TLS-REVOCATION_NO_ANSWER")
    assert told["must_staple"][0] == "pass"
