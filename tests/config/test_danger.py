"""The ways around authentication: named, warned of, refused in contradictions, forbidden by the environment."""

import subprocess
import sys
from typing import Any

import pytest

from tests.support.certificates import make_ca
from tlscore import ClientConfig, Identity, ServerConfig, TrustStore, UnauthenticatedTlsWarning, danger
from tlscore.errors import ConfigError

CA = make_ca()
TRUST = TrustStore.from_bytes(CA.pem)
ISSUED = CA.issue("x")
IDENTITY = Identity(ISSUED.chain, ISSUED.key)


def test_encryption_only_warns_and_says_so() -> None:
    with pytest.warns(UnauthenticatedTlsWarning, match="nobody checks who the peer is"):
        client = ClientConfig.encryption_only(danger.accept_any_peer)
    assert client.trust is None
    with pytest.warns(UnauthenticatedTlsWarning, match=r"reason given: lab rig"):
        server = ServerConfig.encryption_only(danger.accept_any_peer("lab rig"))
    assert server.unauthenticated == danger.AcceptAnyPeer("lab rig")


def test_encryption_only_server_makes_its_own_certificate() -> None:
    with pytest.warns(UnauthenticatedTlsWarning):
        one = ServerConfig.encryption_only(danger.accept_any_peer)
    with pytest.warns(UnauthenticatedTlsWarning):
        two = ServerConfig.encryption_only(danger.accept_any_peer)
    assert one.identities[0].chain != two.identities[0].chain
    assert one.identities_for("anything.test") == one.identities
    with pytest.warns(UnauthenticatedTlsWarning):
        assert ServerConfig.encryption_only(danger.accept_any_peer, identities=(IDENTITY,)).identities == (IDENTITY,)


def test_skip_name_check_needs_trust_and_a_reason() -> None:
    with pytest.warns(UnauthenticatedTlsWarning, match="whose certificate the peer shows"):
        config = ClientConfig(authentication=danger.skip_name_check(TRUST, "cluster without names"))
    assert config.trust is TRUST
    with pytest.raises(ConfigError, match="no reason"):
        danger.skip_name_check(TRUST, " ")
    with pytest.raises(ConfigError, match="trust is None"):
        ClientConfig(authentication=danger.skip_name_check(None, "why"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cls", "accept", "named", "text"),
    [
        (ClientConfig, True, {}, r"encryption_only got bool.*danger\.accept_any_peer"),
        (ClientConfig, danger.accept_any_peer, {"trust": TRUST}, "verifies nobody, and trust says whom"),
        (ClientConfig, danger.accept_any_peer, {"send_certificate_authorities": True}, "verifies nobody"),
        (ServerConfig, danger.accept_any_peer, {"client_trust": TRUST}, "verifies nobody, and client_trust"),
        (ServerConfig, danger.accept_any_peer, {"client_auth": "required"}, "verifies nobody, and client_auth"),
        (ServerConfig, None, {}, "encryption_only got NoneType"),
    ],
)
def test_contradictions_are_refused(cls: Any, accept: Any, named: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        cls.encryption_only(accept, **named)


@pytest.mark.parametrize("value", ["1", "yes", "true", "on", "anything"])
def test_environment_forbids_every_danger(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(danger.FORBID_VARIABLE, value)
    for build in (
        lambda: ClientConfig.encryption_only(danger.accept_any_peer),
        lambda: ServerConfig.encryption_only(danger.accept_any_peer),
        lambda: ClientConfig(authentication=danger.skip_name_check(TRUST, "why")),
    ):
        with pytest.raises(ConfigError, match="TLSCORE_FORBID_DANGEROUS forbids"):
            build()
    assert ClientConfig.simple(TRUST)


@pytest.mark.parametrize("value", ["0", "", "no", "off", "False"])
def test_environment_may_say_no(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(danger.FORBID_VARIABLE, value)
    with pytest.warns(UnauthenticatedTlsWarning):
        ClientConfig.encryption_only(danger.accept_any_peer)


def test_verify_as_means_nothing_where_no_name_is_checked() -> None:
    with pytest.warns(UnauthenticatedTlsWarning):
        config = ClientConfig.encryption_only(danger.accept_any_peer)
    with pytest.raises(ConfigError, match="checks no name"):
        config.connection("a.example", verify_as="b.example")


def test_d19_opt_outs_are_logged_as_facts(caplog: pytest.LogCaptureFixture) -> None:
    """What a collector of logs can filter by; a program without logging sees the warning alone."""
    with caplog.at_level("WARNING", "tlscore.danger"), pytest.warns(UnauthenticatedTlsWarning):
        ClientConfig.encryption_only(danger.accept_any_peer("a lab"))
    (record,) = caplog.records
    facts = vars(record)
    assert (record.name, record.levelname) == ("tlscore.danger", "WARNING")
    assert (facts["tlscore_danger"], facts["tlscore_owner"]) == ("accept_any_peer", "ClientConfig")
    assert facts["tlscore_reason"] == "a lab"
    assert "a lab" in record.getMessage()
    program = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from tlscore import ClientConfig, danger; ClientConfig.encryption_only(danger.accept_any_peer)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stderr == ""
