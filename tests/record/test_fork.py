"""Rule 9: after fork() the child cannot seal, open or send on a connection that the parent owns; the parent goes on."""

import os
import pickle
import traceback
from collections.abc import Callable

from tests.support.peers import pump
from tests.support.standing import carry, connected, fresh
from tlscore import errors
from tlscore.connection import Connection


def in_child(work: Callable[[], object]) -> object:
    """What `work` gives in a forked child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            try:
                result = work()
            except BaseException:
                result = traceback.format_exc()
            os.write(writing, pickle.dumps(result))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        octets = stream.read()
    os.waitpid(child, 0)
    result: object = pickle.loads(octets)
    return result


def outcomes(calls: dict[str, Callable[[], object]]) -> dict[str, str]:
    """Name of the exception, or "passed", of each call."""
    found = {}
    for name, call in calls.items():
        try:
            call()
        except Exception as error:
            found[name] = type(error).__name__
        else:
            found[name] = "passed"
    return found


def every_call(conn: Connection, wire: bytes) -> dict[str, Callable[[], object]]:
    buffer = bytearray(1000)
    return {
        "write": lambda: conn.write(b"child"),
        "write_many": lambda: conn.write_many([b"child"]),
        "write_into": lambda: conn.write_into(b"child", buffer),
        "wire_size": lambda: conn.wire_size(5),
        "receive": lambda: conn.receive(wire),
        "read": conn.read,
        "read_into": lambda: conn.read_into(buffer),
        "data_to_send": conn.data_to_send,
        "update_keys": conn.update_keys,
        "close": conn.close,
        "events": conn.events,
        "eof": conn.eof,
        "send_to": lambda: conn.send_to(1, b"child", 0),
        "read_from": lambda: conn.read_from(0, buffer, 0),
        "flush_to": lambda: conn.flush_to(1, 0),
        "fill_from": lambda: conn.fill_from(0, 0),
    }


def test_child_can_do_nothing_and_the_parent_goes_on() -> None:
    client, server = connected()
    server.write(b"waiting")
    wire = server.data_to_send()
    client.write(b"sealed before")
    found = in_child(lambda: outcomes(every_call(client, wire)))
    assert isinstance(found, dict), found
    assert set(found.values()) == {"ForkedConnectionError"}, found
    client.receive(wire)
    assert client.read() == b"waiting"
    client.write(b" and after")
    carry(client, server)
    assert server.read() == b"sealed before and after"
    assert client.error is None


def test_child_is_refused_with_received_data_waiting_too() -> None:
    client, server = connected()
    server.write(b"waiting")
    carry(server, client)
    found = in_child(lambda: outcomes({"read": client.read, "read_into": lambda: client.read_into(bytearray(9))}))
    assert found == {"read": "ForkedConnectionError", "read_into": "ForkedConnectionError"}
    assert client.read() == b"waiting"


def test_child_is_refused_in_the_middle_of_a_handshake() -> None:
    client, server = fresh()
    carry(client, server)
    wire = server.data_to_send()
    assert in_child(lambda: outcomes({"receive": lambda: client.receive(wire)})) == {"receive": "ForkedConnectionError"}
    client.receive(wire)
    pump(client, server)
    assert server.handshake_complete


def test_child_can_abort_and_its_own_connections_work() -> None:
    client, server = connected()

    def work() -> object:
        client.abort()
        own_client, own_server = connected()
        own_client.write(b"own")
        carry(own_client, own_server)
        return own_server.read()

    assert in_child(work) == b"own"
    client.write(b"untouched")
    carry(client, server)
    assert server.read() == b"untouched"


def test_error_of_a_child_names_the_repair() -> None:
    client, _ = connected()

    def work() -> object:
        try:
            client.write(b"x")
        except errors.ForkedConnectionError as error:
            return str(error)
        return "nothing was raised"

    assert "process" in str(in_child(work))


def test_grandchildren_are_refused_too() -> None:
    client, _ = connected()
    assert in_child(lambda: in_child(lambda: outcomes({"write": lambda: client.write(b"x")}))) == {
        "write": "ForkedConnectionError"
    }


def test_random_octets_and_shares_differ_between_parent_and_child() -> None:
    from tlscore import _core

    def draw() -> tuple[bytes, bytes]:
        return _core.random_bytes(32), _core.KeyShare.generate(0x001D).public

    draw()
    childs = [in_child(draw) for _ in range(3)]
    everything = [octets for pair in [*childs, draw()] for octets in pair]  # type: ignore[attr-defined]
    assert len(set(everything)) == 8
