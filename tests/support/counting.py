"""Counting what work does, where a measure of time would be noise."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class counted:
    """Names of the Python and C functions that are called in the block, hooks that Rust calls included."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __enter__(self) -> list[str]:
        sys.setprofile(self._note)
        return self.names

    def __exit__(self, *failure: object) -> None:
        sys.setprofile(None)
        # This function, and the one that it has just called.
        del self.names[-2:]

    def _note(self, frame: Any, event: str, argument: Any) -> None:
        if event == "c_call":
            self.names.append(argument.__name__)
        elif event == "call":
            self.names.append(frame.f_code.co_name)


def calls_of(work: Callable[[], object]) -> list[str]:
    """The calls that `work` makes."""
    with counted() as names:
        work()
    return [name for name in names if name != "<lambda>"]
