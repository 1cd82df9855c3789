"""Distinguished names and general names as values that can be compared (RFC 5280 7.1).

Two names are the same where their attributes are, letter case and runs of spaces apart. A name that is the same octet
by octet needs none of this, and most are; the normal form is what an index of several issuers is made of.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cryptography import x509

Normal = tuple[frozenset[tuple[str, object]], ...]


def _normal_value(text: str | bytes) -> object:
    return " ".join(text.split()).casefold() if isinstance(text, str) else text


def normal_relative(relative: x509.RelativeDistinguishedName) -> frozenset[tuple[str, object]]:
    return frozenset((one.oid.dotted_string, _normal_value(one.value)) for one in relative)


@lru_cache(maxsize=256)
def _normal(name: x509.Name) -> Normal:
    return tuple(normal_relative(relative) for relative in name.rdns)


def normal(name: x509.Name) -> Normal:
    """A name as a value that equals that of every spelling of the same name."""
    return _normal(name)


def normal_general(name: x509.GeneralName) -> tuple[str, object]:
    """A general name, comparable."""
    value: Any = name.value
    if isinstance(name, x509.DirectoryName):
        return "directory", normal(value)
    if isinstance(name, (x509.DNSName, x509.UniformResourceIdentifier)):
        return type(name).__name__, value.casefold() if isinstance(name, x509.DNSName) else value
    if isinstance(name, x509.OtherName):
        return "other", (name.type_id.dotted_string, value)
    return type(name).__name__, str(value)


def point_names(
    full: Any, relative: x509.RelativeDistinguishedName | None, parents: list[x509.Name]
) -> frozenset[object] | None:
    """The names of a distribution point; None where it has none. A relative name continues each of `parents`."""
    if full is not None:
        return frozenset(normal_general(one) for one in full)
    if relative is not None:
        return frozenset(("directory", (*normal(parent), normal_relative(relative))) for parent in parents)
    return None
