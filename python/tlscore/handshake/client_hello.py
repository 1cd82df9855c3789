"""The ClientHello: assembled from prepared blocks, sent again with the few changes that a retry allows.

The extension blocks of one connection are fixed when it starts, in the order in which they go out (shuffled, if the
configuration says so), and stay the same in a second ClientHello, as RFC 9846 4.2.2 demands. Reserved values (GREASE,
RFC 8701) are drawn once per connection for the same reason.

    03 03 | random 32 | session id | suites | 01 00 | extensions
"""

from typing import TYPE_CHECKING

from tlscore._core import KeyShare, random_bytes
from tlscore.errors import IllegalParameter
from tlscore.handshake.plans import Block, ClientPlan, block, raw_block
from tlscore.iana import ExtensionType, HandshakeType
from tlscore.record import Record
from tlscore.wire import Cookie

if TYPE_CHECKING:
    from tlscore.certs import names

# RFC 9846 4.2.2: "Extension extensions<7..2^16-1>".
_EXTENSIONS_OCTETS = 2**16 - 1
_HEADER = bytes((HandshakeType.client_hello,))


class Hello(Record):
    """What one connection offers, and what both its ClientHellos have in common."""

    plan: ClientPlan
    random: bytes
    session_id: bytes
    suites: bytes
    blocks: tuple[Block, ...]
    offered: frozenset[int]


def prepare(plan: ClientPlan, name: "names.ServerName | None") -> tuple[Hello, tuple[KeyShare, ...]]:
    """A fresh offer with fresh key shares.

    Takes:    name: what to put into server_name; IP addresses never stand there (RFC 6066 3).
    """
    config = plan.config
    # RFC 9846 4.3.8: "Clients and Servers MUST NOT reuse a key share for multiple connections."
    shares = tuple([KeyShare.generate(group) for group in config.key_shares])
    # Without TLS 1.3 there is nothing to be compatible with, and a session ID would ask for a resumption.
    # RFC 9846 4.2.2: "In compatibility mode [...], this field MUST be non-empty, so a client not offering a pre-TLS 1.3
    # session MUST generate a new 32-byte value."
    drawn = random_bytes(64 if config.middlebox_compatibility and plan.newer else 32)
    grease = _reserved() if config.grease else ()
    host = name.sni if name is not None else None
    blocks: list[Block] = [] if host is None else [plan.server_name(host)]
    blocks += plan.versions_first if not grease else plan.versions_and_groups(grease[1:2])
    blocks += plan.before_share
    if plan.newer:
        blocks.append(_share_block(grease[1:2], shares))
    blocks += plan.after_share
    suites = plan.suites
    if grease:
        suites = grease[0].to_bytes(2, "big") + suites
        blocks.insert(0, raw_block(grease[2], b""))
        blocks.append(raw_block(grease[3], b"\0"))
    if config.shuffle_extensions:
        _shuffle(blocks)
    offered = plan.offered if host is None else plan.offered_with_name
    return Hello(plan, drawn[:32], drawn[32:], suites, tuple(blocks), offered), shares


def encode(hello: Hello, blocks: tuple[Block, ...]) -> bytes:
    """The whole message, header included."""
    suites, session_id = hello.suites, hello.session_id
    extensions = b"".join([data for _, data in blocks])
    body = b"".join(
        (
            hello.plan.number,
            hello.random,
            bytes((len(session_id),)),
            session_id,
            len(suites).to_bytes(2, "big"),
            suites,
            b"\x01\x00",
            len(extensions).to_bytes(2, "big"),
            extensions,
        )
    )
    return _HEADER + len(body).to_bytes(3, "big") + body


def again(hello: Hello, share: KeyShare | None, cookie: bytes | None) -> bytes:
    """The second ClientHello: the first, with the share and the cookie that the HelloRetryRequest asks for."""
    blocks = hello.blocks
    if share is not None:
        # RFC 9846 4.2.2: "replacing the list of shares with a list containing a single KeyShareEntry from the indicated
        # group."
        new = _share_block((), (share,))
        blocks = tuple([new if code == ExtensionType.key_share else (code, data) for code, data in blocks])
    if cookie is not None:
        # RFC 9846 4.3.2: "the client MUST copy the contents of the extension received in the HelloRetryRequest into a
        # "cookie" extension in the new ClientHello."
        blocks = (*blocks, block(Cookie(cookie)))
    if sum([len(data) for _, data in blocks]) > _EXTENSIONS_OCTETS:
        raise IllegalParameter(
            f"the cookie of the HelloRetryRequest has {len(cookie or b'')} octets: no ClientHello can carry it",
            section="RFC 9846 4.3.2",
        )
    return encode(hello, blocks)


def _share_block(grease: tuple[int, ...], shares: tuple[KeyShare, ...]) -> Block:
    """key_share, with a reserved group and one octet of share first where asked for."""
    parts = [group.to_bytes(2, "big") + b"\0\1\0" for group in grease]
    for share in shares:
        public = share.public
        parts += share.group.to_bytes(2, "big"), len(public).to_bytes(2, "big"), public
    entries = b"".join(parts)
    return raw_block(ExtensionType.key_share, len(entries).to_bytes(2, "big") + entries)


def _reserved() -> tuple[int, int, int, int]:
    """Reserved values for suites, for groups and versions, and two different ones for extensions (RFC 8701 3.1)."""
    suite, group, first, second = [octet >> 4 for octet in random_bytes(4)]
    if first == second:
        second ^= 1
    return _grease(suite), _grease(group), _grease(first), _grease(second)


def _grease(nibble: int) -> int:
    return (nibble << 4 | 0x0A) * 0x0101


def _shuffle(blocks: list[Block]) -> None:
    """A random order, every one as likely as the others. (pre_shared_key, which must be last, is not offered yet.)"""
    drawn = random_bytes(4 * len(blocks))
    for last in range(len(blocks) - 1, 0, -1):
        other = int.from_bytes(drawn[4 * last : 4 * last + 4], "big") % (last + 1)
        blocks[last], blocks[other] = blocks[other], blocks[last]
