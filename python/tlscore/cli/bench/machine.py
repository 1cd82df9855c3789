"""The machine and the versions of a run: absolute figures mean nothing without them."""

import os
import platform
from typing import Any

# Flags that decide which code of an AEAD or a hash runs.
_FLAGS = ("aes", "pclmulqdq", "avx2", "avx512f", "vaes", "vpclmulqdq", "sha_ni", "asimd", "pmull", "sha2")


def machine_facts() -> dict[str, Any]:
    model, flags = "", set[str]()
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name.strip() == "model name":
                    model = value.strip()
                elif name.strip() in ("flags", "Features"):
                    flags = set(value.split())
    except OSError:
        model = platform.processor()
    return {
        "cpu": model or platform.machine(),
        "flags": [flag for flag in _FLAGS if flag in flags],
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
