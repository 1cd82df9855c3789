"""The guide's statements on certificates, storage, modes and keys (S56 to S62, S70), each as the library keeps it."""

import copy
import pickle
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)

from tests.support.certificates import Issued, make_ca
from tests.support.peers import failure, pair, pump
from tlscore import (
    ClientConfig,
    Identity,
    KeyFilePermissionWarning,
    ServerConfig,
    TrustStore,
    UnauthenticatedTlsWarning,
    danger,
    errors,
)

CA, STRANGER = make_ca("House CA"), make_ca("Stranger CA")
TRUST = TrustStore.from_bytes(CA.pem)
NAME = "example.org"


@pytest.fixture(scope="module")
def issued() -> Issued:
    return CA.issue(NAME, "192.0.2.1", key="rsa2048")


def test_s56_certificates_are_x509_and_name_their_owner(issued: Issued) -> None:
    """Subject, alternative names and public key of the peer are there after the handshake."""
    client, _ = pair(ClientConfig.simple(TRUST), ServerConfig.simple(Identity(issued.chain, issued.key)))
    peer = client.peer_identity
    assert peer is not None
    assert peer.subject == f"CN={NAME}"
    assert (peer.dns_names, peer.ip_addresses) == ((NAME,), ("192.0.2.1",))
    shown = x509.load_der_x509_certificate(client.peer_chain[0])
    assert shown.public_key() == issued.key.public_key()


def test_s57_every_storage_format_gives_the_same_identity(issued: Issued, tmp_path: Path) -> None:
    """PEM, DER, PKCS #12, PKCS #7, PKCS #1, PKCS #8 plain and encrypted; a wrong guess names the format found."""
    secret, clear = BestAvailableEncryption(b"pw"), NoEncryption()
    old, new = PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8
    p12 = pkcs12.serialize_key_and_certificates(b"n", issued.key, issued.certificate, None, secret)
    chains = [
        issued.chain_pem,
        issued.chain_der[0],
        pkcs7.serialize_certificates([issued.certificate], Encoding.PEM),
        pkcs7.serialize_certificates([issued.certificate], Encoding.DER),
        p12,
    ]
    keys = [
        issued.key.private_bytes(encoding, style, encryption)
        for encoding, style, encryption in (
            (Encoding.PEM, old, clear),
            (Encoding.DER, old, clear),
            (Encoding.PEM, new, clear),
            (Encoding.DER, new, clear),
            (Encoding.PEM, new, secret),
            (Encoding.DER, new, secret),
        )
    ]
    for chain in chains:
        for key in (*keys, p12):
            assert Identity.load(chain, key, "pw").chain == issued.chain_der
    wrong = tmp_path / "cert.pem"
    wrong.write_bytes(keys[1])
    with pytest.raises(errors.ConfigError, match=r"cert\.pem has no certificate.*a DER private key \(PKCS #1\)"):
        Identity.load(wrong)


def test_s58_only_the_receivers_trust_decides(issued: Issued) -> None:
    """A server may show a certificate that it does not trust itself; who receives it judges."""
    foreign = STRANGER.issue(NAME, usage="server")
    server = ServerConfig.simple(Identity(foreign.chain, foreign.key))
    assert pair(ClientConfig.simple(TrustStore.from_bytes(STRANGER.pem)), server)[0].authenticated
    with pytest.raises(errors.UnknownCa):
        pair(ClientConfig.simple(TRUST), server)


def test_s59_a_store_that_cannot_be_read_is_named_with_who_tried(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        Identity.load(tmp_path / "missing.p12", password="pw")
    text = str(caught.value)
    for part in ("missing.p12", "No such file", "working directory", "user id"):
        assert part in text


def test_s60_encryption_only_is_explicit_warned_and_unauthenticated() -> None:
    with pytest.raises(TypeError):
        ClientConfig.encryption_only()  # type: ignore[call-arg]
    with pytest.warns(UnauthenticatedTlsWarning):
        client_config = ClientConfig.encryption_only(danger.accept_any_peer("lab"))
    with pytest.warns(UnauthenticatedTlsWarning):
        server_config = ServerConfig.encryption_only(danger.accept_any_peer)
    client, server = pair(client_config, server_config, None)
    assert (client.authenticated, server.authenticated) == (False, False)
    for contradiction in ({"trust": TRUST}, {"send_certificate_authorities": True}):
        with pytest.raises(errors.ConfigError, match="verifies nobody"):
            ClientConfig.encryption_only(danger.accept_any_peer, **contradiction)
    with pytest.raises(errors.ConfigError, match="checks no name"):
        client_config.connection(NAME, verify_as=NAME)


def test_s61_simple_mode_validates_the_server_alone(issued: Issued) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client, server = pair(ClientConfig.simple(TRUST), ServerConfig.simple(Identity(issued.chain, issued.key)))
    assert (client.authenticated, server.authenticated) == (True, False)
    assert server.peer_identity is None


def test_s62_mutual_mode_shows_both_identities_and_both_learn_of_a_failure(issued: Issued) -> None:
    own = CA.issue("client.example", usage="client")
    foreign = STRANGER.issue("client.example", usage="client")
    server_config = ServerConfig.mutual(
        Identity(issued.chain, issued.key), client_trust=TRUST, advertise_cas=False, confirm_client_auth=True
    )
    config = ClientConfig.mutual(TRUST, identity=Identity(own.chain, own.key), confirm_client_auth=True)
    client, server = pair(config, server_config)
    assert client.handshake_complete
    assert client.peer_identity is not None
    assert server.peer_identity is not None
    assert server.peer_identity.subject == "CN=client.example"
    refused = config.replace(identities=(Identity(foreign.chain, foreign.key),)).connection(NAME)
    refusing = server_config.connection()
    found = failure(pump, refused, refusing)
    assert isinstance(found, errors.UnknownCa)
    assert found.sender == "us"
    refused.receive(refusing.data_to_send())
    told = failure(refused.events)
    assert isinstance(told, errors.UnknownCa)
    assert told.sender == "peer"
    assert not refused.handshake_complete


def test_s70_private_keys_are_protected(issued: Issued, tmp_path: Path) -> None:
    """A readable key file warns, strict refuses; no key in repr, pickle, copy or traceback; keys may be elsewhere."""
    chain, key = issued.write(tmp_path)
    key.chmod(0o644)
    with pytest.warns(KeyFilePermissionWarning, match="everybody"):
        identity = Identity.load(chain, key)
    with pytest.raises(errors.ConfigError, match="chmod 600"):
        Identity.load(chain, key, strict=True)
    secret = f"{issued.key.private_numbers().d:x}"
    body = issued.key_pem.split(b"\n")[1].decode()
    try:
        Identity.load(chain, issued.key_pem[:-60])
    except errors.ConfigError as error:
        shown = "".join(traceback.format_exception(error)) + repr(error)
    for text in (repr(identity), str(vars(type(identity))), shown):
        assert secret not in text
        assert body not in text
    with pytest.raises(errors.ConfigError, match="never pickled"):
        pickle.dumps(identity)
    assert copy.deepcopy(identity) is identity

    class Token:
        def __init__(self) -> None:
            self.asked: list[int] = []

        def sign(self, scheme: int, data: bytes) -> bytes:
            from tlscore.certs import signatures

            self.asked.append(scheme)
            return signatures.sign(issued.key, scheme, data)

    token: Any = Token()
    client, _ = pair(ClientConfig.simple(TRUST), ServerConfig.simple(Identity.from_signer(issued.chain_pem, token)))
    assert client.authenticated
    assert len(token.asked) == 1
