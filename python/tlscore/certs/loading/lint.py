"""What will go wrong with an identity, told before a peer tells it: roles, dates, weak signatures and keys.

Nothing here refuses: the receiver's policy decides what it takes, and it may know better.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tlscore.certs.loading.notes import Note
from tlscore.certs.loading.order import public_key
from tlscore.certs.peer import PARSE_ERRORS, subject_text

_ROLES: Final = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
_WEAK_HASHES: Final = ("md5", "sha1")
_RSA_BITS: Final = 2048
EXPIRY_DAYS: Final = 30


def roles(leaf: x509.Certificate) -> tuple[str, ...]:
    """The roles that the certificate's extendedKeyUsage allows: "server", "client", both or none."""
    try:
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return tuple(_ROLES)
    except PARSE_ERRORS:
        return ()
    # RFC 5280 4.2.1.12: "If a CA includes extended key usages to satisfy such applications, but does not wish to
    # restrict usages of the key, the CA can include the special KeyPurposeId anyExtendedKeyUsage"
    every = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes
    return tuple(role for role, oid in _ROLES.items() if every or oid in purposes)


def role_notes(leaf: x509.Certificate) -> list[Note]:
    """What stands between the certificate and one of the two roles."""
    found = list[Note]()
    held = roles(leaf)
    if not held:
        text = "the certificate is for neither servers nor clients: its extendedKeyUsage lists other purposes"
        found.append(Note("TLS-NOTE-ROLE", text))
    elif len(held) == 1:
        other = "clientAuth" if held == ("server",) else "serverAuth"
        text = f"the certificate is for {held[0]}s only: its extendedKeyUsage does not list {other}"
        found.append(Note("TLS-NOTE-ROLE", text))
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.digital_signature:
            text = (
                "the certificate's keyUsage does not allow digitalSignature, which every handshake needs"
                " but those with RSA key exchange, in the legacy tier"
            )
            found.append(Note("TLS-NOTE-KEY_USAGE", text))
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        pass
    return found


def days_left(chain: tuple[x509.Certificate, ...], now: datetime) -> float:
    """Days until the first certificate of a chain expires; below 0 where one has."""
    return min((one.not_valid_after_utc - now).total_seconds() for one in chain) / 86400


def lint(chain: tuple[x509.Certificate, ...], now: datetime) -> tuple[Note, ...]:
    """Everything that is worth knowing about a chain."""
    found = role_notes(chain[0]) + _name_notes(chain[0])
    for number, one in enumerate(chain):
        who = "the certificate" if number == 0 else f"certificate {number + 1} of the chain ({subject_text(one)})"
        found += _date_notes(one, who, now)
        found += _strength_notes(one, who)
    return tuple(found)


def _name_notes(leaf: x509.Certificate) -> list[Note]:
    found = list[Note]()
    try:
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        text = "the certificate has no subjectAltName: no client that follows RFC 9525 finds a server name in it"
        found.append(Note("TLS-NOTE-NO_SAN", text))
    except PARSE_ERRORS:
        found.append(Note("TLS-NOTE-NO_SAN", "the subjectAltName of the certificate cannot be read"))
    if leaf.issuer == leaf.subject:
        text = "the certificate is signed by itself: peers must be given it, or its key's fingerprint, one by one"
        found.append(Note("TLS-NOTE-SELF_SIGNED", text))
    return found


def _date_notes(one: x509.Certificate, who: str, now: datetime) -> list[Note]:
    if one.not_valid_before_utc > now:
        return [Note("TLS-NOTE-NOT_YET_VALID", f"{who} is valid from {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")]
    left = days_left((one,), now)
    if left < 0:
        return [Note("TLS-NOTE-EXPIRED", f"{who} has been expired for {-left:.1f} days")]
    if left < EXPIRY_DAYS:
        return [Note("TLS-NOTE-EXPIRES", f"{who} expires in {left:.1f} days")]
    return []


def _strength_notes(one: x509.Certificate, who: str) -> list[Note]:
    found = list[Note]()
    # Nobody checks the signature of a root, so its hash does not matter.
    if one.issuer != one.subject:
        try:
            algorithm: Any = one.signature_hash_algorithm
        except UnsupportedAlgorithm:
            algorithm = None
        if algorithm is not None and algorithm.name in _WEAK_HASHES:
            name = {"sha1": "SHA-1", "md5": "MD5"}[algorithm.name]
            found.append(Note("TLS-NOTE-WEAK_HASH", f"{who} is signed with {name}, which peers refuse"))
    key = public_key(one)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _RSA_BITS:
        text = f"{who} has an RSA key of {key.key_size} bits, fewer than the {_RSA_BITS} that peers demand"
        found.append(Note("TLS-NOTE-WEAK_KEY", text))
    return found
