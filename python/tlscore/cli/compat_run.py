"""What `tlscore compat` finds out: the rules of versions first, then the real handshake, in memory.

Two configurations are built as a program would build them, and two connections talk to each other without a socket, so
that every selection and every refusal is the library's own. Where private keys are missing, stand-ins run the
negotiation, and the certificates are verified on their own. After a refusal compat_changes.py looks for the one change
that helps, and compat_suites.py compares the lists.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tlscore import errors, policies, versions
from tlscore.cli import compat_suites
from tlscore.cli.compat_changes import Pair, Tried, changes, first_working, not_enough
from tlscore.cli.compat_files import Side, client_config, server_config
from tlscore.cli.compat_keys import KEYS, VERSIONS, DescriptionError, blame
from tlscore.cli.stand_in import StandIns
from tlscore.iana import AlertDescription
from tlscore.versions import VersionSetting

if TYPE_CHECKING:
    from tlscore.connection import Connection

_CERTIFICATE_ERRORS: Final = (
    errors.BadCertificate,
    errors.UnsupportedCertificate,
    errors.CertificateRevoked,
    errors.CertificateExpired,
    errors.CertificateUnknown,
    errors.UnknownCa,
    errors.CertificateRequired,
)
# TLS 1.2 has no alert of its own for a certificate that is missing.
_CERTIFICATE_CODES: Final = ("TLS-CERTIFICATE_REQUIRED",)
_SUITE_CODES: Final = ("TLS-NO_COMMON_SUITE", "TLS-NO_FITTING_CERTIFICATE")
# What a file may leave to the policy, or to the default; versions have rules of their own.
_WITH_DEFAULTS: Final = ("legacy", "suites", "cipher_string", "schemes", "policy")
# Steps of the handshake: the server answers, the client judges the answer.
_ANSWER, _JUDGEMENT = 7, 8
_CERTIFICATE_STEPS: Final = {"server": 13, "client": 17}


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
    suites: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(client: Side, server: Side) -> Verdict:
    """The verdict for two descriptions."""
    with warnings.catch_warnings():
        # Nothing connects here: what a configuration of the legacy tier warns of is for those that build it.
        warnings.simplefilter("ignore", UserWarning)
        return _compare(client, server)


def _compare(client: Side, server: Side) -> Verdict:
    ends = _Ends(client, server, None if _real(client, server) else StandIns(_names(client)))
    ours = client.setting or _from_config(client_config(client, None, ends.stand_ins).versions, client)
    theirs = server.setting or _from_config(server_config(server, None, ends.stand_ins).versions, server)
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
    # Whatever is wrong in one of the files is said before anything else.
    pair = ends.pair(client.setting, server.setting)
    if outcome.version is None:
        verdict = _refused_by_rule(outcome, rule)
        verdict.change = first_working(_version_changes(ends, ours, theirs, how))
        if verdict.change is None:
            reasons = map(not_enough, _one_version_more(ends, ours, theirs, how))
            verdict.notes += [next(filter(None, reasons), "none of the changes that were tried helps")]
    elif outcome.version not in policies.IMPLEMENTED_VERSIONS and (client.legacy is None or server.legacy is None):
        verdict = _off_the_wire(outcome, rule)
    else:
        assert pair is not None
        verdict, shown = _shake(ends, pair, rule, outcome.version)
        if ends.stand_ins is not None:
            _verify_apart(verdict, client, server, pair, shown)
    verdict.notes[:0] = [*client.notes, *server.notes]
    verdict.notes += [
        f"encryption only: the {one.role} verifies nobody" for one in (client, server) if one.unauthenticated
    ]
    return verdict


class _Ends:
    """The two descriptions, and what makes configurations of them."""

    def __init__(self, client: Side, server: Side, stand_ins: StandIns | None) -> None:
        self.client, self.server, self.stand_ins = client, server, stand_ins

    def pair(self, ours: VersionSetting | None, theirs: VersionSetting | None) -> Pair | None:
        """Both configurations with these versions; None where one has none that could be on the wire.

        Raises:   ConfigError where a file describes what cannot be.
        """
        with_client, with_server = _enabled(ours, self.client), _enabled(theirs, self.server)
        client = client_config(self.client, with_client, self.stand_ins) if with_client != () else None
        server = server_config(self.server, with_server, self.stand_ins) if with_server != () else None
        if client is None or server is None:
            return None
        self._require_name()
        table = self.client.table
        usual = self.stand_ins.names[0] if self.stand_ins is not None else None
        pair = Pair(client, server, table.get("server_name") or usual, table.get("verify_as"))
        with blame(self.client.path, table, "verify_as" if "verify_as" in table else "server_name"):
            client.connection(pair.server_name, verify_as=pair.verify_as)
        return pair

    def _require_name(self) -> None:
        named = self.client.table.get("server_name") or self.client.table.get("verify_as")
        if named or self.stand_ins is not None or self.client.unauthenticated is not None:
            return
        raise DescriptionError.about(
            self.client.path,
            "server_name",
            "server_name is missing, so nobody could check whose certificate the server shows",
            f"write server_name = {KEYS['server_name'].example}",
        )

    def other_stand_ins(self) -> StandIns:
        """An authority to try certificates with."""
        return self.stand_ins or StandIns(_names(self.client))


def _version_changes(ends: _Ends, ours: VersionSetting, theirs: VersionSetting, how: versions.How) -> Iterator[Tried]:
    """One version more at one end, the best first; then what has a default."""
    yield from _one_version_more(ends, ours, theirs, how)
    yield from _left_out(ends, (*VERSIONS, "available_versions"))
    yield from _left_out(ends, _WITH_DEFAULTS)


def _left_out(ends: _Ends, keys: tuple[str, ...]) -> Iterator[Tried]:
    """One of the keys less in one of the files."""
    for end, side in (("client", ends.client), ("server", ends.server)):
        for key in keys:
            if key in side.table:
                said = "[legacy]" if key == "legacy" else key
                usual = "the policy" if "policy" in side.table and key != "policy" else "the default"
                text = f"leave {said} out in the {end}: {usual} has what the other end needs"
                yield text, _built_without(ends, end, key)


def _built_without(ends: _Ends, end: str, key: str) -> Pair | None:
    try:
        client = ends.client.without(key) if end == "client" else ends.client
        server = ends.server.without(key) if end == "server" else ends.server
        return _Ends(client, server, ends.stand_ins).pair(client.setting, server.setting)
    except errors.ConfigError:
        return None


def _one_version_more(ends: _Ends, ours: VersionSetting, theirs: VersionSetting, how: versions.How) -> Iterator[Tried]:
    for change in versions.changes(ours, theirs, how):
        setting = ours if change.end == "client" else theirs
        yield change.text, _built(ends, {change.end: setting.with_version(change.version)})


def _built(ends: _Ends, changed: Mapping[str, VersionSetting | None]) -> Pair | None:
    try:
        return ends.pair(changed.get("client", ends.client.setting), changed.get("server", ends.server.setting))
    except errors.ConfigError:
        return None


def _real(client: Side, server: Side) -> bool:
    """Whether the real certificates can take part: the server's with its key, if it needs one, and the client's too."""
    return bool(server.certificates or server.unauthenticated) and server.has_keys and client.has_keys


def _names(client: Side) -> tuple[str, ...]:
    given = (client.table.get("server_name"), client.table.get("verify_as"))
    return tuple(dict.fromkeys(name for name in given if name))


def _from_config(codes: tuple[int, ...], side: Side) -> VersionSetting:
    return VersionSetting.compatibility(*codes, on_reject=side.table.get("on_reject", "alert"))


def _enabled(setting: VersionSetting | None, side: Side) -> tuple[int, ...] | None:
    """The versions for a real configuration, those that its tier has; None where nothing is said about them."""
    if setting is None:
        return None
    known = versions.ALL if side.legacy is not None else policies.IMPLEMENTED_VERSIONS
    return tuple([one for one in setting.accepted if one in known])


def _refused_by_rule(outcome: versions.Outcome, rule: dict[str, Any]) -> Verdict:
    alert = AlertDescription.name_of(outcome.alert) if outcome.alert is not None else None
    return Verdict(
        False,
        rule,
        dropped_by=outcome.dropped_by,
        step=outcome.step,
        alert=alert,
        code="TLS-PROTOCOL_VERSION",
        cause=f"{outcome.reason}: {outcome.cause}",
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


def _shake(ends: _Ends, pair: Pair, rule: dict[str, Any], version: int) -> tuple[Verdict, bytes | None]:
    """The verdict of a real handshake, and the certificate that the client was shown."""
    client, server, dropped_by, error = pair.talk()
    shown = client.peer_chain[0] if client.peer_chain else None
    if error is not None:
        return _failed(ends, pair, rule, version, client, str(dropped_by), error), shown
    found = Verdict(True, rule, client.version, client.suite, client.group, client.alpn)
    found.server_certificate = _shown(client)
    found.client_certificate = _shown(server) if pair.server.client_auth != "none" else "not asked for"
    return found, shown


def _failed(
    ends: _Ends,
    pair: Pair,
    rule: dict[str, Any],
    version: int,
    client: Connection,
    dropped_by: str,
    error: errors.TlsError,
) -> Verdict:
    verdict = Verdict(False, rule, versions.version_name(version), code=error.code, cause=error.cause)
    verdict.dropped_by = dropped_by
    verdict.step = _step(dropped_by, error)
    verdict.alert = AlertDescription.name_of(error.alert_sent) if error.alert_sent is not None else None
    verdict.remedy = error.remedy or None
    if client.diagnostic is not None:
        verdict.notes.append(client.diagnostic)
    if isinstance(error, _CERTIFICATE_ERRORS) or error.code in _CERTIFICATE_CODES:
        _refuse_certificate(verdict, "server" if dropped_by == "client" else "client", error)
        if dropped_by == "server":
            verdict.server_certificate = _taken(pair, client)
    if error.code in _SUITE_CODES:
        verdict.suites = compat_suites.compared(ends.client, ends.server, pair, version)
    verdict.change = first_working(changes(pair, error, _left_out(ends, _WITH_DEFAULTS), ends.other_stand_ins))
    if verdict.change is None:
        verdict.notes.append("none of the changes that were tried helps")
    return verdict


def _step(dropped_by: str, error: errors.TlsError) -> int | None:
    """The step at which an end drops. An error knows the last one that was reached, which for a hello that is refused
    is the hello; the rules of versions speak of the answer that does not come."""
    if error.stage is None:
        return None
    return max(error.stage, _ANSWER if dropped_by == "server" else _JUDGEMENT)


def _shown(end: Connection) -> str:
    """What became of the certificate that an end was shown."""
    identity = end.peer_identity
    if identity is None:
        return "none was shown"
    return f"verified: {identity.subject}" if end.authenticated else f"shown, and not verified: {identity.subject}"


def _taken(pair: Pair, client: Connection) -> str:
    """What the client made of the server's certificate before the server refused the client's. In TLS 1.2 it has no
    outcome by then."""
    if client.peer_identity is not None:
        return _shown(client)
    return "verified" if pair.client.trust is not None else "not verified"


def _refuse_certificate(verdict: Verdict, whose: str, error: errors.TlsError) -> None:
    text = f"refused: {error.cause}"
    if whose == "server":
        verdict.server_certificate = text
    else:
        verdict.client_certificate = text


# -- certificates without keys -----------------------------------------------------------------------------------------


def _verify_apart(verdict: Verdict, client: Side, server: Side, pair: Pair, shown: bytes | None) -> None:
    """Verify the described chains on their own, since stand-ins took their place in the handshake."""
    from tlscore.certs.names import ServerName
    from tlscore.certs.trust_store import TrustStore
    from tlscore.certs.verify import verify_client, verify_server

    if server.certificates or client.certificates:
        verdict.notes.append("private keys are missing: stand-ins of the same kind ran the handshake")
    name = client.table.get("verify_as") or client.table.get("server_name")
    if not server.certificates:
        verdict.server_certificate = "not checked: none is described"
    elif client.unauthenticated is not None:
        verdict.server_certificate = "not verified: the client verifies nobody"
    elif name is None:
        verdict.server_certificate = "not checked: the client has no server_name"
    else:
        chain = _chain_for(server, pair, shown)
        trust = client.anchors or TrustStore.system()
        policy, use = pair.client.certificate_policy, compat_suites.key_use(pair, verdict.suite)
        named = ServerName.parse(name)
        _judge(verdict, "server", lambda: verify_server(chain, trust, named, policy=policy, key_use=use))
    if pair.server.client_auth == "none":
        verdict.client_certificate = "not asked for"
    elif client.certificates and server.anchors is not None:
        own, anchors, policy = client.certificates[0].chain, server.anchors, pair.server.certificate_policy
        _judge(verdict, "client", lambda: verify_client(own, anchors, policy=policy))
    elif pair.server.client_auth == "optional":
        verdict.client_certificate = "none was shown"


def _chain_for(server: Side, pair: Pair, shown: bytes | None) -> tuple[bytes, ...]:
    """The described chain whose stand-in was shown; before one was, the chain that the name asks for."""
    from tlscore.certs.names import DnsName, ServerName

    identities = pair.server.current_identities
    fitting = [one for one in identities if one.chain[0] == shown]
    if not fitting:
        asked = ServerName.parse(pair.server_name) if pair.server_name is not None else None
        fitting += pair.server.identities_for(asked.text if isinstance(asked, DnsName) else None) or identities
    return server.certificates[identities.index(fitting[0])].chain


def _judge(verdict: Verdict, whose: str, verify: Any) -> None:
    try:
        text = f"verified: {verify().identity.subject}"
        if whose == "server":
            verdict.server_certificate = text
        else:
            verdict.client_certificate = text
    except errors.AlertError as error:
        _refuse_certificate(verdict, whose, error)
        if verdict.connects:
            verdict.connects, verdict.code, verdict.cause = False, error.code, error.cause
            verdict.remedy, verdict.dropped_by = error.remedy or None, "client" if whose == "server" else "server"
            verdict.step, verdict.alert = _CERTIFICATE_STEPS[whose], error.alert_name
