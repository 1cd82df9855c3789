"""What some octets are, from their structure.

The formats overlap at their first octets (PKCS #1, SEC 1, PKCS #8 and PKCS #12 all start with a SEQUENCE and a small
INTEGER), so the tags of the first two levels decide.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from tlscore.certs.loading import der
from tlscore.certs.reading import Source, is_pem
from tlscore.errors import ConfigError

CERTIFICATE_LABELS: Final = ("CERTIFICATE", "X509 CERTIFICATE")
PKCS7_LABELS: Final = ("PKCS7", "CMS", "PKCS #7 SIGNED DATA")
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 #]{1,40})-----")

_OID_DATA = bytes.fromhex("2a864886f70d010701")
_OID_SIGNED = bytes.fromhex("2a864886f70d010702")
# Password-based encryption: PKCS #5 (1.2.840.113549.1.5) and PKCS #12 (1.2.840.113549.1.12.1).
_OIDS_ENCRYPTED = (bytes.fromhex("2a864886f70d0105"), bytes.fromhex("2a864886f70d010c01"))

NAMES: Final = {
    "pem": "PEM",
    "certificate": "a DER certificate",
    "pkcs12": "PKCS #12",
    "pkcs7": "PKCS #7",
    "pkcs8": "a DER private key (PKCS #8)",
    "encrypted": "an encrypted DER private key (PKCS #8)",
    "pkcs1": "a DER private key (PKCS #1)",
    "sec1": "a DER private key (SEC 1)",
    "public": "a DER public key",
    "crl": "a DER certificate revocation list",
    "request": "a DER certificate request",
    "jks": "a Java keystore (export it as PKCS #12: keytool -importkeystore -deststoretype PKCS12)",
    "der": "DER of another kind",
    "empty": "empty",
    "unknown": "neither PEM nor DER",
}
KEY_KINDS: Final = ("pkcs8", "encrypted", "pkcs1", "sec1")


class Block(NamedTuple):
    """One PEM block with its armour; `number` counts from 1."""

    label: str
    data: bytes
    number: int


def pem_blocks(source: Source) -> list[Block]:
    """Every block of a PEM source, in order.

    Raises:   ConfigError for a block that begins and does not end, by its number and line.
    """
    found = list[Block]()
    at = 0
    for begin in _BEGIN.finditer(source.data):
        line_start = max(at, *(source.data.rfind(end, at, begin.start()) + 1 for end in (b"\n", b"\r")))
        # RFC 7468 2: the text around blocks is explanatory; a header inside a line of it begins nothing.
        if begin.start() < at or source.data[line_start : begin.start()].strip():
            continue
        end = source.data.find(b"-----END " + begin[1] + b"-----", begin.end())
        following = source.data.find(b"-----BEGIN ", begin.end())
        if end < 0 or 0 <= following < end:
            line = source.data.count(b"\n", 0, begin.start()) + 1
            raise ConfigError(
                f"{source.origin}: PEM block {len(found) + 1} ({begin[1].decode()}, line {line}) does not end",
                remedy="the file is cut or was pasted together wrongly: export it again",
                code="TLS-CONFIG-PEM",
            )
        at = end + len(b"-----END -----") + len(begin[1])
        found.append(Block(begin[1].decode("ascii"), source.data[begin.start() : at], len(found) + 1))
    return found


def kind_of(data: bytes) -> str:
    """A key of NAMES for these octets."""
    if not data.strip():
        return "empty"
    if b"-----BEGIN " in data:
        return "pem"
    if data[:4] in (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"):
        return "jks"
    if data[:1] != b"\x30":
        return "unknown"
    try:
        return _of_sequence(der.children(der.element(data).content))
    except ValueError:
        return _of_indefinite(data)


def _of_sequence(parts: list[der.Element]) -> str:
    tags = [part.tag for part in parts[:4]]
    first = parts[0] if parts else None
    if first is None:
        return "der"
    if first.tag == der.OID and first.content == _OID_SIGNED:
        return "pkcs7"
    if first.tag == der.INTEGER and len(tags) >= 2:
        return _of_numbered(first, parts[1], tags)
    if tags == [der.SEQUENCE, der.OCTET_STRING]:
        return "encrypted" if _oid(first).startswith(_OIDS_ENCRYPTED) else "der"
    if tags == [der.SEQUENCE, der.BIT_STRING]:
        return "public"
    if tags == [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]:
        return _of_signed(der.children(first.content))
    return "der"


def _of_numbered(version: der.Element, second: der.Element, tags: list[int]) -> str:
    if version.content == b"\x03" and _oid(second) in (_OID_DATA, _OID_SIGNED):
        return "pkcs12"
    if second.tag == der.SEQUENCE and tags[2:3] == [der.OCTET_STRING]:
        return "pkcs8"
    if second.tag == der.OCTET_STRING and version.content == b"\x01":
        return "sec1"
    return "pkcs1" if tags == [der.INTEGER] * 4 else "der"


def _of_signed(body: list[der.Element]) -> str:
    """Certificate, CRL or request: what the signed part holds."""
    tags = [part.tag for part in body]
    if tags[:1] == [der.CONTEXT_0]:
        return "certificate"
    if any(part.is_time for part in body[2:4]):
        return "crl"
    if tags[:1] == [der.INTEGER]:
        return "request" if tags[3:4] == [der.CONTEXT_0] else "certificate"
    return "der"


def _oid(sequence: der.Element) -> bytes:
    """The OID that a SEQUENCE starts with."""
    try:
        first = der.element(sequence.content)
    except ValueError:
        return b""
    return first.content if sequence.tag == der.SEQUENCE and first.tag == der.OID else b""


def _of_indefinite(data: bytes) -> str:
    """BER with indefinite lengths, as old programs write containers."""
    if b"\x02\x01\x03" in data[:8] and _OID_DATA in data[:40]:
        return "pkcs12"
    return "pkcs7" if _OID_SIGNED in data[:32] else "der"


def found(source: Source) -> str:
    """What a source is, for a text that has to say why it is the wrong thing."""
    if is_pem(source):
        labels = [match.decode() for match in _BEGIN.findall(source.data)]
        return "PEM with " + (", ".join(labels[:12]) or "no complete block")
    return NAMES[kind_of(source.data)]
