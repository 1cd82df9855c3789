"""SSLObject: TLS between two memory buffers, for frameworks that do their own input and output.

The shell is the standard library's own class; the calls that move octets are those of the engine itself, put on the
instance, so that no frame of the shell stands between.
"""

from typing import TYPE_CHECKING, Any

from tlscore.ssl import stdlib
from tlscore.ssl.bio_engine import BioEngine

if TYPE_CHECKING:
    from ssl import SSLObject as Original

    from tlscore.ssl.context import SSLContext
else:
    Original = stdlib.original("SSLObject")


class SSLObject(Original):
    """What `SSLContext.wrap_bio` gives."""

    _sslobj: BioEngine

    @classmethod
    def _create(
        cls,
        incoming: Any,
        outgoing: Any,
        server_side: bool = False,
        server_hostname: str | None = None,
        session: Any = None,
        context: "SSLContext | None" = None,
    ) -> "SSLObject":
        assert context is not None
        self: SSLObject = cls.__new__(cls)
        self._sslobj = engine = BioEngine(context, incoming, outgoing, server_side, server_hostname, self)
        if session is not None:
            engine.session = session
        if cls is SSLObject:
            self.read = engine.read  # type: ignore[method-assign]
            self.write = engine.write  # type: ignore[method-assign]
        return self

    def get_verified_chain(self) -> list[bytes]:
        """From the peer's certificate to the trust anchor, in DER, as it was verified; what the peer sent where
        nothing was."""
        engine = self._sslobj
        chain = engine.get_verified_chain() or engine.get_unverified_chain() or []
        return [certificate.der for certificate in chain]

    def get_unverified_chain(self) -> list[bytes]:
        """What the peer sent, in DER."""
        return [certificate.der for certificate in self._sslobj.get_unverified_chain() or []]

    def group(self) -> str | None:
        """The group of the key exchange."""
        return self._sslobj.group()

    def client_sigalg(self) -> str | None:
        """The scheme that the client signed with; None where it showed no certificate."""
        return self._sslobj.client_sigalg()

    def server_sigalg(self) -> str | None:
        """The scheme that the server signed with."""
        return self._sslobj.server_sigalg()
