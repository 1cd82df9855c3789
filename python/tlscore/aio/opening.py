"""Ways to a TLS connection as client, and the upgrade of a stream, at either end.

What is given is checked before anything is sent. Whoever is cancelled, at any await, leaves no socket, task or timer
behind. Where the loop watches descriptors the transport owns its socket; elsewhere it stands on the loop's own.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tlscore import errors
from tlscore.aio.dialing import ATTEMPT_DELAY_SECONDS, dial, dial_path
from tlscore.aio.layered import LayeredTransport
from tlscore.aio.owned import SocketTransport, owns_descriptors
from tlscore.aio.streams import TlsStreamProtocol, check_upgrade, leftover_of, stream_reader
from tlscore.aio.terms import Role, Terms, has_shape
from tlscore.aio.transport import TlsTransport
from tlscore.sockets.checks import check_stream

if TYPE_CHECKING:
    from tlscore.connection import Connection

STREAM_LIMIT = 64 * 1024

_Protocol = TypeVar("_Protocol", bound=asyncio.BaseProtocol)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def open_connection(
    host: str | None = None,
    port: int | None = None,
    config: Any = None,
    *,
    limit: int = STREAM_LIMIT,
    **options: Any,
) -> Streams:
    """Connect to a server, run the handshake, and give a reader and a writer.

    Takes:    host, port, config and the options of `create_connection`; limit: octets that the reader holds before the
              peer is held back, twice over.
    Gives:    (reader, writer). `reader.read()` raises TruncationError where the stream ends without close_notify;
              `writer.write_eof()` sends close_notify and leaves reading open.
    Raises:   as create_connection.
    """
    loop = asyncio.get_running_loop()
    reader = stream_reader(limit, loop)
    protocol = TlsStreamProtocol(reader, loop=loop)
    transport, _ = await create_connection(lambda: protocol, host, port, config, **options)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def create_connection(
    protocol_factory: Callable[[], _Protocol],
    host: str | None = None,
    port: int | None = None,
    config: Any = None,
    *,
    server_name: str | bytes | None = None,
    verify_as: str | bytes | None = None,
    path: str | None = None,
    sock: socket.socket | None = None,
    family: int = 0,
    local_address: tuple[str, int] | None = None,
    attempt_delay: float = ATTEMPT_DELAY_SECONDS,
    handshake_timeout: float | None = None,
    shutdown_timeout: float | None = None,
) -> tuple[TlsTransport, _Protocol]:
    """Connect to a server and run the handshake.

    Takes:    protocol_factory: makes a Protocol, or a BufferedProtocol, into whose buffer Rust opens the records; host
              and port, or path of a Unix socket, or sock, a connected stream socket, which belongs to the transport
              from here on; config: a ClientConfig, or a context of tlscore.ssl; server_name: the name to ask for and to
              verify, the host where not given; verify_as: another name to verify; attempt_delay: seconds until the next
              address of the host is tried beside the first; handshake_timeout: seconds for the whole handshake, the
              configuration's where not given; shutdown_timeout: seconds that close() waits for the peer.
    Gives:    (transport, protocol); connection_made() was called, the server is verified as the configuration demands.
    Raises:   ConfigError, before anything is sent, for what cannot work; TransportError where no stream can be made;
              HandshakeTimeout; AlertError.
    """
    if (host is not None) + (path is not None) + (sock is not None) != 1:
        raise errors.ConfigError("there is no peer, or more than one", remedy="give host and port, or path, or sock")
    if host is not None and port is None:
        raise errors.ConfigError(f"no port was given for {host}", remedy="give the port, often 443")
    terms = Terms(
        config,
        "client",
        server_name=host if server_name is None else server_name,
        verify_as=verify_as,
        handshake_timeout=handshake_timeout,
        shutdown_timeout=shutdown_timeout,
    )
    # Made first: a mistake in a name must not cost a connection. In the stdlib's shape it needs its owner, which comes
    # later.
    if sock is not None:
        check_stream(sock)
    try:
        connection = None if has_shape(config) else terms.connection(None)
    except BaseException:
        # It belongs to the transport that will never be.
        if sock is not None:
            sock.close()
        raise
    loop = asyncio.get_running_loop()
    if sock is not None:
        sock.setblocking(False)
    elif path is not None:
        sock = await dial_path(loop, path)
    else:
        sock = await dial(loop, host, port, family=family, local_address=local_address, delay=attempt_delay)
    protocol = protocol_factory()
    return await over_socket(loop, sock, terms, protocol, connection), protocol


async def over_socket(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    terms: Terms,
    protocol: asyncio.BaseProtocol,
    connection: "Connection | None" = None,
) -> TlsTransport:
    """The transport over a connected socket, its handshake done."""
    waiter = loop.create_future()
    transport: TlsTransport
    if owns_descriptors(loop):
        try:
            transport = SocketTransport(loop, sock, terms, protocol, waiter, connection=connection)
        except BaseException:
            sock.close()
            raise
    else:
        below, _ = await loop.create_connection(asyncio.Protocol, sock=sock)
        transport = _layered(loop, below, terms, protocol, waiter, connection=connection)
    await shaken(transport, waiter)
    return transport


async def shaken(transport: TlsTransport, waiter: "asyncio.Future[None]") -> None:
    """Wait for the handshake; a failure, or the caller's cancellation, leaves nothing open."""
    try:
        await waiter
    except BaseException:
        transport._withdraw()
        raise


async def start_tls(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    config: Any,
    *,
    role: Role = "client",
    server_name: str | bytes | None = None,
    verify_as: str | bytes | None = None,
    limit: int = STREAM_LIMIT,
    handshake_timeout: float | None = None,
    shutdown_timeout: float | None = None,
) -> Streams:
    """Upgrade a stream to TLS: after STARTTLS, through a proxy, or TLS in TLS.

    Takes:    reader, writer: of asyncio or of this module; they are done with. config: of the `role`; server_name: whom
              a client verifies; the rest as open_connection.
    Gives:    (reader, writer) of the TLS connection.
    Raises:   UsageError if the reader holds octets: whoever sent them did not wait for TLS; as create_connection from
              the handshake, after which the stream is closed.
    """
    check_upgrade(leftover_of(reader))
    loop = asyncio.get_running_loop()
    below = cast("asyncio.Transport", writer.transport)
    below.pause_reading()
    await writer.drain()
    # What came before the pause, while the answer to STARTTLS was leaving.
    check_upgrade(leftover_of(reader))
    upgraded = stream_reader(limit, loop)
    protocol = TlsStreamProtocol(upgraded, loop=loop)
    protocol.upgraded = writer
    transport = await upgrade(
        below,
        protocol,
        config,
        role=role,
        server_name=server_name,
        verify_as=verify_as,
        handshake_timeout=handshake_timeout,
        shutdown_timeout=shutdown_timeout,
    )
    # Whoever still writes to the old one must not put plaintext between the records.
    writer._transport = transport  # type: ignore[attr-defined]
    return upgraded, asyncio.StreamWriter(transport, protocol, upgraded, loop)


async def upgrade(
    below: asyncio.Transport,
    protocol: asyncio.BaseProtocol,
    config: Any,
    *,
    role: Role = "client",
    server_name: str | bytes | None = None,
    verify_as: str | bytes | None = None,
    leftover: bytes = b"",
    announce: bool = True,
    handshake_timeout: float | None = None,
    shutdown_timeout: float | None = None,
) -> TlsTransport:
    """TLS over any transport of asyncio, for a protocol.

    Takes:    below: belongs to the result from here on; leftover: octets that were read before the upgrade and not
              used: there must be none; announce: whether the protocol is told by connection_made(), as one that was
              connected to `below` is not; the rest as start_tls.
    Gives:    the transport that the protocol uses from here on.
    Raises:   UsageError if octets are left over, ConfigError for what is no configuration of the role; from there on,
              as create_connection, `below` is closed.
    """
    check_upgrade(len(leftover))
    terms = Terms(
        config,
        role,
        server_name=server_name,
        verify_as=verify_as,
        handshake_timeout=handshake_timeout,
        shutdown_timeout=shutdown_timeout,
    )
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()
    transport = _layered(loop, below, terms, protocol, waiter, announce=announce)
    await shaken(transport, waiter)
    return transport


def _layered(
    loop: asyncio.AbstractEventLoop,
    below: asyncio.Transport,
    terms: Terms,
    protocol: asyncio.BaseProtocol,
    waiter: "asyncio.Future[None]",
    **options: Any,
) -> LayeredTransport:
    """The transport over another one, which is closed where there can be none."""
    try:
        return LayeredTransport(loop, below, terms, protocol, waiter, **options)
    except BaseException:
        below.abort()
        raise
