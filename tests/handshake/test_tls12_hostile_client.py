"""A real server against clients of TLS 1.2 that get one thing wrong: the alert of the RFC, and never a connection."""

import contextlib

import pytest

from tests.support.certificates import make_key
from tests.support.peers import failure
from tests.support.peers12 import ECDSA_AES128, P256, X25519, RawClient12
from tlscore import ServerConfig, _core, errors
from tlscore.iana import HandshakeType
from tlscore.wire import (
    Alpn,
    Certificate12,
    ClientHello,
    ClientKeyExchange,
    EcPointFormats,
    EncryptThenMac,
    ExtendedMainSecret,
    Extensions,
    Finished12,
    MaxFragmentLength,
    RecordSizeLimit,
    RenegotiationInfo,
    ServerHello12,
    ServerHelloDone,
    ServerKeyExchange,
    ServerName,
    SessionTicket,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    SupportedGroups,
    SupportedVersions,
    UnknownExtension,
    encode,
)

CHANGE = b"\x14\x03\x03\x00\x01\x01"
SCSV, FALLBACK = 0x00FF, 0x5600


def refuses(server, raw, expected):
    error = failure(server.receive, raw.wire())
    assert type(error) is expected, error
    assert error.alert_sent == expected.alert
    assert raw.alert(server.data_to_send()) == expected.alert
    assert not server.handshake_complete
    return error


@pytest.fixture
def server(server_config):
    return server_config.connection()


def answered(server, message=None):
    """A raw client that has the server's flight."""
    raw = RawClient12()
    server.receive(raw.hello(message(raw) if message else None).wire())
    raw.take_flight(server.data_to_send())
    return raw


def test_honest_raw_client_is_accepted(server):
    raw = answered(server)
    raw.flight()
    server.receive(raw.wire())
    assert server.handshake_complete
    assert server.version == "TLSv1.2"
    raw.complete(server.data_to_send())
    raw.layer.write(b"data")
    server.receive(raw.wire())
    assert server.read() == b"data"


# -- ClientHello -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"legacy_version": 0x0302}, errors.ProtocolVersionError),
        ({"legacy_version": 0x0300}, errors.ForbiddenProtocol),
        # RFC 5246 7.4.1.2: "This vector MUST contain [...] CompressionMethod.null."
        ({"legacy_compression_methods": b"\1"}, errors.IllegalParameter),
        ({"cipher_suites": (0x1301, 0xC009, 0x009C)}, errors.HandshakeFailure),
        ({"cipher_suites": (0xC02F,)}, errors.HandshakeFailure),
        # RFC 7507 3: the server could do better.
        ({"cipher_suites": (ECDSA_AES128, FALLBACK)}, errors.InappropriateFallback),
        # RFC 7507 3: "the server MUST respond with a fatal inappropriate_fallback alert", whatever it has.
        ({"legacy_version": 0x0302, "cipher_suites": (ECDSA_AES128, FALLBACK)}, errors.InappropriateFallback),
        ({"legacy_version": 0x0301, "cipher_suites": (0x002F, FALLBACK)}, errors.InappropriateFallback),
        ({"legacy_version": 0x0300, "cipher_suites": (0x002F, FALLBACK)}, errors.InappropriateFallback),
        ({"extensions": Extensions()}, errors.HandshakeFailure),
    ],
    ids=str,
)
def test_server_checks_the_fields_of_the_client_hello(server, fields, expected):
    raw = RawClient12()
    raw.hello(raw.hello_message(**fields))
    refuses(server, raw, expected)


@pytest.mark.parametrize(
    ("values", "drop", "expected"),
    [
        # RFC 5746 3.6: "MUST then verify that the length of the "renegotiated_connection" field is zero"
        ((RenegotiationInfo(b"x" * 12),), (), errors.HandshakeFailure),
        ((), (23,), errors.HandshakeFailure),
        ((EcPointFormats((1, 2)),), (), errors.IllegalParameter),
        ((), (13,), errors.HandshakeFailure),
        ((SignatureAlgorithms((0x0201, 0x0203, 0x0101)),), (), errors.HandshakeFailure),
        ((SupportedGroups((0x11EC, 0x0200)),), (), errors.HandshakeFailure),
        ((SupportedGroups((X25519,)),), (), errors.HandshakeFailure),
        ((MaxFragmentLength(1), UnknownExtension(1, b"\5")), (), errors.IllegalParameter),
        ((UnknownExtension(1, b"\0"),), (), errors.IllegalParameter),
        ((UnknownExtension(23, b"\0"),), (), errors.DecodeError),
        ((UnknownExtension(0xFF01, b""),), (), errors.DecodeError),
        ((UnknownExtension(11, b"\0"),), (), errors.DecodeError),
        ((RecordSizeLimit(63),), (), errors.IllegalParameter),
        ((SupportedVersions((0x0302, 0x0301)),), (), errors.ProtocolVersionError),
    ],
    ids=str,
)
def test_server_checks_the_extensions_of_the_client_hello(server, values, drop, expected):
    raw = RawClient12()
    values = {value.code: value for value in values}.values()
    raw.hello(raw.hello_message(*values, drop=drop))
    refuses(server, raw, expected)


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ((0x2A2A, 0x0302, 0x0301), errors.InappropriateFallback),
        ((0x2A2A,), errors.ProtocolVersionError),
        ((0x0305, 0x0302), errors.ProtocolVersionError),
    ],
)
def test_fallback_is_told_from_the_best_version_of_the_list(server, versions, expected):
    """RFC 7507 3: reserved values are no version, and a version to come is no fallback."""
    raw = RawClient12()
    raw.hello(raw.hello_message(SupportedVersions(versions), cipher_suites=(ECDSA_AES128, FALLBACK)))
    refuses(server, raw, expected)


@pytest.mark.parametrize("behind", [b"\x10", encode(ClientKeyExchange(bytes(32)))])
def test_handshake_data_behind_the_client_hello_is_refused(server, behind):
    """RFC 5246 7.4.1.2: "After sending the ClientHello message, the client waits for a ServerHello message." """
    raw = RawClient12()
    raw.send(encode(raw.hello_message()) + behind)
    refuses(server, raw, errors.UnexpectedMessage)


# In a record of its own a message is read when its turn comes: a server cannot tell whether octets were sent before its
# flight or behind it. Nothing is gained by sending them early, as what authenticates covers the server's random.


def test_client_key_exchange_ahead_of_the_server_hello_counts_in_its_turn(server):
    """RFC 5246 7.4.1.2 has the client wait, and no server see whether it did; the handshake is the same."""
    raw = RawClient12()
    share = _core.KeyShare.generate(X25519)
    early = ClientKeyExchange(share.public)
    server.receive(raw.hello().wire() + raw.send(early, hidden=True).wire())
    found = raw.take_flight(server.data_to_send())
    public = next(one.public for one in found if isinstance(one, ServerKeyExchange))
    # In the transcript it stands where it was read.
    raw.transcript.add(encode(early))
    raw.derive(share.complete(public))
    assert not server.handshake_complete
    server.receive(raw.change().finished().wire())
    assert server.handshake_complete
    raw.complete(server.data_to_send())


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        # What stands behind it is held to the states: one ClientHello, no change_cipher_spec before the keys, no
        # Finished before change_cipher_spec, nothing that opens under keys which nobody can know yet.
        (lambda raw: raw.send(raw.hello_message()).wire(), errors.UnexpectedMessage),
        (lambda raw: raw.send(Finished12(bytes(12))).wire(), errors.UnexpectedMessage),
        (lambda raw: CHANGE, errors.UnexpectedMessage),
        (lambda raw: raw.send(ClientKeyExchange(bytes(32))).wire(), errors.IllegalParameter),
        (lambda raw: early_exchange(raw) + raw.send(Finished12(bytes(12))).wire(), errors.UnexpectedMessage),
        (lambda raw: early_exchange(raw) + CHANGE + b"\x16\x03\x03\x00\x28" + bytes(40), errors.BadRecordMac),
        (lambda raw: early_exchange(raw) + early_exchange(raw), errors.UnexpectedMessage),
    ],
)
def test_records_ahead_of_the_server_hello_are_held_to_their_turn(server, behind, expected):
    """RFC 5246 7.3: a message out of its order is unexpected_message, when it came makes no difference."""
    raw = RawClient12()
    error = failure(server.receive, raw.hello().wire() + behind(raw))
    assert type(error) is expected, error
    assert raw.alert(server.data_to_send()) == expected.alert
    assert not server.handshake_complete


def early_exchange(raw):
    return raw.send(ClientKeyExchange(_core.KeyShare.generate(X25519).public)).wire()


@pytest.mark.parametrize(
    "values", [(), (SupportedVersions((0x0303,)),), (SupportedVersions((0x2A2A, 0x0303, 0x0302)),)]
)
def test_ways_to_say_tls12(server, values):
    raw = answered(server, lambda raw: raw.hello_message(*values, legacy_version=0x0303))
    raw.flight()
    server.receive(raw.wire())
    assert server.version == "TLSv1.2"


def test_legacy_version_above_tls12_means_tls12(server):
    # RFC 9846 4.3.1: without the extension it is TLS 1.2, "even if ClientHello.legacy_version is 0x0304 or later"
    raw = answered(server, lambda raw: raw.hello_message(legacy_version=0x0304))
    raw.flight()
    server.receive(raw.wire())
    assert server.version == "TLSv1.2"


def test_fallback_signal_is_right_where_nothing_better_exists(server_config):
    server = server_config.replace(versions="1.2").connection()
    raw = answered(server, lambda raw: raw.hello_message(cipher_suites=(ECDSA_AES128, FALLBACK)))
    raw.flight()
    server.receive(raw.wire())
    assert server.handshake_complete


def test_server_takes_a_client_that_knows_more(server):
    raw = answered(
        server,
        lambda raw: raw.hello_message(
            SupportedGroups((0x1A1A, 0x11EC, X25519, P256)),
            SessionTicket(b""),
            EncryptThenMac(),
            UnknownExtension(0x7777, b"data"),
            SignatureAlgorithmsCert((0x0403,)),
            ServerName(b"EXAMPLE.org"),
            Alpn((b"h2",)),
            cipher_suites=(0x3A3A, 0x1301, 0xC02F, 0xC02B, SCSV),
            legacy_compression_methods=b"\1\0",
            legacy_session_id=bytes(32),
        ),
    )
    # Only what was offered comes back, and nothing of what this server does not do.
    assert set(raw.server_hello.extensions.codes) == {0, 11, 23, 0xFF01}
    assert raw.server_hello.session_id == b""
    raw.flight()
    server.receive(raw.wire())
    assert server.server_name == "example.org"


@pytest.mark.parametrize(
    ("drop", "suites", "expected"),
    [
        ((), (ECDSA_AES128,), True),
        ((0xFF01,), (ECDSA_AES128, SCSV), True),
        ((), (ECDSA_AES128, SCSV), True),
        ((0xFF01,), (ECDSA_AES128,), False),
    ],
)
def test_either_signal_of_secure_renegotiation_is_answered(server, drop, suites, expected):
    raw = answered(server, lambda raw: raw.hello_message(drop=drop, cipher_suites=suites))
    assert (RenegotiationInfo in raw.server_hello.extensions) is expected
    raw.flight()
    server.receive(raw.wire())
    assert server.handshake_complete


def test_client_without_groups_gets_p256(server):
    raw = answered(server, lambda raw: raw.hello_message(drop=(10, 11)))
    raw.flight()
    server.receive(raw.wire())
    assert server.group == "secp256r1"
    assert EcPointFormats not in raw.server_hello.extensions


def test_lax_server_goes_on_without_the_extended_main_secret(server_config):
    server = server_config.replace(require_extended_main_secret=False).connection()
    raw = answered(server, lambda raw: raw.hello_message(drop=(23,)))
    assert ExtendedMainSecret not in raw.server_hello.extensions
    raw.flight()
    server.receive(raw.wire())
    assert server.handshake_complete
    assert type(failure(server.channel_binding, "tls-unique")) is errors.UsageError
    # And it uses the extension where the client has it.
    server = server_config.replace(require_extended_main_secret=False).connection()
    raw = answered(server)
    assert ExtendedMainSecret in raw.server_hello.extensions


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("extended", [True, False])
@pytest.mark.parametrize("ticket", [None, b"", b"ticket" * 30], ids=["no ticket", "empty ticket", "ticket"])
@pytest.mark.parametrize("session_id", [b"", b"\1", bytes(range(32))], ids=["no ID", "short ID", "ID"])
def test_offer_to_resume_is_a_full_handshake(server_config, session_id, ticket, extended, required):
    """RFC 7627 5.3: every row of a server that knows no session: with a session ID, with a ticket, with both.

    "Instead, it SHOULD continue with a full handshake (as described in Section 5.2) to negotiate a new session", and
    there it is the extension alone that decides: with it, it is answered and used; without it the client is refused,
    or gets the old computation, nothing that names its connection, and never what it had before.
    """
    server = server_config.replace(require_extended_main_secret=required).connection()
    raw = RawClient12()
    offered = () if ticket is None else (SessionTicket(ticket),)
    raw.hello(raw.hello_message(*offered, drop=() if extended else (23,), legacy_session_id=session_id))
    if required and not extended:
        error = refuses(server, raw, errors.HandshakeFailure)
        assert error.code == "TLS-NO_EXTENDED_MAIN_SECRET"
        return
    server.receive(raw.wire())
    flight = raw.take_flight(server.data_to_send())
    assert [type(message) for message in flight] == [ServerHello12, Certificate12, ServerKeyExchange, ServerHelloDone]
    # RFC 5246 7.4.1.3: "The server may return an empty session_id to indicate that the session will not be cached".
    assert raw.server_hello.session_id == b""
    assert SessionTicket not in raw.server_hello.extensions
    assert (ExtendedMainSecret in raw.server_hello.extensions) is extended
    raw.flight()
    server.receive(raw.wire())
    raw.complete(server.data_to_send())
    assert server.handshake_complete
    if extended:
        assert len(server.channel_binding("tls-unique")) == 12
    else:
        assert failure(server.channel_binding, "tls-unique").section == "RFC 7627 5.4"
        assert failure(server.export_keying_material, "EXPORTER-test", None, 32).section == "RFC 7627 5.4"


def test_finished_of_a_session_that_never_was_is_refused(server_config):
    """RFC 7627 5.3, the client's side of an abbreviated handshake: it goes on with change_cipher_spec at once."""
    for required in (True, False):
        server = server_config.replace(require_extended_main_secret=required).connection()
        raw = answered(server, lambda raw: raw.hello_message(SessionTicket(b"t" * 180), legacy_session_id=bytes(32)))
        error = failure(server.receive, raw.wire() + CHANGE)
        assert type(error) is errors.UnexpectedMessage
        assert error.alert_sent == 10


@pytest.mark.parametrize(("code", "octets"), [(1, 512), (2, 1024), (3, 2048), (4, 4096)])
def test_max_fragment_length_is_honoured_at_once(server_config, code, octets):
    # RFC 6066 4: "MUST immediately begin fragmenting messages (including handshake messages)"
    server, raw = server_config.connection(), RawClient12()
    server.receive(raw.hello(raw.hello_message(MaxFragmentLength(code))).wire())
    flight = server.data_to_send()
    assert max(lengths(flight)) <= octets
    raw.take_flight(flight)
    assert raw.server_hello.extensions.get(MaxFragmentLength) == MaxFragmentLength(code)
    raw.flight()
    server.receive(raw.wire())
    server.data_to_send()
    server.write(bytes(3 * octets))
    assert [length - 24 for length in lengths(server.data_to_send())] == [octets] * 3


def lengths(wire):
    found = []
    while wire:
        found.append(int.from_bytes(wire[3:5], "big"))
        wire = wire[5 + found[-1] :]
    return found


def test_record_size_limit_goes_before_max_fragment_length(server):
    # RFC 8449 5
    raw = answered(server, lambda raw: raw.hello_message(MaxFragmentLength(1), RecordSizeLimit(2000)))
    assert MaxFragmentLength not in raw.server_hello.extensions
    assert raw.server_hello.extensions.get(RecordSizeLimit) == RecordSizeLimit(2**14)


def test_every_truncated_client_hello_is_refused_at_once(server_config):
    """A message that ends early, its header adapted: a decode_error, or a hello that lacks what is needed."""
    raw = RawClient12()
    whole = encode(raw.hello_message(Alpn((b"h2",)), ServerName(b"example.org")))
    for at in range(4, len(whole)):
        cut = whole[:1] + (at - 4).to_bytes(3, "big") + whole[4:at]
        sender, server = RawClient12(), server_config.connection()
        sender.send(cut)
        error = failure(server.receive, sender.wire())
        assert error.alert in (40, 50), (at, error)


def test_every_flipped_octet_of_the_client_hello_ends_well(server_config):
    raw = RawClient12()
    whole = encode(raw.hello_message(Alpn((b"h2",)), ServerName(b"example.org")))
    for at in range(4, len(whole)):
        octets = bytearray(whole)
        octets[at] ^= 0x21
        sender, server = RawClient12(), server_config.connection()
        sender.send(bytes(octets))
        with contextlib.suppress(errors.AlertError):
            server.receive(sender.wire())
        assert server.error is None or server.error.alert_sent is not None
        assert not server.handshake_complete


def test_second_hello_after_a_retry_must_still_offer_tls13(server_config):
    from tests.support.peers import RawClient
    from tlscore.iana import NamedGroup

    server = server_config.replace(groups=("secp256r1",)).connection()
    raw = RawClient(groups=(NamedGroup.x25519, P256))
    server.receive(raw.hello().wire())
    raw.feed(server.data_to_send())
    raw.pull()
    raw.send(raw.hello_message(SupportedVersions((0x0303,))))
    error = failure(server.receive, raw.wire())
    assert type(error) is errors.ProtocolVersionError


# -- the client's flight -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("public", [bytes(32), bytes(31), bytes(33), b"\0", b"\x04" + bytes(64)])
def test_bad_share_is_refused(server, public):
    raw = answered(server)
    raw.key_exchange(public)
    error = refuses(server, raw, errors.IllegalParameter)
    assert error.code == "TLS-BAD_KEY_SHARE"


@pytest.mark.parametrize("verify_data", [bytes(12), b"x" * 12])
def test_wrong_finished_is_a_decrypt_error(server, verify_data):
    raw = answered(server)
    raw.key_exchange().change().finished(verify_data)
    refuses(server, raw, errors.DecryptError)


@pytest.mark.parametrize("octets", [0, 11, 13, 32])
def test_finished_of_another_length_is_refused(server, octets):
    raw = answered(server)
    raw.key_exchange().change().send(bytes((HandshakeType.finished, 0, 0, octets)) + bytes(octets))
    refuses(server, raw, errors.DecodeError)


def test_finished_in_the_clear_is_refused(server):
    raw = answered(server)
    raw.key_exchange().finished()
    refuses(server, raw, errors.UnexpectedMessage)


def test_change_cipher_spec_before_the_key_exchange_is_refused(server_config, mutual_server):
    # CVE-2014-0224
    for config in (server_config, mutual_server):
        server = config.connection()
        answered(server)
        assert type(failure(server.receive, CHANGE)) is errors.UnexpectedMessage
    server = server_config.connection()
    raw = RawClient12().hello()
    assert type(failure(server.receive, CHANGE + raw.wire())) is errors.UnexpectedMessage


def test_change_cipher_spec_inside_a_message_is_refused(server):
    raw = answered(server)
    server.receive(b"\x16\x03\x03\x00\x05\x10\x00\x00\x21\x20")
    assert type(failure(server.receive, CHANGE)) is errors.UnexpectedMessage
    assert raw


def test_data_before_finished_is_refused(server):
    raw = answered(server)
    raw.key_exchange().change()
    # A record layer opens with keys for both directions.
    raw.secret.expect_read(raw.layer)
    raw.feed(CHANGE)
    raw.pull()
    raw.layer._open()
    raw.layer.write(b"too early")
    assert type(failure(server.receive, raw.wire())) is errors.UnexpectedMessage
    assert not server.handshake_complete


# -- client certificates -----------------------------------------------------------------------------------------------


@pytest.fixture
def asked(mutual_server, client_issued):
    server = mutual_server.connection()
    raw = RawClient12(client_issued)
    server.receive(raw.hello().wire())
    raw.take_flight(server.data_to_send())
    return server, raw


def test_honest_client_certificate_is_accepted(asked):
    server, raw = asked
    raw.certificate()
    raw.key_exchange().certificate_verify()
    raw.change().finished()
    server.receive(raw.wire())
    assert server.authenticated
    raw.complete(server.data_to_send())


def test_missing_certificate_is_handshake_failure(asked):
    # RFC 5246 7.4.6: "or respond with a fatal handshake_failure alert"
    server, raw = asked
    raw.certificate(())
    refuses(server, raw, errors.HandshakeFailure)


def test_certificate_without_proof_is_refused(asked):
    server, raw = asked
    raw.certificate()
    raw.key_exchange()
    server.receive(raw.wire())
    assert type(failure(server.receive, CHANGE)) is errors.UnexpectedMessage


def test_proof_without_certificate_is_refused(server, client_issued):
    raw = answered(server)
    raw.identity = client_issued
    raw.key_exchange().certificate_verify()
    refuses(server, raw, errors.UnexpectedMessage)


def test_certificate_that_nobody_asked_for_is_refused(server, client_issued):
    raw = answered(server)
    raw.identity = client_issued
    raw.certificate()
    refuses(server, raw, errors.UnexpectedMessage)


def test_key_exchange_without_the_certificate_message_is_refused(asked):
    server, raw = asked
    raw.key_exchange()
    refuses(server, raw, errors.UnexpectedMessage)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"content": b"something else"}, errors.DecryptError),
        ({"scheme": 0x0203}, errors.IllegalParameter),
        ({"scheme": 0x0201}, errors.IllegalParameter),
        ({"scheme": 0x0804}, errors.IllegalParameter),
        ({"scheme": 0x0807}, errors.IllegalParameter),
        ({"scheme": 0x0904}, errors.IllegalParameter),
    ],
    ids=str,
)
def test_server_checks_the_proof(asked, settings, expected):
    server, raw = asked
    raw.certificate()
    raw.key_exchange().certificate_verify(**settings)
    refuses(server, raw, expected)


def test_proof_of_another_key_is_refused(asked):
    server, raw = asked
    raw.certificate()
    raw.key_exchange().certificate_verify(key=make_key("p256"))
    refuses(server, raw, errors.DecryptError)


def test_proof_by_hash_is_not_a_proof(asked):
    """What TLS 1.3 signs: another content, so the signature is wrong here."""
    from tlscore.handshake.certificate_auth import signed_content

    server, raw = asked
    raw.certificate()
    raw.key_exchange().certificate_verify(content=signed_content("client", raw.transcript.digest()))
    refuses(server, raw, errors.DecryptError)


def test_certificate_of_a_key_that_tls12_does_not_have_is_refused(mutual_server, authority):
    server, raw = mutual_server.connection(), RawClient12(authority.issue("x", key="mldsa44", usage="client"))
    server.receive(raw.hello().wire())
    raw.take_flight(server.data_to_send())
    raw.certificate()
    refuses(server, raw, errors.UnsupportedCertificate)


def test_foreign_certificate_is_refused(mutual_server, other_authority):
    server, raw = mutual_server.connection(), RawClient12(other_authority.issue("x", usage="client"))
    server.receive(raw.hello().wire())
    raw.take_flight(server.data_to_send())
    raw.certificate()
    refuses(server, raw, errors.UnknownCa)


def test_server_certificate_for_a_client_is_refused(mutual_server, authority):
    server, raw = mutual_server.connection(), RawClient12(authority.issue("x", usage="server"))
    server.receive(raw.hello().wire())
    raw.take_flight(server.data_to_send())
    raw.certificate()
    error = failure(server.receive, raw.wire())
    assert type(error) is errors.UnsupportedCertificate


# -- afterwards --------------------------------------------------------------------------------------------------------


def connected(config):
    server = config.connection()
    raw = answered(server)
    server.receive(raw.flight().wire())
    raw.complete(server.data_to_send())
    server.events()
    return server, raw


@pytest.mark.parametrize("info", [b"", b"x" * 12])
def test_renegotiation_is_answered_with_a_warning_and_ignored(server_config, info):
    server, raw = connected(server_config)
    raw.send(raw.hello_message(RenegotiationInfo(info)))
    raw.layer.write(b"data")
    server.receive(raw.wire())
    server.events()
    assert server.read() == b"data"
    raw.feed(server.data_to_send())
    # RFC 5746 4.4, RFC 9325 3.5: renegotiation is refused; no_renegotiation "is always a warning"
    assert raw.pull() == 1 << 8 | 100
    assert server.handshake_complete


def test_flood_of_client_hellos_is_refused(server_config):
    server, raw = connected(server_config)
    for _ in range(40):
        raw.send(raw.hello_message())
    server.receive(raw.wire())
    assert type(failure(server.events)) is errors.UnexpectedMessage


def test_key_update_does_not_exist(server_config):
    server, raw = connected(server_config)
    raw.send(bytes((HandshakeType.key_update, 0, 0, 1, 0)))
    server.receive(raw.wire())
    assert type(failure(server.events)) is errors.UnexpectedMessage


def test_early_data_is_no_way_around_finished(server_config):
    """Records under any keys before change_cipher_spec are refused."""
    server = server_config.connection()
    answered(server)
    error = failure(server.receive, b"\x17\x03\x03\x00\x20" + bytes(32))
    assert type(error) is errors.UnexpectedMessage


def test_hello_without_extensions_block(identity):
    """The oldest form of a hello: refused for what it lacks, or served by a server that demands none of it."""
    lax = ServerConfig.simple(identity, require_extended_main_secret=False)
    octets = encode(ClientHello(0x0303, bytes(32), b"", (ECDSA_AES128,), b"\0", Extensions()))[:-2]
    raw, server = RawClient12(), lax.connection()
    raw.send(octets[:1] + (len(octets) - 4).to_bytes(3, "big") + octets[4:])
    # RFC 5246 7.4.1.4.1: it means SHA-1, which signs nothing here.
    assert "no common signature scheme" in str(refuses(server, raw, errors.HandshakeFailure))
