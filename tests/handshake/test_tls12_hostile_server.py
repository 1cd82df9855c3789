"""A real client of TLS 1.2 against servers that get one thing wrong: the alert of the RFC, and never a connection."""

import pytest

from tests.support.certificates import make_key
from tests.support.peers import RawServer, failure
from tests.support.peers12 import ALL_SCHEMES12, X25519, RawServer12
from tlscore import ClientConfig, Identity, Revocation, errors, events
from tlscore._core import random_bytes
from tlscore.iana import HandshakeType, NamedGroup
from tlscore.wire import (
    Alpn,
    Certificate12,
    CertificateStatus12,
    EcPointFormats,
    EncryptThenMac,
    ExtendedMainSecret,
    Extensions,
    Finished12,
    HelloRequest,
    MaxFragmentLength,
    NewSessionTicket12,
    RecordSizeLimit,
    RenegotiationInfo,
    SelectedVersion,
    ServerName,
    SessionTicket,
    StatusRequestServerHello,
    SupportedGroups,
    UnknownExtension,
    encode,
)

CHANGE = b"\x14\x03\x03\x00\x01\x01"


def refuses(client, raw, expected):
    """The client dies of what the raw server has queued, with this error and its alert."""
    error = failure(client.receive, raw.wire())
    assert type(error) is expected, error
    assert error.alert_sent == expected.alert
    assert raw.alert(client.data_to_send()) == expected.alert
    assert not client.handshake_complete
    assert client.error is error
    return error


@pytest.fixture(params=["1.2", "both"])
def config(request, client_config):
    """A client that offers TLS 1.2 alone, and one that offers 1.3 too."""
    return client_config.replace(versions="1.2") if request.param == "1.2" else client_config


@pytest.fixture
def client(config):
    return config.connection("example.org")


def test_honest_raw_server_is_accepted(client, issued):
    raw = RawServer12(issued, client).flight()
    client.receive(raw.wire())
    client.receive(raw.finish(client.data_to_send()).wire())
    assert client.handshake_complete
    raw.layer.write(b"data")
    client.receive(raw.wire())
    assert client.read() == b"data"


# -- ServerHello -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"server_version": 0x0302}, errors.ProtocolVersionError),
        ({"server_version": 0x0300}, errors.ForbiddenProtocol),
        ({"server_version": 0x0304}, errors.ProtocolVersionError),
        # RFC 5246 7.4.1.3: a suite "from the list in ClientHello.cipher_suites"
        ({"cipher_suite": 0xC0AC}, errors.IllegalParameter),
        ({"cipher_suite": 0xC009}, errors.IllegalParameter),
        ({"cipher_suite": 0x009C}, errors.IllegalParameter),
        ({"cipher_suite": 0x00FF}, errors.IllegalParameter),
        ({"cipher_suite": 0x1301}, errors.IllegalParameter),
        ({"cipher_suite": 0x0000}, errors.IllegalParameter),
        ({"compression_method": 1}, errors.IllegalParameter),
    ],
    ids=str,
)
def test_client_checks_the_fields_of_the_server_hello(client, issued, fields, expected):
    raw = RawServer12(issued, client)
    raw.send(raw.hello_message(**fields))
    refuses(client, raw, expected)


def test_client_names_both_versions(client, issued):
    raw = RawServer12(issued, client)
    raw.send(raw.hello_message(server_version=0x0302))
    text = str(refuses(client, raw, errors.ProtocolVersionError))
    assert "TLSv1.1" in text
    assert "TLSv1.2" in text


def test_session_id_of_ours_in_the_answer_is_a_resumption_that_nobody_offered(client_config, issued):
    client = client_config.connection("example.org")
    raw = RawServer12(issued, client)
    raw.send(raw.hello_message(session_id=raw.client_hello.legacy_session_id))
    assert "resumes" in str(refuses(client, raw, errors.IllegalParameter))


def test_session_id_of_the_server_is_its_own_business(client, issued):
    raw = RawServer12(issued, client)
    raw.hello(raw.hello_message(session_id=bytes(32))).certificate()
    raw.key_exchange().done()
    client.receive(raw.wire())
    client.receive(raw.finish(client.data_to_send()).wire())
    assert client.handshake_complete


@pytest.mark.parametrize(
    ("values", "drop", "expected"),
    [
        # RFC 5746 3.4: "MUST abort the handshake (by sending a fatal handshake_failure alert)"
        ((RenegotiationInfo(b"x" * 12),), (), errors.HandshakeFailure),
        ((), (0xFF01,), errors.HandshakeFailure),
        ((), (23,), errors.HandshakeFailure),
        ((EcPointFormats((1, 2)),), (), errors.IllegalParameter),
        # RFC 5246 7.4.1.4: "If a client receives an extension type in ServerHello that it did not request in the
        # associated ClientHello, it MUST abort the handshake with an unsupported_extension fatal alert."
        ((Alpn((b"h2",)),), (), errors.UnsupportedExtension),
        ((RecordSizeLimit(500),), (), errors.UnsupportedExtension),
        ((MaxFragmentLength(1),), (), errors.UnsupportedExtension),
        ((SessionTicket(b""),), (), errors.UnsupportedExtension),
        ((EncryptThenMac(),), (), errors.UnsupportedExtension),
        ((UnknownExtension(0x7777, b""),), (), errors.UnsupportedExtension),
        # known, and of no ServerHello of TLS 1.2
        ((SupportedGroups((X25519,)),), (), errors.IllegalParameter),
        ((UnknownExtension(13, b"\0\2\4\3"),), (), errors.IllegalParameter),
        ((UnknownExtension(0, b"\0\4\0\0\1a"),), (), errors.DecodeError),
        ((UnknownExtension(0xFF01, b""),), (), errors.DecodeError),
        ((UnknownExtension(0xFF01, b"\1"),), (), errors.DecodeError),
        ((UnknownExtension(23, b"\0"),), (), errors.DecodeError),
        ((SelectedVersion(0x0303),), (), errors.IllegalParameter),
    ],
    ids=str,
)
def test_client_checks_the_extensions_of_the_server_hello(client, issued, values, drop, expected):
    raw = RawServer12(issued, client)
    raw.send(raw.hello_message(*values, drop=drop))
    refuses(client, raw, expected)


def test_promise_of_a_staple_that_nobody_asked_for_is_refused(client_config, issued):
    quiet = client_config.replace(revocation=Revocation.off(reason="a test"))
    client = quiet.connection("example.org")
    raw = RawServer12(issued, client)
    raw.send(raw.hello_message(StatusRequestServerHello()))
    refuses(client, raw, errors.UnsupportedExtension)


def test_extensions_that_were_offered_are_taken(client_config, issued):
    config = client_config.replace(alpn=("h2",), record_size_limit=1000, versions="1.2")
    client = config.connection("example.org")
    raw = RawServer12(issued, client)
    raw.hello(raw.hello_message(Alpn((b"h2",)), RecordSizeLimit(700), ServerName())).certificate()
    raw.key_exchange().done()
    client.receive(raw.wire())
    client.receive(raw.finish(client.data_to_send()).wire())
    assert client.alpn == "h2"
    client.write(bytes(1400))
    assert len(client.data_to_send()) == 1400 + 2 * 29
    client = config.connection("example.org")
    raw = RawServer12(issued, client)
    raw.send(raw.hello_message(Alpn((b"http/1.1",))))
    refuses(client, raw, errors.IllegalParameter)
    client = config.connection("example.org")
    raw = RawServer12(issued, client)
    raw.send(raw.hello_message(RecordSizeLimit(16385)))
    refuses(client, raw, errors.IllegalParameter)


def test_lax_client_goes_on_without_renegotiation_info(client_config, issued):
    client = client_config.replace(versions="1.2", require_renegotiation_info=False).connection("example.org")
    raw = RawServer12(issued, client)
    raw.hello(raw.hello_message(drop=(0xFF01,))).certificate()
    raw.key_exchange().done()
    client.receive(raw.wire())
    client.receive(raw.finish(client.data_to_send()).wire())
    assert client.handshake_complete


@pytest.mark.parametrize("sentinel", [b"DOWNGRD\x01", b"DOWNGRD\x00"])
def test_downgrade_sentinel_ends_only_a_client_that_offered_more(client_config, issued, sentinel):
    # RFC 9846 4.2.3: "TLS 1.3 clients receiving a ServerHello indicating TLS 1.2 or below MUST check"
    client = client_config.connection("example.org")
    raw = RawServer12(issued, client)
    raw.send(raw.hello_message(random=bytes(24) + sentinel))
    assert refuses(client, raw, errors.IllegalParameter).code == "TLS-DOWNGRADE"
    client = client_config.replace(versions="1.2").connection("example.org")
    raw = RawServer12(issued, client)
    raw.hello(raw.hello_message(random=bytes(24) + sentinel)).certificate()
    raw.key_exchange().done()
    client.receive(raw.wire())
    client.receive(raw.finish(client.data_to_send()).wire())
    assert client.handshake_complete


def test_retry_is_not_followed_by_tls12(client_config, issued):
    # RFC 9846 4.2.4: "The value of selected_version [...] MUST be retained in the ServerHello"
    client = client_config.connection("example.org")
    raw = RawServer(issued, client).retry()
    client.receive(raw.wire())
    raw.take_hello(client.data_to_send())
    older = RawServer12(issued)
    raw.send(older.hello_message(session_id=b""))
    assert "HelloRetryRequest" in str(refuses(client, raw, errors.IllegalParameter))


def test_retry_to_a_client_of_tls12_is_refused(client_config, issued):
    client = client_config.replace(versions="1.2").connection("example.org")
    raw = RawServer12(issued, client)
    raw.send(RawServer.retry_message(_Old()))
    error = failure(client.receive, raw.wire())
    assert type(error) is errors.IllegalParameter


class _Old:
    class client_hello:
        legacy_session_id = b""

    suite = 0x1301


def test_server_hello_of_tls13_to_a_client_of_tls12_is_refused(client_config, issued):
    client = client_config.replace(versions="1.2").connection("example.org")
    raw = RawServer12(issued, client)
    raw.send(raw.hello_message(SelectedVersion(0x0304), drop=(0xFF01, 23, 11), cipher_suite=0x1301))
    refuses(client, raw, errors.IllegalParameter)


# -- Certificate and ServerKeyExchange ---------------------------------------------------------------------------------


def test_empty_certificate_is_refused(client, issued):
    raw = RawServer12(issued, client).hello()
    raw.send(Certificate12(()))
    refuses(client, raw, errors.DecodeError)


def test_certificate_of_another_kind_than_the_suite_is_refused(client, authority):
    # RFC 5246 7.4.2: "MUST be compatible with the selected key exchange algorithm"
    raw = RawServer12(authority.issue("example.org", key="rsa2048"), client).hello()
    raw.certificate()
    refuses(client, raw, errors.IllegalParameter)


def test_certificate_on_a_curve_that_we_did_not_offer_is_refused(client, authority):
    # RFC 5246 7.4.2: "The public key MUST use a curve and point format supported by the client"
    raw = RawServer12(authority.issue("example.org", key="p521"), client).hello()
    raw.certificate()
    assert "secp521r1" in str(refuses(client, raw, errors.IllegalParameter))


def test_certificate_of_a_key_that_tls12_does_not_have_is_refused(client, authority):
    raw = RawServer12(authority.issue("example.org", key="mldsa44"), client).hello()
    raw.certificate()
    refuses(client, raw, errors.IllegalParameter)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"group": NamedGroup.secp521r1}, errors.IllegalParameter),
        ({"group": NamedGroup.X25519MLKEM768, "public": bytes(32)}, errors.IllegalParameter),
        ({"group": 0x0015, "public": bytes(57)}, errors.IllegalParameter),
        ({"public": bytes(32)}, errors.IllegalParameter),  # all-zero result
        ({"public": bytes(31)}, errors.IllegalParameter),
        ({"group": NamedGroup.secp256r1, "public": b"\x02" + bytes(32)}, errors.IllegalParameter),  # compressed
        ({"group": NamedGroup.secp256r1, "public": b"\x04" + bytes(64)}, errors.IllegalParameter),  # off the curve
        ({"curve_type": 1}, errors.IllegalParameter),
        ({"scheme": 0x0203}, errors.IllegalParameter),  # ECDSA with SHA-1
        ({"scheme": 0x0201}, errors.IllegalParameter),
        ({"scheme": 0x0804}, errors.IllegalParameter),  # offered, and of another kind of key
        ({"scheme": 0x0807}, errors.IllegalParameter),
        ({"content": b"something else"}, errors.DecryptError),
    ],
    ids=str,
)
def test_client_checks_the_key_exchange(client, issued, settings, expected):
    raw = RawServer12(issued, client).hello()
    raw.certificate()
    raw.key_exchange(**settings)
    refuses(client, raw, expected)


def test_signature_covers_both_randoms_and_the_share(client, issued):
    from tlscore.handshake.key_exchange12 import params

    raw = RawServer12(issued, client).hello()
    raw.certificate()
    share = bytes(range(32))
    for first, second in ((raw.client_random, bytes(32)), (bytes(32), raw.server_random)):
        assert first + second != raw.client_random + raw.server_random
    raw.key_exchange(public=share, content=raw.server_random + raw.client_random + params(X25519, share))
    refuses(client, raw, errors.DecryptError)


def test_signature_of_another_key_is_refused(client, issued):
    raw = RawServer12(issued, client).hello()
    raw.certificate()
    raw.key_exchange(key=make_key("p256"))
    refuses(client, raw, errors.DecryptError)


@pytest.mark.parametrize("scheme", [0x0503, 0x0603])
def test_any_hash_goes_with_any_curve(client, issued, scheme):
    raw = RawServer12(issued, client).hello()
    raw.certificate()
    raw.key_exchange(scheme=scheme).done()
    client.receive(raw.wire())
    client.receive(raw.finish(client.data_to_send()).wire())
    assert client.handshake_complete


# -- CertificateRequest ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_fields", "why"),
    [
        ({"kinds": (1,)}, "not of a kind"),
        ({"schemes": (0x0401, 0x0203)}, "cannot sign with"),
        ({"cas": (b"0\0",)}, "none of the CAs"),
    ],
    ids=str,
)
def test_client_without_a_fitting_certificate_sends_an_empty_list(trust, client_identity, issued, request_fields, why):
    client = ClientConfig.mutual(trust, identity=client_identity, versions="1.2").connection("example.org")
    raw = RawServer12(issued, client).hello()
    raw.certificate()
    raw.key_exchange().request(**request_fields).done()
    client.receive(raw.wire())
    found = raw.take_flight(client.data_to_send())
    # RFC 5246 7.4.6: "the client MUST send a certificate message containing no certificates"
    assert [type(one).__name__ for one in found] == ["Certificate12", "ClientKeyExchange", "Finished12"]
    assert found[0].certificate_list == ()
    raw.change().finished()
    client.receive(raw.wire())
    assert client.handshake_complete
    assert why in client.diagnostic


@pytest.mark.parametrize("key", ["p256", "rsa2048", "ed25519"])
def test_client_signs_everything_before_its_proof(authority, trust, issued, key):
    from tlscore.certs import signatures

    own = authority.issue("client.example", key=key, usage="client")
    identity = Identity.load(own.chain_pem, own.key_pem)
    client = ClientConfig.mutual(trust, identity=identity, versions="1.2").connection("example.org")
    raw = RawServer12(issued, client).hello()
    raw.certificate()
    raw.key_exchange().request().done()
    client.receive(raw.wire())
    found = raw.take_flight(client.data_to_send())
    assert [type(one).__name__ for one in found] == [
        "Certificate12",
        "ClientKeyExchange",
        "CertificateVerify",
        "Finished12",
    ]
    proof = found[2]
    covered = raw.messages[: raw.messages.rindex(encode(proof))]
    signatures.verify(own.key.public_key(), proof.algorithm, proof.signature, covered, True)
    assert proof.algorithm in ALL_SCHEMES12


# -- change_cipher_spec and Finished -----------------------------------------------------------------------------------


def before_the_end(client, issued):
    raw = RawServer12(issued, client).flight()
    client.receive(raw.wire())
    raw.take_flight(client.data_to_send())
    return raw


@pytest.mark.parametrize("verify_data", [bytes(12), b"x" * 12])
def test_wrong_finished_is_a_decrypt_error(client, issued, verify_data):
    raw = before_the_end(client, issued)
    raw.change().finished(verify_data)
    # The client's alert is under its keys already.
    refuses(client, raw, errors.DecryptError)


def test_finished_of_the_other_side_is_refused(client, issued):
    raw = before_the_end(client, issued)
    raw.change().finished(raw.secret.finished_mac(True, raw.transcript))
    refuses(client, raw, errors.DecryptError)


@pytest.mark.parametrize("octets", [0, 11, 13, 32])
def test_finished_of_another_length_is_refused(client, issued, octets):
    raw = before_the_end(client, issued)
    raw.change().send(bytes((HandshakeType.finished, 0, 0, octets)) + bytes(octets))
    refuses(client, raw, errors.DecodeError)


def test_finished_in_the_clear_is_refused(client, issued):
    raw = before_the_end(client, issued)
    raw.finished()
    assert "change_cipher_spec" in str(refuses(client, raw, errors.UnexpectedMessage))


def test_change_cipher_spec_before_its_time_is_refused(config, issued):
    for steps in range(4):
        client = config.connection("example.org")
        raw = RawServer12(issued, client).hello()
        for step in (raw.certificate, raw.key_exchange, raw.request)[:steps]:
            step()
        client.receive(raw.wire())
        # CVE-2014-0224
        error = failure(client.receive, CHANGE)
        assert type(error) is errors.UnexpectedMessage


def test_second_change_cipher_spec_is_refused(client, issued):
    raw = before_the_end(client, issued)
    raw.change()
    client.receive(raw.wire())
    assert type(failure(client.receive, CHANGE)) is errors.BadRecordMac


def test_data_before_finished_is_refused(client, issued):
    raw = before_the_end(client, issued)
    raw.change()
    raw.layer._open()
    raw.layer.write(b"too early")
    error = failure(client.receive, raw.wire())
    assert type(error) is errors.UnexpectedMessage
    assert not client.handshake_complete


@pytest.mark.parametrize(
    "message", [NewSessionTicket12(0, b"ticket"), CertificateStatus12(1, b"r")], ids=lambda one: type(one).__name__
)
def test_messages_that_nobody_asked_for_are_refused_during_the_handshake(client, issued, message):
    raw = before_the_end(client, issued)
    raw.send(message)
    refuses(client, raw, errors.UnexpectedMessage)


# -- afterwards --------------------------------------------------------------------------------------------------------


def connected(config, issued):
    client = config.connection("example.org")
    raw = RawServer12(issued, client).flight()
    client.receive(raw.wire())
    client.receive(raw.finish(client.data_to_send()).wire())
    client.events()
    return client, raw


def test_hello_request_is_answered_with_a_warning_and_ignored(config, issued):
    client, raw = connected(config, issued)
    raw.send(HelloRequest())
    raw.layer.write(b"data")
    client.receive(raw.wire())
    client.events()
    assert client.read() == b"data"
    raw.feed(client.data_to_send())
    # RFC 5246 7.2.2: no_renegotiation "is always a warning"
    assert raw.pull() == 1 << 8 | 100
    assert client.handshake_complete


def test_flood_of_hello_requests_is_refused(config, issued):
    client, raw = connected(config, issued)
    for _ in range(40):
        raw.send(HelloRequest())
    client.receive(raw.wire())
    assert type(failure(client.events)) is errors.UnexpectedMessage


def test_warnings_are_tolerated_up_to_the_limit(config, issued):
    client, raw = connected(config, issued)
    raw.layer._send_alert(1, 112)
    client.receive(raw.wire())
    (seen,) = client.events()
    assert isinstance(seen, events.AlertReceived)
    assert seen.name == "unrecognized_name"
    client.write(b"goes on")
    for _ in range(4):
        raw.layer._send_alert(1, 112)
    client.receive(raw.wire())
    assert type(failure(client.events)) is errors.UnexpectedMessage


def test_warning_before_the_server_hello_is_tolerated(client_config, issued):
    """Some servers warn that they do not know the name, and go on."""
    warning = b"\x15\x03\x03\x00\x02\x01\x70"
    for versions, tolerated in (("1.2", True), (("1.3", "1.2"), True), ("1.3", False)):
        client = client_config.replace(versions=versions).connection("example.org")
        assert (failure_or_none(client.receive, warning) is None) is tolerated
        if tolerated:
            raw = RawServer12(issued, client).flight()
            client.receive(raw.wire())
            client.receive(raw.finish(client.data_to_send()).wire())
            assert client.handshake_complete


def failure_or_none(call, *arguments):
    try:
        call(*arguments)
    except errors.TlsError as error:
        return error
    return None


@pytest.mark.parametrize("level", [1, 2])
def test_alerts_that_are_always_fatal_end_the_connection(config, issued, level):
    # RFC 5246 7.2.2 calls handshake_failure and others "always fatal", whatever level stands beside them.
    client = config.connection("example.org")
    error = failure(client.receive, b"\x15\x03\x03\x00\x02" + bytes((level, 40)))
    assert type(error) is errors.HandshakeFailure
    assert error.sender == "peer"


def test_random_of_the_server_may_be_anything(client, issued):
    raw = RawServer12(issued, client)
    raw.hello(raw.hello_message(random=random_bytes(32), extensions=_all())).certificate()
    raw.key_exchange().done()
    client.receive(raw.wire())
    client.receive(raw.finish(client.data_to_send()).wire())
    assert client.handshake_complete


def _all():
    return Extensions((ServerName(), ExtendedMainSecret(), RenegotiationInfo(b""), EcPointFormats((1, 0))))


def test_every_flipped_octet_of_the_flight_ends_well(config, issued):
    """Whatever one wrong octet makes of the server's flight: an alert, a wait for more, or a Finished that fails."""
    client = config.connection("example.org")
    wire = RawServer12(issued, client).flight().wire()
    for at in range(0, len(wire), 3):
        octets = bytearray(wire)
        octets[at] ^= 0x41
        client = config.connection("example.org")
        error = failure_or_none(client.receive, bytes(octets))
        assert error is None or error.alert is not None or isinstance(error, errors.TransportError)
        assert not client.handshake_complete


def test_finished_is_the_last_word(config, issued):
    """Octets behind Finished in its record are a message of their own."""
    client = config.connection("example.org")
    raw = before_the_end(client, issued)
    mac = raw.secret.finished_mac(False, raw.transcript)
    raw.change().send(encode(Finished12(mac)) + encode(NewSessionTicket12(0, b"t")))
    client.receive(raw.wire())
    assert type(failure(client.events)) is errors.UnexpectedMessage
