"""Fixtures that every test may use; the helpers behind them are in tests/support/."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import tools


def pytest_report_header() -> list[str]:
    """First lines of a run: what was tested, so that a log can be read alone."""
    try:
        from tlscore import _core
    except ImportError as error:
        return [f"tlscore: the extension is not built ({error}); run make test"]
    facts = " ".join(f"{name}={value}" for name, value in sorted(_core.build_facts().items()))
    return [f"tlscore: {facts}", f"tlscore: a missing program {'fails' if tools.in_ci() else 'skips'} its tests"]


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root folder of the project."""
    return tools.REPOSITORY


@pytest.fixture(scope="session")
def require_tool() -> Callable[[str], str]:
    """`require_tool("openssl")` gives its path; where it is missing, the test fails in CI and is skipped elsewhere."""
    return tools.require_tool


@pytest.fixture(autouse=True)
def no_key_log_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """SSLKEYLOGFILE of the person who runs the tests must change nothing, not even in the programs that tests start."""
    monkeypatch.delenv("SSLKEYLOGFILE", raising=False)
