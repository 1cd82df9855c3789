"""Memory of a process as the kernel counts it, and scripts that run in a process of their own, where nothing else is.

`run_script` gives what the script prints, as JSON. Scripts may import the helpers of the tests.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import tlscore

REPOSITORY = Path(__file__).resolve().parents[2]
# Where this process has the package from: scripts must measure the same one.
PACKAGES = Path(tlscore.__file__).resolve().parents[1]


def resident() -> int:
    """Octets of this process that are in memory, after the C library has given back what is free."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_resident() -> int:
    """The most octets of this process that ever were in memory.

    Not what getrusage() tells: that goes on from the peak of the process that started this one.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("the kernel tells no peak of memory")


def environment() -> dict[str, str]:
    return {**os.environ, "MALLOC_ARENA_MAX": "1", "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(PACKAGES)])}


def run_script(body: str, timeout: float = 60) -> Any:
    """Run `body` in a fresh interpreter; gives the JSON that it prints last."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(body)],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
