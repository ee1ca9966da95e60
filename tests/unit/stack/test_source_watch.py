"""Changes of the source are seen."""

import asyncio
from pathlib import Path

import pytest

from realtime_message.stack.source_watch import source_changes


async def _next_change(folder: Path, change: object) -> Path:
    changes = source_changes(folder)
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0.1)  # the first look, which everything is compared with
    change()  # type: ignore[operator]
    async with asyncio.timeout(20):
        found = await waiting
    await changes.aclose()
    return found


async def test_new_changed_and_removed_files_are_seen(tmp_path: Path) -> None:
    """Each kind of change is told with the file."""
    file = tmp_path / "shop" / "orders.py"
    file.parent.mkdir()
    assert await _next_change(tmp_path, lambda: file.write_text("a = 1")) == file
    assert await _next_change(tmp_path, lambda: file.write_text("a = 22")) == file
    assert await _next_change(tmp_path, file.unlink) == file


@pytest.mark.parametrize("folder", [".hidden", "__pycache__", "node_modules", "env"])
async def test_what_is_not_source_is_left_out(folder: str, tmp_path: Path) -> None:
    """Installed and hidden files may change without a restart."""
    (tmp_path / folder).mkdir()
    (tmp_path / "env" if folder == "env" else tmp_path / folder).joinpath("pyvenv.cfg").touch()
    own = tmp_path / "own.py"

    def change() -> None:
        (tmp_path / folder / "other.py").touch()
        (tmp_path / "data.txt").touch()
        own.touch()

    assert await _next_change(tmp_path, change) == own
