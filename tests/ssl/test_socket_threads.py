"""SSLSocket under several threads: one handshake for all of them, and a descriptor that nobody uses once it is closed.

What another thread does at the worst moment is done here at exactly that moment, by a function put into its place.
"""

from __future__ import annotations

import errno
import gc
import os
import socket
import ssl as stdlib
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.ssl.contexts import NAME, Files
from tests.ssl.pairs import InThread, sockets, tcp
from tests.support.certificates import make_ca
from tlscore import ssl
from tlscore.ssl.socket_engine import SocketEngine


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("threads"))


def unshaken(files: Files) -> tuple[Any, socket.socket]:
    """A client that has not begun its handshake, and the other end of its stream."""
    one, other = tcp()
    context = files.client_context()
    return context.wrap_socket(one, do_handshake_on_connect=False, server_hostname=NAME), other


def in_calls(sock: Any, calls: int) -> None:
    """Wait until so many calls are under way."""
    arrived = threading.Event()
    while len(sock._sslobj._in_use) < calls:
        arrived.wait(0.001)


# -- one handshake -----------------------------------------------------------------------------------------------------


def test_first_calls_of_two_threads_run_one_handshake(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    original = SocketEngine._shake_hands

    def counted(self: SocketEngine, *arguments: Any) -> None:
        if not self.server_side:
            runs.append(threading.get_ident())
        original(self, *arguments)

    monkeypatch.setattr(SocketEngine, "_shake_hands", counted)
    asking, other = unshaken(files)
    calls: list[tuple[Callable[..., Any], Any]] = [(asking.recv, 5), (asking.send, b"hello"), (asking.send, b"hello")]
    waiting = [InThread(call, argument) for call, argument in calls]
    in_calls(asking, 3)
    with files.server_context().wrap_socket(other, server_side=True) as answering:
        received = b""
        while len(received) < 10:
            received += answering.recv(10)
        answering.sendall(received[:5])
        assert [one.result() for one in waiting] == [b"hello", 5, 5]
    assert len(runs) == 1
    asking.close()


@pytest.mark.parametrize(("timeout", "error"), [(0.0, stdlib.SSLWantReadError), (0.05, TimeoutError)])
def test_call_that_comes_second_waits_no_longer_than_the_timeout(files: Files, timeout: float, error: Any) -> None:
    asking, other = unshaken(files)
    first = InThread(asking.do_handshake)
    in_calls(asking, 1)
    asking.settimeout(timeout)
    with pytest.raises(error):
        asking.recv(1)
    asking.settimeout(None)
    with files.server_context().wrap_socket(other, server_side=True) as answering:
        first.result()
        assert answering.version() == "TLSv1.3"
    asking.close()


def test_callback_within_the_handshake_may_call_the_socket(files: Files) -> None:
    """It gets an error, or nothing: but it does not wait for itself."""
    told: list[Any] = []

    def look(sock: Any, name: str, context: Any) -> None:
        sock.settimeout(0)
        try:
            sock.do_handshake()
        except OSError as refused:
            told.append(type(refused))
        finally:
            sock.settimeout(None)

    server = files.server_context(sni_callback=look)
    one, other = tcp()
    answering = InThread(server.wrap_socket, other, server_side=True)
    try:
        asking = files.client_context().wrap_socket(one, server_hostname=NAME)
    except OSError:
        one.close()
    else:
        asking.close()
    try:
        answering.result().close()
    except OSError as refused:
        told.append(type(refused))
    assert told


# -- the descriptor ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["recv", "recv_into", "send", "do_handshake", "unwrap"])
def test_call_that_comes_while_the_socket_closes_never_sees_the_descriptor(
    files: Files, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The closing thread has found nobody inside, and is about to close: its number may be another file's at once."""
    asking, answering = sockets(files)
    engine = asking._sslobj
    calls: dict[str, Callable[[], Any]] = {
        "recv": lambda: engine.read(10),
        "recv_into": lambda: engine.read(10, bytearray(10)),
        "send": lambda: engine.write(b"late"),
        "do_handshake": engine.do_handshake,
        "unwrap": engine.shutdown,
    }
    refused: list[int | None] = []

    def meanwhile(sock: Any) -> None:
        with pytest.raises(OSError, match=os.strerror(errno.EBADF)) as caught:
            calls[call]()
        refused.append(caught.value.errno)

    monkeypatch.setattr(SocketEngine, "_drain", lambda self, sock: meanwhile(sock))
    asking.close()
    assert refused == [errno.EBADF]
    answering.close()


def test_unwrap_enters_before_it_takes_the_descriptor(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    asking, answering = sockets(files)
    engine, seen = asking._sslobj, []

    def fileno(self: Any) -> int:
        if self is asking:
            seen.append(len(engine._in_use))
        return socket.socket.fileno(self)

    monkeypatch.setattr(ssl.SSLSocket, "fileno", fileno, raising=False)
    ending = InThread(asking.unwrap)
    answering.unwrap()
    ending.result()
    assert seen
    assert min(seen) == 1
    monkeypatch.undo()
    asking.close()
    answering.close()


# -- what failed -------------------------------------------------------------------------------------------------------


def test_connection_that_failed_goes_with_its_last_reference(files: Files) -> None:
    one, other = tcp()
    foreign = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    foreign.load_verify_locations(cadata=make_ca("foreign CA").pem.decode())
    answering = InThread(files.server_context().wrap_socket, other, server_side=True)
    gc.collect()
    gc.disable()
    try:
        asking = foreign.wrap_socket(one, do_handshake_on_connect=False, server_hostname=NAME)
        watched = weakref.ref(asking._sslobj)
        with pytest.raises(stdlib.SSLCertVerificationError) as caught:
            asking.do_handshake()
        assert caught.value.tlscore is not None
        asking.close()
        del asking, caught
        assert watched() is None
    finally:
        gc.enable()
    with pytest.raises(stdlib.SSLError, match="unknown ca"):
        answering.result()
