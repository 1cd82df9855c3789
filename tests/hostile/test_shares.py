"""Key shares (attacks 23 to 26): invalid ones are illegal_parameter on both sides, of each group; none is reused."""

from typing import Any

import pytest

from tests.support.peers import RawClient, RawServer, failure
from tests.support.standing import NAME, client_config, issued, records_of, server_config
from tlscore import _core, errors, policies
from tlscore.iana import NamedGroup
from tlscore.wire import ClientHello, KeyShareClientHello, KeyShareEntry, decode

GROUPS = policies.IMPLEMENTED_GROUPS
CURVES = {"x25519": 32, "secp256r1": 65, "secp384r1": 97, "secp521r1": 133}
# Group -> where its curve's share stands and where its ML-KEM encapsulation key or ciphertext stands:
# (curve, octets before, octets of the ML-KEM key, octets of its ciphertext).
HYBRIDS = {
    "X25519MLKEM768": ("x25519", "behind", 1184, 1088),
    "SecP256r1MLKEM768": ("secp256r1", "before", 1184, 1088),
    "SecP384r1MLKEM1024": ("secp384r1", "before", 1568, 1568),
    "MLKEM768": (None, "", 1184, 1088),
    "MLKEM1024": (None, "", 1568, 1568),
}
# Points of small order, and their twins above the field's prime (RFC 7748 6.1, and Bernstein's list).
SMALL_ORDER = [
    bytes(32),
    b"\1" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


def bad_points(curve: str) -> dict[str, bytes]:
    """Shares of a curve that are not valid, by what is wrong with them."""
    if curve == "x25519":
        return {f"small order {number}": point for number, point in enumerate(SMALL_ORDER)}
    good = _core.KeyShare.generate(NamedGroup.code_of(curve)).public
    size = len(good) // 2
    flipped = good[:-1] + bytes((good[-1] ^ 1,))
    return {
        "off the curve": flipped,
        "origin": b"\4" + bytes(2 * size),
        "infinity": b"\0" + bytes(2 * size),
        "compressed form": bytes((2 + (good[-1] & 1),)) + good[1 : 1 + size],
        "hybrid form": bytes((6 + (good[-1] & 1),)) + good[1:],
        "coordinate above the prime": b"\4" + b"\xff" * (2 * size),
    }


def bad_key(group: str, octets: int) -> dict[str, bytes]:
    """ML-KEM encapsulation keys whose coefficients are not below q = 3329 (FIPS 203 7.2)."""
    good = _core.KeyShare.generate(NamedGroup.code_of(group)).public
    curve, place, *_ = HYBRIDS[group]
    start = CURVES[curve] if curve and place == "before" else 0
    key = bytearray(good[start : start + octets])
    found = {}
    for name, at, value in (("first", 0, 3329), ("middle", 300, 4095), ("last", octets - 32 - 3, 3330)):
        changed = bytearray(key)
        # Two coefficients of 12 bits in three octets; the second one is set.
        changed[at + 1] = changed[at + 1] & 0x0F | (value & 0xF) << 4
        changed[at + 2] = value >> 4
        found[f"{name} coefficient is {value}"] = bytes(changed)
    found["all coefficients are 4095"] = b"\xff" * (octets - 32) + bytes(key[-32:])
    return {name: good[:start] + bad + good[start + octets :] for name, bad in found.items()}


def cases(group: str, *, from_server: bool) -> dict[str, bytes]:
    """Invalid shares of one group as a client or a server would send them."""
    code = NamedGroup.code_of(group)
    good = _core.KeyShare.generate(code).public
    if from_server:
        good = _core.KeyShare.respond(code, good)[0]
    found = {"one octet short": good[:-1], "one octet more": good + b"\0", "twice": good + good, "one octet": b"\4"}
    if group in CURVES:
        return {**found, **bad_points(group)}
    curve, place, key_octets, cipher_octets = HYBRIDS[group]
    if not from_server:
        found.update(bad_key(group, key_octets))
    if curve is not None:
        other = good[: CURVES[curve]] if place == "before" else good[-CURVES[curve] :]
        kem = good[CURVES[curve] :] if place == "before" else good[: -CURVES[curve]]
        assert len(kem) == (cipher_octets if from_server else key_octets)
        found["only the curve"], found["only ML-KEM"] = other, kem
        if not from_server or curve != "x25519":
            # Any octets are an x25519 share and any a ciphertext: there the order shows only in another secret.
            found["parts swapped"] = kem + other if place == "before" else other + kem
        for name, point in bad_points(curve).items():
            found[f"curve: {name}"] = point + kem if place == "before" else kem + point
    return found


@pytest.mark.parametrize("group", GROUPS, ids=NamedGroup.name_of)
def test_server_refuses_invalid_shares(group: int) -> None:
    for name, share in cases(NamedGroup.name_of(group), from_server=False).items():
        server = server_config(groups=GROUPS).connection()
        raw = RawClient(groups=(group,))
        hello = raw.hello_message(KeyShareClientHello((KeyShareEntry(group, share),)))
        error = failure(server.receive, raw.hello(hello).wire())
        assert type(error) is errors.IllegalParameter, name
        assert raw.alert(server.data_to_send()) == 47, name


@pytest.mark.parametrize("group", GROUPS, ids=NamedGroup.name_of)
def test_client_refuses_invalid_shares(group: int) -> None:
    for name, share in cases(NamedGroup.name_of(group), from_server=True).items():
        client = client_config(groups=(group,)).connection(NAME)
        raw = RawServer(issued(), client)
        raw.send(raw.hello_message(group, share))
        error = failure(client.receive, raw.wire())
        assert type(error) is errors.IllegalParameter, name
        assert error.alert_sent == 47, name


@pytest.mark.parametrize("group", ["X25519MLKEM768", "SecP256r1MLKEM768", "MLKEM768", "MLKEM1024"])
def test_wrong_ciphertext_gives_another_secret_and_no_oracle(group: str) -> None:
    # FIPS 203: implicit rejection. The client finds out by the first record that it cannot open.
    code = NamedGroup.code_of(group)
    client = client_config(groups=(code,)).connection(NAME)
    raw = RawServer(issued(), client)
    message = raw.hello_message(code)
    share = bytearray(message.extensions.get(_share_class()).server_share.key_exchange)
    curve, place, *_ = HYBRIDS[group]
    share[(CURVES[curve] if curve and place == "before" else 0) + 100] ^= 1
    raw.hello(raw.hello_message(code, bytes(share)))
    raw.encrypted_extensions()
    error = failure(client.receive, raw.wire())
    assert type(error) is errors.BadRecordMac


def _share_class() -> Any:
    from tlscore.wire import KeyShareServerHello

    return KeyShareServerHello


@pytest.mark.parametrize("group", GROUPS, ids=NamedGroup.name_of)
def test_invalid_shares_are_value_errors_of_the_core_and_the_key_is_used_up(group: int) -> None:
    for share in (b"", b"\0", bytes(5000)):
        with pytest.raises(ValueError, match="share"):
            _core.KeyShare.respond(group, share)
        own = _core.KeyShare.generate(group)
        with pytest.raises(ValueError, match="share"):
            own.complete(share)
        with pytest.raises(RuntimeError, match="used"):
            own.complete(_core.KeyShare.respond(group, own.public)[0])


def test_random_and_shares_of_client_hellos_never_repeat() -> None:
    # attack 26. RFC 9846 4.3.8: a fresh share for each connection.
    config = client_config(groups=("x25519", "secp256r1"), key_shares=("x25519", "secp256r1"))
    count = 3000
    randoms, ids, shares = set(), set(), set()
    for _ in range(count):
        (record,) = records_of(config.connection(NAME).data_to_send())
        hello = decode(record[5:])
        assert isinstance(hello, ClientHello)
        randoms.add(hello.random)
        ids.add(hello.legacy_session_id)
        offered = hello.extensions.get(KeyShareClientHello)
        assert offered is not None
        shares.update(entry.key_exchange for entry in offered.client_shares)
    assert len(randoms) == len(ids) == count
    assert len(shares) == 2 * count


def test_hybrid_shares_and_server_shares_never_repeat() -> None:
    code = NamedGroup.X25519MLKEM768
    shares, randoms = set(), set()
    for _ in range(300):
        raw = RawClient(groups=(code,))
        shares.add(raw.share.public)
        server = server_config(groups=GROUPS).connection()
        server.receive(raw.hello().wire())
        hello = decode(records_of(server.data_to_send())[0][5:])
        randoms.add(hello.random)  # type: ignore[attr-defined]
        shares.add(hello.extensions.get(_share_class()).server_share.key_exchange)  # type: ignore[attr-defined]
    assert len(shares) == 600
    assert len(randoms) == 300


def test_retry_uses_a_new_share_and_keeps_the_random() -> None:
    config = client_config(groups=("x25519", "secp256r1"), key_shares=("x25519",))
    client = config.connection(NAME)
    server = server_config(groups=("secp256r1",)).connection()
    first = client.data_to_send()
    server.receive(first)
    client.receive(server.data_to_send())
    second = client.data_to_send()
    before = decode(records_of(first)[0][5:])
    after = decode(next(record for record in records_of(second) if record[0] == 22)[5:])
    assert isinstance(before, ClientHello)
    assert isinstance(after, ClientHello)
    assert before.random == after.random
    old, new = (hello.extensions.get(KeyShareClientHello) for hello in (before, after))
    assert old is not None
    assert new is not None
    assert {entry.key_exchange for entry in old.client_shares}.isdisjoint(
        {entry.key_exchange for entry in new.client_shares}
    )
