"""What every cipher suite stands for: its names, its four parts, its strength, and what this library does with it.

The table in suite_table.py is read when the first suite is asked for; the rest follows from the names, which are
regular: TLS_<key exchange>_<authentication>_WITH_<encryption>_<hash>. A suite of TLS 1.3 names encryption and hash
only. Status: "default" is offered without asking, "compat" when it is named, "legacy" only by the legacy tier, "never"
by nothing: such suites are here so that they can be recognised and explained.

    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256  ─►  ECDHE | RSA | AES-128-GCM | AEAD (hash sha256)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal

from tlscore.errors import unknown_keyword
from tlscore.iana import CipherSuite, ProtocolVersion
from tlscore.record import Record
from tlscore.suite_table import REGISTERED

if TYPE_CHECKING:
    from tlscore.cipher_strings import Expansion

Status = Literal["default", "compat", "legacy", "never"]
Part = Literal["authentication", "encryption", "integrity"]

# How the registry spells an encryption -> (our name, bits of strength). Triple DES has 112 bits (SP 800-57).
_ENCRYPTIONS: Final = {
    "NULL": ("NULL", 0),
    "AES_128_CBC": ("AES-128-CBC", 128),
    "AES_256_CBC": ("AES-256-CBC", 256),
    "AES_128_GCM": ("AES-128-GCM", 128),
    "AES_256_GCM": ("AES-256-GCM", 256),
    "AES_128_CCM": ("AES-128-CCM", 128),
    "AES_256_CCM": ("AES-256-CCM", 256),
    "AES_128_CCM_8": ("AES-128-CCM-8", 128),
    "AES_256_CCM_8": ("AES-256-CCM-8", 256),
    "CHACHA20_POLY1305": ("CHACHA20-POLY1305", 256),
    "AEGIS_256": ("AEGIS-256", 256),
    "AEGIS_128L": ("AEGIS-128L", 128),
    "CAMELLIA_128_CBC": ("CAMELLIA-128-CBC", 128),
    "CAMELLIA_256_CBC": ("CAMELLIA-256-CBC", 256),
    "CAMELLIA_128_GCM": ("CAMELLIA-128-GCM", 128),
    "CAMELLIA_256_GCM": ("CAMELLIA-256-GCM", 256),
    "ARIA_128_CBC": ("ARIA-128-CBC", 128),
    "ARIA_256_CBC": ("ARIA-256-CBC", 256),
    "ARIA_128_GCM": ("ARIA-128-GCM", 128),
    "ARIA_256_GCM": ("ARIA-256-GCM", 256),
    "SEED_CBC": ("SEED-CBC", 128),
    "IDEA_CBC": ("IDEA-CBC", 128),
    "3DES_EDE_CBC": ("3DES-EDE-CBC", 112),
    "DES_CBC": ("DES-CBC", 56),
    "RC4_128": ("RC4-128", 128),
    "DES40_CBC": ("DES40-CBC", 40),
    "DES_CBC_40": ("DES40-CBC", 40),
    "RC2_CBC_40": ("RC2-40-CBC", 40),
    "RC4_40": ("RC4-40", 40),
    "SM4_GCM": ("SM4-GCM", 128),
    "SM4_CCM": ("SM4-CCM", 128),
    "28147_CNT": ("GOST28147-CNT", 256),
    "KUZNYECHIK_CTR": ("KUZNYECHIK-CTR", 256),
    "MAGMA_CTR": ("MAGMA-CTR", 256),
    "KUZNYECHIK_MGM_L": ("KUZNYECHIK-MGM-L", 256),
    "KUZNYECHIK_MGM_S": ("KUZNYECHIK-MGM-S", 256),
    "MAGMA_MGM_L": ("MAGMA-MGM-L", 256),
    "MAGMA_MGM_S": ("MAGMA-MGM-S", 256),
}
_AEADS = ("GCM", "CCM", "CCM_8", "POLY1305", "AEGIS_256", "AEGIS_128L", "MGM_L", "MGM_S")
_HASHES: Final = {
    "MD5": "MD5",
    "SHA": "SHA1",
    "SHA256": "SHA256",
    "SHA384": "SHA384",
    "SHA512": "SHA512",
    "SM3": "SM3",
    "OMAC": "OMAC",
    "IMIT": "IMIT",
}
# The registry's key exchange -> (key exchange, authentication). Static (EC)DH lives in the certificate.
_EXCHANGES: Final = {
    "NULL": ("NULL", "NULL"),
    "RSA": ("RSA", "RSA"),
    "DH_DSS": ("DH", "DSS"),
    "DH_RSA": ("DH", "RSA"),
    "DHE_DSS": ("DHE", "DSS"),
    "DHE_RSA": ("DHE", "RSA"),
    "DH_anon": ("DHE", "anon"),
    "ECDH_ECDSA": ("ECDH", "ECDSA"),
    "ECDH_RSA": ("ECDH", "RSA"),
    "ECDHE_ECDSA": ("ECDHE", "ECDSA"),
    "ECDHE_RSA": ("ECDHE", "RSA"),
    "ECDH_anon": ("ECDHE", "anon"),
    "KRB5": ("KRB5", "KRB5"),
    "PSK": ("PSK", "PSK"),
    "DHE_PSK": ("DHE_PSK", "PSK"),
    "PSK_DHE": ("DHE_PSK", "PSK"),
    "RSA_PSK": ("RSA_PSK", "RSA"),
    "ECDHE_PSK": ("ECDHE_PSK", "PSK"),
    "SRP_SHA": ("SRP", "SRP"),
    "SRP_SHA_RSA": ("SRP", "RSA"),
    "SRP_SHA_DSS": ("SRP", "DSS"),
    "ECCPWD": ("ECCPWD", "ECCPWD"),
    "GOSTR341112_256": ("GOST", "GOST"),
}
_SSL30, _TLS10, _TLS11 = ProtocolVersion.SSL30, ProtocolVersion.TLS10, ProtocolVersion.TLS11
_TLS12, _TLS13 = ProtocolVersion.TLS12, ProtocolVersion.TLS13


class Suite(Record):
    """One cipher suite.

    `key_exchange`, `authentication`, `encryption` and `mac` are the four parts that the name speaks of: in TLS 1.3 the
    first two are "any", since groups and signature schemes are agreed on their own. `hash` drives the key schedule,
    `strength` is that of the encryption in bits, `versions` the oldest and the newest version that may use the suite,
    `missing` what it does not give, `why` the reason for a status that is not "default".
    """

    code: int
    name: str
    openssl_name: str | None
    key_exchange: str
    authentication: str
    encryption: str
    mac: str
    hash: str
    strength: int
    versions: tuple[int, int]
    status: Status
    why: str
    missing: tuple[Part, ...]
    source: str

    @property
    def aead(self) -> bool:
        """Whether one algorithm encrypts and authenticates."""
        return self.mac == "AEAD"

    @property
    def forward_secret(self) -> bool:
        """Whether a key that leaks later opens nothing that was recorded before."""
        return self.key_exchange in ("any", "ECDHE", "DHE", "DHE_PSK", "ECDHE_PSK", "ECCPWD")

    def usable_in(self, version: int) -> bool:
        """Whether a connection of this version may use the suite."""
        return self.versions[0] <= version <= self.versions[1]


def all_suites() -> tuple[Suite, ...]:
    """The registry, by code."""
    return tuple(_by_code().values())


def suite(which: int | str) -> Suite:
    """A suite by code, by IANA name or by OpenSSL name.

    Raises:   KeyError for a code that is not registered; ConfigError with the nearest name for an unknown name.
    """
    if isinstance(which, int):
        return _by_code()[which]
    found = find(which)
    if found is None:
        raise unknown_keyword("the registry of cipher suites", which, tuple(_BY_NAME))
    return found


def find(name: str) -> Suite | None:
    """A suite by IANA name or by OpenSSL name; None for other text."""
    _by_code()
    return _BY_NAME.get(name)


def name_of(code: int) -> str:
    """The IANA name of a code, also of the signalling ones; a code that nobody has is shown as it is."""
    known = _by_code().get(code)
    return known.name if known is not None else CipherSuite.name_of(code)


def to_openssl(iana_name: str) -> str | None:
    """OpenSSL's name of a suite; None where OpenSSL never had the suite."""
    return suite(iana_name).openssl_name


def to_iana(openssl_name: str) -> str:
    """The IANA name for OpenSSL's name."""
    return suite(openssl_name).name


def parse_cipher_string(text: str, *, available: Iterable[int] | None = None) -> Expansion:
    """Expand an OpenSSL cipher string such as "ECDHE+AESGCM:!aNULL:@STRENGTH", in OpenSSL's order.

    Takes:    available: codes that the expansion may hold; every suite that OpenSSL knows where none are given.
    Raises:   ConfigError that marks the word it does not know, with the nearest one.
    """
    from tlscore.cipher_strings import parse_cipher_string as parse

    return parse(text, available=available)


class Finding(Record):
    """Something that is wrong with a list of suites."""

    suite: str
    problem: str
    severity: Literal["error", "warning"]


def lint(codes: Iterable[int], versions: Iterable[int] = (_TLS12, _TLS13)) -> tuple[Finding, ...]:
    """What a careful reader would say about a list of suites for these versions."""
    enabled = tuple(versions)
    found: list[Finding] = []
    for code in codes:
        known = _by_code().get(code)
        if known is None:
            found.append(Finding(CipherSuite.name_of(code), "is not in the registry", "error"))
            continue
        for part in known.missing:
            found.append(Finding(known.name, f"gives no {part}", "error"))
        if known.status == "never":
            found.append(Finding(known.name, known.why, "error"))
        elif known.status == "legacy":
            found.append(Finding(known.name, known.why, "warning"))
        if not any(known.usable_in(version) for version in enabled):
            found.append(Finding(known.name, "belongs to no version that is enabled", "error"))
    return tuple(found)


# -- what a name says --------------------------------------------------------------------------------------------------

_BY_CODE: dict[int, Suite] = {}
_BY_NAME: dict[str, Suite] = {}


def _by_code() -> dict[int, Suite]:
    if not _BY_CODE:
        made = [
            _from_name(first + place, "TLS_" + name, source)
            for source, first, names in REGISTERED
            for place, name in enumerate(names.split())
        ]
        by_name: dict[str, Suite] = {}
        for one in made:
            if one.openssl_name is not None:
                by_name[one.openssl_name] = one
            by_name[one.name] = one
        _BY_NAME.update(by_name)
        _BY_CODE.update({one.code: one for one in made})
    return _BY_CODE


def _from_name(code: int, name: str, source: str) -> Suite:
    exchange, _, rest = name.removeprefix("TLS_").rpartition("_WITH_")
    export = exchange.endswith("_EXPORT")
    kex, auth = _EXCHANGES[exchange.removesuffix("_EXPORT")] if exchange else ("any", "any")
    cipher, hash_name = _cipher_and_hash(rest)
    encryption, strength = _ENCRYPTIONS[cipher]
    aead = cipher.endswith(_AEADS)
    mac = "AEAD" if aead else "NULL" if hash_name == "NULL" else f"HMAC-{hash_name}"
    if hash_name in ("OMAC", "IMIT"):
        mac, hash_name = hash_name, "STREEBOG256"
    if kex == "GOST" and aead:
        hash_name = "STREEBOG256"
    versions = _versions(exchange, export, cipher, aead, hash_name)
    missing = _missing(auth, encryption, mac)
    # RFC 5246 5: suites that bring no hash of their own for the PRF use SHA-256 in TLS 1.2.
    prf = "sha256" if hash_name in ("MD5", "SHA1") and versions[1] == _TLS12 else hash_name.lower()
    status, why = _status(exchange, export, kex, auth, encryption, mac, versions)
    return Suite(
        code, name, _openssl_name(exchange, export, rest, cipher), kex, auth, encryption, mac, prf, strength, versions,
        status, why, missing, source,
    )  # fmt: skip


def _cipher_and_hash(rest: str) -> tuple[str, str]:
    """ "AES_128_GCM_SHA256" -> ("AES_128_GCM", "SHA256"); the CCM suites of RFC 6655 imply their hash."""
    if rest == "NULL_NULL":
        return "NULL", "NULL"
    if rest in _ENCRYPTIONS:
        return rest, "SHA256"
    cipher, _, hash_name = rest.rpartition("_")
    if cipher in ("SHA256", "SHA384"):  # RFC 9150: integrity only
        return "NULL", hash_name
    return cipher, _HASHES[hash_name]


def _versions(exchange: str, export: bool, cipher: str, aead: bool, hash_name: str) -> tuple[int, int]:
    if not exchange:
        return _TLS13, _TLS13
    if exchange.startswith("GOST"):
        return (_TLS13, _TLS13) if aead else (_TLS12, _TLS12)
    if export:
        # RFC 4346 A.5: "TLS 1.1 implementations MUST NOT negotiate these cipher suites"
        return _SSL30, _TLS10
    if cipher in ("DES_CBC", "IDEA_CBC"):
        # RFC 5469: both were taken out of TLS 1.2.
        return _SSL30, _TLS11
    if aead:
        return _TLS12, _TLS12
    if hash_name in ("SHA256", "SHA384"):
        # RFC 5487 3.1 and its kin give the PSK suites with these hashes to every version of TLS.
        psk = exchange.endswith("PSK") and not cipher.startswith("ARIA")
        return (_TLS10 if psk else _TLS12), _TLS12
    return (_TLS10 if exchange.startswith("EC") else _SSL30), _TLS12


def _missing(auth: str, encryption: str, mac: str) -> tuple[Part, ...]:
    parts: list[Part] = []
    if auth in ("anon", "NULL"):
        parts.append("authentication")
    if encryption == "NULL":
        parts.append("encryption")
    if mac == "NULL":
        parts.append("integrity")
    return tuple(parts)


_BROKEN: Final = {
    "RC4-128": "RC4 leaks plaintext (RFC 7465)",
    "3DES-EDE-CBC": "64-bit blocks repeat within hours (Sweet32)",
    "DES-CBC": "56 bits are searched in a day",
    "IDEA-CBC": "64-bit blocks repeat within hours (RFC 5469)",
}
_FOREIGN = ("CAMELLIA", "ARIA", "SEED", "SM4", "AEGIS", "GOST", "KUZNYECHIK", "MAGMA")


def _status(
    exchange: str, export: bool, kex: str, auth: str, encryption: str, mac: str, versions: tuple[int, int]
) -> tuple[Status, str]:
    why = _never(exchange, export, kex, auth, encryption, mac)
    if why:
        return "never", why
    ccm8 = encryption.endswith("CCM-8")
    if versions[0] == _TLS13:
        if encryption == "NULL":
            return "never", "it only authenticates, and TLS 1.3 here always encrypts (RFC 9150)"
        if encryption.endswith(("CCM", "CCM-8")):
            return "compat", "its tag has 64 bits" if ccm8 else "slow in software; for constrained devices"
        return "default", ""
    if auth == "anon":
        return "legacy", "nobody is authenticated: anybody on the way can read and change everything"
    if encryption == "NULL":
        return "legacy", "nothing is encrypted; for debugging only"
    if kex == "RSA":
        return "legacy", "no forward secrecy: whoever gets the server's key reads every recording (RFC 10015)"
    if kex == "DHE":
        return "legacy", "finite-field Diffie-Hellman is deprecated in TLS 1.2 (RFC 10015)"
    if mac != "AEAD":
        return "legacy", "CBC with a separate MAC: safe only with encrypt_then_mac or in constant time"
    if "CCM" in encryption:
        return "compat", "its tag has 64 bits" if ccm8 else "slow in software; for constrained devices"
    return "default", ""


def _never(exchange: str, export: bool, kex: str, auth: str, encryption: str, mac: str) -> str:
    """Why a suite is in no build; empty for the others."""
    if kex == "NULL":
        return "it protects nothing: it is the state before the handshake"
    if export:
        return "export ciphers were made to be broken (RFC 4346 A.5)"
    if encryption in _BROKEN:
        return _BROKEN[encryption]
    if mac == "HMAC-MD5":
        return "MD5 must not be used (RFC 6151, RFC 9846)"
    if auth == "DSS":
        return "DSA must not be used (RFC 9846)"
    if kex in ("DH", "ECDH"):
        return "static Diffie-Hellman keys have no forward secrecy and leak in many ways (RFC 9325 4.2.2)"
    if encryption.startswith(_FOREIGN):
        return "not implemented: no need beside AES and ChaCha20"
    if kex not in ("any", "ECDHE", "DHE", "RSA"):
        return f"not implemented: {exchange.replace('_', '-')} key exchange in TLS 1.2"
    if kex in ("RSA", "DHE") and "CCM" in encryption:
        return "not implemented: CCM without ECDHE"
    return ""


# -- OpenSSL's names ---------------------------------------------------------------------------------------------------

_OPENSSL_EXCHANGE: Final = {
    "RSA": "",
    "DH_anon": "ADH-",
    "ECDH_anon": "AECDH-",
    "SRP_SHA": "SRP-",
    "PSK_DHE": "DHE-PSK-",
}
_OPENSSL_CIPHER: Final = {
    "3DES_EDE_CBC": "DES-CBC3",
    "DES40_CBC": "DES-CBC",
    "RC4_128": "RC4",
    "RC4_40": "RC4",
    "RC2_CBC_40": "RC2-CBC",
    "IDEA_CBC": "IDEA-CBC",
    "DES_CBC": "DES-CBC",
}
# Families that OpenSSL never had, by how their names begin or by the encryption.
_NOT_IN_OPENSSL = ("KRB5", "ECCPWD", "NULL", "GOST")


def _openssl_name(exchange: str, export: bool, rest: str, cipher: str) -> str | None:
    """The name in OpenSSL's list, past and present; it follows rules of its own."""
    if not exchange:
        return f"TLS_{rest}" if cipher.startswith(("AES", "CHACHA")) else None
    if exchange == "GOSTR341112_256":
        return "GOST2012-GOST8912-GOST8912" if cipher == "28147_CNT" else None
    kind = exchange.removesuffix("_EXPORT")
    if kind.startswith(_NOT_IN_OPENSSL) or not _openssl_has(kind, cipher):
        return None
    prefix = _OPENSSL_EXCHANGE.get(kind, kind.removeprefix("SRP_SHA_").replace("_", "-") + "-")
    if kind.startswith("SRP_SHA_"):
        prefix = "SRP-" + prefix
    hash_name = rest.removeprefix(cipher).strip("_")
    if cipher == "CHACHA20_POLY1305":
        return f"{prefix}CHACHA20-POLY1305"
    if cipher == "3DES_EDE_CBC" and kind.endswith(("PSK", "SRP_SHA", "SRP_SHA_RSA", "SRP_SHA_DSS")):
        return f"{prefix}3DES-EDE-CBC-{hash_name}"
    if cipher.startswith(("DES", "3DES")) and kind.startswith("DHE_"):
        prefix = "EDH-" + prefix.removeprefix("DHE-")
    if cipher.startswith("ARIA") and kind == "ECDHE_RSA":
        prefix = "ECDHE-"
    name = _OPENSSL_CIPHER.get(cipher) or _openssl_cipher(kind, cipher)
    whole = f"{prefix}{name}-{hash_name}" if hash_name else f"{prefix}{name}"
    return f"EXP-{whole}" if export else whole


def _openssl_has(kind: str, cipher: str) -> bool:
    if cipher.startswith("ARIA"):
        return cipher.endswith("GCM") and kind in (
            "RSA", "DHE_RSA", "DHE_DSS", "ECDHE_RSA", "ECDHE_ECDSA", "PSK", "DHE_PSK", "RSA_PSK",
        )  # fmt: skip
    if cipher.startswith("CAMELLIA"):
        return cipher.endswith("CBC")
    return not (kind == "ECDHE_PSK" and cipher.endswith(("GCM", "CCM", "CCM_8")))


def _openssl_cipher(kind: str, cipher: str) -> str:
    """AES_128_GCM -> AES128-GCM, AES_128_CBC -> AES128, or with its mode in the families that say it."""
    family, _, mode = cipher.partition("_")
    if cipher == "NULL" or cipher == "SEED_CBC":
        return family
    bits, _, mode = mode.partition("_")
    if mode == "CBC":
        if kind.startswith("SRP"):
            return f"AES-{bits}-CBC"
        # OpenSSL writes PSK-AES128-CBC-SHA, but PSK-CAMELLIA128-SHA256.
        return f"AES{bits}-CBC" if kind.endswith("PSK") and family == "AES" else f"{family}{bits}"
    return f"{family}{bits}-{mode.replace('_', '')}"
