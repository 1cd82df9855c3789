"""Twisted on tlscore: what Twisted asks its TLS for, a connection like pyOpenSSL's, made of tlscore's.

Twisted takes, wherever a "context factory" is expected, an object that provides IOpenSSLClientConnectionCreator or
IOpenSSLServerConnectionCreator and gives a connection per protocol. `ClientConnectionCreator` and
`ServerConnectionCreator` are these; `HttpsPolicy` is one for twisted.web's Agent. Twisted and pyOpenSSL, whose
exception classes Twisted catches, are imported when the first of them is made.

    transport ─► bio_write ─► Connection.receive          Connection.data_to_send ─► bio_read ─► transport
    protocol  ◄─ recv ◄────── Connection.read             Connection.write ◄──────── send ◄───── protocol
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from tlscore.errors import TlsError, TruncationError
from tlscore.sockets.checks import check_config

if TYPE_CHECKING:
    from cryptography import x509

    from tlscore.config import ClientConfig, ServerConfig
    from tlscore.connection import Connection

# What Twisted looks for in the text of an error to tell a cut stream from other failures.
_CUT = "unexpected eof while reading"


@cache
def _declare() -> None:
    """Tell zope.interface what the classes of this module provide."""
    from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
    from twisted.web.iweb import IPolicyForHTTPS
    from zope.interface import classImplements

    classImplements(ClientConnectionCreator, IOpenSSLClientConnectionCreator)
    classImplements(ServerConnectionCreator, IOpenSSLServerConnectionCreator)
    classImplements(HttpsPolicy, IPolicyForHTTPS)


@lru_cache(maxsize=32)
def _with_protocols(config: Any, names: tuple[str, ...]) -> Any:
    return config.replace(alpn=names)


def _with_protocols_of(protocol: Any, config: Any) -> Any:
    """The configuration, whose application protocols stand behind those that the protocol's factory wants."""
    from twisted.internet.interfaces import IProtocolNegotiationFactory

    factory = IProtocolNegotiationFactory(protocol.factory.wrappedFactory, None)
    if factory is None or not hasattr(config, "replace"):
        return config
    wanted = [name.decode("ascii") for name in factory.acceptableProtocols()]
    names = tuple(dict.fromkeys([*wanted, *config.alpn]))
    return config if names == tuple(config.alpn) else _with_protocols(config, names)


class ClientConnectionCreator:
    """Connections to one server, for `wrapClientTLS`, `connectSSL`, `startTLS` and the like.

    Takes:    config: a ClientConfig, or a context of `tlscore.ssl`; hostname: the name or address that is sent and
              that the certificate must be for.
    Raises:   ImportError where Twisted or pyOpenSSL is not installed; ConfigError for another configuration, and for
              one whose answers would have to be awaited.
    """

    def __init__(self, config: ClientConfig | Any, hostname: str) -> None:
        _declare()
        if not hasattr(config, "_new_connection"):
            check_config(config, "client", "ClientConnectionCreator")
        self._config = config
        self._hostname = hostname

    def clientConnectionForTLS(self, tlsProtocol: Any) -> TlsConnection:
        """A connection for one protocol; Twisted calls this."""
        config = _with_protocols_of(tlsProtocol, self._config)
        if hasattr(config, "_new_connection"):
            return TlsConnection(config._new_connection(False, self._hostname))
        return TlsConnection(config.connection(self._hostname))


class ServerConnectionCreator:
    """Connections of a server, for `listenSSL`, `SSL4ServerEndpoint`, `startTLS` and the like.

    Takes:    config: a ServerConfig, or a context of `tlscore.ssl`.
    Raises:   ImportError where Twisted or pyOpenSSL is not installed; ConfigError for another configuration, and for
              one whose answers would have to be awaited.
    """

    def __init__(self, config: ServerConfig | Any) -> None:
        _declare()
        if not hasattr(config, "_new_connection"):
            check_config(config, "server", "ServerConnectionCreator")
        self._config = config

    def serverConnectionForTLS(self, tlsProtocol: Any) -> TlsConnection:
        """A connection for one protocol; Twisted calls this."""
        config = _with_protocols_of(tlsProtocol, self._config)
        if hasattr(config, "_new_connection"):
            return TlsConnection(config._new_connection(True, None))
        return TlsConnection(config.connection())


class HttpsPolicy:
    """For `twisted.web.client.Agent(reactor, contextFactory=...)`: every host is verified with one configuration.

    Takes:    config: a ClientConfig, or a context of `tlscore.ssl`.
    Raises:   ImportError where Twisted or pyOpenSSL is not installed.
    """

    def __init__(self, config: ClientConfig | Any) -> None:
        _declare()
        self._config = config

    def creatorForNetloc(self, hostname: bytes, port: int) -> ClientConnectionCreator:
        """The creator for one host; Twisted calls this."""
        return ClientConnectionCreator(self._config, hostname.decode("ascii"))


class TlsConnection:
    """The part of OpenSSL.SSL.Connection that Twisted uses, over a connection of tlscore.

    Errors are pyOpenSSL's classes, as Twisted needs them; the error of tlscore is their cause and their `tlscore`.
    """

    def __init__(self, connection: Connection) -> None:
        from OpenSSL import SSL

        self.connection = connection
        self._errors = SSL
        self._failure: TlsError | None = None
        self._app_data: Any = None

    def set_connect_state(self) -> None:
        """Nothing: the connection was made as a client's."""

    def set_accept_state(self) -> None:
        """Nothing: the connection was made as a server's."""

    def set_app_data(self, data: Any) -> None:
        """Keep what belongs to this connection."""
        self._app_data = data

    def get_app_data(self) -> Any:
        """What `set_app_data` kept."""
        return self._app_data

    # -- ciphertext ----------------------------------------------------------------------------------------------------

    def bio_write(self, data: bytes) -> int:
        """Take what the transport received. A failure shows in the next call that looks for its result."""
        try:
            self.connection.receive(data)
        except TlsError as error:
            self._failure = self._failure or error
        return len(data)

    def bio_read(self, size: int) -> bytes:
        """All that waits to be sent, whatever the size asked for: Twisted asks once, and sends what it gets."""
        wire = self.connection.data_to_send()
        if not wire:
            raise self._errors.WantReadError
        return wire

    def bio_shutdown(self) -> None:
        """The transport is gone: nothing will come any more."""
        try:
            self.connection.eof()
        except TlsError as error:
            self._failure = self._failure or error

    # -- plaintext -----------------------------------------------------------------------------------------------------

    def do_handshake(self) -> None:
        """Raises WantReadError until the handshake is complete, Error where it failed."""
        if self._failure is not None:
            self._raise(self._failure)
        if not self.connection.handshake_complete:
            raise self._errors.WantReadError

    def recv(self, size: int) -> bytes:
        """Application data: all of every record that is complete, whatever the size asked for."""
        try:
            data = self.connection.read()
        except TlsError as error:
            self._raise(error)
        if data:
            return data
        if self._failure is not None:
            self._raise(self._failure)
        if self.connection.peer_closed:
            raise self._errors.ZeroReturnError
        raise self._errors.WantReadError

    def send(self, data: bytes) -> int:
        """Seal application data; it waits in `bio_read`."""
        if not self.connection.handshake_complete and self._failure is None:
            raise self._errors.WantReadError
        try:
            return self.connection.write(data)
        except TlsError as error:
            self._raise(error)

    def shutdown(self) -> bool:
        """Say close_notify; gives whether the peer has said it too."""
        try:
            if not self.connection.write_closed:
                self.connection.close()
        except TlsError as error:
            self._raise(error)
        return self.connection.peer_closed

    def _raise(self, error: TlsError) -> NoReturn:
        text = _CUT if isinstance(error, TruncationError) else str(error)
        raised: Any = self._errors.Error([("tlscore", "", text)])
        raised.tlscore = error
        raise raised from error

    # -- what was agreed -----------------------------------------------------------------------------------------------

    def get_peer_certificate(self, as_cryptography: bool = False) -> Any:
        """The peer's certificate, of pyOpenSSL's class or of cryptography's; None where there is none."""
        chain = self.get_peer_cert_chain(as_cryptography)
        return chain[0] if chain else None

    def get_peer_cert_chain(self, as_cryptography: bool = False) -> list[Any] | None:
        """The certificates that the peer sent, its own first; None where it sent none."""
        from cryptography.x509 import load_der_x509_certificate
        from OpenSSL import crypto

        chain: list[x509.Certificate] = [load_der_x509_certificate(der) for der in self.connection.peer_chain]
        if as_cryptography:
            return chain or None
        return [crypto.X509.from_cryptography(certificate) for certificate in chain] or None

    def get_alpn_proto_negotiated(self) -> bytes:
        """The application protocol; empty where none was agreed."""
        return (self.connection.alpn or "").encode("ascii")

    def get_servername(self) -> bytes | None:
        """Server: the name that the client asked for."""
        name = self.connection.server_name
        return name.encode("ascii") if name is not None else None

    def get_protocol_version_name(self) -> str:
        """Such as "TLSv1.3"."""
        return self.connection.version or "unknown"

    def get_cipher_name(self) -> str | None:
        """The suite by its IANA name."""
        return self.connection.suite

    def export_keying_material(self, label: bytes, olen: int, context: bytes | None = None) -> bytes:
        """Keys for another protocol, bound to this connection (RFC 9846 section 7.5)."""
        return self.connection.export_keying_material(label, context, olen)
