"""Ages as they are written and shown."""

from __future__ import annotations

import pytest

from realtime_message.ages import parse_age, shown_seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1.5m", 90), (" 2h ", 7200), ("7d", 604800)]
)
def test_age_is_read(text: str, seconds: float) -> None:
    """A number and a unit."""
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5", "-1s", "1e9s", "1 h"])
def test_what_is_no_age_is_told(text: str) -> None:
    """With what fits."""
    with pytest.raises(ValueError, match="expected an age such as 90s, 15m, 2h or 7d"):
        parse_age(text)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, None), (0.85, "850 ms"), (12.4, "12 s"), (12000, "3 h 20 m"), (90000, "1 d 1 h")],
)
def test_length_of_time_is_shown_by_its_two_greatest_units(
    seconds: float | None, shown: str | None
) -> None:
    """As people say it."""
    assert shown_seconds(seconds) == shown
