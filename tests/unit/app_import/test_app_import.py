"""A user names an App; what is wrong with the name is told apart."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_message.app import App
from realtime_message.app_import import import_app
from realtime_message.errors import AppError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with modules; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def _problem(name: str) -> str:
    with pytest.raises(AppError) as caught:
        import_app(name)
    return str(caught.value)


def test_app_is_found_in_the_working_directory(folder: Path) -> None:
    """A module beside the user is found, also one in a package and an attribute of an object."""
    text = "from realtime_message import App\nclass Box:\n    app = App()\napp = Box.app\n"
    (folder / "shop").mkdir()
    (folder / "shop/orders.py").write_text(text)
    assert isinstance(import_app("shop.orders:app"), App)
    assert import_app("shop.orders:Box.app").name == "shop.orders:Box.app"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "named module:attribute"),
        ("a b:app", "named module:attribute"),
        ("shop", "name the App in it too: shop:app"),
        ("shop/orders.py", "name the module, not its file: shop.orders:app"),
        ("./orders.py:app", "name the module, not its file: orders:app"),
        ("orders.py:app", "name the module, not its file: orders:app"),
        ("shop:", "named module:attribute"),
    ],
)
def test_wrong_form_is_told_with_the_right_one(name: str, expected: str) -> None:
    """Whoever gives a file or forgets the attribute learns what to write."""
    assert expected in _problem(name)


def test_missing_module_is_told_with_the_folder(folder: Path) -> None:
    """Most often the command runs in the wrong folder."""
    assert f"there is no module nowhere, neither in {folder}" in _problem("nowhere:app")
    (folder / "shop").mkdir()
    assert "there is no module shop.orders" in _problem("shop.orders:app")


def test_missing_module_is_told_with_the_nearest_in_the_folder(folder: Path) -> None:
    """A slip of the pen."""
    (folder / "worker.py").write_text("")
    (folder / "shop").mkdir()
    (folder / "shop/__init__.py").write_text("")
    (folder / "shop/orders.py").write_text("")
    assert _problem("workr:app").endswith("nor installed; did you mean worker:app?")
    assert _problem("shop.order:app").endswith("did you mean shop.orders:app?")
    assert _problem("shp.orders:app").endswith("did you mean shop.orders:app?")
    assert _problem("nothing:app").endswith("run the command in the folder that holds it")


def test_module_that_misses_another_is_not_called_missing(folder: Path) -> None:
    """`import pandas` failing inside the user's module is the module's failure."""
    (folder / "orders.py").write_text("\nimport nowhere_to_be_found\n")
    text = _problem("orders:app")
    assert "orders failed while it was imported, orders.py, line 2" in text
    assert "No module named 'nowhere_to_be_found'" in text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1\ny = 1 / 0\n", "orders.py, line 2: ZeroDivisionError: division by zero"),
        ("def f(:\n", "orders.py, line 1: SyntaxError"),
        ("import sys\nsys.exit('no')\n", "orders.py, line 2: SystemExit: no"),
        (
            "from realtime_message import App\napp = App()\n@app.on_message()\ndef f(): ...\n",
            "orders.py, line 3: @app.on_message on orders.f(): the function must take",
        ),
        (
            "import json\njson.loads('{')\n",
            "orders.py, line 2: json.decoder.JSONDecodeError",
        ),
        ("import os\nos.environ['NOWHERE_SET']\n", "orders.py, line 2: KeyError: 'NOWHERE_SET'"),
    ],
)
def test_failing_module_is_told_with_its_line(source: str, expected: str, folder: Path) -> None:
    """The user sees the line of the own code and the error, not our frames."""
    (folder / "orders.py").write_text(source)
    assert expected in _problem("orders:app")


def test_missing_attribute_is_told_with_the_apps_there_are(folder: Path) -> None:
    """If the module has an App under another name, that name is given."""
    (folder / "orders.py").write_text("from realtime_message import App\napplication = App()\n")
    assert "has no app; did you mean orders:application?" in _problem("orders:app")
    (folder / "empty.py").write_text("")
    assert _problem("empty:app").endswith("the module empty has no app")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("app = 1", "an int"),
        ("def app(): ...", "a function"),
        ("from realtime_message import App as app", "the class App itself"),
        ("import json as app", "a module"),
    ],
)
def test_what_is_no_app_is_described(source: str, kind: str, folder: Path) -> None:
    """The sentence says what stands there instead."""
    (folder / "orders.py").write_text(source)
    assert f"orders:app is {kind}, not an App" in _problem("orders:app")
