"""Fuzz targets of the protocol: handshake messages by themselves, as the first at a real end, and inside real flights.

A message that is taken encodes to what came. An end that was given nonsense fails for good, blames no fault of its own
(internal_error), and takes nobody for somebody else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from zlib import crc32

from tests.fuzz.engine import refusal
from tests.support.peers import RawClient, RawServer
from tests.support.peers12 import RawClient12, RawServer12
from tests.support.standing import (
    NAME,
    client_config,
    client_issued,
    fresh,
    issued,
    mutual_client_config,
    mutual_server_config,
    records_of,
    server_config,
)
from tests.wire.samples import MESSAGE_SAMPLES
from tlscore import TlsError, errors
from tlscore.connection import Connection
from tlscore.iana import ProtocolVersion
from tlscore.wire import Certificate, CertificateEntry, Extensions, decode, encode

_OLDER_GROUPS = ("x25519", "secp256r1")


# -- messages ----------------------------------------------------------------------------------------------------------


def _message(version: int, data: bytes) -> None:
    refused = refusal(errors.AlertError, lambda: decode(data, version))
    if refused is not None:
        # RFC 9846 6.2: a message that cannot be parsed, or has a value out of range or an extension out of place.
        assert refused.alert in (10, 47, 50, 110, 112), f"{refused!r} for a message that cannot be parsed"
        return
    message = decode(data, version)
    again = encode(message)
    # Hellos of TLS 1.2 may come without a block of extensions (RFC 5246 7.4.1.4); we write an empty one.
    bare = not getattr(message, "extensions", True) and decode(again, version) == message
    assert again == data or bare, f"{message!r} was read from other octets"
    assert repr(message)


def message13(data: bytes) -> None:
    """Any handshake message of TLS 1.3."""
    _message(ProtocolVersion.TLS13, data)


def message12(data: bytes) -> None:
    """Any handshake message of TLS 1.2."""
    _message(ProtocolVersion.TLS12, data)


@cache
def handshakes() -> tuple[bytes, ...]:
    """A sample of each message, and the hellos of real handshakes."""
    hellos = []
    for settings in ({}, {"versions": "1.2", "groups": _OLDER_GROUPS}, {"grease": True}):
        client, server = fresh(settings)
        first = client.data_to_send()
        server.receive(first)
        hellos += [first[5:], records_of(server.data_to_send())[0][5:]]
    return (*(encode(message) for message in MESSAGE_SAMPLES.values()), *hellos)


def _records(message: bytes) -> bytes:
    pieces = [message[at : at + 2**14] for at in range(0, len(message), 2**14)]
    return b"".join(b"\x16\x03\x03" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def _first_message(end: Connection, data: bytes) -> None:
    """Give a message in the clear to a connection: whatever it is, nobody is authenticated, and an end is final."""
    failure = refusal(TlsError, lambda: end.receive(_records(data)))
    assert end.error is failure
    for call in (end.data_to_send, end.events, lambda: end.receive(b"\0")) if failure is not None else ():
        assert refusal(TlsError, call) in (None, failure)
    assert not end.handshake_complete
    assert not end.authenticated
    assert end.report().text()


def client_hello(data: bytes) -> None:
    """Any first message at a server."""
    _first_message(server_config().connection(), data)


def server_hello(data: bytes) -> None:
    """Any first message at a client."""
    client = client_config(groups=_OLDER_GROUPS).connection(NAME)
    client.data_to_send()
    _first_message(client, data)


# -- flights -----------------------------------------------------------------------------------------------------------


@cache
def flights() -> tuple[bytes, ...]:
    """Messages that stand in flights, the real ones of the standing identities among them."""
    chains = (issued().chain_der, client_issued().chain_der)
    entries = [tuple(CertificateEntry(der, Extensions()) for der in chain) for chain in chains]
    server = RawServer12(issued(), client_config(versions="1.2", groups=_OLDER_GROUPS).connection(NAME)).flight()
    found = [record[5:] for record in records_of(server.layer.data_to_send())]
    own = [encode(Certificate(b"", one)) for one in entries]
    return (*own, *found, *(encode(message) for message in MESSAGE_SAMPLES.values()))


def _flight(steps: Sequence[Callable[[], object]], send: Callable[[bytes], object], data: bytes) -> None:
    """Take the steps of an honest flight, with the message in place of one of them, before it, or behind all."""
    place = crc32(data) % (2 * len(steps) + 1)
    for number, step in enumerate(steps):
        if place % len(steps) == number and place < 2 * len(steps):
            send(data)
            if place < len(steps):
                continue
        step()
    if place == 2 * len(steps):
        send(data)


def _told(end: Connection, wire: bytes, leaf_of_peer: bytes) -> None:
    """Give what a peer with keys sent to a real end: only TLS errors, none our own fault, nobody taken for another."""
    for call in (lambda: end.receive(wire), end.events, end.read):
        failure = refusal(TlsError, call)
        assert failure is None or failure.alert != 80, f"{failure!r} is blamed on ourselves"
    assert not end.authenticated or end.peer_chain[0] == leaf_of_peer
    assert end.report().text()


def server_flight(data: bytes) -> None:
    """Any message in the flight of a server of TLS 1.3, at a client with an identity."""
    client = mutual_client_config(post_handshake_auth=True).connection(NAME)
    server = RawServer(issued(), client).hello()
    steps = (server.encrypted_extensions, server.certificate, server.certificate_verify, server.finished)
    _flight(steps, server.send, data)
    _told(client, server.wire(), issued().chain_der[0])


def client_flight(data: bytes) -> None:
    """Any message in the second flight of a client of TLS 1.3, at a server that demands a certificate."""
    server = mutual_server_config().connection()
    client = RawClient(client_issued())
    server.receive(client.hello().wire())
    client.take_flight(server.data_to_send())
    _flight((client.certificate, client.certificate_verify, client.finished), client.send, data)
    _told(server, client.wire(), client_issued().chain_der[0])


def server_flight12(data: bytes) -> None:
    """Any message in the flight of a server of TLS 1.2."""
    client = client_config(versions="1.2", groups=_OLDER_GROUPS).connection(NAME)
    server = RawServer12(issued(), client).hello()
    _flight((server.certificate, server.key_exchange, server.done), server.send, data)
    _told(client, server.layer.data_to_send(), issued().chain_der[0])


def client_flight12(data: bytes) -> None:
    """Any message in the flight of a client of TLS 1.2, at a server that demands a certificate."""
    server = mutual_server_config().connection()
    client = RawClient12(client_issued())
    server.receive(client.hello().layer.data_to_send())
    client.take_flight(server.data_to_send())

    def end() -> None:
        if client.secret is None:
            client.derive(client.shared)
        client.change()
        client.finished()

    _flight((client.certificate, client.key_exchange, client.certificate_verify, end), client.send, data)
    _told(server, client.layer.data_to_send(), client_issued().chain_der[0])
