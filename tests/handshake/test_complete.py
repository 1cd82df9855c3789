"""Handshakes that succeed: every suite, group and key, with everything that they agree on."""

import pytest

from tests.support.certificates import Authority, make_ca
from tests.support.peers import pair, pump
from tlscore import ClientConfig, Identity, ServerConfig, TrustStore, policies
from tlscore.events import HandshakeCompleted, PeerClosed
from tlscore.iana import SUITES13, CipherSuite, NamedGroup

KEYS = ("p256", "p384", "p521", "rsa2048", "ed25519", "ed448", "mldsa44", "mldsa65", "mldsa87")


def exchange(client, server):
    for sender, receiver, data in ((client, server, b"from the client"), (server, client, b"from the server")):
        sender.write(data)
        receiver.receive(sender.data_to_send())
        assert receiver.read() == data


@pytest.mark.parametrize("suite", SUITES13, ids=CipherSuite.name_of)
def test_both_ends_agree_on_every_suite(trust, identity, suite):
    client, server = pair(
        ClientConfig.simple(trust, suites=(suite,)),
        ServerConfig.simple(identity, suites=policies.IMPLEMENTED_SUITES),
    )
    assert client.suite == server.suite == CipherSuite.name_of(suite)
    assert client.version == server.version == "TLSv1.3"
    assert client.export_keying_material("EXPORTER-test", b"context", 48) == server.export_keying_material(
        "EXPORTER-test", b"context", 48
    )
    exchange(client, server)


@pytest.mark.parametrize("group", policies.IMPLEMENTED_GROUPS, ids=NamedGroup.name_of)
def test_both_ends_agree_on_every_group(trust, identity, group):
    client, server = pair(
        ClientConfig.simple(trust, groups=(group,)),
        ServerConfig.simple(identity, groups=policies.IMPLEMENTED_GROUPS),
    )
    assert client.group == server.group == NamedGroup.name_of(group)
    assert not client.hello_retried
    exchange(client, server)


@pytest.mark.parametrize("key", KEYS)
def test_client_verifies_every_kind_of_key(authority, trust, key):
    issued = authority.issue("example.org", key=key)
    client, server = pair(
        ClientConfig.simple(trust), ServerConfig.simple(Identity.load(issued.chain_pem, issued.key_pem))
    )
    assert client.authenticated
    assert client.peer_scheme == server.own_scheme
    assert client.peer_chain == issued.chain_der


@pytest.mark.parametrize("key", KEYS)
def test_server_verifies_every_kind_of_client_key(authority, trust, identity, key):
    issued = authority.issue("client.example", key=key, usage="client")
    client, server = pair(
        ClientConfig.mutual(trust, identity=Identity.load(issued.chain_pem, issued.key_pem)),
        ServerConfig.mutual(identity, client_trust=trust),
    )
    assert client.authenticated
    assert server.authenticated
    assert server.peer_scheme == client.own_scheme
    assert server.peer_identity.dns_names == ("client.example",)


def test_both_ends_report_completion_once(client_config, server_config):
    client, server = pair(client_config, server_config)
    (completed,) = client.events()
    assert isinstance(completed, HandshakeCompleted)
    assert completed.authenticated
    assert completed.peer_identity.dns_names == ("example.org",)
    (accepted,) = server.events()
    assert isinstance(accepted, HandshakeCompleted)
    assert not accepted.authenticated
    assert accepted.peer_identity is None
    assert client.events() == server.events() == []


def test_nothing_is_agreed_before_the_handshake_is_complete(client_config):
    client = client_config.connection("example.org")
    assert not client.handshake_complete
    assert not client.authenticated
    for value in (client.version, client.suite, client.group, client.alpn, client.peer_identity, client.error):
        assert value is None
    assert client.peer_chain == ()


def test_handshake_completes_when_octets_come_one_by_one(client_config, server_config):
    client, server = client_config.connection("example.org"), server_config.connection()
    for _ in range(3):
        for sender, receiver in ((client, server), (server, client)):
            for octet in sender.data_to_send():
                receiver.receive(bytes((octet,)))
    assert client.handshake_complete
    assert server.handshake_complete


def test_trace_shows_the_steps_on_both_sides(mutual_client, mutual_server):
    client, server = pair(mutual_client, mutual_server)
    assert {step for step, _ in client.trace} == {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 19, 21, 22}
    assert {step for step, _ in server.trace} == {2, 3, 4, 6, 7, 9, 10, 11, 12, 14, 17, 18, 19, 20, 22}
    steps = [step for step, _ in client.trace]
    # The server is verified before anything that names the client is sent.
    assert steps.index(13) < steps.index(14) < steps.index(16) < steps.index(22)


def test_chain_with_intermediates_is_sent_whole(trust, authority: Authority):
    issued = authority.intermediate().intermediate("Second").issue("example.org")
    client, _ = pair(ClientConfig.simple(trust), ServerConfig.simple(Identity.load(issued.chain_pem, issued.key_pem)))
    assert client.peer_chain == issued.chain_der
    assert len(client.peer_chain) == 3


def test_close_is_half_duplex(client_config, server_config):
    client, server = pair(client_config, server_config)
    client.close()
    pump(client, server)
    assert server.peer_closed or any(isinstance(event, PeerClosed) for event in server.events())
    server.write(b"still open this way")
    client.receive(server.data_to_send())
    assert client.read() == b"still open this way"
    server.close()
    client.receive(server.data_to_send())
    assert any(isinstance(event, PeerClosed) for event in client.events())
    client.eof()
    assert client.closed


def test_channel_bindings_are_equal_on_both_ends_and_differ_between_connections(client_config, server_config):
    client, server = pair(client_config, server_config)
    other, _ = pair(client_config, server_config)
    assert client.channel_binding() == server.channel_binding() != other.channel_binding()
    assert len(client.channel_binding("tls-exporter")) == 32
    assert client.channel_binding("tls-server-end-point") == server.channel_binding("tls-server-end-point")


def test_rsa_ca_and_ed25519_leaf(identity):
    ca = make_ca("RSA CA", key="rsa2048#1")
    issued = ca.issue("example.org", key="ed25519")
    client, _ = pair(
        ClientConfig.simple(TrustStore.from_bytes(ca.pem)),
        ServerConfig.simple(Identity.load(issued.chain_pem, issued.key_pem)),
    )
    assert client.peer_scheme == "ed25519"


def test_key_log_of_both_ends_is_equal(trust, identity, tmp_path):
    logs = [tmp_path / "client.log", tmp_path / "server.log"]
    pair(ClientConfig.simple(trust, key_log=logs[0]), ServerConfig.simple(identity, key_log=logs[1]))
    lines = [sorted(log.read_text().splitlines()) for log in logs]
    assert lines[0] == lines[1]
    assert len(lines[0]) == 5
    assert all(log.stat().st_mode & 0o777 == 0o600 for log in logs)
