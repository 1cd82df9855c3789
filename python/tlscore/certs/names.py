"""Names that a peer is reached by: DNS names, IP addresses, and the services of SRV records and URIs.

`ServerName.parse` takes what a user writes and gives a `DnsName` in its wire form (A-labels, lower case, no final dot)
or an `IpAddress`. A name goes into server_name (SNI) and is what the certificate is checked for; an IP address is only
checked. `SrvName` and `UriName` are for those who find a server through SRV or a URI: the identity stays the domain
that was asked for, never the host that DNS gave (RFC 9525 6.1.1). Names outside ASCII are IDNA 2008 and need the `idna`
package, since the codec of the standard library speaks IDNA 2003, which maps some names to other hosts.
"""

from __future__ import annotations

from functools import lru_cache

from tlscore.errors import ConfigError, escape
from tlscore.record import Record

_LABEL_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_DIGITS = frozenset("0123456789")


class ServerName(Record):
    """A reference identity (RFC 9525 6.1): what the certificate must be for."""

    text: str

    @staticmethod
    def parse(name: str | bytes | ServerName) -> ServerName:
        """Read a DNS name or an IP address. Raises ConfigError if it is neither."""
        if isinstance(name, ServerName):
            return name
        if isinstance(name, bytes) and name.isascii():
            name = name.decode("ascii")
        if not isinstance(name, str):
            raise _refusal(name, "is no text", 'give a name such as "example.org", or an IP address as text')
        # A final dot makes a number no label: "10.0.0.1." is no address, and no name of DNS either.
        if ":" in name or name.removesuffix(".").rpartition(".")[2][:1] in _DIGITS:
            return _parse_address(name)
        return _dns_name(name) if name.isascii() else DnsName(_parse_dns(name))

    @property
    def sni(self) -> bytes | None:
        """What stands in the server_name extension; None for an IP address."""
        return None

    def __str__(self) -> str:
        return self.text


class DnsName(ServerName):
    """A DNS name in A-label form."""

    @property
    def sni(self) -> bytes | None:
        return self.text.encode("ascii")


class IpAddress(ServerName):
    """An IPv4 or IPv6 address. RFC 6066 3: "Literal IPv4 and IPv6 addresses are not permitted in "HostName"."."""


class SrvName(ServerName):
    """A service of a domain, as RFC 4985 names it: `SrvName.of("sips", "example.org")` asks for _sips.example.org.

    A certificate for the domain as a DNS name is taken too, unless `or_dns` is False (RFC 9525 6.1).
    """

    service: str
    domain: str
    or_dns: bool = True

    @classmethod
    def of(cls, service: str, domain: str, *, or_dns: bool = True) -> SrvName:
        label, host = service.lower().removeprefix("_"), _parse_dns(domain)
        if not label or not _LABEL_CHARACTERS.issuperset(label):
            raise _refusal(service, "is no service", 'give a name such as "sips" or "xmpp-client"')
        return cls(f"_{label}.{host}", label, host, or_dns)

    @property
    def sni(self) -> bytes | None:
        return self.domain.encode("ascii")


class UriName(ServerName):
    """A URI's scheme and host: `UriName.of("sip", "example.org")`. The scheme must fit, and the host (RFC 9525 6.5)."""

    scheme: str
    domain: str
    or_dns: bool = True

    @classmethod
    def of(cls, scheme: str, domain: str, *, or_dns: bool = True) -> UriName:
        name, host = scheme.lower().rstrip(":"), _parse_dns(domain)
        if not name[:1].isalpha() or not name.isascii():
            raise _refusal(scheme, "is no scheme of a URI", 'give a name such as "sip"')
        return cls(f"{name}:{host}", name, host, or_dns)

    @property
    def sni(self) -> bytes | None:
        return self.domain.encode("ascii")


def address_octets(name: IpAddress) -> bytes:
    """The address as it stands in a certificate: 4 or 16 octets."""
    import ipaddress

    return ipaddress.ip_address(name.text).packed


def _refusal(name: object, why: str, remedy: str) -> ConfigError:
    return ConfigError(
        f"the name {escape(repr(name), 120)} {why}", remedy=remedy, section="RFC 9525 6.1", code="TLS-CONFIG-NAME"
    )


def _parse_address(name: str) -> DnsName | IpAddress:
    import ipaddress

    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    # A zone says which interface leads there; certificates do not know it (RFC 4007 11.2: of local meaning only).
    bare = bare.partition("%")[0]
    try:
        return IpAddress(str(ipaddress.ip_address(bare)))
    except ValueError:
        pass
    if ":" in name:
        raise _refusal(name, "is no IPv6 address", "give host and port apart, and the name without the port")
    if _DIGITS.issuperset(name.rstrip(".").rpartition(".")[2]):
        raise _refusal(name, "is no IPv4 address", "write four numbers from 0 to 255, or a DNS name")
    return DnsName(_parse_dns(name))


# A client asks for the same few names again and again.
@lru_cache(maxsize=256)
def _dns_name(name: str) -> DnsName:
    return DnsName(_parse_dns(name))


def _parse_dns(name: str) -> str:
    host = name[:-1] if name.endswith(".") else name
    if not host:
        raise _refusal(name, "is empty", 'give a name such as "example.org"')
    host = host.lower() if host.isascii() else _to_a_labels(host)
    if len(host) > 253:
        raise _refusal(name, "has more than 253 characters", "DNS knows no such name (RFC 1035 2.3.4)")
    for label in host.split("."):
        # RFC 1035 2.3.4 and RFC 1123 2.1; the underscore is no host name, but internal DNS has many.
        if not 1 <= len(label) <= 63:
            raise _refusal(name, "has a label that is empty or longer than 63 characters", "check the dots of the name")
        if not _LABEL_CHARACTERS.issuperset(label) or label[0] == "-" or label[-1] == "-":
            hint = (
                "give the host alone, without scheme, port or path" if set("/:@") & set(name) else "check its spelling"
            )
            raise _refusal(name, f"has the label {escape(label, 80)!r}, which no host name may have", hint)
    # RFC 1123 2.1: no top-level domain is a number. Digits of other scripts become ASCII only above.
    if _DIGITS.issuperset(label):
        raise _refusal(name, "ends in a number, as an address does", "write an address in ASCII digits, or a DNS name")
    return host


def _to_a_labels(host: str) -> str:
    try:
        import idna
    except ImportError:
        raise _refusal(
            host, "has characters outside ASCII", "run `pip install tlscore[idna]`, or give the name in its xn-- form"
        ) from None
    try:
        encoded: str = idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise _refusal(host, f"is not valid in IDNA 2008: {error}", "check its spelling") from None
    return encoded.lower()


def matches(pattern: str, name: str) -> bool:
    """Whether a name of a certificate, perhaps with a wildcard, stands for `name`; both lower case, in A-labels.

    Source:   RFC 9525 section 6.3: the wildcard is the whole leftmost label, and stands for exactly one label. One
              over a whole top-level domain stands for nothing.
    """
    if pattern == name:
        return "*" not in name
    if not pattern.startswith("*."):
        return False
    label, dot, parent = name.partition(".")
    return bool(label and dot) and parent == pattern[2:] and "." in parent
