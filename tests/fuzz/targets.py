"""The fuzz targets of the Python half: messages, certificates, key stores, CRLs, OCSP responses, names and texts.

Beside "no crash, no hang" each holds what a parser must never get wrong: a message that is taken encodes to what came;
a certificate, a CRL or a response that was changed in what is signed is never accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar
from zlib import crc32

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)
from cryptography.x509 import ocsp

from tests.fuzz.engine import Target
from tests.support.certificates import Authority, Issued, make_ca
from tests.support.peers import RawClient, RawServer
from tests.support.peers12 import RawServer12
from tests.support.revocation import (
    DAY,
    NOW,
    REVOKED,
    UNKNOWN_STATUS,
    crl_pem,
    entry,
    make_crl,
    make_response,
    point,
    responder,
)
from tests.support.standing import (
    NAME,
    client_config,
    client_issued,
    fresh,
    issued,
    mutual_client_config,
    mutual_server_config,
    records_of,
    server_config,
)
from tests.wire.samples import MESSAGE_SAMPLES
from tlscore import ConfigError, Identity, TlsError, TrustStore, errors
from tlscore.certs import names, verify
from tlscore.certs.paths.facts import Facts
from tlscore.certs.peer import PARSE_ERRORS
from tlscore.certs.report import VerificationReport
from tlscore.certs.revocation import Revocation
from tlscore.certs.revocation.crl_store import CrlStore, read_crls
from tlscore.certs.revocation.problems import Unreadable
from tlscore.certs.revocation.signed import open_signed
from tlscore.certs.summary import CertificateSummary
from tlscore.cipher_strings import parse_cipher_string
from tlscore.connection import Connection
from tlscore.iana import ProtocolVersion
from tlscore.wire import Certificate, CertificateEntry, Extensions, decode, encode

HOST = "www.example.org"
_OLDER_GROUPS = ("x25519", "secp256r1")
_E = TypeVar("_E", bound=Exception)


def refusal(kind: type[_E], call: Callable[[], object]) -> _E | None:
    """What a call raises of a kind that it may raise."""
    try:
        call()
    except kind as raised:
        return raised
    return None


# -- messages ----------------------------------------------------------------------------------------------------------


def _message(version: int, data: bytes) -> None:
    refused = refusal(errors.AlertError, lambda: decode(data, version))
    if refused is not None:
        # RFC 9846 6.2: a message that cannot be parsed, or has a value out of range or an extension out of place.
        assert refused.alert in (10, 47, 50, 110, 112), f"{refused!r} for a message that cannot be parsed"
        return
    message = decode(data, version)
    again = encode(message)
    # Hellos of TLS 1.2 may come without a block of extensions (RFC 5246 7.4.1.4); we write an empty one.
    bare = not getattr(message, "extensions", True) and decode(again, version) == message
    assert again == data or bare, f"{message!r} was read from other octets"
    assert repr(message)


def message13(data: bytes) -> None:
    """Any handshake message of TLS 1.3."""
    _message(ProtocolVersion.TLS13, data)


def message12(data: bytes) -> None:
    """Any handshake message of TLS 1.2."""
    _message(ProtocolVersion.TLS12, data)


@cache
def handshakes() -> tuple[bytes, ...]:
    """A sample of each message, and the hellos of real handshakes."""
    hellos = []
    for settings in ({}, {"versions": "1.2", "groups": _OLDER_GROUPS}, {"grease": True}):
        client, server = fresh(settings)
        first = client.data_to_send()
        server.receive(first)
        hellos += [first[5:], records_of(server.data_to_send())[0][5:]]
    return (*(encode(message) for message in MESSAGE_SAMPLES.values()), *hellos)


def _records(message: bytes) -> bytes:
    pieces = [message[at : at + 2**14] for at in range(0, len(message), 2**14)]
    return b"".join(b"\x16\x03\x03" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def _first_message(end: Connection, data: bytes) -> None:
    """Give a message in the clear to a connection: whatever it is, nobody is authenticated, and an end is final."""
    failure = refusal(TlsError, lambda: end.receive(_records(data)))
    assert end.error is failure
    for call in (end.data_to_send, end.events, lambda: end.receive(b"\0")) if failure is not None else ():
        assert refusal(TlsError, call) in (None, failure)
    assert not end.handshake_complete
    assert not end.authenticated
    assert end.report().text()


def client_hello(data: bytes) -> None:
    """Any first message at a server."""
    _first_message(server_config().connection(), data)


def server_hello(data: bytes) -> None:
    """Any first message at a client."""
    client = client_config(groups=_OLDER_GROUPS).connection(NAME)
    client.data_to_send()
    _first_message(client, data)


# -- flights -----------------------------------------------------------------------------------------------------------


@cache
def flights() -> tuple[bytes, ...]:
    """Messages that stand in flights, the real ones of the standing identities among them."""
    chains = (issued().chain_der, client_issued().chain_der)
    entries = [tuple(CertificateEntry(der, Extensions()) for der in chain) for chain in chains]
    server = RawServer12(issued(), client_config(versions="1.2", groups=_OLDER_GROUPS).connection(NAME)).flight()
    found = [record[5:] for record in records_of(server.layer.data_to_send())]
    own = [encode(Certificate(b"", one)) for one in entries]
    return (*own, *found, *(encode(message) for message in MESSAGE_SAMPLES.values()))


def _flight(steps: Sequence[Callable[[], object]], send: Callable[[bytes], object], data: bytes) -> None:
    """Take the steps of an honest flight, with the message in place of one of them, before it, or behind all."""
    place = crc32(data) % (2 * len(steps) + 1)
    for number, step in enumerate(steps):
        if place % len(steps) == number and place < 2 * len(steps):
            send(data)
            if place < len(steps):
                continue
        step()
    if place == 2 * len(steps):
        send(data)


def _told(end: Connection, wire: bytes, leaf_of_peer: bytes) -> None:
    """Give what a peer with keys sent to a real end: only TLS errors, none our own fault, nobody taken for another."""
    for call in (lambda: end.receive(wire), end.events, end.read):
        failure = refusal(TlsError, call)
        assert failure is None or failure.alert != 80, f"{failure!r} is blamed on ourselves"
    assert not end.authenticated or end.peer_chain[0] == leaf_of_peer
    assert end.report().text()


def server_flight(data: bytes) -> None:
    """Any message in the flight of a server of TLS 1.3, at a client with an identity."""
    client = mutual_client_config(post_handshake_auth=True).connection(NAME)
    server = RawServer(issued(), client).hello()
    steps = (server.encrypted_extensions, server.certificate, server.certificate_verify, server.finished)
    _flight(steps, server.send, data)
    _told(client, server.wire(), issued().chain_der[0])


def client_flight(data: bytes) -> None:
    """Any message in the second flight of a client of TLS 1.3, at a server that demands a certificate."""
    server = mutual_server_config().connection()
    client = RawClient(client_issued())
    server.receive(client.hello().wire())
    client.take_flight(server.data_to_send())
    _flight((client.certificate, client.certificate_verify, client.finished), client.send, data)
    _told(server, client.wire(), client_issued().chain_der[0])


def server_flight12(data: bytes) -> None:
    """Any message in the flight of a server of TLS 1.2."""
    client = client_config(versions="1.2", groups=_OLDER_GROUPS).connection(NAME)
    server = RawServer12(issued(), client).hello()
    _flight((server.certificate, server.key_exchange, server.done), server.send, data)
    _told(client, server.layer.data_to_send(), issued().chain_der[0])


# -- certificates ------------------------------------------------------------------------------------------------------


@cache
def authority() -> Authority:
    return make_ca("Fuzzed root")


@cache
def intermediate() -> Authority:
    return authority().intermediate("Fuzzed CA")


@cache
def leaf() -> Issued:
    return intermediate().issue(HOST, "*.example.org", "10.0.0.1", "mail@example.org", usage="both")


@cache
def anchors() -> TrustStore:
    return TrustStore.from_bytes(authority().pem)


@cache
def certificates() -> tuple[bytes, ...]:
    """Certificates with every extension that the rules read, and of every kind of key."""
    general = [x509.DNSName("example.org"), x509.RFC822Name("example.org"), x509.UniformResourceIdentifier(".org")]
    rich: tuple[tuple[x509.ExtensionType, bool], ...] = (
        (x509.NameConstraints(general, [x509.DirectoryName(x509.Name([]))]), True),
        (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.5.29.32.0"), ["x"])]), False),
        (x509.PolicyConstraints(0, 1), True),
        (x509.InhibitAnyPolicy(0), True),
        (x509.OCSPNoCheck(), False),
        (x509.TLSFeature([x509.TLSFeatureType.status_request]), False),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.16.840.1.113730.1.1"), b"\x03\x02\x00\x07"), False),
        (
            x509.CRLDistributionPoints(
                [x509.DistributionPoint([x509.UniformResourceIdentifier("http://a/")], None, None, None)]
            ),
            False,
        ),
    )
    issued = [intermediate().issue(HOST, key=kind) for kind in ("p256", "rsa2048", "ed25519", "mldsa44")]
    issued += [intermediate().issue(HOST, usage="server", extra=rich)]
    return (*(one.chain_der[0] for one in issued), leaf().chain_der[0], intermediate().der)


def certificate(data: bytes) -> None:
    """A server's certificate, before the CA that issued the honest one."""
    chain = (data, intermediate().der)
    report = verify.examine(chain, anchors(), names.ServerName.parse(HOST))
    assert str(report)
    assert report.as_json()
    try:
        facts = Facts(data)
    except PARSE_ERRORS:
        assert not report.ok
        return
    if report.ok:
        assert facts.tbs in {Facts(one).tbs for one in certificates()}, "a changed certificate was accepted"
    assert CertificateSummary.of(facts).as_dict()
    for purpose in ("server", "client"):
        verify.examine((leaf().chain_der[0], data), anchors(), purpose=purpose)
    refused = refusal(errors.AlertError, lambda: verify.verify_client(chain, anchors()))
    assert refused is None or str(refused)


@cache
def stores() -> tuple[bytes, ...]:
    """Chains and keys in every format."""
    key, chain = leaf().key, list(leaf().chain)
    password = BestAvailableEncryption(b"sesame")
    forms: list[tuple[Any, Any, Any]] = [
        (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        (Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        (Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        (Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    ]
    weak = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1).build(b"sesame")
    return (
        leaf().chain_pem + leaf().key_pem,
        *(key.private_bytes(*form) for form in forms),
        pkcs7.serialize_certificates(chain, Encoding.DER),
        pkcs7.serialize_certificates(chain, Encoding.PEM),
        pkcs12.serialize_key_and_certificates(b"name", key, chain[0], chain[1:], NoEncryption()),
        pkcs12.serialize_key_and_certificates(b"name", key, chain[0], chain[1:], weak),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, password),
    )


def key_store(data: bytes) -> None:
    """A file with a chain or a key: loaded, or refused with a ConfigError."""
    for load in (
        lambda: Identity.load(data, password="sesame"),
        lambda: Identity.load(leaf().chain_pem, data, password="sesame"),
        lambda: TrustStore.from_bytes(data),
    ):
        assert "sesame" not in str(refusal(ConfigError, load))


# -- revocation --------------------------------------------------------------------------------------------------------


@cache
def lists() -> tuple[bytes, ...]:
    """CRLs: of the intermediate CA without and with the leaf, delta, indirect, scoped, old, PEM."""
    ca, own = intermediate(), leaf().certificate
    return (
        make_crl(ca),
        make_crl(ca, [own, entry(5, x509.ReasonFlags.key_compromise)]),
        make_crl(ca, [entry(5)], number=3, base=1),
        make_crl(ca, [entry(own, issuer=ca.certificate.subject)], scope=point(indirect_crl=True)),
        make_crl(ca, scope=point(only_contains_user_certs=True)),
        make_crl(ca, this_update=NOW - 3 * DAY, next_update=NOW - 2 * DAY),
        crl_pem(make_crl(authority())).replace(b"\n\n", b"\n"),
    )


def _judged(revocation: Revocation, stapled: bytes | None = None) -> VerificationReport:
    return verify.examine(
        leaf().chain_der, anchors(), names.ServerName.parse(HOST), NOW, revocation=revocation, stapled_ocsp=stapled
    )


@cache
def _signed_parts() -> frozenset[bytes]:
    """What is signed in each honest list."""
    return frozenset(bytes(open_signed(one).tbs) for one in lists() if one[:1] == b"\x30")


def crl(data: bytes) -> None:
    """A revocation list: unreadable, or asked about a chain; a list that was changed says nothing good."""
    try:
        found = read_crls(data, "fuzz")
    except Unreadable:
        found = ()
    try:
        store = CrlStore(data=data)
    except ConfigError:
        return
    for scope in ("leaf", "chain"):
        report = _judged(Revocation(store=store, scope=scope, mode="require"))
        assert str(report)
        if report.ok:
            tbs = {bytes(open_signed(one.data).tbs) for one in found}
            assert tbs & _signed_parts(), "a changed CRL was believed"


@cache
def responses() -> tuple[bytes, ...]:
    """OCSP responses for the leaf: good, revoked, unknown, old, by key and by a delegated responder."""
    own, ca = leaf().certificate, intermediate()
    return (
        make_response(own, ca),
        make_response(own, ca, REVOKED, reason=x509.ReasonFlags.superseded),
        make_response(own, ca, UNKNOWN_STATUS),
        make_response(own, ca, this_update=NOW - 9 * DAY, next_update=NOW - 8 * DAY),
        make_response(own, ca, by=responder(ca), by_key=True),
        make_response(own, ca, next_update=None),
    )


def ocsp_response(data: bytes) -> None:
    """A stapled response: refused, or believed; one whose signed part was changed says nothing good."""
    report = _judged(Revocation.stapled("require"), data)
    assert str(report)
    if report.ok:
        good = {ocsp.load_der_ocsp_response(one).tbs_response_bytes for one in responses()}
        assert ocsp.load_der_ocsp_response(data).tbs_response_bytes in good, "a changed response was believed"
    _judged(Revocation.stapled("best_effort"), data)


# -- texts -------------------------------------------------------------------------------------------------------------


def name(data: bytes) -> None:
    """A name to connect to, and a pattern of a certificate."""
    given = data.decode("utf-8", "replace")
    try:
        asked = names.ServerName.parse(given)
    except ConfigError:
        return
    assert asked.text
    assert names.ServerName.parse(asked.text) == asked
    names.matches(given, asked.text)
    names.matches("*.example.org", asked.text)


def name_seeds() -> Sequence[bytes]:
    plain = ("www.example.org", "xn--bcher-kva.example", "bücher.example", "10.0.0.1", "::1", "*.example.org", "a.b.c.")
    return [
        text.encode() for text in (*plain, "[::ffff:1.2.3.4]", "example.org:443", "fe80::1%eth0", "_sip._tcp.a.org")
    ]


def cipher_string(data: bytes) -> None:
    """An OpenSSL cipher string."""
    try:
        expansion = parse_cipher_string(data.decode("utf-8", "replace"))
    except ConfigError:
        return
    assert len(set(expansion.suites)) == len(expansion.suites) > 0


def cipher_string_seeds() -> Sequence[bytes]:
    return [
        b"ECDHE+AESGCM:!aNULL:@STRENGTH",
        b"ALL:COMPLEMENTOFALL:-RC4:+RSA:!eNULL",
        b"DEFAULT@SECLEVEL=2:kECDHE,aRSA",
        b"TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256",
    ]


TARGETS = {
    target.name: target
    for target in (
        Target("message13", message13, handshakes, "tls"),
        Target("message12", message12, handshakes, "tls"),
        Target("client_hello", client_hello, handshakes, "tls"),
        Target("server_hello", server_hello, handshakes, "tls"),
        Target("server_flight", server_flight, flights, "tls"),
        Target("client_flight", client_flight, flights, "tls"),
        Target("server_flight12", server_flight12, flights, "tls"),
        Target("certificate", certificate, certificates, "der"),
        # The owner's own files: a store may ask for ten million rounds of key derivation, and is read three times.
        Target("key_store", key_store, stores, "der", seconds=30.0),
        Target("key_store_text", key_store, stores, "text", seconds=30.0),
        Target("crl", crl, lists, "der"),
        Target("ocsp_response", ocsp_response, responses, "der"),
        Target("name", name, name_seeds, "text"),
        Target("cipher_string", cipher_string, cipher_string_seeds, "text"),
    )
}
