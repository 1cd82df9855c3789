"""What stands behind `_sslobj`: one connection, with the surface that the standard library's classes expect there.

Those classes are shells around an inner object, which they ask for everything that TLS knows. This is the half of it
that moves no octets; bio_engine.py and socket_engine.py are the two that do. It holds the outer object (`owner`)
weakly, so that a socket goes with its last reference and never waits for the garbage collector.
"""

import ssl
import weakref
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from tlscore import errors
from tlscore.iana import CipherSuite, ProtocolVersion
from tlscore.ssl import peercert
from tlscore.ssl.certificate import Certificate
from tlscore.ssl.errors import annotate, as_stdlib, ssl_error
from tlscore.suites import suite

if TYPE_CHECKING:
    from tlscore.certs.verify import ChainVerified
    from tlscore.connection import Connection
    from tlscore.ssl.connections import ShapeConnection
    from tlscore.ssl.context import SSLContext
    from tlscore.ssl.stored import FixedSettings

Cipher = tuple[str, str, int]

BINDINGS: Final = ("tls-exporter", "tls-server-end-point", "tls-unique")
_VERSION_NAMES: Final = {
    ProtocolVersion.SSL30: "SSLv3",
    ProtocolVersion.TLS10: "TLSv1.0",
    ProtocolVersion.TLS12: "TLSv1.2",
    ProtocolVersion.TLS13: "TLSv1.3",
}


class Engine:
    """A connection of the ssl shape, without its way to the wire."""

    __slots__ = ("__weakref__", "_context", "_owner", "_started", "connection", "server_hostname", "server_side")

    def __init__(
        self, context: "SSLContext", server_side: bool, server_hostname: str | None, owner: object | None
    ) -> None:
        if server_hostname is not None and "\0" in server_hostname:
            raise TypeError("argument must be encoded string without null bytes, not str")
        self._owner = weakref.ref(owner) if owner is not None else None
        self._started = False
        self.server_side = bool(server_side)
        self.server_hostname = server_hostname
        self._context = context
        self.connection = self._connect(context, owner)

    def _connect(
        self, context: "SSLContext", owner: object | None, fixed: "FixedSettings | None" = None
    ) -> "Connection":
        connection = context._new_connection(self.server_side, self.server_hostname, owner, fixed)
        # Programs find what they can read by `select`, and trust the octets of their buffers that no call has counted.
        connection._set_frugal(True)
        return connection

    # -- whose it is ---------------------------------------------------------------------------------------------------

    @property
    def owner(self) -> object | None:
        """The socket or object outside; None when it is gone."""
        return self._owner() if self._owner is not None else None

    @owner.setter
    def owner(self, value: object) -> None:
        self._owner = weakref.ref(value)

    @property
    def context(self) -> "SSLContext":
        return self._context

    @context.setter
    def context(self, value: "SSLContext") -> None:
        """Answer with another context: at once where nothing has been said yet, and from an sni_callback for this
        handshake. What decides who is let in stays that of the first context, as in OpenSSL."""
        if not hasattr(value, "_new_connection"):
            raise TypeError("The value must be a SSLContext")
        self._context = value
        if self.server_side and not self._started:
            self.connection = self._connect(value, self.owner, self._spoken._fixed)

    @property
    def _spoken(self) -> "ShapeConnection":
        """The connection, as contexts make it."""
        return cast("ShapeConnection", self.connection)

    # -- sessions ------------------------------------------------------------------------------------------------------

    @property
    def session(self) -> None:
        """None: this library resumes no sessions."""
        return None

    @session.setter
    def session(self, value: object) -> None:
        if not isinstance(value, ssl.SSLSession):
            raise TypeError("Value is not a SSLSession.")
        raise NotImplementedError("sessions of OpenSSL cannot be resumed by tlscore: connect without one")

    @property
    def session_reused(self) -> bool:
        return False

    # -- who the peer is -----------------------------------------------------------------------------------------------

    def getpeercert(self, binary_form: bool = False) -> dict[str, Any] | bytes | None:
        """The peer's certificate: a dict, empty where it was not verified; DER with `binary_form`; None without one.

        Raises:   ValueError before the handshake is complete.
        """
        if not self.connection.handshake_complete:
            raise ValueError("handshake not done yet")
        chain = self._chain()
        if chain is None:
            return None
        if binary_form:
            return chain.chain[0]
        return peercert.decode(chain.chain[0]) if chain.path else {}

    def get_verified_chain(self) -> list[Certificate] | None:
        """From the peer's certificate to the trust anchor, as it was verified; None where nothing was."""
        chain = self._chain()
        return [Certificate(facts.der) for facts in chain.path] if chain is not None and chain.path else None

    def get_unverified_chain(self) -> list[Certificate] | None:
        """What the peer sent; None where it sent nothing."""
        chain = self._chain()
        return [Certificate(der) for der in chain.chain] if chain is not None else None

    def _chain(self) -> "ChainVerified | None":
        outcome = self.connection._outcome
        return outcome.chain if outcome is not None else None

    # -- what was agreed -----------------------------------------------------------------------------------------------

    def cipher(self) -> Cipher | None:
        """(name, version that brought it in, bits of its key), or None before the handshake is complete."""
        outcome = self.connection._outcome
        return cipher_of(outcome.suite) if outcome is not None else None

    def shared_ciphers(self) -> list[Cipher] | None:
        """Server: the suites of the client's offer that could have been selected; None on a client."""
        outcome = self.connection._outcome
        if not self.server_side or outcome is None:
            return None
        offered = self._spoken._offered
        usable = self._context._server_config(self._spoken._fixed).suites
        codes = [offered[at] << 8 | offered[at + 1] for at in range(0, len(offered), 2)]
        shared = [code for code in codes if code in usable]
        return [cipher_of(code) for code in shared]

    def compression(self) -> None:
        """None: TLS without compression alone is spoken."""
        return

    def version(self) -> str | None:
        return self.connection.version

    def selected_alpn_protocol(self) -> str | None:
        return self.connection.alpn

    def group(self) -> str | None:
        """The group of the key exchange, such as "X25519"."""
        return self.connection.group

    def client_sigalg(self) -> str | None:
        """The scheme that the client signed with; None where it showed no certificate."""
        connection = self.connection
        return connection.peer_scheme if self.server_side else connection.own_scheme

    def server_sigalg(self) -> str | None:
        """The scheme that the server signed with."""
        connection = self.connection
        return connection.own_scheme if self.server_side else connection.peer_scheme

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """What binds an authentication above to this connection; None before the handshake is complete, and for
        "tls-unique" in TLS 1.3, which has none.

        Takes:    cb_type: "tls-exporter" (RFC 9266), "tls-server-end-point" or "tls-unique" (RFC 5929).
        Raises:   ValueError for another type.
        """
        if cb_type not in BINDINGS:
            raise ValueError(f"'{cb_type}' channel binding type not implemented")
        connection = self.connection
        if not connection.handshake_complete:
            return None
        if cb_type == "tls-unique" and connection.version == "TLSv1.3":
            # Nothing defines it there (RFC 9266): a Finished would be no promise that others know.
            return None
        try:
            return connection.channel_binding(cb_type)
        except errors.TlsError as refused:
            self._raise(refused)

    def verify_client_post_handshake(self) -> None:
        """Server: ask the client for its certificate; the next octets that are sent carry the request.

        Raises:   ssl.SSLError where the peer or the version does not know that.
        """
        connection = self.connection
        if not self.server_side:
            raise ssl_error("NOT_SERVER")
        if not connection.handshake_complete:
            raise ssl_error("STILL_IN_INIT")
        if connection.version != "TLSv1.3":
            raise ssl_error("WRONG_SSL_VERSION")
        try:
            connection.request_client_certificate()
        except errors.UsageError as refused:
            raise annotate(ssl_error("EXTENSION_NOT_RECEIVED"), refused) from None
        except errors.TlsError as refused:
            self._raise(refused)

    # -- reading ahead -------------------------------------------------------------------------------------------------

    def pending(self) -> int:
        """Octets that can be read without receiving any."""
        connection = self.connection
        waiting = connection.pending_plaintext
        if not waiting and connection.buffered_wire and connection.handshake_complete:
            try:
                connection._poll()
            except errors.TlsError:
                # Whoever reads next gets the error.
                return 0
            waiting = connection.pending_plaintext
        return waiting

    # -- errors --------------------------------------------------------------------------------------------------------

    def _raise(self, error: BaseException, operation: str = "read") -> NoReturn:
        if error is self.connection.error:
            # The connection keeps it, and its frames the connection: without them that goes with its last reference.
            error.__traceback__ = None
        # Without a name in this frame either: the exception would keep itself.
        raise as_stdlib(error, operation=operation, server_hostname=self.server_hostname) from None


@lru_cache(64)
def cipher_of(code: int) -> Cipher:
    """What `cipher` tells of a suite."""
    try:
        found = suite(code)
    except errors.TlsError:
        return CipherSuite.name_of(code), "", 0
    version = _VERSION_NAMES.get(found.versions[0], "")
    return found.openssl_name or found.name, version, found.strength
