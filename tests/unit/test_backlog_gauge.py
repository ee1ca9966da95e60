"""A limit with a lower mark: over it until well below it."""

import pytest

from realtime_message.streams.backlog import Gauge


def test_a_limit_is_passed_once_and_left_at_the_lower_mark() -> None:
    """Between the lower mark and the limit the last answer stands."""
    gauge = Gauge(100)
    steps = [(99, False), (100, False), (101, True), (95, True), (91, True), (90, False)]
    changes = []
    for value, is_over in steps:
        changes.append(gauge.update(value))
        assert gauge.is_over is is_over, value
    assert changes == [False, False, True, False, False, True]
    assert not gauge.update(95)
    assert not gauge.is_over


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_small_limits_are_left_too(limit: int) -> None:
    """An empty backlog is never over a limit."""
    gauge = Gauge(limit)
    assert gauge.update(limit + 1)
    assert gauge.update(0)
    assert not gauge.is_over


def test_no_limit_is_never_passed() -> None:
    """0 switches a limit off."""
    assert not Gauge(0).update(10**9)
