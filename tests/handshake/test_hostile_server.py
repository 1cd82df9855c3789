"""A real client against servers that get one thing wrong: the alert of the RFC, and never a connection."""

import pytest

from tests.support.certificates import make_key
from tests.support.peers import ALL_SCHEMES, RawServer, failure, replaced
from tlscore import ClientConfig, Identity, danger, errors
from tlscore._core import KeyShare, random_bytes
from tlscore.certs.revocation.policy import Revocation
from tlscore.iana import NamedGroup, SignatureScheme
from tlscore.wire import (
    Alpn,
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateStatus,
    CertificateVerify,
    Cookie,
    EarlyDataIndication,
    EncryptedExtensions,
    Extensions,
    Finished,
    KeyShareEntry,
    KeyShareServerHello,
    MaxFragmentLength,
    PreSharedKeyServerHello,
    RecordSizeLimit,
    SelectedVersion,
    ServerName,
    SignatureAlgorithms,
    SupportedGroups,
    UnknownExtension,
    decode,
    encode,
)

X25519, P256 = NamedGroup.x25519, NamedGroup.secp256r1
V13 = SelectedVersion(0x0304)


def refuses(client, raw, expected):
    """The client dies of what the raw server has queued, with this error and its alert."""
    error = failure(client.receive, raw.wire())
    assert type(error) is expected, error
    assert error.sender == "us"
    assert error.alert_sent == expected.alert
    assert raw.alert(client.data_to_send()) == expected.alert
    assert not client.handshake_complete
    assert client.error is error
    return error


@pytest.fixture
def client(client_config):
    return client_config.connection("example.org")


# -- ServerHello -------------------------------------------------------------------------------------------------------


def test_honest_raw_server_is_accepted(client, issued):
    raw = RawServer(issued, client).flight()
    client.receive(raw.wire())
    assert client.handshake_complete
    raw.complete(client.data_to_send())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"legacy_session_id_echo": b""}, errors.IllegalParameter),
        ({"legacy_session_id_echo": bytes(32)}, errors.IllegalParameter),
        ({"cipher_suite": 0x1304}, errors.IllegalParameter),
        ({"cipher_suite": 0xC02F}, errors.IllegalParameter),
        ({"cipher_suite": 0x2A2A}, errors.IllegalParameter),
        ({"legacy_compression_method": 1}, errors.IllegalParameter),
        ({"legacy_version": 0x0304}, errors.ProtocolVersionError),
        ({"legacy_version": 0x0302}, errors.ProtocolVersionError),
    ],
    ids=str,
)
def test_client_checks_the_fields_of_the_server_hello(client, issued, fields, expected):
    raw = RawServer(issued, client)
    raw.send(raw.hello_message(**fields))
    refuses(client, raw, expected)


SHARE = KeyShareServerHello(KeyShareEntry(X25519, bytes(range(32))))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((SelectedVersion(0x0303), SHARE), errors.IllegalParameter),
        ((SelectedVersion(0x0305), SHARE), errors.IllegalParameter),
        ((SelectedVersion(0x7F1C), SHARE), errors.IllegalParameter),
        ((V13,), errors.MissingExtension),
        ((SHARE,), errors.ProtocolVersionError),
        ((), errors.ProtocolVersionError),
        ((V13, SHARE, PreSharedKeyServerHello(0)), errors.UnsupportedExtension),
        ((V13, SHARE, UnknownExtension(0x7777, b"")), errors.UnsupportedExtension),
        ((V13, SHARE, Cookie(b"c")), errors.IllegalParameter),
        ((V13, SHARE, Alpn((b"h2",))), errors.IllegalParameter),
        ((V13, KeyShareServerHello(KeyShareEntry(P256, b"\x04" + bytes(64)))), errors.IllegalParameter),
        ((V13, KeyShareServerHello(KeyShareEntry(0x1A1A, b"\0"))), errors.IllegalParameter),
    ],
    ids=str,
)
def test_client_checks_the_extensions_of_the_server_hello(client_config, issued, values, expected):
    client = client_config.replace(versions="1.3").connection("example.org")
    raw = RawServer(issued, client)
    raw.send(raw.hello_message(extensions=Extensions(values)))
    refuses(client, raw, expected)


@pytest.mark.parametrize("sentinel", [b"DOWNGRD\x01", b"DOWNGRD\x00"])
def test_client_sees_the_downgrade_sentinel(client, issued, sentinel):
    raw = RawServer(issued, client)
    raw.send(raw.hello_message(random=bytes(24) + sentinel, cipher_suite=0xC02F, extensions=Extensions()))
    assert refuses(client, raw, errors.IllegalParameter).code == "TLS-DOWNGRADE"


def test_client_names_the_version_of_an_old_server(client_config, issued):
    client = client_config.replace(versions="1.3").connection("example.org")
    raw = RawServer(issued, client)
    raw.send(raw.hello_message(cipher_suite=0xC02F, extensions=Extensions([UnknownExtension(0xFF01, b"\0")])))
    text = str(refuses(client, raw, errors.ProtocolVersionError))
    assert "TLSv1.2" in text
    assert "TLSv1.3" in text


def test_sentinel_in_a_tls13_server_hello_means_nothing(client, issued):
    raw = RawServer(issued, client)
    raw.hello(raw.hello_message(random=bytes(24) + b"DOWNGRD\x01")).encrypted_extensions()
    raw.certificate().certificate_verify()
    raw.finished()
    client.receive(raw.wire())
    assert client.handshake_complete


BAD_SHARES = {
    "x25519": [bytes(32), b"\x01" + bytes(31), bytes(31), bytes(33), b"\xec" + b"\xff" * 30 + b"\x7f"],
    "secp256r1": [
        b"\x04" + bytes(64),
        b"\x04" + b"\x01" * 64,
        b"\x02" + b"\x01" * 32,
        b"\x00",
        b"\x04" + b"\xff" * 64,
        b"\x04" + bytes(63),
    ],
    "secp384r1": [b"\x04" + b"\x01" * 96, b"\x00"],
    "secp521r1": [b"\x04" + b"\x01" * 132, b"\x00"],
    "X25519MLKEM768": [bytes(1088 + 32), bytes(1119), bytes(1121), b"\x01"],
    "SecP256r1MLKEM768": [bytes(65 + 1088), b"\x04" + b"\x01" * (64 + 1088), b"\x01"],
    "SecP384r1MLKEM1024": [bytes(97 + 1568), b"\x01"],
    "MLKEM768": [bytes(1087), bytes(1089), b"\x01"],
    "MLKEM1024": [bytes(1567), b"\x01"],
}


@pytest.mark.parametrize(
    ("group", "share"), [(group, share) for group, shares in BAD_SHARES.items() for share in shares]
)
def test_client_refuses_an_invalid_share(trust, issued, group, share):
    client = ClientConfig.simple(trust, groups=(group,)).connection("example.org")
    raw = RawServer(issued, client)
    raw.send(raw.hello_message(group=NamedGroup.code_of(group), public=share))
    assert refuses(client, raw, errors.IllegalParameter).code == "TLS-BAD_KEY_SHARE"


def test_octets_behind_the_server_hello_in_its_record_are_refused(client, issued):
    """Messages may not span a change of keys."""
    raw = RawServer(issued, client)
    raw.send(encode(raw.hello_message()) + encode(EncryptedExtensions(Extensions())))
    refuses(client, raw, errors.UnexpectedMessage)


# -- EncryptedExtensions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((Alpn((b"h2",)),), errors.UnsupportedExtension),
        ((UnknownExtension(0x7777, b""),), errors.UnsupportedExtension),
        ((RecordSizeLimit(1000),), errors.UnsupportedExtension),
        ((EarlyDataIndication(),), errors.UnsupportedExtension),
        ((MaxFragmentLength(1),), errors.UnsupportedExtension),
        ((UnknownExtension(0x0A0A, b""),), errors.UnsupportedExtension),
        ((UnknownExtension(51, b"\0\x1d"),), errors.IllegalParameter),
        ((UnknownExtension(43, b"\3\4"),), errors.IllegalParameter),
        ((UnknownExtension(0, b"\0\4\0\0\1a"),), errors.DecodeError),
    ],
    ids=str,
)
def test_client_checks_encrypted_extensions(client, issued, values, expected):
    raw = RawServer(issued, client).hello()
    raw.encrypted_extensions(*values)
    refuses(client, raw, expected)


def test_client_ignores_the_servers_groups_and_takes_the_answered_name(client, issued):
    raw = RawServer(issued, client).hello().encrypted_extensions(SupportedGroups((P256,)), ServerName())
    raw.certificate().certificate_verify()
    raw.finished()
    client.receive(raw.wire())
    assert client.handshake_complete


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((Alpn((b"imap",)),), errors.IllegalParameter),
        ((Alpn((b"h2", b"http/1.1")),), errors.DecodeError),
        ((RecordSizeLimit(63),), errors.IllegalParameter),
        ((RecordSizeLimit(16386),), errors.IllegalParameter),
    ],
    ids=str,
)
def test_client_checks_answers_to_what_it_offered(trust, issued, values, expected):
    config = ClientConfig.simple(trust, alpn=("h2", "http/1.1"), record_size_limit=1000, groups=("x25519",))
    client = config.connection("example.org")
    raw = RawServer(issued, client).hello()
    raw.encrypted_extensions(*values)
    refuses(client, raw, expected)


def test_own_record_size_limit_is_enforced(trust, issued):
    client = ClientConfig.simple(trust, record_size_limit=64, groups=("x25519",)).connection("example.org")
    raw = RawServer(issued, client).hello().encrypted_extensions(RecordSizeLimit(16385))
    # One record with the whole certificate: more than 64 octets.
    raw.certificate()
    refuses(client, raw, errors.RecordOverflow)


def test_grease_extension_must_not_come_back(trust, issued):
    client = ClientConfig.simple(trust, grease=True, groups=("x25519",)).connection("example.org")
    raw = RawServer(issued, client).hello()
    grease = next(one for one in raw.client_hello.extensions if one.code & 0x0F0F == 0x0A0A)
    raw.encrypted_extensions(UnknownExtension(grease.code, b""))
    refuses(client, raw, errors.UnsupportedExtension)


# -- CertificateRequest and Certificate --------------------------------------------------------------------------------


def keyed(client, issued):
    return RawServer(issued, client).hello().encrypted_extensions()


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (CertificateRequest(b"context", Extensions([SignatureAlgorithms(ALL_SCHEMES)])), errors.IllegalParameter),
        (CertificateRequest(b"", Extensions()), errors.MissingExtension),
        (CertificateRequest(b"", Extensions([Alpn((b"h2",))])), errors.IllegalParameter),
    ],
)
def test_client_checks_the_certificate_request(client, issued, request_, expected):
    raw = keyed(client, issued)
    raw.send(request_)
    refuses(client, raw, expected)


def test_client_ignores_unknown_extensions_of_the_request(client, issued):
    raw = keyed(client, issued)
    extensions = Extensions([UnknownExtension(0x7777, b"?"), SignatureAlgorithms(ALL_SCHEMES)])
    raw.send(CertificateRequest(b"", extensions)).certificate().certificate_verify()
    raw.finished()
    client.receive(raw.wire())
    assert client.handshake_complete
    assert client.own_scheme is None


def test_client_refuses_an_empty_certificate_list(client, issued):
    raw = keyed(client, issued)
    raw.certificate(chain=())
    refuses(client, raw, errors.DecodeError)


def test_client_refuses_a_certificate_with_context(client, issued):
    raw = keyed(client, issued)
    raw.certificate(context=b"c")
    refuses(client, raw, errors.IllegalParameter)


@pytest.mark.parametrize("extension", [CertificateStatus(1, b"ocsp"), UnknownExtension(0x7777, b"")])
def test_client_refuses_unsolicited_certificate_extensions(client_config, issued, extension):
    client = client_config.replace(revocation=Revocation.off("asks for no staple")).connection("example.org")
    raw = keyed(client, issued)
    raw.send(Certificate(b"", (CertificateEntry(issued.chain_der[0], Extensions([extension])),)))
    refuses(client, raw, errors.UnsupportedExtension)


def test_client_refuses_a_staple_that_is_none(client, issued):
    raw = keyed(client, issued)
    status = Extensions([CertificateStatus(1, b"ocsp")])
    raw.send(Certificate(b"", (CertificateEntry(issued.chain_der[0], status),)))
    refuses(client, raw, errors.BadCertificateStatusResponse)


@pytest.mark.parametrize(
    ("certificate", "expected"),
    [
        ("expired", errors.CertificateExpired),
        ("unknown authority", errors.UnknownCa),
        ("wrong name", errors.BadCertificate),
        ("wrong purpose", errors.UnsupportedCertificate),
        ("garbage", errors.BadCertificate),
    ],
)
def test_client_refuses_a_bad_chain_whatever_follows(client, issued, authority, other_authority, certificate, expected):
    raw = keyed(client, issued)
    if certificate == "garbage":
        raw.certificate(chain=(b"\x30\x03\x02\x01\x01",))
    else:
        bad = {
            "expired": lambda: authority.issue("example.org", days=0.01),
            "unknown authority": lambda: other_authority.issue("example.org"),
            "wrong name": lambda: authority.issue("example.com"),
            "wrong purpose": lambda: authority.issue("example.org", usage="client"),
        }[certificate]()
        raw.certificate(chain=bad.chain_der).certificate_verify(key=bad.key)
        raw.finished()
    error = failure(client.receive, raw.wire())
    assert isinstance(error, errors.AlertError)
    assert error.alert_sent == error.alert
    if certificate == "wrong name":
        assert error.alert in (42, 43, 46)
    else:
        assert type(error) is expected
    assert raw.alert(client.data_to_send()) == error.alert
    assert not client.handshake_complete
    assert error.stage == 13


# -- CertificateVerify and Finished ------------------------------------------------------------------------------------


def certified(client, issued):
    return keyed(client, issued).certificate()


@pytest.mark.parametrize(
    "scheme",
    [
        SignatureScheme.rsa_pkcs1_sha256,
        SignatureScheme.rsa_pkcs1_sha1,
        SignatureScheme.ecdsa_sha1,
        SignatureScheme.ecdsa_secp384r1_sha384,
        SignatureScheme.ed25519,
        SignatureScheme.rsa_pss_rsae_sha256,
        SignatureScheme.rsa_pss_pss_sha256,
        0x0000,
        0x2A2A,
    ],
    ids=lambda scheme: SignatureScheme.name_of(scheme),
)
def test_client_refuses_a_scheme_that_may_not_stand_there(client, issued, scheme):
    raw = certified(client, issued)
    raw.certificate_verify(scheme=scheme)
    refuses(client, raw, errors.IllegalParameter)


def test_client_refuses_a_scheme_that_it_did_not_offer(trust, issued):
    config = ClientConfig.simple(trust, groups=("x25519",), schemes=("ed25519", "rsa_pss_rsae_sha256"))
    client = config.connection("example.org")
    raw = certified(client, issued)
    raw.certificate_verify()
    refuses(client, raw, errors.IllegalParameter)


@pytest.mark.parametrize("wrong", ["other key", "client role", "empty", "garbage", "other transcript", "bit"])
def test_client_refuses_a_wrong_signature(client, issued, wrong):
    raw = certified(client, issued)
    if wrong == "other key":
        raw.certificate_verify(key=make_key("p256"))
    elif wrong == "client role":
        raw.certificate_verify(role="client")
    elif wrong == "other transcript":
        raw.transcript.add(b"\x08\x00\x00\x02\x00\x00")
        raw.certificate_verify()
    elif wrong == "bit":
        raw.certificate_verify(scheme=0x0403, key=make_key("p256"))
    else:
        raw.send(CertificateVerify(0x0403, b"" if wrong == "empty" else random_bytes(70)))
    refuses(client, raw, errors.DecryptError)


@pytest.mark.parametrize("verify_data", [bytes(32), bytes(31), bytes(33), bytes(48), b"\0"])
def test_client_refuses_a_wrong_finished(client, issued, verify_data):
    raw = certified(client, issued).certificate_verify()
    raw.send(Finished(verify_data))
    assert refuses(client, raw, errors.DecryptError).code == "TLS-BAD_FINISHED"


def test_client_refuses_its_own_kind_of_finished(client, issued):
    raw = certified(client, issued).certificate_verify()
    raw.send(Finished(raw.schedule.finished_mac(True, raw.transcript)))
    refuses(client, raw, errors.DecryptError)


def test_server_that_skips_certificate_verify_gets_nowhere(client, issued):
    raw = certified(client, issued)
    raw.finished()
    refuses(client, raw, errors.UnexpectedMessage)


def test_server_that_skips_its_certificate_gets_nowhere(client, issued):
    raw = keyed(client, issued)
    raw.finished()
    refuses(client, raw, errors.UnexpectedMessage)


@pytest.mark.parametrize("at", range(4, 12))
def test_every_truncated_server_hello_is_a_decode_error(client, issued, at):
    raw = RawServer(issued, client)
    whole = encode(raw.hello_message())
    cut = whole[: at * 8]
    raw.send(cut[:1] + (len(cut) - 4).to_bytes(3, "big") + cut[4:])
    error = failure(client.receive, raw.wire())
    assert type(error) in (errors.DecodeError, errors.ProtocolVersionError)


def test_every_flipped_bit_of_the_server_flight_is_refused(client_config, issued):
    """Past the ServerHello all is under keys; what is flipped there is bad_record_mac, and nothing gets through."""
    client = client_config.connection("example.org")
    raw = RawServer(issued, client).flight()
    wire = raw.wire()
    first = 5 + int.from_bytes(wire[3:5], "big")
    for at in range(first + 5, len(wire), 97):
        again = client_config.connection("example.org")
        raw = RawServer(issued, again).flight()
        octets = bytearray(raw.wire())
        octets[min(at, len(octets) - 1)] ^= 0x10
        assert isinstance(failure(again.receive, bytes(octets)), errors.AlertError)
        assert not again.handshake_complete


# -- without authentication --------------------------------------------------------------------------------------------


@pytest.fixture
def careless_config():
    with pytest.warns(danger.UnauthenticatedTlsWarning):
        return ClientConfig.encryption_only(danger.accept_any_peer, groups=("x25519",))


def test_accepted_stranger_is_not_authenticated(careless_config, other_authority):
    client = careless_config.connection("example.org")
    raw = RawServer(other_authority.issue("whoever.example"), client).flight()
    client.receive(raw.wire())
    assert client.handshake_complete
    assert not client.authenticated
    assert client.peer_identity.dns_names == ("whoever.example",)
    assert any("NOT verified" in text for _, text in client.trace)


def test_even_a_stranger_must_own_its_key(careless_config, issued):
    client = careless_config.connection("example.org")
    raw = certified(client, issued)
    raw.certificate_verify(key=make_key("p256"))
    refuses(client, raw, errors.DecryptError)


def test_skipped_name_check_still_verifies_the_chain(trust, issued, other_authority):
    with pytest.warns(danger.UnauthenticatedTlsWarning):
        config = ClientConfig(authentication=danger.skip_name_check(trust, "test"), groups=("x25519",))
    client = config.connection("anything.example")
    raw = RawServer(issued, client).flight()
    client.receive(raw.wire())
    assert client.handshake_complete
    assert not client.authenticated
    client = config.connection("anything.example")
    raw = keyed(client, other_authority.issue("anything.example"))
    raw.certificate()
    refuses(client, raw, errors.UnknownCa)


# -- callbacks ---------------------------------------------------------------------------------------------------------


class _Signer:
    def __init__(self, outcome):
        self.outcome = outcome

    def sign(self, scheme, data):
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize("outcome", [RuntimeError("token gone"), None, b"", OSError("no slot")])
def test_failing_signer_is_a_general_error(trust, issued, client_issued, outcome):
    identity = Identity.from_signer(client_issued.chain_der, _Signer(outcome))
    client = ClientConfig.mutual(trust, identity=identity, groups=("x25519",)).connection("example.org")
    raw = keyed(client, issued)
    raw.send(CertificateRequest(b"", Extensions([SignatureAlgorithms(ALL_SCHEMES)]))).certificate().certificate_verify()
    raw.finished()
    error = failure(client.receive, raw.wire())
    assert isinstance(error, errors.AlertError)
    assert error.alert in (80, 117)
    if isinstance(outcome, BaseException):
        assert type(error) is errors.GeneralError
        assert error.__cause__ is outcome
    assert not client.handshake_complete


def test_failing_clock_is_a_general_error(trust, issued):
    def clock():
        raise ValueError("no time")

    client = ClientConfig.simple(trust, clock=clock, groups=("x25519",)).connection("example.org")
    raw = keyed(client, issued)
    raw.certificate()
    error = refuses(client, raw, errors.GeneralError)
    assert isinstance(error.__cause__, ValueError)


def test_fault_in_our_own_code_is_an_internal_error(client, issued, monkeypatch):
    from tlscore.handshake import client13

    def broken(*_):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(client13, "verify_server_chain", broken)
    raw = keyed(client, issued)
    raw.certificate()
    error = refuses(client, raw, errors.InternalError)
    assert isinstance(error.__cause__, ZeroDivisionError)


def test_interrupt_passes_through_and_ends_the_connection(client, issued, monkeypatch):
    from tlscore.handshake import client13

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(client13, "verify_server_chain", interrupted)
    raw = keyed(client, issued)
    raw.certificate()
    with pytest.raises(KeyboardInterrupt):
        client.receive(raw.wire())
    assert type(failure(client.receive, b"")) is errors.InternalError


def test_replaced_keeps_order():
    """The helper of these tests does what they rely on."""
    extensions = Extensions([V13, SHARE])
    assert [value.code for value in replaced(extensions, SelectedVersion(1))] == [V13.code, SHARE.code]
    assert decode(encode(EncryptedExtensions(Extensions()))) == EncryptedExtensions(Extensions())
    assert KeyShare.generate(X25519).group == X25519
