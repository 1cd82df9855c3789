"""Identities: every way to load one, and every way that it can be wrong."""

import asyncio
import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from tests.support.certificates import Authority, Issued, make_ca, make_key
from tlscore import TrustStore, errors
from tlscore.certs import signatures
from tlscore.certs.identity import Identity
from tlscore.iana import SignatureScheme
from tlscore.pending import Pending

P256 = SignatureScheme.ecdsa_secp256r1_sha256


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_ca()


@pytest.fixture(scope="module")
def issued(authority: Authority) -> Issued:
    return authority.intermediate().issue("www.example.org", "*.example.net", "192.0.2.1")


def encrypted(issued: Issued, style: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return bytes(issued.key.private_bytes(Encoding.PEM, style, BestAvailableEncryption(b"secret")))


def test_load_takes_paths_text_bytes_bundles_and_key_objects(issued: Issued, tmp_path: Path) -> None:
    chain, key = issued.write(tmp_path)
    bundle = tmp_path / "bundle.pem"
    bundle.touch(mode=0o600)
    bundle.write_bytes(issued.key_pem + issued.chain_pem)
    der = issued.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    for identity in (
        Identity.load(chain, key),
        Identity.load(str(chain), str(key)),
        Identity.load(bundle),
        Identity.load(issued.chain_pem, issued.key_pem),
        Identity.load(issued.chain_pem.decode(), issued.key_pem.decode()),
        Identity.load(issued.chain_pem, der),
        Identity.load(issued.chain_pem, issued.key),
        Identity(issued.chain_der, issued.key),
        Identity(issued.chain, issued.key),
    ):
        assert identity.chain == issued.chain_der
        assert identity.names == ("www.example.org", "*.example.net")
        assert identity.schemes == (P256,)
        assert identity.sign(P256, b"data")
    assert Identity.load(issued.chain_der[0], issued.key).chain == issued.chain_der[:1]


@pytest.mark.parametrize("style", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_load_opens_encrypted_keys_with_text_bytes_or_function(issued: Issued, style: PrivateFormat) -> None:
    for password in ("secret", b"secret", lambda: "secret"):
        assert Identity.load(issued.chain_pem, encrypted(issued, style), password)
    for wrong, text in ((None, "no password was given"), ("wrong", "the password does not open"), ("", "no password")):
        with pytest.raises(errors.ConfigError, match=text):
            Identity.load(issued.chain_pem, encrypted(issued, style), wrong)


def test_password_for_a_key_that_needs_none_is_no_error(issued: Issued) -> None:
    der = issued.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert Identity.load(issued.chain_pem, issued.key_pem, "unused")
    assert Identity.load(issued.chain_pem, der, "unused")
    secret = issued.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    assert Identity.load(issued.chain_pem, secret, "secret")


def test_issuers_list_every_issuer_of_the_chain_and_the_root_is_not_sent(authority: Authority, issued: Issued) -> None:
    whole = Identity((*issued.chain, authority.certificate), issued.key)
    assert whole.chain == issued.chain_der
    assert whole.issuers == (issued.chain[1].subject.public_bytes(), authority.name_der)
    assert Identity((*issued.chain, authority.certificate), issued.key, send_root=True).chain[-1] == authority.der


def test_matches_name_knows_wildcards(issued: Issued) -> None:
    identity = Identity(issued.chain, issued.key)
    assert identity.matches_name("www.example.org")
    assert identity.matches_name("a.example.net")
    assert not identity.matches_name("a.b.example.net")
    assert not identity.matches_name("example.org")


def test_mismatch_names_both_fingerprints_and_the_certificate_that_fits(authority: Authority, issued: Issued) -> None:
    with pytest.raises(errors.ConfigError, match=r"sha256 [0-9a-f]{64}.*has [0-9a-f]{64}.*certificate was issued for"):
        Identity.load(issued.chain_pem, authority.issue("x").key)
    with pytest.raises(errors.ConfigError, match="belongs to certificate 2 of the chain: put that one first"):
        Identity((authority.certificate, issued.certificate), issued.key)


def test_missing_file_is_named_with_directory_and_user(tmp_path: Path) -> None:
    with pytest.raises(
        errors.ConfigError, match=r"nowhere\.pem' cannot be read: No such file.*working directory .*user id"
    ):
        Identity.load(tmp_path / "nowhere.pem")


def test_path_with_a_nul_in_it_is_a_typed_error() -> None:
    for load in (Identity.load, TrustStore.from_file, TrustStore.from_directory):
        with pytest.raises(errors.ConfigError, match=r"cannot be read: .*embedded null"):
            load("a\0b")


def test_wrong_files_are_named_for_what_they_are(issued: Issued, tmp_path: Path) -> None:
    chain, key = issued.write(tmp_path)
    store = tmp_path / "store.p12"
    secret = BestAvailableEncryption(b"secret")
    store.touch(mode=0o600)
    store.write_bytes(pkcs12.serialize_key_and_certificates(b"x", issued.key, issued.certificate, None, secret))
    for arguments, text in (
        ((key, key), r"leaf\.key has no CERTIFICATE block.*PEM with PRIVATE KEY"),
        ((chain, None), r"leaf\.pem has no PRIVATE KEY block: it is PEM with CERTIFICATE"),
        ((chain, chain), r"no PRIVATE KEY block"),
        ((store, None), r"store\.p12 is PKCS #12 and wants a password, and no password was given"),
        ((chain, store, "wrong"), r"store\.p12 is PKCS #12, and the password does not open the store"),
        ((b"", None), "it is empty"),
        ((b"hello", None), "neither PEM nor DER"),
        ((b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", None), "a CERTIFICATE block is damaged"),
        ((chain, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "damaged or of an unknown kind"),
        ((chain, 5), "the key is int"),
        ((5, None), "the certificate chain is int"),
    ):
        with pytest.raises(errors.ConfigError, match=text):
            Identity.load(*arguments)
    with pytest.raises(errors.ConfigError, match="the chain is empty"):
        Identity((), issued.key)


@pytest.mark.parametrize("bits", [1024])
def test_rsa_key_that_peers_refuse_is_refused_here(authority: Authority, bits: int) -> None:
    weak = authority.issue("x", key=f"rsa{bits}")
    with pytest.raises(errors.ConfigError, match=f"RSA key of {bits} bits.*Use 2048"):
        Identity(weak.chain, weak.key)


@pytest.mark.parametrize("kind", ["p384", "p521", "rsa2048", "ed25519", "ed448", "mldsa44", "mldsa65", "mldsa87"])
def test_every_kind_of_key_loads_from_pem(authority: Authority, kind: str) -> None:
    one = authority.issue("x", key=kind)
    identity = Identity.load(one.chain_pem, one.key_pem)
    assert identity.sign(identity.schemes[0], b"data")


class Token:
    """A key that somebody else holds."""

    def __init__(self, key: Any) -> None:
        self._key = key
        self.asked: list[int] = []

    def sign(self, scheme: int, data: bytes) -> Any:
        from tlscore.certs import signatures

        self.asked.append(scheme)
        return signatures.sign(self._key, scheme, data)


def test_signer_object_signs_and_is_checked(authority: Authority, issued: Issued) -> None:
    token = Token(issued.key)
    identity = Identity.from_signer(issued.chain_pem, token)
    assert identity.sign(P256, b"data")
    assert token.asked == [P256]
    assert Identity.from_signer(issued.chain_der, token).schemes == (P256,)
    wrong = Identity.from_signer(issued.chain, Token(make_key("p256")))
    with pytest.raises(errors.InternalError, match="holds the key of another certificate"):
        wrong.sign(P256, b"data")


def test_signer_may_restrict_its_schemes(authority: Authority) -> None:
    one = authority.issue("x", key="rsa2048")
    token: Any = Token(one.key)
    token.schemes = (SignatureScheme.rsa_pss_rsae_sha512,)
    assert Identity.from_signer(one.chain, token).schemes == (SignatureScheme.rsa_pss_rsae_sha512,)
    token.schemes = (P256,)
    with pytest.raises(errors.ConfigError, match="can make no signature"):
        Identity.from_signer(one.chain, token)


def test_key_is_in_no_repr_pickle_or_copy(issued: Issued) -> None:
    identity = Identity(issued.chain, issued.key)
    assert "PrivateKey" not in repr(identity)
    with pytest.raises(errors.ConfigError, match="never pickled"):
        pickle.dumps(identity)
    assert copy.deepcopy(identity) is identity


def test_async_signer_is_awaited_and_checked(issued: Issued) -> None:
    class Later:
        sent: bytes | None = None

        async def sign(self, scheme: int, data: bytes) -> bytes:
            return self.sent or signatures.sign(issued.key, scheme, data)

    signer = Later()
    identity = Identity.from_signer(issued.chain_pem, signer)
    assert identity.is_async
    assert not Identity(issued.chain, issued.key).is_async
    (scheme,) = identity.schemes

    async def signed() -> bytes:
        made = identity.sign(scheme, b"content")
        assert isinstance(made, Pending)
        return await made

    signatures.verify(identity.certificate.public_key(), scheme, asyncio.run(signed()), b"content")  # type: ignore[arg-type]
    signer.sent = b"wrong"
    with pytest.raises(errors.InternalError, match="came out wrong and was not sent"):
        asyncio.run(signed())
