"""What the doctor says about the layout."""

from __future__ import annotations

import pytest

from realtime_message.doctor.layout import review_layout
from realtime_message.settings import RedisSettings
from realtime_message.streams.layout_view import LayoutView, Phase


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (LayoutView(partition_count=8), ["note: the streams under prefix 'messages' fit"]),
        (
            LayoutView(partition_count=16),
            ["warning: redis.partition_count is 8 here, but the streams have been resized to 16"],
        ),
        (
            LayoutView(partition_count=8, previous_count=4, phase=Phase.draining),
            ["note: a resize from 4 to 8 partitions waits"],
        ),
        (
            LayoutView(partition_count=8, phase=Phase.sealing, touched_at=100, read_at=130),
            ["error: a resize stands still in its phase sealing for 30 s"],
        ),
        (LayoutView(partition_count=8, phase=Phase.fencing, touched_at=100, read_at=100.1), []),
    ],
)
def test_layout_and_resize_are_told(view: LayoutView, expected: list[str]) -> None:
    """What differs, and what stands still."""
    found = [f"{f.severity}: {f.what}" for f in review_layout(view, RedisSettings())]
    assert len(found) == len(expected)
    for text, begin in zip(found, expected, strict=True):
        assert text.startswith(begin)
