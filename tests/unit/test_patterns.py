"""Channel patterns: what matches, and which of several wins."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_message.patterns import PatternTable, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "channel", "matches"),
    [
        ("news", "news", True),
        ("news", "news2", False),
        ("*", "", True),
        ("*", "a\nb", True),
        ("chat:*", "chat:", True),
        ("chat:*", "chat:1:2", True),
        ("chat:*", "xchat:1", False),
        ("*:log", "a:b:log", True),
        ("a*b*c", "abc", True),
        ("a*b*c", "acb", False),
        ("a.c", "abc", False),
        ("$user[1]", "$user[1]", True),
        ("чат:*", "чат:ü", True),
    ],
)
def test_pattern_matches(pattern: str, channel: str, matches: bool) -> None:
    """`*` is any run of characters; everything else stands for itself."""
    assert bool(compile_pattern(pattern).fullmatch(channel)) is matches


def test_most_specific_pattern_wins() -> None:
    """Without `*`, then more literal characters, then declared first."""
    table = PatternTable(
        [("*", 1), ("chat:*", 2), ("chat:vip:*", 3), ("chat:vip:1", 4), ("*:1", 5), ("c*:1", 6)]
    )
    expected = {"x": 1, "chat:2": 2, "chat:vip:2": 3, "chat:vip:1": 4, "c:1": 6, "d:1": 5}
    assert {channel: table.find(channel) for channel in expected} == expected


def test_declared_first_wins_a_tie() -> None:
    """Two patterns with equally many literal characters."""
    assert PatternTable([("a*", 1), ("*b", 2)]).find("ab") == 1


def test_no_match_is_none_and_is_remembered() -> None:
    """Unknown channels cost one search; a pattern added later is seen."""
    table = PatternTable([("a", 1)])
    assert table.find("b") is None
    assert table.find("b") is None
    table.add("b", 2)
    assert table.find("b") == 2


def test_memory_is_bounded() -> None:
    """A million channels do not fill the memory."""
    table = PatternTable([("*", 1)])
    for number in range(25_000):
        table.find(f"c:{number}")
    assert len(table._remembered) <= 10_000


@pytest.mark.parametrize("pattern", ["", "a"])
def test_empty_or_repeated_pattern_is_refused(pattern: str) -> None:
    """Both are mistakes of the app."""
    with pytest.raises(ValueError, match="channel pattern"):
        PatternTable([("a", 1)]).add(pattern, 2)


@settings(deadline=None)
@given(st.text(alphabet="ab*", min_size=1, max_size=6), st.text(alphabet="ab", max_size=8))
def test_pattern_means_what_the_plain_rule_says(pattern: str, channel: str) -> None:
    """The same as replacing each `*` by `.*`."""
    expected = re.fullmatch(pattern.replace("*", ".*"), channel) is not None
    assert bool(compile_pattern(pattern).fullmatch(channel)) is expected
