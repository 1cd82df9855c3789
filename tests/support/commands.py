"""`tlscore` run in this process: exit code and what it printed, without a new interpreter for each run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tlscore.cli import main


class Ran(NamedTuple):
    """What became of a command."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The output, which is JSON and comes alone."""
        assert self.err == ""
        return json.loads(self.out)


def run(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> Ran:
    """Run one command; what was printed before it does not count."""
    capsys.readouterr()
    return Ran(main([*map(str, argv)]), *capsys.readouterr())
