"""What `tlscore compat` says where two ends do not meet: the one change that helps, the lists of suites before and
after every filter, and that stand-ins for missing keys behave as the certificates that they stand for."""

import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.cli.test_compat import CLIENT, NAME, RSA, SERVER, verdict
from tests.support.certificates import key_usage, make_ca
from tests.support.legacy import BOTH, ENCRYPTS, SIGNS
from tlscore.certs.names import ServerName
from tlscore.certs.signatures import PSS_KEY_OID
from tlscore.certs.verify import verify_server
from tlscore.cli.compat import text_of
from tlscore.cli.compat_run import Verdict
from tlscore.cli.stand_in import StandIns
from tlscore.errors import ConfigError
from tlscore.iana import SignatureScheme

RSA_CBC = "TLS_RSA_WITH_AES_128_CBC_SHA"
ECDHE_CBC = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
OTHER_CBC = "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"
ANONYMOUS = "TLS_DH_anon_WITH_AES_128_GCM_SHA256"
ENCIPHERING = 'certificate = "enciphering.pem"\nkey = "enciphering.key"\n'
NEW_SUITE = 'suites = ["TLS_AES_128_GCM_SHA256"]\n'
OLD_SUITE = 'versions = "1.2"\nsuites = ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]\n'
# What RSA certificates may be used for.
USAGES = {"rsa": SIGNS, "enciphering": BOTH, "encrypting": ENCRYPTS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compat-changes")
    authority = make_ca()
    authority.write(folder)
    authority.issue(NAME).write(folder, "server")
    for stem, bits in USAGES.items():
        authority.issue(NAME, key="rsa2048", key_usage=False, extra=((key_usage(*bits), True),)).write(folder, stem)
    authority.issue("client.example").write(folder, "client")
    authority.issue("other.example").write(folder, "other")
    make_ca("Other CA").issue("stranger.example").write(folder, "stranger")
    return folder


def tier(*suites: str, versions: str = '["1.2"]') -> str:
    listed = ", ".join(f'"{one}"' for one in suites)
    return f'[legacy]\nreason = "a press"\nversions = {versions}\nsuites = [{listed}]\n'


def without_key(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("key "))


def refusal(found: Verdict) -> tuple[bool, str | None, str | None, int | None]:
    return found.connects, found.dropped_by, found.code, found.step


# -- stand-ins ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stem", USAGES)
def test_stand_in_has_the_key_usage_of_the_certificate(folder: Path, stem: str) -> None:
    """With and without the key the answer is the same: RSA key exchange needs keyEncipherment, and nothing else."""
    client, server = CLIENT + tier(RSA_CBC), f'certificate = "{stem}.pem"\nkey = "{stem}.key"\n' + tier(RSA_CBC)
    serves = USAGES[stem] != SIGNS
    if not serves:
        for described in (server, without_key(server)):
            with pytest.raises(ConfigError, match="a keyUsage without keyEncipherment"):
                verdict(folder, client, described)
        server = server.replace(f'"{RSA_CBC}"', f'"{RSA_CBC}", "{OTHER_CBC}"')
    real, stand_in = verdict(folder, client, server), verdict(folder, client, without_key(server))
    assert refusal(real) == refusal(stand_in)
    assert real.connects is serves
    assert stand_in.server_certificate == f"verified: CN={NAME}"
    assert real.change == stand_in.change
    if not serves:
        assert real.code == "TLS-NO_FITTING_CERTIFICATE"


@pytest.mark.parametrize(("stem", "suite"), [("encrypting", RSA_CBC), ("enciphering", RSA_CBC), ("rsa", ECDHE_CBC)])
def test_certificate_without_key_is_judged_for_the_use_of_the_suite(folder: Path, stem: str, suite: str) -> None:
    """RFC 5246 7.4.2: the bit MUST be set that the key exchange needs, and no other. A handshake that fails for another
    reason, before there is a suite, says no worse of the certificate."""
    client, server = CLIENT + tier(suite), f'certificate = "{stem}.pem"\n' + tier(suite)
    found = verdict(folder, client, server)
    assert (found.connects, found.suite, found.server_certificate) == (True, suite, f"verified: CN={NAME}")
    found = verdict(folder, 'alpn = ["h2"]\n' + client, 'alpn = ["http/1.1"]\n' + server)
    assert (found.connects, found.code) == (False, "TLS-NO_APPLICATION_PROTOCOL")
    assert found.server_certificate == f"verified: CN={NAME}"


def test_stand_in_has_the_algorithm_of_a_pss_key(folder: Path) -> None:
    """An RSASSA-PSS key signs rsa_pss_pss and enciphers nothing; a stand-in with a plain RSA key would do both."""
    made = StandIns((NAME,))
    plain = made.rsa_identity().chain[0]
    algorithms = bytes.fromhex("300d06092a864886f70d0101010500"), bytes.fromhex("300d06092a864886f70d01010a3000")
    assert plain.count(algorithms[0]) == 1
    stand_in = made.like(plain.replace(*algorithms))
    assert stand_in.certificate.public_key_algorithm_oid.dotted_string == PSS_KEY_OID
    assert SignatureScheme.rsa_pss_pss_sha256 in stand_in.schemes
    assert SignatureScheme.rsa_pss_rsae_sha256 not in stand_in.schemes
    assert verify_server(stand_in.chain, made.trust, ServerName.parse(NAME)).authenticated
    (folder / "pss.pem").write_bytes(stand_in.certificate.public_bytes(Encoding.PEM))
    described = 'certificate = "pss.pem"\n'
    with pytest.raises(ConfigError, match="a key that only signs"):
        verdict(folder, CLIENT + tier(RSA_CBC), described + tier(RSA_CBC))
    found = verdict(folder, CLIENT + 'schemes = ["rsa_pss_pss_sha256"]\n', described)
    assert (found.version, found.suite) == ("TLSv1.3", "TLS_AES_128_GCM_SHA256")
    assert found.server_certificate.startswith("refused: ")


@pytest.mark.parametrize(
    "kind", ["p256", "p384", "p521", "rsa2048", "ed25519", "ed448", "mldsa44", "mldsa65", "mldsa87"]
)
def test_stand_in_has_the_kind_names_and_uses_of_the_certificate(kind: str) -> None:
    issued = make_ca().issue(NAME, "other.example", key=kind, usage="client")
    identity = StandIns((NAME,)).like(issued.certificate.public_bytes(Encoding.DER))
    assert identity.names == (NAME, "other.example")
    assert set(identity.roles) == {"client"}
    assert type(identity.certificate.public_key()) is type(issued.certificate.public_key())
    assert identity.certificate.subject == issued.certificate.subject


def test_key_file_that_others_can_read_is_a_note(folder: Path) -> None:
    """What the library warns of when it reads the file is in the report."""
    (folder / "open.key").write_bytes((folder / "server.key").read_bytes())
    (folder / "open.key").chmod(0o644)
    found = verdict(folder, CLIENT, 'certificate = "server.pem"\nkey = "open.key"\n')
    assert found.connects
    (note,) = found.notes
    assert note.startswith("server.toml: ")
    assert "open.key" in note


def test_certificate_with_a_weak_key_is_described_in_vain(folder: Path) -> None:
    issued = make_ca().issue(NAME, key="rsa1024")
    with pytest.raises(ConfigError, match="2048"):
        StandIns(()).like(issued.certificate.public_bytes(Encoding.DER))


def test_of_two_certificates_without_keys_the_right_one_is_judged(folder: Path) -> None:
    """The chain that is verified is the one whose stand-in the server shows for the name."""
    found = verdict(folder, CLIENT, 'identities = [{certificate = "other.pem"}, {certificate = "server.pem"}]\n')
    assert (found.connects, found.server_certificate) == (True, f"verified: CN={NAME}")
    found = verdict(folder, CLIENT, 'certificate = "other.pem"\n')
    assert (found.connects, found.dropped_by, found.code) == (False, "client", "TLS-NAME_MISMATCH")
    assert found.change == "let the client use server_name other.example"


# -- the one change ----------------------------------------------------------------------------------------------------

# A line less in one file, where no entry more in any list helps.
LEFT_OUT = [
    (NEW_SUITE, OLD_SUITE, "suites out in the client: the default"),
    (NEW_SUITE + 'policy = "compat"\n', OLD_SUITE, "suites out in the client: the policy"),
    (OLD_SUITE, NEW_SUITE, "suites out in the server: the default"),
    ('policy = "mozilla_modern"\n', OLD_SUITE, "policy out in the client: the default"),
    ('policy = "cnsa2"\n', "", "policy out in the client: the default"),
]


@pytest.mark.parametrize(
    ("client", "server", "change"),
    [
        (tier(RSA_CBC), RSA + tier(ECDHE_CBC), f"add {ECDHE_CBC} to suites in [legacy] of the client"),
        (tier(ECDHE_CBC), ENCIPHERING + tier(RSA_CBC), f"add {ECDHE_CBC} to suites in [legacy] of the server"),
        (
            tier(ECDHE_CBC),
            SERVER,
            "add TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 to suites in [legacy] of the client",
        ),
        ("", RSA + tier(ECDHE_CBC), "add TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 to suites in [legacy] of the server"),
        (
            tier(ECDHE_CBC, versions='"1.1"'),
            RSA + tier(ECDHE_CBC),
            "let the client accept TLSv1.2 (it accepts TLSv1.1)",
        ),
        (tier(ECDHE_CBC, versions='"1.1"'), SERVER, "leave [legacy] out in the client: the default has"),
        ('versions = "1.3"\n', RSA + tier(ECDHE_CBC), "leave [legacy] out in the server: the default has"),
        (tier(ECDHE_CBC), SERVER + tier(ECDHE_CBC, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"), "of the client"),
        (
            'groups = ["secp384r1"]\n' + tier(ECDHE_CBC),
            RSA + 'groups = ["x25519"]\n' + tier(ECDHE_CBC),
            "add x25519 to",
        ),
        ('versions = "1.1"\n', SERVER, "let the client accept TLSv1.3 (it accepts TLSv1.1)"),
        (
            'versions = "1.3"\nsuites = ["TLS_AES_128_GCM_SHA256"]\n',
            SERVER + 'versions = "1.2"\n',
            "let the server accept",
        ),
        ('schemes = ["ed25519"]\n', SERVER, "to schemes of the client"),
        *[(client, SERVER + server, f"leave {change} has") for client, server, change in LEFT_OUT],
    ],
)
def test_the_change_that_is_proposed_helps_with_and_without_the_tier(
    folder: Path, client: str, server: str, change: str
) -> None:
    """D3: the one change that would fix it, with [legacy] at neither, either and both ends."""
    found = verdict(folder, CLIENT + client, server)
    assert not found.connects
    assert found.change is not None
    assert change in found.change
    assert f"change              {found.change}" in text_of(found)


@pytest.mark.parametrize(("client", "server", "change"), LEFT_OUT)
def test_file_without_the_line_that_is_proposed_connects(folder: Path, client: str, server: str, change: str) -> None:
    """What was tried is what is said: the same files without that line, and nothing else."""
    texts = {"client": CLIENT + client, "server": SERVER + server}
    key, end = re.findall(r"^(\S+) out in the (\w+)", change)[0]
    texts[end] = re.sub(f"^{key} = .*\n", "", texts[end], flags=re.MULTILINE)
    assert verdict(folder, texts["client"], texts["server"]).connects


def test_changed_files_connect(folder: Path) -> None:
    """What is proposed is done, and the two connect."""
    server = RSA + tier(ECDHE_CBC)
    assert verdict(folder, CLIENT + tier(RSA_CBC), server).change is not None
    found = verdict(folder, CLIENT + tier(RSA_CBC, ECDHE_CBC), server)
    assert (found.connects, found.suite) == (True, ECDHE_CBC)


def test_sound_suites_are_proposed_before_weak_ones(folder: Path) -> None:
    """The first end could be made weaker; the second one made stronger helps as well."""
    server = 'certificate = "enciphering.pem"\nkey = "enciphering.key"\n'
    assert verdict(folder, CLIENT + tier(ECDHE_CBC, RSA_CBC), server + tier(RSA_CBC)).connects
    found = verdict(folder, CLIENT + '[legacy]\nreason = "a press"\n', server + tier(RSA_CBC))
    assert found.change == "add TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 to suites in [legacy] of the server"


def test_another_certificate_is_the_change_where_no_list_helps(folder: Path) -> None:
    """The client knows RSA alone, by its suites and by its schemes, and the server's key is for ECDSA."""
    client = 'versions = "1.2"\nsuites = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]\nschemes = ["rsa_pss_rsae_sha256"]\n'
    found = verdict(folder, CLIENT + client + 'cert_schemes = ["ecdsa_secp256r1_sha256"]\n', SERVER)
    assert found.change == "give the server an RSA certificate (its keyUsage with digitalSignature and keyEncipherment)"
    assert verdict(folder, CLIENT + client + 'cert_schemes = ["ecdsa_secp256r1_sha256"]\n', RSA).connects


@pytest.mark.parametrize("certificate", ["", 'certificate = "stranger.pem"\nkey = "stranger.key"\n'])
@pytest.mark.parametrize("versions", ["", 'versions = "1.2"\n', tier("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA")])
def test_missing_client_certificate_is_an_outcome_in_every_version(
    folder: Path, versions: str, certificate: str
) -> None:
    """The server's certificate was verified, the client's was refused: in TLS 1.2 and older ones as in TLS 1.3."""
    mutual = SERVER + 'client_auth = "required"\nclient_trust = "ca.pem"\n' + versions
    client = CLIENT + certificate + (versions if "legacy" in versions else "")
    found = verdict(folder, client, mutual)
    assert (found.connects, found.dropped_by, found.step) == (False, "server", 14)
    assert found.server_certificate.startswith("verified")
    assert found.client_certificate == "refused: the client sent no certificate, and this server requires one"
    assert found.change == "give the client a certificate and its key, from an issuer in client_trust of the server"
    (note,) = found.notes
    assert note.startswith("the server asked for a certificate")


def test_change_that_is_not_enough_is_no_change(folder: Path) -> None:
    """Two things are wrong: the first change is named with what it leaves, and not as the one that helps."""
    stranger = 'certificate = "stranger.pem"\nkey = "stranger.key"\nversions = "1.3"\n'
    found = verdict(folder, CLIENT + 'versions = "1.2"\n', stranger)
    assert (found.connects, found.change) == (False, None)
    (note,) = found.notes
    assert note.startswith("not enough: let the client accept TLSv1.3 (it accepts TLSv1.2); then still: ")
    assert "Other CA" in note
    found = verdict(folder, CLIENT + 'versions = "1.2"\n', 'versions = "SSLv3"\n')
    assert found.change == "let the server accept TLSv1.2 (it accepts SSLv3)"


def test_refused_hello_is_the_same_step_for_every_reason(folder: Path) -> None:
    """Versions, suites, groups and protocols: the server does not answer, which is step 7."""
    for client, server in (
        ('versions = "1.3"\n', 'versions = "1.2"\n'),
        ('suites = ["TLS_AES_256_GCM_SHA384"]\n', 'suites = ["TLS_AES_128_GCM_SHA256"]\n'),
        ('groups = ["x25519"]\n', 'groups = ["secp256r1"]\n'),
        ('alpn = ["h2"]\n', 'alpn = ["http/1.1"]\n'),
    ):
        found = verdict(folder, CLIENT + client, SERVER + server)
        assert (found.dropped_by, found.step) == ("server", 7)


# -- lists of suites ---------------------------------------------------------------------------------------------------


def test_disjoint_suites_show_both_lists_and_an_empty_intersection(folder: Path) -> None:
    """D3: two lists, and the intersection before and after the filters."""
    found = verdict(folder, CLIENT + tier(RSA_CBC), RSA + tier(ECDHE_CBC))
    assert found.suites == {
        "client": [RSA_CBC],
        "server": [ECDHE_CBC],
        "common": [],
        "after": {"tier": [], "version": [], "certificate": []},
        "version": "TLSv1.2",
    }
    text = text_of(found)
    assert f"suites of client    {RSA_CBC}\nsuites of server    {ECDHE_CBC}\nsuites in both      none\ncause" in text


def after(found: Verdict) -> tuple[list[str], dict[str, Any]]:
    assert found.suites is not None
    return found.suites["common"], found.suites["after"]


def test_filter_that_took_the_last_suite_shows(folder: Path) -> None:
    """D3, D4: the tier, the version, the kind of key."""
    older = 'versions = "1.2"\ncipher_string = "AES128-SHA:ECDHE+AESGCM"\n'
    found = verdict(folder, CLIENT + older, ENCIPHERING + tier(RSA_CBC))
    assert after(found) == ([RSA_CBC], {"tier": [], "version": [], "certificate": []})
    assert text_of(found).count("left by") == 1
    gcm_suite = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    client, server = (
        f'suites = ["{one}", "{gcm_suite}"]\n' for one in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384")
    )
    found = verdict(folder, CLIENT + client, RSA + server)
    assert found.version == "TLSv1.3"
    assert after(found) == ([gcm_suite], {"tier": [gcm_suite], "version": [], "certificate": []})
    assert "left by tier        TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\nleft by TLSv1.3     none\n" in text_of(found)
    assert found.change == "add TLS_AES_256_GCM_SHA384 to suites of the client"
    found = verdict(folder, CLIENT + f'versions = "1.2"\nsuites = ["{gcm_suite}"]\n', SERVER)
    assert after(found) == ([gcm_suite], {"tier": [gcm_suite], "version": [gcm_suite], "certificate": []})
    assert "left by TLSv1.2     TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\nleft by certificate none\n" in text_of(found)


def test_lists_of_suites_are_shown_only_where_they_matter(folder: Path) -> None:
    assert verdict(folder, CLIENT, SERVER).suites is None
    found = verdict(folder, CLIENT + 'groups = ["x25519"]\n', SERVER + 'groups = ["secp256r1"]\n')
    assert found.suites is None


# -- encryption only ---------------------------------------------------------------------------------------------------


def test_encryption_only_connects_with_anonymous_suites_of_the_tier(folder: Path) -> None:
    """The first of the three modes, by suites that authenticate nobody: nobody shows a certificate."""
    text = 'encryption_only = "debugging"\n' + tier(ANONYMOUS)
    found = verdict(folder, text, text)
    assert (found.connects, found.suite, found.server_certificate) == (True, ANONYMOUS, "none was shown")
    assert found.notes == [f"encryption only: the {end} verifies nobody" for end in ("client", "server")]


def test_encryption_only_connects_without_the_tier(folder: Path) -> None:
    found = verdict(folder, "encryption_only = true\n", "encryption_only = true\n")
    assert (found.connects, found.version) == (True, "TLSv1.3")
    assert found.server_certificate == "shown, and not verified: CN=unauthenticated"
    found = verdict(folder, "encryption_only = true\n", SERVER)
    assert (found.connects, found.server_certificate) == (True, f"shown, and not verified: CN={NAME}")
    found = verdict(folder, "encryption_only = true\n", without_key(SERVER))
    assert (found.connects, found.server_certificate) == (True, "not verified: the client verifies nobody")


def test_client_that_verifies_refuses_a_server_of_encryption_only(folder: Path) -> None:
    found = verdict(folder, CLIENT, "encryption_only = true\n")
    assert (found.connects, found.dropped_by, found.alert) == (False, "client", "unknown_ca")
    assert found.change is None


def test_suites_without_encryption_want_a_reason(folder: Path) -> None:
    null = tier("TLS_RSA_WITH_NULL_SHA256").replace("versions", 'no_encryption = "to look at it"\nversions')
    server = 'certificate = "enciphering.pem"\nkey = "enciphering.key"\n'
    found = verdict(folder, CLIENT + null, server + null)
    assert (found.connects, found.suite) == (True, "TLS_RSA_WITH_NULL_SHA256")
    with pytest.raises(ConfigError, match="no_encryption"):
        verdict(folder, CLIENT + tier("TLS_RSA_WITH_NULL_SHA256"), server)
