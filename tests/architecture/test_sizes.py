"""A file is one idea and fits a reader's head."""

import ast
from pathlib import Path

import realtime_message

ROOT = Path(realtime_message.__file__).parent
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 50

SOURCES = sorted(p for p in ROOT.rglob("*") if p.suffix in {".py", ".js", ".lua", ".css"})


def test_no_module_is_over_the_limit() -> None:
    """No source file has more than 300 lines."""
    sizes = {str(p.relative_to(ROOT)): len(p.read_text("utf-8").splitlines()) for p in SOURCES}
    assert not {name: size for name, size in sizes.items() if size > MAX_MODULE_LINES}


def test_no_function_is_over_the_limit() -> None:
    """No function has more than 50 lines."""
    long = {
        f"{path.relative_to(ROOT)}:{node.name}": node.end_lineno - node.lineno + 1
        for path in SOURCES
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    }
    assert not {name: size for name, size in long.items() if size > MAX_FUNCTION_LINES}


def test_first_four_files_are_a_short_read() -> None:
    """The four files that a newcomer reads have under 600 lines together."""
    project = Path(__file__).parents[2]
    files = [
        project / "ARCHITECTURE.md",
        ROOT / "callback/events/publish.py",
        ROOT / "streams/contracts.py",
        ROOT / "worker/worker.py",
    ]
    assert sum(len(f.read_text("utf-8").splitlines()) for f in files) < 600
