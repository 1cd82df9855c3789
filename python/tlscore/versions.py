"""The rules of version negotiation, on their own: what two settings make of each other, who drops, and why.

The rules know six versions, four of which are never or only by exception on the wire. There are two ways to negotiate.
By number (SSL 3.0 to TLS 1.2): the client asks for its highest version, the server answers with one that is equal or
lower, the client takes it or leaves. By extension (supported_versions, since TLS 1.3): the client lists every version
and the server picks, so that a disagreement shows at the server already. Steps are those of the handshake: 3 the
client asks, 7 the server answers, 8 the client judges the answer.

    VersionSetting (client) ──ask──► VersionSetting (server) ──answer──► judge ──► Outcome
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from tlscore.errors import ForbiddenProtocol, ProtocolVersionError
from tlscore.iana import AlertDescription
from tlscore.record import Record
from tlscore.version_settings import (
    ALL,
    NAMES,
    SSL20,
    SSL30,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
    Tier,
    VersionSetting,
    names,
    tier,
    version_code,
    version_name,
)

__all__ = [
    "ALL",
    "SSL20",
    "SSL30",
    "TLS10",
    "TLS11",
    "TLS12",
    "TLS13",
    "Change",
    "Outcome",
    "VersionSetting",
    "attacked",
    "changes",
    "forbidden",
    "judge",
    "names",
    "negotiate",
    "one_change",
    "refused_offer",
    "require_wire",
    "sentinel",
    "server_answer",
    "sslv2_hello",
    "sslv2_report",
    "tier",
    "version_code",
    "version_name",
]

How = Literal["number", "extension"]
End = Literal["client", "server"]
Reason = Literal[
    "requested_below_server",
    "no_common_version",
    "disabled_by_platform_policy",
    "not_accepted_by_config",
    "answered_above_request",
    "not_offered",
    "downgrade_detected",
]

# RFC 9846 4.2.3: the last 8 octets of the random of a server that could do more than it answers.
SENTINEL_TLS12: Final = b"DOWNGRD\x01"
SENTINEL_OLDER: Final = b"DOWNGRD\x00"


class Outcome(Record):
    """What two settings make of each other.

    `asked` is what the client says (its highest version, or its list), `answered` what the server selects, `version`
    what is established. Else `dropped_by` names the end, at `step`, for `reason`, with `alert` (None: silently).
    """

    how: How
    asked: tuple[int, ...]
    answered: int | None
    version: int | None
    dropped_by: End | None
    step: int
    reason: Reason | None
    alert: int | None
    cause: str

    @property
    def established(self) -> bool:
        return self.version is not None

    @property
    def tier(self) -> Tier | None:
        """Whether the established version may be on the wire."""
        return tier(self.version) if self.version is not None else None

    @property
    def cell(self) -> str:
        """The outcome as a cell of the matrix: "1.3", "C!" or "S!"."""
        if self.version is None:
            return "C!" if self.dropped_by == "client" else "S!"
        return version_name(self.version).removeprefix("TLSv")


def negotiate(client: VersionSetting, server: VersionSetting, how: How = "extension") -> Outcome:
    """What happens when this client connects to this server.

    Takes:    how: "extension" where both ends know supported_versions, "number" where the server ignores it, as servers
              before TLS 1.3 do. The number counts TLS 1.3 as its own version: on the wire it stays 0x0303 there, which
              changes nothing, since a server that knows TLS 1.3 reads the extension.
    """
    asked = client.accepted if how == "extension" else client.accepted[:1]
    answered = server_answer(server, asked, how)
    if answered is None:
        reason: Reason = "no_common_version" if how == "extension" else "requested_below_server"
        return _dropped(client, server, how, asked, None, "server", reason)
    objection = judge(client, answered, how)
    if objection is not None:
        return _dropped(client, server, how, asked, answered, "client", objection)
    return Outcome(
        how, asked, answered, answered, None, 8, None, None, f"both ends accept {version_name(answered)}"
    )  # fmt: skip


def server_answer(server: VersionSetting, asked: tuple[int, ...], how: How) -> int | None:
    """Step 7: the version that a server answers with; None where it drops."""
    if how == "extension":
        # RFC 9846 4.3.1: "If this extension is present in the ClientHello, servers MUST NOT use the
        # ClientHello.legacy_version value for version negotiation and MUST use only the "supported_versions" extension"
        return next((one for one in server.accepted if one in asked), None)
    # RFC 5246 E.1: "If a TLS server receives a ClientHello containing a version number greater than the highest version
    # supported by the server, it MUST reply according to the highest version supported by the server."
    return next((one for one in server.accepted if one <= asked[0]), None)


def sentinel(server: VersionSetting, answered: int) -> bytes:
    """What a server that could do more writes into the end of its random; empty where it answers with its best."""
    best = server.accepted[0]
    # RFC 9846 4.2.3: "TLS 1.3 servers which negotiate TLS 1.2 or below in response to a ClientHello MUST set the last 8
    # bytes of their Random value specially in their ServerHello." TLS 1.2 servers should, below 1.2.
    if best >= TLS13 and answered == TLS12:
        return SENTINEL_TLS12
    return SENTINEL_OLDER if best >= TLS12 and answered < TLS12 else b""


def judge(client: VersionSetting, answered: int, how: How, random_end: bytes = b"") -> Reason | None:
    """Step 8: what a client has against the server's answer; None where it goes on.

    Takes:    random_end: the last 8 octets of the server's random, where it wrote a sentinel there.
    """
    best = client.accepted[0]
    if how == "number" and answered > best:
        return "answered_above_request"
    objection = client.objection(answered)
    if objection is not None:
        # RFC 9846 4.3.1: "If the "supported_versions" extension in the ServerHello contains a version not offered by
        # the client or contains a version prior to TLS 1.3, the client MUST abort the handshake with an
        # "illegal_parameter" alert." Older versions are answered in the old field, whatever the client listed.
        return "not_offered" if how == "extension" and answered >= TLS13 else objection
    # RFC 9846 4.2.3: "TLS 1.3 clients receiving a ServerHello indicating TLS 1.2 or below MUST check that the last 8
    # bytes are not equal to either of these values. TLS 1.2 clients SHOULD also check that the last 8 bytes are not
    # equal to the second value if the ServerHello indicates TLS 1.1 or below."
    signs: tuple[bytes, ...] = (SENTINEL_TLS12, SENTINEL_OLDER) if best >= TLS13 and answered <= TLS12 else ()
    if best == TLS12 and answered < TLS12:
        signs = (SENTINEL_OLDER,)
    return "downgrade_detected" if random_end in signs else None


def attacked(client: VersionSetting, server: VersionSetting, number: int) -> Outcome:
    """What happens when somebody on the way takes the list out of the client's hello and writes `number` into it."""
    answered = server_answer(server, (number,), "number")
    if answered is None:
        return _dropped(client, server, "number", (number,), None, "server", "requested_below_server")
    objection = judge(client, answered, "number", sentinel(server, answered))
    if objection is not None:
        return _dropped(client, server, "number", (number,), answered, "client", objection)
    return Outcome(
        "number", (number,), answered, answered, None, 8, None, None, "nobody can tell: the versions are too old"
    )  # fmt: skip


_ILLEGAL: Final = ("not_offered", "downgrade_detected")


def _dropped(
    client: VersionSetting,
    server: VersionSetting,
    how: How,
    asked: tuple[int, ...],
    answered: int | None,
    by: End,
    reason: Reason,
) -> Outcome:
    ends = f"the client {'offers' if how == 'extension' else 'asks for'} {names(asked)}"
    if by == "server":
        cause = f"{ends}, the server accepts {names(server.accepted)}"
    else:
        assert answered is not None
        said = {
            "disabled_by_platform_policy": "is disabled by the platform policy of the client",
            "not_accepted_by_config": "is not accepted by the configuration of the client",
            "answered_above_request": "is above what the client asked for",
            "not_offered": "was not offered",
            "downgrade_detected": "comes from a server that can do more: somebody changed the hello",
        }[reason]
        cause = f"{ends}, the server answers {version_name(answered)}, which {said} ({names(client.accepted)})"
    silent = (client if by == "client" else server).on_reject == "silent"
    # RFC 9846 4.3.1 and 4.2.3 ask for illegal_parameter where a rule was broken, E.1 and E.2 for protocol_version else.
    alert = AlertDescription.illegal_parameter if reason in _ILLEGAL else AlertDescription.protocol_version
    return Outcome(
        how, asked, answered, None, by, 7 if by == "server" else 8, reason, None if silent else alert, cause
    )  # fmt: skip


# -- the one change that helps -----------------------------------------------------------------------------------------


class Change(Record):
    """One change of one end that would establish a connection."""

    end: End
    version: int
    text: str


def one_change(client: VersionSetting, server: VersionSetting, how: How = "extension") -> Change | None:
    """The change that gives the best version and touches one end only; None where none is safe or needed."""
    return next(changes(client, server, how), None)


def changes(client: VersionSetting, server: VersionSetting, how: How = "extension") -> Iterator[Change]:
    """Every change of one end alone that gives a version by the rules, the best one first; none where none is safe or
    needed."""
    if negotiate(client, server, how).established:
        return
    for version in ALL:
        if tier(version) == "never":
            break
        for end, setting, other in (("client", client, server), ("server", server, client)):
            if version not in other.accepted or version in setting.accepted:
                continue
            changed = setting.with_version(version)
            pair = (changed, server) if end == "client" else (client, changed)
            if negotiate(*pair, how).established:
                yield _change("client" if end == "client" else "server", setting, version)


def _change(end: End, setting: VersionSetting, version: int) -> Change:
    name = version_name(version)
    if version in setting.configured:
        text = f"enable {name} in the platform policy of the {end}"
    else:
        text = f"let the {end} accept {name} (it accepts {names(setting.accepted)})"
    if tier(version) == "legacy":
        text += "; better bring the other end to TLSv1.2 or newer: this one only the legacy tier has"
    return Change(end, version, text)


# -- what the wire makes of it -----------------------------------------------------------------------------------------


def refused_offer(
    offered: Iterable[int], accepted: Iterable[int], section: str = "RFC 9846 4.3.1"
) -> ProtocolVersionError:
    """A server's error for a hello that names no acceptable version: ForbiddenProtocol where all of it is SSL."""
    theirs, ours = tuple(offered), tuple(accepted)
    known = [one for one in theirs if one in NAMES]
    cause = f"the client offers {names(theirs[:12])}, the server accepts {names(ours)}"
    if known and max(known) <= SSL30:
        return forbidden(max(known), cause)
    return ProtocolVersionError(cause, remedy=_common_version(known, ours), section=section)


def _common_version(theirs: list[int], ours: tuple[int, ...]) -> str:
    """The version that either end could add, the newer one first; an old one only where there is nothing newer."""
    best, newest = max(ours), max(theirs, default=0)
    at_client, here = (
        f"enable {version_name(best)} at the client",
        f"add {version_name(newest)} to versions of this server",
    )
    if tier(newest) != "default":
        return at_client
    if tier(best) == "default":
        return f"{here}, or {at_client}" if newest > best else f"{at_client}, or {here}"
    # Old versions are those of the legacy tier, which goes up to TLS 1.2.
    if TLS12 in theirs:
        return f"add {version_name(TLS12)} to versions of this server"
    return "serve this client with a configuration of its own, without legacy"


def forbidden(version: int, cause: str = "") -> ForbiddenProtocol:
    """The error for a version that is never on the wire."""
    return ForbiddenProtocol(
        cause or f"{version_name(version)} must not be negotiated for any reason",
        remedy="bring the peer to TLSv1.2 or newer",
        section="RFC 7568 3" if version == SSL30 else "RFC 6176 3",
    )


def require_wire(outcome: Outcome) -> int:
    """The established version, where it may be on the wire.

    Raises:   ForbiddenProtocol for SSLv2 and SSLv3, ProtocolVersionError where nothing was established.
    """
    if outcome.version is None:
        raise ProtocolVersionError(outcome.cause, section="RFC 9846 4.3.1")
    if outcome.tier == "never":
        raise forbidden(outcome.version)
    return outcome.version


def sslv2_hello(first: bytes) -> str | None:
    """What an SSLv2 CLIENT-HELLO asks for, by its first five octets; None where they are no such hello.

        80 2e | 01 | 03 03        length with the high bit set, message type 1, the version asked for

    Source:   RFC 5246 E.2.
    """
    if len(first) < 5 or not first[0] & 0x80 or first[2] != 1 or first[3] not in (0, 3):
        return None
    asked = int.from_bytes(first[3:5], "big")
    name = version_name(asked)
    return name if asked in NAMES else f"version {name}"


def sslv2_report(detail: str) -> str | None:
    """What the octets in a report of the record layer ask for: "the octets ... are no TLS record; ..."."""
    before, _, rest = detail.partition("the octets ")
    shown = rest.partition(" are no TLS record")[0]
    if before or not shown.isascii():
        return None
    return sslv2_hello(shown.encode("ascii").decode("unicode_escape").encode("latin-1"))
