"""Files and bytes with certificates and keys: read them, see what they are, and say precisely what is wrong with them.

A source is a path, PEM text or bytes. Its format is told from its content, never from its name. Every error names the
path, and which blocks were found where others were expected.
"""

from __future__ import annotations

import os
import re
import warnings
from typing import NamedTuple

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from tlscore.errors import ConfigError, escape

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----.*?-----END \1-----", re.DOTALL)
_PKCS7_DATA_OID = bytes.fromhex("06092a864886f70d0107")


class Source(NamedTuple):
    """Octets and where they come from, for texts."""

    data: bytes
    origin: str


def read(source: str | bytes | bytearray | os.PathLike[str], what: str) -> Source:
    """Read a path; bytes and PEM text are taken as they are."""
    if isinstance(source, (bytes, bytearray)):
        return Source(bytes(source), f"the {what} given as bytes")
    if isinstance(source, str) and "-----BEGIN " in source:
        return Source(source.encode(), f"the {what} given as text")
    if not isinstance(source, (str, os.PathLike)):
        raise ConfigError(f"the {what} is {type(source).__name__}", remedy="give a path, PEM text, or PEM or DER bytes")
    path = os.fspath(source)
    try:
        with open(path, "rb") as file:
            return Source(file.read(), path)
    except OSError as error:
        who = f", user id {os.geteuid()}" if hasattr(os, "geteuid") else ""
        raise ConfigError(
            f"the {what} file {escape(path, 300)!r} cannot be read: {error.strerror} (working directory "
            f"{os.getcwd()}{who})",
            remedy="check the path and its permissions",
            code="TLS-CONFIG-FILE",
        ) from None


def blocks(source: Source) -> list[tuple[str, bytes]]:
    """(label, whole block) of every PEM block."""
    return [(match[1].decode("ascii"), match[0]) for match in _BLOCK.finditer(source.data)]


def is_pem(source: Source) -> bool:
    return b"-----BEGIN " in source.data


def found(source: Source) -> str:
    """What a source is, for a text that has to say why it is the wrong thing."""
    if is_pem(source):
        return "PEM with " + (", ".join(label for label, _ in blocks(source)) or "no complete block")
    if not source.data:
        return "empty"
    if source.data[:1] == b"\x30":
        # PKCS #12 is SEQUENCE { INTEGER 3, ContentInfo { pkcs7-data ... } }, RFC 7292 4; PKCS #7 starts with the
        # ContentInfo.
        if b"\x02\x01\x03" in source.data[:8] and _PKCS7_DATA_OID in source.data[:40]:
            return "PKCS #12 (convert it: openssl pkcs12 -in FILE -nodes -out bundle.pem)"
        if _PKCS7_DATA_OID in source.data[:24]:
            return "PKCS #7 (convert it: openssl pkcs7 -inform DER -in FILE -print_certs -out chain.pem)"
        return "DER of another kind"
    return "neither PEM nor DER"


def _parsed(source: Source) -> tuple[x509.Certificate, ...]:
    with warnings.catch_warnings():
        # Bundles hold old roots with a serial number of 0, which nobody who reads the warning could change.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        if not is_pem(source):
            return (x509.load_der_x509_certificate(source.data),)
        pems = [block for label, block in blocks(source) if label in ("CERTIFICATE", "X509 CERTIFICATE")]
        return tuple(x509.load_pem_x509_certificates(b"\n".join(pems))) if pems else ()


def certificates_in(source: Source, what: str) -> tuple[x509.Certificate, ...]:
    """All certificates of a PEM source, or the one of a DER source, in order."""
    try:
        loaded = _parsed(source)
    except ValueError as error:
        damaged = is_pem(source)
        raise ConfigError(
            f"{source.origin} has no certificate for {what}: "
            + (f"a CERTIFICATE block is damaged ({error})" if damaged else f"it is {found(source)}"),
            remedy="give certificates as PEM, or one as DER",
            code="TLS-CONFIG-CERTIFICATE",
        ) from None
    if not loaded:
        raise ConfigError(
            f"{source.origin} has no CERTIFICATE block for {what}: it is {found(source)}",
            remedy="give the file that holds certificates",
            code="TLS-CONFIG-CERTIFICATE",
        )
    return loaded
