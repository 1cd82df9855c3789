"""What the octets of one certificate say, read once: every later question is an attribute.

`cryptography` parses; here its values are put into the form that the rules ask for. Names are kept in canonical form
(RFC 5280 7.1: without regard to case, inner white space and string type), since authorities re-encode names of theirs.
The signed part and both signature algorithms are cut out of the octets themselves. Nothing here depends on time, trust
or purpose, so the facts of a certificate may be shared by all connections of a process; whether it is trusted is never
remembered here.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtensionOID

from tlscore.certs import signatures
from tlscore.certs.peer import PARSE_ERRORS
from tlscore.errors import escape

# Facts are remembered for this many certificates of at most so many octets: a few MiB at worst.
_KEPT_CERTIFICATES = 256
_KEPT_OCTETS = 8192

NETSCAPE_TYPE: Final = "2.16.840.1.113730.1.1"

_EC_KEY: Final = bytes.fromhex("06072a8648ce3d0201")

CanonicalName = tuple[tuple[tuple[str, str | bytes], ...], ...]


def canonical(name: x509.Name) -> CanonicalName:
    """A distinguished name in the form in which equal names are equal."""
    return tuple([_canonical_rdn(rdn) for rdn in name.rdns])


def _canonical_rdn(rdn: x509.RelativeDistinguishedName) -> tuple[tuple[str, str | bytes], ...]:
    pairs = [(one.oid.dotted_string, _folded(one.value)) for one in rdn]
    return tuple(sorted(pairs, key=repr) if len(pairs) > 1 else pairs)


def _folded(value: str | bytes) -> str | bytes:
    if isinstance(value, bytes):
        return value
    if not value.isascii():
        value = unicodedata.normalize("NFKC", value).casefold()
    return " ".join(value.lower().split())


def _element(data: bytes, start: int) -> tuple[int, int]:
    """(start of content, end) of the DER element at `start`; the parser has checked that lengths are minimal."""
    length = data[start + 1]
    if length < 0x80:
        return start + 2, start + 2 + length
    octets = length & 0x7F
    content = start + 2 + octets
    return content, content + int.from_bytes(data[start + 2 : content], "big")


def serial_octets(der: bytes) -> bytes:
    """The content of the serial number, before the parser sees (and warns about) it; empty where there is none."""
    try:
        start = _element(der, _element(der, 0)[0])[0]
        if der[start] == 0xA0:
            start = _element(der, start)[1]
        content, end = _element(der, start)
        return der[content:end] if der[start] == 0x02 and end <= len(der) else b""
    except IndexError:
        return b""


class Facts:
    """One certificate."""

    __slots__ = (
        "_digest",
        "_key",
        "_key_damage",
        "_schemes",
        "aki",
        "basic_constraints",
        "certificate",
        "damage",
        "der",
        "extensions",
        "inner_algorithm",
        "issuer",
        "named_curve",
        "names",
        "not_after",
        "not_before",
        "oid",
        "outer_algorithm",
        "self_issued",
        "signature",
        "ski",
        "spki",
        "subject",
        "tbs",
        "verdicts",
    )

    def __init__(self, der: bytes, certificate: x509.Certificate | None = None) -> None:
        if certificate is None:
            serial = serial_octets(der)
            # RFC 5280 4.1.2.2 forbids them, and the parser would warn the program's user about what the peer sent.
            if serial and (serial[0] & 0x80 or not serial.strip(b"\0")):
                raise ValueError("its serial number is negative or zero")
            certificate = x509.load_der_x509_certificate(der)
        self.der, self.certificate = der, certificate
        self._cut(der)
        self.subject, self.issuer = canonical(certificate.subject), canonical(certificate.issuer)
        self.self_issued = self.subject == self.issuer
        self.not_before, self.not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        self.signature = certificate.signature
        self.oid = certificate.signature_algorithm_oid.dotted_string
        self._key: Any = None
        self._key_damage = ""
        self._schemes: tuple[int, ...] = ()
        self._digest = b""
        self.damage = ""
        self.extensions: dict[str, x509.Extension[Any]] = {}
        try:
            self.extensions = {one.oid.dotted_string: one for one in certificate.extensions}
        except PARSE_ERRORS as damage:
            self.damage = escape(str(damage), 200) or type(damage).__name__
        self.basic_constraints: x509.BasicConstraints | None = self.value(ExtensionOID.BASIC_CONSTRAINTS)
        ski: x509.SubjectKeyIdentifier | None = self.value(ExtensionOID.SUBJECT_KEY_IDENTIFIER)
        aki: x509.AuthorityKeyIdentifier | None = self.value(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
        self.ski = ski.digest if ski is not None else None
        self.aki = aki.key_identifier if aki is not None else None
        # Filled by constraints.py and certificate_rules.py.
        self.names: Any = None
        self.verdicts: dict[Any, Any] = {}

    def _cut(self, der: bytes) -> None:
        tbs_start = _element(der, 0)[0]
        content, tbs_end = _element(der, tbs_start)
        self.tbs = der[tbs_start:tbs_end]
        signature = _element(der, tbs_end)[1]
        self.outer_algorithm = der[tbs_end:signature]
        # X.690 8.6.2: the first octet of a BIT STRING counts unused bits. A signature is octets; with unused bits
        # there would be two encodings of it.
        if der[_element(der, signature)[0]]:
            raise ValueError("its signature is no whole number of octets")
        if der[content] == 0xA0:
            content = _element(der, content)[1]
        inner = _element(der, content)[1]
        issuer = _element(der, inner)[1]
        self.inner_algorithm = der[inner:issuer]
        validity = _element(der, issuer)[1]
        subject = _element(der, validity)[1]
        spki = _element(der, subject)[1]
        self.spki = der[spki : _element(der, spki)[1]]
        algorithm = _element(der, _element(der, spki)[0])[0]
        parameters = _element(der, algorithm)[1]
        # RFC 5480 2.1.1 forbids curves that are spelled out: whoever chooses the generator chooses the private key.
        self.named_curve = der[algorithm:parameters] != _EC_KEY or der[parameters] == 0x06

    def value(self, oid: x509.ObjectIdentifier) -> Any:
        """The parsed value of an extension, or None."""
        found = self.extensions.get(oid.dotted_string)
        return found.value if found is not None else None

    @property
    def may_promise(self) -> bool:
        """Whether it promises TLS features (RFC 7633), or has extensions that cannot be read and so may do it."""
        return bool(self.damage) or self.value(ExtensionOID.TLS_FEATURE) is not None

    @property
    def digest(self) -> bytes:
        """SHA-256 of the octets."""
        if not self._digest:
            import hashlib

            self._digest = hashlib.sha256(self.der).digest()
        return self._digest

    @property
    def key(self) -> Any:
        """The public key; None where `key_damage` says why it cannot be used."""
        if self._key is None and not self._key_damage:
            try:
                self._key = key = self.certificate.public_key()
                is_rsa = isinstance(key, rsa.RSAPublicKey)
                oid = self.certificate.public_key_algorithm_oid.dotted_string if is_rsa else ""
                self._schemes = signatures.schemes_for(key, oid)
            except PARSE_ERRORS as damage:
                self._key_damage = escape(str(damage), 200) or type(damage).__name__
        return self._key

    @property
    def key_damage(self) -> str:
        return "" if self.key is not None else self._key_damage

    @property
    def schemes(self) -> tuple[int, ...]:
        """TLS 1.3 schemes that the key can make."""
        return self._schemes if self.key is not None else ()

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Facts) and self.der == other.der)

    def __hash__(self) -> int:
        return hash(self.der)


_remembered = lru_cache(maxsize=_KEPT_CERTIFICATES)(Facts)


def facts_of(der: bytes) -> Facts:
    """The facts of a certificate; raises what the parser raises."""
    return _remembered(der) if len(der) <= _KEPT_OCTETS else Facts(der)
