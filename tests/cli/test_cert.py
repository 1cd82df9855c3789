"""`tlscore cert`: what each command prints, in both forms, and its exit codes."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    pkcs12,
)

from tests.support import commands
from tests.support.certificates import Authority, Issued, make_ca
from tests.support.revocation import DAY, NOW, crl_pem, entry, make_crl
from tlscore.cli import main

NAME = "www.example.org"


@pytest.fixture(scope="module")
def top() -> Authority:
    return make_ca("House root")


@pytest.fixture(scope="module")
def leaf(top: Authority) -> Issued:
    return top.intermediate("House CA").issue(NAME, "10.0.0.1", usage="server", days=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, top: Authority, leaf: Issued) -> Path:
    folder = tmp_path_factory.mktemp("cert")
    top.write(folder, "root")
    leaf.write(folder)
    (folder / "ca.pem").write_bytes(leaf.chain[1].public_bytes(Encoding.PEM))
    return folder


def run(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> commands.Ran:
    return commands.run(capsys, "cert", *argv)


# -- verify-link -------------------------------------------------------------------------------------------------------


def test_s63_verify_link_needs_issuer_and_certificate_alone(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, printed, _ = run(capsys, "verify-link", folder / "ca.pem", folder / "leaf.pem")
    assert code == 0
    assert printed.splitlines()[1].startswith("pass signature [0]")
    code, printed, _ = run(capsys, "verify-link", folder / "root.pem", folder / "leaf.pem")
    assert code == 1
    assert [line.split()[0] for line in printed.splitlines()] == ["fail", "fail"]
    code, printed, _ = run(capsys, "verify-link", "--json", folder / "root.pem", folder / "ca.pem")
    assert (code, json.loads(printed)["ok"]) == (0, True)


def test_s63_verify_link_runs_as_a_program(folder: Path) -> None:
    command = [sys.executable, "-m", "tlscore", "cert", "verify-link", "ca.pem", "leaf.pem"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# -- verify ------------------------------------------------------------------------------------------------------------


def test_verify_runs_every_check(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    argv = ["verify", folder / "leaf.pem", "--trust", folder / "root.pem", "--name", NAME]
    code, printed, _ = run(capsys, *argv)
    assert (code, printed.splitlines()[-1]) == (0, "accepted")
    assert "pass name: the certificate is for the name that was asked for" in printed
    code, printed, _ = run(capsys, *argv, "--json")
    assert json.loads(printed)["ok"] is True


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--name", "other.example"], "fail name"),
        (["--purpose", "client"], "fail extended_key_usage"),
        (["--time", "2040-01-01"], "fail validity"),
        (["--key-use", "keyEncipherment"], "is for a key that only signs, and RSA key exchange encrypts to it"),
        (["--name", "www.EXAMPLE.com"], "REFUSED: the server's certificate is not for www.example.com"),
    ],
)
def test_verify_says_why_a_chain_is_refused(
    capsys: pytest.CaptureFixture[str], folder: Path, options: list[str], told: str
) -> None:
    code, printed, _ = run(capsys, "verify", folder / "leaf.pem", "--trust", folder / "root.pem", *options)
    assert code == 1
    assert told in printed
    assert "accepted" not in printed


def test_verify_takes_several_stores_and_directories(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    make_ca("Other").write(tmp_path, "other")
    argv = ["verify", folder / "leaf.pem", "--name", "10.0.0.1"]
    assert run(capsys, *argv, "--trust", tmp_path)[0] == 1
    assert run(capsys, *argv, "--trust", tmp_path, "--trust", folder / "root.pem")[0] == 0


def test_verify_without_a_name_says_so(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, printed, _ = run(capsys, "verify", folder / "leaf.pem", "--trust", folder / "root.pem")
    assert code == 0
    assert "no name was given" in printed


def test_verify_asks_crls(capsys: pytest.CaptureFixture[str], tmp_path: Path, top: Authority) -> None:
    leaf = top.issue(NAME, usage="server")
    chain, _ = leaf.write(tmp_path)
    trust = top.write(tmp_path, "root")
    good, bad = tmp_path / "good.crl", tmp_path / "bad.crl"
    good.write_bytes(crl_pem(make_crl(top)))
    bad.write_bytes(crl_pem(make_crl(top, [leaf.certificate])))
    argv = ["verify", chain, "--trust", trust, "--name", NAME, "--require-revocation"]
    assert run(capsys, *argv, "--crl", good)[0] == 0
    code, printed, _ = run(capsys, *argv, "--crl", bad)
    assert code == 1
    assert "fail revocation [0]" in printed
    code, _, complaint = run(capsys, *argv)
    assert code == 2
    assert "--crl FILE" in complaint


# -- show --------------------------------------------------------------------------------------------------------------


def test_show_tells_each_certificate(capsys: pytest.CaptureFixture[str], folder: Path, leaf: Issued) -> None:
    code, printed, _ = run(capsys, "show", folder / "leaf.pem", folder / "root.pem")
    assert code == 0
    for line in (
        "  subject     CN=www.example.org",
        "  names       www.example.org, 10.0.0.1",
        "  issuer      itself",
        "  role        certificate authority",
        f"  sha256      {leaf.certificate.fingerprint(hashes.SHA256()).hex()}",
    ):
        assert line in printed.splitlines()
    code, printed, _ = run(capsys, "show", "--json", folder / "leaf.pem")
    first, second = json.loads(printed)
    assert (first["names"], first["is_ca"], second["is_ca"]) == ([NAME, "10.0.0.1"], False, True)
    assert 59 < first["days_to_expiry"] < 60
    assert [note["code"] for note in first["notes"]] == ["TLS-NOTE-ROLE"]


def test_show_finds_what_has_expired(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, printed, _ = run(capsys, "show", "--time", "2041-01-01T00:00:00Z", folder / "root.pem")
    assert code == 1
    assert "EXPIRED" in printed
    code, printed, _ = run(capsys, "show", "--time", "2000-01-01", folder / "root.pem")
    assert code == 1
    assert "NOT VALID YET" in printed


def test_show_tells_revocation_lists(capsys: pytest.CaptureFixture[str], tmp_path: Path, top: Authority) -> None:
    fresh, old, binary = tmp_path / "fresh.crl", tmp_path / "old.crl", tmp_path / "der.crl"
    fresh.write_bytes(crl_pem(make_crl(top, [entry(5), entry(6)])))
    old.write_bytes(crl_pem(make_crl(top, this_update=NOW - 2 * DAY, next_update=NOW - DAY)))
    binary.write_bytes(x509.load_pem_x509_crl(fresh.read_bytes()).public_bytes(Encoding.DER))
    code, printed, _ = run(capsys, "show", fresh)
    assert (code, printed.splitlines()[1:3]) == (0, ["  CRL of      CN=House root", "  entries     2"])
    code, printed, _ = run(capsys, "show", old)
    assert code == 1
    assert "(OVERDUE)" in printed
    code, printed, _ = run(capsys, "show", "--json", binary)
    assert (code, json.loads(printed)[0]["entries"]) == (0, 2)
    fresh.write_bytes(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
    assert run(capsys, "show", fresh)[0] == 2


def test_show_opens_pkcs12_with_a_password_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, leaf: Issued
) -> None:
    store, password = tmp_path / "leaf.p12", tmp_path / "password"
    store.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"leaf", leaf.key, leaf.certificate, leaf.chain[1:], BestAvailableEncryption(b"sesame")
        )
    )
    password.touch(mode=0o600)
    password.write_text("sesame\n")
    code, printed, _ = run(capsys, "show", store, "--password-file", password)
    assert code == 0
    assert "  subject     CN=www.example.org" in printed
    assert run(capsys, "show", store)[0] == 2
    (tmp_path / "leaf.pem").write_bytes(leaf.chain_pem)
    assert run(capsys, "match", tmp_path / "leaf.pem", store, "--password-file", password)[0] == 0


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_show_bears_old_roots(capsys: pytest.CaptureFixture[str], tmp_path: Path, top: Authority) -> None:
    """Bundles of old roots have serial numbers of 0, which a handshake refuses in a peer's chain."""
    old = x509.load_der_x509_certificate(minimal_zero(top.der))
    path = tmp_path / "old.pem"
    path.write_bytes(old.public_bytes(Encoding.PEM))
    code, printed, complaint = run(capsys, "show", path)
    assert (code, complaint) == (0, "")
    assert "  serial      0" in printed.splitlines()
    code, printed, _ = run(capsys, "verify", path, "--trust", tmp_path)
    assert code == 1


def minimal_zero(der: bytes) -> bytes:
    """The same certificate with a serial number of 0; its signature no longer holds."""
    body = der[4:]
    tbs, rest = body[4 : 4 + int.from_bytes(body[2:4], "big")], body[4 + int.from_bytes(body[2:4], "big") :]
    version, number = tbs[:5], tbs[5:]
    tbs = version + b"\x02\x01\x00" + number[2 + number[1] :]
    body = b"\x30\x82" + len(tbs).to_bytes(2, "big") + tbs + rest
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


# -- match -------------------------------------------------------------------------------------------------------------


def test_match_finds_the_pair(capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path, leaf: Issued) -> None:
    code, printed, _ = run(capsys, "match", folder / "leaf.pem", folder / "leaf.key")
    assert code == 0
    assert printed.splitlines()[-1].startswith("one pair: ")
    assert "PRIVATE" not in printed
    code, printed, _ = run(capsys, "match", folder / "root.pem", folder / "leaf.key")
    assert (code, printed.splitlines()[-1]) == (1, "NO PAIR: the key belongs to another certificate")
    code, printed, _ = run(capsys, "match", "--json", folder / "leaf.pem", folder / "leaf.key")
    told = json.loads(printed)
    assert told["match"]
    assert told["keys"][0]["spki_sha256"] == told["certificates"][0]["spki_sha256"]
    encrypted, password = tmp_path / "encrypted.key", tmp_path / "password"
    encrypted.write_bytes(leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame")))
    password.touch(mode=0o600)
    password.write_text("sesame")
    assert run(capsys, "match", folder / "leaf.pem", encrypted, "--password-file", password)[0] == 0
    code, _, complaint = run(capsys, "match", folder / "leaf.pem", encrypted)
    assert code == 2
    assert "encrypted" in complaint


# -- wrong use ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["show", "no-such-file.pem"], "no-such-file.pem"),
        (["verify-link", "leaf.key", "leaf.pem"], "PRIVATE KEY"),
        (["match", "leaf.pem", "leaf.pem"], "no PRIVATE KEY block"),
        (["show", "--time", "yesterday", "leaf.pem"], "ISO 8601"),
        (["verify", "leaf.pem", "--name", "no name", "--trust", "root.pem"], "no name"),
        (["verify", "leaf.pem", "--trust", "leaf.key"], "leaf.key"),
    ],
)
def test_wrong_use_names_file_and_repair(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    argv: list[str],
    hint: str,
) -> None:
    monkeypatch.chdir(folder)
    code, printed, complaint = run(capsys, *argv)
    assert (code, printed) == (2, "")
    assert hint in complaint


def test_no_command_is_wrong_use() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["cert"])
    assert caught.value.code == 2


def test_reader_that_has_seen_enough_is_no_error(folder: Path) -> None:
    """`tlscore cert show ... | head -1` must not end in a traceback."""
    program = (
        f"import sys; from tlscore.cli import main; sys.exit(main(['cert', 'show'] + ['{folder}/root.pem'] * 400))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    complaint = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), complaint) == (0, b"")


# -- odd files and odd outputs -----------------------------------------------------------------------------------------


@pytest.fixture
def expired(top: Authority) -> bytes:
    return top.issue(NAME, not_before=NOW - 9 * DAY, days=1).certificate.public_bytes(Encoding.PEM)


def test_show_tells_certificates_and_lists_of_one_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, top: Authority, expired: bytes
) -> None:
    path, fresh = tmp_path / "both.pem", crl_pem(make_crl(top))
    overdue = crl_pem(make_crl(top, this_update=NOW - 2 * DAY, next_update=NOW - DAY))
    for content in (expired + fresh, fresh + expired):
        path.write_bytes(content)
        code, printed, _ = run(capsys, "show", path)
        assert code == 1
        assert "EXPIRED" in printed
        assert "  CRL of      CN=House root" in printed.splitlines()
    path.write_bytes(top.pem + fresh + overdue)
    code, printed, _ = run(capsys, "show", path)
    assert code == 1
    assert [line for line in printed.splitlines() if not line.startswith("  ") and line] == [
        f"{path}, PEM block {number}" for number in (1, 2, 3)
    ]
    path.write_bytes(top.pem + fresh)
    assert run(capsys, "show", path)[0] == 0
    path.write_bytes(top.pem + b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
    code, _, complaint = run(capsys, "show", path)
    assert code == 2
    assert "PEM block 2" in complaint


def test_header_in_a_comment_begins_no_block(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, top: Authority, leaf: Issued
) -> None:
    """RFC 7468 2: text around the blocks explains them."""
    path = tmp_path / "comment.pem"
    comment = b"# it begins with -----BEGIN X509 CRL----- and ends with -----END X509 CRL-----\n# -----BEGIN DSA-----\n"
    path.write_bytes(comment + leaf.certificate.public_bytes(Encoding.PEM))
    code, printed, _ = run(capsys, "show", path)
    assert (code, printed.splitlines()[0]) == (0, f"{path}, PEM block 1")
    path.write_bytes(comment)
    assert run(capsys, "show", path)[0] == 2
    # Without a line end between them, blocks are blocks.
    path.write_bytes(top.pem.strip() + leaf.certificate.public_bytes(Encoding.PEM))
    assert run(capsys, "show", path)[1].count("  subject ") == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_commands_read_a_pipe(capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path, top: Authority) -> None:
    """Process substitution gives a pipe, which can be read once."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    contents = [(folder / "leaf.pem").read_bytes(), crl_pem(make_crl(top))]
    for command, content in [("show", contents[0]), ("show", contents[1]), ("verify", contents[0])]:
        writer = threading.Thread(target=pipe.write_bytes, args=(content,))
        writer.start()
        more = ["--trust", folder / "root.pem"] if command == "verify" else []
        assert run(capsys, command, pipe, *more)[0] == 0
        writer.join()


def test_match_opens_the_certificate_with_the_password_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, leaf: Issued
) -> None:
    store, password = tmp_path / "leaf.p12", tmp_path / "password"
    store.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"leaf", leaf.key, leaf.certificate, None, BestAvailableEncryption(b"sesame")
        )
    )
    password.touch(mode=0o600)
    password.write_text("sesame\n")
    assert run(capsys, "match", store, store, "--password-file", password)[0] == 0
    code, _, complaint = run(capsys, "match", store, store)
    assert code == 2
    assert "wants a password" in complaint


STEERING = "a\x1b[31m\n\u202e\x9b2J"


@pytest.mark.skipif(os.name != "posix", reason="such names are POSIX")
@pytest.mark.parametrize("name", [STEERING, os.fsdecode(b"\xff\xfe")])
def test_names_of_files_steer_no_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path, leaf: Issued, top: Authority, name: str
) -> None:
    path, revoked = tmp_path / f"{name}.pem", tmp_path / f"{name}.crl"
    path.write_bytes(leaf.chain_pem)
    revoked.write_bytes(crl_pem(make_crl(top, [leaf.chain[1]])))
    (tmp_path / f"{name}.key").write_bytes(leaf.key_pem)
    (tmp_path / f"{name}.none").write_bytes(b"nothing")
    trust: list[str | Path] = ["--trust", folder / "root.pem"]
    told = [
        run(capsys, "show", path, revoked),
        run(capsys, "show", tmp_path / f"{name}.gone"),
        run(capsys, "show", tmp_path / f"{name}.none"),
        run(capsys, "match", path, tmp_path / f"{name}.key"),
        run(capsys, "verify", path, *trust, "--crl", revoked),
        run(capsys, "verify", path, *trust, "--crl", path),
        run(capsys, "verify", path, "--trust", tmp_path / f"{name}.none"),
        run(capsys, "verify-link", path, tmp_path / f"{name}.none"),
    ]
    assert [code for code, _, _ in told] == [0, 2, 2, 0, 1, 2, 2, 2]
    for _, printed, complaint in told:
        assert all(one.isprintable() or one == "\n" for one in printed + complaint)
    escaped = name.encode("unicode_escape").decode()
    assert told[0][1].startswith(f"{tmp_path}/{escaped}.pem, PEM block 1\n")
    assert escaped in told[4][1]


def test_letters_of_other_scripts_are_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path, leaf: Issued) -> None:
    path = tmp_path / "\u043a\u043b\u044e\u0447 f\u00fcr A.pem"
    path.write_bytes(leaf.chain_pem)
    assert run(capsys, "show", path)[1].startswith(f"{path}, PEM block 1\n")


def program(*argv: str | Path, **settings: Any) -> tuple[int, bytes]:
    command = [sys.executable, "-m", "tlscore", "cert", *map(str, argv)]
    done = subprocess.run(command, stderr=subprocess.PIPE, check=False, **settings)
    return done.returncode, done.stderr


def test_output_of_a_poor_encoding_shows_what_it_can(tmp_path: Path, leaf: Issued) -> None:
    path = tmp_path / "f\u00fcr.pem"
    path.write_bytes(leaf.chain_pem)
    poor = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "tlscore", "cert", "show", str(path)]
    done = subprocess.run(command, env=poor, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"f\\xfcr.pem, PEM block 1" in done.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("times", [1, 400])
def test_output_that_cannot_be_written_is_an_exit_code(folder: Path, times: int) -> None:
    with open("/dev/full", "wb") as full:
        code, complaint = program("show", *[folder / "leaf.pem"] * times, stdout=full)
    assert (code, complaint) == (2, b"tlscore: No space left on device\n")
