"""The page's client: messages on their way out."""

from __future__ import annotations

from support.page_client import PageClient, connected


def test_messages_of_a_channel_go_one_by_one(client: PageClient) -> None:
    """The next one is sent after the answer to the one before; other channels do not wait."""
    connection = connected(client)
    client.publish("one")
    client.publish("two")
    first = connection.expect("publish")
    assert connection.is_silent(0.2)
    client.publish("elsewhere", channel="other")
    assert connection.expect("publish")["publish"]["channel"] == "other"
    connection.reply(first, {"publish": {}})
    assert connection.expect("publish")["publish"]["data"]["text"] == "two"


def test_temporary_publish_error_keeps_order_and_id(client: PageClient) -> None:
    """A temporary error holds the channel back until the message is through, with its id."""
    connection = connected(client)
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


def test_permanent_publish_error_lets_the_next_pass(client: PageClient) -> None:
    """A refused message waits for its writer; those after it are sent."""
    connection = connected(client)
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


def test_discarded_message_is_forgotten(client: PageClient) -> None:
    """A discarded message is gone from the outbox and from the storage."""
    connection = connected(client)
    client.publish("bad")
    connection.refuse(connection.expect("publish"), 400, "no")
    client.wait_for("client.outgoing()[0].state === 'refused'")
    assert client.run("localStorage.length") == 1
    client.run("client.discard(client.outgoing()[0].id)")
    assert client.run("client.outgoing()") == []
    assert client.run("localStorage.length") == 0
    assert client.states()[-1] == "discarded"


def test_unanswered_publish_is_sent_again_after_a_reconnect(client: PageClient) -> None:
    """A message whose answer never came is sent on the next connection, with the same id."""
    connection = connected(client)
    client.publish("one")
    first = connection.expect("publish")
    connection.close(3012, "no pong")
    connection = client.gateway.accept()
    connection.greet()
    assert connection.expect("publish")["publish"] == first["publish"]


def test_outbox_outlives_the_page(client: PageClient) -> None:
    """After a reload a new client finds what was not acknowledged, and sends it in order."""
    client.start()
    client.publish("one")
    client.publish("two")
    client.page.reload()
    client.gateway.accept()  # of the page before
    connection = connected(client)
    texts = []
    for _ in range(2):
        command = connection.expect("publish")
        texts.append(command["publish"]["data"]["text"])
        connection.reply(command, {"publish": {}})
    assert texts == ["one", "two"]
    client.wait_for("client.outgoing().length === 0")


def test_broken_storage_is_survived(client: PageClient) -> None:
    """What is no entry in the storage is removed; a full storage does not stop a message."""
    client.run("localStorage.setItem('outbox:x', '{half')")
    client.run("localStorage.setItem('outbox:y', '{}')")
    client.run("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    connection = connected(client)
    client.publish("one")
    connection.reply(connection.expect("publish"), {"publish": {}})
    client.wait_for("client.outgoing().length === 0")
    assert client.run("localStorage.length") == 0


def test_too_large_message_is_refused_at_once(client: PageClient) -> None:
    """The gateway would close the connection, again at every resend."""
    connection = connected(client, maxFrameBytes=100)
    client.publish("x" * 100)
    client.wait_for("client.outgoing()[0].state === 'refused'")
    assert connection.is_silent(0.2)


def test_data_that_is_no_object_is_a_mistake(client: PageClient) -> None:
    """An id cannot be added to it."""
    client.start()
    attempt = "(data) => { try { client.publish('room', data); } catch (e) { return e.name; } }"
    for data in ("text", None, [1], 7):
        assert client.page.evaluate(attempt, data) == "TypeError"


def test_ids_are_uuids_also_without_a_secure_context(client: PageClient) -> None:
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
