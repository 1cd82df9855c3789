"""Files over a socket, by the rules of `socket.makefile`."""

import io

import pytest

from tests.sockets.conftest import Pair
from tlscore import TruncationError


def test_file_reads_lines(pair: Pair) -> None:
    client, server = pair()
    client.sendall(b"one\ntwo\nthree")
    client.close()
    with server.makefile("rb") as file:
        assert list(file) == [b"one\n", b"two\n", b"three"]


def test_text_file_writes_when_flushed(pair: Pair) -> None:
    client, server = pair()
    with client.makefile("w", encoding="utf-8", newline="\r\n") as file:
        file.write("grüße\n")
        file.flush()
        assert server.recv(100).decode() == "grüße\r\n"


def test_file_reads_and_writes(pair: Pair) -> None:
    client, server = pair()
    with client.makefile("rwb") as file:
        file.write(b"question\n")
        file.flush()
        assert server.recv(100) == b"question\n"
        server.sendall(b"answer\n")
        assert file.readline() == b"answer\n"


def test_unbuffered_file_is_raw(pair: Pair) -> None:
    client, server = pair()
    with client.makefile("wb", buffering=0) as file:
        assert isinstance(file, io.RawIOBase)
        assert file.write(b"now") == 3
        assert server.recv(10) == b"now"


def test_socket_stays_open_until_its_file_is_closed(pair: Pair) -> None:
    client, server = pair()
    file = client.makefile("rb")
    client.close()
    server.sendall(b"still here")
    server.close()
    assert file.read() == b"still here"
    assert client.fileno() != -1
    file.close()
    assert client.fileno() == -1


def test_file_never_shows_truncation_as_its_end(pair: Pair) -> None:
    client, server = pair()
    client.sendall(b"part")
    client.abort()
    with server.makefile("rb") as file, pytest.raises(TruncationError):
        file.read()


def test_raw_file_gives_none_when_non_blocking(pair: Pair) -> None:
    client, _ = pair()
    client.setblocking(False)
    with client.makefile("rb", buffering=0) as file:
        assert file.read(1) is None


@pytest.mark.parametrize(("mode", "buffering"), [("a", -1), ("r", 0)])
def test_file_refuses_what_a_socket_cannot_do(pair: Pair, mode: str, buffering: int) -> None:
    client, _ = pair()
    with pytest.raises(ValueError, match="makefile"):
        client.makefile(mode, buffering)


def test_file_refuses_the_other_direction(pair: Pair) -> None:
    client, _ = pair()
    with client.makefile("rb", buffering=0) as file:
        assert not file.writable()
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"x")
    with pytest.raises(ValueError, match="closed"):
        file.read(1)
