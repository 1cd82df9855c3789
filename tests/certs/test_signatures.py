"""Signatures: every scheme both ways, wrong keys, and RSA results that are checked before they leave."""

from typing import Any

import pytest

from tests.support.certificates import make_key
from tlscore import errors
from tlscore.certs import signatures
from tlscore.iana import SignatureScheme

KEYS = {
    "p256": ("ecdsa_secp256r1_sha256",),
    "p384": ("ecdsa_secp384r1_sha384",),
    "p521": ("ecdsa_secp521r1_sha512",),
    "rsa2048": ("rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"),
    "ed25519": ("ed25519",),
    "ed448": ("ed448",),
    "mldsa44": ("mldsa44",),
    "mldsa65": ("mldsa65",),
    "mldsa87": ("mldsa87",),
}
DATA = b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + b"h" * 32


@pytest.mark.parametrize("kind", KEYS)
def test_key_signs_and_verifies_with_each_of_its_schemes(kind: str) -> None:
    key = make_key(kind)
    codes = signatures.schemes_for(key.public_key())
    assert tuple(map(SignatureScheme.name_of, codes)) == KEYS[kind]
    for scheme in codes:
        signature = signatures.sign(key, scheme, DATA)
        signatures.verify(key.public_key(), scheme, signature, DATA)
        for wrong in (bytes(len(signature)), signature[:-1], b"", signature + b"\0"):
            with pytest.raises(errors.DecryptError, match="signature over the handshake is wrong"):
                signatures.verify(key.public_key(), scheme, wrong, DATA)
        with pytest.raises(errors.DecryptError):
            signatures.verify(key.public_key(), scheme, signature, DATA + b"x")


def test_rsa_key_with_pss_oid_makes_the_pss_schemes_only() -> None:
    names = map(
        SignatureScheme.name_of, signatures.schemes_for(make_key("rsa2048").public_key(), signatures.PSS_KEY_OID)
    )
    assert tuple(names) == ("rsa_pss_pss_sha256", "rsa_pss_pss_sha384", "rsa_pss_pss_sha512")


@pytest.mark.parametrize("kind", ["p384", "rsa2048", "ed25519", "mldsa44"])
def test_scheme_of_another_key_is_illegal(kind: str) -> None:
    """In TLS 1.3 a curve belongs to a scheme: ecdsa_secp256r1_sha256 with a P-384 key is refused."""
    key = make_key(kind)
    with pytest.raises(errors.IllegalParameter, match="cannot make"):
        signatures.verify(key.public_key(), SignatureScheme.ecdsa_secp256r1_sha256, b"x" * 70, DATA)
    with pytest.raises(errors.InternalError, match="cannot make"):
        signatures.sign(key, SignatureScheme.ecdsa_secp256r1_sha256, DATA)


@pytest.mark.parametrize("scheme", [SignatureScheme.rsa_pkcs1_sha256, SignatureScheme.rsa_pkcs1_sha1, 0x1234])
def test_scheme_without_place_in_tls13_handshakes_is_illegal(scheme: int) -> None:
    with pytest.raises(errors.IllegalParameter):
        signatures.verify(make_key("rsa2048").public_key(), scheme, b"x" * 256, DATA)


KEYS12 = {
    "p256": "ecdsa_secp256r1_sha256 ecdsa_secp384r1_sha384 ecdsa_secp521r1_sha512",
    "p384": "ecdsa_secp384r1_sha384 ecdsa_secp256r1_sha256 ecdsa_secp521r1_sha512",
    "p521": "ecdsa_secp521r1_sha512 ecdsa_secp256r1_sha256 ecdsa_secp384r1_sha384",
    "rsa2048": "rsa_pss_rsae_sha256 rsa_pss_rsae_sha384 rsa_pss_rsae_sha512"
    " rsa_pkcs1_sha256 rsa_pkcs1_sha384 rsa_pkcs1_sha512",
    "ed25519": "ed25519",
    "ed448": "ed448",
    "mldsa44": "",
}


@pytest.mark.parametrize("kind", KEYS12)
def test_key_signs_and_verifies_with_each_of_its_schemes_of_tls12(kind: str) -> None:
    """RFC 5246 4.7, RFC 8422 5.10: any curve with any hash, PKCS #1 v1.5, no SHA-1."""
    key = make_key(kind)
    codes = signatures.schemes12(signatures.schemes_for(key.public_key()))
    assert list(map(SignatureScheme.name_of, codes)) == KEYS12[kind].split()
    for scheme in codes:
        signature = signatures.sign(key, scheme, DATA, None, True)
        signatures.verify(key.public_key(), scheme, signature, DATA, True)
        with pytest.raises(errors.DecryptError):
            signatures.verify(key.public_key(), scheme, signature, DATA + b"x", True)
        if SignatureScheme.name_of(scheme) not in KEYS[kind]:
            # What only TLS 1.2 has is nothing to the rules of TLS 1.3.
            with pytest.raises(errors.IllegalParameter):
                signatures.verify(key.public_key(), scheme, signature, DATA)
            with pytest.raises(errors.InternalError):
                signatures.sign(key, scheme, DATA)
    for wrong in (SignatureScheme.rsa_pkcs1_sha1, SignatureScheme.ecdsa_sha1):
        with pytest.raises(errors.IllegalParameter):
            signatures.verify(key.public_key(), wrong, b"x", DATA, True)


def test_kinds_of_keys_are_those_of_the_suites() -> None:
    kinds = {kind: signatures.key_kind(signatures.schemes_for(make_key(kind).public_key())) for kind in KEYS12}
    assert {kind for kind, name in kinds.items() if name == "ECDSA"} == {"p256", "p384", "p521", "ed25519", "ed448"}
    assert kinds["rsa2048"] == "RSA"
    assert kinds["mldsa44"] == ""
    assert signatures.key_kind(()) == ""
    assert signatures.curve_of(signatures.schemes_for(make_key("p384").public_key())) == "secp384r1"
    assert signatures.curve_of(signatures.schemes_for(make_key("ed25519").public_key())) == ""


def test_rsa_signature_that_came_out_wrong_never_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in one half of RSA-CRT gives a signature that factors the modulus."""
    key = make_key("rsa2048")

    def check(*arguments: Any) -> None:
        raise errors.DecryptError("wrong")

    monkeypatch.setattr(signatures, "verify", check)
    with pytest.raises(errors.InternalError, match="was not sent"):
        signatures.sign(key, SignatureScheme.rsa_pss_rsae_sha256, DATA)


def test_unknown_key_kinds_have_no_schemes() -> None:
    assert signatures.schemes_for(object()) == ()
