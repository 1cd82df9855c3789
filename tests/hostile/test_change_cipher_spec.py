"""The change_cipher_spec of middlebox compatibility, and early data that was not asked for: dropped, within bounds.

RFC 9846 5: a record of exactly 0x01 "at any time after the first ClientHello message has been sent or received and
before the peer's Finished message has been received" is dropped; anything else is unexpected_message.
"""

import pytest

from tests.support.forger import logged
from tests.support.peers import RawClient, failure
from tests.support.standing import carry, connected, fresh, records_of, server_config
from tlscore import errors
from tlscore.iana import ExtensionType
from tlscore.wire import UnknownExtension

CCS = b"\x14\x03\x03\x00\x01\x01"


@pytest.mark.parametrize("at", range(5))
def test_client_drops_it_between_any_records_of_the_flight(at: int) -> None:
    client, server = fresh({}, {"middlebox_compatibility": False})
    carry(client, server)
    records = [record for record in records_of(server.data_to_send()) if record[0] != 20]
    records.insert(min(at, len(records) - 1), CCS)
    client.receive(b"".join(records))
    assert client.handshake_complete


@pytest.mark.parametrize("content", [b"", b"\x00", b"\x02", b"\x01\x01", b"\xff", b"\x01" * 100])
@pytest.mark.parametrize("role", ["client", "server"])
def test_any_other_content_is_refused(content: bytes, role: str) -> None:
    client, server = fresh()
    carry(client, server)
    end = client if role == "client" else server
    error = failure(end.receive, b"\x14\x03\x03" + len(content).to_bytes(2, "big") + content)
    assert type(error) is errors.UnexpectedMessage


def test_server_refuses_it_before_the_client_hello() -> None:
    _, server = fresh()
    assert type(failure(server.receive, CCS)) is errors.UnexpectedMessage


@pytest.mark.parametrize("role", [0, 1])
def test_it_is_refused_after_the_handshake(role: int) -> None:
    # attack 45.
    end = connected()[role]
    end.receive(CCS)
    assert type(failure(end.read)) is errors.UnexpectedMessage


@pytest.mark.parametrize("who", ["client", "server"])
def test_protected_one_is_refused(who: str) -> None:
    ends = logged(complete=False)
    carry(ends.client, ends.server)
    if who == "client":
        ends.client.receive(records_of(ends.server.data_to_send())[0])
        forger, end = ends.forger("SERVER_HANDSHAKE_TRAFFIC_SECRET"), ends.client
    else:
        carry(ends.server, ends.client)
        forger, end = ends.forger("CLIENT_HANDSHAKE_TRAFFIC_SECRET"), ends.server
    assert type(failure(end.receive, forger.seal(b"\x01", 20))) is errors.UnexpectedMessage


def test_it_is_sent_only_in_compatibility_mode() -> None:
    for on in (True, False):
        client, server = fresh({"middlebox_compatibility": on}, {"middlebox_compatibility": on})
        wire = [carry(client, server), carry(server, client), carry(client, server)]
        assert any(CCS in flight for flight in wire) is on
        assert client.handshake_complete
        assert server.handshake_complete


# -- early data that nobody accepts ------------------------------------------------------------------------------------


def early(octets: int) -> tuple[errors.TlsError | None, bool]:
    """What a server says to a client that sends so many octets of early data; and whether the handshake completed."""
    server = server_config().connection()
    client = RawClient()
    client.hello(client.hello_message(UnknownExtension(ExtensionType.early_data, b"")))
    server.receive(client.wire())
    client.take_flight(server.data_to_send())
    noise = b""
    while octets > 0:
        size = min(octets, 2000)
        noise += b"\x17\x03\x03" + size.to_bytes(2, "big") + bytes(size)
        octets -= size
    client.finished()
    try:
        server.receive(noise + client.wire())
    except errors.TlsError as error:
        return error, False
    return None, server.handshake_complete


@pytest.mark.parametrize("octets", [0, 100, 14_000])
def test_early_data_that_was_not_accepted_is_skipped(octets: int) -> None:
    assert early(octets) == (None, True)


def test_early_data_without_end_is_refused() -> None:
    # attack 38: 16 KiB are dropped, and then it is bad_record_mac like any record that cannot be opened.
    error, complete = early(20_000)
    assert isinstance(error, errors.BadRecordMac)
    assert not complete


def test_undeclared_early_data_is_refused_at_once() -> None:
    client, server = fresh()
    carry(client, server)
    error = failure(server.receive, b"\x17\x03\x03\x00\x20" + bytes(32))
    assert isinstance(error, errors.BadRecordMac)
