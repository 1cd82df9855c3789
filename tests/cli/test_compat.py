"""`tlscore compat` and `tlscore suites`: verdicts, the change that helps, exit codes; no socket is opened."""

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import make_ca
from tests.support.commands import run
from tlscore.cli.compat import text_of
from tlscore.cli.compat_files import Side
from tlscore.cli.compat_run import Verdict, compare

NAME = "server.example"
CLIENT = f'server_name = "{NAME}"\ntrust = "ca.pem"\n'
SERVER = 'certificate = "server.pem"\nkey = "server.key"\n'
MUTUAL = SERVER + 'client_auth = "required"\nclient_trust = "ca.pem"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compat")
    authority, other = make_ca(), make_ca("Other CA")
    authority.write(folder)
    authority.issue(NAME).write(folder, "server")
    authority.issue(NAME, key="rsa2048").write(folder, "rsa")
    authority.issue("client.example").write(folder, "client")
    other.issue("stranger.example").write(folder, "stranger")
    return folder


@pytest.fixture(autouse=True)
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)


def write(folder: Path, client: str, server: str) -> tuple[str, str]:
    paths = folder / "client.toml", folder / "server.toml"
    for path, text in zip(paths, (client, server), strict=True):
        path.write_text(text)
    return str(paths[0]), str(paths[1])


def verdict(folder: Path, client: str, server: str) -> Verdict:
    first, second = write(folder, client, server)
    found = compare(Side(first, "client"), Side(second, "server"))
    assert text_of(found).startswith("verdict")
    return found


def test_two_defaults_connect(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alpn = 'alpn = ["h2", "http/1.1"]\n'
    paths = write(folder, CLIENT + alpn, SERVER + 'alpn = ["http/1.1"]\n')
    ran = run(capsys, "compat", *paths, "--json")
    found = ran.json()
    assert (ran.code, found["connects"]) == (0, True)
    assert (found["version"], found["suite"]) == ("TLSv1.3", "TLS_AES_128_GCM_SHA256")
    assert (found["alpn"], found["client_certificate"]) == ("http/1.1", "not asked for")
    assert found["server_certificate"] == f"verified: CN={NAME}"
    ran = run(capsys, "compat", *paths)
    assert ran.code == 0
    assert "verdict             connects\n" in ran.out


def test_mutual_pair_connects(folder: Path) -> None:
    found = verdict(folder, CLIENT + 'certificate = "client.pem"\nkey = "client.key"\n', MUTUAL)
    assert found.connects
    assert found.client_certificate == "verified: CN=client.example"


def test_version_mismatch_names_both_ranges_and_the_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = write(folder, CLIENT + 'versions = "TLSv1.1"\n', SERVER)
    code, shown, _ = run(capsys, "compat", *paths)
    assert code == 1
    assert "the server drops at step 7, alert protocol_version" in shown
    assert "no_common_version: the client offers TLSv1.1, the server accepts TLSv1.3" in shown
    assert "versions in client.toml" in shown
    assert "let the client accept TLSv1.3" in shown


@pytest.mark.parametrize(("known", "dropped_by"), [("true", "server"), ("false", "client")])
def test_old_server_leaves_the_drop_to_the_client(folder: Path, known: str, dropped_by: str) -> None:
    server = f'versions = "TLSv1.1"\nsupported_versions = {known}\n'
    found = verdict(folder, CLIENT + 'versions = "1.2+"\n', server)
    assert (found.connects, found.dropped_by, found.alert) == (False, dropped_by, "protocol_version")


def test_silent_end_drops_silently(folder: Path) -> None:
    found = verdict(folder, 'versions = "TLSv1.1"\n', 'sec_protocol = ""\non_reject = "silent"\n')
    assert (found.dropped_by, found.alert) == ("server", None)
    assert "the server drops at step 7, silently" in text_of(found)


@pytest.mark.parametrize(
    ("version", "code"), [("SSLv3", "TLS-FORBIDDEN_PROTOCOL"), ("TLSv1.1", "TLS-PROTOCOL_VERSION")]
)
def test_versions_that_are_not_on_the_wire_do_not_connect(folder: Path, version: str, code: str) -> None:
    found = verdict(folder, 'versions = ["TLSv1.1", "SSLv3"]\n', f'versions = "{version}"\n')
    assert (found.connects, found.version, found.code) == (False, version, code)
    assert found.change == "let both ends accept TLSv1.2 or newer"


LEGACY = '[legacy]\nreason = "a press"\nversions = ["1.1", "1.2"]\nsuites = ["TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"]\n'
RSA = 'certificate = "rsa.pem"\nkey = "rsa.key"\n'


def test_two_ends_of_the_legacy_tier_connect(folder: Path) -> None:
    """C2, C3: the tier negotiates by number, in the real handshake; nobody is warned of configurations that only
    compat builds."""
    found = verdict(folder, CLIENT + LEGACY.replace(', "1.2"', ""), RSA + LEGACY)
    assert (found.connects, found.version) == (True, "TLSv1.1")
    assert found.suite == "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
    assert found.rule["how"] == "number"
    assert found.server_certificate.startswith("verified")


def test_legacy_tier_takes_a_cipher_string(folder: Path) -> None:
    text = '[legacy]\nreason = "a press"\nversions = ["1.1"]\ncipher_string = "ECDHE-RSA-AES128-SHA:@STRENGTH"\n'
    found = verdict(folder, CLIENT + text, RSA + LEGACY)
    assert (found.connects, found.suite) == (True, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA")


def test_legacy_tier_meets_a_default_end(folder: Path) -> None:
    newer = LEGACY.replace("AES_128_CBC_SHA", "AES_128_GCM_SHA256").replace('"1.1", ', "")
    assert verdict(folder, CLIENT, RSA + newer).version == "TLSv1.2"
    found = verdict(folder, CLIENT + LEGACY, RSA + 'versions = "1.3"\n')
    assert (found.connects, found.dropped_by, found.alert) == (False, "server", "protocol_version")
    found = verdict(folder, CLIENT + LEGACY, RSA)
    assert (found.connects, found.code) == (False, "TLS-NO_COMMON_SUITE")
    found = verdict(folder, 'versions = "1.1"\n', RSA + LEGACY)
    assert (found.connects, found.version) == (False, "TLSv1.1")
    assert found.cause is not None
    assert "[legacy] at both ends" in found.cause


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('versions = "1.2"\n' + LEGACY, "versions is given beside legacy"),
        ("legacy = true\n", "legacy is the boolean true, not a table"),
        (LEGACY.replace("a press", ""), "got no reason"),
        (LEGACY + "no_encryption = true\n", "no_encryption"),
        (LEGACY + "expires = 2020-01-01\n", "expired"),
        (LEGACY.replace('"1.1", ', '"1.3", '), "never in one configuration"),
    ],
)
def test_wrong_legacy_is_wrong_use(folder: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    ran = run(capsys, "compat", *write(folder, text, RSA))
    assert ran.code == 2
    assert said in ran.err


def test_platform_policy_is_a_reason_of_its_own(folder: Path) -> None:
    client = 'versions = ["1.2", "1.1"]\navailable_versions = ["1.1"]\n'
    found = verdict(folder, client, 'versions = "1.2"\n')
    assert found.change == "enable TLSv1.2 in the platform policy of the client"


def test_disjoint_suites_name_both_lists_and_the_change(folder: Path) -> None:
    client = CLIENT + 'suites = ["TLS_AES_256_GCM_SHA384"]\n'
    found = verdict(folder, client, SERVER + 'suites = ["TLS_AES_128_GCM_SHA256"]\n')
    assert (found.dropped_by, found.alert, found.code) == ("server", "handshake_failure", "TLS-NO_COMMON_SUITE")
    assert found.cause is not None
    assert "TLS_AES_256_GCM_SHA384" in found.cause
    assert "TLS_AES_128_GCM_SHA256" in found.cause
    assert found.change == "add TLS_AES_128_GCM_SHA256 to suites of the client"


def test_disjoint_groups_and_protocols_name_the_change(folder: Path) -> None:
    found = verdict(folder, CLIENT + 'groups = ["x25519"]\n', SERVER + 'groups = ["secp256r1"]\n')
    assert found.change == "add secp256r1 to groups of the client"
    found = verdict(folder, CLIENT + 'alpn = ["h2"]\n', SERVER + 'alpn = ["http/1.1"]\n')
    assert (found.alert, found.change) == ("no_application_protocol", "add http/1.1 to alpn of the client")


def test_suites_that_need_another_key_say_so(folder: Path) -> None:
    """The suites are common, the certificate does not fit: that is told from disjoint lists."""
    client = CLIENT + 'versions = "1.2"\nsuites = ["ECDHE-RSA-AES128-GCM-SHA256"]\n'
    found = verdict(folder, client, SERVER)
    assert (found.connects, found.code) == (False, "TLS-NO_FITTING_CERTIFICATE")
    assert found.cause is not None
    assert "RSA certificate" in found.cause
    assert found.change == "add TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 to suites of the client"
    assert verdict(folder, client, SERVER.replace("server.", "rsa.")).suite == "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    assert verdict(folder, client, 'certificate = "rsa.pem"\n').suite == "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"


def test_cipher_string_is_expanded_to_what_is_implemented(folder: Path) -> None:
    found = verdict(
        folder, CLIENT + 'versions = "1.2"\ncipher_string = "HIGH:!AESGCM"\n', SERVER + 'prefer = "client"\n'
    )
    assert (found.version, found.suite) == ("TLSv1.2", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256")


def test_wrong_name_names_the_right_one(folder: Path) -> None:
    found = verdict(folder, 'server_name = "wrong.example"\ntrust = "ca.pem"\n', SERVER)
    assert (found.dropped_by, found.code) == ("client", "TLS-NAME_MISMATCH")
    assert found.server_certificate.startswith("refused: ")
    assert found.change == f"let the client use server_name {NAME}"


def test_client_without_certificate_is_refused(folder: Path) -> None:
    found = verdict(folder, CLIENT, MUTUAL)
    assert (found.connects, found.dropped_by) == (False, "server")
    assert found.client_certificate.startswith("refused: ")


def test_stranger_is_refused_with_its_key(folder: Path) -> None:
    """The server names its CAs, so that the client finds nothing to show, and says so."""
    client = CLIENT + 'certificate = "stranger.pem"\nkey = "stranger.key"\n'
    found = verdict(folder, client, MUTUAL)
    assert (found.connects, found.dropped_by, found.alert) == (False, "server", "certificate_required")
    assert any("issuer" in note or "CA" in note for note in found.notes)
    found = verdict(folder, client, MUTUAL + "advertise_cas = false\n")
    assert (found.connects, found.dropped_by, found.alert) == (False, "server", "unknown_ca")
    assert "Other CA" in found.client_certificate


def test_stranger_is_refused_without_its_key(folder: Path) -> None:
    found = verdict(folder, CLIENT + 'certificate = "stranger.pem"\n', MUTUAL)
    assert (found.connects, found.dropped_by, found.alert) == (False, "server", "unknown_ca")
    assert "Other CA" in found.client_certificate
    assert found.notes


@pytest.mark.parametrize("certificate", ["server", "rsa"])
def test_certificate_without_key_is_judged_with_a_stand_in(folder: Path, certificate: str) -> None:
    found = verdict(folder, CLIENT, f'certificate = "{certificate}.pem"\n')
    assert found.connects
    assert found.server_certificate == f"verified: CN={NAME}"
    assert found.notes


def test_description_without_certificates_still_negotiates(folder: Path) -> None:
    found = verdict(folder, "", 'groups = ["secp256r1"]\n')
    assert (found.connects, found.group) == (True, "secp256r1")
    assert found.server_certificate.startswith("not checked")


@pytest.mark.parametrize(
    ("client", "server", "hint"),
    [
        ("suits = []\n", "", "suites"),
        ('versions = "TLSv9"\n', "", "TLSv1"),
        ('versions = "1.2"\navailable_versions = ["1.3"]\n', "", "disabled_by_platform_policy"),
        ('versions = "1.2"\nsec_protocol = ""\n', "", "Keep one"),
        ('sec_protocol = "SSLv3"\n', "", "TLSv12"),
        ("versions = \n", "", "no TOML"),
        ('cipher_string = "ECDHE+AESGMC"\nversions = "1.2"\n', 'versions = "1.2"\n', "AESGCM"),
        ('policy = "defualt"\n', "", "default"),
        ('trust = "nowhere.pem"\n', "", "nowhere.pem"),
    ],
)
def test_wrong_file_is_wrong_use(
    folder: Path, capsys: pytest.CaptureFixture[str], client: str, server: str, hint: str
) -> None:
    paths = write(folder, CLIENT.replace('trust = "ca.pem"\n', "") + client, SERVER + server)
    ran = run(capsys, "compat", *paths)
    assert ran.code == 2
    assert hint in ran.err


def test_missing_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(capsys, "compat", "nowhere.toml", "nowhere.toml")
    assert ran.code == 2
    assert "nowhere.toml" in ran.err


def test_suites_lists_the_registry(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(capsys, "suites", "--json")
    rows = ran.json()
    assert (ran.code, len(rows)) == (0, 346)
    (one,) = [row for row in rows if row["name"] == "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
    assert one["openssl_name"] == "ECDHE-RSA-AES128-GCM-SHA256"
    assert (one["key_exchange"], one["authentication"], one["encryption"], one["mac"]) == (
        "ECDHE",
        "RSA",
        "AES-128-GCM",
        "AEAD",
    )


def test_suites_expands_a_cipher_string(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(capsys, "suites", "--openssl", "ECDHE+AESGCM:!aNULL")
    lines = ran.out.splitlines()
    assert (ran.code, len(lines)) == (0, 4)
    assert "ECDHE-ECDSA-AES256-GCM-SHA384" in lines[0]
    ran = run(capsys, "suites", "--openssl", "HIGH", "--status", "default")
    assert (ran.code, len(ran.out.splitlines())) == (0, 6)


def test_suites_draws_a_caret(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(capsys, "suites", "--openssl", "ECDHE+AESGMC")
    assert ran.code == 2
    assert ran.err.endswith("  ECDHE+AESGMC\n        ^^^^^^\n")
