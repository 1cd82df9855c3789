"""Rules 4, 5 and 6: two threads on one connection, when the interpreter is released, and memory that changes meanwhile.

Nothing here depends on how long something takes. The switch interval is set so high that the interpreter changes hands
only where somebody lets go of it, so a second thread that counts shows whether a call has let go.
"""

import hashlib
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.support.standing import carry, connected, pattern
from tlscore import errors
from tlscore.connection import Connection

TOTAL = 50 << 20


def run_all(*works: Callable[[], object]) -> None:
    """Run each in a thread of its own; the first exception of any is raised here."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a thread hangs"
    if failures:
        raise failures[0]


class Pipe:
    """Wire octets from one end to the other, from thread to thread."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.ready = threading.Condition()

    def put(self, chunk: bytes) -> None:
        with self.ready:
            self.ready.wait_for(lambda: len(self.chunks) < 8, 30)
            self.chunks.append(chunk)
            self.ready.notify_all()

    def take(self) -> bytes:
        with self.ready:
            assert self.ready.wait_for(lambda: self.chunks, 30)
            chunk = self.chunks.pop(0)
            self.ready.notify_all()
            return chunk


def test_one_thread_reads_while_another_writes_in_both_directions() -> None:
    ends = connected()
    pipes = {0: Pipe(), 1: Pipe()}
    sent, got = [hashlib.sha256(), hashlib.sha256()], [hashlib.sha256(), hashlib.sha256()]
    sizes = (1, 100, 16384, 70_000, 200_000, 1 << 20)
    data = pattern(1 << 20)

    def writer(number: int) -> None:
        end, done, turn = ends[number], 0, number
        while done < TOTAL:
            piece = data[: min(sizes[turn % len(sizes)], TOTAL - done)]
            end.write(piece)
            sent[number].update(piece)
            done, turn = done + len(piece), turn + 1
            if turn % 100 == 0:
                end.update_keys(True)
            pipes[number].put(end.data_to_send())

    def reader(number: int) -> None:
        end, done, buffer = ends[number], 0, bytearray(300_000)
        while done < TOTAL:
            end.receive(pipes[1 - number].take())
            while octets := end.read_into(buffer):
                got[number].update(memoryview(buffer)[:octets])
                done += octets
        assert done == TOTAL

    run_all(lambda: writer(0), lambda: reader(0), lambda: writer(1), lambda: reader(1))
    assert sent[0].digest() == got[1].digest()
    assert sent[1].digest() == got[0].digest()
    assert ends[0].counters[2] > 1
    assert ends[1].counters[2] > 1


def test_close_by_another_thread_ends_the_writer_with_an_error_and_no_record_is_torn() -> None:
    ended: list[int] = []
    for turn in range(5):
        client, server = connected()
        wire: list[bytes] = []
        started = threading.Event()

        def write(client: Connection = client, wire: list[bytes] = wire, started: threading.Event = started) -> None:
            try:
                while True:
                    client.write(b"x" * 300_000)
                    wire.append(client.data_to_send())
                    started.set()
            except errors.ConnectionClosedError:
                ended.append(1)

        def close(client: Connection = client, started: threading.Event = started) -> None:
            started.wait(10)
            client.close()

        run_all(write, close)
        assert len(ended) == turn + 1
        wire.append(client.data_to_send())
        got = 0
        for chunk in wire:
            server.receive(chunk)
            while piece := server.read():
                assert piece.strip(b"x") == b""
                got += len(piece)
        assert server.peer_closed
        assert got % 300_000 == 0


def test_failure_by_another_thread_ends_reader_and_writer_with_the_same_error() -> None:
    client, _ = connected()
    seen: list[BaseException] = []
    started = threading.Barrier(3)

    def write() -> None:
        started.wait(10)
        try:
            while True:
                client.write(b"x" * 200_000)
                client.data_to_send()
        except errors.TlsError as error:
            seen.append(error)

    def read() -> None:
        started.wait(10)
        try:
            while True:
                client.read()
                time.sleep(0)
        except errors.TlsError as error:
            seen.append(error)

    def spoil() -> None:
        started.wait(10)
        client.receive(b"\x17\x03\x03\x00\x30" + bytes(48))

    run_all(write, read, spoil)
    assert len(seen) == 2
    assert seen[0] is seen[1] is client.error
    assert isinstance(client.error, errors.BadRecordMac)


def test_many_threads_on_one_connection_never_crash_nor_repeat_a_record() -> None:
    client, server = connected()
    wire: list[bytes] = []
    turn = threading.Lock()

    def write() -> None:
        for _ in range(200):
            client.write(b"w" * 500)

    def drain() -> None:
        for _ in range(300):
            # Octets must reach the peer in the order in which they were taken.
            with turn:
                wire.append(client.data_to_send())

    def look() -> None:
        for _ in range(500):
            _ = (client.pending_wire, client.counters, client.peer_closed, client.closed, client.wire_size(10))
            client.events()

    run_all(write, write, drain, drain, look, look)
    wire.append(client.data_to_send())
    wire.append(client.data_to_send())
    server.receive(b"".join(wire))
    got = bytearray()
    while piece := server.read():
        got += piece
    assert got == b"w" * 500 * 400


def test_write_and_send_to_by_two_threads_leave_in_the_order_of_their_records() -> None:
    client, server = connected()
    ours, theirs = socket.socketpair()
    done = threading.Event()
    got = bytearray()

    def queue() -> None:
        for _ in range(3000):
            client.write(b"w" * 50)

    def send() -> None:
        for _ in range(3000):
            client.send_to(ours.fileno(), b"s" * 50, 10)
        client.flush_to(ours.fileno(), 10)

    def receive() -> None:
        while not done.is_set() or select.select([theirs], [], [], 0)[0]:
            if select.select([theirs], [], [], 0.01)[0]:
                server.receive(theirs.recv(1 << 20))
                while piece := server.read():
                    got.extend(piece)

    def both() -> None:
        try:
            run_all(queue, send)
            client.flush_to(ours.fileno(), 10)
        finally:
            done.set()

    with ours, theirs:
        run_all(both, receive)
    assert (got.count(b"w"), got.count(b"s")) == (150_000, 150_000)


@contextmanager
def counting() -> Iterator[list[int]]:
    """A thread that counts whenever it gets the interpreter, which changes hands only where somebody lets go of it."""
    count, stop = [0], threading.Event()

    def tick() -> None:
        while not stop.is_set():
            count[0] += 1
            time.sleep(0)

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=tick, daemon=True)
    sys.setswitchinterval(1000)
    try:
        thread.start()
        while count[0] == 0:
            time.sleep(0.001)
        yield count
    finally:
        stop.set()
        thread.join(30)
        sys.setswitchinterval(interval)


def test_long_calls_release_the_interpreter_and_short_ones_keep_it() -> None:
    client, server = connected()
    big = pattern(64 << 20)
    out, back = bytearray(client.wire_size(len(big)) + 100), bytearray(len(big))
    passed: dict[str, int] = {}
    with counting() as count:

        def watch(name: str, work: Callable[[], object]) -> None:
            before = count[0]
            work()
            passed[name] = count[0] - before

        def short() -> None:
            for _ in range(200):
                client.write(b"x" * 100_000)
                server.receive(client.data_to_send())
                server.read()
                server.write(b"y")
                client.receive(server.data_to_send())
                client.read_into(small)

        small = bytearray(100_000)
        watch("short", short)
        watch("write", lambda: client.write(big))
        wire = client.data_to_send()
        server.receive(wire)
        watch("read_into", lambda: server.read_into(back))
        watch("write_into", lambda: client.write_into(big, out))
        watch("write_many", lambda: client.write_many([big]))
    assert back == big
    assert passed.pop("short") == 0
    assert all(passed.values()), passed


def test_nobody_waits_for_a_lock_with_the_interpreter_in_hand() -> None:
    # Rule 4: who asks for something while another thread seals must let the rest of the program go on.
    client, _ = connected()
    big = bytes(64 << 20)
    calls: dict[str, Callable[[], object]] = {
        "counters": lambda: client.counters,
        "write": lambda: client.write(b"x"),
        "data_to_send": client.data_to_send,
        "wire_size": lambda: client.wire_size(10),
        "close": client.close,
    }
    with counting() as count:
        for name, call in calls.items():
            for _ in range(20):
                writer = threading.Thread(target=lambda: suppressed(client.write, big), daemon=True)
                writer.start()
                # Let the writer begin; the call below then finds the lock taken, most of the time.
                time.sleep(0.002)
                before = count[0]
                call()
                passed = count[0] - before
                writer.join(30)
                client.data_to_send()
                if passed or name == "close":
                    break
            else:
                raise AssertionError(f"{name} stops every other thread while it waits")


def suppressed(call: Callable[..., object], *arguments: object) -> None:
    with suppress(errors.TlsError):
        call(*arguments)


def test_threshold_of_release_is_a_setting() -> None:
    always, never = ({"interpreter_release_threshold": value} for value in (0, 2**31 - 1))
    big = pattern(32 << 20)
    for settings, released in ((always, True), (never, False)):
        client, _ = connected(settings)
        with counting() as count:
            before = count[0]
            client.write(big)
            assert (count[0] > before) is released


def test_wire_in_a_bytearray_may_change_as_soon_as_receive_has_returned() -> None:
    # Rule 6.
    client, server = connected()
    for size in (10, 20_000, 1 << 20):
        data = pattern(size)
        client.write(data)
        wire = bytearray(client.data_to_send())
        for convert in (lambda octets: octets, memoryview):
            if convert is memoryview:
                client.write(data)
                wire = bytearray(client.data_to_send())
            server.receive(convert(wire))
            wire[:] = bytes(len(wire))
            got = bytearray()
            while piece := server.read():
                got += piece
            assert got == data


def test_wire_of_a_read_only_view_of_changing_memory_is_copied_too() -> None:
    client, server = connected()
    client.write(b"kept")
    wire = bytearray(client.data_to_send())
    server.receive(memoryview(wire).toreadonly())
    wire[:] = bytes(len(wire))
    assert server.read() == b"kept"


def test_bytes_subclass_that_lies_about_nothing_is_fed_as_octets() -> None:
    class Special(bytes):
        pass

    client, server = connected()
    client.write(Special(b"special"))
    server.receive(Special(client.data_to_send()))
    assert server.read() == b"special"


def test_data_that_changes_during_a_write_cannot_break_the_records() -> None:
    client, server = connected({"interpreter_release_threshold": 0})
    data = bytearray(b"a" * (1 << 20))
    stop = threading.Event()

    def change() -> None:
        letter = 0
        while not stop.is_set():
            letter ^= 1
            data[:] = (b"b" if letter else b"a") * len(data)

    def write() -> None:
        try:
            for _ in range(20):
                client.write(data)
                carry(client, server)
                while piece := server.read():
                    # Whatever was sealed is one state or the other, octet by octet, and every record is authentic.
                    assert set(piece) <= {97, 98}
        finally:
            stop.set()

    run_all(change, write)
    assert server.error is None
