"""`tlscore bench`: a real, very small run; and the reports, made from figures that are known."""

import json
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tlscore.cli.bench import progress, report_html, runner, targets, workloads
from tlscore.cli.bench.ends import Library, Material, agreed, handshake
from tlscore.cli.bench.ends_ssl import SslLibrary
from tlscore.cli.bench.ends_tlscore import TlscoreLibrary
from tlscore.cli.bench.report_text import number_text, rich_table, text_report
from tlscore.cli.throwaway import SERVER_NAME, ThrowawayAuthority
from tlscore.errors import ConfigError

ROW_NAMES = {"workload", "suite", "size", "target", "unit", "median", "min", "max", "ratio_to_ssl"}
SUITE = "TLS_AES_256_GCM_SHA384"


@pytest.fixture
def material(tmp_path: Path) -> Material:
    authority = ThrowawayAuthority(tmp_path)
    chain, key = authority.issue(SERVER_NAME)
    return Material(SUITE, authority.path, chain, key, SERVER_NAME)


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tlscore", "bench", "--quick", "--rounds", "1", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def test_run_measures_every_workload_and_writes_json(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    done = bench("--target", "tlscore,tlscore_into,ssl,limit-aws_lc,limit-tcp", "--json", str(path))
    assert done.returncode == 0, done.stderr
    assert "100 %" in done.stderr
    results = json.loads(path.read_text())
    assert {"machine", "versions", "date", "rows"} <= results.keys()
    assert not results["skipped"]
    rows = results["rows"]
    assert all(row.keys() >= ROW_NAMES for row in rows)
    assert {row["workload"] for row in rows} == set(workloads.WORKLOADS)
    measured = {(row["workload"], row["target"], row["size"]) for row in rows}
    for name in ("seal", "open"):
        for size in (64, 1024, 16384, 65536, 1048576):
            for target in ("tlscore", "tlscore_into", "ssl", "limit-aws_lc"):
                assert (name, target, size) in measured
    for row in rows:
        assert row["min"] <= row["median"] <= row["max"]
        assert row["median"] > 0
        if row["target"] == "ssl":
            assert row["ratio_to_ssl"] == 1
    assert all(row["target"] in done.stdout for row in rows)


def test_run_keeps_to_what_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    done = bench("--target", "tlscore", "--suite", SUITE, "--workload", "seal", "--size", "2K", "--json", str(path))
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(path.read_text())["rows"]
    assert (row["workload"], row["suite"], row["size"], row["target"]) == ("seal", SUITE, 2048, "tlscore")
    assert row["ratio_to_ssl"] is None


@pytest.mark.parametrize("name", ["rtls", "utls", "pyrtls", "pyopenssl"])
def test_adapter_of_every_peer_works(name: str, tmp_path: Path) -> None:
    """One tiny round of every workload but those of memory and of starting, which need no adapter of their own."""
    target = targets.TARGETS[name]
    if not target.installed():
        pytest.skip(f"{target.importable} is not installed: pip install 'tlscore[bench]'")
    wanted = {"seal", "open", "pingpong", "loopback_cpu", "handshake_client", "handshake_server"}
    path = tmp_path / "figures.json"
    suite = target.suites[0] if target.suites else SUITE
    options = ("--suite", suite, "--size", "1K", "--workload", ",".join(sorted(wanted)), "--json", str(path))
    done = bench("--target", name, *options)
    assert done.returncode == 0, done.stderr
    found = json.loads(path.read_text())
    # A library may agree on something else than was asked for, and is then left out; it may not break.
    assert all(entry["reason"].startswith("agreed on") for entry in found["skipped"]), found["skipped"]
    measured = {row["workload"] for row in found["rows"]} | {entry["workload"] for entry in found["skipped"]}
    assert measured == wanted & set(target.workloads)
    assert {"seal", "open"} <= {row["workload"] for row in found["rows"]}


def test_handshake_reads_what_was_agreed_from_the_wire(material: Material) -> None:
    library = TlscoreLibrary(material)
    shaken = handshake(library.client(), library.server())
    assert (shaken.agreed.version, shaken.agreed.suite) == ("TLSv1.3", SUITE)
    assert (shaken.agreed.group, shaken.agreed.resumed) == ("x25519", False)
    assert shaken.client_seconds > 0
    assert shaken.server_seconds > 0
    with pytest.raises(ConnectionError, match="ServerHello"):
        agreed(b"\x15\x03\x03\x00\x02\x02\x28")


def test_probe_refuses_another_suite_than_asked_for(material: Material) -> None:
    from dataclasses import replace

    library, other = TlscoreLibrary(material), TlscoreLibrary(replace(material, suite="TLS_AES_128_GCM_SHA256"))
    client, server = other.client(), other.server()
    with pytest.raises(workloads.Unavailable, match="TLS_AES_128_GCM_SHA256"):
        workloads.check(library, handshake(client, server).agreed)


def test_probe_compares_what_comes_out(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    library = TlscoreLibrary(material)
    monkeypatch.setattr(library.end, "open", lambda _end, _wire, size: bytes(size))
    for name in ("seal", "open", "pingpong"):
        with pytest.raises(workloads.Unavailable, match="not those that went in"):
            workloads.probe(name, library, library, 1000, 0.001)


def test_ssl_end_talks_to_tlscore_end(material: Material) -> None:
    ours, theirs = TlscoreLibrary(material), SslLibrary(material)
    for client, server in ((ours.client(), theirs.server()), (theirs.client(), ours.server())):
        handshake(client, server)
        for sender, receiver in ((client, server), (server, client)):
            data = bytes(range(256)) * 300
            assert receiver.open(sender.seal(data), len(data)) == data


def results() -> runner.Results:
    machine = {"cpu": "<CPU> & co", "cores": 2, "flags": ["vaes"], "system": "Linux", "python": "CPython"}
    found = runner.Results(machine, {"ssl": "OpenSSL 3"}, "2026-01-01")
    for size in (64, 16384):
        for target, value in (("tlscore", 4000.0), ("ssl", 1000.0), ("limit-aws_lc", 5000.0)):
            found.rows.append(
                {
                    "workload": "seal",
                    "suite": SUITE,
                    "size": size,
                    "target": target,
                    "unit": "MB/s",
                    "median": value,
                    "min": value * 0.9,
                    "max": value * 1.1,
                    "ratio_to_ssl": value / 1000,
                }
            )
    for _ in range(2):
        found.skipped.append({"workload": "seal", "suite": SUITE, "size": 64, "target": "rtls", "reason": "no <luck>"})
    return found


def test_text_report_shows_figures_and_ratios() -> None:
    text = text_report(results())
    assert "4,000 (4.00)" in text
    assert "16 KiB" in text
    assert text.count("rtls seal TLS_AES_256_GCM_SHA384: no <luck>") == 1


def test_text_report_shows_the_times_to_start_side_by_side() -> None:
    found = results()
    found.skipped.clear()
    for workload, value in (("import", 0.4), ("ready", 80.0)):
        figures = {"unit": "ms", "median": value, "min": value, "max": value, "ratio_to_ssl": None}
        found.rows.append({"workload": workload, "suite": "-", "size": 0, "target": "tlscore", **figures})
    text = text_report(found)
    assert text.splitlines()[-4].startswith("import: ")
    assert text.splitlines()[-3].split() == ["import", "ready"]
    assert text.splitlines()[-2].split() == ["tlscore", "0.400", "80.00"]
    assert "lazy" in text.splitlines()[-1]


def test_rich_report_shows_the_same_figures() -> None:
    pytest.importorskip("rich")
    drawn = text_report(results(), rich_table)
    assert "\x1b[1m" in drawn
    plain = re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    for cell in ("4,000 (4.00)", "1,000 (1.00)", "16 KiB", "limit-aws_lc"):
        assert cell in plain


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_report_that_cannot_be_written_is_refused_before_measuring(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tlscore.cli import main

    monkeypatch.setattr(runner, "Comparison", None)
    monkeypatch.setattr(report_html, "check_plots", lambda: None)
    for path, reason in ((tmp_path, "is a directory"), (tmp_path / "no" / "x", "no directory")):
        assert main(["bench", option, str(path)]) == 2
        assert reason in capsys.readouterr().err
    monkeypatch.setattr("os.access", lambda _path, _mode: False)
    assert main(["bench", option, str(tmp_path / "x")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_html_report_is_one_file_that_loads_nothing() -> None:
    pytest.importorskip("matplotlib")
    html = report_html.html_report(results())
    assert html.startswith("<!doctype html>")
    assert "<svg" in html
    assert "&lt;CPU&gt; &amp; co" in html
    assert "no &lt;luck&gt;" in html
    for word in ("<script", "<link", "<img", 'src="', "@import"):
        assert word not in html
    # Everything after the doctype is well-formed, the drawings included.
    body = html.split("\n", 1)[1].replace("&ndash;", "-").replace('<meta charset="utf-8">', "").replace("<br>", "")
    ElementTree.fromstring(body)


def test_html_report_names_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tlscore.cli import main

    monkeypatch.setattr(report_html, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"tlscore\[bench\]"):
        report_html.check_plots()
    # The command says so before it measures anything.
    assert main(["bench", "--html", str(tmp_path / "x.html")]) == 2
    assert not (tmp_path / "x.html").exists()


def test_targets_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "find_spec", lambda name: None if name == "rtls" else object())
    assert "rtls" not in [target.name for target in targets.installed()]
    with pytest.raises(ConfigError, match=r"tlscore\[bench\]"):
        targets.installed(["rtls"])


def test_progress_writes_a_line_a_step_when_not_on_a_terminal() -> None:
    out = StringIO()
    shown = progress.Progress(out)
    shown.start(2)
    shown.step(workloads.WORKLOADS["seal"], SUITE, 65536)
    shown.step(workloads.WORKLOADS["import"], "-", 0)
    shown.end()
    lines = out.getvalue().splitlines()
    assert "seal TLS_AES_256_GCM_SHA384 64 KiB" in lines[0]
    assert lines[1].endswith("import")
    assert "100 %" in lines[2]


@pytest.mark.parametrize(
    ("octets", "text"), [(0, ""), (64, "64 B"), (1024, "1 KiB"), (1500, "1500 B"), (1 << 20, "1 MiB")]
)
def test_sizes_are_written_in_the_largest_whole_unit(octets: int, text: str) -> None:
    assert progress.size_text(octets) == text


@pytest.mark.parametrize(("value", "text"), [(12345.6, "12,346"), (123.45, "123.5"), (12.345, "12.35"), (0.5, "0.500")])
def test_numbers_keep_three_digits(value: float, text: str) -> None:
    assert number_text(value) in (text, text[:-1] + str(int(text[-1]) - 1))


@pytest.mark.parametrize("library", [TlscoreLibrary, SslLibrary])
def test_suites_of_tls12_are_measured_in_tls12(library: type[Library], material: Material) -> None:
    from dataclasses import replace

    older = replace(material, suite="TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
    assert (material.version, older.version) == ("TLSv1.3", "TLSv1.2")
    ends = library(older)
    shaken = handshake(ends.client(), ends.server())
    assert (shaken.agreed.version, shaken.agreed.suite) == ("TLSv1.2", older.suite)
    assert not shaken.agreed.resumed
    workloads.check(ends, shaken.agreed)
    assert workloads.probe("seal", ends, ends, 1000, 0.001).sample() > 0


def test_group_of_tls12_is_read_from_the_key_exchange(material: Material) -> None:
    from dataclasses import replace

    older = TlscoreLibrary(replace(material, suite="TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"))
    client, server = older.client(), older.server()
    flight = server.step(client.step(b""))
    assert agreed(flight).group == "x25519"
    # Without a ServerKeyExchange it is a resumption.
    length = int.from_bytes(flight[3:5])
    hello = 4 + int.from_bytes(flight[6:9])
    assert length >= hello
    short = flight[:3] + hello.to_bytes(2) + flight[5 : 5 + hello]
    assert agreed(short).resumed


def test_run_compares_both_versions(tmp_path: Path) -> None:
    """Bulk of TLS 1.2 beside TLS 1.3 in the same rounds; a handshake of TLS 1.2 beside that of ssl."""
    path = tmp_path / "figures.json"
    both = "TLS_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    options = ("--suite", both, "--workload", "seal,handshake_server", "--size", "1K", "--json", str(path))
    done = bench("--target", "tlscore,tlscore_12,ssl,limit-aws_lc", *options)
    assert done.returncode == 0, done.stderr
    found = json.loads(path.read_text())
    assert not found["skipped"]
    measured = {(row["workload"], row["suite"].count("_WITH_"), row["target"]) for row in found["rows"]}
    assert {("seal", 0, "tlscore"), ("seal", 0, "tlscore_12"), ("seal", 1, "limit-aws_lc")} <= measured
    assert {("handshake_server", 1, "tlscore"), ("handshake_server", 1, "ssl")} <= measured
