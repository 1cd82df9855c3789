"""The legacy tier against OpenSSL through the standard library's ssl, in memory: each suite in each version, both ways.

Versions x suites x keys x {simple, mutual} x {encrypt_then_mac on, off} x ALPN, anonymous and NULL suites, and what
becomes of the extended main secret (RFC 7627 5.2) where OpenSSL goes without it.
"""

from __future__ import annotations

import base64
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.interop.test_tls12 import Other
from tests.support import standing
from tests.support.legacy import KEYS, NULLS, VERSIONS, client, identity, issued, quiet, server, suites_of, tier
from tests.support.standing import NAME
from tlscore import ClientConfig, ServerConfig, danger, errors
from tlscore._core import DheShare
from tlscore.connection import Connection
from tlscore.iana import NamedGroup
from tlscore.suites import suite

NO_ENCRYPT_THEN_MAC = 1 << 19
NO_EXTENDED_MAIN_SECRET = 1 << 0
NUMBERS = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2}
NAMES = {"1.0": "TLSv1", "1.1": "TLSv1.1", "1.2": "TLSv1.2"}
CASES = [
    (version, one.name, etm)
    for version in VERSIONS
    for one in suites_of(version)
    if not one.missing
    for etm in ((True, False) if "CBC" in one.encryption else (True,))
]


def dh_parameters() -> str:
    """ffdhe2048 as PEM: SEQUENCE of two INTEGERs."""
    share = DheShare.generate(NamedGroup.ffdhe2048)

    def integer(octets: bytes) -> bytes:
        body = b"\0" * (octets[0] >> 7) + octets
        return b"\x02" + length(body) + body

    def length(body: bytes) -> bytes:
        return bytes((len(body),)) if len(body) < 128 else b"\x82" + len(body).to_bytes(2, "big")

    body = integer(share.p) + integer(share.g)
    text = base64.encodebytes(b"\x30" + length(body) + body).decode("ascii")
    return f"-----BEGIN DH PARAMETERS-----\n{text}-----END DH PARAMETERS-----\n"


class Files:
    """What the ssl module reads from files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca = standing.authority().write(directory, "legacy-ca")
        self.dh = directory / "dh.pem"
        self.dh.write_text(dh_parameters())
        self._leaves: dict[str, tuple[Path, Path]] = {}

    def leaf(self, key: str) -> tuple[Path, Path]:
        if key not in self._leaves:
            self._leaves[key] = issued(key).write(self.directory, f"legacy-{key}")
        return self._leaves[key]

    def context(
        self, server_side: bool, version: str | tuple[str, str], ciphers: str, key: str | None, options: int = 0
    ) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
        lowest, highest = (version, version) if isinstance(version, str) else version
        with warnings.catch_warnings():
            # The module warns of the old versions.
            warnings.simplefilter("ignore", DeprecationWarning)
            made.set_ciphers(f"{ciphers}:@SECLEVEL=0")
            made.minimum_version, made.maximum_version = NUMBERS[lowest], NUMBERS[highest]
        made.options |= options
        made.load_verify_locations(self.ca)
        if key is not None:
            made.load_cert_chain(*self.leaf(key))
        if server_side:
            made.load_dh_params(self.dh)
        made.set_alpn_protocols(["h2", "http/1.1"])
        return made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("legacy"))


def check(connection: Connection, other: Other, version: str, name: str) -> None:
    assert (connection.version, connection.suite) == (f"TLSv{version}", name)
    assert other.tls.version() == NAMES[version]
    assert other.tls.cipher()[0] == suite(name).openssl_name
    assert connection.alpn == other.tls.selected_alpn_protocol() == "h2"
    other.exchange(connection)


def options(etm: bool) -> int:
    return 0 if etm else NO_ENCRYPT_THEN_MAC


@pytest.mark.parametrize("mutual", [False, True], ids=["simple", "mutual"])
@pytest.mark.parametrize(("version", "name", "etm"), CASES)
def test_client_against_ssl(files: Files, version: str, name: str, etm: bool, mutual: bool) -> None:
    one = suite(name)
    key = KEYS[one.authentication]
    context = files.context(True, version, str(one.openssl_name), key, options(etm))
    context.verify_mode = ssl.CERT_REQUIRED if mutual else ssl.CERT_NONE
    only = tier(versions=version, suites=(name,))
    connection = client(only, key if mutual else None, alpn=("h2",)).connection(NAME)
    other = Other(context, True).connect(connection)
    check(connection, other, version, name)
    assert connection.authenticated
    assert connection.channel_binding("tls-unique") == other.tls.get_channel_binding("tls-unique")
    assert bool(other.tls.getpeercert()) is mutual


@pytest.mark.parametrize("mutual", [False, True], ids=["simple", "mutual"])
@pytest.mark.parametrize(("version", "name", "etm"), CASES)
def test_server_against_ssl(files: Files, version: str, name: str, etm: bool, mutual: bool) -> None:
    one = suite(name)
    key = KEYS[one.authentication]
    context = files.context(False, version, str(one.openssl_name), key if mutual else None, options(etm))
    only = tier(versions=version, suites=(name,))
    connection = server(only, key, mutual, alpn=("h2",)).connection()
    other = Other(context, False).connect(connection)
    check(connection, other, version, name)
    assert connection.authenticated is mutual
    assert connection.server_name == NAME


@pytest.mark.parametrize("ours", ["client", "server"])
@pytest.mark.parametrize("theirs", ["p384", "p521"])
@pytest.mark.parametrize("version", VERSIONS)
def test_other_kinds_of_keys(files: Files, version: str, theirs: str, ours: str) -> None:
    name = "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"
    only = tier(versions=version, suites=(name,))
    context = files.context(ours == "client", version, str(suite(name).openssl_name), theirs)
    if ours == "client":
        connection = client(only, alpn=("h2",)).connection(NAME)
    else:
        connection = server(only, theirs, True, alpn=("h2",)).connection()
    check(connection, Other(context, ours == "client").connect(connection), version, name)


@pytest.mark.parametrize("version", VERSIONS)
def test_reserved_values_and_shuffled_extensions(files: Files, version: str) -> None:
    """RFC 8701 is about every version: OpenSSL passes over what it does not know."""
    name = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
    config = client(tier(versions=version, suites=(name,)), alpn=("h2",), grease=True, shuffle_extensions=True)
    for _ in range(8):
        context = files.context(True, version, str(suite(name).openssl_name), "rsa2048")
        connection = config.connection(NAME)
        check(connection, Other(context, True).connect(connection), version, name)


# -- versions ----------------------------------------------------------------------------------------------------------


SETS = [
    (ours, mine)
    for mine in [("1.0",), ("1.1",), ("1.2",), ("1.0", "1.1"), ("1.1", "1.2"), VERSIONS]
    for ours in ("client", "server")
]
# Not for servers: OpenSSL's client of TLS 1.1 takes the mark of a server that skips a version for an attack.
SETS.append(("client", ("1.0", "1.2")))


@pytest.mark.parametrize(("ours", "mine"), SETS)
@pytest.mark.parametrize("theirs", VERSIONS)
def test_highest_common_version_by_number(files: Files, mine: tuple[str, ...], theirs: str, ours: str) -> None:
    """S23, S35: by number alone, as before TLS 1.3; OpenSSL takes everything from TLS 1.0 up to `theirs`."""
    name = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
    only = tier(versions=mine, suites=(name,))
    context = files.context(ours == "client", ("1.0", theirs), "ECDHE-RSA-AES128-SHA", "rsa2048")
    connection = client(only).connection(NAME) if ours == "client" else server(only, "rsa2048").connection()
    # The server answers with its highest version up to the client's highest; the client takes it or leaves.
    asked, accepted = (max(mine), VERSIONS) if ours == "client" else (theirs, mine)
    answer = max((one for one in accepted if one <= min(asked, theirs)), default=None)
    if answer is not None and answer in mine:
        other = Other(context, ours == "client").connect(connection)
        assert connection.version == f"TLSv{answer}"
        assert other.tls.version() == NAMES[answer]
        return
    # OpenSSL has an answer to every number here: it is always our end that refuses, and OpenSSL that is told.
    other = Other(context, ours == "client")
    with pytest.raises(errors.ProtocolVersionError) as caught:
        other.connect(connection)
    assert connection.error is caught.value
    assert (caught.value.sender, caught.value.alert_sent) == ("us", 70)
    other.incoming.write(connection.data_to_send())
    # Its server has chosen another version by then, and reads the alert in a record of that version alone.
    with pytest.raises(ssl.SSLError, match="alert protocol version"):
        other.tls.do_handshake()


def test_sentinel_of_openssl_is_seen(files: Files) -> None:
    """No silent downgrade: OpenSSL marks its random (RFC 9846 4.2.3), and a changed ClientHello is found out."""
    name = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
    connection = client(tier(suites=(name,))).connection(NAME)
    other = Other(files.context(True, ("1.0", "1.2"), "ECDHE-RSA-AES128-SHA", "rsa2048"), True)
    hello = bytearray(connection.data_to_send())
    hello[9:11] = b"\x03\x02"
    other.incoming.write(bytes(hello))
    with pytest.raises(ssl.SSLWantReadError):
        other.tls.do_handshake()
    with pytest.raises(errors.IllegalParameter) as caught:
        connection.receive(other.outgoing.read())
    assert caught.value.code == "TLS-DOWNGRADE"


# -- RFC 7627 5.2 and 5.4 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ours", ["client", "server"])
def test_peer_without_the_extended_main_secret(files: Files, version: str, ours: str) -> None:
    """RFC 7627 5.2: aborted where required, taken where not; then there is no exporter (RFC 7627 5.4)."""
    name = "TLS_RSA_WITH_AES_128_CBC_SHA"
    only = tier(versions=version, suites=(name,))
    build: Callable[..., Connection] = (
        (lambda **more: client(only, alpn=("h2",), **more).connection(NAME))
        if ours == "client"
        else (lambda **more: server(only, "rsa2048", alpn=("h2",), **more).connection())
    )
    context = files.context(ours == "client", version, "AES128-SHA", "rsa2048", NO_EXTENDED_MAIN_SECRET)
    with pytest.raises((errors.HandshakeFailure, ssl.SSLError)):
        Other(context, ours == "client").connect(strict := build())
    assert strict.error is not None
    assert strict.error.code == "TLS-NO_EXTENDED_MAIN_SECRET"
    connection = build(require_extended_main_secret=False)
    check(connection, Other(context, ours == "client").connect(connection), version, name)
    with pytest.raises(errors.UsageError, match="extended main secret"):
        connection.export_keying_material("EXPORTER-test", None, 16)
    with pytest.raises(errors.UsageError, match="extended main secret"):
        connection.channel_binding("tls-unique")


@pytest.mark.parametrize("ours", ["client", "server"])
def test_peer_without_encrypt_then_mac_is_refused_where_it_is_required(files: Files, ours: str) -> None:
    name = "TLS_RSA_WITH_AES_128_CBC_SHA"
    only = tier(versions="1.1", suites=(name,), require_encrypt_then_mac=True)
    context = files.context(ours == "client", "1.1", "AES128-SHA", "rsa2048", NO_ENCRYPT_THEN_MAC)
    connection = client(only).connection(NAME) if ours == "client" else server(only, "rsa2048").connection()
    with pytest.raises((errors.HandshakeFailure, ssl.SSLError)):
        Other(context, ours == "client").connect(connection)
    assert isinstance(connection.error, errors.HandshakeFailure)
    assert "encrypt_then_mac" in str(connection.error)


# -- encryption only, and NULL -----------------------------------------------------------------------------------------

ANONYMOUS = [(version, one.name) for version in VERSIONS for one in suites_of(version) if one.authentication == "anon"]


@pytest.mark.parametrize(("version", "name"), ANONYMOUS)
@pytest.mark.parametrize("ours", ["client", "server"])
def test_anonymous_suites(files: Files, version: str, name: str, ours: str) -> None:
    """S60: nobody is authenticated, at either end."""
    only = tier(versions=version, suites=(name,))
    context = files.context(ours == "client", version, str(suite(name).openssl_name), None)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    config: Any = ClientConfig if ours == "client" else ServerConfig
    made = quiet(config.encryption_only, danger.accept_any_peer, legacy=only, alpn=("h2",))
    connection = made.connection(NAME) if ours == "client" else made.connection()
    check(connection, Other(context, ours == "client").connect(connection), version, name)
    assert not connection.authenticated


NULL = [(version, one.name) for version in VERSIONS for one in suites_of(version) if one.encryption == "NULL"]


@pytest.mark.parametrize(("version", "name"), NULL)
@pytest.mark.parametrize("ours", ["client", "server"])
def test_null_suites(files: Files, version: str, name: str, ours: str) -> None:
    key = KEYS[suite(name).authentication]
    only = tier(versions=version, suites=(name,), no_encryption=NULLS)
    context = files.context(ours == "client", version, str(suite(name).openssl_name), key)
    connection = (
        client(only, alpn=("h2",)).connection(NAME)
        if ours == "client"
        else server(only, key, alpn=("h2",)).connection()
    )
    check(connection, Other(context, ours == "client").connect(connection), version, name)


# -- SHA-1 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["p256", "rsa2048"])
def test_client_that_lists_no_schemes_means_sha1(key: str) -> None:
    """RFC 5246 7.4.1.4.1: without signature_algorithms SHA-1 is meant; S67: it signs only where that is allowed."""
    name = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA" if key == "p256" else "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
    allowed, refused = (tier(versions="1.2", suites=(name,), sha1_signatures=sha1) for sha1 in (True, False))
    hello = without_schemes(client(allowed).connection(NAME).data_to_send())
    end = server(allowed, key).connection()
    end.receive(hello)
    assert (b"\x02\x03" if key == "p256" else b"\x02\x01") in end.data_to_send()
    with pytest.raises(errors.HandshakeFailure):
        server(refused, key).connection().receive(hello)


def without_schemes(record: bytes) -> bytes:
    """A ClientHello without signature_algorithms and signature_algorithms_cert."""
    from tlscore.wire import ClientHello, Extensions, SignatureAlgorithms, SignatureAlgorithmsCert, decode, encode

    hello = decode(record[5:])
    assert isinstance(hello, ClientHello)
    kept = [one for one in hello.extensions if not isinstance(one, (SignatureAlgorithms, SignatureAlgorithmsCert))]
    message = encode(hello.replace(extensions=Extensions(kept)))
    return record[:3] + len(message).to_bytes(2, "big") + message


def test_identities_are_those_of_the_files(files: Files) -> None:
    assert identity("rsa2048").chain[0] == issued("rsa2048").chain_der[0]
