"""How many rounds of key derivation an encrypted file asks for, read before anything is derived.

Passwords are stretched: PBKDF2 and the derivation of PKCS #12 by a number of rounds, scrypt by a cost. The number
stands in the clear beside the salt, and a damaged file can ask for four billion. Whatever the format, it is the INTEGER
behind the OCTET STRING of the salt (RFC 8018 A.2, RFC 7292 4 and C, RFC 7914 7.1).
"""

from __future__ import annotations

import base64
import binascii
from itertools import pairwise
from typing import Final

from tlscore.certs.loading import der
from tlscore.errors import ConfigError

# More than any program asks for; a file must not keep us busy for minutes.
MOST: Final = 10_000_000
_DEPTH: Final = 16
_CONSTRUCTED: Final = 0x20


def check(data: bytes, where: str) -> None:
    """Refuse a PKCS #12 store or an encrypted key (DER, or one PEM block) that asks for too much.

    Raises:   ConfigError. What is no DER is left to the parser.
    """
    asked = _asked(_octets(data), 0)
    if asked > MOST:
        raise ConfigError(
            f"{where} asks for {asked if asked < 1 << 64 else 'more than 2^64'} rounds of key derivation, and "
            f"{MOST:,} are the most that is done",
            remedy="the file is damaged, or was made to keep its reader busy: export it again",
            code="TLS-CONFIG-KEY",
        )


def _octets(data: bytes) -> bytes:
    if b"-----BEGIN " not in data:
        return data
    body = data.partition(b"-----BEGIN ")[2].partition(b"\n")[2].partition(b"-----END ")[0]
    try:
        return base64.b64decode(b"".join(body.split()))
    except binascii.Error:
        return b""


def _asked(data: bytes, depth: int) -> int:
    """The largest number that stands behind a salt."""
    try:
        parts = der.children(data)
    except ValueError:
        return 0
    most = 0
    for before, one in pairwise(parts):
        if before.tag == der.OCTET_STRING and one.tag == der.INTEGER:
            most = max(most, int.from_bytes(one.content, "big"))
    if depth < _DEPTH:
        for one in parts:
            if one.tag & _CONSTRUCTED or one.tag == der.OCTET_STRING:
                most = max(most, _asked(one.content, depth + 1))
    return most
