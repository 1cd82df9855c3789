"""Connections that wait: one case for each waiting state of the handshake, and answers that take their time.

`reach(case)` brings a client and a server to where one of them waits; nothing of the answer has run then, since an
`async def` is called by `settle` alone. `finish` goes on from there to the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.certificates import Issued
from tests.support.peers import pump
from tlscore import ClientConfig, Identity, ServerConfig, TrustStore
from tlscore.certs import signatures
from tlscore.connection import Connection


class Slow:
    """An async function of the caller's: gives `answer(...)` after a turn of the loop, or when `gate` opens."""

    def __init__(self, answer: Callable[..., Any]) -> None:
        self.answer = answer
        self.calls: list[tuple[Any, ...]] = []
        self.gate: asyncio.Event | None = None
        self.canceled = False

    async def __call__(self, *arguments: Any) -> Any:
        self.calls.append(arguments)
        try:
            await (asyncio.sleep(0) if self.gate is None else self.gate.wait())
        except asyncio.CancelledError:
            self.canceled = True
            raise
        return self.answer(*arguments)


class Signer:
    """A key service: asynchronous, or not."""

    def __init__(self, key: Any, sign: Any = None) -> None:
        self.key = key
        self.sign = Slow(self.signature) if sign is None else sign

    def signature(self, scheme: int, data: bytes) -> bytes:
        try:
            return signatures.sign(self.key, scheme, data)
        except Exception:
            return signatures.sign(self.key, scheme, data, tls12=True)


@dataclass
class Case:
    """Two configurations of which one has to wait, for `slow`, in `state`."""

    client: ClientConfig
    server: ServerConfig
    slow: Slow
    waits: str
    state: str
    earlier: int = 0

    def start(self) -> tuple[Connection, Connection]:
        return self.client.connection("example.org"), self.server.connection()


@dataclass
class Material:
    trust: TrustStore
    issued: Issued
    client_issued: Issued

    @property
    def identity(self) -> Identity:
        return Identity(self.issued.chain, self.issued.key)

    @property
    def client_identity(self) -> Identity:
        return Identity(self.client_issued.chain, self.client_issued.key)


def _signing(issued: Issued) -> tuple[Identity, Slow]:
    signer = Signer(issued.key)
    return Identity.from_signer(issued.chain, signer), signer.sign


def server_resolver(it: Material, versions: str, state: str, **settings: Any) -> Case:
    slow = Slow(lambda hello: it.identity)
    client = ClientConfig.simple(it.trust, versions=versions, groups=("x25519", "secp256r1"), key_shares=None)
    return Case(client, ServerConfig(resolver=slow, **settings), slow, "server", state)


def server_resolver_again(it: Material, versions: str, state: str, **settings: Any) -> Case:
    case = server_resolver(it, versions, state, groups=("secp256r1",), **settings)
    case.client = case.client.replace(key_shares=("x25519",))
    case.earlier = 1
    return case


def server_signer(it: Material, versions: str, state: str) -> Case:
    identity, slow = _signing(it.issued)
    client = ClientConfig.simple(it.trust, versions=versions)
    return Case(client, ServerConfig.simple(identity), slow, "server", state)


def server_authorize(it: Material, versions: str, state: str) -> Case:
    slow = Slow(lambda peer: True)
    client = ClientConfig.mutual(it.trust, identity=it.client_identity, versions=versions)
    server = ServerConfig.mutual(it.identity, client_trust=it.trust, authorize=slow)
    return Case(client, server, slow, "server", state)


def client_signer(it: Material, versions: str, state: str) -> Case:
    identity, slow = _signing(it.client_issued)
    client = ClientConfig.mutual(it.trust, identity=identity, versions=versions)
    return Case(client, ServerConfig.mutual(it.identity, client_trust=it.trust), slow, "client", state)


def client_authorize(it: Material, versions: str, state: str) -> Case:
    slow = Slow(lambda peer: True)
    client = ClientConfig.simple(it.trust, versions=versions, authorize=slow)
    return Case(client, ServerConfig.simple(it.identity), slow, "client", state)


CASES: dict[str, Callable[[Material], Case]] = {
    "AwaitIdentity": lambda it: server_resolver(it, "1.3", "AwaitIdentity"),
    "AwaitSecondIdentity": lambda it: server_resolver_again(it, "1.3", "AwaitSecondIdentity"),
    "AwaitSignature": lambda it: server_signer(it, "1.3", "AwaitSignature"),
    "AwaitAuthorization": lambda it: server_authorize(it, "1.3", "AwaitAuthorization"),
    "AwaitClientSignature": lambda it: client_signer(it, "1.3", "AwaitClientSignature"),
    "AwaitServerAuthorization": lambda it: client_authorize(it, "1.3", "AwaitServerAuthorization"),
    "AwaitIdentity12": lambda it: server_resolver(it, "1.2", "AwaitIdentity12"),
    "AwaitSignature12": lambda it: server_signer(it, "1.2", "AwaitSignature12"),
    "AwaitAuthorization12": lambda it: server_authorize(it, "1.2", "AwaitAuthorization12"),
    "AwaitClientSignature12": lambda it: client_signer(it, "1.2", "AwaitClientSignature12"),
    "AwaitServerAuthorization12": lambda it: client_authorize(it, "1.2", "AwaitServerAuthorization12"),
}


def reach(case: Case) -> tuple[Connection, Connection]:
    """The one that waits, and its peer, once both are silent."""
    client, server = case.start()
    waiter, peer = (client, server) if case.waits == "client" else (server, client)
    pump(client, server)
    for _ in range(case.earlier):
        asyncio.run(waiter.settle())
        pump(client, server)
    assert type(waiter._state).__name__ == case.state
    assert waiter.waiting is not None
    assert peer.waiting is None
    return waiter, peer


async def finish(waiter: Connection, peer: Connection) -> None:
    """Settle and carry octets until both ends are silent and nothing waits."""
    while waiter.waiting is not None:
        await waiter.settle()
        pump(waiter, peer)


def echo(one: Connection, other: Connection) -> None:
    """Application data in both directions."""
    for sender, receiver in ((one, other), (other, one)):
        sender.write(b"after all")
        receiver.receive(sender.data_to_send())
        assert receiver.read() == b"after all"
