"""How values stand on a page."""

from __future__ import annotations

import pytest

from realtime_message.console.pages.cells import Column, number, rate, share, short, size, table


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (None, "–"),  # noqa: RUF001 - as on the page
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (2_097_152, "2.0 MiB"),
        (5 * 1024**4, "5.0 TiB"),
    ],
)
def test_size_is_in_the_unit_that_fits(count: int | None, shown: str) -> None:
    """As people say it."""
    assert size(count) == shown


def test_numbers_are_easily_read() -> None:
    """Thousands are apart; a share that is not nothing is not shown as nothing."""
    assert (number(1_234_567), rate(1234.56)) == ("1,234,567", "1,234.6")
    assert [share(value) for value in (0.0, 0.0001, 0.01, 0.5)] == ["0%", "under 1%", "1%", "50%"]


def test_long_text_is_cut() -> None:
    """What is missing is seen."""
    assert short("x" * 160) == "x" * 160
    assert short("x" * 161) == "x" * 160 + "…"


def test_table_has_headers_for_screen_readers() -> None:
    """Columns and rows; a caption; it can be scrolled with the keyboard."""
    shown = table("Things", [Column("Name"), Column("Count", is_number=True)], [["a", "1"]])
    assert '<th scope="col">Name</th><th scope="col" class="number">Count</th>' in shown
    assert '<tr><th scope="row" class="word">a</th><td class="number">1</td></tr>' in shown
    assert '<caption class="visually-hidden">Things</caption>' in shown
    assert 'role="region" aria-label="Things" tabindex="0"' in shown
