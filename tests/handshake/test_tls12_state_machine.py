"""Every pair of a state of TLS 1.2 and a message that is not in the table: unexpected_message, and the end."""

import pytest

from tests.support.peers import failure
from tests.support.peers12 import ALL_SCHEMES12, RawClient12, RawServer12
from tlscore import ClientConfig, ServerConfig, errors
from tlscore.handshake import machine
from tlscore.handshake.client12 import ClientState12
from tlscore.handshake.machine import TRANSITIONS
from tlscore.iana import HandshakeType, ProtocolVersion
from tlscore.wire import (
    Certificate12,
    CertificateRequest12,
    CertificateStatus12,
    CertificateVerify,
    ClientHello,
    ClientKeyExchange,
    Extensions,
    Finished12,
    HelloRequest,
    NewSessionTicket12,
    ServerHello12,
    ServerHelloDone,
    ServerKeyExchange,
    StatusRequestServerHello,
    encode,
)


class Room:
    def __init__(self, trust, identity, issued, client_identity, client_issued):
        self.issued, self.client_issued = issued, client_issued
        self.clients = ClientConfig.mutual(trust, identity=client_identity, versions="1.2")
        self.servers = ServerConfig.mutual(identity, client_trust=trust)
        self.plain_servers = ServerConfig.simple(identity)


@pytest.fixture(scope="module")
def room(trust, identity, issued, client_identity, client_issued):
    return Room(trust, identity, issued, client_identity, client_issued)


def client_state(*steps, end=None):
    def build(room):
        client = room.clients.connection("example.org")
        raw = RawServer12(room.issued, client)
        for step in steps:
            step(raw)
        client.receive(raw.wire())
        if end is not None:
            raw.take_flight(client.data_to_send())
            if end == "connected":
                raw.change().finished()
                raw.layer._open()
                client.receive(raw.wire())
                client.events()
        return client, raw

    return build


def server_state(config, *steps, end=None):
    def build(room):
        server = getattr(room, config).connection()
        raw = RawClient12(room.client_issued)
        server.receive(raw.hello().wire())
        raw.take_flight(server.data_to_send())
        for step in steps:
            step(raw)
        server.receive(raw.wire())
        if end == "connected":
            raw.complete(server.data_to_send())
            server.events()
        return server, raw

    return build


FLIGHT = (RawServer12.hello, RawServer12.certificate, RawServer12.key_exchange)


def promise(raw):
    """A ServerHello that promises an OCSP response."""
    raw.hello(raw.hello_message(StatusRequestServerHello()))


BUILDERS = {
    "ExpectCertificateStatus": client_state(promise, RawServer12.certificate),
    "ExpectCertificate12": client_state(RawServer12.hello),
    "ExpectServerKeyExchange": client_state(RawServer12.hello, RawServer12.certificate),
    "ExpectServerHelloDoneOrRequest": client_state(*FLIGHT),
    "ExpectServerHelloDone": client_state(*FLIGHT, RawServer12.request),
    "ExpectFinished12": client_state(*FLIGHT, RawServer12.done, end="waits"),
    "ClientConnected12": client_state(*FLIGHT, RawServer12.done, end="connected"),
    "ExpectClientCertificate12": server_state("servers"),
    "ExpectClientKeyExchange": server_state("plain_servers"),
    "ExpectClientCertificateVerify12": server_state("servers", RawClient12.certificate, RawClient12.key_exchange),
    "ExpectClientFinished12": server_state("plain_servers", RawClient12.key_exchange),
    "ServerConnected12": server_state("plain_servers", RawClient12.flight, end="connected"),
}

SAMPLES = {
    HelloRequest: HelloRequest(),
    ClientHello: RawClient12().hello_message(),
    ServerHello12: ServerHello12(0x0303, bytes(32), b"", 0xC02B, 0, Extensions()),
    NewSessionTicket12: NewSessionTicket12(1, b"t"),
    Certificate12: Certificate12((b"c",)),
    CertificateStatus12: CertificateStatus12(1, b"r"),
    ServerKeyExchange: ServerKeyExchange(3, 29, bytes(32), 0x0403, b"s"),
    CertificateRequest12: CertificateRequest12((64,), ALL_SCHEMES12, ()),
    ServerHelloDone: ServerHelloDone(),
    CertificateVerify: CertificateVerify(0x0403, b"signature"),
    ClientKeyExchange: ClientKeyExchange(bytes(32)),
    Finished12: Finished12(bytes(12)),
    "encrypted_extensions": bytes((HandshakeType.encrypted_extensions, 0, 0, 2, 0, 0)),
    "end_of_early_data": bytes((HandshakeType.end_of_early_data, 0, 0, 0)),
    "key_update": bytes((HandshakeType.key_update, 0, 0, 1, 0)),
    "message_hash": bytes((HandshakeType.message_hash, 0, 0, 1, 0)),
    "unknown": bytes((99, 0, 0, 1, 0)),
}


def in_table(state, kind):
    return any(owner.__name__ == state and message is kind for owner, message in TRANSITIONS)


def test_every_state_has_a_builder():
    """Those that wait are in test_waiting.py."""
    older = [state for state in machine.states() if state.version == ProtocolVersion.TLS12 and not state.waits]
    assert set(BUILDERS) == {state.__name__ for state in older}


@pytest.mark.parametrize("state", BUILDERS)
def test_builder_reaches_its_state(room, state):
    connection, _ = BUILDERS[state](room)
    assert type(connection._state).__name__ == state


# RFC 5246 7.4.1.1: a client that is negotiating ignores HelloRequest.
IGNORE_REQUESTS = [
    state.__name__ for state in ClientState12.__subclasses__() if state.__name__ in BUILDERS and state.ignored
]
PAIRS = [
    (state, kind)
    for state in BUILDERS
    for kind in SAMPLES
    if not in_table(state, kind) and not (kind is HelloRequest and state in IGNORE_REQUESTS)
]


@pytest.mark.parametrize("state", IGNORE_REQUESTS)
def test_hello_request_is_ignored_while_the_client_negotiates(room, state):
    client, raw = BUILDERS[state](room)
    # It stands in no transcript, so the handshake goes on as if nothing had come.
    raw.send(HelloRequest(), hidden=True)
    client.receive(raw.wire())
    assert type(client._state).__name__ == state
    missing = {
        "ExpectCertificate12": (RawServer12.certificate, RawServer12.key_exchange, RawServer12.done),
        "ExpectCertificateStatus": (RawServer12.key_exchange, RawServer12.done),
        "ExpectServerKeyExchange": (RawServer12.key_exchange, RawServer12.done),
        "ExpectServerHelloDoneOrRequest": (RawServer12.done,),
        "ExpectServerHelloDone": (RawServer12.done,),
        "ExpectFinished12": (),
    }[state]
    for step in missing:
        step(raw)
    client.receive(raw.wire())
    if missing:
        raw.take_flight(client.data_to_send())
    client.receive(raw.change().finished().wire())
    assert client.handshake_complete


@pytest.mark.parametrize(
    ("state", "kind"), PAIRS, ids=lambda value: value if isinstance(value, str) else value.__name__
)
def test_message_out_of_turn_is_unexpected(room, state, kind):
    connection, raw = BUILDERS[state](room)
    # The way to Finished leads through change_cipher_spec; there a message out of turn comes under the new keys too.
    if state == "ExpectFinished12":
        raw.change()
    raw.send(SAMPLES[kind])

    def deliver():
        connection.receive(raw.wire())
        connection.events()

    error = failure(deliver)
    assert type(error) is errors.UnexpectedMessage
    assert error.state == state
    assert 1 <= error.stage <= 22
    assert raw.alert(connection.data_to_send()) == 10
    assert not connection.handshake_complete
    for call in (connection.read, connection.events, connection.close, connection.eof, connection.update_keys):
        assert failure(call) is error


def test_message_of_the_other_version_is_told_from_ours(room):
    """A Certificate of TLS 1.3 in a handshake of TLS 1.2 is no Certificate."""
    from tlscore.wire import Certificate, CertificateEntry

    client, raw = BUILDERS["ExpectCertificate12"](room)
    raw.send(encode(Certificate(b"", (CertificateEntry(room.issued.chain_der[0], Extensions()),))))
    error = failure(client.receive, raw.wire())
    assert type(error) in (errors.DecodeError, errors.BadCertificate)


def test_unexpected_message_names_what_was_expected(room):
    client, raw = BUILDERS["ExpectServerHelloDoneOrRequest"](room)
    raw.send(Finished12(bytes(12)))
    error = failure(client.receive, raw.wire())
    assert "expected was CertificateRequest or ServerHelloDone" in str(error)


@pytest.mark.parametrize("state", [state for state in BUILDERS if "Connected" not in state])
def test_application_data_before_its_time_is_refused(room, state):
    connection, _raw = BUILDERS[state](room)
    assert type(failure(connection.write, b"early")) is errors.HandshakeNotComplete
    assert type(failure(connection.read)) is errors.HandshakeNotComplete
    assert type(failure(connection.channel_binding)) is errors.HandshakeNotComplete
    assert connection.error is None
    error = failure(connection.receive, b"\x17\x03\x03\x00\x20" + bytes(32))
    assert type(error) is errors.UnexpectedMessage


@pytest.mark.parametrize("state", BUILDERS)
def test_change_cipher_spec_passes_only_where_the_keys_are_known(room, state):
    connection, _raw = BUILDERS[state](room)

    def deliver():
        connection.receive(b"\x14\x03\x03\x00\x01\x01")
        connection.events()

    if state in ("ExpectFinished12", "ExpectClientFinished12"):
        deliver()
        assert connection.error is None
        assert not connection.handshake_complete
    else:
        expected = errors.BadRecordMac if "Connected" in state else errors.UnexpectedMessage
        assert type(failure(deliver)) is expected
