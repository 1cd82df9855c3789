"""Records behave as frozen values: made, compared, hashed, shown, replaced, pickled and copied by their fields."""

import copy
import pickle
import subprocess
import sys
from typing import Any, ClassVar

import pytest

from tlscore.record import Record, RecordMeta


class Point(Record):
    unit: ClassVar[str] = "cm"
    label = "a plain class attribute"
    x: int
    y: int = 7


class Point3(Point):
    z: int = 0


class Named(Record, kw_only=True):
    name: str = "n"
    size: int


class Checked(Record):
    octets: int

    def __post_init__(self) -> None:
        if self.octets < 0:
            raise ValueError("octets are counted from 0")


class Lazy(Record):
    __slots__ = ("_found",)
    data: bytes


class Late(Record):
    other: "NotThere"  # type: ignore[name-defined]  # noqa: F821


def test_record_takes_values_by_place_name_and_default() -> None:
    assert (Point(1).x, Point(1).y) == (1, 7)
    assert Point(1, 2) == Point(x=1, y=2) == Point(1, y=2)
    assert Point3(1, 2, 3).z == 3
    assert Point3(1) == Point3(1, 7, 0)
    assert Point3(1, 2) == Point3(1, 2, 0)
    assert Late(5).other == 5


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((1, 2, 3), {}), ((1,), {"x": 2}), ((1,), {"w": 2}), ((), {"y": 2})],
)
def test_record_raises_type_error_when_arguments_do_not_fit(values: tuple[int, ...], named: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="Point"):
        Point(*values, **named)


def test_record_refuses_positional_values_when_keyword_only() -> None:
    assert Named(size=1) == Named(name="n", size=1)
    with pytest.raises(TypeError, match="positional"):
        Named("n", 1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="size"):
        Named(name="n")  # type: ignore[call-arg]


def test_class_is_refused_when_a_field_without_default_follows_one_with() -> None:
    with pytest.raises(TypeError, match="no default"):
        RecordMeta("Wrong", (Record,), {"__annotations__": {"a": int, "b": int}, "a": 1})


def test_record_is_frozen() -> None:
    point: Any = Point(1)
    with pytest.raises(AttributeError, match="replace"):
        point.x = 2
    with pytest.raises(AttributeError, match="frozen"):
        del point.x
    with pytest.raises(AttributeError):
        point.w = 2
    assert not hasattr(point, "__dict__")


def test_record_compares_and_hashes_by_class_and_fields() -> None:
    assert Point(1) == Point(1)
    assert Point(1) != Point(2)
    assert Point3(1, 7, 0) != Point(1, 7)
    assert Point(1) != (1, 7)
    assert len({Point(1), Point(1), Point(2), Point3(1)}) == 3


def test_record_shows_its_fields_and_cuts_long_octets() -> None:
    assert repr(Point(1)) == "Point(x=1, y=7)"
    assert repr(Lazy(b"a")) == "Lazy(data=b'a')"
    assert repr(Lazy(bytes(33))) == f"Lazy(data=<33 octets {'00' * 32}...>)"


def test_replace_changes_the_named_fields_and_checks_again() -> None:
    assert Point(1).replace(y=9) == Point(1, 9)
    assert type(Point3(1).replace(x=2)) is Point3
    assert Named(size=1).replace(size=2).size == 2
    with pytest.raises(TypeError, match="no field"):
        Point(1).replace(q=1)
    with pytest.raises(ValueError, match="counted"):
        Checked(1).replace(octets=-1)


def test_checks_of_the_class_run_when_a_record_is_made() -> None:
    assert Checked(0).octets == 0
    with pytest.raises(ValueError, match="counted"):
        Checked(-1)


def test_extra_slot_is_no_field() -> None:
    lazy = Lazy(b"x")
    object.__setattr__(lazy, "_found", 1)
    assert lazy == Lazy(b"x")
    assert hash(lazy) == hash(Lazy(b"x"))
    assert not hasattr(pickle.loads(pickle.dumps(lazy)), "_found")


def test_record_survives_pickle_and_copy() -> None:
    for record in (Point(1, 2), Point3(1), Named(size=3), Checked(4)):
        assert pickle.loads(pickle.dumps(record)) == record
        assert copy.copy(record) is record
        assert copy.deepcopy(record) == record


def test_record_matches_patterns() -> None:
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_importing_record_loads_nothing_that_writes_code() -> None:
    # A dataclass is half a millisecond of import; what typing itself brings along is not ours to choose.
    program = "import typing, sys; old = {*sys.modules}; import tlscore.record; print(*sorted({*sys.modules} - old))"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert all(name.startswith("tlscore") or name == "__future__" for name in shown), shown
