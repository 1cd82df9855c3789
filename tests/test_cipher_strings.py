"""Cipher strings as OpenSSL 3.0 expands them: hundreds of generated ones where the program is, a fixed table anywhere.

What differs is named by a test each: words that nobody knows are errors, a rule behind one that matches nothing is not
lost, and levels that ask for more than suites are refused where suites alone are taken.
"""

import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.tools import require_tool
from tlscore import legacy, policies, suites
from tlscore.cipher_strings import parse_cipher_string, suites_for_config
from tlscore.cipher_words import WORDS
from tlscore.cli import main
from tlscore.errors import ConfigError
from tlscore.iana import ProtocolVersion
from tlscore.security_levels import LEVELS, beyond_suites
from tlscore.suites import Suite

TLS12, TLS13 = ProtocolVersion.TLS12, ProtocolVersion.TLS13
TABLE = (Path(__file__).parent / "vectors" / "openssl_cipher_strings.txt").read_text().splitlines()
EVERYTHING = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
# The security level counts here, and PSK and SRP do not depend on whether a key is configured.
SUPPORTED = ("-s", "-psk", "-srp")


def rows() -> Iterator[tuple[str, tuple[int, ...]]]:
    for line in TABLE:
        if not line.startswith("#"):
            string, _, codes = line.partition(" | ")
            yield string, tuple([int(code, 16) for code in codes.split()])


BUILT = next(rows())[1]


@pytest.mark.parametrize(("string", "expected"), list(rows())[1:])
def test_expansion_is_that_of_the_table(string: str, expected: tuple[int, ...]) -> None:
    expansion = parse_cipher_string(string.removeprefix("-s "), available=BUILT)
    found = expansion.permitted if string.startswith("-s ") else expansion.suites
    assert tuple([one.code for one in found]) == expected


# -- against the program -----------------------------------------------------------------------------------------------

Run = Callable[..., list[str]]


@pytest.fixture(scope="module")
def openssl() -> Run:
    program = require_tool("openssl")

    def run(string: str, *options: str) -> list[str]:
        done = subprocess.run([program, "ciphers", *options, string], capture_output=True, text=True)
        # What leaves nothing is an error there and here.
        names = done.stdout.strip().split(":") if done.returncode == 0 else []
        # From OpenSSL 3.2 on these count 64 bits, which moves them; their tags have as many.
        return [name for name in names if name and not name.startswith("TLS_") and "CCM8" not in name]

    return run


def generated(seed: int, built: list[Suite]) -> str:
    """A string of words that OpenSSL knows, joined, signed and glued in all ways."""
    source = random.Random(seed)
    words = [*WORDS, *[one.openssl_name or "" for one in built]]
    text = source.choice(["DEFAULT", "DEFAULT", "ALL", "HIGH", "kECDHE", "TLSv1.2"])
    for _ in range(source.randint(0, 5)):
        joined = "+".join(source.choice(words) for _ in range(source.choice([1, 1, 1, 2, 3])))
        rule = source.choice(["", "!", "!", "-", "+"]) + joined
        rule = source.choices([rule, "@STRENGTH", f"@SECLEVEL={source.randint(0, 5)}", "DEFAULT"], [14, 3, 2, 1])[0]
        glued = rule[0] in "!@" and source.random() < 0.4 and lets_follow(text, built)
        text += rule if glued else ":" + rule
    return text


def lets_follow(text: str, built: list[Suite]) -> bool:
    """Whether OpenSSL reads on behind the last word: not behind a command, nor behind what matches nothing."""
    last = text.split(":")[-1].lstrip("!-")
    if text == "DEFAULT":
        return True
    test = WORDS.get(last)
    return any(test(one) if test is not None else one.openssl_name == last for one in built)


@pytest.mark.parametrize("batch", range(10))
def test_generated_strings_are_expanded_as_openssl_does(openssl: Run, batch: int) -> None:
    built = [suites.suite(name) for name in openssl(EVERYTHING)]
    codes = [one.code for one in built]
    for seed in range(batch * 30, batch * 30 + 30):
        string = generated(seed, built)
        for options in ((), SUPPORTED) if "SECLEVEL" in string else ((),):
            expected = openssl(string, *options)
            assert expanded(string, codes, bool(options)) == expected, (string, options)


def expanded(string: str, codes: list[int], supported: bool) -> list[str | None]:
    """Our expansion; empty where nothing is left, and the reason as its only member where the string is refused."""
    try:
        expansion = parse_cipher_string(string, available=codes)
    except ConfigError as refused:
        return [] if "leaves no suite" in refused.cause else [refused.cause]
    return [one.openssl_name for one in (expansion.permitted if supported else expansion.suites)]


@pytest.mark.parametrize("level", range(len(LEVELS)))
@pytest.mark.parametrize("string", ["ALL", "ALL:COMPLEMENTOFALL", "kRSA:kECDHE", "DEFAULT"])
def test_levels_permit_the_suites_that_openssl_permits(openssl: Run, string: str, level: int) -> None:
    codes = [suites.suite(name).code for name in openssl(EVERYTHING)]
    expansion = parse_cipher_string(f"{string}:@SECLEVEL={level}", available=codes)
    assert [one.openssl_name for one in expansion.permitted] == openssl(f"{string}:@SECLEVEL={level}", *SUPPORTED)


# -- what differs ------------------------------------------------------------------------------------------------------


def test_rule_behind_one_that_matches_nothing_is_not_lost(openssl: Run) -> None:
    """OpenSSL drops what is glued to a word that its build lacks: here !aNULL."""
    string = "ALL:IDEA!aNULL"
    assert any(name.startswith("ADH-") for name in openssl(string))
    assert not any(one.authentication == "anon" for one in parse_cipher_string(string).suites)


@pytest.mark.parametrize(
    ("string", "column", "said"),
    [
        ("ALL:!DEFAULT", 6, "can only be added"),
        ("AES+DEFAULT", 5, "can only be added"),
        ("SUITEB128:HIGH", 1, "is a whole string"),
        ("HIGH:SUITEB192", 6, "is a whole string"),
        ("SUITEB128@SECLEVEL=3", 1, "is a whole string"),
        ("DEFAULTS", 1, "is no cipher"),
        ("HIGH@STRENGTH!aNULL", 14, "nothing may follow"),
        ("HIGH!", 6, "no word stands here"),
        ("HIGH!!aNULL", 6, "no word stands here"),
    ],
)
def test_what_openssl_passes_over_in_silence_is_an_error(string: str, column: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        parse_cipher_string(string)
    assert f"column {column}:" in caught.value.cause
    assert caught.value.remedy


def test_whole_string_is_kept_beside_what_the_level_permits() -> None:
    expansion = parse_cipher_string("ALL:@SECLEVEL=4")
    assert any(one.strength == 128 for one in expansion.suites)
    assert {one.strength for one in expansion.permitted} == {256}
    assert all(one.forward_secret for one in expansion.permitted)
    assert parse_cipher_string("ALL").permitted == parse_cipher_string("ALL").suites


# -- levels where suites alone are taken -------------------------------------------------------------------------------

TAKERS: list[Callable[[str], object]] = [
    suites_for_config,
    legacy.suites_for,
    lambda text: suites_for_config(text, (TLS13,)),
]


@pytest.mark.parametrize("take", TAKERS)
@pytest.mark.parametrize("level", [3, 4, 5])
def test_level_that_asks_for_more_than_suites_is_refused(take: Callable[[str], object], level: int) -> None:
    with pytest.raises(ConfigError, match=f"@SECLEVEL={level} asks for more than suites") as caught:
        take(f"HIGH:@SECLEVEL={level}")
    assert caught.value.code == "TLS-CONFIG-SECURITY_LEVEL"
    assert str(LEVELS[level].rsa_bits) in caught.value.cause
    assert "permitted" in caught.value.remedy


@pytest.mark.parametrize("take", TAKERS)
@pytest.mark.parametrize("level", [0, 1, 2])
def test_level_that_is_kept_anyway_is_taken(take: Callable[[str], object], level: int) -> None:
    assert take(f"HIGH:@SECLEVEL={level}") == take("HIGH")
    assert beyond_suites(level) == ""


@pytest.mark.parametrize(
    "string", ["DEFAULT@SECLEVEL=1", "DEFAULT@STRENGTH", "ALL:DEFAULT", "HIGH!aNULL", "SUITEB128", "SUITEB192"]
)
def test_usual_strings_make_a_configuration(string: str) -> None:
    codes = suites_for_config(string, (TLS12,))
    assert codes
    assert set(codes) <= set(policies.IMPLEMENTED_SUITES)


def test_wrong_string_is_refused_where_only_tls13_is_enabled() -> None:
    with pytest.raises(ConfigError, match="column 6"):
        suites_for_config("HIGH:NONSENSE", (TLS13,))


def test_command_shows_what_the_level_permits_and_what_else_it_asks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["suites", "--openssl", "kRSA:ECDHE+AESGCM:@SECLEVEL=4"]) == 0
    shown = capsys.readouterr()
    assert "ECDHE-RSA-AES256-GCM-SHA384" in shown.out
    assert "AES128" not in shown.out
    assert "\nAES256-SHA" not in shown.out
    assert "leaves out" in shown.err
    assert "7680" in shown.err
    assert main(["suites", "--openssl", "ECDHE+AESGCM"]) == 0
    assert capsys.readouterr().err == ""
