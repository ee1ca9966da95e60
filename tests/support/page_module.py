"""The Python samples of a documentation page, as one module."""

from __future__ import annotations

import sys
from types import ModuleType

from support.readme_commands import PROJECT, shown_programs


def page_module(page: str) -> ModuleType:
    """Return a page's samples as a module of its own, anew at each call.

    Args:
        page: its path in the project.
    """
    file = PROJECT / page
    module = ModuleType(file.stem.replace("-", "_"))
    # Annotations are looked up in the module that a function names as its own.
    sys.modules[module.__name__] = module
    source = "\n\n".join(shown_programs(file))
    exec(compile(source, str(file), "exec"), vars(module))
    return module
