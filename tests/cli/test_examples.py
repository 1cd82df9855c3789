"""The examples that need no second process run as they stand; the echo pair is tried in tests/test_docs.py."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.certificates import make_ca

NAME = "server.test"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory = tmp_path_factory.mktemp("examples")
    authority = make_ca()
    chain, key = authority.issue(NAME, "127.0.0.1", usage="server").write(directory, "server")
    client_chain, client_key = authority.issue("client.test", usage="client").write(directory, "client")
    found = {"ca": authority.write(directory), "chain": chain, "key": key}
    found |= {"client_chain": client_chain, "client_key": client_key}
    return {name: str(path) for name, path in found.items()}


def run_example(repository: Path, name: str, *arguments: str, data: bytes = b"") -> str:
    done = subprocess.run(
        [sys.executable, str(repository / "examples" / name), *arguments],
        input=data,
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_mutual_example_shows_both_identities(repository: Path, files: dict[str, str]) -> None:
    names = ("ca", "chain", "key", "client_chain", "client_key")
    shown = run_example(repository, "mutual.py", *(files[name] for name in names), NAME)
    assert "client.test" in shown
    assert "the answer is b'HELLO'" in shown
    assert shown.count("verified: True") == 2


def test_sans_io_example_moves_octets_by_hand(repository: Path, files: dict[str, str]) -> None:
    shown = run_example(repository, "sans_io.py", files["ca"], files["chain"], files["key"], NAME)
    assert "HandshakeCompleted" in shown
    assert "server read b'hello'" in shown
    assert "the peer has closed: True" in shown
