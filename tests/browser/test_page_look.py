"""Colours, languages and widths of the chat page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from support.browser_stack import BrowserStack
from support.chat_flows import Desk
from support.chat_tab import TIMEOUT_MS, ChatTab
from support.page_audit import audit

OpenWindow = Callable[..., BrowserContext]
DESKTOP = {"width": 1360, "height": 820}
PHONE = {"width": 375, "height": 720}
SMALL_PHONE = {"width": 320, "height": 568}
TABLET = {"width": 900, "height": 720}

TALK = (
    (0, "Good morning! Is the new partition layout live?"),
    (1, "Yes, since nine. Eight partitions, two workers."),
    (1, "Kill one and watch the other take over."),
    (0, "Doing it now."),
    (0, "A longer message, to see how lines wrap when somebody writes more than a few words."),
    (0, f"https://example.com/{'a-word-without-a-place-to-break' * 4}"),
)
TALK_ZH = (
    (0, "早上好,新的分区布局上线了吗"),
    (1, "九点就上线了: 八个分区, 两个工作进程"),
    (0, "好的"),
)


def _talk(desk: Desk, lines: tuple[tuple[int, str], ...] = TALK) -> ChatTab:
    """Let two people talk, one of them also in another room; gives the first one's tab."""
    ada, lin = tabs = desk.tab("Ada"), desk.tab("Lin Wei")
    for speaker, text in lines:
        tabs[speaker].say(text)
        tabs[speaker].wait_for_state(text, "handled")
    for tab in tabs:
        tab.add_room(_other_room(desk))
    lin.say("Anyone for lunch?")
    ada.wait_for_message("Anyone for lunch?")
    ada.open_room(desk.room)
    lin.say("At noon?")
    expect(ada.room(_other_room(desk)).locator(".badge")).to_be_visible(timeout=TIMEOUT_MS)
    ada.page.bring_to_front()
    return ada


def _other_room(desk: Desk) -> str:
    return f"side-{desk.room}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_follow_the_browser(
    stack: BrowserStack, open_window: OpenWindow, screenshots: Path, theme: str
) -> None:
    """The page is light or dark as the browser asks, with enough contrast for every text."""
    desk = Desk(stack, open_window(viewport=DESKTOP, color_scheme=theme))
    ada = _talk(desk)
    ada.page.screenshot(path=screenshots / f"desktop-{theme}.png")
    brightness = ada.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert brightness == ("rgb(244, 246, 248)" if theme == "light" else "rgb(15, 20, 25)")
    assert audit(ada.page, "lowContrast") == []
    ada.add_room("user:somebody-else")
    ada.say("may I?")
    ada.wait_for_state("may I?", "refused")
    ada.page.screenshot(path=screenshots / f"desktop-{theme}-refused.png")
    assert audit(ada.page, "lowContrast") == []


def test_colours_can_be_chosen(desk: Desk) -> None:
    """The button switches, says what it will do, and the choice outlives a reload."""
    ada = desk.tab("Ada")
    html = ada.page.locator("html")
    ada.page.get_by_role("button", name="Switch to dark colours").click()
    expect(html).to_have_attribute("data-theme", "dark")
    ada.page.reload()
    expect(html).to_have_attribute("data-theme", "dark")
    ada.page.get_by_role("button", name="Switch to light colours").click()
    expect(html).to_have_attribute("data-theme", "light")


def test_chinese_readers_get_chinese(
    stack: BrowserStack, open_window: OpenWindow, screenshots: Path
) -> None:
    """The language follows the browser; nothing of the page stays English."""
    desk = Desk(stack, open_window(viewport=DESKTOP, locale="zh-CN"))
    ada = _talk(desk, TALK_ZH)
    ada.page.screenshot(path=screenshots / "desktop-chinese.png")
    expect(ada.page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(ada.page.locator("#connection-text")).to_have_text("已连接")
    for english in ("Rooms", "Who is here", "Live", "handled", "Handled", "attempt", "Connected"):
        assert ada.page.get_by_text(english, exact=True).count() == 0


def test_language_can_be_switched(desk: Desk) -> None:
    """The button switches all texts at once, keeps what was written, and is remembered."""
    ada = desk.tab("Ada")
    ada.say("stays as it is")
    ada.wait_for_state("stays as it is", "handled")
    ada.page.fill("#composer-text", "a draft")
    ada.page.get_by_role("button", name="切换到中文").click()
    expect(ada.page.locator("#rooms-title")).to_have_text("房间")
    expect(ada.message("stays as it is").locator(".author")).to_have_text("你")
    expect(ada.page.locator("#composer-text")).to_have_value("a draft")
    ada.page.reload()
    expect(ada.page.locator("#rooms-title")).to_have_text("房间")
    ada.page.get_by_role("button", name="Switch to English").click()
    expect(ada.page.locator("#rooms-title")).to_have_text("Rooms")


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_phone_shows_one_part_at_a_time(
    stack: BrowserStack, open_window: OpenWindow, screenshots: Path, locale: str
) -> None:
    """On a phone the parts are tabs, nothing is cut off, and everything can be touched."""
    desk = Desk(stack, open_window(viewport=DESKTOP, locale=locale))
    page = _talk(desk).page
    for size in (PHONE, SMALL_PHONE):
        page.set_viewport_size(size)
        for pane, part in (("rooms", "#side"), ("live", "#live"), ("room", "main")):
            page.locator(f"#tabs button[value={pane}]").click()
            expect(page.locator(part)).to_be_visible()
            for other in {"#side", "#live", "main"} - {part}:
                expect(page.locator(other)).to_be_hidden()
            page.screenshot(path=screenshots / f"{size['width']}-{locale}-{pane}.png")
            assert audit(page, "tooWide") == []
            assert audit(page, "tooSmall") == []
    page.locator("#tabs button[value=rooms]").click()
    desk.tabs[0].open_room(_other_room(desk))
    expect(page.locator("main")).to_be_visible()
    desk.tabs[0].wait_for_message("Anyone for lunch?")


def test_live_panel_is_a_drawer_on_a_tablet(
    stack: BrowserStack, open_window: OpenWindow, screenshots: Path
) -> None:
    """Between phone and desktop the live panel opens over the chat, and Escape closes it."""
    ada = _talk(Desk(stack, open_window(viewport=TABLET)))
    panel = ada.page.locator("#live")
    expect(panel).to_be_hidden()
    assert audit(ada.page, "tooWide") == []
    ada.page.get_by_role("button", name="Show the live panel").click()
    expect(panel).to_be_visible()
    expect(ada.page.locator("#live-close")).to_be_focused()
    ada.page.screenshot(path=screenshots / "tablet-drawer.png")
    ada.page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(ada.page.locator("#live-open")).to_be_focused()


def test_motion_can_be_refused(stack: BrowserStack, open_window: OpenWindow) -> None:
    """Who asks for less motion gets none."""
    for wish, animation in (("reduce", "none"), ("no-preference", "breathe")):
        tab = Desk(stack, open_window(reduced_motion=wish)).tab("Ada")
        shown = tab.page.evaluate(
            """() => {
              document.getElementById("connection").dataset.state = "connecting";
              return getComputedStyle(document.querySelector(".dot")).animationName;
            }"""
        )
        assert shown == animation
