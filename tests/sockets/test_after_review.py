"""Faults of the sockets that an adversarial reading found, each as the test that keeps it mended."""

from __future__ import annotations

import concurrent.futures
import signal
import socket
import time

import pytest

from tests.support.standing import NAME, client_config, server_config
from tlscore import errors
from tlscore.sockets import wrap_client, wrap_server


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
