"""HTTPS between tlscore and programs that carry files: curl as client, `openssl s_server -WWW` as server."""

import hashlib
import re

import pytest

from tests.interop.harness import DIGEST, LOOPBACK, NAME, PAYLOAD, Program, ProgramServer, combinations, facts, serve
from tests.support.tools import require_tool
from tlscore import ServerConfig, errors

SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


def http_echo(tls):
    """One HTTP/1.1 request; the answer's body is that of the request."""
    agreed = facts(tls)
    with tls.makefile("rb") as reader:
        request, *headers = iter(lambda: reader.readline().strip(), b"")
        length = next(int(value) for name, value in (line.split(b":") for line in headers if b"ength" in line))
        body = reader.read(length)
    tls.write_many([b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body), body])
    return request, agreed


@pytest.fixture
def curl(pki):
    """Function that starts curl with the test CA."""
    program = require_tool("curl")

    def start(port, *options):
        where = ("--resolve", f"{NAME}:{port}:{LOOPBACK}", "--cacert", pki.ca, f"https://{NAME}:{port}/path")
        return Program(program, "--silent", "--show-error", "--noproxy", "*", *options, *where)

    return start


@pytest.mark.parametrize(("kind", "suite", "group"), combinations(SUITES))
def test_server_echoes_10_mib_when_the_client_is_curl(pki, curl, tmp_path, kind, suite, group):
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_bytes(PAYLOAD)
    names = {"x25519": "X25519", "secp256r1": "prime256v1"}
    options = ("--tls13-ciphers", suite, "--curves", names[group], "--data-binary", f"@{sent}", "-H", "Expect:")
    with (
        serve(pki.server_config(kind, alpn=("http/1.1",)), http_echo) as server,
        curl(server.port, *options, "--output", received) as client,
    ):
        request, agreed = server.result()
        assert client.wait() == 0, client.report()
    assert request == b"POST /path HTTP/1.1"
    assert (agreed.suite, agreed.group, agreed.alpn, agreed.server_name) == (suite, group, "http/1.1", NAME)
    assert hashlib.sha256(received.read_bytes()).digest() == DIGEST


def test_server_asks_again_when_curl_sent_no_share_of_its_group(pki, curl):
    config = pki.server_config(groups=("secp384r1",), hello_retry_cookie=True)
    with serve(config, http_echo) as server, curl(server.port, "--data", "again") as client:
        assert client.wait() == 0, client.report()
        assert client.stdout == b"again"
        assert server.result()[1].hello_retried


def test_server_verifies_curl_when_it_shows_a_certificate(pki, curl):
    config = ServerConfig.mutual(pki.leaf("rsa2048").identity, client_trust=pki.trust)
    options = ("--data", "me", "--cert", pki.client().chain, "--key", pki.client().key)
    with serve(config, http_echo) as server, curl(server.port, *options) as client:
        assert client.wait() == 0, client.report()
        assert server.result()[1].peer_identity.dns_names == ("client-ca.example",)


def test_curl_names_the_missing_certificate_when_the_server_requires_one(pki, curl):
    config = ServerConfig.mutual(pki.leaf("p256").identity, client_trust=pki.trust)
    with serve(config, http_echo) as server, curl(server.port, "--data", "anonymous") as client:
        assert isinstance(server.error(), errors.CertificateRequired)
        assert client.wait() != 0
        assert "certificate required" in client.text


def test_server_names_the_client_when_it_speaks_plain_http(pki):
    program = require_tool("curl")
    with (
        serve(pki.server_config(), http_echo) as server,
        Program(program, "--silent", "--noproxy", "*", f"http://{LOOPBACK}:{server.port}/") as client,
    ):
        error = server.error()
        assert client.wait() != 0
    assert isinstance(error, errors.AlertError)
    assert "HTTP" in str(error)


@pytest.mark.parametrize(("kind", "suite", "group"), combinations(SUITES))
def test_client_fetches_10_mib_when_the_server_is_openssl(pki, openssl, tmp_path, kind, suite, group):
    (tmp_path / "payload.bin").write_bytes(PAYLOAD)
    leaf = pki.leaf(kind)
    command = (openssl, "s_server", "-accept", LOOPBACK + ":{port}", "-naccept", "1", "-WWW", "-http_server_binmode")
    with (
        ProgramServer(*command, "-cert", leaf.chain, "-key", leaf.key, cwd=tmp_path) as server,
        server.connect(pki.client_config(suites=(suite,), groups=(group,))) as tls,
    ):
        tls.sendall(b"GET /payload.bin HTTP/1.0\r\n\r\n")
        with tls.makefile("rb") as reader:
            assert re.match(rb"HTTP/1\.0 200 ok\r\n", reader.readline())
            while reader.readline() != b"\r\n":
                pass
            assert hashlib.sha256(reader.read(len(PAYLOAD))).digest() == DIGEST
            assert reader.read() == b""
        assert (tls.suite, tls.group) == (suite, group)
