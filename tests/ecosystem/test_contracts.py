"""What libraries rely on and no documentation promises; each test names who does. They run on both modules alike."""

import contextlib
import errno
import select
import socket
import ssl as stdlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trustme

from tests.ecosystem.support import DEADLINE, LARGE, conversation, entry, exactly, openssl_server


@pytest.fixture
def echo_port(peer_server: Any) -> Iterator[int]:
    with conversation(openssl_server(peer_server)) as port:
        yield port


@pytest.fixture
def refused_port(peer_server: Any) -> Iterator[int]:
    """A server that expects to be told that its certificate is not taken."""

    def handle(connection: socket.socket) -> None:
        with pytest.raises(stdlib.SSLError, match=r"(?i)alert"):
            peer_server.wrap_socket(connection, server_side=True)

    with conversation(handle) as port:
        yield port


def connected(context: Any, port: int, **settings: Any) -> Any:
    plain = socket.create_connection(("localhost", port), DEADLINE)
    return context.wrap_socket(plain, server_hostname="localhost", **settings)


def move(first: Any, second: Any) -> bool:
    """What waits in one buffer goes to the other; gives whether there was anything."""
    data = first.read()
    second.write(data)
    return bool(data)


class Pair:
    """A client and a server of wrap_bio, with the buffers between them."""

    def __init__(self, client: Any, server: Any, bio: Any = stdlib.MemoryBIO, **settings: Any) -> None:
        self.bios = [bio() for _ in range(4)]
        a, b, c, d = self.bios
        settings.setdefault("server_hostname", "localhost")
        self.client = client.wrap_bio(a, b, **settings)
        self.server = server.wrap_bio(c, d, server_side=True)

    def shake(self) -> None:
        done: set[Any] = set()
        for _ in range(20):
            for end in (self.client, self.server):
                with contextlib.suppress(stdlib.SSLWantReadError):
                    end.do_handshake()
                    done.add(end)
            self.carry()
            if len(done) == 2:
                return
        pytest.fail("the handshake did not end")

    def carry(self) -> None:
        to_client, from_client, to_server, from_server = self.bios
        move(from_client, to_server)
        move(from_server, to_client)


def test_wrap_bio_takes_its_arguments_by_position(client: Any, server: Any) -> None:
    """anyio hands all six over by position, from a worker thread."""
    incoming, outgoing = stdlib.MemoryBIO(), stdlib.MemoryBIO()
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(client.wrap_bio, incoming, outgoing, False, "localhost", None).result(DEADLINE)
    with pytest.raises(stdlib.SSLWantReadError):
        made.do_handshake()
    assert outgoing.pending
    assert (made.server_side, made.server_hostname) == (False, "localhost")


@pytest.mark.parametrize("name", [b"localhost", "localhost"])
def test_server_hostname_may_be_octets(client: Any, server: Any, name: Any) -> None:
    """trio and anyio encode the name with IDNA before they hand it over."""
    pair = Pair(client, server, server_hostname=name)
    pair.shake()
    assert pair.client.server_hostname == "localhost"


@pytest.mark.parametrize("name", [b"xn--bcher-kva.example", "xn--bcher-kva.example", "b\u00fccher.example"])
def test_international_names_are_compared_as_a_labels(shape: Any, name: Any) -> None:
    authority = trustme.CA()
    client, server = shape.SSLContext(shape.PROTOCOL_TLS_CLIENT), shape.SSLContext(shape.PROTOCOL_TLS_SERVER)
    authority.configure_trust(client)
    authority.issue_cert("xn--bcher-kva.example").configure_cert(server)
    pair = Pair(client, server, server_hostname=name)
    pair.shake()
    assert pair.client.server_hostname == "xn--bcher-kva.example"


def test_wrap_socket_takes_a_session_by_keyword(client: Any, echo_port: int) -> None:
    """pymongo always passes session=."""
    with connected(client, echo_port, session=None) as stream:
        assert stream.session_reused is False


def test_read_that_would_block_raises_the_exact_class(client: Any, echo_port: int) -> None:
    """redis-py looks the class of the exception up in a dictionary."""
    with connected(client, echo_port) as stream:
        stream.settimeout(0)
        with pytest.raises(stdlib.SSLWantReadError) as caught:
            stream.recv(1)
        assert type(caught.value) is stdlib.SSLWantReadError
        assert caught.value.errno == caught.value.args[0] == stdlib.SSL_ERROR_WANT_READ


def test_accept_of_a_wrapped_listener_gives_a_wrapped_socket(server: Any, peer_client: Any) -> None:
    """http.server tutorials, werkzeug and many others wrap the socket that listens."""
    with server.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True) as listener:
        listener.settimeout(DEADLINE)

        def serve() -> None:
            accepted, _ = listener.accept()
            with accepted:
                assert isinstance(accepted, stdlib.SSLSocket)
                accepted.sendall(accepted.recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        with connected(peer_client, listener.getsockname()[1]) as stream:
            stream.sendall(b"through the listener")
            assert exactly(stream, 20) == b"through the listener"
        thread.join(DEADLINE)


def test_non_blocking_socket_is_driven_by_select(client: Any, echo_port: int) -> None:
    """paho, pika and kafka-python: connect, handshake, send and recv never wait, pending() tells what select cannot."""
    plain = socket.create_connection(("localhost", echo_port), DEADLINE)
    plain.setblocking(False)
    stream = client.wrap_socket(plain, server_hostname="localhost", do_handshake_on_connect=False)

    def ready(reading: bool) -> None:
        ends: list[Any] = [stream]
        assert any(select.select(ends if reading else [], [] if reading else ends, [], DEADLINE))

    def driven(call: Any) -> Any:
        while True:
            try:
                return call()
            except stdlib.SSLWantReadError:
                ready(True)
            except stdlib.SSLWantWriteError:
                ready(False)

    with stream:
        driven(stream.do_handshake)
        sent, got = 0, bytearray()
        while len(got) < len(LARGE):
            if sent < len(LARGE):
                with contextlib.suppress(stdlib.SSLWantReadError, stdlib.SSLWantWriteError):
                    sent += stream.send(LARGE[sent : sent + 100_000])
            with contextlib.suppress(stdlib.SSLWantReadError):
                got += stream.recv(10)
                assert stream.pending() >= 0
                got += stream.recv(stream.pending() or 1)
            if sent == len(LARGE) and not stream.pending() and len(got) < len(LARGE):
                ready(True)
    assert got == LARGE


def test_pending_counts_what_was_opened_and_not_read(client: Any, echo_port: int) -> None:
    with connected(client, echo_port) as stream:
        stream.sendall(b"0123456789")
        assert stream.recv(4) == b"0123"
        assert stream.pending() == 6
        assert stream.recv(100) == b"456789"
        assert stream.pending() == 0


@pytest.mark.parametrize(("mode", "expected"), [("r", "zwölf\n"), ("rb", "zwölf\n".encode())])
def test_makefile_gives_text_or_octets(client: Any, echo_port: int, mode: str, expected: Any) -> None:
    """ftplib reads its listings as text."""
    with connected(client, echo_port) as stream:
        stream.sendall("zwölf\n".encode())
        with stream.makefile(mode, **({"encoding": "utf-8"} if mode == "r" else {})) as reader:
            assert reader.readline() == expected


def test_socket_outlives_its_name_while_a_file_reads_from_it(client: Any, echo_port: int) -> None:
    """http.client closes the socket and goes on to read the response from makefile()."""
    stream = connected(client, echo_port)
    stream.sendall(b"still here\n")
    with stream.makefile("rb") as reader:
        stream.close()
        assert reader.readline() == b"still here\n"


def cut_off(context: stdlib.SSLContext) -> Any:
    """A server that sends half and closes without close_notify."""

    def handle(connection: socket.socket) -> None:
        stream = context.wrap_socket(connection, server_side=True)
        stream.sendall(b"half")
        socket.socket.shutdown(stream, socket.SHUT_RDWR)
        stream.close()

    return handle


def test_cut_stream_is_told_in_the_words_that_libraries_look_for(client: Any, peer_server: Any) -> None:
    """gunicorn, urllib3 and httpcore look at args[0]; anyio and trio search strerror; Twisted reads the reason."""
    with (
        conversation(cut_off(peer_server)) as port,
        connected(client, port, suppress_ragged_eofs=False) as stream,
    ):
        assert exactly(stream, 4) == b"half"
        with pytest.raises(stdlib.SSLEOFError) as caught:
            stream.recv(1)
    assert type(caught.value) is stdlib.SSLEOFError
    assert caught.value.args[0] == caught.value.errno == stdlib.SSL_ERROR_EOF
    assert caught.value.reason == "UNEXPECTED_EOF_WHILE_READING"
    assert "UNEXPECTED_EOF_WHILE_READING" in caught.value.strerror


def test_cut_stream_ends_quietly_where_that_was_asked_for(client: Any, peer_server: Any) -> None:
    """The default of wrap_socket, which half of the world's servers need."""
    with conversation(cut_off(peer_server)) as port, connected(client, port) as stream:
        assert exactly(stream, 4) == b"half"
        assert stream.recv(1) == b""


def test_option_decides_about_a_cut_stream_of_an_object(client: Any, server: Any) -> None:
    """trio and anyio clear OP_IGNORE_UNEXPECTED_EOF and rely on it; others set it."""
    for ignore in (False, True):
        bit = stdlib.OP_IGNORE_UNEXPECTED_EOF
        client.options = client.options | bit if ignore else client.options & ~bit
        pair = Pair(client, server)
        pair.shake()
        pair.bios[0].write_eof()
        if ignore:
            assert pair.client.read(1) == b""
        else:
            with pytest.raises(stdlib.SSLEOFError, match="UNEXPECTED_EOF_WHILE_READING"):
                pair.client.read(1)


def test_plain_answer_is_called_a_wrong_version_number(client: Any) -> None:
    """urllib3 explains an HTTP proxy that was taken for an HTTPS one by this text."""

    def handle(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with conversation(handle) as port, socket.create_connection(("localhost", port), DEADLINE) as plain:
        with pytest.raises(stdlib.SSLError, match=r"(?i)wrong[ _]version[ _]number") as caught:
            client.wrap_socket(plain, server_hostname="localhost")
        assert type(caught.value) is stdlib.SSLError
        assert caught.value.reason == "WRONG_VERSION_NUMBER"
        assert caught.value.library == "SSL"


def test_bad_certificate_is_told_with_code_and_message(shape: Any, refused_port: int) -> None:
    """urllib3, requests, pip and many programs read verify_code and verify_message."""
    with socket.create_connection(("localhost", refused_port), DEADLINE) as plain:
        with pytest.raises(stdlib.SSLCertVerificationError) as caught:
            shape.create_default_context().wrap_socket(plain, server_hostname="localhost")
        error = caught.value
    assert type(error) is stdlib.SSLCertVerificationError
    assert isinstance(error, ValueError)
    assert error.errno == error.args[0] == stdlib.SSL_ERROR_SSL
    assert error.reason == "CERTIFICATE_VERIFY_FAILED"
    assert error.verify_code in {19, 20}
    assert error.verify_message in {
        "self-signed certificate in certificate chain",
        "unable to get local issuer certificate",
    }


def test_wrong_name_is_told_with_its_code(client: Any, refused_port: int) -> None:
    with (
        socket.create_connection(("localhost", refused_port), DEADLINE) as plain,
        pytest.raises(stdlib.SSLCertVerificationError, match=r"[Hh]ostname mismatch") as caught,
    ):
        client.wrap_socket(plain, server_hostname="elsewhere.example")
    assert caught.value.verify_code == 62
    assert "elsewhere.example" in caught.value.verify_message


def test_sockets_and_contexts_are_instances_of_the_standard_classes(client: Any, echo_port: int) -> None:
    """asyncio, aiohttp, uvicorn, PyMySQL, pika, trustme: isinstance(context, ssl.SSLContext); httpcore: _sslobj too."""
    assert isinstance(client, stdlib.SSLContext)
    with connected(client, echo_port) as stream:
        assert isinstance(stream, stdlib.SSLSocket)
        assert stream._sslobj is not None
        assert stream._sslobj.selected_alpn_protocol() is None
        assert stream.context is client


def test_subclasses_of_socket_and_object_are_honoured(client: Any, server: Any, echo_port: int) -> None:
    """pymongo and eventlet set sslobject_class and sslsocket_class."""

    class OwnSocket(client.sslsocket_class):  # type: ignore[misc, name-defined]
        pass

    class OwnObject(client.sslobject_class):  # type: ignore[misc, name-defined]
        pass

    client.sslsocket_class, client.sslobject_class = OwnSocket, OwnObject
    with connected(client, echo_port) as stream:
        assert type(stream) is OwnSocket
    assert type(client.wrap_bio(stdlib.MemoryBIO(), stdlib.MemoryBIO(), server_hostname="localhost")) is OwnObject


class Buffer:
    """A buffer that is not ssl.MemoryBIO but has its methods."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.closed = False

    def read(self, octets: int = -1) -> bytes:
        got = bytes(self.data if octets < 0 else self.data[:octets])
        del self.data[: len(got)]
        return got

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)

    def write_eof(self) -> None:
        self.closed = True

    @property
    def pending(self) -> int:
        return len(self.data)

    @property
    def eof(self) -> bool:
        return self.closed and not self.data


def test_object_works_over_buffers_of_any_class(shape: Any, client: Any, server: Any) -> None:
    """The standard library insists on its own MemoryBIO; the shape takes whatever has the methods."""
    pair = Pair(client, server, stdlib.MemoryBIO if shape is stdlib else Buffer)
    pair.shake()
    pair.client.write(LARGE)
    pair.carry()
    got = bytearray()
    while len(got) < len(LARGE):
        got += pair.server.read(1 << 16)
    assert got == LARGE


def test_object_leaves_what_stands_behind_close_notify(client: Any, server: Any) -> None:
    """trio's unwrap() gives the octets that follow, and protocols that go back to plain text live on them."""
    pair = Pair(client, server)
    pair.shake()
    with pytest.raises(stdlib.SSLWantReadError):
        pair.server.unwrap()
    pair.carry()
    pair.bios[0].write(b"in the clear")
    pair.client.unwrap()
    assert pair.bios[0].read() == b"in the clear"


def test_one_thread_reads_while_another_writes(client: Any, echo_port: int) -> None:
    with connected(client, echo_port) as stream, ThreadPoolExecutor(1) as pool:
        reading = pool.submit(exactly, stream, 4 * len(LARGE))
        for _ in range(4):
            stream.sendall(LARGE)
        assert reading.result(DEADLINE) == LARGE * 4


def test_settimeout_is_a_timeout_of_sockets(client: Any, echo_port: int) -> None:
    """urllib3, redis-py and http.client catch TimeoutError and socket.timeout."""
    with connected(client, echo_port) as stream:
        stream.settimeout(0.05)
        with pytest.raises(TimeoutError) as caught:
            stream.recv(1)
        assert isinstance(caught.value, socket.timeout)
        stream.settimeout(DEADLINE)
        stream.sendall(b"and it goes on")
        assert exactly(stream, 14) == b"and it goes on"


def test_closed_socket_says_bad_file_descriptor(client: Any, echo_port: int) -> None:
    stream = connected(client, echo_port)
    stream.close()
    assert stream.fileno() == -1
    with pytest.raises(OSError, match=r"(?i)bad file descriptor") as caught:
        stream.recv(1)
    assert caught.value.errno == errno.EBADF


def test_certificate_of_the_peer_is_the_same_dictionary(client: Any, peer_client: Any, echo_port: int) -> None:
    """urllib3, pymongo and many others match names in getpeercert()."""
    with connected(client, echo_port) as ours, connected(peer_client, echo_port) as theirs:
        assert ours.getpeercert() == theirs.getpeercert()
        assert ours.getpeercert(binary_form=True) == theirs.getpeercert(binary_form=True)
        assert ours.cipher() == theirs.cipher()
        assert ours.version() == theirs.version()
        assert ours.compression() is None


@entry("trustme", "client and server", "configure_trust(), configure_cert()")
def test_trustme_configures_both_ends(shape: Any) -> None:
    authority = trustme.CA()
    ours, server = shape.SSLContext(shape.PROTOCOL_TLS_CLIENT), shape.SSLContext(shape.PROTOCOL_TLS_SERVER)
    authority.configure_trust(ours)
    authority.issue_cert("localhost").configure_cert(server)
    pair = Pair(ours, server)
    pair.shake()
    assert ("DNS", "localhost") in pair.client.getpeercert()["subjectAltName"]
