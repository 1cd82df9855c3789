"""What a received handshake_failure means depends on when it comes: after a ClientHello, after a certificate or none,
after the handshake of TLS 1.2."""

import pytest

from tests.support import legacy, standing
from tests.support.peers import failure, pair
from tests.support.peers12 import RawClient12, RawServer12
from tests.support.peers_legacy import RawLegacyServer
from tlscore import ClientConfig, errors
from tlscore.handshake.alerts12 import moment_of
from tlscore.wire import HelloRequest

HANDSHAKE_FAILURE = 40


def client(mutual=False, **settings):
    config = standing.mutual_client_config if mutual else standing.client_config
    return config(versions="1.2", groups=("x25519", "secp256r1"), **settings)


def told(end, raw):
    """The error of an end that its peer sends handshake_failure to."""
    raw.layer._send_alert(2, HANDSHAKE_FAILURE)
    try:
        end.receive(raw.wire())
        return failure(end.events)
    except errors.TlsError as error:
        return error


def finished(config):
    end = config.connection(standing.NAME)
    raw = RawServer12(standing.issued(), end).flight()
    end.receive(raw.wire())
    end.receive(raw.finish(end.data_to_send()).wire())
    assert end.handshake_complete
    return end, raw


def check(error, cause, remedy):
    assert type(error) is errors.HandshakeFailure
    assert (error.sender, error.alert_received, error.alert_sent) == ("peer", HANDSHAKE_FAILURE, None)
    assert cause in error.cause
    assert remedy in error.remedy


@pytest.mark.parametrize("versions", ["1.2", "1.3", ("1.3", "1.2")])
def test_answer_to_a_client_hello_may_be_about_the_version(versions):
    """Servers that have only older versions and pass over supported_versions say handshake_failure."""
    end = ClientConfig.simple(standing.trust(), versions=versions).connection(standing.NAME)
    raw = RawServer12(standing.issued(), end)
    check(told(end, raw), "nothing in common with our offer: version, suite, group", "that has only older versions")


def test_answer_to_a_client_hello_of_the_legacy_tier():
    end = legacy.client(legacy.tier(versions="1.1")).connection(standing.NAME)
    raw = RawLegacyServer(end)
    check(told(end, raw), "nothing in common with our offer: version, suite", "compare versions, suites")


@pytest.mark.parametrize("asked", [True, False])
def test_server_that_ends_an_established_connection_wanted_to_renegotiate(asked):
    end, raw = finished(client())
    if asked:
        raw.send(HelloRequest())
        end.receive(raw.wire())
        end.events()
    check(told(end, raw), "the server ended an established connection: most likely it wanted to renegotiate", "TLS 1.3")


def test_client_that_ends_an_established_connection_wanted_to_renegotiate():
    end = standing.server_config(versions="1.2").connection()
    raw = RawClient12()
    end.receive(raw.hello().wire())
    raw.take_flight(end.data_to_send())
    end.receive(raw.flight().wire())
    end.events()
    assert end.handshake_complete
    check(told(end, raw), "the client ended an established connection: most likely it wanted", "at the client")


@pytest.mark.parametrize(
    ("mutual", "cause", "remedy"),
    [
        (False, "the server demands a client certificate and we sent none", "ClientConfig.mutual("),
        (True, "the server refused our certificate, or the signature", "openssl verify"),
    ],
)
@pytest.mark.parametrize("tier", [False, True])
def test_answer_to_our_certificate_is_about_it(mutual, cause, remedy, tier):
    """RFC 5246 7.4.6: a server that requires a certificate may answer none with a fatal handshake_failure."""
    if tier:
        end = legacy.client(legacy.tier(versions="1.1"), "p256" if mutual else None).connection(standing.NAME)
        server = legacy.server(legacy.tier(versions="1.1"), mutual=True).connection()
    else:
        end = client(mutual).connection(standing.NAME)
        server = standing.mutual_server_config(versions="1.2").connection()
    server.receive(end.data_to_send())
    end.receive(server.data_to_send())
    alert = bytes((21, 3, 2 if tier else 3, 0, 2, 2, HANDSHAKE_FAILURE))
    check(failure(end.receive, alert), cause, remedy)


def test_server_that_asked_for_no_certificate_says_nothing_about_one():
    end = client().connection(standing.NAME)
    server = standing.server_config(versions="1.2").connection()
    server.receive(end.data_to_send())
    end.receive(server.data_to_send())
    assert moment_of(end._state) is None


def test_moment_changes_no_other_alert():
    assert str(errors.received_alert(48, role="client", moment="established")) == str(
        errors.received_alert(48, role="client")
    )


def test_tls13_has_no_such_moments():
    ends = pair(standing.client_config(), standing.server_config(), standing.NAME)
    assert [moment_of(end._state) for end in ends] == [None, None]
