"""BoringSSL's protocol tests against tlscore, where the person who runs this has the runner (README.md says how).

Two passes, each with its own list of disabled tests: the versions of the default tier, TLS 1.2 and 1.3, and those of
the legacy tier, TLS 1.0 to 1.2, for which the runner hands every shim one more flag.

The runner is built from a checkout of BoringSSL, which is no part of this project and of its continuous integration: so
the two passes are skipped without it, there as well. That the shim does what the runner asks of it is shown everywhere,
with the standard library in the place of the runner.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import standing

HERE = Path(__file__).parent
RUNNER_VARIABLE = "TLSCORE_BOGO_RUNNER"
TESTS_VARIABLE = "TLSCORE_BOGO_TESTS"
WORKERS = 3
# How long a shim may take: with every core busy, Python alone takes seconds to start.
SHIM_TIMEOUT = "40s"
PASSES = [
    pytest.param("config.json", (), id="default-tier"),
    pytest.param("config_legacy.json", ("-shim-extra-flags=-legacy-tier",), id="legacy-tier"),
]


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


def config(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((HERE / name).read_text())
    return read


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("config_name", "extra"), PASSES)
def test_boringssl_finds_no_fault(
    runner: str, shim: Path, tmp_path: Path, config_name: str, extra: tuple[str, ...]
) -> None:
    results = tmp_path / "results.json"
    done = subprocess.run(
        [
            runner,
            f"-shim-path={shim}",
            f"-shim-config={HERE / config_name}",
            *extra,
            "-allow-unimplemented",
            f"-num-workers={WORKERS}",
            f"-idle-timeout={SHIM_TIMEOUT}",
            f"-json-output={results}",
            f"-test={os.environ.get(TESTS_VARIABLE, '*')}",
            "-test.timeout=60m",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert results.exists(), done.stdout[-4000:] + done.stderr[-4000:]
    counts = json.loads(results.read_text())["num_failures_by_type"]
    print("BoGo:", config_name, ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items())))
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED (")]
    assert not failed, "\n".join(failed) + "\n" + done.stdout[-8000:]
    assert counts.get("PASS", 0) > 0
    assert done.returncode == 0, done.stdout[-4000:]


def test_both_passes_read_errors_alike_and_give_reasons() -> None:
    default, legacy = config("config.json"), config("config_legacy.json")
    assert default["ErrorMap"] == legacy["ErrorMap"]
    for disabled in (default["DisabledTests"], legacy["DisabledTests"]):
        assert all(len(reason) > 10 for reason in disabled.values())


# -- the shim without a runner -----------------------------------------------------------------------------------------

SHIM_ID = 0x1234
QUESTION = bytes(range(256))


def ask(sock: socket.socket, context: ssl.SSLContext, server: bool) -> tuple[bytes, str | None]:
    """What the runner does with every shim: take its number, shake hands, ask, and close."""
    number = b""
    while len(number) < 8:
        number += sock.recv(8 - len(number))
    assert int.from_bytes(number, "little") == SHIM_ID
    with context.wrap_socket(sock, server_side=server, suppress_ragged_eofs=False) as tls:
        tls.sendall(QUESTION)
        got = b""
        while len(got) < len(QUESTION):
            got += tls.recv(4096)
        version = tls.version()
        tls.unwrap()
    return got, version


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize(
    ("flags", "version"),
    [((), "TLSv1.3"), (("-max-version", "771"), "TLSv1.2"), (("-legacy-tier", "-async"), "TLSv1.2")],
    ids=["1.3", "1.2", "legacy"],
)
def test_shim_answers_as_the_runner_wants_it(tmp_path: Path, role: str, flags: tuple[str, ...], version: str) -> None:
    issued = standing.authority().issue(standing.NAME, usage="server")
    chain, key = issued.write(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if role == "client" else ssl.PROTOCOL_TLS_CLIENT)
    if role == "client":
        context.load_cert_chain(chain, key)
    else:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)
        arguments = ["-port", str(listening.getsockname()[1]), "-shim-id", str(SHIM_ID), *flags]
        if role == "server":
            arguments += ["-server", "-cert-file", str(chain), "-key-file", str(key)]
        shim = [sys.executable, str(HERE / "shim.py"), *arguments, "-check-close-notify"]
        with subprocess.Popen(shim, stderr=subprocess.PIPE, text=True) as running:
            try:
                sock, _ = listening.accept()
                sock.settimeout(20)
                got, agreed = ask(sock, context, role == "client")
                _, told = running.communicate(timeout=20)
            finally:
                running.kill()
    assert running.returncode == 0, told
    assert got == bytes(255 - octet for octet in QUESTION)
    assert agreed == version


@pytest.mark.parametrize(
    "arguments",
    [("-quic",), ("-resume-count", "1"), ("-max-version", "770"), ("-legacy-tier", "-min-version", "772")],
    ids=" ".join,
)
def test_shim_passes_over_what_is_out_of_scope(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "shim.py"), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 89
    assert done.stderr.strip()
