"""Handshakes that must fail: the exact error on this side, and the alert that the other side reports.

The other side is the standard library's ssl, which names the alert it got; where it cannot be made to misbehave, a
plain socket or a program of OpenSSL stands in.
"""

import ssl
import subprocess

import pytest

from tests.interop.harness import (
    LOOPBACK,
    NAME,
    TIMEOUT,
    Program,
    ProgramServer,
    facts,
    receive_exactly,
    refused,
    serve,
    serve_plain,
    serve_ssl,
    wrap_ssl,
)
from tlscore import ClientConfig, ServerConfig, errors


def unknown_ca(pki):
    return pki.other, pki.leaf("p256"), errors.UnknownCa, "UNKNOWN_CA"


def wrong_name(pki):
    return pki.authority, pki.elsewhere(), errors.BadCertificate, "BAD_CERTIFICATE"


def expired(pki):
    return pki.authority, pki.expired(), errors.CertificateExpired, "CERTIFICATE_EXPIRED"


def wrong_purpose(pki):
    return pki.authority, pki.client_for_server_name(), errors.UnsupportedCertificate, "UNSUPPORTED_CERTIFICATE"


REASONS = [unknown_ca, wrong_name, expired, wrong_purpose]


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.__name__)
def test_client_refuses_the_ssl_server_when_its_certificate_is_bad(pki, reason):
    anchor, leaf, kind, alert = reason(pki)
    trust = pki.trust if anchor is pki.authority else pki.other_trust
    with serve_ssl(pki.ssl_server(leaf=leaf)) as server:
        error = refused(server.connect, ClientConfig.simple(trust))
        theirs = server.error()
    assert type(error) is kind
    assert (error.sender, error.alert_sent, error.alert_received) == ("us", kind.alert, None)
    assert isinstance(theirs, ssl.SSLError)
    assert alert in theirs.reason


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.__name__)
def test_server_is_told_why_when_the_ssl_client_refuses_its_certificate(pki, reason):
    anchor, leaf, kind, _ = reason(pki)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pki.ca if anchor is pki.authority else pki.other_ca)
    with serve(ServerConfig.simple(leaf.identity)) as server:
        theirs = refused(wrap_ssl, context, server.dial(), server_hostname=NAME)
        error = server.error()
    assert isinstance(theirs, ssl.SSLCertVerificationError)
    assert type(error) is kind
    assert (error.sender, error.alert_sent, error.alert_received) == ("peer", None, kind.alert)


# -- client certificates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issuer", "kind", "alert"),
    [(None, errors.CertificateRequired, "CERTIFICATE_REQUIRED"), ("other", errors.UnknownCa, "UNKNOWN_CA")],
)
def test_server_refuses_the_ssl_client_when_its_certificate_is_bad(pki, issuer, kind, alert):
    context = pki.ssl_client()
    if issuer is not None:
        context.load_cert_chain(pki.client(issuer).chain, pki.client(issuer).key)
    with serve(ServerConfig.mutual(pki.leaf("p256").identity, client_trust=pki.trust)) as server:
        # A TLS 1.3 client is done before the server has looked: it learns the refusal when it reads.
        with wrap_ssl(context, server.dial(), server_hostname=NAME) as stream:
            theirs = refused(stream.recv, 1)
        error = server.error()
    assert type(error) is kind
    assert (error.sender, error.alert_sent) == ("us", kind.alert)
    assert alert in theirs.reason


@pytest.mark.parametrize(
    ("issuer", "kind"),
    [(None, errors.CertificateRequired), ("other", errors.UnknownCa)],
)
def test_client_is_told_why_when_the_ssl_server_refuses_its_certificate(pki, issuer, kind):
    context = pki.ssl_server()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pki.ca)
    config = pki.client_config()
    if issuer is not None:
        config = ClientConfig.mutual(pki.trust, identity=pki.client(issuer).identity)
    with serve_ssl(context) as server, server.connect(config) as tls:
        error = refused(tls.recv, 1)
        assert isinstance(server.error(), ssl.SSLError)
    assert type(error) is kind
    assert (error.sender, error.alert_received) == ("peer", kind.alert)
    assert refused(tls.connection.write, b"more") is error


# -- nothing in common -------------------------------------------------------------------------------------------------


def test_client_is_told_when_the_server_speaks_tls_1_2_only(pki):
    context = pki.ssl_server()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with serve_ssl(context) as server:
        error = refused(server.connect, pki.client_config(versions="1.3"))
        assert "UNSUPPORTED_PROTOCOL" in server.error().reason
    assert type(error) is errors.ProtocolVersionError
    assert (error.sender, error.alert_received) == ("peer", 70)


def test_server_refuses_when_the_client_speaks_tls_1_2_only(pki):
    context = pki.ssl_client()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with serve(pki.server_config(versions="1.3")) as server:
        theirs = refused(wrap_ssl, context, server.dial(), server_hostname=NAME)
        error = server.error()
    assert type(error) is errors.ProtocolVersionError
    assert (error.sender, error.alert_sent) == ("us", 70)
    assert "PROTOCOL_VERSION" in theirs.reason


@pytest.mark.parametrize(
    "options", [("-ciphersuites", "TLS_AES_256_GCM_SHA384"), ("-groups", "P-521")], ids=["suite", "group"]
)
def test_both_see_the_alert_when_openssl_shares_no_parameter(pki, openssl, options):
    leaf, ours = pki.leaf("p256"), {"suites": ("TLS_AES_128_GCM_SHA256",), "groups": ("x25519", "secp256r1")}
    command = (openssl, "s_server", "-accept", LOOPBACK + ":{port}", "-naccept", "1")
    with ProgramServer(*command, "-cert", leaf.chain, "-key", leaf.key, *options) as server:
        error = refused(server.connect, pki.client_config(**ours))
        server.expect("no shared cipher|no suitable key share")
    assert type(error) is errors.HandshakeFailure
    assert (error.sender, error.alert_received) == ("peer", 40)
    with (
        serve(pki.server_config(**ours)) as server,
        Program(openssl, "s_client", "-connect", f"{LOOPBACK}:{server.port}", *options) as client,
    ):
        error = server.error()
        client.expect("SSL alert number 40")
        assert client.wait() != 0
    assert type(error) is errors.HandshakeFailure
    assert (error.sender, error.alert_sent) == ("us", 40)


def test_client_names_the_server_when_it_speaks_plain_http(pki):
    def http(stream):
        request = stream.recv(65536)
        stream.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        return request

    with serve_plain(http) as server:
        error = refused(server.connect, pki.client_config())
        server.result()
    assert isinstance(error, errors.AlertError)
    assert error.sender == "us"
    assert "HTTP" in str(error)


def test_client_explains_when_the_server_ends_the_stream(pki):
    with serve_plain(lambda stream: stream.recv(65536)) as server:
        error = refused(server.connect, pki.client_config())
        server.result()
    assert type(error) is errors.TruncationError
    assert "ServerHello" in str(error)


def test_server_refuses_a_name_when_it_is_strict(pki, openssl):
    with serve(pki.server_config(strict_sni=True), facts) as server:
        context = pki.ssl_client()
        theirs = refused(wrap_ssl, context, server.dial(), server_hostname="elsewhere.example")
        error = server.error()
        assert type(error) is errors.UnrecognizedName
        assert (error.sender, error.alert_sent) == ("us", 112)
        assert "UNRECOGNIZED_NAME" in theirs.reason
        # The listener goes on, and the right name is served.
        with wrap_ssl(context, server.dial(), server_hostname=NAME) as stream:
            assert stream.version() == "TLSv1.3"
        assert server.result().server_name == NAME


def test_client_verifies_an_address_when_that_is_the_name(pki):
    with serve_ssl(pki.ssl_server()) as server:
        with server.connect(pki.client_config(), name=LOOPBACK) as tls:
            tls.sendall(b"by address")
            assert receive_exactly(tls, 10) == b"by address"
            assert tls.authenticated
        server.result()
        error = refused(server.connect, pki.client_config(), name="127.0.0.2")
        assert type(error) is errors.BadCertificate
        server.error()


def test_openssl_verifies_our_chain_when_it_has_an_intermediate(pki, openssl, tmp_path):
    from tlscore import Identity

    issued = pki.authority.intermediate().issue(NAME)
    chain, key = issued.write(tmp_path)
    with serve(ServerConfig.simple(Identity.load(chain, key))) as server:
        done = subprocess.run(
            (openssl, "s_client", "-connect", f"{LOOPBACK}:{server.port}", "-CAfile", pki.ca, "-verify_return_error"),
            input=b"",
            capture_output=True,
            timeout=TIMEOUT,
        )
        assert done.returncode == 0
        assert b"depth=2 CN = Interop CA" in done.stderr
        assert server.result().version == "TLSv1.3"
