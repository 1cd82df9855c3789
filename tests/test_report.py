"""`conn.report()`: what it says of connections in order and of odd ones, as a record, as JSON and as text.

Rows D4 to D25 of the diagnostics: D19 is the red flag for a peer that nobody verified, D25 the days to expiry.
"""

import datetime as dt
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from tests.support import legacy
from tests.support.certificates import make_ca
from tests.support.chains import NOW, root, san
from tests.support.peers import pair, pump
from tests.support.peers12 import RawServer12
from tests.support.standing import (
    NAME,
    authority,
    carry,
    client_config,
    client_identity,
    connected,
    fresh,
    identity,
    issued,
    mutual_client_config,
    mutual_server_config,
    server_config,
    trust,
)
from tlscore import (
    ClientConfig,
    Connection,
    ConnectionReport,
    Identity,
    IdentityFile,
    KeyFilePermissionWarning,
    Revocation,
    ServerConfig,
    TrustStore,
    UnauthenticatedTlsWarning,
    danger,
    errors,
)
from tlscore.certs.paths.facts import facts_of
from tlscore.certs.policy import CertificatePolicy
from tlscore.certs.summary import CertificateSummary
from tlscore.iana import ExtensionType
from tlscore.report import flags
from tlscore.sockets import listen, wrap_client, wrap_server


def codes(report: ConnectionReport) -> list[str]:
    return [flag.code.removeprefix("TLS-FLAG-") for flag in report.flags]


# -- connections in order ----------------------------------------------------------------------------------------------


def test_report_of_an_ordinary_connection_has_no_flag() -> None:
    client, server = connected()
    told, other = client.report(), server.report()
    assert (told.role, told.situation, told.version) == ("client", "established", "TLSv1.3")
    assert (told.suite, told.group, told.server_name) == (client.suite, "x25519", NAME)
    assert told.suite_parts == {
        "key_exchange": "any",
        "authentication": "any",
        "encryption": "AES-128-GCM",
        "mac": "AEAD",
        "hash": "sha256",
    }
    assert told.authenticated
    assert told.verified_by is not None
    assert told.verified_by.startswith("CN=Standing CA (sha256:")
    assert [one.subject for one in told.peer.certificates] == [f"CN={NAME}"]
    assert told.peer.scheme == "ecdsa_secp256r1_sha256"
    assert told.own.certificates == ()
    assert told.policy == "default 2026-11-24"
    assert [one.subject for one in other.own.certificates] == [f"CN={NAME}"]
    assert (other.authenticated, other.verified_by, other.revocation) == (False, None, None)
    assert codes(told) == codes(other) == []


def test_report_lists_every_check_of_the_chain_and_what_came_of_revocation() -> None:
    """S77, S84: the checks with their results, and that no source of revocation answered."""
    client, _ = connected()
    report = client.report()
    assert report.verification is not None
    assert report.verification.ok
    assert {"chain", "validity", "signature", "name", "revocation"} <= {one.name for one in report.verification.checks}
    assert report.revocation is not None
    assert report.revocation["mode"] == "best_effort"
    assert [one["outcome"] for one in report.revocation["answers"]] == ["skip"]


def test_report_is_json_and_text() -> None:
    for end in pair(mutual_client_config(), mutual_server_config(), NAME):
        report = end.report()
        told = json.loads(report.as_json(indent=1))
        assert told == report.as_dict()
        assert told["peer"]["certificates"][0]["fingerprint"] == report.peer.certificates[0].fingerprint
        assert told["trace"][-1] == {"step": 22, "text": "the session is established"}
        assert told["records"]["key_updates_received"] == 0
        assert str(report) == report.text()
        for line in (
            "version        TLSv1.3",
            "authenticated  yes, by CN=Standing CA",
            "checks passed  chain, validity",
        ):
            assert line in report.text()


def test_report_changes_nothing_on_the_connection() -> None:
    client, server = connected()
    server.write(b"waits")
    client.receive(server.data_to_send())
    before = (client.counters, client.report().as_dict()["records"])
    client.report(NOW)
    assert (client.counters, client.report().as_dict()["records"]) == before
    assert client.read() == b"waits"


def test_report_holds_no_secret_and_no_way_back() -> None:
    client, _ = connected()
    report = client.report()
    assert report == report.replace()
    assert not any(isinstance(value, Connection) for value in report._values())
    with pytest.raises(AttributeError, match="frozen"):
        report.version = "TLSv1.2"  # type: ignore[misc]


def test_report_before_and_during_the_handshake() -> None:
    client, server = fresh()
    assert client.report().situation == server.report().situation == "handshaking"
    carry(client, server)
    report = server.report()
    assert (report.situation, report.version, report.suite, report.authenticated) == ("handshaking", None, None, False)
    assert report.trace


def test_report_after_both_sides_closed() -> None:
    client, server = connected()
    client.close()
    server.close()
    pump(client, server)
    client.events()
    assert client.report().situation == "closed"
    client, server = connected()
    client.abort()
    assert client.report().situation == "closed"


def test_sockets_report_too() -> None:
    left, right = socket.socketpair()
    with (
        wrap_client(left, client_config(), NAME, do_handshake=False) as client,
        wrap_server(right, server_config(), do_handshake=False),
    ):
        assert client.report().situation == "handshaking"


# -- failures ----------------------------------------------------------------------------------------------------------


def test_report_of_a_refused_chain_keeps_its_checks() -> None:
    """D7: the refusal with every check, those that passed too."""
    client, server = client_config().connection("other.example"), server_config().connection()
    with pytest.raises(errors.BadCertificate) as refused:
        pump(client, server)
    report = client.report()
    assert report.situation == "failed"
    assert report.verification is refused.value.report
    assert report.verification is not None
    assert [check.name for check in report.verification.failures] == ["name"]
    assert report.error is not None
    assert (report.error["code"], report.error["alert_sent"]) == ("TLS-NAME_MISMATCH", 42)
    text = report.text()
    assert "FAILED         name: the server's certificate is not for other.example; it is for example.org" in text
    assert "ended by       TLS-NAME_MISMATCH" in text
    assert "last step      9 the server sends its certificate" in text
    json.dumps(report.as_dict())


def test_report_of_a_received_alert_names_it() -> None:
    client, server = client_config().connection("other.example"), server_config().connection()
    with pytest.raises(errors.BadCertificate):
        pump(client, server)
    with pytest.raises(errors.BadCertificate):
        server.receive(client.data_to_send())
    error = server.report().error
    assert error is not None
    assert (error["sender"], error["alert_received"]) == ("peer", 42)


def test_text_escapes_what_the_peer_wrote() -> None:
    leaf = authority().issue(NAME, usage="server", common_name="evil\x1b[2J\nverified by: nobody")
    client, _ = pair(client_config(), ServerConfig.simple(Identity(leaf.chain, leaf.key)), NAME)
    report = client.report()
    assert "\x1b" in report.peer.certificates[0].subject
    text = report.text()
    assert "\x1b" not in text
    assert "\nverified by" not in text


# -- flags -------------------------------------------------------------------------------------------------------------


def test_d19_red_flag_where_nobody_was_verified() -> None:
    with pytest.warns(UnauthenticatedTlsWarning):
        accept = ClientConfig.encryption_only(danger.accept_any_peer("a lab"), groups=("x25519",))
    with pytest.warns(UnauthenticatedTlsWarning):
        anonymous = ServerConfig.encryption_only(danger.accept_any_peer("a lab"))
    client, server = pair(accept, anonymous, NAME)
    for end in (client, server):
        report = end.report()
        assert [flag.code for flag in report.red_flags] == ["TLS-FLAG-NOT_VERIFIED"]
        assert "RED FLAG" in report.text()
        assert "a lab" in report.text()
    assert "authenticated  NO" in client.report().text()
    assert (client.report().verified_by, client.report().revocation) == (None, None)


def test_d19_red_flag_where_the_name_was_not_checked() -> None:
    with pytest.warns(UnauthenticatedTlsWarning):
        skipping = ClientConfig(authentication=danger.skip_name_check(trust(), "moves"), groups=("x25519",))
    client, _ = pair(skipping, server_config(), None)
    assert codes(client.report()) == ["NAME_NOT_CHECKED"]
    assert not client.report().authenticated


def test_red_flag_for_a_key_log(tmp_path: Path) -> None:
    client, _ = pair(client_config(key_log=str(tmp_path / "keys")), server_config(), NAME)
    (flag,) = client.report().red_flags
    assert flag.code == "TLS-FLAG-KEY_LOG"
    assert str(tmp_path / "keys") in flag.text


def test_s84_omitted_revocation_shows_with_its_reason() -> None:
    config = client_config(revocation=Revocation.off("the enterprise CA disables accounts"))
    report = pair(config, server_config(), NAME)[0].report()
    assert codes(report) == ["REVOCATION_OFF"]
    assert report.revocation is not None
    assert report.revocation["reason"] == "the enterprise CA disables accounts"
    assert "revocation     off (the enterprise CA disables accounts)" in report.text()


def test_yellow_flag_for_certificates_in_the_clear() -> None:
    """C27: TLS 1.2 shows certificates to everybody."""
    client, server = pair(client_config(versions="1.2", groups=("x25519", "secp256r1")), server_config(), NAME)
    for end in (client, server):
        report = end.report()
        assert codes(report) == ["CLEAR_CERTIFICATES"]
        assert (report.extended_main_secret, report.red_flags) == (True, ())
        assert report.suite_parts is not None
        assert report.suite_parts["key_exchange"] == "ECDHE"


def test_red_flag_without_the_extended_main_secret() -> None:
    config = client_config(versions="1.2", groups=("x25519", "secp256r1"), require_extended_main_secret=False)
    client = config.connection(NAME)
    server = RawServer12(issued(), client)
    server.hello(server.hello_message(drop=(ExtensionType.extended_main_secret,)))
    server.certificate()
    server.key_exchange()
    client.receive(server.done().layer.data_to_send())
    server.take_flight(client.data_to_send())
    server.change()
    server.finished()
    client.receive(server.layer.data_to_send())
    assert "NO_EXTENDED_MAIN_SECRET" in codes(client.report())


def test_yellow_flag_for_the_fallback_to_the_common_name() -> None:
    config = client_config(certificate_policy=CertificatePolicy(cn_fallback=True))
    assert codes(pair(config, server_config(), NAME)[0].report()) == ["CN_FALLBACK"]


def test_yellow_flag_until_the_server_confirms_our_certificate() -> None:
    client, server = pair(mutual_client_config(), mutual_server_config(), NAME)
    assert codes(client.report()) == ["NOT_CONFIRMED"]
    server.write(b"welcome")
    carry(server, client)
    client.read()
    assert codes(client.report()) == []


def test_flag_where_no_client_certificate_fitted() -> None:
    stranger = make_ca("Stranger").issue("client.example", usage="client")
    client_side = ClientConfig.mutual(trust(), identity=Identity(stranger.chain, stranger.key), groups=("x25519",))
    server_side = mutual_server_config(client_auth="optional")
    client, server = pair(client_side, server_side, NAME)
    assert codes(client.report()) == ["CLIENT_CERTIFICATE"]
    assert "authenticated  no: the client showed no certificate" in server.report().text()


def test_flag_for_a_key_that_others_can_read(tmp_path: Path) -> None:
    chain, key = issued().write(tmp_path)
    key.chmod(0o644)
    with pytest.warns(KeyFilePermissionWarning):
        exposed = Identity.load(chain, key)
    server = pair(client_config(), ServerConfig.simple(exposed), NAME)[1]
    assert codes(server.report()) == ["EXPOSED_KEY"]


@pytest.mark.parametrize(
    ("lifetime", "left", "level"),
    [
        (90, 31, None),
        (90, 29, "yellow"),
        (7, 3, None),
        (7, 2, "yellow"),
        (365, 31, None),
        (365, 29, "yellow"),
        (7, -1, "red"),
    ],
)
def test_d25_flag_for_expiry_knows_short_lives(lifetime: int, left: int, level: str | None) -> None:
    end = NOW + dt.timedelta(days=left)
    leaf = root().issue("leaf", san(NAME), start=end - dt.timedelta(days=lifetime), end=end)
    found = flags.of_certificates("our", (CertificateSummary.of(facts_of(leaf.der)),), NOW)
    assert [flag.level for flag in found] == ([] if level is None else [level])


def test_d25_flags_for_sha1_and_a_short_key() -> None:
    key = make_ca(key="rsa1024").key
    top = root("RSA root", key=key, algorithm=hashes.SHA256())
    own = CertificateSummary.of(facts_of(top.issue("leaf", san(NAME), key=key).der))
    found = flags.of_certificates("the peer's", (own.replace(signature="RSA with SHA1"),), NOW)
    assert [flag.code for flag in found] == ["TLS-FLAG-WEAK_KEY", "TLS-FLAG-WEAK_HASH"]
    assert own.bits == 1024
    # Nobody checks the signature of a root.
    assert len(flags.of_certificates("a", (own.replace(signature="RSA with SHA1", self_issued=True),), NOW)) == 1


def test_flags_of_suites_that_are_weak_or_incomplete() -> None:
    from tlscore.suites import suite

    outcome: Any = type("Outcome", (), {"extended": True, "version": 0x0303})()
    incomplete = flags.of_outcome(outcome, suite("TLS_DH_anon_WITH_AES_128_GCM_SHA256"), False)
    assert "TLS-FLAG-SUITE_INCOMPLETE" in [flag.code for flag in incomplete]
    no_secrecy = flags.of_outcome(outcome, suite("TLS_RSA_WITH_AES_128_GCM_SHA256"), False)
    assert {"TLS-FLAG-NO_FORWARD_SECRECY", "TLS-FLAG-SUITE_WEAK"} <= {flag.code for flag in no_secrecy}
    assert flags.of_outcome(outcome, suite("TLS_AES_128_GCM_SHA256"), False) == []


def test_flags_of_the_legacy_tier() -> None:
    """Every connection of the tier shows it, with its last day; versions below TLS 1.2 and its suites are red."""
    made = legacy.tier(suites=("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",), expires=dt.date(2099, 1, 31))
    client, server = pair(legacy.client(made, versions=None), legacy.server(made.replace(versions=("1.0",))), NAME)
    for end in (client, server):
        report = end.report()
        found = {flag.code.removeprefix("TLS-FLAG-"): flag for flag in report.flags}
        assert (found["OLD_VERSION"].level, found["SUITE_WEAK"].level, found["LEGACY"].level) == (
            "red",
            "red",
            "yellow",
        )
        assert "TLSv1.0 must not be used" in found["OLD_VERSION"].text
        assert "until 2099-01-31 (reason: a test)" in found["LEGACY"].text
        assert "until 2099-01-31" in report.text()
    endless = flags.of_config(legacy.client(legacy.tier()))
    assert [flag.text for flag in endless] == ["the legacy tier is in use without an end (reason: a test)"]
    client, _ = pair(legacy.client(legacy.tier("1.2")), legacy.server(legacy.tier("1.2")), NAME)
    assert "OLD_VERSION" not in codes(client.report())


def test_worst_flags_come_first(tmp_path: Path) -> None:
    config = client_config(
        versions="1.2",
        groups=("x25519", "secp256r1"),
        key_log=str(tmp_path / "keys"),
        revocation=Revocation.off("a reason"),
    )
    report = pair(config, server_config(), NAME)[0].report()
    assert [flag.level for flag in report.flags] == ["red", "yellow", "yellow"]


# -- days to expiry ----------------------------------------------------------------------------------------------------


def test_days_to_expiry_on_every_connection() -> None:
    """D25: a metric of both ends, by the clock that the configuration has."""
    end = issued().certificate.not_valid_after_utc
    moment = end - dt.timedelta(days=5)
    client, server = pair(client_config(clock=lambda: moment), server_config(clock=lambda: moment), NAME)
    assert client.peer_days_to_expiry() == server.own_days_to_expiry() == pytest.approx(5)
    assert client.own_days_to_expiry() is None
    assert server.peer_days_to_expiry() is None
    assert client.peer_days_to_expiry(end + dt.timedelta(days=1)) == pytest.approx(-1)
    report = client.report()
    assert report.peer.days_to_expiry == pytest.approx(5)
    assert codes(report) == ["EXPIRES"]
    assert "5.0 days to expiry" in report.text()


def test_days_to_expiry_count_the_intermediate_and_the_anchor() -> None:
    """A chain ends when its first certificate does, and the anchor is part of it."""
    top = root("Short root", end=NOW + dt.timedelta(days=3))
    leaf = top.issue("leaf", san(NAME), end=NOW + dt.timedelta(days=30))
    config = ClientConfig.simple(TrustStore([top.certificate]), clock=lambda: NOW, groups=("x25519",))
    client, server = pair(config, ServerConfig.simple(Identity((leaf.der,), leaf.key)), NAME)
    assert client.peer_days_to_expiry() == pytest.approx(3)
    assert server.own_days_to_expiry(NOW) == pytest.approx(30)


def test_days_to_expiry_before_the_handshake_and_after_a_failure() -> None:
    client, server = fresh()
    assert client.peer_days_to_expiry() is None
    assert server.own_days_to_expiry() is None
    client.abort()
    assert client.peer_days_to_expiry() is None


def test_days_to_expiry_of_configurations_and_listeners(tmp_path: Path) -> None:
    short = authority().issue("short.example", usage="server", days=3)
    moment = short.certificate.not_valid_after_utc - dt.timedelta(days=2)
    several = ServerConfig(identities=[identity()], names={"short.example": Identity(short.chain, short.key)})
    assert several.days_to_expiry(moment) == pytest.approx(2)
    assert several.replace(clock=lambda: moment).days_to_expiry() == pytest.approx(2)
    assert client_config().days_to_expiry() is None
    assert mutual_client_config().days_to_expiry(moment) == client_identity().days_to_expiry(moment)
    followed = ServerConfig.simple(IdentityFile(*short.write(tmp_path)))
    with listen(("127.0.0.1", 0), followed) as listener:
        assert listener.days_to_expiry() == pytest.approx(followed.days_to_expiry(), abs=0.01)
