"""Memory: nothing grows after connections close, an idle one is small, none waits for the collector; and rule 11."""

import gc
import sys
import weakref

import pytest

from tests.support.memory import run_script
from tests.support.standing import carry, connected, fresh, pattern

KIB = 1024
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")


def test_connections_die_with_their_last_name_and_leave_no_cycle() -> None:
    for make in (fresh, connected):
        client, server = make()
        if make is connected:
            client.write(b"x")
            carry(client, server)
            server.read()
            client.close()
            carry(client, server)
            server.events()
        gc.collect()
        gc.disable()
        try:
            seen = [weakref.ref(client), weakref.ref(server)]
            del client, server
            assert [reference() for reference in seen] == [None, None], make.__name__
            assert gc.collect() == 0
        finally:
            gc.enable()


def test_half_open_connection_dies_at_once_at_every_step() -> None:
    for step in range(4):
        client, server = fresh()
        for sender, receiver in ((client, server), (server, client), (client, server))[:step]:
            carry(sender, receiver)
        gc.collect()
        gc.disable()
        try:
            seen = [weakref.ref(client), weakref.ref(server)]
            del client, server, sender, receiver
        except UnboundLocalError:
            pass
        finally:
            gc.enable()
        assert [reference() for reference in seen] == [None, None], step


def test_aborted_and_closed_connections_die_at_once() -> None:
    for way in ("abort", "close"):
        client, _ = connected()
        getattr(client, way)()
        seen = weakref.ref(client)
        del client
        assert seen() is None, way


def test_ten_thousand_pairs_opened_and_closed_leave_nothing() -> None:
    found = run_script(
        """
        import gc, json
        from tests.support.memory import resident
        from tests.support.standing import carry, connected
        gc.disable()
        after = []
        for _ in range(10):
            held = []
            for _ in range(1000):
                client, server = connected()
                client.write(b"x" * 1000)
                carry(client, server)
                server.read()
                client.close(), server.close()
                carry(client, server), carry(server, client)
                held.append((client, server))
            del held, client, server
            after.append(resident())
        print(json.dumps(after))
        """
    )
    assert max(found[5:]) - max(found[2:5]) <= 256 * KIB, [value // KIB for value in found]


def test_idle_connection_is_small() -> None:
    held, count = run_script(
        """
        import gc, json
        from tests.support.memory import resident
        from tests.support.standing import carry, connected
        for _ in range(200):
            connected()
        gc.collect()
        pairs = [None] * 2000
        before = resident()
        for number in range(2000):
            pairs[number] = connected()
        gc.collect()
        print(json.dumps([resident() - before, 2 * len(pairs)]))
        """
    )
    print(f"idle connection: {held / count / KIB:.2f} KiB resident")
    assert held / count <= 8 * KIB


def test_connection_gives_its_buffers_back_after_traffic() -> None:
    quiet, busy = run_script(
        """
        import gc, json
        from tests.support.memory import resident
        from tests.support.standing import carry, connected, everything
        data = b"x" * (1 << 20)
        pairs = [connected() for _ in range(300)]
        for client, server in pairs[:20]:
            client.write(data); carry(client, server); everything(server)
        gc.collect()
        before = resident()
        for client, server in pairs[20:]:
            for sender, receiver in ((client, server), (server, client)):
                sender.write(data)
                wire = sender.data_to_send()
                # In pieces from a buffer that may change: the way that copies.
                for at in range(0, len(wire), 100_000):
                    receiver.receive(bytearray(wire[at:at + 100_000]))
                    everything(receiver)
                wire = None
        gc.collect()
        print(json.dumps([before, resident()]))
        """
    )
    assert busy - quiet <= 280 * 2 * 8 * KIB


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("ClientHello", "b'\\x16\\x03\\x01\\x00\\x08\\x01' + CLAIM + b'\\x03\\x03\\x00\\x00'"),
        ("record", "b'\\x16\\x03\\x01\\x40\\x00\\x01'"),
        ("drip", "b'\\x16\\x03\\x01\\x00\\x01\\x01' + b'\\x16\\x03\\x01\\x00\\x01\\xff'"),
    ],
)
def test_claims_of_a_client_reserve_nothing(name: str, wire: str) -> None:
    # Rule 11. The limit is raised as far as it goes, so that the claim of 16 MiB is a lawful one.
    grown = run_script(
        f"""
        import gc, json
        from tlscore import Limits
        from tests.support.memory import resident
        from tests.support.standing import server_config
        CLAIM = (0xfffff0).to_bytes(3, "big")
        config = server_config(limits=Limits(client_hello=2**24))
        def open_one():
            conn = config.connection()
            conn.receive({wire})
            return conn
        warm = [open_one() for _ in range(100)]
        gc.collect()
        before = resident()
        held = [open_one() for _ in range(500)]
        assert all(conn.error is None for conn in held)
        print(json.dumps(resident() - before))
        """
    )
    assert grown / 500 <= 8 * KIB, f"{name}: {grown / 500 / KIB:.1f} KiB each"


def test_claims_of_a_server_reserve_nothing() -> None:
    grown = run_script(
        """
        import gc, json
        from tlscore import Limits
        from tests.support.memory import resident
        from tests.support.peers import RawServer
        from tests.support.standing import NAME, client_config, issued
        config = client_config(limits=Limits(certificate=2**24, message=2**24))
        def open_one():
            conn = config.connection(NAME)
            raw = RawServer(issued(), conn)
            raw.hello().encrypted_extensions()
            raw.layer._send_handshake(b"\\x0b\\xff\\xff\\xf0" + b"\\0\\xff\\xff\\xec")
            wire = raw.wire()
            conn.receive(wire)
            return conn
        warm = [open_one() for _ in range(100)]
        gc.collect()
        before = resident()
        held = [open_one() for _ in range(500)]
        assert all(conn.error is None for conn in held)
        print(json.dumps(resident() - before))
        """
    )
    assert grown / 500 <= 16 * KIB, f"{grown / 500 / KIB:.1f} KiB each"


def test_failed_handshakes_leave_nothing() -> None:
    found = run_script(
        """
        import json
        from tests.support.memory import resident
        from tests.support.standing import server_config
        from tlscore import TlsError
        def serve(config):
            conn = config.connection()
            try:
                conn.receive(b"GET / HTTP/1.1\\r\\n\\r\\n")
            except TlsError:
                pass
        after = []
        for _ in range(6):
            for _ in range(1500):
                serve(server_config())
            after.append(resident())
        print(json.dumps(after))
        """
    )
    assert found[-1] - found[2] <= 256 * KIB, [value // KIB for value in found]


def test_what_waits_is_counted_and_no_more_than_what_came() -> None:
    client, server = connected()
    client.write(pattern(100_000))
    wire = client.data_to_send()
    server.receive(wire)
    assert server.buffered_wire == len(wire)
    server.read_into(bytearray(10))
    assert server.pending_plaintext == 16384 - 10
