"""HelloRetryRequest without memory: the cookie carries what the server would otherwise keep.

The cookie is sealed with a key that never leaves Rust and is bound to a context that the caller may give, such as the
client's address. Inside stand the suite, the group that was asked for, the hash of the first ClientHello (all that the
transcript needs, RFC 9846 4.1), and a digest of the parts of it that must not change. So any connection of the same
configuration can take the second ClientHello.

A cookie is good for 30 seconds, by the monotonic clock of the machine that sealed it.

    octets  1        2       2       8        32 or 48               32
           +--------+-------+-------+--------+----------------------+--------+
           | format | suite | group | second | hash of ClientHello1 | digest |
           +--------+-------+-------+--------+----------------------+--------+
"""

import time
from typing import TYPE_CHECKING

from tlscore._core import Transcript
from tlscore.errors import DecodeError, IllegalParameter
from tlscore.iana import SUITES13, CipherSuite, ExtensionType
from tlscore.record import Record

if TYPE_CHECKING:
    from tlscore._core import CookieKey

_FORMAT = 2
_HEAD_OCTETS = 13
_DIGEST_OCTETS = 32
# Own limit: a round trip and a slow client; RFC 9846 4.3.2 names none.
LIFE_SECONDS = 30

# RFC 9846 4.2.2: what may change from the first ClientHello to the second.
_MAY_CHANGE = frozenset(
    (
        ExtensionType.key_share,
        ExtensionType.early_data,
        ExtensionType.cookie,
        ExtensionType.pre_shared_key,
        ExtensionType.padding,
    )
)


class Retry(Record):
    """What a server must know about the HelloRetryRequest that it sent."""

    suite: int
    group: int
    hello_hash: bytes
    digest: bytes


def seal(key: "CookieKey", retry: Retry, context: bytes) -> bytes:
    """The cookie that carries `retry`."""
    head = bytes((_FORMAT,)) + retry.suite.to_bytes(2, "big") + retry.group.to_bytes(2, "big")
    head += int(time.monotonic()).to_bytes(8, "big")
    return key.seal(head + retry.hello_hash + retry.digest, context)


def open_cookie(key: "CookieKey", cookie: bytes, context: bytes) -> Retry | None:
    """What a cookie carries; None if it is not ours, is for another context, or is too old."""
    data = key.open(cookie, context)
    if data is None or len(data) < _HEAD_OCTETS + _DIGEST_OCTETS or data[0] != _FORMAT:
        return None
    if not 0 <= int(time.monotonic()) - int.from_bytes(data[5:_HEAD_OCTETS], "big") <= LIFE_SECONDS:
        return None
    suite, group = int.from_bytes(data[1:3], "big"), int.from_bytes(data[3:5], "big")
    info = SUITES13.get(suite)
    if info is None or len(data) != _HEAD_OCTETS + info.hash_octets + _DIGEST_OCTETS:
        return None
    return Retry(suite, group, data[_HEAD_OCTETS:-_DIGEST_OCTETS], data[-_DIGEST_OCTETS:])


def stable_digest(hello: bytes) -> bytes:
    """SHA-256 of everything in an encoded ClientHello that a second one must repeat, in its order.

    Takes:    hello: the message with its header, already decoded without error.
    """
    at = 38
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 1 + hello[at]
    parts = [hello[4:at]]
    at += 2
    while at < len(hello):
        code = int.from_bytes(hello[at : at + 2], "big")
        end = at + 4 + int.from_bytes(hello[at + 2 : at + 4], "big")
        if end > len(hello):
            raise DecodeError("an extension of the ClientHello is longer than the message", section="RFC 9846 4.3")
        if code not in _MAY_CHANGE:
            parts.append(hello[at:end])
        at = end
    digest = Transcript()
    digest.select_hash(CipherSuite.TLS_AES_128_GCM_SHA256)
    digest.add(b"".join(parts))
    return digest.digest()


def check_second_hello(retry: Retry, hello: bytes) -> None:
    """Hold a second ClientHello to the first."""
    # RFC 9846 4.2.2: "the client MUST send the same ClientHello without modification, except as follows"
    if stable_digest(hello) != retry.digest:
        raise IllegalParameter(
            "the second ClientHello differs from the first in more than a retry allows",
            section="RFC 9846 4.2.2",
            code="TLS-HELLO_CHANGED",
        )
