"""What a certificate lets its key be used for in a handshake: the bits of keyUsage that TLS asks for.

The key exchange decides which one: a key that signs, in every handshake but those with RSA key exchange, needs
digitalSignature; there, in the legacy tier alone, premaster secrets are encrypted to it, and keyEncipherment is all
that it needs. Whoever verifies the certificate of a peer and whoever chooses one of our own ask here.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from cryptography import x509
from cryptography.x509.oid import PublicKeyAlgorithmOID

from tlscore.certs.peer import PARSE_ERRORS

KeyUse = Literal["digitalSignature", "keyEncipherment"]


class _Bit(NamedTuple):
    attribute: str
    section: str


_BITS: Final[dict[KeyUse, _Bit]] = {
    # RFC 9846 4.5.1.2: "the digitalSignature bit MUST be set if the Key Usage extension is present"
    "digitalSignature": _Bit("digital_signature", "RFC 9846 4.5.1.2"),
    # RFC 5246 7.4.2, on RSA and RSA_PSK: "the certificate MUST allow the key to be used for encryption (the
    # keyEncipherment bit MUST be set if the key usage extension is present)."
    "keyEncipherment": _Bit("key_encipherment", "RFC 5246 7.4.2"),
}


def allows(usage: x509.KeyUsage, use: KeyUse) -> bool:
    """Whether a keyUsage extension has the bit for a use."""
    return bool(getattr(usage, _BITS[use].attribute))


def section_of(use: KeyUse) -> str:
    """Where it stands that the bit must be set."""
    return _BITS[use].section


def encrypts(certificate: x509.Certificate) -> bool:
    """Whether the key of a certificate is of the kind that can be encrypted to; RSASSA-PSS keys sign only."""
    return certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5


def uses(certificate: x509.Certificate) -> tuple[KeyUse, ...]:
    """What TLS may use the key of a certificate for; keyEncipherment is for RSA keys alone.

    Without a keyUsage, and where it cannot be read (which peers will say), nothing is ruled out.
    """
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        usage = None
    able = [use for use in _BITS if use == "digitalSignature" or encrypts(certificate)]
    return tuple([use for use in able if usage is None or allows(usage, use)])
