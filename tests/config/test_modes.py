"""The three modes: what contradicts them is refused, what is dangerous warns, and `authenticated` tells the truth."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.certificates import make_ca
from tests.support.peers import pair
from tlscore import (
    CertificatePolicy,
    ClientConfig,
    Identity,
    Revocation,
    ServerConfig,
    TrustStore,
    UnauthenticatedTlsWarning,
    danger,
    policies,
)
from tlscore.errors import ConfigError

CA = make_ca()
TRUST = TrustStore.from_bytes(CA.pem)
NAME = "example.org"


def identity(usage: Any = "both") -> Identity:
    issued = CA.issue(NAME, usage=usage)
    return Identity(issued.chain, issued.key)


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (ClientConfig.encryption_only, {"trust": TRUST}),
        (ClientConfig.encryption_only, {"authentication": danger.accept_any_peer}),
        (ClientConfig.encryption_only, {"send_certificate_authorities": True}),
        (ClientConfig.encryption_only, {"certificate_policy": CertificatePolicy(wildcards="refuse")}),
        (ClientConfig.encryption_only, {"revocation": Revocation.stapled("require")}),
        (ServerConfig.encryption_only, {"client_auth": "required"}),
        (ServerConfig.encryption_only, {"client_trust": TRUST}),
        (ServerConfig.encryption_only, {"strict_sni": True}),
        (ServerConfig.encryption_only, {"names": {NAME: None}}),
        (ServerConfig.encryption_only, {"authorize": lambda peer: True}),
        (ServerConfig.encryption_only, {"confirm_client_auth": True}),
        (ServerConfig.encryption_only, {"revocation": Revocation.stapled("require")}),
    ],
)
def test_encryption_only_excludes_what_says_whom_to_verify(build: Callable[..., Any], named: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"verifies nobody, and {next(iter(named))} says whom to verify") as caught:
        build(danger.accept_any_peer, **named)
    assert caught.value.code == "TLS-CONFIG-CONTRADICTION"


@pytest.mark.parametrize(
    "named",
    [{"certificate_policy": CertificatePolicy(min_rsa_bits=3072)}, {"revocation": Revocation.stapled("require")}],
)
def test_accepting_any_peer_contradicts_a_policy_for_certificates(named: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="needs a trust store, and accept_any_peer has none"):
        ClientConfig(authentication=danger.accept_any_peer, **named)


def test_encryption_only_warns_and_is_not_authenticated() -> None:
    with pytest.warns(UnauthenticatedTlsWarning, match="nobody checks who the peer is"):
        client_config = ClientConfig.encryption_only(danger.accept_any_peer)
    with pytest.warns(UnauthenticatedTlsWarning):
        server_config = ServerConfig.encryption_only(danger.accept_any_peer)
    client, server = pair(client_config, server_config, None)
    assert client.handshake_complete
    assert not client.authenticated
    assert not server.authenticated
    with pytest.warns(UnauthenticatedTlsWarning):
        assert client_config.replace(policy=policies.HARDENED).certificate_policy.strict


@pytest.mark.parametrize(
    ("named", "text"),
    [
        ({"authorize": lambda peer: True}, 'authorize is given, but client_auth is "none"'),
        ({"confirm_client_auth": True}, 'confirm_client_auth is given, but client_auth is "none"'),
        (
            {"client_auth": "post_handshake", "client_trust": TRUST, "confirm_client_auth": True},
            'client_auth is "post_handshake"',
        ),
        ({"authorize": "admins"}, "authorize is a str.*a function that takes a PeerIdentity"),
        ({"resolver": 5}, "resolver is a int.*a function that takes a ClientHelloInfo"),
        ({"confirm_client_auth": 1}, "confirm_client_auth is 1"),
        ({"certificate_policy": "strict"}, "certificate_policy is a str, not CertificatePolicy"),
        ({"revocation": "off"}, r"revocation is a str, not Revocation.*Revocation\.crl"),
    ],
)
def test_servers_refuse_what_would_be_ignored(named: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        ServerConfig.simple(identity(), **named)


def test_async_callbacks_are_taken() -> None:
    async def later(_: Any) -> bool:
        return True

    class Caller:
        async def __call__(self, _: Any) -> bool:
            return True

        async def method(self, _: Any) -> bool:
            return True

    for call in (later, Caller(), Caller().method, len):
        assert ServerConfig.simple(identity(), resolver=call).resolver is call  # type: ignore[arg-type]
        assert ServerConfig.mutual(identity(), client_trust=TRUST, authorize=call).authorize is call  # type: ignore[arg-type]
        assert ClientConfig.simple(TRUST, authorize=call).authorize is call  # type: ignore[arg-type]


def test_clients_that_verify_nobody_authorize_nobody() -> None:
    with pytest.raises(ConfigError, match="verifies nobody, and authorize says whom to verify"):
        ClientConfig.encryption_only(danger.accept_any_peer, authorize=len)
    with pytest.raises(ConfigError, match="authorize needs a trust store"):
        ClientConfig(authentication=danger.accept_any_peer("a test"), authorize=len)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"authorize is a str.*a function that takes a PeerIdentity"):
        ClientConfig.simple(TRUST, authorize="example.org")  # type: ignore[arg-type]


def test_confirming_clients_need_an_identity() -> None:
    with pytest.raises(ConfigError, match="confirm_client_auth is on, but there is no identity"):
        ClientConfig.simple(TRUST, confirm_client_auth=True)


def test_simple_mode_authenticates_the_server_alone() -> None:
    client, server = pair(ClientConfig.simple(TRUST), ServerConfig.simple(identity("server")))
    assert (client.authenticated, server.authenticated) == (True, False)


def test_mutual_mode_authenticates_both() -> None:
    config = ServerConfig.mutual(identity("server"), client_trust=TRUST)
    client, server = pair(ClientConfig.mutual(TRUST, identity=identity("client")), config)
    assert (client.authenticated, server.authenticated) == (True, True)
    assert client.peer_identity is not None
    assert server.peer_identity is not None
    assert server.peer_identity.dns_names == (NAME,)


def test_certificate_policy_of_a_configuration_is_the_one_that_judges() -> None:
    from tlscore import errors

    issued = CA.issue("*.example.org", usage="server")
    server = ServerConfig.simple(Identity(issued.chain, issued.key))
    assert pair(ClientConfig.simple(TRUST), server, "www.example.org")[0].authenticated
    strict = ClientConfig.simple(TRUST, certificate_policy=CertificatePolicy(wildcards="refuse"))
    with pytest.raises(errors.BadCertificate):
        pair(strict, server, "www.example.org")
