"""A certificate as the dict that `getpeercert` gives: the fields, names and spellings of OpenSSL.

asyncio asks for it on every connection, so it is made once per certificate and remembered. The reader takes what stands
there: whether a certificate makes sense has been decided before one comes here, and what cannot be read is left out, as
OpenSSL leaves it out.
"""

import re
import ssl
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from tlscore.certs.loading import der
from tlscore.certs.loading.der import Element

Pairs = tuple[tuple[str, Any], ...]

_REMEMBERED: Final = 256  # certificates; a program meets few peers, or many once each
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIME: Final = re.compile(rb"(\d\d)?(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d+)?Z")
_UNSUPPORTED: Final = "<unsupported>"

_SAN: Final = bytes.fromhex("551d11")
_CRL_POINTS: Final = bytes.fromhex("551d1f")
_ACCESS: Final = bytes.fromhex("2b06010505070101")
_OCSP: Final = bytes.fromhex("2b06010505073001")
_CA_ISSUERS: Final = bytes.fromhex("2b06010505073002")
# otherName: the kinds that OpenSSL prints, by type-id.
_OTHER_NAMES: Final = {
    bytes.fromhex("2b06010505070809"): "SmtpUTF8Mailbox",
    bytes.fromhex("2b06010505070805"): "XmppAddr",
    bytes.fromhex("2b06010505070807"): "SRVName",
    bytes.fromhex("2b060104018237140203"): "UPN",
    bytes.fromhex("2b06010505070808"): "NAIRealm",
}
_TEXTS: Final = {0x81: "email", 0x82: "DNS", 0x86: "URI"}
_DIRECTORY_NAME: Final = 0xA4
_ADDRESS: Final = 0x87
_REGISTERED: Final = 0x88
_OTHERS: Final = {0xA3: "X400Name", 0xA5: "EdiPartyName"}


def decode(certificate: bytes) -> dict[str, Any]:
    """The dict of a certificate in DER.

    Gives:    a dict of the caller's own, equal to what the standard library gives for the same octets.
    Raises:   ValueError where the octets are no certificate.
    """
    try:
        return dict(_decode(certificate))
    except IndexError:
        raise ValueError("the octets are no certificate") from None


@lru_cache(_REMEMBERED)
def _decode(certificate: bytes) -> dict[str, Any]:
    parts = der.children(der.children(der.element(certificate).content)[0].content)
    version = 1
    if parts[0].tag == der.CONTEXT_0:
        version = int.from_bytes(der.element(parts.pop(0).content).content, "big") + 1
    serial, _, issuer, validity, subject = parts[:5]
    not_before, not_after = der.children(validity.content)[:2]
    found: dict[str, Any] = {
        "subject": _name(subject.content),
        "issuer": _name(issuer.content),
        "version": version,
        "serialNumber": _serial(serial.content),
        "notBefore": _time(not_before),
        "notAfter": _time(not_after),
    }
    # [3] is the extensions; unique identifiers may stand before it.
    extensions = [one for one in parts[6:] if one.tag == 0xA3]
    if extensions:
        _add_extensions(found, der.children(der.element(extensions[0].content).content))
    return found


def _add_extensions(found: dict[str, Any], extensions: list[Element]) -> None:
    names: Pairs = ()
    ocsp: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    for extension in extensions:
        parts = der.children(extension.content)
        kind, value = parts[0].content, parts[-1].content
        if kind == _SAN:
            names += tuple(_general_names(der.element(value).content))
        elif kind == _ACCESS:
            ocsp += _places(value, _OCSP)
            issuers += _places(value, _CA_ISSUERS)
        elif kind == _CRL_POINTS:
            points += tuple(_crl_points(value))
    for key, values in (
        ("subjectAltName", names),
        ("OCSP", ocsp),
        ("caIssuers", issuers),
        ("crlDistributionPoints", points),
    ):
        if values:
            found[key] = values


def _serial(content: bytes) -> str:
    number = int.from_bytes(content, "big", signed=True)
    digits = f"{abs(number):X}"
    return "-" * (number < 0) + "0" * (len(digits) % 2) + digits


def _time(value: Element) -> str:
    match = _TIME.fullmatch(value.content)
    month = int(match[3]) if match else 0
    if match is None or not 1 <= month <= 12:
        return "Bad time value"
    # RFC 5280 4.1.2.5.1: a year of two digits is 19xx from 50 on.
    century = match[1] or (b"19" if match[2] >= b"50" else b"20")
    day, hour, minute, second = (int(match[at]) for at in (4, 5, 6, 7))
    fraction = (match[8] or b"").decode("ascii")
    year = int(century + match[2])
    return f"{_MONTHS[month - 1]} {day:2d} {hour:02d}:{minute:02d}:{second:02d}{fraction} {year} GMT"


def _name(content: bytes) -> tuple[Pairs, ...]:
    return tuple(
        tuple(_attribute(attribute.content) for attribute in der.children(group.content))
        for group in der.children(content)
    )


def _attribute(content: bytes) -> tuple[str, str]:
    kind, value = der.children(content)[:2]
    return _label(kind.content), _text(value)


def _text(value: Element) -> str:
    codec = {0x0C: "utf-8", 0x1E: "utf-16-be", 0x1C: "utf-32-be"}.get(value.tag, "latin-1")
    return value.content.decode(codec, "backslashreplace")


@lru_cache(_REMEMBERED)
def _label(oid: bytes) -> str:
    """The long name that OpenSSL has for an object identifier, or its numbers."""
    dotted = _dotted(oid)
    try:
        return str(ssl._txt2obj(dotted)[2])  # type: ignore[attr-defined]
    except ValueError:
        return dotted


def _dotted(oid: bytes) -> str:
    numbers, number = list[int](), 0
    for octet in oid:
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(number)
            number = 0
    if not numbers:
        return ""
    top = min(numbers[0] // 40, 2)
    return ".".join(map(str, (top, numbers[0] - 40 * top, *numbers[1:])))


def _general_names(content: bytes) -> Iterator[tuple[str, Any]]:
    for name in der.children(content):
        if name.tag in _TEXTS:
            yield _TEXTS[name.tag], name.content.decode("utf-8", "backslashreplace")
        elif name.tag == _DIRECTORY_NAME:
            yield "DirName", _name(der.element(name.content).content)
        elif name.tag == _ADDRESS:
            yield "IP Address", _address(name.content)
        elif name.tag == _REGISTERED:
            yield "Registered ID", _label(name.content)
        elif name.tag in _OTHERS:
            yield _OTHERS[name.tag], _UNSUPPORTED
        else:
            yield "othername", _other_name(name.content)


def _other_name(content: bytes) -> str:
    kind, value = der.children(content)[:2]
    label = _OTHER_NAMES.get(kind.content)
    if label is None:
        return _UNSUPPORTED
    return f"{label}:{_text(der.element(value.content))}"


def _address(octets: bytes) -> str:
    if len(octets) == 4:
        return ".".join(map(str, octets))
    if len(octets) == 16:
        return ":".join(f"{octets[at] << 8 | octets[at + 1]:X}" for at in range(0, 16, 2))
    return "<invalid>"


def _places(value: bytes, wanted: bytes) -> tuple[str, ...]:
    """The URIs of one access method."""
    found = [der.children(one.content)[:2] for one in der.children(der.element(value).content)]
    return tuple(
        where.content.decode("utf-8", "backslashreplace")
        for method, where in found
        if method.content == wanted and where.tag == 0x86
    )


def _crl_points(value: bytes) -> Iterator[str]:
    for point in der.children(der.element(value).content):
        for field in der.children(point.content):
            # distributionPoint [0], in it fullName [0]
            if field.tag == der.CONTEXT_0 and field.content[:1] == b"\xa0":
                for name in der.children(der.element(field.content).content):
                    if name.tag == 0x86:
                        yield name.content.decode("utf-8", "backslashreplace")
