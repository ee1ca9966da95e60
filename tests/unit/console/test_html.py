"""Elements, and texts of others in them."""

from __future__ import annotations

from realtime_message.console.html import element, page


def test_text_is_escaped_and_elements_are_not() -> None:
    """Whatever is no element: text, numbers, lists of them; None is nothing."""
    shown = element("p", "<b>&", element("b", 5), [None, "x", ["y"]], class_="a")
    assert shown == '<p class="a">&lt;b&gt;&amp;<b>5</b>xy</p>'


def test_attributes_are_escaped() -> None:
    """Quotes do not end them; True is a bare one, None and False are none."""
    shown = element("input", name='"><script>', required=True, disabled=False, value=None)
    assert shown == '<input name="&quot;&gt;&lt;script&gt;" required>'
    assert element("td", data_x="1", aria_label="a\x1b'b") == (
        '<td data-x="1" aria-label="a\\x1b&#x27;b"></td>'
    )


def test_what_steers_a_terminal_or_a_line_is_made_visible() -> None:
    """Who copies a text from the page copies nothing hidden."""
    assert element("p", "a\x1b[2J\u202eb\nc") == "<p>a\\x1b[2J\\u202eb\nc</p>"


def test_document_says_its_language() -> None:
    """For screen readers."""
    assert page(element("body")) == '<!doctype html>\n<html lang="en"><body></body></html>\n'
