"""The examples run as they stand."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
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


@pytest.fixture
def echo_server(repository: Path, files: dict[str, str]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, str(repository / "examples" / "server.py"), str(port), files["chain"], files["key"]],
        stdout=subprocess.DEVNULL,
    )
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    yield port
    process.terminate()
    process.wait(10)


def test_client_example_talks_to_server_example(repository: Path, files: dict[str, str], echo_server: int) -> None:
    """The echo server gives the client's own request back, until the client has had enough of it."""
    process = subprocess.Popen(
        [sys.executable, str(repository / "examples" / "client.py"), "127.0.0.1", str(echo_server), files["ca"]],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        seen = b""
        while b"Connection: close\r\n\r\n" not in seen:
            piece = process.stdout.readline()
            assert piece
            seen += piece
        assert b"TLSv1.3" in seen or b"GET / HTTP/1.1" in seen
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
