"""Every example of the page about testing is run, but for the one that starts processes."""

import re
from pathlib import Path

from support.user_project import run_tests

PAGE = Path(__file__).parents[3] / "docs/howto/test-your-handlers.md"


def test_examples_pass(tmp_path: Path) -> None:
    """Put together, in a project of their own, they are tests that pass."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    tests = [block for block in blocks if "realtime_stack" not in block]
    assert len(tests) == len(blocks) - 1
    said = run_tests(tmp_path, "\n\n".join(tests))
    assert "7 passed" in said, said
