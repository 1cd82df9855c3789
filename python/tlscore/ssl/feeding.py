"""From a memory buffer into a connection, record by record, as OpenSSL takes them.

What stands in the incoming buffer behind close_notify is not ours: after STARTTLS went back, frameworks read it from
there. And what waits there tells them when to stop their transports. So a small record, which may be that close_notify,
is taken alone, and the one behind it only when somebody asks for more; large ones are data, and go in one after another
while the caller has room for them.

    incoming   [head|body][head|body][head|alert] plain octets ...
                taken as far as asked ──►│ left where they are
"""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tlscore.connection import Connection

_HEADER: Final = 5
# Records of at least this length carry bulk data: alerts and most messages are far smaller.
_BULK: Final = 4096


class Feed:
    """How far into a record the octets have come that were taken."""

    __slots__ = ("_bulk", "_head", "_lacks")

    def __init__(self) -> None:
        self._head = b""
        self._lacks = 0
        self._bulk = False

    def take(self, incoming: Any, connection: "Connection", octets: int) -> bool:
        """Hand the next record over, as far as it has come, and while records are large those behind it, up to about
        so many octets. While the handshake runs, they drive it.

        Gives:    whether there was anything.
        """
        taken = False
        while True:
            wire = b""
            if not self._lacks:
                wire = self._next_head(incoming)
                if len(wire) < _HEADER or (taken and not self._bulk):
                    self._head = wire
                    return taken
                self._lacks = int.from_bytes(wire[3:], "big")
            piece = incoming.read(self._lacks) if self._lacks else b""
            self._lacks -= len(piece)
            taken = taken or bool(wire or piece)
            if self._bulk and wire:
                # Not joined: a record of 16 KiB is handed over as it is.
                connection.receive(wire)
                wire = b""
            if wire or piece:
                connection.receive(wire + piece if wire else piece)
            octets -= len(piece)
            if self._lacks or not self._bulk or octets <= 0:
                return taken

    def _next_head(self, incoming: Any) -> bytes:
        head, self._head = self._head, b""
        if len(head) < _HEADER:
            head += incoming.read(_HEADER - len(head))
        self._bulk = len(head) == _HEADER and int.from_bytes(head[3:], "big") >= _BULK
        return head
