"""pyOpenSSL: the OpenSSL inside `cryptography`, through its memory interface and its sockets.

It verifies the chain; a check of the name is not in its interface, so its clients do that much less.
"""

from collections.abc import Sequence
from importlib import import_module
from socket import socket
from time import thread_time
from typing import Any

from tlscore.cli.bench.ends import RECORD, End, Library, Material, SocketStream, Stream


class PyOpensslEnd(End):
    def __init__(self, connection: Any, want_read: type[Exception]) -> None:
        self.connection = connection
        self._want_read = want_read

    def step(self, wire: bytes) -> bytes:
        if wire:
            self.connection.bio_write(wire)
        try:
            self.connection.do_handshake()
            self.done = True
        except self._want_read:
            pass
        try:
            return self.connection.bio_read(65536)  # type: ignore[no-any-return]
        except self._want_read:
            return b""

    def deliver(self, wire: bytes) -> None:
        if wire:
            self.connection.bio_write(wire)

    def seal(self, data: bytes) -> bytes:
        pieces = []
        for offset in range(0, len(data), RECORD):
            self.connection.send(data[offset : offset + RECORD])
            pieces.append(self.connection.bio_read(2 * RECORD))
        return b"".join(pieces)

    def open(self, wire: bytes, size: int) -> bytes:
        view = memoryview(bytearray(size))
        self._open(wire, size, view)
        return bytes(view)

    def _open(self, wire: bytes, size: int, view: memoryview) -> None:
        self.connection.bio_write(wire)
        got = 0
        while got < size:
            got += self.connection.recv_into(view[got:])

    def seal_many(self, data: bytes, count: int) -> float:
        send, bio_read = self.connection.send, self.connection.bio_read
        view = memoryview(data)
        offsets = range(0, len(data), RECORD)
        start = thread_time()
        for _ in range(count):
            for offset in offsets:
                send(view[offset : offset + RECORD])
                bio_read(2 * RECORD)
        return thread_time() - start

    def open_many(self, wires: Sequence[bytes], size: int) -> float:
        bio_write, recv_into = self.connection.bio_write, self.connection.recv_into
        view = memoryview(bytearray(size))
        start = thread_time()
        for wire in wires:
            bio_write(wire)
            got = recv_into(view)
            while got < size:
                got += recv_into(view[got:])
        return thread_time() - start


class PyOpensslLibrary(Library):
    def __init__(self, material: Material) -> None:
        super().__init__(material)
        ssl = self._ssl = import_module("OpenSSL.SSL")
        self._client, self._server = ssl.Context(ssl.TLS_CLIENT_METHOD), ssl.Context(ssl.TLS_SERVER_METHOD)
        for context in (self._client, self._server):
            context.set_min_proto_version(ssl.TLS1_3_VERSION)
            context.set_tls13_ciphersuites(material.suite.encode())
        self._client.load_verify_locations(str(material.trust))
        self._client.set_verify(ssl.VERIFY_PEER | ssl.VERIFY_FAIL_IF_NO_PEER_CERT)
        self._server.use_certificate_chain_file(str(material.chain))
        self._server.use_privatekey_file(str(material.key))
        self._server.set_session_cache_mode(ssl.SESS_CACHE_OFF)

    def _connection(self, sock: socket | None, *, is_client: bool) -> Any:
        connection = self._ssl.Connection(self._client if is_client else self._server, sock)
        if is_client:
            connection.set_tlsext_host_name(self.material.server_name.encode())
            connection.set_connect_state()
        else:
            connection.set_accept_state()
        return connection

    def client(self) -> PyOpensslEnd:
        return PyOpensslEnd(self._connection(None, is_client=True), self._ssl.WantReadError)

    def server(self) -> PyOpensslEnd:
        return PyOpensslEnd(self._connection(None, is_client=False), self._ssl.WantReadError)

    def pingpong(self, client: End, server: End, data: bytes, count: int) -> float:
        assert isinstance(client, PyOpensslEnd)
        assert isinstance(server, PyOpensslEnd)
        one, two, size = client.connection, server.connection, len(data)
        start = thread_time()
        for _ in range(count):
            one.send(data)
            two.bio_write(one.bio_read(2 * RECORD))
            two.recv(size)
            two.send(data)
            one.bio_write(two.bio_read(2 * RECORD))
            one.recv(size)
        return thread_time() - start

    def stream(self, sock: socket, *, is_client: bool) -> Stream:
        connection = self._connection(sock, is_client=is_client)
        connection.do_handshake()
        return SocketStream(connection)
