"""Very many connections: no error, no octet lost, memory per connection bounded. A thousand here; ten thousand by hand.

python -m tests.support.many_connections 10000
"""

import json
import subprocess
import sys

import pytest

from tests.support.many_connections import CLIENT_PROCESSES, ECHOES_AT_ONCE
from tests.support.memory import REPOSITORY, environment, run_script

KIB = 1024
AT_ONCE = CLIENT_PROCESSES * ECHOES_AT_ONCE


def test_a_thousand_clients_echo_and_stay() -> None:
    """Each sends three messages of 1 to 64 KiB from two other processes and compares what comes back."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.many_connections", "1000"],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["errors"] == []
    assert found["connected: connections"] == found["echoed: connections"] == 1000
    assert found["closed: connections"] == 0
    before = found["before: resident"]
    # Of each: transport, connection, reader, writer, protocol and the task that serves it.
    assert (found["connected: resident"] - before) / 1000 <= 24 * KIB
    assert (found["echoed: resident"] - before) / 1000 <= 24 * KIB
    # And what those hold that echo at this moment.
    assert found["peak: resident"] - before <= 1000 * 40 * KIB + AT_ONCE * 256 * KIB


@pytest.mark.parametrize("hello", ["nothing", "part"])
def test_half_open_clients_cost_little_and_are_gone_at_the_deadline(hello: str) -> None:
    """Clients that connect and say nothing, or half a ClientHello: at most 16 KiB each (attackers have many)."""
    found = run_script(f"""
        import asyncio, json, socket
        from tests.aio.conftest import NAME, port_of
        from tests.support.certificates import make_ca
        from tests.support.memory import resident
        from tlscore import ClientConfig, Identity, ServerConfig, TrustStore, aio

        COUNT = 400
        authority = make_ca()
        leaf = authority.issue(NAME, usage="server")
        config = ServerConfig.simple(identity=Identity.load(leaf.chain_pem, leaf.key_pem))
        hello = ClientConfig.simple(trust=TrustStore.from_bytes(authority.pem)).connection(NAME).data_to_send()

        async def main():
            refused = []
            server = await aio.create_server(
                asyncio.Protocol, "127.0.0.1", 0, config, backlog=COUNT, handshake_timeout=4.0,
                refused=lambda error, _: refused.append(type(error).__name__),
            )
            async def knock():
                sock = socket.create_connection(("127.0.0.1", port_of(server)))
                sock.sendall(hello[:1000] if {hello!r} == "part" else b"")
                await asyncio.sleep(0)
                return sock
            first = [await knock() for _ in range(20)]
            await asyncio.sleep(0.1)
            before = resident()
            socks = [await knock() for _ in range(COUNT)]
            while server.connections < COUNT + 20:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            each = (resident() - before) / COUNT
            while server.connections:
                await asyncio.sleep(0.05)
            for sock in first + socks:
                sock.close()
            server.close()
            await server.wait_closed()
            print(json.dumps([each, len(refused), sorted(set(refused))]))

        asyncio.run(main())
    """)
    each, refused, kinds = found
    assert each <= 16 * KIB
    assert refused == 420
    assert kinds == ["HandshakeTimeout"]


def test_idle_connection_of_both_ends_with_streams() -> None:
    """A client and a server in one process, after an echo: at most 24 KiB an end."""
    each = run_script("""
        import asyncio, json
        from tests.aio.conftest import NAME, port_of
        from tests.support.certificates import make_ca
        from tests.support.memory import resident
        from tlscore import ClientConfig, Identity, ServerConfig, TrustStore, aio

        COUNT = 300
        authority = make_ca()
        leaf = authority.issue(NAME, usage="server")
        server_config = ServerConfig.simple(identity=Identity.load(leaf.chain_pem, leaf.key_pem))
        client_config = ClientConfig.simple(trust=TrustStore.from_bytes(authority.pem))

        async def echo(reader, writer):
            while not reader.at_eof():
                writer.write(await reader.read(65536))
                await writer.drain()
            writer.close()

        async def main():
            server = await aio.start_server(echo, "127.0.0.1", 0, server_config)
            async def talk():
                reader, writer = await aio.open_connection(
                    "127.0.0.1", port_of(server), client_config, server_name=NAME
                )
                writer.write(bytes(16384))
                assert len(await reader.readexactly(16384)) == 16384
                return reader, writer
            first = [await talk() for _ in range(50)]
            before = resident()
            kept = [await talk() for _ in range(COUNT)]
            each = (resident() - before) / COUNT / 2
            for _, writer in first + kept:
                writer.close()
            await asyncio.gather(*[writer.wait_closed() for _, writer in first + kept])
            server.close()
            await server.wait_closed()
            print(json.dumps(each))

        asyncio.run(main())
    """)
    assert each <= 24 * KIB


def test_connections_that_come_and_go_leave_nothing() -> None:
    """Descriptors, tasks and objects are as many after a thousand connections as before."""
    found = run_script(
        """
        import asyncio, gc, json, os
        from tests.aio.conftest import NAME, port_of
        from tests.support.certificates import make_ca
        from tests.support.memory import resident
        from tlscore import ClientConfig, Identity, ServerConfig, TrustStore, aio

        authority = make_ca()
        leaf = authority.issue(NAME, usage="server")
        server_config = ServerConfig.simple(identity=Identity.load(leaf.chain_pem, leaf.key_pem))
        client_config = ClientConfig.simple(trust=TrustStore.from_bytes(authority.pem))

        async def echo(reader, writer):
            while not reader.at_eof():
                writer.write(await reader.read(65536))
                await writer.drain()
            writer.close()

        async def main():
            gc.disable()
            server = await aio.start_server(echo, "127.0.0.1", 0, server_config)
            async def talk():
                reader, writer = await aio.open_connection(
                    "127.0.0.1", port_of(server), client_config, server_name=NAME
                )
                writer.write(b"x")
                await reader.readexactly(1)
                writer.close()
                await writer.wait_closed()
            async def state():
                while server.connections:
                    await asyncio.sleep(0.001)
                await asyncio.sleep(0.01)
                transports = sum(isinstance(one, aio.TlsTransport) for one in gc.get_objects())
                return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()), transports, resident()
            for _ in range(300):
                await talk()
            before = await state()
            for _ in range(1000):
                await talk()
            after = await state()
            server.close()
            await server.wait_closed()
            print(json.dumps([before, after]))

        asyncio.run(main())
        """,
        timeout=100,
    )
    before, after = found
    assert after[:3] == before[:3]
    # Without the help of the collector.
    assert after[3] - before[3] <= 1024 * KIB
