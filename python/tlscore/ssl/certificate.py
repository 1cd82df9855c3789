"""One certificate of a chain, as `get_verified_chain` and `get_unverified_chain` of the inner object give them.

The standard library has a type of OpenSSL's for this, which nobody but OpenSSL can make; this one has its surface.
"""

import ssl
from typing import Any, Final

from tlscore.certs.loading import der
from tlscore.certs.name_text import name_text
from tlscore.errors import escape
from tlscore.ssl import peercert

# _ssl.ENCODING_PEM and _ssl.ENCODING_DER.
PEM: Final = 1
DER: Final = 2


class Certificate:
    """A certificate as the peer sent it, or as the trust store holds it."""

    __slots__ = ("_der",)

    def __init__(self, certificate: bytes) -> None:
        self._der = certificate

    @property
    def der(self) -> bytes:
        return self._der

    def public_bytes(self, format: int = PEM) -> str | bytes:
        """PEM as text, DER as bytes.

        Raises:   ValueError for another format.
        """
        if format == DER:
            return self._der
        if format == PEM:
            return ssl.DER_cert_to_PEM_cert(self._der)
        raise ValueError("Unsupported format")

    def get_info(self) -> dict[str, Any]:
        """The dict of getpeercert."""
        return peercert.decode(self._der)

    def __eq__(self, other: object) -> bool:
        return self._der == other._der if isinstance(other, Certificate) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._der)

    def __repr__(self) -> str:
        parts = der.children(der.children(der.element(self._der).content)[0].content)
        subject = parts[5 if parts[0].tag == der.CONTEXT_0 else 4].whole
        return f"<Certificate '{escape(name_text(subject))}'>"
