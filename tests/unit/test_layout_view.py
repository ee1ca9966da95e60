"""What the stored layout says, and from where channels come when the count changes."""

from __future__ import annotations

import pytest

from realtime_message.streams.layout_view import (
    FormerCount,
    LayoutView,
    Phase,
    former_counts_text,
    parse_layout,
)


@pytest.mark.parametrize(
    ("before", "after", "fewest", "most"),
    [(8, 16, 1, 1), (16, 5, 16, 16), (12, 8, 3, 3), (5, 1, 5, 5), (1, 3, 1, 1), (9, 6, 3, 3)],
)
def test_sources_are_where_channels_may_have_lived(
    before: int, after: int, fewest: int, most: int
) -> None:
    """Every hash's former partition is among the sources of its new one, and no other is."""
    view = LayoutView(partition_count=after, previous_count=before, phase=Phase.draining)
    for partition in range(after):
        lived = {h % before for h in range(before * after) if h % after == partition}
        assert set(view.sources_of(partition)) == lived
        assert fewest <= len(lived) <= most


def test_layout_of_an_earlier_release_is_stable() -> None:
    """A hash with nothing but the count is a layout that was never resized."""
    view = parse_layout({b"partition_count": b"8", b"hash": b"x"}, 5.0)
    assert view == LayoutView(partition_count=8, read_at=5.0)
    assert view.is_stable
    assert view.takes_appends
    assert (view.covered_count, view.ever_count) == (8, 8)
    assert view.sources_of(3) == []


def test_former_counts_are_kept_once_each() -> None:
    """The count that is left is noted with its end; the one that comes back is former no more."""
    view = LayoutView(partition_count=8, read_at=10.0)
    stored = {b"partition_count": b"16", b"former_counts": former_counts_text(view, 16).encode()}
    view = parse_layout(stored, 20.0)
    assert view.former_counts == (FormerCount(8, 10.0),)
    assert view.ever_count == 16
    stored = {b"partition_count": b"8", b"former_counts": former_counts_text(view, 8).encode()}
    view = parse_layout(stored, 30.0)
    assert view.former_counts == (FormerCount(16, 20.0),)
    assert (view.partition_count, view.ever_count) == (8, 16)


def test_while_draining_both_counts_are_covered() -> None:
    """Partitions that fall away need an owner until they are handled."""
    view = LayoutView(partition_count=5, previous_count=16, phase=Phase.draining)
    assert view.covered_count == 16
    assert not view.is_stable
    assert view.takes_appends
