"""The page's client: subscribing, recovery, and the order of what a frame holds."""

from __future__ import annotations

from typing import Any

import pytest

from support.page_client import PageClient, connected, subscribe


def _publication(text: str, offset: int) -> dict[str, Any]:
    return {"channel": "room", "pub": {"data": {"text": text}, "offset": offset}}


def test_frame_with_several_messages_is_read_in_order(client: PageClient) -> None:
    """A frame may hold a reply and pushes, one a line; they are taken in this order."""
    connection = connected(client)
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


def test_resubscribe_asks_from_the_last_offset(client: PageClient) -> None:
    """After a reconnect the subscription asks for what came after the last publication."""
    connection = connected(client)
    assert subscribe(client, connection, recoverable=True, epoch="e", offset=4) == {
        "channel": "room"
    }
    connection.send({"push": _publication("five", 5)})
    client.wait_for("events.some(({ type }) => type === 'publication')")
    connection.close(3001, "shutdown")
    connection = client.gateway.accept()
    connection.greet()
    asked = connection.expect("subscribe")["subscribe"]
    assert asked == {"channel": "room", "recover": True, "epoch": "e", "offset": 5}


def test_failed_recovery_is_told(client: PageClient) -> None:
    """Where the gateway no longer has all, the event says so, and the new position counts."""
    connection = connected(client)
    subscribe(client, connection, recoverable=True, epoch="old", offset=4)
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
    client: PageClient, code: int, extra: dict[str, bool], again: bool
) -> None:
    """A temporary error is tried again; another one ends the subscription."""
    connection = connected(client)
    client.run("join('room')")
    connection.refuse(connection.expect("subscribe"), code, "no", **extra)
    if again:
        connection.expect("subscribe")
    else:
        client.wait_for("events.at(-1).type === 'unsubscribed'")
        assert connection.is_silent(0.4)


@pytest.mark.parametrize(("code", "again"), [(2000, False), (2499, False), (2500, True)])
def test_unsubscribe_push_says_whether_to_come_back(
    client: PageClient, code: int, again: bool
) -> None:
    """Codes from 2500 on ask for a new subscription; those below end it."""
    connection = connected(client)
    subscribe(client, connection)
    client.wait_for("events.some(({ type }) => type === 'subscribed')")
    connection.send({"push": {"channel": "room", "unsubscribe": {"code": code, "reason": "r"}}})
    if again:
        connection.expect("subscribe")
    else:
        client.wait_for("events.at(-1).type === 'unsubscribed'")
        assert connection.is_silent(0.4)


def test_unanswered_subscribe_leads_to_a_new_connection(client: PageClient) -> None:
    """Whether the gateway has subscribed it is unknown then; only a new connection is clear."""
    connection = connected(client, timeoutMs=1000)
    client.run("join('room')")
    connection.expect("subscribe")
    assert connection.is_left()
    connection = client.gateway.accept()
    connection.greet()
    connection.expect("subscribe")


def test_unsubscribe_while_subscribing_is_made_good(client: PageClient) -> None:
    """A subscription that was left before the answer is left at the gateway too."""
    connection = connected(client)
    client.run("join('room')")
    command = connection.expect("subscribe")
    client.run("client.subscribe('room').unsubscribe()")
    connection.reply(command, {"subscribe": {}})
    assert connection.expect("unsubscribe")["unsubscribe"] == {"channel": "room"}
