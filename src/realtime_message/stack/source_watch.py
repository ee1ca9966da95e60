"""Tells when source files change: their times are looked at, which works anywhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

_LOOK_EVERY_SECONDS = 0.4
_MAX_FILES = 5000
_SKIPPED = {"__pycache__", "node_modules", "site-packages"}


async def source_changes(folder: Path) -> AsyncIterator[Path]:
    """Yield one changed, new or removed Python file each time some did change.

    Args:
        folder: looked through with its subfolders; hidden and installed ones are left out.
    """
    before = await asyncio.to_thread(_times, folder)
    while True:
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
        now = await asyncio.to_thread(_times, folder)
        changed = [path for path in now | before if now.get(path) != before.get(path)]
        if changed:
            yield Path(min(changed))
        before = now


def _times(folder: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for directory, subfolders, files in os.walk(folder):
        subfolders[:] = [
            name
            for name in subfolders
            if not name.startswith(".")
            and name not in _SKIPPED
            and not os.path.exists(os.path.join(directory, name, "pyvenv.cfg"))  # noqa: PTH110, PTH118 - many
        ]
        for name in files:
            if name.endswith(".py"):
                path = os.path.join(directory, name)  # noqa: PTH118 - as above
                try:
                    found[path] = os.stat(path).st_mtime_ns  # noqa: PTH116 - as above
                except OSError:
                    continue
        if len(found) > _MAX_FILES:
            break
    return found
