"""What people do with the chat page, and what they see."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from support import chat_flows
from support.chat_flows import Desk
from support.chat_tab import TIMEOUT_MS


def _message(author: str, text: str, state: str | None = None, *, recovered: bool = False) -> dict:
    return {"author": author, "text": text, "state": state, "recovered": recovered}


def test_two_tabs_see_each_others_messages(desk: Desk) -> None:
    """A message is seen in both tabs, marked as handled, and listed in the live panel."""
    seen = chat_flows.two_people_talk(desk)
    assert seen["ada"] == [_message("You", "good morning", "handled"), _message("Lin", "hello Ada")]
    assert seen["lin"] == [_message("Ada", "good morning"), _message("You", "hello Ada", "handled")]
    assert seen["panel"]["worker"].startswith("worker-")
    assert seen["panel"]["attempt"] == "attempt 1"
    assert seen["panel"]["outcome"] == "handled"


def test_unread_messages_are_counted_per_room(desk: Desk) -> None:
    """The room's badge and the title count what was not seen, until the room is opened."""
    seen = chat_flows.rooms_count_unread(desk)
    assert [message["text"] for message in seen] == ["one", "two"]


def test_people_list_follows_joins_and_leaves(desk: Desk) -> None:
    """The list of people follows those who come and go, and says who I am."""
    initial, both, alone = chat_flows.people_come_and_go(desk)
    assert initial == ["AAdayou"]
    assert both == ["AAdayou", "LLin"]
    assert alone == initial


def test_missed_messages_are_recovered_in_order(desk: Desk) -> None:
    """Messages sent while the connection was cut arrive in order, marked as recovered."""
    assert chat_flows.missed_messages_are_recovered(desk) == [
        _message("Ada", "before"),
        _message("Ada", "first missed", recovered=True),
        _message("Ada", "second missed", recovered=True),
        _message("Ada", "third missed", recovered=True),
        _message("Ada", "after"),
    ]


def test_lost_history_is_said(desk: Desk) -> None:
    """Where more was missed than the gateway keeps, the page says so and shows what there is."""
    ada = desk.tab("Ada")
    with desk.linked_tab("Lin") as (lin, linked):
        ada.say("before")
        lin.wait_for_message("before")
        linked.link.cut()
        lin.wait_for_connection("connecting")
        for number in range(105):  # more than the 100 that the gateway keeps of a channel
            ada.say(f"missed {number}")
        ada.wait_for_state("missed 104", "handled")
        linked.link.restore()
        expect(lin.page.locator(".note")).to_be_visible(timeout=TIMEOUT_MS)
        lin.wait_for_message("missed 104")
        assert lin.texts() == ["before", *(f"missed {number}" for number in range(55, 105))]


def test_unsent_messages_are_sent_in_order_later(desk: Desk) -> None:
    """Messages written without a connection are kept and sent in order."""
    seen = chat_flows.unsent_messages_wait(desk)
    texts = [f"message {number}" for number in range(1, 6)]
    assert seen["ada"] == [_message("Lin", text) for text in texts]
    assert seen["lin"] == [_message("You", text, "handled") for text in texts]


def test_resend_after_a_lost_answer_is_one_message(desk: Desk) -> None:
    """A resend carries the same id, and nobody sees the message twice."""
    seen = chat_flows.a_lost_answer_leads_to_one_message(desk)
    assert seen["ada"] == [_message("Lin", "only once"), _message("Lin", "the next")]
    assert seen["lin"] == ["only once", "the next"]


def test_refused_message_can_be_tried_again_or_discarded(desk: Desk) -> None:
    """A permanent error marks the message, and leaves it to the writer what to do."""
    seen = chat_flows.a_refused_message_says_why(desk)
    assert seen["refused"] == [_message("You", "may I?", "refused")]
    assert seen["attempts"] == 2
    assert seen["after"] == []


def test_unsent_message_outlives_a_reload(desk: Desk) -> None:
    """A reload keeps name, rooms and the message that was not acknowledged."""
    seen = chat_flows.an_unsent_message_outlives_a_reload(desk)
    assert seen["ada"] == [_message("Lin", "written before the reload")]
    assert seen["lin"] == [_message("You", "written before the reload", "handled")]


def test_history_is_shown_to_those_who_come_later(desk: Desk) -> None:
    """Someone who opens a room later sees what was said, and own messages stay own."""
    ada = desk.tab("Ada")
    ada.say("who comes later sees this")
    ada.wait_for_state("who comes later sees this", "handled")
    lin = desk.tab("Lin")
    lin.wait_for_message("who comes later sees this")
    assert lin.messages() == [_message("Ada", "who comes later sees this")]
    ada.page.reload()
    ada.room(desk.room).click()
    ada.wait_for_state("who comes later sees this", "handled")


def test_countdown_can_be_cut_short(desk: Desk) -> None:
    """While it waits to reconnect, the page says for how long, and does not insist on it."""
    with desk.linked_tab("Lin") as (lin, linked):
        linked.link.cut()
        expect(lin.page.locator("#connection-text")).to_have_text(
            "Reconnecting in 5 s", timeout=TIMEOUT_MS * 2
        )
        linked.link.restore()
        lin.page.get_by_role("button", name="Now").click()
        expect(lin.page.locator("#connection-text")).to_have_text("Connected", timeout=3000)


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
    assert ada.messages() == [_message("Ada", "as Ada")]
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
