"""Libraries of the stdlib's shape: ssl itself, and rtls and utls, which stand in for it."""

import asyncio
from collections.abc import Callable, Sequence
from importlib import import_module
from socket import socket
from time import thread_time
from typing import Any

from tlscore import suites
from tlscore.cli.bench.ends import RECORD, End, Library, Material, SocketStream, Stream


def iana_to_openssl(name: str) -> str:
    """What OpenSSL calls a suite of TLS 1.2."""
    return suites.suite(name).openssl_name or name


class SslEnd(End):
    def __init__(self, module: Any, context: Any, **how: Any) -> None:
        self._want_read = module.SSLWantReadError
        self.incoming, self.outgoing = module.MemoryBIO(), module.MemoryBIO()
        self.object = context.wrap_bio(self.incoming, self.outgoing, **how)

    def step(self, wire: bytes) -> bytes:
        if wire:
            self.incoming.write(wire)
        try:
            self.object.do_handshake()
            self.done = True
        except self._want_read:
            pass
        return self.outgoing.read()  # type: ignore[no-any-return]

    def deliver(self, wire: bytes) -> None:
        if wire:
            self.incoming.write(wire)

    def seal(self, data: bytes) -> bytes:
        pieces = []
        for offset in range(0, len(data), RECORD):
            self.object.write(data[offset : offset + RECORD])
            pieces.append(self.outgoing.read())
        return b"".join(pieces)

    def open(self, wire: bytes, size: int) -> bytes:
        self.incoming.write(wire)
        data = b""
        while len(data) < size:
            data += self.object.read(size - len(data))
        return data

    def seal_many(self, data: bytes, count: int) -> float:
        write, read = self.object.write, self.outgoing.read
        if len(data) <= RECORD:
            start = thread_time()
            for _ in range(count):
                write(data)
                read()
            return thread_time() - start
        # One write call seals one record here, so a long message is a loop; taking the wire octets out record by record
        # keeps them in the cache, which is the fastest way through this interface.
        view = memoryview(data)
        offsets = range(0, len(data), RECORD)
        start = thread_time()
        for _ in range(count):
            for offset in offsets:
                write(view[offset : offset + RECORD])
                read()
        return thread_time() - start

    def open_many(self, wires: Sequence[bytes], size: int) -> float:
        feed, read = self.incoming.write, self.object.read
        view = memoryview(bytearray(size))
        start = thread_time()
        for wire in wires:
            feed(wire)
            got = read(size, view)
            while got < size:
                got += read(size - got, view[got:])
        return thread_time() - start


class SslLibrary(Library):
    module_name = "ssl"

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        self._module = import_module(self.module_name)
        module = self._module
        self._client = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
        self._client.load_verify_locations(str(material.trust))
        self._server = module.SSLContext(module.PROTOCOL_TLS_SERVER)
        self._server.load_cert_chain(str(material.chain), str(material.key))
        for context in (self._client, self._server):
            if material.version == "TLSv1.2":
                context.minimum_version = context.maximum_version = module.TLSVersion.TLSv1_2
                context.set_ciphers(iana_to_openssl(material.suite))
                # As num_tickets below: tlscore sends no tickets in TLS 1.2.
                context.options |= module.OP_NO_TICKET
            else:
                context.minimum_version = module.TLSVersion.TLSv1_3
        # The client verifies the chain and the name: the defaults of PROTOCOL_TLS_CLIENT, looked at rather than
        # believed.
        if not (self._client.verify_mode == module.CERT_REQUIRED and self._client.check_hostname):
            raise RuntimeError(f"{self.module_name} does not verify by default")
        self.configure()

    def configure(self) -> None:
        # tlscore sends no tickets here, so the others must not pay for theirs.
        self._server.num_tickets = 0

    def client(self) -> SslEnd:
        return SslEnd(self._module, self._client, server_side=False, server_hostname=self.material.server_name)

    def server(self) -> SslEnd:
        return SslEnd(self._module, self._server, server_side=True)

    def pingpong(self, client: End, server: End, data: bytes, count: int) -> float:
        assert isinstance(client, SslEnd)
        assert isinstance(server, SslEnd)
        size = len(data)
        client_write, client_read = client.object.write, client.object.read
        client_feed, client_take = client.incoming.write, client.outgoing.read
        server_write, server_read = server.object.write, server.object.read
        server_feed, server_take = server.incoming.write, server.outgoing.read
        start = thread_time()
        for _ in range(count):
            client_write(data)
            server_feed(client_take())
            server_read(size)
            server_write(data)
            client_feed(server_take())
            client_read(size)
        return thread_time() - start

    def stream(self, sock: socket, *, is_client: bool) -> Stream:
        if is_client:
            return SocketStream(self._client.wrap_socket(sock, server_hostname=self.material.server_name))
        return SocketStream(self._server.wrap_socket(sock, server_side=True))

    async def serve(self, factory: Callable[[], Any]) -> int:
        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0, ssl=self._server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def join(self, factory: Callable[[], Any], port: int) -> Any:
        transport, _ = await asyncio.get_running_loop().create_connection(
            factory, "127.0.0.1", port, ssl=self._client, server_hostname=self.material.server_name
        )
        return transport


class RtlsLibrary(SslLibrary):
    module_name = "rtls"
    # Neither its suite for TLS 1.3 nor its group can be chosen through its interface.
    pairs_with_itself = False

    def configure(self) -> None:
        pass


class UtlsLibrary(SslLibrary):
    module_name = "utls"

    def configure(self) -> None:
        super().configure()
        for context in (self._client, self._server):
            context.set_ecdh_curve("X25519")
