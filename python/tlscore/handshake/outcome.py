"""What a finished handshake agreed on: all that stays of it, in one record."""

from typing import TYPE_CHECKING

from tlscore.handshake.proofs import PeerProof, SignatureVerified
from tlscore.record import Record

if TYPE_CHECKING:
    from tlscore._core import ApplicationSchedule
    from tlscore.certs.verify import ChainVerified


class Outcome(Record):
    """The agreed parameters, the proof of who the peer is, and the schedule that exporters need.

    `own_leaf` is the certificate that we showed, for channel bindings; `server_name` what the client asked for; `asked`
    says on a client that the server asked for its certificate.
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
    schedule: "ApplicationSchedule"
    asked: bool = False

    @property
    def chain(self) -> "ChainVerified | None":
        return self.peer.chain if isinstance(self.peer, SignatureVerified) else None

    @property
    def authenticated(self) -> bool:
        """Whether the peer's certificate was verified, name and all: False after a named opt-out."""
        chain = self.chain
        return chain is not None and chain.authenticated
