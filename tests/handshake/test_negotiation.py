"""What the two ends select from each other's offers, and how they fail when there is nothing to select."""

import pytest

from tests.support.certificates import make_ca
from tests.support.peers import RawClient, failure, pair, pump
from tlscore import ClientConfig, Identity, IdentityFile, ServerConfig, TrustStore, errors
from tlscore._core import random_bytes
from tlscore.handshake.selections import KEPT_SELECTIONS
from tlscore.iana import CipherSuite, ExtensionType, SignatureScheme, is_grease
from tlscore.wire import (
    Alpn,
    CertificateAuthorities,
    KeyShareClientHello,
    RecordSizeLimit,
    ServerName,
    SignatureAlgorithmsCert,
    SupportedGroups,
    SupportedVersions,
    decode,
)

AES128, AES256 = CipherSuite.TLS_AES_128_GCM_SHA256, CipherSuite.TLS_AES_256_GCM_SHA384
CHACHA = CipherSuite.TLS_CHACHA20_POLY1305_SHA256


def client_hello(config, name="example.org"):
    wire = config.connection(name).data_to_send()
    return decode(wire[5:])


def load(issued):
    return Identity.load(issued.chain_pem, issued.key_pem)


def refused(client_config, server_config, name="example.org"):
    """(the server's error, what the client makes of its alert)"""
    client, server = client_config.connection(name), server_config.connection()
    error = failure(server.receive, client.data_to_send())
    seen = failure(client.receive, server.data_to_send())
    assert seen.alert == error.alert == error.alert_sent == seen.alert_received
    assert seen.sender == "peer"
    assert error.sender == "us"
    return error, seen


# -- suites, groups, schemes -------------------------------------------------------------------------------------------


def test_server_prefers_its_own_order_by_default(trust, identity):
    client, _ = pair(
        ClientConfig.simple(trust, suites=(AES128, AES256, CHACHA)),
        ServerConfig.simple(identity, suites=(CHACHA, AES256)),
    )
    assert client.suite == "TLS_CHACHA20_POLY1305_SHA256"


def test_server_follows_the_clients_order_when_told_to(trust, identity):
    client, _ = pair(
        ClientConfig.simple(trust, suites=(AES128, AES256, CHACHA)),
        ServerConfig.simple(identity, suites=(CHACHA, AES256), prefer="client"),
    )
    assert client.suite == "TLS_AES_256_GCM_SHA384"


def test_no_common_suite_names_both_lists(trust, identity):
    error, _ = refused(
        ClientConfig.simple(trust, suites=(AES128,)), ServerConfig.simple(identity, suites=(AES256, CHACHA))
    )
    assert type(error) is errors.HandshakeFailure
    assert "TLS_AES_128_GCM_SHA256" in str(error)
    assert "TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256" in str(error)
    assert error.code == "TLS-NO_COMMON_SUITE"


def test_no_common_group_names_both_lists(trust, identity):
    error, _ = refused(
        ClientConfig.simple(trust, groups=("x25519",)), ServerConfig.simple(identity, groups=("secp384r1",))
    )
    assert type(error) is errors.HandshakeFailure
    assert "x25519" in str(error)
    assert "secp384r1" in str(error)


def test_no_common_scheme_names_both_lists(trust, identity):
    error, _ = refused(ClientConfig.simple(trust, schemes=("ed25519",)), ServerConfig.simple(identity))
    assert type(error) is errors.HandshakeFailure
    assert "ed25519" in str(error)
    assert "ecdsa_secp256r1_sha256" in str(error)


def test_server_takes_the_identity_whose_scheme_the_client_knows(trust, authority):
    first = load(authority.issue("example.org", key="rsa2048"))
    second = load(authority.issue("example.org", key="ed25519"))
    client, _ = pair(ClientConfig.simple(trust, schemes=("ed25519",)), ServerConfig.simple([first, second]))
    assert client.peer_scheme == "ed25519"


def test_a_group_with_a_share_wins_over_a_preferred_one_without(trust, identity):
    client, _ = pair(
        ClientConfig.simple(trust, groups=("secp384r1", "x25519"), key_shares=("x25519",)),
        ServerConfig.simple(identity, groups=("secp384r1", "x25519")),
    )
    assert client.group == "x25519"
    assert not client.hello_retried


# -- ALPN --------------------------------------------------------------------------------------------------------------


def test_alpn_is_selected_by_the_preferring_side(trust, identity):
    offer = ClientConfig.simple(trust, alpn=("h2", "http/1.1"))
    client, server = pair(offer, ServerConfig.simple(identity, alpn=("http/1.1", "h2")))
    assert client.alpn == server.alpn == "http/1.1"
    client, _ = pair(offer, ServerConfig.simple(identity, alpn=("http/1.1", "h2"), prefer="client"))
    assert client.alpn == "h2"


def test_alpn_without_overlap_names_both_lists(trust, identity):
    error, _ = refused(ClientConfig.simple(trust, alpn=("h2",)), ServerConfig.simple(identity, alpn=("imap", "smtp")))
    assert type(error) is errors.NoApplicationProtocol
    assert "h2" in str(error)
    assert "imap, smtp" in str(error)


def test_server_goes_on_without_a_protocol_where_none_is_required(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    client, server = pair(client_config.replace(alpn=("h2",)), server_config.replace(alpn=("x",), require_alpn=False))
    assert client.handshake_complete
    assert client.alpn is server.alpn is None


@pytest.mark.parametrize(("ours", "theirs"), [((), ("h2",)), (("h2",), ()), ((), ())])
def test_alpn_of_one_side_alone_selects_nothing(trust, identity, ours, theirs):
    client, server = pair(ClientConfig.simple(trust, alpn=ours), ServerConfig.simple(identity, alpn=theirs))
    assert client.alpn is None
    assert server.alpn is None


# -- server_name -------------------------------------------------------------------------------------------------------


def test_server_selects_the_identity_by_name(trust, authority):
    one, other = load(authority.issue("one.example")), load(authority.issue("other.example", "*.wild.example"))
    config = ServerConfig.simple([one, other])
    for name, expected in (("one.example", "one.example"), ("other.example", "other.example")):
        client, server = pair(ClientConfig.simple(trust), config, name)
        assert expected in client.peer_identity.dns_names
        assert server.server_name == name
    client, _ = pair(ClientConfig.simple(trust), config, "deep.wild.example")
    assert "*.wild.example" in client.peer_identity.dns_names


def test_unknown_name_gets_the_first_identity_and_the_client_refuses_it(trust, authority):
    client = ClientConfig.simple(trust).connection("stranger.example")
    server = ServerConfig.simple(load(authority.issue("one.example"))).connection()
    server.receive(client.data_to_send())
    error = failure(client.receive, server.data_to_send())
    assert isinstance(error, errors.AlertError)
    assert error.sender == "us"
    # The server learns why, under handshake keys, and no Finished of the client ever left.
    seen = failure(server.receive, client.data_to_send())
    assert seen.alert_received == error.alert_sent
    assert not server.handshake_complete


def test_strict_sni_refuses_an_unknown_name(trust, identity):
    error, seen = refused(
        ClientConfig.simple(trust), ServerConfig.simple(identity, strict_sni=True), "stranger.example"
    )
    assert type(error) is errors.UnrecognizedName
    assert type(seen) is errors.UnrecognizedName
    assert "stranger.example" in str(error)


def test_strict_sni_refuses_a_client_without_name(trust, identity):
    error, _ = refused(ClientConfig.simple(trust), ServerConfig.simple(identity, strict_sni=True), "127.0.0.1")
    assert type(error) is errors.MissingExtension


def test_ip_address_is_checked_and_never_sent(trust, authority):
    config = ServerConfig.simple(load(authority.issue("127.0.0.1")))
    client, server = pair(ClientConfig.simple(trust), config, "127.0.0.1")
    assert client.authenticated
    assert server.server_name is None
    assert ServerName not in client_hello(ClientConfig.simple(trust), "127.0.0.1").extensions


def test_verify_as_differs_from_the_name_sent(trust, identity):
    client = ClientConfig.simple(trust).connection("front.example", verify_as="example.org")
    server = ServerConfig.simple(identity).connection()
    pump(client, server)
    assert client.authenticated
    assert server.server_name == "front.example"


# -- record_size_limit -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "theirs"), [(64, 16385), (16385, 64), (512, 1000), (64, None), (None, 64)])
def test_record_size_limit_is_kept_in_both_directions(trust, identity, ours, theirs):
    client, server = pair(
        ClientConfig.simple(trust, record_size_limit=ours), ServerConfig.simple(identity, record_size_limit=theirs)
    )
    data = random_bytes(5000)
    for sender, receiver, limit in ((server, client, ours), (client, server, theirs if ours else None)):
        sender.write(data)
        wire = sender.data_to_send()
        longest, at = 0, 0
        while at < len(wire):
            length = int.from_bytes(wire[at + 3 : at + 5], "big")
            longest, at = max(longest, length), at + 5 + length
        assert longest <= (limit or 16385) + 16
        receiver.receive(wire)
        got = b""
        while chunk := receiver.read():
            got += chunk
        assert got == data


# -- what a ClientHello holds ------------------------------------------------------------------------------------------


def test_client_hello_holds_what_the_configuration_says(trust):
    config = ClientConfig.simple(
        trust,
        suites=(CHACHA, AES128),
        groups=("secp256r1", "x25519"),
        key_shares=("x25519",),
        alpn=("h2", "x"),
        record_size_limit=1000,
        send_certificate_authorities=True,
    )
    hello = client_hello(config)
    assert hello.legacy_version == 0x0303
    assert hello.cipher_suites == (CHACHA, AES128)
    assert hello.legacy_compression_methods == b"\0"
    assert len(hello.legacy_session_id) == 32
    find = hello.extensions.get
    assert find(ServerName).host_name == b"example.org"
    assert find(SupportedVersions).versions == (0x0304,)
    assert find(SupportedGroups).named_group_list == (0x17, 0x1D)
    assert [share.group for share in find(KeyShareClientHello).client_shares] == [0x1D]
    assert find(Alpn).protocol_name_list == (b"h2", b"x")
    assert find(RecordSizeLimit).limit == 1000
    assert find(CertificateAuthorities).authorities == trust.names
    assert find(SignatureAlgorithmsCert).supported_signature_algorithms == config.cert_schemes
    assert ExtensionType.post_handshake_auth not in hello.extensions


def test_two_connections_never_share_a_random_or_a_key_share(client_config):
    hellos = [client_hello(client_config) for _ in range(50)]
    shares = [hello.extensions.get(KeyShareClientHello).client_shares[0].key_exchange for hello in hellos]
    assert len(set(shares)) == len({hello.random for hello in hellos}) == 50
    assert len({hello.legacy_session_id for hello in hellos}) == 50


def test_no_session_id_and_no_change_cipher_spec_without_compatibility(trust, identity):
    config = ClientConfig.simple(trust, middlebox_compatibility=False)
    client, server = config.connection("example.org"), ServerConfig.simple(identity).connection()
    wire = client.data_to_send()
    assert decode(wire[5:]).legacy_session_id == b""
    server.receive(wire)
    flight = server.data_to_send()
    client.receive(flight)
    finished = client.data_to_send()
    server.receive(finished)
    assert server.handshake_complete
    assert 20 not in record_types(flight) + record_types(finished)


def record_types(wire):
    found, at = [], 0
    while at < len(wire):
        found.append(wire[at])
        at += 5 + int.from_bytes(wire[at + 3 : at + 5], "big")
    return found


def test_change_cipher_spec_stands_where_compatibility_mode_wants_it(client_config, server_config):
    client, server = client_config.connection("example.org"), server_config.connection()
    server.receive(client.data_to_send())
    flight = server.data_to_send()
    assert record_types(flight)[:3] == [22, 20, 23]
    assert record_types(flight).count(20) == 1
    client.receive(flight)
    assert record_types(client.data_to_send()) == [20, 23]


def test_grease_is_offered_ignored_and_never_selected(trust, identity):
    config = ClientConfig.simple(trust, grease=True)
    hello = client_hello(config)
    assert is_grease(hello.cipher_suites[0])
    assert sum(map(is_grease, hello.extensions.codes)) == 2
    assert is_grease(hello.extensions.get(SupportedVersions).versions[0])
    assert is_grease(hello.extensions.get(SupportedGroups).named_group_list[0])
    assert is_grease(hello.extensions.get(KeyShareClientHello).client_shares[0].group)
    for _ in range(20):
        client, _ = pair(config, ServerConfig.simple(identity))
        assert client.handshake_complete


def test_grease_survives_a_retry(trust, identity):
    client, _ = pair(
        ClientConfig.simple(trust, grease=True, shuffle_extensions=True, groups=("x25519", "secp384r1")),
        ServerConfig.simple(identity, groups=("secp384r1",), hello_retry_cookie=True),
    )
    assert client.hello_retried


def test_extensions_are_shuffled(trust, identity):
    config = ClientConfig.simple(trust, shuffle_extensions=True)
    orders = {client_hello(config).extensions.codes for _ in range(30)}
    assert len(orders) > 20
    assert len({frozenset(order) for order in orders}) == 1
    client, _ = pair(config, ServerConfig.simple(identity))
    assert client.handshake_complete


def test_extension_order_is_fixed_without_shuffling(client_config):
    assert len({client_hello(client_config).extensions.codes for _ in range(10)}) == 1


# -- the client's identity ---------------------------------------------------------------------------------------------


def test_client_selects_the_identity_that_the_server_lists(authority, other_authority, trust, identity):
    wrong = load(other_authority.issue("wrong.example", usage="client"))
    right = load(authority.issue("right.example", usage="client"))
    client, server = pair(
        ClientConfig.mutual(trust, identity=[wrong, right]), ServerConfig.mutual(identity, client_trust=trust)
    )
    assert server.peer_identity.dns_names == ("right.example",)
    assert client.diagnostic is None


def test_client_without_fitting_identity_sends_none_and_says_why(other_authority, trust, identity):
    wrong = load(other_authority.issue("wrong.example", usage="client"))
    client_config = ClientConfig.mutual(trust, identity=wrong)
    client, server = pair(client_config, ServerConfig.simple(identity, client_auth="optional", client_trust=trust))
    assert server.handshake_complete
    assert not server.authenticated
    assert server.peer_identity is None
    assert "none of the CAs" in client.diagnostic
    assert (14, "the client has no fitting certificate and sends an empty list") in client.trace


def test_server_that_requires_a_certificate_refuses_a_client_without(client_config, mutual_server):
    client, server = client_config.connection("example.org"), mutual_server.connection()
    server.receive(client.data_to_send())
    client.receive(server.data_to_send())
    # In TLS 1.3 the client is done before the server has judged its certificate.
    assert client.handshake_complete
    error = failure(server.receive, client.data_to_send())
    assert type(error) is errors.CertificateRequired
    assert not server.handshake_complete
    client.receive(server.data_to_send())
    seen = failure(client.read)
    assert type(seen) is errors.CertificateRequired
    assert seen.sender == "peer"
    assert any("no identity" in note for note in seen.__notes__)


@pytest.mark.parametrize("advertise", [True, False])
def test_server_sends_its_ca_list_unless_told_not_to(authority, other_authority, trust, identity, advertise):
    """Without the list the client sends what it has, and the server refuses the chain."""
    wrong = load(other_authority.issue("wrong.example", usage="client"))
    server = ServerConfig.mutual(identity, client_trust=trust, advertise_cas=advertise).connection()
    client = ClientConfig.mutual(trust, identity=wrong).connection("example.org")
    server.receive(client.data_to_send())
    client.receive(server.data_to_send())
    error = failure(server.receive, client.data_to_send())
    assert type(error) is (errors.CertificateRequired if advertise else errors.UnknownCa)


def test_client_authorities_choose_among_server_identities(authority, other_authority, trust):
    wrong = load(other_authority.issue("example.org"))
    right = load(authority.issue("example.org"))
    config = ServerConfig.simple([wrong, right])
    client, _ = pair(ClientConfig.simple(trust, send_certificate_authorities=True), config)
    assert client.authenticated
    without = ClientConfig.simple(trust).connection("example.org")
    server = config.connection()
    server.receive(without.data_to_send())
    assert type(failure(without.receive, server.data_to_send())) is errors.UnknownCa


def test_client_refuses_an_unknown_authority_before_it_shows_itself(other_authority, trust, client_identity):
    impostor = load(other_authority.issue("example.org"))
    client = ClientConfig.mutual(trust, identity=client_identity).connection("example.org")
    server = ServerConfig.mutual(impostor, client_trust=TrustStore.from_bytes(other_authority.pem)).connection()
    server.receive(client.data_to_send())
    error = failure(client.receive, server.data_to_send())
    assert type(error) is errors.UnknownCa
    wire = client.data_to_send()
    # change_cipher_spec and one alert record; no Certificate, no Finished.
    assert record_types(wire) == [20, 23]
    assert len(wire) == 6 + 5 + 2 + 1 + 16
    assert type(failure(server.receive, wire)) is errors.UnknownCa


def test_server_prefers_a_chain_that_the_client_can_check(trust, authority):
    """signature_algorithms_cert decides between a chain signed with RSA and one signed with ECDSA."""
    rsa_authority = make_ca("RSA CA", key="rsa2048#2")
    by_rsa, by_ecdsa = load(rsa_authority.issue("example.org")), load(authority.issue("example.org"))
    both = TrustStore.from_bytes(authority.pem + rsa_authority.pem)
    config = ServerConfig.simple([by_rsa, by_ecdsa])
    for cert_schemes, expected in (
        (("rsa_pkcs1_sha256",), by_rsa),
        (("ecdsa_secp256r1_sha256",), by_ecdsa),
        (("ecdsa_secp256r1_sha256", "rsa_pkcs1_sha256"), by_rsa),
        (("mldsa44",), by_rsa),
    ):
        client, _ = pair(ClientConfig.simple(both, cert_schemes=cert_schemes), config)
        assert client.peer_chain == expected.chain


def test_client_prefers_a_chain_that_the_server_can_check(trust, authority, identity):
    rsa_authority = make_ca("RSA CA", key="rsa2048#2")
    by_rsa = load(rsa_authority.issue("client.example", usage="client"))
    by_ecdsa = load(authority.issue("client.example", usage="client"))
    both = TrustStore.from_bytes(authority.pem + rsa_authority.pem)
    for cert_schemes, expected in ((("rsa_pkcs1_sha256",), by_rsa), (("ecdsa_secp256r1_sha256",), by_ecdsa)):
        _, server = pair(
            ClientConfig.mutual(trust, identity=[by_rsa, by_ecdsa]),
            ServerConfig.mutual(identity, client_trust=both, cert_schemes=cert_schemes),
        )
        assert server.peer_chain == expected.chain


@pytest.mark.parametrize(
    "key", ["p256", "p384", "p521", "rsa2048", "ed25519", "ed448", "mldsa44", "mldsa65", "mldsa87"]
)
def test_signatures_of_every_kind_of_authority_have_a_scheme(key):
    signed = load(make_ca("Some CA", key=key).issue("example.org"))
    assert [scheme for scheme in SignatureScheme.codes() if signed.is_verifiable_with((scheme,))]
    assert not signed.is_verifiable_with(())
    assert signed.is_verifiable_with(SignatureScheme.codes())


def test_selections_are_remembered_within_bounds(identity):
    config = ServerConfig.simple(identity)
    for number in range(KEPT_SELECTIONS + 1):
        raw, server = RawClient(), config.connection()
        raw.hello(raw.hello_message(ServerName(b"host%d.example" % number)))
        server.receive(raw.wire())
        assert len(config._cache.memory().selections) == number % KEPT_SELECTIONS + 1
    config = ServerConfig.simple(identity)
    raw, server = RawClient(), config.connection()
    raw.hello(raw.hello_message(cipher_suites=(*range(0x5000, 0x5400), 0x1301)))
    server.receive(raw.wire())
    assert config._cache.memory().selections == {}


def test_no_selection_is_remembered_where_a_resolver_decides(client_config, authority):
    issued = [load(authority.issue("example.org", usage="server")) for _ in range(2)]
    answers = iter(issued)
    config = ServerConfig(resolver=lambda hello: next(answers))
    for one in issued:
        assert pair(client_config, config)[0].peer_chain == one.chain
    assert config._cache.memory() is None


def test_selections_end_with_the_identities_that_they_chose(client_config, authority, tmp_path):
    issued = [authority.issue("example.org", usage="server") for _ in range(2)]
    followed = IdentityFile(*issued[0].write(tmp_path))
    for config in (ServerConfig.simple(followed), ServerConfig(names={"example.org": followed})):
        for one in (*issued, issued[0]):
            one.write(tmp_path)
            followed.reload()
            for _ in range(2):
                assert pair(client_config, config)[0].peer_chain == one.chain_der
            # Nothing of the identity before is kept, its key least of all.
            assert [known.identity for known in config._cache.memory().selections.values()] == [followed.current]
