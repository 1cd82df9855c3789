"""The little of DER that revocation needs beside `cryptography`: where a value starts and ends inside a larger one.

Signatures and hashes cover exact octets, which a parser that gives objects has to encode again, at a cost that grows
with the CRL. These functions give offsets instead. They see nothing but tags and lengths; whether the contents make
sense has been decided by the real parser before.
"""

from __future__ import annotations

from typing import NamedTuple

_LENGTH_OCTETS = 4  # 4 GiB: more than any input here may have


class DerError(ValueError):
    """Octets that are no DER."""


class Value(NamedTuple):
    """One value: its tag, where its header starts, where its contents start and end."""

    tag: int
    start: int
    body: int
    end: int

    def whole(self, data: bytes) -> bytes:
        return data[self.start : self.end]

    def contents(self, data: bytes) -> bytes:
        return data[self.body : self.end]


def value(data: bytes, at: int, end: int) -> Value:
    """The value that starts at `at` and must end at or before `end`."""
    if end - at < 2:
        raise DerError("a value is cut off")
    tag, length, body = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise DerError("a tag of more than one octet")
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= _LENGTH_OCTETS or body + octets > end:
            raise DerError("a length that DER does not have")
        length = int.from_bytes(data[body : body + octets], "big")
        body += octets
    if body + length > end:
        raise DerError("a value is longer than what holds it")
    return Value(tag, at, body, body + length)


def children(data: bytes, body: int, end: int) -> list[Value]:
    """The values that fill data[body:end]."""
    found, at = [], body
    while at < end:
        one = value(data, at, end)
        found.append(one)
        at = one.end
    return found


def members(data: bytes, outer: Value | None = None) -> list[Value]:
    """The values inside one SEQUENCE, or inside the one that fills `data`."""
    if outer is None:
        outer = value(data, 0, len(data))
    if outer.tag != 0x30:
        raise DerError("no SEQUENCE")
    return children(data, outer.body, outer.end)


# Where the parts of a TBSCertificate stand when the optional version is left out (RFC 5280 4.1).
_SERIAL, _ISSUER, _SUBJECT, _KEY = 0, 2, 4, 5


def _certificate_part(tbs: bytes, number: int) -> Value:
    parts = members(tbs)
    if parts and parts[0].tag == 0xA0:
        parts = parts[1:]
    if len(parts) <= number:
        raise DerError("a certificate without its parts")
    return parts[number]


def certificate_serial(tbs: bytes) -> bytes:
    """The serial number of a TBSCertificate: the whole INTEGER."""
    return _certificate_part(tbs, _SERIAL).whole(tbs)


def certificate_issuer(tbs: bytes) -> bytes:
    """The issuer's name of a TBSCertificate, octet by octet."""
    return _certificate_part(tbs, _ISSUER).whole(tbs)


def certificate_subject(tbs: bytes) -> bytes:
    """The subject's name of a TBSCertificate, octet by octet."""
    return _certificate_part(tbs, _SUBJECT).whole(tbs)


def certificate_key_bits(tbs: bytes) -> bytes:
    """The BIT STRING of the key without its count of unused bits: what OCSP and key identifiers hash."""
    info = members(tbs, _certificate_part(tbs, _KEY))
    if len(info) != 2 or info[1].tag != 0x03:
        raise DerError("no SubjectPublicKeyInfo")
    return info[1].contents(tbs)[1:]
