"""The descriptor calls of the record layer: receive and open, seal and send, in one call each, on a socket pair."""

import errno
import hashlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support.peers import failure
from tests.support.standing import connected, pattern
from tlscore import errors
from tlscore.connection import Connection
from tlscore.ssl.errors import as_stdlib

GARBAGE = b"\x17\x03\x03\x00\x30" + bytes(48)


class Wired(NamedTuple):
    client: Connection
    server: Connection
    near: socket.socket
    far: socket.socket

    def send(self, data: bytes, timeout: float | None = 10) -> int:
        return self.client.send_to(self.near.fileno(), data, timeout)

    def read(self, room: int = 1 << 16, timeout: float | None = 10) -> bytes:
        buffer = bytearray(room)
        return bytes(buffer[: self.server.read_from(self.far.fileno(), buffer, timeout)])


@pytest.fixture
def wired() -> Iterator[Wired]:
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        yield Wired(*connected(), near, far)


@pytest.mark.parametrize("octets", [1, 16384, 16385, 1 << 20, 20 << 20])
def test_data_of_any_size_passes(wired: Wired, octets: int) -> None:
    data, digest, done = pattern(octets), hashlib.sha256(), 0
    sent: list[int] = []
    thread = threading.Thread(target=lambda: sent.append(wired.send(data)))
    thread.start()
    while done < octets:
        piece = wired.read()
        digest.update(piece)
        done += len(piece)
    thread.join(20)
    assert sent == [octets]
    assert digest.digest() == hashlib.sha256(data).digest()


def test_end_of_stream_without_close_notify_is_truncation(wired: Wired) -> None:
    # Rule 10, in this API too; whole records before the cut are delivered.
    wired.send(b"before the cut")
    wired.client.write(b"cut in the middle")
    wired.near.send(wired.client.data_to_send()[:-3])
    wired.near.close()
    assert wired.read() == b"before the cut"
    error = failure(wired.read)
    assert type(error) is errors.TruncationError
    assert failure(wired.server.write, b"x") is error
    assert wired.server.closed


def test_close_notify_is_the_end_of_data(wired: Wired) -> None:
    wired.send(b"all of it")
    wired.client.close()
    wired.client.flush_to(wired.near.fileno(), 10)
    wired.near.close()
    assert wired.read() == b"all of it"
    assert wired.read() == b""
    assert wired.read() == b""
    assert wired.server.peer_closed


def test_nothing_to_read_is_want_read_or_a_timeout_and_the_connection_lives(wired: Wired) -> None:
    error = failure(wired.read, 10, 0)
    assert isinstance(error, errors.WantReadError)
    assert isinstance(error, BlockingIOError)
    error = failure(wired.read, 10, 0.01)
    assert isinstance(error, errors.OperationTimeout)
    assert isinstance(error, TimeoutError)
    wired.send(b"late")
    assert wired.read() == b"late"


def test_full_socket_is_want_write_and_nothing_is_lost_or_sent_twice(wired: Wired) -> None:
    data = pattern(64 << 20)
    done, got = 0, hashlib.sha256()
    received = 0
    blocked = 0
    while done < len(data):
        try:
            done += wired.send(memoryview(data)[done : done + 300_000], 0)  # type: ignore[arg-type]
        except errors.WantWriteError:
            blocked += 1
            while True:
                try:
                    piece = wired.read(1 << 20, 0)
                except errors.WantReadError:
                    break
                got.update(piece)
                received += len(piece)
        if done > 8 << 20:
            break
    wired.client.close()
    thread = threading.Thread(target=lambda: wired.client.flush_to(wired.near.fileno(), 10))
    thread.start()
    while piece := wired.read(1 << 20):
        got.update(piece)
        received += len(piece)
    thread.join(10)
    assert blocked > 0
    assert received >= done
    assert got.digest() == hashlib.sha256(memoryview(data)[:received]).digest()


@pytest.mark.parametrize("shorter", [b"", b"B" * 10, b"B" * 16383])
def test_fewer_octets_than_were_refused_are_an_error_and_nothing_is_lost(wired: Wired, shorter: bytes) -> None:
    data, sent = b"A" * 16384, 0
    with pytest.raises(errors.WantWriteError):  # noqa: PT012
        while True:
            sent += wired.send(data, 0)
    for drained in (False, True):
        # While the socket is full, and when it has room again.
        if drained:
            got = len(wired.read())
        for timeout in (0, 10):
            with pytest.raises(errors.UsageError, match="sealed") as caught:
                wired.send(shorter, timeout)
            assert (caught.value.code, caught.value.alert_sent) == ("TLS-BAD_LENGTH", None)
            shape = as_stdlib(caught.value, operation="write")
            assert (type(shape), getattr(shape, "reason", None)) == (ssl.SSLError, "BAD_LENGTH")
    # With the data that was refused all goes on, and what comes then is sent.
    taken: list[int] = []

    def write() -> None:
        taken.extend((wired.send(data + b"more"), wired.send(b"B" * 10)))
        wired.client.close()
        wired.client.flush_to(wired.near.fileno(), 10)

    thread = threading.Thread(target=write)
    thread.start()
    tail = b""
    while piece := wired.read():
        got += len(piece)
        tail = (tail + piece)[-11:]
    thread.join(10)
    assert taken == [16384, 10]
    assert got == sent + 16384 + 10
    assert tail == b"A" + b"B" * 10


def test_send_that_times_out_says_so(wired: Wired) -> None:
    error = failure(wired.send, pattern(64 << 20), 0.05)
    assert isinstance(error, errors.OperationTimeout)


def test_bad_record_is_refused_and_the_alert_waits_to_be_flushed(wired: Wired) -> None:
    wired.near.send(GARBAGE)
    error = failure(wired.read)
    assert type(error) is errors.BadRecordMac
    wired.server.flush_to(wired.far.fileno(), 10)
    buffer = bytearray(100)
    told = failure(wired.client.read_from, wired.near.fileno(), buffer, 10)
    assert type(told) is errors.BadRecordMac
    assert told.sender == "peer"


def test_peer_that_is_gone_is_an_os_error(wired: Wired) -> None:
    wired.far.close()
    assert isinstance(failure(wired.send, pattern(1 << 20)), OSError)


def test_reply_to_a_key_update_leaves_with_the_next_flush(wired: Wired) -> None:
    wired.client.update_keys(True)
    wired.send(b"under new keys")
    assert wired.read() == b"under new keys"
    assert wired.server.pending_wire > 0
    wired.server.send_to(wired.far.fileno(), b"answer", 10)
    buffer = bytearray(100)
    assert wired.client.read_from(wired.near.fileno(), buffer, 10) == 6
    assert wired.client.counters[2:] == (1, 1)


def test_a_frugal_layer_leaves_what_it_does_not_give_in_the_descriptor(wired: Wired) -> None:
    wired.server._set_frugal(True)
    for text in (b"one", b"two"):
        wired.send(text)
    wired.near.send(b"plain octets behind the records")
    assert wired.read() == b"one"
    assert wired.server.buffered_wire == 0
    assert wired.read() == b"two"
    assert wired.far.recv(100) == b"plain octets behind the records"


def test_a_frugal_layer_takes_bulk_data_in_one_call(wired: Wired) -> None:
    wired.server._set_frugal(True)
    data = pattern(60_000)
    wired.send(data)
    assert wired.read() == data
    assert wired.server.buffered_wire <= 5


def test_errors_of_the_system_have_its_number_and_text(wired: Wired) -> None:
    wired.far.close()
    error = failure(wired.send, bytes(100))
    assert type(error) is BrokenPipeError
    assert error.args == (errno.EPIPE, os.strerror(errno.EPIPE))
    assert error.from_stream
