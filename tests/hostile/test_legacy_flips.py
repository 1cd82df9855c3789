"""The legacy tier under a hostile wire: every octet of every flight changed, every cut, records out of order.

As in test_bit_flips, the version in the header of records in the clear is benign, and nothing else: with any other
octet changed both ends end in an error, and no end ever takes the other for somebody.
"""

from __future__ import annotations

from functools import cache

import pytest

from tests.hostile.test_bit_flips import settle, try_receive
from tests.support import standing
from tests.support.legacy import client, server, tier
from tests.support.peers import pump
from tests.support.peers_legacy import RawLegacyClient
from tests.support.standing import NAME, ended, records_of
from tlscore import ClientConfig, ServerConfig, errors
from tlscore.connection import Connection
from tlscore.versions import TLS10

Kind = tuple[str, str, bool]
KINDS: list[Kind] = [
    ("1.0", "TLS_RSA_WITH_AES_128_CBC_SHA", False),
    ("1.1", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", True),
    ("1.2", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", False),
]
HEADER = 5


@cache
def configs(kind: Kind) -> tuple[ClientConfig, ServerConfig]:
    version, name, mutual = kind
    only = tier(versions=version, suites=(name,))
    return client(only, "rsa2048" if mutual else None), server(only, "rsa2048", mutual)


def fresh(kind: Kind) -> tuple[Connection, Connection]:
    ours, theirs = configs(kind)
    return ours.connection(NAME), theirs.connection()


def flight(kind: Kind, number: int) -> tuple[Connection, Connection, bytes]:
    """Both ends, and the flight `number` on its way: 0 and 2 are the client's, 1 and 3 the server's."""
    ends = fresh(kind)
    for at in range(number):
        ends[1 - at % 2].receive(ends[at % 2].data_to_send())
    return (*ends, ends[number % 2].data_to_send())


def benign(wire: bytes, at: int, protected: bool) -> bool:
    """Whether an octet is the version in the header of a record in the clear."""
    start = 0
    for record in records_of(wire):
        if record[0] == 20:
            protected = True
        elif start <= at < start + len(record):
            return not protected and at - start in (1, 2)
        if start <= at < start + len(record):
            return at - start in (1, 2)
        start += len(record)
    return False


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
@pytest.mark.parametrize("number", range(4))
def test_no_changed_octet_of_a_flight_is_taken(kind: Kind, number: int) -> None:
    """S18: every run ends in an alert and the end, or as if nothing had happened where the octet means nothing."""
    octets = len(flight(kind, number)[2])
    # Certificates and keys are long: every third octet of a long flight, shifted by kind.
    for at in range(KINDS.index(kind), octets, 1 if octets < 300 else 3):
        ours, theirs, wire = flight(kind, number)
        if at >= len(wire):
            break
        changed = bytearray(wire)
        changed[at] ^= 0x10
        try_receive(theirs if number % 2 == 0 else ours, bytes(changed))
        settle(ours, theirs)
        if benign(wire, at, False):
            continue
        assert not (ours.handshake_complete and theirs.handshake_complete), at
        assert ours.error is not None or theirs.error is not None, at


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
@pytest.mark.parametrize("number", range(4))
def test_every_cut_is_a_truncation(kind: Kind, number: int) -> None:
    """Row 42 of the attacks: the end of the stream in any flight, at any octet, is never the end of a handshake."""
    octets = len(flight(kind, number)[2])
    for at in range(KINDS.index(kind), octets, 1 if octets < 300 else 7):
        ours, theirs, wire = flight(kind, number)
        receiver = theirs if number % 2 == 0 else ours
        receiver.receive(wire[: min(at, len(wire) - 1)])
        assert isinstance(ended(receiver.eof), errors.TruncationError), at
        assert not receiver.handshake_complete


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def test_records_in_any_other_order_are_refused(kind: Kind) -> None:
    """S89: swapped, repeated and dropped records of application data; MAC and sequence number find all of them."""
    for change in ((1, 0, 2), (0, 0, 1), (0, 2), (2,)):
        ours, theirs = fresh(kind)
        pump(ours, theirs)
        wires = []
        for number in range(3):
            ours.write(bytes((number,)))
            wires.append(ours.data_to_send())
        got = bytearray()

        def deliver(receiver: Connection, chosen: list[bytes], taken: bytearray) -> None:
            for wire in chosen:
                receiver.receive(wire)
                taken += standing.everything(receiver)

        with pytest.raises(errors.BadRecordMac):
            deliver(theirs, [wires[number] for number in change], got)
        assert bytes(got) == b"\0"[: change[0] == 0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def test_octet_by_octet_is_the_same_handshake(kind: Kind) -> None:
    ours, theirs = fresh(kind)
    for _ in range(2):
        for sender, receiver in ((ours, theirs), (theirs, ours)):
            for octet in sender.data_to_send():
                receiver.receive(bytes((octet,)))
    assert ours.handshake_complete
    assert theirs.handshake_complete


WRITES = (1, 2, 300, 16384, 16385, 40_000, 1)


def split(octets: int) -> list[int]:
    """What the records of one write of TLS 1.0 hold."""
    sizes = [1]
    while rest := octets - sum(sizes):
        sizes.append(min(rest, 16384))
    return sizes


@pytest.mark.parametrize("encrypt_then_mac", [True, False])
def test_tls10_every_write_begins_with_a_record_of_one_octet(encrypt_then_mac: bool) -> None:
    """Row 1 of the attacks (BEAST): once for each write, since all of a write is chosen before its first record shows;
    in both orders of MAC and encryption, and after any write."""
    receiver = server(tier(versions="1.0", suites=("TLS_RSA_WITH_AES_128_CBC_SHA",)), "rsa2048").connection()
    raw = RawLegacyClient(TLS10)
    # encrypt_then_mac is extension 22.
    raw.hello(raw.hello_message(drop=() if encrypt_then_mac else (22,)))
    receiver.receive(raw.wire())
    raw.take_flight(receiver.data_to_send())
    assert raw.etm is encrypt_then_mac
    receiver.receive(raw.flight().wire())
    raw.complete(receiver.data_to_send())
    for octets in WRITES:
        receiver.write(standing.pattern(octets))
        sizes = []
        for record in records_of(receiver.data_to_send()):
            raw.feed(record)
            sizes.append(len(raw.layer.read()))
        assert sizes == split(octets)


def test_tls10_both_ends_split_their_writes() -> None:
    only = tier(versions="1.0", suites=("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",))
    ends = client(only).connection(NAME), server(only, "rsa2048").connection()
    pump(*ends)
    for sender, receiver in (ends, ends[::-1]):
        for octets in WRITES:
            sender.write(standing.pattern(octets))
            sizes = []
            for record in records_of(sender.data_to_send()):
                receiver.receive(record)
                sizes.append(len(standing.everything(receiver)))
            assert sizes == split(octets)
