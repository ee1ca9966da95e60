"""What the chat page itself does, beyond the flows of test_chat_flows.py."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from support.chat_flows import Desk, shown
from support.chat_tab import TIMEOUT_MS

on_both_gateways = pytest.mark.parametrize("stack", ["embedded", "centrifugo"], indirect=True)


@on_both_gateways
def test_lost_history_is_said(desk: Desk) -> None:
    """Where more was missed than the gateway keeps, the page says so and shows what there is."""
    ada = desk.tab("Ada")
    with desk.linked_tab("Lin") as (lin, linked):
        ada.say("before")
        lin.wait_for_message("before")
        linked.link.cut()
        lin.wait_for_connection("connecting")
        # More than the 100 that the gateway keeps of a channel.
        ada.say_many([f"missed {number}" for number in range(105)])
        ada.wait_for_state("missed 104", "handled")
        linked.link.restore()
        expect(lin.page.locator(".note")).to_be_visible(timeout=TIMEOUT_MS)
        lin.wait_for_message("missed 104")
        assert lin.texts() == ["before", *(f"missed {number}" for number in range(55, 105))]


@on_both_gateways
def test_history_is_shown_to_those_who_come_later(desk: Desk) -> None:
    """Someone who opens a room later sees what was said, and own messages stay own."""
    ada = desk.tab("Ada")
    ada.say("who comes later sees this")
    ada.wait_for_state("who comes later sees this", "handled")
    lin = desk.tab("Lin")
    lin.wait_for_message("who comes later sees this")
    assert lin.messages() == [shown("Ada", "who comes later sees this")]
    ada.page.reload()
    ada.wait_until_ready()
    ada.open_room(desk.room)
    ada.wait_for_state("who comes later sees this", "handled")


def test_countdown_can_be_cut_short(desk: Desk) -> None:
    """While it waits to reconnect, the page says for how long, and does not insist on it."""
    with desk.linked_tab("Lin") as (lin, linked):
        linked.link.cut()
        text = lin.page.locator("#connection-text")
        expect(text).to_have_text(re.compile("Reconnecting in [3-9] s"), timeout=TIMEOUT_MS * 2)
        linked.link.restore()
        lin.page.get_by_role("button", name="Now").click()
        expect(text).to_have_text("Connected", timeout=2500)


def test_text_is_never_markup(desk: Desk) -> None:
    """Markup in names and messages is shown as it was written."""
    name = "<img src=x onerror=alert(1)>"
    text = "<script>alert(1)</script> & <b>bold</b>"
    ada, eve = desk.tab("Ada"), desk.tab(name)
    eve.say(text)
    row = ada.wait_for_message(text)
    assert row.locator(".author").text_content() == name
    assert (
        ada.page.locator("#messages img, #messages script, #messages b, #people img").count() == 0
    )


@pytest.mark.parametrize("composing", [True, False])
def test_enter_that_picks_a_character_does_not_send(desk: Desk, *, composing: bool) -> None:
    """While an input method composes, Enter belongs to it."""
    ada = desk.tab("Ada")
    ada.page.fill("#composer-text", "你好")
    ada.page.locator("#composer-text").dispatch_event(
        "keydown", {"key": "Enter", "isComposing": composing}
    )
    expect(ada.page.locator("#composer-text")).to_have_value("你好" if composing else "")


def test_name_can_be_changed(desk: Desk) -> None:
    """With another name the tab is someone else; what was said before is no longer its own."""
    ada = desk.tab("Ada")
    ada.say("as Ada")
    ada.wait_for_state("as Ada", "handled")
    ada.page.locator("#me").click()
    ada.page.fill("#name-input", "Grace")
    ada.page.press("#name-input", "Enter")
    ada.room(desk.room).click()
    ada.wait_for_message("as Ada")
    assert ada.messages() == [shown("Ada", "as Ada")]
    ada.say("as Grace")
    ada.wait_for_state("as Grace", "handled")


def test_too_long_message_is_not_sent(desk: Desk) -> None:
    """Beyond 5000 characters the page says how many are too many, and does not send."""
    ada = desk.tab("Ada")
    ada.page.fill("#composer-text", "x" * 5002)
    expect(ada.page.locator("#composer-count")).to_have_text("2 characters too many")
    expect(ada.page.locator("#composer-send")).to_be_disabled()
    ada.page.press("#composer-text", "Enter")
    assert ada.published == []


def test_failing_message_says_that_another_attempt_follows(desk: Desk) -> None:
    """The demo's handler fails such a message: the writer and the panel see the retry."""
    ada = desk.tab("Ada")
    ada.say("/fail please")
    ada.wait_for_state("/fail please", "retry")
    row = ada.page.locator(".receipt").filter(has_text="/fail please").last
    expect(row.locator(".outcome-retry")).to_have_text("retry")


def test_hook_can_refuse_a_message(desk: Desk) -> None:
    """The demo's hook refuses such a message: nobody else sees it, and the writer sees why."""
    ada, lin = desk.tab("Ada"), desk.tab("Lin")
    ada.say("/refuse please")
    ada.wait_for_state("/refuse please", "refused")
    expect(ada.message("/refuse please").locator(".state")).to_contain_text("as you asked")
    ada.say("the next")
    lin.wait_for_message("the next")
    assert lin.texts() == ["the next"]
