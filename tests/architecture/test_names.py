"""One word, one meaning."""

import ast
from pathlib import Path

import realtime_message

ROOT = Path(realtime_message.__file__).parent
FORBIDDEN_MODULES = {
    "utils",
    "util",
    "helpers",
    "common",
    "base",
    "manager",
    "core",
    "misc",
    "tools",
}


def test_no_module_has_a_name_without_an_idea() -> None:
    """Modules are named by what they know."""
    wrong = [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*")
        if path.name.split(".")[0] in FORBIDDEN_MODULES
    ]
    assert not wrong


def test_public_names_are_sorted_and_exist() -> None:
    """`__all__` is sorted and equals what the package really offers."""
    names = realtime_message.__all__
    assert names == sorted(names)
    assert all(hasattr(realtime_message, name) for name in names)


def test_public_errors_are_drawn_in_the_tree() -> None:
    """Every exception of errors.py stands in the tree at its top."""
    source = (ROOT / "errors.py").read_text("utf-8")
    tree = ast.parse(source)
    drawing = ast.get_docstring(tree) or ""
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    assert classes
    assert not [name for name in classes if name not in drawing]


def test_public_things_are_documented() -> None:
    """Every public class and function has a docstring."""
    bare = [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in ROOT.rglob("*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not bare
