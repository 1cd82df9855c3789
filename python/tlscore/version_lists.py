"""Which entries of the lists of a configuration belong to which version, and which versions the lists leave possible.

Suites are of one version each; hybrid groups and ML-DSA exist in TLS 1.3 alone, PKCS #1 v1.5 signs handshakes in TLS
1.2 alone. What comes from the policy is cut to what the versions can use; what the caller names must be usable as it
stands. Where nobody named the versions, TLS 1.2 goes when the named lists have nothing for it: the suites
("TLS_AES_128_GCM_SHA256",) alone say TLS 1.3. The newest version never goes unsaid.
"""

from typing import Final

from tlscore.errors import ConfigError
from tlscore.iana import SUITES12, SUITES13, CipherSuite, NamedGroup, ProtocolVersion, Registry, SignatureScheme

_BOTH: Final = (ProtocolVersion.TLS13, ProtocolVersion.TLS12)
_NAMES: Final = {ProtocolVersion.TLS13: "TLS 1.3", ProtocolVersion.TLS12: "TLS 1.2"}
REGISTRIES: Final[dict[str, type[Registry]]] = {
    "suites": CipherSuite,
    "groups": NamedGroup,
    "schemes": SignatureScheme,
}
# RFC 8422 5.1.1: the groups of ECDHE in TLS 1.2.
CURVES: Final = (NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1, NamedGroup.secp521r1)
_ONLY12: Final = (
    SignatureScheme.rsa_pkcs1_sha256,
    SignatureScheme.rsa_pkcs1_sha384,
    SignatureScheme.rsa_pkcs1_sha512,
)
_ONLY13: Final = (SignatureScheme.mldsa44, SignatureScheme.mldsa65, SignatureScheme.mldsa87)


def usable(field: str, code: int, version: int) -> bool:
    """Whether an entry of a list means something in a version."""
    newer = version == ProtocolVersion.TLS13
    if field == "suites":
        return code in (SUITES13 if newer else SUITES12)
    if field == "groups":
        return newer or code in CURVES
    return code not in (_ONLY12 if newer else _ONLY13)


def fitting(field: str, codes: tuple[int, ...], versions: tuple[int, ...]) -> tuple[int, ...]:
    """The entries of a list that mean something in one of the versions at least."""
    if field not in REGISTRIES or len(versions) == len(_BOTH):
        return codes
    return tuple([code for code in codes if any(usable(field, code, version) for version in versions)])


def settle(chosen: dict[str, tuple[int, ...]], named: frozenset[str]) -> None:
    """Make versions, suites, groups and schemes fit each other, in place.

    Takes:    chosen: the lists by field; named: the fields that the caller gave, which stay as they are.
    Raises:   ConfigError where they contradict each other.
    """
    if "versions" not in named:
        newest, *others = chosen["versions"]
        chosen["versions"] = (newest, *[version for version in others if not _lacking(chosen, version)])
    versions = chosen["versions"]
    for field, registry in REGISTRIES.items():
        fit = fitting(field, chosen[field], versions)
        if field not in named:
            chosen[field] = fit
        elif len(fit) != len(chosen[field]):
            wrong = next(code for code in chosen[field] if code not in fit)
            raise ConfigError(
                f"{field} names {registry.name_of(wrong)}, which belongs to no version that is enabled "
                f"({_text(versions)})",
                remedy=f"leave it out, or enable its version: versions={_written(_BOTH)}",
                code="TLS-CONFIG-NOT_AVAILABLE",
            )
    for version in versions:
        if _lacking(chosen, version):
            raise _impossible(chosen, version)


def _lacking(chosen: dict[str, tuple[int, ...]], version: int) -> str | None:
    """The field that has nothing for a version."""
    for field in REGISTRIES:
        if not any(usable(field, code, version) for code in chosen[field]):
            return field
    return None


def _impossible(chosen: dict[str, tuple[int, ...]], version: int) -> ConfigError:
    field = _lacking(chosen, version)
    others = tuple([other for other in _BOTH if other != version])
    return ConfigError(
        f"{_NAMES[version]} is enabled, and {field} holds nothing that it could use",
        remedy=f"add {field} of {_NAMES[version]}, or do without it: versions={_written(others)}",
        code="TLS-CONFIG-NOT_AVAILABLE",
    )


def _text(versions: tuple[int, ...]) -> str:
    return " and ".join(_NAMES[version] for version in versions)


def _written(versions: tuple[int, ...]) -> str:
    return "(" + ", ".join(f'"{_NAMES[version].removeprefix("TLS ")}"' for version in versions) + ",)"
