"""pyrtls: rustls with ring, through its own interface. Its suite cannot be chosen, so the other end is tlscore."""

from collections.abc import Callable, Sequence
from importlib import import_module
from socket import socket
from time import thread_time
from typing import Any

from tlscore.cli.bench.ends import RECORD, End, Library, Material, Stream


class PyrtlsEnd(End):
    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._out = bytearray(4 * RECORD)

    def step(self, wire: bytes) -> bytes:
        self._feed(wire)
        sent = self._take()
        # It does not tell when the handshake is done; the other end does.
        self.done = True
        return sent

    def _feed(self, wire: bytes) -> None:
        while wire:
            wire = wire[self.connection.read_tls(wire) :]
            self.connection.process_new_packets()

    def _take(self) -> bytes:
        pieces = []
        while self.connection.writable():
            pieces.append(bytes(self._out[: self.connection.write_tls_into(self._out)]))
        return b"".join(pieces)

    def deliver(self, wire: bytes) -> None:
        self._feed(wire)

    def seal(self, data: bytes) -> bytes:
        pieces = []
        while data:
            data = data[self.connection.write(data[:RECORD]) :]
            pieces.append(self._take())
        return b"".join(pieces)

    def open(self, wire: bytes, size: int) -> bytes:
        pieces: list[bytes] = []
        buffer = bytearray(4 * RECORD)
        self._open(wire, size, buffer, lambda octets: pieces.append(bytes(buffer[:octets])))
        return b"".join(pieces)

    def _open(self, wire: bytes, size: int, buffer: bytearray, note: Callable[[int], None] | None = None) -> None:
        read_tls, process = self.connection.read_tls, self.connection.process_new_packets
        read_into = self.connection.read_into
        while size > 0:
            if wire:
                # It takes bytes objects only, so that what it did not take has to be copied.
                wire = wire[read_tls(wire) :]
            if process().plaintext_bytes_to_read:
                octets = read_into(buffer)
                size -= octets
                if note is not None:
                    note(octets)

    def seal_many(self, data: bytes, count: int) -> float:
        write, writable = self.connection.write, self.connection.writable
        write_tls_into, out = self.connection.write_tls_into, self._out
        start = thread_time()
        for _ in range(count):
            rest = data
            while rest:
                rest = rest[write(rest) :]
                while writable():
                    write_tls_into(out)
        return thread_time() - start

    def open_many(self, wires: Sequence[bytes], size: int) -> float:
        buffer = bytearray(max(size, RECORD))
        start = thread_time()
        for wire in wires:
            self._open(wire, size, buffer)
        return thread_time() - start


class PyrtlsLibrary(Library):
    pairs_with_itself = False

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        pyrtls = self._module = import_module("pyrtls")
        self._client = pyrtls.ClientConfig(platform_verifier=False, custom_roots=[material.trust.read_text()])
        self._server = pyrtls.ServerConfig([material.chain.read_text()], material.key.read_text())

    def client(self) -> PyrtlsEnd:
        return PyrtlsEnd(self._module.ClientConnection(self._client, self.material.server_name))

    def server(self) -> PyrtlsEnd:
        return PyrtlsEnd(self._module.ServerConnection(self._server))

    def pingpong(self, client: End, server: End, data: bytes, count: int) -> float:
        assert isinstance(client, PyrtlsEnd)
        assert isinstance(server, PyrtlsEnd)
        one, two = client.connection, server.connection
        wire, buffer = bytearray(RECORD), bytearray(len(data))
        start = thread_time()
        for _ in range(count):
            for sender, receiver in ((one, two), (two, one)):
                sender.write(data)
                receiver.read_tls(bytes(wire[: sender.write_tls_into(wire)]))
                receiver.process_new_packets()
                receiver.read_into(buffer)
        return thread_time() - start

    def stream(self, sock: socket, *, is_client: bool) -> Stream:
        raise NotImplementedError("not measured over sockets")
