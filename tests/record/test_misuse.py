"""Wrong calls: each is refused by an exception of Python's own kinds or a UsageError, and the connection goes on.

No call may panic, and none may leave a lock behind that the next call trips over.
"""

import mmap
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.support.standing import carry, connected, everything, pattern
from tlscore import _core, errors
from tlscore.connection import Connection

ORDINARY = (TypeError, ValueError, OverflowError, BufferError, MemoryError)


def still_works(client: Connection, server: Connection) -> None:
    for sender, receiver in ((client, server), (server, client)):
        assert sender.error is None
        sender.write(b"goes on")
        carry(sender, receiver)
        assert everything(receiver).endswith(b"goes on")


@pytest.mark.parametrize("octets", [2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -1, "5", None, 1.5])
def test_wire_size_of_anything_is_a_number_or_an_ordinary_error(octets: Any) -> None:
    client, server = connected()
    with suppress(*ORDINARY):
        assert client.wire_size(octets) > octets
    still_works(client, server)


def test_output_that_overlaps_the_data_is_right_or_refused() -> None:
    for octets in (1, 100, 16384, 40_000):
        for source, target in (
            (0, 0),
            (5, 0),
            (1, 0),
            (22, 0),
            (0, 5),
            (0, 1),
            (0, 21),
            (100, 0),
            (0, 100),
            (50_000, 0),
        ):
            client, server = connected()
            data, memory = pattern(octets), bytearray(120_000)
            memory[source : source + octets] = data
            view = memoryview(memory)
            try:
                used = client.write_into(view[source : source + octets], view[target:])
            except (ValueError, BufferError):
                assert client.error is None
            else:
                server.receive(bytes(view[target : target + used]))
                assert everything(server) == data
            still_works(client, server)


def test_views_that_are_not_contiguous_are_refused() -> None:
    client, server = connected()
    strided = memoryview(bytearray(100))[::2]
    for call in (client.write, client.receive, lambda view: client.write_many([view])):
        with pytest.raises(ORDINARY):
            call(strided)  # type: ignore[arg-type]
    with pytest.raises(ORDINARY):
        client.write_into(b"data", memoryview(bytearray(2000))[::2])
    still_works(client, server)


def test_released_views_and_closed_maps_are_refused() -> None:
    client, server = connected()
    view = memoryview(b"gone")
    view.release()
    mapped = mmap.mmap(-1, 10)
    mapped.close()
    for gone in (view, mapped):
        with pytest.raises(ORDINARY):
            client.write(gone)
    still_works(client, server)


def test_buffer_is_let_go_after_each_call() -> None:
    client, server = connected()
    memory, out = bytearray(b"data"), bytearray(1000)
    client.write(memory)
    client.write_many([memory])
    used = client.write_into(memory, out)
    server.receive(memory := bytearray(out[:used]))
    into = bytearray(100)
    server.read_into(into)
    # Only a bytearray that nobody exports may change its size.
    for buffer in (memory, out, into):
        buffer.append(0)


@pytest.mark.parametrize(
    "wrong", [None, 5, "text", b"octets", (octets for octets in [b"x"]), {b"x": 1}, [b"x", None], [[b"x"]]]
)
def test_write_many_takes_a_sequence_of_buffers_and_nothing_else(wrong: Any) -> None:
    client, server = connected()
    with pytest.raises(ORDINARY):
        client.write_many(wrong)
    still_works(client, server)


def test_sequence_that_raises_or_calls_back_does_no_harm() -> None:
    client, server = connected()

    class Hostile(list):  # type: ignore[type-arg]
        def __getitem__(self, index: Any) -> Any:
            client.write(b"from inside")
            if index == 2:
                raise ZeroDivisionError
            return super().__getitem__(index)

    with pytest.raises((ZeroDivisionError, TypeError)):
        client.write_many(Hostile([b"a", b"b", b"c"]))
    carry(client, server)
    assert everything(server).replace(b"from inside", b"") in (b"", b"abc")
    still_works(client, server)


def test_keyword_arguments_and_missing_arguments_are_type_errors() -> None:
    client, server = connected()
    calls: tuple[Callable[[], object], ...] = (
        lambda: client.write(data=b"x"),  # type: ignore[call-arg]
        lambda: client.read_into(),  # type: ignore[call-arg]
        lambda: client.receive(),  # type: ignore[call-arg]
        lambda: client.write(b"x", b"y"),  # type: ignore[call-arg]
    )
    for call in calls:
        with pytest.raises(TypeError):
            call()
    still_works(client, server)


@pytest.mark.parametrize("octets", [-1, 2**50, 2**63, 2**64])
def test_random_octets_of_impossible_amounts_are_refused(octets: int) -> None:
    with pytest.raises((*ORDINARY, SystemError)):
        _core.random_bytes(octets)
    assert len(_core.random_bytes(0)) == 0


def test_exporter_bounds_are_refused_and_leave_the_connection_alive() -> None:
    client, server = connected()
    for label, length in (("x", 0), ("x", 8161), ("", 16), ("x" * 250, 16), ("x", -1), ("x", 2**64)):
        with pytest.raises((*ORDINARY, errors.UsageError)):
            client.export_keying_material(label, b"", length)
    still_works(client, server)


@pytest.mark.parametrize("timeout", [-1.0, float("nan"), "soon"])
def test_impossible_timeouts_are_refused(timeout: Any) -> None:
    client, server = connected()
    with pytest.raises(ORDINARY):
        client.read_from(0, bytearray(10), timeout)
    with pytest.raises(ORDINARY):
        client.send_to(1, b"x", timeout)
    still_works(client, server)


def test_descriptor_that_is_none_is_an_os_error_and_leaves_the_connection_alive() -> None:
    client, server = connected()
    for call in (lambda: client.read_from(-1, bytearray(10), 0), lambda: client.fill_from(-1, 0)):
        with pytest.raises(OSError, match="descriptor"):
            call()
    assert client.error is None
    assert server.error is None


def test_object_without_its_constructor_crashes_nothing() -> None:
    bare = Connection.__new__(Connection, True)
    for call in (bare.read, bare.events, bare.close, lambda: bare.write(b"x"), lambda: repr(bare)):
        with pytest.raises((AttributeError, errors.TlsError)):
            call()


@pytest.mark.parametrize("suite", [0, 0x1300, 0x1306, 0xC02F, 0xFFFF, -1, 2**16])
def test_unknown_suites_are_refused_by_the_schedule(suite: int) -> None:
    with pytest.raises(ORDINARY):
        _core.EarlySchedule(suite, None)


@pytest.mark.parametrize("group", [0, 0x0017 + 0x100, 0x001E, 0xFFFF, -1, 2**16])
def test_unknown_groups_are_refused_by_the_key_share(group: int) -> None:
    with pytest.raises(ORDINARY):
        _core.KeyShare.generate(group)
    with pytest.raises(ORDINARY):
        _core.KeyShare.respond(group, bytes(32))
