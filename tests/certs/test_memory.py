"""Remembered chains: what makes a chain known, what makes it another question, and what is never remembered."""

import datetime as dt
from typing import Any

import pytest

from tests.support.chains import NOW, authority, root, san
from tests.support.counting import counted
from tlscore import errors
from tlscore.certs import memory, verify
from tlscore.certs.names import ServerName, SrvName
from tlscore.certs.paths import signing
from tlscore.certs.policy import CertificatePolicy, LegacyHash
from tlscore.certs.trust_store import TrustStore

ROOT = root()
LEAF = ROOT.issue("leaf", san("www.example.org", "other.example.org"))
TRUST = TrustStore([ROOT.certificate])
POLICY = CertificatePolicy()


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Signature checks that were made."""
    memory.MEMORY.clear()
    made: list[object] = []
    real = signing.is_signed_by

    def counted(*arguments: Any) -> bool:
        made.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(signing, "is_signed_by", counted)
    return made


def judge(name: Any = "www.example.org", now: dt.datetime = NOW, **options: Any) -> verify.ChainVerified:
    trust = options.pop("trust", TRUST)
    return verify.verify_server((LEAF.der,), trust, ServerName.parse(name), now, **{"policy": POLICY, **options})


def test_known_chain_costs_no_signature_and_tells_the_same(checks: list[object]) -> None:
    first, second = judge(), judge()
    assert len(checks) == 1
    assert second.path == first.path
    assert second.report == first.report
    assert second.report.ok


def test_other_name_policy_trust_or_purpose_is_another_question(checks: list[object]) -> None:
    judge()
    with pytest.raises(errors.BadCertificate):
        judge("third.example.org")
    before = len(checks)
    judge("other.example.org")
    judge(SrvName.of("sips", "www.example.org"))
    judge(policy=CertificatePolicy())
    verify.verify_client((LEAF.der,), TRUST, NOW, policy=POLICY)
    assert len(checks) == before + 4
    with pytest.raises(errors.UnknownCa):
        judge(trust=TrustStore([root("Stranger").certificate]))


def test_moment_outside_the_window_is_judged_anew(checks: list[object]) -> None:
    judge()
    for moment in (NOW - dt.timedelta(days=2), NOW + dt.timedelta(days=31)):
        with pytest.raises(errors.CertificateExpired):
            judge(now=moment)
    assert len(memory.MEMORY) == 0


def test_legacy_window_ends_for_remembered_chains_too() -> None:
    fingerprint = "ab" * 32
    policy = CertificatePolicy(allow_sha1=LegacyHash((fingerprint,), NOW.date()))
    judge(policy=policy)
    (kept,) = [one for one in memory.MEMORY._kept.values() if one.policy is policy]
    assert kept.not_after == policy.allow_sha1.end if policy.allow_sha1 else False


def test_reloaded_trust_is_another_question(tmp_path: Any, checks: list[object]) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    path = tmp_path / "ca.pem"
    path.write_bytes(ROOT.certificate.public_bytes(Encoding.PEM))
    trust = TrustStore.from_file(path)
    judge(trust=trust)
    path.write_bytes(root("Stranger").certificate.public_bytes(Encoding.PEM))
    trust.reload()
    with pytest.raises(errors.UnknownCa):
        judge(trust=trust)


def test_memory_can_be_switched_off_and_is_bounded(checks: list[object]) -> None:
    off = CertificatePolicy(remember=False)
    judge(policy=off)
    judge(policy=off)
    assert len(checks) == 2
    assert len(memory.MEMORY) == 0
    small = memory.Memory(2)
    anchors: Any = object()
    facts = judge().path
    for number in range(5):
        small.keep((bytes((number,)), (), "", "", 0, 0), facts, anchors, POLICY)
    assert len(small) == 2
    small.clear()
    assert len(small) == 0


def test_failures_and_split_certificates_are_not_remembered(checks: list[object]) -> None:
    with pytest.raises(errors.BadCertificate):
        judge("third.example.org")
    assert len(memory.MEMORY) == 0
    middle = ROOT.issue("Middle", authority())
    leaf = middle.issue("leaf", san("www.example.org"))
    name = ServerName.parse("www.example.org")
    assert verify.verify_server((leaf.der, middle.der), TRUST, name, NOW, policy=POLICY).authenticated
    with pytest.raises(errors.BadCertificate, match="cannot be parsed"):
        verify.verify_server((leaf.der + middle.der,), TRUST, name, NOW, policy=POLICY)


def test_revocation_is_asked_each_time(checks: list[object]) -> None:
    from tlscore.certs.revocation import Revocation

    judge()
    required = Revocation.stapled("require")
    with pytest.raises(errors.AlertError):
        judge(revocation=required)
    assert judge(revocation=Revocation.off("a test")).authenticated
    assert len(checks) == 1


def test_known_chain_costs_a_look() -> None:
    judge()
    name = ServerName.parse("www.example.org")
    with counted() as made:
        verify.verify_server((LEAF.der,), TRUST, name, NOW, policy=POLICY)
    assert len(made) < 45
    assert "verify" not in made
