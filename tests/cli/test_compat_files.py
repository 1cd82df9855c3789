"""The files of `tlscore compat`: every key with every type of TOML, keys that would be ignored, and errors as JSON."""

from pathlib import Path

import pytest

from tests.support import commands
from tests.support.certificates import make_ca
from tlscore.cli.compat_keys import IDENTITY, KEYS, LEGACY

NAME = "server.example"
BASE = {
    "client": {"server_name": f'"{NAME}"', "trust": '"ca.pem"'},
    "server": {"certificate": '"server.pem"', "key": '"server.key"'},
}
TIER = {"reason": '"a press"', "versions": '["1.1", "1.2"]'}
MUTUAL = {"client_auth": '"required"', "client_trust": '"ca.pem"'}
WITH_KEY = {"certificate": '"server.pem"', "key": '"server.key"'}

# A value of every type of TOML; the second list has members of another type than the first.
VALUES = {
    "integer": "5",
    "float": "1.5",
    "boolean": "true",
    "text": '"nonsense"',
    "list of text": '["nonsense"]',
    "list of integer": "[5]",
    "list of float": "[1.5]",
    "list of boolean": "[true]",
    "list of list": "[[]]",
    "table": "{nonsense = 1}",
    "list of table": "[{nonsense = 1}]",
    "date": "2027-06-30",
    "date-time": "2027-06-30T12:00:00Z",
    "time": "12:00:00",
}
TEXT, TEXTS, NAMES = "text", "list of text", "list of integer"
# What each key takes, and a value of that type that is right.
RIGHT: dict[str, dict[str, str]] = {
    "versions": {TEXT: '"1.2+"', TEXTS: '["1.3", "1.2"]'},
    "sec_protocol": {TEXT: '"TLSv13"'},
    "tls_version": {TEXT: '"TLSv13"'},
    "protocol_list": {TEXT: '"TLSv1.3, TLSv1.2"', TEXTS: '["TLSv1.3"]'},
    "available_versions": {TEXTS: '["1.3"]'},
    "supported_versions": {"boolean": "true"},
    "suites": {TEXTS: '["TLS_AES_128_GCM_SHA256"]', NAMES: "[0x1301]"},
    "cipher_string": {TEXT: '"ECDHE+AESGCM"'},
    "legacy": {"table": '{reason = "a press"}'},
    "policy": {TEXT: '"hardened"'},
    "groups": {TEXTS: '["secp256r1"]', NAMES: "[0x0017]"},
    "schemes": {TEXTS: '["ecdsa_secp256r1_sha256"]', NAMES: "[0x0403]"},
    "cert_schemes": {TEXTS: '["ecdsa_secp256r1_sha256"]', NAMES: "[0x0403]"},
    "alpn": {TEXTS: '["h2"]'},
    "record_size_limit": {"integer": "4096"},
    "on_reject": {TEXT: '"silent"'},
    "require_extended_main_secret": {"boolean": "false"},
    "encryption_only": {"boolean": "true", TEXT: '"a test"'},
    "certificate": {TEXT: '"server.pem"'},
    "key": {TEXT: '"server.key"'},
    "password": {TEXT: '"secret"'},
    "identities": {"list of table": '[{certificate = "server.pem"}]'},
    "trust": {TEXT: '"ca.pem"'},
    "server_name": {TEXT: f'"{NAME}"'},
    "verify_as": {TEXT: f'"{NAME}"'},
    "key_shares": {TEXTS: '["x25519"]', NAMES: "[0x001d]"},
    "send_certificate_authorities": {"boolean": "true"},
    "client_trust": {TEXT: '"ca.pem"'},
    "client_auth": {TEXT: '"optional"'},
    "advertise_cas": {"boolean": "true", TEXT: '"auto"'},
    "strict_sni": {"boolean": "true"},
    "prefer": {TEXT: '"client"'},
}
RIGHT_LEGACY: dict[str, dict[str, str]] = {
    "reason": {TEXT: '"a press"'},
    "versions": {TEXT: '"1.2"', TEXTS: '["1.1", "1.2"]'},
    "suites": {TEXTS: '["TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"]', NAMES: "[0xc009]"},
    "cipher_string": {TEXT: '"ECDHE-ECDSA-AES128-SHA"'},
    "expires": {"date": "2999-01-01", "date-time": "2999-01-01T00:00:00Z"},
    "sha1_signatures": {"boolean": "true"},
    "require_encrypt_then_mac": {"boolean": "true"},
    "accept_sslv2_hello": {"boolean": "false"},
    "no_encryption": {TEXT: '"a test"'},
}
RIGHT_IDENTITY = {name: RIGHT[name] for name in IDENTITY}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compat-files")
    authority = make_ca()
    authority.write(folder)
    authority.issue(NAME).write(folder, "server")
    return folder


def toml(table: dict[str, str]) -> str:
    return "".join(f"{name} = {value}\n" for name, value in table.items())


def run(folder: Path, capsys: pytest.CaptureFixture[str], role: str, text: str) -> commands.Ran:
    """Exit code, output and errors of the command, with one of the two files as given."""
    for end, path in zip(BASE, paths(folder), strict=True):
        path.write_text(text if end == role else toml(BASE[end]))
    return commands.run(capsys, "compat", *paths(folder))


def paths(folder: Path) -> list[Path]:
    return [folder / f"{end}.toml" for end in BASE]


def role_of(name: str) -> str:
    return KEYS[name].of or "server"


def around(name: str) -> dict[str, str]:
    """The keys that have to stand beside one."""
    if name in ("encryption_only", "identities"):
        return {}
    beside = MUTUAL if name in ("client_trust", "client_auth", "advertise_cas") else {}
    return {**BASE[role_of(name)], **beside}


def refused(folder: Path, code: int, role: str, key: str, found: str, example: str, err: str) -> None:
    assert code == 2, err
    assert "Traceback" not in err
    assert err.startswith(f"tlscore: {folder / role}.toml: {key} is "), err
    kind = found.removeprefix("list of ")
    assert (f"a list of {kind} values" if found.startswith("list") else kind) in err, err
    assert ", not " in err, err
    assert f"Write {key.rpartition('.')[2]} = {example}." in err, err


@pytest.mark.parametrize("name", KEYS)
def test_every_key_takes_its_types_and_refuses_all_others(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A wrong type is wrong use, and names file, key, what was found, what is expected, and an example."""
    assert RIGHT.keys() == KEYS.keys()
    role = role_of(name)
    for found, value in VALUES.items():
        right = RIGHT[name].get(found)
        code, _, err = run(folder, capsys, role, toml({**around(name), name: right or value}))
        if right is None:
            refused(folder, code, role, name, found, KEYS[name].example, err)
        else:
            assert code in (0, 1), err


@pytest.mark.parametrize("name", LEGACY)
def test_every_key_of_the_tier_takes_its_types_and_refuses_all_others(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert RIGHT_LEGACY.keys() == LEGACY.keys()
    for found, value in VALUES.items():
        right = RIGHT_LEGACY[name].get(found)
        text = toml(BASE["server"]) + "[legacy]\n" + toml({**TIER, name: right or value})
        code, _, err = run(folder, capsys, "server", text)
        if right is None:
            refused(folder, code, "server", f"legacy.{name}", found, LEGACY[name].example, err)
        else:
            assert code in (0, 1), err


@pytest.mark.parametrize("name", IDENTITY)
def test_every_key_of_an_identity_takes_its_type_and_refuses_all_others(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    for found, value in VALUES.items():
        right = RIGHT_IDENTITY[name].get(found)
        entry = ", ".join(f"{key} = {text}" for key, text in {**WITH_KEY, name: right or value}.items())
        code, _, err = run(folder, capsys, "server", f"identities = [{{{entry}}}]\n")
        if right is None:
            refused(folder, code, "server", f"identities[0].{name}", found, IDENTITY[name].example, err)
        else:
            assert code in (0, 1), err


@pytest.mark.parametrize("name", ["versions", "alpn", "suites", "available_versions"])
def test_list_with_one_wrong_member_is_refused(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, _, err = run(folder, capsys, "server", toml({**BASE["server"], name: '["1.2", 1.3]'}))
    assert code == 2
    assert f"{name} is a list of float and text values" in err


@pytest.mark.parametrize(
    ("role", "text", "key", "said"),
    [
        ("server", 'key = "server.key"\n', "key", "key is given without certificate: it would be ignored"),
        ("server", 'certificate = "server.pem"\npassword = "x"\n', "password", "password is given without key"),
        ("server", 'identities = [{key = "server.key"}]\n', "identities[0].key", "given without certificate"),
        ("server", "identities = [{}]\n", "identities[0].certificate", "identities[0] has no certificate"),
        ("server", 'identities = [{certificat = "x"}]\n', "identities[0].certificat", 'Did you mean "certificate"'),
        ("server", 'trust = "ca.pem"\n', "trust", "a key of a client, not of a server. Write client_trust."),
        ("client", "strict_sni = true\n", "strict_sni", "a key of a server, not of a client. Move it"),
        ("client", 'suites = ["x"]\ncipher_string = "HIGH"\n', "cipher_string", "are both given"),
        (
            "client",
            '[legacy]\nreason = "x"\nsuites = ["x"]\ncipher_string = "HIGH"\n',
            "legacy.cipher_string",
            "are both given",
        ),
        ("client", 'sec-protocol = ""\nsec_protocol = ""\n', "sec_protocol", "written twice"),
        ("client", 'tls-version = ""\nsec_protocol = ""\n', "tls_version", "say the same thing"),
        ("client", 'protocol-list = "TLSv1.2"\n[legacy]\nreason = "x"\n', "protocol_list", "beside legacy"),
        ("client", 'encryption_only = true\ntrust = "ca.pem"\n', "trust", "encryption_only verifies nobody"),
        (
            "server",
            'encryption_only = true\nclient_auth = "required"\nclient_trust = "ca.pem"\n',
            "client_trust",
            "nobody",
        ),
        ("server", 'client_auth = "required"\n', "client_trust", "no client_trust says whom to believe"),
        ("server", 'certificate = "server.pem"\nclient_trust = "ca.pem"\n', "client_trust", "it would be ignored"),
        ("server", 'client_auth = "maybe"\n', "client_auth", 'Choose from "none", "optional"'),
        ("server", 'advertise_cas = "x"\n', "advertise_cas", 'Choose from true, false, "auto"'),
        ("client", 'trust = "ca.pem"\n', "server_name", 'Write server_name = "server.example"'),
        ("client", 'server_name = "*.x"\ntrust = "ca.pem"\n', "server_name", "no host name may have"),
        ("client", 'server_name = "a.example"\ntrust = "nowhere.pem"\n', "trust", "nowhere.pem"),
        ("client", 'groups = ["x25518"]\n', "groups", 'Did you mean "x25519"'),
        ("server", 'certificate = "\\u0000"\n', "certificate", "NUL"),
        ("server", 'certificate = "server.toml"\n', "certificate", "server.toml"),
        ("server", "[legacy]\n", "legacy", "got no reason"),
        ("server", '[legacy]\nreason = "x"\nexpires = 2020-01-01\n', "legacy.expires", "expired"),
        ("server", '[legacy]\nreason = "x"\nsuites = ["TLS_X"]\n', "legacy", "no "),
        ("server", '[legacy]\nreason = "x"\nsuites = []\n', "legacy.suites", "no list of suites"),
        ("server", '[legacy]\nreason = "x"\ncipher_string = "HIHG"\n', "legacy.cipher_string", "HIGH"),
    ],
)
def test_nothing_is_ignored_and_every_error_names_its_key(
    folder: Path, capsys: pytest.CaptureFixture[str], role: str, text: str, key: str, said: str
) -> None:
    """C30: what a file cannot enforce is an error. People and machines hear the same."""
    code, _, err = run(folder, capsys, role, text)
    assert code == 2, err
    assert err.startswith(f"tlscore: {folder / role}.toml: ")
    assert said in err
    ran = commands.run(capsys, "compat", *paths(folder), "--json")
    error = ran.json()["error"]
    assert ran.code == 2
    assert (error["file"], error["key"]) == (f"{folder / role}.toml", key)
    assert error["cause"]
    assert error["remedy"]


@pytest.mark.parametrize("text", ["versions = ", "versions = 1.2.3", "a = 2027-13-45", "\x80"])
def test_what_is_no_toml_is_wrong_use(folder: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    code, _, err = run(folder, capsys, "client", text)
    assert code == 2
    assert "this is no TOML" in err


def test_octets_that_are_no_text_and_deep_nesting_are_wrong_use(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for content in (b"\xff\xfe", b"a = " + b"[" * 100_000, b"a = " + b"9" * 5000):
        (folder / "odd.toml").write_bytes(content)
        ran = commands.run(capsys, "compat", folder / "odd.toml", folder / "odd.toml")
        assert ran.code == 2
        assert "this is no TOML" in ran.err


def test_json_of_a_missing_file_and_of_a_wrong_cipher_string(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command with --json answers in JSON, also where it was used wrongly."""
    ran = commands.run(capsys, "compat", "nowhere.toml", "nowhere.toml", "--json")
    error = ran.json()["error"]
    assert ran.code == 2
    assert (error["file"], error["key"], error["remedy"]) == ("nowhere.toml", None, "give the path of a TOML file")
    ran = commands.run(capsys, "suites", "--openssl", "ECDHE+AESGMC", "--json")
    error = ran.json()["error"]
    assert ran.code == 2
    assert (error["code"], error["file"]) == ("TLS-CONFIG-CIPHER_STRING", None)
    assert any("^^^^^^" in note for note in error["notes"])


@pytest.mark.parametrize("key", ["tls-version", "tls_version", "protocol-list", "protocol_list", "sec-protocol"])
def test_options_of_other_products_are_read_with_a_note(
    folder: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    """G16: tls-version and protocol-list mean what sec-protocol means, and say so."""
    assert run(folder, capsys, "client", toml({**BASE["client"], key: '"TLSv12"'})).code == 0
    ran = commands.run(capsys, "compat", *paths(folder), "--json")
    found = ran.json()
    assert ran.code == 0
    assert found["version"] == "TLSv1.2"
    assert found["rule"]["client_source"] == f"{key.replace('-', '_')} in client.toml"
    option = key.replace("_", "-")
    said = f"client.toml: the option {option} was read as exactly (TLSv1.2); write versions instead"
    assert (said in found["notes"]) is (option != "sec-protocol")


def test_every_example_of_the_tables_is_right(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What an error tells to write is of the right kind."""
    import tomllib

    for table in (KEYS, LEGACY):
        for name, key in table.items():
            assert key.kind.holds(tomllib.loads(f"x = {key.example}")["x"]), name
