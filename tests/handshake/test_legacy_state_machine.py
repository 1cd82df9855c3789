"""Every pair of a state of the legacy tier and a message that is not in its table: unexpected_message, and the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.legacy import client, issued, server, tier
from tests.support.peers import failure
from tests.support.peers_legacy import RSA_CBC, TLS12, RawLegacyClient, RawLegacyServer
from tests.support.standing import NAME
from tlscore import errors
from tlscore.handshake import legacy_client, legacy_server, machine
from tlscore.handshake.machine import TRANSITIONS, State
from tlscore.iana import HandshakeType
from tlscore.wire import (
    Certificate12,
    CertificateStatus12,
    ClientHello,
    Extensions,
    Finished12,
    HelloRequest,
    NewSessionTicket12,
    ServerHello12,
    ServerHelloDone,
    StatusRequestServerHello,
)
from tlscore.wire.messages_legacy import (
    CertificateRequestBody,
    CertificateVerifyBody,
    ClientKeyExchangeBody,
    ServerKeyExchangeBody,
)

ECDHE_CBC = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
BOTH = tier(versions=("1.1", "1.2"), suites=(RSA_CBC, ECDHE_CBC))
Built = tuple[Any, Any]


def client_state(name: str, *steps: Callable[[Any], Any], end: str | None = None, version: int = TLS12 - 1) -> Any:
    def build() -> Built:
        end_ = client(BOTH, "rsa2048").connection(NAME)
        raw = RawLegacyServer(end_, version, name)
        for step in steps:
            step(raw)
        end_.receive(raw.wire())
        if end is not None:
            raw.take_flight(end_.data_to_send())
            if end == "connected":
                raw.change().finished()
                raw.layer._open()
                end_.receive(raw.wire())
                end_.events()
        return end_, raw

    return build


def server_state(mutual: bool, *steps: Callable[[Any], Any], end: str | None = None) -> Any:
    def build() -> Built:
        end_ = server(BOTH, "rsa2048", mutual).connection()
        raw = RawLegacyClient(identity=issued("p256"))
        end_.receive(raw.hello().wire())
        raw.take_flight(end_.data_to_send())
        for step in steps:
            step(raw)
        end_.receive(raw.wire())
        if end == "connected":
            raw.complete(end_.data_to_send())
            end_.events()
        return end_, raw

    return build


def promise(raw: Any) -> None:
    """A ServerHello that promises an OCSP response."""
    raw.hello(raw.hello_message(StatusRequestServerHello()))


def started() -> Built:
    end = client(BOTH).connection(NAME)
    return end, RawLegacyServer(end)


def waiting() -> Built:
    return server(BOTH, "rsa2048").connection(), RawLegacyClient()


HELLO, CERTIFICATE = RawLegacyServer.hello, RawLegacyServer.certificate
BUILDERS: dict[str, Callable[[], Built]] = {
    "ExpectLegacyServerHello": started,
    "ExpectLegacyCertificate": client_state(RSA_CBC, HELLO),
    "ExpectLegacyCertificateStatus": client_state(RSA_CBC, promise, CERTIFICATE),
    "ExpectLegacyKeyExchange": client_state(ECDHE_CBC, HELLO, CERTIFICATE),
    "ExpectLegacyDoneOrRequest": client_state(RSA_CBC, HELLO, CERTIFICATE),
    "ExpectLegacyDone": client_state(RSA_CBC, HELLO, CERTIFICATE, RawLegacyServer.request),
    "ExpectLegacyFinished": client_state(RSA_CBC, RawLegacyServer.flight, end="waits"),
    "LegacyClientConnected": client_state(RSA_CBC, RawLegacyServer.flight, end="connected"),
    "ExpectLegacyClientHello": waiting,
    "ExpectLegacyClientCertificate": server_state(True),
    "ExpectLegacyClientKeyExchange": server_state(False),
    "ExpectLegacyClientCertificateVerify": server_state(
        True, RawLegacyClient.certificate, RawLegacyClient.key_exchange
    ),
    "ExpectLegacyClientFinished": server_state(False, RawLegacyClient.key_exchange),
    "LegacyServerConnected": server_state(False, RawLegacyClient.flight, end="connected"),
}
SAMPLES: dict[Any, Any] = {
    HelloRequest: HelloRequest(),
    ClientHello: RawLegacyClient().hello_message(),
    ServerHello12: ServerHello12(0x0302, bytes(32), b"", 0x002F, 0, Extensions()),
    NewSessionTicket12: NewSessionTicket12(1, b"t"),
    Certificate12: Certificate12((b"c",)),
    CertificateStatus12: CertificateStatus12(1, b"r"),
    ServerKeyExchangeBody: ServerKeyExchangeBody(b"\x03\x00\x1d\x20" + bytes(32)),
    CertificateRequestBody: CertificateRequestBody(b"\x01\x01\x00\x00"),
    ServerHelloDone: ServerHelloDone(),
    CertificateVerifyBody: CertificateVerifyBody(b"\x00\x01s"),
    ClientKeyExchangeBody: ClientKeyExchangeBody(b"\x00\x01s"),
    Finished12: Finished12(bytes(12)),
    "encrypted_extensions": bytes((HandshakeType.encrypted_extensions, 0, 0, 2, 0, 0)),
    "key_update": bytes((HandshakeType.key_update, 0, 0, 1, 0)),
    "unknown": bytes((99, 0, 0, 1, 0)),
    "high bit": bytes((0x80, 0, 0, 1, 0)),
}
# A broken promise of a staple is fine, but RSA key exchange has no ServerKeyExchange, whatever the table says.
UNSPOKEN = {("ExpectLegacyCertificateStatus", ServerKeyExchangeBody)}


def in_table(state: str, kind: Any) -> bool:
    return any(owner.__name__ == state and message is kind for owner, message in TRANSITIONS)


def legacy_states() -> set[type[State]]:
    own = (legacy_client.LegacyClientState, legacy_server.LegacyServerState)
    return {state for state in machine.states() if issubclass(state, own)}


def test_graph_has_no_fault() -> None:
    assert machine.faults() == []


def test_every_state_has_a_builder() -> None:
    assert {state.__name__ for state in legacy_states()} == set(BUILDERS)


def test_nothing_leads_from_other_states_into_the_tier() -> None:
    """A configuration without the tier cannot reach it: its states are an island."""
    own = legacy_states()
    for (state, _), targets in machine.TARGETS.items():
        assert (state in own) is all(target in own for target in targets)


def test_every_way_to_a_connected_state_passes_finished_and_what_proves_the_server() -> None:
    """With a signed share, or with RSA, the certificate comes first; only an anonymous server has none."""

    def paths(state: type[State], seen: tuple[Any, ...]) -> Any:
        if state.terminal:
            yield seen
            return
        for (owner, message), targets in machine.TARGETS.items():
            if owner is state:
                for target in targets:
                    yield from paths(target, (*seen, message))

    for initial in (state for state in legacy_states() if state.initial):
        found = list(paths(initial, ()))
        assert found
        for path in found:
            assert path[-1] is Finished12
            if initial.role == "client":
                # Without a certificate there is a share, which only encryption-only configurations take unsigned.
                assert Certificate12 in path or ServerKeyExchangeBody in path
                if Certificate12 in path and ServerKeyExchangeBody in path:
                    assert path.index(Certificate12) < path.index(ServerKeyExchangeBody)
            else:
                assert ClientKeyExchangeBody in path
                # The table alone lets a proof follow a missing certificate; the handlers, tested elsewhere, do not.
                if CertificateVerifyBody in path and Certificate12 in path:
                    assert path.index(Certificate12) + 2 == path.index(CertificateVerifyBody)


@pytest.mark.parametrize("state", BUILDERS)
def test_builder_reaches_its_state(state: str) -> None:
    connection, _ = BUILDERS[state]()
    assert type(connection._state).__name__ == state


NEGOTIATING = {name for name in BUILDERS if name.startswith("Expect") and "Client" not in name.removeprefix("Expect")}
PAIRS = [
    (state, kind)
    for state in BUILDERS
    for kind in SAMPLES
    if (not in_table(state, kind) or (state, kind) in UNSPOKEN)
    # RFC 5246 7.4.1.1: a client that is negotiating ignores HelloRequest.
    and not (kind is HelloRequest and state in NEGOTIATING)
]


@pytest.mark.parametrize(
    ("state", "kind"), PAIRS, ids=lambda value: value if isinstance(value, str) else value.__name__
)
def test_message_out_of_turn_is_unexpected(state: str, kind: Any) -> None:
    """Row 46 of the attacks (SMACK, SKIP), row 6 (FREAK): no message may be skipped, doubled or slipped in."""
    connection, raw = BUILDERS[state]()
    if state == "ExpectLegacyFinished":
        raw.change()
    raw.send(SAMPLES[kind])

    def deliver() -> None:
        connection.receive(raw.wire())
        connection.events()

    error = failure(deliver)
    assert type(error) is errors.UnexpectedMessage, error
    assert 1 <= error.stage <= 22
    assert connection.error is error
    assert not connection.handshake_complete


@pytest.mark.parametrize("state", sorted(NEGOTIATING))
def test_hello_request_is_ignored_while_the_client_negotiates(state: str) -> None:
    connection, raw = BUILDERS[state]()
    raw.send(HelloRequest(), hidden=True)
    connection.receive(raw.wire())
    assert type(connection._state).__name__ == state


@pytest.mark.parametrize("state", [name for name in BUILDERS if "Finished" not in name])
def test_change_cipher_spec_has_one_place(state: str) -> None:
    """Row 45 of the attacks (CVE-2014-0224): before the keys are known, and after Finished, there is none."""
    connection, raw = BUILDERS[state]()
    if "Connected" in state:
        raw.layer._send_change_cipher_spec()
        wire = raw.wire()
    else:
        wire = b"\x14\x03\x02\x00\x01\x01"

    def deliver() -> None:
        connection.receive(wire)
        connection.events()

    error = failure(deliver)
    assert type(error) in (errors.UnexpectedMessage, errors.BadRecordMac), error
