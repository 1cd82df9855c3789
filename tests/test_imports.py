"""Imports go one way, and `import tlscore` stays cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "python" / "tlscore"

# The layers, lowest first: a module imports its own layer and lower ones.
LAYERS = [
    {"iana", "record"},
    {"errors", "catalogue", "pending", "clocks"},
    {
        "wire",
        "defaults",
        "policies",
        "settings",
        "danger",
        "legacy",
        "certs",
        "config",
        "config_base",
        "config_checks",
        "sessions",
        "events",
        "versions",
        "version_settings",
        "version_lists",
        "suites",
        "suite_table",
        "cipher_strings",
        "cipher_words",
        "security_levels",
        "trace",
        "report",
    },
    {"handshake"},
    {"connection"},
    {"sockets", "aio", "ssl"},
    {"pep748", "twisted", "urllib3"},
    {"cli", "__main__"},
]
# Who may touch the Rust module: the protocol, the hot paths of adapters, and what shows build facts or limits.
CORE_USERS = {"connection", "handshake", "ssl", "aio", "cli", "__init__"}
# What a room must not import, though the layers would let it; the reason is in docs/architecture.
FORBIDDEN = {
    "wire": {"certs", "config", "config_base", "config_checks", "settings", "policies", "danger", "events", "trace"},
    "certs": {"wire", "config", "config_base", "config_checks", "settings", "policies", "danger", "events", "trace"},
    "sessions": {"certs", "wire"},
}
# Names that a function may import at run time although they stand above: the factory methods of the configurations.
LAZY_UPWARD = {("config", "connection")}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[tuple[str, bool]]:
    """(room imported, at module level) of every import of tlscore that is executed."""
    tree = ast.parse(path.read_text())
    found: set[tuple[str, bool]] = set()

    def visit(node: ast.AST, top: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in node.orelse:
                visit(child, top)
            return
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] == "tlscore"]
            found.update((name.split(".")[1], top) for name in names if "." in name)
        elif isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".") if node.module else []
            if node.level:
                parts = ["tlscore", *path.relative_to(PACKAGE).parts[: -node.level], *parts]
            if parts and parts[0] == "tlscore":
                found.update((parts[1] if len(parts) > 1 else home_of(alias.name), top) for alias in node.names)
        inner = top and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for part in ast.iter_child_nodes(node):
            visit(part, inner)

    visit(tree, True)
    return found


def home_of(name: str) -> str:
    """The room of a name that is imported from the package itself."""
    import tlscore

    return (tlscore._HOMES.get(name) or name).split(".")[0]


def layer_of(room: str) -> int:
    for number, rooms in enumerate(LAYERS):
        if room in rooms:
            return number
    raise AssertionError(f"{room} has no layer: add it to LAYERS")


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_imports_only_its_layer_and_lower_ones(path: Path) -> None:
    room = room_of(path)
    for imported, top in imports_of(path):
        if imported in ("_core", "__version__"):
            assert room in CORE_USERS, f"{path.name} imports _core"
            continue
        assert imported not in FORBIDDEN.get(room, set()), f"{room} imports {imported}"
        if (room, imported) in LAZY_UPWARD and not top:
            continue
        assert layer_of(imported) <= layer_of(room), f"{room} imports {imported}, which stands above it"


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(PACKAGE.parent)},
    ).stdout


def test_import_of_tlscore_loads_no_expensive_module() -> None:
    loaded = run(
        "import sys; before = set(sys.modules); import tlscore; print(*sorted(set(sys.modules) - before))"
    ).split()
    heavy = {"cryptography", "ssl", "asyncio", "dataclasses", "enum", "socket", "typing", "re", "inspect"}
    assert not heavy & {name.split(".")[0] for name in loaded}
    assert set(loaded) <= {"tlscore", "__future__"}


@pytest.mark.parametrize("module", ["config", "errors", "settings", "policies", "danger", "certs.names"])
def test_module_loads_without_cryptography(module: str) -> None:
    loaded = run(f"import sys; import tlscore.{module}; print(*sys.modules)").split()
    assert not {"cryptography", "ssl", "asyncio", "dataclasses", "ipaddress", "idna"} & set(loaded)


def test_public_names_are_the_same_for_users_and_type_checkers() -> None:
    import tlscore

    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.asname or alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module != "typing"
        for alias in node.names
    }
    assert typed == set(tlscore.__all__) == set(tlscore._HOMES)
    assert set(tlscore.__all__) <= set(dir(tlscore))


def test_wrong_name_is_an_attribute_error() -> None:
    import tlscore

    with pytest.raises(AttributeError, match="no attribute 'clientconfig'"):
        tlscore.clientconfig  # noqa: B018
