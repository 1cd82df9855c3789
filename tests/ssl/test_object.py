"""SSLObject: TLS between memory buffers, against itself and against OpenSSL's."""

from __future__ import annotations

import gc
import random
import ssl as stdlib
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.ssl.contexts import NAME, Files, outcome
from tests.ssl.pairs import MIX_NAMES, MIXES, OURS, THEIRS, Bios, bios
from tlscore import ssl
from tlscore.errors import TruncationError

TLS12 = {"maximum_version": stdlib.TLSVersion.TLSv1_2}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("object"))


mixed = pytest.mark.parametrize(("client", "server"), MIXES, ids=MIX_NAMES)
either_version = pytest.mark.parametrize("settings", [{}, TLS12], ids=["1.3", "1.2"])


# -- what is agreed ----------------------------------------------------------------------------------------------------


@mixed
@either_version
def test_both_ends_tell_the_same(files: Files, client: Any, server: Any, settings: dict[str, Any]) -> None:
    pair = bios(files, client, server, **settings)
    assert pair.client.version() == pair.server.version() == ("TLSv1.2" if settings else "TLSv1.3")
    assert pair.client.cipher() == pair.server.cipher()
    assert pair.client.compression() is pair.server.compression() is None
    assert pair.client.getpeercert() == files_dict(files)
    assert pair.server.getpeercert() is None
    assert pair.client.getpeercert(True) == stdlib.PEM_cert_to_DER_cert(Path(files.chain).read_text())
    assert pair.server.shared_ciphers()
    assert pair.client.shared_ciphers() is None


def files_dict(files: Files) -> Any:
    """What OpenSSL makes of the server's certificate."""
    return THEIRS._ssl._test_decode_cert(files.chain)


def test_ciphers_have_the_names_and_versions_of_openssl(files: Files) -> None:
    ours, theirs = bios(files, OURS, THEIRS, **TLS12), bios(files, THEIRS, THEIRS, **TLS12)
    assert ours.client.cipher() == ours.server.cipher()
    assert ours.client.cipher()[1:] == theirs.client.cipher()[1:] == ("TLSv1.2", 256)
    # Ours prefers another suite than OpenSSL's; both can be spelled by either.
    assert ours.client.cipher()[0] in {one["name"] for one in THEIRS.create_default_context().get_ciphers()}


def test_shared_ciphers_are_the_clients_offer_as_far_as_the_server_has_it(files: Files) -> None:
    client, server = files.client_context(), files.server_context()
    client.set_ciphers("ECDHE+AESGCM")
    shared = Bios(client, server).shake_hands().server.shared_ciphers()
    names = [one[0] for one in shared]
    assert set(names) <= {one["name"] for one in client.get_ciphers()} & {one["name"] for one in server.get_ciphers()}
    assert len(names) > 3


@mixed
def test_application_protocols(files: Files, client: Any, server: Any) -> None:
    asking, answering = files.client_context(client), files.server_context(server)
    asking.set_alpn_protocols(["h2", "http/1.1"])
    answering.set_alpn_protocols(["http/1.1"])
    pair = Bios(asking, answering).shake_hands()
    assert pair.client.selected_alpn_protocol() == pair.server.selected_alpn_protocol() == "http/1.1"


def test_nothing_is_known_before_the_handshake(files: Files) -> None:
    for module in (OURS, THEIRS):
        pair = Bios(files.client_context(module), files.server_context(module))
        known = [
            outcome(call)
            for end in (pair.client, pair.server)
            for call in (end.cipher, end.version, end.shared_ciphers, end.getpeercert, end.pending, end.compression)
        ]
        known += [outcome(pair.client.selected_alpn_protocol), outcome(pair.client.unwrap)]
        known += [outcome(lambda end=pair.client: end.get_channel_binding("tls-unique"))]  # type: ignore[misc]
        if module is OURS:
            expected = known
    assert known == expected


def test_newer_attributes_are_there_on_every_python(files: Files) -> None:
    pair = bios(files)
    assert pair.client.group() == pair.server.group() is not None
    assert pair.client.server_sigalg() == pair.server.server_sigalg() == "ecdsa_secp256r1_sha256"
    assert pair.client.client_sigalg() is pair.server.client_sigalg() is None
    der = pair.client.getpeercert(True)
    authority = stdlib.PEM_cert_to_DER_cert(Path(files.ca).read_text())
    assert pair.client.get_unverified_chain() == [der]
    assert pair.client.get_verified_chain() == [der, authority]
    assert pair.server.get_verified_chain() == pair.server.get_unverified_chain() == []
    assert [one.public_bytes(2) for one in pair.client._sslobj.get_verified_chain()] == [der, authority]
    assert pair.server._sslobj.get_verified_chain() is None


def test_a_certificate_that_nobody_verified_is_an_empty_dict(files: Files) -> None:
    pair = bios(files, check_hostname=False, verify_mode=stdlib.CERT_NONE)
    assert pair.client.getpeercert() == {}
    assert pair.client.getpeercert(True)
    assert pair.client._sslobj.get_verified_chain() is None
    assert pair.client.get_verified_chain() == pair.client.get_unverified_chain() != []


def test_client_certificates_are_seen_by_the_server(files: Files) -> None:
    client = files.client_context()
    client.load_cert_chain(files.client_chain, files.client_key)
    server = files.server_context(verify_mode=stdlib.CERT_REQUIRED)
    server.load_verify_locations(files.ca)
    pair = Bios(client, server).shake_hands()
    assert dict(pair.server.getpeercert())["subjectAltName"] == (("DNS", "client.example"),)
    assert pair.server.client_sigalg() == pair.client.client_sigalg() is not None


@mixed
def test_tls_unique_of_tls_1_2_is_the_same_at_both_ends(files: Files, client: Any, server: Any) -> None:
    # RFC 5929 section 3.1
    pair = bios(files, client, server, **TLS12)
    assert pair.client.get_channel_binding() == pair.server.get_channel_binding("tls-unique") is not None


def test_channel_bindings_of_tls_1_3(files: Files) -> None:
    # RFC 9266 section 4.2: tls-exporter; tls-unique is not defined.
    pair = bios(files)
    exporter = pair.client.get_channel_binding("tls-exporter")
    assert exporter == pair.server.get_channel_binding("tls-exporter")
    assert len(exporter) == 32
    end_point = pair.client.get_channel_binding("tls-server-end-point")
    assert end_point == pair.server.get_channel_binding("tls-server-end-point")
    assert pair.client.get_channel_binding("tls-unique") is None
    with pytest.raises(ValueError, match="channel binding type not implemented"):
        pair.client.get_channel_binding("tls-unknown")


# -- data --------------------------------------------------------------------------------------------------------------


@mixed
@either_version
@pytest.mark.parametrize("size", [1, 1000, 16384, 16385, 100_000, 1_000_000])
def test_data_arrives_whatever_the_sizes(
    files: Files, client: Any, server: Any, settings: dict[str, Any], size: int
) -> None:
    pair = bios(files, client, server, **settings)
    chance = random.Random(size)
    sent = chance.randbytes(size)
    for one, other in ((pair.client, pair.server), (pair.server, pair.client)):
        rest, got = memoryview(sent), b""
        while rest:
            rest = rest[one.write(rest) :]
        pair.move()
        while len(got) < size:
            wanted = chance.choice([1, 10, 4096, 16384, 65536, 1 << 20])
            if chance.random() < 0.5:
                got += other.read(wanted)
            else:
                buffer = bytearray(wanted)
                got += buffer[: other.read(chance.choice([wanted, 0, wanted + 5]), buffer)]
        assert got == sent
        with pytest.raises(stdlib.SSLWantReadError):
            other.read(1)


@pytest.mark.parametrize("module", [OURS, THEIRS], ids=["ours", "openssl"])
def test_a_small_read_leaves_the_rest_pending(files: Files, module: Any) -> None:
    pair = bios(files, module, module)
    pair.client.write(b"0123456789")
    pair.move()
    assert pair.server.read(4) == b"0123"
    assert pair.server.pending() == 6
    assert pair.server.read(100) == b"456789"
    assert pair.server.pending() == 0


@pytest.mark.parametrize("module", [OURS, THEIRS], ids=["ours", "openssl"])
def test_a_record_waits_in_the_buffer_until_the_one_before_it_is_read(files: Files, module: Any) -> None:
    pair = bios(files, module, module)
    for text in (b"one", b"two"):
        pair.client.write(text)
    pair.move()
    assert (pair.server.read(2), pair.server.pending()) == (b"on", 1)
    assert (pair.server.read(100), pair.server.pending()) == (b"e", 0)
    assert pair.to_server.pending
    assert (pair.server.read(100), pair.to_server.pending) == (b"two", 0)


@pytest.mark.parametrize("module", [OURS, THEIRS], ids=["ours", "openssl"])
def test_reads_that_ask_for_nothing(files: Files, module: Any) -> None:
    pair = bios(files, module, module)
    pair.client.write(b"abc")
    pair.move()
    assert pair.server.read(0) == b""
    assert pair.server.read(5, bytearray()) == 0
    with pytest.raises(ValueError, match="size should not be negative"):
        pair.server.read(-1)
    buffer = bytearray(5)
    assert pair.server.read(-1, buffer) == 3
    assert buffer == b"abc\0\0"


def test_octets_behind_those_that_count_are_left_alone(files: Files) -> None:
    pair = bios(files)
    pair.client.write(b"abc")
    pair.move()
    buffer = bytearray(b"-" * 100)
    assert pair.server.read(100, buffer) == 3
    assert buffer == b"abc" + b"-" * 97


def test_octets_stay_in_the_buffer_until_a_call_needs_them(files: Files) -> None:
    """asyncio pauses its transport by what waits there."""
    pair = bios(files)
    pair.client.write(bytes(1 << 20))
    pair.move()
    pair.server.read(1024)
    assert pair.to_server.pending > 900_000
    waiting = pair.to_server.pending
    pair.server.read(1024)
    assert pair.to_server.pending == waiting


class Duck:
    """A buffer that is not the standard library's."""

    def __init__(self) -> None:
        self.octets, self.eof = bytearray(), False

    @property
    def pending(self) -> int:
        return len(self.octets)

    def read(self, size: int = -1) -> bytes:
        size = len(self.octets) if size < 0 else size
        taken = bytes(self.octets[:size])
        del self.octets[:size]
        return taken

    def write(self, data: Any) -> int:
        self.octets += data
        return len(data)

    def write_eof(self) -> None:
        self.eof = True


def test_anything_with_the_methods_serves_as_buffer(files: Files) -> None:
    pair = Bios(files.client_context(), files.server_context(), buffer=Duck).shake_hands()
    pair.client.write(b"quack")
    pair.move()
    assert pair.server.read() == b"quack"


# -- the end -----------------------------------------------------------------------------------------------------------


def end_without_goodbye(pair: Bios) -> list[Any]:
    pair.to_server.write_eof()
    return [outcome(pair.server.read)]


def late_data(pair: Bios) -> list[Any]:
    pair.server.write(b"data")
    found = [outcome(pair.client.unwrap)]
    pair.move()
    return [*found, outcome(pair.client.unwrap)]


def both_goodbyes(pair: Bios) -> list[Any]:
    found = [outcome(pair.client.unwrap)]
    pair.move()
    found += [outcome(pair.server.read), outcome(pair.server.unwrap), outcome(pair.server.read)]
    pair.move()
    found += [outcome(pair.client.read), outcome(lambda: pair.client.read(5, bytearray(5)))]
    return [*found, outcome(lambda: pair.client.write(b"late")), outcome(pair.client.unwrap)]


@either_version
@pytest.mark.parametrize("scene", [end_without_goodbye, late_data, both_goodbyes])
def test_ends_are_those_of_the_standard_library(
    files: Files, settings: dict[str, Any], scene: Callable[[Bios], list[Any]]
) -> None:
    ours, theirs = scene(bios(files, **settings)), scene(bios(files, THEIRS, THEIRS, **settings))
    assert ours == theirs


def test_unwrap_says_close_notify_and_waits_for_the_peers(files: Files) -> None:
    # RFC 9846 section 6.1
    pair = bios(files)
    with pytest.raises(stdlib.SSLWantReadError):
        pair.client.unwrap()
    pair.move()
    assert pair.server.read() == b""
    assert pair.server.read(5, bytearray(5)) == 0
    assert pair.server.write(b"more") == 4
    assert pair.server.unwrap() is None
    pair.move()
    assert pair.client.read() == b"more"
    assert pair.client.unwrap() is None
    with pytest.raises(stdlib.SSLError) as late:
        pair.client.write(b"late")
    assert late.value.reason == "PROTOCOL_IS_SHUTDOWN"


def test_plain_octets_behind_close_notify_stay_in_the_buffer(files: Files) -> None:
    pair = bios(files)
    for size in (10, 9000):
        pair.client.write(b"z" * size)
    with pytest.raises(stdlib.SSLWantReadError):
        pair.client.unwrap()
    pair.to_server.write(pair.from_client.read() + b"220 plain again")
    assert pair.server.read(1 << 16) + pair.server.read(1 << 16) == b"z" * 9010
    assert pair.server.read(1 << 16) == b""
    pair.server.unwrap()
    pair.to_client.write(pair.from_server.read() + b"250 as well")
    pair.client.unwrap()
    assert (pair.to_server.read(), pair.to_client.read()) == (b"220 plain again", b"250 as well")


@pytest.mark.parametrize("pieces", [1, 3, 4, 5, 6, 4095, 4101, 20_000])
def test_octets_may_come_in_any_pieces(files: Files, pieces: int) -> None:
    pair = Bios(files.client_context(), files.server_context())

    def trickle(source: Any, target: Any, call: Callable[[], Any]) -> None:
        while part := source.read(pieces):
            target.write(part)
            with suppress(stdlib.SSLWantReadError):
                call()

    with pytest.raises(stdlib.SSLWantReadError):
        pair.client.do_handshake()
    trickle(pair.from_client, pair.to_server, pair.server.do_handshake)
    trickle(pair.from_server, pair.to_client, pair.client.do_handshake)
    trickle(pair.from_client, pair.to_server, pair.server.do_handshake)
    got, sent = bytearray(), random.Random(3).randbytes(40_000 if pieces > 10 else 6000)

    def collect() -> None:
        while True:
            got.extend(pair.server.read(5000))

    pair.client.write(sent)
    trickle(pair.from_client, pair.to_server, collect)
    assert got == sent


def test_truncation_is_an_error_unless_the_context_ignores_it(files: Files) -> None:
    # RFC 9846 section 6.1
    pair = bios(files)
    pair.client.write(b"last words")
    pair.move()
    pair.to_server.write_eof()
    assert pair.server.read() == b"last words"
    with pytest.raises(stdlib.SSLEOFError) as caught:
        pair.server.read()
    assert type(caught.value) is stdlib.SSLEOFError
    assert isinstance(caught.value.tlscore, TruncationError)  # type: ignore[attr-defined]
    client, server = files.client_context(), files.server_context()
    server.options |= stdlib.OP_IGNORE_UNEXPECTED_EOF
    forgiving = Bios(client, server).shake_hands()
    forgiving.to_server.write_eof()
    assert forgiving.server.read() == b""


def test_end_of_the_buffer_in_the_handshake_is_an_error(files: Files) -> None:
    pair = Bios(files.client_context(), files.server_context())
    pair.to_client.write_eof()
    with pytest.raises(stdlib.SSLEOFError, match="EOF occurred in violation of protocol"):
        pair.client.do_handshake()


def test_the_peer_gets_the_alert_that_explains_a_refusal(files: Files) -> None:
    # RFC 9846 section 6.2
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    pair = Bios(stranger, files.server_context())
    with pytest.raises(stdlib.SSLCertVerificationError) as refused:
        pair.shake_hands()
    assert refused.value.verify_code == 20
    with pytest.raises(stdlib.SSLError) as told:
        pair.server.do_handshake()
    assert told.value.reason == "TLSV1_ALERT_UNKNOWN_CA"
    with pytest.raises(stdlib.SSLCertVerificationError):
        pair.client.read()


def test_a_changed_record_is_refused(files: Files) -> None:
    # RFC 9846 section 5.2
    pair = bios(files)
    pair.client.write(b"abc")
    wire = bytearray(pair.from_client.read())
    wire[-1] ^= 1
    pair.to_server.write(wire)
    with pytest.raises(stdlib.SSLError) as caught:
        pair.server.read()
    assert caught.value.reason == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
    pair.move()
    with pytest.raises(stdlib.SSLError, match="alert bad record mac"):
        pair.client.read()


# -- how it is made ----------------------------------------------------------------------------------------------------


def test_wrap_bio_takes_everything_by_position_and_names_as_octets(files: Files) -> None:
    made = files.client_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), False, NAME.encode(), None)
    assert isinstance(made, ssl.SSLObject)
    assert isinstance(made, stdlib.SSLObject)
    assert (made.server_side, made.server_hostname) == (False, NAME)
    with pytest.raises(TypeError, match="public constructor"):
        ssl.SSLObject(ssl.MemoryBIO(), ssl.MemoryBIO())


def test_names_that_cannot_be_are_refused(files: Files) -> None:
    client = files.client_context()
    for name, error in (("", ValueError), (".example.org", ValueError), ("example.org\0evil.example", TypeError)):
        with pytest.raises(error):
            client.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name)


def test_objects_go_with_their_last_reference(files: Files) -> None:
    pair = bios(files)
    gc.disable()
    try:
        watched = weakref.ref(pair.client)
        assert pair.client._sslobj.owner is pair.client
        inner = pair.client._sslobj
        del pair.client
        assert watched() is None
        assert inner.owner is None
    finally:
        gc.enable()


def test_subclasses_keep_their_own_methods(files: Files) -> None:
    class Counted(ssl.SSLObject):
        reads = 0

        def read(self, len: int = 1024, buffer: Any = None) -> Any:
            self.reads += 1
            return super().read(len, buffer)

    server = files.server_context(sslobject_class=Counted)
    pair = Bios(files.client_context(), server).shake_hands()
    pair.client.write(b"abc")
    pair.move()
    assert pair.server.read() == b"abc"
    assert (type(pair.server), pair.server.reads) == (Counted, 1)


def test_another_context_answers_where_it_is_set_before_the_handshake(files: Files, tmp_path: Path) -> None:
    other = Files(tmp_path)
    pair = Bios(other.client_context(), files.server_context())
    pair.server.context = chosen = other.server_context()
    pair.shake_hands()
    assert pair.server.context is chosen
    assert pair.client.getpeercert(True) == stdlib.PEM_cert_to_DER_cert(Path(other.chain).read_text())
    with pytest.raises(TypeError, match="must be a SSLContext"):
        pair.server.context = object()


def test_there_are_no_sessions(files: Files) -> None:
    pair = bios(files)
    assert pair.client.session is None
    assert pair.client.session_reused is False
    with pytest.raises(TypeError, match="not a SSLSession"):
        pair.client.session = object()
    theirs = bios(files, THEIRS, THEIRS, **TLS12).client.session
    with pytest.raises(NotImplementedError):
        pair.client.session = theirs


def test_a_subclass_of_the_standard_librarys_object_works_too(files: Files) -> None:
    class Foreign(stdlib.SSLObject):
        pass

    pair = Bios(files.client_context(sslobject_class=Foreign), files.server_context()).shake_hands()
    pair.client.write(b"abc")
    pair.move()
    assert type(pair.client) is Foreign
    assert pair.server.read() == b"abc"


# -- authentication after the handshake --------------------------------------------------------------------------------


def test_a_client_can_be_asked_for_its_certificate_later(files: Files) -> None:
    # RFC 9846 section 4.7.2
    client = files.client_context(post_handshake_auth=True)
    client.load_cert_chain(files.client_chain, files.client_key)
    server = files.server_context(post_handshake_auth=True, verify_mode=stdlib.CERT_REQUIRED)
    server.load_verify_locations(files.ca)
    pair = Bios(client, server).shake_hands()
    assert pair.server.getpeercert() is None
    pair.server.verify_client_post_handshake()
    pair.server.write(b"who are you?")
    pair.move()
    assert pair.client.read() == b"who are you?"
    pair.client.write(b"me")
    pair.move()
    assert pair.server.read() == b"me"
    assert pair.server.getpeercert()["subjectAltName"] == (("DNS", "client.example"),)


def test_who_cannot_ask_is_told_why(files: Files) -> None:
    pair = bios(files)
    old = bios(files, **TLS12)
    for end, reason in (
        (pair.client, "NOT_SERVER"),
        (pair.server, "EXTENSION_NOT_RECEIVED"),
        (old.server, "WRONG_SSL_VERSION"),
    ):
        with pytest.raises(stdlib.SSLError) as caught:
            end.verify_client_post_handshake()
        assert caught.value.reason == reason


# -- scenes by chance --------------------------------------------------------------------------------------------------


def played(pair: Bios, chance: random.Random) -> list[Any]:
    """What a dozen calls by chance give, until one of them is fatal. A direction carries one record at a time, since a
    read of ours gives several where OpenSSL's gives one."""
    found, carried = list[Any](), {pair.client: 0, pair.server: 0}
    ends = (pair.client, pair.server)
    for _ in range(chance.randint(4, 16)):
        number = chance.randrange(2)
        end, peer = ends[number], ends[1 - number]
        action, size = (
            chance.choice(["write", "read", "read_into", "move", "move", "unwrap"]),
            chance.choice([1, 70, 9000]),
        )
        result: tuple[Any, ...] = ()
        if action == "move":
            pair.move()
        elif action == "write" and not carried[end]:
            result = outcome(lambda end=end, size=size: end.write(b"z" * size))  # type: ignore[misc]
            carried[end] = size if result[0] == "gives" else 0
        elif action.startswith("read"):
            buffer = bytearray(size)
            into = (size, buffer) if action == "read_into" else (size,)
            result = outcome(lambda end=end, into=into: end.read(*into))  # type: ignore[misc]
            if result[0] == "gives":
                carried[peer] -= result[1] if action == "read_into" else len(result[1])
        elif action == "unwrap":
            result = outcome(end.unwrap)
        found.append((action, number, size, result))
        if result[:1] == ("raises",) and result[1] is not stdlib.SSLWantReadError:
            break
    return found


@either_version
@pytest.mark.parametrize("seed", range(60))
def test_scenes_by_chance_go_as_with_openssl(files: Files, settings: dict[str, Any], seed: int) -> None:
    results = []
    for module in (OURS, THEIRS):
        pair = bios(files, module, module, **settings)
        for end in (pair.client, pair.server):
            # OpenSSL's server sends tickets.
            with pytest.raises(stdlib.SSLWantReadError):
                end.read(1)
        results.append(played(pair, random.Random(seed)))
    assert results[0] == results[1]
