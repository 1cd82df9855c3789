"""Named, dated, immutable policies: which versions, suites, groups and signature schemes an end accepts, in order of
preference, and how it judges certificates.

A policy never changes once it has its date: a better one gets a new date, and `DEFAULT` names the current one. Single
fields can be changed for one configuration (`suites=`, `groups=` and so on) or for a policy of one's own
(`DEFAULT.replace(name=..., suites=...)`). What is implemented, in contrast to what is registered, stands in the
`IMPLEMENTED_` tuples. Of what a guideline says about TLS 1.2, the policies have the suites with ECDHE and AEADs.
"""

from typing import Final

from tlscore import defaults
from tlscore.certs.policy import CertificatePolicy
from tlscore.errors import unknown_keyword
from tlscore.iana import SUITES12, SUITES13, CipherSuite, NamedGroup, ProtocolVersion, Registry, SignatureScheme
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
    """What is offered and accepted, in order of preference (codes of tlscore.iana), and how chains are judged."""

    name: str
    date: str
    versions: tuple[int, ...]
    suites: tuple[int, ...]
    groups: tuple[int, ...]
    key_shares: tuple[int, ...]
    schemes: tuple[int, ...]
    cert_schemes: tuple[int, ...]
    certificate_policy: CertificatePolicy = CertificatePolicy()


class Difference(Record):
    """One field in which two policies differ: names that only one of them has, and whether the rest stands in another
    order."""

    field: str
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    reordered: bool

    def __str__(self) -> str:
        parts = [f"-{name}" for name in self.only_first] + [f"+{name}" for name in self.only_second]
        return f"{self.field}: " + " ".join([*parts, *(["(order)"] if self.reordered else [])])


_REGISTRIES: Final[dict[str, type[Registry]]] = {
    "versions": ProtocolVersion,
    "suites": CipherSuite,
    "groups": NamedGroup,
    "key_shares": NamedGroup,
    "schemes": SignatureScheme,
    "cert_schemes": SignatureScheme,
}

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

_AES_128, _AES_256, _CHACHA20 = defaults.SUITES[:3]
_P256, _P384, _P521 = (
    SignatureScheme.ecdsa_secp256r1_sha256,
    SignatureScheme.ecdsa_secp384r1_sha384,
    SignatureScheme.ecdsa_secp521r1_sha512,
)
_RSA_PSS: Final = (
    SignatureScheme.rsa_pss_rsae_sha256,
    SignatureScheme.rsa_pss_rsae_sha384,
    SignatureScheme.rsa_pss_rsae_sha512,
)
_RSA_PKCS1: Final = (
    SignatureScheme.rsa_pkcs1_sha256,
    SignatureScheme.rsa_pkcs1_sha384,
    SignatureScheme.rsa_pkcs1_sha512,
)

_SCHEMES13: Final = tuple(one for one in defaults.SCHEMES if one not in _RSA_PKCS1)

# For both ends in one hand: TLS 1.3 alone, 256-bit keys and hybrids first, RSA from 3,072 bits, no wildcards,
# certificates as the CA/Browser Forum's profile has them, key files that nobody else can read.
HARDENED: Final = DEFAULT.replace(
    name="hardened",
    versions=(ProtocolVersion.TLS13,),
    suites=(_AES_256, _CHACHA20, _AES_128),
    groups=(NamedGroup.X25519MLKEM768, NamedGroup.SecP384r1MLKEM1024, NamedGroup.x25519, NamedGroup.secp384r1),
    schemes=_SCHEMES13,
    certificate_policy=CertificatePolicy(wildcards="refuse", min_rsa_bits=3072, strict=True),
)
# For old or odd peers: everything that is there and is sound, and a ClientHello that fits into one packet, since
# some middleboxes lose longer ones. Nothing weak is in it; CCM_8, whose tag has 64 bits, is for constrained devices.
COMPAT: Final = DEFAULT.replace(
    name="compat",
    suites=(
        *defaults.SUITES,
        CipherSuite.TLS_AES_128_CCM_SHA256,
        CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
        CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_CCM,
    ),
    groups=(*defaults.GROUPS, NamedGroup.secp521r1),
    key_shares=(NamedGroup.x25519,),
    cert_schemes=IMPLEMENTED_CERT_SCHEMES,
    certificate_policy=CertificatePolicy(max_rsa_bits=16384),
)
# Server Side TLS of Mozilla, version 6.0 (2026): "modern", for servers with P-256 or P-384 certificates. Its list of
# certificate signatures is about the server's own certificate; CAs above it may sign with RSA. A server should set
# prefer="client", as it says.
MOZILLA_MODERN: Final = Policy(
    name="mozilla_modern",
    date="2026-11-24",
    versions=(ProtocolVersion.TLS13,),
    suites=(_AES_128, _AES_256, _CHACHA20),
    groups=(NamedGroup.X25519MLKEM768, NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1),
    key_shares=(NamedGroup.X25519MLKEM768, NamedGroup.x25519),
    schemes=(_P256, _P384),
    cert_schemes=(_P256, _P384, _P521, *_RSA_PSS, *_RSA_PKCS1),
)
# Mozilla's "intermediate" of the same version: TLS 1.2 and RSA certificates of 2048 bits and more too. Since 6.0 it has
# no finite-field suites either.
MOZILLA_INTERMEDIATE: Final = MOZILLA_MODERN.replace(
    name="mozilla_intermediate",
    versions=(ProtocolVersion.TLS13, ProtocolVersion.TLS12),
    suites=defaults.SUITES,
    schemes=(_P256, _P384, *_RSA_PSS, *_RSA_PKCS1),
)
# NSA's CNSA 2.0 in its profile for TLS 1.3 (draft-becker-cnsa2-tls-profile-05): AES-256 with SHA-384, ML-KEM-1024 and
# ML-DSA-87, each alone: a hybrid group is no part of it.
CNSA2: Final = Policy(
    name="cnsa2",
    date="2026-11-24",
    versions=(ProtocolVersion.TLS13,),
    suites=(_AES_256,),
    groups=(NamedGroup.MLKEM1024,),
    key_shares=(NamedGroup.MLKEM1024,),
    schemes=(SignatureScheme.mldsa87,),
    cert_schemes=(SignatureScheme.mldsa87,),
)
# Algorithms that FIPS standards approve (SP 800-52, FIPS 186-5, 203, 204; SP 800-56C for hybrids). A restriction, not a
# validation: no cryptographic module of this library has a certificate of the CMVP.
FIPS_ALGORITHMS: Final = Policy(
    name="fips_algorithms",
    date="2026-11-24",
    versions=(ProtocolVersion.TLS13, ProtocolVersion.TLS12),
    suites=(
        _AES_128,
        _AES_256,
        CipherSuite.TLS_AES_128_CCM_SHA256,
        CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        CipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    groups=(
        NamedGroup.SecP256r1MLKEM768,
        NamedGroup.SecP384r1MLKEM1024,
        NamedGroup.secp256r1,
        NamedGroup.secp384r1,
        NamedGroup.secp521r1,
        NamedGroup.MLKEM768,
        NamedGroup.MLKEM1024,
    ),
    key_shares=(NamedGroup.SecP256r1MLKEM768, NamedGroup.secp256r1),
    schemes=tuple(one for one in defaults.SCHEMES if one not in (SignatureScheme.ed25519, SignatureScheme.ed448)),
    cert_schemes=defaults.CERT_SCHEMES,
)

ALL: Final = (DEFAULT, HARDENED, COMPAT, MOZILLA_MODERN, MOZILLA_INTERMEDIATE, CNSA2, FIPS_ALGORITHMS)


def named(name: str) -> Policy:
    """The policy of a name, such as "hardened". Raises ConfigError with the nearest name there is."""
    for policy in ALL:
        if policy.name == name:
            return policy
    raise unknown_keyword("policies", name, tuple(policy.name for policy in ALL))


def diff(first: Policy, second: Policy) -> tuple[Difference, ...]:
    """What changes on the way from one policy to another, field by field; names and dates do not count."""
    found = []
    for field in Policy._fields[2:]:
        before, after = _shown(field, first), _shown(field, second)
        if before != after:
            only_first = tuple(name for name in before if name not in after)
            only_second = tuple(name for name in after if name not in before)
            common = [name for name in before if name in after]
            reordered = common != [name for name in after if name in before]
            found.append(Difference(field, only_first, only_second, reordered))
    return tuple(found)


def _shown(field: str, policy: Policy) -> tuple[str, ...]:
    value = getattr(policy, field)
    registry = _REGISTRIES.get(field)
    if registry is not None:
        return tuple(map(registry.name_of, value))
    return tuple(f"{name}={getattr(value, name)!r}" for name in type(value)._fields)
