"""Every limit by its name: what it allows passes, one more ends the connection with the alert that the peer sees."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.forger import ALERT, HANDSHAKE, SUITES, Logged, logged
from tests.support.peers import RawServer, failure, pump
from tests.support.standing import carry, connected, everything, fresh, issued
from tlscore import Limits, defaults, errors, policies
from tlscore.connection import Connection
from tlscore.iana import SUITES13, CipherSuite

CCS = b"\x14\x03\x03\x00\x01\x01"
# RFC 9846 5.5: 2^24.5 records under one AES-GCM key, 2^23 under AES-CCM; for ChaCha20-Poly1305 the sequence number ends
# first.
MOST_RECORDS = {
    "TLS_AES_128_GCM_SHA256": 23_726_565,
    "TLS_AES_256_GCM_SHA384": 23_726_565,
    "TLS_AES_128_CCM_SHA256": 2**23,
    "TLS_AES_128_CCM_8_SHA256": 2**23,
}
TICKET = bytes((4, 0, 0, 26)) + bytes(8) + b"\x08" + b"noncenon" + b"\0\x05tickt" + b"\0\0"


def outcome_of(receiver: Connection, wire: bytes) -> errors.TlsError | None:
    """The error with which a connection takes these octets, or None."""
    try:
        receiver.receive(wire)
        receiver.events()
        while receiver.read():
            pass
        receiver.events()
    except errors.TlsError as error:
        return error
    return None


Flood = Callable[[Logged, int], bytes]
FLOODS: dict[str, tuple[str, int, Flood]] = {
    "empty_records": ("server", defaults.EMPTY_RECORDS, lambda ends, _: ends_of(ends, "client").seal(b"")),
    "warning_alerts": (
        "server",
        defaults.WARNING_ALERTS,
        lambda ends, _: ends_of(ends, "client").seal(b"\x01\x5a", ALERT),
    ),
    "post_handshake_messages": (
        "client",
        defaults.POST_HANDSHAKE_MESSAGES,
        lambda ends, _: ends_of(ends, "server").seal(TICKET, HANDSHAKE),
    ),
    "key_updates": ("server", defaults.KEY_UPDATES, lambda ends, _: key_update(ends)),
}


def ends_of(ends: Logged, who: str) -> Any:
    """The forger of one direction, the same one for all records of a connection."""
    kept: dict[str, Any] = ends.__dict__.setdefault("kept", {})
    if who not in kept:
        kept[who] = ends.as_client() if who == "client" else ends.as_server()
    return kept[who]


def key_update(ends: Logged) -> bytes:
    forger = ends_of(ends, "client")
    record: bytes = forger.seal(b"\x18\0\0\x01\0", HANDSHAKE)
    ends.__dict__["kept"]["client"] = forger.updated()
    return record


@pytest.mark.parametrize("setting", [None, 2, 50])
@pytest.mark.parametrize("name", FLOODS)
def test_flood_ends_at_its_limit_and_not_before(name: str, setting: int | None) -> None:
    who, default, record = FLOODS[name]
    settings = {} if setting is None else {"limits": Limits(**{name: setting})}
    ends = logged(settings, settings)
    receiver, peer = (ends.server, ends.client) if who == "server" else (ends.client, ends.server)
    allowed = default if setting is None else setting
    for number in range(allowed):
        assert outcome_of(receiver, record(ends, number)) is None, number
    error = outcome_of(receiver, record(ends, allowed))
    assert type(error) is errors.UnexpectedMessage
    assert error.alert_sent == 10
    assert type(outcome_of(peer, receiver.data_to_send())) is errors.UnexpectedMessage


@pytest.mark.parametrize("name", FLOODS)
def test_application_data_starts_the_count_again(name: str) -> None:
    who, default, record = FLOODS[name]
    ends = logged()
    receiver, peer = (ends.server, "client") if who == "server" else (ends.client, "server")
    for number in range(3 * default):
        assert outcome_of(receiver, record(ends, number)) is None, number
        if number % default == default - 1:
            receiver.receive(ends_of(ends, peer).seal(b"progress"))
            assert receiver.read() == b"progress"


def test_flood_inside_one_receive_ends_too() -> None:
    for name, (who, default, record) in FLOODS.items():
        ends = logged()
        receiver = ends.server if who == "server" else ends.client
        wire = b"".join(record(ends, number) for number in range(default + 1))
        assert type(outcome_of(receiver, wire)) is errors.UnexpectedMessage, name


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_change_cipher_spec_records_are_counted(limit: int) -> None:
    for extra in (0, 1):
        client, _ = fresh({"limits": Limits(change_cipher_specs=limit)})
        raw = RawServer(issued(), client)
        client.receive(raw.hello().wire())
        wire = CCS * (limit + extra)
        error = outcome_of_handshake(client, wire)
        assert (error is None) is (extra == 0), error
    assert defaults.CHANGE_CIPHER_SPECS == Limits().change_cipher_specs == 2


def outcome_of_handshake(receiver: Connection, wire: bytes) -> errors.TlsError | None:
    try:
        receiver.receive(wire)
    except errors.TlsError as error:
        return error
    return None


def test_handshake_messages_are_capped_by_kind() -> None:
    # kind -> limit, its default, and who takes such a message where.
    for kind, name, default in (
        (1, "client_hello", 16 << 10),
        (11, "certificate", 128 << 10),
        (8, "message", 64 << 10),
        (15, "message", 64 << 10),
        (20, "message", 64 << 10),
    ):
        assert getattr(Limits(), name) == default
        for setting in (None, 1000):
            cap = default if setting is None else setting
            settings = {} if setting is None else {"limits": Limits(**{name: setting})}
            for claim, refused in ((cap, False), (cap + 1, True), (0xFFFFFF + 4, True)):
                client, server = fresh(settings, settings)
                receiver = server if kind == 1 else client
                message = bytes((kind,)) + (claim - 4).to_bytes(3, "big") + b"start"
                if kind == 1:
                    wire = b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message
                else:
                    raw = RawServer(issued(), client)
                    raw.hello()
                    raw.layer._send_handshake(message)
                    wire = raw.wire()
                error = outcome_of_handshake(receiver, wire)
                if refused:
                    assert type(error) is errors.DecodeError, (name, kind, claim)
                    assert error.alert_sent == 50
                else:
                    assert error is None, (name, kind, claim)


def test_smaller_limits_refuse_honest_peers() -> None:
    for name, who in (("client_hello", "server"), ("certificate", "client"), ("message", "client")):
        settings = {"limits": Limits(**{name: 64})}
        client, server = fresh(settings if who == "client" else {}, settings if who == "server" else {})
        with pytest.raises(errors.DecodeError):
            pump(client, server)


def test_every_limit_has_its_test() -> None:
    tested = {*FLOODS, "change_cipher_specs", "client_hello", "certificate", "message", "rekey_records"}
    # What a handshake that waits may be sent: tests/handshake/test_waiting_hostile.py.
    tested.add("held")
    assert set(Limits._fields) == tested


@pytest.mark.parametrize("records", [2, 3, 7])
def test_keys_are_updated_at_rekey_records_by_themselves(records: int) -> None:
    client, server = connected({"limits": Limits(rekey_records=records)})
    for number in range(20):
        client.write(b"%d" % number)
        carry(client, server)
        assert server.read() == b"%d" % number
    # Each key protects `records` application records and the KeyUpdate that ends it.
    assert client.counters[3] == (20 - 1) // records
    assert server.counters[2] == client.counters[3]
    client.write(b"x" * 16384 * 20)
    carry(client, server)
    assert everything(server) == b"x" * 16384 * 20
    # An update that is due may leave with the records, or before the next ones.
    assert client.counters[3] in ((40 - 1) // records, 40 // records)


def test_peer_whose_key_grows_old_is_asked_for_an_update() -> None:
    client, server = connected({}, {"limits": Limits(rekey_records=4)})
    for _ in range(6):
        client.write(b"x")
        carry(client, server)
        server.read()
    carry(server, client)
    client.events()
    client.write(b"under new keys")
    carry(client, server)
    assert server.read() == b"under new keys"
    assert server.counters[2] == 1


@pytest.mark.parametrize("suite", SUITES13, ids=CipherSuite.name_of)
def test_key_near_its_hard_limit_is_updated_before_it(suite: int) -> None:
    client, server = connected({"suites": (suite,)}, {"suites": policies.IMPLEMENTED_SUITES})
    near = MOST_RECORDS.get(CipherSuite.name_of(suite), 2**64 - 2) - 3
    client._set_sequence(True, near)
    server._set_sequence(False, near)
    for number in range(6):
        client.write(b"%d" % number)
        carry(client, server)
        assert server.read() == b"%d" % number
    assert client.counters[3] >= 1


@pytest.mark.parametrize("suite", SUITES)
def test_key_that_is_used_up_is_refused_by_the_reader(suite: str) -> None:
    # RFC 9846 5.5: a peer that does not update is stopped here, exactly at the limit.
    most = MOST_RECORDS.get(suite, 2**64 - 2)
    ends = logged({"suites": (suite,)}, {"suites": tuple(SUITES)})
    forger = ends.as_client()
    forger.sequence = most - 1
    ends.server._set_sequence(False, most - 1)
    ends.server.receive(forger.seal(b"the last one"))
    assert ends.server.read() == b"the last one"
    forger.sequence = 0
    ends.server.receive(forger.seal(b"one too many"))
    error = failure(ends.server.read)
    assert type(error) is errors.InternalError
    assert "update" in str(error)
    assert type(outcome_of(ends.client, ends.server.data_to_send())) is errors.InternalError


def test_sequence_number_never_wraps_on_the_writing_side() -> None:
    for suite in SUITES13:
        client, _ = connected({"suites": (suite,)}, {"suites": policies.IMPLEMENTED_SUITES})
        client._set_sequence(True, 2**64 - 1)
        error = failure(client.write, b"x")
        assert type(error) is errors.InternalError
        assert client.closed
        # The alert would need the same key: nothing leaves.
        assert client.data_to_send() == b""


def test_hard_limit_can_be_lowered_for_one_connection() -> None:
    client, server = connected()
    client._set_limits({"rekey_records": 2**40, "hard_records": 10})
    server._set_limits({"rekey_records": 2**40, "hard_records": 10})
    for number in range(50):
        client.write(b"%d" % number)
        carry(client, server)
        assert server.read() == b"%d" % number
    assert client.counters[3] == (50 - 1) // 9
    server._set_limits({"hard_records": 3})
    client.write(b"x" * 16384 * 9)
    carry(client, server)
    outcome = None
    while outcome is None:
        try:
            server.read()
        except errors.TlsError as error:
            outcome = error
    assert type(outcome) is errors.InternalError


def test_unknown_and_impossible_limits_are_refused() -> None:
    client, _ = connected()
    for wrong in ({"unknown": 5}, {"empty_records": 0}, {"rekey_records": 1}, {"client_hello": 2**25}):
        with pytest.raises(ValueError, match="no limit"):
            client._set_limits(wrong)
    with pytest.raises(errors.ConfigError):
        Limits(unknown=5)
    for name in Limits._fields:
        for value in (0, -1, 2**64, "5", True, None):
            with pytest.raises(errors.ConfigError):
                Limits(**{name: value})


def test_error_text_stays_short_whatever_the_peer_sends() -> None:
    client, _ = fresh()
    assert len(str(failure(client.receive, b"HTTP" + b"\xff\x00\x1b" * 5000))) <= 500
