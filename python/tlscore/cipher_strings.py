"""OpenSSL cipher strings: parsed, expanded in OpenSSL's order, and wrong ones shown with a caret.

A string is a list of rules over one ordered list of suites. All suites start inactive, in an order of preference; each
rule makes some active at the end (no sign), takes some back (-), kills some (!) or moves some to the end (+).
"@STRENGTH" sorts what is active, "@SECLEVEL=n" is kept for the reader. Words joined by + within one rule must all hold.
OpenSSL passes over words that it does not know; here they are errors, since a typing mistake in a security setting must
not go unseen. Cipher strings never speak of TLS 1.3.

    ECDHE+AESGCM : !aNULL : @STRENGTH      one rule ':' the next
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Final

from tlscore import suites
from tlscore.errors import ConfigError, escape
from tlscore.iana import ProtocolVersion
from tlscore.record import Record
from tlscore.suites import Suite

_SEPARATORS = ": ,;"
_WORD = "-._="  # what a word may hold beside letters and digits
_Test = Callable[[Suite], bool]


class Expansion(Record):
    """What a cipher string stands for: the active suites in order, and the security level it asks for."""

    text: str
    suites: tuple[Suite, ...]
    security_level: int | None

    @property
    def codes(self) -> tuple[int, ...]:
        return tuple([one.code for one in self.suites])

    @property
    def names(self) -> tuple[str, ...]:
        """IANA names."""
        return tuple([one.name for one in self.suites])

    @property
    def openssl_names(self) -> tuple[str, ...]:
        return tuple([one.openssl_name or one.name for one in self.suites])


# -- the words ---------------------------------------------------------------------------------------------------------


def _kex(*kinds: str) -> _Test:
    return lambda one: one.key_exchange in kinds


def _auth(*kinds: str) -> _Test:
    return lambda one: one.authentication in kinds


def _enc(*beginnings: str) -> _Test:
    return lambda one: one.encryption.startswith(beginnings)


def _mac(kind: str) -> _Test:
    return lambda one: one.mac == kind


def _all(*tests: _Test) -> _Test:
    return lambda one: all(test(one) for test in tests)


def _not(test: _Test) -> _Test:
    return lambda one: not test(one)


def _since(version: int) -> _Test:
    return lambda one: one.versions[0] == version


_PSK = ("PSK", "DHE_PSK", "RSA_PSK", "ECDHE_PSK")
_ANON, _NULL, _SRP = _auth("anon"), _enc("NULL"), _kex("SRP")
_MEDIUM = _enc("RC4-128", "SEED", "IDEA", "3DES")
_EXPORT: _Test = lambda one: (one.openssl_name or "").startswith("EXP-")  # noqa: E731
_LOW = _all(_enc("DES-CBC"), _not(_EXPORT))
_HIGH = _enc("AES", "CHACHA20", "CAMELLIA", "ARIA", "GOST")


def _in_default(one: Suite) -> bool:
    """OpenSSL's DEFAULT leaves out what few need: no authentication, DSS, CCM, Camellia, ARIA and all that is weak."""
    return not (
        one.authentication in ("anon", "DSS")
        or one.encryption.startswith(("CAMELLIA", "ARIA", "NULL"))
        or "CCM" in one.encryption
        or not _HIGH(one)
    )


_WORDS: Final[dict[str, _Test]] = {
    "ALL": _not(_NULL),
    "COMPLEMENTOFALL": _NULL,
    "COMPLEMENTOFDEFAULT": lambda one: not _in_default(one) and not _NULL(one),
    "kRSA": _kex("RSA"),
    "RSA": _all(_kex("RSA"), _auth("RSA")),
    "kDHE": _kex("DHE"),
    "kEDH": _kex("DHE"),
    "DH": _kex("DHE"),
    "DHE": _all(_kex("DHE"), _not(_ANON)),
    "EDH": _all(_kex("DHE"), _not(_ANON)),
    "ADH": _all(_kex("DHE"), _ANON),
    "kDHr": _all(_kex("DH"), _auth("RSA")),
    "kDHd": _all(_kex("DH"), _auth("DSS")),
    "kDH": _kex("DH"),
    "kECDHE": _kex("ECDHE"),
    "kEECDH": _kex("ECDHE"),
    "ECDH": _kex("ECDHE"),
    "ECDHE": _all(_kex("ECDHE"), _not(_ANON)),
    "EECDH": _all(_kex("ECDHE"), _not(_ANON)),
    "AECDH": _all(_kex("ECDHE"), _ANON),
    "kECDHr": _all(_kex("ECDH"), _auth("RSA")),
    "kECDHe": _all(_kex("ECDH"), _auth("ECDSA")),
    "kECDH": _kex("ECDH"),
    "kPSK": _kex("PSK"),
    "kRSAPSK": _kex("RSA_PSK"),
    "kDHEPSK": _kex("DHE_PSK"),
    "kECDHEPSK": _kex("ECDHE_PSK"),
    "PSK": _kex(*_PSK),
    "kSRP": _kex("SRP"),
    "SRP": _kex("SRP"),
    "kGOST": _kex("GOST"),
    "aRSA": _auth("RSA"),
    "aECDSA": _auth("ECDSA"),
    "ECDSA": _auth("ECDSA"),
    "aDSS": _auth("DSS"),
    "DSS": _auth("DSS"),
    "aNULL": _ANON,
    "aPSK": _auth("PSK"),
    "aSRP": _auth("SRP"),
    "aGOST": _auth("GOST"),
    "eNULL": _NULL,
    "NULL": _NULL,
    "AES128": _enc("AES-128"),
    "AES256": _enc("AES-256"),
    "AES": _enc("AES"),
    "AESGCM": _enc("AES-128-GCM", "AES-256-GCM"),
    "AESCCM": _enc("AES-128-CCM", "AES-256-CCM"),
    "AESCCM8": _enc("AES-128-CCM-8", "AES-256-CCM-8"),
    "CHACHA20": _enc("CHACHA20"),
    "CAMELLIA": _enc("CAMELLIA"),
    "CAMELLIA128": _enc("CAMELLIA-128"),
    "CAMELLIA256": _enc("CAMELLIA-256"),
    "ARIA": _enc("ARIA"),
    "ARIAGCM": _enc("ARIA-128-GCM", "ARIA-256-GCM"),
    "ARIA128": _enc("ARIA-128"),
    "ARIA256": _enc("ARIA-256"),
    # The newer OpenSSL reads CBC as every block cipher in that mode.
    "CBC": lambda one: one.encryption.endswith("CBC"),
    "SEED": _enc("SEED"),
    "IDEA": _enc("IDEA"),
    "3DES": _enc("3DES"),
    "DES": _enc("DES-CBC"),
    "RC4": _enc("RC4"),
    "RC2": _enc("RC2"),
    "MD5": _mac("HMAC-MD5"),
    "SHA1": _mac("HMAC-SHA1"),
    "SHA": _mac("HMAC-SHA1"),
    "SHA256": _mac("HMAC-SHA256"),
    "SHA384": _mac("HMAC-SHA384"),
    "SSLv3": _since(ProtocolVersion.SSL30),
    "TLSv1": _since(ProtocolVersion.TLS10),
    "TLSv1.0": _since(ProtocolVersion.TLS10),
    "TLSv1.2": _since(ProtocolVersion.TLS12),
    "EXP": _EXPORT,
    "EXPORT": _EXPORT,
    "EXPORT40": _EXPORT,
    "LOW": _LOW,
    "MEDIUM": _MEDIUM,
    "HIGH": _HIGH,
    "FIPS": lambda one: one.encryption.startswith(("AES", "3DES")) and "CCM" not in one.encryption and not _SRP(one),
}
_SPECIALS = ("@STRENGTH", "@SECLEVEL=0", "@SECLEVEL=1", "@SECLEVEL=2", "@SECLEVEL=3", "@SECLEVEL=4", "@SECLEVEL=5")
_DEFAULT = "ALL:!COMPLEMENTOFDEFAULT:!eNULL"


# -- the list ----------------------------------------------------------------------------------------------------------


class _List:
    """The ordered list that the rules work on."""

    def __init__(self, order: Iterable[Suite]) -> None:
        self.order = list(order)
        self.active: set[int] = set()

    def _to_end(self, moved: list[Suite]) -> None:
        gone = {one.code for one in moved}
        self.order = [one for one in self.order if one.code not in gone] + moved

    def _to_front(self, moved: list[Suite]) -> None:
        gone = {one.code for one in moved}
        self.order = moved + [one for one in self.order if one.code not in gone]

    def _those(self, test: _Test, active: bool) -> list[Suite]:
        return [one for one in self.order if (one.code in self.active) is active and test(one)]

    def add(self, test: _Test) -> None:
        """Make active, at the end."""
        moved = self._those(test, False)
        self._to_end(moved)
        self.active.update(one.code for one in moved)

    def delete(self, test: _Test) -> None:
        """Make inactive, at the front: what went last comes first, should it come back."""
        moved = self._those(test, True)
        self._to_front(moved)
        self.active.difference_update(one.code for one in moved)

    def last(self, test: _Test) -> None:
        """Move what is active to the end."""
        self._to_end(self._those(test, True))

    def first(self, test: _Test) -> None:
        """Move what is active to the front."""
        self._to_front(self._those(test, True))

    def kill(self, test: _Test) -> None:
        """Take out for good."""
        self.order = [one for one in self.order if not test(one)]

    def sort_by_strength(self) -> None:
        """Strongest first; what is equally strong keeps its order."""
        self._to_end(sorted(self._those(lambda one: True, True), key=lambda one: -one.strength))


def _preferred(available: frozenset[int] | None) -> _List:
    """Every suite, inactive, in the order that OpenSSL prefers before it reads a rule."""
    known = [
        one
        for one in suites.all_suites()
        if one.openssl_name is not None
        and one.versions[0] != ProtocolVersion.TLS13
        and (available is None or one.code in available)
    ]
    rules = _List(sorted(known, key=lambda one: -one.code))
    ephemeral = _kex("ECDHE")
    everything: _Test = lambda one: True  # noqa: E731
    for test in (_all(ephemeral, _auth("ECDSA")), ephemeral):
        rules.add(test)
    rules.delete(ephemeral)
    for test in (_WORDS["AESGCM"], _enc("CHACHA20"), _enc("AES"), everything):
        rules.add(test)
    for test in (_mac("HMAC-MD5"), _ANON, _kex("RSA"), _kex("PSK"), _enc("RC4")):
        rules.last(test)
    rules.sort_by_strength()
    # Last wins: (EC)DHE with AEAD, then (EC)DHE, then AEAD, then what TLS 1.2 brought.
    agreed = _kex("DHE", "ECDHE")
    for test in (_since(ProtocolVersion.TLS12), _mac("AEAD"), agreed, _all(agreed, _mac("AEAD"))):
        rules.first(test)
    rules.delete(everything)
    return rules


# -- the parser --------------------------------------------------------------------------------------------------------


def parse_cipher_string(text: str, *, available: Iterable[int] | None = None) -> Expansion:
    """Expand a cipher string.

    Takes:    available: codes that the expansion may hold; every suite that OpenSSL knows where none are given.
    Raises:   ConfigError, with the string and a caret below the place, for a word that nobody knows; for a string that
              leaves nothing.
    """
    if not isinstance(text, str) or not text.isascii():
        raise ConfigError("a cipher string is ASCII text", remedy='write one like "ECDHE+AESGCM:ECDHE+CHACHA20"')
    rules = _preferred(None if available is None else frozenset(available))
    level: int | None = None
    at = 0
    while at < len(text):
        if text[at] in _SEPARATORS:
            at += 1
            continue
        level, at = _rule(text, at, rules, level)
    left = tuple([one for one in rules.order if one.code in rules.active])
    if not left:
        raise ConfigError(
            f'the cipher string "{escape(text, 200)}" leaves no suite',
            remedy="begin with what to allow, such as ECDHE+AESGCM, before what to take away",
            code="TLS-CONFIG-CIPHER_STRING",
        )
    return Expansion(text, left, level)


def suites_for_config(text: str, versions: Iterable[int] | None = None) -> tuple[int, ...]:
    """What a configuration takes for a cipher string: the suites of the expansion that are implemented, behind those of
    TLS 1.3 in the default order, of which cipher strings do not speak.

    Takes:    versions: those that are enabled; where TLS 1.3, or everything else, is not, its suites are left out.
    Raises:   ConfigError where nothing of the expansion is implemented.
    """
    from tlscore import policies

    enabled = policies.IMPLEMENTED_VERSIONS if versions is None else tuple(versions)
    newer = [one for one in policies.DEFAULT.suites if suites.suite(one).versions[0] == ProtocolVersion.TLS13]
    codes = newer if ProtocolVersion.TLS13 in enabled else []
    if any(version < ProtocolVersion.TLS13 for version in enabled):
        expansion = parse_cipher_string(text)
        older = [code for code in expansion.codes if code in policies.IMPLEMENTED_SUITES]
        if not older:
            raise ConfigError(
                f'of what "{escape(text, 200)}" stands for nothing is implemented: '
                + ", ".join(expansion.openssl_names[:6]),
                remedy="allow what is sound: ECDHE+AESGCM:ECDHE+CHACHA20",
                code="TLS-CONFIG-CIPHER_STRING",
            )
        codes = [*codes, *older]
    return tuple(codes)


def _rule(text: str, at: int, rules: _List, level: int | None) -> tuple[int | None, int]:
    """One rule from `at`; gives the security level and the place after the rule."""
    if text[at] == "@":
        end = _word_end(text, at + 1)
        level = _special(text, at, end, rules, level)
        if end < len(text) and text[end] not in _SEPARATORS:
            raise _wrong(text, end, end + 1, "nothing may follow an @ command", ())
        return level, end
    sign = text[at] if text[at] in "!-+" else ""
    tests: list[_Test] = []
    start = at + len(sign)
    while True:
        end = _word_end(text, start)
        word = text[start:end]
        if word == "DEFAULT" and not tests:
            if at or (end < len(text) and text[end] not in _SEPARATORS):
                raise _wrong(text, start, end, "DEFAULT may only stand alone, at the beginning", ())
            for default in _DEFAULT.split(":"):
                (rules.kill if default[0] == "!" else rules.add)(_test(default, default.lstrip("!"), 0, len(default)))
            return level, end
        tests.append(_test(text, word, start, end))
        if end >= len(text) or text[end] != "+":
            break
        start = end + 1
    # OpenSSL lets a command follow without a separator: ALL@STRENGTH.
    if end < len(text) and text[end] not in _SEPARATORS + "@":
        raise _wrong(text, end, end + 1, "no cipher string holds this character", ())
    {"": rules.add, "+": rules.last, "-": rules.delete, "!": rules.kill}[sign](_all(*tests))
    return level, end


def _word_end(text: str, start: int) -> int:
    end = start
    while end < len(text) and (text[end].isalnum() or text[end] in _WORD):
        end += 1
    return end


def _test(text: str, word: str, start: int, end: int) -> _Test:
    """What a word matches: a family, or one suite by either name."""
    if word in _WORDS:
        return _WORDS[word]
    found = suites.find(word)
    if found is None or found.openssl_name is None:
        known = [
            *_WORDS,
            *[one.openssl_name for one in suites.all_suites() if one.openssl_name is not None],
            *_SPECIALS,
        ]
        problem = "no word stands here" if not word else f'"{escape(word, 60)}" is no cipher, and no family of ciphers'
        raise _wrong(text, start, max(end, start + 1), problem, _nearest(word, known))
    if found.versions[0] == ProtocolVersion.TLS13:
        raise _wrong(
            text,
            start,
            end,
            f"{word} belongs to TLS 1.3, which cipher strings do not speak of",
            (),
            "name it in suites",
        )
    code = found.code
    return lambda one: one.code == code


def _special(text: str, at: int, end: int, rules: _List, level: int | None) -> int | None:
    command = text[at:end]
    if command == "@STRENGTH":
        rules.sort_by_strength()
        return level
    if command in _SPECIALS:
        return int(command[-1])
    raise _wrong(text, at, max(end, at + 1), f'"{escape(command, 60)}" is no command', _nearest(command, _SPECIALS))


def _nearest(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """The nearest words, first those that differ in capitals only."""
    candidates = tuple(dict.fromkeys(known))
    same = [name for name in candidates if name.lower() == word.lower()]
    return tuple(same[:1] or get_close_matches(word, candidates, 1, 0.6))


def _wrong(text: str, start: int, end: int, problem: str, near: tuple[str, ...], remedy: str = "") -> ConfigError:
    """The error for a place in a cipher string, drawn below it."""
    # A long string is cut so that the place can be seen.
    cut = max(0, start - 60)
    shown, caret = text[cut : cut + 110], " " * (start - cut) + "^" * max(1, min(end - start, 60))
    error = ConfigError(
        f"cipher string, column {start + 1}: {problem}",
        remedy=remedy or (f'did you mean "{near[0]}"?' if near else "tlscore suites --openssl HIGH shows an expansion"),
        code="TLS-CONFIG-CIPHER_STRING",
    )
    error.add_note(f"  {shown}\n  {caret}")
    return error
