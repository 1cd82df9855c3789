"""The rule engine: the whole matrix in both ways to negotiate, every pair of version sets, who drops and why."""

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from tlscore import versions
from tlscore.errors import ConfigError, ForbiddenProtocol, ProtocolVersionError
from tlscore.version_settings import VersionOptionWarning
from tlscore.versions import ALL, SSL20, SSL30, TLS10, TLS11, TLS12, TLS13, VersionSetting, negotiate

# "Protocol Versions Compatibility" as a table: rows are clients, columns servers, S! and C! say who drops. "" is TLS
# 1.2 and newer, SSLv23 is TLS 1.1 and newer.
COLUMNS = ("", "SSLv23", "TLSv11", "TLSv12", "TLSv13")
MATRIX = {
    "": ("1.3", "1.3", "C!", "1.2", "1.3"),
    "SSLv23": ("1.3", "1.3", "1.1", "1.2", "1.3"),
    "TLSv11": ("S!", "1.1", "1.1", "S!", "S!"),
    "TLSv12": ("1.2", "1.2", "C!", "1.2", "S!"),
    "TLSv13": ("1.3", "1.3", "C!", "C!", "1.3"),
}
CELLS = [(client, server, MATRIX[client][at]) for client in COLUMNS for at, server in enumerate(COLUMNS)]
SETS = [chosen for count in range(1, len(ALL) + 1) for chosen in combinations(ALL, count)]


def setting(chosen: tuple[int, ...]) -> VersionSetting:
    return VersionSetting.specific(chosen[0]) if len(chosen) == 1 else VersionSetting.compatibility(*chosen)


@pytest.mark.parametrize(("client", "server", "cell"), CELLS)
def test_matrix_by_single_number(client: str, server: str, cell: str) -> None:
    ends = VersionSetting.from_sec_protocol(client), VersionSetting.from_sec_protocol(server)
    assert negotiate(*ends, how="number").cell == cell


@pytest.mark.parametrize(("client", "server", "cell"), CELLS)
def test_matrix_by_supported_versions(client: str, server: str, cell: str) -> None:
    """The server sees the whole list, so that it drops where an old one would have answered in vain."""
    ends = VersionSetting.from_sec_protocol(client), VersionSetting.from_sec_protocol(server)
    outcome = negotiate(*ends, how="extension")
    assert outcome.cell == ("S!" if cell == "C!" else cell)
    assert outcome.step == (7 if outcome.dropped_by else 8)


@pytest.fixture(scope="module")
def settings() -> dict[tuple[int, ...], VersionSetting]:
    return {chosen: setting(chosen) for chosen in SETS}


def pairs() -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    return ((client, server) for client in SETS for server in SETS)


def test_every_pair_by_extension_gives_the_highest_common_version(
    settings: dict[tuple[int, ...], VersionSetting],
) -> None:
    assert len(SETS) == 2**6 - 1
    for client, server in pairs():
        outcome = negotiate(settings[client], settings[server], "extension")
        common = set(client) & set(server)
        if common:
            assert outcome.version == max(common)
        else:
            assert (outcome.version, outcome.dropped_by, outcome.reason) == (None, "server", "no_common_version")
            assert outcome.alert == 70


def test_every_pair_by_number_follows_the_two_steps(settings: dict[tuple[int, ...], VersionSetting]) -> None:
    for client, server in pairs():
        outcome = negotiate(settings[client], settings[server], "number")
        possible = [one for one in server if one <= max(client)]
        if not possible:
            assert (outcome.dropped_by, outcome.reason) == ("server", "requested_below_server")
        elif max(possible) in client:
            assert outcome.version == max(possible)
        else:
            assert (outcome.dropped_by, outcome.reason) == ("client", "not_accepted_by_config")
            assert outcome.answered == max(possible)
        # What is established both ends accept, and for ranges without holes nothing better was possible.
        if outcome.version is not None:
            assert outcome.version in client
            assert outcome.version in server
        if contiguous(client) and contiguous(server):
            common = set(client) & set(server)
            assert outcome.version == (max(common) if common else None)


def contiguous(chosen: tuple[int, ...]) -> bool:
    places = [ALL.index(one) for one in chosen]
    return max(places) - min(places) == len(places) - 1


def test_one_change_always_helps_and_is_never_ssl(settings: dict[tuple[int, ...], VersionSetting]) -> None:
    for client, server in pairs():
        for how in ("number", "extension"):
            change = versions.one_change(settings[client], settings[server], how)  # type: ignore[arg-type]
            if negotiate(settings[client], settings[server], how).established:  # type: ignore[arg-type]
                assert change is None
            elif change is not None:
                assert change.version >= TLS10
                ends = [settings[client], settings[server]]
                at = 0 if change.end == "client" else 1
                ends[at] = ends[at].with_version(change.version)
                assert negotiate(*ends, how=how).version == change.version  # type: ignore[arg-type]
            else:
                # Nothing but SSL in at least one end that is the only one who could be asked.
                assert max(client) <= SSL30 or max(server) <= SSL30 or how == "number"


def test_server_answers_sslv3_to_a_client_that_asks_for_tls11() -> None:
    """The guide's example: "if the server is configured with SSLv3 and the client requests TLSv11, the server responds
    with SSLv3"."""
    client, server = VersionSetting.default(available=(TLS11, TLS10, SSL30)), VersionSetting.specific("SSLv3")
    outcome = negotiate(client, server, "number")
    assert (outcome.asked, outcome.version, outcome.tier) == ((TLS11,), SSL30, "never")
    with pytest.raises(ForbiddenProtocol, match="SSLv3 must not be negotiated") as caught:
        versions.require_wire(outcome)
    assert caught.value.alert == 70


def test_server_answers_tls11_where_tls12_is_disabled() -> None:
    """The guide's example: the client requests TLSv12, "but the server has TLSv12 disabled and TLSv11 enabled"."""
    client = VersionSetting.default(available=(TLS12, TLS11))
    server = VersionSetting.default(available=(TLS11, TLS10))
    for how in ("number", "extension"):
        outcome = negotiate(client, server, how)  # type: ignore[arg-type]
        assert (outcome.asked[0], outcome.version, outcome.tier) == (TLS12, TLS11, "legacy")


def test_server_drops_a_client_below_all_its_versions() -> None:
    """The guide's example: "if the server is configured with TLSv12 and the client requests TLSv11, the server drops
    the connection"."""
    outcome = negotiate(VersionSetting.specific("TLSv11"), VersionSetting.specific("TLSv12"), "number")
    assert (outcome.dropped_by, outcome.step, outcome.alert) == ("server", 7, 70)
    assert outcome.cause == "the client asks for TLSv1.1, the server accepts TLSv1.2"


def test_two_reasons_of_a_client_are_told_apart() -> None:
    server = VersionSetting.specific("1.1")
    disabled = VersionSetting.compatibility("1.2", "1.1", available=(TLS13, TLS12))
    unwanted = VersionSetting.compatibility("1.3", "1.2")
    first, second = (negotiate(client, server, "number") for client in (disabled, unwanted))
    assert (first.dropped_by, first.reason) == ("client", "disabled_by_platform_policy")
    assert (second.dropped_by, second.reason) == ("client", "not_accepted_by_config")
    assert "disabled by the platform policy of the client" in first.cause
    assert "not accepted by the configuration of the client" in second.cause


def test_change_for_a_disabled_version_names_the_platform_policy() -> None:
    client = VersionSetting.compatibility("1.2", "1.1", available=(TLS11,))
    change = versions.one_change(client, VersionSetting.specific("1.2"))
    assert change is not None
    assert change.text == "enable TLSv1.2 in the platform policy of the client"


@pytest.mark.parametrize("version", ALL)
def test_specific_but_unavailable_is_a_config_error(version: int) -> None:
    rest = tuple(one for one in ALL if one != version)
    with pytest.raises(ConfigError, match="disabled_by_platform_policy") as caught:
        VersionSetting.specific(version, available=rest)
    assert caught.value.code == "TLS-CONFIG-NOT_AVAILABLE"


def test_settings_that_leave_nothing_are_config_errors() -> None:
    with pytest.raises(ConfigError, match="nothing is available"):
        VersionSetting.compatibility("1.2", "1.1", available=(TLS13,))
    with pytest.raises(ConfigError):
        VersionSetting.default(available=())
    with pytest.raises(ConfigError):
        VersionSetting.parse([])
    with pytest.raises(ConfigError, match="one of the two"):
        VersionSetting.compatibility()


@pytest.mark.parametrize("value", ["SSLv3", "TLSv1", "TLSv1.0", "SSLv2"])
def test_sec_protocol_refuses_what_it_refuses_today(value: str) -> None:
    for read in (
        VersionSetting.from_sec_protocol,
        VersionSetting.from_tls_version,
        VersionSetting.from_protocol_list,
        lambda value: VersionSetting.from_protocol_list(["TLSv12", value]),
    ):
        with pytest.raises(ConfigError) as caught:
            read(value)
        assert caught.value.code == "TLS-CONFIG-FORBIDDEN_VERSION"


@pytest.mark.parametrize("value", [*COLUMNS, "TLSv1.2"])
def test_tls_version_and_a_protocol_list_of_one_mean_what_sec_protocol_means(value: str) -> None:
    """G16: the older names for the option are read, with a warning that says what they were read as."""
    expected = VersionSetting.from_sec_protocol(value)
    for read, option in (
        (VersionSetting.from_tls_version, "tls-version"),
        (VersionSetting.from_protocol_list, "protocol-list"),
    ):
        with pytest.warns(
            VersionOptionWarning, match=f"{option} was read as {re.escape(str(expected))}; write versions"
        ):
            assert read(value) == expected


@pytest.mark.parametrize(
    "value", ["TLSv12,TLSv13", "TLSv1.3 TLSv1.2", " TLSv1.3 , TLSv1.2 ", ["TLSv13", "1.2"], ("TLSv1.2", "TLSv1.3")]
)
def test_protocol_list_names_versions_one_by_one(value: str | list[str]) -> None:
    with pytest.warns(VersionOptionWarning, match="protocol-list"):
        setting = VersionSetting.from_protocol_list(value, available=("1.3", "1.2", "1.1"))
    assert (setting.kind, setting.accepted) == ("compatibility", (TLS13, TLS12))
    with pytest.raises(ConfigError, match="nothing is available"):
        VersionSetting.from_protocol_list(value, available=("1.1",))


def test_protocol_list_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="empty list"):
        VersionSetting.from_protocol_list([])
    with pytest.raises(ConfigError, match="TLSv9"):
        VersionSetting.from_protocol_list("TLSv12 TLSv9")


@pytest.mark.parametrize("wrong", [1.2, True, None, b"1.2", object(), {"1.2": 1}.items()])
def test_what_is_no_version_is_a_typed_error(wrong: Any) -> None:
    """1.2 without its quotes, most of all."""
    for read in (
        versions.version_code,
        VersionSetting.parse,
        VersionSetting.specific,
        VersionSetting.from_sec_protocol,
        VersionSetting.from_tls_version,
        VersionSetting.from_protocol_list,
        lambda value: VersionSetting.default(available=value),
        lambda value: VersionSetting.compatibility("1.2", available=value),
        lambda value: VersionSetting.compatibility(floor=value) if value is not None else versions.version_code(None),
    ):
        with pytest.raises(ConfigError) as caught:
            read(wrong)
        assert caught.value.remedy
    with pytest.raises(ConfigError, match=r'Write "1\.2"'):
        VersionSetting.parse(1.2)  # type: ignore[arg-type]


def test_single_text_is_no_list_of_available_versions() -> None:
    with pytest.raises(ConfigError, match=r"single value '1\.2'"):
        VersionSetting.default(available="1.2")


def test_every_change_by_the_rules_comes_best_first() -> None:
    client, server = VersionSetting.specific("1.1"), VersionSetting.compatibility("1.2", "1.3")
    found = list(versions.changes(client, server))
    assert [(one.end, one.version) for one in found] == [("client", TLS13), ("client", TLS12), ("server", TLS11)]
    assert versions.one_change(client, server) == found[0]
    assert list(versions.changes(client, client)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TLSv1.2", (TLS12,)),
        ("TLSv12", (TLS12,)),
        ("1.2", (TLS12,)),
        ("TLS1.2", (TLS12,)),
        ("SSLv3", (SSL30,)),
        ("1.2+", (TLS13, TLS12)),
        ("1.1, 1.2", (TLS12, TLS11)),
        (["1.2", "TLSv1.3"], (TLS13, TLS12)),
        ("default", ALL),
    ],
)
def test_versions_are_read_in_every_spelling(text: str, expected: tuple[int, ...]) -> None:
    assert VersionSetting.parse(text).accepted == expected


def test_unknown_version_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"TLSv1\.2"):
        VersionSetting.parse("TLSv1_2")


def test_server_that_answers_higher_or_something_else_is_refused() -> None:
    old, new = VersionSetting.specific("1.1"), VersionSetting.compatibility("1.2", "1.3")
    assert versions.judge(old, TLS12, "number") == "answered_above_request"
    assert versions.judge(VersionSetting.specific("1.2"), TLS13, "extension") == "not_offered"
    assert versions.judge(new, TLS11, "extension") == "not_accepted_by_config"
    assert versions.judge(new, TLS12, "extension") is None


@pytest.mark.parametrize(
    ("server", "answered", "expected"),
    [
        (("1.3", "1.2"), TLS13, b""),
        (("1.3", "1.2"), TLS12, b"DOWNGRD\x01"),
        (("1.3", "1.1"), TLS11, b"DOWNGRD\x00"),
        (("1.2", "1.1"), TLS11, b"DOWNGRD\x00"),
        (("1.2", "1.1"), TLS12, b""),
        (("1.1", "1.0"), TLS10, b""),
    ],
)
def test_server_that_could_do_more_says_so(server: tuple[str, ...], answered: int, expected: bytes) -> None:
    """RFC 9846 4.2.3: the sentinels in the server's random."""
    assert versions.sentinel(VersionSetting.compatibility(*server), answered) == expected


def test_lowered_number_is_seen_wherever_it_can_be(settings: dict[tuple[int, ...], VersionSetting]) -> None:
    """RFC 9846 4.2.3: whoever takes the list out of a hello gains nothing between ends that know TLS 1.2."""
    for client, server in pairs():
        if max(client) < TLS12 or max(server) < TLS12:
            continue
        honest = negotiate(settings[client], settings[server], "extension").version
        for number in ALL:
            if honest is None or number >= honest:
                continue
            assert versions.attacked(settings[client], settings[server], number).version is None


def test_silent_end_sends_no_alert() -> None:
    silent = VersionSetting.specific("1.2", on_reject="silent")
    loud = VersionSetting.specific("1.1")
    assert negotiate(loud, silent, "number").alert is None
    assert negotiate(silent, loud, "number").alert is None
    assert negotiate(VersionSetting.specific("1.3"), loud, "number").alert == 70


@pytest.mark.parametrize(
    ("theirs", "ours", "remedy"),
    [
        ((TLS12,), (TLS13,), "enable TLSv1.3 at the client, or add TLSv1.2 to versions of this server"),
        ((0x0A0A, TLS13), (TLS12,), "add TLSv1.3 to versions of this server, or enable TLSv1.2 at the client"),
        ((TLS11, TLS10), (TLS13, TLS12), "enable TLSv1.3 at the client"),
        ((TLS13, TLS12), (TLS11, TLS10), "add TLSv1.2 to versions of this server"),
        ((TLS13,), (TLS11,), "serve this client with a configuration of its own, without legacy"),
        ((TLS10,), (TLS11,), "enable TLSv1.1 at the client"),
        ((0x0A0A,), (TLS13, TLS12), "enable TLSv1.3 at the client"),
    ],
)
def test_refused_offer_names_the_version_that_one_end_could_add(
    theirs: tuple[int, ...], ours: tuple[int, ...], remedy: str
) -> None:
    """Never one that is forbidden, an old one only where nothing newer would help."""
    assert versions.refused_offer(theirs, ours).remedy == remedy


def test_refused_offer_names_both_lists() -> None:
    error = versions.refused_offer((TLS11,), (TLS13, TLS12))
    assert type(error) is ProtocolVersionError
    assert "the client offers TLSv1.1, the server accepts TLSv1.3, TLSv1.2" in str(error)
    assert type(versions.refused_offer((SSL30,), (TLS13,))) is ForbiddenProtocol
    assert type(versions.refused_offer((SSL20,), (TLS13,))) is ForbiddenProtocol
    assert type(versions.refused_offer((0x0A0A, TLS11, SSL30), (TLS13,))) is ProtocolVersionError


@pytest.mark.parametrize(
    ("octets", "asked"),
    [
        (b"\x80\x2e\x01\x03\x03\x00\x15", "TLSv1.2"),
        (b"\x80\x2e\x01\x03\x01\x00\x15", "TLSv1.0"),
        (b"\x80\x2e\x01\x03\x00", "SSLv3"),
        (b"\x80\x2e\x01\x00\x02", "SSLv2"),
        (b"\x80\x2e\x01\x03\x09", "version 0x0309"),
        (b"\x16\x03\x01\x00\x40\x01", None),
        (b"\x80\x2e\x01\x03", None),
        (b"\x80\x2e\x02\x03\x03", None),
    ],
)
def test_sslv2_hello_is_read_from_its_first_octets(octets: bytes, asked: str | None) -> None:
    """RFC 5246 E.2."""
    assert versions.sslv2_hello(octets) == asked
