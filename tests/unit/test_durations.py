"""Durations in Go's notation, as Centrifugo's configuration has them."""

import pytest

from realtime_message.centrifugo.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("300ms", 0.3), ("1h30m", 5400), ("1.5s", 1.5), ("0", 0), ("720h0m0s", 2_592_000)],
)
def test_durations_are_read_in_gos_notation(text, seconds):
    """Units add up; a bare zero needs none."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("value", [1, 1.5, True, None, "", "1", "1 s", "s", "1d", "-1s", "1s!"])
def test_other_texts_and_numbers_are_no_durations(value):
    """A number is refused as well: Centrifugo would take it for nanoseconds."""
    with pytest.raises(ValueError, match=r'"1s"|nanoseconds'):
        parse_duration(value)


@pytest.mark.parametrize(("seconds", "text"), [(1, "1s"), (0.25, "250ms"), (1.5, "1500ms")])
def test_durations_are_written_in_gos_notation(seconds, text):
    """What is written is read back."""
    assert format_duration(seconds) == text
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(("value", "unit"), [(1, "1 nanosecond;"), (2, "2 nanoseconds;")])
def test_number_is_told_with_its_unit(value: int, unit: str) -> None:
    """One is one nanosecond."""
    with pytest.raises(ValueError, match=f"would mean {unit}"):
        parse_duration(value)
