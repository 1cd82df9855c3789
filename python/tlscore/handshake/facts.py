"""What can be read off a connection: what the two ends agreed on, who the peer is, how far the handshake came.

The lower half of `Connection`: the state that it drives, and nothing that changes it. All of it answers at any time:
before the handshake is complete, and after a failure, nothing is agreed and nobody is authenticated.
"""

from typing import TYPE_CHECKING, Literal

from tlscore import trace
from tlscore._core import RecordLayer
from tlscore.errors import TlsError
from tlscore.events import HandshakeCompleted
from tlscore.handshake.machine import State
from tlscore.handshake.proofs import SignatureVerified
from tlscore.iana import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme

if TYPE_CHECKING:
    from datetime import datetime

    from tlscore.certs.peer import PeerIdentity
    from tlscore.config import ClientConfig, ServerConfig
    from tlscore.handshake.outcome import Agreement, Outcome
    from tlscore.report import ConnectionReport


_VERSIONS = {
    ProtocolVersion.TLS13: "TLSv1.3",
    ProtocolVersion.TLS12: "TLSv1.2",
    ProtocolVersion.TLS11: "TLSv1.1",
    ProtocolVersion.TLS10: "TLSv1.0",
}


# MD5 with SHA-1 by an RSA key, in TLS 1.0 and 1.1: it has no code point (certs/legacy_signatures.py).
_RSA_MD5_SHA1 = 0xFF01


def suite_name(code: int) -> str:
    """The IANA name of a suite, also of those that only the legacy tier has."""
    name = CipherSuite.name_of(code)
    if not name.startswith("0x"):
        return name
    from tlscore.suites import name_of

    return name_of(code)


def _scheme_name(code: int) -> str:
    return "rsa_pkcs1_md5_sha1" if code == _RSA_MD5_SHA1 else SignatureScheme.name_of(code)


def completion(agreed: "Agreement") -> HandshakeCompleted:
    """The event that tells of a finished handshake."""
    chain = agreed.chain
    return HandshakeCompleted(
        _VERSIONS[agreed.version],
        suite_name(agreed.suite),
        NamedGroup.name_of(agreed.group) if agreed.group else "",
        agreed.alpn,
        chain,
        chain is not None and chain.authenticated,
    )


class ConnectionFacts(RecordLayer):
    """The record layer with the state of its handshake."""

    __slots__ = ("_config", "_diagnostic", "_error", "_is_client", "_state", "_trace")

    _config: "ClientConfig | ServerConfig"
    _diagnostic: str | None
    _error: TlsError | None
    _is_client: bool
    _state: State
    _trace: bytearray | bytes

    @property
    def _outcome(self) -> "Outcome | None":
        return getattr(self._state, "outcome", None)

    @property
    def role(self) -> Literal["client", "server"]:
        return "client" if self._is_client else "server"

    @property
    def handshake_complete(self) -> bool:
        """Whether application data may flow. False again after a failure."""
        return self._outcome is not None

    @property
    def version(self) -> str | None:
        outcome = self._outcome
        return _VERSIONS[outcome.version] if outcome is not None else None

    @property
    def suite(self) -> str | None:
        """IANA name of the cipher suite."""
        outcome = self._outcome
        return suite_name(outcome.suite) if outcome is not None else None

    @property
    def group(self) -> str | None:
        """IANA name of the group of the key exchange; None where the legacy tier uses one without a name, or none."""
        outcome = self._outcome
        return NamedGroup.name_of(outcome.group) if outcome is not None and outcome.group else None

    @property
    def peer_scheme(self) -> str | None:
        """IANA name of the scheme that the peer signed with."""
        outcome = self._outcome
        peer = outcome.peer if outcome is not None else None
        return _scheme_name(peer.scheme) if isinstance(peer, SignatureVerified) else None

    @property
    def own_scheme(self) -> str | None:
        """IANA name of the scheme that we signed with."""
        outcome = self._outcome
        scheme = outcome.own_scheme if outcome is not None else None
        return _scheme_name(scheme) if scheme is not None else None

    @property
    def peer_identity(self) -> "PeerIdentity | None":
        """Who the peer's certificate says it is; believe it only where `authenticated` is True."""
        outcome = self._outcome
        chain = outcome.chain if outcome is not None else None
        return chain.identity if chain is not None else None

    @property
    def peer_chain(self) -> tuple[bytes, ...]:
        """The peer's certificates in DER, its own first; empty where it showed none."""
        outcome = self._outcome
        chain = outcome.chain if outcome is not None else None
        return chain.chain if chain is not None else ()

    @property
    def authenticated(self) -> bool:
        """Whether the peer's certificate was verified: False for a client that showed none, and after an opt-out."""
        outcome = self._outcome
        return outcome is not None and outcome.authenticated

    @property
    def alpn(self) -> str | None:
        """The application protocol that was selected."""
        outcome = self._outcome
        return outcome.alpn if outcome is not None else None

    @property
    def server_name(self) -> str | None:
        """The name that the client asked for."""
        outcome = self._outcome
        return outcome.server_name if outcome is not None else None

    @property
    def hello_retried(self) -> bool:
        """Whether the server asked for a second ClientHello."""
        outcome = self._outcome
        return outcome is not None and outcome.retried

    @property
    def closed(self) -> bool:
        """Whether the connection failed, or both sides have said close_notify."""
        return self._error is not None or (self.peer_closed and self.write_closed)

    @property
    def error(self) -> TlsError | None:
        """The error that ended the connection."""
        return self._error

    @property
    def diagnostic(self) -> str | None:
        """Why no client certificate was sent although the server asked, or what is doubtful about the one that was."""
        return self._diagnostic

    def own_days_to_expiry(self, now: "datetime | None" = None) -> float | None:
        """Days until the first certificate of the chain that we showed expires: a number to watch.

        Takes:    now: the time to judge by, in UTC where it names no zone; the configuration's clock, or the system's,
                  by default.
        Gives:    below 0 where one has expired; None where we showed none.
        Raises:   ConfigError where the configuration's clock gives no time.
        """
        from tlscore.report import facts

        return facts.own_days(self._config, self._outcome, facts.moment(self._config, now))

    def peer_days_to_expiry(self, now: "datetime | None" = None) -> float | None:
        """Days until the peer's verified chain, anchor included, expires at its first certificate; as
        `own_days_to_expiry`."""
        from tlscore.report import facts

        return facts.peer_days(self._outcome, facts.moment(self._config, now))

    def report(self, now: "datetime | None" = None) -> "ConnectionReport":
        """Everything about this connection at this moment: `.text()` for people, `.as_json()` for programs.

        Takes:    now: the time that days to expiry are counted from; as for `own_days_to_expiry`. The checks of the
                  peer's chain are those of the moment of its verification.
        Effects:  none on the connection. Where the configuration has fetchers of revocation data and what they brought
                  is too old by now, they are asked again.
        """
        from tlscore.report.facts import report_of

        # Not handshake_complete: asking that may open records.
        complete = self._outcome is not None and not getattr(self, "_awaits_verdict", False)
        return report_of(self, self._config, self._outcome, complete, now)

    @property
    def trace(self) -> tuple[trace.TraceStep, ...]:
        """The steps of the handshake so far, as (step 1..22, text)."""
        return trace.describe(self._trace)

    def __repr__(self) -> str:
        agreed = f" {self.version} {self.suite} {self.group}" if self._outcome is not None else ""
        return f"<Connection {self.role} {type(self._state).__name__}{agreed}>"
