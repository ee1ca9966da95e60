"""What people do with the chat page, and what they must see, whichever client is under it."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext, expect

from support.browser_stack import BrowserStack, LinkedPage
from support.chat_tab import TIMEOUT_MS, ChatTab


@dataclass(frozen=True)
class Flow:
    """Something that people do.

    Attributes:
        run: does it; gives what they saw, free of ids and times.
        expected: what that must be.
    """

    run: Callable[[Desk], Any]
    expected: Any

    @property
    def name(self) -> str:
        """The name of what they do."""
        return self.run.__name__


def shown(
    author: str, text: str, state: str | None = None, *, recovered: bool = False
) -> dict[str, Any]:
    """Return a message as ChatTab.messages() gives it."""
    return {"author": author, "text": text, "state": state, "recovered": recovered}


UNSENT = [f"message {number}" for number in range(1, 6)]


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
        for text in UNSENT:
            lin.say(text)
            lin.wait_for_state(text, "sending")
        linked.link.restore()
        lin.wait_for_state(UNSENT[-1], "handled")
        ada.wait_for_message(UNSENT[-1])
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


FLOWS = (
    Flow(
        two_people_talk,
        {
            "ada": [shown("You", "good morning", "handled"), shown("Lin", "hello Ada")],
            "lin": [shown("Ada", "good morning"), shown("You", "hello Ada", "handled")],
            "panel": {"worker": "worker-1", "attempt": "attempt 1", "outcome": "handled"},
        },
    ),
    Flow(rooms_count_unread, [shown("Lin", "one"), shown("Lin", "two")]),
    Flow(people_come_and_go, [["AAdayou"], ["AAdayou", "LLin"], ["AAdayou"]]),
    Flow(
        missed_messages_are_recovered,
        [
            shown("Ada", "before"),
            shown("Ada", "first missed", recovered=True),
            shown("Ada", "second missed", recovered=True),
            shown("Ada", "third missed", recovered=True),
            shown("Ada", "after"),
        ],
    ),
    Flow(
        unsent_messages_wait,
        {
            "ada": [shown("Lin", text) for text in UNSENT],
            "lin": [shown("You", text, "handled") for text in UNSENT],
        },
    ),
    Flow(
        a_lost_answer_leads_to_one_message,
        {
            "ada": [shown("Lin", "only once"), shown("Lin", "the next")],
            "lin": ["only once", "the next"],
        },
    ),
    Flow(
        a_refused_message_says_why,
        {"refused": [shown("You", "may I?", "refused")], "attempts": 2, "after": []},
    ),
    Flow(
        an_unsent_message_outlives_a_reload,
        {
            "ada": [shown("Lin", "written before the reload")],
            "lin": [shown("You", "written before the reload", "handled")],
        },
    ),
)
