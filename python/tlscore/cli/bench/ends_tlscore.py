"""tlscore itself, on both of its paths: the one with bytes objects (`write`, `read`) and the one with the caller's
buffers (`*_into`)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from socket import socket
from time import thread_time
from typing import TYPE_CHECKING, Any

from tlscore.cli.bench.ends import OLDER_SUITES, End, Library, Material, SocketStream, Stream

if TYPE_CHECKING:
    from tlscore.connection import Connection


class TlscoreEnd(End):
    def __init__(self, connection: "Connection") -> None:
        self.connection = connection

    def step(self, wire: bytes) -> bytes:
        if wire:
            self.connection.receive(wire)
        self.done = self.connection.handshake_complete
        return self.connection.data_to_send()

    def deliver(self, wire: bytes) -> None:
        if wire:
            self.connection.receive(wire)

    def seal(self, data: bytes) -> bytes:
        pieces = []
        offset = 0
        while offset < len(data):
            offset += self.connection.write(data[offset:])
            pieces.append(self.connection.data_to_send())
        return b"".join(pieces)

    def open(self, wire: bytes, size: int) -> bytes:
        self.connection.receive(wire)
        pieces = [self.connection.read()]
        while sum(map(len, pieces)) < size:
            pieces.append(self.connection.read())
        return b"".join(pieces)

    def seal_many(self, data: bytes, count: int) -> float:
        write, data_to_send = self.connection.write, self.connection.data_to_send
        start = thread_time()
        for _ in range(count):
            write(data)
            data_to_send()
        return thread_time() - start

    def open_many(self, wires: Sequence[bytes], size: int) -> float:
        receive, read = self.connection.receive, self.connection.read
        start = thread_time()
        for wire in wires:
            receive(wire)
            got = len(read())
            while got < size:
                got += len(read())
        return thread_time() - start


class TlscoreIntoEnd(TlscoreEnd):
    def seal(self, data: bytes) -> bytes:
        out = bytearray(self.connection.wire_size(len(data)))
        return bytes(out[: self.connection.write_into(data, out)])

    def open(self, wire: bytes, size: int) -> bytes:
        self.connection.receive(wire)
        view = memoryview(bytearray(size))
        got = 0
        while got < size:
            got += self.connection.read_into(view[got:])
        return bytes(view)

    def seal_many(self, data: bytes, count: int) -> float:
        write_into = self.connection.write_into
        out = bytearray(self.connection.wire_size(len(data)))
        start = thread_time()
        for _ in range(count):
            write_into(data, out)
        return thread_time() - start

    def open_many(self, wires: Sequence[bytes], size: int) -> float:
        receive, read_into = self.connection.receive, self.connection.read_into
        view = memoryview(bytearray(size))
        start = thread_time()
        for wire in wires:
            receive(wire)
            got = read_into(view)
            while got < size:
                got += read_into(view[got:])
        return thread_time() - start


class TlscoreLibrary(Library):
    end: type[TlscoreEnd] = TlscoreEnd

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        from tlscore import ClientConfig, Identity, ServerConfig, TrustStore

        older = material.version == "TLSv1.2"
        # In TLS 1.2 the groups bound the curve of the certificate's key too.
        groups = ("x25519", "secp256r1") if older else ("x25519",)
        chosen: dict[str, Any] = {"versions": material.version, "suites": (material.suite,), "groups": groups}
        trust = TrustStore.from_file(str(material.trust))
        identity = Identity.load(str(material.chain), str(material.key))
        self._client = ClientConfig.simple(trust=trust, **chosen)
        self._server = ServerConfig.simple(identity=identity, **chosen)

    def client(self) -> TlscoreEnd:
        return self.end(self._client.connection(self.material.server_name))

    def server(self) -> TlscoreEnd:
        return self.end(self._server.connection())

    def pingpong(self, client: End, server: End, data: bytes, count: int) -> float:
        assert isinstance(client, TlscoreEnd)
        assert isinstance(server, TlscoreEnd)
        client_write, client_take = client.connection.write, client.connection.data_to_send
        client_feed, client_read = client.connection.receive, client.connection.read
        server_write, server_take = server.connection.write, server.connection.data_to_send
        server_feed, server_read = server.connection.receive, server.connection.read
        start = thread_time()
        for _ in range(count):
            client_write(data)
            server_feed(client_take())
            server_read()
            server_write(data)
            client_feed(server_take())
            client_read()
        return thread_time() - start

    def stream(self, sock: socket, *, is_client: bool) -> Stream:
        from tlscore.sockets import wrap_client, wrap_server

        tls = (
            wrap_client(sock, self._client, self.material.server_name) if is_client else wrap_server(sock, self._server)
        )
        return SocketStream(tls)  # type: ignore[arg-type]

    async def serve(self, factory: Callable[[], Any]) -> int:
        from tlscore import aio

        server = await aio.create_server(factory, "127.0.0.1", 0, self._server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def join(self, factory: Callable[[], Any], port: int) -> Any:
        from tlscore import aio

        transport, _ = await aio.create_connection(
            factory, "127.0.0.1", port, self._client, server_name=self.material.server_name
        )
        return transport


class TlscoreAnewLibrary(TlscoreLibrary):
    """As a client that meets each server for the first time: no verified chain is remembered."""

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        from tlscore import CertificatePolicy

        self._client = self._client.replace(certificate_policy=CertificatePolicy(remember=False))


class TlscoreOlderLibrary(TlscoreLibrary):
    """TLS 1.2 with the same AEAD, beside TLS 1.3."""

    def __init__(self, material: Material) -> None:
        super().__init__(replace(material, suite=OLDER_SUITES[material.suite]))


class TlscoreIntoLibrary(TlscoreLibrary):
    end = TlscoreIntoEnd

    def pingpong(self, client: End, server: End, data: bytes, count: int) -> float:
        assert isinstance(client, TlscoreEnd)
        assert isinstance(server, TlscoreEnd)
        client_write, server_write = client.connection.write_into, server.connection.write_into
        client_feed, client_read = client.connection.receive, client.connection.read_into
        server_feed, server_read = server.connection.receive, server.connection.read_into
        wire = bytearray(client.connection.wire_size(len(data)))
        view, buffer = memoryview(wire), bytearray(len(data))
        start = thread_time()
        for _ in range(count):
            server_feed(view[: client_write(data, wire)])
            server_read(buffer)
            client_feed(view[: server_write(data, wire)])
            client_read(buffer)
        return thread_time() - start
