"""Selections that a server remembers: clients of one kind offer the same, and configurations never change.

What may change is in no memory: the choice of a resolver, and what was selected with identities of before. The memory
is bounded in entries and in the octets of each; when it is full it starts anew, so that offers which only one peer
would ever send cannot switch it off for the others.

Most clients say the same in every ClientHello but for the random, the session ID and the key shares. So the octets
around these stand for all that was checked and selected, and a ClientHello that repeats them is not read again. Where
its shares stand is guessed from its length. The guess is part of what must be equal: then all octets up to a share are
those of a ClientHello that was read, and say that it stands there. Otherwise somebody could have ClientHellos of others
cut at a wrong place, where by chance they look like one of his.

    ClientHello   [ 01 | length | version ] random [ length ] session ID [ suites .. | group | length ] share [ .. ]
"""

from typing import Any, Final

from tlscore.handshake.negotiation import Offer, Selection, select
from tlscore.handshake.negotiation12 import Offer12, select12
from tlscore.handshake.plans import Memory, ServerPlan
from tlscore.iana import ExtensionType, ProtocolVersion
from tlscore.pending import Pending, at_once
from tlscore.record import Record
from tlscore.wire import ClientHello, PreSharedKeyClientHello

# Own limits: a few kinds of clients times the names they ask for; together less than 1 MiB.
KEPT_SELECTIONS: Final = 128
KEPT_OFFER_ITEMS: Final = 96
KEPT_OFFER_OCTETS: Final = 512

# Where the random of a ClientHello begins, where it ends, and where the session ID does.
_RANDOM: Final = 6
_SESSION_LENGTH: Final = 38
_SESSION: Final = 39


# Where octets begin and where they end, one pair after the other.
Spans = tuple[tuple[int, int], ...]


class Known(Record):
    """What a ClientHello came to."""

    version: int
    offer: Offer
    selection: Any  # a Selection; in the legacy tier a LegacySelection


class FreshParts(Record):
    """What no two ClientHellos of a client have in common. `share` is the key_exchange of the share that was selected;
    empty in TLS 1.2, which has none yet."""

    random: bytes
    session_id: bytes
    share: bytes


def recalled(plan: ServerPlan, raw: bytes) -> tuple[Known, FreshParts] | None:
    """What an earlier ClientHello came to that differs from this one in its fresh parts alone.

    Takes:    raw: a whole ClientHello, not decoded yet.
    Gives:    what is known of the earlier one, without its shares; the parts of this one.
    """
    memory = plan.memory()
    if memory is None or len(raw) <= _SESSION:
        return None
    session_octets = raw[_SESSION_LENGTH]
    shares = memory.shares.get((len(raw), session_octets))
    if shares is None:
        return None
    known = memory.hellos.get(_key(raw, session_octets, shares))
    if known is None:
        return None
    share_at = known.selection.share_at
    share = b"" if share_at is None else raw[slice(*shares[share_at])]
    return known, FreshParts(raw[_RANDOM:_SESSION_LENGTH], raw[_SESSION : _SESSION + session_octets], share)


def remember(memory: Memory | None, hello: ClientHello, raw: bytes, known: Known) -> None:
    """Keep what a ClientHello came to, where the client may well send the same again.

    Takes:    memory: the one that was current before the selection, so that what was selected before a reload cannot
              enter the memory of the identities after it.
    """
    offer = known.offer
    if memory is None or offer.cookie is not None or offer.early_data or PreSharedKeyClientHello in hello.extensions:
        return
    if not _is_small(offer) or (known.selection.share_at is None and known.version == ProtocolVersion.TLS13):
        return
    session_octets = len(hello.legacy_session_id)
    shares = _shares_of(raw)
    key = _key(raw, session_octets, shares)
    if len(key[1]) > KEPT_OFFER_OCTETS:
        return
    if len(memory.hellos) >= KEPT_SELECTIONS:
        memory.hellos.clear()
        memory.shares.clear()
    memory.shares[len(raw), session_octets] = shares
    memory.hellos[key] = Known(known.version, offer.without_shares(), known.selection) if offer.shares else known


def _key(raw: bytes, session_octets: int, shares: Spans) -> tuple[Spans, bytes]:
    """Where a ClientHello was cut, and what is left of it without its random, its session ID and its shares, whose
    lengths stand in it."""
    pieces = [raw[:_RANDOM], raw[_SESSION_LENGTH:_SESSION]]
    at = _SESSION + session_octets
    for begin, end in shares:
        pieces.append(raw[at:begin])
        at = end
    pieces.append(raw[at:])
    return shares, b"".join(pieces)


def _shares_of(raw: bytes) -> Spans:
    """Where each key share of a decoded ClientHello begins and ends."""
    at = _SESSION + raw[_SESSION_LENGTH]
    at += 2 + int.from_bytes(raw[at : at + 2], "big")
    at += 1 + raw[at] + 2
    spans = []
    while at < len(raw):
        code, octets = int.from_bytes(raw[at : at + 2], "big"), int.from_bytes(raw[at + 2 : at + 4], "big")
        at += 4
        end = at + octets
        if code == ExtensionType.key_share:
            # Behind the length of the list: a group, the length of its share, and the share.
            at += 2
            while at < end:
                begin = at + 4
                at = begin + int.from_bytes(raw[begin - 2 : begin], "big")
                spans.append((begin, at))
            break
        at = end
    return tuple(spans)


def selected(
    plan: ServerPlan, memory: Memory | None, offer: Offer, hello: ClientHello, raw: bytes
) -> Selection | Pending[Selection]:
    """The selection for an offer, perhaps from memory; what must be awaited for it where a resolver takes its time.

    Takes:    memory: of the plan; offer: its class tells the version; hello, raw: the ClientHello, for a resolver.
    """
    if memory is None:
        return _select(plan, offer, hello, raw)
    key = (
        offer.suites,
        offer.groups,
        tuple([share.group for share in offer.shares]),
        offer.schemes,
        offer.cert_schemes,
        offer.alpn,
        offer.server_name,
        offer.authorities,
        type(offer),
    )
    remembered = memory.selections
    known = remembered.get(key)
    if known is None:
        # A resolver alone can be slow, and with one nothing is remembered.
        known = at_once(_select(plan, offer, hello, raw))
        if _is_small(offer):
            if len(remembered) >= KEPT_SELECTIONS:
                remembered.clear()
            remembered[key] = known
    return known


def _select(plan: ServerPlan, offer: Offer, hello: ClientHello, raw: bytes) -> Selection | Pending[Selection]:
    if isinstance(offer, Offer12):
        return select12(plan, offer, hello, raw)
    return select(plan.config, plan.alpn, offer, hello, raw)


def _is_small(offer: Offer) -> bool:
    """Whether an offer may be kept: a peer must not fill memory with lists that only it would send."""
    # Where the client sends one list of schemes it stands for both, and is one object.
    cert_schemes = () if offer.cert_schemes is offer.schemes else offer.cert_schemes
    items = sum(map(len, (offer.suites, offer.groups, offer.shares, offer.schemes, cert_schemes, offer.alpn)))
    octets = sum(map(len, offer.alpn)) + len(offer.server_name or "")
    return items <= KEPT_OFFER_ITEMS and octets <= KEPT_OFFER_OCTETS and not offer.authorities
