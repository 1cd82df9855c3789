"""Authorities, identities and configurations that the handshake tests share; made once a run."""

import pytest

from tests.support.certificates import Authority, Issued, make_ca
from tlscore import ClientConfig, Identity, ServerConfig, TrustStore


@pytest.fixture(scope="session")
def authority() -> Authority:
    return make_ca("Handshake CA")


@pytest.fixture(scope="session")
def other_authority() -> Authority:
    return make_ca("Another CA")


@pytest.fixture(scope="session")
def trust(authority: Authority) -> TrustStore:
    return TrustStore.from_bytes(authority.pem)


@pytest.fixture(scope="session")
def issued(authority: Authority) -> Issued:
    return authority.issue("example.org", usage="server")


@pytest.fixture(scope="session")
def client_issued(authority: Authority) -> Issued:
    return authority.issue("client.example", usage="client")


@pytest.fixture(scope="session")
def identity(issued: Issued) -> Identity:
    return Identity.load(issued.chain_pem, issued.key_pem)


@pytest.fixture(scope="session")
def client_identity(client_issued: Issued) -> Identity:
    return Identity.load(client_issued.chain_pem, client_issued.key_pem)


@pytest.fixture(scope="session")
def client_config(trust: TrustStore) -> ClientConfig:
    return ClientConfig.simple(trust, groups=("x25519", "secp256r1"), key_shares=("x25519",))


@pytest.fixture(scope="session")
def server_config(identity: Identity) -> ServerConfig:
    return ServerConfig.simple(identity)


@pytest.fixture(scope="session")
def mutual_client(trust: TrustStore, client_identity: Identity) -> ClientConfig:
    return ClientConfig.mutual(trust, identity=client_identity, groups=("x25519",))


@pytest.fixture(scope="session")
def mutual_server(trust: TrustStore, identity: Identity) -> ServerConfig:
    return ServerConfig.mutual(identity, client_trust=trust)
