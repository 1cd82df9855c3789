"""Async signers, resolvers and `authorize`: a handshake waits for them in a state of its own, and goes on."""

import asyncio
from typing import Any

import pytest

from tests.support.certificates import Issued
from tests.support.peers import failure, pair, pump
from tests.support.waiting import CASES, Case, Material, Signer, Slow, echo, finish, reach
from tlscore import ClientConfig, Identity, ServerConfig, TrustStore, errors
from tlscore.connection import Connection
from tlscore.events import HandshakeCompleted
from tlscore.handshake import machine


@pytest.fixture(scope="module")
def material(trust: TrustStore, issued: Issued, client_issued: Issued) -> Material:
    return Material(trust, issued, client_issued)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, material: Material) -> Case:
    made: Case = CASES[request.param](material)
    return made


def test_every_waiting_state_has_a_case() -> None:
    assert {state.__name__ for state in machine.states() if state.waits} == set(CASES)
    assert {state.__name__ for state in machine.RESUMPTIONS} == set(CASES)


def test_handshake_waits_and_goes_on(case: Case) -> None:
    waiter, peer = reach(case)
    assert not waiter.handshake_complete
    assert len(case.slow.calls) == case.earlier
    asyncio.run(finish(waiter, peer))
    assert waiter.waiting is None
    assert len(case.slow.calls) == case.earlier + 1
    assert waiter.handshake_complete
    assert peer.handshake_complete
    echo(waiter, peer)
    assert HandshakeCompleted in map(type, waiter.events())


def _plain(case: Case) -> tuple[ClientConfig, ServerConfig]:
    """The same configurations with functions that answer at once."""
    answer = case.slow.answer
    if case.state.startswith(("AwaitIdentity", "AwaitSecondIdentity")):
        return case.client, case.server.replace(resolver=answer)
    if "Authorization" not in case.state:
        mine = case.client if case.waits == "client" else case.server
        signer = Signer(case.slow.answer.__self__.key)  # type: ignore[attr-defined]
        signer.sign = signer.signature
        changed = mine.replace(identities=(Identity.from_signer(mine.identities[0].current.chain, signer),))
        return (changed, case.server) if case.waits == "client" else (case.client, changed)  # type: ignore[return-value]
    if case.waits == "client":
        return case.client.replace(authorize=answer), case.server
    return case.client, case.server.replace(authorize=answer)


def test_nothing_differs_from_an_answer_at_once(case: Case) -> None:
    waiter, peer = reach(case)
    asyncio.run(finish(waiter, peer))
    client, server = pair(*_plain(case))
    same = client if case.waits == "client" else server
    for field in ("version", "suite", "group", "peer_scheme", "own_scheme", "peer_chain", "authenticated", "alpn"):
        assert getattr(waiter, field) == getattr(same, field), field
    assert waiter.trace == same.trace
    assert [type(one) for one in waiter.events()] == [type(one) for one in same.events()]


def test_nothing_passes_while_the_handshake_waits(case: Case) -> None:
    waiter, _ = reach(case)
    waiter.data_to_send()
    for call in (
        lambda: waiter.write(b"early"),
        waiter.read,
        lambda: waiter.read_into(bytearray(1)),
        waiter.update_keys,
        waiter.channel_binding,
    ):
        assert type(failure(call)) is errors.HandshakeNotComplete
    assert waiter.data_to_send() == b""
    assert [one for one in waiter.events() if isinstance(one, HandshakeCompleted)] == []
    assert not waiter.authenticated
    assert waiter.peer_identity is None
    assert waiter.error is None
    assert waiter.waiting is not None


def test_waiting_shows_in_the_repr_and_holds_no_secret(case: Case) -> None:
    waiter, _ = reach(case)
    assert case.state in repr(waiter)
    assert repr(waiter.waiting) == "<Pending unclaimed>"


def test_settle_returns_at_once_where_nothing_waits(client_config: ClientConfig, server_config: ServerConfig) -> None:
    client, server = client_config.connection("example.org"), server_config.connection()
    asyncio.run(client.settle())
    pump(client, server)
    assert client.waiting is None
    asyncio.run(client.settle())
    echo(client, server)


def test_one_settle_awaits_what_comes_one_after_the_other(material: Material) -> None:
    """Resolver, signature of the identity that it gave, then `authorize`: the peer's octets were there already."""
    signer = Signer(material.issued.key)
    identity = Identity.from_signer(material.issued.chain, signer)
    resolver, authorize = Slow(lambda hello: identity), Slow(lambda peer: True)
    server = ServerConfig(
        resolver=resolver, authorize=authorize, client_auth="required", client_trust=material.trust
    ).connection()
    client = ClientConfig.mutual(material.trust, identity=material.client_identity).connection("example.org")
    server.receive(client.data_to_send())
    assert type(server._state).__name__ == "AwaitIdentity"
    asyncio.run(server.settle())
    assert (len(resolver.calls), len(signer.sign.calls), len(authorize.calls)) == (1, 1, 0)
    client.receive(server.data_to_send())
    server.receive(client.data_to_send())
    assert type(server._state).__name__ == "AwaitAuthorization"
    asyncio.run(server.settle())
    assert len(authorize.calls) == 1
    assert server.authenticated
    echo(client, server)


def test_any_loop_will_do(case: Case) -> None:
    """Nothing of asyncio is inside: a loop by hand drives it, and sees what the function itself awaits."""

    class Turn:
        def __await__(self) -> Any:
            return (yield "turn")

    async def by_hand(*arguments: Any) -> Any:
        assert await Turn() == "go on"
        return case.slow.answer(*arguments)

    case.slow.__class__ = type("ByHand", (Slow,), {"__call__": lambda self, *given: by_hand(*given)})
    waiter, peer = _reach_by_hand(case)
    settling = waiter.settle()
    assert settling.send(None) == "turn"
    with pytest.raises(StopIteration):
        settling.send("go on")
    pump(waiter, peer)
    assert waiter.handshake_complete


def _reach_by_hand(case: Case) -> tuple[Connection, Connection]:
    client, server = case.start()
    waiter, peer = (client, server) if case.waits == "client" else (server, client)
    pump(client, server)
    for _ in range(case.earlier):
        settling = waiter.settle()
        settling.send(None)
        with pytest.raises(StopIteration):
            settling.send("go on")
        pump(client, server)
    return waiter, peer


def test_octets_may_come_one_at_a_time(case: Case) -> None:
    """Also while the handshake waits, and while settle() is under way."""

    async def run() -> None:
        client, server = case.start()
        waiter, peer = (client, server) if case.waits == "client" else (server, client)
        task: asyncio.Task[None] | None = None
        for _ in range(12):
            for octet in peer.data_to_send():
                waiter.receive(bytes((octet,)))
                if waiter.waiting is not None and (task is None or task.done()):
                    task = asyncio.create_task(waiter.settle())
                await asyncio.sleep(0)
            if task is not None:
                await task
            for octet in waiter.data_to_send():
                peer.receive(bytes((octet,)))
        assert waiter.handshake_complete
        echo(waiter, peer)

    asyncio.run(run())


def test_one_slow_answer_holds_up_no_other_connection(material: Material) -> None:
    """The answers of all connections are awaited at one time: each is given only when all were asked for."""
    count = 16

    async def run() -> None:
        everybody = asyncio.Barrier(count)
        signer = Signer(material.issued.key)

        async def sign(scheme: int, data: bytes) -> bytes:
            await everybody.wait()
            return signer.signature(scheme, data)

        identity = Identity.from_signer(material.issued.chain, Signer(material.issued.key, sign))
        config, clients = ServerConfig.simple(identity), ClientConfig.simple(material.trust)
        pairs = [pair(clients, config) for _ in range(count)]
        await asyncio.gather(*[finish(server, client) for client, server in pairs])
        assert all(server.handshake_complete and client.handshake_complete for client, server in pairs)

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["future", "task", "awaitable", "coroutine"])
def test_whatever_can_be_awaited_may_be_given(kind: str, material: Material) -> None:
    async def consent() -> bool:
        return True

    class Awaitable:
        def __await__(self) -> Any:
            return consent().__await__()

    def authorize(peer: Any) -> Any:
        loop = asyncio.get_running_loop()
        if kind == "future":
            future = loop.create_future()
            loop.call_soon(future.set_result, True)
            return future
        if kind == "task":
            return loop.create_task(consent())
        return Awaitable() if kind == "awaitable" else consent()

    async def run() -> None:
        client = ClientConfig.mutual(material.trust, identity=material.client_identity)
        server = ServerConfig.mutual(material.identity, client_trust=material.trust, authorize=authorize)
        one, other = pair(client, server)
        assert other.waiting is not None
        await finish(other, one)
        assert other.authenticated

    asyncio.run(run())


def test_confirming_client_learns_of_a_slow_consent(material: Material) -> None:
    """confirm_client_auth waits for the server's verdict, and the server's verdict for `authorize`."""
    slow = Slow(lambda peer: True)
    client_config = ClientConfig.mutual(
        material.trust, identity=material.client_identity, versions="1.3", confirm_client_auth=True
    )
    server_config = ServerConfig.mutual(
        material.identity, client_trust=material.trust, authorize=slow, confirm_client_auth=True
    )
    client, server = pair(client_config, server_config)
    assert not client.handshake_complete
    asyncio.run(finish(server, client))
    assert client.handshake_complete
    assert client.client_auth_confirmed


def test_data_that_came_while_the_server_waited_is_read_afterwards(material: Material) -> None:
    """A TLS 1.3 client sends data right behind its Finished."""
    server, client = reach(CASES["AwaitAuthorization"](material))
    client.write(b"at once")
    client.write(b", and more")
    server.receive(client.data_to_send())
    assert server.buffered_wire > 0
    asyncio.run(server.settle())
    assert server.handshake_complete
    assert server.read() == b"at once, and more"


def test_goodbye_that_came_while_the_server_waited_is_read_afterwards(material: Material) -> None:
    server, client = reach(CASES["AwaitAuthorization"](material))
    client.write(b"fire and forget")
    client.close()
    server.receive(client.data_to_send())
    server.eof()
    assert server.error is None
    asyncio.run(server.settle())
    assert server.read() == b"fire and forget"
    assert server.read() == b""
    assert server.peer_closed


def test_answer_of_a_retry_is_asked_for_with_the_second_hello(material: Material) -> None:
    case = CASES["AwaitSecondIdentity"](material)
    waiter, peer = reach(case)
    asyncio.run(finish(waiter, peer))
    first, second = (call[0].raw for call in case.slow.calls)
    assert first != second
    assert waiter.hello_retried


def test_cookie_brings_the_second_hello_to_another_connection_that_waits(material: Material) -> None:
    slow = Slow(lambda hello: material.identity)
    config = ServerConfig(resolver=slow, groups=("secp256r1",), hello_retry_cookie=True)
    client = ClientConfig.simple(material.trust, groups=("x25519", "secp256r1"), key_shares=("x25519",)).connection(
        "example.org"
    )
    first, second = config.connection(), config.connection()
    first.receive(client.data_to_send())
    asyncio.run(first.settle())
    client.receive(first.data_to_send())
    second.receive(client.data_to_send())
    assert type(second._state).__name__ == "AwaitSecondIdentity"
    asyncio.run(finish(second, client))
    pump(second, client)
    echo(client, second)


def test_early_data_that_comes_while_the_resolver_is_asked_is_passed_over(material: Material) -> None:
    # RFC 9846 4.3.10: "Ignore the extension and return a regular 1-RTT response. The server then skips past early data"
    from tests.support.peers import RawClient
    from tlscore.wire import EarlyDataIndication

    server = ServerConfig(resolver=Slow(lambda hello: material.identity)).connection()
    raw = RawClient()
    raw.hello(raw.hello_message(EarlyDataIndication()))
    server.receive(raw.wire())
    server.receive(b"\x17\x03\x03\x00\x40" + bytes(64))
    asyncio.run(server.settle())
    raw.take_flight(server.data_to_send())
    server.receive(raw.finished().wire())
    assert server.handshake_complete
