"""tlscore against the standard library's ssl, in both roles, over TCP on loopback.

The standard library cannot choose TLS 1.3 suites before Python 3.15: suites are chosen on the side of tlscore, among
those that OpenSSL enables by default.
"""

import contextlib
import hashlib
import socket
import ssl

import pytest

from tests.interop.harness import (
    LOOPBACK,
    NAME,
    Serving,
    combinations,
    echo_payload,
    facts,
    receive_exactly,
    serve,
    serve_ssl,
    ssl_echo_payload,
    ssl_facts,
    wrap_ssl,
)
from tlscore import ClientConfig, ServerConfig, errors
from tlscore.events import ClientCertificateReceived, ClientCertificateRequested, KeyUpdated, PeerClosed

SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
COMBINATIONS = combinations(SUITES)


@pytest.mark.parametrize(("kind", "suite", "group"), COMBINATIONS)
def test_client_echoes_10_mib_when_the_server_is_ssl(pki, kind, suite, group):
    config = pki.client_config(suites=(suite,), groups=(group,))
    with serve_ssl(pki.ssl_server(kind)) as server, server.connect(config) as tls:
        echo_payload(tls)
        assert (tls.version, tls.suite, tls.group) == ("TLSv1.3", suite, group)
        assert tls.authenticated
        assert tls.connection.peer_chain == (pki.leaf(kind).der,)
        assert server.result().suite == suite


@pytest.mark.parametrize(("kind", "suite", "group"), COMBINATIONS)
def test_server_echoes_10_mib_when_the_client_is_ssl(pki, kind, suite, group):
    with serve(pki.server_config(kind, suites=(suite,), groups=(group,))) as server:
        stream = wrap_ssl(pki.ssl_client(), server.dial(), server_hostname=NAME)
        assert (stream.version(), stream.cipher()[0]) == ("TLSv1.3", suite)
        assert stream.getpeercert(binary_form=True) == pki.leaf(kind).der
        ssl_echo_payload(stream)
        agreed = server.result()
    assert (agreed.suite, agreed.group, agreed.server_name) == (suite, group, NAME)
    assert not agreed.authenticated


def test_client_retries_when_the_ssl_server_knows_no_group_of_its_shares(pki):
    context = pki.ssl_server()
    context.set_ecdh_curve("prime256v1")
    config = pki.client_config(groups=("x25519", "secp256r1"), key_shares=("x25519",))
    with serve_ssl(context) as server, server.connect(config) as tls:
        echo_payload(tls)
        assert tls.connection.hello_retried
        assert tls.group == "secp256r1"


@pytest.mark.parametrize("cookie", [False, True])
def test_server_asks_again_when_the_ssl_client_sent_no_share_of_its_group(pki, cookie):
    with serve(pki.server_config(groups=("secp521r1",), hello_retry_cookie=cookie)) as server:
        ssl_echo_payload(wrap_ssl(pki.ssl_client(), server.dial(), server_hostname=NAME))
        agreed = server.result()
    assert agreed.hello_retried
    assert agreed.group == "secp521r1"


def test_client_authenticates_when_the_ssl_server_requires_it(pki):
    context = pki.ssl_server()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pki.ca)
    config = ClientConfig.mutual(pki.trust, identity=pki.client().identity)
    with serve_ssl(context) as server, server.connect(config) as tls:
        echo_payload(tls)
        assert tls.connection.own_scheme == "ecdsa_secp256r1_sha256"
        assert server.result().peer == pki.client().der


def test_server_verifies_the_ssl_client_when_it_requires_a_certificate(pki):
    context = pki.ssl_client()
    context.load_cert_chain(pki.client().chain, pki.client().key)
    with serve(ServerConfig.mutual(pki.leaf("p256").identity, client_trust=pki.trust)) as server:
        ssl_echo_payload(wrap_ssl(context, server.dial(), server_hostname=NAME))
        agreed = server.result()
    assert agreed.authenticated
    assert agreed.peer_identity.dns_names == ("client-ca.example",)
    # OpenSSL adds the CA, which it finds in its own store.
    assert agreed.peer_chain[0] == pki.client().der


def test_both_agree_on_the_protocol_when_their_lists_overlap(pki):
    context = pki.ssl_server()
    context.set_alpn_protocols(["http/1.1", "h2"])
    with serve_ssl(context) as server, server.connect(pki.client_config(alpn=("spdy/1", "h2"))) as tls:
        tls.shutdown(socket.SHUT_WR)
        assert tls.alpn == server.result().alpn == "h2"
    context = pki.ssl_client()
    context.set_alpn_protocols(["spdy/1", "http/1.1"])
    with serve(pki.server_config(alpn=("h2", "http/1.1")), facts) as server:
        with wrap_ssl(context, server.dial(), server_hostname=NAME) as stream:
            assert stream.selected_alpn_protocol() == "http/1.1"
        assert server.result().alpn == "http/1.1"


# -- after the handshake -----------------------------------------------------------------------------------------------


def receive_certificate(tls):
    """Server: ask for a certificate, and read until the answer is in; the client's first words come before it."""
    before = tls.authenticated
    request = tls.connection.request_client_certificate()
    tls.flush()
    words = receive_exactly(tls, 5)
    tls.sendall(b"again")
    words += receive_exactly(tls, 5)
    answers = [event for event in tls.connection.events() if isinstance(event, ClientCertificateReceived)]
    return before, request, words, answers, facts(tls)


@pytest.mark.parametrize("identity", [True, False])
def test_server_asks_after_the_handshake_when_the_ssl_client_agreed(pki, identity):
    config = ServerConfig.simple(pki.leaf("p256").identity, client_auth="post_handshake", client_trust=pki.trust)
    context = pki.ssl_client()
    context.post_handshake_auth = True
    if identity:
        context.load_cert_chain(pki.client().chain, pki.client().key)
    with serve(config, receive_certificate) as server:
        with wrap_ssl(context, server.dial(), server_hostname=NAME) as stream:
            stream.sendall(b"hello")
            # ssl answers the request when it reads next.
            assert receive_exactly(stream, 5) == b"again"
            stream.sendall(b"hello")
        before, request, words, answers, agreed = server.result()
    assert before is False
    assert words == b"hellohello"
    assert [(answer.request, answer.authenticated) for answer in answers] == [(request, identity)]
    assert agreed.authenticated is identity
    assert agreed.peer_chain[:1] == ((pki.client().der,) if identity else ())


@pytest.mark.parametrize("issuer", ["ca", "other"])
def test_client_answers_after_the_handshake_when_the_ssl_server_asks(pki, issuer):
    context = pki.ssl_server()
    context.verify_mode = ssl.CERT_OPTIONAL
    context.post_handshake_auth = True
    context.load_verify_locations(pki.ca)
    context.load_verify_locations(pki.other_ca)

    def ask(stream):
        before = stream.getpeercert(binary_form=True)
        stream.verify_client_post_handshake()
        stream.sendall(b"who are you?")
        receive_exactly(stream, 4)
        return before, stream.getpeercert(binary_form=True)

    config = ClientConfig.mutual(pki.trust, identity=pki.client(issuer).identity, post_handshake_auth=True)
    with serve_ssl(context, ask) as server, server.connect(config) as tls:
        assert receive_exactly(tls, 12) == b"who are you?"
        answered = [event for event in tls.connection.events() if isinstance(event, ClientCertificateRequested)]
        assert [event.answered for event in answered] == [True]
        tls.sendall(b"this")
        assert server.result() == (None, pki.client(issuer).der)


@pytest.mark.parametrize("asks", [False, True])
def test_client_updates_its_keys_when_the_server_is_ssl(pki, asks):
    with serve_ssl(pki.ssl_server()) as server, server.connect(pki.client_config()) as tls:
        for _ in range(3):
            tls.connection.update_keys(request_peer=asks)
            tls.sendall(b"under new keys")
            assert receive_exactly(tls, 14) == b"under new keys"
        updates = [event.direction for event in tls.connection.events() if isinstance(event, KeyUpdated)]
        assert updates.count("sent") == 3
        # RFC 9846 4.7.3: "If the request_update field is set to "update_requested", then the receiver MUST send a
        # KeyUpdate of its own"
        assert updates.count("received") == (3 if asks else 0)
        echo_payload(tls)
        server.result()


# -- the end -----------------------------------------------------------------------------------------------------------


def test_client_sends_on_when_the_ssl_server_has_closed_its_half(pki):
    listener = socket.create_server((LOOPBACK, 0))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = pki.ssl_server().wrap_bio(incoming, outgoing, server_side=True)

    def drive(call, stream):
        """One call of ssl's object, fed from the socket as often as it asks for more."""
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                stream.sendall(outgoing.read())
                received = stream.recv(65536)
                assert received, "the client ended the stream"
                incoming.write(received)
            finally:
                stream.sendall(outgoing.read())

    def half_close(stream):
        drive(server.do_handshake, stream)
        # The first call says close_notify; it would wait for the client's.
        with contextlib.suppress(ssl.SSLWantReadError):
            server.unwrap()
        stream.sendall(outgoing.read())
        return drive(lambda: server.read(100), stream)

    with (
        Serving(listener, lambda: listener.accept()[0], half_close) as serving,
        serving.connect(pki.client_config()) as tls,
    ):
        assert tls.recv(10) == b""
        assert any(isinstance(event, PeerClosed) for event in tls.connection.events())
        tls.sendall(b"still here")
        assert serving.result() == b"still here"


def test_ssl_server_answers_when_the_client_has_closed_its_half(pki):
    def answer_after_the_end(stream):
        received = b""
        while data := stream.recv(100):
            received += data
        stream.sendall(received[::-1])
        stream.unwrap()

    with serve_ssl(pki.ssl_server(), answer_after_the_end) as server, server.connect(pki.client_config()) as tls:
        tls.sendall(b"question")
        tls.shutdown(socket.SHUT_WR)
        assert receive_exactly(tls, 8) == b"noitseuq"
        assert tls.recv(1) == b""
        with pytest.raises(errors.ConnectionClosedError):
            tls.sendall(b"more")
        server.result()


def test_server_half_closes_when_it_has_answered_the_ssl_client(pki):
    def answer(tls):
        tls.sendall(b"all")
        tls.shutdown(socket.SHUT_WR)
        return receive_exactly(tls, 4), tls.recv(1)

    with serve(pki.server_config(), answer) as server:
        with wrap_ssl(pki.ssl_client(), server.dial(), server_hostname=NAME) as stream:
            assert receive_exactly(stream, 3) == b"all"
            assert stream.recv(1) == b""
            stream.sendall(b"late")
            stream.unwrap()
        assert server.result() == (b"late", b"")


def test_client_reports_truncation_when_the_ssl_server_vanishes(pki):
    # close() of ssl sends no close_notify: that is what truncation looks like.
    with serve_ssl(pki.ssl_server(), lambda stream: stream.sendall(b"part")) as server:
        with server.connect(pki.client_config()) as tls:
            assert receive_exactly(tls, 4) == b"part"
            for _ in range(2):
                with pytest.raises(errors.TruncationError) as caught:
                    tls.recv(1)
            assert tls.connection.error is caught.value
        server.result()


def test_ssl_client_sees_truncation_when_the_server_aborts(pki):
    with serve(pki.server_config(), lambda tls: (tls.sendall(b"part"), tls.abort())) as server:
        with wrap_ssl(pki.ssl_client(), server.dial(), server_hostname=NAME) as stream:
            assert receive_exactly(stream, 4) == b"part"
            with pytest.raises(ssl.SSLEOFError):
                stream.recv(1)
        server.result()


# -- what both ends can derive -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048"])
def test_both_know_the_end_point_binding_when_the_server_is_ssl(pki, kind):
    # RFC 5929 4.1: the hash of the certificate's own signature; the CA signs with ecdsa-with-SHA256.
    with serve_ssl(pki.ssl_server(kind)) as server, server.connect(pki.client_config()) as tls:
        binding = tls.channel_binding("tls-server-end-point")
        tls.shutdown(socket.SHUT_WR)
        server.result()
    with serve(pki.server_config(kind), lambda tls: tls.channel_binding("tls-server-end-point")) as server:
        with wrap_ssl(pki.ssl_client(), server.dial(), server_hostname=NAME) as stream:
            leaf = stream.getpeercert(binary_form=True)
        assert server.result() == binding == hashlib.sha256(leaf).digest()


SECRETS = {
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
    "EXPORTER_SECRET",
}


def key_log_lines(path):
    lines = [line.split(" ") for line in path.read_text("ascii").splitlines() if line and not line.startswith("#")]
    assert all(len(line) == 3 for line in lines)
    # OpenSSL writes some lines twice where a connection was retried; the set of secrets is what counts.
    return {label: (random, secret) for label, random, secret in lines}


@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"])
def test_client_logs_the_same_secrets_when_the_ssl_server_logs_too(pki, tmp_path, suite):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    context = pki.ssl_server()
    context.keylog_filename = str(theirs)
    with serve_ssl(context) as server, server.connect(pki.client_config(suites=(suite,), key_log=ours)) as tls:
        tls.shutdown(socket.SHUT_WR)
        server.result()
    assert key_log_lines(ours) == key_log_lines(theirs)
    assert set(key_log_lines(ours)) == SECRETS
    assert ours.stat().st_mode & 0o777 == 0o600


def test_server_logs_the_same_secrets_when_the_ssl_client_logs_too(pki, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    context = pki.ssl_client()
    context.keylog_filename = str(theirs)
    with serve(pki.server_config(key_log=ours), facts) as server:
        with wrap_ssl(context, server.dial(), server_hostname=NAME) as stream:
            assert ssl_facts(stream).version == "TLSv1.3"
        server.result()
    assert key_log_lines(ours) == key_log_lines(theirs)
    assert set(key_log_lines(ours)) == SECRETS
