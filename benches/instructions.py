"""Instruction counts of the record layer's hot paths, compared with recorded ones: a guard that feels no neighbours.

callgrind counts the instructions of `rust/core/examples/hot_paths.rs`. Only those of our own crates count, not those of
the AEAD and of the C library, which choose their code by the CPU; and only the difference between two runs of different
length, so that starting the process and making keys do not matter. What is left is the same on every x86-64 machine
with the same compiler; another compiler makes other code, so the record names the one it was made with.

`python benches/instructions.py` compares and fails beyond two per cent; `--record` makes a new record. Where the counts
say nothing (no valgrind, another compiler, another architecture) it says so and does not fail.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parent.parent
RECORD = Path(__file__).with_suffix(".json")
PATHS = ("seal-64", "seal-16384", "open-64", "open-16384", "deframe-64")
FEW, MANY = 100, 400
TOLERANCE = 0.02
OWN = ("tlscore_core::", "tlscore_crypto::")
_NAME = re.compile(r"fn=\((\d+)\)(?: (.*))?$")


class Skipped(Exception):
    """The counts of this machine cannot be compared; the text says why."""


def own_instructions(profile: str) -> int:
    """Instructions that our own functions executed themselves, out of a callgrind profile.

    A line of numbers is the cost of a source line, its last number the instructions; behind `calls=` it is the cost of
    what was called, which is counted where it stands.
    """
    names: dict[str, str] = {}
    own = skip = False
    total = 0
    for line in profile.splitlines():
        if line.startswith("fn="):
            found = _NAME.match(line)
            assert found is not None, line
            number, name = found.groups()
            name = names.setdefault(number, name or "")
            own = any(crate in name for crate in OWN)
        elif line.startswith(("cfn=", "cfi=", "cob=", "cfl=")):
            # Names are told once, in whichever role they come first.
            found = _NAME.search(line)
            if line.startswith("cfn=") and found is not None and found[2]:
                names.setdefault(found[1], found[2])
        elif line.startswith("calls="):
            skip = True
        elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            if own and not skip:
                total += int(line.split()[-1])
            skip = False
    return total


def compiler() -> str:
    """The version of rustc."""
    return subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def build() -> Path:
    """Build the program; gives its path."""
    command = ["cargo", "build", "--release", "--locked", "--package", "tlscore-core", "--example", "hot_paths"]
    told = subprocess.run(
        [*command, "--message-format=json"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    programs = [json.loads(line).get("executable") for line in told.splitlines()]
    return Path(next(one for one in programs if one))


def measured(program: Path, path: str) -> float:
    """Our own instructions for one turn of a path."""
    totals = []
    for count in (FEW, MANY):
        with tempfile.NamedTemporaryFile("r") as profile:
            tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile.name}", "--quiet"]
            subprocess.run([*tool, str(program), path, str(count)], check=True)
            totals.append(own_instructions(Path(profile.name).read_text(encoding="utf-8")))
    return (totals[1] - totals[0]) / (MANY - FEW)


def comparable(record: dict[str, Any]) -> None:
    """Raises Skipped where counts of this machine say nothing about those of the record."""
    if platform.machine() != record["machine"]:
        raise Skipped(f"this machine is {platform.machine()}, the record is of {record['machine']}")
    if compiler() != record["compiler"]:
        raise Skipped(f"the compiler is {compiler()}, the record was made with {record['compiler']}: use --record")


def differences(record: dict[str, float], found: dict[str, float]) -> list[str]:
    """What is out of tolerance, in words. Fewer instructions are out of it too: the record must follow."""
    out = []
    for path in sorted({*record, *found}):
        if path not in record or path not in found:
            out.append(f"{path} is {'not in the record' if path in found else 'no longer measured'}")
            continue
        change = found[path] / record[path] - 1
        if abs(change) > TOLERANCE:
            out.append(f"{path}: {found[path]:.0f} instructions, {change:+.1%} against the recorded {record[path]:.0f}")
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare instruction counts of the hot paths with the recorded ones.")
    parser.add_argument("--record", action="store_true", help="make these counts the recorded ones")
    arguments = parser.parse_args()
    try:
        if shutil.which("valgrind") is None:
            raise Skipped("valgrind is not installed")
        record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else None
        if not arguments.record and record is not None:
            comparable(record)
    except Skipped as reason:
        print(f"instruction counts: skipped: {reason}")
        return 0
    program = build()
    found = {path: measured(program, path) for path in PATHS}
    for path, count in found.items():
        print(f"{path:<12}{count:8.1f} instructions outside the AEAD")
    if arguments.record:
        made = {"machine": platform.machine(), "compiler": compiler(), "counts": found}
        RECORD.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
        return 0
    out = differences(record["counts"] if record is not None else {}, found)
    for line in out:
        print(line)
    if out:
        print("if that is meant, record it: python benches/instructions.py --record")
    return 1 if out else 0


if __name__ == "__main__":
    sys.exit(main())
