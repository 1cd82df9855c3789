"""What a context offers, in OpenSSL's words: cipher strings, suites of TLS 1.3, groups, curves, signature algorithms.

Each function turns a text into codes of tlscore.iana. A word that OpenSSL knows and this library has not is left out,
as OpenSSL leaves out what its build lacks; what nobody knows, or what leaves nothing, raises what the standard library
raises. A cipher string with words that `tlscore.cipher_strings` refuses is expanded by OpenSSL, which passes over them.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from tlscore import cipher_strings, policies, suites
from tlscore.errors import ConfigError, escape
from tlscore.iana import NamedGroup, ProtocolVersion, SignatureScheme
from tlscore.ssl import stdlib
from tlscore.suites import Suite


class Ciphers(NamedTuple):
    """What a cipher string leaves: suites up to TLS 1.2, and the security level where it names one."""

    suites: tuple[int, ...]
    level: int | None


def ciphers(text: Any) -> Ciphers:
    """Expand a cipher string. Raises ssl.SSLError where nothing of it can be selected."""
    try:
        expansion = cipher_strings.parse_cipher_string(text)
        codes, level = expansion.codes, expansion.security_level
    except ConfigError:
        judge = stdlib.scratch()
        before = judge.security_level
        stdlib.Core.set_ciphers(judge, text)
        known = [suites.find(one["name"]) for one in stdlib.Core.get_ciphers(judge)]
        codes = tuple([one.code for one in known if one is not None and one.versions[0] < ProtocolVersion.TLS13])
        level = judge.security_level if judge.security_level != before else None
    left = tuple([code for code in codes if code in policies.IMPLEMENTED_SUITES])
    if not left:
        raise stdlib.noted(
            ssl.SSLError("No cipher can be selected."),
            f'of what "{escape(text, 200)}" stands for nothing is implemented: allow ECDHE+AESGCM:ECDHE+CHACHA20',
        )
    return Ciphers(left, level)


def ciphersuites(text: str) -> tuple[int, ...]:
    """Suites of TLS 1.3 from names joined by colons. Raises ssl.SSLError where none can be selected."""
    if not isinstance(text, str):
        raise TypeError(f"set_ciphersuites() argument must be str, not {type(text).__name__}")
    found = []
    for name in filter(None, text.split(":")):
        known = suites.find(name)
        if known is None or known.versions[0] != ProtocolVersion.TLS13:
            raise stdlib.noted(
                ssl.SSLError("No cipher suite can be selected."), f"{escape(name, 80)} is no suite of TLS 1.3"
            )
        if known.code in policies.IMPLEMENTED_SUITES:
            found.append(known.code)
    if not found:
        raise ssl.SSLError("No cipher suite can be selected.")
    return tuple(dict.fromkeys(found))


# -- groups ------------------------------------------------------------------------------------------------------------

# OpenSSL's names first, then what else it takes for them.
_GROUP_NAMES: Final = {
    NamedGroup.secp256r1: ("secp256r1", "P-256", "prime256v1"),
    NamedGroup.secp384r1: ("secp384r1", "P-384"),
    NamedGroup.secp521r1: ("secp521r1", "P-521"),
    NamedGroup.x25519: ("x25519", "X25519"),
    NamedGroup.X25519MLKEM768: ("X25519MLKEM768",),
    NamedGroup.SecP256r1MLKEM768: ("SecP256r1MLKEM768",),
    NamedGroup.SecP384r1MLKEM1024: ("SecP384r1MLKEM1024",),
    NamedGroup.MLKEM768: ("MLKEM768",),
    NamedGroup.MLKEM1024: ("MLKEM1024",),
}
_GROUPS: Final = {name.lower(): code for code, names in _GROUP_NAMES.items() for name in names}
# What OpenSSL knows beside them.
_FOREIGN_GROUPS: Final = re.compile(
    "x448|ffdhe[0-9]+|mlkem512|sm2|curvesm2|curvesm2mlkem768|prime192v1|secp[0-9]+[kr][12]|"
    "sect[0-9]+[kr][12]|brainpoolp[0-9]+[rt]1(tls13)?"
)
# The curves that the function of old takes, by the names of that time.
_CURVES: Final = {
    "prime256v1": NamedGroup.secp256r1,
    "secp384r1": NamedGroup.secp384r1,
    "secp521r1": NamedGroup.secp521r1,
    "X25519": NamedGroup.x25519,
}


class Groups(NamedTuple):
    """Groups in order of preference, and those that a share is sent for; none named: the default chooses."""

    groups: tuple[int, ...]
    key_shares: tuple[int, ...]


def groups(text: str) -> Groups:
    """Read an OpenSSL group list, such as "X25519MLKEM768:*X25519:?P-521".

    Takes:    ":" and "/" between names; "*" before one asks for a key share, "?" passes over an unknown one, "-" takes
              one away; DEFAULT stands for the default list.
    Raises:   ssl.SSLError for a name that nobody knows, and where nothing is left.
    """
    if not isinstance(text, str):
        raise TypeError(f"set_groups() argument must be str, not {type(text).__name__}")
    chosen: dict[int, bool] = {}
    for word in filter(None, text.replace("/", ":").split(":")):
        name = word.lstrip("*?-")
        signs = word[: len(word) - len(name)]
        if name.upper() == "DEFAULT":
            chosen.update({code: code in policies.DEFAULT.key_shares for code in policies.DEFAULT.groups})
            continue
        code = _GROUPS.get(name.lower())
        if code is None:
            if not _FOREIGN_GROUPS.fullmatch(name.lower()) and "?" not in signs:
                raise stdlib.noted(ssl.SSLError("unrecognized group"), f"{escape(name, 80)} is no group")
        elif "-" in signs:
            chosen.pop(code, None)
        else:
            chosen[code] = chosen.get(code, False) or "*" in signs
    if not chosen:
        raise stdlib.noted(ssl.SSLError("unrecognized group"), f'"{escape(text, 200)}" leaves no group')
    return Groups(tuple(chosen), tuple([code for code, share in chosen.items() if share]))


def group_names(codes: Iterable[int], include_aliases: bool) -> list[str]:
    """OpenSSL's names of groups, with all that it takes for them where asked for."""
    return [name for code in codes for name in _GROUP_NAMES[code][: None if include_aliases else 1]]


def curve(name: Any) -> int:
    """The one group of set_ecdh_curve. Raises ValueError for a name that OpenSSL does not know."""
    text = os.fsdecode(name)
    if text not in _CURVES:
        # OpenSSL says whether the curve exists at all.
        stdlib.Core.set_ecdh_curve(stdlib.scratch(), name)
        raise NotImplementedError(
            f"the curve {escape(text, 80)} is not implemented: choose from {', '.join(_CURVES)}, or call set_groups"
        )
    return _CURVES[text]


# -- signatures --------------------------------------------------------------------------------------------------------

_HASHED: Final = {
    "RSA": "rsa_pkcs1_",
    "RSA-PSS": "rsa_pss_rsae_",
    "PSS": "rsa_pss_rsae_",
    "RSA-PSS-PSS": "rsa_pss_pss_",
    "ECDSA": "ecdsa_",
}
_CURVE_OF_HASH: Final = {"sha256": "secp256r1_sha256", "sha384": "secp384r1_sha384", "sha512": "secp521r1_sha512"}
_FOREIGN_SIGNATURES: Final = ("sha1", "sha224", "md5", "dsa", "gost", "brainpool", "sm2")


def signature_schemes(text: str) -> tuple[int, ...]:
    """Read a list of signature algorithms: IANA names, or pairs such as "ECDSA+SHA256", joined by colons.

    Raises:   ssl.SSLError for one that nobody knows, and where nothing is left.
    """
    if not isinstance(text, str):
        raise TypeError(f"argument must be str, not {type(text).__name__}")
    names = {SignatureScheme.name_of(code).lower(): code for code in policies.IMPLEMENTED_SCHEMES}
    found = []
    for word in filter(None, text.split(":")):
        name = word.lstrip("?")
        algorithm, _, digest = name.partition("+")
        if digest:
            digest = digest.lower().replace("-", "")
            ending = _CURVE_OF_HASH.get(digest, digest) if algorithm.upper() == "ECDSA" else digest
            name = _HASHED.get(algorithm.upper(), algorithm) + ending
        code = names.get(name.lower())
        if code is not None:
            found.append(code)
        elif word[0] != "?" and not any(part in word.lower().replace("-", "") for part in _FOREIGN_SIGNATURES):
            raise stdlib.noted(
                ssl.SSLError("unrecognized signature algorithm"), f"{escape(word, 80)} is no signature algorithm"
            )
    if not found:
        raise ssl.SSLError("unrecognized signature algorithm")
    return tuple(dict.fromkeys(found))


def get_sigalgs() -> list[str]:
    """The signature algorithms that contexts can be given, by their IANA names."""
    return [SignatureScheme.name_of(code) for code in policies.IMPLEMENTED_SCHEMES]


# -- suites as get_ciphers shows them ----------------------------------------------------------------------------------

_VERSION_NAMES: Final = {
    ProtocolVersion.TLS13: "TLSv1.3",
    ProtocolVersion.TLS12: "TLSv1.2",
    ProtocolVersion.TLS10: "TLSv1.0",
    ProtocolVersion.SSL30: "SSLv3",
}
_KEY_EXCHANGES: Final = {"any": ("any", "kx-any"), "ECDHE": ("ECDH", "kx-ecdhe"), "DHE": ("DH", "kx-dhe")}
_SUFFIXES: Final = (("-GCM", "AESGCM"), ("-CCM-8", "AESCCM8"), ("-CCM", "AESCCM"), ("-CBC", "AES"))


def described(codes: Iterable[int]) -> list[dict[str, Any]]:
    """Suites as the dicts of get_ciphers."""
    return [_described(suites.suite(code)) for code in codes]


def _described(one: Suite) -> dict[str, Any]:
    name, version = one.openssl_name or one.name, _VERSION_NAMES[one.versions[0]]
    exchange, kea = _KEY_EXCHANGES.get(one.key_exchange, (one.key_exchange, f"kx-{one.key_exchange.lower()}"))
    auth = "None" if one.authentication == "anon" else one.authentication
    mac = one.mac.removeprefix("HMAC-")
    bits = one.strength
    return {
        "id": 0x03000000 | one.code,
        "name": name,
        "protocol": version,
        "description": f"{name:<30} {version:<7} Kx={exchange:<8} Au={auth:<5} Enc={_encryption(one):<22} Mac={mac:<4}",
        "strength_bits": bits,
        "alg_bits": bits,
        "aead": one.mac == "AEAD",
        "symmetric": one.encryption.lower().removesuffix("-8"),
        "digest": None if one.mac == "AEAD" else mac.lower(),
        "kea": kea,
        "auth": "auth-null" if one.authentication == "anon" else f"auth-{one.authentication.lower()}",
    }


def _encryption(one: Suite) -> str:
    if one.encryption.startswith("CHACHA20"):
        return f"CHACHA20/POLY1305({one.strength})"
    kind = next((name for ending, name in _SUFFIXES if one.encryption.endswith(ending)), "None")
    return f"{kind}({one.strength})" if kind != "None" else kind


def strong_enough(level: int | None) -> Callable[[int], bool]:
    """Whether a suite has the bits that a security level asks for."""
    bits = (0, 0, 112, 128, 192, 256)[level or 0]
    return lambda code: suites.suite(code).strength >= bits
