"""Chains that verified are remembered, so that a peer that comes again costs a look instead of signatures.

What is kept is only "this chain, for this name, purpose and use of the key, under this policy and this set of anchors,
obeys", and the window in which all of its certificates are valid. Another name, policy object, set of anchors (a reload
makes a new one) or a moment outside the window is another question. Revocation is never remembered: it is asked again
each time, of the path that was found. Failures are not kept: they cost the peer as much as us. The key is a digest of
the chain, so that what a peer sent is not held twice. `CertificatePolicy(remember=False)` switches the memory off for a
policy.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from tlscore.certs.names import ServerName
    from tlscore.certs.paths.candidates import Anchors
    from tlscore.certs.paths.facts import Facts
    from tlscore.certs.policy import CertificatePolicy

# Own limit: about 6 KiB a chain of three certificates.
CHAINS: Final = 512

Key = tuple[bytes, tuple[int, ...], str, str, str, int, int]


class Remembered(NamedTuple):
    """A path that obeys, and from when to when it does."""

    path: tuple[Facts, ...]
    not_before: datetime
    not_after: datetime
    # What the key names by identity; held here so that no other object can get it.
    anchors: Anchors
    policy: CertificatePolicy


class Memory:
    """A bounded memory; the oldest chain goes first."""

    def __init__(self, limit: int = CHAINS) -> None:
        self.limit = limit
        self._kept: OrderedDict[Key, Remembered] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, key: Key, now: datetime) -> tuple[Facts, ...] | None:
        """The path of a chain that is known to obey at this moment."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            if found.not_before <= now <= found.not_after:
                self._kept.move_to_end(key)
                return found.path
            del self._kept[key]
            return None

    def keep(self, key: Key, path: tuple[Facts, ...], anchors: Anchors, policy: CertificatePolicy) -> None:
        """Remember a path that obeys."""
        start = max([facts.not_before for facts in path])
        end = min([facts.not_after for facts in path])
        if policy.allow_sha1 is not None:
            end = min(end, policy.allow_sha1.end)
        with self._lock:
            self._kept[key] = Remembered(path, start, end, anchors, policy)
            self._kept.move_to_end(key)
            while len(self._kept) > self.limit:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)


def key_of(
    chain: tuple[bytes, ...],
    name: ServerName | None,
    purpose: str,
    use: str,
    anchors: Anchors,
    policy: CertificatePolicy,
) -> Key:
    """What a remembered chain is found by. Lengths are part of it: the digest alone does not tell where one ends."""
    digest = hashlib.sha256(b"".join(chain)).digest()
    asked = "" if name is None else f"{type(name).__name__}:{name.text}"
    # SrvName and UriName ask for more than their text says.
    if name is not None and len(type(name)._fields) > 1:
        asked = f"{asked}:{name!r}"
    return digest, tuple([len(one) for one in chain]), asked, purpose, use, id(anchors), id(policy)


MEMORY: Final = Memory()
