"""The container's limit of processes is looked at before it is reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_message.errors import StartupError
from realtime_message.stack.container.process_limit import NEEDED, check_process_limit


def test_limit_that_is_too_low_is_refused(tmp_path: Path) -> None:
    """The sentence has both numbers, and how the limit is raised."""
    (tmp_path / "pids.max").write_text("8\n")
    with pytest.raises(StartupError, match=rf"may have 8 .* needs {NEEDED}: .*--pids-limit"):
        check_process_limit([tmp_path / "none", tmp_path / "pids.max"])


@pytest.mark.parametrize("limit", ["max", str(NEEDED), "2048"])
def test_limit_that_suffices_passes(tmp_path: Path, limit: str) -> None:
    """No limit is none."""
    (tmp_path / "pids.max").write_text(f"{limit}\n")
    check_process_limit([tmp_path / "pids.max"])


def test_without_control_groups_nothing_is_checked(tmp_path: Path) -> None:
    """As outside a container, or on another system."""
    check_process_limit([tmp_path / "none"])
