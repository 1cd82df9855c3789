"""What is expected of CPython's test_ssl: read from expected.toml, compared with a run, and written as a page of docs.

python -m tests.cpython.expectations   writes docs/cpython-test-ssl.md
"""

import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "cpython-test-ssl.md"

_HEAD = """# CPython's own tests

`tests/cpython/` runs `test.test_ssl`, the test suite of the standard library's `ssl`, from the installed interpreter
with `tlscore.ssl` in the place of `ssl`. On Python 3.11 that is 183 tests, on 3.13 it is 187. Those that need the
network, Windows, or a version older than TLS 1.2 are skipped by CPython itself. Of the others, all pass but these; each
is checked to fail for as long as it is listed, so that the list cannot grow stale.

| test | why it does not pass | on |
|---|---|---|
"""


def listed() -> dict[str, dict[str, str]]:
    """Test -> reason, and the version of CPython before which it fails."""
    with open(HERE / "expected.toml", "rb") as file:
        return tomllib.load(file)


def expected_failures(version: tuple[int, int] = sys.version_info[:2]) -> set[str]:
    """The tests of one version of CPython that fail."""
    return {
        name
        for name, entry in listed().items()
        if "before" not in entry or version < tuple(map(int, entry["before"].split(".")))
    }


def surprises(results: list[dict[str, Any]], fails: set[str]) -> list[str]:
    """A line for each test whose outcome is not what is expected."""
    found = []
    for result in results:
        name, outcome = result["test"], result["outcome"]
        if outcome in ("failed", "hung") and name not in fails:
            found.append(f"{name} {outcome}: {result['why']}")
        elif outcome == "passed" and name in fails:
            found.append(f"{name} passed: take it out of expected.toml")
    return found


def counts(results: list[dict[str, Any]]) -> Counter[str]:
    return Counter(result["outcome"] for result in results)


def page() -> str:
    rows = []
    for name, entry in sorted(listed().items()):
        versions = f"Python before {entry['before']}" if "before" in entry else "every Python"
        rows.append(f"| `{name}` | {entry['reason']} | {versions} |\n")
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
