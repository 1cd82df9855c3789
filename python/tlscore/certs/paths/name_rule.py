"""Is a certificate for the name that was asked for (RFC 9525), and if not, what is nearest.

The name asked for comes from the caller alone. Only subjectAltName names a server; the common name counts where the
policy says so and the certificate has no subjectAltName of any type. A mismatch says what was asked, what the
certificate lists and which of its names is nearest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from tlscore.certs.names import DnsName, IpAddress, ServerName, SrvName, UriName, address_octets, matches
from tlscore.certs.paths.constraints import Names, names_of
from tlscore.certs.paths.wording import listed, shown
from tlscore.certs.report import Check
from tlscore.errors import escape

if TYPE_CHECKING:
    from tlscore.certs.paths.facts import Facts
    from tlscore.certs.policy import CertificatePolicy, Wildcards

_BAD = 42
# RFC 4985 2: SRVName ::= IA5String "_Service.Name"
_SRV_OID = "1.3.6.1.5.5.7.8.7"


def name_failure(leaf: Facts, name: ServerName, policy: CertificatePolicy) -> Check | None:
    """The failed check, or None if the certificate is for `name`."""
    names = names_of(leaf)
    if _is_for(leaf, names, name, policy):
        return None
    has_any = ExtensionOID.SUBJECT_ALTERNATIVE_NAME.dotted_string in leaf.extensions
    presented = [*names.dns, *map(str, names.ips), *names.uris, *srv_names(leaf)]
    lists = "it is for " + listed(presented) if presented else f"it lists no name at all (subject {shown(leaf)})"
    if names.common and not has_any:
        lists = f"it has CN={escape(names.common[0], 100)} but no subjectAltName"
    return Check(
        "name",
        "fail",
        f"the server's certificate is not for {escape(name.text, 120)}; {lists}",
        0,
        _BAD,
        "TLS-NAME_MISMATCH",
        _remedy(names, name, presented, policy, has_any),
        "RFC 9525 6.3",
    )


def _is_for(leaf: Facts, names: Names, name: ServerName, policy: CertificatePolicy) -> bool:
    if isinstance(name, IpAddress):
        # RFC 9525 6.4: octet for octet; never a dNSName that looks like an address.
        wanted = address_octets(name)
        return any(getattr(one, "packed", b"") == wanted for one in names.ips)
    if isinstance(name, SrvName):
        listed_as = f"_{name.service}."
        if any(
            one.startswith(listed_as) and _dns_match(one[len(listed_as) :], name.domain, policy.wildcards)
            for one in srv_names(leaf)
        ):
            return True
        return name.or_dns and any(_dns_match(one, name.domain, policy.wildcards) for one in names.dns)
    if isinstance(name, UriName):
        wanted_uri = name.text.lower()
        if any(
            one.lower().partition("/")[0].partition("?")[0] == wanted_uri or _uri_host(one) == wanted_uri
            for one in names.uris
        ):
            return True
        return name.or_dns and any(_dns_match(one, name.domain, policy.wildcards) for one in names.dns)
    if any(_dns_match(one, name.text, policy.wildcards) for one in names.dns):
        return True
    # RFC 9525 2: the common name "MUST NOT" identify a service; a named opt-in restores the old rule.
    return policy.cn_fallback and any(
        _dns_match(one, name.text, policy.wildcards) for one in names.common if one.isascii()
    )


def _dns_match(pattern: str, name: str, wildcards: Wildcards) -> bool:
    if pattern == name:
        return True
    pattern = pattern.removesuffix(".")
    if pattern.startswith("*.") and wildcards == "refuse":
        return False
    return matches(pattern, name)


def _uri_host(uri: str) -> str:
    """scheme:host of a URI with an authority."""
    scheme, found, rest = uri.lower().partition("://")
    if not found:
        return ""
    authority = rest.partition("/")[0].partition("?")[0].partition("#")[0].rpartition("@")[2]
    return f"{scheme}:{authority.partition(':')[0]}"


def srv_names(leaf: Facts) -> list[str]:
    """SRV-IDs in lower case; malformed ones are left out."""
    san: Any = leaf.value(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    found: list[str] = []
    for one in san or ():
        if isinstance(one, x509.OtherName) and one.type_id.dotted_string == _SRV_OID:
            octets = one.value
            if len(octets) > 2 and octets[0] == 0x16 and octets[1] == len(octets) - 2 < 0x80 and octets.isascii():
                found.append(octets[2:].decode("ascii").lower())
    return found


def _remedy(names: Names, name: ServerName, presented: list[str], policy: CertificatePolicy, has_any: bool) -> str:
    if not has_any and name.text in names.common:
        return (
            "the name stands in the CN only, which names nobody any more: issue the certificate with a subjectAltName, "
            "or set cn_fallback=True for a while"
        )
    if isinstance(name, IpAddress):
        return "connect by one of these names, or issue the certificate with this IP address in its subjectAltName"
    if any(one.startswith("*.") and name.text.endswith(one[1:]) for one in names.dns):
        if policy.wildcards == "refuse":
            return "wildcards are refused here: issue the certificate for the full name"
        if any(one.startswith("*.") and one.count(".") < 2 for one in names.dns):
            return "a wildcard over a whole top-level domain is never accepted: issue the certificate for the full name"
        return "a wildcard stands for one label only: issue the certificate for the full name"
    if any("*" in one for one in names.dns) and isinstance(name, DnsName):
        return "a wildcard is the whole leftmost label and nothing else: issue the certificate for the full name"
    from difflib import get_close_matches

    near = get_close_matches(name.text, presented[:1000], 1, 0.6)
    hint = f"; the nearest is {escape(near[0], 100)}" if near else ""
    return f"connect by a name that it lists, or give verify_as=, or issue the certificate for this name{hint}"
