"""Counting what work does, where a measure of time would be noise."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def calls_of(work: Callable[[], object]) -> list[str]:
    """Python and C functions that `work` calls, hooks that Rust calls included."""
    names: list[str] = []

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "c_call":
            names.append(argument.__name__)
        elif event == "call":
            names.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return [name for name in names if name not in {"setprofile", "<lambda>"}]
