"""The text tables: one block per workload and suite, targets down, sizes across, each with its ratio to stdlib ssl.

What it takes to start is one block of its own, import beside ready. A terminal gets tables drawn by rich where that
package is installed (the extra "cli"); a file or a pipe gets plain text always.
"""

import io
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from tlscore.cli.bench.progress import size_text
from tlscore.cli.bench.runner import NO_SUITE, STARTING_WORKLOADS, Results
from tlscore.cli.bench.workloads import WORKLOADS

Row = dict[str, Any]
# The lines of a table whose first line is its heading and whose first column names the targets.
Tabulate = Callable[[list[list[str]]], list[str]]
_LAZY = "  import tlscore is lazy: its parts are loaded when they are first used, so compare `ready`."


def blocks(rows: list[Row]) -> Iterator[tuple[str, str, list[Row]]]:
    """(workload, suite, its rows) in the order of the run."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["workload"], row["suite"]), []).append(row)
    order = list(WORKLOADS)
    for (workload, suite), block in sorted(found.items(), key=lambda item: order.index(item[0][0])):
        yield workload, suite, block


def plain_table(table: list[list[str]]) -> list[str]:
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    return [
        "  "
        + "  ".join(
            text.rjust(width) if column else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in (table if any(table[0]) else table[1:])
    ]


def rich_table(table: list[list[str]]) -> list[str]:
    """As `plain_table`, for a terminal and with the package rich: our own lines stand out."""
    drawn = import_module("rich.table").Table(box=import_module("rich.box").SIMPLE_HEAD, show_header=any(table[0]))
    for column, heading in enumerate(table[0]):
        drawn.add_column(heading, justify="right" if column else "left", no_wrap=True)
    for line in table[1:]:
        drawn.add_row(*line, style="bold" if line[0].startswith("tlscore") else None)
    out = io.StringIO()
    import_module("rich.console").Console(file=out, force_terminal=True, width=200, markup=False).print(drawn)
    return [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]


def text_report(results: Results, tabulate: Tabulate = plain_table) -> str:
    machine = results.machine
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores ({' '.join(machine['flags'])})",
        f"{machine['system']}, {machine['python']}, {results.date}",
        "; ".join(f"{name} {version}" for name, version in results.versions.items()),
    ]
    for workload, suite, rows in blocks(results.rows):
        if workload not in STARTING_WORKLOADS:
            lines += ["", *_block(workload, suite, rows, tabulate)]
    if starting := [row for row in results.rows if row["workload"] in STARTING_WORKLOADS]:
        lines += ["", *_starting(starting, tabulate)]
    if results.skipped:
        lines += ["", "Not measured:"]
        lines += [f"  {where}: {reason}" for where, reason in skipped_lines(results.skipped)]
    return "\n".join(lines)


def skipped_lines(skipped: list[Row]) -> Iterator[tuple[str, str]]:
    """(what, why) of what was not measured, a line for all sizes."""
    said: set[tuple[str, str]] = set()
    for entry in skipped:
        where = " ".join(entry[name] for name in ("target", "workload", "suite") if entry[name] != NO_SUITE)
        line = where, " ".join(entry["reason"].split())[:160]
        if line not in said:
            said.add(line)
            yield line


def _block(name: str, suite: str, rows: list[Row], tabulate: Tabulate) -> list[str]:
    workload = WORKLOADS[name]
    better = "more is better" if workload.more_is_better else "less is better"
    what = workload.title if suite == NO_SUITE else f"{workload.title}, {suite}"
    heading = f"{name}: {what} [{workload.unit}, {better}; (x ssl)]"
    sizes = list(dict.fromkeys(row["size"] for row in rows))
    targets = list(dict.fromkeys(row["target"] for row in rows))
    cells = {(row["target"], row["size"]): row for row in rows}
    table = [["", *(size_text(size) for size in sizes)]]
    for target in targets:
        table.append([target, *(_cell(cells.get((target, size))) for size in sizes)])
    return [heading, *tabulate(table)]


def _starting(rows: list[Row], tabulate: Tabulate) -> list[str]:
    """The times to start in one table, since the first of them tells little alone."""
    names = [name for name in STARTING_WORKLOADS if any(row["workload"] == name for row in rows)]
    cells = {(row["target"], row["workload"]): row for row in rows}
    table = [["", *names]]
    for target in dict.fromkeys(row["target"] for row in rows):
        table.append([target, *(_cell(cells.get((target, name))) for name in names)])
    titles = "; ".join(f"{name}: {WORKLOADS[name].title}" for name in names)
    return [f"{titles} [{WORKLOADS[names[0]].unit}, less is better; (x ssl)]", *tabulate(table), _LAZY]


def _cell(row: Row | None) -> str:
    if row is None:
        return "-"
    ratio = "" if row["ratio_to_ssl"] is None else f" ({row['ratio_to_ssl']:.2f})"
    return number_text(row["median"]) + ratio


def number_text(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 10 else f"{value:.3f}"
