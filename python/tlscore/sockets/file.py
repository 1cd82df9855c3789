"""Files over a `TlsSocket`: the raw layer below the buffered and text files of `io`.

`io.BufferedReader` and friends do the buffering; this adapter gives them `readinto` and `write` and keeps count, so
that the socket below is closed only after its last file. A truncated stream stays an error here too: a file never shows
it as its end.
"""

import io
from typing import IO, TYPE_CHECKING, Any

from tlscore import errors

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from tlscore.sockets import TlsSocket


class TlsSocketFile(io.RawIOBase):
    """Raw file over a TLS socket; non-blocking calls give None, as `io` asks."""

    def __init__(self, tls: "TlsSocket", mode: str) -> None:
        super().__init__()
        self._tls = tls
        self.mode = mode
        tls._files += 1

    def readable(self) -> bool:
        return not self.closed and "r" in self.mode

    def writable(self) -> bool:
        return not self.closed and "w" in self.mode

    def fileno(self) -> int:
        return self._tls.fileno()

    def readinto(self, buffer: "Buffer", /) -> int | None:
        self._check("r", "not readable")
        try:
            return self._tls.recv_into(buffer)
        except errors.WantReadError:
            return None

    def write(self, data: "Buffer", /) -> int | None:
        self._check("w", "not writable")
        try:
            return self._tls.send(data)
        except errors.WantWriteError:
            return None

    def _check(self, direction: str, complaint: str) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if direction not in self.mode:
            raise io.UnsupportedOperation(complaint)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._tls._file_closed()


def make_file(
    tls: "TlsSocket", mode: str, buffering: int, encoding: str | None, on_error: str | None, newline: str | None
) -> IO[Any]:
    """What `TlsSocket.makefile` gives, by the rules of `io.open`."""
    if not set(mode) <= set("rwb"):
        raise ValueError(f"makefile: mode {mode!r} may hold r, w and b only")
    binary = "b" in mode
    if buffering == 0 and not binary:
        raise ValueError("makefile: a text file cannot be unbuffered")
    writing = "w" in mode
    reading = "r" in mode or not writing
    raw = TlsSocketFile(tls, ("r" if reading else "") + ("w" if writing else ""))
    if buffering == 0:
        return raw  # type: ignore[return-value]
    size = buffering if buffering > 0 else io.DEFAULT_BUFFER_SIZE
    buffered: Any
    if reading and writing:
        buffered = io.BufferedRWPair(raw, raw, size)
    elif reading:
        buffered = io.BufferedReader(raw, size)
    else:
        buffered = io.BufferedWriter(raw, size)
    if binary:
        return buffered  # type: ignore[no-any-return]
    return io.TextIOWrapper(buffered, io.text_encoding(encoding), on_error, newline)
