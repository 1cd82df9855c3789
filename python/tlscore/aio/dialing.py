"""A connected stream to a host: every address that it has, in turn, the next one not waiting for a silent one.

RFC 8305 (Happy Eyeballs): addresses of the two families alternate; an attempt that has not succeeded after a quarter of
a second gets a rival; the first that connects wins, and the others are closed.
"""

import asyncio
import socket
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any, Final

from tlscore import errors
from tlscore.sockets.checks import transport_error

# RFC 8305 8 recommends so long a Connection Attempt Delay.
ATTEMPT_DELAY_SECONDS: Final = 0.25

_Info = tuple[int, int, int, str, Any]


async def dial(
    loop: asyncio.AbstractEventLoop,
    host: str | None,
    port: int | None,
    *,
    family: int = 0,
    local_address: tuple[str, int] | None = None,
    delay: float = ATTEMPT_DELAY_SECONDS,
) -> socket.socket:
    """Connect to a host; a socket that does not block.

    Raises:   TransportError with the error of each attempt as its cause's notes, where no address answers.
    """
    where = f"{host}:{port}"
    try:
        infos = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    except OSError as error:
        raise transport_error(error, f"no connection to {where}") from error
    failures: list[OSError] = []
    sock = await _race(loop, _alternate(infos), local_address, delay, failures)
    if sock is not None:
        return sock
    first = failures[0] if failures else OSError("the name has no address")
    for other in failures[1:]:
        first.add_note(f"and: {other}")
    raise transport_error(first, f"no connection to {where}") from first


async def dial_path(loop: asyncio.AbstractEventLoop, path: str) -> socket.socket:
    """Connect to a Unix socket."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, path)
    except OSError as error:
        sock.close()
        raise transport_error(error, f"no connection to {path}") from error
    except BaseException:
        sock.close()
        raise
    return sock


def _alternate(infos: Sequence[Any]) -> list[_Info]:
    """The addresses with the families in turn, beginning with the family that the resolver put first."""
    leading = [info for info in infos if info[0] == infos[0][0]]
    others = [info for info in infos if info[0] != infos[0][0]]
    mixed = chain.from_iterable(zip_longest(leading, others))
    return [info for info in mixed if info is not None]


async def _race(
    loop: asyncio.AbstractEventLoop,
    infos: list[_Info],
    local_address: tuple[str, int] | None,
    delay: float,
    failures: list[OSError],
) -> socket.socket | None:
    running: set[asyncio.Task[socket.socket]] = set()
    winner: socket.socket | None = None
    waiting = list(reversed(infos))
    try:
        while winner is None and (waiting or running):
            if waiting:
                running.add(loop.create_task(_attempt(loop, waiting.pop(), local_address)))
            done, running = await asyncio.wait(
                running, timeout=delay if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                error = task.exception()
                if isinstance(error, OSError):
                    failures.append(error)
                elif error is not None:
                    raise error
                elif winner is None:
                    winner = task.result()
                else:
                    task.result().close()
    except BaseException:
        if winner is not None:
            winner.close()
        raise
    finally:
        for task in running:
            task.add_done_callback(_close_late)
            task.cancel()
    return winner


def _close_late(task: "asyncio.Task[socket.socket]") -> None:
    """A rival that connected at the very moment in which another one won, or everybody was cancelled."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _attempt(
    loop: asyncio.AbstractEventLoop, info: _Info, local_address: tuple[str, int] | None
) -> socket.socket:
    family, kind, protocol, _, address = info
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        if local_address is not None:
            sock.bind(local_address)
        await loop.sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def listening_sockets(
    host: str | Sequence[str] | None, port: int, *, backlog: int, reuse_port: bool, infos: Sequence[Any]
) -> list[socket.socket]:
    """Sockets that listen at every address of `infos`.

    Raises:   TransportError where the system refuses one; none is left open then.
    """
    made: list[socket.socket] = []
    chosen = port
    try:
        for family_, kind, protocol, _, address in dict.fromkeys(infos):
            sock = socket.socket(family_, kind, protocol)
            made.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family_ == socket.AF_INET6:
                # The IPv4 address has a socket of its own.
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # Port 0 is one free port for all addresses, not one for each.
            sock.bind((address[0], chosen, *address[2:]))
            chosen = sock.getsockname()[1]
            sock.setblocking(False)
            sock.listen(backlog)
    except OSError as error:
        for sock in made:
            sock.close()
        raise transport_error(error, f"cannot listen at {host!r}, port {port}") from error
    if not made:
        raise errors.TransportError(f"cannot listen at {host!r}: the name has no address")
    return made
