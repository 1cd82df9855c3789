"""What the ways to a socket are given, checked before anything is sent; and what the system refuses, explained.

A mistake in a call must not cost a connection, and must not look like a failure of the network: the configuration has
the right role, the socket is a stream, the address is one. What the system then refuses becomes a `TransportError` with
its error number and with what to do about that number.
"""

import errno
import re
import socket
from typing import Any, Final

from tlscore import errors
from tlscore.pending import asynchronous

NO_LOOP: Final = "these sockets run no event loop"

_UNREACHABLE = "check the network of this machine, the firewall, and whether it has IPv4 or IPv6 as the address wants"
_CUT = "look at the peer's log, and at what stands between (proxy, load balancer, firewall): no alert tells why"
_RIGHTS = "ports below 1024 need a privilege: choose a higher one; a path needs the rights to it; firewalls may refuse"
_DESCRIPTORS = "close what is not needed any more, or raise the limit of open files (ulimit -n)"
SILENT = "check host and port, that the host is up, and that no firewall drops what it is sent"

REMEDIES: Final = {
    errno.EADDRINUSE: "stop what listens there, take another port (0 takes a free one), or share it: reuse_port=True",
    errno.EADDRNOTAVAIL: "take an address of this machine; 0.0.0.0 and :: are all of them",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.ECONNREFUSED: "nothing listens there: start the server, or check host and port",
    errno.ENOENT: "check the path of the socket, and that its server runs",
    errno.ENETUNREACH: _UNREACHABLE,
    errno.EHOSTUNREACH: _UNREACHABLE,
    errno.ETIMEDOUT: SILENT,
    errno.ECONNRESET: _CUT,
    errno.EPIPE: _CUT,
    errno.EMFILE: _DESCRIPTORS,
    errno.ENFILE: _DESCRIPTORS,
}
_UNKNOWN_NAME = "check the spelling of the host, and that this machine can resolve names (DNS)"
_OTHER = "look at the network and at the peer's own log"

# A URL, or host:port with the host of an IPv6 address in brackets; a socket's path of such a shape can begin with ./ .
_NO_PATH = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://)?(?P<host>\[[^\]/]+\]|[^/:\[\]\0]+)(?::(?P<port>\d+))?(?:/.*)?", re.IGNORECASE
)
_BUILD = {
    "client": "build one: ClientConfig.simple(trust=TrustStore.from_file(path))",
    "server": "build one: ServerConfig.simple(identity=Identity.load(chain, key))",
}


def check_config(config: object, role: str, call: str) -> None:
    """Refuse a configuration of the other role, or what is none, or one whose answers must be awaited."""
    # Imported here: who listens or connects has built a configuration, so it is loaded.
    from tlscore.config import ClientConfig, ServerConfig

    wanted: type[ClientConfig | ServerConfig] = ClientConfig if role == "client" else ServerConfig
    if not isinstance(config, wanted):
        raise errors.ConfigError(
            f"config is a {type(config).__name__}; {call}() takes a {wanted.__name__}", remedy=_BUILD[role]
        )
    slow = ", ".join(asynchronous({field: getattr(config, field) for field in wanted._fields}))
    if slow:
        raise errors.ConfigError(
            f"{slow} of the config would have to be awaited, and {NO_LOOP}",
            remedy="use tlscore.aio, or give functions and signers that answer at once",
            code="TLS-CONFIG-ASYNC",
        )


def check_address(address: tuple[str, int] | str) -> None:
    """Refuse a text that is a URL or host:port: it would be taken for the path of a Unix socket."""
    if not isinstance(address, str):
        return
    match = _NO_PATH.fullmatch(address)
    if match and ("://" in address or (match["port"] and "/" not in address)):
        host, port = match["host"].strip("[]"), match["port"] or "443"
        raise errors.ConfigError(
            f"{address!r} is neither (host, port) nor the path of a Unix socket",
            remedy=f'give the address as ("{host}", {port})',
        )


def check_stream(sock: socket.socket) -> None:
    if sock.type != socket.SOCK_STREAM:
        raise errors.ConfigError("TLS needs a stream socket", remedy="use a TCP or Unix SOCK_STREAM socket")


def name_peer(error: BaseException, address: Any) -> None:
    """Say in the error of a handshake with whom it was: as `peer_address`, and in a note for logs and tracebacks."""
    if not address or getattr(error, "peer_address", None) is not None:
        return
    if isinstance(error, errors.TlsError):
        error.peer_address = address
    error.add_note(f"in the handshake with {_shown(address)}")


def _shown(address: Any) -> str:
    """192.0.2.1:443, [2001:db8::1]:443, or the path of a Unix socket."""
    if not isinstance(address, tuple):
        return errors.visible(address) if isinstance(address, (str, bytes)) else repr(address)
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def transport_error(error: BaseException, what: str) -> errors.TransportError:
    """The typed error for what the system refused; its remedy goes by the error number."""
    number = error.errno if isinstance(error, OSError) else None
    # The numbers of name resolution are a space of their own.
    remedy = _UNKNOWN_NAME if isinstance(error, socket.gaierror) else REMEDIES.get(number or 0, _OTHER)
    typed = errors.TransportError(f"{what}: {error}", remedy=remedy)
    if number is not None:
        typed.errno = number
    return typed
