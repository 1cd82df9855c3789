"""What BoringSSL's runner found (tests/bogo), each as a test of its own that needs no runner."""

from __future__ import annotations

import pytest

from tests.support.peers import RawClient, RawServer, failure
from tests.support.standing import client_config, issued, server_config
from tlscore import errors
from tlscore.iana import AlertDescription, NamedGroup
from tlscore.wire import EarlyDataIndication, RecordSizeLimit, encode

CHANGE_CIPHER_SPEC = b"\x14\x03\x03\x00\x01\x01"


def test_client_sends_change_cipher_spec_before_an_alert_about_the_servers_flight():
    # RFC 9846 E.4: the record stands "before its encrypted handshake flight"; an encrypted alert in its place looks as
    # little like TLS 1.2 as an encrypted Finished would.
    client = client_config().connection("example.org")
    server = RawServer(issued(), client)
    server.hello().encrypted_extensions(RecordSizeLimit(1000))
    assert type(failure(client.receive, server.wire())) is errors.UnsupportedExtension
    wire = client.data_to_send()
    assert wire.startswith(CHANGE_CIPHER_SPEC)
    assert server.alert(wire) == AlertDescription.unsupported_extension


def test_client_sends_change_cipher_spec_once_in_a_whole_handshake():
    client, server = client_config().connection("example.org"), server_config().connection()
    server.receive(client.data_to_send())
    flight = server.data_to_send()
    # ServerHello and change_cipher_spec alone, then the rest: the answer to the first part is the record alone.
    cut = 5 + int.from_bytes(flight[3:5], "big") + len(CHANGE_CIPHER_SPEC)
    client.receive(flight[:cut])
    assert client.data_to_send() == CHANGE_CIPHER_SPEC
    client.receive(flight[cut:])
    assert client.handshake_complete
    assert client.data_to_send()[0] == 23


@pytest.mark.parametrize("octets", [1, 4, 16, 17, 300])
def test_server_skips_early_data_of_any_length(octets):
    # RFC 9846 4.3.10: "The server then skips past early data by attempting to deprotect received records using the
    # handshake traffic key, discarding records which fail deprotection": a record that is too short for a tag does.
    client = RawClient()
    server = server_config().connection()
    server.receive(client.hello(client.hello_message(EarlyDataIndication())).wire())
    client.take_flight(server.data_to_send())
    server.receive(b"\x17\x03\x03" + octets.to_bytes(2, "big") + bytes(octets))
    server.receive(client.finished().wire())
    assert server.handshake_complete


def test_server_refuses_a_second_client_hello_that_does_not_wait_for_the_retry():
    # RFC 9846 4.2.4: the retry tells what the second ClientHello must hold; what came before it cannot know.
    client = RawClient(groups=(NamedGroup.secp256r1, NamedGroup.x25519))
    hello = encode(client.hello_message())
    server = server_config(groups=("x25519",), key_shares=("x25519",)).connection()
    assert type(failure(server.receive, record(hello + hello[:4]))) is errors.UnexpectedMessage


def test_client_refuses_a_server_hello_that_does_not_wait_for_the_second_client_hello():
    client = client_config(groups=("x25519", "secp256r1"), key_shares=("x25519",)).connection("example.org")
    server = RawServer(issued(), client)
    retry = encode(server.retry_message())
    assert type(failure(client.receive, record(retry + b"\x02\0\0\x40"))) is errors.UnexpectedMessage


def record(content: bytes) -> bytes:
    return b"\x16\x03\x03" + len(content).to_bytes(2, "big") + content
