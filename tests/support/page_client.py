"""The page's JavaScript client, started in a page and driven from a test."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Page

from support.scripted_gateway import ScriptedConnection, ScriptedGateway

# A client with quick retries that writes down all events.
_START = """async ([port, options]) => {
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


class PageClient:
    """The client in a page, and what it told.

    Args:
        page: any document of the page's server.
        gateway: the one that it connects to.
    """

    def __init__(self, page: Page, gateway: ScriptedGateway) -> None:
        self.page = page
        self.gateway = gateway

    def start(self, get_token: str = "", **options: Any) -> None:
        """Start the client; `get_token` is the body of its function in JavaScript."""
        script = _START.replace("`token-${++tokens}`", get_token or "`token-${++tokens}`")
        self.page.evaluate(script, [self.gateway.port, options])

    def run(self, script: str) -> Any:
        """Evaluate JavaScript in the page, where the client is `client`."""
        return self.page.evaluate(script)

    def publish(self, text: str, channel: str = "room") -> None:
        """Let the client publish a text."""
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
        """What the client and its subscriptions told so far, of these types."""
        events: list[dict[str, Any]] = self.page.evaluate("events")
        return [event for event in events if event["type"] in types]

    def states(self) -> list[str]:
        """The states of outbox entries, in the order in which they were told."""
        return [event["state"] for event in self.events("outgoing")]


def connected(client: PageClient, **options: Any) -> ScriptedConnection:
    """Start the client and answer its connect command; gives the connection."""
    client.start(**options)
    connection = client.gateway.accept()
    connection.greet()
    return connection


def subscribe(client: PageClient, connection: ScriptedConnection, **reply: Any) -> dict[str, Any]:
    """Let the client subscribe to `room` and answer; gives what it asked."""
    client.run("join('room')")
    command = connection.expect("subscribe")
    connection.reply(command, {"subscribe": reply})
    asked: dict[str, Any] = command["subscribe"]
    return asked
