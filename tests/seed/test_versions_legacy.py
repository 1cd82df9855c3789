"""The guide's statements that only the legacy tier can keep on the wire: S16, S20, S23, S34 to S36, S60, S67, S88, the
cells of matrix 1g with TLS 1.1, and D19, D20."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from tests.seed.wire import ALERT_TYPE, client, old_client_hello, refusal, sent, server
from tests.support import standing
from tests.support.legacy import VERSIONS, identity, quiet, tier
from tests.support.legacy import client as legacy_client
from tests.support.legacy import server as legacy_server
from tests.support.peers import pump
from tests.support.sslv2 import sslv2_hello, upgrade
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


# Every set of the three.
SETS = [one for size in (1, 2, 3) for one in combinations(VERSIONS, size)]


@pytest.mark.parametrize("ours", SETS, ids="+".join)
@pytest.mark.parametrize("theirs", SETS, ids="+".join)
def test_s23_wire_does_what_the_engine_says(ours: tuple[str, ...], theirs: tuple[str, ...]) -> None:
    """S23, S35: equal or lower, by number; all 49 pairs of sets of the three versions, wire against rule."""
    assert len(SETS) == 7
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


def upgrading(**settings: Any) -> Connection:
    own = tier(suites=(RSA_CBC,), accept_sslv2_hello=True)
    return legacy_server(own, "rsa2048", require_extended_main_secret=False, **settings).connection()


@pytest.mark.parametrize("number", [TLS10, TLS11, TLS12])
@pytest.mark.parametrize("octets", [16, 32])
def test_s20_sslv2_message_asks_for_tls(number: int, octets: int) -> None:
    """S20, C4: "an SSLv2 message can ask for TLS1.2 communication": with accept_sslv2_hello it gets it, to the end."""
    receiver = upgrading()
    raw = upgrade(number, receiver.receive, receiver.data_to_send, bytes(range(1, octets + 1)))
    assert (raw.version, raw.extended) == (number, False)
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


WELL_FORMED = sslv2_hello(TLS12, bytes(32))


@pytest.mark.parametrize(
    "hello",
    [
        sslv2_hello(TLS12, bytes(15)),
        sslv2_hello(TLS12, bytes(33)),
        sslv2_hello(TLS12, bytes(32), session=bytes(5)),
        b"\x80\x0c\x01\x03\x03\x00\x00\x00\x00\x00\x10\x00\x00\x00",
        b"\x80\x0d\x01\x03\x03\x00\x04\x00\x00\x00\x10\x00\x00\x00\x2f",
        # One octet less, and one more, than the lengths inside say.
        bytes((0x80, WELL_FORMED[1] - 1)) + WELL_FORMED[2:-1],
        bytes((0x80, WELL_FORMED[1] + 1)) + WELL_FORMED[2:] + b"\0",
    ],
)
@pytest.mark.parametrize("behind", [0, 64])
def test_s20_malformed_sslv2_message(hello: bytes, behind: int) -> None:
    error = refusal(receiver := upgrading(), hello + bytes(behind))
    assert type(error) is errors.DecodeError
    assert (error.code, error.alert_sent, error.section) == ("TLS-DECODE_ERROR", 50, "RFC 5246 E.2")
    assert sent(receiver)[-2:] == b"\x02\x32"
    assert not receiver.handshake_complete


@pytest.mark.parametrize("behind", [bytes(8), WELL_FORMED, b"\x17\x03\x03\x00\x01x"])
def test_s20_octets_behind_an_sslv2_message_are_out_of_turn(behind: bytes) -> None:
    """RFC 5246 7.4.1.2: the client waits for the ServerHello; what came with its hello is no answer to that."""
    error = refusal(receiver := upgrading(), WELL_FORMED + behind)
    assert (type(error), error.alert_sent) == (errors.UnexpectedMessage, 10)
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
    receiver.receive(WELL_FORMED)
    assert sent(receiver)[9:11] == b"\x03\x03"
    error = refusal(receiver, WELL_FORMED)
    assert type(error) is errors.UnexpectedMessage
    assert (error.code, error.alert_sent) == ("TLS-SSLV2_HELLO", 10)


@pytest.mark.parametrize(("number", "fallback"), [(TLS10, True), (TLS11, True), (TLS12, False), (0x0304, False)])
def test_s20_fallback_is_told_in_this_format_too(number: int, fallback: bool) -> None:
    """RFC 7507 3: the signalling suite (0x5600) may stand in it, and means what it means elsewhere."""
    hello = sslv2_hello(number, bytes(range(32)), (0x002F, 0x5600, 0x00FF))
    if fallback:
        error = refusal(receiver := upgrading(), hello)
        assert type(error) is errors.InappropriateFallback
        assert error.alert_sent == 86
        assert sent(receiver)[-2:] == b"\x02\x56"
        return
    receiver = upgrading()
    receiver.receive(hello)
    assert sent(receiver)[9:11] == b"\x03\x03"


@pytest.mark.parametrize("number", [0x0304, 0x0305, 0x03FF])
def test_s20_more_than_tls12_cannot_be_asked_for_in_this_format(number: int) -> None:
    """RFC 9846 E.5: never TLS 1.3; by number, whoever asks for more gets the best there is: TLS 1.2, to the end."""
    receiver = upgrading()
    raw = upgrade(number, receiver.receive, receiver.data_to_send)
    assert raw.version == TLS12
    assert receiver.version == "TLSv1.2"
    # A server that has nothing but less: it answers with that.
    own = tier(versions=("1.1", "1.0"), suites=(RSA_CBC,), accept_sslv2_hello=True)
    older = legacy_server(own, "rsa2048", require_extended_main_secret=False).connection()
    older.receive(sslv2_hello(number, bytes(range(32))))
    assert sent(older)[9:11] == b"\x03\x02"


@pytest.mark.parametrize("number", [0x0400, 0x7F1C])
def test_s20_number_of_no_tls_is_no_hello(number: int) -> None:
    error = refusal(upgrading(), sslv2_hello(number, bytes(32)))
    assert (type(error), error.alert_sent) == (errors.UnexpectedMessage, 10)


def test_s20_resolver_sees_an_sslv2_message() -> None:
    """It names no server, offers no protocol, and its octets are those that enter the transcript."""
    seen: list[Any] = []

    def resolver(hello: Any) -> Any:
        seen.append(hello)
        return identity("rsa2048")

    receiver = upgrading(resolver=resolver)
    assert upgrade(TLS12, receiver.receive, receiver.data_to_send).version == TLS12
    (hello,) = seen
    assert (hello.server_name, hello.alpn) == (None, ())
    assert bytes(hello.raw) == sslv2_hello(TLS12, bytes(range(1, 33)))[2:]
    # SSLv2's own suite is none here.
    assert hello.suites == (0x002F, 0x00FF)
    assert hello.ja4.startswith("t12i020000_")


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
