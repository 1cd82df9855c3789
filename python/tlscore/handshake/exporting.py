"""What protocols above a connection take from it: keys of their own, and what binds their authentication to it."""

from tlscore import errors
from tlscore.handshake.record_errors import REMEDIES
from tlscore.handshake.settling import SettledHandshake
from tlscore.iana import ProtocolVersion

# RFC 9266 4.2: the label, an empty context, 32 octets.
_EXPORTER_BINDING = (b"EXPORTER-Channel-Binding", b"", 32)


class ExportingConnection(SettledHandshake):
    """A handshake whose secrets others may build on once it is complete."""

    __slots__ = ()

    def export_keying_material(self, label: str | bytes, context: bytes | None, length: int) -> bytes:
        """Keys for another protocol, bound to this connection.

        Takes:    label: ASCII text, registered with IANA or beginning with "EXPERIMENTAL"; context: any octets, the
                  same at both ends, None and b"" being the same in TLS 1.3 alone; length: octets wanted, at most 255
                  times those of the hash.
        Gives:    the same octets at both ends; they outlive changes of keys.
        Raises:   HandshakeNotComplete before the handshake is; UsageError for a label or length that cannot be, and in
                  TLS 1.2 without the extended main secret; the original error after a failure.
        Source:   RFC 9846 section 7.5, RFC 5705.
        """
        self._check_complete()
        outcome = self._outcome
        assert outcome is not None
        try:
            octets = label.encode("ascii") if isinstance(label, str) else label
            return outcome.export(octets, context, length)
        except (ValueError, OverflowError) as refused:
            raise errors.UsageError(str(refused), section="RFC 9846 7.5", code="TLS-EXPORTER") from None

    def channel_binding(self, kind: str = "tls-exporter") -> bytes:
        """What binds an authentication inside the connection to it.

        Takes:    kind: "tls-exporter" (RFC 9266), "tls-server-end-point" (RFC 5929), which every connection of the
                  same server certificate shares, or, in TLS 1.2, "tls-unique" (RFC 5929).
        Raises:   HandshakeNotComplete before the handshake is; UsageError for another kind, or for a certificate that
                  has no end point; the original error after a failure.
        Source:   RFC 9266 section 4.2, RFC 5929 sections 3.1 and 4.1.
        """
        self._check_complete()
        outcome = self._outcome
        assert outcome is not None
        if kind == "tls-exporter":
            return outcome.export(*_EXPORTER_BINDING)
        if kind == "tls-unique" and outcome.version != ProtocolVersion.TLS13:
            return outcome.unique()
        if kind != "tls-server-end-point":
            raise errors.UsageError(
                f'there is no channel binding "{errors.escape(kind, 40)}" in TLS 1.3',
                remedy='use "tls-exporter" or "tls-server-end-point"',
                section="RFC 9266 4.2",
            )
        from tlscore.certs.end_point import server_end_point

        leaf = next(iter(self.peer_chain), None) if self.role == "client" else outcome.own_leaf
        if leaf is None:
            raise errors.UsageError("an anonymous server has no certificate", section="RFC 5929 4.1")
        return server_end_point(leaf)

    def _check_complete(self) -> None:
        self._check()
        if not self.handshake_complete:
            raise errors.HandshakeNotComplete(
                "the handshake is not complete", remedy=REMEDIES["handshake_not_complete"], section="RFC 9846 4.5.3"
            )
