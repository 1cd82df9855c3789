"""Named, dated, immutable policies: which versions, suites, groups and signature schemes an end accepts, in order of
preference.

A policy never changes once it has its date: a better one gets a new date, and `DEFAULT` names the current one. Single
fields can be changed for one configuration (`suites=`, `groups=` and so on) or for a policy of one's own
(`DEFAULT.replace(name=..., suites=...)`). What is implemented, in contrast to what is registered, stands in the
`IMPLEMENTED_` tuples.
"""

from typing import Final

from tlscore import defaults
from tlscore.iana import SUITES12, SUITES13, NamedGroup, ProtocolVersion, SignatureScheme
from tlscore.record import Record

IMPLEMENTED_VERSIONS: Final = (ProtocolVersion.TLS13, ProtocolVersion.TLS12)
IMPLEMENTED_SUITES: Final = (*SUITES13, *SUITES12)
IMPLEMENTED_GROUPS: Final = (
    NamedGroup.x25519,
    NamedGroup.secp256r1,
    NamedGroup.secp384r1,
    NamedGroup.secp521r1,
    NamedGroup.X25519MLKEM768,
    NamedGroup.SecP256r1MLKEM768,
    NamedGroup.SecP384r1MLKEM1024,
    NamedGroup.MLKEM768,
    NamedGroup.MLKEM1024,
)
IMPLEMENTED_SCHEMES: Final = defaults.SCHEMES
IMPLEMENTED_CERT_SCHEMES: Final = (
    *defaults.CERT_SCHEMES,
    SignatureScheme.rsa_pss_pss_sha256,
    SignatureScheme.rsa_pss_pss_sha384,
    SignatureScheme.rsa_pss_pss_sha512,
    SignatureScheme.ed25519,
    SignatureScheme.ed448,
)


class Policy(Record, kw_only=True):
    """What is offered and accepted, in order of preference; codes of tlscore.iana."""

    name: str
    date: str
    versions: tuple[int, ...]
    suites: tuple[int, ...]
    groups: tuple[int, ...]
    key_shares: tuple[int, ...]
    schemes: tuple[int, ...]
    cert_schemes: tuple[int, ...]


DEFAULT: Final = Policy(
    name="default",
    date="2026-11-24",
    versions=defaults.VERSIONS,
    suites=defaults.SUITES,
    groups=defaults.GROUPS,
    key_shares=defaults.KEY_SHARES,
    schemes=defaults.SCHEMES,
    cert_schemes=defaults.CERT_SCHEMES,
)
