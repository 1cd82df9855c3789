"""Rule 12: nothing unauthenticated reaches the application, and nothing is sent to anybody unverified."""

import inspect
import warnings
from typing import Any

import pytest

from tests.support.certificates import make_ca
from tests.support.forger import DATA, HANDSHAKE, logged
from tests.support.peers import RawClient, RawServer, failure, pair, pump
from tests.support.standing import (
    NAME,
    carry,
    client_config,
    fresh,
    identity,
    issued,
    mutual_client_config,
    mutual_server_config,
    records_of,
    server_config,
    trust,
)
from tlscore import ClientConfig, ServerConfig, TrustStore, _core, danger, errors
from tlscore.connection import Connection
from tlscore.handshake.outcome import Outcome
from tlscore.handshake.output import Output


def steps(client: Connection, server: Connection) -> Any:
    """Both ends before each stretch of octets of the handshake."""
    for sender, receiver in ((client, server), (server, client), (client, server)):
        yield
        for record in records_of(sender.data_to_send()):
            yield
            receiver.receive(record)


def test_nothing_can_be_written_or_read_before_the_handshake_is_complete() -> None:
    client, server = fresh()
    for _ in steps(client, server):
        for end in (client, server):
            if end.handshake_complete:
                continue
            for call in (
                lambda end=end: end.write(b"too early"),
                lambda end=end: end.write_many([b"too early"]),
                lambda end=end: end.write_into(b"too early", bytearray(100)),
                end.read,
                lambda end=end: end.read_into(bytearray(10)),
                lambda end=end: end.send_to(1, b"too early", 0),
                lambda end=end: end.read_from(0, bytearray(10), 0),
                end.update_keys,
                lambda end=end: end.export_keying_material("label", b"", 16),
                end.channel_binding,
            ):
                assert type(failure(call)) is errors.HandshakeNotComplete
            assert not end.authenticated
            assert end.peer_identity is None
    assert client.handshake_complete
    assert server.handshake_complete


def test_application_data_in_the_clear_is_refused_at_every_step() -> None:
    plain = b"\x17\x03\x03\x00\x05hello"
    total = sum(1 for _ in steps(*fresh()))
    for stop in range(total):
        client, server = fresh()
        for number, _ in enumerate(steps(client, server)):
            if number == stop:
                break
        for end in (client, server):
            if not end.handshake_complete:
                error = failure(end.receive, plain)
                assert isinstance(error, (errors.UnexpectedMessage, errors.BadRecordMac)), (stop, end.role)
                assert failure(end.read) is error


@pytest.mark.parametrize("kind", [DATA, HANDSHAKE])
def test_application_data_under_handshake_keys_is_refused_by_the_client(kind: int) -> None:
    ends = logged(complete=False)
    carry(ends.client, ends.server)
    ends.client.receive(records_of(ends.server.data_to_send())[0])
    forger = ends.forger("SERVER_HANDSHAKE_TRAFFIC_SECRET")
    wire = forger.seal(b"\x08\0\0\x02", HANDSHAKE) if kind == HANDSHAKE else b""
    error = failure(ends.client.receive, wire + forger.seal(b"too early"))
    assert type(error) is errors.UnexpectedMessage
    assert failure(ends.client.read) is error


def test_application_data_before_the_clients_finished_is_refused_by_the_server() -> None:
    ends = logged(complete=False)
    carry(ends.client, ends.server)
    carry(ends.server, ends.client)
    # The client's own flight is thrown away: what comes instead is sealed with its keys.
    ends.client.data_to_send()
    error = failure(ends.server.receive, ends.forger("CLIENT_HANDSHAKE_TRAFFIC_SECRET").seal(b"no Finished"))
    assert type(error) is errors.UnexpectedMessage
    ends = logged(complete=False)
    carry(ends.client, ends.server)
    carry(ends.server, ends.client)
    ends.client.data_to_send()
    error = failure(ends.server.receive, ends.forger("CLIENT_TRAFFIC_SECRET_0").seal(b"no Finished"))
    assert type(error) is errors.BadRecordMac


def test_octets_behind_the_handshake_are_not_taken_for_data_before_verification() -> None:
    # A server that is not trusted sends its whole flight and data at once: the data must never come out.
    stranger = make_ca("Stranger")
    other = stranger.issue(NAME, usage="server")
    client = client_config().connection(NAME)
    raw = RawServer(other, client)
    raw.flight()
    raw.application.install_read(raw.layer)
    raw.layer._open()
    raw.layer.write(b"from a stranger")
    error = failure(client.receive, raw.wire())
    assert isinstance(error, errors.UnknownCa)
    assert failure(client.read) is error
    assert not client.authenticated


def test_data_behind_a_client_flight_that_is_refused_never_comes_out() -> None:
    server = mutual_server_config().connection()
    raw = RawClient()
    server.receive(raw.hello().wire())
    raw.take_flight(server.data_to_send())
    raw.certificate(chain=()).finished().complete()
    raw.layer.write(b"from nobody")
    error = failure(server.receive, raw.wire())
    assert isinstance(error, errors.CertificateRequired)
    assert failure(server.read) is error


def test_wrong_finished_is_refused_and_opens_nothing() -> None:
    client = client_config().connection(NAME)
    raw = RawServer(issued(), client)
    raw.hello().encrypted_extensions().certificate().certificate_verify().finished(bytes(32))
    assert isinstance(failure(client.receive, raw.wire()), errors.DecryptError)
    assert not client.handshake_complete
    server = server_config().connection()
    hostile = RawClient()
    server.receive(hostile.hello().wire())
    hostile.take_flight(server.data_to_send())
    hostile.finished(bytes(32)).complete()
    hostile.layer.write(b"data")
    error = failure(server.receive, hostile.wire())
    assert isinstance(error, errors.DecryptError)
    assert failure(server.read) is error


def test_authenticated_says_who_was_verified() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", danger.UnauthenticatedTlsWarning)
        anybody = ClientConfig.encryption_only(danger.accept_any_peer("test"), groups=("x25519",))
        no_name = ClientConfig(authentication=danger.skip_name_check(trust(), "test"), groups=("x25519",))
        nobody = ServerConfig.encryption_only(danger.accept_any_peer("test"))
    for client_side, server_side, name, client_knows, server_knows in (
        (client_config(), server_config(), NAME, True, False),
        (mutual_client_config(), mutual_server_config(), NAME, True, True),
        (mutual_client_config(), server_config(), NAME, True, False),
        (
            client_config(),
            ServerConfig.mutual(identity(), client_trust=trust(), client_auth="optional"),
            NAME,
            True,
            False,
        ),
        (anybody, server_config(), NAME, False, False),
        (anybody, server_config(), None, False, False),
        (anybody, nobody, None, False, False),
        (no_name, server_config(), None, False, False),
    ):
        client, server = pair(client_side, server_side, name)
        assert (client.authenticated, server.authenticated) == (client_knows, server_knows)
        for end, known in ((client, client_knows), (server, server_knows)):
            (completed,) = end.events()
            assert completed.authenticated is known


def test_accept_any_peer_still_demands_the_signature_and_the_finished() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", danger.UnauthenticatedTlsWarning)
        anybody = ClientConfig.encryption_only(danger.accept_any_peer("test"), groups=("x25519",))
    client = anybody.connection()
    raw = RawServer(issued(), client)
    raw.hello().encrypted_extensions().certificate().certificate_verify(role="client").finished()
    assert isinstance(failure(client.receive, raw.wire()), errors.DecryptError)


def test_authenticated_cannot_be_set_and_comes_from_the_proof_alone() -> None:
    client, _ = fresh()
    for name in ("authenticated", "handshake_complete", "peer_identity", "peer_chain", "error"):
        with pytest.raises(AttributeError):
            setattr(client, name, True)
    with pytest.raises(AttributeError):
        client.anything = 1  # type: ignore[attr-defined]
    assert "peer" in inspect.signature(Outcome).parameters or "peer" in Outcome._fields
    assert list(inspect.signature(Output.open).parameters) == ["self", "peer", "finished"]


def test_record_layer_itself_does_not_open_without_application_keys() -> None:
    layer = _core.RecordLayer(True)
    with pytest.raises(RuntimeError):
        layer._open()
    with pytest.raises(RuntimeError):
        layer.write(b"x")
    client, _ = fresh()
    assert isinstance(failure(client._open), errors.InternalError)


def test_wrong_name_and_wrong_trust_are_never_complete() -> None:
    for config, name, expected in (
        (client_config(), "other.example", errors.BadCertificate),
        (ClientConfig.simple(TrustStore.from_bytes(make_ca("Other").pem)), NAME, errors.UnknownCa),
    ):
        client, server = config.connection(name), server_config().connection()
        error = failure(pump, client, server)
        assert isinstance(error, errors.AlertError)
        assert client.error is not None
        assert isinstance(client.error, (expected, errors.CertificateUnknown))
        assert not client.authenticated
        assert not server.handshake_complete
