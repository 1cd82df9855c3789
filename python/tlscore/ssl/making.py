"""How programs come to a context: create_default_context, its relatives for the standard library's own modules, and
get_server_certificate. The settings are those of the running Python's own functions.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
from typing import Any, Final

from tlscore.ssl.context import SSLContext

# What socket.create_connection takes for "the default timeout".
_DEFAULT_TIMEOUT: Final[Any] = getattr(socket, "_GLOBAL_DEFAULT_TIMEOUT")  # noqa: B009  # no name in the stubs
# From 3.13 on chains may end in any trusted certificate, and are held to RFC 5280.
_VERIFY_FLAGS: Final = (
    ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT if sys.version_info >= (3, 13) else ssl.VerifyFlags(0)
)


def create_default_context(
    purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH,
    *,
    cafile: Any = None,
    capath: Any = None,
    cadata: Any = None,
) -> SSLContext:
    """A context with safe settings.

    Takes:    purpose: SERVER_AUTH for clients, CLIENT_AUTH for servers; cafile, capath, cadata: whom to trust; what the
              system trusts where none is given and somebody is verified.
    Raises:   TypeError, ValueError for another purpose; as load_verify_locations.
    Effects:  SSLKEYLOGFILE of the environment becomes keylog_filename.
    """
    context = SSLContext(_protocol(purpose))
    if purpose == ssl.Purpose.SERVER_AUTH:
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
    context.verify_flags |= _VERIFY_FLAGS
    _trust(context, purpose, cafile, capath, cadata)
    _log_keys(context)
    return context


def _create_unverified_context(
    protocol: int | None = None,
    *,
    cert_reqs: int | None = ssl.CERT_NONE,
    check_hostname: bool = False,
    purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH,
    certfile: Any = None,
    keyfile: Any = None,
    cafile: Any = None,
    capath: Any = None,
    cadata: Any = None,
) -> SSLContext:
    """A context for the standard library's modules, which verifies nobody unless it is told to."""
    chosen = _protocol(purpose)
    context = SSLContext(chosen if protocol is None else protocol)
    context.check_hostname = check_hostname
    if cert_reqs is not None:
        context.verify_mode = ssl.VerifyMode(cert_reqs)
    if check_hostname:
        context.check_hostname = True
    if keyfile and not certfile:
        raise ValueError("certfile must be specified")
    if certfile:
        context.load_cert_chain(certfile, keyfile)
    _trust(context, purpose, cafile, capath, cadata)
    _log_keys(context)
    return context


def _protocol(purpose: ssl.Purpose) -> int:
    if not isinstance(purpose, type(ssl.Purpose.SERVER_AUTH).__mro__[1]):
        raise TypeError(purpose)
    if purpose == ssl.Purpose.SERVER_AUTH:
        return ssl.PROTOCOL_TLS_CLIENT
    if purpose == ssl.Purpose.CLIENT_AUTH:
        return ssl.PROTOCOL_TLS_SERVER
    raise ValueError(purpose)


def _trust(context: SSLContext, purpose: ssl.Purpose, cafile: Any, capath: Any, cadata: Any) -> None:
    if cafile or capath or cadata:
        context.load_verify_locations(cafile, capath, cadata)
    elif context.verify_mode != ssl.CERT_NONE:
        context.load_default_certs(purpose)


def _log_keys(context: SSLContext) -> None:
    path = os.environ.get("SSLKEYLOGFILE")
    if path and not sys.flags.ignore_environment:
        context.keylog_filename = path


def get_server_certificate(
    addr: tuple[str, int],
    ssl_version: int = ssl.PROTOCOL_TLS_CLIENT,
    ca_certs: Any = None,
    timeout: Any = _DEFAULT_TIMEOUT,
) -> str:
    """The certificate that a server shows, as PEM; verified against `ca_certs` where they are given."""
    required = ssl.CERT_NONE if ca_certs is None else ssl.CERT_REQUIRED
    context = _create_unverified_context(ssl_version, cert_reqs=required, cafile=ca_certs)
    with (
        socket.create_connection(addr, timeout=timeout) as stream,
        context.wrap_socket(stream, server_hostname=addr[0]) as wrapped,
    ):
        der: bytes = wrapped.getpeercert(True)
    return ssl.DER_cert_to_PEM_cert(der)


def wrap_socket(
    sock: Any,
    keyfile: Any = None,
    certfile: Any = None,
    server_side: bool = False,
    cert_reqs: int = ssl.CERT_NONE,
    ssl_version: int = ssl.PROTOCOL_TLS,
    ca_certs: Any = None,
    do_handshake_on_connect: bool = True,
    suppress_ragged_eofs: bool = True,
    ciphers: str | None = None,
) -> Any:
    """The function that Python 3.12 took away: a socket with TLS, without a context of one's own."""
    import warnings

    warnings.warn("ssl.wrap_socket() is deprecated, use SSLContext.wrap_socket()", DeprecationWarning, stacklevel=2)
    if server_side and not certfile:
        raise ValueError("certfile must be specified for server-side operations")
    if keyfile and not certfile:
        raise ValueError("certfile must be specified")
    context = SSLContext(ssl_version)
    context.verify_mode = ssl.VerifyMode(cert_reqs)
    if ca_certs:
        context.load_verify_locations(ca_certs)
    if certfile:
        context.load_cert_chain(certfile, keyfile)
    if ciphers:
        context.set_ciphers(ciphers)
    return context.wrap_socket(
        sock,
        server_side=server_side,
        do_handshake_on_connect=do_handshake_on_connect,
        suppress_ragged_eofs=suppress_ragged_eofs,
    )
