"""Faults that an adversarial reading found, each as the test that keeps it mended."""

from __future__ import annotations

import ctypes
import datetime as dt
import gc
import os
import socket
import subprocess
import sys
import textwrap
import time
import tracemalloc
import weakref

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support import standing
from tests.support.certificates import make_ca, make_key
from tests.support.forger import logged
from tests.support.peers import ALL_SCHEMES, X25519, RawClient, RawServer, failure, pair, pump
from tests.support.standing import carry, connected
from tlscore import ClientConfig, Identity, ServerConfig, danger, errors
from tlscore._core import KeyShare, post_handshake_finished_mac
from tlscore.certs.names import DnsName
from tlscore.events import ClientCertificateReceived, ClientCertificateRequested
from tlscore.handshake import cookie as cookies
from tlscore.handshake import post_handshake
from tlscore.handshake.selections import KEPT_SELECTIONS
from tlscore.iana import NamedGroup
from tlscore.wire import (
    CertificateRequest,
    Cookie,
    Extensions,
    Finished,
    KeyShareClientHello,
    KeyShareEntry,
    PostHandshakeAuth,
    SelectedVersion,
    ServerName,
    SignatureAlgorithms,
)


def test_empty_records_leave_the_empty_bytes_object_alone():
    # There is one b"" in a process; its terminating zero must never serve as the place of a record's type octet.
    pair = logged()
    pair.server.receive(pair.as_client().seal(b""))
    assert pair.server.read() == b""
    assert ctypes.string_at(id(b"") + bytes.__basicsize__ - 1, 1) == b"\0"


def test_socket_reads_of_empty_records_leave_the_empty_bytes_object_alone():
    pair = logged()
    forger = pair.as_client()
    near, far = socket.socketpair()
    with near, far:
        far.sendall(forger.seal(b"") + forger.seal(b"x"))
        assert pair.server.read_bytes_from(near.fileno(), 100, 5.0) == b"x"
    assert ctypes.string_at(id(b"") + bytes.__basicsize__ - 1, 1) == b"\0"


def _updates_and_data(pairs: int) -> float:
    client, server = connected()
    wire = []
    for _ in range(pairs):
        client.update_keys()
        client.write(b"x")
        wire.append(client.data_to_send())
    server.receive(b"".join(wire))
    start = time.process_time()
    got = 0
    while data := server.read():
        got += len(data)
    assert got == pairs
    return time.process_time() - start


def test_reading_costs_as_much_as_arrived_when_every_read_stops_early():
    # Four times the records: about four times the work, where looking at all that waits each time made it sixteen.
    few = min(_updates_and_data(1000) for _ in range(3))
    many = min(_updates_and_data(4000) for _ in range(3))
    assert many < 9 * few


def test_dead_connection_keeps_no_frames_of_its_callers():
    client, server = connected()
    wire = bytearray(_written(client, b"x"))
    wire[-1] ^= 1
    server.receive(bytes(wire))
    with pytest.raises(errors.BadRecordMac):
        server.read()

    class Request:
        pass

    def ask() -> weakref.ref[Request]:
        request = Request()
        with pytest.raises(errors.BadRecordMac):
            server.read()
        return weakref.ref(request)

    asked = [ask() for _ in range(50)]
    gc.collect()
    # The last raise's frames are the error's to keep.
    assert sum(request() is not None for request in asked) <= 1


def test_nothing_is_pending_after_we_closed_whatever_the_peer_asks():
    client, server = connected()
    server.close()
    server.data_to_send()
    client.update_keys(True)
    server.receive(client.data_to_send())
    server.events()
    assert server.pending_wire == 0
    assert server.data_to_send() == b""


def test_answers_leave_behind_what_was_written_before():
    client, server = connected()
    server.write(b"first")
    client.update_keys(True)
    near, far = socket.socketpair()
    with near, far:
        far.sendall(client.data_to_send())
        with pytest.raises(errors.WantReadError):
            server.read_from(near.fileno(), bytearray(10), 0)
        client.receive(far.recv(10_000))
    assert client.read() == b"first"
    client.events()
    assert client.counters[2] == 1


def test_updates_that_we_asked_for_are_no_flood():
    client, server = connected()
    for _ in range(100):
        client.update_keys(True)
        client.write(b"x")
        carry(client, server)
        assert server.read() == b"x"
        carry(server, client)
        client.events()
    assert client.counters[2] == 100


def test_answers_do_not_pile_up_for_a_peer_that_does_not_read():
    client, server = connected()
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        buffer = bytearray(100)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        assert _fill(server, near.fileno())
        waiting = server.pending_wire
        for _ in range(500):
            client.update_keys(True)
            client.write(b"x")
            far.sendall(client.data_to_send())
            assert server.read_from(near.fileno(), buffer, 5.0) == 1
            with pytest.raises(errors.WantReadError):
                server.read_from(near.fileno(), buffer, 0)
        assert server.pending_wire <= waiting + 100


def test_forked_child_can_abort_while_a_thread_of_the_parent_held_a_lock():
    client, _ = connected()
    child = os.fork()
    if child == 0:
        client.abort()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with pytest.raises(errors.ForkedConnectionError):
        _in_child(lambda: client.counters)


def _fill(connection, fd: int) -> bool:  # type: ignore[no-untyped-def]
    """Write until the socket takes no more."""
    try:
        for _ in range(1000):
            connection.send_to(fd, bytes(16384), 0)
    except errors.WantWriteError:
        return True
    return False


def _in_child(work):  # type: ignore[no-untyped-def]
    child = os.fork()
    if child == 0:
        try:
            work()
        except errors.ForkedConnectionError:
            os._exit(7)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7:
        raise errors.ForkedConnectionError("in the child")


def _written(connection, data: bytes) -> bytes:  # type: ignore[no-untyped-def]
    connection.write(data)
    return connection.data_to_send()


# -- names of the client -----------------------------------------------------------------------------------------------

BAD_NAMES = [
    ".",
    "...",
    "example.org.",
    "x\r\nX-Admin: 1",
    "a b",
    "*.org",
    "a..b",
    "\0",
    "é",
    "a:1",
    "x" * 64,
    "a." * 127 + "ab",
]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_server_refuses_what_is_no_host_name(name, strict):
    # RFC 6066 3: "The hostname is represented as a byte string using ASCII encoding without a trailing dot."
    raw, server = RawClient(), standing.server_config(strict_sni=strict).connection()
    raw.hello(raw.hello_message(ServerName(name.encode())))
    error = failure(server.receive, raw.wire())
    assert type(error) is errors.IllegalParameter
    assert error.section == "RFC 6066 3"
    assert str(error).isprintable()


def test_strict_names_hold_in_the_configuration_too():
    config = standing.server_config(strict_sni=True)
    for name in ("", ".", "...", "other.org"):
        assert config.identities_for(name) == ()
    assert config.identities_for("Example.ORG.") == config.identities
    client = ClientConfig.simple(standing.trust()).connection(DnsName("other.org"), verify_as="example.org")
    assert type(failure(pump, client, config.connection())) is errors.UnrecognizedName


def test_a_server_for_everybody_has_no_strict_names():
    with pytest.raises(errors.ConfigError, match="answers to every name"):
        ServerConfig(
            identities=(standing.identity(),), strict_sni=True, unauthenticated=danger.accept_any_peer("a test")
        )


# -- authentication after the handshake --------------------------------------------------------------------------------


def _late():  # type: ignore[no-untyped-def]
    """A client that answers late requests, and the raw server that it is connected to."""
    client = standing.mutual_client_config(post_handshake_auth=True).connection(standing.NAME)
    raw = RawServer(standing.issued(), client).flight()
    client.receive(raw.wire())
    raw.complete(client.data_to_send())
    client.events()
    return client, raw


def _ask(raw, number):  # type: ignore[no-untyped-def]
    raw.send(CertificateRequest(b"%d" % number, Extensions([SignatureAlgorithms(ALL_SCHEMES)])))


def test_request_after_our_close_is_ignored_and_reading_goes_on():
    client, server = pair(
        standing.mutual_client_config(post_handshake_auth=True),
        ServerConfig.simple(standing.identity(), client_auth="post_handshake", client_trust=standing.trust()),
    )
    client.events()
    client.close()
    request = server.request_client_certificate()
    server.write(b"the rest")
    client.receive(server.data_to_send())
    assert client.read() == b"the rest"
    assert client.events() == [ClientCertificateRequested(request, False)]
    assert "after this side had closed" in client.diagnostic
    assert client.error is None
    server.receive(client.data_to_send())
    server.close()
    client.receive(server.data_to_send())
    assert client.read() == b""


def test_client_answers_a_bounded_number_of_requests():
    client, raw = _late()
    for number in range(post_handshake.ANSWERS_PER_CONNECTION):
        _ask(raw, number)
    client.receive(raw.wire())
    assert all(event.answered for event in client.events())
    _ask(raw, 99)
    client.receive(raw.wire())
    error = failure(client.events)
    assert type(error) is errors.UnexpectedMessage
    assert error.code == "TLS-TOO_MANY_REQUESTS"


def test_client_stops_to_answer_a_server_that_does_not_read(monkeypatch):
    monkeypatch.setattr(post_handshake, "WAITING_OCTETS", 1500)
    client, raw = _late()
    client.write(bytes(100_000))
    # What the application wrote is no reason: only our answers are the server's doing.
    for number in range(2):
        _ask(raw, number)
    client.receive(raw.wire())
    assert len(client.events()) == 2
    for number in range(2, 8):
        _ask(raw, number)
    client.receive(raw.wire())
    error = failure(client.events)
    assert error.code == "TLS-TOO_MANY_REQUESTS"
    assert "does not read" in error.cause


def _asked():  # type: ignore[no-untyped-def]
    """A server that has asked, and the raw client that may answer, with its Certificate in a record of its own."""
    config = ServerConfig.simple(standing.identity(), client_auth="post_handshake", client_trust=standing.trust())
    own = standing.authority().issue("client.example", usage="client")
    server, raw = config.connection(), RawClient(own)
    raw.hello(raw.hello_message(PostHandshakeAuth()))
    server.receive(raw.wire())
    raw.take_flight(server.data_to_send())
    raw.finished()
    server.receive(raw.wire())
    raw.complete()
    server.events()
    context = server.request_client_certificate()
    raw.feed(server.data_to_send())
    raw.pull()
    raw.certificate(context=context)
    server.receive(raw.wire())
    return server, raw


def _verify(raw):  # type: ignore[no-untyped-def]
    raw.certificate_verify()


def _finish(raw):  # type: ignore[no-untyped-def]
    raw.send(Finished(post_handshake_finished_mac(raw.layer, True, raw.transcript)))


def test_answer_in_records_of_its_own_is_taken():
    server, raw = _asked()
    for step in (_verify, _finish):
        step(raw)
        server.receive(raw.wire())
    (event,) = server.events()
    assert isinstance(event, ClientCertificateReceived)
    assert event.authenticated


BETWEEN = {
    "data": lambda raw: raw.layer.write(b"x"),
    "a KeyUpdate": lambda raw: raw.layer._request_key_update(False),
    "an alert": lambda raw: raw.layer._send_alert(1, 90),
}


@pytest.mark.parametrize("place", ["before CertificateVerify", "before Finished"])
@pytest.mark.parametrize("what", BETWEEN)
def test_nothing_comes_between_the_messages_of_an_answer(what, place):
    # RFC 9846 4.7.2: "All of the client's messages for a given response MUST appear consecutively on the wire"
    server, raw = _asked()
    if place == "before Finished":
        _verify(raw)
        server.receive(raw.wire())
    BETWEEN[what](raw)
    if place == "before CertificateVerify":
        _verify(raw)
    _finish(raw)
    server.receive(raw.wire())

    def read_all() -> None:
        while server.read():
            pass
        server.events()

    error = failure(read_all)
    assert type(error) is errors.UnexpectedMessage
    assert error.section == "RFC 9846 4.7.2"
    assert not server.authenticated


# -- HelloRetryRequest -------------------------------------------------------------------------------------------------


def test_cookie_that_no_hello_can_carry_is_refused():
    client = standing.client_config().connection(standing.NAME)
    raw = RawServer(standing.issued(), client)
    raw.retry(raw.retry_message(SelectedVersion(0x0304), Cookie(b"c" * 65_400)))
    error = failure(client.receive, raw.wire())
    assert type(error) is errors.IllegalParameter
    assert error.section == "RFC 9846 4.3.2"


def _cookie(config, **arguments):  # type: ignore[no-untyped-def]
    """The second ClientHello of a client, for any connection of `config`."""
    raw = RawClient(groups=(X25519, NamedGroup.secp256r1))
    server = config.connection(**arguments)
    raw.hello()
    server.receive(raw.wire())
    raw.feed(server.data_to_send())
    given = raw.pull().extensions.get(Cookie)
    public = KeyShare.generate(NamedGroup.secp256r1).public
    again = RawClient()
    again.send(raw.hello_message(KeyShareClientHello((KeyShareEntry(NamedGroup.secp256r1, public),)), given))
    return again.wire()


def test_cookies_are_bound_to_the_context_that_a_configuration_is_given():
    config = standing.server_config(groups=("secp256r1",), hello_retry_cookie=True)
    wire = _cookie(config, cookie_context=b"192.0.2.1")
    assert type(failure(config.connection(cookie_context=b"192.0.2.2").receive, wire)) is errors.IllegalParameter
    assert type(failure(config.connection().receive, wire)) is errors.IllegalParameter
    config.connection(cookie_context=b"192.0.2.1").receive(wire)
    with pytest.raises(errors.ConfigError, match="cookie_context is a str"):
        config.connection(cookie_context="192.0.2.1")


@pytest.mark.parametrize(("seconds", "taken"), [(29, True), (31, False), (-5, False)])
def test_cookies_age(monkeypatch, seconds, taken):
    config = standing.server_config(groups=("secp256r1",), hello_retry_cookie=True)
    wire = _cookie(config)
    later = int(time.monotonic()) + seconds
    monkeypatch.setattr(cookies.time, "monotonic", lambda: later)
    server = config.connection()
    if taken:
        server.receive(wire)
    else:
        assert type(failure(server.receive, wire)) is errors.IllegalParameter


# -- what a peer makes us keep or write --------------------------------------------------------------------------------


def test_junk_offers_neither_fill_the_memory_of_selections_nor_switch_it_off():
    config = ServerConfig.simple(standing.identity())
    names = [b"%03d." % number + b".".join([b"x" * 60] * 4) for number in range(2 * KEPT_SELECTIONS)]

    def offer(number: int) -> None:
        raw, server = RawClient(), config.connection()
        # As much as is kept at all.
        suites = (0x1301, *range(0x5000 + number, 0x5000 + number + 80))
        raw.hello(raw.hello_message(ServerName(names[number]), cipher_suites=suites))
        server.receive(raw.wire())

    offer(0)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(1, KEPT_SELECTIONS):
            offer(number)
        gc.collect()
        assert len(config._cache.memory().selections) == KEPT_SELECTIONS
        assert tracemalloc.get_traced_memory()[0] - before < 2**20
    finally:
        tracemalloc.stop()
    pump(standing.client_config().connection(standing.NAME), config.connection())
    assert any(key[6] == standing.NAME for key in config._cache.memory().selections)


def test_text_of_a_peer_in_errors_is_short():
    names = [f"{number:03d}{'x' * 55}.{'y' * 60}.{'z' * 60}.example" for number in range(40)]
    issued = standing.authority().issue(*names, usage="server")
    server = ServerConfig.simple(Identity.load(issued.chain_pem, issued.key_pem)).connection()
    client = standing.client_config().connection(".".join(["h" * 60] * 4))
    error = failure(pump, client, server)
    assert type(error) is errors.BadCertificate
    assert len(error.cause) <= errors.TEXT_LIMIT
    assert all(len(note) <= errors.TEXT_LIMIT for note in getattr(error, "__notes__", ()))
    assert len(errors.DecodeError("x" * 10_000).cause) == errors.TEXT_LIMIT
    # What we say about our own files is not cut.
    assert len(errors.ConfigError("x" * 600).cause) == 600


def test_certificates_of_a_peer_write_nothing_to_standard_error(tmp_path):
    key = make_key("p256")
    now = dt.datetime.now(dt.UTC)
    with pytest.warns(UserWarning, match="Attribute's length"):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "y" * 100, _validate=False)])
    authority = standing.authority()
    leaf = (
        x509.CertificateBuilder(authority.certificate.subject, subject, key.public_key(), 5)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(authority.key, SHA256())
        .public_bytes(Encoding.DER)
    )
    at = leaf.index(b"\x02\x01\x05")
    (tmp_path / "leaf").write_bytes(leaf)
    (tmp_path / "negative").write_bytes(leaf[:at] + b"\x02\x01\x85" + leaf[at + 3 :])
    (tmp_path / "ca").write_bytes(authority.der)
    program = textwrap.dedent("""
        import sys
        from tlscore import TrustStore, errors
        from tlscore.certs import verify
        trust = TrustStore.from_file("ca")
        for path in ("leaf", "negative"):
            try:
                verify.verify_server((open(path, "rb").read(),), trust, None)
            except errors.AlertError as error:
                print(error)
            print(verify.examine((open(path, "rb").read(),), trust))
    """)
    for arguments in ([], ["-W", "always"]):
        run = subprocess.run(
            [sys.executable, *arguments, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert "negative or zero" in run.stdout
        assert "Attribute" not in run.stderr
        assert "serial" not in run.stderr


# -- configurations ----------------------------------------------------------------------------------------------------


def test_opt_outs_built_by_hand_need_their_reason_too():
    with pytest.raises(errors.ConfigError, match="skip_name_check got no reason"):
        danger.SkipNameCheck(standing.trust(), "")
    for reason in (" ", 5):
        with pytest.raises(errors.ConfigError, match="accept_any_peer got no reason"):
            danger.AcceptAnyPeer(reason)  # type: ignore[arg-type]


@pytest.mark.parametrize(("mode", "reason"), [(0o644, "others than its owner"), (None, "No such file")])
def test_key_log_that_cannot_be_opened_names_path_and_reason(tmp_path, mode, reason):
    path = tmp_path / "keys" if mode else tmp_path / "missing" / "keys"
    if mode:
        path.touch()
        path.chmod(mode)
    config = ClientConfig.simple(standing.trust(), key_log=path)
    with pytest.raises(errors.ConfigError, match=reason) as caught:
        config.connection(standing.NAME)
    assert str(path) in str(caught.value)
    assert caught.value.remedy
    with pytest.raises(errors.ConfigError, match=reason):
        ServerConfig.simple(standing.identity(), key_log=path).connection()


@pytest.mark.parametrize(
    ("build", "name", "text"),
    [
        (ClientConfig.simple, "verify", "Verification is always on; see tlscore.danger"),
        (ClientConfig.simple, "check_hostname", "Verification is always on"),
        (ServerConfig.simple, "verify_mode", "Verification is always on"),
        (ClientConfig.simple, "timeout", r"connect\(timeout=...\)"),
        (ClientConfig.simple, "truts", 'Did you mean "trust"'),
        (ClientConfig.simple, "identity", r"ClientConfig.mutual\(identity=...\)"),
        (ClientConfig, "trust", r"ClientConfig.simple\(trust=...\)"),
        (ClientConfig.mutual, "identities", "mutual does not take identities=.*identity=, which takes one"),
        (ClientConfig.simple, "identities", r"simple does not take identities=.*mutual\(identity=...\)"),
        (ServerConfig.simple, "identities", "simple does not take identities="),
        (ServerConfig.mutual, "identities", "mutual does not take identities="),
        (ServerConfig.simple, "trust", r"ServerConfig.mutual\(client_trust=...\)"),
    ],
)
def test_names_of_other_libraries_lead_to_ours(build, name, text):
    given = {"identity": standing.identity()} if build == ServerConfig.simple and name != "identities" else {}
    if build == ClientConfig:
        given = {"authentication": danger.skip_name_check(standing.trust(), "a test")}
    with pytest.raises(errors.ConfigError, match=text):
        build(**{**given, name: None})


# -- texts and stages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"220 mail.example ESMTP\r\n"]
)
def test_peers_without_tls_get_a_remedy(greeting):
    client, server = standing.fresh()
    error = failure(client.receive, greeting)
    assert "connect to the TLS port (often 443)" in error.remedy
    assert "let the client speak TLS" in failure(server.receive, greeting).remedy


def test_truncation_that_a_read_finds_has_a_remedy():
    client, server = connected()
    client.write(b"x")
    carry(client, server)
    server.eof()
    assert server.read() == b"x"
    error = failure(server.read)
    assert type(error) is errors.TruncationError
    assert "do not trust the length" in error.remedy


def test_remedy_begins_a_sentence():
    assert str(errors.ConfigError("no.", remedy="do it")) == "no. Do it."
    assert str(errors.ConfigError("no", remedy="strict_sni=True does it")) == "no. strict_sni=True does it."


def test_refused_server_certificates_are_stage_13():
    wrong = ClientConfig.simple(standing.trust()).connection("other.example")
    assert failure(pump, wrong, standing.server_config().connection()).stage == 13
    client = standing.client_config().connection(standing.NAME)
    raw = RawServer(standing.issued(), client).hello().encrypted_extensions().certificate()
    raw.certificate_verify(key=make_key("p256")).finished()
    assert failure(client.receive, raw.wire()).stage == 13


def test_refused_client_certificates_are_stage_17():
    own = make_ca("A stranger").issue("client.example", usage="client")
    config = ClientConfig.mutual(standing.trust(), identity=Identity.load(own.chain_pem, own.key_pem))
    server = standing.mutual_server_config(advertise_cas=False).connection()
    assert failure(pump, config.connection(standing.NAME), server).stage == 17


def test_wrong_finished_are_stages_20_and_21():
    client = standing.client_config().connection(standing.NAME)
    raw = RawServer(standing.issued(), client).hello().encrypted_extensions().certificate().certificate_verify()
    raw.finished(bytes(32))
    assert failure(client.receive, raw.wire()).stage == 21
    server, other = standing.server_config().connection(), RawClient()
    other.hello()
    server.receive(other.wire())
    other.take_flight(server.data_to_send())
    other.finished(bytes(32))
    assert failure(server.receive, other.wire()).stage == 20
