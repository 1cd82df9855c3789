"""HelloRetryRequest: between real ends, and every way in which one of the two can get it wrong."""

import pytest

from tests.support.peers import RawClient, RawServer, failure, pair
from tlscore import ClientConfig, ServerConfig, errors
from tlscore._core import KeyShare
from tlscore.connection import Connection
from tlscore.handshake import cookie as cookies
from tlscore.iana import NamedGroup
from tlscore.wire import (
    Alpn,
    Cookie,
    EarlyDataIndication,
    Extensions,
    HelloRetryRequest,
    KeyShareClientHello,
    KeyShareEntry,
    KeyShareHelloRetryRequest,
    Padding,
    SelectedVersion,
    UnknownExtension,
    decode,
)

P256, X25519 = NamedGroup.secp256r1, NamedGroup.x25519


@pytest.fixture(scope="module")
def retrying(identity):
    return ServerConfig.simple(identity, groups=("secp256r1",))


@pytest.fixture(scope="module")
def with_cookie(identity):
    return ServerConfig.simple(identity, groups=("secp256r1",), hello_retry_cookie=True)


@pytest.mark.parametrize("cookie", [False, True])
@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"])
def test_missing_share_costs_one_round_trip(client_config, identity, cookie, suite):
    server_config = ServerConfig.simple(identity, groups=("secp256r1",), hello_retry_cookie=cookie, suites=(suite,))
    client, server = pair(client_config, server_config)
    assert client.hello_retried
    assert server.hello_retried
    assert client.group == "secp256r1"
    assert client.channel_binding() == server.channel_binding()
    assert 6 in [step for step, text in client.trace if "second" in text]


def test_empty_key_share_asks_the_server_to_choose(trust, server_config):
    client, _ = pair(ClientConfig.simple(trust, key_shares=()), server_config)
    assert client.hello_retried


def test_second_hello_repeats_the_first_but_for_the_share(client_config, with_cookie):
    client, server = client_config.connection("example.org"), with_cookie.connection()
    wire = client.data_to_send()
    first = decode(wire[5:])
    server.receive(wire)
    answer = server.data_to_send()
    # HelloRetryRequest and change_cipher_spec, both in the clear.
    retry = decode(answer[5 : 5 + int.from_bytes(answer[3:5], "big")])
    assert isinstance(retry, HelloRetryRequest)
    assert answer[-6:] == b"\x14\x03\x03\x00\x01\x01"
    client.receive(answer)
    wire = client.data_to_send()
    assert wire[:6] == b"\x14\x03\x03\x00\x01\x01"
    second = decode(wire[11:])
    assert second.random == first.random
    assert second.legacy_session_id == first.legacy_session_id
    assert second.extensions.codes == (*first.extensions.codes, Cookie.code)
    assert second.extensions.get(Cookie) == retry.extensions.get(Cookie)
    (share,) = second.extensions.get(KeyShareClientHello).client_shares
    assert share.group == P256
    server.receive(wire)
    flight = server.data_to_send()
    assert b"\x14\x03\x03\x00\x01\x01" not in flight[:200]
    client.receive(flight)
    assert client.data_to_send()[0] == 23


def test_cookie_brings_the_retry_to_another_connection(client_config, with_cookie):
    """Stateless: the connection that takes the second ClientHello knows nothing of the first."""
    client, first = client_config.connection("example.org"), with_cookie.connection()
    first.receive(client.data_to_send())
    client.receive(first.data_to_send())
    second = with_cookie.connection()
    second.receive(client.data_to_send())
    client.receive(second.data_to_send())
    second.receive(client.data_to_send())
    assert second.handshake_complete
    assert second.hello_retried
    assert client.channel_binding() == second.channel_binding()


def test_cookie_is_bound_to_its_context_and_its_server(client_config, with_cookie, identity):
    client, first = client_config.connection("example.org"), Connection(False, with_cookie, cookie_context=b"here")
    first.receive(client.data_to_send())
    client.receive(first.data_to_send())
    wire = client.data_to_send()
    elsewhere = Connection(False, with_cookie, cookie_context=b"elsewhere")
    assert type(failure(elsewhere.receive, wire)) is errors.IllegalParameter
    stranger = ServerConfig.simple(identity, groups=("secp256r1",), hello_retry_cookie=True).connection()
    assert type(failure(stranger.receive, wire)) is errors.IllegalParameter
    again = Connection(False, with_cookie, cookie_context=b"here")
    again.receive(wire)


def test_stateless_server_checks_that_the_hello_is_the_same(with_cookie):
    raw = RawClient(groups=(X25519, P256))
    first = with_cookie.connection()
    raw.hello()
    first.receive(raw.wire())
    raw.feed(first.data_to_send())
    retry = raw.pull()
    cookie = retry.extensions.get(Cookie)
    share = KeyShareClientHello((KeyShareEntry(P256, KeyShare.generate(P256).public),))
    honest = raw.hello_message(share, cookie)
    with_cookie.connection().receive(record(honest))
    for changed in (
        honest.replace(random=bytes(32)),
        honest.replace(legacy_session_id=b""),
        honest.replace(cipher_suites=(0x1301, 0x1302)),
        raw.hello_message(share, cookie, Alpn((b"h2",))),
    ):
        assert type(failure(with_cookie.connection().receive, record(changed))) is errors.IllegalParameter


def record(message):
    raw = RawClient()
    raw.send(message)
    return raw.wire()


# -- what a client refuses ---------------------------------------------------------------------------------------------


def retried(client_config, issued, *values, **fields):
    client = client_config.connection("example.org")
    raw = RawServer(issued, client)
    raw.retry(raw.retry_message(*values, **fields))
    return client, raw


V13 = SelectedVersion(0x0304)
ASK_P256 = KeyShareHelloRetryRequest(P256)


@pytest.mark.parametrize(
    ("values", "fields", "expected"),
    [
        ((V13,), {}, errors.IllegalParameter),
        ((V13, KeyShareHelloRetryRequest(X25519)), {}, errors.IllegalParameter),
        ((V13, KeyShareHelloRetryRequest(NamedGroup.secp521r1)), {}, errors.IllegalParameter),
        ((V13, KeyShareHelloRetryRequest(0x2A2A)), {}, errors.IllegalParameter),
        ((SelectedVersion(0x0303), ASK_P256), {}, errors.IllegalParameter),
        ((SelectedVersion(0x0305), ASK_P256), {}, errors.IllegalParameter),
        ((ASK_P256,), {}, errors.MissingExtension),
        ((V13, ASK_P256, UnknownExtension(0x7777, b"")), {}, errors.UnsupportedExtension),
        ((V13, ASK_P256), {"cipher_suite": 0x1305}, errors.IllegalParameter),
        ((V13, ASK_P256), {"cipher_suite": 0x1304}, errors.IllegalParameter),
        ((V13, ASK_P256), {"legacy_session_id_echo": bytes(32)}, errors.IllegalParameter),
        ((V13, ASK_P256), {"legacy_compression_method": 1}, errors.IllegalParameter),
        ((V13, ASK_P256), {"legacy_version": 0x0304}, errors.ProtocolVersionError),
    ],
    ids=str,
)
def test_client_refuses_a_bad_retry(client_config, issued, values, fields, expected):
    client, raw = retried(client_config, issued, *values, **fields)
    error = failure(client.receive, raw.wire())
    assert type(error) is expected
    assert raw.alert(client.data_to_send()) == expected.alert


def test_client_refuses_a_second_retry(client_config, issued):
    client, raw = retried(client_config, issued, V13, ASK_P256)
    client.receive(raw.wire())
    raw.take_hello(client.data_to_send())
    raw.send(raw.retry_message(V13, Cookie(b"again")))
    error = failure(client.receive, raw.wire())
    assert type(error) is errors.UnexpectedMessage
    assert raw.alert(client.data_to_send()) == 10


def test_client_takes_a_retry_with_a_cookie_alone(client_config, issued):
    client, raw = retried(client_config, issued, V13, Cookie(b"c" * 300))
    client.receive(raw.wire())
    hello = raw.take_hello(client.data_to_send())
    assert hello.extensions.get(Cookie).cookie == b"c" * 300
    raw.hello(after_retry=True).encrypted_extensions().certificate().certificate_verify()
    raw.finished()
    client.receive(raw.wire())
    assert client.handshake_complete
    assert client.hello_retried


@pytest.mark.parametrize("change", ["suite", "group", "version"])
def test_client_refuses_a_server_hello_that_differs_from_the_retry(client_config, issued, change):
    client, raw = retried(client_config, issued, V13, ASK_P256)
    client.receive(raw.wire())
    raw.take_hello(client.data_to_send())
    message = raw.hello_message(group=X25519 if change == "group" else P256)
    if change == "suite":
        message = message.replace(cipher_suite=0x1303)
    if change == "version":
        shares = [value for value in message.extensions if not isinstance(value, SelectedVersion)]
        message = message.replace(extensions=Extensions([SelectedVersion(0x0303), *shares]))
    raw.send(message)
    assert type(failure(client.receive, raw.wire())) is errors.IllegalParameter


# -- what a server refuses ---------------------------------------------------------------------------------------------


def asked_again(config):
    """A raw client to which the server has just sent a HelloRetryRequest for secp256r1."""
    raw, server = RawClient(groups=(X25519, P256)), config.connection()
    raw.hello()
    server.receive(raw.wire())
    raw.feed(server.data_to_send())
    retry = raw.pull()
    assert isinstance(retry, HelloRetryRequest)
    raw.share = KeyShare.generate(P256)
    return raw, server, KeyShareClientHello((KeyShareEntry(P256, raw.share.public),)), retry


def test_server_takes_an_honest_second_hello(retrying):
    raw, server, share, _ = asked_again(retrying)
    raw.hello(raw.hello_message(share, Padding(bytes(20))))
    server.receive(raw.wire())
    assert server.data_to_send()


@pytest.mark.parametrize(
    "change",
    [
        "random",
        "session_id",
        "suites",
        "new_extension",
        "dropped_extension",
        "early_data",
        "same_share",
        "two_shares",
        "no_share",
        "other_order",
    ],
)
def test_server_refuses_a_second_hello_that_changed(retrying, change):
    raw, server, share, _ = asked_again(retrying)
    honest = raw.hello_message(share)
    x25519 = KeyShareEntry(X25519, KeyShare.generate(X25519).public)
    message = {
        "random": lambda: honest.replace(random=bytes(32)),
        "session_id": lambda: honest.replace(legacy_session_id=b""),
        "suites": lambda: honest.replace(cipher_suites=(0x1301, 0x1303)),
        "new_extension": lambda: raw.hello_message(share, UnknownExtension(0x7777, b"")),
        "dropped_extension": lambda: raw.hello_message(share).replace(
            extensions=Extensions([value for value in honest.extensions if value.code != 13])
        ),
        "early_data": lambda: raw.hello_message(share, EarlyDataIndication()),
        "same_share": lambda: raw.hello_message(KeyShareClientHello((x25519,))),
        "two_shares": lambda: raw.hello_message(KeyShareClientHello((x25519, share.client_shares[0]))),
        "no_share": lambda: raw.hello_message(KeyShareClientHello(())),
        "other_order": lambda: honest.replace(extensions=Extensions(reversed(list(honest.extensions)))),
    }[change]()
    raw.hello(message)
    error = failure(server.receive, raw.wire())
    assert type(error) is (errors.MissingExtension if change == "dropped_extension" else errors.IllegalParameter)


@pytest.mark.parametrize("value", [None, b"another cookie"])
def test_server_wants_its_cookie_back(with_cookie, value):
    raw, server, share, _ = asked_again(with_cookie)
    raw.hello(raw.hello_message(share, *([Cookie(value)] if value else [])))
    assert type(failure(server.receive, raw.wire())) is errors.IllegalParameter


def test_server_ignores_a_cookie_that_it_never_asked_for(server_config):
    raw, server = RawClient(), server_config.connection()
    raw.hello(raw.hello_message(Cookie(b"from elsewhere")))
    server.receive(raw.wire())
    assert server.data_to_send()


def test_damaged_cookies_are_refused(with_cookie):
    raw, _server, share, retry = asked_again(with_cookie)
    good = retry.extensions.get(Cookie).cookie
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 1
        message = raw.hello_message(share, Cookie(bytes(bad)))
        assert type(failure(with_cookie.connection().receive, record(message))) is errors.IllegalParameter
    assert cookies.open_cookie(with_cookie._cache.cookie_key, good[:-1], b"") is None
