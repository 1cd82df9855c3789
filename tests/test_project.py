"""The parts of the project agree with each other: versions, locks, folders, make targets, forbidden crates."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.tools import REPOSITORY

MAKE_TARGETS = {"demo", "test", "lint", "bench", "docs", "ecosystem"}
EXTRAS = {"test", "bench", "docs", "cli", "ecosystem"}


def toml(name: str) -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / name).read_text(encoding="utf-8"))


def text(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def locked_crates() -> list[tuple[str, str]]:
    return [(crate["name"], crate["version"]) for crate in toml("Cargo.lock")["package"]]


def version_of(crate: str) -> tuple[int, ...]:
    (version,) = [version for name, version in locked_crates() if name == crate]
    return tuple(int(part) for part in version.split("+")[0].split("."))


def pinned(lock: str) -> dict[str, str]:
    """Package -> version of one of the locks of Python packages."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text(f"requirements/{lock}.txt"), re.MULTILINE))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_version_is_one_in_every_crate_and_in_python() -> None:
    import tlscore
    from tlscore import _core

    version = toml("Cargo.toml")["workspace"]["package"]["version"]
    assert tlscore.__version__ == _core.__version__ == version
    assert {found for name, found in locked_crates() if name.startswith("tlscore-")} == {version}


@pytest.mark.parametrize("crate", ["core", "crypto", "ext", "fuzz"])
def test_crates_take_version_and_lints_from_the_workspace(crate: str) -> None:
    manifest = toml(f"rust/{crate}/Cargo.toml")
    assert manifest["package"]["version"] == {"workspace": True}
    assert manifest["lints"] == {"workspace": True}


def test_protocol_half_forbids_unsafe_code() -> None:
    assert "#![forbid(unsafe_code)]" in text("rust/core/src/lib.rs")


def test_protocol_half_depends_on_no_input_output_and_no_python() -> None:
    assert set(toml("rust/core/Cargo.toml")["dependencies"]) <= {"tlscore-crypto", "zeroize"}


def test_crypto_provider_is_linked_once() -> None:
    """Two versions of aws-lc-sys are two copies of AWS-LC in one library."""
    assert Counter(name for name, _ in locked_crates())["aws-lc-sys"] == 1


def test_locked_crates_avoid_known_unsound_ones() -> None:
    """PyO3 before 0.29 is unsound in several ways; the crate `rsa` leaks keys by its timing, unfixed."""
    names = {name for name, _ in locked_crates()}
    assert version_of("pyo3") >= (0, 29)
    assert not names & {"rsa", "openssl", "openssl-sys", "native-tls", "rustls", "webpki"}


def test_record_layer_does_not_use_a_system_crypto_library() -> None:
    assert toml(".cargo/config.toml")["env"]["AWS_LC_SYS_USE_SYSTEM"] == "0"


def test_release_profile_checks_overflow_and_unwinds() -> None:
    """A panic must become an exception, never an abort of the interpreter."""
    profile = toml("Cargo.toml")["profile"]["release"]
    assert profile["overflow-checks"] is True
    assert profile["panic"] == "unwind"
    assert profile["lto"] == "fat"


def test_python_floor_is_the_same_everywhere() -> None:
    project = toml("pyproject.toml")
    assert project["project"]["requires-python"] == ">=3.11"
    assert project["tool"]["mypy"]["python_version"] == "3.11"
    assert project["tool"]["ruff"]["target-version"] == "py311"
    assert "abi3-py311" in toml("Cargo.toml")["workspace"]["dependencies"]["pyo3"]["features"]
    assert "PYTHON = (3, 11)" in text("scripts/tlscore_build.py")


def test_rust_floor_is_the_same_everywhere() -> None:
    floor = toml("Cargo.toml")["workspace"]["package"]["rust-version"]
    assert f"RUST = ({floor.replace('.', ', ')})" in text("scripts/tlscore_build.py")


def test_extras_are_complete() -> None:
    assert set(toml("pyproject.toml")["project"]["optional-dependencies"]) >= EXTRAS


@pytest.mark.parametrize("extra", ["build", "test", "bench", "docs", "ecosystem"])
def test_locks_hold_every_requirement_with_hashes(extra: str) -> None:
    """Each lock covers what pyproject.toml asks for, and names the hash of every file."""
    project = toml("pyproject.toml")
    wanted = list(project["project"]["dependencies"])
    if extra != "ecosystem":
        wanted += project["build-system"]["requires"]
    if extra != "build":
        wanted += project["project"]["optional-dependencies"][extra]
    names = {normal(re.split(r"[<>=!~;\[ ]", requirement)[0]) for requirement in wanted}
    assert names <= {normal(name) for name in pinned(extra)}
    for block in re.split(r"\n(?=[\w.-]+==)", text(f"requirements/{extra}.txt")):
        assert block.startswith("#") or "--hash=sha256:" in block


def test_locks_agree_with_each_other() -> None:
    """Four of them are installed into one virtual environment; the fifth runs the same cryptography and pytest."""
    ecosystem = pinned("ecosystem")
    assert ecosystem["cryptography"] == pinned("build")["cryptography"]
    assert ecosystem["pytest"] == pinned("test")["pytest"]
    versions: dict[str, str] = {}
    for lock in ("build", "test", "bench", "docs"):
        for name, version in pinned(lock).items():
            assert versions.setdefault(name, version) == version


def test_locks_name_no_package_index() -> None:
    for path in [*REPOSITORY.glob("requirements/*.txt"), REPOSITORY / "Makefile", REPOSITORY / ".ci" / "run"]:
        assert not re.search(r"--(?:extra-)?index-url|--find-links|--trusted-host", path.read_text(encoding="utf-8"))
    sources = {crate.get("source") for crate in toml("Cargo.lock")["package"]}
    assert sources <= {None, "registry+https://github.com/rust-lang/crates.io-index"}


def test_makefile_has_the_promised_targets() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    assert targets >= MAKE_TARGETS
    phony = set(" ".join(re.findall(r"^\.PHONY:(.*)$", text("Makefile"), re.MULTILINE)).split())
    assert targets <= phony


def test_ci_program_is_executable_and_ends_with_the_tests() -> None:
    program = REPOSITORY / ".ci" / "run"
    assert os.access(program, os.X_OK)
    steps = re.findall(r"^step (.+)$", program.read_text(encoding="utf-8"), re.MULTILINE)
    assert steps[-1].endswith("test")
    assert any("lint" in step for step in steps)
    assert any("ecosystem" in step for step in steps)


def test_console_script_and_module_are_the_same_program() -> None:
    assert toml("pyproject.toml")["project"]["scripts"]["tlscore"] == "tlscore.cli:main"
    script = shutil.which("tlscore", path=str(Path(sys.executable).parent))
    assert script is not None
    outputs = {
        subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
        for command in ([script], [sys.executable, "-m", "tlscore"])
    }
    assert len(outputs) == 1
    assert toml("Cargo.toml")["workspace"]["package"]["version"] in outputs.pop()


def test_package_is_marked_as_typed() -> None:
    assert (REPOSITORY / "python" / "tlscore" / "py.typed").exists()


def run_build_check(path: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The check that pip and make run before a build, on a machine that has only the programs in `path`."""
    program = str(REPOSITORY / "scripts" / "tlscore_build.py")
    return subprocess.run(
        [sys.executable, program], env={"PATH": str(path), **environment}, capture_output=True, text=True
    )


def fake_program(folder: Path, name: str, output: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{output}'\n", encoding="utf-8")
    path.chmod(0o755)


def test_build_names_a_missing_rust_and_a_missing_c_compiler(tmp_path: Path) -> None:
    run = run_build_check(tmp_path)
    assert run.returncode != 0
    assert "no Rust compiler" in run.stderr
    assert "rustup.rs" in run.stderr
    assert "no C compiler" in run.stderr
    assert "apt-get install gcc" in run.stderr


def test_build_names_the_compiler_that_cc_asks_for(tmp_path: Path) -> None:
    fake_program(tmp_path, "cargo", "cargo 1.95.0")
    fake_program(tmp_path, "gcc", "gcc")
    run = run_build_check(tmp_path, CC="clang-99 -m64")
    assert run.returncode != 0
    assert "clang-99 not found" in run.stderr


def test_build_names_an_old_rust(tmp_path: Path) -> None:
    fake_program(tmp_path, "cargo", "cargo 1.63.0")
    fake_program(tmp_path, "cc", "cc")
    run = run_build_check(tmp_path)
    assert run.returncode != 0
    assert "cargo 1.63 is installed; tlscore needs Rust" in run.stderr


def test_build_starts_where_nothing_is_missing(tmp_path: Path) -> None:
    fake_program(tmp_path, "cargo", "cargo 1.95.0")
    fake_program(tmp_path, "cc", "cc")
    run = run_build_check(tmp_path)
    assert run.returncode == 0, run.stderr


def test_build_names_an_old_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "scripts"))
    tlscore_build = importlib.import_module("tlscore_build")
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    assert any(
        "Python 3.9 runs this build; tlscore needs Python 3.11" in problem for problem in tlscore_build.problems()
    )


def test_source_distribution_carries_its_build_backend() -> None:
    project = toml("pyproject.toml")
    backend = project["build-system"]["build-backend"]
    (folder,) = project["build-system"]["backend-path"]
    assert (REPOSITORY / folder / f"{backend}.py").exists()
    assert {"path": f"{folder}/{backend}.py", "format": "sdist"} in project["tool"]["maturin"]["include"]
