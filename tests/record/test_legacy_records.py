"""CBC and NULL records of TLS 1.0 to 1.2 against a second implementation: both ways, and everything a forger can do.

RFC 5246 6.2.3.1, 6.2.3.2, RFC 4346 6.2.3.2, RFC 2246 6.2.3.2, RFC 7366.
"""

import socket
import threading
from itertools import product

import pytest

from tests.support.legacy_records import SUITES, Layer, RecordFailure, Schedule, opened, pad, record
from tlscore import _core

CBC = [suite for suite, (key, _, _) in SUITES.items() if key]
BEFORE12 = [0x002F, 0x0035, 0x0002]


def all_schedules() -> list[Schedule]:
    schedules = [Schedule(suite, 0x0303) for suite in SUITES if suite in _core.SUITES_LEGACY]
    schedules += [Schedule(suite, version) for suite, version in product(BEFORE12, (0x0301, 0x0302))]
    return schedules + [
        Schedule(schedule.suite, schedule.version, encrypt_then_mac=True)
        for schedule in schedules
        if schedule.suite in CBC
    ]


SCHEDULES = all_schedules()
CBC_SCHEDULES = [schedule for schedule in SCHEDULES if schedule.suite in CBC]


def name_of(schedule: Schedule) -> str:
    return f"{schedule.suite:04x}-{schedule.version:04x}{'-etm' if schedule.encrypt_then_mac else ''}"


every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=name_of)
every_cbc_schedule = pytest.mark.parametrize("schedule", CBC_SCHEDULES, ids=name_of)
mac_then_encrypt = pytest.mark.parametrize(
    "schedule", [schedule for schedule in CBC_SCHEDULES if not schedule.encrypt_then_mac], ids=name_of
)


def split(wire: bytes) -> list[bytes]:
    records = []
    while wire:
        end = 5 + int.from_bytes(wire[3:5], "big")
        records.append(wire[:end])
        wire = wire[end:]
    return records


def refusal(layer: Layer, wire: bytes) -> tuple[str, int, str]:
    layer.receive(wire)
    with pytest.raises(RecordFailure) as caught:
        layer.read()
    code, alert, text = caught.value.args
    return code, alert, text


@every_schedule
def test_library_opens_what_the_forger_seals(schedule: Schedule) -> None:
    layer, (client, _) = opened(schedule), schedule.directions()
    for octets in (1, 15, 16, 17, 300, 16384, 0, 2):
        content = bytes(at % 251 for at in range(octets))
        layer.receive(client.seal(23, content, iv=bytes((octets % 256,)) * 16))
        assert layer.read() == content
    assert layer.counters[0] == 8


@every_schedule
def test_forger_opens_what_the_library_seals(schedule: Schedule) -> None:
    layer, (_, server) = opened(schedule), schedule.directions()
    for octets in (1, 15, 16, 17, 300, 16384, 40_000):
        content = bytes(at % 251 for at in range(octets))
        layer.write(content)
        records = split(layer.data_to_send())
        assert b"".join(server.open(one) for one in records) == content
        # BEAST: under TLS 1.0 one octet goes first, wherever a cipher chains its records.
        first = 1 if schedule.version == 0x0301 and schedule.suite in CBC else min(octets, 16384)
        assert len(records) == 1 + -(-(octets - first) // 16384)


@every_cbc_schedule
def test_every_padding_of_256_is_opened(schedule: Schedule) -> None:
    layer, (client, _) = opened(schedule), schedule.directions()
    for octets in range(17):
        for blocks in range(16):
            content = b"p" * octets
            layer.receive(client.seal(23, content, blocks=blocks))
            assert layer.read() == content


@mac_then_encrypt
def test_padding_mac_and_length_errors_are_one_error(schedule: Schedule) -> None:
    # RFC 5246 6.2.3.2: "The receiver MUST check this padding and MUST use the bad_record_mac alert to indicate padding
    # errors."
    # Attacks: POODLE, GOLDENDOODLE, zero-length padding, Lucky Thirteen's distinguisher.
    failures = set()

    def forged(plain: bytes) -> None:
        layer, (client, _) = opened(schedule), schedule.directions()
        failures.add(refusal(layer, client.raw(23, plain, bytes(16))))

    _, (client, _) = opened(schedule), schedule.directions()
    inner = b"content" + client.mac(23, b"content")
    good = inner + pad(len(inner))
    tags = len(client.mac(23, b""))
    value = good[-1]
    for at in range(len(good)):  # each octet of content, MAC and padding
        forged(good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :])
    for wrong in {0, 1, value - 1, value + 1, value + 16, 127, 255} - {value}:  # the length octet alone
        forged(good[:-1] + bytes((wrong & 0xFF,)))
    for wrong in (0, 15, 16, 255):  # whole paddings that reach into the MAC, or over the start of the record
        forged(bytes((wrong,)) * (16 * (1 + (tags + 15) // 16)))
        forged(b"\0" * 304 + bytes((wrong,)) * 256)
    forged(client.mac(23, b"")[: tags // 2] + b"\x00" * (64 - tags // 2))
    assert len(failures) == 1
    code, alert, _ = failures.pop()
    assert (code, alert) == ("bad_record_mac", 20)


@every_schedule
def test_lengths_that_cannot_be_are_the_same_error(schedule: Schedule) -> None:
    layer, (client, _) = opened(schedule), schedule.directions()
    layer.receive(client.seal(23, b"first"))
    assert layer.read() == b"first"
    wrong = client.seal(23, b"x")
    wrong = wrong[:-1] + bytes((wrong[-1] ^ 1,))
    expected = refusal(layer, wrong)
    assert expected[:2] == ("bad_record_mac", 20)
    for octets in (0, 1, 15, 16, 19, 31, 33, 47, 49, 63, 65):
        layer = opened(schedule)
        assert refusal(layer, record(23, schedule.version, b"z" * octets)) == expected


@pytest.mark.parametrize("suite", CBC)
def test_encrypt_then_mac_checks_the_mac_before_it_decrypts(suite: int) -> None:
    schedule = Schedule(suite, 0x0303, encrypt_then_mac=True)
    failures = set()
    _, (client, _) = opened(schedule), schedule.directions()
    honest = client.seal(23, b"content")
    for at in range(5, len(honest)):
        changed = honest[:at] + bytes((honest[at] ^ 0x80,)) + honest[at + 1 :]
        failures.add(refusal(opened(schedule), changed))
    # A right MAC over a wrong padding: the peer itself is broken, and gets the same error.
    _, (client, _) = opened(schedule), schedule.directions()
    for plain in (b"x" * 15 + b"\x05", b"x" * 15 + b"\xff", bytes(14) + b"\x01\x02"):
        body = client.raw(23, plain, bytes(16))[5:]
        failures.add(refusal(opened(schedule), record(23, 0x0303, body + client.mac(23, body))))
    assert {(code, alert) for code, alert, _ in failures} == {("bad_record_mac", 20)}
    assert len(failures) == 1


@every_schedule
def test_too_much_content_is_record_overflow_once_the_mac_is_right(schedule: Schedule) -> None:
    # RFC 5246 6.2.1: "The length MUST NOT exceed 2^14."
    layer, (client, _) = opened(schedule), schedule.directions()
    code, alert, _ = refusal(layer, client.seal(23, bytes(16385)))
    assert (code, alert) == ("record_overflow", 22)
    layer, (client, _) = opened(schedule), schedule.directions()
    sealed = client.seal(23, bytes(16385))
    code, alert, _ = refusal(layer, sealed[:-1] + bytes((sealed[-1] ^ 1,)))
    assert (code, alert) == ("bad_record_mac", 20)


@every_schedule
def test_finished_exporter_and_extended_main_secret_agree(schedule: Schedule) -> None:
    messages = b"\x01\x00\x00\x02hi\x02\x00\x00\x00"
    for session_hash in (None, bytes(range(36))):
        ours = Schedule(schedule.suite, schedule.version, schedule.encrypt_then_mac, session_hash)
        main, transcript = ours.library(), _core.Transcript()
        transcript.add(messages)
        transcript.select_hash(ours.suite, ours.version)
        for is_client, label in ((True, b"client finished"), (False, b"server finished")):
            expected = ours.finished(label, messages)
            assert main.finished_mac(is_client, transcript) == expected
            assert main.verify_finished(is_client, transcript, expected)
            assert not main.verify_finished(not is_client, transcript, expected)
        assert main.export(b"EXPERIMENTAL label", None, 50) == ours.export(b"EXPERIMENTAL label", 50)


def test_empty_records_pass_and_too_many_of_them_end_the_connection() -> None:
    schedule = Schedule(0x002F, 0x0301)
    layer, (client, _) = opened(schedule), schedule.directions()
    for _ in range(100):  # the countermeasure of other stacks: an empty record before each full one
        layer.receive(client.seal(23, b"") + client.seal(23, b"data"))
        assert layer.read() == b"data"
    code, _, _ = refusal(layer, b"".join(client.seal(23, b"") for _ in range(33)))
    assert code == "limit"


def test_alerts_and_close_are_sealed_too() -> None:
    for schedule in SCHEDULES:
        layer, (client, server) = opened(schedule), schedule.directions()
        layer._close_write()
        (sealed,) = split(layer.data_to_send())
        assert sealed[0] == 21
        assert server.open(sealed) == b"\x01\x00"
        layer.receive(client.seal(23, b"last") + client.seal(21, b"\x01\x00"))
        assert layer.read() == b"last"
        assert layer.read() == b""
        assert layer.peer_closed


def test_many_records_come_in_one_call_whatever_their_padding() -> None:
    for schedule in SCHEDULES:
        layer, (client, _) = opened(schedule), schedule.directions()
        contents = [bytes((at,)) * (at * 97 % 5000 + 1) for at in range(40)]
        blocks = [at % 15 if schedule.suite in CBC else 0 for at in range(40)]
        wire = b"".join(client.seal(23, content, blocks=more) for content, more in zip(contents, blocks, strict=True))
        layer.receive(wire)
        assert layer.read() == b"".join(contents)
        layer.receive(client.seal(23, b"abc") + client.seal(23, b"def"))
        room = bytearray(4)
        assert (layer.read_into(room), bytes(room)) == (4, b"abcd")
        assert layer.read() == b"ef"


def test_wire_size_is_exact_with_the_first_octet_on_its_own() -> None:
    for schedule in SCHEDULES:
        layer = opened(schedule)
        for octets in (0, 1, 2, 16, 16384, 16385, 50_000):
            size = layer.wire_size(octets)
            out = bytearray(size)
            assert layer.write_into(bytes(octets), out) <= size
            layer.write(bytes(octets))
            assert len(layer.data_to_send()) <= size


@pytest.mark.parametrize("schedule", [Schedule(0x002F, 0x0301), Schedule(0x003C, 0x0303), Schedule(0x003B, 0x0303)])
def test_descriptor_calls_carry_what_the_forger_reads_and_writes(schedule: Schedule) -> None:
    layer, (client, server) = opened(schedule), schedule.directions()
    content = bytes(at % 251 for at in range(300_000))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        received = bytearray()

        def read_all() -> None:
            while octets := theirs.recv(1 << 16):
                received.extend(octets)

        reader = threading.Thread(target=read_all)
        reader.start()
        assert layer.send_to(ours.fileno(), content, 10) == len(content)
        ours.shutdown(socket.SHUT_WR)
        reader.join(20)
        assert b"".join(server.open(one) for one in split(bytes(received))) == content
        sent = b"".join(client.seal(23, content[at : at + 5000], blocks=at % 7) for at in range(0, 60_000, 5000))
        theirs.sendall(sent)
        got = b""
        while len(got) < 30_000:
            got += layer.read_bytes_from(ours.fileno(), 7001, 10)
        room = bytearray(9000)
        while len(got) < 60_000:
            got += room[: layer.read_from(ours.fileno(), room, 10)]
        assert got == content[:60_000]
