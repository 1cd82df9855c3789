"""TLS 1.2 between two real ends: every suite with every kind of key, and everything that a handshake agrees on."""

import pytest

from tests.support.peers import pair, pump
from tests.support.peers12 import RawServer12
from tlscore import ClientConfig, Identity, ServerConfig, errors, events
from tlscore.iana import SUITES12, CipherSuite
from tlscore.wire import ClientHello, decode

CURVES = ("x25519", "secp256r1", "secp384r1", "secp521r1")
KEYS = {"p256": "ECDSA", "p384": "ECDSA", "p521": "ECDSA", "ed25519": "ECDSA", "ed448": "ECDSA", "rsa2048": "RSA"}
CASES = [(suite, key) for suite, info in SUITES12.items() for key, kind in KEYS.items() if kind == info.authentication]


@pytest.fixture(scope="module")
def identities(authority):
    made = {key: authority.issue("example.org", key=key) for key in KEYS}
    return {key: Identity.load(issued.chain_pem, issued.key_pem) for key, issued in made.items()}


def older(config):
    return config.replace(versions="1.2")


def exchange(client, server):
    for sender, receiver in ((client, server), (server, client)):
        data = bytes(range(256)) * 200
        sender.write(data)
        receiver.receive(sender.data_to_send())
        assert receiver.read() == data


@pytest.mark.parametrize("mutual", [False, True], ids=["simple", "mutual"])
@pytest.mark.parametrize(("suite", "key"), CASES, ids=lambda value: value if isinstance(value, str) else hex(value))
def test_every_suite_works_with_every_key_of_its_kind(trust, identities, suite, key, mutual):
    settings = {"suites": (suite,), "versions": "1.2", "groups": CURVES}
    if mutual:
        client_config = ClientConfig.mutual(trust, identity=identities[key], **settings)
        server_config = ServerConfig.mutual(identities[key], client_trust=trust, **settings)
    else:
        client_config = ClientConfig.simple(trust, **settings)
        server_config = ServerConfig.simple(identities[key], **settings)
    client, server = pair(client_config, server_config)
    for one in (client, server):
        assert one.version == "TLSv1.2"
        assert one.suite == CipherSuite.name_of(suite)
        assert one.group == "x25519"
        assert one.handshake_complete
        assert not one.hello_retried
    assert client.authenticated
    assert server.authenticated is mutual
    assert client.peer_scheme == server.own_scheme
    assert client.own_scheme == server.peer_scheme
    assert (client.own_scheme is not None) is mutual
    exchange(client, server)


@pytest.mark.parametrize("group", CURVES)
def test_every_curve_works(trust, identity, group):
    groups = tuple(dict.fromkeys((group, "secp256r1")))
    client, server = pair(
        ClientConfig.simple(trust, versions="1.2", groups=groups),
        ServerConfig.simple(identity, groups=CURVES, prefer="client"),
    )
    assert client.group == server.group == group


SCHEMES = [
    ("p256", "ecdsa_secp384r1_sha384"),
    ("p384", "ecdsa_secp256r1_sha256"),
    ("p521", "ecdsa_secp256r1_sha256"),
    ("rsa2048", "rsa_pkcs1_sha256"),
    ("rsa2048", "rsa_pkcs1_sha384"),
    ("rsa2048", "rsa_pkcs1_sha512"),
    ("rsa2048", "rsa_pss_rsae_sha512"),
]


@pytest.mark.parametrize(("key", "scheme"), SCHEMES)
def test_scheme_says_hash_and_algorithm_not_the_curve(trust, identities, key, scheme):
    # RFC 9846 4.3.3 on TLS 1.2: an ECDSA code point does not constrain the curve there.
    client, server = pair(
        ClientConfig.mutual(trust, identity=identities[key], versions="1.2", groups=CURVES, schemes=(scheme,)),
        ServerConfig.mutual(identities[key], client_trust=trust, groups=CURVES),
    )
    assert client.peer_scheme == scheme
    assert server.peer_scheme == scheme


# -- versions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (("1.3", "1.2"), ("1.3", "1.2"), "TLSv1.3"),
        (("1.3", "1.2"), "1.2", "TLSv1.2"),
        ("1.2", ("1.3", "1.2"), "TLSv1.2"),
        ("1.2", "1.2", "TLSv1.2"),
        ("1.3", ("1.3", "1.2"), "TLSv1.3"),
        (("1.3", "1.2"), "1.3", "TLSv1.3"),
    ],
)
def test_newest_common_version_is_selected(client_config, server_config, ours, theirs, expected):
    client, server = pair(client_config.replace(versions=ours), server_config.replace(versions=theirs))
    assert client.version == server.version == expected
    (completed,) = [one for one in client.events() if isinstance(one, events.HandshakeCompleted)]
    assert completed.version == expected


@pytest.mark.parametrize(("ours", "theirs"), [("1.3", "1.2"), ("1.2", "1.3")])
def test_no_common_version_names_both_lists(client_config, server_config, ours, theirs):
    client, server = client_config.replace(versions=ours).connection("example.org"), None
    server = server_config.replace(versions=theirs).connection()
    with pytest.raises(errors.ProtocolVersionError) as caught:
        server.receive(client.data_to_send())
    assert f"the client offers TLSv{ours}, the server accepts TLSv{theirs}" in str(caught.value)
    with pytest.raises(errors.ProtocolVersionError) as caught:
        client.receive(server.data_to_send())
    assert caught.value.sender == "peer"


def hello_of(connection):
    wire = connection.data_to_send()
    message = decode(wire[5:])
    assert isinstance(message, ClientHello)
    return message


def test_client_offers_both_versions_in_one_hello(client_config):
    from tlscore.wire import EcPointFormats, ExtendedMainSecret, RenegotiationInfo, SupportedVersions

    hello = hello_of(client_config.connection("example.org"))
    assert hello.legacy_version == 0x0303
    assert hello.extensions.get(SupportedVersions) == SupportedVersions((0x0304, 0x0303))
    suites = hello.cipher_suites
    assert suites[0] == 0x1301
    assert max(place for place, code in enumerate(suites) if code >> 8 == 0x13) < suites.index(0xC02B)
    assert hello.extensions.get(RenegotiationInfo) == RenegotiationInfo(b"")
    assert hello.extensions.get(EcPointFormats) == EcPointFormats((0,))
    assert ExtendedMainSecret in hello.extensions
    assert len(hello.legacy_session_id) == 32


def test_client_of_tls12_alone_says_nothing_of_tls13(client_config):
    hello = hello_of(older(client_config).connection("example.org"))
    for code in (43, 51, 45, 42, 41, 49):
        assert code not in hello.extensions
    assert hello.legacy_session_id == b""
    assert all(code >> 8 == 0xC0 or code >> 8 == 0xCC for code in hello.cipher_suites)


def test_client_of_tls13_alone_says_nothing_of_tls12(client_config):
    from tlscore.wire import SupportedVersions

    hello = hello_of(client_config.replace(versions="1.3").connection("example.org"))
    assert hello.extensions.get(SupportedVersions) == SupportedVersions((0x0304,))
    for code in (11, 23, 0xFF01):
        assert code not in hello.extensions
    assert all(code >> 8 == 0x13 for code in hello.cipher_suites)


@pytest.mark.parametrize(
    "settings", [{"grease": True}, {"shuffle_extensions": True}, {"middlebox_compatibility": False}]
)
@pytest.mark.parametrize("versions", ["1.2", ("1.3", "1.2")])
def test_ways_to_write_a_hello_change_nothing(client_config, server_config, settings, versions):
    client, server = pair(client_config.replace(versions=versions, **settings), older(server_config))
    assert client.version == server.version == "TLSv1.2"


# -- what is agreed ----------------------------------------------------------------------------------------------------


def test_alpn_and_server_name(client_config, server_config):
    client, server = pair(
        older(client_config.replace(alpn=("h2", "http/1.1"))), server_config.replace(alpn=("http/1.1",))
    )
    assert client.alpn == server.alpn == "http/1.1"
    assert client.server_name == server.server_name == "example.org"


def test_no_common_alpn_is_an_alert(client_config, server_config):
    client = older(client_config.replace(alpn=("h2",))).connection("example.org")
    server = server_config.replace(alpn=("smtp",)).connection()
    with pytest.raises(errors.NoApplicationProtocol, match=r"h2.*smtp"):
        server.receive(client.data_to_send())


def test_strict_sni(authority, trust, server_config):
    server = server_config.replace(strict_sni=True)
    client = ClientConfig.simple(trust, versions="1.2")
    with pytest.raises(errors.UnrecognizedName):
        pair(client, server, "other.example")
    with pytest.raises(errors.HandshakeFailure, match="which server it wants"):
        pair(client, server, "127.0.0.1")


def test_records_obey_both_limits(client_config, server_config):
    client, server = pair(
        older(client_config.replace(record_size_limit=600)), server_config.replace(record_size_limit=16385)
    )
    server.write(bytes(2000))
    wire = server.data_to_send()
    sizes = []
    while wire:
        length = int.from_bytes(wire[3:5], "big")
        sizes.append(length - 24)
        wire = wire[5 + length :]
    # RFC 8449 4: in TLS 1.2 the limit counts the content alone, and it is at most 2^14.
    assert sizes == [600, 600, 600, 200]
    client.write(bytes(20_000))
    assert int.from_bytes(client.data_to_send()[3:5], "big") - 24 == 16384


@pytest.mark.parametrize("prefer", ["server", "client"])
def test_preference_decides_about_suite_and_curve(trust, identity, prefer):
    ours = ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
    client, _ = pair(
        ClientConfig.simple(trust, versions="1.2", suites=ours, groups=("x25519", "secp256r1")),
        ServerConfig.simple(identity, versions="1.2", suites=ours[::-1], groups=("secp256r1", "x25519"), prefer=prefer),
    )
    assert client.suite == (ours[1] if prefer == "server" else ours[0])
    assert client.group == ("secp256r1" if prefer == "server" else "x25519")


def test_suite_follows_the_key(trust, identities):
    """Of two identities each serves its suites."""
    server = ServerConfig.simple((identities["rsa2048"], identities["p256"]))
    for key in ("RSA", "ECDSA"):
        suite = f"TLS_ECDHE_{key}_WITH_AES_256_GCM_SHA384"
        client, _ = pair(ClientConfig.simple(trust, versions="1.2", suites=(suite,)), server)
        assert client.suite == suite


@pytest.mark.parametrize(
    ("key", "suites", "text"),
    [
        (
            "p256",
            ("RSA_WITH_AES_128_GCM_SHA256", "RSA_WITH_AES_256_GCM_SHA384"),
            "2 common suites, all need an RSA certificate; yours is ECDSA P-256",
        ),
        ("rsa2048", ("ECDSA_WITH_AES_128_GCM_SHA256",), "1 common suite, all need an ECDSA certificate; yours is RSA"),
    ],
)
def test_suites_of_another_kind_of_key_are_named(trust, identities, key, suites, text):
    client = ClientConfig.simple(trust, versions="1.2", suites=tuple(f"TLS_ECDHE_{name}" for name in suites))
    with pytest.raises(errors.HandshakeFailure, match=text) as caught:
        pair(client, ServerConfig.simple(identities[key]))
    assert caught.value.code == "TLS-NO_FITTING_CERTIFICATE"


def test_disjoint_lists_are_named(trust, identities):
    client = ClientConfig.simple(trust, versions="1.2", suites=("TLS_ECDHE_ECDSA_WITH_AES_128_CCM",))
    with pytest.raises(errors.HandshakeFailure, match=r"no common cipher suite.*AES_128_CCM; we accept TLS_ECDHE"):
        pair(client, ServerConfig.simple(identities["p256"]))
    client = ClientConfig.simple(trust, versions="1.2", groups=("secp521r1",))
    with pytest.raises(errors.HandshakeFailure, match=r"no common group.*secp521r1; we accept x25519"):
        pair(client, ServerConfig.simple(identities["p256"]))
    client = ClientConfig.simple(trust, versions="1.2", schemes=("ed25519",))
    with pytest.raises(errors.HandshakeFailure, match=r"no common signature scheme.*ed25519; our.*ecdsa_secp256r1"):
        pair(client, ServerConfig.simple(identities["p256"]))
    client = ClientConfig.simple(trust, versions="1.2", groups=("x25519",))
    with pytest.raises(errors.HandshakeFailure, match="keys on secp256r1; the client knows x25519"):
        pair(client, ServerConfig.simple(identities["p256"]))


# -- client certificates -----------------------------------------------------------------------------------------------


def test_request_names_the_authorities(trust, authority, identity, issued, mutual_client):
    from tests.support.peers12 import RawClient12
    from tlscore.wire import CertificateRequest12

    server, raw = ServerConfig.mutual(identity, client_trust=trust).connection(), RawClient12()
    server.receive(raw.hello().wire())
    (request,) = [one for one in raw.take_flight(server.data_to_send()) if isinstance(one, CertificateRequest12)]
    assert request.certificate_authorities == (authority.name_der,)
    assert request.certificate_types == (64, 1)
    assert not {0x0201, 0x0203, 0x0904, 0x0905, 0x0906} & set(request.supported_signature_algorithms)


def test_client_without_certificate_is_refused_with_handshake_failure(client_config, mutual_server):
    client, server = older(client_config).connection("example.org"), mutual_server.connection()
    with pytest.raises(errors.HandshakeFailure, match="requires one") as caught:
        pump(client, server)
    assert caught.value.code == "TLS-CERTIFICATE_REQUIRED"
    with pytest.raises(errors.HandshakeFailure) as caught:
        client.receive(server.data_to_send())
    assert caught.value.sender == "peer"
    assert "no identity" in "".join(caught.value.__notes__)


def test_optional_client_certificate(client_config, mutual_client, identity, trust):
    optional = ServerConfig.simple(identity, client_auth="optional", client_trust=trust)
    client, server = pair(older(client_config), optional)
    assert not server.authenticated
    assert "no identity" in client.diagnostic
    # With x25519 alone the curve of the certificates would not be offered.
    client, server = pair(older(mutual_client.replace(groups=("x25519", "secp256r1"))), optional)
    assert server.authenticated
    assert server.peer_identity is not None


def test_client_of_a_foreign_authority_is_refused(other_authority, trust, mutual_server):
    other = other_authority.issue("client.example", usage="client")
    stranger = Identity.load(other.chain_pem, other.key_pem)
    config = ClientConfig.mutual(trust, identity=stranger, versions="1.2")
    # The server names its CAs, so the client shows nothing.
    with pytest.raises(errors.HandshakeFailure):
        pair(config, mutual_server)
    with pytest.raises(errors.UnknownCa):
        pair(config, mutual_server.replace(advertise_cas=False))


def test_client_verifies_name_and_authority(authority, other_authority, trust, server_config):
    from tlscore import TrustStore

    with pytest.raises(errors.BadCertificate, match="not for other"):
        pair(ClientConfig.simple(trust, versions="1.2"), server_config, "other.example")
    stranger = TrustStore.from_bytes(other_authority.pem)
    with pytest.raises(errors.UnknownCa):
        pair(ClientConfig.simple(stranger, versions="1.2"), server_config)


# -- the extended main secret, exporters, bindings ---------------------------------------------------------------------


def without_extension(config_client, server_config, issued):
    """A real client against a raw server that does not know RFC 7627."""
    client = config_client.connection("example.org")
    raw = RawServer12(issued, client)
    raw.hello(raw.hello_message(drop=(23,))).certificate()
    raw.key_exchange().done()
    client.receive(raw.wire())
    client.receive(raw.finish(client.data_to_send()).wire())
    return client


def test_extended_main_secret_matrix(client_config, server_config, issued):
    """RFC 7627 5.2: who has it, who demands it, what comes out."""
    client = older(client_config)
    with pytest.raises(errors.HandshakeFailure) as caught:
        without_extension(client, server_config, issued)
    assert caught.value.code == "TLS-NO_EXTENDED_MAIN_SECRET"
    lax = without_extension(client.replace(require_extended_main_secret=False), server_config, issued)
    assert lax.handshake_complete
    for call in (
        lambda: lax.export_keying_material("EXPORTER-x", None, 32),
        lambda: lax.channel_binding("tls-exporter"),
        lambda: lax.channel_binding("tls-unique"),
    ):
        with pytest.raises(errors.UsageError, match="extended main secret"):
            call()
    assert len(lax.channel_binding("tls-server-end-point")) == 32


def test_exporters_and_bindings_are_the_same_on_both_ends(client_config, server_config):
    client, server = pair(older(client_config), server_config)
    for context in (None, b"", b"context"):
        assert client.export_keying_material("EXPORTER-x", context, 40) == server.export_keying_material(
            "EXPORTER-x", context, 40
        )
    # RFC 5705 4: no context is not an empty context.
    assert client.export_keying_material("EXPORTER-x", None, 40) != client.export_keying_material("EXPORTER-x", b"", 40)
    for kind, octets in (("tls-exporter", 32), ("tls-unique", 12), ("tls-server-end-point", 32)):
        binding = client.channel_binding(kind)
        assert binding == server.channel_binding(kind)
        assert len(binding) == octets
    other, _ = pair(older(client_config), server_config)
    assert other.channel_binding("tls-unique") != client.channel_binding("tls-unique")


@pytest.mark.parametrize("label", ["client finished", "server finished", "master secret", "key expansion"])
def test_labels_of_tls_itself_are_no_exporters(client_config, server_config, label):
    # RFC 5705 4
    client, _ = pair(older(client_config), server_config)
    with pytest.raises(errors.UsageError, match="belongs to TLS itself"):
        client.export_keying_material(label, None, 32)


def test_tls_unique_does_not_exist_in_tls13(client_config, server_config):
    client, _ = pair(client_config, server_config)
    with pytest.raises(errors.UsageError, match='no channel binding "tls-unique"'):
        client.channel_binding("tls-unique")


# -- afterwards --------------------------------------------------------------------------------------------------------


def test_what_tls12_does_not_have_is_a_usage_error(client_config, identity, trust):
    late = ServerConfig.simple(identity, client_auth="post_handshake", client_trust=trust)
    client, server = pair(older(client_config), late)
    with pytest.raises(errors.UsageError, match="cannot change its keys"):
        client.update_keys()
    with pytest.raises(errors.UsageError, match="no authentication after the handshake"):
        server.request_client_certificate()
    exchange(client, server)


def test_closing_and_half_closing(client_config, server_config):
    client, server = pair(older(client_config), server_config)
    client.write(b"last")
    client.close()
    server.receive(client.data_to_send())
    assert server.read() == b"last"
    server.events()
    assert server.peer_closed
    server.write(b"still here")
    server.close()
    client.receive(server.data_to_send())
    assert client.read() == b"still here"
    client.events()
    assert client.closed
    assert server.closed


def test_truncation_is_seen(client_config, server_config):
    client, server = pair(older(client_config), server_config)
    with pytest.raises(errors.TruncationError):
        server.eof()
    with pytest.raises(errors.TruncationError):
        client.eof()


def test_trace_is_that_of_rfc_5246(mutual_client, mutual_server):
    client, server = pair(older(mutual_client.replace(groups=("x25519", "secp256r1"))), mutual_server)
    assert [step for step, _ in client.trace] == [2, 3, 5, 6, 7, 8, 9, 13, 10, 11, 12, 14, 15, 16, 19, 21, 22]
    # The server verifies the client's Finished before it sends its own.
    assert [step for step, _ in server.trace] == [2, 3, 6, 7, 9, 10, 11, 12, 14, 18, 17, 20, 19, 22]


def test_key_log_has_the_line_of_tls12(tmp_path, client_config, server_config):
    path = tmp_path / "keys"
    client, _ = pair(older(client_config).replace(key_log=path), server_config)
    (line,) = path.read_text().splitlines()
    label, random, secret = line.split()
    assert label == "CLIENT_RANDOM"
    assert len(bytes.fromhex(random)) == 32
    assert len(bytes.fromhex(secret)) == 48
    assert client.version == "TLSv1.2"


def test_server_writes_the_downgrade_sentinel_only_where_it_could_do_better(client_config, server_config):
    from tests.support.peers12 import RawClient12

    for versions, expected in ((("1.3", "1.2"), True), ("1.2", False)):
        server, raw = server_config.replace(versions=versions).connection(), RawClient12()
        server.receive(raw.hello().wire())
        raw.take_flight(server.data_to_send())
        assert (raw.server_random[-8:] == b"DOWNGRD\x01") is expected


def test_selections_of_both_versions_are_remembered_apart(client_config, server_config):
    for versions in ("1.3", "1.2", "1.3", "1.2"):
        client, _ = pair(client_config.replace(versions=versions), server_config)
        assert client.version == f"TLSv{versions}"


def test_signer_of_tls13_serves_tls12_with_what_it_knows(authority, trust):
    from tlscore.certs import signatures

    issued = authority.issue("example.org", key="rsa2048")

    class Signer:
        def sign(self, scheme, data):
            return signatures.sign(issued.key, scheme, data)

    identity = Identity.from_signer(issued.chain, Signer())
    client, _ = pair(ClientConfig.simple(trust, versions="1.2"), ServerConfig.simple(identity))
    assert client.peer_scheme == "rsa_pss_rsae_sha256"
    old = ClientConfig.simple(trust, versions="1.2", schemes=("rsa_pkcs1_sha256",))
    with pytest.raises(errors.HandshakeFailure, match=r"no common signature scheme"):
        pair(old, ServerConfig.simple(identity))
