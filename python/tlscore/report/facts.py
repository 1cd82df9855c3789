"""Reading a connection: from its state, its outcome and its configuration to a ConnectionReport.

Nothing is kept for a report while a connection runs: the outcome of its handshake and its configuration hold all of it.
Reading changes nothing, opens no record and asks nobody, but for fetchers of revocation data whose answer is too old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlscore import clocks, danger
from tlscore.certs.paths.facts import Facts, facts_of
from tlscore.certs.peer import PARSE_ERRORS
from tlscore.certs.summary import CertificateSummary, days_to_expiry
from tlscore.errors import escape
from tlscore.iana import ProtocolVersion
from tlscore.report import ConnectionReport, Side, Situation, flags
from tlscore.suites import suite

if TYPE_CHECKING:
    from datetime import datetime

    from tlscore.certs.identity import Identity
    from tlscore.certs.report import VerificationReport
    from tlscore.certs.verify import ChainVerified
    from tlscore.config_base import Config
    from tlscore.errors import TlsError
    from tlscore.handshake.facts import ConnectionFacts
    from tlscore.handshake.outcome import Outcome


def moment(config: Config, now: datetime | None) -> datetime:
    """The time to judge by: what the caller says, else the clock of the configuration, else the system's."""
    return clocks.read(config.clock) if now is None else clocks.aware(now)


def report_of(
    connection: ConnectionFacts, config: Config, outcome: Outcome | None, complete: bool, now: datetime | None
) -> ConnectionReport:
    """The report of a connection; `complete` says whether application data may flow."""
    made_at = moment(config, now)
    error = connection.error
    own_leaf = _own_leaf(config, outcome)
    own = _side(own_leaf, connection.own_scheme, made_at)
    peer = _side(_peer_facts(connection), connection.peer_scheme, made_at, peer_days(outcome, made_at))
    found = flags.of_config(config)
    found += flags.of_certificates("our", own.certificates, made_at)
    found += flags.of_certificates("the peer's", peer.certificates, made_at)
    found += flags.of_own_end(_shown_identity(config, outcome), _confirmed(connection, outcome), connection.diagnostic)
    chain = outcome.chain if outcome is not None else None
    verification = chain.report if chain is not None else getattr(error, "report", None)
    return ConnectionReport(
        role=connection.role,
        situation=_situation(connection, complete),
        made_at=made_at,
        alpn=connection.alpn,
        server_name=connection.server_name,
        hello_retried=connection.hello_retried,
        authenticated=connection.authenticated,
        verified_by=_verified_by(chain),
        client_auth_confirmed=_confirmed(connection, outcome),
        own=own,
        peer=peer,
        verification=verification,
        revocation=_revocation(config, verification),
        policy=f"{config.policy.name} {config.policy.date}",
        diagnostic=connection.diagnostic,
        error=_error(error) if error is not None else None,
        trace=connection.trace,
        records=_records(connection),
        **_agreed(connection, outcome, found),
    )


def _situation(connection: ConnectionFacts, complete: bool) -> Situation:
    if connection.error is not None:
        return "closed" if connection.error.code == "TLS-CLOSED" else "failed"
    if not complete:
        return "handshaking"
    return "closed" if connection.closed else "established"


def _agreed(connection: ConnectionFacts, outcome: Outcome | None, found: list[flags.Flag]) -> dict[str, Any]:
    """The fields that only a finished handshake has, and the flags that come with them."""
    if outcome is None:
        return {"flags": flags.in_order(found)}
    agreed = suite(outcome.suite)
    old = outcome.version < ProtocolVersion.TLS13
    found += flags.of_outcome(outcome, agreed, old)
    return {
        "version": connection.version,
        "suite": agreed.name,
        "suite_parts": {
            part: getattr(agreed, part) for part in ("key_exchange", "authentication", "encryption", "mac", "hash")
        },
        "group": connection.group,
        "extended_main_secret": outcome.extended if old else None,
        "forward_secret": agreed.forward_secret,
        "flags": flags.in_order(found),
    }


def _confirmed(connection: ConnectionFacts, outcome: Outcome | None) -> bool | None:
    # Only where a certificate was sent there is something to confirm.
    if outcome is None or outcome.own_leaf is None or connection.role == "server":
        return None
    confirmed: bool | None = getattr(connection, "client_auth_confirmed", None)
    return confirmed


# -- certificates ------------------------------------------------------------------------------------------------------


def _readable(certificates: tuple[bytes, ...]) -> tuple[Facts, ...]:
    """What can be parsed: intermediate certificates that no verification asked for may be anything."""
    found = list[Facts]()
    for der in certificates:
        try:
            found.append(facts_of(der))
        except PARSE_ERRORS:
            continue
    return tuple(found)


def _peer_facts(connection: ConnectionFacts) -> tuple[Facts, ...]:
    return _readable(connection.peer_chain)


def _shown_identity(config: Config, outcome: Outcome | None) -> Identity | None:
    """The identity that was shown, where the configuration still has it: files may have brought another one."""
    if outcome is None or outcome.own_leaf is None:
        return None
    candidates = [*config.identities, *(one for _, one in getattr(config, "names", ()))]
    return next((one.current for one in candidates if one.current.chain[0] == outcome.own_leaf), None)


def _own_leaf(config: Config, outcome: Outcome | None) -> tuple[Facts, ...]:
    if outcome is None or outcome.own_leaf is None:
        return ()
    identity = _shown_identity(config, outcome)
    return _readable(identity.chain if identity is not None else (outcome.own_leaf,))


def _side(chain: tuple[Facts, ...], scheme: str | None, now: datetime, days: float | None = None) -> Side:
    if not chain:
        return Side(scheme=scheme)
    summaries = tuple(CertificateSummary.of(one) for one in chain)
    return Side(
        certificates=summaries, scheme=scheme, days_to_expiry=days_to_expiry(chain, now) if days is None else days
    )


def own_days(config: Config, outcome: Outcome | None, now: datetime) -> float | None:
    """Days until the first certificate of the chain that we showed expires."""
    chain = _own_leaf(config, outcome)
    return days_to_expiry(chain, now) if chain else None


def peer_days(outcome: Outcome | None, now: datetime) -> float | None:
    """Days until the peer's chain no longer verifies: of the path that was verified, else of what was sent."""
    chain = outcome.chain if outcome is not None else None
    if chain is None:
        return None
    path = chain.path or _readable(chain.chain)
    return days_to_expiry(path, now) if path else None


def _verified_by(chain: ChainVerified | None) -> str | None:
    if chain is None or not chain.path:
        return None
    anchor = CertificateSummary.of(chain.path[-1])
    return f"{anchor.subject} (sha256:{anchor.fingerprint})"


# -- the rest ----------------------------------------------------------------------------------------------------------


def _revocation(config: Config, verification: VerificationReport | None) -> dict[str, Any] | None:
    """What was asked about revocation, and what came of it; None where nobody's certificate was to be verified."""
    if isinstance(getattr(config, "authentication", None), danger.AcceptAnyPeer):
        return None
    if config.role == "server" and getattr(config, "client_trust", None) is None:
        return None
    told = dict(config.revocation.as_dict())
    checks = [] if verification is None else [one for one in verification.checks if one.name == "revocation"]
    told["answers"] = [{"outcome": one.outcome, "text": one.text} for one in checks]
    return told


def _error(error: TlsError) -> dict[str, Any]:
    return {
        "class": type(error).__name__,
        "code": error.code,
        "cause": error.cause,
        "remedy": error.remedy,
        "section": error.section,
        "sender": error.sender,
        "stage": error.stage,
        "state": error.state,
        "alert_sent": error.alert_sent,
        "alert_received": error.alert_received,
        "notes": [escape(note) for note in getattr(error, "__notes__", ())],
    }


def _records(connection: ConnectionFacts) -> dict[str, int]:
    opened, sealed, received, sent = connection.counters
    return {
        "opened_under_current_key": opened,
        "sealed_under_current_key": sealed,
        "key_updates_received": received,
        "key_updates_sent": sent,
    }
