"""A list of 100,000 entries: what it costs to load and to ask, counted and compared, not timed by the wall."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.certificates import Authority, Issued
from tests.support.revocation import DAY, HOUR, NOW, hash_for
from tlscore.certs.revocation import Revocation, check
from tlscore.certs.revocation import crl as crls
from tlscore.certs.revocation import signed as signed_objects

ENTRIES = 100_000


@pytest.fixture(scope="module")
def large(root: Authority, leaf: Issued) -> bytes:
    date = NOW - DAY
    serials = range(10**40, 10**40 + 7919 * (ENTRIES - 1), 7919)
    revoked = [
        x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(date).build() for serial in serials
    ]
    revoked.append(
        x509.RevokedCertificateBuilder().serial_number(leaf.certificate.serial_number).revocation_date(date).build()
    )
    builder = x509.CertificateRevocationListBuilder(
        root.certificate.subject,
        NOW - HOUR,
        NOW + DAY,
        [x509.Extension(x509.CRLNumber.oid, False, x509.CRLNumber(1))],
        revoked,
    )
    return builder.sign(root.key, hash_for(root.key)).public_bytes(Encoding.DER)


def cpu_seconds(work: Callable[[], object], times: int) -> float:
    """Least processor time of several runs: other work on the machine can only add to it."""
    found = []
    for _ in range(times):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def test_a_hundred_thousand_entries_are_loaded_and_asked_within_100_ms(
    large: bytes, root: Authority, leaf: Issued
) -> None:
    innocent = root.issue("innocent.example")
    paths = [(*one.chain, root.certificate) for one in (leaf, innocent)]

    def work() -> list[str]:
        policy = Revocation.crl(data=large, mode="require")
        return [check(path, NOW, policy)[0].outcome for path in paths]

    assert work() == ["fail", "pass"]
    assert cpu_seconds(work, 5) < 0.1


def test_lookups_after_the_first_ones_do_not_walk_the_list(
    large: bytes, root: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = crls.Crl(large)
    issued = [root.issue(f"host{number}.example").certificate for number in range(8)]

    def ask(certificate: x509.Certificate) -> object:
        number = certificate.serial_number
        octets = number.to_bytes(number.bit_length() // 8 + 1, "big")
        return made.entry(made.issuer, number, b"\x02" + bytes((len(octets),)) + octets)

    for one in issued:
        assert ask(one) is None
    assert isinstance(made._index, frozenset)
    assert len(made._index) == ENTRIES
    # A lookup by the index reads no octets of the list any more.
    monkeypatch.setattr(made, "data", b"")
    assert all(ask(one) is None for one in issued)


def test_an_entry_is_found_in_both_ways(large: bytes, leaf: Issued) -> None:
    made = crls.Crl(large)
    number = leaf.certificate.serial_number
    from tlscore.certs.revocation import der

    octets = der.certificate_serial(leaf.certificate.tbs_certificate_bytes)
    answers = [made.entry(made.issuer, number, octets) for _ in range(6)]
    assert all(answer is not None and answer.date == NOW - DAY for answer in answers)


def test_a_signature_is_checked_once_a_key(root: Authority, leaf: Issued, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.revocation import make_crl

    policy = Revocation.crl(data=make_crl(root), mode="require")
    calls: list[object] = []

    def counted(key: Any, signed: signed_objects.Signed) -> None:
        calls.append(key)
        signed_objects.check_signature(key, signed)

    monkeypatch.setattr(crls, "check_signature", counted)
    for _ in range(5):
        assert check((*leaf.chain, root.certificate), NOW, policy)[0].outcome == "pass"
    assert len(calls) == 1
