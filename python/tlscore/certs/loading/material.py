"""Certificates and private keys out of one source of any format, each with the place where it stood."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key, pkcs7
from cryptography.utils import CryptographyDeprecationWarning

from tlscore.certs.loading import pkcs12, rounds, sniff
from tlscore.certs.loading.passwords import Secret
from tlscore.certs.peer import PARSE_ERRORS
from tlscore.certs.reading import Source, is_pem
from tlscore.errors import ConfigError


class Placed(NamedTuple):
    """A certificate or a key, and where it was found: "chain.pem, PEM block 2"."""

    value: Any
    where: str


def certificates(source: Source, what: str, password: Secret | None = None) -> list[Placed]:
    """Every certificate of a source, in order: PEM, DER, PKCS #7 or PKCS #12.

    Raises:   ConfigError where there is none, or where one is damaged; `what` says what for.
    """
    nobody = Secret(None)
    with warnings.catch_warnings():
        # Bundles hold old roots with a serial number of 0, which nobody who reads the warning could change; PKCS #7 of
        # old programs is BER.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)
        found = list(_certificates(source, what, password or nobody, nobody))
    if not found:
        raise ConfigError(
            f"{source.origin} has no CERTIFICATE block for {what}: it is {sniff.found(source)}",
            remedy="give the file that holds certificates",
            code="TLS-CONFIG-CERTIFICATE",
        )
    return found


def readable(found: list[Placed]) -> list[Placed]:
    """The same certificates, whose names and dates can be read: the parser reads those when they are asked for.

    Raises:   ConfigError for one where they cannot.
    """
    for one in found:
        try:
            one.value.subject, one.value.issuer, one.value.not_valid_after_utc  # noqa: B018
        except PARSE_ERRORS as error:
            raise ConfigError(
                f"{one.where}: the certificate is damaged ({error})",
                remedy="export the certificate again, or have it issued again",
                code="TLS-CONFIG-CERTIFICATE",
            ) from None
    return found


def from_store(source: Source, password: Secret, key_password: Secret) -> tuple[list[Placed], list[Placed]]:
    """(certificates, keys) of a PKCS #12 source, opened once."""
    held = pkcs12.load(source.data, source.origin, password, key_password)
    where = f"{source.origin} (PKCS #12)"
    keys = [Placed(held.key, where)] if held.key is not None else []
    return [Placed(one, where) for one in held.certificates], keys


def is_store(source: Source) -> bool:
    return not is_pem(source) and sniff.kind_of(source.data) == "pkcs12"


def is_unordered(source: Source) -> bool:
    """Whether the format holds a set of certificates (PKCS #7, PKCS #12), whose order nobody chose."""
    if not is_pem(source):
        return sniff.kind_of(source.data) in ("pkcs7", "pkcs12")
    return any(block.label in sniff.PKCS7_LABELS for block in sniff.pem_blocks(source))


def _certificates(source: Source, what: str, password: Secret, key_password: Secret) -> Iterator[Placed]:
    if is_pem(source):
        yield from _from_pem(source, what)
        return
    kind = sniff.kind_of(source.data)
    try:
        if kind == "pkcs12":
            yield from from_store(source, password, key_password)[0]
        elif kind == "pkcs7":
            for number, one in enumerate(pkcs7.load_der_pkcs7_certificates(source.data), 1):
                yield Placed(one, f"{source.origin} (PKCS #7), certificate {number}")
        else:
            yield Placed(x509.load_der_x509_certificate(source.data), source.origin)
    except PARSE_ERRORS as error:
        if isinstance(error, ConfigError):
            raise
        detail = f"a damaged certificate ({error})" if kind == "certificate" else sniff.NAMES[kind]
        raise ConfigError(
            f"{source.origin} has no certificate for {what}: it is {detail}",
            remedy="give certificates as PEM, DER, PKCS #7 or PKCS #12",
            code="TLS-CONFIG-CERTIFICATE",
        ) from None


def _from_pem(source: Source, what: str) -> Iterator[Placed]:
    for block in sniff.pem_blocks(source):
        where = f"{source.origin}, PEM block {block.number}"
        try:
            if block.label in sniff.CERTIFICATE_LABELS:
                yield Placed(x509.load_pem_x509_certificate(block.data), where)
            elif block.label in sniff.PKCS7_LABELS:
                for one in pkcs7.load_pem_pkcs7_certificates(block.data):
                    yield Placed(one, where)
        except PARSE_ERRORS as error:
            raise ConfigError(
                f"{where}: a {block.label} block is damaged ({error}), so there is no certificate for {what}",
                remedy="export the certificates again",
                code="TLS-CONFIG-CERTIFICATE",
            ) from None


def keys(source: Source, password: Secret) -> list[Placed]:
    """Every private key of a PEM or DER source: PKCS #1, SEC 1, PKCS #8, plain and encrypted.

    Raises:   ConfigError where there is none, or where one cannot be opened.
    """
    if not is_pem(source):
        return [Placed(_der_key(source, password), source.origin)]
    found = [block for block in sniff.pem_blocks(source) if block.label.endswith("PRIVATE KEY")]
    if not found:
        raise ConfigError(
            f"{source.origin} has no PRIVATE KEY block: it is {sniff.found(source)}",
            remedy="name the file of the key: Identity.load(chain, key)",
            code="TLS-CONFIG-NO_KEY",
        )
    return [_pem_key(block, f"{source.origin}, PEM block {block.number}", password) for block in found]


def _pem_key(block: sniff.Block, where: str, password: Secret) -> Placed:
    if block.label.startswith("OPENSSH"):
        raise ConfigError(
            f"{where} is a key in the format of OpenSSH",
            remedy="convert a copy of it: ssh-keygen -p -m PKCS8 -f FILE",
            code="TLS-CONFIG-KEY",
        )
    encrypted = block.label.startswith("ENCRYPTED") or b"Proc-Type: 4,ENCRYPTED" in block.data
    if encrypted:
        rounds.check(block.data, where)
    secret = password.octets() if encrypted else None
    try:
        return Placed(load_pem_private_key(block.data, secret), where)
    except TypeError:
        raise _no_password(where) from None
    except (ValueError, UnsupportedAlgorithm) as error:
        if encrypted:
            raise _wrong_password(where) from None
        raise ConfigError(
            f"{where}: the private key is damaged or of an unknown kind ({error})",
            remedy="export the key again",
            code="TLS-CONFIG-KEY",
        ) from None


def _der_key(source: Source, password: Secret) -> Any:
    kind = sniff.kind_of(source.data)
    if kind not in sniff.KEY_KINDS:
        raise ConfigError(
            f"{source.origin}: no private key can be read: it is {sniff.found(source)}",
            remedy="give the key as PEM, or as DER (PKCS #8, PKCS #1, SEC 1), or a PKCS #12 store",
            code="TLS-CONFIG-NO_KEY",
        )
    encrypted = kind == "encrypted"
    if encrypted:
        rounds.check(source.data, source.origin)
    try:
        return load_der_private_key(source.data, password.octets() if encrypted else None)
    except TypeError:
        raise _no_password(source.origin) from None
    except (ValueError, UnsupportedAlgorithm) as error:
        if encrypted:
            raise _wrong_password(source.origin) from None
        raise ConfigError(
            f"{source.origin}: the private key is damaged or of an unknown kind ({error})",
            remedy="export the key again",
            code="TLS-CONFIG-KEY",
        ) from None


def _no_password(where: str) -> ConfigError:
    return ConfigError(
        f"{where}: the private key is encrypted and no password was given",
        remedy="give password=, as text, as a function that asks for it, or as PasswordFile(path)",
        code="TLS-CONFIG-PASSWORD",
    )


def _wrong_password(where: str) -> ConfigError:
    return ConfigError(
        f"{where}: the password does not open the private key",
        remedy="give the right password; it is used as it is, with every space and line end",
        code="TLS-CONFIG-PASSWORD",
    )
