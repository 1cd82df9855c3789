"""Changing inputs at random: octet by octet, by TLS vectors, and by DER elements.

Changes of single octets die at the first length check. So half of the changes keep the structure: one DER element gets
another tag, another content, a twin or no place at all, and the lengths around it are put right; or one TLS vector is
cut or grown together with the length in front of it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

_EDGES: Final = (0, 1, 2, 3, 4, 0x0B, 0x16, 0x17, 0x30, 0x7F, 0x80, 0x81, 0x84, 0xFE, 0xFF)
_TAGS: Final = (
    0x01,
    0x02,
    0x03,
    0x04,
    0x05,
    0x06,
    0x0A,
    0x0C,
    0x13,
    0x16,
    0x17,
    0x18,
    0x30,
    0x31,
    0x80,
    0x82,
    0xA0,
    0xA1,
    0xA3,
)
_MOST_OCTETS: Final = 1 << 16


def octets(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """One change without regard to structure."""
    at = chance.randrange(len(data) + 1)
    end = min(len(data), at + chance.choice((1, 2, 4, 16, 64)))
    how = chance.randrange(7)
    if how == 0 and at < len(data):
        return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
    if how == 1 and at < len(data):
        return data[:at] + bytes([chance.choice(_EDGES)]) + data[at + 1 :]
    if how == 2:
        return data[:at] + data[end:]
    if how == 3:
        return data[:at] + chance.randbytes(end - at) + data[at:]
    if how == 4:
        return data[:end] + data[at:end] * chance.choice((1, 2, 50)) + data[end:]
    if how == 5:
        return data[:at] + other[chance.randrange(len(other) + 1) :]
    return data[:at] + chance.randbytes(end - at) + data[end:]


def vector(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Change what stands behind a length of one, two or three octets, and the length with it; the message's own length,
    in its octets 1 to 3, follows."""
    width = chance.choice((1, 2, 2, 3))
    places = [
        at
        for at in range(4, len(data) - width)
        if 0 < (length := int.from_bytes(data[at : at + width], "big")) <= len(data) - at - width and length < 4096
    ]
    if not places:
        return octets(data, other, chance)
    at = chance.choice(places)
    end = at + width + int.from_bytes(data[at : at + width], "big")
    body = octets(data[at + width : end], other, chance)[: (1 << 8 * width) - 1]
    changed = data[:at] + len(body).to_bytes(width, "big") + body + data[end:]
    return changed[:1] + (len(changed) - 4).to_bytes(3, "big") + changed[4:]


# -- DER ---------------------------------------------------------------------------------------------------------------

Element = tuple[int, "bytes | list[Element]"]


def _parsed(data: bytes, depth: int = 0) -> list[Element]:
    """DER as a tree; ValueError for what is none."""
    found: list[Element] = []
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise ValueError("cut")
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            width = length & 0x7F
            if not 1 <= width <= 3:
                raise ValueError("length")
            length, at = int.from_bytes(data[at : at + width], "big"), at + width
        if at + length > len(data):
            raise ValueError("cut")
        found.append((tag, _content(tag, data[at : at + length], depth)))
        at += length
    return found


def _content(tag: int, body: bytes, depth: int) -> bytes | list[Element]:
    # An OCTET STRING of an extension holds DER too.
    if depth < 16 and body and (tag & 0x20 or tag == 0x04):
        try:
            return _parsed(body, depth + 1)
        except ValueError:
            return body
    return body


def _encoded(tree: Sequence[Element]) -> bytes:
    parts = []
    for tag, content in tree:
        body = content if isinstance(content, bytes) else _encoded(content)
        if len(body) < 0x80:
            length = bytes([len(body)])
        else:
            digits = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
            length = bytes([0x80 | len(digits)]) + digits
        parts.append(bytes([tag]) + length + body)
    return b"".join(parts)


def _lists(tree: list[Element]) -> list[list[Element]]:
    found = [tree]
    for _, content in tree:
        if isinstance(content, list):
            found += _lists(content)
    return found


def der(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Change one element of a DER tree; every length around it is right again."""
    try:
        tree = _parsed(data)
    except ValueError:
        return octets(data, other, chance)
    places = [one for one in _lists(tree) if one]
    if not places:
        return octets(data, other, chance)
    siblings = chance.choice(places)
    at = chance.randrange(len(siblings))
    tag, content = siblings[at]
    how = chance.randrange(7)
    if how == 0:
        siblings[at] = (chance.choice(_TAGS), content)
    elif how == 1:
        del siblings[at]
    elif how == 2:
        siblings[at:at] = [siblings[at]] * chance.choice((1, 2, 40))
    elif how == 3:
        chance.shuffle(siblings)
    elif how == 4:
        source = chance.choice(places)
        siblings[at] = chance.choice(source)
    elif how == 5:
        siblings[at] = (tag, [(0x30, content)])
    else:
        siblings[at] = (tag, octets(content if isinstance(content, bytes) else _encoded(content), other, chance))
    try:
        return _encoded(tree)
    except RecursionError:  # an element was put into itself
        return data


# -- text --------------------------------------------------------------------------------------------------------------


def text(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Change words and lines: repeat, drop, swap, splice."""
    separator = chance.choice((b"\n", b" ", b":", b".", b"-----"))
    parts = data.split(separator)
    at = chance.randrange(len(parts))
    how = chance.randrange(5)
    if how == 0:
        del parts[at]
    elif how == 1:
        parts[at:at] = [parts[at]] * chance.choice((1, 3))
    elif how == 2:
        chance.shuffle(parts)
    elif how == 3:
        parts[at] = chance.choice(other.split(separator))
    else:
        parts[at] = octets(parts[at], other, chance)
    return separator.join(parts)


STRUCTURES: Final = {"tls": vector, "der": der, "text": text}


def changed(seeds: Sequence[bytes], structure: str, chance: random.Random) -> bytes:
    """One of the seeds with one to four changes, half of which keep the structure."""
    data = chance.choice(seeds)
    for _ in range(chance.choice((1, 1, 2, 4))):
        change = STRUCTURES[structure] if chance.random() < 0.6 else octets
        data = change(data, chance.choice(seeds), chance)
    return data[:_MOST_OCTETS]
