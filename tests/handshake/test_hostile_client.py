"""A real server against clients that get one thing wrong: the alert of the RFC, and never a connection."""

from contextlib import suppress

import pytest

from tests.support.certificates import make_key
from tests.support.peers import RawClient, failure
from tlscore import Identity, ServerConfig, errors
from tlscore._core import KeyShare, random_bytes
from tlscore.iana import NamedGroup, SignatureScheme
from tlscore.wire import (
    Alpn,
    Certificate,
    CertificateEntry,
    CertificateStatus,
    CertificateVerify,
    ClientHello,
    EarlyDataIndication,
    EndOfEarlyData,
    Extensions,
    Finished,
    KeyShareClientHello,
    KeyShareEntry,
    MaxFragmentLength,
    PreSharedKeyClientHello,
    PskIdentity,
    PskKeyExchangeModes,
    RecordSizeLimit,
    ServerName,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersions,
    UnknownExtension,
    encode,
)

from .test_hostile_server import BAD_SHARES

X25519, P256 = NamedGroup.x25519, NamedGroup.secp256r1


def refuses(server, raw, expected):
    error = failure(server.receive, raw.wire())
    assert type(error) is expected, error
    assert error.alert_sent == expected.alert
    assert raw.alert(server.data_to_send()) == expected.alert
    assert not server.handshake_complete
    return error


def share(group=X25519):
    return KeyShareEntry(group, KeyShare.generate(group).public)


# -- ClientHello -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"legacy_version": 0x0302}, errors.ProtocolVersionError),
        ({"legacy_version": 0x0304}, errors.ProtocolVersionError),
        ({"legacy_compression_methods": b"\1"}, errors.IllegalParameter),
        ({"legacy_compression_methods": b"\0\1"}, errors.IllegalParameter),
        ({"legacy_compression_methods": b"\1\0"}, errors.IllegalParameter),
        ({"cipher_suites": (0xC02F, 0x2A2A)}, errors.HandshakeFailure),
        ({"extensions": Extensions()}, errors.ProtocolVersionError),
    ],
    ids=str,
)
def test_server_checks_the_fields_of_the_client_hello(server_config, fields, expected):
    server, raw = server_config.replace(versions="1.3").connection(), RawClient()
    raw.hello(raw.hello_message(**fields))
    refuses(server, raw, expected)


PSK = PreSharedKeyClientHello((PskIdentity(b"ticket", 0),), (bytes(32),))
GROUPS, SCHEMES, SHARES, VERSIONS = 10, 13, 51, 43


@pytest.mark.parametrize(
    ("values", "drop", "expected"),
    [
        ((), (VERSIONS,), errors.ProtocolVersionError),
        ((SupportedVersions((0x0303, 0x0302)),), (), errors.ProtocolVersionError),
        ((SupportedVersions((0x2A2A, 0x0305)),), (), errors.ProtocolVersionError),
        ((), (GROUPS,), errors.MissingExtension),
        ((), (SHARES,), errors.MissingExtension),
        ((), (GROUPS, SHARES), errors.MissingExtension),
        ((), (SCHEMES,), errors.MissingExtension),
        ((PSK,), (), errors.MissingExtension),
        ((SupportedGroups((X25519, P256, X25519)),), (), errors.IllegalParameter),
        ((SupportedGroups((P256,)),), (), errors.IllegalParameter),
        ((KeyShareClientHello((share(P256), share())), SupportedGroups((X25519, P256))), (), errors.IllegalParameter),
        ((KeyShareClientHello((share(), share())),), (), errors.IllegalParameter),
        ((SupportedGroups((0x0100, 0x2A2A)), KeyShareClientHello(())), (), errors.HandshakeFailure),
        ((SignatureAlgorithms((0x0401, 0x0201)),), (), errors.HandshakeFailure),
        ((RecordSizeLimit(63),), (), errors.IllegalParameter),
        ((UnknownExtension(0, b""),), (), errors.DecodeError),
        ((UnknownExtension(0, b"\0\6\0\0\3a\0b"),), (), errors.IllegalParameter),
        ((UnknownExtension(16, b"\0\1\0"),), (), errors.DecodeError),
        ((UnknownExtension(48, b"\0\0"),), (), errors.IllegalParameter),
    ],
    ids=str,
)
def test_server_checks_the_extensions_of_the_client_hello(server_config, values, drop, expected):
    server, raw = server_config.replace(versions="1.3").connection(), RawClient()
    raw.hello(raw.hello_message(*values, drop=drop))
    refuses(server, raw, expected)


def test_server_signs_nothing_for_a_client_hello_that_it_refuses(issued):
    # Signing is what costs a server most: everything that can be checked is checked before it.
    asked = []

    class Counting:
        def sign(self, scheme, data):
            asked.append(scheme)
            return b""

    config = ServerConfig.simple(identity=Identity.from_signer(issued.chain_der, Counting()), alpn=("h2",))
    for values, drop, expected in (
        ((), (GROUPS,), errors.MissingExtension),
        ((), (SHARES,), errors.MissingExtension),
        ((SignatureAlgorithms((0x0401, 0x0201)),), (), errors.HandshakeFailure),
        ((SupportedGroups((0x0100, 0x2A2A)), KeyShareClientHello(())), (), errors.HandshakeFailure),
        ((KeyShareClientHello((KeyShareEntry(X25519, bytes(32)),)),), (), errors.IllegalParameter),
        ((Alpn((b"http/1.1",)),), (), errors.NoApplicationProtocol),
        ((RecordSizeLimit(63),), (), errors.IllegalParameter),
    ):
        raw = RawClient()
        raw.hello(raw.hello_message(*values, drop=drop))
        refuses(config.connection(), raw, expected)
    assert not asked
    raw = RawClient()
    raw.hello(raw.hello_message())
    assert isinstance(failure(config.connection().receive, raw.wire()), errors.InternalError)
    assert len(asked) == 1


def test_server_names_both_lists_of_versions(server_config):
    server, raw = server_config.replace(versions="1.3").connection(), RawClient()
    raw.hello(raw.hello_message(SupportedVersions((0x0303, 0x0302))))
    text = str(refuses(server, raw, errors.ProtocolVersionError))
    assert "TLSv1.2, TLSv1.1" in text
    assert "TLSv1.3" in text


def test_server_takes_a_client_that_knows_more(server_config):
    server, raw = server_config.connection(), RawClient()
    raw.hello(
        raw.hello_message(
            SupportedVersions((0x7A7A, 0x0305, 0x0304, 0x0303)),
            SupportedGroups((0x1A1A, 0x0100, X25519, P256)),
            KeyShareClientHello((KeyShareEntry(0x1A1A, b"\0"), KeyShareEntry(X25519, raw.share.public))),
            UnknownExtension(0x5A5A, b""),
            UnknownExtension(0x7777, b"data"),
            ServerName(b"EXAMPLE.org"),
            cipher_suites=(0x3A3A, 0xC02F, 0x1301, 0x00FF),
        )
    )
    server.receive(raw.wire())
    raw.take_flight(server.data_to_send())
    raw.finished()
    server.receive(raw.wire())
    assert server.handshake_complete
    assert server.server_name == "example.org"


@pytest.mark.parametrize("session_id", [b"", b"x", bytes(32)])
def test_server_echoes_the_session_id(server_config, session_id):
    server, raw = server_config.connection(), RawClient()
    raw.hello(raw.hello_message(legacy_session_id=session_id))
    server.receive(raw.wire())
    wire = server.data_to_send()
    assert raw.take_hello(wire).legacy_session_id_echo == session_id
    assert (b"\x14\x03\x03\x00\x01\x01" in wire) is bool(session_id)


@pytest.mark.parametrize(
    ("group", "bad"),
    [(group, bad) for group, shares in BAD_SHARES.items() for bad in shares if "MLKEM" not in group]
    + [
        ("X25519MLKEM768", b"\xff" * 1216),
        ("X25519MLKEM768", bytes(1215)),
        ("MLKEM768", b"\xff" * 1184),
        ("MLKEM768", bytes(1183)),
        ("MLKEM1024", b"\xff" * 1568),
        ("SecP256r1MLKEM768", bytes(65 + 1184)),
        ("SecP384r1MLKEM1024", bytes(97 + 1568)),
    ],
)
def test_server_refuses_an_invalid_share(identity, group, bad):
    server, raw = ServerConfig.simple(identity, groups=(group,)).connection(), RawClient()
    code = NamedGroup.code_of(group)
    raw.hello(raw.hello_message(SupportedGroups((code,)), KeyShareClientHello((KeyShareEntry(code, bad),))))
    assert refuses(server, raw, errors.IllegalParameter).code == "TLS-BAD_KEY_SHARE"


def test_psk_must_be_last(server_config):
    server, raw = server_config.connection(), RawClient()
    honest = raw.hello_message(PskKeyExchangeModes((1,)), PSK)
    raw.hello(honest.replace(extensions=Extensions([PSK, *[one for one in honest.extensions if one is not PSK]])))
    refuses(server, raw, errors.IllegalParameter)


def test_psk_that_nobody_knows_is_ignored(server_config):
    server, raw = server_config.connection(), RawClient()
    raw.hello(raw.hello_message(PskKeyExchangeModes((1,)), PSK))
    server.receive(raw.wire())
    assert [type(message) for message in raw.take_flight(server.data_to_send())][-1] is Finished


def test_octets_behind_the_client_hello_in_its_record_are_refused(server_config):
    server, raw = server_config.connection(), RawClient()
    raw.send(encode(raw.hello_message()) + b"\x14\x00")
    error = failure(server.receive, raw.wire())
    assert type(error) is errors.UnexpectedMessage
    assert not server.handshake_complete


def test_duplicate_extension_is_refused(server_config):
    server, raw = server_config.connection(), RawClient()
    whole = bytearray(encode(raw.hello_message()))
    extra = b"\x77\x77\x00\x00" * 2
    at = 4 + 34 + 33 + 4 + 2
    length = int.from_bytes(whole[at : at + 2], "big")
    whole[at : at + 2] = (length + len(extra)).to_bytes(2, "big")
    whole += extra
    whole[1:4] = (len(whole) - 4).to_bytes(3, "big")
    raw.send(bytes(whole))
    refuses(server, raw, errors.IllegalParameter)


def test_every_truncated_client_hello_is_refused_at_once(server_config):
    """A message that ends early, its header adapted: never accepted, never waited for."""
    raw = RawClient()
    whole = encode(raw.hello_message(Alpn((b"h2",)), ServerName(b"example.org")))
    for at in range(4, len(whole)):
        cut = whole[:1] + (at - 4).to_bytes(3, "big") + whole[4:at]
        sender, server = RawClient(), server_config.replace(versions="1.3").connection()
        sender.send(cut)
        error = failure(server.receive, sender.wire())
        assert isinstance(error, errors.AlertError), at
        assert error.alert in (50, 70), (at, error)


def test_every_flipped_octet_of_the_client_hello_ends_well(server_config):
    """Whatever one wrong octet makes of a ClientHello: an alert, a wait for more, or a Finished that fails."""
    raw = RawClient()
    whole = encode(raw.hello_message(Alpn((b"h2",)), ServerName(b"example.org")))
    for at in range(len(whole)):
        for bit in (0x01, 0x80):
            octets = bytearray(whole)
            octets[at] ^= bit
            sender, server = RawClient(), server_config.connection()
            sender.send(bytes(octets))
            with suppress(errors.AlertError):
                server.receive(sender.wire())
            assert server.error is None or server.error.alert_sent == server.error.alert
            assert not server.handshake_complete


def test_random_octets_never_break_the_server(server_config):
    for _ in range(300):
        server = server_config.connection()
        body = random_bytes(100)
        sender = RawClient()
        sender.send(b"\x01" + len(body).to_bytes(3, "big") + body)
        assert isinstance(failure(server.receive, sender.wire()), errors.AlertError)


# -- early data --------------------------------------------------------------------------------------------------------


def early(server_config, records):
    server, raw = server_config.connection(), RawClient()
    raw.hello(raw.hello_message(PskKeyExchangeModes((1,)), EarlyDataIndication(), PSK))
    server.receive(raw.wire() + b"\x17\x03\x03\x00\x40" * 0 + records)
    return server, raw


def record(octets):
    return b"\x17\x03\x03" + octets.to_bytes(2, "big") + random_bytes(octets)


def test_server_skips_early_data_that_it_does_not_take(server_config):
    server, raw = early(server_config, record(400) + record(1200))
    messages = raw.take_flight(server.data_to_send())
    assert EarlyDataIndication not in messages[0].extensions
    raw.finished()
    server.receive(record(64) + raw.wire())
    assert server.handshake_complete


def test_server_skips_early_data_up_to_its_bound(server_config):
    server, raw = early(server_config, record(8000))
    raw.take_flight(server.data_to_send())
    server.receive(record(8000))
    assert type(failure(server.receive, record(8000))) is errors.BadRecordMac


def test_server_skips_early_data_before_a_second_hello(identity):
    server = ServerConfig.simple(identity, groups=("secp256r1",)).connection()
    raw = RawClient(groups=(X25519, P256))
    raw.hello(raw.hello_message(PskKeyExchangeModes((1,)), EarlyDataIndication(), PSK))
    server.receive(raw.wire() + record(500))
    raw.feed(server.data_to_send())
    raw.pull()
    raw.share = KeyShare.generate(P256)
    second = KeyShareClientHello((KeyShareEntry(P256, raw.share.public),))
    message = raw.hello_message(PskKeyExchangeModes((1,)), second, PSK)
    raw.hello(message)
    server.receive(record(500) + raw.wire())
    assert len(server.data_to_send()) > 500


def test_end_of_early_data_that_nobody_allowed_is_unexpected(server_config):
    server, raw = early(server_config, b"")
    raw.take_flight(server.data_to_send())
    raw.send(EndOfEarlyData())
    refuses(server, raw, errors.UnexpectedMessage)


def test_records_that_cannot_be_opened_without_early_data(server_config):
    server, raw = server_config.connection(), RawClient()
    raw.hello()
    server.receive(raw.wire())
    assert type(failure(server.receive, record(64))) is errors.BadRecordMac


# -- the client's second flight ----------------------------------------------------------------------------------------


def keyed(config, issued=None):
    server, raw = config.connection(), RawClient(issued)
    raw.hello()
    server.receive(raw.wire())
    raw.take_flight(server.data_to_send())
    return server, raw


def test_honest_raw_client_is_accepted(mutual_server, client_issued):
    server, raw = keyed(mutual_server, client_issued)
    raw.certificate().certificate_verify()
    raw.finished()
    server.receive(raw.wire())
    assert server.handshake_complete
    assert server.authenticated


@pytest.mark.parametrize("verify_data", [bytes(32), bytes(48), b"\0"])
def test_server_refuses_a_wrong_finished(server_config, verify_data):
    server, raw = keyed(server_config)
    raw.send(Finished(verify_data))
    error = failure(server.receive, raw.wire())
    assert type(error) is errors.DecryptError
    assert raw.alert(server.data_to_send()) == 51


def test_server_refuses_its_own_kind_of_finished(server_config):
    server, raw = keyed(server_config)
    raw.send(Finished(raw.application.finished_mac(False, raw.transcript)))
    refuses(server, raw, errors.DecryptError)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("empty", errors.CertificateRequired),
        ("context", errors.IllegalParameter),
        ("finished alone", errors.UnexpectedMessage),
        ("verify alone", errors.UnexpectedMessage),
        ("skipped verify", errors.UnexpectedMessage),
        ("other key", errors.DecryptError),
        ("server role", errors.DecryptError),
        ("pkcs1", errors.IllegalParameter),
        ("sha1", errors.IllegalParameter),
        ("other curve", errors.IllegalParameter),
        ("garbage", errors.BadCertificate),
        ("wrong purpose", errors.UnsupportedCertificate),
        ("unknown authority", errors.UnknownCa),
        ("expired", errors.CertificateExpired),
        ("unsolicited status", errors.UnsupportedExtension),
        ("unknown extension", errors.UnsupportedExtension),
        ("certificate twice", errors.UnexpectedMessage),
    ],
)
def test_server_checks_the_clients_authentication(
    mutual_server, client_issued, issued, authority, other_authority, step, expected
):
    server, raw = keyed(mutual_server, client_issued)
    chains = {
        "garbage": lambda: (b"\x30\x00",),
        "wrong purpose": lambda: issued.chain_der,
        "unknown authority": lambda: other_authority.issue("client.example", usage="client").chain_der,
        "expired": lambda: authority.issue("client.example", usage="client", days=0.01).chain_der,
    }
    extension = {"unsolicited status": CertificateStatus(1, b"x"), "unknown extension": UnknownExtension(0x7777, b"")}
    if step == "empty":
        raw.send(Certificate(b"", ()))
    elif step == "context":
        raw.certificate(context=b"c")
    elif step == "finished alone":
        raw.finished()
    elif step == "verify alone":
        raw.certificate_verify()
    elif step == "skipped verify":
        raw.certificate()
        raw.finished()
    elif step == "other key":
        raw.certificate().certificate_verify(key=make_key("p256"))
    elif step == "server role":
        raw.certificate().certificate_verify(role="server")
    elif step in ("pkcs1", "sha1", "other curve"):
        scheme = {"pkcs1": "rsa_pkcs1_sha256", "sha1": "ecdsa_sha1", "other curve": "ecdsa_secp384r1_sha384"}[step]
        raw.certificate().certificate_verify(scheme=SignatureScheme.code_of(scheme))
    elif step in chains:
        raw.certificate(chain=chains[step]())
    elif step in extension:
        entry = CertificateEntry(client_issued.chain_der[0], Extensions([extension[step]]))
        raw.send(Certificate(b"", (entry,)))
    elif step == "certificate twice":
        raw.certificate().certificate()
    refuses(server, raw, expected)


def test_optional_client_that_sends_a_bad_certificate_is_refused_all_the_same(
    trust, identity, other_authority, client_issued
):
    config = ServerConfig.simple(identity, client_auth="optional", client_trust=trust)
    server, raw = keyed(config, client_issued)
    raw.certificate(chain=other_authority.issue("x", usage="client").chain_der)
    refuses(server, raw, errors.UnknownCa)


def test_verify_after_an_empty_certificate_is_unexpected(trust, identity, client_issued):
    config = ServerConfig.simple(identity, client_auth="optional", client_trust=trust)
    server, raw = keyed(config, client_issued)
    raw.send(Certificate(b"", ())).send(CertificateVerify(0x0403, b"x"))
    refuses(server, raw, errors.UnexpectedMessage)


def test_alert_of_a_client_that_never_had_keys_is_understood(server_config):
    server, raw = server_config.connection(), RawClient()
    raw.hello()
    server.receive(raw.wire())
    error = failure(server.receive, b"\x15\x03\x03\x00\x02\x02\x2a")
    assert type(error) is errors.BadCertificate
    assert error.sender == "peer"
    assert error.alert_received == 42
    assert error.alert_sent is None


def test_data_right_behind_the_finished_is_delivered(server_config):
    server, raw = keyed(server_config)
    raw.finished().complete()
    wire = raw.wire()
    raw.layer.write(b"at once")
    server.receive(wire + raw.layer.data_to_send())
    assert server.handshake_complete
    assert server.read() == b"at once"


def test_change_cipher_spec_only_in_its_slot(server_config):
    spec = b"\x14\x03\x03\x00\x01\x01"
    assert type(failure(server_config.connection().receive, spec)) is errors.UnexpectedMessage
    server, raw = keyed(server_config)
    server.receive(spec)
    assert type(failure(server.receive, b"\x14\x03\x03\x00\x01\x02")) is errors.UnexpectedMessage
    server, raw = keyed(server_config)
    raw.finished()
    server.receive(raw.wire() + spec)
    assert type(failure(server.read)) is errors.UnexpectedMessage


def test_hello_without_extensions_block_is_an_old_client(server_config):
    server, raw = server_config.replace(versions="1.3").connection(), RawClient()
    octets = encode(ClientHello(0x0303, bytes(32), b"", (0xC02F,), b"\0", Extensions()))[:-2]
    raw.send(octets[:1] + (len(octets) - 4).to_bytes(3, "big") + octets[4:])
    refuses(server, raw, errors.ProtocolVersionError)


# -- record sizes ------------------------------------------------------------------------------------------------------


def lengths(wire):
    """The lengths of the records of `wire`, by type."""
    found, at = [], 0
    while at < len(wire):
        found.append((wire[at], int.from_bytes(wire[at + 3 : at + 5], "big")))
        at += 5 + found[-1][1]
    return found


@pytest.mark.parametrize(("code", "octets"), [(1, 512), (2, 1024), (3, 2048), (4, 4096)])
def test_max_fragment_length_is_honoured_in_tls13_too(server_config, code, octets):
    """RFC 6066 4: the server answers in EncryptedExtensions, and MUST immediately begin fragmenting messages."""
    server, raw = server_config.connection(), RawClient()
    server.receive(raw.hello(raw.hello_message(MaxFragmentLength(code))).wire())
    flight = server.data_to_send()
    # Behind the content there are its type and the tag.
    assert max(length for kind, length in lengths(flight) if kind == 23) <= octets + 17
    found = raw.take_flight(flight)
    assert found[0].extensions.get(MaxFragmentLength) == MaxFragmentLength(code)
    server.receive(raw.finished().wire())
    raw.complete()
    server.events()
    server.data_to_send()
    server.write(bytes(3 * octets))
    assert lengths(server.data_to_send()) == [(23, octets + 17)] * 3
    raw.layer.write(bytes(octets + 1))
    server.receive(raw.wire())
    assert type(failure(server.read)) is errors.RecordOverflow


def test_record_size_limit_goes_before_max_fragment_length_in_tls13(server_config):
    """RFC 8449 5: a server that knows record_size_limit MUST ignore max_fragment_length beside it."""
    server, raw = server_config.connection(), RawClient()
    server.receive(raw.hello(raw.hello_message(MaxFragmentLength(1), RecordSizeLimit(2000))).wire())
    (extensions, *_) = raw.take_flight(server.data_to_send())
    assert MaxFragmentLength not in extensions.extensions
    assert RecordSizeLimit in extensions.extensions
