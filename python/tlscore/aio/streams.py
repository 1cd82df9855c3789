"""asyncio's streams over TLS: a reader that tells a truncated stream from one that ended, and half-close.

asyncio's own reader gives up what it holds as soon as the connection is lost with an error. Here what came before a
failure is authentic and is read first; then every read raises. No line, and no block of a wanted length, that the
failure cut off is ever given as if it were whole.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from tlscore import errors


class TlsStreamReader(asyncio.StreamReader):
    """A StreamReader whose end is either the peer's close_notify or an error."""

    _failure: Any = None
    if TYPE_CHECKING:
        # Of asyncio's own reader; the stubs do not tell.
        _buffer: bytearray
        _limit: int

    def set_exception(self, exc: BaseException) -> None:
        """The connection was lost: what is held can be read, and then `exc` is raised."""
        self._failure = exc
        self.feed_eof()

    def exception(self) -> Any:
        return self._failure

    async def read(self, n: int = -1) -> bytes:
        """As StreamReader.read.

        Raises:   TruncationError where the stream ended without close_notify, and the other errors of the connection,
                  once everything before is read. read(-1) raises them at once; what it had is given by read(n).
        """
        if n >= 0:
            data = await super().read(n)
            if not data and n > 0 and self._failure is not None:
                raise self._failure
            return data
        blocks = []
        while block := await super().read(self._limit):
            blocks.append(block)
        data = b"".join(blocks)
        if self._failure is not None:
            self._buffer[:0] = data
            raise self._failure
        return data

    async def readexactly(self, n: int) -> bytes:
        """As StreamReader.readexactly; the error of a connection that failed comes in place of IncompleteReadError, and
        leaves what is held to read(n)."""
        try:
            return await super().readexactly(n)
        except asyncio.IncompleteReadError as incomplete:
            self._put_back(incomplete)
            raise

    async def readuntil(self, separator: Any = b"\n") -> bytes:
        """As StreamReader.readuntil, and readline; errors as readexactly."""
        try:
            return await super().readuntil(separator)
        except asyncio.IncompleteReadError as incomplete:
            self._put_back(incomplete)
            raise

    def _put_back(self, incomplete: asyncio.IncompleteReadError) -> None:
        if self._failure is not None:
            self._buffer[:0] = incomplete.partial
            raise self._failure from None


class TlsStreamProtocol(asyncio.StreamReaderProtocol):
    """Between a transport and its streams; the peer's close_notify ends reading alone."""

    # The writer of the stream below an upgrade. asyncio's writers close their transport when they are collected.
    upgraded: asyncio.StreamWriter | None = None

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)  # type: ignore[arg-type]
        self.upgraded = None

    def eof_received(self) -> bool:
        super().eof_received()
        return True


def stream_reader(limit: int, loop: asyncio.AbstractEventLoop) -> TlsStreamReader:
    return TlsStreamReader(limit=limit, loop=loop)


def leftover_of(reader: asyncio.StreamReader) -> int:
    """Octets that a reader holds."""
    return len(reader._buffer)  # type: ignore[attr-defined]


def check_upgrade(octets: int) -> None:
    """Refuse an upgrade with octets left over.

    Raises:   UsageError.
    Source:   RFC 3207 section 6 and its likes.
    """
    # What a plaintext peer, or somebody between, sent ahead must not be read as if TLS had protected it.
    if octets:
        raise errors.UsageError(
            f"{octets} octets were read before the upgrade to TLS and are left over",
            remedy="close the connection: somebody may have injected commands ahead of the handshake",
        )
