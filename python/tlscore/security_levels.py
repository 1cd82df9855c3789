"""OpenSSL's security levels, as far as cipher suites go, and what else they ask for.

A level is a strength in bits that every part of a connection must reach. What it says about suites is applied where a
cipher string is expanded. What it says about keys, hashes, versions and tickets is no property of a suite: levels 0 to
2 ask for no more of these than this library does anyway, higher ones do, and whoever takes suites alone must not
believe that a level was kept which was not. Source: the table of SSL_CTX_set_security_level(3), OpenSSL 3.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tlscore.errors import ConfigError

if TYPE_CHECKING:
    from tlscore.suites import Suite


class SecurityLevel(NamedTuple):
    """What a level asks for: bits of every suite and of every signature, bits of RSA and of elliptic curve keys."""

    bits: int
    rsa_bits: int
    curve_bits: int


LEVELS: Final = (
    SecurityLevel(0, 0, 0),
    SecurityLevel(80, 1024, 160),
    SecurityLevel(112, 2048, 224),
    SecurityLevel(128, 3072, 256),
    SecurityLevel(192, 7680, 384),
    SecurityLevel(256, 15360, 512),
)
# RSA keys of 2,048 bits and signatures with SHA-256 are the least that a configuration takes unless it says otherwise.
KEPT_ANYWAY: Final = 2
_FORWARD_SECRET: Final = 3
_EXCHANGES: Final = ("any", "DHE", "ECDHE", "DHE_PSK", "ECDHE_PSK")
# What HMAC with SHA-1 counts as.
_SHA1_BITS: Final = 160


def permits(level: int, suite: Suite) -> bool:
    """Whether a suite may be used at a level."""
    bits = LEVELS[level].bits
    if level == 0:
        return True
    return not (
        suite.strength < bits
        or suite.authentication == "anon"
        or suite.mac == "HMAC-MD5"
        or (suite.mac == "HMAC-SHA1" and bits > _SHA1_BITS)
        or (level >= _FORWARD_SECRET and suite.key_exchange not in _EXCHANGES)
    )


def beyond_suites(level: int) -> str:
    """What a level asks for that no list of suites says; empty for the levels that are kept anyway."""
    if level <= KEPT_ANYWAY:
        return ""
    asked = LEVELS[level]
    return f"RSA keys of {asked.rsa_bits} bits, curves of {asked.curve_bits} bits, signatures of {asked.bits} bits"


def require_suites_alone(level: int | None) -> None:
    """Refuse a level of which a list of suites would keep a part only.

    Raises:   ConfigError, with what to write instead.
    """
    beyond = beyond_suites(level) if level is not None else ""
    if level is None or not beyond:
        return
    bits = LEVELS[level].rsa_bits
    # Larger RSA keys than this are refused by default, whatever the level.
    keys = f"certificate_policy=CertificatePolicy(min_rsa_bits={bits})" if bits <= 8192 else "ECDSA or Ed25519 keys"
    raise ConfigError(
        f"@SECLEVEL={level} asks for more than suites: {beyond}, which a list of suites cannot hold anybody to",
        remedy="take the level out of the string and name suites, groups= and schemes= that keep it, with "
        f"{keys}; suites.parse_cipher_string(...).permitted are the suites of the level",
        code="TLS-CONFIG-SECURITY_LEVEL",
    )
