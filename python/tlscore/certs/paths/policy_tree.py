"""Certificate policies: which of them are valid for a path, and whether that is enough (RFC 5280 6.1, RFC 9618).

RFC 9618 replaces the tree of RFC 5280, which a peer can make exponential, by a graph: per certificate one node for each
policy. Here a level is a dictionary from a policy to the policies of the level above that lead to it, so it grows with
what the certificates list and not with its powers. Most paths need no policy at all; they cost one look a certificate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptography.x509.oid import ExtensionOID

if TYPE_CHECKING:
    from tlscore.certs.paths.budget import Budget
    from tlscore.certs.paths.facts import Facts
    from tlscore.certs.policy import CertificatePolicy

ANY: Final = "2.5.29.32.0"
_POLICIES: Final = ExtensionOID.CERTIFICATE_POLICIES
_CONSTRAINTS: Final = ExtensionOID.POLICY_CONSTRAINTS
_MAPPINGS: Final = ExtensionOID.POLICY_MAPPINGS
_INHIBIT: Final = ExtensionOID.INHIBIT_ANY_POLICY
# Own limit: policies and mappings of one certificate; the largest honest ones have a dozen.
_MOST: Final = 256


def read_mappings(octets: bytes) -> tuple[tuple[str, str], ...] | None:
    """The pairs of a policyMappings extension; None where it is not DER of that shape."""
    try:
        body = _read(octets, 0, 0x30)
        if body is None or body[1] != len(octets):
            return None
        position, end = body
        pairs: list[tuple[str, str]] = []
        while position < end:
            pair = _read(octets, position, 0x30)
            first = _read(octets, pair[0], 0x06) if pair else None
            second = _read(octets, first[1], 0x06) if first else None
            if pair is None or first is None or second is None or second[1] != pair[1]:
                return None
            pairs.append((_oid(octets[first[0] : first[1]]), _oid(octets[second[0] : second[1]])))
            position = pair[1]
    except (IndexError, ValueError):
        return None
    return tuple(pairs) if pairs and len(pairs) <= _MOST else None


def _read(data: bytes, start: int, tag: int) -> tuple[int, int] | None:
    """(start, end) of the content of an element with this tag; lengths below 65,536 are all that a mapping needs."""
    if data[start] != tag:
        return None
    length, content = data[start + 1], start + 2
    if length == 0x81:
        length, content = data[content], content + 1
    elif length == 0x82:
        length, content = int.from_bytes(data[content : content + 2], "big"), content + 2
    elif length > 0x80:
        return None
    return (content, content + length) if content + length <= len(data) else None


def _oid(content: bytes) -> str:
    arcs: list[int] = []
    value = 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    if not arcs or content[-1] & 0x80:
        raise ValueError("OID")
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _listed(facts: Facts) -> frozenset[str] | None:
    value: Any = facts.value(_POLICIES)
    return None if value is None else frozenset(one.policy_identifier.dotted_string for one in value)


class _State:
    """The state variables of RFC 5280 6.1.2, and the levels of the graph."""

    __slots__ = ("explicit", "inhibit_any", "levels", "mapping")

    def __init__(self, length: int, policy: CertificatePolicy) -> None:
        self.explicit = 0 if policy.require_explicit_policy else length + 1
        self.inhibit_any = 0 if policy.inhibit_any_policy else length + 1
        self.mapping = 0 if policy.inhibit_policy_mapping else length + 1
        # The last level maps each expected policy to the policy of the user's domain that led to it.
        self.levels: dict[str, frozenset[str]] | None = {ANY: frozenset((ANY,))}


def policy_problem(path: tuple[Facts, ...], policy: CertificatePolicy, budget: Budget) -> tuple[int, str] | None:
    """(index of the certificate, what is wrong) of a path from leaf to anchor; None if its policies suffice.

    Source:   RFC 5280 sections 6.1.3 (d) to (f), 6.1.4 (a), (b), (h) to (j), 6.1.5; RFC 9618 section 5.
    """
    below = path[:-1]
    if not needs_policies(below, policy):
        return None
    state = _State(len(below), policy)
    for index in range(len(below) - 1, -1, -1):
        facts = below[index]
        problem = _add_level(state, facts, final=index == 0, budget=budget)
        # RFC 5280 6.1.3: "Verify that either explicit_policy is greater than 0 or the valid_policy_tree is not equal to
        # NULL"
        if not problem and state.explicit == 0 and not state.levels:
            problem = "has none of the certificate policies that its path requires"
        if problem:
            return index, problem
        if index:
            problem = _prepare(state, facts)
            if problem:
                return index, problem
    return _wrap_up(state, below[0], policy)


def needs_policies(path: tuple[Facts, ...], policy: CertificatePolicy) -> bool:
    """Whether anything can require a policy: the caller, or a certificate of the path."""
    if policy.require_explicit_policy or policy.accepted_policies:
        return True
    for facts in path:
        extensions = facts.extensions
        if _CONSTRAINTS.dotted_string in extensions or _MAPPINGS.dotted_string in extensions:
            return True
    return False


def _add_level(state: _State, facts: Facts, *, final: bool, budget: Budget) -> str:
    listed = _listed(facts)
    above = state.levels
    if listed is None or above is None:
        state.levels = None
        return ""
    if len(listed) > _MOST:
        return f"lists {len(listed)} certificate policies, more than {_MOST}"
    budget.step(5 * (len(listed) + len(above)))
    level: dict[str, frozenset[str]] = {}
    anything = above.get(ANY)
    for one in listed:
        if one == ANY:
            continue
        if one in above:
            level[one] = above[one]
        elif anything is not None:
            level[one] = frozenset((one,)) if ANY in anything else anything
    # RFC 5280 6.1.3 (d) (2): anyPolicy counts while inhibit_anyPolicy is above 0, or in a self-issued CA certificate.
    if ANY in listed and (state.inhibit_any > 0 or (not final and facts.self_issued)):
        for one, roots in above.items():
            level.setdefault(one, roots)
    state.levels = level or None
    return ""


def _prepare(state: _State, facts: Facts) -> str:
    """RFC 5280 6.1.4 (a), (b), (h), (i), (j)."""
    extension: Any = facts.extensions.get(_MAPPINGS.dotted_string)
    if extension is not None:
        pairs = read_mappings(extension.value.value) or ()
        # RFC 5280 6.1.4 (a): "verify that the special value anyPolicy does not appear as an issuerDomainPolicy or a
        # subjectDomainPolicy."
        if any(ANY in pair for pair in pairs):
            return "maps anyPolicy, which no certificate may"
        _map(state, pairs)
    if not facts.self_issued:
        state.explicit -= state.explicit > 0
        state.mapping -= state.mapping > 0
        state.inhibit_any -= state.inhibit_any > 0
    constraints: Any = facts.value(_CONSTRAINTS)
    if constraints is not None:
        if constraints.require_explicit_policy is not None:
            state.explicit = min(state.explicit, constraints.require_explicit_policy)
        if constraints.inhibit_policy_mapping is not None:
            state.mapping = min(state.mapping, constraints.inhibit_policy_mapping)
    inhibit: Any = facts.value(_INHIBIT)
    if inhibit is not None:
        state.inhibit_any = min(state.inhibit_any, inhibit.skip_certs)
    return ""


def _map(state: _State, pairs: tuple[tuple[str, str], ...]) -> None:
    level = state.levels
    if level is None:
        return
    mapped = {issuer for issuer, _ in pairs}
    new = {one: roots for one, roots in level.items() if one not in mapped}
    if state.mapping > 0:
        for issuer, subject in pairs:
            roots = level.get(issuer)
            if roots is None and ANY in level:
                # RFC 5280 6.1.4 (b) (1): a mapped policy that only anyPolicy led to becomes one of its own.
                roots = frozenset((issuer,)) if ANY in level[ANY] else level[ANY]
            if roots is not None:
                new[subject] = new.get(subject, frozenset()) | roots
    state.levels = new or None


def _wrap_up(state: _State, leaf: Facts, policy: CertificatePolicy) -> tuple[int, str] | None:
    """RFC 5280 6.1.5 (a), (b), (g)."""
    explicit = state.explicit - (state.explicit > 0)
    constraints: Any = leaf.value(_CONSTRAINTS)
    if constraints is not None and constraints.require_explicit_policy == 0:
        explicit = 0
    accepted = set(policy.accepted_policies) - {ANY}
    if accepted and ANY not in policy.accepted_policies and state.levels is not None:
        roots = frozenset().union(*state.levels.values())
        if ANY not in roots and not roots & accepted:
            state.levels = None
    if explicit > 0 or state.levels:
        return None
    return 0, "has none of the certificate policies that its path or the caller requires"
