"""What a refusal costs in calls: a ClientHello of 16 KiB may list thousands of codes, and explaining that nothing of it
is common must not go through them again and again. As in test_cost.py, the bounds are what was counted, and a tenth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support import legacy, standing
from tests.support.counting import calls_of
from tests.support.peers import RawClient, failure
from tests.support.peers12 import RawClient12
from tests.support.peers_legacy import RawLegacyClient
from tlscore import ServerConfig
from tlscore.handshake.negotiation12 import check_offer12
from tlscore.handshake.refusals import named_part
from tlscore.iana import NamedGroup, SignatureScheme
from tlscore.legacy import FINITE_FIELDS
from tlscore.suites import all_suites
from tlscore.wire import KeyShareClientHello, SignatureAlgorithms, SupportedGroups

Lists = Callable[[tuple[int, ...]], dict[str, Any]]

FEW, MANY = tuple(range(0x4000, 0x4010)), tuple(range(0x4000, 0x4000 + 3500))
OLD = tuple([one.code for one in all_suites() if not one.usable_in(0x0304) and one.code not in MANY])
FIELD = FINITE_FIELDS[-1]


def suites(codes: tuple[int, ...]) -> dict[str, Any]:
    return {"cipher_suites": codes}


def groups(codes: tuple[int, ...]) -> dict[str, Any]:
    return {"values": (SupportedGroups(codes), KeyShareClientHello(()))}


def schemes(codes: tuple[int, ...]) -> dict[str, Any]:
    return {"values": (SignatureAlgorithms(codes),)}


def groups12(codes: tuple[int, ...]) -> dict[str, Any]:
    return {"values": (SupportedGroups(codes),)}


def everything(codes: tuple[int, ...]) -> dict[str, Any]:
    """Suites that a server of the legacy tier has, and none that it can serve."""
    return {"values": (SupportedGroups((*codes, FIELD)), SignatureAlgorithms(codes)), "cipher_suites": OLD}


def old_groups(codes: tuple[int, ...]) -> dict[str, Any]:
    return {"values": (SupportedGroups((*codes, FIELD)),), "cipher_suites": OLD}


def old_schemes(codes: tuple[int, ...]) -> dict[str, Any]:
    return {"values": (SignatureAlgorithms(codes),), "cipher_suites": OLD}


def repeated(codes: tuple[int, ...]) -> dict[str, Any]:
    """Suites of another version, again and again."""
    return {"cipher_suites": (OLD * 20)[: len(codes)]}


def default_server() -> ServerConfig:
    return ServerConfig.simple(standing.identity())


def legacy_server() -> ServerConfig:
    return legacy.server(legacy.tier(), key="p256")


def refusal(server: ServerConfig, client: Any, lists: dict[str, Any]) -> tuple[list[str], Any]:
    """What is called by a server that refuses lists, and its error."""
    fields = {name: value for name, value in lists.items() if name != "values"}
    client.send(client.hello_message(*lists.get("values", ()), **fields))
    wire, met = client.wire(), []
    connection = server.connection()
    called = calls_of(lambda: met.append(failure(connection.receive, wire)))
    return called, met[0]


CASES = [
    pytest.param(RawClient, default_server, suites, "SUITE", 700, id="1.3 suites"),
    pytest.param(RawClient, default_server, repeated, "SUITE", 700, id="1.3 suites of TLS 1.2"),
    pytest.param(RawClient, default_server, groups, "GROUP", 475, id="1.3 groups"),
    pytest.param(RawClient, default_server, schemes, "SCHEME", 475, id="1.3 schemes"),
    pytest.param(RawClient12, default_server, suites, "SUITE", 700, id="1.2 suites"),
    pytest.param(RawClient12, default_server, groups12, "GROUP", 475, id="1.2 groups"),
    pytest.param(RawClient12, default_server, schemes, "SCHEME", 475, id="1.2 schemes"),
    pytest.param(RawLegacyClient, legacy_server, suites, "SUITE", 1060, id="legacy suites"),
    pytest.param(RawLegacyClient, legacy_server, old_groups, "CERT", 2350, id="legacy groups"),
    pytest.param(RawLegacyClient, legacy_server, old_schemes, "SCHEME", 2350, id="legacy schemes"),
    pytest.param(RawLegacyClient, legacy_server, everything, "CERT", 2350, id="legacy, everything"),
]


@pytest.mark.parametrize(("client", "server", "lists", "code", "bound"), CASES)
def test_refusal_of_thousands_of_codes_calls_no_more_than_that_of_a_few(
    client: type, server: Callable[[], ServerConfig], lists: Lists, code: str, bound: int
) -> None:
    config = server()
    version = {"version": 0x0303} if client is RawLegacyClient else {}
    # The first one loads what refusals need.
    (_, _), (few, _), (many, error) = [refusal(config, client(**version), lists(codes)) for codes in (FEW, FEW, MANY)]
    assert code in error.code
    assert len(many) <= len(few) + 20
    assert len(many) <= bound, len(many)


def test_lists_are_cut_to_what_has_a_name() -> None:
    """What is looked through again and again is no longer than the registries, however often a code is named."""
    raw = RawClient12()
    hello = raw.hello_message(
        SupportedGroups((*MANY, 0x01FF, NamedGroup.x25519)),
        SignatureAlgorithms((*MANY, SignatureScheme.ed25519) * 2),
        cipher_suites=(0x0A0A, *MANY, *OLD[:2], *OLD[:2]),
    )
    offer = check_offer12(hello, default_server())
    named = named_part(offer)
    assert (named.suites, named.schemes) == (OLD[:2], (SignatureScheme.ed25519,))
    assert named.cert_schemes is named.schemes
    # A finite field that nobody knows yet counts, RFC 7919 4.
    assert named.groups == (0x01FF, NamedGroup.x25519)
    assert named_part(offer.replace(cert_schemes=MANY)).cert_schemes == ()
