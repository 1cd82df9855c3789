"""tls-server-end-point: RFC 5929 4.1."""

import hashlib

import pytest

from tests.support.certificates import make_ca
from tlscore import errors
from tlscore.certs.end_point import server_end_point


@pytest.mark.parametrize(
    ("kind", "name"), [("p256", "sha256"), ("p384", "sha384"), ("p521", "sha512"), ("rsa2048", "sha256")]
)
def test_binding_is_the_hash_of_the_signature_algorithm(kind: str, name: str) -> None:
    certificate = make_ca("CA", kind).issue("x").chain_der[0]
    assert server_end_point(certificate) == hashlib.new(name, certificate).digest()


def test_binding_is_undefined_for_ed25519() -> None:
    with pytest.raises(errors.UsageError, match="tls-exporter"):
        server_end_point(make_ca("CA", "ed25519").issue("x").chain_der[0])
