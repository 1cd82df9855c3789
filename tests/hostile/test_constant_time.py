"""Nothing that a peer must not learn shows in branches or addresses: the crate, built as it ships, under valgrind.

rust/crypto/examples/constant_time.rs marks keys, or what they decrypt, as undefined octets. Memcheck follows them
through every instruction, and reports each branch and each address that depends on one. The cases
that do the work as it ships must give no report at all; the careless ones must give some, in the careless function, or
the method shows nothing. Attacks: Lucky Thirteen, POODLE and its kin, Bleichenbacher, ROBOT, Marvin (RFC 5246 6.2.3.2,
7.4.7.1).
"""

import platform
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.support.tools import require_tool

SHIPPED = [
    "open-aes128-sha1",
    "open-aes256-sha1",
    "open-aes128-sha1-tls10",
    "open-aes256-sha1-tls10",
    "open-aes128-sha256",
    "open-aes256-sha256",
    "open-aes256-sha384",
    "open-longest-sha1-tls10",
    "open-longest-sha384",
    "premaster",
]
CARELESS = {
    "leaky-padding": "leaky_padding",
    "leaky-premaster": "leaky_select",
    "leaky-content": "leaky_content",
}

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the requests to valgrind are written for x86-64"
)


@pytest.fixture(scope="module")
def program(repository: Path) -> Path:
    """The example, built as the extension is."""
    require_tool("valgrind")
    build = [
        require_tool("cargo"),
        "build",
        "--release",
        "--quiet",
        "-p",
        "tlscore-crypto",
        "--example",
        "constant_time",
    ]
    target = repository / "target"
    subprocess.run([*build, "--target-dir", str(target)], cwd=repository, check=True, timeout=540)
    return target / "release" / "examples" / "constant_time"


def reports(program: Path, case: str, folder: Path) -> list[list[str]]:
    """The functions on the stack of each report, innermost first."""
    log = folder / "valgrind.xml"
    command = ["valgrind", "--xml=yes", f"--xml-file={log}", "--error-limit=no", "--num-callers=30", str(program), case]
    run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=110)
    assert run.stdout.strip(), "the case ran"
    errors = ElementTree.parse(log).getroot().findall("error")
    return [[frame.findtext("fn", "?") for frame in error.find("stack") or ()] for error in errors]


@pytest.mark.timeout(600)
def test_every_case_is_here(program: Path) -> None:
    listed = subprocess.run([program], check=True, capture_output=True, text=True, timeout=30).stdout.split()
    assert listed == [*SHIPPED, "leaky-premaster", "leaky-padding", "leaky-content"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", SHIPPED)
def test_padding_mac_and_premaster_are_checked_in_constant_time(program: Path, tmp_path: Path, case: str) -> None:
    # RFC 5246 6.2.3.2: "implementations MUST ensure that record processing time is essentially the same whether or not
    # the padding is correct." RFC 5246 7.4.7.1: the secret is chosen without a sign of which.
    assert reports(program, case, tmp_path) == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", CARELESS)
def test_careless_code_is_reported(program: Path, tmp_path: Path, case: str) -> None:
    found = reports(program, case, tmp_path)
    assert found
    assert all(any(CARELESS[case] in function for function in stack) for stack in found)
