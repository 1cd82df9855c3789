"""The inner object over two memory buffers: what `wrap_bio` makes, for frameworks that move the octets themselves.

Anything with read, write, pending and eof serves as a buffer. Octets are taken from the incoming one only when a call
needs them, since frameworks look at what waits there to stop their transports. A call that needs more raises
ssl.SSLWantReadError, or ssl.SSLEOFError once the incoming buffer has ended without close_notify.
"""

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

from tlscore import errors
from tlscore.ssl.engine import Engine
from tlscore.ssl.errors import ssl_error, want_read, zero_return
from tlscore.ssl.feeding import Feed

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from tlscore.connection import Connection
    from tlscore.ssl.context import SSLContext

# SSL_OP_IGNORE_UNEXPECTED_EOF: the module names it from 3.10 on where OpenSSL has it.
_IGNORE_EOF: Final = 0x80


class BioEngine(Engine):
    """A connection between an incoming and an outgoing buffer."""

    __slots__ = ("_feed", "_incoming", "_outgoing", "_ready")

    def __init__(
        self,
        context: "SSLContext",
        incoming: Any,
        outgoing: Any,
        server_side: bool = False,
        server_hostname: str | None = None,
        owner: object | None = None,
    ) -> None:
        super().__init__(context, server_side, server_hostname, owner)
        self._incoming = incoming
        self._outgoing = outgoing
        self._feed = Feed()
        self._ready = False

    def do_handshake(self) -> None:
        """Go on with the handshake as far as the buffers let it.

        Raises:   ssl.SSLWantReadError where the peer must answer first; ssl.SSLError and its subclasses.
        """
        if self._ready:
            return
        self._started = True
        connection = self.connection
        try:
            while True:
                if connection.error is not None:
                    raise connection.error
                done = connection.handshake_complete
                self._flush()
                if done:
                    self._ready = True
                    return
                if not self._feed.take(self._incoming, connection, 0):
                    self._starved(connection)
        except errors.TlsError as error:
            self._failed(error, "handshake")

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """Application data: as octets, or put into `buffer` and counted.

        Gives:    at most `len` octets; b"" or 0 after the peer's close_notify.
        Raises:   ssl.SSLWantReadError where nothing whole has come; ssl.SSLEOFError where nothing more will;
                  ssl.SSLZeroReturnError where both ends have said close_notify.
        """
        if not self._ready:
            self.do_handshake()
        connection, nothing, target = self.connection, b"" if buffer is None else 0, buffer
        if buffer is None:
            if len < 0:
                raise ValueError("size should not be negative")
        else:
            size = memoryview(buffer).nbytes
            if 0 < len < size:
                target = memoryview(buffer).cast("B")[:len]
            else:
                len = size
        if not len:
            return nothing
        try:
            while True:
                got = _opened(connection, len, target)
                if got or connection.peer_closed:
                    break
                if not self._feed.take(self._incoming, connection, len) and self._starved(connection):
                    return nothing
            if connection.pending_wire:
                self._flush()
        except errors.TlsError as error:
            self._failed(error, "read")
        if not got and connection.write_closed:
            # OpenSSL takes a reader for mistaken who has closed, and whose peer has.
            raise zero_return()
        return got

    def write(self, data: "Buffer") -> int:
        """Seal all of `data` into the outgoing buffer; its length."""
        if not self._ready:
            self.do_handshake()
        connection = self.connection
        try:
            taken = connection.write(data)
            self._outgoing.write(connection.data_to_send())
            return taken
        except errors.TlsError as error:
            self._failed(error, "write")

    def shutdown(self) -> None:
        """Say close_notify, and wait for that of the peer.

        Raises:   ssl.SSLWantReadError until it comes; ssl.SSLError where data of the peer stands before it.
        """
        connection = self.connection
        if not self._ready and not connection.handshake_complete:
            raise ssl_error("SHUTDOWN_WHILE_IN_INIT")
        try:
            connection.close()
            self._flush()
            while True:
                connection._poll()
                if connection.peer_closed:
                    return
                if connection.pending_plaintext:
                    raise ssl_error("APPLICATION_DATA_AFTER_CLOSE_NOTIFY")
                if not self._feed.take(self._incoming, connection, 0) and self._starved(connection):
                    return
        except errors.TlsError as error:
            self._failed(error, "read")

    # -- the buffers ---------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        wire = self.connection.data_to_send()
        if wire:
            self._outgoing.write(wire)

    def _starved(self, connection: "Connection") -> bool:
        """Nothing has come: raise what that means. True where the context takes the end for a close_notify."""
        if connection.pending_wire:
            self._flush()
        if not self._incoming.eof:
            raise want_read()
        if connection.handshake_complete and self._context.options & _IGNORE_EOF:
            return True
        connection.eof()
        return True

    def _failed(self, error: errors.TlsError, operation: str) -> NoReturn:
        """Raise the error with the class of the standard library, after the alert that tells the peer."""
        # What is to be raised says more than why an alert could not be handed over.
        with suppress(errors.TlsError, ssl.SSLError):
            self._flush()
        self._raise(error, operation)


def _opened(connection: "Connection", octets: int, target: Any) -> Any:
    """Application data out of what has come in: at most so many octets, or what fits into `target`, counted."""
    # No more than this can come out.
    most = connection.pending_plaintext + connection.buffered_wire
    if not most:
        # What came behind the last data may have been opened with it: an alert, above all close_notify.
        connection._poll()
        return b"" if target is None else 0
    if target is not None:
        return connection.read_into(target)
    if octets >= most:
        return connection.read()
    buffer = bytearray(octets)
    return bytes(memoryview(buffer)[: connection.read_into(buffer)])
