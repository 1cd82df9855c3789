"""The documentation is true: programs run, links lead somewhere, named tests exist, generated pages are up to date."""

import importlib.util
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from tests.support.tools import REPOSITORY

# What git would show: no virtual environment, no build output.
FOLDERS_LEFT_OUT = {".venv", ".git", "target", "_build", "dist", ".pytest_cache", ".hypothesis"}
PAGES = sorted(
    path for path in REPOSITORY.rglob("*.md") if not FOLDERS_LEFT_OUT.intersection(path.relative_to(REPOSITORY).parts)
)
MARKED = re.compile(r"<!-- runs: (?P<name>[a-z-]+) -->\n+```python\n(?P<code>.*?)```", re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
TEST_ID = re.compile(r"`(?P<path>(?:tests|rust)/[\w/.-]+\.(?:py|rs))(?:::(?P<test>[\w.]+))?`")
DEADLINE = 60


def programs(page: Path) -> dict[str, str]:
    """Name -> text of the programs that a page marks with `<!-- runs: name -->`."""
    return {match["name"]: match["code"] for match in MARKED.finditer(page.read_text(encoding="utf-8"))}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    authority = trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1")
    client = authority.issue_cert("client.example")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.cert_pem.write_to_path(folder / "clients.pem")
    for name, leaf in (("chain", server), ("client", client)):
        (folder / f"{name}.pem").write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        key = folder / ("key.pem" if name == "chain" else "client-key.pem")
        key.touch(mode=0o600)
        leaf.private_key_pem.write_to_path(key)
    return folder


def launched(arguments: list[str], folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def started(program: str, folder: Path) -> "subprocess.Popen[str]":
    return launched(["-c", program], folder)


def finished(process: "subprocess.Popen[str]") -> str:
    """Output of a program that must end well."""
    try:
        out, err = process.communicate(timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        pytest.fail(f"the program did not end in {DEADLINE} s\n{out}\n{err}")
    assert process.returncode == 0, err
    return out


def wait_for(port: int, server: "subprocess.Popen[str]") -> None:
    """Until the server listens; seen in the kernel's table, since the example would accept a connection made to ask."""
    wanted = f":{port:04X} "
    for _ in range(DEADLINE * 20):
        listening = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()
        if any(wanted in line and line.split()[3] == "0A" for line in listening):
            return
        if server.poll() is not None:
            break
        try:
            server.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    server.kill()
    pytest.fail(f"the example server does not listen: {server.communicate()[1]}")


def pages_with_programs() -> list[Path]:
    return [page for page in PAGES if programs(page)]


@pytest.mark.parametrize("page", pages_with_programs(), ids=lambda page: page.name)
def test_docs_programs_run(page: Path, folder: Path) -> None:
    """Each program runs as printed; `NAME-server` and `NAME-client` run against each other, on a port that is free."""
    marked = programs(page)
    for name, program in marked.items():
        if name.endswith("-client"):
            continue
        port = free_port()
        server = started(program.replace("8443", str(port)), folder)
        if name.endswith("-server"):
            wait_for(port, server)
            finished(started(marked[name.removesuffix("server") + "client"].replace("8443", str(port)), folder))
        finished(server)


@pytest.mark.parametrize("mutual", [False, True], ids=["simple", "mutual"])
def test_examples_echo(mutual: bool, folder: Path) -> None:
    examples = REPOSITORY / "examples"
    port = str(free_port())
    demanded = ["--clients", "clients.pem"] if mutual else []
    shown = ["--identity", "client.pem", "client-key.pem"] if mutual else []
    server = launched([str(examples / "echo_server.py"), "chain.pem", "key.pem", "--port", port, *demanded], folder)
    try:
        wait_for(int(port), server)
        client = [str(examples / "echo_client.py"), "ca.pem", "good morning", "--port", port, *shown]
        # The server listens at 127.0.0.1 alone, and the certificate names that address too.
        assert finished(launched([*client, "--host", "127.0.0.1"], folder)) == "good morning\n"
    finally:
        server.kill()
        server.communicate()


def test_readme_shows_a_client_a_server_and_an_error() -> None:
    assert {"simple-server", "simple-client", "mutual-server", "mutual-client", "memory", "error"} <= set(
        programs(REPOSITORY / "README.md")
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_docs_relative_links_lead_to_files(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    missing = []
    for match in LINK.finditer(text):
        target = match["target"].partition("#")[0]
        if not target or re.match(r"[a-z]+:", target):
            continue
        if not (page.parent / target).exists():
            missing.append(target)
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_docs_named_tests_exist(page: Path) -> None:
    """A page that says a test proves something names one that is there."""
    missing = []
    for match in TEST_ID.finditer(page.read_text(encoding="utf-8")):
        path = REPOSITORY / match["path"]
        name = (match["test"] or "").rpartition(".")[2]
        if not path.exists() or (name and not re.search(rf"\b(?:def|fn) {name}\b", path.read_text(encoding="utf-8"))):
            missing.append(match[0])
    assert not missing


def test_docs_conformance_page_is_up_to_date() -> None:
    run = subprocess.run(
        [sys.executable, str(REPOSITORY / "docs" / "generate_conformance.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]


def test_docs_ecosystem_page_is_up_to_date() -> None:
    """Its table comes from the marks of tests/ecosystem/; a row more or less, or another version, changes the page."""
    run = subprocess.run(
        [sys.executable, str(REPOSITORY / "docs" / "generate_ecosystem.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]


def test_sections_that_are_named_exist() -> None:
    """RFC 9846 numbers its sections anew: a number of RFC 8446 leads nowhere, or to something else."""
    spec = importlib.util.spec_from_file_location("conformance", REPOSITORY / "docs" / "generate_conformance.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert {"4.2.3", "4.3.11.2", "B.3.1.4", "E.4"} <= generator.SECTIONS
    assert not {"4.1.3", "4.2.11", "4.8", "D.4"} & generator.SECTIONS
    assert generator.unknown_sections() == []


def test_changelog_is_in_the_shape_of_keep_a_changelog() -> None:
    """Releases newest first, each with a date; changes under the six usual headings."""
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert text.startswith("# Changelog\n")
    assert releases
    assert releases[0] == "[Unreleased]" or re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", releases[0])
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", release) for release in releases[1:])
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= {
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    }


def test_docs_name_no_machine_path() -> None:
    """What a page tells is true on any machine."""
    offending = [
        page.name
        for page in PAGES
        if re.search(r"(?<![\w.])/(?:work|home|root|Users)/", page.read_text(encoding="utf-8"))
    ]
    assert not offending
