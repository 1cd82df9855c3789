"""SSLSocket: the standard library's class with tlscore behind it, and short ways for the calls that move octets.

A real subclass, since libraries ask isinstance. Everything that is not hot is the standard library's own code, which
asks the inner object (`_sslobj`, a SocketEngine). Two things are kinder than there: closing and shutting down say
close_notify as far as that goes without waiting, so that the peer can tell the end from a truncation, and after
shutdown(SHUT_WR) or shutdown(SHUT_RD) the other direction stays encrypted, where the standard library goes on in plain
octets.
"""

import errno
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from tlscore.ssl import stdlib
from tlscore.ssl.engine import BINDINGS
from tlscore.ssl.socket_engine import SocketEngine

if TYPE_CHECKING:
    from ssl import SSLSocket as Original

    from typing_extensions import Buffer

    from tlscore.ssl.context import SSLContext
else:
    Original = stdlib.original("SSLSocket")

_Plain: Final = socket.socket
_EARLY_DATA: Final = "Closed before TLS handshake with data in recv buffer."
# recv(1) on a socket that is not connected: the second is what Unix sockets answer.
_UNCONNECTED: Final = (errno.ENOTCONN, errno.EINVAL)


class SSLSocket(Original):
    """What `SSLContext.wrap_socket` gives: a socket whose octets are TLS."""

    _sslobj: SocketEngine | None
    _context: "SSLContext"
    _session: Any
    _closed: bool
    _connected: bool
    do_handshake_on_connect: bool
    suppress_ragged_eofs: bool

    # -- making --------------------------------------------------------------------------------------------------------

    @classmethod
    def _create(
        cls,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        context: "SSLContext | None" = None,
        session: Any = None,
    ) -> "SSLSocket":
        """Take a socket over.

        Takes:    sock: a stream socket, connected, listening or neither; it is detached.
        Raises:   NotImplementedError for another kind; ValueError for arguments that contradict each other;
                  ssl.SSLError where octets came before TLS and nobody is there any more; as do_handshake.
        """
        assert context is not None
        _check(sock, server_side, server_hostname, context, session)
        timeout = sock.gettimeout()
        self: SSLSocket = cls.__new__(cls, sock.family, sock.type, sock.proto, sock.fileno())  # type: ignore[call-arg]
        _Plain.__init__(self, sock.family, sock.type, sock.proto, sock.fileno())
        sock.detach()
        try:
            self._context = context
            self._session = session
            self._closed = False
            self._sslobj = None
            self.server_side = server_side
            self.server_hostname = context._encode_hostname(server_hostname)  # type: ignore[attr-defined]
            self.do_handshake_on_connect = do_handshake_on_connect
            self.suppress_ragged_eofs = suppress_ragged_eofs
            self._connected = self._is_connected()
            self.settimeout(timeout)
            if self._connected:
                self._start(timeout)
        except BaseException:
            with suppress(OSError):
                self.close()
            raise
        return self

    def _is_connected(self) -> bool:
        try:
            self.getpeername()
        except OSError as refused:
            if refused.errno != errno.ENOTCONN:
                raise
            self._refuse_early_data(refused.errno)
            return False
        return True

    def _refuse_early_data(self, number: int) -> None:
        """A socket that was connected, and whose peer has gone, may hold octets that came before any TLS: nobody may
        take them for the peer's protected word."""
        blocking = self.getblocking()
        self.setblocking(False)
        try:
            early = _Plain.recv(self, 1)
        except OSError as nothing:
            if nothing.errno not in _UNCONNECTED:
                raise
            early = b""
        self.setblocking(blocking)
        if early:
            error = ssl.SSLError(number, _EARLY_DATA)
            error.reason = _EARLY_DATA
            error.library = None  # type: ignore[assignment]
            raise error

    def _start(self, timeout: float | None) -> None:
        self._sslobj = SocketEngine(self._context, self, self.server_side, self.server_hostname, self)
        if self._session is not None:
            self._sslobj.session = self._session
        if self.do_handshake_on_connect:
            if timeout == 0.0:
                raise ValueError("do_handshake_on_connect should not be specified for non-blocking sockets")
            self.do_handshake()

    # -- the hot calls -------------------------------------------------------------------------------------------------

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Receive application data into `buffer`; the octets that came, 0 after the peer's close_notify."""
        engine = self._sslobj
        if engine is None:
            return _Plain.recv_into(self, buffer, nbytes or 0, flags)
        if flags:
            raise _no_flags("recv_into", self)
        try:
            return engine.read(nbytes or 0, buffer)  # type: ignore[no-any-return]
        except ssl.SSLEOFError:
            if self.suppress_ragged_eofs:
                return 0
            raise

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Receive at most `buflen` octets of application data; b"" after the peer's close_notify."""
        engine = self._sslobj
        if engine is None:
            return _Plain.recv(self, buflen, flags)
        if flags:
            raise _no_flags("recv", self)
        try:
            return engine.read(buflen)  # type: ignore[no-any-return]
        except ssl.SSLEOFError:
            if self.suppress_ragged_eofs:
                return b""
            raise

    def send(self, data: "Buffer", flags: int = 0) -> int:
        """Send `data`; the octets of it that have left."""
        engine = self._sslobj
        if engine is None:
            return _Plain.send(self, data, flags)
        if flags:
            raise _no_flags("send", self)
        return engine.write(data)

    def sendall(self, data: "Buffer", flags: int = 0) -> None:
        """Send all of `data`, in one call whatever its size."""
        engine = self._sslobj
        if engine is None:
            return _Plain.sendall(self, data, flags)
        if flags:
            raise _no_flags("sendall", self)
        sent = engine.write(data)
        with memoryview(data) as view:
            if sent < view.nbytes:
                octets = view.cast("B")
                # A socket that does not block takes a chunk at a time.
                while sent < len(octets):
                    sent += self.send(octets[sent:])
        return None

    # -- the rest of the surface ---------------------------------------------------------------------------------------

    def _real_connect(self, addr: Any, connect_ex: bool) -> int | None:
        if self.server_side:
            raise ValueError("can't connect in server-side mode")
        if self._connected or self._sslobj is not None:
            raise ValueError("attempt to connect already-connected SSLSocket!")
        self._sslobj = SocketEngine(self._context, self, False, self.server_hostname, self)
        if self._session is not None:
            self._sslobj.session = self._session
        try:
            result = None
            if connect_ex:
                result = _Plain.connect_ex(self, addr)
            else:
                _Plain.connect(self, addr)
            if not result:
                self._connected = True
                if self.do_handshake_on_connect:
                    self.do_handshake()
            return result
        except (OSError, ValueError):
            self._sslobj = None
            raise

    def get_verified_chain(self) -> list[bytes]:
        """From the peer's certificate to the trust anchor, in DER, as it was verified; what the peer sent where
        nothing was."""
        engine = self._engine()
        chain = engine.get_verified_chain() or engine.get_unverified_chain() or []
        return [certificate.der for certificate in chain]

    def get_unverified_chain(self) -> list[bytes]:
        """What the peer sent, in DER."""
        return [certificate.der for certificate in self._engine().get_unverified_chain() or []]

    def group(self) -> str | None:
        """The group of the key exchange; None before the handshake is complete."""
        return self._sslobj.group() if self._sslobj is not None else None

    def client_sigalg(self) -> str | None:
        """The scheme that the client signed with; None where it showed no certificate."""
        return self._sslobj.client_sigalg() if self._sslobj is not None else None

    def server_sigalg(self) -> str | None:
        """The scheme that the server signed with."""
        return self._sslobj.server_sigalg() if self._sslobj is not None else None

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """As SSLObject's; None where nothing is connected."""
        if self._sslobj is not None:
            return self._sslobj.get_channel_binding(cb_type)
        if cb_type not in BINDINGS:
            raise ValueError(f"{cb_type} channel binding type not implemented")
        return None

    def _engine(self) -> SocketEngine:
        if self._sslobj is None:
            raise ValueError(f"No SSL wrapper around {self}")
        return self._sslobj

    # -- the end -------------------------------------------------------------------------------------------------------

    def shutdown(self, how: int) -> None:
        """End one direction of the stream, or both.

        Effects:  close_notify where the writing direction ends, as far as that goes without waiting.
        """
        engine = self._sslobj
        if engine is not None:
            if how != socket.SHUT_RD:
                engine.half_close(self)
            if how == socket.SHUT_RDWR:
                self._sslobj = None
        _Plain.shutdown(self, how)

    def _real_close(self) -> None:
        engine = self._sslobj
        self._sslobj = None
        if engine is None or engine.part(self):
            _Plain._real_close(self)  # type: ignore[attr-defined]

    def __exit__(self, *exception: object) -> None:
        if exception[0] is not None and self._sslobj is not None and not self._closed:
            # What fails half-way must not look like an orderly end to the peer.
            self._sslobj.abandon()
        super().__exit__(*exception)


def _check(
    sock: socket.socket,
    server_side: bool,
    server_hostname: str | bytes | None,
    context: "SSLContext",
    session: Any,
) -> None:
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) != socket.SOCK_STREAM:
        raise NotImplementedError("only stream sockets are supported")
    if server_side:
        if server_hostname:
            raise ValueError("server_hostname can only be specified in client mode")
        if session is not None:
            raise ValueError("session can only be specified in client mode")
    if context.check_hostname and not server_hostname:
        raise ValueError("check_hostname requires server_hostname")


def _no_flags(call: str, sock: SSLSocket) -> ValueError:
    return ValueError(f"non-zero flags not allowed in calls to {call}() on {type(sock)}")
