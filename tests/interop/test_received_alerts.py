"""A handshake_failure of a real server, s_server or gnutls-serv, is explained by what had happened before."""

from tests.interop.harness import ProgramServer, refused
from tests.support.tools import require_tool
from tlscore import errors


def check(error, cause):
    assert type(error) is errors.HandshakeFailure
    assert (error.sender, error.alert_received) == ("peer", 40)
    assert cause in error.cause


def test_openssl_that_may_not_renegotiate_ends_the_connection(pki, s_server):
    with s_server("-tls1_2") as server, server.connect(pki.client_config(versions="1.2")) as tls:
        tls.sendall(b"hello\n")
        server.expect("hello")
        # The command r: a HelloRequest, which our client answers with the warning no_renegotiation.
        server.send(b"r\n")
        error = refused(tls.recv, 1)
    check(error, "most likely it wanted to renegotiate, which we refuse")
    assert "TLS 1.3" in error.remedy


def test_openssl_that_gets_no_certificate_in_tls12(pki, s_server):
    with s_server("-tls1_2", "-Verify", "1") as server:
        error = refused(server.connect, pki.client_config(versions="1.2"))
    check(error, "the server demands a client certificate and we sent none")


def test_gnutls_that_has_tls11_alone(pki):
    leaf = pki.leaf("p256")
    only = "--priority=NORMAL:-VERS-ALL:+VERS-TLS1.1"
    command = (require_tool("gnutls-serv"), "--echo", "--port", "{port}", "--x509certfile", leaf.chain, only)
    with ProgramServer(*command, "--x509keyfile", leaf.key, cwd=pki.ca.parent) as server:
        error = refused(server.connect, pki.client_config())
    check(error, "version, suite, group or signature scheme")
    assert "a server that has only older versions" in error.remedy
