"""tlscore and the openssl programs after the handshake: late authentication, KeyUpdate, exporters, and the end.

Without -quiet the programs take commands of one letter from standard input, where each read is one command or one
piece of data: K and k update keys, c asks the client for its certificate, Q closes.
"""

import re
import select
import socket

import pytest

from tests.interop.harness import TIMEOUT, echo_payload, facts, receive_exactly, serve
from tlscore import ClientConfig, ServerConfig, errors
from tlscore.events import ClientCertificateReceived, ClientCertificateRequested, KeyUpdated

SUITES = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256",
)


def wait_for_events(tls, kind):
    """Receive until events of this kind came, where no application data does; openssl reads one command at a time."""
    tls.setblocking(False)
    while not (found := [event for event in tls.connection.events() if isinstance(event, kind)]):
        assert select.select([tls], [], [], TIMEOUT)[0], f"no {kind.__name__} came"
        with pytest.raises(errors.WantReadError):
            tls.recv(1)
    tls.settimeout(TIMEOUT)
    return found


def test_client_answers_when_openssl_asks_after_the_handshake(pki, s_server):
    config = ClientConfig.mutual(pki.trust, identity=pki.client().identity, post_handshake_auth=True)
    with s_server("-CAfile", pki.ca) as server, server.connect(config) as tls:
        tls.sendall(b"first\n")
        server.expect("first")
        assert "client-ca.example" not in server.text
        server.send(b"c\n")
        assert [event.answered for event in wait_for_events(tls, ClientCertificateRequested)] == [True]
        server.expect(r"depth=0 CN = client-ca\.example")
        tls.sendall(b"second\n")
        server.expect("second")


def test_server_asks_after_the_handshake_when_openssl_agreed(pki, s_client):
    def ask(tls):
        words = receive_exactly(tls, 6)
        request = tls.connection.request_client_certificate()
        tls.sendall(b"who?\n")
        words += receive_exactly(tls, 7)
        received = [event for event in tls.connection.events() if isinstance(event, ClientCertificateReceived)]
        return words, request, received, facts(tls)

    config = ServerConfig.simple(pki.leaf("p256").identity, client_auth="post_handshake", client_trust=pki.trust)
    options = ("-quiet", "-no_ign_eof", "-nocommands", "-enable_pha")
    with (
        serve(config, ask) as server,
        s_client(server.port, *options, "-cert", pki.client().chain, "-key", pki.client().key) as client,
    ):
        client.send(b"first\n")
        client.expect(r"who\?")
        client.send(b"second\n")
        words, request, received, agreed = server.result()
    assert words == b"first\nsecond\n"
    assert [(event.request, event.authenticated) for event in received] == [(request, True)]
    assert agreed.peer_chain[0] == pki.client().der


# -- KeyUpdate ---------------------------------------------------------------------------------------------------------


def directions(tls):
    return [event.direction for event in tls.connection.events() if isinstance(event, KeyUpdated)]


@pytest.mark.parametrize(("command", "answers"), [(b"K", 1), (b"k", 0)])
def test_server_follows_when_openssl_updates_its_keys(pki, s_client, command, answers):
    def follow(tls):
        words = b""
        for _ in range(3):
            words += receive_exactly(tls, 6)
            tls.sendall(b"answer\n")
        return words, directions(tls)

    with serve(pki.server_config(), follow) as server, s_client(server.port) as client:
        for number in range(3):
            client.send(command + b"\n")
            client.expect(rf"(KEYUPDATE[\s\S]*){{{number + 1}}}")
            client.send(b"words\n")
            client.expect(rf"(answer[\s\S]*){{{number + 1}}}")
        words, updates = server.result()
    assert words == 3 * b"words\n"
    assert updates.count("received") == 3
    assert updates.count("sent") == 3 * answers


@pytest.mark.parametrize(("command", "answers"), [(b"K", 1), (b"k", 0)])
def test_client_follows_when_openssl_updates_its_keys(pki, s_server, command, answers):
    with s_server() as server, server.connect(pki.client_config()) as tls:
        updates = []
        for number in range(3):
            server.send(command + b"\n")
            updates += [event.direction for event in wait_for_events(tls, KeyUpdated)]
            server.send(b"words\n")
            assert receive_exactly(tls, 6) == b"words\n"
            tls.sendall(b"answer\n")
            server.expect(rf"(answer[\s\S]*){{{number + 1}}}")
            updates += directions(tls)
    assert updates.count("received") == 3
    assert updates.count("sent") == 3 * answers


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("asks", [True, False])
def test_openssl_follows_when_the_client_updates_its_keys(pki, s_server, suite, asks):
    with (
        s_server("-quiet", "-ciphersuites", suite, echo=True) as server,
        server.connect(pki.client_config(suites=(suite,))) as tls,
    ):
        for _ in range(3):
            tls.connection.update_keys(request_peer=asks)
            tls.sendall(b"under new keys")
            assert receive_exactly(tls, 14) == b"under new keys"
        updates = directions(tls)
        assert updates.count("sent") == 3
        assert updates.count("received") == (3 if asks else 0)
        echo_payload(tls)


@pytest.mark.parametrize("asks", [True, False])
def test_openssl_follows_when_the_server_updates_its_keys(pki, s_client, asks):
    def update(tls):
        for _ in range(3):
            tls.connection.update_keys(request_peer=asks)
            tls.sendall(b"under new keys\n")
            assert receive_exactly(tls, 3) == b"ok\n"
        return directions(tls)

    options = ("-quiet", "-no_ign_eof", "-nocommands")
    with serve(pki.server_config(), update) as server, s_client(server.port, *options) as client:
        for number in range(3):
            client.receive(15 * (number + 1))
            client.send(b"ok\n")
        updates = server.result()
    assert updates.count("sent") == 3
    assert updates.count("received") == (3 if asks else 0)


# -- exporters and key log ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["EXPORTER-tlscore-interop", "EXPORTER-Channel-Binding"])
@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"])
def test_both_export_the_same_keys_when_the_server_is_openssl(pki, s_server, label, suite):
    options = ("-keymatexport", label, "-keymatexportlen", "32", "-ciphersuites", suite)
    with s_server(*options) as server, server.connect(pki.client_config()) as tls:
        theirs = server.expect(r"Keying material: ([0-9A-F]{64})\s")[1]
        assert tls.export_keying_material(label, b"", 32).hex().upper() == theirs
        if label == "EXPORTER-Channel-Binding":
            # RFC 9266 4.2: the exporter with this label and no context is tls-exporter.
            assert tls.channel_binding("tls-exporter").hex().upper() == theirs


def test_both_export_the_same_keys_when_the_client_is_openssl(pki, s_client):
    def export(tls):
        return tls.export_keying_material("EXPORTER-tlscore-interop", b"", 77), tls.recv(1)

    options = ("-keymatexport", "EXPORTER-tlscore-interop", "-keymatexportlen", "77")
    with serve(pki.server_config(), export) as server, s_client(server.port, *options) as client:
        theirs = client.expect(r"Keying material: ([0-9A-F]{154})\s")[1]
        client.end_input()
        ours, end = server.result()
    assert ours.hex().upper() == theirs
    assert end == b""


def test_both_log_the_same_secrets_when_the_client_is_openssl(pki, s_client, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    with serve(pki.server_config(key_log=ours)) as server, s_client(server.port, "-keylogfile", theirs) as client:
        client.expect("Verify return code: 0")
        client.end_input()
        server.result()
        client.wait()
    line = re.compile(r"^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64,96}$", re.MULTILINE)
    assert sorted(set(line.findall(ours.read_text()))) == sorted(set(line.findall(theirs.read_text())))
    assert len(line.findall(ours.read_text())) == 5


# -- the end -----------------------------------------------------------------------------------------------------------


def test_client_sees_the_end_when_openssl_closes(pki, s_server):
    # With -rev it answers each line reversed, and CLOSE with close_notify (Q would close the socket without one).
    with s_server("-rev") as server, server.connect(pki.client_config()) as tls:
        tls.sendall(b"last words\n")
        assert receive_exactly(tls, 11) == b"sdrow tsal\n"
        tls.sendall(b"CLOSE\n")
        assert tls.recv(1) == b""
        assert tls.connection.peer_closed


def test_server_sees_the_end_when_openssl_closes(pki, s_client):
    with serve(pki.server_config()) as server, s_client(server.port) as client:
        client.expect("Verify return code: 0")
        client.send(b"Q\n")
        assert server.result().version == "TLSv1.3"
        assert client.wait() == 0


@pytest.mark.parametrize("octets", [b"", b"part of the data"])
def test_client_reports_truncation_when_openssl_is_killed(pki, s_server, octets):
    with s_server("-quiet", echo=True) as server, server.connect(pki.client_config()) as tls:
        # The echo shows that openssl has read everything: unread octets would make the kernel reset the stream.
        tls.sendall(b"alive")
        assert receive_exactly(tls, 5) == b"alive"
        if octets:
            server.send(octets)
            assert receive_exactly(tls, len(octets)) == octets
        server.kill()
        with pytest.raises(errors.TruncationError):
            tls.recv(100)
        with pytest.raises(errors.TruncationError):
            tls.sendall(b"more")


def test_server_reports_truncation_when_openssl_is_killed(pki, s_client):
    with serve(pki.server_config()) as server, s_client(server.port, "-quiet") as client:
        client.send(b"part")
        assert client.receive(4) == b"part"
        client.kill()
        assert isinstance(server.error(), errors.TruncationError)


def test_openssl_notices_when_the_client_aborts(pki, s_server):
    with s_server() as server:
        tls = server.connect(pki.client_config())
        tls.sendall(b"part\n")
        server.expect("part")
        tls.abort()
        server.expect("part\nERROR\n")
        server.wait()


def test_openssl_takes_the_end_when_the_client_closes(pki, s_server):
    with s_server() as server:
        with server.connect(pki.client_config()) as tls:
            tls.sendall(b"all\n")
            server.expect("all")
            tls.shutdown(socket.SHUT_WR)
            # openssl answers close_notify with its own.
            assert tls.recv(1) == b""
        assert server.wait() == 0
        assert "all\nDONE\n" in server.text
