"""What a test needs from outside the project: programs of other projects, and test vectors too large to carry.

A test asks for a program by name. Where continuous integration runs (CI=true), a missing program is an error: the run
promised to install it, and a skip would hide that nothing was compared. On anybody's own machine the test is skipped,
and the reason says what to install. Vectors live beside the repository; they are always optional.
"""

import importlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
VECTORS = Path(os.environ.get("TLSCORE_VECTORS", REPOSITORY.parent / "shared" / "vectors"))

# Program -> the Debian package that brings it.
PACKAGES = {
    "openssl": "openssl",
    "gnutls-cli": "gnutls-bin",
    "gnutls-serv": "gnutls-bin",
    "curl": "curl",
    "redis-server": "redis-server",
    "mosquitto": "mosquitto",
    "chromium": "chromium",
    "cargo": "cargo",
    "valgrind": "valgrind",
}


def in_ci() -> bool:
    """Whether this run is one that must not skip a comparison for want of a program."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def require_tool(name: str) -> str:
    """Path of the program `name`; fails in CI and skips elsewhere when it is missing."""
    path = shutil.which(name)
    if path is not None:
        return path
    reason = f"the program {name} is not installed (Debian package: {PACKAGES.get(name, name)})"
    if in_ci():
        pytest.fail(f"{reason}; CI must install it", pytrace=False)
    pytest.skip(reason)


def require_package(name: str) -> Any:
    """The module `name` of another project, from the `test` extra; fails in CI and skips elsewhere without it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        reason = f"the Python package of {name} is not installed: pip install tlscore[test]"
    if in_ci():
        pytest.fail(f"{reason}; CI must install it", pytrace=False)
    pytest.skip(reason)


def require_vectors(*parts: str) -> Path:
    """Path of a file or folder of the shared test vectors; skips where they were not laid beside the repository."""
    path = VECTORS.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"the test vectors {'/'.join(parts)} are not in {VECTORS}; TLSCORE_VECTORS names another folder")
    return path
