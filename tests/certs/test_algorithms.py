"""The one table of signature algorithms: its octets are right, and what can be forged has no way to be checked."""

import pytest
from cryptography import x509

from tests.support.certificates import make_ca, make_key
from tlscore.certs.algorithms import ALGORITHMS, BROKEN, BY_OCTETS, FORGEABLE, encoded
from tlscore.certs.paths.facts import facts_of
from tlscore.certs.paths.signing import algorithm_of
from tlscore.certs.revocation.signed import SignatureProblem, check_signature, open_signed


@pytest.mark.parametrize(
    ("oid", "octets"),
    [
        ("1.2.840.113549.1.1.11", "06092a864886f70d01010b"),
        ("1.2.840.10045.4.3.2", "06082a8648ce3d040302"),
        ("1.3.101.112", "06032b6570"),
        ("2.16.840.1.101.3.4.3.17", "0609608648016503040311"),
        ("2.999.1", "0603883701"),
    ],
)
def test_oid_octets(oid: str, octets: str) -> None:
    """X.690 8.19, with an example of its own (2.999)."""
    assert encoded(oid).hex() == octets


def test_broken_hashes_cannot_be_checked() -> None:
    assert len(BY_OCTETS) == len(ALGORITHMS)
    assert {one.hash_name for one in ALGORITHMS.values() if one.key is None} == FORGEABLE - {"SHA1"}
    assert BROKEN < FORGEABLE


@pytest.mark.parametrize(
    "kind", ["p256", "p384", "p521", "rsa2048", "ed25519", "ed448", "mldsa44", "mldsa65", "mldsa87"]
)
def test_both_readers_find_the_same_algorithm(kind: str) -> None:
    """A certificate is a signed object like a CRL: the octets of its OID lead to the same entry as its text."""
    authority = make_ca(key=kind)
    signed = open_signed(authority.der)
    assert BY_OCTETS[signed.oid] is algorithm_of(facts_of(authority.der))
    check_signature(authority.certificate.public_key(), signed)
    stranger = make_key("p256" if kind != "p256" else "p384").public_key()
    with pytest.raises(SignatureProblem) as refused:
        check_signature(stranger, signed)
    assert not refused.value.weak


def test_sha1_is_no_hash_for_lists_and_responses() -> None:
    """RFC 9155: where a certificate has a window for SHA-1, revocation has none."""
    authority = make_ca(key="rsa2048")
    der = authority.der.replace(encoded("1.2.840.113549.1.1.11"), encoded("1.2.840.113549.1.1.5"))
    assert x509.load_der_x509_certificate(der) is not None
    with pytest.raises(SignatureProblem, match="SHA-1") as refused:
        check_signature(authority.certificate.public_key(), open_signed(der))
    assert refused.value.weak
