"""TLS 1.2 of the default tier under a hostile wire: octets changed, flights cut, records split, moved and repeated.

As in test_bit_flips, the version in the header of a record in the clear means nothing, and nothing else does. What is
not refused by both ends, at the latest when the stream ends, must leave both with one view of the handshake: version,
suite, group, names and keys. A client of TLS 1.2 meets a server of both versions, so that the mark of RFC 9846 4.2.3 is
on the wire too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.hostile.test_bit_flips import settle, try_receive
from tests.support import standing
from tests.support.peers import failure, pump
from tests.support.standing import NAME, ended, records_of
from tlscore import AlertError, errors
from tlscore.connection import Connection

Ends = tuple[Connection, Connection]
KINDS = ("simple", "mutual")
SUITES = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
)
HEADER = 5
CHANGE, ALERT, HANDSHAKE = 20, 21, 22


def fresh(kind: str, suite: str = SUITES[0]) -> Ends:
    # The second group is that of the certificates.
    groups = ("x25519", "secp256r1")
    settings: dict[str, Any] = {"versions": "1.2", "suites": (suite,), "groups": groups, "alpn": ("h2",)}
    if kind == "mutual":
        ours, theirs = standing.mutual_client_config(**settings), standing.mutual_server_config(alpn=("h2",))
    else:
        ours, theirs = standing.client_config(**settings), standing.server_config(alpn=("h2",))
    return ours.connection(NAME), theirs.connection()


def connected(kind: str = "simple", suite: str = SUITES[0]) -> Ends:
    ends = fresh(kind, suite)
    pump(*ends)
    return ends


def flight(kind: str, number: int) -> tuple[Connection, Connection, bytes]:
    """Both ends, and the flight `number` on its way: 0 and 2 are the client's, 1 and 3 the server's."""
    ends = fresh(kind)
    for at in range(number):
        ends[1 - at % 2].receive(ends[at % 2].data_to_send())
    return (*ends, ends[number % 2].data_to_send())


def in_the_clear(wire: bytes) -> int:
    """How many octets of a flight stand in front of its protected records; all of it where it has none."""
    at = 0
    for record in records_of(wire):
        at += len(record)
        if record[0] == CHANGE:
            return at
    return at


def means_nothing(wire: bytes) -> set[int]:
    """The octets of a flight that are the version in the header of a record in the clear."""
    at, found = 0, set[int]()
    for record in records_of(wire[: in_the_clear(wire)]):
        found |= {at + 1, at + 2}
        at += len(record)
    return found


def view(end: Connection) -> tuple[object, ...]:
    return end.version, end.suite, end.group, end.alpn, end.export_keying_material("EXPORTER-test", b"", 32)


def refused(ends: Ends, why: object) -> None:
    """Both ends ended in an error of their own, and neither gave an octet away."""
    for end in ends:
        assert isinstance(end.error, (errors.AlertError, errors.TransportError)), why
        assert not isinstance(end.error, errors.InternalError), why
        assert failure(end.read) is end.error, why
        assert failure(end.write, b"data") is end.error, why


def deliver(ends: Ends, number: int, wire: bytes, why: object) -> bool:
    """Bring a changed flight to its receiver, and all that follows; gives whether the handshake came about."""
    try_receive(ends[1 - number % 2], wire)
    settle(*ends)
    if ends[0].handshake_complete and ends[1].handshake_complete and ends[0].error is ends[1].error is None:
        assert view(ends[0]) == view(ends[1]), why
        return True
    refused(ends, why)
    return False


# -- the handshake -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(4))
def test_every_octet_of_a_flight_is_looked_at(kind: str, number: int) -> None:
    """S18: two bits of each octet, others from octet to octet."""
    _, _, sample = flight(kind, number)
    for at in range(len(sample)):
        for bit in (at % 8, (at + 4) % 8):
            ours, theirs, wire = flight(kind, number)
            # Signatures differ in length from run to run, so the last octets are there in some runs only.
            if at >= len(wire):
                break
            changed = bytearray(wire)
            changed[at] ^= 1 << bit
            came_about = deliver((ours, theirs), number, bytes(changed), (number, at, bit))
            assert came_about == (at in means_nothing(wire)), (number, at, bit)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(4))
def test_every_cut_of_a_flight_is_a_truncation(kind: str, number: int) -> None:
    """Row 42 of the attacks: the end of the stream at any octet is an error of its own, and never a clean end."""
    at = 0
    while True:
        ours, theirs, wire = flight(kind, number)
        receiver = theirs if number % 2 == 0 else ours
        receiver.receive(wire[:at])
        # The whole of its last flight completes an end; a stream that stops behind it is cut all the same.
        assert receiver.handshake_complete == (at >= len(wire) and number >= 2), at
        error = failure(receiver.eof)
        assert type(error) is errors.TruncationError, at
        assert error.alert_sent is None
        assert failure(receiver.read) is error
        if at >= len(wire):
            return
        at += 1


def by_message(wire: bytes) -> list[bytes]:
    """The records of a flight with one handshake message in each record that is in the clear."""
    clear = in_the_clear(wire)
    found = []
    for record in records_of(wire[:clear]):
        at = HEADER
        while record[0] == HANDSHAKE and at < len(record):
            end = at + 4 + int.from_bytes(record[at + 1 : at + 4], "big")
            found.append(record[:3] + (end - at).to_bytes(2, "big") + record[at:end])
            at = end
        if record[0] != HANDSHAKE:
            found.append(record)
    return found + records_of(wire[clear:])


def disorders(count: int) -> Iterable[tuple[str, list[int]]]:
    order = list(range(count))
    for at in range(count):
        yield "dropped", order[:at] + order[at + 1 :]
        yield "repeated", order[: at + 1] + order[at:]
        yield "repeated at the end", [*order, at]
        for to in range(at + 1, count):
            swapped = order.copy()
            swapped[at], swapped[to] = swapped[to], swapped[at]
            yield "swapped", swapped


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(4))
def test_messages_in_any_other_order_are_refused(kind: str, number: int) -> None:
    """S89: dropped, repeated and swapped, Finished and change_cipher_spec among them; nothing of it is a handshake."""
    _, _, sample = flight(kind, number)
    count = len(by_message(sample))
    for what, order in disorders(count):
        ours, theirs, wire = flight(kind, number)
        messages = by_message(wire)
        assert len(messages) == count
        changed = b"".join(messages[place] for place in order)
        came_about = deliver((ours, theirs), number, changed, (number, what, order))
        assert not came_about, (number, what, order)
    # One message a record is the same flight.
    ours, theirs, wire = flight(kind, number)
    assert deliver((ours, theirs), number, b"".join(by_message(wire)), number)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(3))
def test_messages_split_between_records_at_every_octet_are_the_same(kind: str, number: int) -> None:
    # RFC 5246 6.2.1: "a single message MAY be fragmented across several records".
    at = 1
    while True:
        ours, theirs, wire = flight(kind, number)
        record, *rest = records_of(wire)
        if at >= len(record) - HEADER:
            return
        pieces = (record[HEADER:][:at], record[HEADER:][at:])
        split = b"".join(record[:3] + len(piece).to_bytes(2, "big") + piece for piece in pieces)
        assert deliver((ours, theirs), number, split + b"".join(rest), (number, at))
        at += 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [1, 2, 3, 7, 100])
def test_any_pieces_of_the_stream_are_the_same_handshake(kind: str, step: int) -> None:
    ends = fresh(kind)
    for number in range(4):
        wire = ends[number % 2].data_to_send()
        for at in range(0, len(wire), step):
            ends[1 - number % 2].receive(wire[at : at + step])
    assert view(ends[0]) == view(ends[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(4))
def test_alert_in_the_clear_between_any_two_messages_changes_nothing_else(kind: str, number: int) -> None:
    """A fatal alert or close_notify ends the handshake; a warning passes or is refused; no view is changed by it."""
    for level, description in ((1, 0), (2, 40), (1, 90), (1, 112), (1, 100), (2, 0xFF), (3, 1)):
        alert = bytes((ALERT, 3, 3, 0, 2, level, description))
        _, _, sample = flight(kind, number)
        for place in range(len(by_message(sample))):
            ours, theirs, wire = flight(kind, number)
            messages = by_message(wire)
            messages.insert(place, alert)
            came_about = deliver((ours, theirs), number, b"".join(messages), (number, level, description, place))
            assert not came_about or level == 1, (number, level, description, place)


# -- application data --------------------------------------------------------------------------------------------------


def one_record(suite: str, content: bytes = b"data") -> tuple[Connection, Connection, bytes]:
    client, server = connected(suite=suite)
    client.write(content)
    return client, server, client.data_to_send()


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("bit", [0, 3, 7])
def test_no_changed_octet_of_a_record_gives_data(suite: str, bit: int) -> None:
    """Header, explicit nonce, ciphertext and tag: none of it may change, and nothing of the content comes out."""
    octets = len(one_record(suite)[2])
    for at in range(octets):
        _, server, wire = one_record(suite)
        changed = bytearray(wire)
        changed[at] ^= 1 << bit
        error = ended(lambda: server.receive(bytes(changed)), server.read, server.eof)  # noqa: B023
        if at in (3, 4):
            # A longer record waits for the rest of it, until the stream ends.
            assert isinstance(error, (errors.BadRecordMac, errors.RecordOverflow, errors.TruncationError)), at
        else:
            assert isinstance(error, (errors.BadRecordMac, errors.UnexpectedMessage, errors.DecodeError)), at
        buffer = bytearray(64)
        assert failure(server.read_into, buffer) is error
        assert buffer == bytes(64)


@pytest.mark.parametrize("suite", SUITES)
def test_records_in_any_other_order_give_what_came_in_order_and_no_more(suite: str) -> None:
    for order in ((1, 0, 2), (0, 0, 1), (0, 2), (2,), (0, 1, 1), (2, 1, 0)):
        client, server = connected(suite=suite)
        wires = []
        for number in range(3):
            client.write(b"%d" % number)
            wires.append(client.data_to_send())
        got = bytearray()
        error = None
        for number in order:
            error = ended(lambda: server.receive(wires[number]), lambda: got.extend(server.read()))  # noqa: B023
            if error is not None:
                break
        assert type(error) is errors.BadRecordMac, order
        assert b"012".startswith(got), order
        assert len(got) == next(place for place, number in enumerate(order) if place != number)


@pytest.mark.parametrize("suite", SUITES)
def test_every_cut_of_a_record_is_a_truncation(suite: str) -> None:
    octets = len(one_record(suite)[2])
    for at in range(octets):
        _, server, wire = one_record(suite)
        server.receive(wire[:at])
        assert server.read() == b""
        assert type(failure(server.eof)) is errors.TruncationError


def test_record_of_another_connection_or_of_the_other_direction_is_refused() -> None:
    for suite in SUITES:
        _, server, _ = one_record(suite)
        _, _, foreign = one_record(suite)
        server.receive(foreign)
        assert isinstance(failure(server.read), errors.BadRecordMac)
        _, server = connected(suite=suite)
        server.write(b"mirror")
        server.receive(server.data_to_send())
        error = failure(server.read)
        assert isinstance(error, AlertError)
        assert error.alert_sent == 20
