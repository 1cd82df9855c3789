"""Message brokers: paho against a real mosquitto; pika, kafka-python and aiokafka against the opening of their
protocols."""

import asyncio
import queue
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client
import paho.mqtt.enums
import pika
import pika.frame
import pika.spec
import pytest
from aiokafka.conn import AIOKafkaConnection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from tests.ecosystem.services import program
from tests.ecosystem.support import DEADLINE, LARGE, Files, conversation, entry, exactly, free_port
from tests.support.tools import require_tool


@pytest.fixture
def mosquitto_port(files: Files, tmp_path: Path) -> Iterator[int]:
    port = free_port()
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", f"cafile {files.ca}", f"certfile {files.chain}"]
    # mosquitto gives up its rights before it reads the key, which only its owner may read.
    lines += [f"keyfile {files.key}", "user root"]
    (tmp_path / "mosquitto.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with program(require_tool("mosquitto"), "-c", "mosquitto.conf", port=port, folder=tmp_path):
        yield port


@entry("paho-mqtt", "client", "Client.tls_set_context()")
def test_paho_publishes_to_itself(client: Any, mosquitto_port: int) -> None:
    """paho's thread reads with a non-blocking socket, and asks pending() for what select cannot see."""
    happened: queue.Queue[Any] = queue.Queue()
    mqtt = paho.mqtt.client.Client(paho.mqtt.enums.CallbackAPIVersion.VERSION2)
    mqtt.tls_set_context(client)
    mqtt.on_connect = lambda client, *rest: client.subscribe("topic")
    mqtt.on_subscribe = lambda *rest: happened.put("subscribed")
    mqtt.on_message = lambda client, data, message: happened.put(message.payload)
    mqtt.connect("localhost", mosquitto_port)
    mqtt.loop_start()
    try:
        assert happened.get(timeout=DEADLINE) == "subscribed"
        for payload in (b"small", LARGE):
            mqtt.publish("topic", payload, qos=1).wait_for_publish(DEADLINE)
            assert happened.get(timeout=DEADLINE) == payload
    finally:
        mqtt.disconnect()
        mqtt.loop_stop()


@contextmanager
def amqp(context: Any, published: "queue.Queue[bytes]") -> Iterator[int]:
    """A broker that opens connections and channels and takes messages."""
    answers: dict[Any, Any] = {
        pika.spec.Connection.StartOk: lambda: pika.spec.Connection.Tune(2047, 131072, 0),
        pika.spec.Connection.Open: pika.spec.Connection.OpenOk,
        pika.spec.Connection.Close: pika.spec.Connection.CloseOk,
        pika.spec.Channel.Open: pika.spec.Channel.OpenOk,
        pika.spec.Channel.Close: pika.spec.Channel.CloseOk,
    }

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as stream:
            assert exactly(stream, 8) == b"AMQP\0\0\x09\x01"
            send(stream, 0, pika.spec.Connection.Start(0, 9, {}, b"PLAIN", b"en_US"))
            body = b""
            while True:
                head = exactly(stream, 7)
                rest = exactly(stream, struct.unpack("!I", head[3:])[0] + 1)
                _, frame = pika.frame.decode_frame(head + rest)
                if isinstance(frame, pika.frame.Body):
                    body += frame.fragment
                elif isinstance(frame, pika.frame.Method):
                    if isinstance(frame.method, pika.spec.Channel.Close):
                        published.put(body)
                    answer = answers.get(type(frame.method))
                    if answer is not None:
                        send(stream, frame.channel_number, answer())
                    if isinstance(frame.method, pika.spec.Connection.Close):
                        return

    def send(stream: Any, channel: int, method: Any) -> None:
        stream.sendall(pika.frame.Method(channel, method).marshal())

    with conversation(handle) as port:
        yield port


@entry("pika", "client", "SSLOptions(context)")
def test_pika_publishes(client: Any, peer_server: Any) -> None:
    published: queue.Queue[bytes] = queue.Queue()
    with amqp(peer_server, published) as port:
        options = pika.SSLOptions(client, "localhost")
        connection = pika.BlockingConnection(pika.ConnectionParameters("localhost", port, ssl_options=options))
        channel = connection.channel()
        channel.basic_publish("", "queue", LARGE)
        channel.close()
        connection.close()
        assert published.get(timeout=DEADLINE) == LARGE


API_VERSIONS, METADATA = 18, 3


@contextmanager
def kafka_broker(context: Any) -> Iterator[int]:
    """A broker that tells what it can, and that it stands alone."""
    ports: list[int] = []

    def text(value: str) -> bytes:
        return struct.pack("!h", len(value)) + value.encode()

    def answer(key: int, version: int) -> bytes:
        if key == API_VERSIONS:
            # A version that this broker does not know is answered with error 35, in the form of version 0.
            apis = struct.pack("!hhh", API_VERSIONS, 0, 0) + struct.pack("!hhh", METADATA, 0, 1)
            return struct.pack("!hi", 35 if version else 0, 2) + apis
        assert (key, version) == (METADATA, 1)
        broker = struct.pack("!i", 7) + text("localhost") + struct.pack("!i", ports[0]) + struct.pack("!h", -1)
        return struct.pack("!i", 1) + broker + struct.pack("!ii", 7, 0)

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as stream:
            while True:
                try:
                    (length,) = struct.unpack("!i", exactly(stream, 4))
                except EOFError:
                    return
                key, version, correlation = struct.unpack("!hhi", exactly(stream, length)[:8])
                body = struct.pack("!i", correlation) + answer(key, version)
                stream.sendall(struct.pack("!i", len(body)) + body)

    with conversation(handle) as port:
        ports.append(port)
        yield port


@entry("aiokafka", "client", "ssl_context=")
def test_aiokafka_connects(client: Any, peer_server: Any) -> None:
    async def main(port: int) -> None:
        connection = AIOKafkaConnection("localhost", port, ssl_context=client, security_protocol="SSL")
        await connection.connect()
        assert connection._versions[METADATA] == (0, 1)
        await connection.close()

    with kafka_broker(peer_server) as port:
        asyncio.run(asyncio.wait_for(main(port), DEADLINE))


@entry("kafka-python", "client", "ssl_context=")
def test_kafka_python_finds_its_broker(client: Any, peer_server: Any) -> None:
    """Its handshake runs on a non-blocking socket, driven by SSLWantReadError."""
    with kafka_broker(peer_server) as port:
        settings: dict[str, Any] = {"security_protocol": "SSL", "ssl_context": client}
        selector = NetworkSelector()
        manager = KafkaConnectionManager(selector, bootstrap_servers=f"localhost:{port}", **settings)
        manager.bootstrap(timeout_ms=DEADLINE * 1000)
        assert manager.bootstrapped
        manager.close()
        selector.close()
