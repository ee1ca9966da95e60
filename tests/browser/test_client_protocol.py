"""The page's client, command by command, against a gateway that the test plays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from support.browser_stack import serving_page
from support.scripted_gateway import ScriptedConnection, ScriptedGateway

# A client with quick retries that writes down all events.
START = """async ([port, options]) => {
  const { RealtimeClient } = await import("/client/client.js");
  let tokens = 0;
  window.events = [];
  const note = (type) => ({ detail }) => events.push({ type, ...structuredClone(detail) });
  window.client = new RealtimeClient(`ws://127.0.0.1:${port}/connection/websocket`, {
    getToken: async () => `token-${++tokens}`,
    retry: { minMs: 40, maxMs: 160 },
    storage: localStorage,
    ...options,
  });
  for (const type of ["state", "outgoing"]) client.addEventListener(type, note(type));
  window.join = (channel) => {
    const subscription = client.subscribe(channel);
    for (const type of ["subscribed", "publication", "join", "leave", "unsubscribed"]) {
      subscription.addEventListener(type, note(type));
    }
  };
  client.connect();
}"""


class Client:
    """The client in a page, and what it told."""

    def __init__(self, page: Page, gateway: ScriptedGateway) -> None:
        self.page = page
        self.gateway = gateway

    def start(self, **options: Any) -> None:
        self.page.evaluate(START, [self.gateway.port, options])

    def run(self, script: str) -> Any:
        return self.page.evaluate(script)

    def publish(self, text: str, channel: str = "room") -> None:
        self.page.evaluate(
            "([channel, text]) => { client.publish(channel, { text }); }", [channel, text]
        )

    def wait_for(self, condition: str) -> None:
        """Wait until a condition on `events` or `client` holds."""
        # Not wait_for_function: it evaluates in the page, which the page's policy forbids.
        deadline = time.monotonic() + 10
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, f"never: {condition}; {self.run('events')}"
            self.page.wait_for_timeout(20)

    def events(self, *types: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self.page.evaluate("events")
        return [event for event in events if event["type"] in types]

    def states(self) -> list[str]:
        return [event["state"] for event in self.events("outgoing")]


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    """A gateway that the test plays."""
    with ScriptedGateway() as gateway:
        yield gateway


@pytest.fixture
def client(
    gateway: ScriptedGateway, open_window: Callable[..., BrowserContext]
) -> Iterator[Client]:
    """A page from which the client can be imported: any document of the page's server."""
    with serving_page(gateway.port) as url:
        page = open_window().new_page()
        page.goto(f"{url}client/client.js")
        yield Client(page, gateway)
        page.close()


def _connected(client: Client, **options: Any) -> ScriptedConnection:
    client.start(**options)
    connection = client.gateway.accept()
    connection.greet()
    return connection


def _subscribe(client: Client, connection: ScriptedConnection, **reply: Any) -> dict[str, Any]:
    client.run("join('room')")
    command = connection.expect("subscribe")
    connection.reply(command, {"subscribe": reply})
    asked: dict[str, Any] = command["subscribe"]
    return asked


def _publication(text: str, offset: int) -> dict[str, Any]:
    return {"channel": "room", "pub": {"data": {"text": text}, "offset": offset}}


def test_connect_sends_the_token_first(client: Client) -> None:
    """The first command is connect, with the token."""
    client.start()
    command = client.gateway.accept().greet()
    assert command["connect"]["token"] == "token-1"
    client.wait_for("client.state === 'connected'")


def test_frame_with_several_messages_is_read_in_order(client: Client) -> None:
    """A frame may hold a reply and pushes, one a line; they are taken in this order."""
    connection = _connected(client)
    client.run("join('room')")
    command = connection.expect("subscribe")
    reply = {"recoverable": True, "epoch": "e", "publications": [_publication("a", 1)["pub"]]}
    connection.send(
        {"id": command["id"], "subscribe": {**reply, "was_recovering": True, "recovered": True}},
        {"push": _publication("b", 2)},
        {"push": {"channel": "room", "join": {"info": {"client": "c2", "user": "u2"}}}},
    )
    client.wait_for("events.some(({ type }) => type === 'join')")
    told = client.events("subscribed", "publication", "join")
    assert [event["type"] for event in told] == ["subscribed", "publication", "publication", "join"]
    assert [event["recovered"] for event in told[1:3]] == [True, False]
    assert [event["offset"] for event in told[1:3]] == [1, 2]


def test_ping_is_answered_with_one_pong(client: Client) -> None:
    """An empty object is a ping; the answer is an empty object."""
    connection = _connected(client)
    connection.send_text("{}")
    assert connection.next() == {}
    assert connection.is_silent(0.2)


def test_ping_is_not_answered_unless_asked_for(client: Client) -> None:
    """Where the gateway does not want pongs, an unsolicited one would end the connection."""
    client.start()
    connection = client.gateway.accept()
    connection.greet(pong=False)
    connection.send_text("{}")
    assert connection.is_silent(0.3)


def test_silent_gateway_is_left(client: Client) -> None:
    """Without a ping in time the connection is given up and made anew."""
    client.start(maxPingDelayMs=100)
    connection = client.gateway.accept()
    connection.greet(ping=0.1)
    assert connection.is_left()
    client.gateway.accept().greet()


@pytest.mark.parametrize("code", [3500, 3501, 3999, 4500, 4999, 1009])
def test_terminal_close_is_final(client: Client, code: int) -> None:
    """After these codes the client stays away, and says why."""
    connection = _connected(client)
    connection.close(code, "not again")
    client.wait_for("client.state === 'disconnected'")
    last = client.events("state")[-1]
    assert (last["code"], last["reason"]) == (code, "not again")
    assert client.gateway.nobody_comes(0.4)


@pytest.mark.parametrize("code", [3000, 3001, 3012, 3499, 4000, 4499, 1001, 1011])
def test_other_close_leads_to_a_reconnect(client: Client, code: int) -> None:
    """After any other code the client comes back, and tells when."""
    connection = _connected(client)
    connection.close(code, "come back")
    client.gateway.accept().greet()
    client.wait_for("client.state === 'connected'")
    waiting = [event for event in client.events("state") if event.get("retryAt")]
    assert [(event["code"], event["reason"]) for event in waiting] == [(code, "come back")]


def test_terminal_close_can_be_overcome_by_hand(client: Client) -> None:
    """connect() after a terminal close starts anew, with a new token."""
    _connected(client).close(3500, "invalid token")
    client.wait_for("client.state === 'disconnected'")
    client.run("client.connect()")
    assert client.gateway.accept().greet()["connect"]["token"] == "token-2"


def test_expired_token_is_replaced(client: Client) -> None:
    """Error 109 to connect means: come again with a new token."""
    client.start()
    first = client.gateway.accept()
    first.refuse(first.expect("connect"), 109, "token expired")
    assert client.gateway.accept().greet()["connect"]["token"] == "token-2"


def test_temporary_connect_error_keeps_the_token(client: Client) -> None:
    """A temporary error is tried again with the same token, on a new connection."""
    client.start()
    first = client.gateway.accept()
    first.refuse(first.expect("connect"), 100, "internal server error", temporary=True)
    assert client.gateway.accept().greet()["connect"]["token"] == "token-1"


def test_permanent_connect_error_is_final(client: Client) -> None:
    """A permanent error to connect ends the attempts."""
    client.start()
    connection = client.gateway.accept()
    connection.refuse(connection.expect("connect"), 403, "banned")
    client.wait_for("client.state === 'disconnected'")
    assert client.events("state")[-1]["reason"] == "banned"
    assert client.gateway.nobody_comes(0.4)


def test_token_is_refreshed_before_it_expires(client: Client) -> None:
    """When the gateway says how long the token is good, a new one is sent in time."""
    client.start()
    connection = client.gateway.accept()
    connection.greet(expires=True, ttl=0.1)
    command = connection.expect("refresh")
    assert command["refresh"] == {"token": "token-2"}
    connection.reply(command, {"refresh": {"expires": True, "ttl": 0.1}})
    assert connection.expect("refresh")["refresh"] == {"token": "token-3"}


def test_token_that_cannot_be_had_is_tried_again(client: Client) -> None:
    """A failing getToken is called again, unless it says that it is for good."""
    client.run("window.calls = 0")
    client.page.evaluate(
        START.replace(
            "`token-${++tokens}`",
            "{ if (++calls < 3) throw new Error('down'); return 'late'; }",
        ),
        [client.gateway.port, {}],
    )
    assert client.gateway.accept().greet()["connect"]["token"] == "late"


def test_token_that_is_denied_is_final(client: Client) -> None:
    """A getToken that fails for good ends the attempts."""
    client.page.evaluate(
        START.replace(
            "`token-${++tokens}`",
            "{ throw Object.assign(new Error('no'), { temporary: false }); }",
        ),
        [client.gateway.port, {}],
    )
    client.wait_for("client.state === 'disconnected'")
    assert client.events("state")[-1]["reason"] == "no"


def test_resubscribe_asks_from_the_last_offset(client: Client) -> None:
    """After a reconnect the subscription asks for what came after the last publication."""
    connection = _connected(client)
    assert _subscribe(client, connection, recoverable=True, epoch="e", offset=4) == {
        "channel": "room"
    }
    connection.send({"push": _publication("five", 5)})
    client.wait_for("events.some(({ type }) => type === 'publication')")
    connection.close(3001, "shutdown")
    connection = client.gateway.accept()
    connection.greet()
    asked = connection.expect("subscribe")["subscribe"]
    assert asked == {"channel": "room", "recover": True, "epoch": "e", "offset": 5}


def test_failed_recovery_is_told(client: Client) -> None:
    """Where the gateway no longer has all, the event says so, and the new position counts."""
    connection = _connected(client)
    _subscribe(client, connection, recoverable=True, epoch="old", offset=4)
    connection.close(3001)
    connection = client.gateway.accept()
    connection.greet()
    command = connection.expect("subscribe")
    reply = {"recoverable": True, "epoch": "new", "offset": 1, "was_recovering": True}
    connection.reply(command, {"subscribe": reply})
    client.wait_for("events.filter(({ type }) => type === 'subscribed').length === 2")
    told = client.events("subscribed")[-1]
    assert (told["wasRecovering"], told["recovered"], told["epoch"]) == (True, False, "new")


@pytest.mark.parametrize(
    ("code", "extra", "again"),
    [(100, {"temporary": True}, True), (109, {}, True), (103, {}, False), (403, {}, False)],
)
def test_subscribe_error_is_retried_if_it_may_help(
    client: Client, code: int, extra: dict[str, bool], again: bool
) -> None:
    """A temporary error is tried again; another one ends the subscription."""
    connection = _connected(client)
    client.run("join('room')")
    connection.refuse(connection.expect("subscribe"), code, "no", **extra)
    if again:
        connection.expect("subscribe")
    else:
        client.wait_for("events.at(-1).type === 'unsubscribed'")
        assert connection.is_silent(0.4)


@pytest.mark.parametrize(("code", "again"), [(2000, False), (2499, False), (2500, True)])
def test_unsubscribe_push_says_whether_to_come_back(client: Client, code: int, again: bool) -> None:
    """Codes from 2500 on ask for a new subscription; those below end it."""
    connection = _connected(client)
    _subscribe(client, connection)
    client.wait_for("events.some(({ type }) => type === 'subscribed')")
    connection.send({"push": {"channel": "room", "unsubscribe": {"code": code, "reason": "r"}}})
    if again:
        connection.expect("subscribe")
    else:
        client.wait_for("events.at(-1).type === 'unsubscribed'")
        assert connection.is_silent(0.4)


def test_unanswered_subscribe_leads_to_a_new_connection(client: Client) -> None:
    """Whether the gateway has subscribed it is unknown then; only a new connection is clear."""
    connection = _connected(client, timeoutMs=200)
    client.run("join('room')")
    connection.expect("subscribe")
    assert connection.is_left()
    connection = client.gateway.accept()
    connection.greet()
    connection.expect("subscribe")


def test_unsubscribe_while_subscribing_is_made_good(client: Client) -> None:
    """A subscription that was left before the answer is left at the gateway too."""
    connection = _connected(client)
    client.run("join('room')")
    command = connection.expect("subscribe")
    client.run("client.subscribe('room').unsubscribe()")
    connection.reply(command, {"subscribe": {}})
    assert connection.expect("unsubscribe")["unsubscribe"] == {"channel": "room"}


def test_messages_of_a_channel_go_one_by_one(client: Client) -> None:
    """The next one is sent after the answer to the one before; other channels do not wait."""
    connection = _connected(client)
    client.publish("one")
    client.publish("two")
    first = connection.expect("publish")
    assert connection.is_silent(0.2)
    client.publish("elsewhere", channel="other")
    assert connection.expect("publish")["publish"]["channel"] == "other"
    connection.reply(first, {"publish": {}})
    assert connection.expect("publish")["publish"]["data"]["text"] == "two"


def test_temporary_publish_error_keeps_order_and_id(client: Client) -> None:
    """A temporary error holds the channel back until the message is through, with its id."""
    connection = _connected(client)
    client.publish("one")
    client.publish("two")
    first = connection.expect("publish")
    connection.refuse(first, 100, "internal server error", temporary=True)
    again = connection.expect("publish")
    assert again["publish"] == first["publish"]
    connection.reply(again, {"publish": {}})
    assert connection.expect("publish")["publish"]["data"]["text"] == "two"
    client.wait_for("client.outgoing().length === 1")
    assert client.states() == ["sending", "sending", "sent"]


def test_permanent_publish_error_lets_the_next_pass(client: Client) -> None:
    """A refused message waits for its writer; those after it are sent."""
    connection = _connected(client)
    client.publish("bad")
    client.publish("good")
    connection.refuse(connection.expect("publish"), 400, "too rude")
    good = connection.expect("publish")
    connection.reply(good, {"publish": {}})
    client.wait_for("client.outgoing().length === 1")
    entry = client.run("client.outgoing()[0]")
    assert (entry["state"], entry["error"]) == ("refused", {"code": 400, "message": "too rude"})
    client.run("client.retry(client.outgoing()[0].id)")
    again = connection.expect("publish")["publish"]["data"]
    assert again == entry["data"]


def test_discarded_message_is_forgotten(client: Client) -> None:
    """A discarded message is gone from the outbox and from the storage."""
    connection = _connected(client)
    client.publish("bad")
    connection.refuse(connection.expect("publish"), 400, "no")
    client.wait_for("client.outgoing()[0].state === 'refused'")
    assert client.run("localStorage.length") == 1
    client.run("client.discard(client.outgoing()[0].id)")
    assert client.run("client.outgoing()") == []
    assert client.run("localStorage.length") == 0
    assert client.states()[-1] == "discarded"


def test_unanswered_publish_is_sent_again_after_a_reconnect(client: Client) -> None:
    """A message whose answer never came is sent on the next connection, with the same id."""
    connection = _connected(client)
    client.publish("one")
    first = connection.expect("publish")
    connection.close(3012, "no pong")
    connection = client.gateway.accept()
    connection.greet()
    assert connection.expect("publish")["publish"] == first["publish"]


def test_outbox_outlives_the_page(client: Client) -> None:
    """After a reload a new client finds what was not acknowledged, and sends it in order."""
    client.start()
    client.publish("one")
    client.publish("two")
    client.page.reload()
    client.gateway.accept()  # of the page before
    connection = _connected(client)
    texts = []
    for _ in range(2):
        command = connection.expect("publish")
        texts.append(command["publish"]["data"]["text"])
        connection.reply(command, {"publish": {}})
    assert texts == ["one", "two"]
    client.wait_for("client.outgoing().length === 0")


def test_broken_storage_is_survived(client: Client) -> None:
    """What is no entry in the storage is removed; a full storage does not stop a message."""
    client.run("localStorage.setItem('outbox:x', '{half')")
    client.run("localStorage.setItem('outbox:y', '{}')")
    client.run("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    connection = _connected(client)
    client.publish("one")
    connection.reply(connection.expect("publish"), {"publish": {}})
    client.wait_for("client.outgoing().length === 0")
    assert client.run("localStorage.length") == 0


def test_too_large_message_is_refused_at_once(client: Client) -> None:
    """The gateway would close the connection, again at every resend."""
    connection = _connected(client, maxFrameBytes=100)
    client.publish("x" * 100)
    client.wait_for("client.outgoing()[0].state === 'refused'")
    assert connection.is_silent(0.2)


def test_data_that_is_no_object_is_a_mistake(client: Client) -> None:
    """An id cannot be added to it."""
    client.start()
    attempt = "(data) => { try { client.publish('room', data); } catch (e) { return e.name; } }"
    for data in ("text", None, [1], 7):
        assert client.page.evaluate(attempt, data) == "TypeError"


def test_frame_that_is_not_json_leads_to_a_reconnect(client: Client) -> None:
    """A gateway that talks nonsense is left, and tried again later."""
    connection = _connected(client)
    connection.send_text("<html>")
    assert connection.is_left()
    client.gateway.accept()


def test_ids_are_uuids_also_without_a_secure_context(client: Client) -> None:
    """On http:// under a LAN name, crypto.randomUUID does not exist."""
    made = client.run("""async () => {
      const { newId } = await import("/client/protocol.js");
      crypto.randomUUID = undefined;
      return [newId(), newId()];
    }""")
    assert len(set(made)) == 2
    for made_id in made:
        assert [len(part) for part in made_id.split("-")] == [8, 4, 4, 4, 12]
        assert made_id[14] == "4"
        assert made_id[19] in "89ab"
