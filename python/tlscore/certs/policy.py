"""The knobs of certificate verification, each with its name, its default and its reason.

The defaults refuse what can be forged or misread and accept what honest in-house authorities issue. `strict=True` adds
the rules of the CA/Browser Forum's profile (key identifiers, critical basicConstraints, an extended key usage in every
leaf, no CA certificate as a leaf). What can never be switched on is MD2, MD4 and MD5. A policy is immutable and is
compared by identity where chains are remembered, so build it once.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Final, Literal

from tlscore import clocks
from tlscore.errors import ConfigError
from tlscore.record import Record

Wildcards = Literal["leftmost", "refuse"]

# Own limit: RSA verification grows with the square of the size; 16,384 bits cost 1.5 ms a signature.
_RSA_BITS: Final = (1024, 16384)
_DEPTH: Final = 16


class Budgets(Record, kw_only=True):
    """What one chain may cost. Defaults keep the worst chain below 50 ms on one core of 2020."""

    # Own limits, those of rustls-webpki: no honest chain comes near them. A step is about 0.2 microseconds; a signature
    # check also costs the steps of its kind, P-256 about 300 and P-521 about 3,500.
    signatures: int = 100
    steps: int = 200_000
    name_comparisons: int = 250_000
    # More octets than the handshake lets through; here for callers that have no handshake.
    chain_octets: int = 1 << 17

    def __post_init__(self) -> None:
        for field in type(self)._fields:
            value = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"Budgets.{field} is {value!r}", remedy="give a whole number above 0")


class LegacyHash(Record):
    """SHA-1 signatures taken for a while, below some anchors only.

    Takes:    anchors: SHA-256 fingerprints (hexadecimal, colons allowed) of the trust anchors whose chains may have
              SHA-1 signatures. until: the last day, or the exact time (in UTC where it names no zone), at
              which they are taken.
    """

    anchors: tuple[str, ...]
    until: date

    def __post_init__(self) -> None:
        if isinstance(self.anchors, str):
            raise ConfigError("LegacyHash.anchors is one text", remedy="give a tuple of fingerprints")
        cleaned = tuple(one.replace(":", "").lower() for one in self.anchors)
        if not cleaned or any(len(one) != 64 or set(one) - set("0123456789abcdef") for one in cleaned):
            raise ConfigError(
                "LegacyHash.anchors holds no SHA-256 fingerprints",
                remedy="give 64 hexadecimal digits each: openssl x509 -noout -fingerprint -sha256 -in ca.pem",
            )
        if not isinstance(self.until, date):
            raise ConfigError(
                "LegacyHash.until is no date", remedy="give datetime.date(...): the window must end some day"
            )
        object.__setattr__(self, "anchors", cleaned)

    @property
    def end(self) -> datetime:
        """The moment at which the window closes."""
        if isinstance(self.until, datetime):
            return clocks.aware(self.until)
        return datetime.combine(self.until, time.max, UTC)


class CertificatePolicy(Record, kw_only=True):
    """How a peer's chain is judged."""

    # RFC 9525 6.3 lets an application refuse wildcards altogether.
    wildcards: Wildcards = "leftmost"
    # RFC 9525 forbids it. On: the common name counts where the certificate has no subjectAltName of any type.
    cn_fallback: bool = False
    # RFC 9325 4.5 puts RSA keys of less than 2048 bits out.
    min_rsa_bits: int = 2048
    max_rsa_bits: int = 8192
    allow_sha1: LegacyHash | None = None
    # A purpose of anyExtendedKeyUsage stands for server and client authentication.
    allow_any_purpose: bool = False
    # Intermediate certificates between leaf and anchor; self-issued ones are not counted.
    depth: int = 8
    budgets: Budgets = Budgets()
    strict: bool = False
    # What RFC 5280 asks of issuers and lets verifiers do without: key identifiers, keyUsage of CAs, what is critical.
    issuer_rules: bool = False
    # RFC 5280 6.1.1: inputs (c) to (g). Policies are OIDs as dotted text; none given: any policy is acceptable.
    accepted_policies: tuple[str, ...] = ()
    require_explicit_policy: bool = False
    inhibit_policy_mapping: bool = False
    inhibit_any_policy: bool = False
    # Chains that verified are remembered, within their validity.
    remember: bool = True

    def __post_init__(self) -> None:
        if self.wildcards not in ("leftmost", "refuse"):
            raise ConfigError(
                f"wildcards is {self.wildcards!r}",
                remedy='give "leftmost" (RFC 9525) or "refuse"',
                section="RFC 9525 6.3",
            )
        lowest, highest = _RSA_BITS
        if not lowest <= self.min_rsa_bits <= self.max_rsa_bits <= highest:
            raise ConfigError(
                f"RSA keys of {self.min_rsa_bits} to {self.max_rsa_bits} bits cannot be meant",
                remedy=f"keep {lowest} <= min_rsa_bits <= max_rsa_bits <= {highest}",
                section="RFC 9325 4.5",
            )
        if not isinstance(self.depth, int) or not 0 <= self.depth <= _DEPTH:
            raise ConfigError(f"depth is {self.depth!r}", remedy=f"give 0 to {_DEPTH} intermediate certificates")
        if self.allow_sha1 is not None and not isinstance(self.allow_sha1, LegacyHash):
            raise ConfigError(
                "allow_sha1 has no scope",
                remedy="give LegacyHash(anchors=(fingerprint,), until=date(...)): whose signatures, and until when",
            )
        if not isinstance(self.budgets, Budgets):
            raise ConfigError("budgets is no Budgets", remedy="give Budgets(signatures=..., steps=...)")


DEFAULT: Final = CertificatePolicy()
