"""A real server of the legacy tier against clients that get one thing wrong: the alert of the RFC, no connection, and
for RSA key exchange nothing that tells one failure from another."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support import standing
from tests.support.certificates import make_ca, make_key
from tests.support.legacy import VERSIONS, issued, quiet, server, tier
from tests.support.peers import failure
from tests.support.peers_legacy import RSA_CBC, TLS11, TLS12, RawLegacyClient
from tests.support.standing import NAME
from tlscore import ServerConfig, _core, danger, errors
from tlscore.iana import CipherSuite, NamedGroup
from tlscore.version_settings import TLS10, version_code
from tlscore.wire import (
    EcPointFormats,
    ExtendedMainSecret,
    Finished12,
    MaxFragmentLength,
    RenegotiationInfo,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersions,
    encode,
    encode_struct,
)
from tlscore.wire.messages_legacy import (
    ClientEcdhPublic,
    ClientKeyExchangeBody,
    EncryptedPremaster,
    ServerEcdhParams,
    ServerKeyExchangeBody,
    decode_first,
)

ECDHE_CBC = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
DHE_CBC = "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"
EVERY = tier(suites=(RSA_CBC, ECDHE_CBC, DHE_CBC))


def refuses(end: Any, raw: Any, expected: type[errors.AlertError]) -> errors.AlertError:
    """The server dies of what the raw client has queued, with this error and its alert."""
    error = failure(end.receive, raw.wire())
    assert type(error) is expected, error
    assert error.alert_sent == expected.alert
    assert not end.handshake_complete
    assert end.error is error
    return error


def fresh(name: str = RSA_CBC, version: int = TLS11, legacy: Any = EVERY, **settings: Any) -> Any:
    return server(legacy, "rsa2048", **settings).connection(), RawLegacyClient(version, name)


def greeted(name: str = RSA_CBC, version: int = TLS11, **settings: Any) -> Any:
    end, raw = fresh(name, version, **settings)
    end.receive(raw.hello().wire())
    raw.take_flight(end.data_to_send())
    return end, raw


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [RSA_CBC, ECDHE_CBC, DHE_CBC])
def test_honest_raw_client_is_accepted(version: str, name: str) -> None:
    end, raw = greeted(name, version_code(version))
    end.receive(raw.flight().wire())
    raw.complete(end.data_to_send())
    assert end.handshake_complete
    raw.layer.write(b"data")
    end.receive(raw.wire())
    assert standing.everything(end) == b"data"


# -- ClientHello -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"legacy_version": 0x0300}, errors.ForbiddenProtocol),
        ({"legacy_version": 0x0002}, errors.ForbiddenProtocol),
        ({"legacy_compression_methods": b"\1"}, errors.IllegalParameter),
        ({"cipher_suites": (0x000A, 0x0005, 0x0003)}, errors.HandshakeFailure),
        ({"cipher_suites": (0x009C,)}, errors.HandshakeFailure),
        ({"cipher_suites": (0x1301,)}, errors.HandshakeFailure),
        ({"cipher_suites": (0x0034, 0xC018)}, errors.HandshakeFailure),
    ],
)
def test_server_checks_the_fields_of_the_client_hello(fields: Any, expected: Any) -> None:
    """Rows 2, 6, 15 and 16: no compression, no 3DES, RC4 or EXPORT; S21: nothing of TLS 1.2 in TLS 1.1; S60: nobody
    anonymous."""
    end, raw = fresh()
    raw.send(raw.hello_message(**fields))
    refuses(end, raw, expected)


@pytest.mark.parametrize(
    ("values", "drop", "expected"),
    [
        ((), (ExtendedMainSecret.code,), errors.HandshakeFailure),
        ((RenegotiationInfo(b"x" * 12),), (), errors.HandshakeFailure),
        ((EcPointFormats((1,)),), (), errors.IllegalParameter),
        ((SupportedVersions((0x0304, 0x0300)),), (), errors.ProtocolVersionError),
        ((SupportedVersions((0x0300,)),), (), errors.ForbiddenProtocol),
    ],
)
def test_server_checks_the_extensions_of_the_client_hello(values: Any, drop: Any, expected: Any) -> None:
    end, raw = fresh()
    raw.send(raw.hello_message(*values, drop=drop))
    refuses(end, raw, expected)


def test_list_of_versions_goes_before_the_number() -> None:
    """RFC 9846 4.3.1: with the extension servers MUST use it alone, so the C! cells of the matrix become S!."""
    end, raw = fresh(legacy=tier(versions="1.1", suites=(RSA_CBC,)))
    raw.send(raw.hello_message(SupportedVersions((0x0304, 0x0303)), legacy_version=TLS12))
    text = str(refuses(end, raw, errors.ProtocolVersionError))
    assert "the client offers TLSv1.3, TLSv1.2, the server accepts TLSv1.1" in text
    other, raw = fresh()
    raw.send(raw.hello_message(SupportedVersions((0x0302, 0x0301)), legacy_version=TLS12))
    other.receive(raw.wire())
    assert other.data_to_send()[9:11] == b"\x03\x02"


@pytest.mark.parametrize("number", [0x0304, 0x0305, 0x03FF, 0x0403])
def test_number_above_ours_is_answered_with_our_best(number: int) -> None:
    """RFC 5246 E.1: it MUST reply according to the highest version supported by the server."""
    end, raw = fresh(legacy=tier(versions=("1.0", "1.1"), suites=(RSA_CBC,)))
    raw.number = number
    end.receive(raw.hello().wire())
    raw.take_flight(end.data_to_send())
    assert raw.version == TLS11
    end.receive(raw.flight().wire())
    raw.complete(end.data_to_send())
    assert end.handshake_complete


@pytest.mark.parametrize("version", [TLS10, TLS11, TLS12])
def test_server_marks_its_random_where_it_could_do_better(version: int) -> None:
    """RFC 9846 4.2.3: TLS 1.2 servers set the last 8 octets of their random below TLS 1.2."""
    for versions, best in ((VERSIONS, TLS12), (("1.0", "1.1"), TLS11)):
        if version <= best:
            _, raw = greeted(version=version, legacy=tier(versions=versions, suites=(RSA_CBC,)))
            expected = best == TLS12 and version < TLS12
            assert (raw.server_random[-8:] == b"DOWNGRD\x00") is expected


@pytest.mark.parametrize(("versions", "refused"), [(VERSIONS, True), (("1.0", "1.1"), False)])
def test_fallback_signal(versions: Any, refused: bool) -> None:
    """Row 21 of the attacks, RFC 7507 3: a fatal inappropriate_fallback where the server could do better."""
    end, raw = fresh(legacy=tier(versions=versions, suites=(RSA_CBC,)))
    raw.send(raw.hello_message(cipher_suites=(raw.suite, CipherSuite.TLS_FALLBACK_SCSV)))
    if refused:
        refuses(end, raw, errors.InappropriateFallback)
        return
    end.receive(raw.wire())
    assert end.error is None


@pytest.mark.parametrize("version", [0x0300, TLS10, TLS11])
def test_fallback_signal_without_a_version_in_common(version: int) -> None:
    """RFC 7507 3: "the server MUST respond with a fatal inappropriate_fallback alert", with any version in it."""
    end, raw = fresh(legacy=tier(versions="1.2", suites=(RSA_CBC,)))
    suites = (raw.suite, CipherSuite.TLS_FALLBACK_SCSV)
    raw.send(raw.hello_message(legacy_version=version, cipher_suites=suites))
    refuses(end, raw, errors.InappropriateFallback)


@pytest.mark.parametrize("name", [RSA_CBC, ECDHE_CBC, DHE_CBC])
def test_handshake_data_behind_the_client_hello_is_refused(name: str) -> None:
    """RFC 5246 7.4.1.2: "After sending the ClientHello message, the client waits for a ServerHello message." """
    end, raw = fresh(name)
    raw.send(encode(raw.hello_message()) + encode(ClientKeyExchangeBody(bytes(34))))
    refuses(end, raw, errors.UnexpectedMessage)


@pytest.mark.parametrize("name", [RSA_CBC, ECDHE_CBC])
def test_client_key_exchange_ahead_of_the_server_hello_counts_in_its_turn(name: str) -> None:
    """In a record of its own it is read when its turn comes: a client may know the server's certificate, or share, and
    gains nothing, as Finished covers the server's random."""
    end, raw = fresh(name)
    share: Any = None
    if name == RSA_CBC:
        spki = issued("rsa2048").certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        encrypted, shared = _core.SharedSecret.rsa_premaster(raw.number, spki)
        early = ClientKeyExchangeBody(encode_struct(EncryptedPremaster(encrypted)))
    else:
        share = _core.KeyShare.generate(NamedGroup.x25519)
        early = ClientKeyExchangeBody(encode_struct(ClientEcdhPublic(share.public)))
    end.receive(raw.hello().wire() + raw.send(early, hidden=True).wire())
    found = raw.take_flight(end.data_to_send())
    if share is not None:
        body = next(one.body for one in found if isinstance(one, ServerKeyExchangeBody))
        shared = share.complete(decode_first(ServerEcdhParams, body)[0].public)
    raw.transcript.add(encode(early))
    raw.derive(shared, raw.extended)
    assert not end.handshake_complete
    end.receive(raw.change().finished().wire())
    assert end.handshake_complete
    raw.complete(end.data_to_send())


@pytest.mark.parametrize("name", [RSA_CBC, ECDHE_CBC])
def test_records_ahead_of_the_server_hello_are_held_to_their_turn(name: str) -> None:
    """RFC 5246 7.3: a message out of its order is unexpected_message, when it came makes no difference."""
    for behind in (
        lambda raw: raw.send(raw.hello_message()).wire(),
        lambda raw: raw.send(Finished12(bytes(12))).wire(),
        lambda raw: b"\x14\x03\x02\x00\x01\x01",
    ):
        end, raw = fresh(name)
        error = failure(end.receive, raw.hello().wire() + behind(raw))
        assert type(error) is errors.UnexpectedMessage
        assert raw.alert(end.data_to_send()) == errors.UnexpectedMessage.alert
        assert not end.handshake_complete


def test_silent_server_says_nothing() -> None:
    """S24, S34: on_reject="silent" closes without an alert where the version is refused."""
    end, raw = fresh(legacy=tier(versions="1.2", suites=(RSA_CBC,)), on_reject="silent")
    error = failure(end.receive, raw.hello().wire())
    assert type(error) is errors.ProtocolVersionError
    assert error.alert_sent is None
    assert end.data_to_send() == b""


def test_client_without_extensions_is_served_where_that_is_allowed() -> None:
    """A client of 1999: no extension at all; both requirements must be given up by name."""
    end, raw = fresh(require_extended_main_secret=False, version=TLS10)
    body = b"\x03\x01" + raw.client_random + b"\0\0\2" + raw.suite.to_bytes(2, "big") + b"\1\0"
    raw.send(b"\x01" + len(body).to_bytes(3, "big") + body)
    end.receive(raw.wire())
    raw.take_flight(end.data_to_send())
    assert (raw.extended, raw.etm) == (False, False)
    end.receive(raw.flight().wire())
    raw.complete(end.data_to_send())
    assert end.handshake_complete
    with pytest.raises(errors.UsageError):
        end.export_keying_material("EXPORTER-test", None, 16)


@pytest.mark.parametrize("name", [RSA_CBC, ECDHE_CBC])
def test_max_fragment_length_is_honoured(name: str) -> None:
    """RFC 6066 4, under CBC: the limit is on what a record holds, not on what it costs."""
    end, raw = fresh(name)
    end.receive(raw.hello(raw.hello_message(MaxFragmentLength(1))).wire())
    raw.take_flight(end.data_to_send())
    assert MaxFragmentLength in raw.server_hello.extensions
    end.receive(raw.flight().wire())
    raw.complete(end.data_to_send())
    end.write(standing.pattern(2000))
    # IV, 512 octets and their padding, MAC.
    assert [len(record) for record in standing.records_of(end.data_to_send())][:3] == [5 + 16 + 528 + 20] * 3


# -- groups ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "served"),
    [
        ((NamedGroup.ffdhe2048,), True),
        ((NamedGroup.ffdhe2048, 0x01FF), True),
        ((NamedGroup.secp256r1,), True),
        ((0x01FF,), False),
        ((NamedGroup.ffdhe8192, NamedGroup.secp256r1), False),
    ],
)
def test_finite_field_follows_the_clients_list(groups: tuple[int, ...], served: bool) -> None:
    """RFC 7919 4: any FFDHE code in the list, even an unknown one, binds the server; without one it chooses. Where
    nothing else is left it MUST end with insufficient_security(71)."""
    end, raw = fresh(DHE_CBC)
    raw.send(raw.hello_message(SupportedGroups(groups)))
    if not served:
        refuses(end, raw, errors.InsufficientSecurity)
        return
    end.receive(raw.wire())
    raw.take_flight(end.data_to_send())
    end.receive(raw.flight().wire())
    assert end.group == "ffdhe2048"


def test_suite_without_finite_fields_is_selected_instead() -> None:
    """RFC 7919 4: the server SHOULD select an acceptable non-FFDHE cipher suite from the client's offered list."""
    end, raw = fresh(DHE_CBC)
    both = (raw.suite, 0x002F)
    raw.send(raw.hello_message(SupportedGroups((0x01FF,)), cipher_suites=both))
    end.receive(raw.wire())
    raw.take_flight(end.data_to_send())
    assert raw.suite == 0x002F


def test_every_connection_has_its_own_finite_field_share() -> None:
    """Rows 14 and 26 of the attacks (Raccoon): no share is used twice."""
    config, shares = server(EVERY, "rsa2048"), set()
    for _ in range(8):
        raw = RawLegacyClient(TLS11, DHE_CBC)
        end = config.connection()
        end.receive(raw.hello().wire())
        found = raw.take_flight(end.data_to_send())
        shares.add(next(one.body for one in found if type(one).__name__ == "ServerKeyExchangeBody")[:600])
    assert len(shares) == 8


@pytest.mark.parametrize("value", [0, 1, -1, -2])
def test_public_value_outside_the_group_is_refused(value: int) -> None:
    """Row 7 of the attacks, RFC 7919 4: the server MUST verify that 1 < dh_Yc < dh_p - 1 (-1: p - 1, -2: p)."""
    end, raw = greeted(DHE_CBC)
    p = int.from_bytes(_core.DheShare.generate(NamedGroup.ffdhe2048).p, "big")
    public = {0: 0, 1: 1, -1: p - 1, -2: p}[value].to_bytes(256, "big")
    raw.send(ClientKeyExchangeBody(len(public).to_bytes(2, "big") + public))
    refuses(end, raw, errors.HandshakeFailure)


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\0", b"\1", b"\0\2x", b"\0\1xx"])
@pytest.mark.parametrize("name", [RSA_CBC, ECDHE_CBC, DHE_CBC])
def test_malformed_key_exchange_is_a_decode_error(name: str, body: bytes) -> None:
    end, raw = greeted(name)
    raw.send(ClientKeyExchangeBody(body))
    error = failure(end.receive, raw.wire()) if not (name == RSA_CBC and body == b"\0\0") else None
    if error is None:
        # An empty ciphertext is a ciphertext: nothing is said about it before Finished.
        end.receive(raw.wire())
        assert end.error is None
        return
    assert type(error) in (errors.DecodeError, errors.IllegalParameter), error


# -- RSA key exchange --------------------------------------------------------------------------------------------------


def bad_ciphertexts() -> dict[str, bytes]:
    """What an attacker sends who looks for an oracle: every kind of block that is wrong, and what is no block."""
    numbers = issued("rsa2048").key.public_key().public_numbers()
    octets = 256

    def raw_block(block: bytes) -> bytes:
        return pow(int.from_bytes(block, "big"), numbers.e, numbers.n).to_bytes(octets, "big")

    def padded(start: bytes, message: bytes) -> bytes:
        filling = bytes(0x5A for _ in range(octets - len(start) - 1 - len(message)))
        return raw_block(start + filling + b"\0" + message)

    secret = b"\x03\x02" + bytes(46)
    return {
        "right, but of another version": padded(b"\0\2", b"\x03\x03" + bytes(46)),
        "version of SSLv3": padded(b"\0\2", b"\x03\x00" + bytes(46)),
        "47 octets": padded(b"\0\2", secret[:-1]),
        "49 octets": padded(b"\0\2", secret + b"\0"),
        "no octets": padded(b"\0\2", b""),
        "block type 1": padded(b"\0\1", secret),
        "block type 0": padded(b"\0\0", secret),
        "first octet 1": padded(b"\1\2", secret),
        "no separator": raw_block(b"\0\2" + b"\x5a" * (octets - 2)),
        "separator too early": raw_block(b"\0\2\x5a\0" + b"\x5a" * (octets - 52) + secret),
        "zero": bytes(octets),
        "one": bytes(octets - 1) + b"\1",
        "the modulus": numbers.n.to_bytes(octets, "big"),
        "above the modulus": b"\xff" * octets,
        "one octet short": padded(b"\0\2", secret)[1:],
        "one octet long": b"\0" + padded(b"\0\2", secret),
        "empty": b"",
        "one octet": b"\7",
        "random": _core.random_bytes(octets),
    }


BAD = bad_ciphertexts()


def answer_to(ciphertext: bytes, version: int = TLS11, finished: bool = True) -> tuple[Any, ...]:
    """Everything that a client can see of a server that got this ciphertext."""
    end, raw = greeted(version=version)
    raw.send(ClientKeyExchangeBody(len(ciphertext).to_bytes(2, "big") + ciphertext))
    end.receive(raw.wire())
    before = (type(end._state).__name__, end.data_to_send(), end.error)
    # The keys are anybody's guess.
    _, guessed = _core.SharedSecret.rsa_premaster(version, _spki())
    raw.derive(guessed, raw.extended)
    raw.change()
    if finished:
        raw.finished()
    error = failure(end.receive, raw.wire())
    return (*before, type(error), str(error), error.alert_sent, end.data_to_send(), [code for code, _ in end.trace])


def _spki() -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = issued("rsa2048").key.public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("version", [TLS10, TLS11, TLS12])
def test_no_ciphertext_is_told_from_another(version: int) -> None:
    """Rows 12 and 13 of the attacks (Bleichenbacher, ROBOT, DROWN): no alert before Finished, whatever is wrong; then
    the same one. RFC 5246 7.4.7.1: a TLS server MUST NOT generate an alert if processing fails, or the version number
    is not as expected."""
    seen = {name: answer_to(ciphertext, version) for name, ciphertext in BAD.items()}
    assert len(set(map(repr, seen.values()))) == 1, {name: value[3:6] for name, value in seen.items()}
    state, sent, before, kind, *_ = seen["random"]
    assert (state, sent, before) == ("ExpectLegacyClientFinished", b"", None)
    assert kind is errors.BadRecordMac


def test_right_ciphertext_with_a_wrong_version_fails_at_finished_alone() -> None:
    """RFC 5246 7.4.7.1: the version inside is checked (against rollback), and its failure says nothing."""
    end, raw = greeted()
    raw.key_exchange(number=TLS12)
    end.receive(raw.wire())
    assert end.error is None
    error = failure(end.receive, raw.change().finished().wire())
    assert type(error) is errors.BadRecordMac


def test_decryptor_gives_a_secret_for_every_ciphertext() -> None:
    """Its constant time is shown in the Rust crate; here, that nothing but a secret ever comes out of it."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = issued("rsa2048").key
    decryptor = _core.RsaDecryptor(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    good = _core.SharedSecret.rsa_premaster(TLS11, _spki())[0]
    for ciphertext in (good, *BAD.values()):
        assert type(decryptor.decrypt(ciphertext, TLS11)) is _core.SharedSecret


def test_long_ciphertexts_are_as_dead_as_short_ones() -> None:
    end, raw = greeted()
    raw.send(ClientKeyExchangeBody((60_000).to_bytes(2, "big") + bytes(60_000)))
    end.receive(raw.wire())
    assert end.error is None


# -- the client's certificate ------------------------------------------------------------------------------------------


def asked(version: int = TLS11, name: str = RSA_CBC, key: str = "rsa2048", **settings: Any) -> Any:
    end = server(EVERY, "rsa2048", mutual=True, **settings).connection()
    raw = RawLegacyClient(version, name, issued(key))
    end.receive(raw.hello().wire())
    raw.take_flight(end.data_to_send())
    return end, raw


@pytest.mark.parametrize("version", [TLS10, TLS11, TLS12])
@pytest.mark.parametrize("key", ["rsa2048", "p256"])
def test_honest_client_certificate_is_accepted(version: int, key: str) -> None:
    end, raw = asked(version, key=key)
    raw.certificate()
    raw.key_exchange().certificate_verify().change().finished()
    end.receive(raw.wire())
    raw.complete(end.data_to_send())
    assert end.authenticated


@pytest.mark.parametrize("version", [TLS10, TLS11, TLS12])
def test_certificate_without_proof_is_refused(version: int) -> None:
    """Row 47 of the attacks: a certificate counts with its CertificateVerify alone."""
    end, raw = asked(version)
    raw.certificate()
    raw.key_exchange().change().finished()
    refuses(end, raw, errors.UnexpectedMessage)


@pytest.mark.parametrize("version", [TLS10, TLS11, TLS12])
@pytest.mark.parametrize("wrong", ["key", "content"])
def test_wrong_proof_is_a_decrypt_error(version: int, wrong: str) -> None:
    end, raw = asked(version)
    raw.certificate()
    raw.key_exchange()
    raw.certificate_verify(**{wrong: make_key("rsa2048#1") if wrong == "key" else b"another handshake"})
    refuses(end, raw, errors.DecryptError)


@pytest.mark.parametrize("scheme", [0x0201, 0x0101])
def test_sha1_and_md5_prove_nothing_in_tls12(scheme: int) -> None:
    """Row 9 of the attacks."""
    from tlscore.wire import encode_struct
    from tlscore.wire.messages_legacy import CertificateVerifyBody, Signed12

    end, raw = asked(TLS12)
    raw.certificate()
    raw.key_exchange()
    if scheme == 0x0201:
        raw.certificate_verify(scheme)
    else:
        raw.send(CertificateVerifyBody(encode_struct(Signed12(scheme, b"s" * 256))))
    refuses(end, raw, errors.IllegalParameter)


def test_missing_certificate_is_handshake_failure() -> None:
    end, raw = asked()
    raw.certificate(())
    refuses(end, raw, errors.HandshakeFailure)


def test_foreign_certificate_is_refused() -> None:
    end, raw = asked()
    raw.identity = make_ca("Nobody").issue(NAME, key="rsa2048")
    raw.certificate()
    refuses(end, raw, errors.UnknownCa)


def test_key_of_tls13_alone_is_refused() -> None:
    end, raw = asked()
    raw.identity = standing.authority().issue(NAME, key="ed25519")
    raw.certificate()
    refuses(end, raw, errors.UnsupportedCertificate)


def test_authorize_is_asked_in_the_tier_too() -> None:
    end, raw = asked(authorize=lambda peer: False)
    raw.certificate()
    raw.key_exchange().certificate_verify()
    refuses(end, raw, errors.AccessDenied)


# -- Finished and later ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [RSA_CBC, ECDHE_CBC, DHE_CBC])
@pytest.mark.parametrize("version", [TLS10, TLS11, TLS12])
def test_wrong_finished_is_a_decrypt_error(version: int, name: str) -> None:
    end, raw = greeted(name, version)
    raw.key_exchange().change().finished(bytes(12))
    refuses(end, raw, errors.DecryptError)


def test_finished_in_the_clear_is_refused() -> None:
    end, raw = greeted()
    raw.key_exchange().finished()
    refuses(end, raw, errors.UnexpectedMessage)


def test_data_before_finished_is_refused() -> None:
    end, raw = greeted()
    raw.key_exchange().change()
    # A record layer opens with keys for both directions.
    raw.secret.expect_read(raw.layer)
    raw.feed(b"\x14\x03\x02\x00\x01\x01")
    raw.pull()
    raw.layer._open()
    raw.layer.write(b"early")
    refuses(end, raw, errors.UnexpectedMessage)


def test_renegotiation_is_answered_with_a_warning_and_ignored() -> None:
    """Row 11 of the attacks (CVE-2009-3555)."""
    end, raw = greeted()
    end.receive(raw.flight().wire())
    raw.complete(end.data_to_send())
    raw.hello(raw.hello_message(RenegotiationInfo(b"x" * 12)))
    end.receive(raw.wire())
    end.events()
    assert raw.alert(end.data_to_send()) == 100
    raw.layer.write(b"still here")
    end.receive(raw.wire())
    assert standing.everything(end) == b"still here"


def test_every_truncated_client_hello_is_refused_at_once() -> None:
    config = server(EVERY, "rsa2048")
    whole = RawLegacyClient().hello().messages[4:]
    # Without its extensions it is a ClientHello too, of a client that knows no extended main secret.
    for octets in range(len(whole)):
        raw, end = RawLegacyClient(), config.connection()
        raw.send(b"\x01" + octets.to_bytes(3, "big") + whole[:octets])
        assert isinstance(failure(end.receive, raw.wire()), errors.AlertError), octets


def test_anonymous_server_asks_nobody() -> None:
    only = tier(versions="1.1", suites=("TLS_ECDH_anon_WITH_AES_128_CBC_SHA",))
    end = quiet(ServerConfig.encryption_only, danger.accept_any_peer, legacy=only).connection()
    raw = RawLegacyClient(TLS11, "TLS_ECDH_anon_WITH_AES_128_CBC_SHA")
    end.receive(raw.hello().wire())
    found = [type(one).__name__ for one in raw.take_flight(end.data_to_send())]
    assert found == ["ServerHello12", "ServerKeyExchangeBody", "ServerHelloDone"]
    end.receive(raw.flight().wire())
    raw.complete(end.data_to_send())
    assert end.handshake_complete
    assert not end.authenticated


def test_schemes_of_the_client_bind_the_server_in_tls12() -> None:
    end, raw = fresh(ECDHE_CBC, TLS12)
    raw.send(raw.hello_message(SignatureAlgorithms((0x0403,))))
    refuses(end, raw, errors.HandshakeFailure)
