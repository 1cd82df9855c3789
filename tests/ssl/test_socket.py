"""SSLSocket: a socket of the standard library with TLS in it, against itself and against OpenSSL's."""

from __future__ import annotations

import array
import errno
import gc
import os
import pickle
import random
import select
import socket
import ssl as stdlib
import time
import weakref
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.ssl.contexts import NAME, Files, outcome
from tests.ssl.pairs import MIX_NAMES, MIXES, OURS, THEIRS, InThread, sockets, tcp
from tlscore import ClientConfig, TlsSocket, TrustStore, errors, ssl
from tlscore.sockets import wrap_client

TLS12 = {"maximum_version": stdlib.TLSVersion.TLSv1_2}

mixed = pytest.mark.parametrize(("client", "server"), MIXES, ids=MIX_NAMES)
either = pytest.mark.parametrize("module", [OURS, THEIRS], ids=["ours", "openssl"])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("socket"))


# -- making ------------------------------------------------------------------------------------------------------------


def test_it_is_a_socket_of_the_standard_library(files: Files) -> None:
    one, other = tcp()
    number = one.fileno()
    one.settimeout(7)
    made = files.client_context().wrap_socket(one, do_handshake_on_connect=False, server_hostname=NAME.encode())
    assert isinstance(made, ssl.SSLSocket)
    assert isinstance(made, stdlib.SSLSocket)
    assert (made.fileno(), made.gettimeout(), one.fileno()) == (number, 7, -1)
    assert (made.server_side, made.server_hostname, made.context.check_hostname) == (False, NAME, True)
    made.close()
    other.close()


@mixed
def test_connecting_runs_the_handshake(files: Files, client: Any, server: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wrapped = files.server_context(server).wrap_socket(listener, server_side=True)
        answering = InThread(wrapped.accept)
        asking = files.client_context(client).wrap_socket(socket.socket(), server_hostname=NAME)
        assert asking.version() is None
        asking.connect(wrapped.getsockname())
        accepted, address = answering.result()
        assert isinstance(accepted, server.SSLSocket)
        assert address == asking.getsockname()
        assert asking.version() == accepted.version() == "TLSv1.3"
        asking.sendall(b"hello")
        assert accepted.recv(100) == b"hello"
        for one in (asking, accepted, wrapped):
            one.close()


def test_connect_ex_gives_the_number(files: Files) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()

        def answer() -> bytes:
            with files.server_context().wrap_socket(listener.accept()[0], server_side=True) as accepted:
                return accepted.recv(10)  # type: ignore[no-any-return]

        answering = InThread(answer)
        with files.client_context().wrap_socket(socket.socket(), server_hostname=NAME) as asking:
            assert asking.connect_ex(address) == 0
            asking.sendall(b"x")
            assert answering.result() == b"x"
            with pytest.raises(ValueError, match="already-connected"):
                asking.connect(address)
    with files.client_context().wrap_socket(socket.socket(), server_hostname=NAME) as asking:
        assert asking.connect_ex(address) == errno.ECONNREFUSED
        assert asking._sslobj is not None


@either
def test_arguments_that_contradict_each_other(files: Files, module: Any) -> None:
    client, server = files.client_context(module), files.server_context(module)
    with closing(socket.socket()) as one, closing(socket.socket(type=socket.SOCK_DGRAM)) as datagram:
        for call, error, text in (
            (lambda: client.wrap_socket(datagram), NotImplementedError, "only stream sockets are supported"),
            (lambda: client.wrap_socket(one), ValueError, "check_hostname requires server_hostname"),
            (
                lambda: server.wrap_socket(one, True, server_hostname=NAME),
                ValueError,
                "only be specified in client mode",
            ),
            (lambda: server.wrap_socket(one, True, session=1), ValueError, "session can only be specified in client"),
        ):
            with pytest.raises(error, match=text):
                call()
        assert one.fileno() != -1
        with pytest.raises(TypeError, match="public constructor"):
            module.SSLSocket(one)


@either
def test_a_handshake_at_once_needs_a_socket_that_blocks(files: Files, module: Any) -> None:
    one, other = tcp()
    one.setblocking(False)
    with pytest.raises(ValueError, match="do_handshake_on_connect should not be specified for non-blocking sockets"):
        files.client_context(module).wrap_socket(one, server_hostname=NAME)
    assert one.fileno() == -1
    other.close()


@either
def test_octets_from_before_the_handshake_are_refused(files: Files, module: Any) -> None:
    one, other = tcp()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    one.sendall(b"DELETE /data HTTP/1.0\r\n\r\n")
    one.close()
    time.sleep(0.05)
    with pytest.raises(module.SSLError) as caught:
        files.server_context(module).wrap_socket(other, server_side=True)
    assert caught.value.args == (errno.ENOTCONN, "Closed before TLS handshake with data in recv buffer.")
    assert caught.value.reason == caught.value.args[1]
    assert caught.value.library is None
    assert other.fileno() == -1


@either
def test_what_is_not_connected_says_so(files: Files, module: Any) -> None:
    with files.client_context(module).wrap_socket(socket.socket(), server_hostname=NAME) as one:
        for call in (one.do_handshake, one.getpeercert):
            with pytest.raises(OSError, match="not connected") as caught:
                call()
            assert caught.value.errno == errno.ENOTCONN
        assert (one.version(), one.cipher(), one.pending(), one.selected_alpn_protocol()) == (None, None, 0, None)
        assert one.get_channel_binding("tls-unique") is None
        with pytest.raises(ValueError, match="channel binding type not implemented"):
            one.get_channel_binding("tls-unknown")
        with pytest.raises(ValueError, match="unwrapped SSL socket"):
            one.read()
        with pytest.raises(ValueError, match="No SSL wrapper around"):
            one.unwrap()


# -- data --------------------------------------------------------------------------------------------------------------


@mixed
@pytest.mark.parametrize("settings", [{}, TLS12], ids=["1.3", "1.2"])
def test_data_arrives_by_every_way(files: Files, client: Any, server: Any, settings: dict[str, Any]) -> None:
    asking, answering = sockets(files, client, server, **settings)
    sent = random.Random(1).randbytes(700_000)
    for one, other in ((asking, answering), (answering, asking)):
        sending = InThread(one.sendall, sent)
        got, buffer, number = bytearray(), bytearray(50_000), 0
        while len(got) < len(sent):
            number += 1
            if number % 4 == 0:
                got += other.recv(100_000)
            elif number % 4 == 1:
                got += buffer[: other.recv_into(buffer)]
            elif number % 4 == 2:
                got += buffer[: other.recv_into(buffer, 1000)]
            else:
                got += other.read(5000)
        sending.result()
        assert got == sent
        assert one.send(b"abc") == one.write(b"def") == 3
        assert other.recv(3) + other.recv(3) == b"abcdef"
    asking.close()
    answering.close()


def test_one_thread_reads_while_another_one_writes(files: Files) -> None:
    asking, answering = sockets(files)
    sent = random.Random(2).randbytes(3_000_000)

    def read_all(end: Any) -> bytes:
        got = bytearray()
        while len(got) < len(sent):
            got += end.recv(1 << 16)
        return bytes(got)

    calls = [InThread(end.sendall, sent) for end in (asking, answering)]
    reading = [InThread(read_all, end) for end in (asking, answering)]
    assert [call.result() for call in calls] == [None, None]
    assert [call.result() == sent for call in reading] == [True, True]
    asking.close()
    answering.close()


@either
def test_receiving_into_buffers_of_other_types(files: Files, module: Any) -> None:
    asking, answering = sockets(files, module, module)
    numbers = array.array("I", [0, 0, 0])
    asking.send(b"data")
    assert answering.recv_into(numbers) == 4
    assert numbers.tobytes() == b"data" + bytes(8)
    asking.send(memoryview(array.array("H", [1, 2, 3])))
    assert answering.recv_into(memoryview(numbers)[1:], 3) == 3
    assert len(answering.recv(100)) == 3
    assert answering.recv(0) == b""
    assert answering.recv_into(bytearray()) == 0
    with pytest.raises((TypeError, BufferError)):
        answering.recv_into(b"read-only")
    asking.close()
    answering.close()


@either
def test_calls_that_would_pass_tls_by(files: Files, module: Any) -> None:
    asking, answering = sockets(files, module, module)
    for call, error in (
        (lambda: asking.recvfrom(1), ValueError),
        (lambda: asking.recvfrom_into(bytearray(1)), ValueError),
        (lambda: asking.sendto(b"x", ("127.0.0.1", 9)), ValueError),
        (lambda: asking.recvmsg(1), NotImplementedError),
        (lambda: asking.recvmsg_into([bytearray(1)]), NotImplementedError),
        (lambda: asking.sendmsg([b"x"]), NotImplementedError),
        (lambda: asking.dup(), NotImplementedError),
        (lambda: asking.recv(1, socket.MSG_PEEK), ValueError),
        (lambda: asking.recv_into(bytearray(1), 1, socket.MSG_PEEK), ValueError),
        (lambda: asking.send(b"x", socket.MSG_OOB), ValueError),
        (lambda: asking.sendall(b"x", socket.MSG_OOB), ValueError),
        (lambda: pickle.dumps(asking), TypeError),
    ):
        with pytest.raises(error):
            call()
    asking.close()
    answering.close()


def test_files_made_from_it_are_text_or_octets(files: Files) -> None:
    asking, answering = sockets(files)
    text, raw = asking.makefile("rw", encoding="utf-8", newline="\n"), answering.makefile("rwb")
    text.write("größe\n")
    text.flush()
    assert raw.readline() == "größe\n".encode()
    raw.write(b"250 ok\r\n250 end\n")
    raw.flush()
    assert text.readline() == "250 ok\r\n"
    number = asking.fileno()
    asking.close()
    os.fstat(number)
    assert text.readline() == "250 end\n"
    text.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
    raw.close()
    answering.close()


def test_files_are_sent(files: Files, tmp_path: Path) -> None:
    asking, answering = sockets(files)
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    with open(path, "rb") as file:
        sending = InThread(asking.sendfile, file, 10, 99_000)
        got = 0
        while got < 99_000:
            got += len(answering.recv(65536))
        assert sending.result() == 99_000
    asking.close()
    answering.close()


def test_nothing_that_can_be_read_is_hidden_from_select(files: Files) -> None:
    """Programs wait for the socket, read once, and wait again: OpenSSL never holds a whole record back."""
    asking, answering = sockets(files)
    answering.setblocking(False)
    chance = random.Random(7)
    for _ in range(40):
        texts = [
            chance.randbytes(chance.choice([1, 50, 3000, 5000, 16384, 40_000])) for _ in range(chance.randint(1, 5))
        ]
        for text in texts:
            asking.sendall(text)
        expected, got, buffer = b"".join(texts), bytearray(), bytearray(chance.choice([700, 9000, 65536]))
        while len(got) < len(expected):
            if not answering.pending():
                assert select.select([answering], [], [], 10)[0], f"{len(got)} of {len(expected)}"
            try:
                got += buffer[: answering.recv_into(buffer)]
            except ssl.SSLWantReadError:
                continue
        assert got == expected
    # The end shows as well, even right behind data, while the peer waits for our answer to it.
    asking.sendall(b"last")
    ending = InThread(asking.unwrap)
    got = bytearray()
    while True:
        assert select.select([answering], [], [], 10)[0]
        try:
            part = answering.recv(100_000)
        except ssl.SSLWantReadError:
            continue
        got += part
        if not part:
            break
    assert got == b"last"
    answering.setblocking(True)
    answering.unwrap()
    ending.result()
    asking.close()
    answering.close()


# -- waiting -----------------------------------------------------------------------------------------------------------


@mixed
def test_sockets_that_do_not_block(files: Files, client: Any, server: Any) -> None:
    one, other = tcp()
    one.setblocking(False)
    other.setblocking(False)
    asking = files.client_context(client).wrap_socket(one, server_hostname=NAME, do_handshake_on_connect=False)
    answering = files.server_context(server).wrap_socket(other, server_side=True, do_handshake_on_connect=False)
    with pytest.raises(stdlib.SSLWantReadError) as caught:
        answering.do_handshake()
    assert type(caught.value) is stdlib.SSLWantReadError
    done: set[Any] = set()
    while len(done) < 2:
        for end in (asking, answering):
            try:
                end.do_handshake()
                done.add(end)
            except stdlib.SSLWantReadError:
                select.select([end], [], [], 0.01)
    with pytest.raises(stdlib.SSLWantReadError):
        asking.recv(10)
    with pytest.raises(stdlib.SSLWantReadError):
        asking.recv_into(bytearray(10))
    assert asking.send(b"abc") == 3
    select.select([answering], [], [], 5)
    assert answering.recv(10) == b"abc"
    with pytest.raises(stdlib.SSLWantReadError):
        asking.unwrap()
    asking.close()
    answering.close()


def test_a_full_socket_wants_to_write_and_takes_the_same_data_again(files: Files) -> None:
    asking, answering = sockets(files)
    asking.setblocking(False)
    piece, taken = bytes(range(256)) * 64, []

    def fill() -> None:
        while True:
            taken.append(asking.send(piece))

    with pytest.raises(ssl.SSLWantWriteError) as caught:
        fill()
    sent = sum(taken)
    assert type(caught.value) is stdlib.SSLWantWriteError
    got = bytearray()
    answering.settimeout(10)
    while True:
        got += answering.recv(1 << 20)
        try:
            sent += asking.send(piece)
            break
        except ssl.SSLWantWriteError:
            continue
    while len(got) < sent:
        got += answering.recv(1 << 20)
    assert got == piece * (sent // len(piece))
    asking.close()
    answering.close()


@either
def test_timeouts_have_the_class_and_the_text_of_the_standard_library(files: Files, module: Any) -> None:
    asking, answering = sockets(files, module, module)
    asking.settimeout(0.02)
    found = [outcome(lambda: asking.recv(1)), outcome(lambda: asking.recv_into(bytearray(1))), outcome(asking.unwrap)]
    asking.close()
    answering.close()
    for result in found:
        assert result[:3] == ("raises", TimeoutError, ("The read operation timed out",))
    one, other = tcp()
    one.settimeout(0.02)
    with pytest.raises(TimeoutError, match="The handshake operation timed out") as caught:
        files.client_context(module).wrap_socket(one, server_hostname=NAME)
    assert type(caught.value) is TimeoutError
    other.close()


def test_a_write_that_nobody_reads_times_out(files: Files) -> None:
    asking, answering = sockets(files)
    asking.settimeout(0.05)
    with pytest.raises(TimeoutError, match="The write operation timed out"):
        asking.sendall(bytes(50_000_000))
    asking.close()
    answering.close()


# -- the end -----------------------------------------------------------------------------------------------------------


@mixed
def test_unwrap_gives_the_socket_back_for_plain_octets(files: Files, client: Any, server: Any) -> None:
    asking, answering = sockets(files, client, server)
    ending = InThread(answering.unwrap)
    plain = asking.unwrap()
    answered = ending.result()
    assert asking._sslobj is None
    assert (asking.version(), asking.pending()) == (None, 0)
    plain.sendall(b"plain")
    assert answered.recv(100) == b"plain"
    answered.sendall(b"text")
    assert plain.recv(100) == b"text"
    with pytest.raises(ValueError, match="No SSL wrapper around"):
        asking.unwrap()
    asking.close()
    answering.close()


def test_plain_octets_behind_close_notify_stay_in_the_socket(files: Files) -> None:
    asking, answering = sockets(files)

    def answer() -> None:
        assert answering.recv(10) == b""
        # In one segment, as far as the network likes.
        answering.unwrap().sendall(b"220 plain again")

    answered = InThread(answer)
    plain = asking.unwrap()
    answered.result()
    assert plain.recv(100) == b"220 plain again"
    asking.close()
    answering.close()


@either
def test_data_behind_our_close_notify_is_an_error_of_unwrap(files: Files, module: Any) -> None:
    asking, answering = sockets(files, module, module)
    answering.sendall(b"unread")
    with pytest.raises(stdlib.SSLError) as caught:
        asking.unwrap()
    assert caught.value.reason == "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"
    asking.close()
    answering.close()


@pytest.mark.parametrize("how", ["close", "shutdown"])
def test_closing_says_close_notify(files: Files, how: str) -> None:
    # RFC 9846 section 6.1
    one, other = tcp()
    answering = InThread(files.server_context().wrap_socket, other, server_side=True)
    trust = TrustStore.from_bytes(Path(files.ca).read_bytes())
    native = wrap_client(one, ClientConfig.simple(trust=trust), NAME)
    wrapped = answering.result()
    wrapped.sendall(b"all")
    if how == "close":
        wrapped.close()
    else:
        wrapped.shutdown(socket.SHUT_RDWR)
    assert native.recv(100) == b"all"
    assert native.recv(100) == b""
    native.close()
    wrapped.close()


def native_peer(files: Files) -> tuple[TlsSocket, Any]:
    """A client of ours that tells a truncation from an end, and a server of the shape."""
    one, other = tcp()
    answering = InThread(files.server_context().wrap_socket, other, server_side=True)
    trust = TrustStore.from_bytes(Path(files.ca).read_bytes())
    return wrap_client(one, ClientConfig.simple(trust=trust), NAME), answering.result()


def test_a_with_block_that_fails_leaves_the_stream_truncated(files: Files) -> None:
    # RFC 9846 section 6.1
    native, wrapped = native_peer(files)

    def fail() -> None:
        with wrapped:
            wrapped.sendall(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert native.recv(100) == b"half"
    with pytest.raises(errors.TruncationError):
        native.recv(100)
    native.close()
    native, wrapped = native_peer(files)
    with native, wrapped:
        wrapped.sendall(b"all")


def test_shutting_one_direction_down_keeps_the_other_one_encrypted(files: Files) -> None:
    asking, answering = sockets(files)
    asking.sendall(b"question")
    asking.shutdown(socket.SHUT_WR)
    assert answering.recv(100) == b"question"
    assert answering.recv(100) == b""
    answering.sendall(b"answer")
    answering.close()
    assert asking.recv(100) == b"answer"
    assert asking.recv(100) == b""
    with pytest.raises(ssl.SSLError, match="protocol is shutdown"):
        asking.send(b"more")
    asking.close()


@pytest.mark.parametrize("suppressed", [True, False])
@either
def test_truncation_follows_suppress_ragged_eofs(files: Files, suppressed: bool, module: Any) -> None:
    asking, answering = sockets(files, module, module, suppress_ragged_eofs=suppressed)
    answering.sendall(b"half")
    with closing(socket.socket(fileno=answering.detach())):
        pass
    assert asking.recv(100) == b"half"
    results = [outcome(lambda: asking.recv(1)), outcome(lambda: asking.read(1))]
    if suppressed:
        assert results == [("gives", b"")] * 2
        assert asking.recv_into(bytearray(5)) == asking.read(5, bytearray(5)) == 0
    else:
        assert [result[1] for result in results] == [stdlib.SSLEOFError] * 2
        with pytest.raises(stdlib.SSLEOFError):
            asking.recv_into(bytearray(5))
    asking.close()


@either
def test_a_closed_socket(files: Files, module: Any) -> None:
    asking, answering = sockets(files, module, module)
    asking.close()
    asking.close()
    assert asking.fileno() == -1
    assert asking._sslobj is None
    for call in (lambda: asking.read(1), lambda: asking.write(b"x")):
        with pytest.raises(ValueError, match="closed or unwrapped SSL socket"):
            call()
    for call in (lambda: asking.recv(1), lambda: asking.send(b"x"), lambda: asking.sendall(b"x")):
        with pytest.raises(OSError, match="Bad file descriptor") as caught:
            call()
        assert caught.value.errno == errno.EBADF
    answering.close()


def test_closing_wakes_a_thread_that_reads_and_keeps_its_descriptor_until_then(files: Files) -> None:
    asking, answering = sockets(files)
    number = asking.fileno()
    reading = InThread(asking.recv, 100)
    while not asking._sslobj._in_use:
        time.sleep(0.001)
    time.sleep(0.02)
    asking.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        reading.result()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
    assert answering.recv(10) == b""
    answering.close()


def test_a_broken_stream_has_the_number_of_the_system(files: Files) -> None:
    asking, answering = sockets(files)
    answering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with closing(socket.socket(fileno=answering.detach())):
        pass
    with pytest.raises(ConnectionResetError) as caught:
        asking.recv(1)
    assert caught.value.args == (errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    with pytest.raises(OSError, match="Broken pipe") as broken:
        asking.sendall(bytes(100))
    assert type(broken.value) is BrokenPipeError
    assert broken.value.errno == errno.EPIPE
    asking.close()


def test_sockets_go_with_their_last_reference(files: Files) -> None:
    asking, answering = sockets(files)
    gc.disable()
    try:
        watched = weakref.ref(asking)
        with pytest.warns(ResourceWarning):
            del asking
        assert watched() is None
    finally:
        gc.enable()
    answering.close()


def test_a_child_that_closes_its_copy_leaves_the_connection_alone(files: Files) -> None:
    asking, answering = sockets(files)
    child = os.fork()
    if not child:
        asking.close()
        os._exit(0)
    os.waitpid(child, 0)
    asking.sendall(b"still here")
    assert answering.recv(100) == b"still here"
    asking.close()
    answering.close()


# -- refusals ----------------------------------------------------------------------------------------------------------


def refused(files: Files, client: Any, server: Any, name: str = NAME) -> tuple[Any, Any]:
    """What both ends of a handshake that fails raise."""
    one, other = tcp()
    answering = InThread(server.wrap_socket, other, server_side=True)
    with pytest.raises(OSError, match=r".") as asked:
        client.wrap_socket(one, server_hostname=name)
    with pytest.raises(OSError, match=r".") as answered:
        answering.result()
    return asked.value, answered.value


def facts(error: Any) -> tuple[Any, ...]:
    names = ("errno", "library", "reason", "verify_code", "verify_message")
    return type(error), *[getattr(error, name, None) for name in names], str(error).rpartition(" (")[0]


def wrong_name(files: Files, module: Any) -> Any:
    return refused(files, files.client_context(module), files.server_context(module), "other.example")


def wrong_address(files: Files, module: Any) -> Any:
    return refused(files, files.client_context(module), files.server_context(module), "127.0.0.9")


def unknown_authority(files: Files, module: Any) -> Any:
    return refused(files, module.SSLContext(module.PROTOCOL_TLS_CLIENT), files.server_context(module))


def no_common_suite(files: Files, module: Any) -> Any:
    client, server = files.client_context(module, **TLS12), files.server_context(module)
    client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    server.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    return refused(files, client, server)


def no_common_version(files: Files, module: Any) -> Any:
    client = files.client_context(module, **TLS12)
    return refused(files, client, files.server_context(module, minimum_version=stdlib.TLSVersion.TLSv1_3))


def missing_client_certificate(files: Files, module: Any) -> Any:
    server = files.server_context(module, verify_mode=stdlib.CERT_REQUIRED)
    server.load_verify_locations(files.ca)
    return refused(files, files.client_context(module, **TLS12), server)


SCENES = [wrong_name, wrong_address, unknown_authority, no_common_suite, no_common_version, missing_client_certificate]


@pytest.mark.parametrize("scene", SCENES)
def test_both_ends_of_a_refusal_raise_what_openssl_raises(files: Files, scene: Any) -> None:
    ours, theirs = scene(files, OURS), scene(files, THEIRS)
    assert facts(ours[0]) == facts(theirs[0])
    assert facts(ours[1]) == facts(theirs[1])
    assert ours[0].tlscore.cause
    assert any("tlscore:" in note for note in ours[0].__notes__)


@either
def test_a_peer_without_tls_is_recognised(files: Files, module: Any) -> None:
    one, other = tcp()
    other.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(stdlib.SSLError, match="wrong version number") as caught:
        files.client_context(module).wrap_socket(one, server_hostname=NAME)
    assert caught.value.reason == "WRONG_VERSION_NUMBER"
    other.close()
    one, other = tcp()
    one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises(stdlib.SSLError, match="http request") as asked:
        files.server_context(module).wrap_socket(other, server_side=True)
    assert asked.value.reason == "HTTP_REQUEST"
    one.close()


def test_a_client_refused_after_its_handshake_hears_of_it_when_it_reads(files: Files) -> None:
    # RFC 9846 section 4.5.1.3
    server = files.server_context(verify_mode=stdlib.CERT_REQUIRED)
    server.load_verify_locations(files.ca)
    one, other = tcp()
    answering = InThread(server.wrap_socket, other, server_side=True)
    with files.client_context().wrap_socket(one, server_hostname=NAME) as asking:
        with pytest.raises(stdlib.SSLError) as caught:
            asking.recv(1)
        assert caught.value.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    with pytest.raises(stdlib.SSLError) as missing:
        answering.result()
    assert missing.value.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"


def test_a_subclass_of_the_standard_librarys_socket_works_too(files: Files) -> None:
    class Foreign(stdlib.SSLSocket):
        pass

    one, other = tcp()
    answering = InThread(files.server_context().wrap_socket, other, server_side=True)
    asking = files.client_context(sslsocket_class=Foreign).wrap_socket(one, server_hostname=NAME)
    asking.sendall(b"foreign")
    answered = answering.result()
    assert type(asking) is Foreign
    assert answered.recv(100) == b"foreign"
    asking.close()
    answered.close()
