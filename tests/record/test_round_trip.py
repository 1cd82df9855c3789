"""What is written on one side is read on the other: every way to write, every way to read, every cut of the wire."""

import array
import mmap
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.standing import connected, pattern
from tlscore import policies
from tlscore.connection import Connection
from tlscore.iana import SUITES12, SUITES13, CipherSuite

BIG = 16384
SIZES = st.one_of(
    st.integers(0, 70),
    st.builds(lambda records, off: max(0, records * BIG + off), st.integers(1, 5), st.integers(-2, 2)),
    st.integers(0, 120_000),
)


def as_mmap(data: bytes) -> object:
    mapped = mmap.mmap(-1, max(1, len(data)))
    mapped.write(data)
    return memoryview(mapped)[: len(data)]


BUFFERS: tuple[Callable[[bytes], object], ...] = (
    bytes,
    bytearray,
    memoryview,
    as_mmap,
    lambda data: memoryview(bytearray(data)),
    lambda data: array.array("B", data),
)


def write(sender: Connection, data: bytes, way: str, convert: Callable[[bytes], object], cuts: list[int]) -> bytes:
    """Seal `data` in one of the three ways; gives the wire."""
    if way == "write":
        assert sender.write(convert(data)) == len(data)
        return sender.data_to_send()
    if way == "write_many":
        places = sorted(min(cut, len(data)) for cut in cuts)
        pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
        assert sender.write_many([convert(piece) for piece in pieces]) == len(data)
        return sender.data_to_send()
    out = bytearray(sender.wire_size(len(data)))
    return bytes(out[: sender.write_into(convert(data), out)])


def read_all(receiver: Connection, way: str, room: int) -> bytes:
    """Everything that waits, by one of the two ways."""
    got = bytearray()
    while True:
        if way == "read":
            piece: bytes | bytearray = receiver.read()
        else:
            buffer = bytearray(room)
            piece = buffer[: receiver.read_into(buffer)]
        if not piece:
            return bytes(got)
        got += piece


def feed(receiver: Connection, wire: bytes, cuts: list[int], convert: Callable[[bytes], object]) -> None:
    places = sorted(cut % (len(wire) + 1) for cut in cuts)
    for start, end in zip([0, *places], [*places, len(wire)], strict=True):
        receiver.receive(convert(wire[start:end]))


@settings(max_examples=150, deadline=None, database=None)
@given(data=st.data())
def test_data_passes_by_every_way_to_write_and_read_and_every_cut(data: st.DataObject) -> None:
    client, server = connected()
    for sender, receiver in data.draw(st.lists(st.sampled_from(((client, server), (server, client))), max_size=4)):
        sent = pattern(data.draw(SIZES))
        cuts = data.draw(st.lists(st.integers(0, 130_000), max_size=12))
        way = data.draw(st.sampled_from(("write", "write_many", "write_into")))
        wire = write(sender, sent, way, data.draw(st.sampled_from(BUFFERS)), cuts)
        feed(receiver, wire, cuts, data.draw(st.sampled_from(BUFFERS)))
        room = data.draw(st.sampled_from((1000, 16383, 16384, 16385, 70_000)))
        assert read_all(receiver, data.draw(st.sampled_from(("read", "read_into"))), room) == sent


@settings(max_examples=60, deadline=None, database=None)
@given(
    sizes=st.lists(st.integers(0, 40_000), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 5000), min_size=1, max_size=40),
    interleave=st.booleans(),
)
def test_stream_does_not_depend_on_how_the_wire_is_cut(sizes: list[int], cuts: list[int], interleave: bool) -> None:
    client, server = connected()
    for size in sizes:
        client.write(pattern(size))
    wire, at, got, turn = client.data_to_send(), 0, bytearray(), 0
    while at < len(wire):
        step = cuts[turn % len(cuts)]
        server.receive(wire[at : at + step])
        at, turn = at + step, turn + 1
        if interleave:
            got += server.read()
    got += read_all(server, "read_into", 5000)
    assert got == b"".join(pattern(size) for size in sizes)


# TLS 1.2 with an ECDSA key; with RSA the record layer is the same.
SUITES = [*SUITES13, *[code for code, info in SUITES12.items() if info.authentication == "ECDSA"]]


@pytest.mark.parametrize("suite", SUITES, ids=CipherSuite.name_of)
@pytest.mark.parametrize("octets", [0, 1, 16383, 16384, 16385, 100_000, 1 << 20])
def test_every_suite_carries_every_size_octet_by_octet_or_whole(suite: int, octets: int) -> None:
    version = "1.3" if suite in SUITES13 else "1.2"
    # In TLS 1.2 the groups bound the curves of certificates too.
    ours = {"suites": (suite,), "versions": version, "groups": ("x25519", "secp256r1")}
    client, server = connected(ours, {"suites": policies.IMPLEMENTED_SUITES})
    assert client.version == f"TLSv{version}"
    client.write(pattern(octets))
    wire = client.data_to_send()
    if octets <= 1:
        for octet in wire:
            server.receive(bytes((octet,)))
    else:
        server.receive(wire)
    assert read_all(server, "read", 0) == pattern(octets)


def test_wire_size_is_enough_and_write_into_refuses_less_without_losing_anything() -> None:
    client, server = connected()
    client.write(b"waits ")
    needed = client.wire_size(20_000)
    small = bytearray(100)
    with pytest.raises(ValueError, match="wire_size"):
        client.write_into(pattern(20_000), small)
    assert small == bytes(100)
    out = bytearray(needed)
    used = client.write_into(pattern(20_000), out)
    assert used <= needed
    server.receive(out[:used])
    assert read_all(server, "read", 0) == b"waits " + pattern(20_000)


def test_empty_or_read_only_destination_is_refused() -> None:
    client, server = connected()
    client.write(b"stays")
    server.receive(client.data_to_send())
    with pytest.raises(BufferError):
        server.read_into(bytearray())
    with pytest.raises((BufferError, TypeError, ValueError)):
        server.read_into(b"read only")
    with pytest.raises((BufferError, TypeError, ValueError)):
        server.read_into(memoryview(bytearray(20))[::2])
    assert server.read() == b"stays"


def test_objects_that_are_no_buffers_are_refused_and_change_nothing() -> None:
    client, server = connected()
    for wrong in ("text", None, 5, [1, 2]):
        for call in (client.write, client.receive):
            with pytest.raises((TypeError, BufferError)):
                call(wrong)  # type: ignore[arg-type]
        with pytest.raises((TypeError, BufferError)):
            client.write_many([b"lost?", wrong])  # type: ignore[list-item]
    client.write(b"fine")
    server.receive(client.data_to_send())
    assert server.read() == b"fine"
