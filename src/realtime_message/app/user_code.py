"""Which lines of a traceback are the user's own."""

from __future__ import annotations

import os
from pathlib import Path

# What a user did not write: other packages, this one, the standard library.
_INSTALLED = (
    f"{os.sep}site-packages{os.sep}",
    str(Path(__file__).parents[1]),
    str(Path(os.__file__).parent),
    "<frozen ",
)


def is_users(file: str) -> bool:
    """Whether a file of a traceback is none of an installed package or of Python itself."""
    return not any(part in file for part in _INSTALLED)


def shown_file(file: str) -> str:
    """Return a file's name as a user reads it: beneath the working directory without that."""
    return file.removeprefix(os.getcwd() + os.sep)  # noqa: PTH109 - texts of a traceback
