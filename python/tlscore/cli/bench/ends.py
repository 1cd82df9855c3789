"""What the benchmark asks of a TLS library: ends that live in memory, and streams over a socket.

Every library brings its own timed loops, written the way its users write them, with the methods bound outside the loop:
a common loop over wrapper methods would add the same cost to all, and that hides differences where messages are small.
What a handshake agreed is read from the ServerHello on the wire, since not every library tells.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from time import thread_time
from typing import Any

from tlscore import iana

RECORD = 16384
_HANDSHAKE_RECORD, _SERVER_HELLO, _SERVER_KEY_EXCHANGE = 22, 2, 12

# The suites of TLS 1.2 that are measured, by the suite of TLS 1.3 with the same AEAD; certificates are ECDSA here.
OLDER_SUITES = {
    "TLS_AES_128_GCM_SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
}


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a ServerHello agreed to."""

    version: str
    suite: str
    group: str
    resumed: bool


@dataclass(frozen=True, slots=True)
class Material:
    """What every library of one run is configured with."""

    suite: str
    trust: Path
    chain: Path
    key: Path
    server_name: str

    @property
    def version(self) -> str:
        """The version that the suite belongs to."""
        return "TLSv1.2" if self.suite in OLDER_SUITES.values() else "TLSv1.3"


class End(ABC):
    """One end of a connection in memory."""

    done = False

    @abstractmethod
    def step(self, wire: bytes) -> bytes:
        """Take handshake octets, give handshake octets; sets `done`."""

    @abstractmethod
    def deliver(self, wire: bytes) -> None:
        """Take wire octets that carry no application data (session tickets)."""

    @abstractmethod
    def seal(self, data: bytes) -> bytes: ...

    @abstractmethod
    def open(self, wire: bytes, size: int) -> bytes: ...

    @abstractmethod
    def seal_many(self, data: bytes, count: int) -> float:
        """Seconds of this thread for `count` writes of `data`, each with its wire octets taken out."""

    @abstractmethod
    def open_many(self, wires: Sequence[bytes], size: int) -> float:
        """Seconds of this thread to open wires that hold `size` octets each."""


class Stream(ABC):
    """One end of a connection over a socket."""

    @abstractmethod
    def sendall(self, data: memoryview) -> None: ...

    @abstractmethod
    def receive(self, octets: int, buffer: bytearray) -> None:
        """Receive exactly so many octets, over and over into `buffer`."""

    @abstractmethod
    def receive_some(self, octets: int) -> bytes:
        """At least one octet; for checks, not for measurements."""

    @abstractmethod
    def close(self) -> None: ...


class Library(ABC):
    """A TLS library under measurement, configured once."""

    # Whether handshakes between two ends of this library use the suite and x25519 as asked: where a library lets
    # neither be chosen, the other end is tlscore, offering nothing else.
    pairs_with_itself = True

    def __init__(self, material: Material) -> None:
        self.material = material

    @abstractmethod
    def client(self) -> End: ...

    @abstractmethod
    def server(self) -> End: ...

    @abstractmethod
    def pingpong(self, client: End, server: End, data: bytes, count: int) -> float:
        """Seconds of this thread for `count` round trips of `data` between two ends in memory."""

    @abstractmethod
    def stream(self, sock: socket, *, is_client: bool) -> Stream:
        """Handshake over a connected socket."""

    async def serve(self, factory: Callable[[], Any]) -> int:
        """Serve under the running loop of asyncio, at 127.0.0.1; gives the port."""
        raise NotImplementedError

    async def join(self, factory: Callable[[], Any], port: int) -> Any:
        """Connect to that port under the running loop; gives the transport."""
        raise NotImplementedError


class SocketStream(Stream):
    """A stream of any object with the methods of a socket."""

    def __init__(self, sock: socket) -> None:
        self._sock = sock

    def sendall(self, data: memoryview) -> None:
        self._sock.sendall(data)

    def receive(self, octets: int, buffer: bytearray) -> None:
        recv_into = self._sock.recv_into
        while octets > 0:
            got = recv_into(buffer)
            if not got:
                raise ConnectionError("the stream ended early")
            octets -= got

    def receive_some(self, octets: int) -> bytes:
        return self._sock.recv(octets)

    def close(self) -> None:
        self._sock.close()


@dataclass(frozen=True, slots=True)
class Shaken:
    """A handshake that is done."""

    client_seconds: float
    server_seconds: float
    agreed: Agreed
    left: bytes


def handshake(client: End, server: End) -> Shaken:
    """Run a handshake in memory.

    Gives:    CPU seconds of either end (without making the two objects), what was agreed, and what the server sent
              after both were done: session tickets, which are not given to the client here, so that nothing can be
              resumed later.
    """
    client_seconds = server_seconds = 0.0
    to_client, first_flight = b"", b""
    for _ in range(8):
        start = thread_time()
        to_server = client.step(to_client)
        between = thread_time()
        to_client = server.step(to_server)
        client_seconds += between - start
        server_seconds += thread_time() - between
        first_flight = first_flight or to_client
        if client.done and server.done:
            return Shaken(client_seconds, server_seconds, agreed(first_flight), to_client)
    raise ConnectionError("the handshake did not end")


def agreed(flight: bytes) -> Agreed:
    """Read a server's first flight: record header, handshake header, then RFC 9846 4.2.3. In TLS 1.2 the group stands
    in the ServerKeyExchange (RFC 8422 5.4), which a resumption has not."""
    if flight[0] != _HANDSHAKE_RECORD or flight[5] != _SERVER_HELLO:
        raise ConnectionError("the server did not start with a ServerHello")
    offset = 5 + 4 + 2 + 32
    offset += 1 + flight[offset]
    suite = int.from_bytes(flight[offset : offset + 2])
    offset += 3
    end = offset + 2 + int.from_bytes(flight[offset : offset + 2])
    offset += 2
    extensions = {}
    while offset < end:
        code = int.from_bytes(flight[offset : offset + 2])
        length = int.from_bytes(flight[offset + 2 : offset + 4])
        extensions[code] = flight[offset + 4 : offset + 4 + length]
        offset += 4 + length
    version = int.from_bytes(extensions.get(iana.ExtensionType.supported_versions, b"\x03\x03"))
    if version == iana.ProtocolVersion.TLS13:
        group = int.from_bytes(extensions.get(iana.ExtensionType.key_share, b"")[:2])
        resumed = iana.ExtensionType.pre_shared_key in extensions
    else:
        exchange = _message(flight, _SERVER_KEY_EXCHANGE)
        group, resumed = int.from_bytes(exchange[5:7]), not exchange
    return Agreed(
        {iana.ProtocolVersion.TLS13: "TLSv1.3", iana.ProtocolVersion.TLS12: "TLSv1.2"}.get(version, hex(version)),
        iana.CipherSuite.name_of(suite),
        iana.NamedGroup.name_of(group),
        resumed,
    )


def _message(flight: bytes, kind: int) -> bytes:
    """A handshake message of a flight in the clear; empty where there is none."""
    content, at = bytearray(), 0
    while at < len(flight) and flight[at] == _HANDSHAKE_RECORD:
        end = at + 5 + int.from_bytes(flight[at + 3 : at + 5])
        content += flight[at + 5 : end]
        at = end
    at = 0
    while at < len(content):
        end = at + 4 + int.from_bytes(content[at + 1 : at + 4])
        if content[at] == kind:
            return bytes(content[at:end])
        at = end
    return b""
