"""Async answers against OpenSSL, through the standard library: to the other end they are a slow peer, and no more."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.handshake.test_stdlib_ssl import Other, context_for
from tests.support.certificates import Authority, Issued
from tests.support.waiting import Signer, Slow
from tlscore import ClientConfig, Identity, ServerConfig, TrustStore
from tlscore.connection import Connection
from tlscore.events import ClientCertificateRequested

KEYS = ("p256", "p384", "rsa2048", "ed25519")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Path:
    path = tmp_path_factory.mktemp("ssl")
    authority.write(path)
    return path


def slow_identity(issued: Issued) -> tuple[Identity, Slow]:
    signer = Signer(issued.key)
    return Identity.from_signer(issued.chain, signer), signer.sign


async def run(connection: Connection, other: Any) -> None:
    """As a transport would: octets both ways, and settle whenever something waits."""
    for _ in range(8):
        other.incoming.write(connection.data_to_send())
        other.handshake()
        wire = other.outgoing.read()
        if wire:
            connection.receive(wire)
        while connection.waiting is not None:
            await connection.settle()
    assert other.done
    assert connection.handshake_complete
    connection.write(b"from us")
    other.incoming.write(connection.data_to_send())
    assert other.tls.read(100) == b"from us"
    other.tls.write(b"from ssl")
    connection.receive(other.outgoing.read())
    assert connection.read() == b"from ssl"


@pytest.mark.parametrize("versions", ["1.2", "1.3"])
@pytest.mark.parametrize("key", KEYS)
def test_server_with_async_everything(
    key: str, versions: str, folder: Path, authority: Authority, trust: TrustStore
) -> None:
    issued = authority.issue("example.org", key=key)
    client_issued = authority.issue("me", key=key, usage="client")
    identity, sign = slow_identity(issued)
    resolver, authorize = Slow(lambda hello: identity), Slow(lambda peer: peer.dns_names == ("me",))
    server = ServerConfig(
        resolver=resolver,
        authorize=authorize,
        client_auth="required",
        client_trust=trust,
        versions=versions,
        groups=("secp384r1", "secp256r1"),
    ).connection()
    context = context_for(folder, client_issued, ssl.PROTOCOL_TLS_CLIENT)
    asyncio.run(run(server, Other(context, False, "example.org")))
    assert server.authenticated
    # OpenSSL sends a share for x25519 first, so TLS 1.3 takes a HelloRetryRequest, and the resolver is asked again.
    assert len(resolver.calls) == (2 if server.hello_retried else 1)
    assert (len(sign.calls), len(authorize.calls)) == (1, 1)


@pytest.mark.parametrize("versions", ["1.2", "1.3"])
@pytest.mark.parametrize("key", KEYS)
def test_client_with_async_everything(
    key: str, versions: str, folder: Path, authority: Authority, trust: TrustStore
) -> None:
    identity, sign = slow_identity(authority.issue("me", key=key, usage="client"))
    authorize = Slow(lambda peer: peer.dns_names == ("example.org",))
    client = ClientConfig.mutual(trust, identity=identity, authorize=authorize, versions=versions)
    context = context_for(folder, authority.issue("example.org", key=key), ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    connection = client.connection("example.org")
    other = Other(context, True)
    asyncio.run(run(connection, other))
    assert other.tls.getpeercert()["subjectAltName"] == (("DNS", "me"),)
    assert (len(sign.calls), len(authorize.calls)) == (1, 1)


def test_late_authentication_that_openssl_asks_for(folder: Path, authority: Authority, trust: TrustStore) -> None:
    identity, sign = slow_identity(authority.issue("me", usage="client"))
    client = ClientConfig.mutual(trust, identity=identity, post_handshake_auth=True).connection("example.org")
    context = context_for(folder, authority.issue("example.org"), ssl.PROTOCOL_TLS_SERVER)
    context.post_handshake_auth = True
    context.verify_mode = ssl.CERT_REQUIRED
    other = Other(context, True)

    async def late() -> None:
        await run(client, other)
        assert sign.calls == []
        other.tls.verify_client_post_handshake()
        other.tls.write(b"prove it")
        client.receive(other.outgoing.read())
        assert client.read() == b"prove it"
        assert client.waiting is not None
        client.write(b"a moment")
        other.incoming.write(client.data_to_send())
        assert other.tls.read(100) == b"a moment"
        await client.settle()
        client.write(b"here")
        other.incoming.write(client.data_to_send())
        assert other.tls.read(100) == b"here"

    asyncio.run(late())
    assert other.tls.getpeercert()["subjectAltName"] == (("DNS", "me"),)
    (requested,) = [one for one in client.events() if isinstance(one, ClientCertificateRequested)]
    assert requested.answered
