"""What `tlscore compat` finds out: the rules of versions first, then the real handshake, in memory.

Two configurations are built as a program would build them, and two connections talk to each other without a socket, so
that every selection and every refusal is the library's own. Where private keys are missing, stand-ins run the
negotiation, and the certificates are verified on their own. After a refusal, single changes are tried in the same way:
the one that is reported has worked.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tlscore import errors, policies, versions
from tlscore.cli.compat_files import Side, client_config, server_config
from tlscore.cli.stand_in import StandIns
from tlscore.iana import AlertDescription, CipherSuite, NamedGroup
from tlscore.versions import VersionSetting

if TYPE_CHECKING:
    from tlscore import ClientConfig, ServerConfig
    from tlscore.connection import Connection

_CERTIFICATE_ERRORS = (
    errors.BadCertificate,
    errors.UnsupportedCertificate,
    errors.CertificateRevoked,
    errors.CertificateExpired,
    errors.CertificateUnknown,
    errors.UnknownCa,
    errors.CertificateRequired,
)
_ROUNDS = 20  # a handshake has three flights


@dataclass
class Verdict:
    """What happens when the two meet. `connects` is the whole answer; the rest says how, or why not."""

    connects: bool
    rule: dict[str, Any]
    version: str | None = None
    suite: str | None = None
    group: str | None = None
    alpn: str | None = None
    server_certificate: str = "not reached"
    client_certificate: str = "not reached"
    dropped_by: str | None = None
    step: int | None = None
    alert: str | None = None
    code: str | None = None
    cause: str | None = None
    remedy: str | None = None
    change: str | None = None
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


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
                    return client, server, receiver, error
            if not moved:
                break
        return client, server, None, None


def compare(client: Side, server: Side) -> Verdict:
    """The verdict for two descriptions."""
    with warnings.catch_warnings():
        # Nothing connects here: what a configuration of the legacy tier warns of is for those that build it.
        warnings.simplefilter("ignore", UserWarning)
        return _compare(client, server)


def _compare(client: Side, server: Side) -> Verdict:
    stand_ins = None if _real(client, server) else StandIns(_names(client))
    ours = client.setting or _from_config(client_config(client, None, stand_ins).versions, client)
    theirs = server.setting or _from_config(server_config(server, None, stand_ins).versions, server)
    how: versions.How = "extension" if client.knows_extension and server.knows_extension else "number"
    outcome = versions.negotiate(ours, theirs, how)
    rule = {
        "how": how,
        "cell": outcome.cell,
        "client": [versions.version_name(one) for one in ours.accepted],
        "server": [versions.version_name(one) for one in theirs.accepted],
        "client_source": client.version_source,
        "server_source": server.version_source,
        "reason": outcome.reason,
        # The end that excludes more of what is old.
        "stricter": None if outcome.established else "client" if ours.accepted[-1] > theirs.accepted[-1] else "server",
    }
    if outcome.version is None:
        return _refused_by_rule(outcome, rule, versions.one_change(ours, theirs, how))
    if outcome.version not in policies.IMPLEMENTED_VERSIONS and (client.legacy is None or server.legacy is None):
        return _off_the_wire(outcome, rule)
    pair = Pair(
        client_config(client, _enabled(client.setting), stand_ins),
        server_config(server, _enabled(server.setting), stand_ins),
        client.table.get("server_name") or (stand_ins.names[0] if stand_ins else None),
        client.table.get("verify_as"),
    )
    verdict = _shake(pair, rule)
    if stand_ins is not None:
        _verify_apart(verdict, client, server, pair)
    return verdict


def _real(client: Side, server: Side) -> bool:
    """Whether the real certificates can take part: the server's with its key, and the client's too."""
    return bool(server.certificates) and server.has_keys and client.has_keys


def _names(client: Side) -> tuple[str, ...]:
    given = (client.table.get("server_name"), client.table.get("verify_as"))
    return tuple(dict.fromkeys(name for name in given if name))


def _from_config(codes: tuple[int, ...], side: Side) -> VersionSetting:
    return VersionSetting.compatibility(*codes, on_reject=side.table.get("on_reject", "alert"))


def _enabled(setting: VersionSetting | None) -> tuple[int, ...] | None:
    """The versions for a real configuration: those that the build has."""
    if setting is None:
        return None
    return tuple([one for one in setting.accepted if one in policies.IMPLEMENTED_VERSIONS])


def _refused_by_rule(outcome: versions.Outcome, rule: dict[str, Any], change: versions.Change | None) -> Verdict:
    alert = AlertDescription.name_of(outcome.alert) if outcome.alert is not None else None
    return Verdict(
        False,
        rule,
        dropped_by=outcome.dropped_by,
        step=outcome.step,
        alert=alert,
        code="TLS-PROTOCOL_VERSION",
        cause=f"{outcome.reason}: {outcome.cause}",
        change=change.text if change is not None else None,
    )


def _off_the_wire(outcome: versions.Outcome, rule: dict[str, Any]) -> Verdict:
    assert outcome.version is not None
    name = versions.version_name(outcome.version)
    never = outcome.tier == "never"
    said = "must not be negotiated for any reason" if never else "is on the wire with [legacy] at both ends alone"
    return Verdict(
        False,
        rule,
        version=name,
        code="TLS-FORBIDDEN_PROTOCOL" if never else "TLS-PROTOCOL_VERSION",
        cause=f"by the rules the two agree on {name}, which {said}",
        change="let both ends accept TLSv1.2 or newer",
        notes=["suites and certificates were not looked at"],
    )


def _shake(pair: Pair, rule: dict[str, Any]) -> Verdict:
    client, server, dropped_by, error = pair.talk()
    if error is None:
        return Verdict(
            True,
            rule,
            client.version,
            client.suite,
            client.group,
            client.alpn,
            _shown(client, "verified"),
            _shown(server, "verified") if pair.server.client_auth != "none" else "not asked for",
        )
    verdict = Verdict(False, rule, dropped_by=dropped_by, step=error.stage, code=error.code, cause=error.cause)
    verdict.alert = AlertDescription.name_of(error.alert_sent) if error.alert_sent is not None else None
    verdict.remedy = error.remedy or None
    if client.diagnostic is not None:
        verdict.notes.append(client.diagnostic)
    if isinstance(error, _CERTIFICATE_ERRORS):
        _refuse_certificate(verdict, "server" if dropped_by == "client" else "client", error)
        if dropped_by == "server":
            verdict.server_certificate = "verified"
    verdict.change = _working_change(pair)
    return verdict


def _shown(end: Connection, verb: str) -> str:
    identity = end.peer_identity
    if identity is None:
        return "none was shown"
    return f"{verb}: {identity.subject}"


def _refuse_certificate(verdict: Verdict, whose: str, error: errors.TlsError) -> None:
    text = f"refused: {error.cause}"
    if whose == "server":
        verdict.server_certificate = text
    else:
        verdict.client_certificate = text


# -- one change --------------------------------------------------------------------------------------------------------


def _working_change(pair: Pair) -> str | None:
    """The first single change of one end that lets the two connect."""
    for text, changed in _changes(pair):
        try:
            error = changed.talk()[3]
        except errors.ConfigError:
            continue
        if error is None:
            return text
    return None


def _changes(pair: Pair) -> Iterator[tuple[str, Pair]]:
    for name_of, name in ((CipherSuite.name_of, "suites"), (NamedGroup.name_of, "groups"), (str, "alpn")):
        ours, theirs = getattr(pair.client, name), getattr(pair.server, name)
        for end, own, other in (("client", ours, theirs), ("server", theirs, ours)):
            for entry in other:
                if entry in own:
                    continue
                changed = _with(pair, end, name, (*own, entry))
                if changed is not None:
                    yield f"add {name_of(entry)} to {name} of the {end}", changed
        if name == "alpn" and ours and theirs:
            yield "leave alpn out in the client", replace(pair, client=pair.client.replace(alpn=()))
    for end, config in (("client", pair.client), ("server", pair.server)):
        everything = tuple(dict.fromkeys((*config.suites, *policies.DEFAULT.suites)))
        changed = _with(pair, end, "suites", everything)
        if changed is not None and everything != config.suites:
            yield f"leave suites out in the {end}: the default has what the other end needs", changed
    for identity in pair.server.identities:
        for name in identity.current.names:
            if name not in (pair.server_name, pair.verify_as) and not name.startswith("*"):
                yield f"let the client use server_name {name}", replace(pair, server_name=name, verify_as=None)


def _with(pair: Pair, end: str, name: str, value: tuple[Any, ...]) -> Pair | None:
    try:
        if end == "client":
            return replace(pair, client=pair.client.replace(**{name: value}))
        return replace(pair, server=pair.server.replace(**{name: value}))
    except errors.ConfigError:
        return None


# -- certificates without keys -----------------------------------------------------------------------------------------


def _verify_apart(verdict: Verdict, client: Side, server: Side, pair: Pair) -> None:
    """Verify the described chains on their own, since stand-ins took their place in the handshake."""
    from tlscore.certs.names import ServerName
    from tlscore.certs.verify import verify_client, verify_server

    reached = verdict.connects
    if server.certificates or client.certificates:
        verdict.notes.append("private keys are missing: stand-ins of the same kind ran the handshake")
    verdict.server_certificate = verdict.client_certificate = "not checked: none is described"
    if pair.server.client_auth == "none":
        verdict.client_certificate = "not asked for"
    elif not client.certificates and pair.server.client_auth == "optional":
        verdict.client_certificate = "none was shown"
    trust, client_trust = client.trust("trust"), server.trust("client_trust")
    name = client.table.get("verify_as") or client.table.get("server_name")
    if server.certificates and name is not None:
        from tlscore.certs.trust_store import TrustStore

        store, chain = trust or TrustStore.system(), server.certificates[0].chain
        _judge(verdict, "server", reached, lambda: verify_server(chain, store, ServerName.parse(name)))
    if client.certificates and pair.server.client_auth != "none" and client_trust is not None:
        own = client.certificates[0].chain
        _judge(verdict, "client", reached, lambda: verify_client(own, client_trust))


def _judge(verdict: Verdict, whose: str, reached: bool, verify: Any) -> None:
    try:
        text = f"verified: {verify().identity.subject}"
        if whose == "server":
            verdict.server_certificate = text
        else:
            verdict.client_certificate = text
    except errors.AlertError as error:
        _refuse_certificate(verdict, whose, error)
        if reached and verdict.cause is None:
            verdict.connects, verdict.code, verdict.cause = False, error.code, error.cause
            verdict.remedy, verdict.dropped_by = error.remedy or None, "client" if whose == "server" else "server"
            verdict.step = 13 if whose == "server" else 17
            verdict.alert = error.alert_name
