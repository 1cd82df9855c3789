"""Every bit of every flight flipped: nothing is accepted, except for bits that RFC 9846 says nobody looks at.

The benign ones are listed here, all of them: the legacy_record_version of records in the clear, of which RFC 9846 5.1
says that it "MUST be ignored for all purposes". With such a bit flipped the handshake ends as if nothing had happened,
with the same secrets on both ends. With any other both ends end in an error, at the latest when the stream ends.
"""

from typing import Any

import pytest

from tests.support.forger import logged
from tests.support.standing import (
    carry,
    connected,
    ended,
    fresh,
    mutual_client_config,
    mutual_server_config,
    records_of,
)
from tlscore import errors
from tlscore.connection import Connection

ACCEPTED_IN_A_RECORD = (errors.BadRecordMac, errors.RecordOverflow, errors.UnexpectedMessage)


def simple_ends() -> tuple[Connection, Connection]:
    return fresh({"groups": ("x25519",), "suites": ("TLS_AES_128_GCM_SHA256",)}, {})


def mutual_ends() -> tuple[Connection, Connection]:
    return mutual_client_config().connection("example.org"), mutual_server_config().connection()


def retried_ends() -> tuple[Connection, Connection]:
    return fresh({"groups": ("x25519", "secp256r1"), "key_shares": ("x25519",)}, {"groups": ("secp256r1",)})


def try_receive(receiver: Connection, wire: bytes) -> None:
    ended(lambda: receiver.receive(wire), receiver.events)


def settle(client: Connection, server: Connection) -> None:
    """Carry what both say until they are silent, and end both streams; errors stay with the connections."""
    for _ in range(6):
        for sender, receiver in ((client, server), (server, client)):
            wire = sender.data_to_send()
            if wire:
                try_receive(receiver, wire)
    if client.handshake_complete and server.handshake_complete:
        return
    for end in (client, server):
        ended(end.eof)


def flight(ends: Any, number: int) -> tuple[Connection, Connection, bytes]:
    """Both ends, and the flight `number` on its way: 0 and 2 are the client's, 1 and 3 the server's."""
    client, server = ends()
    order = (client, server)
    for turn in range(number):
        carry(order[turn % 2], order[1 - turn % 2])
    return client, server, order[number % 2].data_to_send()


def benign(wire: bytes) -> set[int]:
    """Bits of legacy_record_version of the records in the clear."""
    found, at = set(), 0
    for record in records_of(wire):
        if record[0] != 23:
            found |= set(range(8 * (at + 1), 8 * (at + 3)))
        at += len(record)
    return found


def check(ends: Any, number: int, bits: list[int]) -> set[int]:
    """Flip each of these bits of one flight; gives the ones that were accepted."""
    accepted = set()
    for bit in bits:
        client, server, wire = flight(ends, number)
        changed = bytearray(wire)
        if bit // 8 >= len(changed):
            continue
        changed[bit // 8] ^= 1 << bit % 8
        try_receive((server, client)[number % 2], bytes(changed))
        settle(client, server)
        if client.handshake_complete or server.handshake_complete:
            assert client.handshake_complete, f"flight {number}, bit {bit}: only the server is content"
            assert server.handshake_complete, f"flight {number}, bit {bit}: only the client is content"
            assert client.channel_binding() == server.channel_binding()
            accepted.add(bit)
        else:
            assert client.error is not None, f"flight {number}, bit {bit}"
            assert server.error is not None, f"flight {number}, bit {bit}"
    return accepted


# Signatures of ECDSA have no fixed length, so that the last octets of a flight are there in some runs only.
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_bit_of_a_handshake(number: int, part: int) -> None:
    _, _, wire = flight(simple_ends, number)
    bits = [bit for bit in range(8 * len(wire)) if bit % 4 == part]
    assert check(simple_ends, number, bits) == benign(wire) & set(bits)


@pytest.mark.parametrize("number", [1, 2])
def test_every_octet_of_a_mutual_handshake(number: int) -> None:
    _, _, wire = flight(mutual_ends, number)
    bits = [8 * at + at % 8 for at in range(len(wire))]
    assert check(mutual_ends, number, bits) == benign(wire) & set(bits)


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4])
def test_every_octet_of_a_handshake_with_a_retry(number: int) -> None:
    _, _, wire = flight(retried_ends, number)
    bits = [8 * at + at % 8 for at in range(len(wire))]
    assert check(retried_ends, number, bits) == benign(wire) & set(bits)


@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"])
@pytest.mark.parametrize("way", ["read", "read_into"])
def test_every_bit_of_a_record(suite: str, way: str) -> None:
    for bit in range(8 * (5 + 4 + 1 + 16)):
        client, server = connected({"suites": (suite,)})
        client.write(b"data")
        wire = bytearray(client.data_to_send())
        wire[bit // 8] ^= 1 << bit % 8
        server.receive(bytes(wire))
        buffer = bytearray(100)
        try:
            got = bytes(server.read()) if way == "read" else server.read_into(buffer)
            # Bits of the length may make the record longer than what came: then it is the end of the stream that tells.
            assert not got
            assert 24 <= bit < 40
            server.eof()
        except errors.TruncationError:
            assert 24 <= bit < 40
        except ACCEPTED_IN_A_RECORD:
            assert server.error is not None
        else:
            raise AssertionError(f"bit {bit} was accepted")
        assert buffer.strip(b"\0") == b"" or b"data" not in buffer


def test_every_bit_of_an_alert_is_refused_and_closes_nothing() -> None:
    for bit in range(8 * (5 + 2 + 1 + 16)):
        client, server = connected()
        client.close()
        wire = bytearray(client.data_to_send())
        wire[bit // 8] ^= 1 << bit % 8
        try:
            server.receive(bytes(wire))
            server.read()
            server.eof()
        except (*ACCEPTED_IN_A_RECORD, errors.TruncationError):
            assert not server.peer_closed
        else:
            raise AssertionError(f"bit {bit} was accepted")


def test_records_repeated_swapped_or_dropped_are_refused() -> None:
    for order in ((0, 0), (1, 0), (0, 2), (1,), (0, 1, 1), (2, 1, 0)):
        client, server = connected()
        records = []
        for number in range(3):
            client.write(b"%d" % number)
            records.append(client.data_to_send())
        server.receive(b"".join(records[number] for number in order))
        got = bytearray()
        try:
            while piece := server.read():
                got += piece
        except errors.BadRecordMac:
            pass
        else:
            raise AssertionError(f"{order} was accepted")
        assert b"012".startswith(got)


def test_record_of_another_connection_or_of_the_other_direction_is_refused() -> None:
    client, server = connected()
    other, _ = connected()
    for sender in (other, server):
        fresh_client, fresh_server = connected()
        receiver = fresh_server if sender is other else server
        if sender is server:
            # Reflection: the server's own record comes back to it.
            server.write(b"mirror")
            server.receive(server.data_to_send())
        else:
            other.write(b"foreign")
            fresh_server.receive(other.data_to_send())
        try:
            assert not receiver.read()
        except errors.BadRecordMac:
            continue
        raise AssertionError("accepted")
        assert fresh_client is not None
    assert client.error is None


@pytest.mark.parametrize("number", [0, 1, 2])
def test_handshake_records_repeated_swapped_or_dropped_are_refused(number: int) -> None:
    _, _, wire = flight(simple_ends, number)
    count = len(records_of(wire))
    changes = [("drop", at) for at in range(count)] + [("repeat", at) for at in range(count)]
    changes += [("swap", at) for at in range(count - 1)]
    for change, at in changes:
        client, server, wire = flight(simple_ends, number)
        records = records_of(wire)
        compatibility = 20 in (records[at][0], records[(at + 1) % count][0] if change == "swap" else 0)
        if change == "drop":
            del records[at]
        elif change == "repeat":
            records.insert(at, records[at])
        else:
            records[at], records[at + 1] = records[at + 1], records[at]
        try_receive((server, client)[number % 2], b"".join(records))
        settle(client, server)
        if compatibility:
            # A change_cipher_spec is dropped wherever it may stand, so that one more or less changes nothing.
            assert client.handshake_complete == server.handshake_complete
        else:
            assert client.error is not None, (change, at)
            assert server.error is not None, (change, at)


def test_both_ends_have_the_same_secrets_when_benign_bits_are_flipped() -> None:
    ends = logged(complete=False)
    order = (ends.client, ends.server)
    for turn in range(3):
        wire = bytearray(order[turn % 2].data_to_send())
        for bit in benign(bytes(wire)):
            wire[bit // 8] ^= 1 << bit % 8
        order[1 - turn % 2].receive(bytes(wire))
    assert ends.client.handshake_complete
    assert ends.server.handshake_complete
    assert ends.client.channel_binding() == ends.server.channel_binding()
