"""keyUsage and key exchange in the legacy tier: what the key of a server's certificate is for follows the suite.

RFC 5246 7.4.2: with RSA "the certificate MUST allow the key to be used for encryption", with DHE_RSA and ECDHE_RSA "for
signing": no bit stands for the other one, whoever looks.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import standing
from tests.support.legacy import BOTH, ENCRYPTS, SIGNS, VERSIONS, client, identity, issued, quiet, server, tier
from tests.support.peers import failure, pump
from tests.support.peers_legacy import RawLegacyServer
from tests.support.standing import NAME
from tlscore import ClientConfig, ConfigError, Connection, Identity, ServerConfig, danger, errors, legacy
from tlscore.version_settings import version_code

RSA_CBC = "TLS_RSA_WITH_AES_128_CBC_SHA"
ECDHE_CBC = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
DHE_CBC = "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"
ECDSA_CBC = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"
ALL = (RSA_CBC, ECDHE_CBC, DHE_CBC)


def serving(*own: Identity, suites: tuple[str, ...] = ALL, **settings: Any) -> ServerConfig:
    return quiet(ServerConfig.simple, own, legacy=tier(suites=suites), groups=None, **settings)


def ends(config: ServerConfig, version: str, *suites: str) -> tuple[Connection, Connection]:
    return client(tier(versions=version, suites=suites)).connection(NAME), config.connection()


# -- clients -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "bits"), [(RSA_CBC, ENCRYPTS), (RSA_CBC, BOTH), (ECDHE_CBC, SIGNS), (DHE_CBC, SIGNS), (DHE_CBC, BOTH)]
)
def test_client_takes_a_certificate_for_what_the_suite_needs(version: str, name: str, bits: tuple[str, ...]) -> None:
    """RFC 5246 7.4.2: the certificate's key usage is compatible with the key exchange, and more is not asked."""
    end, raw = fresh(name, version, bits)
    end.receive(raw.flight().wire())
    end.receive(raw.finish(end.data_to_send()).wire())
    assert (end.version, end.suite, end.authenticated) == (f"TLSv{version}", name, True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "bits", "missing"),
    [(RSA_CBC, SIGNS, "keyEncipherment"), (ECDHE_CBC, ENCRYPTS, "digitalSignature"), (DHE_CBC, ENCRYPTS, "digital")],
)
def test_client_refuses_a_certificate_for_another_use(
    version: str, name: str, bits: tuple[str, ...], missing: str
) -> None:
    """RFC 5246 7.4.2: the keyEncipherment (digitalSignature) bit MUST be set if the key usage extension is present."""
    end, raw = fresh(name, version, bits)
    raw.hello().certificate()
    error = failure(end.receive, raw.wire())
    assert type(error) is errors.UnsupportedCertificate
    assert f"without {missing}" in str(error)
    assert raw.alert(end.data_to_send()) == errors.UnsupportedCertificate.alert
    assert not end.handshake_complete


def fresh(name: str, version: str, bits: tuple[str, ...]) -> tuple[Connection, RawLegacyServer]:
    end = client(tier(suites=(name,))).connection(NAME)
    raw = RawLegacyServer(end, version_code(version), name)
    raw.identity = issued("rsa2048", bits)
    return end, raw


def test_client_that_verifies_nobody_still_encrypts_to_no_key_that_forbids_it() -> None:
    """RFC 5246 7.4.2: the keyEncipherment bit MUST be set if the key usage extension is present."""
    config = quiet(ClientConfig.encryption_only, danger.accept_any_peer, legacy=tier(suites=(RSA_CBC,)))
    end = config.connection()
    raw = RawLegacyServer(end, version_code("1.2"), RSA_CBC)
    raw.identity = issued("rsa2048", SIGNS)
    raw.hello().certificate()
    error = failure(end.receive, raw.wire())
    assert type(error) is errors.IllegalParameter
    assert "without keyEncipherment" in str(error)


# -- servers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_server_chooses_the_identity_that_the_suite_may_use(version: str) -> None:
    """RFC 5246 7.4.2: the certificate MUST allow the key to be used for encryption, or for signing."""
    signs, encrypts = identity("rsa2048", SIGNS), identity("rsa2048", ENCRYPTS)
    for own in ((signs, encrypts), (encrypts, signs)):
        config = serving(*own)
        for name, expected in ((RSA_CBC, encrypts), (ECDHE_CBC, signs), (DHE_CBC, signs)):
            pump(*(pair := ends(config, version, name)))
            assert (pair[0].suite, pair[0].peer_chain) == (name, expected.chain)
            assert pair[0].authenticated


@pytest.mark.parametrize(
    ("bits", "first", "served"), [(ENCRYPTS, ECDHE_CBC, RSA_CBC), (SIGNS, RSA_CBC, ECDHE_CBC), (BOTH, RSA_CBC, RSA_CBC)]
)
def test_server_goes_on_to_a_suite_that_its_certificate_allows(bits: Any, first: str, served: str) -> None:
    config = serving(identity("rsa2048", bits), suites=(first, RSA_CBC, ECDHE_CBC))
    pump(*(pair := ends(config, "1.2", RSA_CBC, ECDHE_CBC)))
    assert pair[0].suite == served


@pytest.mark.parametrize(
    ("bits", "offered", "told"),
    [(ENCRYPTS, ECDHE_CBC, "without digitalSignature"), (SIGNS, RSA_CBC, "without keyEncipherment")],
)
def test_server_says_what_its_certificate_allows_where_no_suite_is_left(bits: Any, offered: str, told: str) -> None:
    asking, answering = ends(serving(identity("rsa2048", bits)), "1.2", offered)
    error = failure(answering.receive, asking.data_to_send())
    assert type(error) is errors.HandshakeFailure
    assert told in str(error)


def test_mutual_authentication_over_rsa_exchange_needs_each_bit_where_it_is_used() -> None:
    """RFC 5246 7.4.6: the client's MUST allow its key to be used for signing, whatever the server's does."""
    only = tier(versions="1.1", suites=(RSA_CBC,))
    theirs = quiet(
        ServerConfig.mutual, identity("rsa2048", ENCRYPTS), client_trust=standing.trust(), legacy=only
    )  # fmt: skip
    mine = quiet(ClientConfig.mutual, standing.trust(), identity=identity("rsa2048", SIGNS), legacy=only)
    pair = mine.connection(NAME), theirs.connection()
    pump(*pair)
    assert pair[0].authenticated
    assert pair[1].authenticated


# -- configurations ----------------------------------------------------------------------------------------------------


class Signer:
    """A key that is elsewhere."""

    def sign(self, scheme: int, data: bytes) -> bytes:
        raise AssertionError("asked")


@pytest.mark.parametrize(
    ("own", "suites", "text"),
    [
        (("rsa2048", SIGNS), (RSA_CBC,), "has a keyUsage without keyEncipherment"),
        (("rsa2048", ENCRYPTS), (ECDHE_CBC, DHE_CBC), "has a keyUsage without digitalSignature"),
        (
            ("rsa2048", ("data_encipherment",)),
            ALL,
            "without keyEncipherment and has a keyUsage without digitalSignature",
        ),
        (("p256", ("key_agreement",)), (ECDSA_CBC,), "has a keyUsage without digitalSignature"),
        (("p256", SIGNS), ALL, "is for ECDSA"),
    ],
)
def test_server_whose_identity_serves_no_suite_is_refused(own: Any, suites: tuple[str, ...], text: str) -> None:
    """RFC 5246 7.4.2: found when the configuration is built, not by the first client."""
    with pytest.raises(
        ConfigError, match=rf"no identity serves any of Legacy\.suites.*identity 1 \(CN=.*{text}"
    ) as found:
        serving(identity(*own), suites=suites)
    assert found.value.code == "TLS-CONFIG-NOT_AVAILABLE"
    assert found.value.remedy
    serving(identity(*own), identity("rsa2048"), suites=suites if own[0] == "rsa2048" else (*suites, RSA_CBC))


def test_signer_serves_neither_rsa_exchange_nor_old_versions() -> None:
    elsewhere = Identity.from_signer(issued("rsa2048").chain_pem, Signer())
    with pytest.raises(ConfigError, match="has its key in a signer, which only signs"):
        serving(elsewhere, suites=(RSA_CBC,))
    old = tier(versions=("1.0", "1.1"), suites=(ECDHE_CBC,))
    with pytest.raises(ConfigError, match="signs with none of the schemes"):
        quiet(ServerConfig.simple, elsewhere, legacy=old)
    serving(elsewhere, suites=(ECDHE_CBC,))


def test_schemes_that_the_identity_cannot_make_are_found_too() -> None:
    only = tier(versions="1.2", suites=(ECDHE_CBC,))
    with pytest.raises(ConfigError, match="signs with none of the schemes of these versions"):
        quiet(ServerConfig.simple, identity("rsa2048"), legacy=only, schemes=("ecdsa_secp256r1_sha256",))
    # Before TLS 1.2 nothing is negotiated, and a list of schemes says nothing.
    older = tier(versions=("1.2", "1.1"), suites=(ECDHE_CBC,))
    quiet(ServerConfig.simple, identity("rsa2048"), legacy=older, schemes=("ecdsa_secp256r1_sha256",))


def test_client_of_the_tier_needs_an_identity_that_may_sign() -> None:
    """RFC 5246 7.4.6: the certificate MUST allow the key to be used for signing."""
    with pytest.raises(ConfigError, match="may sign a handshake"):
        quiet(
            ClientConfig.mutual,
            standing.trust(),
            identity=identity("rsa2048", ENCRYPTS),
            legacy=tier(suites=legacy.RSA_SUITES),
        )


def test_anonymous_suites_need_no_identity_that_may_do_anything() -> None:
    made = server(
        tier(suites=legacy.ANONYMOUS_SUITES), "p256", unauthenticated=danger.accept_any_peer
    )  # fmt: skip
    assert made.unauthenticated is not None
