"""Run CPython's own test_ssl with tlscore.ssl in the place of ssl; a program of its own, since it changes sys.modules.

    python run_test_ssl.py OUT [--part NUMBER OF] [--only NAME ...]

One line of JSON per test goes to OUT: its name, "passed", "failed", "skipped" or "hung", why, and its seconds. The
tests see the stand-in under the name ssl, and OpenSSL's module under its own. What only regrtest switches on (the
network) stays off. Each test has a deadline: one that waits for ever must not take the others along.
"""

import argparse
import importlib
import json
import os
import pkgutil
import signal
import sys
import time
import traceback
import unittest
from types import FrameType
from typing import IO, Any

SECONDS_PER_TEST = 20


class Hung(BaseException):
    """A test passed its deadline. No Exception: tests catch those."""


class Recorder(unittest.TestResult):
    """Writes the outcome of each test as soon as it is known."""

    def __init__(self, out: IO[str], tracebacks: bool) -> None:
        super().__init__()
        self._out = out
        self._tracebacks = tracebacks
        self._outcome = ("passed", "")
        self._started = 0.0

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._outcome = ("passed", "")
        self._started = time.monotonic()
        signal.alarm(SECONDS_PER_TEST)

    def stopTest(self, test: unittest.TestCase) -> None:
        signal.alarm(0)
        super().stopTest(test)
        outcome, why = self._outcome
        seconds = round(time.monotonic() - self._started, 2)
        record = {"test": name_of(test), "outcome": outcome, "why": why, "seconds": seconds}
        self._out.write(json.dumps(record) + "\n")
        self._out.flush()

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        if self._outcome[0] == "passed":
            self._outcome = ("skipped", reason)

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        self._note(err)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._note(err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        if err is not None:
            self._note(err)

    def _note(self, err: Any) -> None:
        if self._outcome[0] in ("passed", "skipped"):
            self._outcome = ("hung" if err[0] is Hung else "failed", f"{err[0].__name__}: {err[1]}"[:300])
        if self._tracebacks:
            traceback.print_exception(*err)


def name_of(test: unittest.TestCase) -> str:
    """Class and method: "ContextTests.test_ciphers"."""
    return ".".join(test.id().split(".")[-2:])


def flat(suite: unittest.TestSuite) -> list[Any]:
    found: list[Any] = []
    for one in suite:
        found += flat(one) if isinstance(one, unittest.TestSuite) else [one]
    return found


def stand_in() -> None:
    """Put tlscore.ssl under the name ssl; its own modules have the real one already."""
    shape = importlib.import_module("tlscore.ssl")
    for found in pkgutil.iter_modules(shape.__path__):
        importlib.import_module(f"tlscore.ssl.{found.name}")
    sys.modules["ssl"] = shape


def hang(signum: int, frame: FrameType | None) -> None:
    raise Hung(f"over {SECONDS_PER_TEST} seconds")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1))
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument("--tracebacks", action="store_true")
    options = parser.parse_args()
    stand_in()
    importlib.import_module("test.support").use_resources = ["walltime", "cpu"]  # type: ignore[attr-defined]
    module = importlib.import_module("test.test_ssl")
    signal.signal(signal.SIGALRM, hang)
    tests = flat(unittest.defaultTestLoader.loadTestsFromModule(module))
    number, of = options.part
    if options.only:
        tests = [test for test in tests if name_of(test) in options.only]
    with open(options.out, "w", encoding="utf-8") as out:
        unittest.TestSuite(tests[number::of]).run(Recorder(out, options.tracebacks))
    # Threads of servers that a failed test left behind must not hold the process.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
