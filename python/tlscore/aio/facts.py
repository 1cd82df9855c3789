"""What `get_extra_info` knows, and the view of a connection in the shape of the stdlib's SSLObject.

Programs written for asyncio on stdlib ssl ask a transport for its `ssl_object` and that for `selected_alpn_protocol()`,
`cipher()` or `getpeercert()`. Everything is made when it is asked for: most connections are never asked.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tlscore.aio.transport import TlsTransport
    from tlscore.connection import Connection


def _report(connection: "Connection") -> Any:
    outcome = connection._outcome
    chain = outcome.chain if outcome is not None else None
    return chain.report if chain is not None else None


_FACTS: Final[dict[str, Callable[["Connection"], Any]]] = {
    "tlscore_connection": lambda connection: connection,
    "peer_identity": lambda connection: connection.peer_identity,
    "peer_chain": lambda connection: connection.peer_chain,
    "authenticated": lambda connection: connection.authenticated,
    "report": _report,
    "trace": lambda connection: connection.trace,
    "version": lambda connection: connection.version,
    "suite": lambda connection: connection.suite,
    "group": lambda connection: connection.group,
    "alpn": lambda connection: connection.alpn,
    "server_name": lambda connection: connection.server_name,
    # Sessions are not resumed yet.
    "session": lambda connection: None,
    "compression": lambda connection: None,
}


def extra_info(transport: "TlsTransport", name: str) -> tuple[bool, Any]:
    """(whether the TLS layer answers to this name, its answer)."""
    fact = _FACTS.get(name)
    if fact is not None:
        return True, fact(transport._connection)
    if name == "sslcontext":
        return True, transport._terms.context
    if name in ("ssl_object", "peercert", "cipher"):
        if transport._view is None:
            transport._view = SslObjectView(transport)
        view = transport._view
        return True, view if name == "ssl_object" else view.getpeercert() if name == "peercert" else view.cipher()
    return False, None


class SslObjectView:
    """A connection as programs of the stdlib's shape read it. It moves no octets: that is the transport's work."""

    __slots__ = ("__weakref__", "_context", "_transport")

    def __init__(self, transport: "TlsTransport") -> None:
        self._transport = transport
        self._context: Any = transport._terms.context

    @property
    def _connection(self) -> "Connection":
        return self._transport._connection

    @property
    def context(self) -> Any:
        """The context that the connection was made with, or the one that its sni_callback has put in its place."""
        return self._context

    @context.setter
    def context(self, context: Any) -> None:
        self._context = context

    @property
    def server_side(self) -> bool:
        return self._transport._terms.role == "server"

    @property
    def server_hostname(self) -> str | None:
        """The name that a client verifies; None on a server."""
        name = self._transport._terms.server_name
        return name.decode("ascii") if isinstance(name, bytes) else name

    @property
    def session(self) -> None:
        return None

    @property
    def session_reused(self) -> bool:
        return False

    def version(self) -> str | None:
        return self._connection.version

    def cipher(self) -> tuple[str, str, int] | None:
        """(OpenSSL's name of the suite, protocol that defines it, bits of its key)."""
        suite = self._connection.cipher_suite
        if suite is None:
            return None
        return suite.openssl_name or suite.name, str(self._connection.version), suite.strength

    def compression(self) -> None:
        return None

    def shared_ciphers(self) -> None:
        return None

    def pending(self) -> int:
        return self._connection.pending_plaintext

    def selected_alpn_protocol(self) -> str | None:
        return self._connection.alpn

    def selected_npn_protocol(self) -> None:
        return None

    def getpeercert(self, binary_form: bool = False) -> dict[str, Any] | bytes | None:
        """The peer's certificate: DER, or the dict of the stdlib, which is empty where no chain was verified.

        Raises:   ValueError before the handshake is complete.
        """
        if not self._connection.handshake_complete and self._connection.error is None:
            raise ValueError("handshake not done yet")
        chain = self._connection.peer_chain
        if not chain:
            return None
        if binary_form:
            return chain[0]
        outcome = self._connection._outcome
        if outcome is None or outcome.chain is None or not outcome.chain.path:
            return {}
        from tlscore.ssl.peercert import decode

        return decode(chain[0])

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """What binds an authentication inside to this connection.

        Raises:   ValueError for a kind that this version of TLS does not have.
        """
        from tlscore.errors import UsageError

        try:
            return self._connection.channel_binding(cb_type)
        except UsageError as error:
            if cb_type == "tls-unique":
                # As the stdlib's: where there is none, the caller is told by None.
                return None
            raise ValueError(f"'{cb_type}' channel binding type not implemented") from error
