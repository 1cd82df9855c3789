"""Ways to a TLS socket: connect, listen, and wrapping what is connected or listening already.

What is given is checked before anything is sent: a configuration error must not cost a connection. TCP_NODELAY is set,
since TLS makes its own large writes and a small one is an answer that somebody waits for.
"""

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from tlscore import errors
from tlscore.sockets.checks import SILENT, check_address, check_config, check_stream, transport_error
from tlscore.sockets.listener import TlsListener, listens
from tlscore.sockets.starting import start
from tlscore.sockets.stream import TlsSocket

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from tlscore.config import ClientConfig, ServerConfig
    from tlscore.connection import Connection


def connect(
    address: tuple[str, int] | str,
    config: "ClientConfig",
    *,
    server_name: str | None = None,
    verify_as: str | None = None,
    timeout: float | None = None,
) -> TlsSocket:
    """Connect to a server and run the handshake.

    Takes:    address: (host, port), or the path of a Unix socket; config: whom to trust and what to offer, built once
              and shared; server_name: the name to ask for and to verify, the host where not given; verify_as: another
              name to verify; timeout: seconds for the connection of the stream, and then the socket's timeout. The
              handshake has its own deadline, config.handshake_timeout.
    Gives:    a connected socket; the server is verified as the configuration demands.
    Raises:   ConfigError, before anything is sent, for a configuration, address or name that cannot work;
              TransportError where no stream can be made; OperationTimeout; HandshakeTimeout; AlertError.
    """
    check_config(config, "client", "connect")
    check_address(address)
    if server_name is None:
        if isinstance(address, str):
            raise errors.ConfigError(
                "a Unix socket has no host to verify", remedy="give server_name=, or the address as (host, port)"
            )
        server_name = address[0]
    # Built first: a mistake in it must not cost a connection.
    connection = config.connection(server_name, verify_as=verify_as)
    sock = _open_stream(address, timeout)
    return start(sock, connection, config.handshake_timeout, True)


def _open_stream(address: tuple[str, int] | str, timeout: float | None) -> socket.socket:
    where = address if isinstance(address, str) else f"{address[0]}:{address[1]}"
    try:
        if not isinstance(address, str):
            return socket.create_connection(address, timeout)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
        return sock
    except TimeoutError as error:
        # The system has a limit of its own, which may come first.
        within = f"within {timeout:g} seconds" if timeout is not None and error.errno is None else f"in time: {error}"
        raise errors.OperationTimeout(f"no connection to {where} {within}", remedy=SILENT) from error
    except OSError as error:
        raise transport_error(error, f"no connection to {where}") from error


def listen(
    address: tuple[str, int] | str,
    config: "ServerConfig",
    backlog: int | None = None,
    *,
    reuse_port: bool = False,
    handshake_on_accept: bool = True,
) -> TlsListener:
    """Listen for clients.

    Takes:    address: (host, port), where port 0 takes a free one (see `getsockname`), or the path of a Unix socket;
              config: who the server is, built once and shared; backlog: clients that may wait for `accept`, the
              system's own number where not given; reuse_port: several listeners may share the port;
              handshake_on_accept: False leaves the handshake to the first call on the accepted socket.
    Gives:    a listener, whose `accept` gives TLS sockets.
    Raises:   ConfigError for what is no ServerConfig and no address; TransportError where the system refuses the
              address.
    """
    check_config(config, "server", "listen")
    check_address(address)
    try:
        if isinstance(address, str):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.bind(address)
                sock.listen(backlog) if backlog is not None else sock.listen()
            except BaseException:
                sock.close()
                raise
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            sock = socket.create_server(address, family=family, backlog=backlog, reuse_port=reuse_port)
    except OSError as error:
        raise transport_error(error, f"cannot listen at {address!r}") from error
    return TlsListener(sock, config, handshake_on_accept=handshake_on_accept)


def wrap_listener(sock: socket.socket, config: "ServerConfig", *, handshake_on_accept: bool = True) -> TlsListener:
    """TLS for every client that a listening socket accepts; the socket belongs to the result from here on.

    Takes:    sock: listens already; config, handshake_on_accept: as listen.
    Raises:   ConfigError for a socket that does not listen, or what is no ServerConfig.
    """
    check_config(config, "server", "wrap_listener")
    return TlsListener(sock, config, handshake_on_accept=handshake_on_accept)


def wrap_client(
    sock: socket.socket,
    config: "ClientConfig",
    server_name: str,
    *,
    verify_as: str | None = None,
    do_handshake: bool = True,
    leftover: "Buffer" = b"",
) -> TlsSocket:
    """TLS as client over a connected socket, which belongs to the result from here on.

    Takes:    server_name, verify_as, config: as connect; do_handshake: run it now (never on a non-blocking socket: call
              `do_handshake()` there); leftover: octets that were read before the upgrade of a plaintext protocol and
              not used: there must be none.
    Raises:   UsageError if octets are left over; ConfigError for what is no ClientConfig or no stream socket, after
              which the socket is still the caller's. ConfigError for what is no name and for a configuration that has
              expired; HandshakeTimeout, AlertError and TransportError from the handshake: after these it is closed.
    """
    check_config(config, "client", "wrap_client")
    _check_upgrade(leftover)
    check_stream(sock)
    connection = _made(lambda: config.connection(server_name, verify_as=verify_as), sock)
    return start(sock, connection, config.handshake_timeout, do_handshake)


def wrap_server(
    sock: socket.socket, config: "ServerConfig", *, do_handshake: bool = True, leftover: "Buffer" = b""
) -> TlsSocket:
    """TLS as server over an accepted socket, which belongs to the result from here on.

    Takes:    sock: accepted, or connected otherwise; config: as listen; do_handshake, leftover: as wrap_client.
    Raises:   UsageError if octets are left over; ConfigError for what is no ServerConfig, a socket that listens or is
              no stream, after which the socket is still the caller's. ConfigError for a configuration that has expired;
              HandshakeTimeout, AlertError and TransportError from the handshake: after these it is closed.
    """
    check_config(config, "server", "wrap_server")
    if listens(sock):
        raise errors.ConfigError("the socket listens", remedy="use wrap_listener, whose accept() gives TLS sockets")
    _check_upgrade(leftover)
    check_stream(sock)
    return start(sock, _made(config.connection, sock), config.handshake_timeout, do_handshake)


def _made(make: Callable[[], "Connection"], sock: socket.socket) -> "Connection":
    """The connection for a socket that belongs to it: without one nobody would close the socket."""
    try:
        return make()
    except BaseException:
        sock.close()
        raise


def _check_upgrade(leftover: "Buffer") -> None:
    # RFC 3207 6 (and its likes): what a plaintext peer, or somebody between, sent ahead must not be read as if TLS had
    # protected it.
    if len(memoryview(leftover)):
        raise errors.UsageError(
            f"{len(memoryview(leftover))} octets were read before the upgrade to TLS and are left over",
            remedy="close the connection: somebody may have injected commands ahead of the handshake",
        )
