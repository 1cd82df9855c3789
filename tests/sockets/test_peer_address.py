"""D20: the error of a handshake over a socket names the address of the peer, as an attribute and in a note."""

import pickle
import socket
import threading

import pytest

import tlscore
from tests.support import standing
from tlscore import errors
from tlscore.sockets.checks import name_peer

# An SSLv2 CLIENT-HELLO that asks for TLS 1.2: RFC 5246 E.2.
SSLV2_HELLO = bytes.fromhex("802e 01 0303 0015 0000 0010 00002f 000035 00000a 000005 000004 00003c 00c02b") + bytes(16)


@pytest.fixture
def listener():
    with tlscore.listen(("127.0.0.1", 0), standing.server_config()) as made:
        made.settimeout(10)
        yield made


def refused(listener):
    with pytest.raises(errors.AlertError) as caught:
        listener.accept()
    return caught.value


def test_server_names_the_legacy_client_that_sent_an_sslv2_hello(listener):
    """D20: who it was, that it is the hello of SSLv2, and which version it asks for."""
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(SSLV2_HELLO)
        error = refused(listener)
        address = client.getsockname()
    assert error.code == "TLS-SSLV2_HELLO"
    assert "SSLv2 CLIENT-HELLO that asks for TLSv1.2" in error.cause
    assert error.peer_address == address
    assert error.__notes__ == [f"in the handshake with 127.0.0.1:{address[1]}"]
    assert pickle.loads(pickle.dumps(error)).peer_address == address


@pytest.mark.parametrize("accept", [True, False])
def test_client_and_server_name_each_other(accept):
    config = standing.server_config(suites=("TLS_AES_128_GCM_SHA256",))
    found = []
    with tlscore.listen(("127.0.0.1", 0), config, handshake_on_accept=accept) as listener:
        listener.settimeout(10)

        def serve():
            try:
                with listener.accept()[0] as tls:
                    tls.recv(1)
            except errors.TlsError as error:
                found.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        other = standing.client_config(suites=("TLS_AES_256_GCM_SHA384",))
        with pytest.raises(errors.HandshakeFailure) as caught:
            tlscore.connect(listener.getsockname(), other, server_name=standing.NAME, timeout=10)
        thread.join()
        assert caught.value.peer_address == listener.getsockname()
    assert type(found[0]) is errors.HandshakeFailure
    assert found[0].peer_address[0] == "127.0.0.1"
    assert len(found[0].__notes__) == len(caught.value.__notes__) == 1


def test_failure_after_the_handshake_is_not_said_to_be_of_it(listener):
    client_config = standing.client_config()
    clients = []
    thread = threading.Thread(
        target=lambda: clients.append(tlscore.connect(listener.getsockname(), client_config, server_name=standing.NAME))
    )
    thread.start()
    server, _ = listener.accept()
    thread.join()
    clients[0]._sock.close()
    with pytest.raises(errors.TransportError) as caught:
        server.recv(1)
    server.abort()
    assert caught.value.peer_address is None


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (("192.0.2.1", 443), "192.0.2.1:443"),
        (("2001:db8::1", 443, 0, 0), "[2001:db8::1]:443"),
        ("/run/\x1btls", "/run/\\x1btls"),
        (b"\0abstract", "\\x00abstract"),
    ],
)
def test_addresses_are_shown_as_they_are_written(address, shown):
    error = errors.HandshakeFailure("no")
    name_peer(error, address)
    name_peer(error, ("198.51.100.1", 1))
    assert error.peer_address == address
    assert error.__notes__ == [f"in the handshake with {shown}"]


def test_socket_without_a_name_names_nobody():
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(errors.AlertError) as caught:
            tlscore.wrap_server(ours, standing.server_config())
    assert caught.value.peer_address is None
    assert not hasattr(caught.value, "__notes__")
