"""tlscore against the programs `openssl s_client` and `openssl s_server`, over TCP on loopback.

With -quiet the two programs connect their standard streams with the peer; a server so becomes an echo server when its
output is put back into its input (`echo=True`). Without -quiet they report what was agreed and take commands of one
letter from standard input: K and k update keys, c asks the client for its certificate.
"""

import subprocess

import pytest

from tests.interop.harness import (
    LOOPBACK,
    NAME,
    TIMEOUT,
    combinations,
    echo_payload,
    program_echo_payload,
    receive_exactly,
    serve,
)
from tlscore import ClientConfig, ServerConfig, errors

SUITES = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256",
)
# OpenSSL's names of groups.
GROUPS = {"x25519": "X25519", "secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
COMBINATIONS = [
    *combinations(SUITES),
    ("p384", "TLS_AES_256_GCM_SHA384", "secp384r1"),
    ("rsapss", "TLS_AES_128_GCM_SHA256", "secp521r1"),
    ("ed448", "TLS_CHACHA20_POLY1305_SHA256", "x25519"),
]
SCHEMES = {
    "p256": "ecdsa_secp256r1_sha256",
    "p384": "ecdsa_secp384r1_sha384",
    "rsa2048": "rsa_pss_rsae_sha256",
    "rsapss": "rsa_pss_pss_sha256",
    "ed25519": "ed25519",
    "ed448": "ed448",
}


@pytest.mark.parametrize(("kind", "suite", "group"), COMBINATIONS)
def test_client_echoes_10_mib_when_the_server_is_openssl(pki, s_server, kind, suite, group):
    config = pki.client_config(suites=SUITES, groups=(group,))
    with s_server("-quiet", "-ciphersuites", suite, kind=kind, echo=True) as server:
        with server.connect(config) as tls:
            echo_payload(tls)
            assert (tls.version, tls.suite, tls.group) == ("TLSv1.3", suite, group)
            assert tls.authenticated
            assert tls.connection.peer_scheme == SCHEMES[kind]
        assert server.wait() == 0


@pytest.mark.parametrize(("kind", "suite", "group"), COMBINATIONS)
def test_server_echoes_10_mib_when_the_client_is_openssl(pki, s_client, kind, suite, group):
    config = pki.server_config(kind, suites=SUITES, groups=tuple(GROUPS))
    options = ("-quiet", "-no_ign_eof", "-nocommands", "-ciphersuites", suite, "-groups", GROUPS[group])
    with serve(config) as server, s_client(server.port, *options) as client:
        program_echo_payload(client)
        agreed = server.result()
        assert client.wait() == 0
    assert (agreed.suite, agreed.group, agreed.server_name) == (suite, group, NAME)
    assert agreed.own_scheme == SCHEMES[kind]


def knows(openssl, group):
    """Whether this OpenSSL knows the group: if so, s_client gets as far as to find that nobody listens."""
    command = (openssl, "s_client", "-groups", group, "-connect", f"{LOOPBACK}:1")
    found = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT)
    return b"connect:errno" in found.stderr


def test_both_agree_on_the_hybrid_group_when_openssl_knows_it(pki, openssl, s_server, s_client):
    assert knows(openssl, "X25519")
    assert not knows(openssl, "no such group")
    if not knows(openssl, "X25519MLKEM768"):
        version = subprocess.run([openssl, "version"], capture_output=True, text=True, timeout=TIMEOUT).stdout.strip()
        pytest.skip(f"{version} does not know X25519MLKEM768 (OpenSSL 3.5 does)")
    hybrid = ("-groups", "X25519MLKEM768")
    with s_server("-quiet", *hybrid, echo=True) as server, server.connect(pki.client_config()) as tls:
        echo_payload(tls)
        assert tls.group == "X25519MLKEM768"
    options = ("-quiet", "-no_ign_eof", "-nocommands", *hybrid)
    with serve(pki.server_config()) as server, s_client(server.port, *options) as client:
        program_echo_payload(client)
        assert server.result().group == "X25519MLKEM768"


# -- HelloRetryRequest -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shares", [("x25519",), ()])
@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"])
def test_client_retries_when_openssl_knows_no_group_of_its_shares(pki, s_server, shares, suite):
    config = pki.client_config(groups=("x25519", "secp384r1"), key_shares=shares)
    with s_server("-quiet", "-groups", "P-384", "-ciphersuites", suite, echo=True) as server:
        with server.connect(config) as tls:
            echo_payload(tls)
            assert tls.connection.hello_retried
            assert (tls.group, tls.suite) == ("secp384r1", suite)
        assert server.wait() == 0


def test_client_returns_the_cookie_when_openssl_is_stateless(pki, s_server):
    # OpenSSL 3.0 refuses the compatibility change_cipher_spec here, from its own client too.
    config = pki.client_config(middlebox_compatibility=False)
    with s_server("-stateless") as server, server.connect(config) as tls:
        assert tls.connection.hello_retried
        server.send(b"after the cookie\n")
        assert receive_exactly(tls, 17) == b"after the cookie\n"


@pytest.mark.parametrize("cookie", [False, True])
@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"])
def test_server_asks_again_when_openssl_sent_no_share_of_its_group(pki, s_client, cookie, suite):
    config = pki.server_config(groups=("secp384r1",), hello_retry_cookie=cookie)
    options = ("-quiet", "-no_ign_eof", "-nocommands", "-groups", "X25519:P-384", "-ciphersuites", suite)
    with serve(config) as server, s_client(server.port, *options) as client:
        program_echo_payload(client)
        agreed = server.result()
        assert client.wait() == 0
    assert agreed.hello_retried
    assert (agreed.group, agreed.suite) == ("secp384r1", suite)


# -- client certificates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("issuer", ["ca", "other"])
def test_client_chooses_the_identity_by_the_ca_list_when_openssl_sends_one(pki, s_server, issuer):
    ca = pki.ca if issuer == "ca" else pki.other_ca
    config = ClientConfig.mutual(pki.trust, identity=[pki.client("ca").identity, pki.client("other").identity])
    with s_server("-Verify", "1", "-verify_return_error", "-CAfile", ca) as server:
        with server.connect(config) as tls:
            tls.sendall(b"who am I?\n")
            server.expect(rf"subject=CN = client-{issuer}\.example[\s\S]*who am I\?")
        assert server.wait() == 0


@pytest.mark.parametrize("kind", ["rsa2048", "ed25519", "p384", "ed448", "rsapss"])
def test_client_signs_with_every_kind_of_key_when_openssl_requires_it(pki, s_server, kind):
    config = ClientConfig.mutual(pki.trust, identity=pki.leaf(kind).identity)
    # The leaf is for both sides; -purpose any, since that of the RSA-PSS key has no extendedKeyUsage.
    options = ("-quiet", "-Verify", "1", "-verify_return_error", "-CAfile", pki.ca, "-purpose", "any")
    with s_server(*options, echo=True) as server, server.connect(config) as tls:
        echo_payload(tls)
        assert tls.connection.own_scheme == SCHEMES[kind]


@pytest.mark.parametrize("kind", ["p256", "rsa2048", "ed25519", "p384", "ed448", "rsapss"])
def test_server_verifies_openssl_when_it_shows_a_certificate(pki, s_client, kind):
    leaf = pki.leaf(kind)
    config = ServerConfig.mutual(pki.leaf("p256").identity, client_trust=pki.trust)
    options = ("-quiet", "-no_ign_eof", "-nocommands", "-cert", leaf.chain, "-key", leaf.key)
    with serve(config) as server, s_client(server.port, *options) as client:
        program_echo_payload(client)
        agreed = server.result()
        assert client.wait() == 0
    assert agreed.authenticated
    assert agreed.peer_chain[0] == leaf.der
    assert agreed.peer_scheme == SCHEMES[kind]


@pytest.mark.parametrize("advertised", [True, False])
def test_server_names_its_client_cas_when_it_advertises_them(pki, s_client, advertised):
    config = ServerConfig.mutual(pki.leaf("p256").identity, client_trust=pki.trust, advertise_cas=advertised)
    with (
        serve(config) as server,
        s_client(server.port, "-cert", pki.client().chain, "-key", pki.client().key) as client,
    ):
        client.expect("Verify return code: 0")
        client.end_input()
        assert server.result().authenticated
        client.wait()
    assert ("Acceptable client certificate CA names\nCN = Interop CA" in client.text) is advertised
    assert ("No client certificate CA names sent" in client.text) is not advertised


# -- ALPN --------------------------------------------------------------------------------------------------------------


def test_client_takes_the_protocol_when_openssl_selects_one(pki, s_server):
    with s_server("-alpn", "http/1.1,h2") as server, server.connect(pki.client_config(alpn=("spdy/1", "h2"))) as tls:
        assert tls.alpn == "h2"
        server.expect("ALPN protocols selected: h2")


def test_server_selects_a_protocol_when_openssl_offers_some(pki, s_client):
    with (
        serve(pki.server_config(alpn=("h2", "http/1.1"))) as server,
        s_client(server.port, "-alpn", "spdy/1,http/1.1,h2") as client,
    ):
        client.expect("ALPN protocol: h2")
        client.end_input()
        assert server.result().alpn == "h2"


def test_both_see_the_alert_when_client_and_openssl_share_no_protocol(pki, s_server):
    with s_server("-alpn", "h2") as server:
        with pytest.raises(errors.NoApplicationProtocol) as caught:
            server.connect(pki.client_config(alpn=("spdy/1",)))
        assert (caught.value.sender, caught.value.alert_received) == ("peer", 120)
        server.expect("no application protocol")


def test_both_see_the_alert_when_server_and_openssl_share_no_protocol(pki, s_client):
    with serve(pki.server_config(alpn=("h2",))) as server, s_client(server.port, "-alpn", "spdy/1") as client:
        error = server.error()
        assert isinstance(error, errors.NoApplicationProtocol)
        assert (error.sender, error.alert_sent) == ("us", 120)
        client.expect("SSL alert number 120")
        assert client.wait() != 0
