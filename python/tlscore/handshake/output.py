"""The effects of a transition, carried to the record layer in the order in which handlers ask for them.

A handler never sees the record layer. It sends messages, which enter the transcript and wait; whatever needs the
messages to be on the wire first (a change of keys, change_cipher_spec, the end of a step) flushes them as one
flight, so that small messages share a record. `raw` is the message being handled, as it arrived: transcripts are made
of received octets, never of what we would have encoded.
"""

from typing import TYPE_CHECKING

from tlscore.errors import UnexpectedMessage
from tlscore.handshake.proofs import FinishedVerified, PeerProof
from tlscore.iana import AlertLevel

if TYPE_CHECKING:
    from typing import Protocol

    from tlscore._core import ApplicationSchedule, HandshakeSchedule, MainSecret12, RecordLayer, Transcript
    from tlscore.events import Event
    from tlscore.handshake.outcome import Agreement
    from tlscore.handshake.post_handshake import Late

    class Messages(Protocol):
        """What messages enter: a transcript, or something around one."""

        def add(self, message: bytes, /) -> None: ...


# Events that wait to be asked for: an application that never asks must not let a peer fill its memory.
_KEPT_EVENTS = 64


def keep_event(events: "list[Event | Agreement]", event: "Event | Agreement") -> None:
    """Append an event, or what becomes one when it is asked for; the oldest goes where too many wait."""
    if len(events) >= _KEPT_EVENTS:
        del events[0]
    events.append(event)


class Output:
    """One per connection while its handshake runs, one per message afterwards."""

    __slots__ = (
        "_events",
        "_fragment",
        "_waiting",
        "awaits_verdict",
        "diagnostic",
        "late",
        "layer",
        "queued",
        "raw",
        "trace",
    )

    def __init__(self, layer: "RecordLayer", trace: bytearray, events: "list[Event | Agreement]") -> None:
        self.layer = layer
        self.trace = trace
        self.raw = b""
        self.diagnostic: str | None = None
        self.awaits_verdict = False
        self.late: Late | None = None
        # Whether an earlier late authentication is still to be settled.
        self.queued = False
        self._events = events
        self._fragment = 0
        self._waiting: list[bytes] = []

    def step(self, code: int) -> None:
        """Record that a step of the trace was reached."""
        self.trace.append(code)

    def steps(self, codes: bytes) -> None:
        """Record several at once."""
        self.trace += codes

    @property
    def write_closed(self) -> bool:
        """Whether we have said close_notify."""
        return self.layer.write_closed

    @property
    def pending(self) -> int:
        """Octets that wait to be sent."""
        return self.layer.pending_wire

    def event(self, event: "Event") -> None:
        keep_event(self._events, event)

    def receive(self, transcript: "Messages") -> None:
        """Enter the message being handled into the transcript."""
        transcript.add(self.raw)

    def send(self, messages: bytes, transcript: "Messages") -> None:
        """Enter encoded messages, one or more, into the transcript, and queue them."""
        transcript.add(messages)
        self._waiting.append(messages)

    def flush(self) -> None:
        """Hand the waiting messages to the record layer as one flight."""
        waiting = self._waiting
        if waiting:
            flight = waiting[0] if len(waiting) == 1 else b"".join(waiting)
            octets = self._fragment or len(flight)
            for at in range(0, len(flight), octets):
                self.layer._send_handshake(flight[at : at + octets])
            waiting.clear()

    def late_authentication(self, messages: bytes, transcript: "Transcript") -> None:
        """Send the messages of a post-handshake authentication, which `transcript` holds, and their Finished."""
        self.flush()
        self.layer._send_late_authentication(messages, transcript)

    def change_cipher_spec(self) -> None:
        """Send the dummy change_cipher_spec of compatibility mode (RFC 9846 E.4)."""
        self.flush()
        self.layer._send_change_cipher_spec()

    def allow_change_cipher_spec(self, allowed: bool) -> None:
        self.layer._expect_change_cipher_spec(allowed)

    def install_read(self, schedule: "HandshakeSchedule | ApplicationSchedule") -> None:
        schedule.install_read(self.layer)

    def install_write(self, schedule: "HandshakeSchedule | ApplicationSchedule") -> None:
        """Change the write keys; what waits still goes out under the old ones."""
        self.flush()
        schedule.install_write(self.layer)

    def change_write(self, secret: "MainSecret12") -> None:
        """TLS 1.2: send change_cipher_spec and change the write keys, behind what waits."""
        self.flush()
        secret.change_write(self.layer)

    def expect_change(self, secret: "MainSecret12") -> None:
        """TLS 1.2: from here on the peer's change_cipher_spec may come, and changes the read keys."""
        secret.expect_read(self.layer)

    def require_changed(self) -> None:
        """TLS 1.2: refuse a message that came before the peer's change_cipher_spec."""
        # RFC 5246 7.4.9: "A Finished message is always sent immediately after a change cipher spec message".
        if not self.layer.counters[0]:
            raise UnexpectedMessage("Finished arrived without change_cipher_spec before it", section="RFC 5246 7.4.9")

    def warn(self, description: int) -> None:
        """Send an alert that does not end the connection: TLS 1.2 has such."""
        self.flush()
        self.layer._send_alert(AlertLevel.warning, description)

    def fragment(self, octets: int) -> None:
        """Records of at most so many octets from here on, handshake in the clear included (RFC 6066 4)."""
        self._fragment = octets
        self.limit_records(octets, octets)

    def set_record_version(self, version: int) -> None:
        """Before TLS 1.3: the version in the header of every record from here on."""
        self.flush()
        self.layer._set_record_version(version)

    def allow_sslv2_hello(self, allowed: bool) -> None:
        """Legacy tier: whether the client may begin in the format of SSLv2."""
        self.layer._allow_sslv2_hello(allowed)

    def limit_records(self, own: int, peer: int) -> None:
        """Record sizes that were agreed (RFC 8449): `own` is what we take, `peer` what the peer takes."""
        self.layer._set_own_record_size_limit(own)
        self.layer._set_peer_record_size_limit(peer)

    def require_boundary(self) -> None:
        """Refuse handshake data behind the message being handled: the peer must wait for our answer to it."""
        self.layer._require_boundary()

    def skip_early_data(self, octets: int) -> None:
        """Pass over early data that we do not accept, up to `octets`."""
        self.layer._skip_early_data(octets)

    def open(self, peer: PeerProof, finished: FinishedVerified) -> None:
        """Let application data flow. The arguments are the proof that it may: see proofs.py."""
        assert isinstance(peer, PeerProof)
        assert isinstance(finished, FinishedVerified)
        self.flush()
        # No change_cipher_spec may follow the peer's Finished (RFC 9846 5).
        self.layer._expect_change_cipher_spec(False)
        self.layer._open()

    def confirm(self) -> None:
        """Show the peer that its second flight was taken: a KeyUpdate, the shortest record that says nothing else."""
        # RFC 9846 4.7.3: "Implementations that receive a KeyUpdate message prior to receiving a Finished message MUST
        # terminate the connection": ours is out already.
        self.layer._request_key_update(False)
