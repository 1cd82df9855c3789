"""connect, listen and accept; what they refuse; and that one bad client costs a listener nothing."""

import errno
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import tlscore
from tests.sockets.conftest import NAME, Configs
from tlscore import ConfigError, HandshakeTimeout, TlsListener, TransportError, WantReadError, errors
from tlscore.sockets import wrap_client, wrap_listener, wrap_server
from tlscore.sockets.checks import transport_error


def serve(listener: TlsListener, clients: int = 1) -> threading.Thread:
    """Echo one message to each of so many clients, in a thread."""

    def run() -> None:
        for _ in range(clients):
            tls, _ = listener.accept()
            with tls:
                tls.sendall(tls.recv(100).upper())

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_client_connects_to_listener(configs: Configs) -> None:
    with tlscore.listen(("127.0.0.1", 0), configs.server) as listener:
        thread = serve(listener)
        with tlscore.connect(listener.getsockname(), configs.client, server_name=NAME, timeout=5) as tls:
            assert tls.gettimeout() == 5
            assert tls.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert tls.getpeername() == listener.getsockname()
            tls.sendall(b"hello")
            assert tls.recv(100) == b"HELLO"
        thread.join(10)


def test_client_connects_over_a_unix_socket(configs: Configs, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with tlscore.listen(path, configs.server) as listener:
        thread = serve(listener)
        with tlscore.connect(path, configs.client, server_name=NAME) as tls:
            tls.sendall(b"hello")
            assert tls.recv(100) == b"HELLO"
        thread.join(10)


def test_host_is_the_name_to_verify_when_none_is_given(configs: Configs) -> None:
    with tlscore.listen(("127.0.0.1", 0), configs.server, handshake_on_accept=False) as listener:

        def run() -> None:
            tls, _ = listener.accept()
            with pytest.raises(errors.AlertError):
                tls.do_handshake()
            tls.close()

        thread = threading.Thread(target=run)
        thread.start()
        # The certificate is for server.test and not for 127.0.0.1.
        with pytest.raises(errors.AlertError):
            tlscore.connect(listener.getsockname(), configs.client)
        thread.join(10)


def test_unix_socket_needs_a_name(configs: Configs) -> None:
    with pytest.raises(ConfigError, match="server_name"):
        tlscore.connect("/nowhere", configs.client)


@pytest.mark.parametrize(
    ("address", "repair"),
    [
        ("https://localhost", '("localhost", 443)'),
        ("HTTPS://localhost:8443/path", '("localhost", 8443)'),
        ("localhost:443", '("localhost", 443)'),
        ("[::1]:443", '("::1", 443)'),
    ],
)
def test_text_that_is_no_path_is_refused_with_the_repair(configs: Configs, address: str, repair: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tlscore.connect(address, configs.client, server_name=NAME)
    assert repair in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        tlscore.listen(address, configs.server)
    assert repair in str(caught.value)


@pytest.mark.parametrize("path", ["./socket:1", "run:1/socket", "\0abstract:1", "/run/socket:1"])
def test_paths_of_sockets_are_taken_as_paths(configs: Configs, path: str) -> None:
    with pytest.raises(TransportError):
        tlscore.connect(path, configs.client, server_name=NAME)


def test_configuration_of_the_other_role_is_refused_before_anything_is_sent(
    configs: Configs, resources: ExitStack
) -> None:
    one, two = socket.socketpair()
    resources.callback(one.close)
    resources.callback(two.close)
    listening = resources.enter_context(socket.create_server(("127.0.0.1", 0)))
    client: Any = configs.client
    server: Any = configs.server
    nothing: Any = None
    for call in (
        lambda: tlscore.connect(listening.getsockname(), server),
        lambda: wrap_client(one, server, NAME),
        lambda: tlscore.connect(listening.getsockname(), nothing),
    ):
        with pytest.raises(ConfigError, match=r"takes a ClientConfig\. Build one: ClientConfig\.simple"):
            call()
    for call in (
        lambda: tlscore.listen(("127.0.0.1", 0), client),
        lambda: wrap_server(one, client),
        lambda: wrap_listener(listening, client),
    ):
        with pytest.raises(
            ConfigError, match=r"a ClientConfig; \w+\(\) takes a ServerConfig\. Build one: ServerConfig"
        ):
            call()
    # Nothing was sent, and the sockets are still the caller's.
    two.setblocking(False)
    with pytest.raises(BlockingIOError):
        two.recv(1)


@pytest.mark.parametrize(
    ("failure", "remedy"),
    [
        (OSError(errno.EADDRINUSE, "in use"), "reuse_port"),
        (OSError(errno.EACCES, "denied"), "below 1024"),
        (OSError(errno.ECONNREFUSED, "refused"), "start the server"),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "DNS"),
        (OSError(errno.ENETUNREACH, "unreachable"), "IPv6"),
        (OSError(errno.ETIMEDOUT, "timed out"), "firewall"),
        (OSError(errno.ECONNRESET, "reset"), "proxy"),
        (OSError(errno.EPIPE, "broken"), "proxy"),
        (OSError(errno.EMFILE, "too many"), "ulimit"),
        (OSError(errno.EIO, "something else"), "network"),
        (RuntimeError("no number"), "network"),
    ],
    ids=str,
)
def test_failure_of_the_system_tells_what_to_do(failure: Exception, remedy: str) -> None:
    error = transport_error(failure, "no connection")
    assert remedy in error.remedy
    assert str(failure) in error.cause
    assert error.errno == getattr(failure, "errno", None)


def test_unknown_host_is_a_typed_error(configs: Configs) -> None:
    with pytest.raises(TransportError, match="resolve names") as caught:
        tlscore.connect(("no-such-host.invalid", 443), configs.client)
    assert isinstance(caught.value.__cause__, socket.gaierror)


def test_refused_connection_is_a_typed_error(configs: Configs) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
    with pytest.raises(TransportError) as caught:
        tlscore.connect(address, configs.client, server_name=NAME)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert caught.value.errno == caught.value.__cause__.errno


def test_address_in_use_is_a_typed_error(configs: Configs) -> None:
    with (
        tlscore.listen(("127.0.0.1", 0), configs.server) as listener,
        pytest.raises(TransportError, match="cannot listen"),
    ):
        tlscore.listen(listener.getsockname(), configs.server)


def test_listeners_share_a_port_when_asked(configs: Configs, resources: ExitStack) -> None:
    one = resources.enter_context(tlscore.listen(("127.0.0.1", 0), configs.server, reuse_port=True))
    two = resources.enter_context(tlscore.listen(one.getsockname(), configs.server, reuse_port=True))
    assert one.getsockname() == two.getsockname()


def test_listener_survives_a_client_that_talks_no_tls(configs: Configs) -> None:
    with tlscore.listen(("127.0.0.1", 0), configs.server) as listener:
        with socket.create_connection(listener.getsockname()) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises(errors.AlertError) as caught:
                listener.accept()
            assert "127.0.0.1" in caught.value.__notes__[0]
            # Its socket is closed, after the alert.
            plain.settimeout(5)
            assert plain.recv(100)[:1] == b"\x15"
        thread = serve(listener)
        with tlscore.connect(listener.getsockname(), configs.client, server_name=NAME) as tls:
            tls.sendall(b"hello")
            assert tls.recv(100) == b"HELLO"
        thread.join(10)


def test_listener_survives_a_silent_client(configs: Configs) -> None:
    server = configs.server.replace(handshake_timeout=0.1)
    with tlscore.listen(("127.0.0.1", 0), server) as listener:
        with socket.create_connection(listener.getsockname()), pytest.raises(HandshakeTimeout):
            listener.accept()
        with socket.create_connection(listener.getsockname()) as gone:
            gone.close()
            with pytest.raises(TransportError):
                listener.accept()
        thread = serve(listener)
        with tlscore.connect(listener.getsockname(), configs.client, server_name=NAME) as tls:
            tls.sendall(b"hello")
            assert tls.recv(100) == b"HELLO"
        thread.join(10)


def test_accept_leaves_the_handshake_to_the_first_call_when_asked(configs: Configs) -> None:
    with tlscore.listen(("127.0.0.1", 0), configs.server, handshake_on_accept=False) as listener:
        thread = serve(listener)
        with tlscore.connect(listener.getsockname(), configs.client, server_name=NAME) as tls:
            tls.sendall(b"hello")
            assert tls.recv(100) == b"HELLO"
        thread.join(10)


def test_accept_times_out(configs: Configs) -> None:
    with tlscore.listen(("127.0.0.1", 0), configs.server) as listener:
        listener.settimeout(0.05)
        assert listener.gettimeout() == 0.05
        with pytest.raises(TimeoutError):
            listener.accept()
        listener.settimeout(0)
        with pytest.raises(WantReadError):
            listener.accept()
        assert listener.fileno() >= 0


def test_listening_socket_is_wrapped(configs: Configs) -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    with wrap_listener(sock, configs.server) as listener:
        thread = serve(listener)
        with tlscore.connect(listener.getsockname(), configs.client, server_name=NAME) as tls:
            tls.sendall(b"hello")
            assert tls.recv(100) == b"HELLO"
        thread.join(10)


def test_wrapping_refuses_the_wrong_kind_of_socket(configs: Configs, resources: ExitStack) -> None:
    listening = resources.enter_context(socket.create_server(("127.0.0.1", 0)))
    with pytest.raises(ConfigError, match="wrap_listener"):
        wrap_server(listening, configs.server)
    one, two = socket.socketpair()
    resources.callback(one.close)
    resources.callback(two.close)
    with pytest.raises(ConfigError, match="listen"):
        wrap_listener(one, configs.server)
    datagrams = resources.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with pytest.raises(ConfigError, match="stream"):
        wrap_client(datagrams, configs.client, NAME)


@pytest.mark.parametrize("role", ["client", "server"])
def test_upgrade_refuses_octets_that_were_read_ahead(configs: Configs, resources: ExitStack, role: str) -> None:
    one, two = socket.socketpair()
    resources.callback(one.close)
    resources.callback(two.close)

    def wrap() -> tlscore.TlsSocket:
        ahead = b"RCPT TO:<x>\r\n"
        if role == "client":
            return wrap_client(one, configs.client, NAME, leftover=ahead)
        return wrap_server(one, configs.server, leftover=ahead)

    with pytest.raises(errors.UsageError, match="injected"):
        wrap()


def test_upgrade_of_a_plaintext_stream(configs: Configs, resources: ExitStack) -> None:
    one, two = socket.socketpair()
    one.sendall(b"STARTTLS\r\n")
    assert two.recv(10) == b"STARTTLS\r\n"
    server = wrap_server(two, configs.server, do_handshake=False)
    resources.callback(server.close)
    thread = threading.Thread(target=server.do_handshake)
    thread.start()
    client = wrap_client(one, configs.client, NAME)
    resources.callback(client.close)
    thread.join(10)
    client.sendall(b"secret")
    assert server.recv(10) == b"secret"


def test_many_clients_are_served_when_each_has_a_thread(configs: Configs) -> None:
    def serve_one(tls: tlscore.TlsSocket) -> None:
        with tls:
            tls.do_handshake()
            tls.sendall(tls.recv(100).upper())

    answers: list[bytes] = []

    def ask(address: tuple[str, int]) -> None:
        with tlscore.connect(address, configs.client, server_name=NAME) as tls:
            tls.sendall(b"hello")
            answers.append(tls.recv(100))

    with tlscore.listen(("127.0.0.1", 0), configs.server, 64, handshake_on_accept=False) as listener:
        clients = [threading.Thread(target=ask, args=(listener.getsockname(),)) for _ in range(20)]
        for thread in clients:
            thread.start()
        servers = []
        for _ in clients:
            tls, _ = listener.accept()
            servers.append(threading.Thread(target=serve_one, args=(tls,)))
            servers[-1].start()
        for thread in clients + servers:
            thread.join(20)
    assert answers == [b"HELLO"] * 20
