"""CPython's test_ssl of the running interpreter, with tlscore.ssl in the place of ssl."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.cpython import expectations

# Most of these tests wait for a thread most of the time: several processes wait at the same time.
_PARTS = 3
_SECONDS = 85
_SECONDS_AGAIN = 25
_RUNNER = Path(__file__).with_name("run_test_ssl.py")
_PACKAGE = Path(expectations.HERE.parents[1], "python")
# Of 183 (Python 3.11) and more; what passes may only grow.
_FEWEST = 160


def _run(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    folder.mkdir()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
    }
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_PACKAGE), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-W", "default", str(_RUNNER), str(folder / "results"), *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _results(process: "subprocess.Popen[str]", folder: Path, until: float) -> list[dict[str, Any]]:
    try:
        output, _ = process.communicate(timeout=max(1, until - monotonic()))
    finally:
        process.kill()
    assert process.returncode == 0, output[-4000:]
    return [json.loads(line) for line in (folder / "results").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def cpython_tests() -> None:
    if importlib.util.find_spec("test.test_ssl") is None:
        pytest.skip("this interpreter has no test.test_ssl: Debian and others leave the package `test` out")


@pytest.mark.usefixtures("cpython_tests")
def test_cpython_tests_pass_but_those_listed(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(_PARTS)]
    until = monotonic() + _SECONDS
    running = [_run(folder, "--part", str(number), str(_PARTS)) for number, folder in enumerate(folders)]
    results = [
        one for process, folder in zip(running, folders, strict=True) for one in _results(process, folder, until)
    ]
    fails = expectations.expected_failures()
    suspects = [one["test"] for one in results if one["outcome"] in ("failed", "hung") and one["test"] not in fails]
    if suspects:
        # Some have deadlines of a tenth of a second: a busy machine gets a second try at these, alone.
        second = tmp_path / "again"
        again = _results(_run(second, "--only", *suspects), second, until + _SECONDS_AGAIN)
        results = [one for one in results if one["test"] not in suspects] + again

    assert expectations.surprises(results, fails) == []
    assert expectations.counts(results)["passed"] >= _FEWEST


def test_unexpected_outcomes_are_told_apart() -> None:
    def outcome(test: str, outcome: str) -> dict[str, Any]:
        return {"test": test, "outcome": outcome, "why": "because"}

    results = [outcome("A.a", "passed"), outcome("A.b", "failed"), outcome("A.c", "hung"), outcome("A.d", "skipped")]

    assert expectations.surprises(results, set()) == ["A.b failed: because", "A.c hung: because"]
    assert expectations.surprises(results, {"A.a", "A.b", "A.c", "A.d"}) == ["A.a passed: take it out of expected.toml"]


def test_page_is_made_from_the_list() -> None:
    assert expectations.PAGE.read_text(encoding="utf-8") == expectations.page(), "python -m tests.cpython.expectations"


def test_every_expected_failure_has_a_reason() -> None:
    assert all(len(entry["reason"]) > 20 for entry in expectations.listed().values())


def test_versions_of_cpython_are_told_apart() -> None:
    old, new = expectations.expected_failures((3, 11)), expectations.expected_failures((3, 13))
    assert new < old
    assert "ThreadedTests.test_tls_unique_channel_binding" in old - new
