"""What functions of the caller's may do beside their answer: raise errors of other connections, end their own one, give
odd coroutines, at once or later. The connection that asked has one typed end, and keeps nothing live behind it."""

import asyncio
import collections.abc
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.certificates import Authority, Issued
from tests.support.peers import failure, pump
from tests.support.waiting import CASES, Case, Material, Signer, reach
from tlscore import ClientConfig, Identity, Limits, ServerConfig, TrustStore, errors
from tlscore.connection import Connection
from tlscore.handshake import machine
from tlscore.handshake.machine import Closed

NAME = "example.org"
EXPECTED: dict[str, tuple[type[errors.AlertError], str]] = {
    "Identity": (errors.HandshakeFailure, "TLS-RESOLVER_FAILED"),
    "Signature": (errors.GeneralError, "TLS-SIGNER_FAILED"),
    "Authorization": (errors.AccessDenied, "TLS-AUTHORIZE_FAILED"),
}


@pytest.fixture(scope="module")
def material(trust: TrustStore, issued: Issued, client_issued: Issued) -> Material:
    return Material(trust, issued, client_issued)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, material: Material) -> Case:
    made: Case = CASES[request.param](material)
    return made


def expected_of(case: Case) -> tuple[type[errors.AlertError], str]:
    return next(found for name, found in EXPECTED.items() if name in case.state)


def raising(error: BaseException) -> Callable[..., Any]:
    def answer(*arguments: Any) -> Any:
        raise error

    return answer


def is_dead(connection: Connection, error: Any) -> bool:
    """Closed for good, with nothing of the handshake in it."""
    assert connection.error is error
    assert type(connection._state) is Closed
    assert connection.waiting is None
    assert not connection.authenticated
    return not connection.handshake_complete


# -- errors of other connections ---------------------------------------------------------------------------------------


@pytest.fixture
def foreign(identity: Identity, other_authority: Authority) -> tuple[Connection, Any, Any]:
    """A server whose client refuses it: the server's connection, its error, which the peer sent, and the client's."""
    server = ServerConfig.simple(identity).connection()
    client = ClientConfig.simple(TrustStore.from_bytes(other_authority.pem)).connection(NAME)
    own = failure(pump, client, server)
    return server, failure(server.receive, client.data_to_send()), own


@pytest.mark.parametrize("which", ["received", "sent"])
def test_error_of_another_connection_is_a_failure_like_any_other(
    which: str, case: Case, foreign: tuple[Connection, Any, Any]
) -> None:
    other, received, sent = foreign
    error = received if which == "received" else sent
    before = (error.sender, error.alert_sent, error.alert_received, error.state, error.trace)
    waiter, _ = reach(case)
    case.slow.answer = raising(error)
    kind, code = expected_of(case)
    ended = failure(asyncio.run, waiter.settle())
    assert (type(ended), ended.code, ended.sender) == (kind, code, "us")
    assert ended.alert_sent == kind.alert
    assert ended.__cause__ is error
    assert (error.sender, error.alert_sent, error.alert_received, error.state, error.trace) == before
    assert other.error is received
    assert is_dead(waiter, ended)


def test_error_of_another_connection_is_told_at_once_too(
    material: Material, foreign: tuple[Connection, Any, Any]
) -> None:
    _, error, _ = foreign
    signing = Identity.from_signer(material.issued.chain, Signer(material.issued.key, raising(error)))
    cases: list[tuple[str, ServerConfig]] = [
        ("Identity", ServerConfig(resolver=raising(error))),
        ("Signature", ServerConfig.simple(signing)),
        (
            "Authorization",
            ServerConfig.mutual(material.identity, client_trust=material.trust, authorize=raising(error)),
        ),
    ]
    for name, config in cases:
        server = config.connection()
        client = ClientConfig.mutual(material.trust, identity=material.client_identity).connection(NAME)
        ended = failure(pump, client, server)
        assert (type(ended), ended.code) == EXPECTED[name]
        assert ended.__cause__ is error


def test_fresh_error_of_an_alert_is_sent_as_it_is(case: Case) -> None:
    waiter, _ = reach(case)
    own, answer = errors.InsufficientSecurity("not this one"), case.slow.answer
    case.slow.answer = raising(own)
    assert failure(asyncio.run, waiter.settle()) is own
    assert own.alert_sent == own.alert
    # The same object once more is an error of that connection by now.
    case.slow.answer = answer
    waiter, _ = reach(case)
    case.slow.answer = raising(own)
    again = failure(asyncio.run, waiter.settle())
    assert (type(again), again.code) == expected_of(case)


# -- the end of the connection, meanwhile ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["abort", "close"])
def test_connection_that_ends_between_answer_and_state_keeps_no_state(
    how: str, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread ends it when the handler has given the next state, and before that is entered."""
    waiter, _ = reach(case)
    resume = machine.resume

    def resumed(*given: Any) -> Any:
        state = resume(*given)
        other = threading.Thread(target=getattr(waiter, how))
        other.start()
        other.join()
        return state

    monkeypatch.setattr(machine, "resume", resumed)
    error = failure(asyncio.run, waiter.settle())
    assert isinstance(error, errors.ConnectionClosedError)
    assert is_dead(waiter, error)


@pytest.mark.parametrize("point", [0, 1, 2])
def test_abort_at_every_point_of_the_step_into_a_state(point: int, case: Case) -> None:
    """Before each line of the step, and behind the last: whatever order it has, no state outlives the end."""
    waiter, _ = reach(case)
    passed: list[str] = []

    def inside(frame: Any, event: str, argument: Any) -> Any:
        passed.append(event)
        if len(passed) == point + 1:
            other = threading.Thread(target=waiter.abort)
            other.start()
            other.join()
        return inside

    before = sys.gettrace()
    sys.settrace(lambda frame, *given: inside if frame.f_code is Connection._enter.__code__ else None)
    try:
        error = failure(asyncio.run, waiter.settle())
    finally:
        sys.settrace(before)
    assert passed[: point + 1] == ["line", "line", "return"][: point + 1]
    assert isinstance(error, errors.ConnectionClosedError)
    assert is_dead(waiter, error)


@pytest.mark.parametrize("how", ["abort", "close"])
@pytest.mark.parametrize("versions", ["1.3", "1.2"])
@pytest.mark.parametrize("place", ["authorize", "resolver", "signer", "client signer", "client authorize"])
def test_callback_that_ends_its_own_connection(place: str, versions: str, how: str, material: Material) -> None:
    ends: dict[str, Connection] = {}
    mine = "client" if place.startswith("client") else "server"

    def answer(*given: Any) -> Any:
        getattr(ends[mine], how)()
        return {"resolver": material.identity}.get(place, True)

    def sign(scheme: int, data: bytes) -> bytes:
        answer()
        return Signer(of.key).signature(scheme, data)

    of = material.client_issued if mine == "client" else material.issued
    signing = Identity.from_signer(of.chain, Signer(of.key, sign))
    client = ClientConfig.mutual(
        material.trust,
        identity=signing if place == "client signer" else material.client_identity,
        authorize=answer if place == "client authorize" else None,
        versions=versions,
        groups=("x25519", "secp256r1"),
    )
    server = ServerConfig.mutual(
        signing if place == "signer" else material.identity,
        client_trust=material.trust,
        authorize=answer if place == "authorize" else None,
        resolver=answer if place == "resolver" else None,
    )
    ends |= {"client": client.connection(NAME), "server": server.connection()}
    error = failure(pump, ends["client"], ends["server"])
    assert isinstance(error, errors.ConnectionClosedError)
    assert is_dead(ends[mine], error)


# -- coroutines --------------------------------------------------------------------------------------------------------


class Odd(collections.abc.Coroutine[Any, Any, bool]):
    """A coroutine that does something when it is closed."""

    def __init__(self, closing: Callable[[], Any]) -> None:
        self.closing = closing

    def send(self, value: Any) -> Any:
        raise StopIteration(True)

    def throw(self, *given: Any) -> Any:
        raise given[0]

    def close(self) -> None:
        self.closing()

    def __await__(self) -> Any:
        return iter(())


@pytest.mark.parametrize("closing", ["interrupts", "aborts"])
def test_coroutine_that_is_closed_cannot_stop_the_end_halfway(closing: str, material: Material) -> None:
    made: list[Connection] = []

    def close() -> None:
        if closing == "interrupts":
            raise KeyboardInterrupt
        made[0].abort()

    config = ServerConfig.mutual(material.identity, client_trust=material.trust, authorize=lambda peer: Odd(close))
    server = config.connection()
    made.append(server)
    client = ClientConfig.mutual(material.trust, identity=material.client_identity).connection(NAME)
    pump(client, server)
    assert server.waiting is not None
    server.abort()
    error = server.error
    assert isinstance(error, errors.ConnectionClosedError)
    assert is_dead(server, error)
    assert failure(asyncio.run, server.settle()) is error


# -- the bound of what is held -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["AwaitIdentity", "AwaitIdentity12", "AwaitSignature", "AwaitSignature12"])
def test_what_comes_with_the_message_that_waits_is_bounded_too(state: str, material: Material) -> None:
    """All in one call: the ClientHello after which the handshake waits, and what lies behind it."""
    held = Limits().held
    behind = b"\x16\x03\x03\x40\x00" + bytes(held)
    client, server = CASES[state](material).start()
    server.receive(client.data_to_send() + behind[:held])
    assert server.waiting is not None
    client, server = CASES[state](material).start()
    error = failure(server.receive, client.data_to_send() + behind)
    assert (type(error), error.code, error.alert_sent) == (errors.GeneralError, "TLS-TOO_MUCH_HELD", 117)
    assert is_dead(server, error)
    assert server.buffered_wire == 0
