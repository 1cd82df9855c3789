"""OpenSSL cipher strings: parsed, expanded in OpenSSL's order, and wrong ones shown with a caret.

A string is a list of rules over one ordered list of suites. All suites start inactive, in an order of preference; each
rule makes some active at the end (no sign), takes some back (-), kills some (!) or moves some to the end (+).
"@STRENGTH" sorts what is active, "@SECLEVEL=n" asks for a level (security_levels.py). Words joined by + within one rule
must all hold. DEFAULT counts at the beginning alone, a word of Suite B is a whole string. OpenSSL passes over words
that it does not know; here they are errors, since a typing mistake in a security setting must not go unseen. Cipher
strings never speak of TLS 1.3.

    ECDHE+AESGCM : !aNULL : @STRENGTH      one rule ':' the next; before ! and @ the ':' may be missing
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from tlscore import security_levels, suites
from tlscore.cipher_words import WORDS, Test, all_of, auth, enc, kex, mac, since
from tlscore.errors import ConfigError, escape
from tlscore.iana import ProtocolVersion
from tlscore.record import Record
from tlscore.suites import Suite

_SEPARATORS: Final = ": ,;"
_WORD: Final = "-._="  # what a word may hold beside letters and digits
# OpenSSL lets these begin a rule without a separator: HIGH!aNULL, ALL@STRENGTH.
_BEGIN: Final = "!@"
_SPECIALS: Final = ("@STRENGTH", *(f"@SECLEVEL={level}" for level in range(len(security_levels.LEVELS))))
_DEFAULT: Final = "ALL:!COMPLEMENTOFDEFAULT:!eNULL"
_AES128, _AES256 = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"
# RFC 6460: what each of OpenSSL's words for Suite B stands for; such a word is the whole string.
_SUITE_B: Final = {
    "SUITEB128": f"{_AES128}:{_AES256}",
    "SUITEB128ONLY": _AES128,
    "SUITEB128C2": _AES256,
    "SUITEB192": _AES256,
}


class Expansion(Record):
    """What a cipher string stands for: the active suites in order, and the security level that it asks for.

    `suites` is the whole list, as `openssl ciphers` prints it; `permitted` what of it the level lets connect.
    """

    text: str
    suites: tuple[Suite, ...]
    security_level: int | None

    @property
    def permitted(self) -> tuple[Suite, ...]:
        """The suites that the security level permits, as `openssl ciphers -s` has it; all of them without a level."""
        level = self.security_level
        if level is None:
            return self.suites
        return tuple([one for one in self.suites if security_levels.permits(level, one)])

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

    def _those(self, test: Test, active: bool) -> list[Suite]:
        return [one for one in self.order if (one.code in self.active) is active and test(one)]

    def add(self, test: Test) -> None:
        """Make active, at the end."""
        moved = self._those(test, False)
        self._to_end(moved)
        self.active.update(one.code for one in moved)

    def delete(self, test: Test) -> None:
        """Make inactive, at the front: what went last comes first, should it come back."""
        moved = self._those(test, True)
        self._to_front(moved)
        self.active.difference_update(one.code for one in moved)

    def last(self, test: Test) -> None:
        """Move what is active to the end."""
        self._to_end(self._those(test, True))

    def first(self, test: Test) -> None:
        """Move what is active to the front."""
        self._to_front(self._those(test, True))

    def kill(self, test: Test) -> None:
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
    ephemeral = kex("ECDHE")
    everything: Test = lambda one: True  # noqa: E731
    for test in (all_of(ephemeral, auth("ECDSA")), ephemeral):
        rules.add(test)
    rules.delete(ephemeral)
    for test in (WORDS["AESGCM"], enc("CHACHA20"), enc("AES"), everything):
        rules.add(test)
    for test in (mac("HMAC-MD5"), WORDS["aNULL"], kex("RSA"), kex("PSK"), enc("RC4")):
        rules.last(test)
    rules.sort_by_strength()
    # Last wins: (EC)DHE with AEAD, then (EC)DHE, then AEAD, then what TLS 1.2 brought.
    agreed = kex("DHE", "ECDHE")
    for test in (since(ProtocolVersion.TLS12), mac("AEAD"), agreed, all_of(agreed, mac("AEAD"))):
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
    level = _apply(_SUITE_B.get(text, text), rules)
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
    Raises:   ConfigError where nothing of the expansion is implemented, and for a @SECLEVEL that asks for more than
              suites and than a configuration keeps anyway.
    """
    from tlscore import policies

    expansion = parse_cipher_string(text)
    security_levels.require_suites_alone(expansion.security_level)
    enabled = policies.IMPLEMENTED_VERSIONS if versions is None else tuple(versions)
    newer = [one for one in policies.DEFAULT.suites if suites.suite(one).versions[0] == ProtocolVersion.TLS13]
    codes = newer if ProtocolVersion.TLS13 in enabled else []
    if any(version < ProtocolVersion.TLS13 for version in enabled):
        older = [one.code for one in expansion.permitted if one.code in policies.IMPLEMENTED_SUITES]
        if not older:
            raise ConfigError(
                f'of what "{escape(text, 200)}" stands for nothing is implemented: '
                + ", ".join(expansion.openssl_names[:6]),
                remedy="allow what is sound: ECDHE+AESGCM:ECDHE+CHACHA20",
                code="TLS-CONFIG-CIPHER_STRING",
            )
        codes = [*codes, *older]
    return tuple(codes)


def _apply(text: str, rules: _List) -> int | None:
    """Apply a whole string; gives the security level that it asks for."""
    level: int | None = None
    at = 0
    # Only here: OpenSSL looks for it before it reads a rule, and takes what stands behind as the rules that follow.
    if text.startswith("DEFAULT") and not _of_a_word(text[7:8]):
        at = 7
        for default in _DEFAULT.split(":"):
            (rules.kill if default[0] == "!" else rules.add)(WORDS[default.lstrip("!")])
    while at < len(text):
        if text[at] in _SEPARATORS:
            at += 1
        elif text[at] == "@":
            level, at = _command(text, at, rules, level)
        else:
            at = _rule(text, at, rules)
    return level


def _command(text: str, at: int, rules: _List, level: int | None) -> tuple[int | None, int]:
    """One @ command from `at`; gives the security level and the place after the command."""
    end = _word_end(text, at + 1)
    level = _special(text, at, end, rules, level)
    if end < len(text) and text[end] not in _SEPARATORS:
        raise _wrong(text, end, end + 1, "nothing may follow an @ command", ())
    return level, end


def _rule(text: str, at: int, rules: _List) -> int:
    """One rule from `at`; gives the place after it."""
    sign = text[at] if text[at] in "!-+" else ""
    tests: list[Test] = []
    start = at + len(sign)
    while True:
        end = _word_end(text, start)
        joined = end < len(text) and text[end] == "+"
        if text[start:end] == "DEFAULT" and not (sign or tests or joined):
            # OpenSSL passes over it anywhere but at the beginning: it adds nothing there.
            tests.append(lambda one: False)
        else:
            tests.append(_test(text, text[start:end], start, end))
        if not joined:
            break
        start = end + 1
    if end < len(text) and text[end] not in _SEPARATORS + _BEGIN:
        raise _wrong(text, end, end + 1, "no cipher string holds this character", ())
    {"": rules.add, "+": rules.last, "-": rules.delete, "!": rules.kill}[sign](all_of(*tests))
    return end


def _of_a_word(character: str) -> bool:
    """Whether a character goes on with a word that has letters only; "-" begins a rule after DEFAULT."""
    return character.isalnum() or character in tuple("._=")


def _word_end(text: str, start: int) -> int:
    end = start
    while end < len(text) and (text[end].isalnum() or text[end] in _WORD):
        end += 1
    return end


def _test(text: str, word: str, start: int, end: int) -> Test:
    """What a word matches: a family, or one suite by either name."""
    if word in WORDS:
        return WORDS[word]
    if word == "DEFAULT":
        raise _wrong(text, start, end, "DEFAULT can only be added, and only at the beginning", ())
    if word in _SUITE_B:
        raise _wrong(text, start, end, f"{word} is a whole string, to which nothing is added", (), "let it stand alone")
    found = suites.find(word)
    if found is None or found.openssl_name is None:
        known = [
            *WORDS,
            *[one.openssl_name for one in suites.all_suites() if one.openssl_name is not None],
            *_SPECIALS,
            *_SUITE_B,
            "DEFAULT",
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
        remedy=remedy
        or (f'did you mean "{near[0]}"?' if near else "see how strings are read: `tlscore suites --openssl HIGH`"),
        code="TLS-CONFIG-CIPHER_STRING",
    )
    error.add_note(f"  {shown}\n  {caret}")
    return error
