"""Write the committed locks requirements/*.txt from pyproject.toml, with the hash of every file that pip may install.

One lock per purpose, each complete in itself: build (the extension and its run-time needs), test (and lint), bench,
docs, ecosystem. A later lock is constrained by the earlier ones, so all of them can live in one virtual environment;
but ecosystem, whose libraries ask for older versions of what the tests use, is constrained by build alone and has a
virtual environment of its own. Run by `make lock`, which writes them all; `python requirements/lock.py ecosystem`
writes one.
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOGETHER = ("test", "bench", "docs")
APART = ("ecosystem",)
HEADER = "# Written by requirements/lock.py (make lock) from pyproject.toml. Do not edit.\n"


def wanted() -> dict[str, list[str]]:
    """Purpose -> requirements, in the order in which the locks constrain each other."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = project["project"]["dependencies"]
    build = [*project["build-system"]["requires"], *runtime]
    extras = project["project"]["optional-dependencies"]
    together = {purpose: build + extras[purpose] for purpose in TOGETHER}
    return {"build": build, **together, **{purpose: runtime + extras[purpose] for purpose in APART}}


def lock(purpose: str, requirements: list[str], earlier: list[Path]) -> Path:
    """Resolve one lock and write it without the comments that depend on this machine."""
    target = HERE / f"{purpose}.txt"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, f"{purpose}.in")
        constraints = [f"-c {path}" for path in earlier]
        source.write_text("\n".join([*requirements, *constraints]) + "\n", encoding="utf-8")
        resolved = Path(folder, "resolved.txt")
        options = ["--generate-hashes", "--no-annotate", "--no-header", "--no-emit-index-url", "--no-emit-trusted-host"]
        options += ["--no-emit-options", "--strip-extras", "--allow-unsafe", "--quiet", "--output-file", str(resolved)]
        subprocess.run([sys.executable, "-m", "piptools", "compile", *options, str(source)], check=True)
        lines = resolved.read_text(encoding="utf-8").splitlines(keepends=True)
    target.write_text(HEADER + "".join(line for line in lines if not line.startswith("#")), encoding="utf-8")
    return target


def main(only: list[str]) -> None:
    """Write the locks that are asked for, or all of them."""
    build, *others = wanted().items()
    earlier = [HERE / "build.txt"]
    for purpose, requirements in (build, *others):
        constraints = [] if purpose == "build" else earlier[:1] if purpose in APART else earlier
        path = HERE / f"{purpose}.txt"
        if not only or purpose in only:
            lock(purpose, requirements, constraints)
        if purpose in TOGETHER:
            earlier.append(path)


if __name__ == "__main__":
    main(sys.argv[1:])
