"""The two READMEs say the same, and their programs run."""

import re

import pytest

from realtime_message import App
from support.readme_commands import PROJECT, shown_commands, shown_programs

ENGLISH = PROJECT / "README.md"
CHINESE = PROJECT / "README.zh-CN.md"


def test_both_languages_show_the_same_commands_and_programs() -> None:
    """A reader of either language can do the same things."""
    assert shown_commands(ENGLISH) == shown_commands(CHINESE)
    english = [re.sub(r'Reject\(".*?"\)', "", p) for p in shown_programs(ENGLISH)]
    assert english == shown_programs(CHINESE)


def test_both_languages_have_the_same_sections_and_tables() -> None:
    """Nothing is missing in the translation."""

    def shape(text: str) -> list[str]:
        marks = (re.match(r"(#+ |\| `|- |```\w*)", line) for line in text.splitlines())
        return [m[1] for m in marks if m]

    assert shape(ENGLISH.read_text("utf-8")) == shape(CHINESE.read_text("utf-8"))


@pytest.mark.parametrize("number", range(len(shown_programs(ENGLISH))))
def test_program_registers_its_functions(number: int) -> None:
    """Each program of the README is accepted by the App."""
    names: dict[str, object] = {"app": App()}
    exec(compile(shown_programs(ENGLISH)[number], "README.md", "exec"), names)
    app = names["app"]
    assert isinstance(app, App)
    assert app.message_handlers.patterns or app.publish_hooks.patterns
