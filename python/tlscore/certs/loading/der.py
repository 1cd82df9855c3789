"""As much DER as telling formats apart takes: tags, lengths, children. Values stay octets; nothing here is trusted."""

from __future__ import annotations

from typing import Final, NamedTuple

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OID: Final = 0x06
SEQUENCE: Final = 0x30
CONTEXT_0: Final = 0xA0
_TIMES: Final = (0x17, 0x18)


class Element(NamedTuple):
    """One DER value: its tag, its content, and all of it."""

    tag: int
    content: bytes
    whole: bytes

    @property
    def is_time(self) -> bool:
        return self.tag in _TIMES


def element(data: bytes, at: int = 0) -> Element:
    """The value that starts at `at`. Raises ValueError where there is none of definite length."""
    if len(data) < at + 2:
        raise ValueError("the data ends in the middle of a value")
    length, start = data[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 4:
            raise ValueError("a length is indefinite or too long")
        length, start = int.from_bytes(data[start : start + octets], "big"), start + octets
    if len(data) < start + length:
        raise ValueError("the data ends in the middle of a value")
    return Element(data[at], data[start : start + length], data[at : start + length])


def children(content: bytes) -> list[Element]:
    """The values that follow each other in `content`, at most a thousand of them."""
    found, at = list[Element](), 0
    while at < len(content) and len(found) < 1000:
        one = element(content, at)
        found.append(one)
        at += len(one.whole)
    return found


def encode(tag: int, content: bytes) -> bytes:
    """One value in DER."""
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
