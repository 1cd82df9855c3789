"""Progress on standard error: one line that rewrites itself on a terminal, a line per step elsewhere."""

import sys
from time import monotonic
from typing import TextIO

from tlscore.cli.bench.workloads import Workload


class Progress:
    def __init__(self, out: TextIO | None = None) -> None:
        self._out = sys.stderr if out is None else out
        self._done, self._total, self._started = 0, 1, monotonic()

    def start(self, total: int) -> None:
        self._done, self._total, self._started = 0, max(total, 1), monotonic()

    def elapsed(self) -> float:
        return monotonic() - self._started

    def step(self, workload: Workload, suite: str, size: int) -> None:
        share = 100 * self._done // self._total
        self._done += 1
        what = " ".join(part for part in (workload.name, suite.strip("-"), size_text(size)) if part)
        self._say(f"[{share:3d} %, {monotonic() - self._started:4.0f} s] {what}")

    def end(self) -> None:
        self._say(f"[100 %, {monotonic() - self._started:4.0f} s] done")
        if self._out.isatty():
            self._out.write("\n")

    def _say(self, text: str) -> None:
        if self._out.isatty():
            self._out.write(f"\r\x1b[K{text[:100]}")
        else:
            self._out.write(text + "\n")
        self._out.flush()


def size_text(octets: int) -> str:
    if not octets:
        return ""
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if octets % factor == 0:
            return f"{octets // factor} {unit}"
    return f"{octets} B"
