"""Lengths on the wire: padding policy (attack 3), record_size_limit (RFC 8449), and records that are too long."""

import pytest

from tests.support.forger import DATA, HANDSHAKE, logged
from tests.support.peers import failure
from tests.support.standing import carry, connected, pattern, records_of
from tlscore import Padding, errors
from tlscore.connection import Connection

TAG = 16


def wire_of(sender: Connection, octets: int) -> list[int]:
    """Lengths of the records of one write."""
    sender.write(pattern(octets))
    return [len(record) - 5 for record in records_of(sender.data_to_send())]


@pytest.mark.parametrize("unit", [2, 64, 256, 1000, 4096, 16384])
def test_padding_to_a_multiple_leaves_one_length_for_all_contents_below_it(unit: int) -> None:
    client, server = connected({"padding": Padding.to_multiple(unit)})
    lengths = {tuple(wire_of(client, octets)) for octets in {1, unit // 3 + 1, unit // 2, unit - 1}}
    assert lengths == {(unit + TAG,)}
    client, server = connected({"padding": Padding.to_multiple(unit)})
    for octets in (1, unit - 1, unit, unit + 1, 50_000):
        client.write(pattern(octets))
        for record in records_of(client.data_to_send()):
            inner = len(record) - 5 - TAG
            # The longest inner plaintext is 2^14 + 1, which is a multiple of nothing here.
            assert inner % unit == 0 or inner == 2**14 + 1
            server.receive(record)
        got = bytearray()
        while piece := server.read():
            got += piece
        assert got == pattern(octets)


def test_full_padding_makes_every_record_the_longest_possible() -> None:
    client, server = connected({"padding": Padding.full()})
    for octets in (1, 100, 16383, 16384):
        client.write(pattern(octets))
        wire = client.data_to_send()
        assert [len(record) for record in records_of(wire)] == [5 + 2**14 + 1 + TAG]
        server.receive(wire)
        assert server.read() == pattern(octets)


def test_without_padding_nothing_is_added() -> None:
    client, _ = connected()
    assert wire_of(client, 10) == [10 + 1 + TAG]


def test_padding_is_one_octet_of_type_and_zeros() -> None:
    ends = logged({"padding": Padding.to_multiple(100)})
    ends.client.write(b"abc")
    (record,) = records_of(ends.client.data_to_send())
    assert ends.as_client().open(record) == (DATA, b"abc", 96)


def test_padding_goes_together_with_record_size_limit() -> None:
    client, server = connected({"padding": Padding.full(), "record_size_limit": 700}, {"record_size_limit": 500})
    assert set(wire_of(client, 5000)) == {500 + TAG}
    server.write(pattern(5000))
    assert max(len(record) - 5 for record in records_of(server.data_to_send())) == 700 + TAG


@pytest.mark.parametrize(("own", "peer"), [(64, 64), (64, 2**14 + 1), (1000, 200), (2**14 + 1, 70)])
def test_record_size_limit_holds_in_both_directions(own: int, peer: int) -> None:
    client, server = connected({"record_size_limit": own}, {"record_size_limit": peer})
    for sender, receiver, limit in ((client, server, peer), (server, client, own)):
        sender.write(pattern(40_000))
        records = records_of(sender.data_to_send())
        # RFC 8449 4: the limit counts content, content type and padding; not the tag.
        assert max(len(record) - 5 - TAG for record in records) == limit
        receiver.receive(b"".join(records))
        got = bytearray()
        while piece := receiver.read():
            got += piece
        assert got == pattern(40_000)


def test_limit_counts_for_the_protected_handshake_too() -> None:
    ends = logged({"record_size_limit": 64}, {"record_size_limit": 64}, complete=False)
    carry(ends.client, ends.server)
    protected = [record for record in records_of(ends.server.data_to_send()) if record[0] == 23]
    # RFC 8449 4: the first protected records may come before the limit is known to the sender; here it is known.
    assert all(len(record) - 5 - TAG <= 64 for record in protected)
    assert len(protected) > 5


def test_record_above_the_announced_limit_is_refused() -> None:
    ends = logged({"record_size_limit": 100}, {"record_size_limit": 100})
    forger = ends.as_client()
    ends.server.receive(forger.seal(b"x" * 99))
    assert ends.server.read() == b"x" * 99
    ends.server.receive(forger.seal(b"x" * 100))
    error = failure(ends.server.read)
    assert type(error) is errors.RecordOverflow
    assert error.alert_sent == 22


def test_padding_counts_for_the_announced_limit() -> None:
    ends = logged({"record_size_limit": 100}, {"record_size_limit": 100})
    ends.server.receive(ends.as_client().seal(b"x", padding=99))
    assert type(failure(ends.server.read)) is errors.RecordOverflow


def test_longest_records_pass_and_longer_ones_are_refused_by_the_header_alone() -> None:
    # RFC 9846 5.1, 5.2: 2^14 octets in the clear, 2^14 + 256 protected, "record_overflow" above.
    ends = logged()
    forger = ends.as_client()
    ends.server.receive(forger.seal(pattern(2**14)))
    assert ends.server.read() == pattern(2**14)
    ends.server.receive(b"\x17\x03\x03" + (2**14 + 257).to_bytes(2, "big"))
    assert type(failure(ends.server.read)) is errors.RecordOverflow


def test_inner_plaintext_above_the_limit_is_refused() -> None:
    for content, padding in ((pattern(2**14 + 1), 0), (b"x", 2**14 + 1), (b"", 2**14 + 100)):
        ends = logged()
        ends.server.receive(ends.as_client().seal(content, padding=padding))
        assert type(failure(ends.server.read)) is errors.RecordOverflow


def test_padding_up_to_the_limit_passes_and_zeros_alone_are_refused() -> None:
    ends = logged()
    forger = ends.as_client()
    ends.server.receive(forger.seal(b"short", padding=2**14 - 5) + forger.seal(b"", padding=2**14))
    assert ends.server.read() == b"short"
    for zeros in (1, 100, 2**14 + 1):
        ends = logged()
        ends.server.receive(ends.as_client().seal_inner(bytes(zeros)))
        # RFC 9846 5.4: no non-zero octet: "it MUST terminate the connection with an "unexpected_message" alert."
        assert type(failure(ends.server.read)) is errors.UnexpectedMessage


@pytest.mark.parametrize("kind", [1, 19, 20, 24, 25, 99, 255])
def test_protected_records_of_other_types_are_refused(kind: int) -> None:
    ends = logged()
    ends.server.receive(ends.as_client().seal(b"\x01", kind))
    assert type(failure(ends.server.read)) is errors.UnexpectedMessage


def test_empty_handshake_records_are_refused_with_and_without_padding() -> None:
    for padding in (0, 10):
        ends = logged()
        ends.server.receive(ends.as_client().seal(b"", HANDSHAKE, padding))
        assert type(failure(ends.server.read)) is errors.UnexpectedMessage


@pytest.mark.parametrize("room", [1, 2, 15, 16, 100])
def test_every_padding_and_every_room_to_read_gives_the_same_data(room: int) -> None:
    ends = logged()
    forger, got, buffer = ends.as_client(), bytearray(), bytearray(room)
    for padding in range(40):
        ends.server.receive(forger.seal(b"0123456789abcdef", padding=padding))
        while octets := ends.server.read_into(buffer):
            got += buffer[:octets]
    assert got == b"0123456789abcdef" * 40


def test_octets_behind_what_read_into_reports_are_never_secrets_of_a_control_record() -> None:
    ends = logged()
    ticket = bytes((4, 0, 0, 26)) + bytes(8) + b"\x08" + b"noncenon" + b"\0\x05tickt" + b"\0\0"
    buffer = bytearray(200)
    ends.client.receive(ends.as_server().seal(ticket, HANDSHAKE))
    assert ends.client.read_into(buffer) == 0
    assert b"tickt" not in buffer
