"""The guard of instruction counts: it reads a profile rightly, and notices what it must notice."""

import importlib.util
from types import ModuleType

import pytest

from tests.support.tools import REPOSITORY

PROFILE = """version: 1
events: Ir
fl=(1) ???
fn=(1) tlscore_core::write::WriteHalf::seal_exact
0 100
cfn=(2) aws_lc_0_47_0_aes_gcm_enc
calls=3 0
0 5000
+3 20
fn=(2)
0 5000
fn=(3) <tlscore_crypto::aead::aws_lc::AwsLcKey as tlscore_crypto::aead::RecordAead>::seal
* 7
cob=(2) /usr/lib/libc.so.6
cfn=(4) memcpy
calls=1 0
* 90
fn=(1)
-1 3

totals: 5220
"""


@pytest.fixture(scope="module")
def instructions() -> ModuleType:
    spec = importlib.util.spec_from_file_location("instructions", REPOSITORY / "benches" / "instructions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_only_our_own_instructions_count(instructions: ModuleType) -> None:
    """Not those of the AEAD, not what was called, and those of a name that is told by its number alone."""
    assert instructions.own_instructions(PROFILE) == 100 + 20 + 7 + 3


def test_three_per_cent_are_told_and_one_is_not(instructions: ModuleType) -> None:
    record = {"seal-64": 1000.0, "open-64": 1000.0, "gone": 1.0}
    found = {"seal-64": 1030.0, "open-64": 1010.0, "new": 1.0}
    told = instructions.differences(record, found)
    assert told == [
        "gone is no longer measured",
        "new is not in the record",
        "seal-64: 1030 instructions, +3.0% against the recorded 1000",
    ]
    assert instructions.differences(record, {**record, "open-64": 970.0}) != []
    assert instructions.differences(record, record) == []


def test_other_compilers_and_machines_are_skipped_with_a_reason(
    instructions: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instructions, "compiler", lambda: "rustc 9.9.9")
    monkeypatch.setattr(instructions.platform, "machine", lambda: "x86_64")
    with pytest.raises(instructions.Skipped, match=r"rustc 9\.9\.9"):
        instructions.comparable({"machine": "x86_64", "compiler": "rustc 1.0.0"})
    with pytest.raises(instructions.Skipped, match="this machine is x86_64"):
        instructions.comparable({"machine": "riscv64", "compiler": "rustc 9.9.9"})
    instructions.comparable({"machine": "x86_64", "compiler": "rustc 9.9.9"})


def test_record_covers_every_path(instructions: ModuleType) -> None:
    import json

    assert set(json.loads(instructions.RECORD.read_text())["counts"]) == set(instructions.PATHS)
