"""OCSP responses on the wire: asked for, stapled, verified; by servers, and by clients that are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.support.certificates import Authority, Issued
from tests.support.peers import RawClient, RawServer, failure, pair, pump
from tests.support.revocation import REVOKED, make_crl, make_response
from tlscore import ClientConfig, Identity, IdentityFile, OcspFile, Revocation, ServerConfig, TrustStore, danger, errors
from tlscore.iana import ExtensionType
from tlscore.wire import CertificateStatus, Extensions, StatusRequest, StatusRequestCertificateRequest

MUST_STAPLE = x509.TLSFeature([x509.TLSFeatureType.status_request])


class Source:
    """A staple source that gives what a test puts into it."""

    def __init__(self, response: Any) -> None:
        self.answer = response
        self.asked = 0

    def response(self) -> Any:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def source(issued: Issued, authority: Authority) -> Source:
    return Source(make_response(issued.certificate, authority))


def configs(
    identity: Identity, trust: TrustStore, source: Source, revocation: Revocation | None = None
) -> tuple[ClientConfig, ServerConfig]:
    client = ClientConfig.simple(trust, revocation=revocation, groups=("x25519",))
    return client, ServerConfig.simple(identity.with_staple(source))


def test_client_takes_the_servers_staple_where_it_requires_one(
    identity: Identity, trust: TrustStore, source: Source
) -> None:
    client, server = pair(*configs(identity, trust, source, Revocation.stapled("require")))
    assert client.authenticated
    assert source.asked == 1
    assert server.handshake_complete


def test_client_without_a_staple_goes_on_by_default(client_config: ClientConfig, server_config: ServerConfig) -> None:
    client, _ = pair(client_config, server_config)
    assert client.authenticated


def test_client_refuses_a_server_without_the_required_staple(trust: TrustStore, server_config: ServerConfig) -> None:
    client = ClientConfig.simple(trust, revocation=Revocation.stapled("require"))
    error = failure(pair, client, server_config)
    assert isinstance(error, errors.CertificateUnknown)
    assert error.code == "TLS-REVOCATION_NO_ANSWER"


def test_client_refuses_a_revoked_certificate(
    identity: Identity, trust: TrustStore, issued: Issued, authority: Authority
) -> None:
    source = Source(make_response(issued.certificate, authority, REVOKED))
    # RFC 9846 6.2: certificate_revoked is "A certificate was revoked by its signer."
    error = failure(pair, *configs(identity, trust, source))
    assert isinstance(error, errors.CertificateRevoked)
    assert error.code == "TLS-REVOKED"


def test_client_refuses_a_staple_that_is_not_in_order(
    identity: Identity, trust: TrustStore, issued: Issued, authority: Authority
) -> None:
    source = Source(make_response(issued.certificate, authority)[:-3] + b"\0\0\0")
    # RFC 9846 6.2: bad_certificate_status_response is sent "when an invalid or unacceptable OCSP response is provided
    # by the server".
    error = failure(pair, *configs(identity, trust, source))
    assert isinstance(error, errors.BadCertificateStatusResponse)


def test_server_staples_only_where_the_client_asked(identity: Identity, trust: TrustStore, source: Source) -> None:
    # RFC 9846 4.5.1: "Extensions in the Certificate message from the server MUST correspond to ones from the
    # ClientHello message."
    off = Revocation.off(reason="a test")
    client, _ = pair(*configs(identity, trust, source, off))
    assert client.authenticated
    assert source.asked == 0


def test_client_that_verifies_nobody_asks_for_nothing(identity: Identity, source: Source) -> None:
    with pytest.warns(danger.UnauthenticatedTlsWarning):
        config = ClientConfig.encryption_only(danger.accept_any_peer)
    pair(config, ServerConfig.simple(identity.with_staple(source)), None)
    assert source.asked == 0


@pytest.mark.parametrize("answer", [None, b"", "text", OSError("gone")])
def test_server_goes_on_where_its_source_fails(identity: Identity, trust: TrustStore, answer: Any) -> None:
    client, _ = pair(*configs(identity, trust, Source(answer)))
    assert client.authenticated


def test_server_sends_a_new_staple_as_soon_as_there_is_one(
    identity: Identity, trust: TrustStore, issued: Issued, authority: Authority, source: Source
) -> None:
    client_config, server_config = configs(identity, trust, source)
    pair(client_config, server_config)
    source.answer = make_response(issued.certificate, authority, REVOKED)
    assert isinstance(failure(pair, client_config, server_config), errors.CertificateRevoked)
    source.answer = None
    assert pair(client_config, server_config)[0].authenticated


@pytest.mark.parametrize("stapled", [False, True])
def test_client_honours_must_staple(trust: TrustStore, authority: Authority, stapled: bool) -> None:
    issued = authority.issue("example.org", extra=((MUST_STAPLE, False),))
    identity = Identity.load(issued.chain_pem, issued.key_pem)
    source = Source(make_response(issued.certificate, authority) if stapled else None)
    if stapled:
        assert pair(*configs(identity, trust, source))[0].authenticated
        return
    # RFC 7633 4.2.3.1: a certificate that promises a response is refused without it.
    error = failure(pair, *configs(identity, trust, source))
    assert isinstance(error, errors.BadCertificateStatusResponse)
    assert error.code == "TLS-MUST_STAPLE"


def test_client_refuses_a_staple_that_it_did_not_ask_for(trust: TrustStore, issued: Issued, source: Source) -> None:
    client = ClientConfig.simple(trust, revocation=Revocation.off(reason="a test"), groups=("x25519",)).connection(
        "example.org"
    )
    raw = RawServer(issued, client)
    assert ExtensionType.status_request not in raw.client_hello.extensions.codes
    raw.hello().encrypted_extensions()
    from tlscore.wire import Certificate, CertificateEntry

    entry = CertificateEntry(issued.chain_der[0], Extensions((CertificateStatus(1, source.answer),)))
    raw.send(Certificate(b"", (entry,)))
    # RFC 9846 4.3: an extension that was not asked for ends the handshake with unsupported_extension.
    error = failure(client.receive, raw.wire())
    assert isinstance(error, errors.UnsupportedExtension)


def test_server_ignores_a_status_request_of_an_unknown_type(identity: Identity, source: Source) -> None:
    server = ServerConfig.simple(identity.with_staple(source)).connection()
    raw = RawClient()
    raw.hello(raw.hello_message(StatusRequest(9, b"\x01\x02")))
    server.receive(raw.wire())
    assert server.data_to_send()
    assert source.asked == 0


def test_client_uses_lists_beside_staples(
    trust: TrustStore, identity: Identity, issued: Issued, authority: Any
) -> None:
    policy = Revocation.crl(data=make_crl(authority, [issued.certificate]))
    error = failure(pair, *configs(identity, trust, Source(None), policy))
    assert isinstance(error, errors.CertificateRevoked)


# -- clients -----------------------------------------------------------------------------------------------------------


def mutual(
    trust: TrustStore, identity: Identity, client_identity: Identity, source: Source, revocation: Revocation
) -> tuple[ClientConfig, ServerConfig]:
    client = ClientConfig.mutual(trust, identity=client_identity.with_staple(source), groups=("x25519",))
    return client, ServerConfig.mutual(identity, client_trust=trust, revocation=revocation)


def test_client_staples_where_the_server_asks(
    trust: TrustStore, identity: Identity, client_identity: Identity, client_issued: Issued, authority: Authority
) -> None:
    source = Source(make_response(client_issued.certificate, authority))
    wanted = Revocation.stapled("require", staple_from_clients=True)
    _, server = pair(*mutual(trust, identity, client_identity, source, wanted))
    assert server.authenticated
    assert source.asked == 1


def test_client_does_not_staple_unasked(
    trust: TrustStore, identity: Identity, client_identity: Identity, client_issued: Issued, authority: Authority
) -> None:
    source = Source(make_response(client_issued.certificate, authority))
    _, server = pair(*mutual(trust, identity, client_identity, source, Revocation()))
    assert server.authenticated
    assert source.asked == 0


def test_server_refuses_a_revoked_client(
    trust: TrustStore, identity: Identity, client_identity: Identity, client_issued: Issued, authority: Authority
) -> None:
    source = Source(make_response(client_issued.certificate, authority, REVOKED))
    wanted = Revocation(staple_from_clients=True)
    error = failure(pair, *mutual(trust, identity, client_identity, source, wanted))
    assert isinstance(error, errors.CertificateRevoked)


def test_server_refuses_a_bad_staple_of_a_client_with_another_alert(
    trust: TrustStore, identity: Identity, client_identity: Identity
) -> None:
    # RFC 9846 6.2: bad_certificate_status_response is "Sent by clients".
    error = failure(
        pair, *mutual(trust, identity, client_identity, Source(b"nonsense"), Revocation(staple_from_clients=True))
    )
    assert isinstance(error, errors.CertificateUnknown)
    assert error.code == "TLS-STAPLE_UNREADABLE"


def test_client_staples_after_the_handshake_too(
    trust: TrustStore, identity: Identity, client_identity: Identity, client_issued: Issued, authority: Authority
) -> None:
    source = Source(make_response(client_issued.certificate, authority))
    client_config = ClientConfig.mutual(
        trust, identity=client_identity.with_staple(source), groups=("x25519",), post_handshake_auth=True
    )
    server_config = ServerConfig.simple(
        identity,
        client_auth="post_handshake",
        client_trust=trust,
        revocation=Revocation.stapled("require", staple_from_clients=True),
    )
    client, server = pair(client_config, server_config)
    server.request_client_certificate()
    pump(client, server)
    client.events()
    pump(client, server)
    server.events()
    assert source.asked == 1
    assert server.authenticated


def test_the_request_for_clients_is_empty(trust: TrustStore, identity: Identity) -> None:
    # RFC 9846 4.5.1.1: "by sending an empty "status_request" extension in its CertificateRequest message"
    from tlscore.handshake.plans import server_plan
    from tlscore.wire import CertificateRequest, decode

    config = ServerConfig.mutual(identity, client_trust=trust, revocation=Revocation(staple_from_clients=True))
    request = server_plan(config).request
    assert request is not None
    message = decode(request)
    assert isinstance(message, CertificateRequest)
    assert StatusRequestCertificateRequest in message.extensions
    assert b"\x00\x05\x00\x00" in request


def test_with_staple_leaves_the_first_identity_as_it_was(identity: Identity, source: Source) -> None:
    other = identity.with_staple(source)
    assert (identity.staple, other.staple) == (None, source)
    assert other.chain == identity.chain
    with pytest.raises(errors.ConfigError):
        identity.with_staple(object())  # type: ignore[arg-type]


def test_with_staple_refuses_a_source_about_another_certificate(
    identity: Identity, client_issued: Issued, authority: Authority, tmp_path: Path
) -> None:
    source = OcspFile(tmp_path / "staple", (*client_issued.chain, authority.certificate))
    with pytest.raises(errors.ConfigError, match="another certificate"):
        identity.with_staple(source)


def test_an_identity_that_follows_its_files_has_a_staple_for_each(
    trust: TrustStore, authority: Authority, tmp_path: Path
) -> None:
    first, second = authority.issue("example.org"), authority.issue("example.org")
    staples = {one.chain_der[0]: make_response(one.certificate, authority) for one in (first, second)}
    paths = first.write(tmp_path)
    followed = IdentityFile(*paths, prepare=lambda one: one.with_staple(Source(staples[one.chain[0]])))
    client = ClientConfig.simple(trust, revocation=Revocation.stapled("require"))
    server = ServerConfig.simple(followed)
    assert pair(client, server)[0].peer_chain == first.chain_der
    second.write(tmp_path)
    assert followed.reload()
    assert pair(client, server)[0].peer_chain == second.chain_der
