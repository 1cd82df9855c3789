"""The guide's statements that only the legacy tier can keep on the wire: S16, S20, S23, S34 to S36, S60, S67, S88, the
cells of matrix 1g with TLS 1.1, and D19, D20."""

from __future__ import annotations

from typing import Any

import pytest

from tests.seed.wire import ALERT_TYPE, client, old_client_hello, refusal, sent, server
from tests.support import standing
from tests.support.legacy import VERSIONS, identity, quiet, tier
from tests.support.legacy import client as legacy_client
from tests.support.legacy import server as legacy_server
from tests.support.peers import pump
from tests.support.standing import NAME
from tlscore import ClientConfig, ServerConfig, danger, errors, versions
from tlscore.connection import Connection
from tlscore.errors import ConfigError, ForbiddenProtocol, ProtocolVersionError
from tlscore.suites import suite
from tlscore.versions import SSL30, TLS10, TLS11, TLS12, VersionSetting, negotiate

RSA_CBC = "TLS_RSA_WITH_AES_128_CBC_SHA"
# For every end that may meet one without the tier: ECDHE and an AEAD beside CBC.
SUITES = ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA")
CURVES = ("x25519", "secp256r1")


def end(role: str, setting: str) -> Connection:
    """One end for a value of the option `sec-protocol`: the tier where TLS 1.1 is in it."""
    if setting in ("", "TLSv12", "TLSv13"):
        chosen: Any = {"": ("1.3", "1.2"), "TLSv12": "1.2", "TLSv13": "1.3"}[setting]
        if role == "client":
            config = ClientConfig.simple(standing.trust(), versions=chosen, groups=CURVES)
            return config.connection(NAME)
        return ServerConfig.simple(identity("rsa2048"), versions=chosen).connection()
    # SSLv23 is TLS 1.1 and newer; TLS 1.3 is never in one configuration with it, so this is its older half.
    chosen = {"SSLv23": ("1.2", "1.1"), "TLSv11": ("1.1",), "CBC": ("1.2",)}[setting]
    own = tier(versions=chosen, suites=SUITES if setting == "SSLv23" else SUITES[1:])
    if role == "client":
        return legacy_client(own, groups=CURVES).connection(NAME)
    return legacy_server(own, "rsa2048", groups=CURVES).connection()


# Matrix 1g where TLS 1.1 takes part; rows are clients, columns servers. Where the table has "1.3" for SSLv23, the wire
# of one configuration of the tier has 1.2: the rest is the rule engine's, below.
CELLS = [
    ("SSLv23", "TLSv11", "1.1"),
    ("TLSv11", "SSLv23", "1.1"),
    ("TLSv11", "TLSv11", "1.1"),
    ("SSLv23", "SSLv23", "1.2"),
    ("SSLv23", "TLSv12", "1.2"),
    ("SSLv23", "", "1.2"),
    ("", "SSLv23", "1.2"),
    ("TLSv12", "SSLv23", "1.2"),
    ("TLSv11", "", "S!"),
    ("TLSv11", "TLSv12", "S!"),
    ("TLSv11", "TLSv13", "S!"),
    ("SSLv23", "TLSv13", "S!"),
    ("TLSv13", "SSLv23", "S!"),
    ("", "TLSv11", "S!"),
    ("TLSv13", "TLSv11", "S!"),
    # By number, without supported_versions, this is the client's to drop; "CBC" is TLS 1.2 with suites of TLS 1.1.
    ("CBC", "TLSv11", "C!"),
]


@pytest.mark.parametrize(("row", "column", "cell"), CELLS)
def test_s25_matrix_with_tls11_on_the_wire(row: str, column: str, cell: str) -> None:
    """S25, S34 to S36: every cell of the matrix that TLS 1.1 is in; a drop is protocol_version at the right end."""
    ends = {"C!": end("client", row), "S!": end("server", column)}
    if not cell.endswith("!"):
        pump(*ends.values())
        assert {one.version for one in ends.values()} == {f"TLSv{cell}"}
        return
    error = None
    with pytest.raises(ProtocolVersionError) as caught:
        pump(*ends.values())
    error = caught.value
    assert ends[cell].error is error
    assert (error.sender, error.alert_sent) == ("us", 70)
    assert sent(ends[cell])[0] == ALERT_TYPE


ENGINE = {
    "": ("1.3", "1.3", "C!", "1.2", "1.3"),
    "SSLv23": ("1.3", "1.3", "1.1", "1.2", "1.3"),
    "TLSv11": ("S!", "1.1", "1.1", "S!", "S!"),
    "TLSv12": ("1.2", "1.2", "C!", "1.2", "S!"),
    "TLSv13": ("1.3", "1.3", "C!", "C!", "1.3"),
}


@pytest.mark.parametrize("row", ENGINE)
@pytest.mark.parametrize("column", ENGINE)
def test_s25_whole_matrix_in_the_engine(row: str, column: str) -> None:
    """S25: all 25 cells, drops by the end that the table names where the server ignores supported_versions."""
    setting = VersionSetting.from_sec_protocol
    cell = ENGINE[row][list(ENGINE).index(column)]
    knows = column in ("", "SSLv23", "TLSv13") and row not in ("TLSv11", "TLSv12")
    rule = negotiate(setting(row), setting(column), "extension" if knows else "number")
    assert rule.cell == cell


# -- by number ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ours", [("1.0",), ("1.1",), ("1.0", "1.1"), ("1.1", "1.2"), ("1.0", "1.2"), VERSIONS])
@pytest.mark.parametrize("theirs", [("1.0",), ("1.1",), ("1.0", "1.1"), ("1.1", "1.2"), ("1.0", "1.2"), VERSIONS])
def test_s23_wire_does_what_the_engine_says(ours: tuple[str, ...], theirs: tuple[str, ...]) -> None:
    """S23, S35: equal or lower, by number; each pair of sets of the three versions, wire against rule."""
    rule = negotiate(VersionSetting.parse(ours), VersionSetting.parse(theirs), "number")
    ends = (
        legacy_client(tier(versions=ours, suites=(RSA_CBC,))).connection(NAME),
        legacy_server(tier(versions=theirs, suites=(RSA_CBC,)), "rsa2048").connection(),
    )
    if rule.established:
        pump(*ends)
        assert ends[0].version == ends[1].version == f"TLSv{rule.cell}"
        return
    with pytest.raises(ProtocolVersionError) as caught:
        pump(*ends)
    dropped_by = ends[0] if rule.dropped_by == "client" else ends[1]
    assert dropped_by.error is caught.value
    assert caught.value.alert_sent == rule.alert == 70


def test_s35_disabled_version_is_stepped_over() -> None:
    """S35, the guide's own example: 1.2 is asked for and disabled in the server, so it answers 1.1."""
    ends = (
        legacy_client(tier(versions=("1.2", "1.1"), suites=(RSA_CBC,))).connection(NAME),
        legacy_server(tier(versions=("1.1", "1.0"), suites=(RSA_CBC,)), "rsa2048").connection(),
    )
    pump(*ends)
    assert ends[0].version == "TLSv1.1"


@pytest.mark.parametrize("legacy", [True, False])
def test_s36_sslv3_is_in_the_engine_alone(legacy: bool) -> None:
    """S36: server SSLv3, client 1.1 gives SSLv3 in the rules; on the wire it is ForbiddenProtocol, with or without the
    tier."""
    rule = negotiate(VersionSetting.compatibility("1.1", "SSLv3"), VersionSetting.specific("SSLv3"), "number")
    assert rule.version == SSL30
    with pytest.raises(ForbiddenProtocol):
        versions.require_wire(rule)
    receiver = legacy_server(tier(suites=(RSA_CBC,)), "rsa2048").connection() if legacy else server()
    error = refusal(receiver, old_client_hello(SSL30))
    assert type(error) is ForbiddenProtocol
    assert error.alert_sent == 70
    assert "SSLv3" in str(error)


@pytest.mark.parametrize("legacy", [True, False])
def test_s36_answer_of_sslv3_is_forbidden(legacy: bool) -> None:
    from tests.seed.wire import old_server_hello

    asking = legacy_client(tier(suites=(RSA_CBC,))).connection(NAME) if legacy else client()
    asking.data_to_send()
    error = refusal(asking, old_server_hello(SSL30))
    assert type(error) is ForbiddenProtocol
    assert error.alert_sent == 70


@pytest.mark.parametrize("number", [TLS10, TLS11])
def test_s34_default_server_refuses_what_is_below_it(number: int) -> None:
    """S34: lower than any server version: the server drops, and says both ranges."""
    error = refusal(server(), old_client_hello(number))
    assert type(error) is ProtocolVersionError
    assert f"the client offers {versions.version_name(number)}, the server accepts TLSv1.3, TLSv1.2" in str(error)


# -- SSLv2 format ------------------------------------------------------------------------------------------------------


def sslv2_hello(
    number: int, challenge: bytes, suites: tuple[int, ...] = (0x002F, 0x00FF), session: bytes = b""
) -> bytes:
    """A CLIENT-HELLO in the format of SSLv2: RFC 5246 E.2. SSLv2's own suites (0x010080) stand in it too."""
    specs = b"".join(b"\0" + code.to_bytes(2, "big") for code in suites) + b"\x01\x00\x80"
    lengths = b"".join(len(part).to_bytes(2, "big") for part in (specs, session, challenge))
    body = b"\x01" + number.to_bytes(2, "big") + lengths + specs + session + challenge
    return (0x8000 | len(body)).to_bytes(2, "big") + body


def upgrading(**settings: Any) -> Connection:
    own = tier(suites=(RSA_CBC,), accept_sslv2_hello=True)
    return legacy_server(own, "rsa2048", require_extended_main_secret=False, **settings).connection()


@pytest.mark.parametrize("number", [TLS10, TLS11, TLS12])
@pytest.mark.parametrize("octets", [16, 32])
def test_s20_sslv2_message_asks_for_tls(number: int, octets: int) -> None:
    """S20, C4: "an SSLv2 message can ask for TLS1.2 communication": with accept_sslv2_hello it gets it, to the end."""
    from tests.support.peers_legacy import RawLegacyClient

    challenge = bytes(range(1, octets + 1))
    hello = sslv2_hello(number, challenge)
    raw = RawLegacyClient(number)
    raw.client_random = challenge.rjust(32, b"\0")
    raw.messages = hello[2:]
    raw.transcript.add(hello[2:])
    receiver = upgrading()
    receiver.receive(hello)
    raw.take_flight(receiver.data_to_send())
    assert (raw.version, raw.extended) == (number, False)
    receiver.receive(raw.flight().wire())
    raw.complete(receiver.data_to_send())
    assert receiver.version == versions.version_name(number)
    raw.layer.write(b"upgraded")
    receiver.receive(raw.wire())
    assert standing.everything(receiver) == b"upgraded"


def test_s20_sslv2_message_in_pieces() -> None:
    receiver = upgrading()
    for octet in sslv2_hello(TLS12, bytes(range(32))):
        receiver.receive(bytes((octet,)))
    assert receiver.data_to_send()[9:11] == b"\x03\x03"


def test_s20_secure_renegotiation_is_signalled_by_a_suite() -> None:
    """RFC 5746 3.6: the signalling suite is all that this format can say it with."""
    for suites, answered in (((0x002F, 0x00FF), True), ((0x002F,), False)):
        receiver = upgrading()
        receiver.receive(sslv2_hello(TLS12, bytes(range(32)), suites))
        assert (b"\xff\x01\x00\x01\x00" in receiver.data_to_send()) is answered


@pytest.mark.parametrize(
    "hello",
    [
        sslv2_hello(TLS12, bytes(15)),
        sslv2_hello(TLS12, bytes(33)),
        sslv2_hello(TLS12, bytes(32), session=bytes(5)),
        b"\x80\x0c\x01\x03\x03\x00\x00\x00\x00\x00\x10\x00\x00\x00",
        b"\x80\x0d\x01\x03\x03\x00\x04\x00\x00\x00\x10\x00\x00\x00\x2f",
        sslv2_hello(TLS12, bytes(32))[:-1].replace(b"\x80", b"\x80", 1)[:1]
        + b"\x32"
        + sslv2_hello(TLS12, bytes(32))[2:],
    ],
)
def test_s20_malformed_sslv2_message(hello: bytes) -> None:
    receiver = upgrading()
    error: Any = None
    try:
        receiver.receive(hello + bytes(64))
    except errors.AlertError as caught:
        error = caught
    assert isinstance(error, errors.AlertError)
    assert not receiver.handshake_complete


def test_s20_sslv2_itself_is_refused_by_name() -> None:
    """D20, row 8 of the attacks (DROWN): a hello that asks for SSLv2 is refused in every configuration, by name."""
    for receiver in (upgrading(), server()):
        error = refusal(receiver, b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(40))
        assert error.code == "TLS-SSLV2_HELLO"
        assert "asks for SSLv2" in str(error)
    error = refusal(upgrading(), sslv2_hello(SSL30, bytes(16)))
    assert type(error) is ForbiddenProtocol


def test_s20_format_is_refused_where_nobody_asked_for_it() -> None:
    """S20: default off, also in the tier: RFC 9846 E.5 does not recommend to accept it, and forbids it for TLS 1.3."""
    receiver = legacy_server(tier(suites=(RSA_CBC,)), "rsa2048").connection()
    error = refusal(receiver, sslv2_hello(TLS12, bytes(32)))
    assert error.code == "TLS-SSLV2_HELLO"


def test_s20_never_a_second_time() -> None:
    receiver = upgrading()
    receiver.receive(sslv2_hello(TLS12, bytes(range(32))))
    with pytest.raises(errors.AlertError):
        receiver.receive(sslv2_hello(TLS12, bytes(range(32))))


def test_s20_extended_main_secret_cannot_be_said_in_it() -> None:
    """Where RFC 7627 is required, as by default, this format is refused for that."""
    own = tier(suites=(RSA_CBC,), accept_sslv2_hello=True)
    error = refusal(legacy_server(own, "rsa2048").connection(), sslv2_hello(TLS12, bytes(range(32))))
    assert error.code == "TLS-NO_EXTENDED_MAIN_SECRET"


# -- what the tier is --------------------------------------------------------------------------------------------------


def test_s16_rsa_and_finite_fields_are_the_tiers_alone() -> None:
    """S16, S17: Diffie-Hellman over finite fields and RSA key exchange are refused by default and possible by name."""
    for name in (RSA_CBC, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"):
        with pytest.raises(ConfigError):
            ClientConfig.simple(standing.trust(), suites=(name,))
        only = tier(versions="1.2", suites=(name,))
        ends = legacy_client(only).connection(NAME), legacy_server(only, "rsa2048").connection()
        pump(*ends)
        assert ends[0].suite == name
        assert suite(name).forward_secret is (suite(name).key_exchange == "DHE")


def test_s60_anonymous_suite_cannot_reach_a_client_that_authenticates() -> None:
    """S60, D19: an anonymous server and a client with trust have no suite in common, whatever else they share."""
    name = "TLS_ECDH_anon_WITH_AES_128_CBC_SHA"
    own = tier(versions="1.1", suites=(name, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"))
    anonymous = quiet(ServerConfig.encryption_only, danger.accept_any_peer, legacy=tier(versions="1.1", suites=(name,)))
    with pytest.raises(ConfigError):
        legacy_client(own)
    careful = legacy_client(tier(versions="1.1", suites=("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",))).connection(NAME)
    with pytest.raises(errors.HandshakeFailure):
        pump(careful, anonymous.connection())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("required", [True, False])
def test_s88_cbc_has_a_mac_in_either_order(version: str, required: bool) -> None:
    """S7, S88, S89: every octet of a CBC record that is changed ends the connection with bad_record_mac (row 5 of the
    attacks: padding, MAC and length errors are one error)."""
    only = tier(versions=version, suites=(RSA_CBC,), require_encrypt_then_mac=required)
    texts = set()
    for at in range(5, 60):
        ends = legacy_client(only).connection(NAME), legacy_server(only, "rsa2048").connection()
        pump(*ends)
        ends[0].write(b"x" * 20)
        # TLS 1.0 has the first octet in a record of its own.
        *before, last = standing.records_of(ends[0].data_to_send())
        for record in before:
            ends[1].receive(record)
            assert ends[1].read() == b"x"
        wire = bytearray(last)
        if at >= len(wire):
            break
        wire[at] ^= 0x40
        ends[1].receive(bytes(wire))
        with pytest.raises(errors.BadRecordMac) as caught:
            standing.everything(ends[1])
        assert caught.value.alert_sent == 20
        texts.add(str(caught.value))
    assert len(texts) == 1
