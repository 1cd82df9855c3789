"""S12, S29, S30: our ClientHello as tlslite-ng reads it, which knows nothing of tlscore.wire, and as tlscore.wire does.

A codec that writes and reads the same mistake agrees with itself; here another one reads what the configuration asked
for: versions from the highest down, suites in the configured order, groups, schemes, protocols and the server's name.
"""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import standing
from tests.support.legacy import client as legacy_client
from tests.support.legacy import suites_of, tier
from tests.support.standing import NAME
from tlscore import ClientConfig
from tlscore.iana import SUITES12, SUITES13, ExtensionType, NamedGroup, is_grease
from tlscore.suites import suite
from tlscore.version_settings import TLS10, TLS11, TLS12, TLS13
from tlscore.wire import (
    Alpn,
    ClientHello,
    KeyShareClientHello,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersions,
    decode,
)

NUMBERS = {"1.0": TLS10, "1.1": TLS11, "1.2": TLS12}
ALPN = ExtensionType.application_layer_protocol_negotiation
CURVES = ("x25519", "secp256r1", "secp384r1", "secp521r1")


def settings() -> list[Any]:
    """Configurations: the default, single versions, and orders that nobody would choose."""
    shuffled = random.Random(20261124)
    made = [pytest.param({}, id="default")]
    made += [pytest.param({"versions": one}, id=f"versions {one}") for one in ("1.2", "1.3")]
    both = [*SUITES13, *SUITES12]
    for number in range(4):
        suites = shuffled.sample(both, len(both))
        groups = shuffled.sample(CURVES, len(CURVES))
        made.append(pytest.param({"suites": suites, "groups": groups, "alpn": ("b", "a")}, id=f"shuffled {number}"))
    return made


@pytest.fixture(scope="module")
def parse(lite):
    """Function that reads a record with tlslite-ng."""
    from tlslite.messages import ClientHello as Theirs
    from tlslite.utils.codec import Parser

    def read(record: bytes) -> SimpleNamespace:
        assert record[0] == 22
        assert record[5] == 1
        assert int.from_bytes(record[3:5], "big") == len(record) - 5
        hello = Theirs().parse(Parser(bytearray(record[6:])))

        def of(kind: int, field: str) -> Any:
            extension = hello.getExtension(kind)
            return None if extension is None else getattr(extension, field)

        return SimpleNamespace(
            version=int.from_bytes(bytes(hello.client_version), "big"),
            random=bytes(hello.random),
            session=bytes(hello.session_id),
            compression=list(hello.compression_methods),
            suites=list(hello.cipher_suites),
            extensions=[one.extType for one in hello.extensions],
            name=bytes(hello.server_name).decode("ascii"),
            versions=[major << 8 | minor for major, minor in of(ExtensionType.supported_versions, "versions") or ()],
            groups=of(ExtensionType.supported_groups, "groups"),
            schemes=[high << 8 | low for high, low in of(ExtensionType.signature_algorithms, "sigalgs") or ()],
            protocols=[
                bytes(one) for one in of(ExtensionType.application_layer_protocol_negotiation, "protocol_names") or ()
            ],
            shares=[one.group for one in of(ExtensionType.key_share, "client_shares") or ()],
        )

    return read


def both_read(parse: Any, config: ClientConfig) -> tuple[SimpleNamespace, ClientHello]:
    """The same ClientHello by either parser, which must agree about all of it."""
    record = config.connection(NAME).data_to_send()
    theirs, ours = parse(record), decode(record[5:])
    assert isinstance(ours, ClientHello)
    assert theirs.version == ours.legacy_version
    assert (theirs.random, theirs.session) == (ours.random, ours.legacy_session_id)
    assert theirs.suites == list(ours.cipher_suites)
    assert theirs.compression == [0]
    assert theirs.name == NAME
    listed = ours.extensions
    for heard, kind, field in (
        (theirs.versions, SupportedVersions, "versions"),
        (theirs.groups, SupportedGroups, "named_group_list"),
        (theirs.schemes, SignatureAlgorithms, "supported_signature_algorithms"),
        (theirs.protocols, Alpn, "protocol_name_list"),
    ):
        assert list(heard or ()) == (list(getattr(listed.get(kind), field)) if kind in listed else [])
    return theirs, ours


@pytest.mark.parametrize("asked", settings())
def test_tlslite_reads_what_the_configuration_says(parse, asked):
    """S12: the order of the suites is the configured one; S29: all versions, the highest first; S30: the one asked."""
    config = ClientConfig.simple(standing.trust(), **asked)
    theirs, ours = both_read(parse, config)
    assert theirs.version == TLS12
    assert (theirs.versions or [theirs.version]) == list(config.versions)
    assert theirs.suites == list(config.suites)
    assert theirs.groups == list(config.groups)
    assert theirs.protocols == [name.encode("ascii") for name in asked.get("alpn", ())]
    if "suites" in asked:
        assert theirs.suites == asked["suites"]
        assert theirs.groups == [NamedGroup.code_of(name) for name in asked["groups"]]
    if TLS13 in config.versions:
        assert theirs.shares == list(config.key_shares)
        shares = ours.extensions.get(KeyShareClientHello)
        assert shares is not None
        assert theirs.shares == [one.group for one in shares.client_shares]
    else:
        assert ExtensionType.key_share not in theirs.extensions
        assert set(theirs.suites) <= set(SUITES12)


def test_tlslite_reads_the_highest_version_of_the_default(parse):
    """S29: "the client requests its highest available protocol version"; the old field stays behind."""
    theirs, _ = both_read(parse, ClientConfig.simple(standing.trust()))
    assert (theirs.version, theirs.versions) == (TLS12, [TLS13, TLS12])


def test_tlslite_reads_values_that_nobody_knows(parse):
    """RFC 8701: reserved values among suites, groups, versions and schemes, and what is meant in its order."""
    config = ClientConfig.simple(standing.trust(), grease=True, shuffle_extensions=True)
    theirs, _ = both_read(parse, config)
    for listed, meant in (
        (theirs.suites, config.suites),
        (theirs.groups, config.groups),
        (theirs.versions, config.versions),
    ):
        assert [code for code in listed if not is_grease(code)] == list(meant)
        assert any(is_grease(code) for code in listed)


TIERS = [("1.0",), ("1.1",), ("1.2",), ("1.0", "1.1"), ("1.1", "1.2"), ("1.0", "1.1", "1.2")]


@pytest.mark.parametrize("versions", TIERS, ids="+".join)
def test_tlslite_reads_the_legacy_tier(parse, versions):
    """S12, S29, S30 by number, as before TLS 1.3: the highest version, no list of versions, suites as configured."""
    usable = {one.name for version in versions for one in suites_of(version) if not one.missing}
    names = random.Random("+".join(versions)).sample(sorted(usable), len(usable))
    theirs, _ = both_read(parse, legacy_client(tier(versions, names)))
    assert theirs.version == NUMBERS[versions[-1]]
    assert ExtensionType.supported_versions not in theirs.extensions
    assert ExtensionType.key_share not in theirs.extensions
    assert ExtensionType.encrypt_then_mac in theirs.extensions
    assert theirs.suites == [suite(name).code for name in names]
    # RFC 5246 7.4.1.4.1 made signature_algorithms for TLS 1.2.
    assert bool(theirs.schemes) is ("1.2" in versions)
