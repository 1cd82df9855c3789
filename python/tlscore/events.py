"""What happens on a connection besides application data, in the order in which it happened.

`Connection.events()` hands these out. Each is a frozen record without secrets. Names are in the past tense: an event
reports, it never asks.
"""

from typing import TYPE_CHECKING, Literal

from tlscore.record import Record

if TYPE_CHECKING:
    from tlscore.certs.peer import PeerIdentity
    from tlscore.certs.verify import ChainVerified


class Event(Record):
    """Base of all events."""


class HandshakeCompleted(Event):
    """Both Finished messages are verified; application data may flow.

    `authenticated` is True only if the peer's certificate was verified; `peer_identity` is None where the peer showed
    no certificate, and is made from `chain` when it is asked for. `group` is empty where the legacy tier exchanged keys
    by RSA, or in a finite field without a name.
    """

    version: str
    suite: str
    group: str
    alpn: str | None
    chain: "ChainVerified | None"
    authenticated: bool

    @property
    def peer_identity(self) -> "PeerIdentity | None":
        return self.chain.identity if self.chain is not None else None


class TicketReceived(Event):
    """The server sent a session ticket (RFC 9846 4.7.1); `lifetime` in seconds, `early_data` in octets, 0 for none."""

    lifetime: int
    early_data: int


class KeyUpdated(Event):
    """The keys of one direction went on to the next generation (RFC 9846 4.7.3)."""

    direction: Literal["received", "sent"]


class AlertReceived(Event):
    """An alert that does not end the connection, such as user_canceled (RFC 9846 6.1)."""

    level: int
    description: int
    name: str


class PeerClosed(Event):
    """The peer's close_notify arrived: its data ended here, authentically. Our side may go on sending."""


class ClientCertificateReceived(Event):
    """Server: the client answered a request for post-handshake authentication (RFC 9846 4.7.2).

    `request` is what `request_client_certificate()` gave; `peer_identity` is None where the client declined.
    """

    request: bytes
    chain: "ChainVerified | None"
    authenticated: bool

    @property
    def peer_identity(self) -> "PeerIdentity | None":
        return self.chain.identity if self.chain is not None else None


class ClientCertificateRequested(Event):
    """Client: the server asked for post-handshake authentication; `answered` says whether an identity was sent."""

    request: bytes
    answered: bool
