"""The calls of the record layer that event loops make: one receive at most, no wait, no exception for "not yet"."""

import os
import socket
from collections.abc import Iterator

import pytest

from tests.support.standing import connected
from tlscore import TruncationError, errors
from tlscore.connection import Connection

Wired = tuple[Connection, Connection, socket.socket, socket.socket]


@pytest.fixture
def wired() -> Iterator[Wired]:
    """(writer, reader, the writer's socket, the reader's)."""
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        yield *connected(), near, far


def read(reader: Connection, far: socket.socket) -> bytes:
    received = bytearray()
    while data := reader.try_read_bytes_from(far.fileno(), 1 << 20):
        received += data
    return bytes(received)


def test_nothing_there_is_no_exception(wired: Wired) -> None:
    _, reader, near, far = wired
    assert reader.try_read_bytes_from(far.fileno(), 100) is None
    assert reader.try_read_from(far.fileno(), bytearray(10)) == -1
    near.send(b"\x17\x03\x03\x40")
    assert reader.try_read_bytes_from(far.fileno(), 100) is None
    assert reader.buffered_wire == 4


@pytest.mark.parametrize("size", [1, 16384, 16385, 100_000])
def test_what_is_sent_is_read(wired: Wired, size: int) -> None:
    writer, reader, near, far = wired
    data = os.urandom(size)
    assert writer.try_send_to(near.fileno(), data) == 0
    assert read(reader, far) == data
    assert writer.try_send_to(near.fileno(), data) == 0
    buffer, received = bytearray(777), bytearray()
    while (octets := reader.try_read_from(far.fileno(), buffer)) > 0:
        received += buffer[:octets]
    assert received == data
    assert octets == -1


def test_what_the_socket_does_not_take_waits_and_follows(wired: Wired) -> None:
    writer, reader, near, far = wired
    data = os.urandom(5 << 20)
    left = writer.try_send_to(near.fileno(), data)
    assert left == writer.pending_wire > 0
    more = os.urandom(1000)
    assert writer.try_send_to(near.fileno(), more) > left - (1 << 20)
    received = bytearray()
    while writer.try_send_to(near.fileno(), b""):
        received += read(reader, far)
    received += read(reader, far)
    assert received == data + more
    assert writer.pending_wire == 0


def test_read_gives_at_most_what_was_asked_for(wired: Wired) -> None:
    writer, reader, near, far = wired
    writer.try_send_to(near.fileno(), bytes(range(200)))
    assert reader.try_read_bytes_from(far.fileno(), 50) == bytes(range(50))
    assert reader.try_read_bytes_from(far.fileno(), 0) == bytes([50])
    assert reader.read() == bytes(range(51, 200))


def test_close_notify_is_told_from_nothing_there(wired: Wired) -> None:
    writer, reader, near, far = wired
    writer.try_send_to(near.fileno(), b"last")
    writer.close()
    assert writer.try_send_to(near.fileno(), b"") == 0
    assert reader.try_read_bytes_from(far.fileno(), 100) == b"last"
    assert reader.try_read_bytes_from(far.fileno(), 100) == b""
    assert reader.try_read_from(far.fileno(), bytearray(1)) == 0
    with pytest.raises(errors.ConnectionClosedError):
        writer.try_send_to(near.fileno(), b"more")


@pytest.mark.parametrize("into", [False, True])
def test_end_of_stream_without_close_notify_is_truncation(wired: Wired, into: bool) -> None:
    """RFC 9846 6.1: data may be missing."""
    writer, reader, near, far = wired
    writer.try_send_to(near.fileno(), b"before")
    near.close()
    assert reader.try_read_bytes_from(far.fileno(), 100) == b"before"
    call = (lambda: reader.try_read_from(far.fileno(), bytearray(10))) if into else reader.read
    with pytest.raises(TruncationError):
        reader.try_read_bytes_from(far.fileno(), 10)
    with pytest.raises(TruncationError):
        call()


@pytest.mark.parametrize("into", [False, True])
def test_key_update_is_answered_before_control_goes_back(wired: Wired, into: bool) -> None:
    """RFC 9846 4.7.3: the answer to update_requested leaves although nobody writes."""
    writer, reader, near, far = wired
    writer.update_keys(request_peer=True)
    writer.try_send_to(near.fileno(), b"")
    if into:
        assert reader.try_read_from(far.fileno(), bytearray(10)) == -1
    else:
        assert reader.try_read_bytes_from(far.fileno(), 10) is None
    assert reader.counters[2:] == (1, 1)
    assert writer.try_read_bytes_from(near.fileno(), 10) is None
    assert writer.counters[2:] == (1, 1)


def test_damaged_record_comes_after_the_whole_ones_before_it(wired: Wired) -> None:
    writer, reader, near, far = wired
    writer.try_send_to(near.fileno(), b"whole")
    near.send(b"\x17\x03\x03\x00\x30" + bytes(48))
    assert reader.try_read_bytes_from(far.fileno(), 100) == b"whole"
    with pytest.raises(errors.BadRecordMac):
        reader.try_read_bytes_from(far.fileno(), 100)
    with pytest.raises(errors.BadRecordMac):
        reader.try_send_to(far.fileno(), b"x")


def test_errors_of_the_system_pass_marked(wired: Wired) -> None:
    writer, reader, near, far = wired
    far.close()
    with pytest.raises(BrokenPipeError) as caught:
        writer.try_send_to(near.fileno(), b"x")
    assert caught.value.from_stream
    with pytest.raises(OSError, match="Bad file descriptor"):
        reader.try_read_bytes_from(-1, 10)


def test_misuse_is_refused(wired: Wired) -> None:
    writer, reader, near, far = wired
    with pytest.raises(BufferError, match="empty"):
        reader.try_read_from(far.fileno(), bytearray())
    with pytest.raises(TypeError):
        writer.try_send_to(near.fileno(), "text")


def test_head_of_a_record_holds_no_large_buffer() -> None:
    """A peer that sends the head of a record and falls silent: what waits deserves a page, not a receive buffer."""
    from tests.support.memory import run_script

    each = run_script("""
        import json, socket
        from tests.support.memory import resident
        from tests.support.standing import connected
        pairs = [(socket.socketpair(), connected()) for _ in range(200)]
        def send_head(pair):
            (near, far), (writer, reader) = pair
            writer.write(bytes(16000))
            near.send(writer.data_to_send()[:100])
            assert reader.try_read_bytes_from(far.fileno(), 10) is None
        # What the pool holds is paid once.
        for pair in pairs[:50]:
            send_head(pair)
        before = resident()
        for pair in pairs[50:]:
            send_head(pair)
        print(json.dumps((resident() - before) / 150))
    """)
    assert each <= 8 * 1024
