"""Name constraints: which names a CA may have certificates for (RFC 5280 4.2.1.10), for every type of name.

The names of a certificate and the subtrees of a CA are put into sets once; then each name costs as many look-ups as it
has labels, however many subtrees there are. The budget is still charged for every pair of name and subtree, before any
work is done. A name or subtree that is malformed is never inside a permitted subtree and always inside an excluded one;
a type of name that cannot be compared here (otherName, registeredID) is refused where a constraint speaks of it.
A wildcard is the set of all names that it could stand for: all must be permitted, none may be excluded.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from tlscore.certs.paths.facts import CanonicalName, Facts, canonical
from tlscore.errors import escape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tlscore.certs.paths.budget import Budget
    from tlscore.certs.paths.wording import Role

_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_URI: Final = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#@:\[\]]+)(?::[0-9]*)?(?:[/?#].*)?", re.ASCII | re.DOTALL
)
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_dns(name: str) -> bool:
    """Whether a name in lower case is a DNS name: labels of letters, digits, hyphens, and underscores."""
    return len(name) <= 253 and all(_LABEL.fullmatch(label) for label in name.split("."))


class Names:
    """The names of one certificate, by type."""

    __slots__ = ("bad", "common", "directories", "dns", "emails", "ips", "others", "uris")

    def __init__(self, facts: Facts) -> None:
        self.dns: list[str] = []
        self.emails: list[str] = []
        self.uris: list[str] = []
        self.ips: list[Any] = []
        self.directories: list[CanonicalName] = []
        self.others: set[str] = set()
        self.common: list[str] = []
        san: Any = facts.value(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
        if facts.subject:
            self.directories.append(facts.subject)
        if san is None:
            subject = facts.certificate.subject
            # RFC 5280 4.2.1.10: "When a constraint is imposed on the rfc822Name name form, but the certificate does not
            # include a subject alternative name, the rfc822Name constraint MUST be applied to the attribute of type
            # emailAddress in the subject distinguished name."
            self.emails = [str(one.value) for one in subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)]
            self.common = [str(one.value).lower() for one in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
            return
        for name in san:
            kind = type(name)
            if kind is x509.DNSName:
                self.dns.append(name.value.lower())
            elif kind is x509.RFC822Name:
                self.emails.append(name.value)
            elif kind is x509.UniformResourceIdentifier:
                self.uris.append(name.value)
            elif kind is x509.IPAddress:
                self.ips.append(name.value)
            elif kind is x509.DirectoryName:
                self.directories.append(canonical(name.value))
            else:
                self.others.add(kind.__name__)

    def count(self) -> int:
        return len(self.dns) + len(self.emails) + len(self.uris) + len(self.ips) + len(self.directories) + 1


class Subtrees:
    """Permitted or excluded subtrees of one CA, by type."""

    __slots__ = ("directories", "dns", "emails", "hosts", "ips", "mailboxes", "others", "problem", "size", "uris")

    def __init__(self, subtrees: Iterable[x509.GeneralName] | None) -> None:
        self.dns: set[str] = set()
        self.emails: set[str] = set()
        self.mailboxes: set[tuple[str, str]] = set()
        self.uris: set[str] = set()
        self.ips: dict[tuple[int, int], set[int]] = {}
        self.directories: set[CanonicalName] = set()
        self.others: set[str] = set()
        self.problem = ""
        self.size = 0
        for name in subtrees or ():
            self.size += 1
            self._add(name)

    def _add(self, name: x509.GeneralName) -> None:
        value: Any = name.value
        if isinstance(name, x509.DNSName):
            text = value.lower()
            # A leading period has no meaning in a dNSName, and readings of it differ.
            self._check(text, not text or is_dns(text), "DNS name")
            self.dns.add(text)
        elif isinstance(name, x509.RFC822Name):
            local, at, host = value.rpartition("@")
            host = host.lower()
            self._check(value, is_dns(host.removeprefix(".") if not at else host) and bool(local) is bool(at), "e-mail")
            if at:
                self.mailboxes.add((local, host))
            else:
                self.emails.add(host)
        elif isinstance(name, x509.UniformResourceIdentifier):
            text = value.lower()
            self._check(text, is_dns(text.removeprefix(".")), "URI")
            self.uris.add(text)
        elif isinstance(name, x509.IPAddress):
            self._add_network(value)
        elif isinstance(name, x509.DirectoryName):
            self.directories.add(canonical(value))
        else:
            self.others.add(type(name).__name__)

    def _add_network(self, value: Any) -> None:
        if isinstance(value, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
            self.ips.setdefault((value.version, int(value.netmask)), set()).add(int(value.network_address))
        else:
            self._check(str(value), False, "IP")

    def _check(self, text: str, well_formed: bool, kind: str) -> None:
        if not well_formed and not self.problem:
            self.problem = f"has a malformed {kind} name constraint ({escape(text, 80)!r})"


class Constraints:
    """The name constraints of one CA."""

    __slots__ = ("excluded", "others", "permitted", "problem", "size")

    def __init__(self, value: x509.NameConstraints) -> None:
        self.permitted = Subtrees(value.permitted_subtrees)
        self.excluded = Subtrees(value.excluded_subtrees)
        self.size = self.permitted.size + self.excluded.size
        self.problem = self.permitted.problem or self.excluded.problem
        self.others = self.permitted.others | self.excluded.others
        # RFC 5280 4.2.1.10: "Conforming CAs MUST NOT issue certificates where name constraints is an empty sequence."
        if not self.size:
            self.problem = "has name constraints that are empty"

    def violation(self, names: Names, common_counts: bool) -> str:
        """The first name that may not stand below this CA, in words; empty if all may."""
        permitted, excluded = self.permitted, self.excluded
        for other in names.others & self.others:
            return f"a name of the type {other}, which is constrained and cannot be compared"
        for dns in [*names.dns, *names.common] if common_counts else names.dns:
            if not _dns_allowed(dns, permitted.dns, excluded.dns):
                return f"the DNS name {escape(dns, 100)}"
        for email in names.emails:
            if not _email_allowed(email, permitted, excluded):
                return f"the e-mail address {escape(email, 100)}"
        for uri in names.uris:
            if not _uri_allowed(uri, permitted.uris, excluded.uris):
                return f"the URI {escape(uri, 100)}"
        for address in names.ips:
            if not _ip_allowed(address, permitted.ips, excluded.ips):
                return f"the IP address {address}"
        for directory in names.directories:
            if not _directory_allowed(directory, permitted.directories, excluded.directories):
                return "the distinguished name " + escape(
                    ",".join("+".join(str(value) for _, value in rdn) for rdn in directory), 100
                )
        return ""


def _within(name: str, subtrees: set[str]) -> bool:
    """Whether a DNS name is one of the names, or below one; the empty name is above all."""
    if "" in subtrees:
        return True
    while name not in subtrees:
        name = name.partition(".")[2]
        if not name:
            return False
    return True


def _dns_allowed(name: str, permitted: set[str], excluded: set[str]) -> bool:
    if not permitted and not excluded:
        return True
    wildcard = name.startswith("*.")
    base = name[2:] if wildcard else name
    base = base.removesuffix(".")
    if not is_dns(base):
        return False
    if permitted and not _within(base, permitted):
        return False
    if not excluded:
        return True
    # A wildcard could stand for an excluded name one label below its base.
    return not _within(base, excluded) and not (wildcard and any(one.partition(".")[2] == base for one in excluded))


def _email_allowed(name: str, permitted: Subtrees, excluded: Subtrees) -> bool:
    has_permitted = bool(permitted.emails or permitted.mailboxes)
    has_excluded = bool(excluded.emails or excluded.mailboxes)
    if not has_permitted and not has_excluded:
        return True
    local, _, host = name.partition("@")
    host = host.lower()
    # Quoted local parts may hold "@" and comments; nobody needs them, and parsers differ.
    if not local or '"' in local or "@" in host or not is_dns(host):
        return False
    if has_permitted and not _email_within(local, host, permitted):
        return False
    return not (has_excluded and _email_within(local, host, excluded))


def _email_within(local: str, host: str, subtrees: Subtrees) -> bool:
    return (local, host) in subtrees.mailboxes or _host_within(host, subtrees.emails)


def _host_within(host: str, subtrees: set[str]) -> bool:
    """A host itself, or any host below a subtree that begins with a period."""
    if host in subtrees:
        return True
    while host:
        host = host.partition(".")[2]
        if host and "." + host in subtrees:
            return True
    return False


def _uri_allowed(name: str, permitted: set[str], excluded: set[str]) -> bool:
    if not permitted and not excluded:
        return True
    found = _URI.fullmatch(name.lower())
    # RFC 5280 4.2.1.10: "includes a subjectAltName extension with a uniformResourceIdentifier that does not include an
    # authority component with a host name specified as a fully qualified domain name (e.g., if the URI either does not
    # include an authority component or includes an authority component in which the host name is specified as an IP
    # address), then the application MUST reject the certificate."
    host = found[1].removesuffix(".") if found else ""
    if not is_dns(host) or "." not in host or host.rpartition(".")[2].isdigit():
        return False
    if permitted and not _host_within(host, permitted):
        return False
    return not _host_within(host, excluded)


def _ip_within(address: Any, networks: dict[tuple[int, int], set[int]]) -> bool:
    number = int(address)
    return any(version == address.version and number & mask in found for (version, mask), found in networks.items())


def _ip_allowed(
    address: Any, permitted: dict[tuple[int, int], set[int]], excluded: dict[tuple[int, int], set[int]]
) -> bool:
    if not permitted and not excluded:
        return True
    if isinstance(address, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return False
    if permitted and not _ip_within(address, permitted):
        return False
    return not _ip_within(address, excluded)


def _directory_within(name: CanonicalName, subtrees: set[CanonicalName]) -> bool:
    return any(name[:length] in subtrees for length in range(len(name) + 1))


def _directory_allowed(name: CanonicalName, permitted: set[CanonicalName], excluded: set[CanonicalName]) -> bool:
    if permitted and not _directory_within(name, permitted):
        return False
    return not (excluded and _directory_within(name, excluded))


def names_of(facts: Facts) -> Names:
    """The names of a certificate, collected once."""
    if facts.names is None:
        facts.names = Names(facts)
    names: Names = facts.names
    return names


def constraints_of(facts: Facts) -> Constraints | None:
    """The name constraints of a certificate, read once; None where it has none."""
    if ExtensionOID.NAME_CONSTRAINTS.dotted_string not in facts.extensions:
        return None
    found = facts.verdicts.get("constraints")
    if found is None:
        found = facts.verdicts["constraints"] = Constraints(facts.value(ExtensionOID.NAME_CONSTRAINTS))
    constraints: Constraints = found
    return constraints


def constraint_problem(facts: Facts, role: Role) -> str:
    """What is wrong with the extension itself; empty if nothing is."""
    found = constraints_of(facts)
    if found is None:
        return ""
    authority = facts.basic_constraints
    # RFC 5280 4.2.1.10: "The name constraints extension, which MUST be used only in a CA certificate"
    if role == "leaf" and (authority is None or not authority.ca):
        return "has name constraints, but is no CA certificate"
    return found.problem


def violations(path: tuple[Facts, ...], common_counts: bool, budget: Budget) -> list[tuple[int, int, str]]:
    """(index of the certificate, index of the CA, the name) of every breach in a path from leaf to anchor.

    Source:   RFC 5280 section 6.1.3 (b), (c): self-issued certificates are exempt, unless they are the leaf.
    """
    found: list[tuple[int, int, str]] = []
    for above in range(1, len(path)):
        constraints = constraints_of(path[above])
        if constraints is None:
            continue
        for below in range(above):
            facts = path[below]
            if below and facts.self_issued:
                continue
            names = names_of(facts)
            budget.compare(names.count() * constraints.size)
            violation = constraints.violation(names, common_counts and not below)
            if violation:
                found.append((below, above, violation))
    return found
