"""Running a target on changed inputs: the seed is printed, and a failure names the input that repeats it.

An input that takes more than a second of CPU time fails as one that crashes does. The clock is the process's own, so
that a busy machine makes no failures; what never ends is interrupted by it.
"""

from __future__ import annotations

import random
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn, TypeVar

from tests.fuzz.mutation import changed

LONGEST_SECONDS = 1.0
_E = TypeVar("_E", bound=Exception)


@dataclass(frozen=True)
class Target:
    """`check` is called with octets and raises what must not happen; `structure` is how inputs are best changed."""

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    structure: str
    seconds: float = LONGEST_SECONDS


def refusal(kind: type[_E], call: Callable[[], object]) -> _E | None:
    """What a call raises of a kind that it may raise."""
    try:
        call()
    except kind as raised:
        return raised
    return None


class TooSlow(BaseException):
    """Not an Exception: nothing under test may catch it."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Interrupt what uses more CPU time."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise TooSlow

    previous = signal.signal(signal.SIGVTALRM, interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)


def once(target: Target, data: bytes, seed: int | None = None) -> None:
    """One execution.

    Raises:   AssertionError, with the input in hexadecimal and the traceback of what went wrong.
    """
    begin = time.process_time()
    wrong = ""
    try:
        with deadline(target.seconds):
            target.check(data)
    except TooSlow:
        wrong = f"more than {target.seconds} s of CPU time"
    except Exception:
        wrong = traceback.format_exc()
    if not wrong and time.process_time() - begin > target.seconds:
        wrong = f"{time.process_time() - begin:.1f} s of CPU time in one call"
    if wrong:
        repeat = f"python -m tests.fuzz {target.name} --input {data.hex()}"
        raise AssertionError(f"{target.name}, seed {seed}:\n{wrong}\nrepeat with: {repeat}")


def run(target: Target, seed: int, executions: int | None = None, seconds: float = 0.0) -> int:
    """The seeds of a target, then changed inputs, for a number of executions or for some time; gives how many."""
    chance, seeds = random.Random(seed), list(target.seeds())
    end = time.monotonic() + seconds
    for data in seeds:
        once(target, data, seed)
    done = len(seeds)
    while done < executions if executions is not None else time.monotonic() < end:
        once(target, changed(seeds, target.structure, chance), seed)
        done += 1
    return done
