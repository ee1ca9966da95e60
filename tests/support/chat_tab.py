"""One browser tab with the chat page, as a person uses it."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page, WebSocket, expect
from playwright.sync_api import TimeoutError as PageTimeoutError

TIMEOUT_MS = 15_000


class ChatTab:
    """A tab in which someone chats.

    Args:
        page: a new, empty one.
        url: of the chat page.
        name: who this tab is.

    Attributes:
        errors: what the page complained about in the console, lost connections apart.
        lost: requests that got no answer.
        published: the data of every publish command that the tab sent, in order.
    """

    def __init__(self, page: Page, url: str, name: str) -> None:
        self.page = page
        self.name = name
        self.errors: list[str] = []
        self.lost: list[str] = []
        self.published: list[dict[str, Any]] = []
        page.set_default_timeout(TIMEOUT_MS)
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("websocket", self._watch)
        page.on("requestfailed", lambda lost: self.lost.append(f"{lost.url}: {lost.failure}"))
        page.goto(url)
        try:
            page.fill("#name-input", name)
        except PageTimeoutError as error:
            raise AssertionError(f"the page did not start: {self.errors} {self.lost}") from error
        page.press("#name-input", "Enter")
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until the page knows who this is and can be used."""
        self.page.wait_for_selector("#columns:not([inert])")

    def enter(self, room: str) -> None:
        """Add a room, which opens it, and wait until everyone sees this tab in it."""
        self.add_room(room)
        expect(self.people().filter(has_text=self.name)).to_have_count(1, timeout=TIMEOUT_MS)

    def add_room(self, room: str) -> None:
        """Add a room by the form, which opens it."""
        self.page.fill("#add-room-name", room)
        self.page.press("#add-room-name", "Enter")
        expect(self.page.locator("#room-name")).to_have_text(room)

    def open_room(self, room: str) -> None:
        """Open a room that is in the list."""
        self.room(room).click()

    def room(self, room: str) -> Locator:
        """The button of a room."""
        named = self.page.locator(".room-name").get_by_text(room, exact=True)
        return self.page.locator(".room").filter(has=named)

    def people(self) -> Locator:
        """The people in the open room."""
        return self.page.locator("#people > li")

    def say(self, text: str) -> None:
        """Write a message and press Enter."""
        self.page.fill("#composer-text", text)
        self.page.press("#composer-text", "Enter")

    def say_many(self, texts: list[str]) -> None:
        """Write messages faster than anyone can type."""
        self.page.evaluate(
            """(texts) => {
              const field = document.getElementById("composer-text");
              for (const text of texts) {
                field.value = text;
                field.form.requestSubmit();
              }
            }""",
            texts,
        )

    def message(self, text: str) -> Locator:
        """The row of a message."""
        return self.page.locator(".message").filter(has=self.page.get_by_text(text, exact=True))

    def wait_for_message(self, text: str) -> Locator:
        """Wait until a message is shown once; gives its row."""
        row = self.message(text)
        expect(row).to_have_count(1, timeout=TIMEOUT_MS)
        return row

    def wait_for_state(self, text: str, state: str) -> None:
        """Wait until a message of this tab's person is in a state."""
        expect(self.message(text)).to_have_attribute("data-state", state, timeout=TIMEOUT_MS)

    def wait_for_connection(self, state: str) -> None:
        """Wait until the connection is `connected`, `connecting` or `disconnected`."""
        bar = self.page.locator("#connection")
        expect(bar).to_have_attribute("data-state", state, timeout=TIMEOUT_MS)

    def messages(self) -> list[dict[str, Any]]:
        """What the open room shows, oldest first: author, text, state, whether recovered."""
        return [
            {
                "author": row.locator(".author").text_content(),
                "text": row.locator(".bubble").text_content(),
                "state": row.get_attribute("data-state"),
                "recovered": row.locator(".recovered").count() == 1,
            }
            for row in self.page.locator(".message").all()
        ]

    def texts(self) -> list[str]:
        """The texts that the open room shows, oldest first."""
        return self.page.locator(".message .bubble").all_text_contents()

    def receipt(self, text: str) -> dict[str, str | None]:
        """The live panel's row for a message: partition, worker, attempt, outcome, time."""
        row = self.page.locator(".receipt").filter(has=self.page.get_by_text(text, exact=True))
        expect(row).to_have_count(1, timeout=TIMEOUT_MS)
        names = ("took", "partition", "worker", "attempt", "outcome")
        return dict(zip(names, row.locator("td").all_text_contents(), strict=True))

    def _note_console(self, message: ConsoleMessage) -> None:
        is_lost_connection = message.text.startswith("WebSocket connection to")
        if message.type in {"error", "warning"} and not is_lost_connection:
            self.errors.append(message.text)

    def _watch(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: self._note_frame(str(frame)))

    def _note_frame(self, frame: str) -> None:
        for line in frame.split("\n"):
            command = json.loads(line) if line else {}
            if "publish" in command:
                self.published.append(command["publish"]["data"])
