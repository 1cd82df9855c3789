"""The text table: one block per workload and suite, targets down, sizes across, each with its ratio to stdlib ssl."""

from collections.abc import Iterator
from typing import Any

from tlscore.cli.bench.progress import size_text
from tlscore.cli.bench.runner import NO_SUITE, Results
from tlscore.cli.bench.workloads import WORKLOADS

Row = dict[str, Any]


def blocks(rows: list[Row]) -> Iterator[tuple[str, str, list[Row]]]:
    """(workload, suite, its rows) in the order of the run."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["workload"], row["suite"]), []).append(row)
    order = list(WORKLOADS)
    for (workload, suite), block in sorted(found.items(), key=lambda item: order.index(item[0][0])):
        yield workload, suite, block


def text_report(results: Results) -> str:
    machine = results.machine
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores ({' '.join(machine['flags'])})",
        f"{machine['system']}, {machine['python']}, {results.date}",
        "; ".join(f"{name} {version}" for name, version in results.versions.items()),
    ]
    for workload, suite, rows in blocks(results.rows):
        lines += ["", *_block(workload, suite, rows)]
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


def _block(name: str, suite: str, rows: list[Row]) -> list[str]:
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
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    if sizes == [0]:
        table = table[1:]
    return [heading] + [
        "  " + "  ".join(text.ljust(width) if not column else text.rjust(width) for column, (text, width) in
        enumerate(zip(line, widths, strict=True))) for line in table
    ]  # fmt: skip


def _cell(row: Row | None) -> str:
    if row is None:
        return "-"
    ratio = "" if row["ratio_to_ssl"] is None else f" ({row['ratio_to_ssl']:.2f})"
    return number_text(row["median"]) + ratio


def number_text(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 10 else f"{value:.3f}"
