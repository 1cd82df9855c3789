"""Every fuzz target for a bounded number of executions; `make fuzz` runs them for as long as you like.

TLSCORE_FUZZ_EXECUTIONS sets how many, TLSCORE_FUZZ_SEED repeats a run; a failure prints seed and input.
"""

import os
import random
import re
import time

import pytest

from tests.fuzz import mutation
from tests.fuzz.engine import Target, once, run
from tests.fuzz.messages import handshakes
from tests.fuzz.targets import TARGETS, certificates
from tests.support.tools import REPOSITORY
from tlscore.certs.paths.facts import Facts
from tlscore.wire import decode

EXECUTIONS = int(os.environ.get("TLSCORE_FUZZ_EXECUTIONS", "400"))
SEED = int(os.environ.get("TLSCORE_FUZZ_SEED", str(time.time_ns() // 1000)))


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_target_finds_nothing(target: Target) -> None:
    print(f"{target.name}: seed {SEED}, {EXECUTIONS} executions")
    assert run(target, SEED, EXECUTIONS) >= EXECUTIONS


def test_make_fuzz_knows_every_target() -> None:
    makefile = (REPOSITORY / "Makefile").read_text().replace("\\\n", " ")
    listed = dict(re.findall(r"^(PYTHON|RUST)_TARGETS := (.*)$", makefile, re.MULTILINE))
    assert set(listed["PYTHON"].split()) == set(TARGETS)
    known = re.findall(r'^    \("(\w+)", targets::', (REPOSITORY / "rust/fuzz/src/lib.rs").read_text(), re.MULTILINE)
    assert set(listed["RUST"].split()) == set(known)
    assert len(known) >= 7


def test_failure_names_seed_and_input() -> None:
    def fails(data: bytes) -> None:
        raise KeyError(len(data))

    target = Target("broken", fails, lambda: [b"\x01\x02"], "tls")
    with pytest.raises(AssertionError, match=r"broken, seed 7:(.|\n)*KeyError: 2(.|\n)*--input 0102"):
        run(target, 7, 1)


def test_endless_loop_is_interrupted() -> None:
    def never_ends(data: bytes) -> None:
        while True:
            pass

    with pytest.raises(AssertionError, match=r"more than 1\.0 s of CPU time"):
        once(Target("endless", never_ends, lambda: [b""], "tls"), b"")


def test_run_is_repeated_by_its_seed() -> None:
    def inputs(seed: int) -> list[bytes]:
        found: list[bytes] = []
        run(Target("collect", found.append, lambda: [b"0123456789" * 9], "der"), seed, 50)
        return found

    assert inputs(1) == inputs(1) != inputs(2)


def test_changes_that_keep_the_structure_are_parsed() -> None:
    """Or else a fuzz run would never get past the first length."""
    chance = random.Random(1)
    parsed = 0
    for _ in range(300):
        changed = mutation.der(chance.choice(certificates()), certificates()[0], chance)
        try:
            Facts(changed)
        except Exception:
            continue
        parsed += changed not in certificates()
    assert parsed > 30
    decoded = 0
    for _ in range(300):
        changed = mutation.vector(chance.choice(handshakes()), handshakes()[0], chance)
        try:
            decode(changed, 0x0304)
        except Exception:
            continue
        decoded += changed not in handshakes()
    assert decoded > 30
