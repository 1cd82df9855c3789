"""A real client of the legacy tier against servers that get one thing wrong: the alert of the RFC, no connection."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.support import standing
from tests.support.certificates import make_key
from tests.support.legacy import VERSIONS, client, quiet, tier
from tests.support.peers import failure
from tests.support.peers_legacy import RSA_CBC, TLS11, TLS12, RawLegacyServer
from tests.support.standing import NAME
from tlscore import ClientConfig, _core, danger, errors
from tlscore.handshake.legacy_exchange import verify_signature
from tlscore.iana import NamedGroup, SignatureScheme
from tlscore.version_settings import version_code
from tlscore.wire import (
    EncryptThenMac,
    ExtendedMainSecret,
    MaxFragmentLength,
    RenegotiationInfo,
    SelectedVersion,
    SessionTicket,
    SupportedGroups,
    UnknownExtension,
)

ECDHE_CBC = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
DHE_CBC = "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"
GCM = "TLS_RSA_WITH_AES_128_GCM_SHA256"
EVERY = tier(suites=(RSA_CBC, ECDHE_CBC, DHE_CBC, GCM))
OLD = tier(versions=("1.0", "1.1"), suites=(RSA_CBC, ECDHE_CBC, DHE_CBC))


def refuses(end: Any, raw: Any, expected: type[errors.AlertError]) -> errors.AlertError:
    """The client dies of what the raw server has queued, with this error and its alert."""
    error = failure(end.receive, raw.wire())
    assert type(error) is expected, error
    assert error.alert_sent == expected.alert
    assert raw.alert(end.data_to_send()) == expected.alert
    assert not end.handshake_complete
    assert end.error is error
    return error


def fresh(name: str = RSA_CBC, version: int = TLS11, legacy: Any = EVERY, **settings: Any) -> Any:
    end = client(legacy, **settings).connection(NAME)
    return end, RawLegacyServer(end, version, name)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [RSA_CBC, ECDHE_CBC, DHE_CBC])
def test_honest_raw_server_is_accepted(version: str, name: str) -> None:
    """RFC 5246 7.4.7.1: the premaster secret holds the version that was offered, whatever was negotiated."""
    end, raw = fresh(name, version_code(version))
    end.receive(raw.flight().wire())
    end.receive(raw.finish(end.data_to_send()).wire())
    assert end.handshake_complete
    raw.layer.write(b"data")
    end.receive(raw.wire())
    assert standing.everything(end) == b"data"


# -- ServerHello -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"server_version": 0x0300}, errors.ForbiddenProtocol),
        ({"server_version": 0x0002}, errors.ForbiddenProtocol),
        ({"server_version": 0x0304}, errors.ProtocolVersionError),
        ({"server_version": 0x0303}, errors.ProtocolVersionError),
        ({"cipher_suite": 0x0033 + 0x100}, errors.IllegalParameter),
        ({"cipher_suite": 0x000A}, errors.IllegalParameter),
        ({"cipher_suite": 0x0003}, errors.IllegalParameter),
        ({"cipher_suite": 0x1301}, errors.IllegalParameter),
        ({"compression_method": 1}, errors.IllegalParameter),
    ],
)
def test_client_checks_the_fields_of_the_server_hello(fields: Any, expected: Any) -> None:
    """C9, row 6: nothing above what was asked, no SSL, nothing that we did not offer (3DES, EXPORT), no compression."""
    end, raw = fresh(legacy=OLD)
    raw.send(raw.hello_message(**fields))
    refuses(end, raw, expected)


def test_suite_of_a_newer_version_is_refused() -> None:
    """S21: TLS 1.1 cannot use what belongs to TLS 1.2."""
    end, raw = fresh()
    raw.send(raw.hello_message(cipher_suite=0x009C, drop=(EncryptThenMac.code,)))
    refuses(end, raw, errors.IllegalParameter)


def test_version_that_is_not_configured_is_refused() -> None:
    """S38, S39: a version between two that are allowed; both lists are named."""
    end, raw = fresh(legacy=tier(versions=("1.0", "1.2"), suites=(RSA_CBC,)))
    raw.send(raw.hello_message())
    text = str(refuses(end, raw, errors.ProtocolVersionError))
    assert "answers with TLSv1.1, the client accepts TLSv1.2, TLSv1.0" in text


def test_silent_client_says_nothing() -> None:
    """S24, S39: on_reject="silent" closes without an alert where the version is refused."""
    end, raw = fresh(legacy=tier(versions="1.2", suites=(RSA_CBC,)), on_reject="silent")
    raw.send(raw.hello_message())
    error = failure(end.receive, raw.wire())
    assert type(error) is errors.ProtocolVersionError
    assert error.alert_sent is None
    assert end.data_to_send() == b""


@pytest.mark.parametrize("legacy", [EVERY, OLD], ids=["from 1.2", "from 1.1"])
@pytest.mark.parametrize("tail", [b"DOWNGRD\x00", b"DOWNGRD\x01"])
def test_downgrade_sentinel(legacy: Any, tail: bytes) -> None:
    """RFC 9846 4.2.3: TLS 1.2 clients SHOULD check the second value below TLS 1.2; older ones know neither."""
    end, raw = fresh(legacy=legacy)
    raw.hello(raw.hello_message(random=bytes(24) + tail))
    if legacy is EVERY and tail == b"DOWNGRD\x00":
        error = refuses(end, raw, errors.IllegalParameter)
        assert error.code == "TLS-DOWNGRADE"
        return
    end.receive(raw.certificate().wire())
    assert end.error is None


@pytest.mark.parametrize(
    ("values", "drop", "expected"),
    [
        ((SelectedVersion(0x0304),), (), errors.IllegalParameter),
        ((), (ExtendedMainSecret.code,), errors.HandshakeFailure),
        ((), (RenegotiationInfo.code,), errors.HandshakeFailure),
        ((RenegotiationInfo(b"x" * 12),), (), errors.HandshakeFailure),
        ((UnknownExtension(0x7777, b""),), (), errors.UnsupportedExtension),
        ((SessionTicket(b""),), (), errors.UnsupportedExtension),
        ((MaxFragmentLength(2),), (), errors.UnsupportedExtension),
    ],
)
def test_client_checks_the_extensions_of_the_server_hello(values: Any, drop: Any, expected: Any) -> None:
    """Rows 11 and 51: RFC 5746 and RFC 7627 hold in every version; nothing unsolicited."""
    end, raw = fresh()
    raw.send(raw.hello_message(*values, drop=drop))
    refuses(end, raw, expected)


def test_encrypt_then_mac_for_an_aead_is_refused() -> None:
    """RFC 7366 3: it MUST NOT be answered where an AEAD suite is selected."""
    end, raw = fresh(GCM, TLS12)
    raw.send(raw.hello_message(EncryptThenMac()))
    refuses(end, raw, errors.IllegalParameter)


def test_encrypt_then_mac_that_was_not_offered_is_refused() -> None:
    end, raw = fresh(GCM, TLS12, tier(versions="1.2", suites=(GCM,)))
    raw.send(raw.hello_message(EncryptThenMac()))
    refuses(end, raw, errors.UnsupportedExtension)


# -- the certificate ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "key"), [(RSA_CBC, "p256"), (ECDHE_CBC, "p256"), (DHE_CBC, "p256")])
def test_certificate_of_another_kind_is_refused(name: str, key: str) -> None:
    """RFC 5246 7.4.2: the key MUST be compatible with the selected key exchange algorithm."""
    end = client(EVERY).connection(NAME)
    raw = RawLegacyServer(end, TLS11, name, key)
    raw.hello().certificate()
    assert refuses(end, raw, errors.IllegalParameter).code == "TLS-WRONG_CERTIFICATE_KIND"


def test_certificate_that_may_not_encrypt_is_refused_for_rsa() -> None:
    """RFC 5246 7.4.2: the keyEncipherment bit MUST be set if the key usage extension is present."""
    end, raw = fresh()
    raw.identity = standing.authority().issue(NAME, key="rsa2048")
    raw.hello().certificate()
    assert "without keyEncipherment" in str(refuses(end, raw, errors.UnsupportedCertificate))


def test_certificate_without_key_usage_may_encrypt() -> None:
    end, raw = fresh()
    raw.identity = standing.authority().issue(NAME, key="rsa2048", key_usage=False)
    end.receive(raw.flight().wire())
    end.receive(raw.finish(end.data_to_send()).wire())
    assert end.authenticated


@pytest.mark.parametrize("name", [RSA_CBC, ECDHE_CBC])
def test_foreign_certificate_is_refused(name: str) -> None:
    from tests.support.certificates import make_ca

    end, raw = fresh(name)
    raw.identity = make_ca("Nobody").issue(NAME, key="rsa2048", key_usage=False)
    raw.hello().certificate()
    refuses(end, raw, errors.UnknownCa)


def test_edwards_key_cannot_sign_before_tls12() -> None:
    name = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"
    end = client(tier(suites=(name,))).connection(NAME)
    raw = RawLegacyServer(end, TLS11, name, "ed25519")
    raw.hello().certificate()
    refuses(end, raw, errors.IllegalParameter)


def test_empty_certificate_is_a_decode_error() -> None:
    end, raw = fresh()
    raw.hello().certificate(())
    refuses(end, raw, errors.DecodeError)


# -- key exchange ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [ECDHE_CBC, DHE_CBC])
@pytest.mark.parametrize("wrong", ["key", "content"])
def test_wrong_signature_is_a_decrypt_error(version: str, name: str, wrong: str) -> None:
    """S41: the share is signed over both randoms, in the form of the version."""
    end, raw = fresh(name, version_code(version))
    raw.hello().certificate()
    raw.key_exchange(**{wrong: make_key("rsa2048#1") if wrong == "key" else b"another"})
    refuses(end, raw, errors.DecryptError)


@pytest.mark.parametrize("version", [TLS11, TLS12])
def test_signature_in_the_form_of_another_version_is_refused(version: int) -> None:
    """TLS 1.2 names the algorithm, TLS 1.1 does not: neither form is taken for the other."""
    end, raw = fresh(ECDHE_CBC, version)
    raw.hello().certificate()
    raw.version = TLS12 if version == TLS11 else TLS11
    raw.key_exchange()
    error = failure(end.receive, raw.wire())
    assert type(error) in (errors.DecodeError, errors.IllegalParameter, errors.DecryptError), error


@pytest.mark.parametrize("scheme", [0x0201, 0x0101, 0x0401])
def test_sha1_and_md5_sign_nothing_in_tls12_unless_allowed(scheme: int) -> None:
    """Row 9 of the attacks (SLOTH), S66, S67: MD5 never, SHA-1 where the configuration names it."""
    end, raw = fresh(ECDHE_CBC, TLS12)
    raw.hello().certificate()
    if scheme == 0x0101:
        from tlscore.handshake.key_exchange12 import params
        from tlscore.wire import encode_struct
        from tlscore.wire.messages_legacy import ServerKeyExchangeBody, Signed12

        share = _core.KeyShare.generate(NamedGroup.x25519)
        raw.send(ServerKeyExchangeBody(params(share.group, share.public) + encode_struct(Signed12(scheme, b"s" * 256))))
    else:
        raw.key_exchange(scheme=scheme)
    if scheme == 0x0401:
        end.receive(raw.wire())
        assert end.error is None
        return
    assert refuses(end, raw, errors.IllegalParameter).code == "TLS-BAD_SIGNATURE_SCHEME"


def test_client_takes_sha1_where_it_allows_it() -> None:
    end, raw = fresh(ECDHE_CBC, TLS12, tier(versions="1.2", suites=(ECDHE_CBC,), sha1_signatures=True))
    raw.hello().certificate()
    raw.key_exchange(scheme=0x0201).done()
    end.receive(raw.wire())
    end.receive(raw.finish(end.data_to_send()).wire())
    assert end.peer_scheme == "rsa_pkcs1_sha1"


def dh_values() -> list[tuple[str, bytes]]:
    p = int.from_bytes(_core.DheShare.generate(NamedGroup.ffdhe2048).p, "big")
    return [(name, value.to_bytes(256, "big")) for name, value in
            (("0", 0), ("1", 1), ("p-1", p - 1), ("p", p), ("p+1", p + 1))]  # fmt: skip


@pytest.mark.parametrize(("name", "public"), dh_values(), ids=lambda value: value if isinstance(value, str) else "")
def test_public_value_outside_the_group_is_refused(name: str, public: bytes) -> None:
    """Row 7 of the attacks, RFC 7919 3: the client MUST verify that 1 < dh_Ys < dh_p - 1: handshake_failure(40)."""
    end, raw = fresh(DHE_CBC)
    raw.hello().certificate()
    raw.key_exchange(public=public)
    assert refuses(end, raw, errors.HandshakeFailure).code == "TLS-BAD_KEY_SHARE"


@pytest.mark.parametrize("bits", [512, 1024, 2048])
def test_unknown_and_short_fields_are_refused(bits: int) -> None:
    """Row 7 of the attacks (Logjam): only groups that are known to be safe, of 2048 bits and more."""
    end, raw = fresh(DHE_CBC)
    raw.hello().certificate()
    p = (1 << (bits - 1)) + 0x1337
    raw.key_exchange(field=(p.to_bytes(bits // 8, "big"), b"\x02"), public=b"\x05")
    assert refuses(end, raw, errors.InsufficientSecurity).code == "TLS-WEAK_GROUP"


def test_known_prime_with_another_generator_is_refused() -> None:
    end, raw = fresh(DHE_CBC)
    raw.hello().certificate()
    raw.key_exchange(field=(_core.DheShare.generate(NamedGroup.ffdhe2048).p, b"\x05"))
    refuses(end, raw, errors.InsufficientSecurity)


def test_curve_that_was_not_offered_is_refused() -> None:
    """Row 22 of the attacks (CurveSwap)."""
    end, raw = fresh(ECDHE_CBC, groups=("secp256r1", "ffdhe2048"))
    raw.hello().certificate()
    raw.key_exchange(NamedGroup.x25519)
    refuses(end, raw, errors.IllegalParameter)


@pytest.mark.parametrize("public", [b"", b"\x04", bytes(32), b"\x04" + bytes(64)])
def test_bad_curve_share_is_refused(public: bytes) -> None:
    """Row 23 of the attacks."""
    end, raw = fresh(ECDHE_CBC)
    raw.hello().certificate()
    raw.key_exchange(NamedGroup.secp256r1 if len(public) > 32 else NamedGroup.x25519, public=public)
    error = failure(end.receive, raw.wire())
    assert type(error) in (errors.IllegalParameter, errors.DecodeError), error


@pytest.mark.parametrize("name", [ECDHE_CBC, DHE_CBC])
def test_octets_behind_the_signature_are_a_decode_error(name: str) -> None:
    end, raw = fresh(name)
    raw.hello().certificate()
    raw.key_exchange(behind=b"\0")
    refuses(end, raw, errors.DecodeError)


def test_temporary_rsa_key_is_refused() -> None:
    """Row 6 of the attacks (FREAK): no ServerKeyExchange in RSA key exchange."""
    end, raw = fresh()
    raw.hello().certificate()
    raw.take_suite(DHE_CBC)
    raw.key_exchange()
    refuses(end, raw, errors.UnexpectedMessage)


# -- anonymous ---------------------------------------------------------------------------------------------------------

ANON = "TLS_ECDH_anon_WITH_AES_128_CBC_SHA"


def anonymous() -> Any:
    config = quiet(ClientConfig.encryption_only, danger.accept_any_peer, legacy=tier(suites=(ANON, ECDHE_CBC)))
    end = config.connection(NAME)
    return end, RawLegacyServer(end, TLS11, ANON)


def test_anonymous_suite_that_was_not_offered_is_refused() -> None:
    """S60: a client that authenticates never goes on without."""
    end, raw = fresh(ANON)
    raw.send(raw.hello_message())
    refuses(end, raw, errors.IllegalParameter)


def test_anonymous_server_may_not_ask_who_we_are() -> None:
    """RFC 5246 7.4.4: a fatal handshake_failure for an anonymous server to request client authentication."""
    end, raw = anonymous()
    raw.hello().key_exchange().request()
    refuses(end, raw, errors.HandshakeFailure)


def test_anonymous_server_with_a_certificate_is_refused() -> None:
    end, raw = anonymous()
    raw.hello().certificate()
    refuses(end, raw, errors.UnexpectedMessage)


def test_anonymous_share_with_a_signature_is_refused() -> None:
    end, raw = anonymous()
    raw.hello()
    raw.key_exchange(behind=b"\x00\x01s")
    refuses(end, raw, errors.DecodeError)


# -- Finished and later ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [RSA_CBC, ECDHE_CBC])
def test_wrong_finished_is_a_decrypt_error(version: str, name: str) -> None:
    """S52; with RSA key exchange this is what proves that the server has its key."""
    end, raw = fresh(name, version_code(version))
    end.receive(raw.flight().wire())
    raw.take_flight(end.data_to_send())
    raw.change().finished(bytes(12))
    error = failure(end.receive, raw.wire())
    assert type(error) is errors.DecryptError
    assert not end.authenticated


def test_server_without_the_key_of_its_certificate_never_gets_through() -> None:
    """RSA key exchange: who cannot decrypt the premaster secret cannot make the keys."""
    end, raw = fresh()
    raw.hello().certificate().done()
    end.receive(raw.wire())
    other = make_key("rsa2048#2")
    raw.identity = standing.authority().issue(NAME, key=other)
    raw.feed(end.data_to_send())
    raw.pull()
    raw.derive(_core.SharedSecret.rsa_premaster(0x0303, _spki(other))[1])
    raw.change().finished()
    error = failure(end.receive, raw.wire())
    assert type(error) is errors.BadRecordMac
    assert not end.handshake_complete


def _spki(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_finished_without_change_cipher_spec_is_refused() -> None:
    end, raw = fresh()
    end.receive(raw.flight().wire())
    raw.take_flight(end.data_to_send())
    raw.finished()
    assert type(failure(end.receive, raw.wire())) is errors.UnexpectedMessage


def test_hello_request_is_refused_with_a_warning() -> None:
    """Row 11 of the attacks: no renegotiation."""
    from tlscore.wire import HelloRequest

    end, raw = fresh()
    end.receive(raw.flight().wire())
    end.receive(raw.finish(end.data_to_send()).wire())
    end.events()
    end.data_to_send()
    raw.send(HelloRequest(), hidden=True)
    end.receive(raw.wire())
    end.events()
    assert raw.alert(end.data_to_send()) == 100
    raw.layer.write(b"still here")
    end.receive(raw.wire())
    assert standing.everything(end) == b"still here"


def test_record_of_another_version_is_refused_under_keys() -> None:
    end, raw = fresh()
    end.receive(raw.flight().wire())
    end.receive(raw.finish(end.data_to_send()).wire())
    raw.layer.write(b"data")
    wire = bytearray(raw.wire())
    wire[2] = 3
    end.receive(bytes(wire))
    with pytest.raises(errors.BadRecordMac):
        end.read()


def test_identity_is_shown_to_nobody_before_the_server_is_verified() -> None:
    """S45: the client's certificate leaves after the server's chain is verified, and never for an impostor."""
    from tests.support.certificates import make_ca

    end = client(EVERY, "rsa2048").connection(NAME)
    raw = RawLegacyServer(end, TLS11, RSA_CBC)
    raw.identity = make_ca("Nobody").issue(NAME, key="rsa2048", key_usage=False)
    raw.hello().certificate().request().done()
    failure(end.receive, raw.wire())
    assert len(end.data_to_send()) == 7


def test_extension_that_may_not_stand_there_is_refused() -> None:
    end, raw = fresh()
    raw.send(raw.hello_message(SupportedGroups((29,))))
    error = failure(end.receive, raw.wire())
    assert type(error) in (errors.IllegalParameter, errors.UnsupportedExtension)


@pytest.mark.parametrize("offered", ["ffdhe4096", "ffdhe8192"])
def test_finite_field_that_was_not_offered_is_refused(offered: str) -> None:
    """A client that lists a longer group alone does not go down to 2048 bits."""
    end, raw = fresh(DHE_CBC, groups=("x25519", offered))
    raw.hello().certificate()
    raw.key_exchange(field=(_core.DheShare.generate(NamedGroup.ffdhe2048).p, b"\x02"))
    found = refuses(end, raw, errors.InsufficientSecurity)
    assert "ffdhe2048, which we did not offer" in found.cause


def test_sha1_signature_must_fit_the_key() -> None:
    """RFC 5246 7.4.3: a key that is for RSASSA-PSS alone makes no PKCS #1 signature, with SHA-1 allowed or not."""
    key = make_key("rsa2048")
    content = b"what is signed"
    only = (SignatureScheme.rsa_pss_pss_sha256,)
    chain: Any = SimpleNamespace(
        public_key=key.public_key(), key_kind="RSA", signature_schemes=only, signature_schemes12=only
    )
    signature = key.sign(content, padding.PKCS1v15(), hashes.SHA1())
    scheme = SignatureScheme.rsa_pkcs1_sha1
    body = scheme.to_bytes(2, "big") + len(signature).to_bytes(2, "big") + signature
    with pytest.raises(errors.IllegalParameter):
        verify_signature(chain, TLS12, body, content, (scheme,), "ServerKeyExchange")
    chain.signature_schemes = (SignatureScheme.rsa_pss_rsae_sha256,)
    assert verify_signature(chain, TLS12, body, content, (scheme,), "ServerKeyExchange").scheme == scheme
