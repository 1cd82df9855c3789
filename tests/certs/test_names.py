"""Names: DNS syntax, IDNA, IP addresses, wildcards."""

import sys

import pytest

from tlscore.certs.names import DnsName, IpAddress, ServerName, SrvName, UriName, matches
from tlscore.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("example.org", "example.org"),
        ("EXAMPLE.org.", "example.org"),
        (b"example.org", "example.org"),
        ("localhost", "localhost"),
        ("a_b.internal", "a_b.internal"),
        ("3com.com", "3com.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("straße.de", "xn--strae-oqa.de"),  # IDNA 2003 would have gone to strasse.de
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("1.2.3.4.example", "1.2.3.4.example"),
    ],
)
def test_parse_gives_dns_names_in_wire_form(given: str | bytes, text: str) -> None:
    name = ServerName.parse(given)
    assert name == DnsName(text)
    assert name.sni == text.encode()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_parse_gives_addresses_that_are_never_sent_as_sni(given: str, text: str) -> None:
    name = ServerName.parse(given)
    assert name == IpAddress(text)
    assert name.sni is None


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("", "is empty"),
        (".", "is empty"),
        ("a..b", "empty or longer than 63"),
        ("a" * 64 + ".org", "empty or longer than 63"),
        (".".join(["a" * 60] * 5), "more than 253"),
        ("-a.org", "which no host name may have"),
        ("a-.org", "which no host name may have"),
        ("https://example.org/", "Give host and port apart"),
        ("example.org/path", "Give the host alone"),
        ("example.org:443", "Give host and port apart"),
        ("a b.org", "Check its spelling"),
        ("a\x00.org", "which no host name may have"),
        ("1.2.3", "is no IPv4 address"),
        ("256.1.1.1", "is no IPv4 address"),
        ("*.example.org", "which no host name may have"),
        (b"\xff.org", "is no text"),
        (7, "is no text"),
        ("\u2488.org", "is not valid in IDNA 2008"),
    ],
)
def test_parse_refuses_with_the_repair(given: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        ServerName.parse(given)


def test_parse_names_the_extra_when_idna_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "idna", None)
    with pytest.raises(ConfigError, match=r"pip install tlscore\[idna\]"):
        ServerName.parse("bücher.example")


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("a.example", "a.example", True),
        ("*.example", "a.example", False),  # a wildcard over a whole top-level domain
        ("*.b.example", "*.b.example", False),
        ("*.example", "a.b.example", False),
        ("*.example", "example", False),
        ("*.example", ".example", False),
        ("a*.example", "ab.example", False),
        ("*", "example", False),
        ("*.b.example", "a.b.example", True),
    ],
)
def test_wildcard_is_one_whole_leftmost_label(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected


def test_services_are_named_by_the_domain_that_was_asked_for() -> None:
    """RFC 9525 6.1.1: what DNS answered is never a reference identity."""
    assert SrvName.of("sips", "Example.org").text == "_sips.example.org"
    assert SrvName.of("_sips", "example.org").sni == b"example.org"
    assert UriName.of("SIP", "example.org").text == "sip:example.org"
    assert ServerName.parse(UriName.of("sip", "example.org")).sni == b"example.org"
    for wrong in (lambda: SrvName.of("", "example.org"), lambda: UriName.of("5x", "example.org")):
        with pytest.raises(ConfigError):
            wrong()


@pytest.mark.parametrize(
    "name", ["10.0.0.1.", "1.2.3.", "example.123", "1", "\uff11.\uff12.\uff13.\uff14", "256.1.1.1."]
)
def test_what_ends_in_a_number_is_no_dns_name(name: str) -> None:
    """RFC 6066 3: "Literal IPv4 and IPv6 addresses are not permitted in "HostName"": no dot and no script makes one."""
    with pytest.raises(ConfigError):
        ServerName.parse(name)


def test_a_name_with_a_final_dot_is_the_name_without() -> None:
    assert ServerName.parse("example.org.") == ServerName.parse("example.org")
    assert ServerName.parse("1.example") == DnsName("1.example")
