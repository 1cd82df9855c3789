"""Clocks: a naive one is refused where it is given; one that fails later never lets anything pass; times in arguments.

Row 98 of the attacks: whoever judges by time must know which time it is.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest

from tests.support import standing
from tests.support.legacy import identity, quiet, tier
from tests.support.peers import failure
from tests.support.standing import NAME, carry
from tlscore import ClientConfig, ConfigError, ServerConfig, clocks, errors
from tlscore.certs.policy import CertificatePolicy, LegacyHash
from tlscore.certs.revocation import OcspFile, OcspStapler

NAIVE = datetime(2026, 11, 24, 12)
AWARE = NAIVE.replace(tzinfo=UTC)


class Nowhere(tzinfo):
    """A zone that does not know its offset: Python counts such times as naive."""

    def utcoffset(self, when: datetime | None) -> None:
        return None

    def dst(self, when: datetime | None) -> None:
        return None

    def tzname(self, when: datetime | None) -> str:
        return "nowhere"


class Broken(tzinfo):
    """A zone whose code fails, from the first question on or after a few."""

    def __init__(self, answers: int = 0) -> None:
        self.answers = answers

    def utcoffset(self, when: datetime | None) -> timedelta:
        self.answers -= 1
        if self.answers < 0:
            raise ValueError("no such place")
        return timedelta(0)

    def dst(self, when: datetime | None) -> None:
        return None

    def tzname(self, when: datetime | None) -> str:
        return "broken"


class NoFetcher:
    def fetch_ocsp(self, url: str, request: bytes, /) -> bytes:
        raise AssertionError("asked")


def broken() -> datetime:
    raise OSError("no time")


def after(count: int, first: Any, then: Callable[[], Any]) -> Callable[[], Any]:
    """A clock that changes its mind."""
    calls = itertools.count()
    return lambda: first if next(calls) < count else then()


BAD = [
    pytest.param(NAIVE, "without a time zone", id="naive"),
    pytest.param(NAIVE.replace(tzinfo=Nowhere()), "without a time zone", id="zone without offset"),
    pytest.param(NAIVE.replace(tzinfo=Broken()), r"no time in UTC \(ValueError\)", id="zone that fails"),
    pytest.param(
        datetime.min.replace(tzinfo=timezone(timedelta(hours=5))), r"no time in UTC \(OverflowError\)", id="before all"
    ),
    pytest.param(1_800_000_000.0, "clock gave a float", id="seconds"),
    pytest.param(None, "clock gave a NoneType", id="nothing"),
    pytest.param(AWARE.date(), "clock gave a date", id="date"),
]


@pytest.mark.parametrize(("given", "text"), BAD)
def test_clock_that_tells_no_time_is_refused_where_it_is_given(given: Any, text: str) -> None:
    chain = (*standing.identity().chain, standing.authority().der)
    for build in (
        lambda: ClientConfig.simple(standing.trust(), clock=lambda: given),
        lambda: ServerConfig.simple(standing.identity(), clock=lambda: given),
        lambda: standing.client_config().replace(clock=lambda: given),
        lambda: quiet(ClientConfig.simple, standing.trust(), legacy=tier(expires=AWARE), clock=lambda: given),
        lambda: quiet(ServerConfig.simple, identity(), legacy=tier(expires=AWARE), clock=lambda: given),
        lambda: OcspStapler(chain, NoFetcher(), url="http://ocsp.example", clock=lambda: given),
        lambda: OcspFile("/nowhere/ocsp.der", chain, clock=lambda: given),
    ):
        with pytest.raises(ConfigError, match=text) as refused:
            build()
        assert refused.value.code == "TLS-CONFIG-CLOCK"
        assert refused.value.remedy == "let clock give an aware datetime, such as datetime.now(UTC)"


def test_what_is_no_function_is_no_clock() -> None:
    for build in (
        lambda: ClientConfig.simple(standing.trust(), clock=AWARE),
        lambda: OcspFile("/nowhere", (*standing.identity().chain, standing.authority().der), clock=AWARE),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigError, match="clock is a datetime"):
            build()


def test_clock_that_fails_may_work_later() -> None:
    now = list[datetime]()
    config = ServerConfig.simple(standing.identity(), clock=lambda: now[0])
    with pytest.raises(ConfigError, match=r"clock failed \(IndexError\)") as refused:
        config.days_to_expiry()
    assert isinstance(refused.value.__cause__, IndexError)
    now.append(datetime.now(UTC))
    assert config.days_to_expiry() == pytest.approx(30, abs=1)


# -- the last day of a legacy configuration ----------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "text"), [*BAD, pytest.param(broken, "clock failed", id="failing")])
def test_clock_that_stops_telling_time_ends_a_configuration_that_ends(given: Any, text: str) -> None:
    """What cannot be told to be in time is out of time: no configuration, no connection."""
    made = tier(expires=AWARE + timedelta(days=1))
    then = given if callable(given) else lambda: given
    # Building asks twice: whether it is a clock, and whether it is too late.
    client = quiet(ClientConfig.simple, standing.trust(), legacy=made, clock=after(2, AWARE, then))
    server = quiet(ServerConfig.simple, identity(), legacy=made, clock=after(2, AWARE, then))
    for connect in (lambda: client.connection(NAME), server.connection):
        with pytest.raises(ConfigError, match=text) as refused:
            connect()
        assert refused.value.code == "TLS-CONFIG-CLOCK"
    if callable(given):
        with pytest.raises(ConfigError, match=text):
            quiet(ClientConfig.simple, standing.trust(), legacy=made, clock=given)


def test_clock_of_any_zone_counts() -> None:
    made = tier(expires=AWARE)
    behind = timezone(timedelta(hours=-11))
    in_time = (AWARE - timedelta(seconds=1)).astimezone(behind)
    late = (AWARE + timedelta(seconds=1)).astimezone(behind)
    quiet(ClientConfig.simple, standing.trust(), legacy=made, clock=lambda: in_time).connection(NAME)
    with pytest.raises(ConfigError, match="expired at 2026-11-24T12:00:00"):
        quiet(ClientConfig.simple, standing.trust(), legacy=made, clock=lambda: late)


def test_zone_of_a_clock_is_asked_in_one_place() -> None:
    """Its code is somebody else's: what it once told is kept, and nothing that compares times later asks it again."""
    told = clocks.read(lambda: NAIVE.replace(tzinfo=Broken(answers=2)))
    assert (told, told.tzinfo) == (AWARE, UTC)
    assert told < AWARE + timedelta(days=1)


def test_tier_without_a_day_needs_no_time() -> None:
    quiet(ClientConfig.simple, standing.trust(), legacy=tier(), clock=broken).connection(NAME)


# -- handshakes and reports --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "text"), [*BAD, pytest.param(broken, "clock failed", id="failing")])
def test_clock_that_stops_telling_time_ends_the_handshake(given: Any, text: str) -> None:
    then = given if callable(given) else lambda: given
    client = standing.client_config().replace(clock=after(1, AWARE, then)).connection(NAME)
    server = standing.server_config().connection()
    carry(client, server)
    error = failure(client.receive, server.data_to_send())
    assert type(error) is errors.GeneralError
    assert error.code == "TLS-CLOCK_FAILED"
    assert re.search(text, str(error))
    assert isinstance(error.__cause__, (OSError, ValueError, OverflowError, ConfigError))
    assert isinstance(error.__cause__, OSError) is callable(given)
    assert not client.handshake_complete
    assert not client.authenticated


def test_report_by_a_clock_that_stops_telling_time() -> None:
    now: list[Any] = [datetime.now(UTC)]
    client = standing.client_config().replace(clock=lambda: now[0]).connection(NAME)
    server = standing.server_config().connection()
    carry(client, server)
    client.receive(server.data_to_send())
    assert client.report().as_dict()
    now[0] = NAIVE
    for read in (client.report, client.peer_days_to_expiry):
        with pytest.raises(ConfigError, match="without a time zone") as refused:
            read()
        assert refused.value.code == "TLS-CONFIG-CLOCK"
    assert client.report(NAIVE).as_dict() == client.report(AWARE).as_dict()


# -- times in arguments ------------------------------------------------------------------------------------------------


def test_time_without_a_zone_counts_as_utc_in_arguments() -> None:
    """Each says so in its documentation; a mistake shows in one result, not in every handshake."""
    own = standing.identity()
    config = ServerConfig.simple(own)
    assert own.days_to_expiry(NAIVE) == own.days_to_expiry(AWARE) == config.days_to_expiry(NAIVE)
    assert own.lint(NAIVE) == own.lint(AWARE)
    assert LegacyHash(("00" * 32,), NAIVE).end == tier(expires=NAIVE).end == AWARE
    assert CertificatePolicy(allow_sha1=LegacyHash(("00" * 32,), NAIVE)) is not None
    assert clocks.moment(NAIVE) == AWARE
    assert clocks.moment(None).tzinfo is UTC


def test_time_whose_zone_fails_is_refused_in_arguments() -> None:
    bad = NAIVE.replace(tzinfo=Broken())
    for read in (
        lambda: standing.identity().days_to_expiry(bad),
        lambda: quiet(ClientConfig.simple, standing.trust(), legacy=tier(expires=bad)),
        lambda: CertificatePolicy(allow_sha1=LegacyHash(("00" * 32,), bad)).allow_sha1.end,  # type: ignore[union-attr]
    ):
        with pytest.raises(ConfigError, match=r"whose zone failed \(ValueError\)"):
            read()
