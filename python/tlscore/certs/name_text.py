"""Distinguished names in DER, as lists of CAs carry them, as text for people.

What cannot be read becomes hexadecimal. The octets are the peer's: escape the text before it is printed.
"""

from __future__ import annotations

from typing import Final

from tlscore.certs.loading import der

_ATTRIBUTES: Final = {
    bytes.fromhex("550403"): "CN",
    bytes.fromhex("550405"): "serialNumber",
    bytes.fromhex("550406"): "C",
    bytes.fromhex("550407"): "L",
    bytes.fromhex("550408"): "ST",
    bytes.fromhex("55040a"): "O",
    bytes.fromhex("55040b"): "OU",
    bytes.fromhex("0992268993f22c640119"): "DC",
    bytes.fromhex("2a864886f70d010901"): "emailAddress",
}
# UTF8String, PrintableString, T61String, IA5String, VisibleString: near enough to UTF-8; BMPString is UTF-16.
_BMP_STRING: Final = 0x1E


def name_text(name: bytes) -> str:
    """A DER name in the order of RFC 4514: the most specific part first."""
    try:
        parts = [
            _attribute(one) for group in der.children(der.element(name).content) for one in der.children(group.content)
        ]
    except ValueError:
        return "0x" + name[:40].hex()
    return ",".join(reversed(parts)) or "(empty name)"


def _attribute(sequence: der.Element) -> str:
    kind, value = der.children(sequence.content)[:2]
    label = _ATTRIBUTES.get(kind.content, "OID." + kind.content.hex())
    return f"{label}={value.content.decode('utf-16-be' if value.tag == _BMP_STRING else 'utf-8', 'replace')}"
