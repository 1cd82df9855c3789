"""The HTML report: one file, its plots inlined as SVG, no script and nothing loaded from elsewhere."""

import io
import re
from html import escape
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from tlscore.cli.bench.progress import size_text
from tlscore.cli.bench.report_text import Row, blocks, number_text, skipped_lines
from tlscore.cli.bench.runner import NO_SUITE, Results
from tlscore.cli.bench.workloads import WORKLOADS
from tlscore.errors import ConfigError

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem; }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid #d8dee4; text-align: right; }
th:first-child, td:first-child { text-align: left; }
tr.own td { background: #eef6ff; font-weight: 600; }
svg { max-width: 100%; height: auto; }
small { color: #57606a; }
"""
_OWN, _PEER, _LIMIT, _BASELINE = "#0969da", "#8c959f", "#d8dee4", "#bf8700"


def check_plots() -> None:
    """Refuse to start a long run whose report cannot be drawn."""
    if find_spec("matplotlib") is None:
        raise ConfigError("the plots of --html need matplotlib", remedy="pip install 'tlscore[bench]'")


def html_report(results: Results) -> str:
    check_plots()
    machine = results.machine
    facts = f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, {machine['python']}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><title>tlscore bench</title>',
        f"<style>{_STYLE}</style></head><body>",
        "<h1>tlscore bench</h1>",
        f"<p>{escape(facts)}<br><small>{escape(' '.join(machine['flags']))}<br>{escape(results.date)}</small></p>",
        "<p><small>Targets are measured in turn, round by round, in one run; the bars are medians, the "
        "whiskers least and greatest. Only ratios within one run mean something on another machine.</small></p>",
    ]
    parts += [_section(name, suite, rows) for name, suite, rows in blocks(results.rows)]
    parts += [_skipped(results.skipped), _versions(results.versions), "</body></html>"]
    return "\n".join(parts)


def _section(name: str, suite: str, rows: list[Row]) -> str:
    workload = WORKLOADS[name]
    title = workload.title + ("" if suite == NO_SUITE else f", {suite}")
    return f"<h2>{escape(title)}</h2>\n{_plot(name, rows)}\n{_table(name, rows)}"


def _plot(name: str, rows: list[Row]) -> str:
    mpl = import_module("matplotlib")

    sizes = list(dict.fromkeys(row["size"] for row in rows))
    targets = list(dict.fromkeys(row["target"] for row in rows))
    workload = WORKLOADS[name]
    # Text stays text, and the same results give the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tlscore", "font.size": 9}):
        figure = import_module("matplotlib.figure").Figure(figsize=(9, 0.9 + 0.26 * len(targets)), layout="constrained")
        axes = figure.subplots(1, len(sizes), squeeze=False)[0]
        for column, (axis, size) in enumerate(zip(axes, sizes, strict=True)):
            found = {row["target"]: row for row in rows if row["size"] == size}
            for place, target in enumerate(targets):
                if target in found:
                    _bar(axis, place, found[target])
            axis.set_yticks(range(len(targets)), targets if not column else [""] * len(targets))
            axis.set_ylim(len(targets) - 0.4, -0.6)
            axis.set_title(size_text(size) or workload.unit)
            axis.set_xlim(left=0)
            axis.locator_params(axis="x", nbins=3)
            axis.spines[["top", "right"]].set_visible(False)
        better = "more is better" if workload.more_is_better else "less is better"
        figure.supxlabel(f"{workload.unit}, {better}", fontsize=9)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    # Several drawings stand in one page: their ids must differ.
    prefix = re.sub(r"\W", "_", f"{name}_{rows[0]['suite']}_")
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    return re.sub(r'(href="|url\()#', rf"\1#{prefix}", svg)


def _bar(axis: Any, place: int, row: Row) -> None:
    target = row["target"]
    color = _BASELINE if target == "ssl" else _PEER
    if target.startswith("tlscore"):
        color = _OWN
    elif target.startswith("limit-"):
        color = _LIMIT
    reach = [[row["median"] - row["min"]], [row["max"] - row["median"]]]
    axis.barh(place, row["median"], height=0.7, color=color, xerr=reach, error_kw={"lw": 0.8, "ecolor": "#57606a"})


def _table(name: str, rows: list[Row]) -> str:
    sizes = list(dict.fromkeys(row["size"] for row in rows))
    cells = {(row["target"], row["size"]): row for row in rows}
    head = "".join(f"<th>{size_text(size) or WORKLOADS[name].unit}</th>" for size in sizes)
    lines = [f"<table><tr><th>{escape(WORKLOADS[name].unit)} (ratio to ssl)</th>{head}</tr>"]
    for target in dict.fromkeys(row["target"] for row in rows):
        own = ' class="own"' if target.startswith("tlscore") else ""
        values = "".join(f"<td>{_cell(cells.get((target, size)))}</td>" for size in sizes)
        lines.append(f"<tr{own}><td>{escape(target)}</td>{values}</tr>")
    return "\n".join(lines) + "</table>"


def _cell(row: Row | None) -> str:
    if row is None:
        return "&ndash;"
    ratio = "" if row["ratio_to_ssl"] is None else f" <small>({row['ratio_to_ssl']:.2f})</small>"
    return number_text(row["median"]) + ratio


def _skipped(skipped: list[dict[str, Any]]) -> str:
    if not skipped:
        return ""
    lines = [f"<li>{escape(where)}: {escape(reason)}</li>" for where, reason in skipped_lines(skipped)]
    return "<h2>Not measured</h2><ul>" + "\n".join(lines) + "</ul>"


def _versions(versions: dict[str, str]) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in versions.items())
    return f"<h2>Versions</h2><table>{rows}</table>"
