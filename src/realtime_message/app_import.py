"""Find the App that a user names as `module:attribute`."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from realtime_message.app import App
from realtime_message.app.user_code import is_users, shown_file
from realtime_message.errors import AppError

_EXAMPLE = "examples.worker:app"


def import_app(name: str) -> App:
    """Return the App that a user names.

    The working directory is searched first, as `python` itself does for a script in it.

    Args:
        name: `module:attribute`, such as `examples.worker:app`.

    Raises:
        AppError: the name is no such form, the module is missing or fails while it is imported,
            the attribute is missing or is no App. The text says which, and where.
    """
    module_name, _, attributes = name.partition(":")
    is_file = module_name.endswith(".py")
    if is_file or not _is_dotted(module_name) or not _is_dotted(attributes):
        raise AppError(f"{name}: {_wrong_form(name)}")
    module = _import_module(module_name, attributes)
    found: Any = module
    for attribute in attributes.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise AppError(_missing_attribute(name, module, attribute)) from None
    if not isinstance(found, App):
        raise AppError(f"{name} is {_describe(found)}, not an App: make one with `app = App()`")
    found.name = name
    return found


def _is_dotted(text: str) -> bool:
    return bool(text) and all(part.isidentifier() for part in text.split("."))


def _wrong_form(name: str) -> str:
    path, _, attribute = name.partition(":")
    if path.endswith(".py") or "/" in path:
        module = path.removesuffix(".py").removeprefix("./").replace("/", ".").strip(".")
        return f"name the module, not its file: {module}:{attribute or 'app'}"
    if _is_dotted(path) and ":" not in name:
        return f"name the App in it too: {name}:app"
    return f"an app is named module:attribute, such as {_EXAMPLE}"


def _import_module(name: str, attributes: str) -> ModuleType:
    directory = os.getcwd()  # noqa: PTH109 - sys.path holds texts
    if directory not in sys.path:
        sys.path.insert(0, directory)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # The named module itself, or one that it wants to import?
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            near = _near_module(error.name, Path(directory))
            advice = (
                f"did you mean {near}{name.removeprefix(error.name)}:{attributes}?"
                if near
                else "run the command in the folder that holds it"
            )
            raise AppError(
                f"there is no module {error.name}, neither in {directory} nor installed; {advice}"
            ) from None
        raise AppError(_failed_import(name, error)) from error
    except (Exception, SystemExit) as error:
        raise AppError(_failed_import(name, error)) from error


def _near_module(name: str, directory: Path) -> str:
    """Return a module in a folder whose name is nearly this one; empty if there is none."""
    package, dot, last = name.rpartition(".")
    folder = directory.joinpath(*package.split(".")) if package else directory
    if not folder.is_dir():
        return ""
    names = [p.stem for p in folder.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()]
    near = difflib.get_close_matches(last, names, n=1)
    return f"{package}{dot}{near[0]}" if near else ""


def _failed_import(name: str, error: BaseException) -> str:
    if isinstance(error, AppError):
        return f"{_place(error)}: {error}"
    what = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    return f"{name} failed while it was imported, {_place(error)}: {what}"


def _place(error: BaseException) -> str:
    """Return file and line of the user's code that failed."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{shown_file(error.filename)}, line {error.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    own = [frame for frame in frames if is_users(frame.filename)]
    if not frames:
        return "in an extension module"
    frame = (own or frames)[-1]
    return f"{shown_file(frame.filename)}, line {frame.lineno}"


def _missing_attribute(name: str, module: ModuleType, attribute: str) -> str:
    apps = [key for key, value in vars(module).items() if isinstance(value, App)]
    near = apps or difflib.get_close_matches(attribute, list(vars(module)), n=1)
    hint = f"; did you mean {module.__name__}:{near[0]}?" if near else ""
    return f"{name}: the module {module.__name__} has no {attribute}{hint}"


def _describe(value: Any) -> str:
    if isinstance(value, type):
        return "the class App itself" if value is App else f"the class {value.__name__}"
    if isinstance(value, ModuleType):
        return "a module"
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
