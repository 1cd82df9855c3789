"""What a finished handshake agreed on: all that stays of it, in one record."""

from typing import TYPE_CHECKING

from tlscore._core import MainSecret12
from tlscore.errors import UsageError
from tlscore.handshake.proofs import KeyTransported, PeerProof, SignatureVerified
from tlscore.iana import ProtocolVersion
from tlscore.record import Record

if TYPE_CHECKING:
    from tlscore._core import ApplicationSchedule
    from tlscore.certs.verify import ChainVerified


_OWN_LABELS = (
    b"client finished",
    b"server finished",
    b"master secret",
    b"extended master secret",
    b"key expansion",
)


class Agreement(Record):
    """What the event of a finished handshake tells, in codes; nothing of it is secret. The event is made of it when
    somebody asks."""

    version: int
    suite: int
    group: int
    alpn: str | None
    chain: "ChainVerified | None"


class Outcome(Record):
    """The agreed parameters, the proof of who the peer is, and the schedule that exporters need.

    `own_leaf` is the certificate that we showed, for channel bindings; `server_name` what the client asked for; `asked`
    says on a client that the server asked for its certificate. In TLS 1.2, `schedule` is the main secret, `extended`
    whether it is bound to the handshake (RFC 7627), and `first_finished` the first of the two Finished, for tls-unique.
    """

    version: int
    suite: int
    group: int
    alpn: str | None
    server_name: str | None
    retried: bool
    peer: PeerProof
    own_scheme: int | None
    own_leaf: bytes | None
    schedule: "ApplicationSchedule | MainSecret12"
    asked: bool = False
    extended: bool = True
    first_finished: bytes = b""

    def export(self, label: bytes, context: bytes | None, length: int) -> bytes:
        """Keying material. Raises UsageError where the secret is not bound to the handshake."""
        if self.version != ProtocolVersion.TLS13:
            self._require_extended("exporters give")
            # RFC 5705 4: the labels of TLS itself must not be exporters, or these would give its secrets away.
            if label in _OWN_LABELS:
                raise UsageError(
                    f"the label {label.decode('ascii')!r} belongs to TLS itself",
                    remedy="use a registered label, or one that begins with EXPERIMENTAL",
                    section="RFC 5705 4",
                )
            assert isinstance(self.schedule, MainSecret12)
            return self.schedule.export(label, context, length)
        return self.schedule.export(label, context or b"", length)

    def unique(self) -> bytes:
        """The tls-unique channel binding (RFC 5929 3.1): the first Finished."""
        self._require_extended("tls-unique gives")
        return self.first_finished

    def _require_extended(self, what: str) -> None:
        # RFC 7627 5.4: without the extended main secret, two connections can be made to share one.
        if not self.extended:
            raise UsageError(
                f"{what} nothing that is this connection's alone: the peer does not know the extended main secret",
                remedy="update the peer, or leave require_extended_main_secret on",
                section="RFC 7627 5.4",
            )

    @property
    def agreement(self) -> Agreement:
        return Agreement(self.version, self.suite, self.group, self.alpn, self.chain)

    @property
    def chain(self) -> "ChainVerified | None":
        return self.peer.chain if isinstance(self.peer, (SignatureVerified, KeyTransported)) else None

    @property
    def authenticated(self) -> bool:
        """Whether the peer's certificate was verified, name and all: False after a named opt-out."""
        chain = self.chain
        return chain is not None and chain.authenticated
