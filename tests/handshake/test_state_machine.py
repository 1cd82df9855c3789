"""The table of states and messages: its graph, and every pair of a state and a message that is not in it."""

import pytest

from tests.support.peers import ALL_SCHEMES, RawClient, RawServer, failure
from tlscore import ClientConfig, ServerConfig, errors
from tlscore.handshake import machine
from tlscore.handshake.machine import RESUMPTIONS, TARGETS, TRANSITIONS, Settled, State, resumption, transition
from tlscore.iana import HandshakeType, NamedGroup, ProtocolVersion
from tlscore.wire import (
    Certificate,
    Certificate12,
    CertificateRequest,
    CertificateStatus12,
    CertificateVerify,
    ClientHello,
    ClientKeyExchange,
    EncryptedExtensions,
    EndOfEarlyData,
    Extensions,
    Finished,
    Finished12,
    HelloRetryRequest,
    KeyUpdate,
    MessageHash,
    NewSessionTicket,
    PostHandshakeAuth,
    ServerHello,
    ServerKeyExchange,
    SignatureAlgorithms,
    encode,
)

# -- the graph ---------------------------------------------------------------------------------------------------------


def test_graph_has_no_faults():
    import tlscore.connection  # noqa: F401  # fills the table

    assert machine.faults() == []


def default_states():
    """Those that a configuration without the legacy tier can reach; tests of that tier may have loaded its own."""
    return [state for state in machine.states() if state.version in (ProtocolVersion.TLS13, ProtocolVersion.TLS12)]


def test_only_connected_states_stay():
    terminal = {state.__name__ for state in default_states() if state.terminal}
    assert terminal == {"ClientConnected", "ServerConnected", "ClientConnected12", "ServerConnected12"}


def test_every_way_to_a_connected_state_passes_certificate_verify_and_finished():
    """On a client, no path may miss a check; on a server, none may miss Finished."""

    def paths(state, seen):
        if state.terminal:
            yield seen
            return
        for (owner, message), targets in TARGETS.items():
            if owner is state:
                # What was waited for is no message: the order of these is the same with and without.
                for target in targets:
                    yield from paths(target, seen if message is Settled else (*seen, message))

    for initial in (state for state in default_states() if state.initial):
        found = list(paths(initial, ()))
        assert found
        for path in found:
            assert path[-1] in (Finished, Finished12)
            older = path[-1] is Finished12
            if older and initial.role == "client":
                after = 2 if CertificateStatus12 in path else 1
                assert path.index(Certificate12) + after == path.index(ServerKeyExchange)
            elif older:
                assert ClientKeyExchange in path
                if Certificate12 in path and CertificateVerify in path:
                    assert path.index(Certificate12) + 2 == path.index(CertificateVerify)
            elif initial.role == "client":
                assert CertificateVerify in path
                assert Certificate in path
                assert path.index(Certificate) < path.index(CertificateVerify)
            elif Certificate in path and CertificateVerify in path:
                assert path.index(Certificate) + 1 == path.index(CertificateVerify)


def test_faults_are_found():
    class Lost(State):
        role, stage = "client", 1

    class Stuck(State):
        role, stage, initial = "client", 1, True

    problems = machine.faults((Lost, Stuck))
    assert "Lost is never reached" in problems
    assert "Stuck is a dead end" in problems


def test_two_handlers_for_one_pair_are_refused():
    (state, message), handler = next(iter(TRANSITIONS.items()))

    def again(state, message, out): ...

    again.__annotations__ = {"state": state, "message": message, "out": object, "return": state}
    with pytest.raises(TypeError, match="two handlers"):
        transition(again)
    assert TRANSITIONS[state, message] is handler


def test_two_handlers_for_one_waiting_state_are_refused():
    state, handler = next(iter(RESUMPTIONS.items()))

    def again(state, answer, out): ...

    again.__annotations__ = {"state": state, "answer": object, "out": object, "return": state}
    with pytest.raises(TypeError, match="two handlers"):
        resumption(again)
    assert RESUMPTIONS[state] is handler


def test_states_that_wait_take_no_message():
    waiting = [state for state in machine.states() if state.waits]
    assert set(waiting) == set(RESUMPTIONS)
    assert not [owner for owner, _ in TRANSITIONS if owner in waiting]


def test_diagram_names_every_transition():
    text = machine.diagram()
    assert text.startswith("stateDiagram-v2")
    assert "ExpectServerHello --> ExpectEncryptedExtensions: ServerHello" in text
    assert text.count("-->") == sum(len(targets) for targets in TARGETS.values())


# -- every pair --------------------------------------------------------------------------------------------------------

P256 = NamedGroup.secp256r1


class Room:
    """What the builders need to bring a real connection into a state."""

    def __init__(self, trust, identity, issued, client_identity, client_issued):
        self.issued, self.client_issued = issued, client_issued
        self.clients = ClientConfig.mutual(
            trust,
            identity=client_identity,
            groups=("x25519", "secp256r1"),
            key_shares=("x25519",),
            post_handshake_auth=True,
        )
        self.servers = ServerConfig.mutual(identity, client_trust=trust)
        self.plain_servers = ServerConfig.simple(identity)
        self.late_servers = ServerConfig.simple(identity, client_auth="post_handshake", client_trust=trust)
        self.retry_servers = ServerConfig.simple(identity, groups=("secp256r1",))


@pytest.fixture(scope="module")
def room(trust, identity, issued, client_identity, client_issued):
    return Room(trust, identity, issued, client_identity, client_issued)


def client_state(*steps):
    def build(room):
        client = room.clients.connection("example.org")
        raw = RawServer(room.issued, client)
        for step in steps:
            step(raw)
        client.receive(raw.wire())
        if raw.schedule is not None and hasattr(raw, "application"):
            raw.complete(client.data_to_send())
        return client, raw

    return build


def ask(raw):
    raw.send(CertificateRequest(b"", Extensions([SignatureAlgorithms(ALL_SCHEMES)])))


def again(raw):
    raw.retry()


def server_state(config, *values, steps=(), requests=0):
    def build(room):
        server = getattr(room, config).connection()
        raw = RawClient(room.client_issued, groups=(NamedGroup.x25519, P256))
        raw.hello(raw.hello_message(*values))
        server.receive(raw.wire())
        if config == "retry_servers":
            return server, raw
        raw.take_flight(server.data_to_send())
        for step in steps:
            step(raw)
        server.receive(raw.wire())
        if server.handshake_complete:
            raw.complete()
            server.events()
        contexts = [server.request_client_certificate() for _ in range(requests)]
        if contexts:
            raw.feed(server.data_to_send())
            raw.pull()
            raw.certificate(context=contexts[0])
            if requests > 1:
                raw.certificate_verify()
            server.receive(raw.wire())
            server.events()
        return server, raw

    return build


def first_hello(room):
    return room.plain_servers.connection(), RawClient(groups=(NamedGroup.x25519, P256))


BUILDERS = {
    "ExpectServerHello": client_state(),
    "ExpectServerHelloAfterRetry": client_state(again),
    "ExpectEncryptedExtensions": client_state(RawServer.hello),
    "ExpectCertificateOrRequest": client_state(RawServer.hello, RawServer.encrypted_extensions),
    "ExpectCertificate": client_state(RawServer.hello, RawServer.encrypted_extensions, ask),
    "ExpectCertificateVerify": client_state(RawServer.hello, RawServer.encrypted_extensions, RawServer.certificate),
    "ExpectFinished": client_state(
        RawServer.hello, RawServer.encrypted_extensions, RawServer.certificate, RawServer.certificate_verify
    ),
    "ClientConnected": client_state(RawServer.flight),
    "ExpectClientHello": first_hello,
    "ExpectSecondClientHello": server_state("retry_servers"),
    "ExpectClientCertificate": server_state("servers"),
    "ExpectClientCertificateVerify": server_state("servers", steps=(RawClient.certificate,)),
    "ExpectClientFinished": server_state("plain_servers"),
    "ServerConnected": server_state("plain_servers", steps=(RawClient.finished,)),
    "ExpectLateCertificateVerify": server_state(
        "late_servers", PostHandshakeAuth(), steps=(RawClient.finished,), requests=1
    ),
    "ExpectLateFinished": server_state("late_servers", PostHandshakeAuth(), steps=(RawClient.finished,), requests=2),
}

SAMPLES = {
    ClientHello: lambda raw: RawClient().hello_message(),
    ServerHello: lambda raw: ServerHello(0x0303, bytes(32), b"", 0x1301, 0, Extensions()),
    HelloRetryRequest: lambda raw: RawServer.retry_message(_AnyHello()),
    NewSessionTicket: lambda raw: NewSessionTicket(1, 1, b"n", b"t", Extensions()),
    EndOfEarlyData: lambda raw: EndOfEarlyData(),
    EncryptedExtensions: lambda raw: EncryptedExtensions(Extensions()),
    CertificateRequest: lambda raw: CertificateRequest(b"c", Extensions([SignatureAlgorithms(ALL_SCHEMES)])),
    Certificate: lambda raw: Certificate(b"", ()),
    CertificateVerify: lambda raw: CertificateVerify(0x0403, b"signature"),
    Finished: lambda raw: Finished(bytes(32)),
    KeyUpdate: lambda raw: KeyUpdate(0),
    MessageHash: lambda raw: MessageHash(bytes(32)),
    "hello_request": lambda raw: bytes((HandshakeType.hello_request, 0, 0, 0)),
    "server_key_exchange": lambda raw: bytes((HandshakeType.server_key_exchange, 0, 0, 1, 0)),
    "compressed_certificate": lambda raw: bytes((HandshakeType.compressed_certificate, 0, 0, 1, 0)),
    "unknown": lambda raw: bytes((99, 0, 0, 1, 0)),
}


class _AnyHello:
    class client_hello:
        legacy_session_id = b""

    suite = 0x1301


def in_table(state, kind):
    return any(owner.__name__ == state and message is kind for owner, message in TRANSITIONS)


def test_every_state_has_a_builder():
    """Those of TLS 1.2 are in test_tls12_state_machine.py, those that wait in test_waiting.py."""
    newer = [state for state in machine.states() if state.version == ProtocolVersion.TLS13 and not state.waits]
    assert set(BUILDERS) == {state.__name__ for state in newer}


@pytest.mark.parametrize("state", BUILDERS)
def test_builder_reaches_its_state(room, state):
    connection, _ = BUILDERS[state](room)
    assert type(connection._state).__name__ == state


# KeyUpdate after the handshake belongs to the record layer.
_BY_RECORD_LAYER = {"ClientConnected", "ServerConnected", "ExpectLateCertificateVerify", "ExpectLateFinished"}
PAIRS = [
    (state, kind)
    for state in BUILDERS
    for kind in SAMPLES
    if not (isinstance(kind, type) and in_table(state, kind)) and not (kind is KeyUpdate and state in _BY_RECORD_LAYER)
]


@pytest.mark.parametrize(
    ("state", "kind"), PAIRS, ids=lambda value: value if isinstance(value, str) else value.__name__
)
def test_message_out_of_turn_is_unexpected(room, state, kind):
    connection, raw = BUILDERS[state](room)
    message = SAMPLES[kind](raw)
    raw.send(message if isinstance(message, bytes) else encode(message))

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


def test_unexpected_message_names_what_was_expected(room):
    client, raw = BUILDERS["ExpectCertificateOrRequest"](room)
    raw.send(Finished(bytes(32)))
    error = failure(client.receive, raw.wire())
    assert "CertificateRequest or Certificate" in str(error)
    assert "finished" in str(error)


@pytest.mark.parametrize("state", [state for state in BUILDERS if state not in ("ClientConnected", "ServerConnected")])
def test_application_data_before_its_time_is_refused(room, state):
    """No state but the connected ones lets data through, in either direction."""
    connection, _raw = BUILDERS[state](room)
    if "Late" in state:
        return
    assert type(failure(connection.write, b"early")) is errors.HandshakeNotComplete
    assert type(failure(connection.read)) is errors.HandshakeNotComplete
    assert type(failure(connection.channel_binding)) is errors.HandshakeNotComplete
    assert connection.error is None
    # A record of application data: in the clear, or under whatever keys the raw peer has.
    error = failure(connection.receive, b"\x17\x03\x03\x00\x20" + bytes(32))
    assert type(error) in (errors.UnexpectedMessage, errors.BadRecordMac)
