"""Handshakes of the legacy tier between our own two ends: every suite in every version, keys, exporters, RFC 7627."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import standing
from tests.support.certificates import make_key
from tests.support.legacy import (
    KEYS,
    NULLS,
    VERSIONS,
    client,
    every_suite,
    identity,
    issued,
    quiet,
    server,
    suites_of,
    tier,
)
from tests.support.peers import failure, pump
from tests.support.revocation import GOOD, make_response
from tests.support.standing import NAME, pattern, records_of
from tlscore import ClientConfig, Revocation, ServerConfig, danger, errors, events, legacy
from tlscore.certs.legacy_signatures import exchange_problem
from tlscore.connection import Connection
from tlscore.handshake.legacy_exchange import encrypt_premaster
from tlscore.handshake.legacy_plans import _decryptor
from tlscore.iana import SignatureScheme
from tlscore.suites import Suite, suite

CASES = [(version, one.name) for version in VERSIONS for one in suites_of(version) if not one.missing]
HEADERS = {"1.0": b"\x03\x01", "1.1": b"\x03\x02", "1.2": b"\x03\x03"}
RSA_CBC = "TLS_RSA_WITH_AES_128_CBC_SHA"
ECDHE_CBC = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
DHE_CBC = "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"


def key_for(one: Suite) -> str:
    return KEYS[one.authentication]


def connected(client_config: ClientConfig, server_config: ServerConfig) -> tuple[Connection, Connection]:
    ends = client_config.connection(NAME), server_config.connection()
    pump(*ends)
    assert ends[0].handshake_complete
    assert ends[1].handshake_complete
    return ends


def exchange(one: Connection, other: Connection, octets: int = 40_000) -> None:
    """Application data both ways."""
    for sender, receiver in ((one, other), (other, one)):
        sender.write(pattern(octets))
        receiver.receive(sender.data_to_send())
        assert standing.everything(receiver) == pattern(octets)


def finished(*ends: Connection) -> None:
    for end in ends:
        end.close()
    wires = [end.data_to_send() for end in ends]
    for end, wire in zip(ends, reversed(wires), strict=True):
        end.receive(wire)
        end.eof()
        assert end.closed


@pytest.mark.parametrize(("version", "name"), CASES)
def test_every_suite_in_every_version(version: str, name: str) -> None:
    """S13, S16, S88: both ends agree about everything, data flows, close_notify ends it."""
    one, only = suite(name), tier(versions=version, suites=(name,))
    ends = connected(client(only, alpn=("h2",)), server(only, key_for(one), alpn=("h2",)))
    for end in ends:
        assert (end.version, end.suite, end.alpn) == (f"TLSv{version}", name, "h2")
        assert end.cipher_suite == one
    assert ends[0].group == ends[1].group
    assert (ends[0].group is None) is (one.key_exchange == "RSA")
    assert (ends[0].peer_scheme is None) is (one.key_exchange == "RSA")
    assert ends[0].authenticated
    assert not ends[1].authenticated
    assert ends[0].export_keying_material("EXPORTER-test", None, 40) == ends[1].export_keying_material(
        "EXPORTER-test", None, 40
    )
    assert ends[0].channel_binding("tls-unique") == ends[1].channel_binding("tls-unique")
    exchange(*ends)
    finished(*ends)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [RSA_CBC, ECDHE_CBC, DHE_CBC])
@pytest.mark.parametrize("key", ["p256", "p384", "rsa2048"])
def test_mutual_authentication(version: str, name: str, key: str) -> None:
    """S62: the client signs in the form of the version: without algorithm before TLS 1.2 (RFC 4346 7.4.8)."""
    only = tier(versions=version, suites=(name,))
    ends = connected(client(only, key), server(only, "rsa2048", mutual=True))
    assert ends[1].authenticated
    assert ends[1].peer_chain == identity(key).chain
    if version != "1.2":
        expected = "rsa_pkcs1_md5_sha1" if key == "rsa2048" else "ecdsa_sha1"
        assert ends[0].own_scheme == ends[1].peer_scheme == expected
    assert ends[0].client_auth_confirmed
    exchange(*ends, octets=100)


@pytest.mark.parametrize("version", VERSIONS)
def test_optional_client_without_certificate(version: str) -> None:
    only = tier(versions=version, suites=(RSA_CBC,))
    ends = connected(client(only), server(only, "rsa2048", mutual=True, client_auth="optional"))
    assert not ends[1].authenticated
    refused = client(only).connection(NAME), server(only, "rsa2048", mutual=True).connection()
    with pytest.raises(errors.HandshakeFailure, match="this server requires one"):
        pump(*refused)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_key_that_cannot_sign_before_tls12(version: str) -> None:
    """Ed25519 exists from TLS 1.2 on (RFC 8422 5.10): no identity fits, and the server goes on without."""
    only = tier(versions=version, suites=(RSA_CBC,))
    ends = connected(client(only, "ed25519"), server(only, "rsa2048", mutual=True, client_auth="optional"))
    assert ends[0].own_scheme is None
    assert "cannot sign with ecdsa_sha1, rsa_pkcs1_sha1" in str(ends[0].diagnostic)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_record_carries_the_version(version: str) -> None:
    """RFC 5246 6.2.1: the version of the protocol being employed; a first ClientHello is free to say less (E.1)."""
    only = tier(versions=version, suites=(RSA_CBC,))
    ends = client(only).connection(NAME), server(only, "rsa2048").connection()
    seen = []
    for sender, receiver in (ends, ends[::-1], ends, ends[::-1]):
        wire = sender.data_to_send()
        seen += records_of(wire)
        receiver.receive(wire)
    ends[0].write(b"data")
    seen += records_of(ends[0].data_to_send())
    assert {record[1:3] for record in seen[1:]} == {HEADERS[version]}
    assert seen[0][1] == 3


def test_tls10_splits_the_first_octet_off() -> None:
    """Row 1 of the attacks (BEAST): in TLS 1.0 the next IV is on the wire, so a record of one octet goes ahead."""
    lengths = {}
    for version in ("1.0", "1.1"):
        only = tier(versions=version, suites=(RSA_CBC,))
        ends = connected(client(only), server(only, "rsa2048"))
        ends[0].write(pattern(1000))
        wire = ends[0].data_to_send()
        lengths[version] = len(records_of(wire))
        ends[1].receive(wire)
        assert standing.everything(ends[1]) == pattern(1000)
    assert lengths == {"1.0": 2, "1.1": 1}


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_explicit_ivs_are_fresh(version: str) -> None:
    """Row 1 of the attacks: TLS 1.1 and 1.2 have an IV in each record; none comes twice, none is the last block."""
    only = tier(versions=version, suites=(RSA_CBC,))
    ends = connected(client(only), server(only, "rsa2048"))
    for _ in range(2000):
        ends[0].write(b"octet")
    found = records_of(ends[0].data_to_send())
    ivs = [record[5:21] for record in found]
    assert len(set(ivs)) == len(ivs) == 2000
    assert not set(ivs) & {record[-16:] for record in found}


# -- extensions --------------------------------------------------------------------------------------------------------


def order_of(ends: tuple[Connection, Connection]) -> int:
    """Octets of a record that holds one octet of data: they differ between the two orders."""
    ends[0].write(b"x")
    return max(map(len, records_of(ends[0].data_to_send())))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [RSA_CBC, ECDHE_CBC])
def test_encrypt_then_mac_is_used_between_our_ends(version: str, name: str) -> None:
    """RFC 7366: offered with every CBC suite and taken by our server. One octet: IV, one block, 20 octets of MAC."""
    only = tier(versions=version, suites=(name,))
    ends = connected(client(only), server(only, "rsa2048"))
    iv = 0 if version == "1.0" else 16
    assert order_of(ends) == 5 + iv + 16 + 20
    without = tier(versions=version, suites=(name,), require_encrypt_then_mac=True)
    connected(client(without), server(without, "rsa2048"))


@pytest.mark.parametrize("name", ["TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_NULL_SHA"])
def test_encrypt_then_mac_is_not_answered_for_other_suites(name: str) -> None:
    """RFC 7366 3: it MUST NOT be answered where a stream or AEAD suite is selected."""
    both = tier(versions="1.2", suites=(name, RSA_CBC), no_encryption=NULLS)
    only = tier(versions="1.2", suites=(name,), no_encryption=NULLS)
    ends = client(both).connection(NAME), server(only, "rsa2048").connection()
    hello = ends[0].data_to_send()
    assert b"\x00\x16\x00\x00" in hello
    ends[1].receive(hello)
    flight = ends[1].data_to_send()
    assert b"\x00\x16\x00\x00" not in flight[:120]
    ends[0].receive(flight)
    pump(*ends)
    assert ends[0].suite == name


def test_offer_depends_on_the_highest_version() -> None:
    """RFC 5246 7.4.1.4.1: clients MUST NOT offer signature_algorithms if they are offering prior versions."""
    sent = {
        version: client(tier(versions=version, suites=(RSA_CBC,))).connection(NAME).data_to_send()
        for version in VERSIONS
    }
    for version, wire in sent.items():
        assert wire[9:11] == HEADERS[version]
        assert (b"\x00\x0d\x00" in wire) is (version == "1.2"), version
        # No curves without ECDHE, no supported_versions ever.
        assert b"\x00\x0b\x00\x02\x01\x00" not in wire
        assert b"\x00\x2b\x00" not in wire[44:]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("required", [True, False])
def test_extended_main_secret_in_every_version(version: str, required: bool) -> None:
    """RFC 7627 5.2: our two ends always agree on it; the session hash is MD5 and SHA-1 before TLS 1.2 (RFC 7627 3)."""
    only, settings = tier(versions=version, suites=(RSA_CBC,)), {"require_extended_main_secret": required}
    ends = connected(client(only, **settings), server(only, "rsa2048", **settings))
    assert ends[0].channel_binding("tls-exporter") == ends[1].channel_binding("tls-exporter")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [RSA_CBC, DHE_CBC])
def test_key_logs_of_both_ends_are_the_same(version: str, name: str, tmp_path: Path) -> None:
    """S50: both ends' secrets are equal; one line by the client's random, as in TLS 1.2."""
    only = tier(versions=version, suites=(name,))
    logs = tmp_path / "client", tmp_path / "server"
    connected(client(only, key_log=logs[0]), server(only, "rsa2048", key_log=logs[1]))
    ours, theirs = (log.read_text().splitlines() for log in logs)
    assert ours == theirs
    assert [line.split()[0] for line in ours] == ["CLIENT_RANDOM"]


class Staple:
    """A source of OCSP responses that has one, or none."""

    def __init__(self, octets: bytes | None) -> None:
        self.octets = octets

    def response(self) -> bytes | None:
        return self.octets


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [RSA_CBC, ECDHE_CBC])
def test_ocsp_response_is_stapled_and_required(version: str, name: str) -> None:
    """RFC 6066 8 is about every version of TLS."""
    own = identity("rsa2048")
    response = make_response(own.certificate, standing.authority(), GOOD)
    only = tier(versions=version, suites=(name,))
    asking = client(only, revocation=Revocation.stapled("require"))
    for octets in (response, None):
        config = quiet(ServerConfig.simple, own.with_staple(Staple(octets)), legacy=only)
        ends = asking.connection(NAME), config.connection()
        if octets is not None:
            pump(*ends)
            assert ends[0].authenticated
            continue
        with pytest.raises(errors.CertificateUnknown):
            pump(*ends)


@pytest.mark.parametrize("version", VERSIONS)
def test_record_size_limit_and_alpn(version: str) -> None:
    only = tier(versions=version, suites=(RSA_CBC,))
    ends = connected(client(only, record_size_limit=512), server(only, "rsa2048"))
    ends[1].write(pattern(3000))
    wire = ends[1].data_to_send()
    assert len(records_of(wire)) >= 6
    ends[0].receive(wire)
    assert standing.everything(ends[0]) == pattern(3000)


# -- suites and keys ---------------------------------------------------------------------------------------------------


def test_order_of_preference_decides() -> None:
    """S12: the order of the configured list is the order on the wire, and the server's counts."""
    ours = tier(versions="1.2", suites=(RSA_CBC, ECDHE_CBC))
    theirs = tier(versions="1.2", suites=(ECDHE_CBC, RSA_CBC))
    assert connected(client(ours), server(theirs, "rsa2048"))[0].suite == ECDHE_CBC
    assert connected(client(ours), server(theirs, "rsa2048", prefer="client"))[0].suite == RSA_CBC


def test_identity_is_chosen_by_the_suite() -> None:
    ecdsa = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"
    both = tier(versions="1.1", suites=(ecdsa, RSA_CBC))
    config = server(both, ("rsa2048", "p256"))
    assert connected(client(both), config)[0].peer_chain == identity("p256").chain
    assert connected(client(tier(versions="1.1", suites=(RSA_CBC,))), config)[0].peer_chain == identity("rsa2048").chain


def test_certificate_that_may_not_encrypt_serves_no_rsa_exchange() -> None:
    """RFC 5246 7.4.2: the keyEncipherment bit MUST be set if the key usage extension is present."""
    signing = standing.authority().issue(NAME, key="rsa2048")
    own = standing.Identity.load(signing.chain_pem, signing.key_pem)
    both = tier(versions="1.2", suites=(RSA_CBC, ECDHE_CBC))
    config = quiet(ServerConfig.simple, own, legacy=both)
    assert connected(client(both), config)[0].suite == ECDHE_CBC
    ends = client(tier(versions="1.2", suites=(RSA_CBC,))).connection(NAME), config.connection()
    with pytest.raises(errors.HandshakeFailure, match="can be served"):
        pump(*ends)


@pytest.mark.parametrize(("version", "served"), [("1.1", True), ("1.2", False)])
def test_chain_signed_with_sha1_is_shown_to_clients_that_cannot_say_more(version: str, served: bool) -> None:
    """RFC 9846 4.5.1.2 spares SHA-1 for clients that name it; those before TLS 1.2 have no list to name it in."""
    own = standing.Identity.load(issued("rsa2048").chain_pem, issued("rsa2048").key_pem)
    own.signed_with = (frozenset((SignatureScheme.rsa_pkcs1_sha1,)),)
    only = tier(versions=version, suites=(RSA_CBC,))
    ends = client(only).connection(NAME), quiet(ServerConfig.simple, own, legacy=only).connection()
    if served:
        pump(*ends)
        assert ends[0].handshake_complete
        return
    with pytest.raises(errors.HandshakeFailure):
        pump(*ends)


class OddKey:
    """Stands for a key that the exchange does not take: of more bits, say, which costs minutes to make."""

    _sign_checked = False

    def __init__(self, bits: int) -> None:
        self.key_size = bits
        self._private = self
        self.uses = ("digitalSignature", "keyEncipherment")
        self.certificate = identity("rsa2048").certificate

    def private_bytes(self, *form: Any) -> bytes:
        return make_key("p256").private_bytes(*form)


def test_key_that_the_exchange_does_not_take() -> None:
    """A server does not offer what it cannot open, a client says what is wrong with the server's certificate."""
    long, odd = OddKey(8193), OddKey(8192)
    assert exchange_problem(long) == "has an RSA key of 8193 bits, which only signs"  # type: ignore[arg-type]
    assert exchange_problem(odd) == ""  # type: ignore[arg-type]
    assert _decryptor(long) is _decryptor(odd) is None  # type: ignore[arg-type]
    chain = SimpleNamespace(public_key=make_key("p256").public_key())
    with pytest.raises(errors.UnsupportedCertificate, match="cannot be encrypted to"):
        encrypt_premaster(chain, 0x0303)  # type: ignore[arg-type]


class Signer:
    """A key that is elsewhere."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def sign(self, scheme: int, data: bytes) -> bytes:
        return self.held.sign(scheme, data, tls12=True)


def test_signer_serves_tls12_and_nothing_older() -> None:
    """An interface of signers cannot say MD5 with SHA-1, and gives nothing to decrypt with."""
    held = identity("rsa2048")
    own = standing.Identity.from_signer(held.chain, Signer(held))
    every = tier(suites=(ECDHE_CBC, RSA_CBC))
    config = quiet(ServerConfig.simple, own, legacy=every, groups=("secp256r1",))
    assert connected(client(every), config)[0].suite == ECDHE_CBC
    ends = client(tier(versions="1.1", suites=(ECDHE_CBC, RSA_CBC))).connection(NAME), config.connection()
    with pytest.raises(errors.HandshakeFailure, match="can be served"):
        pump(*ends)


def test_disjoint_suites_are_named() -> None:
    """D3: both lists, by name."""
    ends = (
        client(tier(versions="1.2", suites=(RSA_CBC,))).connection(NAME),
        server(tier(versions="1.2", suites=(DHE_CBC,)), "rsa2048").connection(),
    )
    with pytest.raises(errors.HandshakeFailure) as caught:
        pump(*ends)
    assert RSA_CBC in str(caught.value)
    assert DHE_CBC in str(caught.value)


@pytest.mark.parametrize("group", ["ffdhe2048", "ffdhe3072", "ffdhe4096"])
def test_finite_fields_are_named_groups(group: str) -> None:
    """Row 7 of the attacks (Logjam): groups of RFC 7919, of 2048 bits and more, by name."""
    only = tier(versions="1.1", suites=(DHE_CBC,))
    ends = connected(client(only, groups=(group,)), server(only, "rsa2048", groups=(group, "ffdhe2048")
                                                          if group != "ffdhe2048" else (group,)))  # fmt: skip
    assert ends[0].group == ends[1].group == group


def test_no_common_finite_field() -> None:
    """RFC 7919 4: a server that knows none of the client's groups MUST NOT select a finite-field suite."""
    only = tier(versions="1.1", suites=(DHE_CBC,))
    ends = (
        client(only, groups=("ffdhe3072",)).connection(NAME),
        server(only, "rsa2048", groups=("ffdhe2048",)).connection(),
    )
    with pytest.raises(errors.InsufficientSecurity, match="no common finite-field group"):
        pump(*ends)


@pytest.mark.parametrize("key", ["p256", "rsa2048"])
def test_sha1_signs_in_tls12_where_both_allow_it(key: str) -> None:
    """S67: legacy, opt-in, warned; the scheme is on the wire then, and signs."""
    name = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA" if key == "p256" else ECDHE_CBC
    allowed = tier(versions="1.2", suites=(name,), sha1_signatures=True)
    sha1 = "ecdsa_sha1" if key == "p256" else "rsa_pkcs1_sha1"
    ends = connected(client(allowed, key, schemes=(sha1,)), server(allowed, key, mutual=True, schemes=(sha1,)))
    assert ends[0].peer_scheme == ends[1].peer_scheme == sha1
    refused = client(allowed, schemes=(sha1,)).connection(NAME), server(tier(suites=(name,)), key).connection()
    with pytest.raises(errors.HandshakeFailure):
        pump(*refused)


# -- encryption only ---------------------------------------------------------------------------------------------------

ANONYMOUS = [(version, one.name) for version in VERSIONS for one in suites_of(version) if one.authentication == "anon"]


@pytest.mark.parametrize(("version", "name"), ANONYMOUS)
def test_anonymous_suites(version: str, name: str) -> None:
    """S60: encryption only; nobody is authenticated, and both ends say so."""
    only = tier(versions=version, suites=(name,))
    ends = (
        quiet(ClientConfig.encryption_only, danger.accept_any_peer, legacy=only).connection(NAME),
        quiet(ServerConfig.encryption_only, danger.accept_any_peer, legacy=only).connection(),
    )
    pump(*ends)
    for end in ends:
        assert (end.suite, end.version) == (name, f"TLSv{version}")
        assert not end.authenticated
        assert end.peer_chain == ()
        assert end.peer_identity is None
        assert "authentication" in suite(str(end.suite)).missing
        with pytest.raises(errors.UsageError, match="no certificate"):
            end.channel_binding("tls-server-end-point")
    (completed,) = [one for one in ends[0].events() if isinstance(one, events.HandshakeCompleted)]
    assert not completed.authenticated
    assert any("nobody signed" in text for _, text in ends[0].trace)
    exchange(*ends, octets=100)


def test_resolver_sees_a_hello_that_has_anonymous_suites_alone() -> None:
    """It is called for each ClientHello, and may refuse it."""
    asked = []

    def resolver(hello: Any) -> None:
        asked.append(hello)
        raise errors.AccessDenied("not this client")

    only = tier(versions="1.1", suites=legacy.ANONYMOUS_SUITES[-1:])
    ends = (
        quiet(ClientConfig.encryption_only, danger.accept_any_peer, legacy=only).connection(NAME),
        quiet(ServerConfig.encryption_only, danger.accept_any_peer, legacy=only, resolver=resolver).connection(),
    )
    with pytest.raises(errors.AccessDenied):
        pump(*ends)
    assert len(asked) == 1


def test_encryption_only_with_a_certificate_that_nobody_verifies() -> None:
    only = tier(versions="1.1", suites=("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",))
    ends = (
        quiet(ClientConfig.encryption_only, danger.accept_any_peer, legacy=only).connection(NAME),
        quiet(ServerConfig.encryption_only, danger.accept_any_peer, legacy=only).connection(),
    )
    pump(*ends)
    assert not ends[0].authenticated
    assert len(ends[0].peer_chain) == 1


@pytest.mark.parametrize(
    ("version", "name"),
    [(version, one.name) for version in VERSIONS for one in suites_of(version) if one.encryption == "NULL"],
)
def test_null_suites_authenticate_and_encrypt_nothing(version: str, name: str) -> None:
    """For debugging, under its danger: the data stands on the wire, and no octet of it can be changed."""
    only = tier(versions=version, suites=(name,), no_encryption=NULLS)
    ends = connected(client(only), server(only, key_for(suite(name))))
    ends[0].write(b"in the clear")
    wire = ends[0].data_to_send()
    # TLS 1.0 puts the first octet into a record of its own.
    assert b"n the clear" in wire
    ends[1].receive(wire)
    assert standing.everything(ends[1]) == b"in the clear"
    ends[0].write(b"in the clear")
    changed = bytearray(ends[0].data_to_send())
    changed[-25] ^= 1
    ends[1].receive(bytes(changed))
    with pytest.raises(errors.BadRecordMac):
        standing.everything(ends[1])


def test_every_named_suite_is_tested() -> None:
    tested = {name for _, name in CASES} | {name for _, name in ANONYMOUS} | set(legacy.NULL_SUITES)
    assert {one.name for one in every_suite()} == tested


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [RSA_CBC, ECDHE_CBC, DHE_CBC])
@pytest.mark.parametrize("consent", [True, False, None])
def test_client_asks_authorize_in_every_key_exchange(version: str, name: str, consent: bool | None) -> None:
    # RFC 9846 6.2: "access_denied: A valid certificate or PSK was received, but when access control was applied, the
    # sender decided not to proceed with negotiation."
    asked: list[Any] = []

    def authorize(peer: Any) -> Any:
        asked.append(peer)
        return consent

    only = tier(versions=version, suites=(name,))
    ends = client(only, authorize=authorize).connection(NAME), server(only, "rsa2048").connection()
    if consent:
        pump(*ends)
        assert ends[0].handshake_complete
    else:
        error = failure(pump, *ends)
        assert type(error) is errors.AccessDenied
        assert (ends[0].error, error.alert_sent) == (error, 49)
        wire = ends[0].data_to_send()
        if name == RSA_CBC:
            # Only the Finished shows that the server owns its key: it is complete by then.
            ends[1].receive(wire)
            heard = failure(ends[1].read)
        else:
            heard = failure(ends[1].receive, wire)
        assert (type(heard), heard.sender) == (errors.AccessDenied, "peer")
        assert not ends[1].handshake_complete
    assert [NAME in peer.dns_names for peer in asked] == [True]
