"""Servers: every client that is accepted becomes a transport, and its protocol when the handshake is complete.

A client costs its socket, its `Connection` and one timer until it is authenticated: the protocol above, with its
buffers, is made afterwards. A client whose handshake fails costs nobody else anything; `refused` is told. The accept
loop survives the end of descriptors: it waits a second and tries again.
"""

import asyncio
import errno
import socket
from asyncio.trsock import TransportSocket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Self

from tlscore import errors
from tlscore.aio.dialing import listening_sockets
from tlscore.aio.layered import LayeredTransport
from tlscore.aio.opening import STREAM_LIMIT
from tlscore.aio.owned import SocketTransport, owns_descriptors
from tlscore.aio.streams import TlsStreamProtocol, stream_reader
from tlscore.aio.terms import Terms
from tlscore.aio.transport import ProtocolFactory, TlsTransport
from tlscore.sockets.checks import transport_error

# Out of descriptors or memory: accepting again at once would only burn the processor.
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_EXHAUSTED_SECONDS: Final = 1.0


class TlsServer(asyncio.AbstractServer):
    """Listens, and keeps count of its connections; made by `create_server` and `start_server`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sockets: Sequence[socket.socket],
        terms: Terms,
        protocol_factory: ProtocolFactory,
        backlog: int,
    ) -> None:
        self._loop = loop
        self._listening = list(sockets)
        self._terms = terms
        self._factory = protocol_factory
        self._backlog = backlog
        self._serving = False
        self._closed = False
        self._connections: set[TlsTransport] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty: asyncio.Future[None] | None = None
        self._forever: asyncio.Future[None] | None = None

    # -- accepting -----------------------------------------------------------------------------------------------------

    async def start_serving(self) -> None:
        """Begin to accept; nothing where it does already."""
        self._start()

    def _start(self) -> None:
        if self._closed:
            raise errors.ConnectionClosedError("this server is closed")
        if self._serving:
            return
        self._serving = True
        for sock in self._listening:
            if owns_descriptors(self._loop):
                self._loop.add_reader(sock.fileno(), self._accept, sock)
            else:
                self._tasks.add(self._loop.create_task(self._accept_below(sock)))

    def _accept(self, sock: socket.socket) -> None:
        for _ in range(self._backlog):
            try:
                client, address = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._cannot_accept(sock, error)
                return
            client.setblocking(False)
            try:
                self._connections.add(
                    SocketTransport(
                        self._loop,
                        client,
                        self._terms,
                        None,
                        factory=self._factory,
                        leave=self._left,
                        peer_address=address,
                    )
                )
            except Exception as error:
                client.close()
                self._tell_refused(error, address)

    def _cannot_accept(self, sock: socket.socket, error: OSError) -> None:
        if error.errno not in _EXHAUSTED:
            raise error
        self._loop.call_exception_handler(
            {
                "message": "no client can be accepted for a second",
                "exception": transport_error(error, "no client can be accepted"),
            }
        )
        self._loop.remove_reader(sock.fileno())
        self._loop.call_later(_EXHAUSTED_SECONDS, self._accept_again, sock)

    def _accept_again(self, sock: socket.socket) -> None:
        if self._serving and sock.fileno() >= 0:
            self._loop.add_reader(sock.fileno(), self._accept, sock)

    async def _accept_below(self, sock: socket.socket) -> None:
        """Accept on a loop that does not watch descriptors for others."""
        while True:
            client, address = await self._loop.sock_accept(sock)
            below: asyncio.Transport | None = None
            try:
                below, _ = await self._loop.connect_accepted_socket(asyncio.Protocol, client)
                self._connections.add(
                    LayeredTransport(self._loop, below, self._terms, None, factory=self._factory, leave=self._left)
                )
            except Exception as error:
                if below is not None:
                    below.abort()
                else:
                    client.close()
                self._tell_refused(error, address)

    def _tell_refused(self, error: BaseException, address: Any) -> None:
        if self._terms.refused is not None:
            self._terms.refused(error, address)
        else:
            self._loop.call_exception_handler({"message": "a client could not be taken", "exception": error})

    def _left(self, transport: TlsTransport) -> None:
        self._connections.discard(transport)
        self._tell_empty()

    def _tell_empty(self) -> None:
        if self._closed and not self._connections and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    # -- the end -------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop accepting. Connections go on; see close_clients() and abort_clients()."""
        if self._closed:
            return
        self._closed = True
        self._serving = False
        for task in self._tasks:
            task.cancel()
        for sock in self._listening:
            if owns_descriptors(self._loop):
                self._loop.remove_reader(sock.fileno())
            sock.close()
        self._listening.clear()
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        self._tell_empty()

    def close_clients(self) -> None:
        """Close every connection in order."""
        for transport in list(self._connections):
            transport.close()

    def abort_clients(self) -> None:
        """Close every connection at once."""
        for transport in list(self._connections):
            transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the server is closed and its last connection is gone."""
        if self._closed and not self._connections:
            return
        if self._empty is None:
            self._empty = self._loop.create_future()
        await asyncio.shield(self._empty)

    async def serve_forever(self) -> None:
        """Accept until cancelled; the server is closed then."""
        if self._forever is not None:
            raise errors.UsageError("serve_forever() runs already")
        self._start()
        self._forever = self._loop.create_future()
        try:
            await self._forever
        finally:
            self._forever = None
            self.close()
            self.close_clients()
            await self.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.close()
        self.close_clients()
        await self.wait_closed()

    # -- what can be asked ---------------------------------------------------------------------------------------------

    def is_serving(self) -> bool:
        return self._serving

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    @property
    def sockets(self) -> "tuple[TransportSocket, ...]":
        """The listening sockets; empty when closed."""
        return tuple(TransportSocket(sock) for sock in self._listening)

    @property
    def connections(self) -> int:
        """Clients that are connected, in the handshake or after it."""
        return len(self._connections)


async def create_server(
    protocol_factory: ProtocolFactory,
    host: str | Sequence[str] | None = None,
    port: int | None = None,
    config: Any = None,
    *,
    path: str | None = None,
    sock: socket.socket | None = None,
    family: int = 0,
    backlog: int = 100,
    reuse_port: bool = False,
    start_serving: bool = True,
    handshake_timeout: float | None = None,
    shutdown_timeout: float | None = None,
    refused: Callable[[BaseException, Any], object] | None = None,
) -> TlsServer:
    """Listen for clients.

    Takes:    protocol_factory: makes the protocol of a client whose handshake is complete; host: one or several, all
              addresses of the machine where not given; port: 0 takes a free one; path, of a Unix socket, or sock, which
              listens or is bound, instead; config: a ServerConfig, or a context of tlscore.ssl; refused: is called with
              the error and the address of each client whose handshake fails; the deadlines as create_connection.
    Gives:    a server, which serves already unless start_serving is False.
    Raises:   ConfigError for what cannot work; TransportError where the system refuses the address.
    """
    terms = Terms(
        config, "server", handshake_timeout=handshake_timeout, shutdown_timeout=shutdown_timeout, refused=refused
    )
    if (port is not None) + (path is not None) + (sock is not None) != 1:
        raise errors.ConfigError("there is no address, or more than one", remedy="give port, or path, or sock")
    loop = asyncio.get_running_loop()
    if sock is not None or path is not None:
        sockets = [_ready(sock, path, backlog)]
    else:
        assert port is not None
        infos = await _addresses(loop, host, port, family)
        sockets = listening_sockets(host, port, backlog=backlog, reuse_port=reuse_port, infos=infos)
    server = TlsServer(loop, sockets, terms, protocol_factory, backlog)
    if start_serving:
        await server.start_serving()
    return server


async def _addresses(
    loop: asyncio.AbstractEventLoop, host: str | Sequence[str] | None, port: int, family: int
) -> list[Any]:
    """What getaddrinfo says about all hosts together."""
    infos: list[Any] = []
    for one in [host] if host is None or isinstance(host, str) else host:
        try:
            infos += await loop.getaddrinfo(
                one or None, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except OSError as error:
            raise transport_error(error, f"cannot listen at {one!r}") from error
    return infos


def _ready(sock: socket.socket | None, path: str | None, backlog: int) -> socket.socket:
    """The given socket, or one at the path of a Unix socket, listening."""
    made = sock or socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path is not None:
            made.bind(path)
        made.setblocking(False)
        made.listen(backlog)
    except OSError as error:
        if sock is None:
            made.close()
        raise transport_error(error, f"cannot listen at {path or sock!r}") from error
    return made


async def start_server(
    client_connected: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None],
    host: str | Sequence[str] | None = None,
    port: int | None = None,
    config: Any = None,
    *,
    limit: int = STREAM_LIMIT,
    **options: Any,
) -> TlsServer:
    """Listen, and call `client_connected(reader, writer)` for each client whose handshake is complete.

    Takes:    client_connected: a function, or a coroutine function, which runs as a task; the rest as create_server and
              open_connection.
    Gives:    a server.
    Raises:   as create_server.
    """
    loop = asyncio.get_running_loop()

    def protocol() -> TlsStreamProtocol:
        return TlsStreamProtocol(stream_reader(limit, loop), client_connected, loop=loop)

    return await create_server(protocol, host, port, config, **options)
