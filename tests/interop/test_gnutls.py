"""tlscore against the programs gnutls-cli and gnutls-serv, over TCP on loopback.

`gnutls-serv --echo` answers one line at a time and turns CR LF into LF: it gets the payload as lines of text, each one
record, and each answer is awaited. gnutls-cli connects its standard streams with the peer, 4 KiB at a time and slowly
with every peer (7 seconds for 10 MiB): it carries 10 MiB once for each kind of certificate, and 256 KiB otherwise.
"""

import base64
import hashlib
import re
import socket

import pytest

from tests.interop.harness import (
    LOOPBACK,
    NAME,
    PAYLOAD,
    Program,
    ProgramServer,
    combinations,
    facts,
    program_echo_payload,
    receive_exactly,
    refused,
    serve,
)
from tests.support.tools import require_tool
from tlscore import ClientConfig, ServerConfig, errors
from tlscore.events import ClientCertificateReceived, KeyUpdated

# Names of GnuTLS for what a priority string may hold.
CIPHERS = {
    "TLS_AES_128_GCM_SHA256": "AES-128-GCM",
    "TLS_AES_256_GCM_SHA384": "AES-256-GCM",
    "TLS_CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
    "TLS_AES_128_CCM_SHA256": "AES-128-CCM",
    "TLS_AES_128_CCM_8_SHA256": "AES-128-CCM-8",
}
GROUPS = {"x25519": "X25519", "secp256r1": "SECP256R1", "secp384r1": "SECP384R1", "secp521r1": "SECP521R1"}
SUITES = tuple(CIPHERS)
SHORT = 256 * 1024
COMBINATIONS = [*combinations(SUITES), ("p384", SUITES[1], "secp384r1"), ("ed448", SUITES[0], "secp521r1")]


def priority(suites=SUITES, groups=tuple(GROUPS), versions=("1.3",)):
    """Exactly these, in this order; all signature schemes that are normal."""
    parts = ["NORMAL", "-VERS-ALL", "-CIPHER-ALL", "-GROUP-ALL"]
    parts += [f"+VERS-TLS{version}" for version in versions]
    parts += [f"+{CIPHERS[suite]}" for suite in suites] + [f"+GROUP-{GROUPS[group]}" for group in groups]
    return "--priority=" + ":".join(parts)


@pytest.fixture
def gnutls_serv(pki):
    program = require_tool("gnutls-serv")

    def start(*options, kind="p256"):
        leaf = pki.leaf(kind)
        identity = ("--x509certfile", leaf.chain, "--x509keyfile", leaf.key)
        return ProgramServer(program, "--echo", "--port", "{port}", *identity, *options)

    return start


@pytest.fixture
def gnutls_cli(pki, tmp_path):
    """Function that starts gnutls-cli; what it reports goes to a file, so that stdout is what the peer sent."""
    program = require_tool("gnutls-cli")

    def start(port, *options):
        names = ("--x509cafile", pki.ca, "--sni-hostname", NAME, "--verify-hostname", NAME)
        log = ("--logfile", tmp_path / "gnutls-cli.log")
        return Program(program, *log, *names, "--port", str(port), *options, LOOPBACK)

    return start


def echo_lines(tls, line_octets=4096):
    """10 MiB of text through a server that echoes line by line."""
    text = base64.b64encode(PAYLOAD[: len(PAYLOAD) * 3 // 4])
    assert len(text) == len(PAYLOAD)
    sent, received = hashlib.sha256(), hashlib.sha256()
    for start in range(0, len(text), line_octets - 1):
        line = text[start : start + line_octets - 1] + b"\n"
        sent.update(line)
        tls.sendall(line)
        received.update(receive_exactly(tls, len(line)))
    assert received.digest() == sent.digest()


@pytest.mark.parametrize(("kind", "suite", "group"), COMBINATIONS)
def test_client_echoes_10_mib_when_the_server_is_gnutls(pki, gnutls_serv, kind, suite, group):
    config = pki.client_config(suites=SUITES, groups=(group,))
    with (
        gnutls_serv("--disable-client-cert", priority((suite,)), kind=kind) as server,
        server.connect(config) as tls,
    ):
        echo_lines(tls)
        assert (tls.version, tls.suite, tls.group) == ("TLSv1.3", suite, group)
        assert tls.connection.peer_chain == (pki.leaf(kind).der,)


def echoes_through(pki, gnutls_cli, octets, kind, suite, group):
    config = pki.server_config(kind, suites=SUITES, groups=tuple(GROUPS))
    with serve(config) as server, gnutls_cli(server.port, priority((suite,), (group,))) as client:
        program_echo_payload(client, octets)
        agreed = server.result()
        assert client.wait() == 0
    assert (agreed.suite, agreed.group, agreed.server_name) == (suite, group, NAME)


@pytest.mark.parametrize(("kind", "suite", "group"), COMBINATIONS)
def test_server_echoes_when_the_client_is_gnutls(pki, gnutls_cli, kind, suite, group):
    echoes_through(pki, gnutls_cli, SHORT, kind, suite, group)


@pytest.mark.parametrize(("kind", "suite", "group"), COMBINATIONS[:15:6])
def test_server_echoes_10_mib_when_the_client_is_gnutls(pki, gnutls_cli, kind, suite, group):
    echoes_through(pki, gnutls_cli, len(PAYLOAD), kind, suite, group)


@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"])
def test_client_retries_when_gnutls_knows_no_group_of_its_shares(pki, gnutls_serv, suite):
    config = pki.client_config(groups=("x25519", "secp384r1"), key_shares=("x25519",))
    with (
        gnutls_serv("--disable-client-cert", priority((suite,), ("secp384r1",))) as server,
        server.connect(config) as tls,
    ):
        tls.sendall(b"after the retry\n")
        assert receive_exactly(tls, 16) == b"after the retry\n"
        assert tls.connection.hello_retried
        assert (tls.group, tls.suite) == ("secp384r1", suite)


@pytest.mark.parametrize("cookie", [False, True])
@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"])
def test_server_asks_again_when_gnutls_sent_no_share_of_its_group(pki, gnutls_cli, cookie, suite):
    config = pki.server_config(groups=("secp521r1",), hello_retry_cookie=cookie)
    options = ("--single-key-share", priority((suite,), ("x25519", "secp521r1")))
    with serve(config) as server, gnutls_cli(server.port, *options) as client:
        program_echo_payload(client, SHORT)
        agreed = server.result()
        assert client.wait() == 0
    assert agreed.hello_retried
    assert (agreed.group, agreed.suite) == ("secp521r1", suite)


@pytest.mark.parametrize("issuer", ["ca", "other"])
def test_client_chooses_the_identity_by_the_ca_list_when_gnutls_sends_one(pki, gnutls_serv, issuer):
    ca = pki.ca if issuer == "ca" else pki.other_ca
    config = ClientConfig.mutual(pki.trust, identity=[pki.client("ca").identity, pki.client("other").identity])
    with (
        gnutls_serv("--require-client-cert", "--verify-client-cert", "--x509cafile", ca, priority()) as server,
        server.connect(config) as tls,
    ):
        tls.sendall(b"who am I?\n")
        assert receive_exactly(tls, 10) == b"who am I?\n"
        server.expect(rf"DNSname: client-{issuer}\.example")


def test_server_verifies_gnutls_when_it_shows_a_certificate(pki, gnutls_cli):
    config = ServerConfig.mutual(pki.leaf("p256").identity, client_trust=pki.trust)
    options = ("--x509certfile", pki.client().chain, "--x509keyfile", pki.client().key, priority())
    with serve(config) as server, gnutls_cli(server.port, *options) as client:
        program_echo_payload(client, SHORT)
        agreed = server.result()
        assert client.wait() == 0
    assert agreed.authenticated
    assert agreed.peer_chain == (pki.client().der,)


def test_server_asks_after_the_handshake_when_gnutls_agreed(pki, gnutls_cli):
    def ask(tls):
        words = receive_exactly(tls, 6)
        request = tls.connection.request_client_certificate()
        tls.sendall(b"who?\n")
        words += receive_exactly(tls, 7)
        received = [event for event in tls.connection.events() if isinstance(event, ClientCertificateReceived)]
        return words, [(event.request == request, event.authenticated) for event in received], facts(tls)

    config = ServerConfig.simple(pki.leaf("p256").identity, client_auth="post_handshake", client_trust=pki.trust)
    identity = ("--x509certfile", pki.client().chain, "--x509keyfile", pki.client().key)
    with (
        serve(config, ask) as server,
        gnutls_cli(server.port, "--post-handshake-auth", *identity, priority()) as client,
    ):
        client.send(b"first\n")
        client.expect(r"who\?")
        client.send(b"second\n")
        words, received, agreed = server.result()
    assert words == b"first\nsecond\n"
    assert received == [(True, True)]
    assert agreed.peer_chain == (pki.client().der,)


def test_client_takes_the_protocol_when_gnutls_selects_one(pki, gnutls_serv):
    with gnutls_serv("--alpn", "h2", "--alpn-fatal", priority()) as server:
        with server.connect(pki.client_config(alpn=("spdy/1", "h2"))) as tls:
            assert tls.alpn == "h2"
        error = refused(server.connect, pki.client_config(alpn=("spdy/1",)))
    assert type(error) is errors.NoApplicationProtocol
    assert (error.sender, error.alert_received) == ("peer", 120)


def test_server_selects_a_protocol_when_gnutls_offers_one(pki, gnutls_cli, tmp_path):
    with serve(pki.server_config(alpn=("h2", "http/1.1"))) as server:
        with gnutls_cli(server.port, "--alpn", "http/1.1", priority()) as client:
            client.end_input()
            assert server.result().alpn == "http/1.1"
            assert client.wait() == 0
        with gnutls_cli(server.port, "--alpn", "spdy/1", priority()) as client:
            assert type(server.error()) is errors.NoApplicationProtocol
            assert client.wait() != 0
            assert "Received alert [120]" in client.text + (tmp_path / "gnutls-cli.log").read_text()


@pytest.mark.parametrize("asks", [True, False])
def test_gnutls_follows_when_the_client_updates_its_keys(pki, gnutls_serv, asks):
    with gnutls_serv("--disable-client-cert", priority()) as server, server.connect(pki.client_config()) as tls:
        for _ in range(3):
            tls.connection.update_keys(request_peer=asks)
            tls.sendall(b"under new keys\n")
            assert receive_exactly(tls, 15) == b"under new keys\n"
        updates = [event.direction for event in tls.connection.events() if isinstance(event, KeyUpdated)]
        assert updates.count("sent") == 3
        assert updates.count("received") == (3 if asks else 0)


@pytest.mark.parametrize("command", [b"^rekey^\n", b"^rekey1^\n"])
def test_server_follows_when_gnutls_updates_its_keys(pki, gnutls_cli, command):
    def follow(tls):
        words = receive_exactly(tls, 6)
        tls.sendall(b"answer\n")
        words += receive_exactly(tls, 6)
        tls.sendall(b"again\n")
        return words, [event.direction for event in tls.connection.events() if isinstance(event, KeyUpdated)]

    with (
        serve(pki.server_config(), follow) as server,
        gnutls_cli(server.port, "--inline-commands", priority()) as client,
    ):
        client.send(b"words\n")
        client.expect("answer")
        client.send(command)
        client.send(b"words\n")
        client.expect("again")
        words, updates = server.result()
    assert words == 2 * b"words\n"
    assert updates.count("received") == 1


@pytest.mark.parametrize("limit", [64, 512, 2000])
def test_gnutls_keeps_to_the_record_size_when_the_client_limits_it(pki, gnutls_serv, limit):
    # RFC 8449 4: a larger record is answered with record_overflow, so the echo shows that none came.
    with (
        gnutls_serv("--disable-client-cert", priority()) as server,
        server.connect(pki.client_config(record_size_limit=limit)) as tls,
    ):
        line = base64.b64encode(PAYLOAD[:6000]) + b"\n"
        tls.sendall(line)
        assert receive_exactly(tls, len(line)) == line


@pytest.mark.parametrize("limit", [512, 4096])
def test_server_keeps_to_the_record_size_when_gnutls_limits_it(pki, gnutls_cli, limit):
    # One way only: gnutls-cli loses what it reads from stdin beyond its own limit.
    def send(tls):
        before = tls.connection.counters[1]
        tls.sendall(PAYLOAD[:SHORT])
        return tls.connection.counters[1] - before, tls.recv(1)

    with (
        serve(pki.server_config(), send) as server,
        gnutls_cli(server.port, "--recordsize", str(limit), priority()) as client,
    ):
        assert client.receive(SHORT) == PAYLOAD[:SHORT]
        client.end_input()
        records, end = server.result()
        assert client.wait() == 0
    assert records == SHORT // limit
    assert end == b""


def test_both_know_the_bindings_when_the_server_is_gnutls(pki, gnutls_serv):
    with gnutls_serv("--disable-client-cert", priority()) as server, server.connect(pki.client_config()) as tls:
        tls.sendall(b"ready\n")
        assert receive_exactly(tls, 6) == b"ready\n"
        for kind in ("tls-server-end-point", "tls-exporter"):
            theirs = server.expect(rf"'{kind}': ([0-9a-f]{{64}})\n")[1]
            assert tls.channel_binding(kind).hex() == theirs


def test_both_know_the_bindings_when_the_client_is_gnutls(pki, gnutls_cli, tmp_path):
    def bind(tls):
        return tls.export_keying_material("EXPORTER-tlscore-interop", b"", 40), tls.recv(1)

    options = ("--keymatexport", "EXPORTER-tlscore-interop", "--keymatexportsize", "40", priority())
    with serve(pki.server_config(), bind) as server, gnutls_cli(server.port, *options) as client:
        client.end_input()
        exported, end = server.result()
        assert client.wait() == 0
    report = (tmp_path / "gnutls-cli.log").read_text()
    assert re.search(r"Key material: ([0-9a-f]+)", report)[1] == exported.hex()
    assert end == b""


def test_server_answers_when_gnutls_has_closed_its_half(pki, gnutls_cli):
    def answer_after_the_end(tls):
        received = b""
        while data := tls.recv(100):
            received += data
        tls.sendall(received[::-1])
        tls.shutdown(socket.SHUT_WR)
        return received

    with serve(pki.server_config(), answer_after_the_end) as server, gnutls_cli(server.port, priority()) as client:
        client.send(b"question")
        client.end_input()
        assert server.result() == b"question"
        assert client.wait() == 0
        assert client.stdout == b"noitseuq"


def test_client_reports_truncation_when_gnutls_is_killed(pki, gnutls_serv):
    with gnutls_serv("--disable-client-cert", priority()) as server, server.connect(pki.client_config()) as tls:
        tls.sendall(b"alive\n")
        assert receive_exactly(tls, 6) == b"alive\n"
        server.kill()
        assert type(refused(tls.recv, 1)) is errors.TruncationError


def test_server_reports_truncation_when_gnutls_is_killed(pki, gnutls_cli):
    with serve(pki.server_config()) as server, gnutls_cli(server.port, priority()) as client:
        client.send(b"alive\n")
        client.receive(6)
        client.kill()
        assert type(server.error()) is errors.TruncationError


def test_both_see_the_alert_when_gnutls_speaks_tls_1_2_only(pki, gnutls_serv, gnutls_cli, tmp_path):
    old = priority(versions=("1.2",))
    with gnutls_serv("--disable-client-cert", old) as server:
        error = refused(server.connect, pki.client_config(versions="1.3"))
    # GnuTLS does not look at supported_versions where it speaks TLS 1.2 only: it finds no suite of its own.
    assert type(error) is errors.HandshakeFailure
    assert error.sender == "peer"
    with serve(pki.server_config(versions="1.3")) as server, gnutls_cli(server.port, old) as client:
        error = server.error()
        assert client.wait() != 0
        assert "Error in protocol version" in client.text + (tmp_path / "gnutls-cli.log").read_text()
    assert type(error) is errors.ProtocolVersionError
    assert error.sender == "us"


def test_both_see_the_alert_when_gnutls_does_not_trust_the_server(pki, gnutls_cli):
    program = require_tool("gnutls-cli")
    with serve(pki.server_config()) as server:
        trust = ("--x509cafile", pki.other_ca, "--verify-hostname", NAME)
        with Program(program, *trust, "--port", str(server.port), LOOPBACK) as client:
            error = server.error()
            assert client.wait() != 0
    assert isinstance(error, errors.AlertError)
    assert error.sender == "peer"
