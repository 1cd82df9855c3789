"""The one change of one end that lets two ends of `tlscore compat` connect, found by trying.

Two configurations talk to each other in memory. Where they fail, single changes are made and tried in the same way: a
version more, an entry more in one of the lists (in [legacy], where a file has that), a setting left to its default,
another name, another kind of certificate. The one that is reported has worked; where none works, none is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tlscore import errors, suites
from tlscore.iana import NamedGroup, SignatureScheme

if TYPE_CHECKING:
    from tlscore import ClientConfig, ServerConfig
    from tlscore.cli.stand_in import StandIns
    from tlscore.connection import Connection

_ROUNDS = 20  # a handshake has three flights
_LISTS: tuple[tuple[str, Callable[[Any], str]], ...] = (
    ("suites", suites.name_of),
    ("groups", NamedGroup.name_of),
    ("schemes", SignatureScheme.name_of),
    ("cert_schemes", SignatureScheme.name_of),
    ("alpn", str),
)
# Refusals that another certificate would help against: the server's, and the client's.
_SERVER_MISFITS = ("TLS-NO_FITTING_CERTIFICATE", "TLS-NO_COMMON_SCHEME", "TLS-NO_COMMON_SUITE")
_CLIENT_MISFITS = ("TLS-CERTIFICATE_REQUIRED", "TLS-UNKNOWN_CA")

Tried = tuple[str, "Pair | None"]


@dataclass
class Pair:
    """Two configurations and the name that the client asks for."""

    client: ClientConfig
    server: ServerConfig
    server_name: str | None
    verify_as: str | None

    def talk(self) -> tuple[Connection, Connection, str | None, errors.TlsError | None]:
        """A handshake in memory: both ends, and who dropped with which error."""
        client = self.client.connection(self.server_name, verify_as=self.verify_as)
        server = self.server.connection()
        ends = {"client": (client, server), "server": (server, client)}
        for _ in range(_ROUNDS):
            moved = False
            for receiver, (own, peer) in (("server", ends["server"]), ("client", ends["client"])):
                wire = peer.data_to_send()
                if not wire:
                    continue
                moved = True
                try:
                    own.receive(wire)
                    own.events()
                except errors.TlsError as error:
                    _hand_over_alert(own, peer)
                    return client, server, receiver, error
            if not moved:
                break
        return client, server, None, None

    @property
    def works(self) -> bool:
        """Whether the two connect."""
        try:
            return self.talk()[3] is None
        except errors.ConfigError:
            return False

    def config(self, end: str) -> ClientConfig | ServerConfig:
        return self.client if end == "client" else self.server

    def changed(self, end: str, **changes: Any) -> Pair | None:
        """The pair with other settings of one end; None where that end cannot have them."""
        try:
            if end == "client":
                return replace(self, client=self.client.replace(**changes))
            return replace(self, server=self.server.replace(**changes))
        except errors.ConfigError:
            return None


def _hand_over_alert(own: Connection, peer: Connection) -> None:
    """Let the other end hear of a refusal: what it knows about the reason it keeps as its diagnostic."""
    with suppress(errors.TlsError):
        peer.receive(own.data_to_send())


def first_working(tried: Iterable[Tried]) -> str | None:
    """The first change with which the two connect."""
    return next((text for text, pair in tried if pair is not None and pair.works), None)


def not_enough(tried: Tried) -> str | None:
    """What still stands in the way after a change; None where nothing does, or where one end cannot have it."""
    text, pair = tried
    error = pair.talk()[3] if pair is not None else None
    return f"not enough: {text}; then still: {error.cause}" if error is not None else None


def changes(
    pair: Pair, error: errors.TlsError, defaults: Iterable[Tried], stand_ins: Callable[[], StandIns]
) -> Iterator[Tried]:
    """Changes to try after a handshake has failed, those first that touch least.

    Takes:    defaults: the files with a line less. stand_ins: makes the authority that certificates are tried with.
    """
    yield from _entries(pair)
    yield from defaults
    yield from _names(pair)
    yield from _certificates(pair, error, stand_ins)


def _entries(pair: Pair) -> Iterator[Tried]:
    """One entry more in one list of one end: what the other end has."""
    for name, name_of in _LISTS:
        ours, theirs = getattr(pair.client, name), getattr(pair.server, name)
        missing = [
            (end, own, entry)
            for end, own, other in (("client", ours, theirs), ("server", theirs, ours))
            for entry in other
            if own and entry not in own
        ]
        if name == "suites":
            missing.sort(key=lambda one: _weakness(one[2]))
        for end, own, entry in missing:
            yield f"add {name_of(entry)} to {_place(pair, end, name)}", _with_list(pair, end, name, (*own, entry))
        if name == "alpn" and ours and theirs:
            yield "leave alpn out in the client", pair.changed("client", alpn=())


def _weakness(code: int) -> tuple[bool, bool]:
    """What is sound comes first, whichever end lacks it; then what keeps old records safe from a lost key."""
    one = suites.suite(code)
    return one.status == "legacy", not one.forward_secret


def _place(pair: Pair, end: str, name: str) -> str:
    inside = name == "suites" and pair.config(end).legacy is not None
    return f"{name} in [legacy] of the {end}" if inside else f"{name} of the {end}"


def _with_list(pair: Pair, end: str, name: str, value: tuple[Any, ...]) -> Pair | None:
    tier = pair.config(end).legacy
    if tier is None or name != "suites":
        return pair.changed(end, **{name: value})
    try:
        return pair.changed(end, legacy=tier.replace(suites=value))
    except errors.ConfigError:
        return None


def _names(pair: Pair) -> Iterator[Tried]:
    """A name that the server's certificates have."""
    for identity in pair.server.identities:
        for name in identity.current.names:
            if name not in (pair.server_name, pair.verify_as) and not name.startswith("*"):
                yield f"let the client use server_name {name}", replace(pair, server_name=name, verify_as=None)


def _certificates(pair: Pair, error: errors.TlsError, stand_ins: Callable[[], StandIns]) -> Iterator[Tried]:
    """A certificate of another kind, in place of the server's or of the client's."""
    trusted = pair.client.trust is not None
    if error.code in _SERVER_MISFITS and trusted:
        made = stand_ins()
        for kind, issue in (
            ("an RSA certificate (its keyUsage with digitalSignature and keyEncipherment)", made.rsa_identity),
            ("an ECDSA certificate (P-256)", made.identity),
        ):
            believing = pair.changed("client", **_trusting(pair.client, made))
            yield (
                f"give the server {kind}",
                believing.changed("server", identities=(issue(),)) if believing is not None else None,
            )
    if error.code.startswith(_CLIENT_MISFITS) and pair.server.client_trust is not None:
        made = stand_ins()
        believing = pair.changed("server", client_trust=made.trust)
        yield (
            "give the client a certificate and its key, from an issuer in client_trust of the server",
            believing.changed("client", identities=(made.identity(),)) if believing is not None else None,
        )


def _trusting(client: ClientConfig, made: StandIns) -> dict[str, Any]:
    """The client's authentication with the anchor of the stand-ins."""
    from tlscore.config import VerifyServer

    assert isinstance(client.authentication, VerifyServer)
    return {"authentication": client.authentication.replace(trust=made.trust)}
