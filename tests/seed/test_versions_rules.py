"""The guide's statements about protocol versions, on the wire where the version is: S20, S22 to S25, S29, S30, S34 to
S36, S38, S39. What the wire cannot show any more the rule engine shows."""

import pytest

from tests.seed.wire import (
    ALERT_TYPE,
    client,
    client_config,
    connected,
    fresh,
    old_client_hello,
    old_server_hello,
    refusal,
    sent,
    server,
)
from tests.support.peers import RawServer, pump
from tests.support.standing import NAME, issued
from tlscore import ConfigError, versions
from tlscore.errors import ForbiddenProtocol, IllegalParameter, ProtocolVersionError, TlsError
from tlscore.versions import SSL30, TLS11, TLS12, TLS13, VersionSetting, negotiate
from tlscore.wire import ClientHello, SupportedVersions, decode

# The columns of the matrix as settings of this library; SSLv23 is TLS 1.1 and newer, of which the wire has two.
SETTINGS = {"": ("1.3", "1.2"), "SSLv23": ("1.3", "1.2"), "TLSv12": "1.2", "TLSv13": "1.3"}
MATRIX = {
    "": ("1.3", "1.3", "1.2", "1.3"),
    "SSLv23": ("1.3", "1.3", "1.2", "1.3"),
    "TLSv12": ("1.2", "1.2", "1.2", "S!"),
    "TLSv13": ("1.3", "1.3", "S!", "1.3"),
}
CELLS = [(row, column, MATRIX[row][at]) for row in SETTINGS for at, column in enumerate(SETTINGS)]


def hello_of(**settings: object) -> ClientHello:
    wire = client_config(**settings).connection(NAME).data_to_send()
    hello = decode(wire[5 : 5 + int.from_bytes(wire[3:5], "big")])
    assert isinstance(hello, ClientHello)
    return hello


def listed(hello: ClientHello) -> tuple[int, ...]:
    extension = hello.extensions.get(SupportedVersions)
    return extension.versions if extension is not None else (hello.legacy_version,)


@pytest.mark.parametrize(("asked", "name"), [(b"\x03\x03", "TLSv1.2"), (b"\x03\x00", "SSLv3"), (b"\x00\x02", "SSLv2")])
def test_s20_sslv2_hello_is_named_and_refused(asked: bytes, name: str) -> None:
    """S20: "an SSLv2 message can ask for TLS1.2 communication"; it is recognised, refused, and reported by name."""
    end = server()
    error = refusal(end, b"\x80\x2e\x01" + asked + b"\x00\x15\x00\x00\x00\x10" + bytes(40))
    assert error.code == "TLS-SSLV2_HELLO"
    assert f"the client sent an SSLv2 CLIENT-HELLO that asks for {name}" in str(error)
    assert not end.handshake_complete


def test_s20_sslv2_hello_is_refused_silently_where_told_to() -> None:
    end = server(on_reject="silent")
    error = refusal(end, b"\x80\x2e\x01\x03\x03\x00\x15\x00\x00\x00\x10" + bytes(40))
    assert (error.code, error.alert_sent, sent(end)) == ("TLS-SSLV2_HELLO", None, b"")


def test_s22_client_lists_its_versions_from_the_highest_down() -> None:
    """S22: the client asks for its highest version; the old field stays at 0x0303 (RFC 9846 4.2.2)."""
    hello = hello_of()
    assert hello.legacy_version == TLS12
    assert listed(hello) == (TLS13, TLS12)


@pytest.mark.parametrize("theirs", ["1.3", "1.2", ("1.3", "1.2")])
@pytest.mark.parametrize("ours", ["1.3", "1.2", ("1.3", "1.2")])
def test_s23_server_answers_with_the_highest_common_version(ours: object, theirs: object) -> None:
    """S23: equal or lower; every pair of sets that the wire has. tests/test_versions.py has all 3969 of the rules."""
    sets = [{one} if isinstance(one, str) else set(one) for one in (ours, theirs)]  # type: ignore[call-overload]
    common = sets[0] & sets[1]
    ends = fresh({"versions": ours}, {"versions": theirs})
    if common:
        pump(*ends)
        assert ends[0].version == ends[1].version == f"TLSv{max(common)}"
    else:
        with pytest.raises(ProtocolVersionError):
            pump(*ends)


@pytest.mark.parametrize("version", [TLS11, SSL30])
def test_s24_unhappy_client_sends_an_alert_then_closes(version: int) -> None:
    """S24: the client is not happy with the choice: by default it says so (RFC 9846 E.1)."""
    end = client()
    error = refusal(end, old_server_hello(version))
    assert isinstance(error, ProtocolVersionError)
    assert error.alert_sent == 70
    assert sent(end)[0] == ALERT_TYPE
    assert end.closed


def test_s24_s39_client_disconnects_silently_where_told_to() -> None:
    """S24, S39: "the client silently disconnects": on_reject="silent" sends not one octet."""
    end = client(on_reject="silent")
    error = refusal(end, old_server_hello(TLS11))
    assert isinstance(error, ProtocolVersionError)
    assert error.alert_sent is None
    assert sent(end) == b""
    assert end.closed


def test_s39_silence_is_for_versions_alone() -> None:
    """An attack that lowers the version is no matter of taste: it is answered."""
    end = client(on_reject="silent")
    assert refusal(end, b"\x16\x03\x03\x00\x04\x02\x00\x00\x00").alert_sent == 50


@pytest.mark.parametrize(("row", "column", "cell"), CELLS)
def test_s25_matrix_on_the_wire(row: str, column: str, cell: str) -> None:
    """S25: specific versions on both sides; the cells that the wire has, by supported_versions."""
    ends = fresh({"versions": SETTINGS[row]}, {"versions": SETTINGS[column]})
    rule = negotiate(*[VersionSetting.parse(SETTINGS[name]) for name in (row, column)])
    assert rule.cell == cell
    if cell != "S!":
        pump(*ends)
        assert ends[0].version == f"TLSv{cell}"
        return
    error = refusal(ends[1], ends[0].data_to_send())
    assert isinstance(error, ProtocolVersionError)
    assert error.alert_sent == 70


@pytest.mark.parametrize(("accepts", "answer"), [("1.3", TLS12), (("1.3", "1.2"), TLS11), ("1.2", TLS11)])
def test_s25_old_server_leaves_the_drop_to_the_client(accepts: object, answer: int) -> None:
    """The C! cells: a server that ignores supported_versions answers with what it has, and the client drops."""
    rule = negotiate(
        VersionSetting.parse(accepts),  # type: ignore[arg-type]
        VersionSetting.specific(answer),
        "number",
    )
    assert rule.cell == "C!"
    error = refusal(client(versions=accepts), old_server_hello(answer))
    assert isinstance(error, ProtocolVersionError)
    assert error.alert_sent == rule.alert == 70


@pytest.mark.parametrize("tail", [b"DOWNGRD\x01", b"DOWNGRD\x00"])
def test_s25_lowered_hello_is_an_attack_and_not_a_choice(tail: bytes) -> None:
    """No silent downgrade: the server's mark turns the old answer into illegal_parameter (RFC 9846 4.2.3)."""
    raw = RawServer(issued(), end := fresh()[0])
    error = refusal(end, old_server_hello(TLS12, raw.client_hello.legacy_session_id, b"\xc0\x2b", tail))
    assert isinstance(error, IllegalParameter)
    assert error.code == "TLS-DOWNGRADE"


def test_s29_default_client_offers_everything_that_it_has() -> None:
    """S29: "the client requests its highest available protocol version", and its list of suites."""
    config = client_config()
    hello = hello_of()
    assert listed(hello) == config.versions == (TLS13, TLS12)
    assert tuple(code for code in hello.cipher_suites if code in config.suites) == config.suites


@pytest.mark.parametrize(("asked", "code"), [("1.2", TLS12), ("1.3", TLS13)])
def test_s30_specific_version_is_the_only_one_offered(asked: str, code: int) -> None:
    """S30: "the client requests the configured protocol version": exactly that one."""
    assert set(listed(hello_of(versions=asked))) == {code}


@pytest.mark.parametrize("version", ["1.1", "1.0", "SSLv3", "SSLv2", "9.9"])
def test_s30_specific_but_unavailable_is_refused_when_it_is_configured(version: str) -> None:
    """S30 leaves this open: it is a ConfigError, at construction."""
    with pytest.raises(ConfigError):
        client_config(versions=version)
    with pytest.raises(ConfigError):
        VersionSetting.specific("1.2", available=("1.3",))


@pytest.mark.parametrize(("accepts", "asked"), [("1.2", TLS11), (("1.3", "1.2"), TLS11), ("1.3", TLS12)])
def test_s34_server_drops_a_client_below_all_its_versions(accepts: object, asked: int) -> None:
    """S34: "if the server is configured with TLSv12 and the client requests TLSv11, the server drops"."""
    end = server(versions=accepts)
    error = refusal(end, old_client_hello(asked))
    assert isinstance(error, ProtocolVersionError)
    assert error.alert_sent == 70
    assert sent(end)[-2:] == b"\x02\x46"
    assert "the client offers" in str(error)
    assert "accept" in str(error)


def test_s34_server_drops_silently_where_told_to() -> None:
    end = server(on_reject="silent")
    error = refusal(end, old_client_hello(TLS11))
    assert isinstance(error, ProtocolVersionError)
    assert error.alert_sent is None
    assert sent(end) == b""


def test_s35_default_server_answers_the_highest_it_has_enabled() -> None:
    """S35: "if the client requests TLSv12, but the server has TLSv12 disabled and TLSv11 enabled, the server responds
    with TLSv11"; with the versions of today: TLS 1.3 asked, disabled, TLS 1.2 answered."""
    rule = negotiate(VersionSetting.default(available=("1.2", "1.1")), VersionSetting.default(available=("1.1", "1.0")))
    assert rule.version == TLS11
    ends = connected({}, {"versions": "1.2"})
    assert ends[0].version == "TLSv1.2"


def test_s36_sslv3_is_an_answer_of_the_rules_and_never_of_the_wire() -> None:
    """S36: "if the server is configured with SSLv3 and the client requests TLSv11, the server responds with SSLv3"."""
    outcome = negotiate(VersionSetting.specific("1.1"), VersionSetting.specific("SSLv3"), "number")
    assert outcome.reason == "not_accepted_by_config"
    outcome = negotiate(VersionSetting.compatibility("1.1", "SSLv3"), VersionSetting.specific("SSLv3"), "number")
    assert outcome.version == SSL30
    with pytest.raises(ForbiddenProtocol):
        versions.require_wire(outcome)
    for error in (refusal(server(), old_client_hello(SSL30)), refusal(client(), old_server_hello(SSL30))):
        assert isinstance(error, ProtocolVersionError)
        assert error.alert_sent == 70


def test_s36_specific_server_answers_with_its_version() -> None:
    ends = connected({"versions": ("1.3", "1.2")}, {"versions": "1.2"})
    assert ends[1].version == "TLSv1.2"


def test_s38_client_tells_its_two_reasons_apart() -> None:
    """S38: the version is not available to the client, or the client is not configured to accept it."""
    server_setting = VersionSetting.specific("1.1")
    disabled = VersionSetting.compatibility("1.2", "1.1", available=("1.3", "1.2"))
    unwanted = VersionSetting.compatibility("1.3", "1.2")
    reasons = [negotiate(one, server_setting, "number").reason for one in (disabled, unwanted)]
    assert reasons == ["disabled_by_platform_policy", "not_accepted_by_config"]


def test_s38_client_goes_on_with_what_it_accepts() -> None:
    ends = connected({"versions": "1.2"}, {"versions": ("1.3", "1.2")})
    assert ends[0].version == "TLSv1.2"


def test_failure_about_versions_is_final() -> None:
    """S19: there is no second attempt on the same connection, and no downgrade."""
    end = client()
    error = refusal(end, old_server_hello(TLS11))
    for call in (end.events, end.read):
        with pytest.raises(TlsError) as caught:
            call()
        assert caught.value is error
