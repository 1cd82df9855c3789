"""docs/stdlib-ssl.md names every attribute of the standard library's module, and what it says of each is so."""

from __future__ import annotations

import inspect
import re
import ssl as stdlib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tlscore import ssl

PAGE = Path(__file__).parents[2] / "docs" / "stdlib-ssl.md"
ROW = re.compile(r"^\| `(?P<name>[\w*]+)` \| (?P<status>\w+) \| (?P<remark>.*) \|$", re.MULTILINE)
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
STATUSES = {"same", "works", "differs", "kept", "refused"}
SECTIONS = {
    "The module": (ssl, stdlib),
    "SSLContext": (ssl.SSLContext, stdlib.SSLContext),
    "SSLSocket": (ssl.SSLSocket, stdlib.SSLSocket),
    "SSLObject": (ssl.SSLObject, stdlib.SSLObject),
    "MemoryBIO": (ssl.MemoryBIO, stdlib.MemoryBIO),
}
OTHER_VERSIONS = re.compile(r"new in Python 3\.1[2-9]|until Python 3\.11")


class Row(NamedTuple):
    section: str
    name: str
    status: str
    remark: str


def rows() -> list[Row]:
    parts = HEADING.split(PAGE.read_text(encoding="utf-8"))[1:]
    return [
        Row(section, match["name"], match["status"], match["remark"])
        for section, text in zip(parts[::2], parts[1::2], strict=True)
        for match in ROW.finditer(text)
    ]


ROWS = rows()


def public(owner: Any) -> set[str]:
    return {name for name in dir(owner) if not name.startswith("_")}


def attribute(owner: Any, name: str) -> Any:
    """The attribute as it stands: functions of classes without their binding."""
    return getattr(owner, name) if inspect.ismodule(owner) else inspect.getattr_static(owner, name)


@pytest.mark.parametrize("section", SECTIONS)
def test_page_lists_every_attribute_of_the_standard_library_once(section: str) -> None:
    theirs = public(SECTIONS[section][1])
    names = [row.name for row in ROWS if row.section == section]
    assert len(set(names)) == len(names)
    patterns = [name for name in names if "*" in name]
    unlisted = {name for name in theirs - set(names) if not any(fnmatchcase(name, one) for one in patterns)}
    assert not unlisted
    for pattern in patterns:
        assert any(fnmatchcase(name, pattern) for name in theirs)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if "*" not in row.name], ids=lambda row: f"{row.section}.{row.name}"
)
def test_status_of_an_attribute_is_so(row: Row) -> None:
    assert row.status in STATUSES
    ours, theirs = SECTIONS[row.section]
    if not hasattr(theirs, row.name):
        assert OTHER_VERSIONS.search(row.remark), "a name that this Python has not needs the version that has it"
        if "until Python" in row.remark:
            assert not hasattr(ours, row.name)
            return
    assert hasattr(ours, row.name)
    if row.status == "same":
        mine, original = attribute(ours, row.name), attribute(theirs, row.name)
        assert mine is original or mine == original
    elif hasattr(theirs, row.name) and not row.name.startswith(("HAS_", "OP_")):
        assert attribute(ours, row.name) is not attribute(theirs, row.name) or row.section != "The module"


@pytest.mark.parametrize("pattern", [row.name for row in ROWS if "*" in row.name])
def test_constants_are_those_of_the_standard_library(pattern: str) -> None:
    listed = {row.name for row in ROWS if row.section == "The module"}
    for name in (one for one in dir(stdlib) if fnmatchcase(one, pattern) and one not in listed):
        assert getattr(ssl, name) is getattr(stdlib, name) or getattr(ssl, name) == getattr(stdlib, name)


@pytest.mark.parametrize("row", [row for row in ROWS if row.status == "refused"], ids=lambda row: row.name)
def test_refused_attribute_names_the_alternative(row: Row) -> None:
    assert row.section == "SSLContext"
    with pytest.raises(NotImplementedError, match=r"use |with certificates"):
        getattr(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), row.name)(None)


def test_flags_of_options_and_verify_flags_are_each_explained() -> None:
    text = PAGE.read_text(encoding="utf-8")
    explained = set(re.findall(r"`((?:OP|VERIFY)_\w+)`", text))
    flags = {name for name in public(stdlib) if name.startswith(("OP_", "VERIFY_"))}
    assert flags <= explained
