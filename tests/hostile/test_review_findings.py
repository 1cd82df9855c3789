"""Faults that an adversarial reading found, each as the test that keeps it mended."""

from __future__ import annotations

import concurrent.futures
import ctypes
import gc
import os
import signal
import socket
import time
import weakref

import pytest

from tests.support.forger import logged
from tests.support.standing import NAME, carry, client_config, connected, server_config
from tlscore import errors
from tlscore.sockets import wrap_client, wrap_server


def test_empty_records_leave_the_empty_bytes_object_alone():
    # There is one b"" in a process; its terminating zero must never serve as the place of a record's type octet.
    pair = logged()
    pair.server.receive(pair.as_client().seal(b""))
    assert pair.server.read() == b""
    assert ctypes.string_at(id(b"") + bytes.__basicsize__ - 1, 1) == b"\0"


def test_socket_reads_of_empty_records_leave_the_empty_bytes_object_alone():
    pair = logged()
    forger = pair.as_client()
    near, far = socket.socketpair()
    with near, far:
        far.sendall(forger.seal(b"") + forger.seal(b"x"))
        assert pair.server.read_bytes_from(near.fileno(), 100, 5.0) == b"x"
    assert ctypes.string_at(id(b"") + bytes.__basicsize__ - 1, 1) == b"\0"


def _updates_and_data(pairs: int) -> float:
    client, server = connected()
    wire = []
    for _ in range(pairs):
        client.update_keys()
        client.write(b"x")
        wire.append(client.data_to_send())
    server.receive(b"".join(wire))
    start = time.process_time()
    got = 0
    while data := server.read():
        got += len(data)
    assert got == pairs
    return time.process_time() - start


def test_reading_costs_as_much_as_arrived_when_every_read_stops_early():
    # Four times the records: about four times the work, where looking at all that waits each time made it sixteen.
    few = min(_updates_and_data(1000) for _ in range(3))
    many = min(_updates_and_data(4000) for _ in range(3))
    assert many < 9 * few


def test_dead_connection_keeps_no_frames_of_its_callers():
    client, server = connected()
    wire = bytearray(_written(client, b"x"))
    wire[-1] ^= 1
    server.receive(bytes(wire))
    with pytest.raises(errors.BadRecordMac):
        server.read()

    class Request:
        pass

    def ask() -> weakref.ref[Request]:
        request = Request()
        with pytest.raises(errors.BadRecordMac):
            server.read()
        return weakref.ref(request)

    asked = [ask() for _ in range(50)]
    gc.collect()
    # The last raise's frames are the error's to keep.
    assert sum(request() is not None for request in asked) <= 1


def test_nothing_is_pending_after_we_closed_whatever_the_peer_asks():
    client, server = connected()
    server.close()
    server.data_to_send()
    client.update_keys(True)
    server.receive(client.data_to_send())
    server.events()
    assert server.pending_wire == 0
    assert server.data_to_send() == b""


def test_answers_leave_behind_what_was_written_before():
    client, server = connected()
    server.write(b"first")
    client.update_keys(True)
    near, far = socket.socketpair()
    with near, far:
        far.sendall(client.data_to_send())
        with pytest.raises(errors.WantReadError):
            server.read_from(near.fileno(), bytearray(10), 0)
        client.receive(far.recv(10_000))
    assert client.read() == b"first"
    client.events()
    assert client.counters[2] == 1


def test_updates_that_we_asked_for_are_no_flood():
    client, server = connected()
    for _ in range(100):
        client.update_keys(True)
        client.write(b"x")
        carry(client, server)
        assert server.read() == b"x"
        carry(server, client)
        client.events()
    assert client.counters[2] == 100


def test_answers_do_not_pile_up_for_a_peer_that_does_not_read():
    client, server = connected()
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        buffer = bytearray(100)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        assert _fill(server, near.fileno())
        waiting = server.pending_wire
        for _ in range(500):
            client.update_keys(True)
            client.write(b"x")
            far.sendall(client.data_to_send())
            assert server.read_from(near.fileno(), buffer, 5.0) == 1
            with pytest.raises(errors.WantReadError):
                server.read_from(near.fileno(), buffer, 0)
        assert server.pending_wire <= waiting + 100


def test_forked_child_can_abort_while_a_thread_of_the_parent_held_a_lock():
    client, _ = connected()
    child = os.fork()
    if child == 0:
        client.abort()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with pytest.raises(errors.ForkedConnectionError):
        _in_child(lambda: client.counters)


def _fill(connection, fd: int) -> bool:  # type: ignore[no-untyped-def]
    """Write until the socket takes no more."""
    try:
        for _ in range(1000):
            connection.send_to(fd, bytes(16384), 0)
    except errors.WantWriteError:
        return True
    return False


def _in_child(work):  # type: ignore[no-untyped-def]
    child = os.fork()
    if child == 0:
        try:
            work()
        except errors.ForkedConnectionError:
            os._exit(7)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7:
        raise errors.ForkedConnectionError("in the child")


def _written(connection, data: bytes) -> bytes:  # type: ignore[no-untyped-def]
    connection.write(data)
    return connection.data_to_send()


def _sockets(**settings):  # type: ignore[no-untyped-def]
    """A TLS client and a server on a socket pair, connected."""
    near, far = socket.socketpair()
    for end, timeout in ((near, settings.get("timeout")), (far, None)):
        end.settimeout(timeout)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        serving = pool.submit(wrap_server, far, server_config())
        client = wrap_client(near, client_config(), NAME)
        return client, serving.result(10)


def test_close_does_not_wait_for_the_timeout_of_the_socket():
    # A silent peer that reads nothing: what does not fit into its buffers is given up, soon.
    client, server = _sockets(timeout=30.0)
    started = time.monotonic()
    client.close()
    assert time.monotonic() - started < 15
    server.abort()


def test_error_of_a_signal_handler_leaves_the_connection_alive():
    client, server = _sockets()

    class Impatient(TimeoutError):
        pass

    def ring(*_: object) -> None:
        raise Impatient("the application's own")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(Impatient):
            client.recv(10)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    server.sendall(b"still here")
    assert client.recv(20) == b"still here"
    client.close()
    server.close()


def test_sending_says_so_when_another_thread_closed_meanwhile():
    client, server = _sockets()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sending = pool.submit(client.sendall, bytes(8 << 20))
        while not server.pending() and not server.recv(1):
            pass
        client.close()
        with pytest.raises(errors.TlsError):
            sending.result(20)
    server.abort()


@pytest.mark.parametrize("timeout", [float("nan"), float("inf"), 1e300, -1, "5"])
def test_timeouts_that_mean_nothing_are_refused(timeout):
    client, server = _sockets()
    with client, server, pytest.raises((ValueError, TypeError)):
        client.settimeout(timeout)


def test_negative_length_to_receive_is_refused():
    client, server = _sockets()
    with client, server, pytest.raises(ValueError, match="negative"):
        client.recv_into(bytearray(10), -3)
