"""Which identity a server shows (by resolver, name, scheme and CA), which clients it lets in, what clients say."""

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from tests.support.certificates import Authority, Issued, make_ca
from tests.support.peers import failure, pair, pump
from tlscore import ClientConfig, ClientHelloInfo, Identity, PeerIdentity, ServerConfig, TrustStore, errors
from tlscore.handshake.hello_info import ja4
from tlscore.iana import SignatureScheme

NAME = "example.org"
KINDS = {"p256": "ecdsa_secp256r1_sha256", "rsa2048": "rsa_pss_rsae_sha256", "ed25519": "ed25519", "mldsa65": "mldsa65"}


@pytest.fixture(scope="module")
def identities(authority: Authority) -> dict[str, Identity]:
    made = {kind: authority.issue(NAME, key=kind, usage="server") for kind in KINDS}
    return {kind: Identity(one.chain, one.key) for kind, one in made.items()}


def client_for(trust: TrustStore, **settings: Any) -> ClientConfig:
    return ClientConfig.simple(trust, **{"groups": ("x25519",), **settings})


# -- several identities --


@pytest.mark.parametrize("kind", KINDS)
def test_identities_of_several_kinds_stand_side_by_side(
    kind: str, identities: dict[str, Identity], trust: TrustStore
) -> None:
    """The client's signature_algorithms chooses among RSA, ECDSA, Ed25519 and ML-DSA certificates for one name."""
    server = ServerConfig(identities=tuple(identities.values()))
    client, _ = pair(client_for(trust, schemes=(KINDS[kind],)), server, NAME)
    assert client.peer_chain == identities[kind].chain
    assert client.peer_scheme == KINDS[kind]


def test_certificate_authorities_choose_among_identities(authority: Authority, other_authority: Authority) -> None:
    made = [ca.issue(NAME, usage="server") for ca in (authority, other_authority)]
    server = ServerConfig(identities=[Identity(one.chain, one.key) for one in made])
    for ca, one in zip((authority, other_authority), made, strict=True):
        config = client_for(TrustStore.from_bytes(ca.pem), send_certificate_authorities=True)
        assert pair(config, server)[0].peer_chain == one.chain_der


def test_identity_whose_chain_the_client_can_verify_comes_first(authority: Authority, trust: TrustStore) -> None:
    # RFC 9846 4.5.1.2: "All certificates provided by the sender MUST be signed by a signature algorithm advertised by
    # the peer, if it is able to provide such a chain"
    rsa_ca = make_ca("RSA CA", key="rsa2048")
    by_rsa, by_ecdsa = (ca.issue(NAME, usage="server") for ca in (rsa_ca, authority))
    first, second = (Identity(one.chain, one.key) for one in (by_rsa, by_ecdsa))
    assert first.is_verifiable_with((SignatureScheme.rsa_pkcs1_sha256,))
    assert not first.is_verifiable_with((SignatureScheme.ecdsa_secp256r1_sha256,))
    server = ServerConfig(identities=(first, second))
    config = client_for(trust, cert_schemes=("ecdsa_secp256r1_sha256",))
    assert pair(config, server)[0].peer_chain == second.chain
    # The only one is shown all the same: the client decides.
    alone = client_for(TrustStore.from_bytes(rsa_ca.pem), cert_schemes=("ecdsa_secp256r1_sha256",))
    assert pair(alone, ServerConfig.simple(first))[0].peer_chain == first.chain


def test_chain_with_sha1_is_no_fallback(identities: dict[str, Identity], trust: TrustStore) -> None:
    # RFC 9846 4.5.1.2: "This fallback chain MUST NOT use the deprecated SHA-1 hash, unless the client specifically
    # advertises that it is willing to accept SHA-1."
    old = Identity((identities["p256"].certificate,), identities["p256"]._private)
    old.signed_with = (frozenset((SignatureScheme.ecdsa_sha1,)),)
    server = ServerConfig.simple(old).connection()
    error = failure(server.receive, client_for(trust).connection(NAME).data_to_send())
    assert isinstance(error, errors.HandshakeFailure)
    both = ServerConfig(identities=(old, identities["ed25519"]))
    assert pair(client_for(trust), both)[0].peer_chain == identities["ed25519"].chain


# -- resolver --


def test_resolver_sees_the_whole_hello_and_chooses(identities: dict[str, Identity], trust: TrustStore) -> None:
    seen: list[ClientHelloInfo] = []

    def resolver(hello: ClientHelloInfo) -> Identity:
        seen.append(hello)
        return identities["ed25519"]

    server = ServerConfig.simple(identities["p256"], resolver=resolver)
    connection = client_for(trust, alpn=("h2",), send_certificate_authorities=True).connection(NAME)
    wire = connection.data_to_send()
    accepting = server.connection()
    accepting.receive(wire)
    connection.receive(accepting.data_to_send())
    pump(connection, accepting)
    assert connection.peer_chain == identities["ed25519"].chain
    (hello,) = seen
    assert hello.raw == wire[5:]
    assert hello.server_name == NAME
    assert hello.alpn == ("h2",)
    assert hello.suites == connection_suites()
    assert hello.groups == (0x1D,)
    assert hello.versions == (0x0304, 0x0303)
    assert SignatureScheme.ed25519 in hello.schemes
    assert SignatureScheme.rsa_pkcs1_sha256 in hello.cert_schemes
    assert hello.authorities == trust.names
    assert hello.ja4.startswith("t13d09")
    assert hello.ja4[8:10] == "h2"


def connection_suites() -> tuple[int, ...]:
    from tlscore import policies

    return policies.DEFAULT.suites


def test_resolver_is_asked_before_anything_is_computed(identities: dict[str, Identity], trust: TrustStore) -> None:
    """A name that the resolver does not know costs no key exchange and no signature."""
    signed: list[int] = []

    class Signer:
        def sign(self, scheme: int, data: bytes) -> bytes:
            signed.append(scheme)
            return b""

    def resolver(hello: ClientHelloInfo) -> Identity:
        raise KeyError(hello.server_name)

    server = ServerConfig.simple(Identity(identities["p256"].chain, Signer()), resolver=resolver).connection()
    client = client_for(trust).connection(NAME)
    error = failure(server.receive, client.data_to_send())
    assert isinstance(error, errors.UnrecognizedName)
    assert "the resolver knows no identity for the name example.org (KeyError)" in str(error)
    assert isinstance(error.__cause__, KeyError)
    assert signed == []
    refusal = failure(client.receive, server.data_to_send())
    assert isinstance(refusal, errors.UnrecognizedName)


def test_resolver_that_gives_none_leaves_the_usual_choice(identities: dict[str, Identity], trust: TrustStore) -> None:
    server = ServerConfig.simple(identities["p256"], resolver=lambda hello: None)
    assert pair(client_for(trust), server)[0].peer_chain == identities["p256"].chain


@pytest.mark.parametrize(
    ("answer", "alert", "text"),
    [
        (ZeroDivisionError(), errors.HandshakeFailure, r"the resolver failed \(ZeroDivisionError\)"),
        (errors.AccessDenied("not you"), errors.AccessDenied, "not you"),
        (LookupError(), errors.UnrecognizedName, "knows no identity"),
        ("chain.pem", errors.HandshakeFailure, "the resolver gave str"),
        (True, errors.HandshakeFailure, "the resolver gave bool"),
    ],
)
def test_resolver_that_goes_wrong_ends_the_handshake(
    answer: Any, alert: type[errors.AlertError], text: str, identities: dict[str, Identity], trust: TrustStore
) -> None:
    """Attack 113: an exception in a callback is never taken for consent."""

    def resolver(hello: ClientHelloInfo) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    server = ServerConfig.simple(identities["p256"], resolver=resolver).connection()
    client = client_for(trust).connection(NAME)
    error = failure(server.receive, client.data_to_send())
    assert type(error) is alert
    assert text.replace("\\", "") in str(error)
    assert error.alert_sent == alert.alert
    assert not server.handshake_complete
    assert type(failure(client.receive, server.data_to_send())) is alert


def test_interrupt_in_the_resolver_ends_the_connection(identities: dict[str, Identity], trust: TrustStore) -> None:
    def resolver(hello: ClientHelloInfo) -> Any:
        raise KeyboardInterrupt

    server = ServerConfig.simple(identities["p256"], resolver=resolver).connection()
    with pytest.raises(KeyboardInterrupt):
        server.receive(client_for(trust).connection(NAME).data_to_send())
    assert server.error is not None


def test_resolved_identity_must_fit_the_clients_schemes(identities: dict[str, Identity], trust: TrustStore) -> None:
    server = ServerConfig.simple(identities["p256"], resolver=lambda hello: identities["rsa2048"]).connection()
    client = client_for(trust, schemes=("ed25519",)).connection(NAME)
    error = failure(server.receive, client.data_to_send())
    assert error.code == "TLS-NO_COMMON_SCHEME"


def test_resolver_alone_needs_no_identities(identities: dict[str, Identity], trust: TrustStore) -> None:
    known = {NAME: identities["p256"]}
    server = ServerConfig(resolver=lambda hello: known.get(hello.server_name or ""))
    assert pair(client_for(trust), server)[0].authenticated
    other = client_for(trust).connection("other.example")
    assert isinstance(failure(server.connection().receive, other.data_to_send()), errors.UnrecognizedName)
    nameless = client_for(trust).connection("192.0.2.1")
    error = failure(server.connection().receive, nameless.data_to_send())
    assert error.code == "TLS-NO_IDENTITY"


def test_resolver_is_asked_for_each_hello_of_a_retry(identities: dict[str, Identity], trust: TrustStore) -> None:
    seen: list[str] = []

    def resolver(hello: ClientHelloInfo) -> None:
        seen.append(hello.ja4)

    server = ServerConfig.simple(identities["p256"], resolver=resolver)
    client, _ = pair(client_for(trust, key_shares=()), server)
    assert client.hello_retried
    assert len(seen) == 2


# -- JA4 --

CHROME_SUITES = (
    0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x9C, 0x9D, 0x2F, 0x35,
)  # fmt: skip
CHROME_EXTENSIONS = (
    0x1B, 0x00, 0x33, 0x10, 0x4469, 0x17, 0x2D, 0x0D, 0x05, 0x23, 0x12, 0x2B, 0xFF01, 0x0B, 0x0A, 0x15,
)  # fmt: skip
CHROME_SCHEMES = (0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601)


def test_ja4_is_that_of_the_published_example() -> None:
    """The example of the JA4 specification, with GREASE values put in everywhere."""
    grease = (0x0A0A, 0xFAFA)
    assert (
        ja4(
            (0x3A3A, 0x0304, 0x0303),
            (0x2A2A, *CHROME_SUITES),
            (grease[0], *CHROME_EXTENSIONS, grease[1]),
            CHROME_SCHEMES,
            [b"h2"],
        )
        == "t13d1516h2_8daaf6152771_e5627efa2ab1"
    )


@pytest.mark.parametrize(
    ("alpn", "letters"),
    [
        ([], "00"),
        ([b"h2"], "h2"),
        ([b"http/1.1", b"h2"], "h1"),
        ([b"x"], "xx"),
        ([b"\xab\xcd"], "ad"),
        ([b"a\xff"], "6f"),
    ],
)
def test_ja4_shows_the_ends_of_the_first_protocol(alpn: list[bytes], letters: str) -> None:
    assert ja4((0x0304,), (0x1301,), (0,), (), alpn)[8:10] == letters


def test_ja4_of_bare_hellos() -> None:
    assert ja4((0x0303,), (), (), (), []) == "t12i000000_000000000000_000000000000"
    assert ja4((0x0301, 0x0302), (0x2F,) * 120, (0x0A,) * 100, (), [])[:10] == "t11i999900"
    without = hashlib.sha256(b"000a").hexdigest()[:12]
    assert ja4((0x0304,), (0x1301,), (0, 16, 10), (), []).endswith(without)
    assert ja4((0x7777,), (), (), (), [])[:3] == "t00"


# -- authorize --


def test_authorize_sees_a_client_that_owns_its_key(
    identity: Identity, mutual_client: ClientConfig, trust: TrustStore
) -> None:
    asked: list[PeerIdentity] = []

    def authorize(peer: PeerIdentity) -> bool:
        asked.append(peer)
        return peer.dns_names == ("client.example",)

    server = ServerConfig.mutual(identity, client_trust=trust, authorize=authorize)
    assert pair(mutual_client, server)[1].authenticated
    assert [peer.subject for peer in asked] == ["CN=client.example"]


@pytest.mark.parametrize("answer", [False, None, 1, "yes", ZeroDivisionError()])
def test_anything_but_true_is_access_denied(
    answer: Any, identity: Identity, mutual_client: ClientConfig, trust: TrustStore
) -> None:
    # RFC 9846 6.2: "access_denied: A valid certificate or PSK was received, but when access control was applied, the
    # sender decided not to proceed with negotiation."
    def authorize(peer: PeerIdentity) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    server = ServerConfig.mutual(identity, client_trust=trust, authorize=authorize).connection()
    client = mutual_client.connection(NAME)
    error = failure(pump, client, server)
    assert isinstance(error, errors.AccessDenied)
    assert "CN=client.example" in str(error)
    assert not server.handshake_complete
    client.receive(server.data_to_send())
    assert isinstance(failure(client.read), errors.AccessDenied)


@pytest.mark.parametrize("versions", ["1.2", "1.3"])
@pytest.mark.parametrize("answer", [True, False, None, ZeroDivisionError()])
def test_clients_authorize_servers_too(
    answer: object, versions: str, identity: Identity, trust: TrustStore, issued: Issued
) -> None:
    asked: list[PeerIdentity] = []

    def authorize(peer: PeerIdentity) -> Any:
        asked.append(peer)
        if isinstance(answer, Exception):
            raise answer
        return answer

    config = client_for(trust, authorize=authorize, versions=versions, groups=("x25519", "secp256r1"))
    if answer is True:
        client, _ = pair(config, ServerConfig.simple(identity), NAME)
        assert client.authenticated
    else:
        error = failure(pair, config, ServerConfig.simple(identity), NAME)
        assert type(error) is errors.AccessDenied
        assert "the server's certificate is valid, and authorize" in str(error)
        assert error.stage == 13
    assert [peer.fingerprint for peer in asked] == [issued.certificate.fingerprint(hashes.SHA256()).hex()]


def test_authorize_is_not_asked_about_nobody(
    identity: Identity, client_config: ClientConfig, trust: TrustStore
) -> None:
    server = ServerConfig.mutual(
        identity, client_trust=trust, client_auth="optional", authorize=lambda peer: pytest.fail("asked")
    )
    accepted = pair(client_config, server)[1]
    assert accepted.handshake_complete
    assert not accepted.authenticated


def test_authorize_holds_after_the_handshake_too(
    identity: Identity, client_identity: Identity, trust: TrustStore
) -> None:
    config = ClientConfig.mutual(trust, identity=client_identity, post_handshake_auth=True, groups=("x25519",))
    server_config = ServerConfig.simple(
        identity, client_auth="post_handshake", client_trust=trust, authorize=lambda peer: False
    )
    client, server = pair(config, server_config)
    server.request_client_certificate()
    client.receive(server.data_to_send())
    client.events()
    server.receive(client.data_to_send())
    assert isinstance(failure(server.events), errors.AccessDenied)


# -- what clients say --


def test_client_tells_why_no_identity_fits(
    authority: Authority, other_authority: Authority, identity: Identity, trust: TrustStore
) -> None:
    foreign = other_authority.issue("foreign.example", usage="client")
    rsa = authority.issue("rsa.example", key="rsa2048", usage="client")
    server = ServerConfig.mutual(identity, client_trust=trust, schemes=("ecdsa_secp256r1_sha256",)).connection()
    client = ClientConfig.mutual(
        trust, identity=[Identity(one.chain, one.key) for one in (foreign, rsa)], groups=("x25519",)
    ).connection(NAME)
    assert isinstance(failure(pump, client, server), errors.CertificateRequired)
    text = client.diagnostic
    assert text is not None
    assert "the server asked for a certificate from CN=Handshake CA, and no identity fits" in text
    assert (
        "identity 1 (CN=foreign.example) is issued by none of the CAs that the server lists, but by CN=Another CA"
        in text
    )
    assert "identity 2 (CN=rsa.example) cannot sign with ecdsa_secp256r1_sha256" in text
    client.receive(server.data_to_send())
    error = failure(client.read)
    assert text in error.__notes__


def test_client_prefers_an_identity_that_is_valid_today(
    authority: Authority, client_issued: Issued, identity: Identity, trust: TrustStore
) -> None:
    import datetime as dt

    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=9)
    old = authority.issue("client.example", usage="client", days=1, not_before=past)
    expired, valid = Identity(old.chain, old.key), Identity(client_issued.chain, client_issued.key)
    server = ServerConfig.mutual(identity, client_trust=trust)
    config = ClientConfig.mutual(trust, identity=[expired, valid], groups=("x25519",))
    client, accepted = pair(config, server)
    assert accepted.peer_chain == valid.chain
    assert client.diagnostic is None
    alone = config.replace(identities=(expired,)).connection(NAME)
    accepting = server.connection()
    assert isinstance(failure(pump, alone, accepting), errors.CertificateExpired)
    assert alone.diagnostic == "the certificate that we sent (CN=client.example) has expired"
    two = config.replace(identities=(expired, expired)).connection(NAME)
    assert isinstance(failure(pump, two, server.connection()), errors.CertificateExpired)


def test_client_doubts_a_certificate_for_servers(authority: Authority, identity: Identity, trust: TrustStore) -> None:
    wrong = authority.issue("client.example", usage="server")
    config = ClientConfig.mutual(trust, identity=Identity(wrong.chain, wrong.key), groups=("x25519",))
    client = config.connection(NAME)
    failure(pump, client, ServerConfig.mutual(identity, client_trust=trust).connection())
    assert "is not for clients (its extendedKeyUsage lists no clientAuth)" in str(client.diagnostic)


def test_names_of_cas_are_text_for_people() -> None:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    from tlscore.certs.name_text import name_text

    assert name_text(make_ca("Exämple CA").name_der) == "CN=Exämple CA"
    parts = [(NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, "House"), (NameOID.TITLE, "x")]
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])
    assert name_text(name.public_bytes()) == "OID.55040c=x,O=House,C=DE"
    assert name_text(b"\x30\x00") == "(empty name)"
    for damaged in (b"", b"\x30\x05\x31", b"\x30\x04\x31\x02\x30\x00", b"junk"):
        assert name_text(damaged).startswith(("0x", "("))
