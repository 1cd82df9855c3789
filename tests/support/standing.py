"""An authority, identities and configurations that are made once a run, as functions: what hypothesis and scripts need.

`connected()` gives a client and a server after their handshake; settings of either end are given by keyword. Groups and
keys are the cheapest ones, so that a test may afford thousands of handshakes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from tlscore import ClientConfig, Identity, ServerConfig, TlsError, TrustStore
from tlscore.connection import Connection

from .certificates import Authority, Issued, make_ca
from .peers import pump

NAME = "example.org"
Flights = list[tuple[str, bytes]]


@cache
def authority() -> Authority:
    return make_ca("Standing CA")


@cache
def trust() -> TrustStore:
    return TrustStore.from_bytes(authority().pem)


@cache
def issued() -> Issued:
    return authority().issue(NAME, usage="server")


@cache
def identity() -> Identity:
    return Identity.load(issued().chain_pem, issued().key_pem)


@cache
def client_issued() -> Issued:
    return authority().issue("client.example", usage="client")


@cache
def client_identity() -> Identity:
    return Identity.load(client_issued().chain_pem, client_issued().key_pem)


@cache
def client_config(**settings: Any) -> ClientConfig:
    """A client that trusts `authority()`; with one share, of x25519, unless groups are given."""
    return ClientConfig.simple(trust(), **{"groups": ("x25519",), **settings})


@cache
def server_config(**settings: Any) -> ServerConfig:
    return ServerConfig.simple(identity(), **settings)


@cache
def mutual_client_config(**settings: Any) -> ClientConfig:
    return ClientConfig.mutual(trust(), identity=client_identity(), **{"groups": ("x25519",), **settings})


@cache
def mutual_server_config(**settings: Any) -> ServerConfig:
    return ServerConfig.mutual(identity(), client_trust=trust(), **settings)


def fresh(client: dict[str, Any] | None = None, server: dict[str, Any] | None = None) -> tuple[Connection, Connection]:
    """A client and a server that have not spoken yet."""
    return client_config(**(client or {})).connection(NAME), server_config(**(server or {})).connection()


def connected(
    client: dict[str, Any] | None = None, server: dict[str, Any] | None = None
) -> tuple[Connection, Connection]:
    """A client and a server after the handshake, with no event waiting."""
    ends = fresh(client, server)
    pump(*ends)
    for end in ends:
        end.events()
    return ends


def carry(sender: Connection, receiver: Connection) -> bytes:
    """Move what waits at one end to the other; gives the octets."""
    wire = sender.data_to_send()
    receiver.receive(wire)
    return wire


def ended(*calls: Callable[[], object]) -> TlsError | None:
    """Make the calls one after another; gives the error of the first that fails."""
    for call in calls:
        try:
            call()
        except TlsError as error:
            return error
    return None


def everything(receiver: Connection) -> bytes:
    """All application data that waits; one read stops at each change of keys."""
    got = bytearray()
    while piece := receiver.read():
        got += piece
    return bytes(got)


def records_of(wire: bytes) -> list[bytes]:
    """The records of a stretch of wire octets, headers included."""
    found, at = [], 0
    while at < len(wire):
        end = at + 5 + int.from_bytes(wire[at + 3 : at + 5], "big")
        found.append(wire[at:end])
        at = end
    return found


def pattern(octets: int) -> bytes:
    """Octets that repeat with no power of two, so that a block in the wrong place shows."""
    block = bytes((at * 31 + at // 251) & 255 for at in range(251 * 8))
    return (block * (octets // len(block) + 1))[:octets]
