"""confirm_client_auth: a TLS 1.3 client that waits for the server's verdict on its certificate."""

import asyncio
from typing import Any

import pytest

from tests.support.certificates import Authority, Issued
from tests.support.peers import RawServer, failure, pair, pump
from tests.support.waiting import Signer
from tlscore import ClientConfig, Identity, ServerConfig, TrustStore, errors
from tlscore.connection import Connection
from tlscore.events import HandshakeCompleted, KeyUpdated
from tlscore.iana import SignatureScheme
from tlscore.wire import CertificateRequest, Extensions, NewSessionTicket, SignatureAlgorithms

NAME = "example.org"


@pytest.fixture
def client_config(mutual_client: ClientConfig) -> ClientConfig:
    return mutual_client.replace(confirm_client_auth=True)


def flights(client: Connection, server: Connection) -> None:
    """Everything up to the client's second flight, which the server takes; its answer is not carried."""
    server.receive(client.data_to_send())
    client.receive(server.data_to_send())
    server.receive(client.data_to_send())


def completed(connection: Connection) -> bool:
    return any(isinstance(event, HandshakeCompleted) for event in connection.events())


@pytest.mark.parametrize("answer", ["confirmed", "application data"])
def test_client_is_done_when_the_server_has_shown_that_it_went_on(
    answer: str, client_config: ClientConfig, mutual_server: ServerConfig
) -> None:
    if answer == "confirmed":
        mutual_server = mutual_server.replace(confirm_client_auth=True)
    client, server = client_config.connection(NAME), mutual_server.connection()
    flights(client, server)
    assert server.handshake_complete
    assert not client.handshake_complete
    assert client.client_auth_confirmed is False
    assert not completed(client)
    with pytest.raises(errors.HandshakeNotComplete):
        client.update_keys()
    if answer == "application data":
        server.write(b"welcome")
    client.receive(server.data_to_send())
    assert client.handshake_complete
    assert client.client_auth_confirmed is True
    events = client.events()
    assert sum(isinstance(event, HandshakeCompleted) for event in events) == 1
    assert sum(isinstance(event, KeyUpdated) for event in events) == (answer == "confirmed")
    if answer == "application data":
        assert client.read() == b"welcome"
    client.write(b"hello")
    server.receive(client.data_to_send())
    assert server.read() == b"hello"
    server.write(b"back")
    client.receive(server.data_to_send())
    assert client.read() == b"back"


@pytest.mark.parametrize("ask", ["handshake_complete", "events"])
def test_refused_client_learns_of_it_in_the_handshake(
    ask: str, client_config: ClientConfig, identity: Identity, other_authority: Authority
) -> None:
    """D9: without it the handshake of a refused client succeeds, and the first read fails."""
    strangers = TrustStore.from_bytes(other_authority.pem)
    config = ServerConfig.mutual(identity, client_trust=strangers, advertise_cas=False)
    client, server = client_config.connection(NAME), config.connection()
    server.receive(client.data_to_send())
    client.receive(server.data_to_send())
    failure(server.receive, client.data_to_send())
    assert not client.handshake_complete
    client.receive(server.data_to_send())
    call: Any = {"handshake_complete": lambda: client.handshake_complete, "events": client.events}[ask]
    error = failure(call)
    assert isinstance(error, errors.UnknownCa)
    assert error.sender == "peer"
    assert any("confirm_client_auth" in note for note in error.__notes__)
    assert client.error is error
    assert not client.handshake_complete
    assert failure(client.read) is error


def test_server_that_refuses_by_authorize_is_seen_too(
    client_config: ClientConfig, identity: Identity, trust: TrustStore
) -> None:
    config = ServerConfig.mutual(identity, client_trust=trust, authorize=lambda peer: False, confirm_client_auth=True)
    client, server = client_config.connection(NAME), config.connection()
    failure(pump, client, server)
    client.receive(server.data_to_send())
    assert isinstance(failure(client.events), errors.AccessDenied)


def test_server_that_asks_for_nothing_is_not_waited_for(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    client, server = pair(client_config, server_config)
    assert client.handshake_complete
    assert client.client_auth_confirmed is None
    assert server.client_auth_confirmed is None


def test_client_without_the_setting_may_look_later(mutual_client: ClientConfig, mutual_server: ServerConfig) -> None:
    client, server = pair(mutual_client, mutual_server)
    assert client.handshake_complete
    assert client.client_auth_confirmed is False
    server.write(b"x")
    client.receive(server.data_to_send())
    client.read()
    assert client.client_auth_confirmed is True


def test_confirmation_is_one_short_record_and_harmless_to_others(
    mutual_client: ClientConfig, mutual_server: ServerConfig
) -> None:
    client, server = mutual_client.connection(NAME), mutual_server.replace(confirm_client_auth=True).connection()
    flights(client, server)
    confirmation = server.data_to_send()
    # A KeyUpdate of 5 octets, its content type, tag and header.
    assert len(confirmation) == 5 + 5 + 1 + 16
    client.receive(confirmation)
    assert client.client_auth_confirmed in (True, False)
    client.events()
    assert client.client_auth_confirmed is True


def test_end_of_stream_instead_of_a_verdict_is_an_error(
    client_config: ClientConfig, mutual_server: ServerConfig
) -> None:
    client, server = client_config.connection(NAME), mutual_server.connection()
    flights(client, server)
    error = failure(client.eof)
    assert isinstance(error, errors.TruncationError)
    assert "before it showed whether it takes our certificate" in str(error)
    assert "refuses our certificate" in str(error)


def test_close_notify_alone_is_no_verdict(client_config: ClientConfig, mutual_server: ServerConfig) -> None:
    client, server = client_config.connection(NAME), mutual_server.connection()
    flights(client, server)
    server.close()
    client.receive(server.data_to_send())
    error = failure(client.events)
    assert isinstance(error, errors.TransportError)
    assert "closed the connection before it showed" in str(error)
    confirming = mutual_server.replace(confirm_client_auth=True).connection()
    other = client_config.connection(NAME)
    flights(other, confirming)
    confirming.close()
    other.receive(confirming.data_to_send())
    assert completed(other)
    assert other.peer_closed


def test_waiting_client_can_be_closed_and_aborted(client_config: ClientConfig, mutual_server: ServerConfig) -> None:
    for end in ("close", "abort"):
        client, server = client_config.connection(NAME), mutual_server.connection()
        flights(client, server)
        getattr(client, end)()
        assert (client.error is not None) == (end == "abort")
    assert "Connection client" in repr(client)


# -- data that was there before our certificate was sent ---------------------------------------------------------------


class Early:
    """A client whose signer takes its time, and a server that sends data before it has seen the certificate."""

    def __init__(self, client_issued: Issued, issued: Issued, trust: TrustStore, confirm: bool) -> None:
        identity = Identity.from_signer(client_issued.chain, Signer(client_issued.key))
        config = ClientConfig.mutual(
            trust, identity=identity, confirm_client_auth=confirm, versions="1.3", groups=("x25519",)
        )
        self.client = config.connection(NAME)
        self.server = RawServer(issued, self.client)
        self.server.hello().encrypted_extensions()
        schemes = SignatureAlgorithms((SignatureScheme.ecdsa_secp256r1_sha256,))
        self.server.send(CertificateRequest(b"", Extensions((schemes,))))
        self.server.certificate().certificate_verify().finished()
        self.server.application.install_read(self.server.layer)
        self.server.layer._open()

    def record(self, data: bytes) -> bytes:
        flight: bytes = self.server.wire()
        self.server.layer.write(data)
        return flight + self.server.wire()


def early(client_issued: Issued, issued: Issued, trust: TrustStore, confirm: bool) -> Early:
    made = Early(client_issued, issued, trust, confirm)
    made.client.receive(made.record(b"half-RTT"))
    assert made.client.waiting is not None
    return made


def test_data_that_came_before_our_finished_is_no_verdict(
    client_issued: Issued, issued: Issued, trust: TrustStore
) -> None:
    made = early(client_issued, issued, trust, confirm=False)
    client = made.client
    client.receive(made.record(b" and more"))
    asyncio.run(client.settle())
    assert client.handshake_complete
    assert client.client_auth_confirmed is False
    assert client.read() + client.read() == b"half-RTT and more"
    assert client.client_auth_confirmed is False
    # Two records were here; what was not opened counts for the most that it could have been.
    for _ in range(4):
        client.receive(made.record(b"later"))
        client.read()
    assert client.client_auth_confirmed is True


def test_one_early_record_is_told_from_the_next(client_issued: Issued, issued: Issued, trust: TrustStore) -> None:
    made = early(client_issued, issued, trust, confirm=False)
    asyncio.run(made.client.settle())
    assert made.client.read() == b"half-RTT"
    assert made.client.client_auth_confirmed is False
    made.client.receive(made.record(b"welcome"))
    assert made.client.read() == b"welcome"
    assert made.client.client_auth_confirmed is True


def test_early_data_in_the_way_of_the_verdict_is_an_error(
    client_issued: Issued, issued: Issued, trust: TrustStore
) -> None:
    made = early(client_issued, issued, trust, confirm=True)
    asyncio.run(made.client.settle())
    error = failure(lambda: made.client.handshake_complete)
    assert type(error) is errors.GeneralError
    assert error.code == "TLS-DATA_BEFORE_VERDICT"
    assert not made.client.handshake_complete
    assert failure(made.client.read) is error


def test_early_ticket_is_no_verdict_either(client_issued: Issued, issued: Issued, trust: TrustStore) -> None:
    made = Early(client_issued, issued, trust, True)
    client, server = made.client, made.server
    server.send(NewSessionTicket(3600, 0, b"n", b"t", Extensions()), hidden=True)
    wire = server.wire()
    client.receive(wire[:-3])
    assert client.waiting is not None
    asyncio.run(client.settle())
    client.receive(wire[-3:])
    assert not client.handshake_complete
    client.receive(made.record(b"welcome"))
    assert client.handshake_complete
    assert client.read() == b"welcome"
