"""Build backend of tlscore: maturin, after a check that names what this machine lacks and what to install.

Without a C compiler cargo stops at "linker `cc` not found", and the crypto provider at a page of its own; both say
little to somebody who wanted a Python package. pip (through pyproject.toml) and make (as a program) run the same
check. It is written for any Python 3, since an old one is among the things that it has to name.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys

PYTHON = (3, 11)
RUST = (1, 85)

NO_PYTHON = """Python {found} runs this build; tlscore needs Python {wanted} or newer.
    Debian, Ubuntu:  apt-get install python3 python3-venv   (Debian 12, Ubuntu 24.04 or newer)
    Fedora:          dnf install python3
    macOS:           brew install python
    Another one that is installed already: make PYTHON=python3.13"""
NO_VENV = """this Python has no complete venv module (ensurepip is missing).
    Debian, Ubuntu:  apt-get install python3-venv"""
NO_CARGO = """no Rust compiler: cargo was not found on PATH.
    Any system:      https://rustup.rs
    Debian, Ubuntu:  apt-get install rustup && rustup default stable
    macOS:           brew install rust"""
OLD_CARGO = """cargo {found} is installed; tlscore needs Rust {wanted} or newer.
    With rustup:     rustup update stable"""
NO_CC = """no C compiler: {tried} not found on PATH. The crypto providers are built from C, and Rust links with it.
    Debian, Ubuntu:  apt-get install gcc libc6-dev
    Fedora:          dnf install gcc
    Alpine:          apk add gcc musl-dev
    macOS:           xcode-select --install"""


def _dotted(version):
    return ".".join(str(part) for part in version)


def _cargo_version(cargo):
    """Version of cargo as a tuple, or None where it does not say one."""
    try:
        text = subprocess.check_output([cargo, "--version"]).decode("ascii", "replace")
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r"(\d+)\.(\d+)", text)
    return (int(match.group(1)), int(match.group(2))) if match else None


def _compilers():
    """Names of the C compilers to look for: the one that CC names, else the usual ones."""
    named = shlex.split(os.environ.get("CC", ""))
    return named[:1] or ["cc", "gcc", "clang"]


def problems():
    """Sentences about what is missing on this machine; empty when the build can start."""
    found = []
    if sys.version_info[:2] < PYTHON:
        found.append(NO_PYTHON.format(found=_dotted(sys.version_info[:2]), wanted=_dotted(PYTHON)))
    cargo = shutil.which("cargo")
    version = _cargo_version(cargo) if cargo else None
    if version is None:
        found.append(NO_CARGO)
    elif version < RUST:
        found.append(OLD_CARGO.format(found=_dotted(version), wanted=_dotted(RUST)))
    compilers = _compilers()
    if os.name == "posix" and not any(shutil.which(name) for name in compilers):
        found.append(NO_CC.format(tried=" and ".join(compilers) if len(compilers) < 3 else "cc, gcc and clang"))
    return found


def _venv_problems():
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return [NO_VENV]
    return []


def _refuse(found):
    return "\n\n".join("tlscore cannot be built here: " + sentence for sentence in found)


def _maturin():
    """The real backend, once nothing is missing."""
    found = problems()
    if found:
        raise SystemExit(_refuse(found))
    import maturin

    return maturin


def get_requires_for_build_wheel(config_settings=None):
    """PEP 517 hook; maturin itself is in build-system.requires."""
    return []


def get_requires_for_build_sdist(config_settings=None):
    """PEP 517 hook."""
    return []


def get_requires_for_build_editable(config_settings=None):
    """PEP 660 hook."""
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    """PEP 517 hook."""
    return _maturin().prepare_metadata_for_build_wheel(metadata_directory, config_settings)


def prepare_metadata_for_build_editable(metadata_directory, config_settings=None):
    """PEP 660 hook."""
    return _maturin().prepare_metadata_for_build_editable(metadata_directory, config_settings)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """PEP 517 hook."""
    return _maturin().build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """PEP 660 hook."""
    return _maturin().build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory, config_settings=None):
    """PEP 517 hook."""
    return _maturin().build_sdist(sdist_directory, config_settings)


if __name__ == "__main__":
    missing = problems() + _venv_problems()
    if missing:
        sys.exit(_refuse(missing))
