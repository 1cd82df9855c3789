"""The words of OpenSSL's cipher strings: what each family of suites is, as a test of one suite.

A word is a key exchange (k...), an authentication (a...), an encryption, a MAC, an oldest version or a grade; several
names stand for the same, as OpenSSL grew. What OpenSSL knows and no build has any more (GOST) is here too, so that a
string that takes it away is read. The grammar that joins the words is in cipher_strings.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tlscore.iana import ProtocolVersion
from tlscore.suites import Suite

Test = Callable[[Suite], bool]


def kex(*kinds: str) -> Test:
    return lambda one: one.key_exchange in kinds


def auth(*kinds: str) -> Test:
    return lambda one: one.authentication in kinds


def enc(*beginnings: str) -> Test:
    return lambda one: one.encryption.startswith(beginnings)


def mac(kind: str) -> Test:
    return lambda one: one.mac == kind


def all_of(*tests: Test) -> Test:
    return lambda one: all(test(one) for test in tests)


def _not(test: Test) -> Test:
    return lambda one: not test(one)


def since(version: int) -> Test:
    return lambda one: one.versions[0] == version


_PSK = ("PSK", "DHE_PSK", "RSA_PSK", "ECDHE_PSK")
_ANON, _NULL, _SRP = auth("anon"), enc("NULL"), kex("SRP")
_MEDIUM = enc("RC4-128", "SEED", "IDEA", "3DES")
_EXPORT: Test = lambda one: (one.openssl_name or "").startswith("EXP-")  # noqa: E731
_LOW = all_of(enc("DES-CBC"), _not(_EXPORT))
_HIGH = enc("AES", "CHACHA20", "CAMELLIA", "ARIA", "GOST")


def _in_default(one: Suite) -> bool:
    """OpenSSL's DEFAULT leaves out what few need: no authentication, DSS, CCM, Camellia, ARIA and all that is weak."""
    return not (
        one.authentication in ("anon", "DSS")
        or one.encryption.startswith(("CAMELLIA", "ARIA", "NULL"))
        or "CCM" in one.encryption
        or not _HIGH(one)
    )


WORDS: Final[dict[str, Test]] = {
    "ALL": _not(_NULL),
    "COMPLEMENTOFALL": _NULL,
    "COMPLEMENTOFDEFAULT": lambda one: not _in_default(one) and not _NULL(one),
    "kRSA": kex("RSA"),
    "RSA": all_of(kex("RSA"), auth("RSA")),
    "kDHE": kex("DHE"),
    "kEDH": kex("DHE"),
    "DH": kex("DHE"),
    "DHE": all_of(kex("DHE"), _not(_ANON)),
    "EDH": all_of(kex("DHE"), _not(_ANON)),
    "ADH": all_of(kex("DHE"), _ANON),
    "kDHr": all_of(kex("DH"), auth("RSA")),
    "kDHd": all_of(kex("DH"), auth("DSS")),
    "kDH": kex("DH"),
    "kECDHE": kex("ECDHE"),
    "kEECDH": kex("ECDHE"),
    "ECDH": kex("ECDHE"),
    "ECDHE": all_of(kex("ECDHE"), _not(_ANON)),
    "EECDH": all_of(kex("ECDHE"), _not(_ANON)),
    "AECDH": all_of(kex("ECDHE"), _ANON),
    "kECDHr": all_of(kex("ECDH"), auth("RSA")),
    "kECDHe": all_of(kex("ECDH"), auth("ECDSA")),
    "kECDH": kex("ECDH"),
    "kPSK": kex("PSK"),
    "kRSAPSK": kex("RSA_PSK"),
    "kDHEPSK": kex("DHE_PSK"),
    "kECDHEPSK": kex("ECDHE_PSK"),
    "PSK": kex(*_PSK),
    "kSRP": kex("SRP"),
    "SRP": kex("SRP"),
    "kGOST": kex("GOST"),
    "kGOST18": kex("GOST"),
    "aRSA": auth("RSA"),
    "aECDSA": auth("ECDSA"),
    "ECDSA": auth("ECDSA"),
    "aDSS": auth("DSS"),
    "DSS": auth("DSS"),
    "aNULL": _ANON,
    "aPSK": auth("PSK"),
    "aSRP": auth("SRP"),
    "aGOST": auth("GOST"),
    "aGOST01": auth("GOST01"),
    "aGOST12": auth("GOST"),
    "eNULL": _NULL,
    "NULL": _NULL,
    "AES128": enc("AES-128"),
    "AES256": enc("AES-256"),
    "AES": enc("AES"),
    "AESGCM": enc("AES-128-GCM", "AES-256-GCM"),
    "AESCCM": enc("AES-128-CCM", "AES-256-CCM"),
    "AESCCM8": enc("AES-128-CCM-8", "AES-256-CCM-8"),
    "CHACHA20": enc("CHACHA20"),
    "CAMELLIA": enc("CAMELLIA"),
    "CAMELLIA128": enc("CAMELLIA-128"),
    "CAMELLIA256": enc("CAMELLIA-256"),
    "ARIA": enc("ARIA"),
    "ARIAGCM": enc("ARIA-128-GCM", "ARIA-256-GCM"),
    "ARIA128": enc("ARIA-128"),
    "ARIA256": enc("ARIA-256"),
    # The newer OpenSSL reads CBC as every block cipher in that mode.
    "CBC": lambda one: one.encryption.endswith("CBC"),
    "SEED": enc("SEED"),
    "IDEA": enc("IDEA"),
    "3DES": enc("3DES"),
    "DES": enc("DES-CBC"),
    "RC4": enc("RC4"),
    "RC2": enc("RC2"),
    "MD5": mac("HMAC-MD5"),
    "SHA1": mac("HMAC-SHA1"),
    "SHA": mac("HMAC-SHA1"),
    "SHA256": mac("HMAC-SHA256"),
    "SHA384": mac("HMAC-SHA384"),
    "SSLv3": since(ProtocolVersion.SSL30),
    "TLSv1": since(ProtocolVersion.TLS10),
    "TLSv1.0": since(ProtocolVersion.TLS10),
    "TLSv1.2": since(ProtocolVersion.TLS12),
    "EXP": _EXPORT,
    "EXPORT": _EXPORT,
    "EXPORT40": _EXPORT,
    "LOW": _LOW,
    "MEDIUM": _MEDIUM,
    "HIGH": _HIGH,
    "FIPS": lambda one: one.encryption.startswith(("AES", "3DES")) and "CCM" not in one.encryption and not _SRP(one),
}
