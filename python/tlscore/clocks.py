"""What time it is: read from the clock of a configuration, or taken from a caller.

A clock is a function, called whenever something is judged by time. It must give aware datetimes: a naive one may be UTC
or the time of some place, and whoever guessed wrong would be off by hours, in silence. A time that stands in an
argument or a setting, once, counts as UTC where it names no zone, as the documentation of each says.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tlscore.errors import ConfigError

Clock = Callable[[], datetime]
_REMEDY = "let clock give an aware datetime, such as datetime.now(UTC)"


def checked(given: Any) -> datetime:
    """What a clock gave, in UTC: its own zone, which is code of somebody else, is asked here and never again.

    Raises:   ConfigError unless it is an aware datetime.
    """
    if not isinstance(given, datetime):
        raise ConfigError(f"clock gave a {type(given).__name__}", remedy=_REMEDY, code="TLS-CONFIG-CLOCK")
    try:
        told = None if given.utcoffset() is None else given.astimezone(UTC)
    except Exception as failure:
        raise ConfigError(
            f"clock gave a datetime that has no time in UTC ({type(failure).__name__})",
            remedy=_REMEDY,
            code="TLS-CONFIG-CLOCK",
        ) from failure
    if told is None:
        raise ConfigError(
            "clock gave a datetime without a time zone, which could be any time of that day",
            remedy=_REMEDY,
            code="TLS-CONFIG-CLOCK",
        )
    return told


def read(clock: Clock | None) -> datetime:
    """The time by a clock, that of the system where there is none.

    Raises:   ConfigError where the clock fails, or gives anything but an aware datetime.
    """
    if clock is None:
        return datetime.now(UTC)
    try:
        given = clock()
    except Exception as failure:
        raise ConfigError(
            f"clock failed ({type(failure).__name__})", remedy="see the chained exception", code="TLS-CONFIG-CLOCK"
        ) from failure
    return checked(given)


def accepted(clock: Any) -> Any:
    """A clock that a caller gives, asked once, so that a naive one is found before it judges anything.

    One that fails may work later, and is asked again when there is something to judge.

    Raises:   ConfigError for what cannot be called, and for what gives anything but an aware datetime.
    """
    if clock is None:
        return None
    if not callable(clock):
        raise ConfigError(
            f"clock is a {type(clock).__name__}",
            remedy="give a function without arguments that gives an aware datetime",
        )
    try:
        given = clock()
    except Exception:
        return clock
    checked(given)
    return clock


def aware(given: datetime) -> datetime:
    """A time that a caller named: UTC where it names no zone.

    Raises:   ConfigError where its zone fails.
    """
    try:
        zoned = given.utcoffset() is not None
    except Exception as failure:
        raise ConfigError(
            f"a time was given whose zone failed ({type(failure).__name__})",
            remedy="give an aware datetime, such as datetime.now(UTC)",
            code="TLS-CONFIG-CLOCK",
        ) from failure
    return given if zoned else given.replace(tzinfo=UTC)


def moment(given: datetime | None) -> datetime:
    """A time that a caller may have named; now, where it has not."""
    return datetime.now(UTC) if given is None else aware(given)
