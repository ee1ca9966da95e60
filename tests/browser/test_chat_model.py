"""What the page remembers of rooms, people and receipts; without a document, without a gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from support.browser_stack import serving_page

_IMPORTS = """
  const { Room } = await import("/chat/room.js");
  const { People } = await import("/chat/people.js");
  const { Receipts } = await import("/chat/receipts.js");
  const publication = (id, offset, more = {}, epoch = "e") => ({
    data: { id, text: `text of ${id}`, user: { id: "ada" }, timestamp: "2026-01-01T00:00:00.000Z",
            ...more },
    offset, epoch, recovered: false,
  });
  const receipt = (id, more = {}) => ({
    id, channel: "room:lobby", partition: 3, worker: "1", attempt: 1, outcome: "ack", age_ms: 1,
    ...more,
  });
"""


@pytest.fixture
def page(open_window: Callable[..., BrowserContext]) -> Iterator[Page]:
    """A page of the server, from which its modules can be imported."""
    with serving_page(1) as url:
        page = open_window().new_page()
        page.goto(f"{url}chat/room.js")
        yield page


def _run(page: Page, script: str) -> Any:
    return page.evaluate(f"async () => {{ {_IMPORTS} {script} }}")


def test_messages_stand_in_the_gateways_order(page: Page) -> None:
    """History that comes after live messages is put before them; another epoch comes after."""
    assert _run(
        page,
        """
        const room = new Room("room:lobby", "me");
        for (const [id, offset, epoch] of [["d", 4, "e"], ["b", 2, "e"], ["c", 3, "e"],
                                           ["f", 1, "new"], ["a", 1, "e"]]) {
          room.take(publication(id, offset, {}, epoch));
        }
        room.addNote("note");
        room.take(publication("g", 0));
        return room.rows.map((row) => row.id ?? row.textKey);
        """,
    ) == ["a", "b", "c", "d", "f", "note", "g"]


def test_message_is_shown_once(page: Page) -> None:
    """The same id, and a resend so late that it was stored again, are known; another's is not."""
    assert _run(
        page,
        """
        const room = new Room("room:lobby", "ada");
        room.take(publication("a", 1, { clientMessageId: "x" }));
        room.take(publication("a", 1, { clientMessageId: "x" }));
        room.take(publication("late", 2, { clientMessageId: "x" }));
        room.take(publication("eve", 3, { clientMessageId: "x", user: { id: "eve" } }));
        return [room.rows.map((row) => row.id), room.rows.map((row) => row.isMine),
                room.showsMine("x"), room.showsMine("y")];
        """,
    ) == [["a", "eve"], [True, False], True, False]


@pytest.mark.parametrize(
    "data", ["null", "'text'", "{}", "{ text: 7, id: 'a' }", "{ text: 'no id' }"]
)
def test_publication_that_is_no_message_is_ignored(page: Page, data: str) -> None:
    """A room may carry other things than chat messages."""
    assert _run(
        page,
        f"""
        const room = new Room("room:lobby", "me");
        return [room.take({{ data: {data}, offset: 1, epoch: "e" }}), room.rows.length];
        """,
    ) == [None, 0]


def test_room_keeps_the_newest_messages(page: Page) -> None:
    """Memory does not grow for ever; what was dropped is not known any more."""
    assert _run(
        page,
        """
        const room = new Room("room:lobby", "me");
        for (let n = 1; n <= 600; n++) room.take(publication(`m${n}`, n));
        return [room.rows.length, room.rows[0].id, room.find("m1") ?? null, room.find("m600").id];
        """,
    ) == [500, "m101", None, "m600"]


def test_joins_during_the_answer_are_not_lost(page: Page) -> None:
    """Who comes or goes while the list is on its way is right after it."""
    assert _run(
        page,
        """
        const person = (client, user) => ({ client, user, info: { name: user } });
        let answer;
        const people = new People();
        const loading = people.load({ presence: () => new Promise((done) => { answer = done; }) });
        people.join(person("c3", "carol"));
        people.leave(person("c1", "ada"));
        answer([person("c1", "ada"), person("c2", "bob"), person("c4", "bob")]);
        await loading;
        return people.byUser();
        """,
    ) == [
        {"user": "bob", "name": "bob", "connections": 2},
        {"user": "carol", "name": "carol", "connections": 1},
    ]


def test_receipts_are_counted_once(page: Page) -> None:
    """Lists and single ones are taken, the same one counts once, newest come first."""
    assert _run(
        page,
        """
        const receipts = new Receipts();
        receipts.take({ data: { receipts: [receipt("a"), receipt("b", { partition: 5 })] } });
        receipts.take({ data: receipt("c", { age_ms: 9, outcome: "skip" }) });
        receipts.take({ data: { receipts: [receipt("a")] } });
        receipts.take({ data: null });
        receipts.take({ data: { text: "something else" } });
        return [receipts.rows.map((row) => row.id), receipts.handled, [...receipts.counts],
                receipts.medianAgeMs(), receipts.partitionOf("room:lobby")];
        """,
    ) == [["c", "b", "a"], 3, [[3, 2], [5, 1]], 1, 3]


def test_late_news_of_an_early_attempt_changes_nothing(page: Page) -> None:
    """What counts for a message is its latest attempt; a retry is no handled message."""
    assert _run(
        page,
        """
        const receipts = new Receipts();
        receipts.take({ data: receipt("a", { attempt: 2, worker: "2" }) });
        receipts.take({ data: receipt("a", { attempt: 1, outcome: "retry" }) });
        receipts.take({ data: receipt("b", { attempt: 5, outcome: "dead_letter" }) });
        return [receipts.of("a").outcome, receipts.of("b").outcome, receipts.handled,
                receipts.retries, receipts.deadLetters];
        """,
    ) == ["ack", "dead_letter", 1, 1, 1]
