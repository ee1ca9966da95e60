"""The chat page with a keyboard alone, and as a screen reader meets it."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from support.chat_flows import Desk
from support.chat_tab import TIMEOUT_MS
from support.page_audit import audit

MAX_STOPS = 60
SKIP = "Skip to the message field"


def _focused(page: Page) -> str:
    """A short name of what has the focus."""
    name: str = page.evaluate(
        "document.activeElement.id || document.activeElement.textContent.trim().slice(0, 40)"
    )
    return name


def _press_until(page: Page, key: str, name: str) -> list[str]:
    """Press Tab or Shift+Tab until something has the focus; gives all that had it."""
    stops: list[str] = []
    while len(stops) < MAX_STOPS:
        page.keyboard.press(key)
        stops.append(_focused(page))
        assert audit(page, "focusIsShown"), f"no ring around {stops[-1]!r}"
        if stops[-1] == name:
            return stops
    raise AssertionError(f"{key} never reached {name!r}: {stops}")


def test_everything_works_with_the_keyboard_alone(desk: Desk) -> None:
    """Name, rooms, messages, discarding and the tools are reached and used without a mouse."""
    page = desk.context.new_page()
    page.goto(desk.stack.url)
    expect(page.locator("#name-input")).to_be_focused()
    page.keyboard.type("Grace")
    page.keyboard.press("Enter")
    expect(page.locator("#composer-text")).to_be_focused()

    _press_until(page, "Shift+Tab", SKIP)
    page.keyboard.press("Enter")
    expect(page.locator("#composer-text")).to_be_focused()

    _press_until(page, "Shift+Tab", "add-room-name")
    page.keyboard.type("user:somebody-else")
    page.keyboard.press("Enter")
    expect(page.locator("#room-name")).to_have_text("user:somebody-else")
    expect(page.locator("#composer-text")).to_be_focused()
    page.keyboard.type("may I?")
    page.keyboard.press("Enter")
    discard = page.get_by_role("button", name="Discard")
    expect(discard).to_be_visible(timeout=TIMEOUT_MS)
    _press_until(page, "Shift+Tab", "Discard")
    page.keyboard.press("Enter")
    expect(discard).to_have_count(0)

    page.locator("#composer-text").focus()
    _press_until(page, "Shift+Tab", "add-room-name")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Leave user:somebody-else")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#room-name")).to_have_text("lobby")
    assert page.evaluate("document.activeElement.matches('.room[aria-current]')")


def test_tab_order_passes_through_everything(desk: Desk) -> None:
    """Tab goes through bar, rooms, messages, field and panel, in the order they are seen."""
    ada = desk.tab("Ada")
    _press_until(ada.page, "Shift+Tab", SKIP)
    stops = _press_until(ada.page, "Tab", "composer-text")
    expected = ["language", "theme", "me", "add-room-name", "scroll", "composer-text"]
    assert [stop for stop in stops if stop in expected] == expected


def test_page_has_landmarks_and_headings(desk: Desk) -> None:
    """A screen reader finds banner, navigation, main and complementary parts by name."""
    page = desk.tab("Ada").page
    for role, name in (
        ("banner", None),
        ("navigation", "Rooms"),
        ("main", desk.room),
        ("complementary", "Live"),
        ("region", "Who is here"),
        ("region", f"Messages in {desk.room}"),
    ):
        found = page.get_by_role(role, name=name) if name else page.get_by_role(role)
        assert found.count() == 1, (role, name)
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((h) => h.tagName)")
    assert levels.count("H1") == 1
    assert levels[0] == "H1"


def test_every_control_has_a_name(desk: Desk) -> None:
    """Buttons, fields and links say what they are for, also those with an icon alone."""
    ada = desk.tab("Ada")
    ada.say("to have a row in the panel")
    ada.wait_for_state("to have a row in the panel", "handled")
    snapshot = ada.page.locator("body").aria_snapshot()
    for role in ("button", "textbox", "link", "region", "navigation", "dialog", "img"):
        nameless = [
            line
            for line in snapshot.splitlines()
            if line.strip(" -:") == role or line.strip().startswith(f"- {role} [")
        ]
        assert nameless == [], snapshot
    assert "Handled by worker-" in snapshot


def test_name_dialog_is_a_dialog(desk: Desk) -> None:
    """The dialog is named, holds the focus, explains its field, and tells what is wrong."""
    page = desk.context.new_page()
    page.goto(desk.stack.url)
    dialog = page.get_by_role("dialog", name="What is your name?")
    expect(dialog).to_be_visible()
    field = page.get_by_role("textbox", name="Name")
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description(
        "Others see it beside your messages. Each browser tab can be someone else."
    )
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    field.fill("   ")
    field.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="1 to 40")).to_be_visible()
    expect(field).to_have_attribute("aria-invalid", "true")


def test_new_messages_are_announced_once(desk: Desk) -> None:
    """Someone else's message in the open room is read aloud; one's own and old ones are not."""
    ada, lin = desk.tab("Ada"), desk.tab("Lin")
    said = ada.page.locator("#announce-messages")
    expect(said).to_have_attribute("aria-live", "polite")
    ada.say("mine")
    lin.wait_for_message("mine")
    lin.say("for you to hear")
    ada.wait_for_message("for you to hear")
    expect(said.locator("p")).to_have_text(["Lin: for you to hear"])


def test_connection_is_announced_when_it_changes(desk: Desk) -> None:
    """The loss is said once and not every second; so is the return."""
    with desk.linked_tab("Lin") as (lin, linked):
        said = lin.page.locator("#announce-connection")
        expect(said).to_have_text("Connected")
        linked.link.cut()
        expect(said).to_have_text("Connection lost. Messages are kept and sent later.")
        linked.link.restore()
        expect(said).to_have_text("Connected", timeout=TIMEOUT_MS)


def test_panel_is_a_table_for_screen_readers(desk: Desk) -> None:
    """The receipts are a table with headers, though they are drawn in two lines."""
    ada = desk.tab("Ada")
    ada.say("look me up")
    ada.wait_for_state("look me up", "handled")
    ada.receipt("look me up")
    table = ada.page.get_by_role("table", name="Latest first")
    headers = table.get_by_role("columnheader").all_text_contents()
    assert headers == ["Message", "Time", "Partition", "Worker", "Attempt", "Outcome"]
    row = table.get_by_role("row").filter(has=ada.page.get_by_text("look me up", exact=True))
    assert row.get_by_role("rowheader").count() == 1
    assert row.get_by_role("cell").count() == len(headers) - 1
