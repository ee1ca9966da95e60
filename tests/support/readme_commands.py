"""The commands that a README shows, read from its code blocks."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def shown_commands(readme: Path) -> list[str]:
    """Return every line of the page's shell blocks, in order, without comments."""
    lines = "\n".join(shell_blocks(readme)).splitlines()
    return [re.sub(r"\s+# .*$", "", line) for line in lines if line.strip()]


def shell_blocks(readme: Path) -> list[str]:
    """Return the page's shell blocks."""
    return re.findall(r"```bash\n(.*?)```", readme.read_text("utf-8"), flags=re.DOTALL)


def shown_programs(readme: Path) -> list[str]:
    """Return the page's Python blocks."""
    return re.findall(r"```python\n(.*?)```", readme.read_text("utf-8"), flags=re.DOTALL)


def copy_project(target: Path) -> Path:
    """Copy what a clone would hold, with changes that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source = PROJECT / name
        if source.is_file():
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
            copy.chmod(source.stat().st_mode)
    return target
