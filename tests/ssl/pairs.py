"""Two ends of a connection through the classes of the shape, of the standard library, or of one each."""

from __future__ import annotations

import socket
import ssl as stdlib
import threading
from collections.abc import Callable
from typing import Any

from tests.ssl.contexts import NAME, Files
from tlscore import ssl

# (client's module, server's module): ours against ours and against OpenSSL, both ways.
OURS: Any = ssl
THEIRS: Any = stdlib
MIXES = [(OURS, OURS), (OURS, THEIRS), (THEIRS, OURS)]
MIX_NAMES = ["ours-ours", "ours-openssl", "openssl-ours"]


class Bios:
    """An object of each role, with the memory buffers between them."""

    def __init__(
        self, client: Any, server: Any, name: Any = NAME, buffer: Callable[[], Any] = stdlib.MemoryBIO
    ) -> None:
        self.to_client, self.from_client = buffer(), buffer()
        self.to_server, self.from_server = buffer(), buffer()
        self.client = client.wrap_bio(self.to_client, self.from_client, server_hostname=name)
        self.server = server.wrap_bio(self.to_server, self.from_server, server_side=True)

    def move(self) -> None:
        """What each end has to say goes to the other one."""
        self.to_server.write(self.from_client.read())
        self.to_client.write(self.from_server.read())

    def shake_hands(self) -> Bios:
        for _ in range(6):
            for end in (self.client, self.server):
                try:
                    end.do_handshake()
                except stdlib.SSLWantReadError:
                    pass
                finally:
                    self.move()
        self.client.do_handshake()
        self.server.do_handshake()
        return self


def bios(files: Files, client: Any = OURS, server: Any = OURS, **settings: Any) -> Bios:
    """Connected objects; `settings` are for both contexts."""
    return Bios(files.client_context(client, **settings), files.server_context(server, **settings)).shake_hands()


class InThread:
    """A call in a thread of its own; `result` waits for what it gives or raises."""

    def __init__(self, call: Callable[..., Any], *arguments: Any, **keywords: Any) -> None:
        self._value: Any = None
        self._failure: BaseException | None = None

        def run() -> None:
            try:
                self._value = call(*arguments, **keywords)
            except BaseException as failure:
                self._failure = failure

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def result(self) -> Any:
        self._thread.join(20)
        assert not self._thread.is_alive(), "the call does not return"
        if self._failure is not None:
            raise self._failure
        return self._value


def tcp() -> tuple[socket.socket, socket.socket]:
    """A connected pair over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    return one, other


def sockets(
    files: Files, client: Any = OURS, server: Any = OURS, *, suppress_ragged_eofs: bool = True, **settings: Any
) -> tuple[Any, Any]:
    """Connected sockets of both roles; `settings` are for both contexts."""
    one, other = tcp()
    answering = InThread(files.server_context(server, **settings).wrap_socket, other, server_side=True)
    asking = files.client_context(client, **settings).wrap_socket(
        one, server_hostname=NAME, suppress_ragged_eofs=suppress_ragged_eofs
    )
    return asking, answering.result()
