"""Authentication after the handshake with an async signer or `authorize`: data flows on, the rest comes when it is
settled."""

import asyncio
import gc
import threading
import warnings
from typing import Any

import pytest

from tests.support.certificates import Authority, Issued
from tests.support.peers import failure, pair, pump
from tests.support.waiting import Material, Signer, Slow, echo
from tlscore import ClientConfig, Identity, ServerConfig, TrustStore, errors
from tlscore.connection import Connection
from tlscore.events import ClientCertificateReceived, ClientCertificateRequested
from tlscore.handshake import post_handshake
from tlscore.handshake.machine import Closed
from tlscore.handshake.post_handshake import ANSWERS_PER_CONNECTION, LateAuthorization


@pytest.fixture(scope="module")
def material(trust: TrustStore, issued: Issued, client_issued: Issued) -> Material:
    return Material(trust, issued, client_issued)


class Ends:
    """A client and a server, complete, of which one or both take their time."""

    def __init__(self, it: Material, *, signer: bool = False, authorize: bool = False) -> None:
        self.signer = Signer(it.client_issued.key)
        self.authorize = Slow(lambda peer: True)
        identity = Identity.from_signer(it.client_issued.chain, self.signer) if signer else it.client_identity
        client = ClientConfig.mutual(it.trust, identity=identity, post_handshake_auth=True)
        server = ServerConfig.simple(
            it.identity,
            client_auth="post_handshake",
            client_trust=it.trust,
            authorize=self.authorize if authorize else None,
        )
        self.client, self.server = pair(client, server)
        echo(self.client, self.server)
        self.events()

    def events(self) -> list[Any]:
        return self.client.events() + self.server.events()

    def ask(self) -> bytes:
        context = self.server.request_client_certificate()
        self.carry()
        return context

    def carry(self) -> None:
        """Octets both ways, looked at: the answers are on their way, or wait."""
        for _ in range(4):
            pump(self.client, self.server)
            self.seen = [*getattr(self, "seen", []), *self.events()]

    def settle(self) -> None:
        for connection in (self.client, self.server):
            asyncio.run(connection.settle())
            self.carry()


def test_client_signs_later_and_data_flows_meanwhile(material: Material) -> None:
    # RFC 9846 4.7.2: "Because certificate-based client authentication could involve prompting the user, servers MUST be
    # prepared for some delay, including receiving an arbitrary number of other messages between sending the
    # CertificateRequest and receiving a response."
    ends = Ends(material, signer=True)
    context = ends.ask()
    assert ends.client.waiting is not None
    assert ends.client.handshake_complete
    for _ in range(3):
        echo(ends.client, ends.server)
    ends.client.update_keys(True)
    echo(ends.client, ends.server)
    assert not ends.server.authenticated
    assert ends.signer.sign.calls == []
    ends.settle()
    assert ends.client.waiting is None
    assert ClientCertificateRequested(context, True) in ends.seen
    assert [type(one) for one in ends.seen].count(ClientCertificateReceived) == 1
    assert ends.server.authenticated
    echo(ends.client, ends.server)


def test_server_authorizes_later_and_data_flows_meanwhile(material: Material) -> None:
    ends = Ends(material, authorize=True)
    context = ends.ask()
    assert ends.server.waiting is not None
    assert ends.server.handshake_complete
    echo(ends.client, ends.server)
    assert not ends.server.authenticated
    assert ends.server.peer_identity is None
    assert not [one for one in ends.seen if isinstance(one, ClientCertificateReceived)]
    ends.settle()
    (received,) = [one for one in ends.seen if isinstance(one, ClientCertificateReceived)]
    assert received.request == context
    assert received.authenticated
    assert ends.server.authenticated
    assert len(ends.authorize.calls) == 1
    echo(ends.client, ends.server)


def test_both_take_their_time_over_several_requests(material: Material) -> None:
    ends = Ends(material, signer=True, authorize=True)
    contexts = [ends.server.request_client_certificate() for _ in range(4)]
    ends.carry()
    assert ends.client.waiting is not None
    ends.settle()
    received = [one for one in ends.seen if isinstance(one, ClientCertificateReceived)]
    assert sorted(one.request for one in received) == sorted(contexts)
    assert len(ends.signer.sign.calls) == len(ends.authorize.calls) == 4
    assert ends.server.waiting is None
    echo(ends.client, ends.server)


def test_answer_may_be_settled_in_the_middle_of_the_next_one(material: Material) -> None:
    """The consent to the first client's answer comes while the second one is half received."""
    ends = Ends(material, authorize=True)
    for _ in range(2):
        ends.server.request_client_certificate()
        pump(ends.client, ends.server)
        ends.client.events()
    wire = ends.client.data_to_send()
    ends.server.receive(wire[:-200])
    ends.server.events()
    asyncio.run(ends.server.settle())
    ends.server.receive(wire[-200:])
    ends.server.events()
    asyncio.run(ends.server.settle())
    assert ends.server.authenticated
    assert len(ends.authorize.calls) == 2


@pytest.mark.parametrize("answer", [False, None, 1])
def test_refused_client_is_told(answer: object, material: Material) -> None:
    ends = Ends(material, authorize=True)
    ends.authorize.answer = lambda peer: answer
    ends.ask()
    error = failure(asyncio.run, ends.server.settle())
    assert type(error) is errors.AccessDenied
    assert failure(ends.server.read) is error
    assert not ends.server.authenticated
    ends.client.receive(ends.server.data_to_send())
    heard = failure(ends.client.read)
    assert (type(heard), heard.sender) == (errors.AccessDenied, "peer")


@pytest.mark.parametrize("wrong", [None, b"short", "text"])
def test_signer_that_fails_later_ends_the_connection(wrong: object, material: Material) -> None:
    ends = Ends(material, signer=True)
    ends.signer.sign.answer = lambda scheme, data: wrong
    ends.ask()
    error = failure(asyncio.run, ends.client.settle())
    assert isinstance(error, (errors.GeneralError, errors.InternalError))
    assert failure(ends.client.write, b"more") is error
    ends.server.receive(ends.client.data_to_send())
    assert failure(ends.server.read).sender == "peer"


def test_client_that_closed_meanwhile_answers_no_more(material: Material) -> None:
    # RFC 9846 6.1: "Each party MUST send a "close_notify" alert before closing its write side of the connection [...].
    # This does not have any effect on its read side of the connection."
    ends = Ends(material, signer=True)
    context = ends.ask()
    ends.client.close()
    ends.settle()
    assert ClientCertificateRequested(context, False) in ends.seen
    assert "this side had closed" in str(ends.client.diagnostic)
    ends.server.write(b"still read")
    ends.client.receive(ends.server.data_to_send())
    assert ends.client.read() == b"still read"


@pytest.mark.parametrize("who", ["client", "server"])
def test_cancellation_closes_the_connection(who: str, material: Material) -> None:
    # RFC 9846 6.1: "If a user cancels an operation after the handshake is complete, just closing the connection by
    # sending a "close_notify" is more appropriate."
    ends = Ends(material, signer=True, authorize=True)
    ends.ask()
    if who == "server":
        asyncio.run(ends.client.settle())
        ends.carry()
    waiter, peer = (ends.client, ends.server) if who == "client" else (ends.server, ends.client)
    slow = ends.signer.sign if who == "client" else ends.authorize

    async def run() -> None:
        slow.gate = asyncio.Event()
        task = asyncio.create_task(waiter.settle())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert slow.canceled
    assert isinstance(waiter.error, errors.ConnectionClosedError)
    assert waiter.waiting is None
    peer.receive(waiter.data_to_send())
    assert peer.read() == b""
    assert peer.peer_closed


def test_abort_by_another_thread_in_the_middle_of_the_answer_is_the_end(
    material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = Ends(material, authorize=True)
    ends.ask()
    server, settle = ends.server, LateAuthorization.settle

    def and_abort(*arguments: Any) -> Any:
        state = settle(*arguments)
        server.abort()
        return state

    monkeypatch.setattr(LateAuthorization, "settle", and_abort)
    assert isinstance(failure(asyncio.run, server.settle()), errors.ConnectionClosedError)
    assert not server.authenticated
    assert not server.handshake_complete


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("how", ["abort", "eof", "peer"])
def test_connection_that_ends_never_asks(
    how: str, marked: bool, material: Material, recwarn: pytest.WarningsRecorder
) -> None:
    warnings.simplefilter("always")
    ends = Ends(material, signer=True)
    made: list[Any] = []
    if not marked:
        # A function that only happens to give a coroutine, made when it is called.
        inner = ends.signer.sign

        def sign(*arguments: Any) -> Any:
            made.append(inner(*arguments))
            return made[-1]

        ends.signer.sign = sign
    ends.ask()
    client = ends.client
    if how == "abort":
        client.abort()
    elif how == "eof":
        failure(client.eof)
    else:
        refusal = errors.InsufficientSecurity("no")
        ends.server._fail(refusal, refusal.alert)
        client.receive(ends.server.data_to_send())
        failure(client.read)
    error = client.error
    assert error is not None
    assert client.waiting is None
    assert failure(asyncio.run, client.settle()) is error
    assert [one.cr_frame for one in made] == [None] * (not marked)
    if marked:
        assert ends.signer.sign.calls == []
    del ends, client
    gc.collect()
    assert [str(one.message) for one in recwarn] == []


def test_server_that_asks_too_often_is_refused_though_nothing_was_signed(material: Material) -> None:
    ends = Ends(material, signer=True)
    for number in range(ANSWERS_PER_CONNECTION):
        ends.server._state.authentication.waiting.clear()  # type: ignore[attr-defined]
        ends.server.request_client_certificate()
        assert number < ANSWERS_PER_CONNECTION
    ends.server._state.authentication.waiting.clear()  # type: ignore[attr-defined]
    ends.server.request_client_certificate()
    ends.client.receive(ends.server.data_to_send())
    error = failure(ends.client.events)
    assert error.code == "TLS-TOO_MANY_REQUESTS"
    assert ends.client.waiting is None
    assert ends.signer.sign.calls == []


def test_bad_finished_of_the_answer_is_refused_before_anybody_is_asked(material: Material) -> None:
    from tests.support.peers import RawClient
    from tlscore.wire import PostHandshakeAuth

    slow = Slow(lambda peer: True)
    config = ServerConfig.simple(
        material.identity, client_auth="post_handshake", client_trust=material.trust, authorize=slow
    )
    server: Connection = config.connection()
    raw = RawClient(material.client_issued)
    raw.hello(raw.hello_message(PostHandshakeAuth()))
    server.receive(raw.wire())
    raw.take_flight(server.data_to_send())
    server.receive(raw.finished().wire())
    raw.complete()
    context = server.request_client_certificate()
    raw.feed(server.data_to_send())
    raw.pull()
    raw.certificate(context=context).certificate_verify()
    raw.send(b"\x14\0\0\x20" + bytes(32))
    server.receive(raw.wire())
    error = failure(server.events)
    assert type(error) is errors.DecryptError
    assert server.waiting is None
    assert slow.calls == []


# -- the order of answers ----------------------------------------------------------------------------------------------


class Order:
    """A server that thinks about "client.example" and takes "second.example" at once; the client shows both in turn."""

    def __init__(self, it: Material, authority: Authority, consent: bool = True) -> None:
        async def think() -> bool:
            await asyncio.sleep(0)
            return consent

        config = ClientConfig.mutual(it.trust, identity=it.client_identity, post_handshake_auth=True)
        second = authority.issue("second.example", usage="client")
        self.identities: list[Identity | None] = [it.client_identity, Identity(second.chain, second.key)]
        server = ServerConfig.simple(
            it.identity,
            client_auth="post_handshake",
            client_trust=it.trust,
            authorize=lambda peer: think() if "client.example" in str(peer) else True,
        )
        self.client, self.server = pair(config, server)
        self.seen: list[Any] = []

    def answer(self, monkeypatch: pytest.MonkeyPatch, identity: Identity | None) -> bytes:
        """One request, answered with this identity, or declined."""
        choose = post_handshake.choose

        def chosen(config: Any, wanted: Any) -> Any:
            return "declined" if identity is None else (identity, choose(config, wanted)[1])

        with monkeypatch.context() as patch:
            patch.setattr(post_handshake, "choose", chosen)
            request = self.server.request_client_certificate()
            for _ in range(3):
                pump(self.client, self.server)
                self.client.events()
                self.seen += self.server.events()
        return request

    @property
    def answers(self) -> list[Any]:
        self.seen += self.server.events()
        return [one for one in self.seen if isinstance(one, ClientCertificateReceived)]


def test_answer_queues_behind_one_that_is_thought_about(
    material: Material, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older answer must not take the place of a newer one only because it took longer."""
    ends = Order(material, authority)
    requests = [ends.answer(monkeypatch, identity) for identity in (*ends.identities, None)]
    assert ends.answers == []
    assert ends.server.peer_identity is None
    asyncio.run(ends.server.settle())
    assert [one.request for one in ends.answers] == requests
    assert [one.authenticated for one in ends.answers] == [True, True, False]
    assert ends.server.waiting is None
    identity = ends.server.peer_identity
    assert identity is not None
    assert "second.example" in str(identity)
    last = ends.answer(monkeypatch, ends.identities[1])
    assert ends.answers[-1].request == last


def test_nobody_comes_in_behind_one_that_is_refused(
    material: Material, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = Order(material, authority, consent=False)
    for identity in ends.identities:
        ends.answer(monkeypatch, identity)
    assert not ends.server.authenticated
    assert type(failure(asyncio.run, ends.server.settle())) is errors.AccessDenied
    assert not ends.server.authenticated


def test_abort_beside_a_late_answer_leaves_nothing_live(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    """abort() by another thread at the last moment, when the answer is read and its state is not entered yet."""
    ends = Ends(material, authorize=True)
    ends.ask()
    settle = LateAuthorization.settle

    def settled(self: Any, *given: Any) -> Any:
        state = settle(self, *given)
        other = threading.Thread(target=ends.server.abort)
        other.start()
        other.join()
        return state

    monkeypatch.setattr(LateAuthorization, "settle", settled)
    error = failure(asyncio.run, ends.server.settle())
    assert isinstance(error, errors.ConnectionClosedError)
    assert ends.server.error is error
    assert type(ends.server._state) is Closed
    assert not ends.server.authenticated
    assert not ends.server.handshake_complete
