"""A ClientHello that repeats an earlier one but for its fresh parts is answered from memory, and as if it were not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support import legacy, standing
from tests.support.peers import X25519, RawClient, pump
from tests.support.peers12 import RawClient12
from tlscore import AlertError, ClientConfig, ServerConfig
from tlscore.handshake import machine
from tlscore.handshake.selections import KEPT_OFFER_OCTETS, KEPT_SELECTIONS
from tlscore.iana import HandshakeType
from tlscore.wire import (
    Alpn,
    ClientHello,
    Cookie,
    EarlyDataIndication,
    ExtendedMainSecret,
    KeyShareClientHello,
    KeyShareEntry,
    RenegotiationInfo,
    ServerName,
    SupportedVersions,
    decode,
)

SETTINGS: dict[str, dict[str, Any]] = {
    "1.3": {"versions": "1.3", "key_shares": ["x25519"], "groups": ["x25519", "secp256r1"]},
    "1.2": {"versions": "1.2", "groups": ["x25519", "secp256r1"]},
}


def client_config(version: str, **others: Any) -> ClientConfig:
    return ClientConfig.simple(standing.trust(), **SETTINGS[version], **others)


@pytest.fixture
def read_hellos(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The ClientHellos that were decoded by a handshake."""
    found: list[bytes] = []

    def noting(raw: bytes, version: int) -> Any:
        if raw[0] == HandshakeType.client_hello:
            found.append(raw)
        return decode(raw, version)

    monkeypatch.setattr(machine, "decode", noting)
    return found


@pytest.mark.parametrize("alpn", [(), ("h2",)])
@pytest.mark.parametrize(("client", "server"), [("1.3", "1.3"), ("1.2", "1.2"), ("1.2", "both"), ("both", "1.2")])
def test_second_handshake_of_a_client_reads_no_client_hello(
    client: str, server: str, alpn: tuple[str, ...], read_hellos: list[bytes]
) -> None:
    both: dict[str, Any] = {"groups": ["x25519", "secp256r1"], "key_shares": ["x25519"]}
    asking = ClientConfig.simple(standing.trust(), **SETTINGS.get(client, both), alpn=alpn)
    answering = ServerConfig.simple(
        standing.identity(), versions=None if server == "both" else server, alpn=alpn, require_alpn=False
    )
    agreed = []
    for _ in range(3):
        ends = asking.connection(standing.NAME), answering.connection()
        pump(*ends)
        agreed.append([(one.version, one.suite, one.group, one.alpn, one.trace) for one in ends])
        assert ends[1].server_name == standing.NAME
        ends[0].write(b"question")
        ends[1].receive(ends[0].data_to_send())
        assert ends[1].read() == b"question"
        assert ends[0].export_keying_material("EXPORTER-test", b"", 32) == ends[1].export_keying_material(
            "EXPORTER-test", b"", 32
        )
    assert agreed[0] == agreed[1] == agreed[2]
    assert agreed[0][0][3] == (alpn[0] if alpn else None)
    assert len(read_hellos) == 1


@pytest.mark.parametrize("version", legacy.VERSIONS)
@pytest.mark.parametrize("key", ["p256", "rsa2048"])
def test_server_of_the_legacy_tier_remembers_too(version: str, key: str, read_hellos: list[bytes]) -> None:
    signs = {"p256": "ECDSA", "rsa2048": "RSA"}[key]
    names = [one.name for one in legacy.suites_of(version) if one.authentication == signs and not one.missing]
    for name in names:
        tier = legacy.tier((version,), (name,))
        asking, answering = legacy.client(tier), legacy.server(tier, key=key)
        agreed = []
        for _ in range(2):
            ends = asking.connection(standing.NAME), answering.connection()
            pump(*ends)
            agreed.append([(one.version, one.suite, one.group, one.trace) for one in ends])
        assert agreed[0] == agreed[1]
        assert agreed[0][0][1] == name
        assert remembered(answering) == 1
    assert len(read_hellos) == len(names)


def hello_of(version: str, *values: Any) -> bytes:
    """A ClientHello in its record."""
    raw = RawClient() if version == "1.3" else RawClient12()
    raw.hello(raw.hello_message(ServerName(standing.NAME.encode()), *values))
    return raw.wire()


def answer_to(config: ServerConfig, wire: bytes) -> tuple[Any, ...]:
    """What a server makes of a ClientHello, without what is fresh in it."""
    server = config.connection()
    try:
        server.receive(wire)
    except AlertError as refusal:
        return type(refusal), str(refusal), refusal.alert, refusal.state, refusal.trace, server.data_to_send()
    flight = server.data_to_send()
    if not flight:
        # The length says that more is to come.
        return ("waits",)
    assert flight[5] == HandshakeType.server_hello
    length = int.from_bytes(flight[6:9], "big")
    hello = decode(flight[5 : 9 + length])
    fixed = [value for value in hello.extensions if value.code != KeyShareClientHello.code]  # type: ignore[attr-defined]
    return hello.cipher_suite, fixed, server.trace  # type: ignore[attr-defined]


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_every_change_of_an_octet_is_answered_as_by_a_server_without_memory(version: str) -> None:
    warm, cold = (ServerConfig.simple(standing.identity(), alpn=["h2"], require_alpn=False) for _ in range(2))
    wire = hello_of(version, Alpn((b"h2", b"http/1.1")))
    expected = answer_to(warm, wire)
    answers = {expected[:1]}
    for at in range(5, len(wire)):
        for bits in (0x01, 0x80, 0xFF):
            changed = wire[:at] + bytes((wire[at] ^ bits,)) + wire[at + 1 :]
            answer_to(cold, wire)
            cold_memory = cold._cache.memory()  # type: ignore[union-attr]
            cold_memory.hellos.clear()
            cold_memory.selections.clear()
            answer_to(warm, wire)
            answer = answer_to(warm, changed)
            assert answer == answer_to(cold, changed), (at, bits)
            answers.add(answer[:1])
    # The changes do lead to many ends.
    assert len(answers) >= 4


def remembered(config: ServerConfig) -> int:
    return len(config._cache.memory().hellos)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("make", "kept"),
    [
        (lambda raw: raw.hello_message(), 1),
        (lambda raw: raw.hello_message(legacy_session_id=b""), 1),
        (lambda raw: raw.hello_message(KeyShareClientHello(())), 0),
        (lambda raw: raw.hello_message(EarlyDataIndication()), 0),
        (lambda raw: raw.hello_message(Cookie(b"from elsewhere")), 0),
        (lambda raw: raw.hello_message(ServerName(b".".join([b"x" * 60] * 4) + b".example"), Alpn((b"y" * 250,))), 0),
    ],
    ids=["plain", "no session id", "asked again", "early data", "cookie", "large"],
)
def test_only_a_client_hello_that_may_well_come_again_is_kept(
    make: Callable[[RawClient], ClientHello], kept: int
) -> None:
    config = ServerConfig.simple(standing.identity())
    raw, server = RawClient(), config.connection()
    raw.hello(make(raw))
    server.receive(raw.wire())
    assert remembered(config) == kept


def test_of_several_shares_the_selected_one_is_used(read_hellos: list[bytes]) -> None:
    config = ServerConfig.simple(standing.identity(), groups=["x25519", "secp256r1"])
    asking = ClientConfig.simple(
        standing.trust(), versions="1.3", groups=["secp256r1", "x25519"], key_shares=["secp256r1", "x25519"]
    )
    for _ in range(3):
        ends = asking.connection(standing.NAME), config.connection()
        pump(*ends)
        assert [one.group for one in ends] == ["x25519", "x25519"]
    assert len(read_hellos) == 1
    assert remembered(config) == 1


def test_memory_of_client_hellos_is_bounded() -> None:
    config = ServerConfig.simple(standing.identity())
    for number in range(KEPT_SELECTIONS + 3):
        config.connection().receive(hello_of("1.2", Alpn((b"%d" % number,))))
        assert remembered(config) == number % KEPT_SELECTIONS + 1
        assert len(config._cache.memory().shares) <= KEPT_SELECTIONS  # type: ignore[union-attr]
    assert all(len(key[1]) <= KEPT_OFFER_OCTETS for key in config._cache.memory().hellos)  # type: ignore[union-attr]


def test_share_that_is_not_valid_is_refused_from_memory_too(read_hellos: list[bytes]) -> None:
    # RFC 9846 7.4.2: "implementations MUST check whether the computed Diffie-Hellman shared secret is the all-zero
    # value and abort if so"
    config = ServerConfig.simple(standing.identity())
    raw = RawClient()
    for share in (raw.share.public, bytes(32)):
        server, again = config.connection(), RawClient()
        again.hello(again.hello_message(KeyShareClientHello((KeyShareEntry(X25519, share),))))
        if any(share):
            server.receive(again.wire())
            continue
        with pytest.raises(AlertError) as caught:
            server.receive(again.wire())
        assert caught.value.code == "TLS-BAD_KEY_SHARE"
        assert caught.value.alert == 47
    assert len(read_hellos) == 1


def test_octets_behind_a_known_client_hello_are_refused() -> None:
    # RFC 5246 7.4.1.2: "After sending the ClientHello message, the client waits for a ServerHello message."
    config = ServerConfig.simple(standing.identity())
    wire = hello_of("1.2")
    config.connection().receive(wire)
    behind = wire[5:] + b"\x10\x00\x00\x01\x00"
    record = wire[:3] + len(behind).to_bytes(2, "big") + behind
    with pytest.raises(AlertError) as caught:
        config.connection().receive(record)
    assert caught.value.alert == 10


def test_extensions_of_the_memory_are_those_of_the_first() -> None:
    """A client that sends the same offer in another order is another one; both are right."""
    config = ServerConfig.simple(standing.identity())
    for order in ((ExtendedMainSecret(), RenegotiationInfo(b"")), (RenegotiationInfo(b""), ExtendedMainSecret())):
        raw, server = RawClient12(), config.connection()
        message = raw.hello_message(drop=(ExtendedMainSecret.code, RenegotiationInfo.code))
        raw.hello(message.replace(extensions=type(message.extensions)([*message.extensions, *order])))
        server.receive(raw.wire())
        raw.take_flight(server.data_to_send())
    assert remembered(config) == 2


def test_supported_versions_are_part_of_what_must_be_equal() -> None:
    config = ServerConfig.simple(standing.identity())
    first = answer_to(config, hello_of("1.3", SupportedVersions((0x0304,))))
    with_older = answer_to(config, hello_of("1.3", SupportedVersions((0x0304, 0x0303))))
    assert first[0] == with_older[0]
    refused = answer_to(config, hello_of("1.3", SupportedVersions((0x7F1C,))))
    assert refused[2] == 70
    assert remembered(config) == 2
