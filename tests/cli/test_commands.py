"""The command line: what it prints, its exit codes, and that both ways to start it are one program."""

import subprocess
import sys

import pytest

import tlscore
from tlscore.cli import COMMANDS, main


def test_version_names_backend_and_cpu_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"tlscore {tlscore.__version__}"
    text = "\n".join(lines)
    for word in ("AWS-LC", "ring", "CPU path", "aes-gcm", "chacha20-poly1305", "cryptography", "Python"):
        assert word in text
    assert "unknown" not in text
    # The values stand in one column: two blanks behind the longest name.
    column = 2 + len("chacha20-poly1305") + 2
    assert all(line[column - 2 : column] == "  " and line[column] != " " for line in lines[1:])


def test_module_is_the_same_program() -> None:
    done = subprocess.run([sys.executable, "-m", "tlscore", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"tlscore {tlscore.__version__}\n")


def test_no_command_shows_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr().err
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize("argv", [["nonsense"], ["bench", "--nonsense"]])
def test_unknown_words_are_wrong_use(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["bench", "--suite", "TLS_NULL"], "TLS_AES_128_GCM_SHA256"),
        (["bench", "--workload", "fly"], "pingpong"),
        (["bench", "--target", "gnutls"], "known:"),
        (["bench", "--size", "many"], "16K"),
        (["bench", "--rounds", "0"], "at least 1"),
        (["demo", "--size", "0"], "at least 1"),
    ],
)
def test_wrong_value_tells_the_repair(capsys: pytest.CaptureFixture[str], argv: list[str], hint: str) -> None:
    assert main(argv) == 2
    assert hint in capsys.readouterr().err


def test_commands_load_nothing_heavy_for_their_help() -> None:
    code = "import sys; from tlscore.cli import main; main(['--version']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert not {"matplotlib", "cryptography.x509", "ssl", "asyncio"} & set(loaded)


def test_demo_shows_the_handshake_and_checks_the_hash() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tlscore", "demo", "--size", "8", "--handshakes", "4"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    for text in (
        "the client has verified the server's certificate",
        "TLS_AES_128_GCM_SHA256",
        "CN=client.test, verified: True",
        "verified as server.test: True",
        "8,388,608 octets that tlscore moved: the same at both ends",
        "8,388,608 octets that ssl moved: the same at both ends",
        "Both used TLS_AES_128_GCM_SHA256",
        "mutual handshakes/s",
    ):
        assert text in done.stdout
