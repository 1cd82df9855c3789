"""Selections that a server remembers: clients of one kind offer the same, and configurations never change.

What may change is in no memory: the choice of a resolver, and what was selected with identities of before. The memory
is bounded in entries and in the octets of each; when it is full it starts anew, so that offers which only one peer
would ever send cannot switch it off for the others.
"""

from typing import Final

from tlscore.handshake.negotiation import Offer, Selection, select
from tlscore.handshake.negotiation12 import Offer12, select12
from tlscore.handshake.plans import ServerPlan
from tlscore.pending import Pending, at_once
from tlscore.wire import ClientHello

# Own limits: a few kinds of clients times the names they ask for; together less than 1 MiB.
KEPT_SELECTIONS: Final = 128
KEPT_OFFER_ITEMS: Final = 96
KEPT_OFFER_OCTETS: Final = 512


def selected(plan: ServerPlan, offer: Offer, hello: ClientHello, raw: bytes) -> Selection | Pending[Selection]:
    """The selection for an offer, perhaps from memory; what must be awaited for it where a resolver takes its time.

    Takes:    offer: its class tells the version; hello, raw: the ClientHello, for a resolver.
    """
    remembered = plan.selections()
    if remembered is None:
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
