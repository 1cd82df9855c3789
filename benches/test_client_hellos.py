"""A server's answer to a ClientHello, from nothing to the end of its flight: one like an earlier one, one that is new.

`pytest benches/test_client_hellos.py --benchmark-group-by=group` puts them beside the standard library's.
"""

import ssl
from contextlib import suppress
from time import thread_time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tlscore import ClientConfig, Identity, ServerConfig, TrustStore
from tlscore.cli.bench.ends import Material
from tlscore.handshake.plans import server_plan

GROUPS = ["x25519", "secp256r1"]


@pytest.mark.benchmark(timer=thread_time)
@pytest.mark.parametrize("version", ["1.3", "1.2"])
@pytest.mark.parametrize("server", ["seen before", "new", "ssl"])
def test_answer_to_a_client_hello(benchmark: BenchmarkFixture, material: Material, version: str, server: str) -> None:
    benchmark.group = f"answer to a ClientHello, TLS {version}"
    shares = {"key_shares": ["x25519"]} if version == "1.3" else {}
    client = ClientConfig.simple(TrustStore.from_file(material.trust), versions=version, groups=GROUPS, **shares)
    identity = Identity.load(material.chain, material.key)
    config = ServerConfig.simple(identity, versions=version, groups=GROUPS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(material.chain, material.key)
    context.num_tickets = 0

    def hello() -> tuple[tuple[bytes], dict[str, object]]:
        memory = server_plan(config).memory()
        if server == "new" and memory is not None:
            memory.hellos.clear()
        return (client.connection(material.server_name).data_to_send(),), {}

    def answer(wire: bytes) -> None:
        connection = config.connection()
        connection.receive(wire)
        assert connection.data_to_send()

    def answer_of_ssl(wire: bytes) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(wire)
        with suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        assert outgoing.read()

    work = answer_of_ssl if server == "ssl" else answer
    benchmark.pedantic(work, setup=hello, rounds=2000, warmup_rounds=100)  # type: ignore[no-untyped-call]
