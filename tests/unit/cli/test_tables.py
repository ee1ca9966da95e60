"""How tables fit a terminal: ids can be copied, sentences are folded between words."""

import pytest

from realtime_message.cli.output import print_table, table_lines

_COLUMNS = ("id", "attempts", "reason")
_REASON = "the handler raised ValueError: no such room"


def test_only_the_last_column_is_folded_and_only_between_words() -> None:
    """What goes on stands under the column's name."""
    assert table_lines(_COLUMNS, [("3:1764000000000-0", 5, _REASON)], 50) == [
        "id                 attempts  reason",
        "3:1764000000000-0         5  the handler raised",
        "                             ValueError: no such",
        "                             room",
    ]


@pytest.mark.parametrize("width", [20, 30, 44, None])
def test_row_that_does_not_fit_stays_whole(width: int | None) -> None:
    """The terminal wraps it: what is copied is the id."""
    row = f"3:1764000000000-0         5  {_REASON}"
    assert table_lines(_COLUMNS, [("3:1764000000000-0", 5, _REASON)], width)[1:] == [row]


def test_long_word_stays_whole() -> None:
    """A URL in the last column is never broken."""
    url = "http://a-host-with-a-long-name.example/x"
    lines = table_lines(("name", "value"), [("callback", f"see {url} there")], 40)
    assert lines[1:] == ["callback  see", f"          {url}", "          there"]


def test_wide_characters_and_missing_cells_keep_the_columns() -> None:
    """A character may take two columns; what would steer the terminal is shown as text."""
    assert table_lines(("channel", "n"), [("聊天", 1), (None, None), ("\x1b[2J", 12)], 80) == [
        "channel   n",
        "聊天      1",
        "-         -",
        "\\x1b[2J  12",
    ]


def test_no_line_ends_in_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts cut lines apart; files are compared."""
    print_table(("a", "b"), [("x", "a long value"), ("y", "z")])
    assert capsys.readouterr().out == "a  b\nx  a long value\ny  z\n"
