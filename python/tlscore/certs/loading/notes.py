"""What was noticed about an identity: nothing that stops it, and worth knowing before a peer says it."""

from __future__ import annotations

from tlscore.record import Record


class Note(Record):
    """A stable code for machines, and a sentence."""

    code: str
    text: str

    def __str__(self) -> str:
        return self.text
