"""After the handshake: key updates, tickets, authentication of the client on demand."""

import pytest

from tests.support.peers import ALL_SCHEMES, RawClient, RawServer, failure, pair, pump
from tlscore import ClientConfig, Identity, ServerConfig, errors
from tlscore._core import post_handshake_finished_mac
from tlscore.events import (
    ClientCertificateReceived,
    ClientCertificateRequested,
    HandshakeCompleted,
    KeyUpdated,
    TicketReceived,
)
from tlscore.wire import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    Extensions,
    Finished,
    KeyUpdate,
    NewSessionTicket,
    OidFilter,
    OidFilters,
    PostHandshakeAuth,
    SignatureAlgorithms,
    TicketEarlyData,
    UnknownExtension,
)


def events(connection):
    return [event for event in connection.events() if not isinstance(event, HandshakeCompleted)]


@pytest.fixture(scope="module")
def late_client(trust, client_identity):
    return ClientConfig.mutual(trust, identity=client_identity, groups=("x25519",), post_handshake_auth=True)


@pytest.fixture(scope="module")
def late_server(trust, identity):
    return ServerConfig.simple(identity, client_auth="post_handshake", client_trust=trust)


# -- key updates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_peer", [False, True])
@pytest.mark.parametrize("starter", ["client", "server"])
def test_keys_are_updated(client_config, server_config, request_peer, starter):
    client, server = pair(client_config, server_config)
    first, second = (client, server) if starter == "client" else (server, client)
    events(first), events(second)
    first.update_keys(request_peer)
    pump(first, second)
    seen = events(second)
    # The answer leaves with whatever is sent next.
    pump(first, second)
    assert seen + events(second) == [KeyUpdated("received")] + [KeyUpdated("sent")] * request_peer
    assert events(first) == [KeyUpdated("received")] * request_peer + [KeyUpdated("sent")]
    for sender, receiver in ((first, second), (second, first)):
        sender.write(b"under new keys")
        receiver.receive(sender.data_to_send())
        assert receiver.read() == b"under new keys"


def test_exporters_do_not_change_with_the_keys(client_config, server_config):
    client, server = pair(client_config, server_config)
    before = client.channel_binding()
    client.update_keys(True)
    pump(client, server)
    assert client.channel_binding() == server.channel_binding() == before


# -- tickets -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def connected(client_config, issued):
    """A real client, and the raw server that it is connected to."""
    client = client_config.connection("example.org")
    raw = RawServer(issued, client).flight()
    client.receive(raw.wire())
    raw.complete(client.data_to_send())
    assert client.handshake_complete
    client.events()
    return client, raw


def test_client_reports_tickets_and_does_nothing_else(connected):
    client, raw = connected
    raw.send(NewSessionTicket(7200, 1, b"n", b"t", Extensions([TicketEarlyData(99), UnknownExtension(0x7777, b"?")])))
    raw.send(NewSessionTicket(604800, 1, b"m", b"u", Extensions()))
    client.receive(raw.wire())
    assert client.events() == [TicketReceived(7200, 99), TicketReceived(604800, 0)]


def test_client_refuses_a_ticket_that_lives_too_long(connected):
    client, raw = connected
    raw.send(NewSessionTicket(604801, 1, b"n", b"t", Extensions()))
    client.receive(raw.wire())
    assert type(failure(client.events)) is errors.IllegalParameter
    assert raw.alert(client.data_to_send()) == 47


def test_server_refuses_a_ticket(server_config):
    server, raw = connected_server(server_config)
    raw.send(NewSessionTicket(1, 1, b"n", b"t", Extensions()))
    server.receive(raw.wire())
    assert type(failure(server.read)) is errors.UnexpectedMessage
    assert raw.alert(server.data_to_send()) == 10


@pytest.mark.parametrize("call", ["events", "read", "read_into", "eof"])
def test_bad_message_ends_the_connection_whatever_call_finds_it(connected, call):
    client, raw = connected
    raw.send(NewSessionTicket(604801, 1, b"n", b"t", Extensions()))
    client.receive(raw.wire())
    arguments = (bytearray(10),) if call == "read_into" else ()
    error = failure(getattr(client, call), *arguments)
    assert type(error) is errors.IllegalParameter
    assert client.error is error
    assert failure(client.write, b"x") is error
    assert failure(client.read) is error
    assert failure(client.events) is error


# -- authentication on demand ------------------------------------------------------------------------------------------


def test_client_authenticates_on_demand(late_client, late_server):
    client, server = pair(late_client, late_server)
    assert not server.authenticated
    events(client), events(server)
    request = server.request_client_certificate()
    server.write(b"who are you?")
    client.receive(server.data_to_send())
    assert client.read() == b"who are you?"
    assert client.events() == [ClientCertificateRequested(request, True)]
    server.receive(client.data_to_send())
    (received,) = server.events()
    assert isinstance(received, ClientCertificateReceived)
    assert received.request == request
    assert received.authenticated
    assert received.peer_identity.dns_names == ("client.example",)
    assert server.authenticated
    assert server.peer_identity.dns_names == ("client.example",)


def test_several_requests_are_answered_each(late_client, late_server):
    client, server = pair(late_client, late_server)
    events(client), events(server)
    requests = [server.request_client_certificate() for _ in range(3)]
    client.update_keys()
    client.receive(server.data_to_send())
    client.events()
    server.receive(client.data_to_send())
    answered = [event.request for event in events(server) if isinstance(event, ClientCertificateReceived)]
    assert answered == requests
    assert len(set(requests)) == 3


def test_client_declines_when_no_identity_fits(other_authority, trust, late_server):
    wrong = other_authority.issue("wrong.example", usage="client")
    config = ClientConfig.mutual(
        trust, identity=Identity.load(wrong.chain_pem, wrong.key_pem), post_handshake_auth=True
    )
    client, server = pair(config, late_server)
    events(client), events(server)
    request = server.request_client_certificate()
    pump(client, server)
    client.events()
    pump(client, server)
    assert server.events() == [ClientCertificateReceived(request, None, False)]
    assert not server.authenticated
    assert "none of the CAs" in client.diagnostic


def test_server_may_not_ask_where_the_client_did_not_offer(client_config, late_server, late_client, server_config):
    _, server = pair(client_config, late_server)
    assert type(failure(server.request_client_certificate)) is errors.UsageError
    _, server = pair(late_client, server_config)
    assert type(failure(server.request_client_certificate)) is errors.UsageError
    assert server.error is None


def test_client_cannot_ask_and_nobody_can_ask_early(client_config, late_server):
    client, _ = pair(client_config, late_server)
    assert type(failure(client.request_client_certificate)) is errors.UsageError
    assert type(failure(late_server.connection().request_client_certificate)) is errors.HandshakeNotComplete


def test_server_bounds_the_requests_that_wait(late_client, late_server):
    _, server = pair(late_client, late_server)
    for _ in range(8):
        server.request_client_certificate()
    assert type(failure(server.request_client_certificate)) is errors.UsageError


def request_message(context=b"context", *values):
    return CertificateRequest(context, Extensions([SignatureAlgorithms(ALL_SCHEMES), *values]))


def late_pair(config, issued):
    client = config.connection("example.org")
    raw = RawServer(issued, client).flight()
    client.receive(raw.wire())
    raw.complete(client.data_to_send())
    client.events()
    return client, raw


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([request_message(b"")], errors.IllegalParameter),
        ([request_message(b"a"), request_message(b"a")], errors.IllegalParameter),
        ([CertificateRequest(b"a", Extensions())], errors.MissingExtension),
        (
            [request_message(b"a", OidFilters((OidFilter(b"\x06\x01\x01", b""), OidFilter(b"\x06\x01\x01", b""))))],
            errors.IllegalParameter,
        ),
    ],
)
def test_client_refuses_a_bad_late_request(late_client, issued, messages, expected):
    client, raw = late_pair(late_client, issued)
    for message in messages:
        raw.send(message)
    client.receive(raw.wire())
    assert type(failure(client.events)) is expected


def test_client_that_did_not_offer_refuses_a_late_request(client_config, issued):
    client, raw = late_pair(client_config, issued)
    raw.send(request_message())
    client.receive(raw.wire())
    assert type(failure(client.events)) is errors.UnexpectedMessage
    assert raw.alert(client.data_to_send()) == 10


KEY_USAGE = bytes.fromhex("0603551d0f")
EXTENDED_KEY_USAGE = bytes.fromhex("0603551d25")
CLIENT_AUTH = bytes.fromhex("06082b06010505070302")
SERVER_AUTH = bytes.fromhex("06082b06010505070301")


def sequence(*parts):
    body = b"".join(parts)
    return bytes((0x30, len(body))) + body


@pytest.mark.parametrize(
    ("filters", "answered"),
    [
        ([(KEY_USAGE, bytes.fromhex("03020780"))], True),
        ([(KEY_USAGE, bytes.fromhex("030205a0"))], False),
        ([(KEY_USAGE, b"")], True),
        ([(EXTENDED_KEY_USAGE, sequence(CLIENT_AUTH))], True),
        ([(EXTENDED_KEY_USAGE, sequence(CLIENT_AUTH, SERVER_AUTH))], False),
        ([(b"\x06\x03\x2a\x03\x04", b"whatever")], True),
        ([(KEY_USAGE, bytes.fromhex("03020780")), (EXTENDED_KEY_USAGE, sequence(SERVER_AUTH))], False),
    ],
)
def test_client_honours_oid_filters(late_client, issued, filters, answered):
    client, raw = late_pair(late_client, issued)
    raw.send(request_message(b"a", OidFilters(tuple(OidFilter(*one) for one in filters))))
    client.receive(raw.wire())
    assert client.events() == [ClientCertificateRequested(b"a", answered)]


@pytest.mark.parametrize("value", [b"\x03", b"\x04\x02\x07\x80", b"\x03\x05\x07\x80", b"\x03\x00"])
def test_client_refuses_filters_that_are_no_der(late_client, issued, value):
    client, raw = late_pair(late_client, issued)
    raw.send(request_message(b"a", OidFilters((OidFilter(KEY_USAGE, value),))))
    client.receive(raw.wire())
    assert type(failure(client.events)) is errors.IllegalParameter


# -- hostile answers ---------------------------------------------------------------------------------------------------


def connected_server(config, identity=None, *values):
    """A real server, and the raw client that is connected to it."""
    server, raw = config.connection(), RawClient(identity)
    raw.hello(raw.hello_message(*values))
    server.receive(raw.wire())
    raw.take_flight(server.data_to_send())
    raw.finished()
    server.receive(raw.wire())
    raw.complete()
    assert server.handshake_complete
    server.events()
    return server, raw


@pytest.fixture
def asked(late_server, client_issued):
    server, raw = connected_server(late_server, client_issued, PostHandshakeAuth())
    context = server.request_client_certificate()
    main = raw.transcript.fork()
    raw.feed(server.data_to_send())
    request = raw.pull()
    assert request.certificate_request_context == context
    return server, raw, context, main


def finish(raw):
    return Finished(post_handshake_finished_mac(raw.layer, True, raw.transcript))


def test_honest_raw_answer_is_taken(asked):
    server, raw, context, _ = asked
    raw.certificate(context=context).certificate_verify()
    raw.send(finish(raw))
    server.receive(raw.wire())
    assert server.events()[0].authenticated


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("wrong context", errors.IllegalParameter),
        ("no context", errors.IllegalParameter),
        ("skipped verify", errors.UnexpectedMessage),
        ("bad signature", errors.DecryptError),
        ("server signature", errors.DecryptError),
        ("bad finished", errors.DecryptError),
        ("finished alone", errors.UnexpectedMessage),
        ("unsolicited extension", errors.UnsupportedExtension),
        ("verify after empty", errors.UnexpectedMessage),
        ("interleaved", errors.UnexpectedMessage),
        ("scheme not offered", errors.IllegalParameter),
        ("unknown authority", errors.UnknownCa),
    ],
)
def test_server_refuses_a_bad_late_answer(asked, other_authority, answer, expected):
    server, raw, context, _ = asked
    if answer == "wrong context":
        raw.certificate(context=b"x" * 32)
    elif answer == "no context":
        raw.certificate()
    elif answer == "skipped verify":
        raw.certificate(context=context).send(finish(raw))
    elif answer == "bad signature":
        raw.certificate(context=context).send(CertificateVerify(0x0403, b"nonsense"))
    elif answer == "server signature":
        raw.certificate(context=context).certificate_verify(role="server")
    elif answer == "bad finished":
        raw.certificate(context=context).certificate_verify().send(Finished(bytes(32)))
    elif answer == "finished alone":
        raw.send(finish(raw))
    elif answer == "unsolicited extension":
        raw.certificate(context=context, extensions=Extensions([UnknownExtension(0x7777, b"")]))
    elif answer == "verify after empty":
        raw.send(Certificate(context, ())).certificate_verify()
    elif answer == "interleaved":
        raw.certificate(context=context).certificate(context=context)
    elif answer == "scheme not offered":
        raw.certificate(context=context).certificate_verify(scheme=0x0401)
    elif answer == "unknown authority":
        raw.certificate(chain=other_authority.issue("x", usage="client").chain_der, context=context)
    server.receive(raw.wire())
    error = failure(server.events)
    assert type(error) is expected
    assert raw.alert(server.data_to_send()) == expected.alert
    assert not server.authenticated


def test_answer_without_request_is_unexpected(late_server, client_issued):
    server, raw = connected_server(late_server, client_issued, PostHandshakeAuth())
    raw.certificate()
    server.receive(raw.wire())
    assert type(failure(server.events)) is errors.UnexpectedMessage


def test_late_answer_cannot_be_replayed(asked):
    server, raw, context, main = asked
    raw.certificate(context=context).certificate_verify()
    raw.send(finish(raw))
    server.receive(raw.wire())
    server.events()
    raw.transcript = main
    raw.certificate(context=context)
    server.receive(raw.wire())
    assert type(failure(server.events)) is errors.UnexpectedMessage


# -- handshake messages that have had their time -----------------------------------------------------------------------


def test_client_hello_after_the_handshake_is_unexpected(server_config):
    server, raw = connected_server(server_config)
    raw.send(raw.hello_message())
    server.receive(raw.wire())
    assert type(failure(server.read)) is errors.UnexpectedMessage


def test_key_update_before_the_finished_is_unexpected(client_config, issued):
    client = client_config.connection("example.org")
    raw = RawServer(issued, client).hello().encrypted_extensions()
    raw.send(KeyUpdate(0))
    error = failure(client.receive, raw.wire())
    assert type(error) is errors.UnexpectedMessage
    assert "key_update" in str(error)
