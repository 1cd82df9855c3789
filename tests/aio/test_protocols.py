"""The transport under protocols of both kinds: callbacks in order, each once, and whatever they raise."""

import asyncio
import os
import tempfile
from typing import Any

import pytest

from tests.aio.conftest import NAME, Configs, PlainLoop, port_of, run, until
from tlscore import HandshakeTimeout, TruncationError, aio
from tlscore.errors import HandshakeNotComplete


class Recording(asyncio.Protocol):
    """Remembers its callbacks; fails in the one that it is told to."""

    def __init__(self, fails_in: str = "", keeps_open: bool = False) -> None:
        self.calls: list[str] = []
        self.received = bytearray()
        self.lost: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self.fails_in, self.keeps_open = fails_in, keeps_open
        self.transport: Any = None

    def note(self, name: str) -> None:
        self.calls.append(name)
        if name == self.fails_in:
            raise KeyError(name)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.note("connection_made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.note("data_received")

    def eof_received(self) -> bool:
        self.note("eof_received")
        return self.keeps_open

    def pause_writing(self) -> None:
        self.note("pause_writing")

    def resume_writing(self) -> None:
        self.note("resume_writing")

    def connection_lost(self, error: BaseException | None) -> None:
        self.lost.set_result(error)
        self.note("connection_lost")


class RecordingInto(Recording, asyncio.BufferedProtocol):  # type: ignore[misc]
    """The same with a buffer of its own."""

    size = 1000

    def get_buffer(self, sizehint: int) -> bytearray:
        self.note("get_buffer")
        self.buffer = bytearray(self.size)
        return self.buffer

    def buffer_updated(self, octets: int) -> None:
        self.received += self.buffer[:octets]
        self.note("data_received")


KINDS = {"bytes": Recording, "into": RecordingInto}


async def connected(configs: Configs, one: Any, other: Any) -> tuple[Any, Any, aio.TlsServer]:
    """(client's protocol, server's protocol, server)."""
    made: asyncio.Future[Recording] = asyncio.get_running_loop().create_future()

    def factory() -> Any:
        made.set_result(other())
        return made.result()

    server = await aio.create_server(factory, "127.0.0.1", 0, configs.server)
    _, client = await aio.create_connection(one, "127.0.0.1", port_of(server), configs.client, server_name=NAME)
    return client, await made, server


async def done(server: aio.TlsServer) -> None:
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loop", ["own", "plain"])
def test_callbacks_come_in_order_and_once(configs: Configs, kind: str, loop: str) -> None:
    async def main() -> None:
        client, far, server = await connected(configs, KINDS[kind], KINDS[kind])
        data = os.urandom(300_000)
        client.transport.write(data)
        await until(lambda: len(far.received) == len(data))
        assert far.received == data
        client.transport.close()
        client.transport.close()
        assert client.transport.is_closing()
        assert await far.lost is None
        assert await client.lost is None
        calls = [call for call in far.calls if call not in ("get_buffer", "data_received")]
        assert calls == ["connection_made", "eof_received", "connection_lost"]
        assert [call for call in client.calls if call.endswith("made")] == ["connection_made"]
        await done(server)

    run(main(), **({"loop_factory": PlainLoop} if loop == "plain" else {}))


def test_protocol_may_change_in_the_middle(configs: Configs) -> None:
    async def main() -> None:
        client, far, server = await connected(configs, Recording, Recording)
        client.transport.write(b"first")
        await until(lambda: far.received == b"first")
        second = RecordingInto()
        far.transport.set_protocol(second)
        assert far.transport.get_protocol() is second
        client.transport.write(b"second")
        await until(lambda: second.received == b"second")
        assert far.received == b"first"
        client.transport.close()
        assert await second.lost is None
        assert not far.lost.done()
        await done(server)

    run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_received_while_paused(configs: Configs, kind: str) -> None:
    async def main() -> None:
        client, far, server = await connected(configs, KINDS[kind], KINDS[kind])
        far.transport.pause_reading()
        far.transport.pause_reading()
        assert not far.transport.is_reading()
        client.transport.write(b"wait")
        client.transport.close()
        await asyncio.sleep(0.02)
        assert far.received == b""
        far.transport.resume_reading()
        assert await far.lost is None
        assert far.received == b"wait"
        await done(server)

    run(main())


def test_pausing_inside_data_received_stops_at_once(configs: Configs) -> None:
    class Careful(RecordingInto):
        def buffer_updated(self, octets: int) -> None:
            super().buffer_updated(octets)
            self.transport.pause_reading()
            asyncio.get_running_loop().call_soon(self.transport.resume_reading)
            self.deliveries = getattr(self, "deliveries", 0) + 1
            self.per_round = max(getattr(self, "per_round", 0), octets)

    async def main() -> None:
        client, far, server = await connected(configs, Recording, Careful)
        data = os.urandom(50_000)
        client.transport.write(data)
        client.transport.close()
        assert await far.lost is None
        assert far.received == data
        assert far.per_round <= Careful.size
        assert far.deliveries >= 50
        await done(server)

    run(main())


@pytest.mark.parametrize("callback", ["connection_made", "data_received", "eof_received", "get_buffer"])
@pytest.mark.parametrize("kind", KINDS)
def test_exception_in_a_callback_ends_that_connection_alone(configs: Configs, kind: str, callback: str) -> None:
    if kind == "bytes" and callback == "get_buffer":
        callback = "data_received"
    reports: list[dict[str, Any]] = []

    async def main() -> None:
        protocol = KINDS[kind]
        client, far, server = await connected(configs, Recording, lambda: protocol(fails_in=callback))
        client.transport.write(b"octets")
        client.transport.write_eof()
        error = await far.lost
        assert isinstance(error, KeyError)
        # The peer must not take it for an orderly end.
        assert isinstance(await client.lost, TruncationError)
        assert server.connections == 0
        await done(server)

    run(main(), reports=reports)
    assert [type(report["exception"]) for report in reports] == [KeyError]


@pytest.mark.parametrize("callback", ["pause_writing", "resume_writing", "connection_lost"])
def test_exception_in_flow_control_is_reported_and_nothing_else(configs: Configs, callback: str) -> None:
    reports: list[dict[str, Any]] = []

    async def main() -> None:
        client, far, server = await connected(configs, lambda: Recording(fails_in=callback), Recording)
        data = os.urandom(8 << 20)
        client.transport.write(data)
        client.transport.close()
        assert await far.lost is None
        assert far.received == data
        await client.lost
        await done(server)

    run(main(), reports=reports)
    assert [type(report["exception"]) for report in reports] == [KeyError]


def test_empty_buffer_of_a_protocol_is_an_error(configs: Configs) -> None:
    class Empty(RecordingInto):
        size = 0

    reports: list[dict[str, Any]] = []

    async def main() -> None:
        client, far, server = await connected(configs, Recording, Empty)
        client.transport.write(b"x")
        assert isinstance(await far.lost, RuntimeError)
        await client.lost
        await done(server)

    run(main(), reports=reports)
    assert len(reports) == 1


@pytest.mark.parametrize(
    "buffer",
    [bytes(100), memoryview(bytearray(100)).toreadonly(), memoryview(bytearray(100))[::2], 5, None],
    ids=["bytes", "read-only", "strided", "number", "none"],
)
@pytest.mark.parametrize("loop", ["own", "plain"])
def test_memory_that_cannot_be_written_to_is_one_error(configs: Configs, loop: str, buffer: Any) -> None:
    class Unfit(RecordingInto):
        def get_buffer(self, sizehint: int) -> Any:
            self.note("get_buffer")
            return buffer

    reports: list[dict[str, Any]] = []

    async def main() -> None:
        client, far, server = await connected(configs, Recording, Unfit)
        client.transport.write(b"x")
        assert isinstance(await far.lost, BufferError | TypeError)
        assert isinstance(await client.lost, TruncationError)
        assert far.calls == ["connection_made", "get_buffer", "connection_lost"]
        await done(server)

    run(main(), reports=reports, **({"loop_factory": PlainLoop} if loop == "plain" else {}))
    assert [report["message"] for report in reports] == ["Fatal error: protocol.get_buffer() call failed."]


def test_factory_that_raises_costs_its_client_alone(configs: Configs) -> None:
    reports: list[dict[str, Any]] = []
    number = iter(range(10))

    async def main() -> None:
        def factory() -> Recording:
            if next(number) == 0:
                raise KeyError("factory")
            return Recording()

        server = await aio.create_server(factory, "127.0.0.1", 0, configs.server)
        for expected in (TruncationError, None):
            _, client = await aio.create_connection(
                Recording, "127.0.0.1", port_of(server), configs.client, server_name=NAME
            )
            if expected is None:
                client.transport.close()
                assert await client.lost is None
            else:
                assert isinstance(await client.lost, expected)
        await done(server)

    run(main(), reports=reports)
    assert [type(report["exception"]) for report in reports] == [KeyError]


@pytest.mark.parametrize("action", ["close", "abort", "pause_reading", "write_eof"])
def test_actions_inside_connection_made(configs: Configs, action: str) -> None:
    class Quick(Recording):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.write(b"hello")
            getattr(transport, action)()

    async def main() -> None:
        client, far, server = await connected(configs, Quick, Recording)
        if action == "pause_reading":
            client.transport.close()
        error = await far.lost
        if action == "abort":
            assert isinstance(error, TruncationError)
        else:
            assert error is None
            assert far.received == b"hello"
        await client.lost
        await done(server)

    run(main())


def test_writes_after_the_end_go_nowhere(configs: Configs) -> None:
    async def main() -> None:
        client, far, server = await connected(configs, Recording, Recording)
        client.transport.close()
        client.transport.write(b"too late")
        client.transport.writelines([b"too", b"late"])
        client.transport.write_eof()
        await client.lost
        client.transport.write(b"too late")
        client.transport.abort()
        assert await far.lost is None
        assert far.received == b""
        await done(server)

    run(main())


def test_what_is_no_buffer_is_refused_and_the_connection_lives(configs: Configs) -> None:
    async def main() -> None:
        client, far, server = await connected(configs, Recording, Recording)
        for wrong in ("text", 7, None, [b"x"]):
            with pytest.raises(TypeError):
                client.transport.write(wrong)
        with pytest.raises(TypeError):
            client.transport.writelines([b"x", "text"])
        client.transport.write(memoryview(b"fine"))
        client.transport.close()
        assert await far.lost is None
        assert far.received == b"fine"
        await done(server)

    run(main())


def test_nothing_can_be_written_during_the_handshake(configs: Configs) -> None:
    """RFC 9846 4.5.3: no application data before the peer's Finished is verified."""
    import socket

    async def main() -> None:
        from tlscore.aio.owned import SocketTransport
        from tlscore.aio.terms import Terms

        loop = asyncio.get_running_loop()
        one, two = socket.socketpair()
        one.setblocking(False)
        waiter = loop.create_future()
        protocol = Recording()
        transport = SocketTransport(loop, one, Terms(configs.client, "client", server_name=NAME), protocol, waiter)
        with pytest.raises(HandshakeNotComplete):
            transport.write(b"x")
        assert not transport.is_reading()
        transport.close()
        with pytest.raises(ConnectionError):
            await waiter
        assert protocol.calls == []
        two.close()

    run(main())


def test_sendfile_of_asyncio_works(configs: Configs) -> None:
    async def main() -> None:
        client, far, server = await connected(configs, Recording, Recording)
        data = os.urandom(700_000)
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            sent = await asyncio.get_running_loop().sendfile(client.transport, file)
        assert sent == len(data)
        client.transport.close()
        assert await far.lost is None
        assert far.received == data
        await done(server)

    run(main(), loop_factory=asyncio.new_event_loop)


def test_limits_of_the_write_buffer(configs: Configs) -> None:
    async def main() -> None:
        client, far, server = await connected(configs, Recording, Recording)
        assert client.transport.get_write_buffer_limits() == (16384, 65536)
        client.transport.set_write_buffer_limits(high=1000, low=10)
        assert client.transport.get_write_buffer_limits() == (10, 1000)
        with pytest.raises(ValueError, match="high"):
            client.transport.set_write_buffer_limits(high=1, low=2)
        assert client.transport.get_write_buffer_size() == 0
        client.transport.abort()
        await far.lost
        await done(server)

    run(main())


def test_handshake_failure_calls_no_protocol(configs: Configs) -> None:
    made: list[Recording] = []

    async def main() -> None:
        def factory() -> Recording:
            made.append(Recording())
            return made[-1]

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        plain = await asyncio.start_server(silent, "127.0.0.1", 0)
        with pytest.raises(HandshakeTimeout):
            await aio.create_connection(
                factory, "127.0.0.1", port_of(plain), configs.client, server_name=NAME, handshake_timeout=0.05
            )
        plain.close()
        await plain.wait_closed()
        await asyncio.sleep(0.02)

    run(main())
    assert [protocol.calls for protocol in made] == [[]]
