"""Octets that somebody changed: a typed failure every time, never another exception, never a different answer."""

from __future__ import annotations

import random
import time
import warnings

import pytest
from cryptography import x509

from tests.support.certificates import Authority, Issued, make_ca
from tests.support.revocation import NOW, entry, make_crl, make_response, point, responder, uri
from tlscore.certs.revocation import Revocation, check, crl_store, ocsp
from tlscore.certs.revocation.crl import Crl
from tlscore.certs.revocation.problems import Unreadable


def mutations(data: bytes, seed: int) -> list[bytes]:
    """Every octet once, with values that lengths, tags and signs are sensitive to; cuts, repetitions, swaps."""
    chance = random.Random(seed)
    found = [data[:at] + bytes((data[at] ^ flip,)) + data[at + 1 :] for at in range(len(data)) for flip in (1, 0x80)]
    found += [data[:at] + bytes((chance.randrange(256),)) + data[at + 1 :] for at in range(len(data))]
    found += [data[:at] for at in range(0, len(data), 3)]
    for _ in range(200):
        a, b = sorted(chance.sample(range(len(data)), 2))
        found += [data[:a] + data[b:], data[:b] + data[a:], data[:a] + data[a:b][::-1] + data[b:]]
    return found


@pytest.fixture(autouse=True)
def warnings_as_a_program_has_them() -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        yield


def test_no_change_of_a_crl_revokes_or_clears_a_certificate(root: Authority, leaf: Issued) -> None:
    other = make_ca("Another CA").certificate.subject
    scope = point(full_name=uri("http://crl.example/1"), indirect_crl=True)
    reason = x509.ReasonFlags.key_compromise
    originals = [
        make_crl(root, [entry(5, reason), entry(leaf.certificate, reason)]),
        make_crl(root, [entry(5, issuer=other)], scope=scope),
    ]
    path = (*leaf.chain, root.certificate)
    started = time.process_time()
    for original in originals:
        for number, data in enumerate(mutations(original, 1)):
            try:
                made = Crl(data)
            except Unreadable:
                continue
            store = crl_store.CrlStore(data=data)
            assert store.crls[0].number == made.number
            found = check(path, NOW, Revocation(store=store, mode="require"))[0]
            if data != original:
                assert found.outcome == "fail", (number, found)
                assert found.code != "TLS-REVOKED", (number, found)
    assert time.process_time() - started < 60


@pytest.mark.parametrize("delegated", [False, True])
def test_no_change_of_an_ocsp_response_is_believed(root: Authority, leaf: Issued, delegated: bool) -> None:
    original = make_response(leaf.certificate, root, by=responder(root) if delegated else None)
    path = (*leaf.chain, root.certificate)
    believed = []
    for number, data in enumerate(mutations(original, 2)):
        ocsp._parsed.cache_clear()
        found = check(path, NOW, Revocation(), data)[0]
        if data == original:
            continue
        if found.outcome == "pass":
            believed.append((number, data))
        else:
            assert found.code.startswith("TLS-STAPLE"), (number, found)
    # What no signature covers may change without harm: the spare octets of what wraps the response. The signed part may
    # not.
    for _, data in believed:
        from cryptography.x509 import ocsp as parser

        assert parser.load_der_ocsp_response(data).tbs_response_bytes == (
            parser.load_der_ocsp_response(original).tbs_response_bytes
        )


def test_random_octets_are_refused() -> None:
    chance = random.Random(3)
    for size in [*range(64), 100, 1000, 65_536]:
        with pytest.raises(Unreadable):
            Crl(chance.randbytes(size))
        with pytest.raises(Unreadable):
            Crl(b"\x30" + chance.randbytes(size))


def test_deep_nesting_and_false_lengths_end_at_once(root: Authority, leaf: Issued) -> None:
    path = (*leaf.chain, root.certificate)
    for data in (b"\x30\x80" * 30_000, b"\x30\x84\xff\xff\xff\xff", b"\x30\x89" + b"\xff" * 20, b"\xa0" * 60_000):
        with pytest.raises(Unreadable):
            Crl(data)
        assert check(path, NOW, Revocation(), data)[0].code == "TLS-STAPLE_UNREADABLE"


def test_a_huge_response_is_not_parsed(root: Authority, leaf: Issued) -> None:
    path = (*leaf.chain, root.certificate)
    found = check(path, NOW, Revocation(), b"\x30" * (ocsp.RESPONSE_OCTETS + 1))[0]
    assert found.code == "TLS-STAPLE_UNREADABLE"
    assert "more than" in found.text


def test_the_critical_octets_of_an_entry_are_never_missed(root: Authority) -> None:
    from tests.support.revocation import UNKNOWN

    for place in (0, 1, 50, 99):
        entries = [entry(number + 1, extra=((UNKNOWN, True),) if number == place else ()) for number in range(100)]
        flaw = Crl(make_crl(root, entries)).flaw
        assert flaw is not None
        assert flaw.code == "TLS-CRL_CRITICAL_ENTRY"
    # Serial numbers that look like a critical mark are no reason to refuse anything.
    assert Crl(make_crl(root, [entry(0x0603_0101_FF01_01FF)])).flaw is None
