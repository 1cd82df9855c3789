"""Why two ends of `tlscore compat` have no suite: both lists, what is in both, and what is left after each filter.

The filters stand between what the two files name and what the two ends could use: the tier (a cipher string may name
suites that only [legacy] allows), the version that was agreed, and the kind of key of the server's certificates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tlscore import suites
from tlscore.handshake.legacy_exchange import use_of
from tlscore.iana import ProtocolVersion
from tlscore.versions import version_name

if TYPE_CHECKING:
    from tlscore import ServerConfig
    from tlscore.certs.key_use import KeyUse
    from tlscore.cli.compat_changes import Pair
    from tlscore.cli.compat_files import Side
    from tlscore.suites import Suite

#: The filters in their order, as `suites.after` of the verdict names them.
FILTERS: Final = ("tier", "version", "certificate")


def compared(client: Side, server: Side, pair: Pair, version: int) -> dict[str, Any]:
    """The lists of both ends and their intersection, before and after every filter; names of suites everywhere."""
    ours, theirs = _named(client, pair.client.suites), _named(server, pair.server.suites)
    common = [code for code in ours if code in theirs]
    after = {}
    left = [code for code in common if code in pair.client.suites and code in pair.server.suites]
    after["tier"] = left
    left = [code for code in left if suites.suite(code).usable_in(version)]
    after["version"] = left
    after["certificate"] = [code for code in left if _has_key(pair.server, suites.suite(code), version)]
    return {
        "client": [suites.name_of(code) for code in ours],
        "server": [suites.name_of(code) for code in theirs],
        "common": [suites.name_of(code) for code in common],
        "after": {name: [suites.name_of(code) for code in after[name]] for name in FILTERS},
        "version": version_name(version),
    }


def lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The same for people: the lists, and the filters as long as something is left to be filtered."""
    shown = [("suites of client", found["client"]), ("suites of server", found["server"])]
    shown.append(("suites in both", found["common"]))
    labels = {"tier": "left by tier", "version": f"left by {found['version']}", "certificate": "left by certificate"}
    before = found["common"]
    for name in FILTERS:
        if not before:
            break
        before = found["after"][name]
        shown.append((labels[name], before))
    return [(label, ", ".join(names) or "none") for label, names in shown]


def key_use(pair: Pair, agreed: str | None) -> KeyUse:
    """What a suite uses the server's key for; where none was agreed, what all those do that its certificates serve."""
    mine, theirs = pair.client.suites, pair.server.suites
    common = [suites.suite(code) for code in mine if code in theirs]
    serving = [one for one in common if _has_key(pair.server, one, ProtocolVersion.TLS12)]
    uses = {use_of(one) for one in ([suites.suite(agreed)] if agreed is not None else serving)}
    return "keyEncipherment" if uses == {"keyEncipherment"} else "digitalSignature"


def _named(side: Side, used: tuple[int, ...]) -> tuple[int, ...]:
    """What the file names: a cipher string may stand for more than the configuration takes."""
    text = side.table.get("legacy", side.table).get("cipher_string")
    if text is None:
        return used
    return tuple(dict.fromkeys((*suites.parse_cipher_string(text).codes, *used)))


def _has_key(config: ServerConfig, one: Suite, version: int) -> bool:
    """Whether a certificate of the server has the key that a suite needs."""
    if version >= ProtocolVersion.TLS13 or one.authentication == "anon":
        return True
    return any(held.kind == one.authentication and use_of(one) in held.uses for held in config.current_identities)
