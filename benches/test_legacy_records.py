"""CBC records of the legacy tier beside those of the standard library: 16 KiB sealed and opened, in one run.

The peer is always OpenSSL (through `ssl`), with encrypt_then_mac on or off, so that both ends that are measured do the
same. `pytest benches/test_legacy_records.py --benchmark-group-by=group` puts each pair side by side.
"""

import os
import ssl
import warnings
from contextlib import suppress
from time import thread_time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tlscore import ClientConfig, TrustStore
from tlscore.cli.bench.ends import Material
from tlscore.connection import Connection
from tlscore.legacy import Legacy, LegacyTlsWarning

SIZE, CALLS = 16384, 64
NO_ENCRYPT_THEN_MAC = 1 << 19
# IANA name -> OpenSSL's.
SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384": "ECDHE-ECDSA-AES256-SHA384",
}


class StandardEnd:
    """An end of `ssl` in memory."""

    def __init__(self, context: ssl.SSLContext, name: str | None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=name is None, server_hostname=name)

    def step(self, wire: bytes) -> bytes:
        self.incoming.write(wire)
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def seal(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self.outgoing.read()

    def open(self, wire: bytes) -> bytes:
        self.incoming.write(wire)
        return self.tls.read(SIZE)


class OwnEnd:
    """A client of this library in memory."""

    def __init__(self, connection: Connection) -> None:
        self.tls = connection

    def step(self, wire: bytes) -> bytes:
        if wire:
            self.tls.receive(wire)
        return self.tls.data_to_send()

    def seal(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self.tls.data_to_send()

    def open(self, wire: bytes) -> bytes:
        self.tls.receive(wire)
        return self.tls.read()


def standard_context(material: Material, suite: str, outside: bool, protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES[suite])
    if not outside:
        context.options |= NO_ENCRYPT_THEN_MAC
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.load_cert_chain(material.chain, material.key)
    else:
        context.load_verify_locations(material.trust)
    return context


@pytest.fixture(params=["tlscore", "ssl"])
def ends(
    request: pytest.FixtureRequest, material: Material, suite: str, outside: bool
) -> tuple[OwnEnd | StandardEnd, StandardEnd]:
    """(the client that is measured, its peer), connected."""
    client: OwnEnd | StandardEnd
    if request.param == "ssl":
        context = standard_context(material, suite, outside, ssl.PROTOCOL_TLS_CLIENT)
        client = StandardEnd(context, material.server_name)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LegacyTlsWarning)
            tier = Legacy(reason="a measurement", suites=(suite,))
            config = ClientConfig.simple(TrustStore.from_file(material.trust), legacy=tier)
        client = OwnEnd(config.connection(material.server_name))
    server = StandardEnd(standard_context(material, suite, outside, ssl.PROTOCOL_TLS_SERVER), None)
    wire = b""
    for _ in range(4):
        wire = server.step(client.step(wire))
    assert server.open(client.seal(b"data")) == b"data"
    return client, server


every_suite = pytest.mark.parametrize("suite", SUITES)
both_orders = pytest.mark.parametrize("outside", [False, True], ids=["mac-then-encrypt", "encrypt-then-mac"])


@pytest.mark.benchmark(timer=thread_time)
@every_suite
@both_orders
def test_seal_cbc(
    benchmark: BenchmarkFixture, ends: tuple[OwnEnd | StandardEnd, StandardEnd], suite: str, outside: bool
) -> None:
    client, _ = ends
    benchmark.group = f"seal {SUITES[suite]} {'encrypt-then-mac' if outside else 'mac-then-encrypt'}"
    data = os.urandom(SIZE)

    def seal() -> None:
        for _ in range(CALLS):
            client.seal(data)

    benchmark(seal)


@pytest.mark.benchmark(timer=thread_time)
@every_suite
@both_orders
def test_open_cbc(
    benchmark: BenchmarkFixture, ends: tuple[OwnEnd | StandardEnd, StandardEnd], suite: str, outside: bool
) -> None:
    client, server = ends
    benchmark.group = f"open {SUITES[suite]} {'encrypt-then-mac' if outside else 'mac-then-encrypt'}"
    data = os.urandom(SIZE)

    def wires() -> tuple[tuple[list[bytes]], dict[str, object]]:
        return ([server.seal(data) for _ in range(CALLS)],), {}

    def open_all(sealed: list[bytes]) -> None:
        for wire in sealed:
            assert len(client.open(wire)) == SIZE

    benchmark.pedantic(open_all, setup=wires, rounds=100)  # type: ignore[no-untyped-call]
