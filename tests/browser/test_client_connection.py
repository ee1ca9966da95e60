"""The page's client: connecting, pings, tokens, and when it comes back."""

from __future__ import annotations

import pytest

from support.page_client import PageClient, connected


def test_connect_sends_the_token_first(client: PageClient) -> None:
    """The first command is connect, with the token."""
    client.start()
    command = client.gateway.accept().greet()
    assert command["connect"]["token"] == "token-1"
    client.wait_for("client.state === 'connected'")


def test_ping_is_answered_with_one_pong(client: PageClient) -> None:
    """An empty object is a ping; the answer is an empty object."""
    connection = connected(client)
    connection.send_text("{}")
    assert connection.next() == {}
    assert connection.is_silent(0.2)


def test_ping_is_not_answered_unless_asked_for(client: PageClient) -> None:
    """Where the gateway does not want pongs, an unsolicited one would end the connection."""
    client.start()
    connection = client.gateway.accept()
    connection.greet(pong=False)
    connection.send_text("{}")
    assert connection.is_silent(0.3)


def test_silent_gateway_is_left(client: PageClient) -> None:
    """Without a ping in time the connection is given up and made anew."""
    client.start(maxPingDelayMs=100)
    connection = client.gateway.accept()
    connection.greet(ping=0.1)
    assert connection.is_left()
    client.gateway.accept().greet()


@pytest.mark.parametrize("code", [3500, 3501, 3999, 4500, 4999, 1009])
def test_terminal_close_is_final(client: PageClient, code: int) -> None:
    """After these codes the client stays away, and says why."""
    connection = connected(client)
    connection.close(code, "not again")
    client.wait_for("client.state === 'disconnected'")
    last = client.events("state")[-1]
    assert (last["code"], last["reason"]) == (code, "not again")
    assert client.gateway.nobody_comes(0.4)


@pytest.mark.parametrize("code", [3000, 3001, 3012, 3499, 4000, 4499, 1001, 1011])
def test_other_close_leads_to_a_reconnect(client: PageClient, code: int) -> None:
    """After any other code the client comes back, and tells when."""
    connection = connected(client)
    connection.close(code, "come back")
    client.gateway.accept().greet()
    client.wait_for("client.state === 'connected'")
    waiting = [event for event in client.events("state") if event.get("retryAt")]
    assert [(event["code"], event["reason"]) for event in waiting] == [(code, "come back")]


def test_terminal_close_can_be_overcome_by_hand(client: PageClient) -> None:
    """connect() after a terminal close starts anew, with a new token."""
    connected(client).close(3500, "invalid token")
    client.wait_for("client.state === 'disconnected'")
    client.run("client.connect()")
    assert client.gateway.accept().greet()["connect"]["token"] == "token-2"


def test_expired_token_is_replaced(client: PageClient) -> None:
    """Error 109 to connect means: come again with a new token."""
    client.start()
    first = client.gateway.accept()
    first.refuse(first.expect("connect"), 109, "token expired")
    assert client.gateway.accept().greet()["connect"]["token"] == "token-2"


def test_temporary_connect_error_keeps_the_token(client: PageClient) -> None:
    """A temporary error is tried again with the same token, on a new connection."""
    client.start()
    first = client.gateway.accept()
    first.refuse(first.expect("connect"), 100, "internal server error", temporary=True)
    assert client.gateway.accept().greet()["connect"]["token"] == "token-1"


def test_permanent_connect_error_is_final(client: PageClient) -> None:
    """A permanent error to connect ends the attempts."""
    client.start()
    connection = client.gateway.accept()
    connection.refuse(connection.expect("connect"), 403, "banned")
    client.wait_for("client.state === 'disconnected'")
    assert client.events("state")[-1]["reason"] == "banned"
    assert client.gateway.nobody_comes(0.4)


def test_token_is_refreshed_before_it_expires(client: PageClient) -> None:
    """When the gateway says how long the token is good, a new one is sent in time."""
    client.start()
    connection = client.gateway.accept()
    connection.greet(expires=True, ttl=0.1)
    command = connection.expect("refresh")
    assert command["refresh"] == {"token": "token-2"}
    connection.reply(command, {"refresh": {"expires": True, "ttl": 0.1}})
    assert connection.expect("refresh")["refresh"] == {"token": "token-3"}


def test_token_that_cannot_be_had_is_tried_again(client: PageClient) -> None:
    """A failing getToken is called again, unless it says that it is for good."""
    client.run("window.calls = 0")
    client.start(get_token="{ if (++calls < 3) throw new Error('down'); return 'late'; }")
    assert client.gateway.accept().greet()["connect"]["token"] == "late"


def test_token_that_is_denied_is_final(client: PageClient) -> None:
    """A getToken that fails for good ends the attempts."""
    client.start(get_token="{ throw Object.assign(new Error('no'), { temporary: false }); }")
    client.wait_for("client.state === 'disconnected'")
    assert client.events("state")[-1]["reason"] == "no"


def test_frame_that_is_not_json_leads_to_a_reconnect(client: PageClient) -> None:
    """A gateway that talks nonsense is left, and tried again later."""
    connection = connected(client)
    connection.send_text("<html>")
    assert connection.is_left()
    client.gateway.accept()
