"""The pages of docs/howto, and the commands in them."""

from __future__ import annotations

import re
from pathlib import Path

HOWTO = Path(__file__).parents[2] / "docs/howto"

#: Pages whose commands need nothing but streams: tests/system/test_howto_operator_commands.py reads
#: and runs them.
OPERATOR_PAGES = ("dead-letters.md", "resize-partitions.md")


def commands(page: Path) -> list[str]:
    """Return every command of a page's shell blocks: continued lines joined, comments left out."""
    blocks = re.findall(r"```(?:bash|sh)\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL)
    text = re.sub(r"\s*\\\n\s*", " ", "\n".join(blocks))
    lines = (re.sub(r"(^|\s+)# .*$", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line]
