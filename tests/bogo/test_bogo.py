"""BoringSSL's protocol tests against tlscore, where the person who runs this has the runner (README.md says how)."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
RUNNER_VARIABLE = "TLSCORE_BOGO_RUNNER"
TESTS_VARIABLE = "TLSCORE_BOGO_TESTS"
WORKERS = 3
# Groups that live in TLS 1.3 for the most part; the whole set takes a multiple of the time.
SELECTION = (
    "*TLS13*;HelloRetryRequest-*;KeyUpdate*;CurveTest-*;Shutdown-*;Unclean*;TrailingMessageData-*;WrongMessageType-*;"
    "SendEmptyRecords*;SendUserCanceledAlerts*;PartialSecondClientHello*;PartialClientFinished*;*SkipEarlyData*"
)


@pytest.fixture(scope="module")
def runner() -> str:
    path = os.environ.get(RUNNER_VARIABLE, "")
    if not path:
        pytest.skip(f"no runner of BoringSSL: {RUNNER_VARIABLE} is not set (tests/bogo/README.md)")
    assert Path(path).is_file(), f"{RUNNER_VARIABLE} names no file: {path}"
    return path


@pytest.fixture
def shim(tmp_path: Path) -> Path:
    """The runner starts one program without arguments of ours: a script that calls this interpreter."""
    script = tmp_path / "shim"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "shim.py"}" "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


@pytest.mark.timeout(3600)
def test_boringssl_finds_no_fault(runner: str, shim: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    done = subprocess.run(
        [
            runner,
            f"-shim-path={shim}",
            f"-shim-config={HERE / 'config.json'}",
            "-allow-unimplemented",
            f"-num-workers={WORKERS}",
            f"-json-output={results}",
            f"-test={os.environ.get(TESTS_VARIABLE, SELECTION)}",
            "-test.timeout=60m",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert results.exists(), done.stdout[-4000:] + done.stderr[-4000:]
    counts = json.loads(results.read_text())["num_failures_by_type"]
    print("BoGo:", ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items())))
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED (")]
    assert not failed, "\n".join(failed) + "\n" + done.stdout[-8000:]
    assert counts.get("PASS", 0) > 0
    assert done.returncode == 0, done.stdout[-4000:]
