"""Rules about the code itself: what the Rust core may not touch (rule 7), and that every rule has its test."""

import re
from pathlib import Path

import pytest

RULES = {
    1: ("test_one_call.py", "test_write_makes_the_same_objects_for_one_record_and_for_a_thousand"),
    2: ("test_one_call.py", "test_into_calls_make_no_python_memory_that_grows_with_the_data"),
    3: ("test_one_call.py", "test_read_stops_at_a_change_of_keys_at_messages_and_at_the_end"),
    4: ("test_threads.py", "test_one_thread_reads_while_another_writes_in_both_directions"),
    5: ("test_threads.py", "test_long_calls_release_the_interpreter_and_short_ones_keep_it"),
    6: ("test_threads.py", "test_wire_in_a_bytearray_may_change_as_soon_as_receive_has_returned"),
    7: ("test_rules.py", "test_core_has_no_clock_no_socket_and_no_randomness"),
    8: ("test_failure.py", "test_every_call_raises_the_very_same_error"),
    9: ("test_fork.py", "test_child_can_do_nothing_and_the_parent_goes_on"),
    10: ("test_closure.py", "test_end_of_stream_at_every_octet_of_records_is_truncation"),
    11: ("test_memory.py", "test_claims_of_a_client_reserve_nothing"),
    12: ("test_gate.py", "test_nothing_can_be_written_or_read_before_the_handshake_is_complete"),
}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_its_test(rule: int) -> None:
    file, name = RULES[rule]
    assert f"def {name}(" in (Path(__file__).parent / file).read_text()


def test_core_has_no_clock_no_socket_and_no_randomness(repository: Path) -> None:
    forbidden = re.compile(
        r"std::(?:time|net|fs|io|process|thread|env)\b|\b(?:rand|getrandom|libc|pyo3|Instant|SystemTime)\b"
    )
    sources = sorted((repository / "rust/core/src").rglob("*.rs"))
    assert len(sources) > 10
    for source in sources:
        for number, line in enumerate(source.read_text().splitlines(), 1):
            code = line.split("//")[0]
            assert not forbidden.search(code), f"{source.name}:{number}: {line.strip()}"
    assert "forbid(unsafe_code)" in (repository / "rust/core/src/lib.rs").read_text()


def test_connections_are_reproducible_in_nothing_that_must_be_random() -> None:
    from tests.support.standing import client_config

    hellos = [client_config().connection("example.org").data_to_send() for _ in range(50)]
    assert len(set(hellos)) == 50
