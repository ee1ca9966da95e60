"""The samples of the pages about handlers and hooks do what the pages say."""

import asyncio
from types import ModuleType
from typing import Any

import httpx
import pytest

from realtime_message.centrifugo.events import EventKind
from realtime_message.settings import CallbackSettings
from realtime_message.settings.options import ChannelRule
from realtime_message.testing import WorkerHarness
from support.page_module import page_module

HANDLERS = "docs/howto/write-handlers.md"
HOOKS = "docs/howto/decide-with-hooks.md"


@pytest.fixture
def page() -> ModuleType:
    return page_module(HANDLERS)


def shop_without_a_server() -> httpx.AsyncClient:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=request.url.path))
    return httpx.AsyncClient(base_url="http://shop", transport=transport)


async def handled(page: ModuleType, *messages: tuple[str, Any]) -> WorkerHarness:
    """Let a worker with the page's app handle messages; returns when it is idle."""
    async with WorkerHarness(page.app, resources={"shop": shop_without_a_server()}) as harness:
        for channel, data in messages:
            await harness.publish(channel, data, user="ada", user_name="Ada")
        await harness.run_until_idle()
    return harness


@pytest.mark.parametrize(
    ("channel", "data", "said"),
    [
        ("room:a:b", {"text": "hi"}, "Ada in room:a:b: hi"),
        ("room:lobby", {"text": "hi"}, "welcome, Ada"),
        ("orders:1", {"item": "book"}, "ada orders 1 book"),
        ("stock:1", {"text": "book"}, "book: /stock/book"),
        ("pay:1", {"text": "5"}, "paid: 5"),
    ],
)
async def test_handler_of_the_page_gets_its_message(
    page: ModuleType, channel: str, data: Any, said: str
) -> None:
    """By pattern, with the data and resources that it asks for."""
    await handled(page, (channel, data))
    assert page.seen == [said]


async def test_data_that_do_not_fit_are_a_dead_letter_at_once(page: ModuleType) -> None:
    """With the reason."""
    harness = await handled(page, ("orders:1", {"item": "book", "count": "many"}))
    (letter,) = harness.dead_letters
    assert letter.attempts == 1
    assert "does not fit Order" in letter.reason


async def test_lines_come_together(page: ModuleType) -> None:
    """Those of a channel, in one call."""
    await handled(page, *[("log:1", {"text": str(number)}) for number in range(3)])
    assert page.seen == ["3 lines stored"]


@pytest.mark.parametrize(
    ("text", "outcomes", "dead"),
    [
        ("", ["skip"], []),
        ("stolen card", ["dead_letter"], ["the bank refused it"]),
        ("bank closed", ["retry", "ack"], []),
    ],
)
async def test_signals_decide_what_follows(
    page: ModuleType, text: str, outcomes: list[str], dead: list[str]
) -> None:
    """Skip, Reject and Retry; the middleware sees the second attempt."""
    harness = await handled(page, ("pay:1", {"text": text}))
    assert [attempt.outcome for attempt in harness.attempts] == outcomes
    assert [letter.reason for letter in harness.dead_letters] == dead
    tried_again = ["attempt 2 of bank closed", "paid: bank closed"]
    assert page.seen == (tried_again if "retry" in outcomes else [])


async def test_answers_carry_keys_by_message_and_place(page: ModuleType) -> None:
    """Publish, broadcast and disconnect."""
    harness = await handled(page, ("ask:1", {"text": "everyone"}), ("ask:1", {"text": "bye"}))
    first, second = (message.id for message in harness.handled)
    assert harness.replies.calls == [
        ("user:ada", {"answer": "EVERYONE"}, f"{first}:1"),
        (("news", "room:lobby"), {"said": "everyone"}, f"{first}:2"),
        ("user:ada", {"answer": "BYE"}, f"{second}:1"),
        ("ada", 4500, "as you asked"),
    ]


async def test_resources_of_the_page_open_and_close(page: ModuleType) -> None:
    """As they stand there, without a server to call."""
    async with WorkerHarness(page.app) as harness:
        client = harness._opened["shop"]
        assert client.base_url == "http://localhost:9000"
    assert client.is_closed


@pytest.fixture
def hooks() -> ModuleType:
    """The page's module, with a handler that does nothing: a worker wants one."""
    page = page_module(HOOKS)
    page.app.on_message()(lambda message: None)
    return page


async def test_connect_hook_names_its_user_or_leaves_it_to_the_token(hooks: ModuleType) -> None:
    """Or closes the connection."""
    async with WorkerHarness(hooks.app) as harness:
        callback = harness.callback
        ada = await callback.connect(headers={"Authorization": "Bearer key-of-ada"})
        assert ada.result is not None
        assert ada.result["user"] == "ada"
        assert ada.result["meta"]["name"] == "Ada Lovelace"
        bob = await callback.connect(user="bob")
        assert bob.result is not None
        assert bob.result["user"] == "bob"
        assert (await callback.connect()).error is not None
        eve = await callback.connect(headers={"Authorization": "Bearer key-of-eve"})
        assert eve.disconnect is not None
        assert (eve.disconnect.code, eve.disconnect.reason) == (4500, "you are banned")


async def test_subscribe_hook_lets_members_in(hooks: ModuleType) -> None:
    """With data for them."""
    async with WorkerHarness(hooks.app) as harness:
        ada = await harness.callback.subscribe("team:red", user="ada")
        assert ada.result == {"data": {"members": 1}}
        eve = await harness.callback.subscribe("team:red", user="eve")
        assert eve.error is not None
        assert (eve.error.code, eve.error.message) == (403, "you are not in this team")
        assert (await harness.callback.subscribe("room:1", user="eve")).is_accepted


async def test_publish_hook_changes_and_refuses_and_names_the_user(hooks: ModuleType) -> None:
    """What it replied is stored, under the name from the connection's meta."""
    async with WorkerHarness(hooks.app) as harness:
        for text in ("hi", "darn it", "spam"):
            await harness.callback.publish("team:red", {"text": text}, meta={"name": "Ada"})
        await harness.run_until_idle()
        assert [m.text for m in harness.handled] == ["hi", "**** it"]
        assert {m.user_name for m in harness.handled} == {"Ada"}


async def test_rules_come_before_hooks(hooks: ModuleType) -> None:
    """A hook cannot permit what a rule forbids."""
    rules = CallbackSettings(channels=[ChannelRule(pattern="team:*", subscribe="nobody")])
    async with WorkerHarness(hooks.app, callback=rules) as harness:
        answer = await harness.callback.subscribe("team:red", user="ada")
        assert answer.error is not None
        assert answer.error.message == "you may not subscribe to this channel"


async def test_rpc_hook_answers(hooks: ModuleType) -> None:
    """An unknown method is refused."""
    async with WorkerHarness(hooks.app) as harness:
        answer = await harness.callback.rpc("team.list", user="ada")
        assert answer.result == {"data": {"method": "team.list", "user": "ada"}}
        unknown = await harness.callback.rpc("other")
        assert unknown.error is not None
        assert unknown.error.code == 404


async def test_refresh_hooks_prolong_or_end(hooks: ModuleType) -> None:
    """None ends it."""
    async with WorkerHarness(hooks.app) as harness:
        known, unknown = {"session": "Bearer key-of-ada"}, {"session": "x"}
        ends: dict[str, Any] = {"expired": True}
        stays = {"expire_at": 2_000_000_000}
        callback = harness.callback
        assert (await callback.refresh(meta=known)).result == stays
        assert (await callback.refresh(meta=unknown)).result == ends
        assert (await callback.sub_refresh("team:red", user="ada")).result == stays
        assert (await callback.sub_refresh("team:red", user="eve")).result == ends


async def test_hook_that_fails_or_hangs_is_a_temporary_error(hooks: ModuleType) -> None:
    """500 with the id of a request, 504 after the deadline."""

    @hooks.app.on_rpc("broken")
    async def broken(event: Any) -> None:
        raise KeyError("x")

    @hooks.app.on_rpc("slow")
    async def slow(event: Any) -> None:
        await asyncio.sleep(60)

    async with WorkerHarness(hooks.app) as harness:
        for method, code in (("broken", 500), ("slow", 504)):
            answer = await harness.callback.send(EventKind.rpc, method=method, user="ada")
            assert answer.error is not None
            assert (answer.error.code, answer.error.temporary) == (code, True)
