"""The memory of ClientHellos, read as an attacker: no ClientHello gets from memory what it would not get otherwise.

What may differ between two ClientHellos of one answer is the random, the session ID and the share, at a place that is
guessed from the length. So the attacks are on the place (another layout of the same length), on the moment (a reload
between two looks), on the state (a second ClientHello, another configuration) and on what surrounds the message.
"""

from __future__ import annotations

import copy
import pickle
import random
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.handshake.test_remembered_hellos import answer_to
from tests.support import standing
from tests.support.certificates import make_ca
from tests.support.peers import X25519, RawClient, failure
from tests.support.peers12 import P256, RawClient12
from tlscore import IdentityFile, ServerConfig, TrustStore, _core, errors
from tlscore.connection import Connection
from tlscore.handshake import plans, selections
from tlscore.handshake.negotiation import check_offer
from tlscore.handshake.negotiation12 import Offer12, check_offer12
from tlscore.handshake.selections import KEPT_SELECTIONS
from tlscore.handshake.version_choice import select_version
from tlscore.wire import (
    Alpn,
    CertificateRequest12,
    ClientHello,
    EarlyDataIndication,
    Extensions,
    Finished,
    KeyShareClientHello,
    KeyShareEntry,
    ServerName,
    SupportedGroups,
    SupportedVersions,
    decode,
    encode,
)

NAME = ServerName(standing.NAME.encode())
CHANGE = b"\x14\x03\x03\x00\x01\x01"


def in_record(message: bytes) -> bytes:
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


def server_config(**settings: Any) -> ServerConfig:
    return ServerConfig.simple(standing.identity(), **{"alpn": ["h2"], "require_alpn": False, **settings})


def memory_of(config: ServerConfig) -> Any:
    return config._cache.memory()  # type: ignore[union-attr]


def forget(config: ServerConfig) -> None:
    memory = memory_of(config)
    for one in (memory.hellos, memory.selections, memory.shares):
        one.clear()


def with_share_inside(raw: RawClient, name: bytes = b"example.org", *behind: Any) -> ClientHello:
    """A ClientHello with extensions behind its share."""
    message = raw.hello_message(ServerName(name))
    share = message.extensions.get(KeyShareClientHello)
    assert share is not None
    before = [value for value in message.extensions if value.code != share.code]  # type: ignore[attr-defined]
    return message.replace(extensions=Extensions((*before, share, *behind)))


def finish(raw: RawClient, server: Connection) -> Connection:
    """The rest of a handshake of TLS 1.3 whose ClientHello is taken."""
    raw.take_flight(server.data_to_send())
    raw.finished()
    server.receive(raw.wire())
    assert server.handshake_complete
    return server


# -- the place of the share --------------------------------------------------------------------------------------------


def test_strangers_layout_of_the_same_length_breaks_no_handshake() -> None:
    """Two ClientHellos of a stranger must not make the server cut a third one at the wrong place.

    The first is what is left of the honest one when its share is cut one octet too far right; the second teaches that
    wrong place for the length. Cut there, the honest one would look like the first: without ALPN, and with a share
    that is none.
    """
    raw = RawClient()
    while not raw.share.public[0]:
        raw = RawClient()
    honest = with_share_inside(raw, b"example.org", Alpn((b"h2",)))
    octets = encode(honest)
    behind = octets.index(raw.share.public) + 32
    # The extension behind the share gets another type, which begins with the first octet of the share.
    assert octets[behind : behind + 2] == b"\0\x10"
    alike = octets[:behind] + raw.share.public[:1] + octets[behind + 1 :]
    shifted = encode(with_share_inside(RawClient(), b"xexample.org", Alpn((b"h",))))
    assert len(alike) == len(shifted) == len(octets)
    config = server_config()
    for stranger in (alike, shifted):
        config.connection().receive(in_record(stranger))
    assert len(memory_of(config).hellos) == 2
    server = config.connection()
    raw.hello(honest)
    server.receive(raw.wire())
    assert finish(raw, server).alpn == "h2"
    # The honest layout counts from now on; the wrong one is back as soon as its owner is.
    for again in (alike, shifted):
        config.connection().receive(in_record(again))
    assert answer_to(config, in_record(octets))[0] == honest.cipher_suites[0]


def layouts(version: str, chance: random.Random) -> bytes:
    """A ClientHello of one of many layouts, most of them of the same few lengths."""
    groups = SupportedGroups((X25519, P256))
    values: list[Any]
    if version == "1.3" or (version == "both" and chance.random() < 0.5):
        message = RawClient(groups=(chance.choice((X25519, P256)),)).hello_message(groups)
        versions = SupportedVersions(chance.choice(((0x0304,), (0x0304, 0x0303))))
        values = [versions if value.code == versions.code else value for value in message.extensions]  # type: ignore[attr-defined]
        if chance.random() < 0.4:
            shares = [KeyShareEntry(group, _core.KeyShare.generate(group).public) for group in (X25519, P256)]
            several = KeyShareClientHello(tuple(shares))
            values = [several if value.code == several.code else value for value in values]
    else:
        message = RawClient12().hello_message(groups)
        values = list(message.extensions)
        if chance.random() < 0.3:
            # A share that nobody asked for stands for nothing in TLS 1.2.
            share = KeyShareEntry(X25519, bytes(chance.choice((1, 32, 40))))
            values += [KeyShareClientHello((share,)), SupportedVersions((0x0303,))]
    values.append(ServerName(b"x" * chance.randint(1, 4) + b".example"))
    values.append(Alpn(tuple([b"y" * chance.randint(1, 4) for _ in range(chance.randint(1, 2))])))
    chance.shuffle(values)
    return encode(message.replace(extensions=Extensions(values), legacy_session_id=bytes(chance.choice((0, 1, 32)))))


def mangled(octets: bytes, chance: random.Random) -> bytes:
    """The same length, with octets moved, copied or changed somewhere behind the random."""
    made = bytearray(octets)
    at, to = (chance.randrange(38, len(made)) for _ in range(2))
    match chance.randrange(5):
        case 0:
            made[at] = chance.choice((0, 1, 0xFF, made[at] ^ 1 << chance.randrange(8)))
        case 1:
            made.insert(to, made.pop(at))
        case 2:
            made[at], made[to] = made[to], made[at]
        case 3:
            # What another layout would have for its share moves a little.
            size, step = chance.choice((32, 65)), chance.randint(1, 6)
            piece = made[at : at + size]
            del made[at : at + size]
            made[at + step : at + step] = piece
        case _:
            piece = made[at : at + chance.randint(1, 40)]
            made[to : to + len(piece)] = piece
            made = made[: len(octets)]
    return bytes(made)


def check_recalled(config: ServerConfig, octets: bytes) -> bool:
    """Whether a ClientHello is known; if it is, it must be what the codec reads in it, checked and selected anew."""
    plan = plans.server_plan(config)
    known = selections.recalled(plan, octets)
    if known is None:
        return False
    hello, fresh = known
    offer, selection = hello.offer, hello.selection
    hello = decode(octets)
    assert isinstance(hello, ClientHello)
    assert (fresh.random, fresh.session_id) == (hello.random, hello.legacy_session_id)
    if isinstance(offer, Offer12):
        assert select_version(hello, config.versions) == 0x0303
        again: Any = check_offer12(hello, config)
    else:
        assert select_version(hello, config.versions) == 0x0304
        again = check_offer(hello)
        assert selection.share_at is not None
        assert fresh.share == again.shares[selection.share_at].key_exchange
    assert again.replace(shares=()) == offer
    assert selections._select(plan, again, hello, octets) == selection
    return True


@pytest.mark.parametrize("version", ["1.3", "1.2", "both"])
def test_no_mixture_of_layouts_is_answered_otherwise_than_without_memory(version: str) -> None:
    chance = random.Random(f"layouts of {version}")
    warm, cold = server_config(), server_config()
    seen: list[bytes] = []
    hits, ends = 0, set()
    for _ in range(1500):
        octets = layouts(version, chance) if not seen or chance.random() < 0.3 else chance.choice(seen[-30:])
        if chance.random() < 0.4:
            octets = mangled(octets, chance)
        seen.append(octets)
        hits += check_recalled(warm, octets)
        wire = in_record(octets)
        answer = answer_to(warm, wire)
        assert answer == answer_to(cold, wire)
        ends.add(answer[:1])
        forget(cold)
    # Both happened often: answers from memory, and refusals of many kinds.
    assert hits > 100
    assert len(ends) >= 4


def test_place_of_the_share_is_part_of_what_must_be_equal() -> None:
    first, second = (b"".join((bytes(38), b"\0", rest)) for rest in (b"ab__cd", b"abcd__"))
    place, other = ((41, 43),), ((43, 45),)
    assert selections._key(first, 0, place)[1] == selections._key(second, 0, other)[1]
    assert selections._key(first, 0, place) != selections._key(second, 0, other)
    assert selections._key(first, 0, place) == selections._key(first[:41] + b"XY" + first[43:], 0, place)


# -- what is fresh -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("octets", [*range(33), 33, 34, 255])
def test_session_id_of_any_length_is_answered_as_its_own(octets: int) -> None:
    # RFC 9846 4.2.3: "legacy_session_id_echo: The contents of the client's legacy_session_id field."
    config = server_config()
    for again in range(3):
        raw, server = RawClient(), config.connection()
        message = encode(raw.hello_message(NAME))
        session_id = bytes((again,)) * octets
        longer = (len(message) - 4 + octets - 32).to_bytes(3, "big")
        # The codec itself would refuse to write one of more than 32 octets.
        changed = b"".join((message[:1], longer, message[4:38], bytes((octets,)), session_id, message[71:]))
        raw.send(changed)
        if octets > 32:
            refused = failure(server.receive, raw.wire())
            assert type(refused) is errors.DecodeError
            assert not memory_of(config).hellos
            continue
        server.receive(raw.wire())
        hello = raw.take_hello(server.data_to_send())
        assert hello.legacy_session_id_echo == session_id
        assert len(memory_of(config).hellos) == 1


def test_empty_share_of_a_known_layout_is_refused() -> None:
    # RFC 9846 4.3.8: opaque key_exchange<1..2^16-1>.
    config = server_config()
    config.connection().receive(in_record(encode(with_share_inside(RawClient(), b"example.org", Alpn((b"h2",))))))
    raw = RawClient()
    octets = encode(with_share_inside(raw, b"example.org", Alpn((b"h2",))))
    empty = octets.replace(b"\x00\x20" + raw.share.public, b"\x00\x00" + raw.share.public)
    assert answer_to(config, in_record(empty))[2] == 50


def test_share_for_a_group_that_takes_another_length_is_refused_and_not_kept() -> None:
    """A share of any length is looked at when it is used; what is remembered beside it must not grow with it."""
    config, octets = server_config(), 15_000
    for number in range(KEPT_SELECTIONS - 1):
        raw, server = RawClient(), config.connection()
        share = KeyShareClientHello((KeyShareEntry(X25519, bytes(octets)),))
        refused = failure(server.receive, in_record(encode(raw.hello_message(share, Alpn((b"%d" % number,))))))
        assert refused.code == "TLS-BAD_KEY_SHARE"
    known = memory_of(config).hellos
    assert len(known) == KEPT_SELECTIONS - 1
    assert [one.offer.shares for one in known.values()] == [()] * len(known)
    assert len(pickle.dumps([(key, one.offer) for key, one in known.items()])) < octets * 10


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_key_log_names_each_connection_by_its_own_random(version: str, tmp_path: Path) -> None:
    config = server_config(key_log=str(tmp_path / "keys"))
    randoms = []
    for _ in range(3):
        raw, server = (RawClient() if version == "1.3" else RawClient12()), config.connection()
        raw.hello()
        server.receive(raw.wire())
        raw.take_flight(server.data_to_send())
        raw.finished() if isinstance(raw, RawClient) else raw.flight()
        server.receive(raw.wire())
        assert server.handshake_complete
        randoms.append((raw.random if isinstance(raw, RawClient) else raw.client_random).hex())
    logged = (tmp_path / "keys").read_text()
    assert len(memory_of(config).hellos) == 1
    assert [random in logged for random in randoms] == [True] * 3


# -- the moment --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_reload_between_selection_and_memory_leaves_no_old_identity_behind(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = [standing.authority().issue(standing.NAME, usage="server") for _ in range(2)]
    followed = IdentityFile(*issued[0].write(tmp_path))
    config, select = ServerConfig.simple(followed), selections._select

    def reloading(*arguments: Any) -> Any:
        made = select(*arguments)
        issued[1].write(tmp_path)
        followed.reload()
        return made

    def shown() -> bytes:
        raw, server = (RawClient() if version == "1.3" else RawClient12()), config.connection()
        raw.hello()
        server.receive(raw.wire())
        flight = raw.take_flight(server.data_to_send())
        (certificate,) = [message for message in flight if hasattr(message, "certificate_list")]
        first = certificate.certificate_list[0]
        return first if isinstance(first, bytes) else first.cert_data

    with monkeypatch.context() as patched:
        patched.setattr(selections, "_select", reloading)
        # The handshake that was under way may still be the old one's.
        assert shown() == issued[0].chain_der[0]
    assert [shown() for _ in range(3)] == [issued[1].chain_der[0]] * 3


def test_reloaded_trust_is_asked_for_in_answers_from_memory(tmp_path: Path) -> None:
    # RFC 5246 7.4.4: "A list of the distinguished names [X501] of acceptable certificate_authorities".
    file = tmp_path / "trust.pem"
    file.write_bytes(standing.authority().pem)
    trust = TrustStore.from_file(str(file))
    config = ServerConfig.mutual(standing.identity(), client_trust=trust)
    asked = []
    for turn in range(4):
        if turn == 2:
            file.write_bytes(make_ca("Another CA").pem)
            assert trust.reload()
        raw, server = RawClient12(), config.connection()
        raw.hello()
        server.receive(raw.wire())
        (request,) = [one for one in raw.take_flight(server.data_to_send()) if isinstance(one, CertificateRequest12)]
        asked.append(request.certificate_authorities)
    assert len(memory_of(config).hellos) == 1
    assert asked[0] == asked[1]
    assert asked[2] == asked[3]
    assert b"Standing CA" in b"".join(asked[0])
    assert b"Another CA" in b"".join(asked[2])
    assert b"Standing CA" not in b"".join(asked[2])


def test_threads_get_each_their_own_answer_while_the_memory_starts_anew() -> None:
    config = server_config(alpn=[f"p{number}" for number in range(200)], prefer="client")
    wrong: list[object] = []

    def work(offset: int) -> None:
        try:
            for turn in range(80):
                number = (turn * 5 + offset) % 200
                raw, server = RawClient(), config.connection()
                raw.hello(raw.hello_message(NAME, Alpn((b"p%d" % number,))))
                server.receive(raw.wire())
                if turn % 8:
                    # The name of the protocol is what the client would see: EncryptedExtensions are the first message.
                    selected = raw.take_flight(server.data_to_send())[0].extensions.get(Alpn)  # type: ignore[attr-defined]
                    if selected is None or selected.protocol_name_list != (b"p%d" % number,):
                        wrong.append((number, selected))
                else:
                    assert finish(raw, server).alpn == f"p{number}"
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in (0, 0, 1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    memory = memory_of(config)
    # Threads that come at the same moment may each add one beyond the bound.
    assert len(memory.hellos) < KEPT_SELECTIONS + len(threads)
    assert len(memory.shares) < KEPT_SELECTIONS + len(threads)


# -- the state ---------------------------------------------------------------------------------------------------------


def known_to(config: ServerConfig, *values: Any, groups: tuple[int, ...] = (P256,)) -> None:
    """Let a server take a ClientHello that it will know again."""
    raw = RawClient(groups=groups)
    raw.hello(raw.hello_message(NAME, SupportedGroups((X25519, P256)), *values))
    config.connection().receive(raw.wire())
    assert len(memory_of(config).hellos) == 1


def retrying(config: ServerConfig) -> tuple[RawClient, Connection, Any]:
    """A client whose share does not serve, and what the server asks it for."""
    raw, server = RawClient(groups=(X25519,)), config.connection()
    raw.hello(raw.hello_message(NAME, SupportedGroups((X25519, P256))))
    server.receive(raw.wire())
    raw.feed(server.data_to_send())
    octets = raw.layer._pull()
    assert isinstance(octets, bytes)
    raw.transcript.select_hash(raw.suite)
    raw.transcript.fold_hello_retry()
    raw.transcript.add(octets)
    return raw, server, octets


def test_second_client_hello_is_never_answered_from_memory() -> None:
    """It repeats a known one octet by octet, and belongs to a transcript that begins with message_hash all the same."""
    config = server_config(groups=["secp256r1"])
    known_to(config)
    raw, server, _ = retrying(config)
    raw.share = (other := RawClient(groups=(P256,))).share
    entry = KeyShareClientHello((KeyShareEntry(P256, other.share.public),))
    second = raw.hello_message(NAME, SupportedGroups((X25519, P256)), entry)
    assert selections.recalled(config._cache, encode(second)) is not None  # type: ignore[arg-type]
    raw.hello(second)
    server.receive(raw.wire())
    assert (6, "the server asks for a second ClientHello") in finish(raw, server).trace


def test_second_client_hello_without_its_cookie_is_refused_though_known() -> None:
    # RFC 9846 4.3.2: "the client MUST copy the contents of the extension received in the HelloRetryRequest into a
    # "cookie" extension in the new ClientHello."
    config = server_config(groups=["secp256r1"], hello_retry_cookie=True)
    known_to(config)
    raw, server, _ = retrying(config)
    raw.share = (other := RawClient(groups=(P256,))).share
    entry = KeyShareClientHello((KeyShareEntry(P256, other.share.public),))
    raw.hello(raw.hello_message(NAME, SupportedGroups((X25519, P256)), entry))
    error = failure(server.receive, raw.wire())
    assert type(error) is errors.IllegalParameter
    assert "cookie" in str(error)


def test_other_configurations_share_no_memory() -> None:
    """What one configuration selected is nothing to its copies, or to those that were made of it."""
    config = server_config()
    for version in ("1.3", "1.2"):
        raw = RawClient() if version == "1.3" else RawClient12()
        raw.hello()
        config.connection().receive(raw.wire())
    assert len(memory_of(config).hellos) == 2
    changes: list[dict[str, Any]] = [
        {},
        {"strict_sni": True},
        {"versions": "1.2"},
        {"versions": "1.3"},
        {"suites": ["TLS_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]},
        {"groups": ["secp384r1"]},
        {"client_auth": "required", "client_trust": standing.trust()},
    ]
    wires = []
    for raw in (RawClient(), RawClient12()):
        raw.hello()
        wires.append(raw.wire())
    for change in changes:
        made = config.replace(**change)
        for wire in wires:
            told = [answer_to(one, wire)[:3] for one in (made, server_config(**change), made)]
            assert told[0] == told[1] == told[2]
    assert config.replace() == config
    assert config.replace()._cache is None
    # A copy is the same object, as it is frozen.
    assert copy.copy(config) is copy.deepcopy(config) is config


def test_two_first_connections_at_once_share_plan_and_cookie_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cookie of the plan that was dropped would be refused as a stranger's on the next connection."""
    config = server_config(hello_retry_cookie=True)
    made: list[object] = []
    together = threading.Barrier(2)

    class Slow(plans.ServerPlan):
        def __init__(self, config: ServerConfig) -> None:
            super().__init__(config)
            made.append(self)
            # Whoever comes second has every chance to build another one.
            with suppress(threading.BrokenBarrierError):
                together.wait(0.2)

    monkeypatch.setattr(plans, "ServerPlan", Slow)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(plans.server_plan(config))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert found == made * 2


# -- what surrounds it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(("version", "alert"), [("1.3", None), ("1.2", 10)])
def test_change_cipher_spec_behind_a_client_hello_means_the_same(version: str, alert: int | None, warm: bool) -> None:
    # RFC 9846 5: an unencrypted change_cipher_spec may come "at any time after the first ClientHello message", and the
    # receiver "MUST simply drop it without further processing". In TLS 1.2 it would change the keys (CVE-2014-0224).
    config = server_config()
    for turn in range(1 + warm):
        raw, server = (RawClient() if version == "1.3" else RawClient12()), config.connection()
        raw.hello()
        wire = raw.wire() + (CHANGE if turn == warm else b"")
        if alert is None or turn < warm:
            server.receive(wire)
            assert server.error is None
        else:
            assert failure(server.receive, wire).alert == alert


@pytest.mark.parametrize("warm", [False, True])
def test_octets_behind_a_client_hello_of_tls13_in_its_record_are_refused(warm: bool) -> None:
    # RFC 9846 5.1: "Handshake messages MUST NOT span key changes."
    config = server_config()
    if warm:
        config.connection().receive(in_record(encode(RawClient().hello_message())))
    octets = encode(RawClient().hello_message()) + b"\x01"
    assert failure(config.connection().receive, in_record(octets)).alert == 10


def test_early_data_behind_a_known_client_hello_is_passed_over_only_where_it_was_offered() -> None:
    # RFC 9846 4.3.10: "Ignore the extension and return a regular 1-RTT response. The server then skips past early data"
    config = server_config()
    early = b"\x17\x03\x03\x00\x40" + bytes(64)
    for offered in (False, True, False, True):
        raw, server = RawClient(), config.connection()
        raw.hello(raw.hello_message(NAME, *((EarlyDataIndication(),) if offered else ())))
        server.receive(raw.wire())
        flight = server.data_to_send()
        if not offered:
            assert failure(server.receive, early).alert == 20
            continue
        server.receive(early)
        assert isinstance(raw.take_flight(flight)[-1], Finished)
        raw.finished()
        server.receive(raw.wire())
        assert server.handshake_complete
    assert len(memory_of(config).hellos) == 1


@pytest.mark.parametrize("on_reject", ["alert", "silent"])
def test_refusal_after_a_known_client_hello_keeps_its_form(on_reject: str) -> None:
    """A ClientHello that is known but for its versions is refused as any other: with an alert, or without a word."""
    config = server_config(on_reject=on_reject)
    for _ in range(2):
        config.connection().receive(in_record(encode(RawClient().hello_message(NAME))))
    octets = encode(RawClient().hello_message(NAME))
    refused = octets.replace(b"\x00\x2b\x00\x03\x02\x03\x04", b"\x00\x2b\x00\x03\x02\x7f\x1c")
    assert refused != octets
    server = config.connection()
    assert failure(server.receive, in_record(refused)).code == "TLS-PROTOCOL_VERSION"
    assert (server.data_to_send() == b"") == (on_reject == "silent")
