"""The registry of suites, and OpenSSL cipher strings against OpenSSL itself."""

import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support.tools import require_tool
from tlscore import policies, suites
from tlscore.cipher_strings import suites_for_config
from tlscore.errors import ConfigError
from tlscore.iana import CipherSuite, ProtocolVersion

TLS12, TLS13 = ProtocolVersion.TLS12, ProtocolVersion.TLS13
SIGNALS = (CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV, CipherSuite.TLS_FALLBACK_SCSV)
STRINGS = [
    "ALL",
    "DEFAULT",
    "HIGH",
    "ALL:COMPLEMENTOFALL",
    "COMPLEMENTOFDEFAULT",
    "ECDHE+AESGCM",
    "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL",
    "HIGH:!aNULL:!MD5",
    "ALL:!aNULL:!eNULL:@STRENGTH",
    "ALL@STRENGTH",
    "kECDHE:kDHE:-RSA",
    "aRSA+AES256",
    "SHA256:SHA384",
    "SHA1:-AES256:+kRSA",
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256",
    "HIGH:!kRSA:!PSK:!SRP:+SHA1",
    "ALL:-AES:AES128",
    "DEFAULT:!AES128",
    "DEFAULT:-ECDHE:ECDHE+AESGCM",
    "EECDH+AESGCM:EDH+AESGCM:AES256+EECDH:AES256+EDH",
    "eNULL:aNULL",
    "PSK:!SHA1",
    "AESCCM:AESCCM8",
    "TLSv1.2:!aNULL",
    "TLSv1:SSLv3",
    "CAMELLIA:ARIA",
    "kRSA:ECDH:@STRENGTH",
    "kPSK:kDHEPSK:kECDHEPSK:kRSAPSK",
    "SRP:DSS",
    "ADH:AECDH:+AES256",
    "ALL:!kRSA:-ECDHE:@STRENGTH:ECDHE",
    "FIPS",
    "CBC",
    "ECDHE+AESGCM, CHACHA20;!DSS",
]


@pytest.fixture(scope="module")
def openssl() -> Callable[..., list[list[str]]]:
    program = require_tool("openssl")

    def run(string: str, *options: str) -> list[list[str]]:
        done = subprocess.run([program, "ciphers", *options, string], capture_output=True, text=True, check=True)
        lines = done.stdout.strip().splitlines()
        return [line.split() for line in lines] if options else [lines[0].split(":")]

    return run


def test_names_go_both_ways() -> None:
    for one in suites.all_suites():
        assert suites.suite(one.code) is suites.suite(one.name) is one
        if one.openssl_name is not None:
            assert suites.suite(one.openssl_name) is one
            assert suites.to_iana(suites.to_openssl(one.name) or "") == one.name
    names = [one.openssl_name for one in suites.all_suites() if one.openssl_name is not None]
    assert len(set(names)) == len(names)


def test_every_constant_is_in_the_registry_under_its_name() -> None:
    for code in CipherSuite.codes():
        if code not in SIGNALS:
            assert suites.suite(code).name == CipherSuite.name_of(code)


def test_registry_is_complete_and_recognises_what_must_be_refused() -> None:
    assert len(suites.all_suites()) == 346
    for name in ("TLS_RSA_WITH_RC4_128_MD5", "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"):
        one = suites.suite(name)
        assert one.status == "never"
        assert one.why


def test_names_of_openssl_are_those_of_openssl(openssl: Callable[..., list[list[str]]]) -> None:
    """Names, oldest version, strength and MAC of everything that this OpenSSL knows."""
    since = {"SSLv3": 0x0300, "TLSv1": 0x0301, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
    rows = openssl("ALL:COMPLEMENTOFALL:@SECLEVEL=0", "-V")
    assert len(rows) > 60
    for code, _, name, version, _kx, _au, encryption, mac in rows:
        high, low = code.split(",")
        one = suites.suite(name)
        assert one.code == int(high, 16) << 8 | int(low, 16)
        assert one.openssl_name == name
        assert one.versions[0] == since[version]
        assert one.strength == (int(encryption.rstrip(")").split("(")[1]) if "(" in encryption else 0)
        assert one.mac.removeprefix("HMAC-") == mac.removeprefix("Mac=")


@pytest.mark.parametrize("string", STRINGS)
def test_expansion_is_that_of_openssl(openssl: Callable[..., list[list[str]]], string: str) -> None:
    everything = openssl("ALL:COMPLEMENTOFALL:@SECLEVEL=0")[0]
    available = [suites.suite(name).code for name in everything]
    expected = [name for name in openssl(string)[0] if not name.startswith("TLS_")]
    assert list(suites.parse_cipher_string(string, available=available).openssl_names) == expected


@pytest.mark.parametrize(
    ("string", "column", "width", "hint"),
    [
        ("ECDHE+AESGMC:!aNULL", 7, 6, "AESGCM"),
        ("HIGH:!anull", 7, 5, "aNULL"),
        ("@STRENGHT", 1, 9, "@STRENGTH"),
        ("ALL:@SECLEVEL=9", 5, 11, "@SECLEVEL="),
        ("ECDHE-RSA-AES128-GCM-SHA265", 1, 27, "ECDHE-RSA-AES128-GCM-SHA256"),
        ("HIGH+", 6, 1, ""),
        ("ECDHE&AES", 6, 1, ""),
        ("HIGH:!DEFAULT", 7, 7, ""),
        ("TLS_AES_128_GCM_SHA256", 1, 22, "suites"),
        ("!" + "ALL:" * 60 + "AEZ", 242, 3, "AES"),
    ],
)
def test_wrong_word_is_shown_with_a_caret(string: str, column: int, width: int, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        suites.parse_cipher_string(string)
    assert f"column {column}:" in str(caught.value)
    assert hint in caught.value.remedy
    drawn, caret = caught.value.__notes__[0].split("\n")
    marked = drawn[caret.index("^") : caret.index("^") + width]
    assert caret.count("^") == width
    assert string[column - 1 : column - 1 + width] == marked or not marked


def test_string_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="leaves no suite"):
        suites.parse_cipher_string("ALL:!ALL")


def test_security_level_is_kept() -> None:
    assert suites.parse_cipher_string("HIGH:@SECLEVEL=2").security_level == 2
    assert suites.parse_cipher_string("HIGH").security_level is None


@hypothesis_settings(max_examples=200, deadline=None, database=None)
@given(st.text(alphabet="ECDHASRNUL+-!:@,=12568 kagm&\\\n", max_size=24))
def test_any_text_is_expanded_or_refused(text: str) -> None:
    codes, code = (), ""
    try:
        codes = suites.parse_cipher_string(text).codes
    except ConfigError as refused:
        code = refused.code
    assert len(set(codes)) == len(codes)
    assert bool(codes) is (code != "TLS-CONFIG-CIPHER_STRING")


def test_status_of_the_registry_is_that_of_the_policies() -> None:
    assert {suites.suite(code).status for code in policies.DEFAULT.suites} == {"default"}
    assert {suites.suite(code).status for code in policies.IMPLEMENTED_SUITES} <= {"default", "compat"}
    implemented = {one.code for one in suites.all_suites() if one.status in ("default", "compat")}
    if TLS12 in policies.IMPLEMENTED_VERSIONS:
        assert implemented == set(policies.IMPLEMENTED_SUITES)


def test_every_refused_or_lesser_suite_says_why() -> None:
    for one in suites.all_suites():
        assert bool(one.why) is (one.status != "default")


def test_suites_without_a_benefit_say_which() -> None:
    assert suites.suite("ADH-AES128-SHA").missing == ("authentication",)
    assert suites.suite("NULL-SHA256").missing == ("encryption",)
    assert suites.suite("AECDH-NULL-SHA").missing == ("authentication", "encryption")
    assert suites.suite(0).missing == ("authentication", "encryption", "integrity")
    for one in suites.all_suites():
        if one.missing:
            assert one.status in ("legacy", "never")


def test_lint_names_what_is_wrong() -> None:
    codes = [suites.suite(name).code for name in ("ADH-AES128-SHA", "RC4-SHA", "AES128-SHA", "TLS_AES_128_GCM_SHA256")]
    found = suites.lint([*codes, 0x9999], (TLS12,))
    said = [(finding.suite, finding.severity) for finding in found]
    assert ("TLS_DH_anon_WITH_AES_128_CBC_SHA", "error") in said
    assert ("TLS_RSA_WITH_RC4_128_SHA", "error") in said
    assert ("TLS_RSA_WITH_AES_128_CBC_SHA", "warning") in said
    assert ("TLS_AES_128_GCM_SHA256", "error") in said
    assert ("0x9999", "error") in said
    assert suites.lint(policies.DEFAULT.suites) == ()


def test_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ConfigError, match="ECDHE-RSA-AES128-GCM-SHA256"):
        suites.suite("ECDHE-RSA-AES128-GCM-SHA265")


def test_versions_of_a_suite() -> None:
    assert suites.suite("AES128-SHA").usable_in(TLS12)
    assert suites.suite("AES128-SHA").usable_in(ProtocolVersion.SSL30)
    assert not suites.suite("AES128-SHA").usable_in(TLS13)
    assert not suites.suite("TLS_AES_128_GCM_SHA256").usable_in(TLS12)
    assert not suites.suite("EXP-RC4-MD5").usable_in(ProtocolVersion.TLS11)


def test_cipher_string_for_a_configuration_keeps_tls13_in_front() -> None:
    codes = suites_for_config("ECDHE+AESGCM:HIGH", (TLS13, TLS12))
    newer = [code for code in codes if suites.suite(code).versions[0] == TLS13]
    assert tuple(newer) == codes[: len(newer)]
    assert suites.suite("ECDHE-ECDSA-AES256-GCM-SHA384").code == codes[len(newer)]
    assert set(codes) <= set(policies.IMPLEMENTED_SUITES)
    assert not set(newer) & set(suites_for_config("ECDHE+AESGCM", (TLS12,)))
    with pytest.raises(ConfigError, match="nothing is implemented"):
        suites_for_config("CAMELLIA")
