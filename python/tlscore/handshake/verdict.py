"""A client that waits for the server's verdict on its certificate (`confirm_client_auth`).

A TLS 1.3 client is done when it has sent its second flight; whether the server takes the certificate in it shows only
in what comes next. A refusal is an alert; any other record shows that the server went on, unless it was here before our
Finished was made: a server may send data at once, and says nothing about us by that.
"""

from typing import TYPE_CHECKING

from tlscore.errors import AlertError, GeneralError, TransportError
from tlscore.handshake.facts import ConnectionFacts
from tlscore.iana import ProtocolVersion

if TYPE_CHECKING:
    from tlscore.errors import TlsError


# RFC 9846 5.2: the header, a content type, and the shortest tag, of eight octets.
_SHORTEST_RECORD = 5 + 1 + 8


class ConfirmedHandshake(ConnectionFacts):
    """What was agreed, and whether the server has shown that it agrees with who we are."""

    __slots__ = ("_awaits_verdict", "_early")

    _awaits_verdict: bool
    # Records opened and keys updated before our Finished was made, and records that may have been here unopened.
    _early: tuple[int, int, int]

    @property
    def handshake_complete(self) -> bool:
        """Whether application data may flow. False again after a failure.

        With `confirm_client_auth`, False also until the server has shown that it takes our certificate; asking opens
        what waits, and raises the server's alert where it does not.
        """
        if self._awaits_verdict:
            self._look_for_verdict()
        return self._outcome is not None and not self._awaits_verdict

    @property
    def client_auth_confirmed(self) -> bool | None:
        """Client: whether the server has shown, by a record after the handshake, that it took our answer to its request
        for a certificate. None where it asked for none."""
        outcome = self._outcome
        if outcome is None or not outcome.asked:
            return None
        # In TLS 1.2 the server's Finished comes after our certificate.
        return outcome.version != ProtocolVersion.TLS13 or self._has_verdict()

    def _look_for_verdict(self) -> None:
        """Open what waits, and take what it shows."""
        try:
            self._poll()
        except AlertError as refusal:
            if refusal.sender == "peer":
                refusal.add_note("the server answered our certificate with this alert (confirm_client_auth)")
            raise
        if self._has_verdict():
            self._awaits_verdict = False
            self._report_completion()
        elif self._early[0] and self.pending_plaintext:
            early = GeneralError(
                "the server sent application data before it had our certificate: its verdict stands behind that, and "
                "confirm_client_auth waits for it before data may be read",
                remedy="leave confirm_client_auth out with this server, or let it wait for the client's Finished",
                section="RFC 9846 4.5.3",
                code="TLS-DATA_BEFORE_VERDICT",
            )
            self._fail(early, early.alert)
            raise early
        elif self.peer_closed:
            error = TransportError(
                "the server closed the connection before it showed whether it takes our certificate",
                remedy="read the server's log",
                section="RFC 9846 6.1",
                code="TLS-CLOSED_IN_HANDSHAKE",
                sender="peer",
            )
            self._fail(error, None)
            raise error

    def _note_early(self) -> None:
        """Called when our Finished is made: open what came before, as far as it goes, to tell it from the verdict."""
        outcome = self._outcome
        if outcome is None or not outcome.asked or outcome.version != ProtocolVersion.TLS13 or not self.buffered_wire:
            return
        self._poll()
        opened, _, updates, _ = self.counters
        left = self.buffered_wire
        # Where no data stands in the way, what is left is the beginning of one record.
        unopened = -(-left // _SHORTEST_RECORD) if self.pending_plaintext else min(left, 1)
        self._early = (opened, updates, unopened)

    def _has_verdict(self) -> bool:
        opened, _, updates, _ = self.counters
        early_records, early_updates, unopened = self._early
        # An update of the keys is a record, and begins the count of the others anew.
        since = updates - early_updates + opened - (early_records if updates == early_updates else 0)
        # A lone close_notify is a record too, and no verdict.
        return since > unopened + int(self.peer_closed)

    # -- what Connection does about it ---------------------------------------------------------------------------------

    def _report_completion(self) -> None:
        raise NotImplementedError

    def _fail(self, error: "TlsError", alert: int | None) -> None:
        raise NotImplementedError
