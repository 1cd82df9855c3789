"""Write the committed locks requirements/*.txt from pyproject.toml, with the hash of every file that pip may install.

One lock per purpose, each complete in itself: build (the extension and its run-time needs), test (and lint), bench,
docs. A later lock is constrained by the earlier ones, so all of them can live in one virtual environment. Run by
`make lock`.
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEADER = "# Written by requirements/lock.py (make lock) from pyproject.toml. Do not edit.\n"


def wanted() -> dict[str, list[str]]:
    """Purpose -> requirements, in the order in which the locks constrain each other."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    base = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    extras = project["project"]["optional-dependencies"]
    return {"build": base, **{purpose: base + extras[purpose] for purpose in ("test", "bench", "docs")}}


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


def main() -> None:
    """Write all locks."""
    earlier: list[Path] = []
    for purpose, requirements in wanted().items():
        earlier.append(lock(purpose, requirements, earlier))


if __name__ == "__main__":
    main()
