"""Make asyncio's own functions take this path where `ssl=` is a context or a configuration of this library.

`install()` replaces one method of the selector and proactor event loops, which asyncio itself calls for every TLS
connection, and `start_tls`; on uvloop, whose loops are compiled, the methods that take `ssl=`. Contexts of the stdlib
go the way that they always went. `uninstall()` puts everything back. For applications: a library should call
`tlscore.aio.open_connection` and its like.
"""

import asyncio
import socket
import sys
from asyncio import base_events, proactor_events, selector_events
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, Final

from tlscore import errors
from tlscore.aio.layered import LayeredTransport
from tlscore.aio.opening import shaken
from tlscore.aio.owned import SocketTransport, owns_descriptors
from tlscore.aio.streams import check_upgrade, leftover_of
from tlscore.aio.terms import Role, Terms, fits
from tlscore.aio.transport import TlsTransport

# (class, name, what stood in the class itself before: None where a base class had it)
_replaced: list[tuple[type, str, Any]] = []
_UVLOOP_CLIENTS: Final = ("create_connection", "create_unix_connection")
_UVLOOP_SERVERS: Final = ("create_server", "create_unix_server")


def install() -> None:
    """Let `ssl=` of this library take the native path in asyncio's create_connection, create_server, their Unix kin,
    open_connection, start_server and start_tls. Idempotent.

    Raises:   UsageError where this version of asyncio is not built as those that are known.
    Effects:  for every loop of the process, also those that run; connections that are open stay as they are.
    """
    if _replaced:
        return
    for owner in (selector_events.BaseSelectorEventLoop, proactor_events.BaseProactorEventLoop):
        _replace(owner, "_make_ssl_transport", _make_ssl_transport)
    _replace(base_events.BaseEventLoop, "start_tls", _start_tls)
    loop = _loop_of_uvloop()
    if loop is not None:
        for name in _UVLOOP_CLIENTS:
            _replace(loop, name, _uvloop_client)
        for name in _UVLOOP_SERVERS:
            _replace(loop, name, _uvloop_server)
        _replace(loop, "start_tls", _start_tls)


def _loop_of_uvloop() -> type | None:
    try:
        found: type = import_module("uvloop").Loop
    except ImportError:
        return None
    return found


def uninstall() -> None:
    """Put back what install() replaced. Idempotent."""
    while _replaced:
        owner, name, before = _replaced.pop()
        if before is None:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def installed() -> bool:
    return bool(_replaced)


def _replace(owner: type, name: str, make: Callable[[Any], Any]) -> None:
    before = getattr(owner, name, None)
    if before is None:
        uninstall()
        raise errors.UsageError(
            f"{owner.__name__} has no {name}: this version of asyncio is not known",
            remedy="use tlscore.aio.open_connection and start_server, which need nothing of asyncio's inside",
        )
    # Where a base class has it, nothing is to be left in this one.
    _replaced.append((owner, name, vars(owner).get(name)))
    setattr(owner, name, make(before))


def _ours(context: object, role: Role) -> bool:
    return context is not None and not isinstance(context, bool) and fits(context, role)


def _terms(context: object, role: Role, server_name: str | None, options: dict[str, Any]) -> Terms:
    return Terms(
        context,
        role,
        server_name=server_name or None,
        handshake_timeout=options.pop("ssl_handshake_timeout", None),
        shutdown_timeout=options.pop("ssl_shutdown_timeout", None),
        like_asyncio=True,
    )


def _make_ssl_transport(before: Any) -> Any:
    @wraps(before)
    def make(
        loop: Any,
        rawsock: socket.socket,
        protocol: asyncio.BaseProtocol,
        sslcontext: Any,
        waiter: "asyncio.Future[None] | None" = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: dict[str, Any] | None = None,
        server: Any = None,
        **options: Any,
    ) -> Any:
        role: Role = "server" if server_side else "client"
        if not _ours(sslcontext, role):
            return before(
                loop,
                rawsock,
                protocol,
                sslcontext,
                waiter,
                server_side=server_side,
                server_hostname=server_hostname,
                extra=extra,
                server=server,
                **options,
            )
        terms = _terms(sslcontext, role, server_hostname, options)
        return _native(loop, rawsock, protocol, waiter, terms, (extra or {}).get("peername"), server)

    return make


def _native(
    loop: Any,
    sock: socket.socket,
    protocol: asyncio.BaseProtocol,
    waiter: "asyncio.Future[None] | None",
    terms: Terms,
    peer_address: Any,
    server: Any,
) -> TlsTransport:
    transport: TlsTransport
    leave = _counted(server)
    if owns_descriptors(loop):
        try:
            transport = SocketTransport(loop, sock, terms, protocol, waiter, leave=leave, peer_address=peer_address)
        except BaseException:
            sock.close()
            raise
    else:
        below = loop._make_socket_transport(sock, asyncio.Protocol())
        transport = LayeredTransport(loop, below, terms, protocol, waiter, leave=leave)
    if server is not None:
        _attach(server, transport)
    return transport


# From 3.13 on asyncio's servers know their transports and not just their number.
_KNOWS_TRANSPORTS: Final = sys.version_info >= (3, 13)


def _attach(server: Any, transport: TlsTransport) -> None:
    server._attach(transport) if _KNOWS_TRANSPORTS else server._attach()


def _counted(server: Any) -> Callable[[TlsTransport], object] | None:
    if server is None:
        return None

    def leave(transport: TlsTransport) -> None:
        server._detach(transport) if _KNOWS_TRANSPORTS else server._detach()

    return leave


def _start_tls(before: Any) -> Any:
    @wraps(before)
    async def start_tls(
        loop: Any,
        transport: Any,
        protocol: asyncio.BaseProtocol,
        sslcontext: Any,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        **options: Any,
    ) -> Any:
        role: Role = "server" if server_side else "client"
        if not _ours(sslcontext, role):
            return await before(
                loop,
                transport,
                protocol,
                sslcontext,
                server_side=server_side,
                server_hostname=server_hostname,
                **options,
            )
        reader = getattr(protocol, "_stream_reader", None)
        if isinstance(reader, asyncio.StreamReader):
            # The streams of asyncio keep their reader over the upgrade, and with it what was received before.
            check_upgrade(leftover_of(reader))
        waiter = loop.create_future()
        terms = _terms(sslcontext, role, server_hostname, options)
        made = LayeredTransport(loop, transport, terms, protocol, waiter, announce=False)
        await shaken(made, waiter)
        return made

    return start_tls


def _uvloop_client(before: Any) -> Any:
    @wraps(before)
    async def create_connection(
        loop: Any,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        *address: Any,
        ssl: Any = None,
        server_hostname: str | None = None,
        **options: Any,
    ) -> Any:
        if not _ours(ssl, "client"):
            return await before(loop, protocol_factory, *address, ssl=ssl, server_hostname=server_hostname, **options)
        name = server_hostname if server_hostname is not None else (address[0] if len(address) > 1 else None)
        terms = _terms(ssl, "client", name, options)
        below, _ = await before(loop, asyncio.Protocol, *address, **options)
        waiter = loop.create_future()
        protocol = protocol_factory()
        transport = LayeredTransport(loop, below, terms, protocol, waiter)
        await shaken(transport, waiter)
        return transport, protocol

    return create_connection


class _Accepted(asyncio.Protocol):
    """The first protocol of an accepted stream: puts TLS on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, terms: Terms, factory: Callable[[], Any]) -> None:
        self._loop, self._terms, self._factory = loop, terms, factory

    def connection_made(self, transport: Any) -> None:
        LayeredTransport(self._loop, transport, self._terms, None, factory=self._factory)


def _uvloop_server(before: Any) -> Any:
    @wraps(before)
    async def create_server(
        loop: Any, protocol_factory: Callable[[], asyncio.BaseProtocol], *address: Any, ssl: Any = None, **options: Any
    ) -> Any:
        if not _ours(ssl, "server"):
            return await before(loop, protocol_factory, *address, ssl=ssl, **options)
        terms = _terms(ssl, "server", None, options)
        return await before(loop, lambda: _Accepted(loop, terms, protocol_factory), *address, **options)

    return create_server
