"""Rules 1 and 2: one call whatever the number of records, the same number of objects, no copy that Python would see."""

import gc
import sys
import tracemalloc
from collections.abc import Callable

import pytest

from tests.support.counting import calls_of
from tests.support.forger import logged
from tests.support.standing import connected, pattern, records_of

ONE, THOUSAND = 16384, 1000 * 16384


def blocks_of(work: Callable[[], object]) -> tuple[int, int]:
    """Python memory blocks, and objects that the collector knows, which are there after `work` and were not before."""
    gc.collect()
    gc.disable()
    try:
        kept: list[object] = [None]
        before_objects, before = len(gc.get_objects()), sys.getallocatedblocks()
        kept[0] = work()
        blocks, objects = sys.getallocatedblocks() - before, len(gc.get_objects()) - before_objects
    finally:
        gc.enable()
    return blocks, objects


@pytest.fixture(scope="module")
def thousand() -> bytes:
    return pattern(THOUSAND)


@pytest.mark.parametrize("records", [1, 1000])
def test_write_and_read_are_one_call_each(thousand: bytes, records: int) -> None:
    client, server = connected()
    data, buffer = thousand[: records * ONE], bytearray(records * ONE)
    assert calls_of(lambda: client.write(data)) == ["write"]
    wire = client.data_to_send()
    assert len(records_of(wire)) == records
    server.receive(wire)
    assert calls_of(lambda: server.read_into(buffer)) == ["read_into"]
    assert buffer == data


# Free lists and caches of the interpreter itself account for this much; an object per record would be 1,000.
NOISE = 4


def fewest(prepare: Callable[[], Callable[[], object]]) -> int:
    """The smallest count of objects and blocks of five rounds: caches of the interpreter fill up in some."""
    return min(sum(blocks_of(prepare())) for _ in range(5))


def same(one: Callable[[], Callable[[], object]], thousand: Callable[[], Callable[[], object]]) -> bool:
    return abs(fewest(one) - fewest(thousand)) <= NOISE


def test_write_makes_the_same_objects_for_one_record_and_for_a_thousand(thousand: bytes) -> None:
    client, _ = connected()

    def writing(size: int) -> Callable[[], object]:
        client.data_to_send()
        return lambda: client.write(views[size])

    def taking(size: int) -> Callable[[], object]:
        client.write(views[size])
        return client.data_to_send

    def writing_into(size: int) -> Callable[[], object]:
        client.data_to_send()
        return lambda: client.write_into(views[size], out)

    views = {size: memoryview(thousand)[:size] for size in (ONE, THOUSAND)}
    out = bytearray(client.wire_size(THOUSAND))
    for prepare in (writing, taking, writing_into):
        assert same(lambda prepare=prepare: prepare(ONE), lambda prepare=prepare: prepare(THOUSAND))


def test_read_makes_the_same_objects_for_one_record_and_for_a_thousand(thousand: bytes) -> None:
    client, server = connected()
    buffer = bytearray(THOUSAND)

    def receiving(size: int) -> Callable[[], object]:
        server.read_into(buffer)
        client.write(memoryview(thousand)[:size])
        wire = client.data_to_send()
        return lambda: server.receive(wire)

    def opening(size: int) -> Callable[[], object]:
        receiving(size)()
        return lambda: server.read_into(buffer)

    for prepare in (receiving, opening):
        assert same(lambda prepare=prepare: prepare(ONE), lambda prepare=prepare: prepare(THOUSAND))


def test_read_opens_many_records_into_one_bytes_object() -> None:
    client, server = connected()

    def waiting(records: int) -> Callable[[], object]:
        for _ in range(records):
            client.write(b"0123456789")
        server.receive(client.data_to_send())
        return server.read

    assert same(lambda: waiting(1), lambda: waiting(1000))


def test_into_calls_make_no_python_memory_that_grows_with_the_data() -> None:
    client, server = connected()
    data = pattern(8 << 20)
    out, back = bytearray(client.wire_size(len(data))), bytearray(len(data))
    written = client.write_into(data[:10], out)
    server.receive(out[:written])
    server.read_into(back)
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        written = client.write_into(data, out)
        sealing = tracemalloc.get_traced_memory()[1] - before
        # A bytearray is copied into Rust's own memory (rule 6), so that the peak shows nothing of it.
        server.receive(memoryview(out)[:written])
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        assert server.read_into(back) == len(data)
        opening = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert back == data
    assert max(sealing, opening) < 2048


def test_write_seals_into_the_object_that_data_to_send_hands_out() -> None:
    client, _ = connected()
    data = pattern(4 << 20)
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        client.write(data)
        wire = client.data_to_send()
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    # One bytes object, made once: a copy would show as twice its size.
    assert len(wire) <= peak < len(wire) + 2048


def test_small_writes_are_joined_into_full_records_by_write_many() -> None:
    client, server = connected()
    assert client.write_many([b"x" * 100] * 1000) == 100_000
    wire = client.data_to_send()
    assert len(records_of(wire)) == -(-100_000 // ONE)
    server.receive(wire)
    assert server.read() == b"x" * 100_000


def test_read_stops_at_a_change_of_keys_at_messages_and_at_the_end() -> None:
    # Rule 3.
    client, server = connected()
    client.write(b"before")
    client.update_keys()
    client.write(b"after")
    client.close()
    server.receive(client.data_to_send())
    assert server.read() == b"before"
    assert not server.peer_closed
    assert server.read() == b"after"
    assert not server.peer_closed
    assert server.read() == b""
    assert server.peer_closed


def test_read_into_stops_at_a_handshake_message_between_data() -> None:
    ends = logged()
    forger, client = ends.as_server(), ends.client
    ticket = bytes((4, 0, 0, 26)) + bytes(4) + bytes(4) + b"\x08" + b"noncenon" + b"\0\x05tickt" + b"\0\0"
    client.receive(forger.seal(b"one") + forger.seal(ticket, 22) + forger.seal(b"two"))
    buffer = bytearray(100)
    assert client.read_into(buffer) == 3
    assert buffer[:3] == b"one"
    assert client.buffered_wire > 0
    assert client.read_into(buffer) == 3
    assert buffer[:3] == b"two"
    assert [type(event).__name__ for event in client.events()] == ["TicketReceived"]
