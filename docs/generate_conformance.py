"""Write docs/conformance.md: which sentence of which RFC is obeyed where, and which tests name its section.

The sentences are the ones that the sources quote over the branch that obeys them, `# RFC 9846 4.2.3: "..."` in Python
and `// RFC 9846 5.1: "..."` in Rust; a quotation may go on over the next comment lines until its closing quote. A
test belongs to a section when its function (decorators, docstring and comments included) or the comment lines right
above it name the section. Places are files and functions, never line numbers, so that the page changes only when
something moved. `--check` writes nothing and fails when the page is out of date. A section that RFC 9846 does not have
fails either way: most such numbers are those of RFC 8446.
"""

import argparse
import ast
import bisect
import difflib
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "conformance.md"
SOURCES = ("python/tlscore", "rust/core", "rust/crypto", "rust/ext")
TESTS = ("tests", *SOURCES[1:])
MENTIONING = ("python", "rust", "tests", "docs", "examples", "README.md", "SECURITY.md", "CHANGELOG.md")

SECTION = r"(?:[0-9]+(?:\.[0-9]+)*|[A-Z](?:\.[0-9]+)*)"
QUOTE = re.compile(rf'^\s*(?:#|//[/!]?)\s*RFC (?P<rfc>\d+)(?: section)? (?P<section>{SECTION})\s*:\s*"(?P<text>.*)$')
COMMENT = re.compile(r"^\s*(?:#|//[/!]?)\s?(?P<text>.*)$")
MENTION = re.compile(rf"RFC (?P<rfc>\d+)(?: section)? (?P<section>{SECTION})")
RUST_FUNCTION = re.compile(r"^\s*(?:pub(?:\([a-z]+\))?\s+)?(?:const\s+|unsafe\s+)*fn\s+(?P<name>\w+)")
RUST_TEST = re.compile(r"^\s*#\[test\]")

# How many sections of the next level each section of RFC 9846 has, from its headings; sections left out have none.
SUBSECTIONS = {
    "": 12, "1": 4, "2": 3, "3": 8, "4": 7, "4.2": 4, "4.3": 11, "4.3.8": 2, "4.3.11": 3, "4.4": 2, "4.5": 3,
    "4.5.1": 3, "4.7": 3, "5": 5, "6": 2, "7": 5, "7.4": 2, "8": 3, "9": 3, "11": 1, "12": 2,
    "A": 2, "B": 4, "B.3": 5, "B.3.1": 4, "C": 5, "D": 0, "E": 5, "F": 10, "F.1": 6, "F.2": 1, "F.5": 1,
}  # fmt: skip
SECTIONS = frozenset("ABCDEF") | {
    f"{above}.{number}".lstrip(".") for above, count in SUBSECTIONS.items() for number in range(1, count + 1)
}

HEAD = """# Conformance

Every sentence below is quoted in the source over the branch that obeys it; the tests are those that name its section.
The page is written by `docs/generate_conformance.py` from the sources and the tests (`make conformance`), and a test
checks that it is up to date. What a section demands and this release does not do yet is in
[limitations](limitations.md).
"""


class Clause(NamedTuple):
    """A section of an RFC, in an order that a reader expects."""

    rfc: int
    section: str

    @property
    def order(self) -> tuple[int, list[tuple[int, str]]]:
        return self.rfc, [(int(part), "") if part.isdigit() else (1 << 16, part) for part in self.section.split(".")]


class Quotation(NamedTuple):
    """One quoted sentence and where the code obeys it."""

    clause: Clause
    text: str
    place: str


def _files(folders: tuple[str, ...], suffix: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path for path in (ROOT / folder).rglob(f"*{suffix}") if "target" not in path.parts)


def _shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _python_functions(text: str) -> list[tuple[int, int, str]]:
    """(first line, last line, qualified name) of every function, decorators included, in order of the first line."""
    found: list[tuple[int, int, str]] = []

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{prefix}{child.name}"
                first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
                if not isinstance(child, ast.ClassDef):
                    found.append((first, child.end_lineno or child.lineno, name))
                visit(child, f"{name}.")
            else:
                visit(child, prefix)

    visit(ast.parse(text), "")
    return sorted(found)


def _rust_functions(text: str) -> list[tuple[int, int, str, bool]]:
    """(first line, last line, name, whether it is a test); a function ends where the next one starts."""
    lines = text.splitlines()
    starts: list[tuple[int, str, bool]] = []
    for number, line in enumerate(lines, 1):
        match = RUST_FUNCTION.match(line)
        if match:
            above = [lines[index] for index in range(max(0, number - 6), number - 1)]
            starts.append((number, match["name"], any(RUST_TEST.match(one) for one in above)))
    starts.append((len(lines) + 1, "", False))
    return [(start, after - 1, name, is_test) for (start, name, is_test), (after, _, _) in pairwise(starts)]


def _comment_head(lines: list[str], first: int) -> int:
    """First line of the comments and attributes that stand right above line `first`."""
    while first > 1 and re.match(r"^\s*(#|//)", lines[first - 2]):
        first -= 1
    return first


def _quoted(lines: list[str], index: int, text: str) -> str:
    """The whole quotation that starts in line `index` with `text`, over comment lines up to its closing quote.

    A sentence may quote a word itself: a quote sign behind a space opens one, any other closes.
    """
    parts = [text]
    for line in lines[index + 1 :]:
        match = COMMENT.match(line)
        if not match or QUOTE.match(line):
            break
        parts.append(match["text"])
    whole = re.sub(r"\s+", " ", " ".join(parts))
    depth = 1
    for match in re.finditer(r'(?P<before>[ (]?)"', whole):
        depth += 1 if match["before"] else -1
        if depth == 0:
            return whole[: match.end() - 1].strip()
    raise SystemExit(f"a quotation has no end: {whole[:80]}")


def quotations() -> list[Quotation]:
    """Every sentence that a source quotes."""
    found = []
    for suffix in (".py", ".rs"):
        for path in _files(SOURCES, suffix):
            text = path.read_text(encoding="utf-8")
            lines = text.splitlines()
            spans = [span[:3] for span in (_python_functions(text) if suffix == ".py" else _rust_functions(text))]
            for index, line in enumerate(lines):
                match = QUOTE.match(line)
                if match:
                    place = _place(path, spans, index + 1, lines)
                    found.append(
                        Quotation(
                            Clause(int(match["rfc"]), match["section"]), _quoted(lines, index, match["text"]), place
                        )
                    )
    return found


def _place(path: Path, spans: list[tuple[int, int, str]], number: int, lines: list[str]) -> str:
    """File and innermost function that hold a line; for a comment above a function, that function."""
    inside = [name for first, last, name in spans if _comment_head(lines, first) <= number <= last]
    function = inside[-1] if inside else ""
    return f"{_shown(path)}{f', `{function}`' if function else ''}"


def tests_by_clause() -> dict[Clause, set[str]]:
    """Section -> the tests that name it."""
    found: dict[Clause, set[str]] = defaultdict(set)
    for path in _files(TESTS[:1], ".py"):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        spans = [(first, last, name) for first, last, name in _python_functions(text) if _is_test(name)]
        _collect(found, path, lines, spans)
    for path in _files(TESTS[1:], ".rs"):
        text = path.read_text(encoding="utf-8")
        spans = [(first, last, name) for first, last, name, is_test in _rust_functions(text) if is_test]
        _collect(found, path, text.splitlines(), spans)
    return found


def _is_test(name: str) -> bool:
    return name.rpartition(".")[2].startswith("test_")


def _collect(found: dict[Clause, set[str]], path: Path, lines: list[str], spans: list[tuple[int, int, str]]) -> None:
    """Add every mention of a section inside a test to `found`."""
    firsts = [_comment_head(lines, first) for first, _, _ in spans]
    for number, line in enumerate(lines, 1):
        position = bisect.bisect_right(firsts, number) - 1
        if position < 0 or number > spans[position][1]:
            continue
        for match in MENTION.finditer(line):
            found[Clause(int(match["rfc"]), match["section"])].add(f"{_shown(path)}::{spans[position][2]}")


def unknown_sections() -> list[str]:
    """Every mention of a section that RFC 9846 does not have, as "file:line: section"."""
    found = []
    for folder in MENTIONING:
        for path in [ROOT / folder] if (ROOT / folder).is_file() else sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".py", ".pyi", ".rs", ".md") or path == PAGE or "_build" in path.parts:
                continue
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                for match in MENTION.finditer(line):
                    if match["rfc"] == "9846" and match["section"] not in SECTIONS:
                        found.append(f"{_shown(path)}:{number}: {match['section']}")
    return found


def page() -> str:
    """The whole page."""
    quoted: dict[Clause, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for clause, text, place in quotations():
        quoted[clause][text].add(place)
    tests = tests_by_clause()
    sentences = sum(len(texts) for texts in quoted.values())
    tested = sum(1 for clause in quoted if clause in tests)
    out = [
        HEAD,
        f"\n{sentences} sentences from {len(quoted)} sections are quoted; tests name {tested} of these sections.\n",
    ]
    rfc = None
    for clause in sorted(quoted, key=lambda one: one.order):
        if clause.rfc != rfc:
            rfc = clause.rfc
            out.append(f"\n## RFC {rfc}\n")
        out.append(f"\n### {clause.rfc}, section {clause.section}\n\n")
        for text, places in sorted(quoted[clause].items()):
            out.append(f"- \u201c{_escaped(text)}\u201d\n")
            out.extend(f"  - obeyed in {place}\n" for place in sorted(places))
        out.extend(f"- test: `{test}`\n" for test in sorted(tests.get(clause, ())))
    return "".join(out)


def _escaped(text: str) -> str:
    """A sentence as Markdown that shows it literally."""
    return re.sub(r"([\\`*_<>\[\]|])", r"\\\1", text)


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or compare with it."""
    parser = argparse.ArgumentParser(description="write docs/conformance.md")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is out of date")
    options = parser.parse_args(arguments)
    if unknown := unknown_sections():
        sys.stderr.write("RFC 9846 has no such section:\n" + "\n".join(unknown) + "\n")
        return 1
    wanted = page()
    present = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if not options.check:
        if wanted != present:
            PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if wanted != present:
        sys.stderr.writelines(
            difflib.unified_diff(present.splitlines(True), wanted.splitlines(True), "docs/conformance.md", "sources")
        )
        sys.stderr.write("docs/conformance.md is out of date; run make conformance\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
