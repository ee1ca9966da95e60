"""What people do with the chat page. Each flow gives what they saw, free of ids and times.

The flows run on the page's own client and on the official one; both must show the same.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from playwright.sync_api import BrowserContext, expect

from support.browser_stack import BrowserStack, LinkedPage
from support.chat_tab import TIMEOUT_MS, ChatTab

Flow = Callable[["Desk"], Any]


class Desk:
    """A browser window in front of the system, with a room that nobody else uses."""

    def __init__(self, stack: BrowserStack, context: BrowserContext) -> None:
        self.stack = stack
        self.context = context
        self.room = f"test-{uuid.uuid4().hex[:10]}"
        self.tabs: list[ChatTab] = []

    def tab(self, name: str, url: str | None = None) -> ChatTab:
        """Open a tab as someone, in the desk's room."""
        tab = ChatTab(self.context.new_page(), url or self.stack.url, name)
        self.tabs.append(tab)
        tab.enter(self.room)
        return tab

    @contextlib.contextmanager
    def linked_tab(self, name: str) -> Iterator[tuple[ChatTab, LinkedPage]]:
        """Open a tab whose way to the gateway can be cut."""
        with self.stack.linked_page() as linked:
            tab = self.tab(name, linked.url)
            yield tab, linked
            tab.page.close()


def two_people_talk(desk: Desk) -> Any:
    """Two tabs see both messages, and what the worker did with them."""
    ada, lin = desk.tab("Ada"), desk.tab("Lin")
    ada.say("good morning")
    lin.wait_for_message("good morning")
    lin.say("hello Ada")
    ada.wait_for_message("hello Ada")
    ada.wait_for_state("good morning", "handled")
    lin.wait_for_state("hello Ada", "handled")
    panel = ada.receipt("good morning")
    assert ada.receipt("hello Ada")["partition"] == panel["partition"]
    del panel["took"], panel["partition"]
    return {"ada": ada.messages(), "lin": lin.messages(), "panel": panel}


def rooms_count_unread(desk: Desk) -> Any:
    """Messages of other rooms are counted until the room is opened."""
    ada, lin = desk.tab("Ada"), desk.tab("Lin")
    ada.add_room(f"{desk.room}-other")
    lin.say("one")
    lin.say("two")
    badge = ada.room(desk.room).locator(".badge [aria-hidden]")
    expect(badge).to_have_text("2", timeout=TIMEOUT_MS)
    expect(ada.page).to_have_title("(2) Realtime chat")
    ada.open_room(desk.room)
    expect(badge).to_have_count(0)
    expect(ada.page).to_have_title("Realtime chat")
    return ada.messages()


def people_come_and_go(desk: Desk) -> Any:
    """Who is here follows those who come and go."""
    ada = desk.tab("Ada")
    seen = [ada.people().all_text_contents()]
    lin = desk.tab("Lin")
    expect(ada.people()).to_have_count(2, timeout=TIMEOUT_MS)
    seen.append(ada.people().all_text_contents())
    lin.page.close()
    expect(ada.people()).to_have_count(1, timeout=TIMEOUT_MS)
    seen.append(ada.people().all_text_contents())
    return seen


def missed_messages_are_recovered(desk: Desk) -> Any:
    """What was said while the connection was cut arrives in order, marked as recovered."""
    ada = desk.tab("Ada")
    with desk.linked_tab("Lin") as (lin, linked):
        ada.say("before")
        lin.wait_for_message("before")
        linked.link.cut()
        lin.wait_for_connection("connecting")
        for text in ("first missed", "second missed", "third missed"):
            ada.say(text)
            ada.wait_for_state(text, "handled")
        linked.link.restore()
        lin.wait_for_message("third missed")
        ada.say("after")
        lin.wait_for_message("after")
        return lin.messages()


def unsent_messages_wait(desk: Desk) -> Any:
    """What is written without a connection is sent later, in order."""
    ada = desk.tab("Ada")
    with desk.linked_tab("Lin") as (lin, linked):
        linked.link.cut()
        lin.wait_for_connection("connecting")
        texts = [f"message {number}" for number in range(1, 6)]
        for text in texts:
            lin.say(text)
            lin.wait_for_state(text, "sending")
        linked.link.restore()
        lin.wait_for_state(texts[-1], "handled")
        ada.wait_for_message(texts[-1])
        return {"ada": ada.messages(), "lin": lin.messages()}


def a_lost_answer_leads_to_one_message(desk: Desk) -> Any:
    """A message whose acknowledgement got lost is sent again with its id, and shown once."""
    ada = desk.tab("Ada")
    with desk.linked_tab("Lin") as (lin, linked):
        linked.link.hold_replies()
        lin.say("only once")
        ada.wait_for_message("only once")
        lin.wait_for_state("only once", "sending")
        linked.link.cut()
        linked.link.restore()
        lin.wait_for_state("only once", "handled")
        lin.say("the next")
        ada.wait_for_message("the next")
        resent = [data["id"] for data in lin.published if data["text"] == "only once"]
        assert len(resent) == 2
        assert len(set(resent)) == 1
        return {"ada": ada.messages(), "lin": lin.texts()}


def a_refused_message_says_why(desk: Desk) -> Any:
    """A message to someone else's channel is refused for good, with the reason."""
    ada = desk.tab("Ada")
    ada.add_room("user:somebody-else")
    banner = ada.page.locator("#room-problem")
    expect(banner).to_be_visible(timeout=TIMEOUT_MS)
    ada.say("may I?")
    ada.wait_for_state("may I?", "refused")
    refused = ada.messages()
    ada.page.get_by_role("button", name="Try again").click()
    ada.wait_for_state("may I?", "refused")
    attempts = len(ada.published)
    ada.page.get_by_role("button", name="Discard").click()
    expect(ada.message("may I?")).to_have_count(0)
    return {"refused": refused, "attempts": attempts, "after": ada.messages()}


def an_unsent_message_outlives_a_reload(desk: Desk) -> Any:
    """A reload keeps name, rooms and what was not sent."""
    ada = desk.tab("Ada")
    with desk.linked_tab("Lin") as (lin, linked):
        linked.link.cut()
        lin.wait_for_connection("connecting")
        lin.say("written before the reload")
        lin.page.reload()
        lin.wait_until_ready()
        lin.room(desk.room).click()
        lin.wait_for_state("written before the reload", "sending")
        linked.link.restore()
        lin.wait_for_state("written before the reload", "handled")
        ada.wait_for_message("written before the reload")
        return {"ada": ada.messages(), "lin": lin.messages()}


FLOWS: tuple[Flow, ...] = (
    two_people_talk,
    rooms_count_unread,
    people_come_and_go,
    missed_messages_are_recovered,
    unsent_messages_wait,
    a_lost_answer_leads_to_one_message,
    a_refused_message_says_why,
    an_unsent_message_outlives_a_reload,
)
