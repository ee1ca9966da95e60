"""Who a client is: nobody's word but the hook's and a signed token's."""

import base64
import json
import time

import pytest

from realtime_message import App, ConnectEvent, ConnectReply, Refuse
from realtime_message.centrifugo.events import EventKind
from realtime_message.centrifugo.tokens import make_connection_token, make_subscription_token
from realtime_message.settings import CallbackSettings
from support import proxy_bodies as bodies
from support.proxy_bodies import Caller

SECRET = "a-secret-of-enough-characters-for-hmac"
OLD_SECRET = "the-secret-that-was-used-before-this-one"


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def make_caller(app, event_handlers):
    """A function that returns a caller for some settings; hooks must be there before."""

    def make(**settings) -> Caller:
        chosen = CallbackSettings(token_secret=SECRET, **settings)
        return Caller(event_handlers(app, chosen)[EventKind.connect], EventKind.connect)

    return make


def body(data=None, **fields) -> bytes:
    event = {"client": "C1", "transport": "websocket", "protocol": "json", "encoding": "json"}
    return json.dumps(event | ({} if data is None else {"data": data}) | fields).encode()


async def test_a_token_in_the_data(make_caller) -> None:
    """User, expiry, info, meta and channels are the token's."""
    expire_at = int(time.time()) + 600
    token = make_connection_token(
        SECRET,
        "56",
        claims={
            "exp": expire_at,
            "info": {"n": "A"},
            "meta": {"name": "Ann"},
            "subs": {"room:1": {"data": {"d": 1}, "override": {"presence": {"value": True}}}},
        },
    )
    caller = make_caller()
    assert await caller.call(body({"token": token})) == {
        "result": {
            "user": "56",
            "expire_at": expire_at,
            "info": {"n": "A"},
            "meta": {"name": "Ann"},
            "subs": {"room:1": {"data": {"d": 1}, "override": {"presence": {"value": True}}}},
        }
    }
    assert caller.outcomes == {"received": 1, "accepted": 1}


async def test_a_plain_token(make_caller) -> None:
    """What it does not say is not said; channels become subscriptions."""
    token = make_connection_token(SECRET, "56", claims={"channels": ["news"], "info": None})
    assert await make_caller().call(body({"token": token})) == {
        "result": {"user": "56", "subs": {"news": {}}}
    }


async def test_the_previous_secret_is_accepted(make_caller) -> None:
    """Keys can be changed without throwing everyone out."""
    token = make_connection_token(OLD_SECRET, "56")
    caller = make_caller(previous_token_secret=OLD_SECRET)
    assert (await caller.call(body({"token": token})))["result"]["user"] == "56"
    assert (await make_caller().call(body({"token": token})))["error"]["code"] == 401


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (make_connection_token(SECRET, "56", ttl_seconds=-1), "data.token: the token has expired"),
        (make_connection_token("another-key-of-enough-length-here", "56"), "not valid"),
        (make_connection_token(SECRET, "56")[:-2] + "xx", "not valid"),
        (make_subscription_token(SECRET, "56", "c"), "must not have a channel"),
        (make_connection_token(SECRET, "56", claims={"meta": "x"}), "meta claim must be an object"),
        ("x.y.z", "not valid"),
        ("é", "not valid"),
        (5, "the token must be a string"),
        ({"sub": "56"}, "the token must be a string"),
    ],
)
@pytest.mark.parametrize("allow_anonymous", [True, False])
async def test_a_token_that_does_not_hold(make_caller, token, text, allow_anonymous) -> None:
    """It is refused for good, with the reason; it is never taken for no token."""
    caller = make_caller(allow_anonymous=allow_anonymous)
    error = (await caller.call(body({"token": token})))["error"]
    assert error["code"] == 401
    assert text in error["message"]
    assert "temporary" not in error
    assert caller.outcomes == {"received": 1, "rejected": 1}


@pytest.mark.parametrize(
    "request_body",
    [
        bodies.CONNECT,
        bodies.CONNECT_FULL,
        bodies.CONNECT_BINARY,
        body({"token": ""}),
        body({"token": None}),
        body([1]),
        body("token"),
        body({"userId": "56", "user": "56", "sub": "56"}),
        body(user="56", userId="56"),
        body(b64data="AAEC", encoding="binary"),
    ],
)
async def test_without_a_token_nobody_is_anybody(make_caller, request_body) -> None:
    """Refused, or anonymous where that is allowed; never the user that the client claims to be."""
    error = (await make_caller().call(request_body))["error"]
    assert (error["code"], "temporary" in error) == (401, False)
    allowed = await make_caller(allow_anonymous=True).call(request_body)
    assert allowed == {"result": {"user": ""}}


@pytest.mark.parametrize("request_body", [b"", b"[]", b'{"client":5}', body(b64data="!")])
async def test_what_cannot_be_read(make_caller, request_body) -> None:
    """A body that is no connect event is refused with the reason."""
    error = (await make_caller().call(request_body))["error"]
    assert error["code"] in {400, 401}
    assert error["message"]


async def test_base64_data_holds_the_token_as_well(make_caller) -> None:
    """With binary_encoding on, the token is found in b64data."""
    token = make_connection_token(SECRET, "56")
    data = base64.b64encode(json.dumps({"token": token}).encode()).decode()
    reply = await make_caller().call(body(b64data=data, encoding="binary"))
    assert reply["result"]["user"] == "56"


async def test_the_hook_says_who_it_is(make_caller, app) -> None:
    """Its reply stands, its refusal too, and with None the token decides."""

    @app.on_connect
    async def hook(event: ConnectEvent) -> ConnectReply | None:
        match event.data:
            case {"session": "s1"}:
                return ConnectReply(user="7", meta={"name": "Eve"}, channels=["news"])
            case {"session": _}:
                raise Refuse(1003, "no such session")
        return None

    caller = make_caller()
    assert await caller.call(body({"session": "s1"})) == {
        "result": {"user": "7", "meta": {"name": "Eve"}, "channels": ["news"]}
    }
    assert (await caller.call(body({"session": "s2"})))["error"]["code"] == 1003
    token = make_connection_token(SECRET, "56")
    assert (await caller.call(body({"token": token})))["result"] == {"user": "56"}
    assert (await caller.call(body()))["error"]["code"] == 401


async def test_a_hook_with_a_wrong_field_is_a_temporary_error(make_caller, app) -> None:
    """A user id that is a number would make Centrifugo throw the reply away."""

    @app.on_connect
    def hook(event: ConnectEvent) -> ConnectReply:
        return ConnectReply(user=7)  # type: ignore[arg-type]

    error = (await make_caller().call(body()))["error"]
    assert (error["code"], error["temporary"]) == (500, True)


async def test_the_hook_sees_the_headers_of_the_handshake(make_caller, app) -> None:
    """Those that the gateway passes on; what the body claims of them is nothing."""
    seen = []

    @app.on_connect
    async def hook(event: ConnectEvent) -> None:
        seen.append(event.headers)

    caller = make_caller(allow_anonymous=True)
    caller.headers = {"cookie": "session=1"}
    await caller.call(body(headers={"cookie": "session=forged"}))
    assert seen == [{"cookie": "session=1"}]
