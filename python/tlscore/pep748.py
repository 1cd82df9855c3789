"""The classes of PEP 748, "A Unified TLS API for Python" (a draft), on tlscore.

For code that is written against that interface and takes an implementation: hand it `IMPLEMENTATION`. A configuration
of the PEP becomes a ClientConfig or ServerConfig once, when its context is made; sockets and buffers are those of
tlscore with the PEP's methods. Errors are tlscore's own classes under the PEP's names. What the PEP leaves open is
decided here: no trust store means the system's on a client and no client certificates on a server;
`process_incoming(b"")` is the end of the stream.

    TLSClientConfiguration ─► ClientContext.connect() ─► TLSSocket      (TlsSocket inside)
    TLSServerConfiguration ─► ServerContext.create_buffer() ─► TLSBuffer (Connection inside)
"""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Callable, Sequence
from enum import Enum, IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tlscore import config, errors, iana
from tlscore.certs import trust_store
from tlscore.certs.identity import Identity
from tlscore.record import Record
from tlscore.sockets import TlsListener, TlsSocket, connect, wrap_listener

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from tlscore.connection import Connection

TLSError = errors.TlsError
WantReadError = errors.WantReadError
WantWriteError = errors.WantWriteError
RaggedEOF = errors.TruncationError
ConfigurationError = errors.ConfigError


class NextProtocol(Enum):
    """Application protocols with a name in the PEP; others are octets."""

    H2 = b"h2"
    H2C = b"h2c"
    HTTP1 = b"http/1.1"
    WEBRTC = b"webrtc"
    C_WEBRTC = b"c-webrtc"
    FTP = b"ftp"
    STUN = b"stun.nat-discovery"
    TURN = b"stun.turn"


class TLSVersion(Enum):
    """Versions, and the two ends of what is supported."""

    MINIMUM_SUPPORTED = "MINIMUM_SUPPORTED"
    TLSv1_2 = "TLSv1.2"
    TLSv1_3 = "TLSv1.3"
    MAXIMUM_SUPPORTED = "MAXIMUM_SUPPORTED"


class CipherSuite(IntEnum):
    """Suites with a name in the PEP; others are their numbers."""

    TLS_AES_128_GCM_SHA256 = 0x1301
    TLS_AES_256_GCM_SHA384 = 0x1302
    TLS_CHACHA20_POLY1305_SHA256 = 0x1303
    TLS_AES_128_CCM_SHA256 = 0x1304
    TLS_AES_128_CCM_8_SHA256 = 0x1305
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 = 0xC02B
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 = 0xC02C
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 = 0xC02F
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 = 0xC030
    TLS_ECDHE_ECDSA_WITH_AES_128_CCM = 0xC0AC
    TLS_ECDHE_ECDSA_WITH_AES_256_CCM = 0xC0AD
    TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 = 0xC0AE
    TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8 = 0xC0AF
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 = 0xCCA8
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 = 0xCCA9


_VERSIONS: Final = (TLSVersion.TLSv1_2, TLSVersion.TLSv1_3)


# -- what a configuration is made of -----------------------------------------------------------------------------------


class _Source(Record):
    """Octets, a file, or an identifier that only some implementations know."""

    buffer: bytes | None = None
    path: str | os.PathLike[str] | None = None
    id: bytes | None = None

    def __repr__(self) -> str:
        held = "buffer" if self.buffer is not None else self.path if self.path is not None else "id"
        return f"{type(self).__name__}({held})"

    @classmethod
    def from_buffer(cls, buffer: bytes) -> Any:
        """From octets, PEM or DER."""
        return cls(buffer=buffer)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Any:
        """From a file, PEM or DER."""
        return cls(path=path)

    @classmethod
    def from_id(cls, id: bytes) -> Any:
        """From an identifier; `validate_config` refuses these, since tlscore has none."""
        return cls(id=id)

    def octets(self) -> bytes:
        """What it holds; a file is read."""
        if self.buffer is not None:
            return self.buffer
        return Path(self.path).read_bytes() if self.path is not None else b""


class Certificate(_Source):
    """One certificate."""

    def __post_init__(self) -> None:
        _refuse_empty(self)


class PrivateKey(_Source):
    """The key of a certificate."""

    def __post_init__(self) -> None:
        _refuse_empty(self)


class TrustStore(_Source):
    """The anchors of a verification; without any source, the system's."""

    @classmethod
    def system(cls) -> TrustStore:
        """The system's anchors."""
        return cls()

    def build(self) -> trust_store.TrustStore:
        """The same store as one of tlscore."""
        kind = trust_store.TrustStore
        if self.path is not None:
            return kind.from_file(self.path)
        return kind.from_bytes(self.buffer) if self.buffer is not None else kind.system()


def _refuse_empty(source: _Source) -> None:
    if source.buffer is None and source.path is None and source.id is None:
        raise ValueError(f"{type(source).__name__} cannot be empty: give a buffer, a path or an id")


class SigningChain:
    """A leaf with its key, and the certificates above it."""

    def __init__(self, leaf: tuple[Certificate, PrivateKey | None], chain: Sequence[Certificate] | None = None) -> None:
        self.leaf = leaf
        self.chain = list(chain or ())

    def build(self) -> Identity:
        """The same chain as an identity of tlscore."""
        certificate, key = self.leaf
        pem = b"".join(_pem(one.octets()) for one in (certificate, *self.chain))
        if key is None:
            return Identity.load(pem)
        return Identity.load(pem, key.path if key.path is not None else key.buffer)


def _pem(octets: bytes) -> bytes:
    if octets.lstrip().startswith(b"-----BEGIN"):
        return octets + b"\n"
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(octets) + b"-----END CERTIFICATE-----\n"


class TLSClientConfiguration(Record):
    """What a client is set to; None means tlscore's default."""

    certificate_chain: SigningChain | None = None
    ciphers: Sequence[CipherSuite | int] | None = None
    inner_protocols: Sequence[NextProtocol | bytes] = ()
    lowest_supported_version: TLSVersion | None = None
    highest_supported_version: TLSVersion | None = None
    trust_store: TrustStore | None = None


class TLSServerConfiguration(Record):
    """What a server is set to; a trust store makes it demand a certificate of every client."""

    certificate_chain: Sequence[SigningChain] | None = None
    ciphers: Sequence[CipherSuite | int] | None = None
    inner_protocols: Sequence[NextProtocol | bytes] = ()
    lowest_supported_version: TLSVersion | None = None
    highest_supported_version: TLSVersion | None = None
    trust_store: TrustStore | None = None


def validate_config(configuration: TLSClientConfiguration | TLSServerConfiguration) -> None:
    """Whether tlscore knows every source that a configuration names.

    Raises:   ConfigurationError for a certificate, key or store that is given by an identifier.
    """
    chains = configuration.certificate_chain or ()
    sources: list[_Source | None] = [configuration.trust_store]
    for one in [chains] if isinstance(chains, SigningChain) else chains:
        sources += [*one.leaf, *one.chain]
    for source in sources:
        if source is not None and source.id is not None:
            raise ConfigurationError(
                f"a {type(source).__name__} by identifier is not supported",
                remedy="give a buffer or a path, or use ClientConfig with Identity.from_signer",
            )


def _settings(configuration: TLSClientConfiguration | TLSServerConfiguration) -> dict[str, Any]:
    """What both kinds of configuration say, in tlscore's words."""
    validate_config(configuration)
    settings: dict[str, Any] = {
        "alpn": tuple(
            (name.value if isinstance(name, NextProtocol) else name).decode("ascii")
            for name in configuration.inner_protocols
        )
    }
    if configuration.ciphers is not None:
        settings["suites"] = tuple(int(code) for code in configuration.ciphers)
    lowest, highest = configuration.lowest_supported_version, configuration.highest_supported_version
    first = _VERSIONS.index(lowest) if lowest in _VERSIONS else 1 if lowest is TLSVersion.MAXIMUM_SUPPORTED else 0
    last = _VERSIONS.index(highest) if highest in _VERSIONS else 0 if highest is TLSVersion.MINIMUM_SUPPORTED else 1
    if (first, last) != (0, 1):
        settings["versions"] = tuple(version.value for version in _VERSIONS[first : last + 1])
    return settings


# -- contexts ----------------------------------------------------------------------------------------------------------


class ClientContext:
    """Makes the connections of a client."""

    def __init__(self, configuration: TLSClientConfiguration) -> None:
        settings = _settings(configuration)
        trust = (configuration.trust_store or TrustStore()).build()
        chain = configuration.certificate_chain
        self.configuration = configuration
        if chain is None:
            self._config = config.ClientConfig.simple(trust, **settings)
        else:
            self._config = config.ClientConfig.mutual(trust, identity=chain.build(), **settings)

    def connect(self, address: tuple[str | None, int]) -> TLSSocket:
        """Connect and go through the handshake; the host is also the name that the certificate must be for."""
        host, port = address
        return TLSSocket(self, connect((host or "localhost", port), self._config))

    def create_buffer(self, server_hostname: str) -> TLSBuffer:
        """A connection in memory to a server of that name."""
        return TLSBuffer(self, self._config.connection(server_hostname))


class ServerContext:
    """Makes the connections of a server."""

    def __init__(self, configuration: TLSServerConfiguration) -> None:
        settings = _settings(configuration)
        identities = tuple(chain.build() for chain in configuration.certificate_chain or ())
        store = configuration.trust_store
        self.configuration = configuration
        if store is None:
            self._config = config.ServerConfig.simple(identities, **settings)
        else:
            self._config = config.ServerConfig.mutual(identities, client_trust=store.build(), **settings)

    def connect(self, address: tuple[str | None, int]) -> TLSSocket:
        """A socket that is bound to the address; `listen` and `accept` go on from there."""
        host, port = address
        family = socket.AF_INET6 if ":" in (host or "") else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((host or "", port))
        except BaseException:
            bound.close()
            raise
        return TLSSocket(self, bound)

    def create_buffer(self) -> TLSBuffer:
        """A connection in memory with one client."""
        return TLSBuffer(self, self._config.connection())


# -- connections -------------------------------------------------------------------------------------------------------


class _Facts:
    """What a handshake agreed, in the PEP's words."""

    __slots__ = ("_context",)

    _context: ClientContext | ServerContext

    def _inner(self) -> Connection | None:
        raise NotImplementedError

    @property
    def context(self) -> ClientContext | ServerContext:
        """What made this connection."""
        return self._context

    def cipher(self) -> CipherSuite | int | None:
        """The suite; its number where the PEP has no name for it."""
        inner = self._inner()
        if inner is None or inner.suite is None:
            return None
        code = iana.CipherSuite.code_of(inner.suite)
        return CipherSuite(code) if code in CipherSuite._value2member_map_ else code

    def negotiated_protocol(self) -> NextProtocol | bytes | None:
        """The application protocol; None where none was agreed."""
        inner = self._inner()
        if inner is None or inner.alpn is None:
            return None
        octets = inner.alpn.encode("ascii")
        return NextProtocol(octets) if octets in NextProtocol._value2member_map_ else octets

    @property
    def negotiated_tls_version(self) -> TLSVersion | None:
        """The version; None before the handshake is complete."""
        inner = self._inner()
        return TLSVersion(inner.version) if inner is not None and inner.version is not None else None

    def getpeercert(self) -> bytes | None:
        """The peer's certificate in DER; None where it showed none."""
        inner = self._inner()
        return inner.peer_chain[0] if inner is not None and inner.peer_chain else None


class TLSSocket(_Facts):
    """A socket whose octets TLS protects, or one that waits for such. Contexts make it."""

    __slots__ = ("_socket",)

    def __init__(self, context: ClientContext | ServerContext, sock: TlsSocket | TlsListener | socket.socket) -> None:
        self._context = context
        self._socket = sock

    def _inner(self) -> Connection | None:
        return self._socket.connection if isinstance(self._socket, TlsSocket) else None

    def _stream(self) -> TlsSocket:
        if not isinstance(self._socket, TlsSocket):
            raise errors.UsageError("this socket waits for connections", remedy="use what accept() gives")
        return self._socket

    def recv(self, bufsize: int) -> bytes:
        """Application data; b"" after the peer's close_notify."""
        return self._stream().recv(bufsize)

    def send(self, data: Buffer) -> int:
        """Send application data; gives how much of it was taken."""
        return self._stream().send(data)

    def close(self, force: bool = False) -> None:
        """Say close_notify and close; without `force`, wait for the peer's first."""
        if isinstance(self._socket, TlsSocket) and not force:
            self._socket.shutdown(socket.SHUT_WR)
            while self._socket.recv(1 << 16):
                pass
        self._socket.close()

    def listen(self, backlog: int) -> None:
        """Let clients connect."""
        if not isinstance(self._context, ServerContext) or not isinstance(self._socket, socket.socket):
            raise errors.UsageError("only a socket of ServerContext.connect() listens, once")
        self._socket.listen(backlog)
        self._socket = wrap_listener(self._socket, self._context._config)

    def accept(self) -> tuple[TLSSocket, Any]:
        """The next client, after its handshake, and its address."""
        if not isinstance(self._socket, TlsListener):
            raise errors.UsageError("this socket does not listen", remedy="call listen() first")
        accepted, address = self._socket.accept()
        return TLSSocket(self._context, accepted), address

    def getsockname(self) -> Any:
        """Our own address."""
        return self._socket.getsockname()

    def getpeername(self) -> Any:
        """The peer's address."""
        return self._stream().getpeername()


class TLSBuffer(_Facts):
    """A connection without a socket. Contexts make it."""

    __slots__ = ("_connection", "_outgoing")

    def __init__(self, context: ClientContext | ServerContext, connection: Connection) -> None:
        self._context = context
        self._connection = connection
        self._outgoing = bytearray()

    def _inner(self) -> Connection:
        return self._connection

    def read(self, amt: int, buffer: Buffer | None = None) -> bytes | int:
        """At most `amt` octets of application data: given back, or put into `buffer` and counted.

        Raises:   WantReadError where nothing whole has come; RaggedEOF where the stream ended without close_notify.
        """
        target = memoryview(bytearray(amt) if buffer is None else buffer).cast("B")[:amt]
        got = self._connection.read_into(target) if amt else 0
        if not got and amt and not self._connection.peer_closed:
            raise WantReadError("the peer must send more first")
        return bytes(target[:got]) if buffer is None else got

    def write(self, buf: Buffer) -> int:
        """Seal application data; it waits in `process_outgoing`."""
        return self._connection.write(buf)

    def do_handshake(self) -> None:
        """Raises WantReadError until the handshake is complete; the error of the handshake where it failed."""
        if self._connection.error is not None:
            raise self._connection.error
        if not self._connection.handshake_complete:
            raise WantReadError("the handshake waits for the peer")

    def shutdown(self) -> None:
        """Say close_notify; raises WantReadError until the peer has said it too."""
        if not self._connection.write_closed:
            self._connection.close()
        self._connection.events()
        if not self._connection.peer_closed:
            raise WantReadError("the peer has not said close_notify yet")

    def process_incoming(self, data_from_network: bytes) -> None:
        """Take what the network brought; b"" is its end."""
        if data_from_network:
            self._connection.receive(data_from_network)
        else:
            self._connection.eof()

    def process_outgoing(self, amount_bytes_for_network: int) -> bytes:
        """At most that many of the octets that wait for the network."""
        self.outgoing_bytes_buffered()
        given = bytes(self._outgoing[:amount_bytes_for_network])
        del self._outgoing[:amount_bytes_for_network]
        return given

    def incoming_bytes_buffered(self) -> int:
        """Octets that came and were not read yet."""
        return self._connection.buffered_wire + self._connection.pending_plaintext

    def outgoing_bytes_buffered(self) -> int:
        """Octets that wait for the network."""
        self._outgoing += self._connection.data_to_send()
        return len(self._outgoing)


class TLSImplementation(Record):
    """What a library is handed to make its connections with."""

    client_context: type[ClientContext]
    server_context: type[ServerContext]
    validate_config: Callable[[TLSClientConfiguration | TLSServerConfiguration], None]


IMPLEMENTATION: Final = TLSImplementation(ClientContext, ServerContext, validate_config)
