"""The certificate policy in TLS 1.2: staples, revocation, authorize, resolvers and the memory of selections."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from tests.support.certificates import Authority, Issued
from tests.support.peers import failure, pair
from tests.support.peers12 import RawServer12
from tests.support.revocation import REVOKED, make_crl, make_response
from tlscore import ClientConfig, Identity, Revocation, ServerConfig, TrustStore, errors
from tlscore.wire import CertificateStatus12, StatusRequestServerHello

NAME = "example.org"
MUST_STAPLE = x509.TLSFeature([x509.TLSFeatureType.status_request])


class Source:
    """A staple source that gives what a test puts into it."""

    def __init__(self, response: bytes | None) -> None:
        self.answer = response
        self.asked = 0

    def response(self) -> bytes | None:
        self.asked += 1
        return self.answer


def client_for(trust: TrustStore, revocation: Revocation | None = None) -> ClientConfig:
    return ClientConfig.simple(trust, revocation=revocation, versions="1.2")


def refused(trust: TrustStore, identity: Identity, source: Source, revocation: Revocation | None = None) -> Any:
    return failure(pair, client_for(trust, revocation), ServerConfig.simple(identity.with_staple(source)))


def test_staple_is_sent_and_taken(trust: TrustStore, identity: Identity, issued: Issued, authority: Authority) -> None:
    source = Source(make_response(issued.certificate, authority))
    server_config = ServerConfig.simple(identity.with_staple(source))
    client, _ = pair(client_for(trust, Revocation.stapled("require")), server_config)
    assert client.version == "TLSv1.2"
    assert client.authenticated
    assert source.asked == 1
    pair(client_for(trust, Revocation.off(reason="a test")), server_config)
    assert source.asked == 1


def test_revoked_missing_and_broken_staples_are_refused(
    trust: TrustStore, identity: Identity, issued: Issued, authority: Authority
) -> None:
    good = make_response(issued.certificate, authority)
    error = refused(trust, identity, Source(make_response(issued.certificate, authority, REVOKED)))
    assert isinstance(error, errors.CertificateRevoked)
    assert error.stage == 13
    assert isinstance(refused(trust, identity, Source(good[:-3] + b"\0\0\0")), errors.BadCertificateStatusResponse)
    error = refused(trust, identity, Source(None), Revocation.stapled("require"))
    assert error.code == "TLS-REVOCATION_NO_ANSWER"
    listed = Revocation.crl(data=make_crl(authority, [issued.certificate]))
    assert isinstance(refused(trust, identity, Source(None), listed), errors.CertificateRevoked)


@pytest.mark.parametrize("stapled", [False, True])
def test_must_staple_holds(trust: TrustStore, authority: Authority, stapled: bool) -> None:
    issued = authority.issue(NAME, extra=((MUST_STAPLE, False),))
    identity = Identity.load(issued.chain_pem, issued.key_pem)
    source = Source(make_response(issued.certificate, authority) if stapled else None)
    if stapled:
        assert pair(client_for(trust), ServerConfig.simple(identity.with_staple(source)))[0].authenticated
    else:
        assert refused(trust, identity, source).code == "TLS-MUST_STAPLE"


def promising(client: Any, issued: Issued) -> RawServer12:
    raw = RawServer12(issued, client)
    return raw.hello(raw.hello_message(StatusRequestServerHello())).certificate()


def test_server_may_break_its_promise_of_a_staple(trust: TrustStore, issued: Issued) -> None:
    # RFC 6066 8: "Note that a server MAY also choose not to send a "CertificateStatus" message"
    client = client_for(trust).connection(NAME)
    raw = promising(client, issued)
    raw.key_exchange().done()
    client.receive(raw.wire())
    client.receive(raw.finish(client.data_to_send()).wire())
    assert client.authenticated


def test_broken_promise_does_not_weaken_require(trust: TrustStore, issued: Issued) -> None:
    client = client_for(trust, Revocation.stapled("require")).connection(NAME)
    raw = promising(client, issued)
    raw.key_exchange().done()
    error = failure(client.receive, raw.wire())
    assert error.code == "TLS-REVOCATION_NO_ANSWER"
    assert not client.handshake_complete


def test_chain_is_refused_behind_a_promise_too(issued: Issued) -> None:
    """A promise only postpones the check of the chain."""
    from tests.support.certificates import make_ca

    client = client_for(TrustStore.from_bytes(make_ca().pem)).connection(NAME)
    raw = promising(client, issued)
    raw.key_exchange().done()
    assert isinstance(failure(client.receive, raw.wire()), errors.UnknownCa)


def test_certificate_status_of_another_type_is_refused(trust: TrustStore, issued: Issued) -> None:
    client = client_for(trust).connection(NAME)
    raw = promising(client, issued)
    raw.send(CertificateStatus12(2, b"list"))
    assert isinstance(failure(client.receive, raw.wire()), errors.IllegalParameter)


def test_certificate_status_without_a_promise_is_unexpected(trust: TrustStore, issued: Issued) -> None:
    client = client_for(trust).connection(NAME)
    raw = RawServer12(issued, client).hello().certificate()
    raw.send(CertificateStatus12(1, b"response"))
    assert isinstance(failure(client.receive, raw.wire()), errors.UnexpectedMessage)


# -- clients -----------------------------------------------------------------------------------------------------------


def mutual(trust: TrustStore, identity: Identity, client_identity: Identity, **server: Any) -> tuple[Any, Any]:
    client = ClientConfig.mutual(trust, identity=client_identity, versions="1.2", confirm_client_auth=True)
    return client, ServerConfig.mutual(identity, client_trust=trust, **server)


def test_finished_of_the_server_confirms_the_client(
    trust: TrustStore, identity: Identity, client_identity: Identity
) -> None:
    seen = []

    def authorize(peer: Any) -> bool:
        seen.append(peer.subject)
        return True

    client, server = pair(*mutual(trust, identity, client_identity, authorize=authorize, confirm_client_auth=True))
    assert client.client_auth_confirmed is True
    assert server.authenticated
    assert len(seen) == 1
    plain, _ = pair(client_for(trust), ServerConfig.simple(identity))
    assert plain.client_auth_confirmed is None


@pytest.mark.parametrize("answer", [False, None, 1])
def test_client_that_is_not_authorized_is_refused(
    trust: TrustStore, identity: Identity, client_identity: Identity, answer: Any
) -> None:
    error = failure(pair, *mutual(trust, identity, client_identity, authorize=lambda peer: answer))
    assert isinstance(error, errors.AccessDenied)
    assert error.stage == 17


def test_revoked_client_is_refused(
    trust: TrustStore, identity: Identity, client_identity: Identity, client_issued: Issued, authority: Authority
) -> None:
    listed = Revocation.crl(data=make_crl(authority, [client_issued.certificate]))
    error = failure(pair, *mutual(trust, identity, client_identity, revocation=listed))
    assert isinstance(error, errors.CertificateRevoked)
    assert error.stage == 17


def test_client_without_the_required_staple_is_refused(
    trust: TrustStore, identity: Identity, client_identity: Identity
) -> None:
    """TLS 1.2 has no staples of clients: a server that requires one takes no client."""
    required = Revocation.stapled("require", staple_from_clients=True)
    error = failure(pair, *mutual(trust, identity, client_identity, revocation=required))
    assert error.code == "TLS-REVOCATION_NO_ANSWER"


# -- the choice of an identity -----------------------------------------------------------------------------------------


def test_resolver_chooses(trust: TrustStore, identity: Identity, authority: Authority) -> None:
    issued = authority.issue(NAME)
    other = Identity.load(issued.chain_pem, issued.key_pem)
    seen = []

    def resolver(hello: Any) -> Identity:
        seen.append(hello)
        return other

    server_config = ServerConfig.simple(identity, resolver=resolver)
    client, _ = pair(client_for(trust), server_config)
    assert client.peer_chain == other.chain
    assert seen[0].versions == (0x0303,)
    assert seen[0].server_name == NAME
    pair(client_for(trust), server_config)
    assert len(seen) == 2


def test_resolver_that_fails_ends_the_handshake(trust: TrustStore, identity: Identity) -> None:
    def resolver(hello: Any) -> Identity:
        raise KeyError(hello.server_name)

    error = failure(pair, client_for(trust), ServerConfig.simple(identity, resolver=resolver))
    assert isinstance(error, errors.UnrecognizedName)


def test_memory_of_selections_keeps_the_versions_apart(trust: TrustStore, identity: Identity) -> None:
    server_config = ServerConfig.simple(identity)
    for versions in (("1.3", "1.2"), "1.2", "1.3"):
        for _ in range(2):
            client, _ = pair(
                ClientConfig.simple(trust, versions=versions, groups=("x25519", "secp256r1")), server_config
            )
            assert client.version == ("TLSv1.2" if versions == "1.2" else "TLSv1.3")
