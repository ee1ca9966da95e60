"""What all tests of the worker's parts share."""

import math

import pytest

from realtime_message.worker import progress_watch


@pytest.fixture(autouse=True)
def without_second_chance(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a partition that stands still stand still: reading it anew would hide a defect."""
    if request.module.__name__.rpartition(".")[2] != "test_progress_watch":
        monkeypatch.setattr(progress_watch, "_STALLED_SECONDS", math.inf)
