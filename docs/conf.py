"""Sphinx configuration: Markdown pages through MyST, the furo theme, API reference from the docstrings."""

import re

import tlscore

project = "tlscore"
author = "The tlscore authors"
copyright = "2026, The tlscore authors"
version = release = tlscore.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 4
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"tlscore {release}"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
# Docstrings are plain text in fixed columns (Takes, Gives, Raises); shown as they are written.
nitpicky = False
# Links that leave docs/ for the repository's own files are right on the forge and mean nothing to Sphinx.
suppress_warnings = ["myst.xref_missing"]


def _literal(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Show what follows the first paragraph of a docstring literally: its columns carry meaning."""
    text = "\n".join(lines).strip("\n").split("\n")
    end = text.index("") if "" in text else len(text)
    first = [re.sub(r"`+", "``", line.strip()).replace("*", r"\*") for line in text[:end]]
    rest = text[end + 1 :]
    lines[:] = [*first, ""]
    if rest:
        lines += ["::", "", *(f"    {line}" for line in rest), ""]


def setup(app: "sphinx.application.Sphinx") -> None:  # noqa: F821
    """Entry point that Sphinx calls."""
    app.connect("autodoc-process-docstring", _literal)
