"""The tree is the data-flow diagram: a package imports only what stands to its left."""

import ast
from pathlib import Path

import pytest

import realtime_message

ROOT = Path(realtime_message.__file__).parent
PACKAGE = "realtime_message"

#: From left to right. What shares a place never imports its neighbour.
ORDER: list[set[str]] = [
    {"errors"},
    {"ages", "browser_rules", "patterns", "partitions", "message", "redis_url"}
    | {"valkey_wheel", "visible_text"},
    {"centrifugo", "settings", "telemetry"},
    {"context"},
    {"app"},
    {"app_import"},
    {"streams", "key_sets"},
    {"callback", "worker"},
    {"gateway", "client", "testing", "console"},
    {"stack"},
    {"doctor"},
    {"cli"},
]
PLACE = {name: place for place, names in enumerate(ORDER) for name in names}

#: Libraries that one package alone may import.
OWNED = {
    "redis": "streams",
    "hiredis": "streams",
    "cryptography": "centrifugo",
    "jwt": "centrifugo",
    "typer": "cli",
    "rich": "cli",
    "opentelemetry": "telemetry",
    "textual": "console",
}

MODULES = sorted(path for path in ROOT.rglob("*.py") if path.name != "__main__.py")


def _room(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def _imports(path: Path) -> set[str]:
    """Every module that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _rooms_imported(path: Path) -> set[str]:
    parts = (name.split(".") for name in _imports(path))
    return {p[1] for p in parts if p[0] == PACKAGE and len(p) > 1 and p[1] in PLACE}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_module_imports_only_what_stands_to_its_left(path: Path) -> None:
    """A module imports its own room and rooms to its left, nothing else."""
    room = _room(path)
    if room == "__init__":
        return
    assert room in PLACE, f"{room} has no place in the order: add it to ORDER and ARCHITECTURE.md"
    wrong = {
        other for other in _rooms_imported(path) if other != room and PLACE[other] >= PLACE[room]
    }
    assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}, not left of {room}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_library_is_imported_by_its_owner_only(path: Path) -> None:
    """Redis is spoken in streams, tokens in centrifugo, the terminal in cli."""
    tops = {name.split(".")[0] for name in _imports(path)}
    wrong = {top: owner for top, owner in OWNED.items() if top in tops and _room(path) != owner}
    assert not wrong, f"{path.relative_to(ROOT)}: {wrong}"


def test_order_knows_every_room() -> None:
    """Every top-level module and package has a place in the order."""
    rooms = {_room(path) for path in MODULES} - {"__init__"}
    assert rooms <= set(PLACE)


def test_imports_are_absolute() -> None:
    """No relative import hides where a name comes from."""
    relative = [
        str(path.relative_to(ROOT))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative
