"""What goes wrong while a handshake waits: the peer, the caller, the answer. The end is typed, told, and whole."""

import asyncio
import gc
import os
import signal
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.certificates import Issued
from tests.support.peers import RawClient, failure, pump
from tests.support.waiting import CASES, Case, Material, Signer, Slow, finish, reach
from tlscore import ClientConfig, Identity, Limits, ServerConfig, TrustStore, errors
from tlscore.connection import Connection
from tlscore.handshake import machine
from tlscore.iana import NamedGroup
from tlscore.wire import Finished, encode

HELD_OCTETS = Limits().held


@pytest.fixture(scope="module")
def material(trust: TrustStore, issued: Issued, client_issued: Issued) -> Material:
    return Material(trust, issued, client_issued)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, material: Material) -> Case:
    made: Case = CASES[request.param](material)
    return made


def settled(connection: Connection) -> Any:
    """The error that settle() raises."""
    return failure(asyncio.run, connection.settle())


def noticed(connection: Connection) -> Any:
    """The error that settle() raises, or, where the handshake has all it needs, the next look at what was received."""
    try:
        asyncio.run(connection.settle())
    except errors.TlsError as error:
        return error
    assert connection.handshake_complete
    return failure(connection.events)


def hear(peer: Connection, wire: bytes) -> Any:
    """What becomes of a peer that receives this: its error, None where there is none."""
    try:
        peer.receive(wire)
        peer.events()
    except errors.TlsError as error:
        return error
    return None


def alert_of(error: Any, peer: Connection, waiter: Connection) -> int:
    """The alert that the peer of a failed connection receives."""
    assert waiter.error is error
    heard = hear(peer, waiter.data_to_send())
    assert heard.sender == "peer"
    assert heard.alert_received == error.alert_sent
    return int(heard.alert_received)


def hears_a_goodbye(peer: Connection, wire: bytes) -> bool:
    """Whether the peer learns that the handshake was canceled; one that is complete reads the end of the data."""
    heard = hear(peer, wire)
    return peer.peer_closed if heard is None else "canceled the handshake" in str(heard)


# -- the answer --------------------------------------------------------------------------------------------------------


def _raise(error: BaseException) -> Callable[..., Any]:
    def answer(*arguments: Any) -> Any:
        raise error

    return answer


EXPECTED = {
    "Identity": (errors.HandshakeFailure, "the resolver", 40),
    "Signature": (errors.GeneralError, "our signer", 117),
    "Authorization": (errors.AccessDenied, "authorize", 49),
}


def expected_of(case: Case) -> tuple[type[errors.AlertError], str, int]:
    return next(found for name, found in EXPECTED.items() if name in case.state)


@pytest.mark.parametrize("wrong", [b"", "yes", 1, object(), [], asyncio.Event])
def test_answer_of_a_wrong_type_ends_the_handshake(case: Case, wrong: object) -> None:
    waiter, peer = reach(case)
    case.slow.answer = lambda *arguments: wrong
    kind, text, alert = expected_of(case)
    if wrong == b"" and kind is errors.GeneralError:
        # No octets are a signature, though a wrong one.
        kind, text, alert = errors.InternalError, "signature came out wrong", 80
    error = settled(waiter)
    assert type(error) is kind
    assert text in str(error)
    assert error.state == case.state
    assert alert_of(error, peer, waiter) == alert


def test_answer_that_must_be_awaited_again_is_of_a_wrong_type(case: Case) -> None:
    waiter, peer = reach(case)

    async def again() -> bool:
        raise AssertionError("never awaited")

    made: list[Any] = []
    case.slow.answer = lambda *arguments: made.append(again()) or made[0]  # type: ignore[func-returns-value]
    kind, _, alert = expected_of(case)
    error = settled(waiter)
    made[0].close()
    assert type(error) is kind
    assert alert_of(error, peer, waiter) == alert


@pytest.mark.parametrize("raised", [ValueError("no"), OSError(5, "gone"), TimeoutError(), RuntimeError()])
def test_function_that_fails_ends_the_handshake(case: Case, raised: Exception) -> None:
    waiter, peer = reach(case)
    case.slow.answer = _raise(raised)
    kind, text, alert = expected_of(case)
    error = settled(waiter)
    assert type(error) is kind
    assert text in str(error)
    assert type(raised).__name__ in str(error)
    assert error.__cause__ is raised
    assert alert_of(error, peer, waiter) == alert


def test_alert_that_a_function_raises_is_sent_as_it_is(case: Case) -> None:
    waiter, peer = reach(case)
    raised = errors.InsufficientSecurity("not like this")
    case.slow.answer = _raise(raised)
    error = settled(waiter)
    assert error is raised
    assert alert_of(error, peer, waiter) == 71


def test_unknown_name_of_a_slow_resolver_is_unrecognized_name(material: Material) -> None:
    waiter, peer = reach(case := CASES["AwaitIdentity"](material))
    case.slow.answer = _raise(KeyError("example.org"))
    error = settled(waiter)
    assert type(error) is errors.UnrecognizedName
    assert alert_of(error, peer, waiter) == 112


@pytest.mark.parametrize("name", ["AwaitAuthorization", "AwaitAuthorization12", "AwaitServerAuthorization"])
@pytest.mark.parametrize("answer", [False, None, 1, "True"])
def test_only_true_is_consent(name: str, answer: object, material: Material) -> None:
    waiter, peer = reach(case := CASES[name](material))
    case.slow.answer = lambda peer: answer
    error = settled(waiter)
    assert type(error) is errors.AccessDenied
    assert ("server's" if case.waits == "client" else "client's") in str(error)
    assert alert_of(error, peer, waiter) == 49
    assert not waiter.authenticated


@pytest.mark.parametrize("name", [name for name in CASES if "Signature" in name])
@pytest.mark.parametrize("change", [lambda octets: octets[:-1] + bytes((octets[-1] ^ 1,)), lambda octets: octets[1:]])
def test_wrong_signature_never_leaves(name: str, change: Callable[[bytes], bytes], material: Material) -> None:
    waiter, peer = reach(case := CASES[name](material))
    right = case.slow.answer
    case.slow.answer = lambda scheme, data: change(right(scheme, data))
    error = settled(waiter)
    assert type(error) is errors.InternalError
    assert "came out wrong and was not sent" in str(error)
    assert alert_of(error, peer, waiter) == 80


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_interrupt_in_a_function_passes_and_ends_the_connection(case: Case, raised: type[BaseException]) -> None:
    waiter, _ = reach(case)
    settling = waiter.settle()
    assert settling.send(None) is None
    with pytest.raises(raised):
        settling.throw(raised)
    assert isinstance(waiter.error, errors.ConnectionClosedError)
    assert waiter.waiting is None
    assert failure(waiter.receive, b"") is waiter.error


def test_every_later_call_raises_the_error_of_the_answer(case: Case) -> None:
    waiter, _ = reach(case)
    case.slow.answer = _raise(ValueError())
    error = settled(waiter)
    assert settled(waiter) is error
    for call in (waiter.read, waiter.events, waiter.close, waiter.eof, lambda: waiter.receive(b"")):
        assert failure(call) is error
    assert waiter.waiting is None


# -- the peer ----------------------------------------------------------------------------------------------------------


def test_alert_of_the_peer_is_noticed_when_the_answer_is_there(case: Case) -> None:
    waiter, peer = reach(case)
    error = errors.InsufficientSecurity("the peer goes")
    peer._fail(error, error.alert)
    waiter.receive(peer.data_to_send())
    assert waiter.error is None
    heard = noticed(waiter)
    assert (type(heard), heard.sender) == (errors.InsufficientSecurity, "peer")
    assert len(case.slow.calls) == case.earlier + 1


def test_peer_that_cancels_is_noticed_when_the_answer_is_there(case: Case) -> None:
    waiter, peer = reach(case)
    peer.abort()
    waiter.receive(peer.data_to_send())
    waiter.eof()
    heard: Any = None
    try:
        asyncio.run(waiter.settle())
    except errors.TransportError as error:
        heard = error
    assert waiter.error is heard
    if heard is None:
        # The handshake had all it needed: the goodbye came behind it.
        assert waiter.handshake_complete
        assert waiter.read() == b""
        assert waiter.peer_closed


def test_end_of_the_stream_is_noticed_when_the_answer_is_there(case: Case) -> None:
    waiter, _ = reach(case)
    waiter.eof()
    assert waiter.error is None
    error = settled(waiter)
    assert type(error) is errors.TruncationError
    assert not waiter.handshake_complete
    assert waiter.error is error
    assert not waiter.authenticated


def test_garbage_is_noticed_when_the_answer_is_there(case: Case) -> None:
    waiter, _ = reach(case)
    waiter.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert waiter.error is None
    error = noticed(waiter)
    assert isinstance(error, errors.AlertError)
    assert not waiter.handshake_complete


def test_more_than_a_transport_reads_at_a_time_ends_the_connection(case: Case) -> None:
    waiter, peer = reach(case)
    record = b"\x17\x03\x03\x40\x00" + bytes(2**14)
    error: Any = None
    sent = 0
    while error is None:
        assert sent <= HELD_OCTETS, "it grows without a bound"
        sent += len(record)
        try:
            waiter.receive(record)
        except errors.GeneralError as found:
            error = found
    assert sent > HELD_OCTETS
    assert "Stop receiving while waiting is not None" in str(error)
    assert alert_of(error, peer, waiter) == 117
    assert waiter.buffered_wire == 0
    assert settled(waiter) is error
    assert len(case.slow.calls) == case.earlier


@pytest.mark.parametrize("held", [1, 100])
def test_octets_that_may_come_meanwhile_are_a_setting(held: int, material: Material) -> None:
    case = CASES["AwaitIdentity"](material)
    case.server = case.server.replace(limits=Limits(held=held))
    server, _ = reach(case)
    server.receive(bytes(held))
    error = failure(server.receive, b"\0")
    assert error.code == "TLS-TOO_MUCH_HELD"
    assert f"more than {held} octets" in str(error)


def test_message_out_of_turn_is_refused_when_the_answer_is_there(material: Material) -> None:
    """A Finished ahead of its time, and octets behind a ClientHello that asks for another one."""
    server = ServerConfig(resolver=Slow(lambda hello: material.identity), groups=("secp256r1",)).connection()
    raw = RawClient(groups=(NamedGroup.x25519, NamedGroup.secp256r1))
    raw.hello()
    server.receive(raw.wire())
    raw.send(encode(Finished(bytes(32))), hidden=True)
    server.receive(raw.wire())
    error = settled(server)
    assert type(error) is errors.UnexpectedMessage
    assert raw.alert(server.data_to_send()) == 10


def test_octets_behind_the_hello_that_is_retried_are_refused(material: Material) -> None:
    server = ServerConfig(resolver=Slow(lambda hello: material.identity), groups=("secp256r1",)).connection()
    raw = RawClient(groups=(NamedGroup.x25519, NamedGroup.secp256r1))
    hello = encode(raw.hello_message())
    raw.send(hello + encode(Finished(bytes(32))), hidden=True)
    server.receive(raw.wire())
    assert type(server._state).__name__ == "AwaitIdentity"
    error = settled(server)
    assert type(error) is errors.UnexpectedMessage
    assert raw.alert(server.data_to_send()) == 10


# -- the caller --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "abort"])
def test_connection_that_is_closed_while_it_waits_never_asks(case: Case, how: str) -> None:
    # RFC 9846 6.1: "This alert MUST be followed by a "close_notify"."
    waiter, peer = reach(case)
    getattr(waiter, how)()
    error = waiter.error
    assert isinstance(error, errors.ConnectionClosedError)
    assert waiter.waiting is None
    assert settled(waiter) is error
    assert len(case.slow.calls) == case.earlier
    assert hears_a_goodbye(peer, waiter.data_to_send())


def test_cancellation_reaches_what_is_awaited_and_gives_the_handshake_up(case: Case) -> None:
    # RFC 9846 6.1: "user_canceled: This alert notifies the recipient that the sender is canceling the handshake for
    # some reason unrelated to a protocol failure."
    waiter, peer = reach(case)

    async def run() -> None:
        case.slow.gate = asyncio.Event()
        task = asyncio.create_task(waiter.settle())
        await asyncio.sleep(0)
        assert len(case.slow.calls) == case.earlier + 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert case.slow.canceled
    error = waiter.error
    assert isinstance(error, errors.ConnectionClosedError)
    assert "settle() was canceled" in str(error)
    assert settled(waiter) is error
    assert waiter.waiting is None
    assert hears_a_goodbye(peer, waiter.data_to_send())


def test_answer_that_never_comes_is_ended_by_the_deadline_of_the_transport(case: Case) -> None:
    waiter, _ = reach(case)

    async def run() -> None:
        case.slow.gate = asyncio.Event()
        async with asyncio.timeout(0.01):
            await waiter.settle()

    with pytest.raises(TimeoutError):
        asyncio.run(run())
    assert case.slow.canceled
    assert isinstance(waiter.error, errors.ConnectionClosedError)


def test_error_that_the_transport_set_before_it_cancels_is_the_error(case: Case) -> None:
    waiter, _ = reach(case)
    late = errors.HandshakeTimeout("too slow")

    async def run() -> None:
        case.slow.gate = asyncio.Event()
        task = asyncio.create_task(waiter.settle())
        await asyncio.sleep(0)
        waiter._fail(late, None)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert waiter.error is late
    assert case.slow.canceled


def test_settle_that_never_began_leaves_the_connection_as_it_was(case: Case) -> None:
    waiter, peer = reach(case)

    async def run() -> None:
        task = asyncio.create_task(waiter.settle())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert waiter.error is None
        await finish(waiter, peer)

    asyncio.run(run())
    assert waiter.handshake_complete


def test_second_settle_at_the_same_time_is_refused(case: Case) -> None:
    waiter, peer = reach(case)

    async def run() -> None:
        case.slow.gate = asyncio.Event()
        task = asyncio.create_task(waiter.settle())
        await asyncio.sleep(0)
        with pytest.raises(errors.UsageError, match=r"another settle\(\) of this connection is under way"):
            await waiter.settle()
        assert waiter.waiting is not None
        case.slow.gate.set()
        await task
        await finish(waiter, peer)

    asyncio.run(run())
    pump(waiter, peer)
    assert waiter.handshake_complete
    assert len(case.slow.calls) == case.earlier + 1


@pytest.mark.parametrize("thread", [False, True])
def test_abort_while_the_answer_is_awaited_is_noticed_with_it(case: Case, thread: bool) -> None:
    waiter, _ = reach(case)

    async def run() -> None:
        case.slow.gate = asyncio.Event()
        task = asyncio.create_task(waiter.settle())
        await asyncio.sleep(0)
        if thread:
            other = threading.Thread(target=waiter.abort)
            other.start()
            other.join()
        else:
            waiter.abort()
        case.slow.gate.set()
        with pytest.raises(errors.ConnectionClosedError):
            await task

    asyncio.run(run())
    assert not waiter.handshake_complete
    assert type(waiter._state).__name__ == "Closed"


def test_abort_by_another_thread_in_the_middle_of_the_answer_is_the_end(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler has made the next state already: nothing leads out of the abort."""
    waiter, _ = reach(case)
    resume = machine.resume

    def and_abort(*arguments: Any) -> Any:
        state = resume(*arguments)
        other = threading.Thread(target=waiter.abort)
        other.start()
        other.join()
        return state

    monkeypatch.setattr(machine, "resume", and_abort)
    error = settled(waiter)
    assert isinstance(error, errors.ConnectionClosedError)
    assert type(waiter._state).__name__ == "Closed"
    assert not waiter.handshake_complete


def test_abort_by_the_function_itself_is_noticed(case: Case) -> None:
    waiter, _ = reach(case)
    right = case.slow.answer

    def answer(*arguments: Any) -> Any:
        waiter.abort()
        return right(*arguments)

    case.slow.answer = answer
    assert isinstance(settled(waiter), errors.ConnectionClosedError)
    assert not waiter.handshake_complete


def test_flood_while_the_answer_is_awaited_ends_the_connection(case: Case) -> None:
    waiter, _ = reach(case)

    async def run() -> None:
        case.slow.gate = asyncio.Event()
        task = asyncio.create_task(waiter.settle())
        await asyncio.sleep(0)
        with pytest.raises(errors.GeneralError) as flood:
            waiter.receive(bytes(HELD_OCTETS + 1))
        assert waiter.waiting is None
        case.slow.gate.set()
        with pytest.raises(errors.GeneralError) as it:
            await task
        assert it.value is flood.value

    asyncio.run(run())


def test_function_that_settles_its_own_connection_fails(case: Case) -> None:
    """It would wait for itself."""
    waiter, _ = reach(case)
    slow = case.slow

    async def call(*arguments: Any) -> Any:
        await waiter.settle()

    slow.__class__ = type("Turning", (Slow,), {"__call__": lambda self, *given: call(*given)})
    error = settled(waiter)
    # Whether it is called now or was when it was asked for, the inner settle() is refused, and that is its failure.
    assert isinstance(error, errors.TlsError)
    assert not waiter.handshake_complete


def test_answer_that_somebody_else_awaited_ends_the_handshake(case: Case) -> None:
    waiter, _ = reach(case)
    waiting = waiter.waiting
    assert waiting is not None
    asyncio.run(_through(waiting))
    error = settled(waiter)
    assert type(error) is errors.UsageError
    assert "awaited already" in str(error)
    assert error.alert_sent == 80
    assert not waiter.handshake_complete


def test_octets_and_end_that_come_while_the_answer_is_awaited_count(material: Material) -> None:
    server, client = reach(case := CASES["AwaitAuthorization"](material))
    client.write(b"last words")
    client.close()

    async def run() -> None:
        case.slow.gate = asyncio.Event()
        task = asyncio.create_task(server.settle())
        await asyncio.sleep(0)
        server.receive(client.data_to_send())
        server.eof()
        case.slow.gate.set()
        await task

    asyncio.run(run())
    assert server.read() == b"last words"


def test_forked_child_cannot_settle_what_its_parent_waits_for(case: Case) -> None:
    waiter, peer = reach(case)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            error = failure(asyncio.run, waiter.settle())
            code = 0 if isinstance(error, errors.ForkedConnectionError) and not case.slow.calls[case.earlier :] else 2
        finally:
            os._exit(code)
    pid, status = os.waitpid(child, 0)
    assert (pid, status) == (child, 0), signal.strsignal(status & 0x7F)
    asyncio.run(finish(waiter, peer))
    assert waiter.handshake_complete


# -- what is left behind -----------------------------------------------------------------------------------------------


def _unmarked(case: Case) -> Any:
    """The case with a function that only happens to give a coroutine."""
    slow = case.slow
    inner = Slow(slow.answer)
    slow.__class__ = type("Unmarked", (Slow,), {"__call__": lambda self, *given: inner(*given)})
    return inner


@pytest.mark.parametrize("end", ["drop", "cycle", "abort", "peer", "flood"])
@pytest.mark.parametrize("marked", [False, True])
def test_nobody_hears_of_an_answer_that_is_never_awaited(
    end: str, marked: bool, material: Material, recwarn: pytest.WarningsRecorder
) -> None:
    """No "coroutine ... was never awaited", and the connection goes with its last reference."""
    warnings.simplefilter("always")
    case = CASES["AwaitAuthorization"](material)
    if not marked:
        _unmarked(case)
    server, client = reach(case)
    gone = weakref.ref(server)
    if end == "abort":
        server.abort()
    elif end == "peer":
        client.abort()
        server.receive(client.data_to_send())
        server.eof()
    elif end == "flood":
        with pytest.raises(errors.GeneralError):
            server.receive(bytes(HELD_OCTETS + 1))
    elif end == "cycle" and marked:
        ring: list[Any] = [server]
        ring.append(ring)
        del ring
    del server
    gc.collect()
    assert gone() is None
    assert [str(one.message) for one in recwarn] == []


def test_dropped_connection_goes_at_once(case: Case) -> None:
    """Half-open connections must not wait for the garbage collector."""
    waiter, _ = reach(case)
    gone = weakref.ref(waiter)
    gc.disable()
    try:
        del waiter
        assert gone() is None
    finally:
        gc.enable()


def test_coroutine_that_was_used_before_is_a_function_that_fails(material: Material) -> None:
    async def consent() -> bool:
        return True

    used = consent()
    asyncio.run(_through(used))
    server_config = ServerConfig.mutual(material.identity, client_trust=material.trust, authorize=lambda peer: used)
    client_config = ClientConfig.mutual(material.trust, identity=material.client_identity)
    client, server = client_config.connection("example.org"), server_config.connection()
    pump(client, server)
    error = settled(server)
    assert type(error) is errors.AccessDenied
    assert "RuntimeError" in str(error)


async def _through(awaitable: Any) -> None:
    await awaitable


def test_signer_without_time_is_untouched(material: Material) -> None:
    """An ordinary signer is asked at once: nothing waits."""
    signer = Signer(material.issued.key)
    signer.sign = signer.signature
    identity = Identity.from_signer(material.issued.chain, signer)
    client = ClientConfig.simple(material.trust).connection("example.org")
    server = ServerConfig.simple(identity).connection()
    pump(client, server)
    assert server.handshake_complete
    assert server.waiting is None
