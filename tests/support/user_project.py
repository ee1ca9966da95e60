"""A user's project, whose tests run in a process of their own with the pytest plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

_SETTINGS = """[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""


def run_tests(folder: Path, tests: str, *arguments: str, **environment: str) -> str:
    """Run tests in a folder and return what pytest says.

    Args:
        folder: where modules that the tests import may be.
        tests: the source of the tests.
        arguments: for pytest.
        environment: more variables.
    """
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text(_SETTINGS)
    # By its name where this project was installed before it had the entry point.
    is_known = any(e.value == "pytest_realtime_message" for e in entry_points(group="pytest11"))
    plugin = [] if is_known else ["-p", "pytest_realtime_message"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", *plugin, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr
