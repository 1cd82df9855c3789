"""What the wire room costs, by counts: modules that come in with it, classes made, work put off until it is needed."""

import subprocess
import sys
from pathlib import Path

import tlscore

PACKAGE = Path(tlscore.__file__).parent

# The package's own __init__ is another room: here the wire room is loaded without it.
ALONE = f"""
import sys, types
package = types.ModuleType("tlscore")
package.__path__ = [{str(PACKAGE)!r}]
sys.modules["tlscore"] = package
"""


def run(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", ALONE + program], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_importing_the_wire_room_loads_no_heavy_module() -> None:
    # `typing` is counted as given: every module of the package uses it, and on some versions it brings re and enum.
    program = "import typing\nold = {*sys.modules}\nimport tlscore.wire\nprint(*sorted({*sys.modules} - old))"
    loaded = run(program)
    rooms = {name for name in loaded if name.startswith("tlscore")}
    assert {name.split(".")[1] for name in rooms if "." in name} == {"wire", "iana", "record", "errors"}
    assert {name for name in loaded if name not in rooms} <= {"struct", "_struct", "errno"}


def test_no_module_of_the_wire_room_names_a_heavy_module() -> None:
    files = [*(PACKAGE / "wire").glob("*.py"), PACKAGE / "record.py", PACKAGE / "iana.py"]
    for path in files:
        for heavy in ("dataclasses", "enum", "re", "inspect", "socket", "ssl", "asyncio", "cryptography", "datetime"):
            assert f"import {heavy}\n" not in path.read_text()
            assert f"from {heavy} " not in path.read_text()


def test_importing_compiles_no_class() -> None:
    program = """
import tlscore.wire as w
from tlscore.record import Record
def below(cls):
    for sub in type.__subclasses__(cls):
        yield sub
        yield from below(sub)
classes = [*below(Record)]
print(len(classes), sum("_decoder" in vars(cls) or "_encoder" in vars(cls) for cls in classes))
"""
    classes, compiled = map(int, run(program))
    assert 40 <= classes <= 75
    assert compiled == 0


def test_unknown_codes_leave_nothing_behind() -> None:
    # A peer must not be able to grow our tables by sending codes that nobody knows.
    from tlscore import wire as w
    from tlscore.wire.struct import decoder_of

    def tables() -> int:
        return sum(len(cell.cell_contents) for cell in cells if isinstance(cell.cell_contents, dict))

    decode = decoder_of(w.EncryptedExtensions)
    cells = [*(getattr(decode, "__func__", decode).__closure__ or ())]
    for cell in list(cells):
        cells += getattr(cell.cell_contents, "__closure__", None) or ()
    for cell in list(cells):
        cells += getattr(cell.cell_contents, "__closure__", None) or ()
    before = tables()
    assert before > 0
    for code in range(0x8000, 0x8100):
        w.decode(w.encode(w.EncryptedExtensions(w.Extensions([w.UnknownExtension(code, b"")]))))
    assert tables() == before


def test_extensions_that_clients_repeat_are_kept_within_bounds() -> None:
    # What is remembered is what was decoded and checked, and a peer that never repeats itself cannot make it grow.
    from tlscore import wire as w
    from tlscore.wire import extensions

    def hello(name: bytes) -> w.ClientHello:
        offered = w.Extensions((w.ServerName(name), w.SupportedGroups((0x001D,))))
        message = w.decode(w.encode(w.ClientHello(0x0303, bytes(32), b"", (0x1301,), b"\0", offered)))
        assert isinstance(message, w.ClientHello)
        return message

    first, second = hello(b"example.org"), hello(b"example.org")
    assert first == second
    assert first.extensions.get(w.SupportedGroups) is second.extensions.get(w.SupportedGroups)
    for number in range(2 * extensions.KEPT_SEEN):
        name = b"host-%d.example" % number
        assert hello(name).extensions.get(w.ServerName) == w.ServerName(name)
