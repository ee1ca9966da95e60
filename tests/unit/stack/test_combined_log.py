"""One log for all parts."""

import io

from realtime_message.stack.combined_log import CombinedLog, wrap


def test_every_line_has_its_part_before_it() -> None:
    """The names stand in one column, whatever their length."""
    stream = io.StringIO()
    log = CombinedLog(["page", "worker-1"], has_colour=False, stream=stream)
    log.line("page", "up\n")
    log.line("worker-1", "up")
    log.say("one\ntwo")
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["page     │ up", "worker-1 │ up"]
    assert [line[:11] for line in lines[2:]] == ["rtm      │ ", "rtm      │ "]
    assert [line[-3:] for line in lines[2:]] == ["one", "two"]


def test_colour_ends_where_the_name_ends() -> None:
    """A part's own colours are left alone."""
    stream = io.StringIO()
    CombinedLog(["page"], has_colour=True, stream=stream).line("page", "text")
    assert stream.getvalue().endswith("│\x1b[0m text\n")


def test_encoding_without_the_bar_gets_a_plain_one() -> None:
    """A terminal or file in ASCII."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="backslashreplace")
    CombinedLog(["page"], has_colour=False, stream=stream).line("page", "text")
    assert raw.getvalue() == b"page | text\n"


def test_banner_is_set_off() -> None:
    """Addresses stand between empty lines, names in one column."""
    stream = io.StringIO()
    log = CombinedLog(["page"], has_colour=False, stream=stream)
    log.banner([("Chat page", "http://localhost:8080"), ("Redis", "redis://x")])
    assert stream.getvalue() == ("\n  Chat page  http://localhost:8080\n  Redis      redis://x\n\n")


def test_reader_that_leaves_is_told_once() -> None:
    """A closed pipe or terminal is no reason to fail, but one to end."""

    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    gone = []
    log = CombinedLog(["page"], has_colour=False, stream=Closed())
    log.on_reader_gone = lambda: gone.append(True)
    log.line("page", "one")
    log.line("page", "two")
    assert gone == [True]
    assert log.is_reader_gone


def test_long_lines_break_between_words() -> None:
    """Colours have no width, words longer than the line stay whole, nothing is lost."""
    assert wrap("", 10) == [""]
    assert wrap("  indented text", 40) == ["  indented text"]
    red = "\x1b[31mred\x1b[0m"
    text = f"12:00:00.000 {red} {red} averylongwordthatdoesnotfit end"
    lines = wrap(text, 20)
    assert lines == [
        f"12:00:00.000 {red} {red}",
        "             averylongwordthatdoesnotfit",
        "             end",
    ]
