"""Who a client is: nobody's word but the hook's and a signed token's."""

import asyncio
import base64
import json
import re
import subprocess
import sys
import time

import pytest

from realtime_message import App, ConnectEvent, ConnectReply, Refuse
from realtime_message.callback.bound_hooks import bind_hooks
from realtime_message.callback.events.table import make_event_handlers
from realtime_message.callback.hooks import HookRunner
from realtime_message.centrifugo.events import EventKind
from realtime_message.centrifugo.tokens import make_connection_token, make_subscription_token
from realtime_message.errors import ConfigurationError
from realtime_message.key_sets import FAILURE_PAUSE_SECONDS
from realtime_message.settings import CallbackSettings, Settings, TokenSettings
from realtime_message.testing.memory.appender import MemoryAppender
from support import proxy_bodies as bodies
from support.proxy_bodies import Caller
from support.token_keys import KeyPair, KeySetServer, forged_token

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
    assert error["message"].startswith("no token: give the client one (its `token` option, or")
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


class Tokens:
    """A caller for the settings of tokens alone."""

    def __init__(self, **tokens) -> None:
        settings = Settings(tokens=TokenSettings(**tokens))
        self._runner = HookRunner(1)
        hooks = bind_hooks(App(), {})
        handlers = make_event_handlers(settings, hooks, self._runner, MemoryAppender())
        self._caller = Caller(handlers[EventKind.connect], EventKind.connect)
        self._runner.close()

    async def ask(self, token: str):
        return await self._caller.call(body({"token": token}))


async def test_public_keys_verify_the_token_in_the_data() -> None:
    """Without any shared secret; what is signed by another key is refused for good."""
    pair = KeyPair("ES256")
    tokens = Tokens(ecdsa_public_key=pair.public_pem, audience="app")
    claims = {"sub": "56", "aud": "app"}
    assert (await tokens.ask(pair.token(claims)))["result"]["user"] == "56"
    for wrong in (
        pair.token(),
        KeyPair("ES256").token(claims),
        forged_token(pair.public_pem, claims),
        forged_token("", {"sub": "56"}),
    ):
        assert (await tokens.ask(wrong))["error"]["code"] == 401


async def test_key_server_that_is_down_is_a_temporary_error() -> None:
    """The client comes again by itself; it is neither let in nor sent away for good."""
    pair = KeyPair("ES256")
    server = KeySetServer()
    try:
        server.status = 503
        server.serve(pair.jwk())
        tokens = Tokens(jwks_public_endpoint=f"{server.url}/keys")
        error = (await tokens.ask(pair.token()))["error"]
        assert (error["code"], error["temporary"]) == (503, True)
        server.status = 200
        await asyncio.sleep(FAILURE_PAUSE_SECONDS)
        assert (await tokens.ask(pair.token()))["result"]["user"] == "56"
        assert (await tokens.ask(pair.token(kid="other")))["error"]["code"] == 401
    finally:
        server.close()


def test_wrong_options_of_tokens_are_named() -> None:
    """At the start, with the setting's name."""
    with pytest.raises(ConfigurationError, match=r"tokens\.rsa_public_key: it is no PEM"):
        Tokens(rsa_public_key="nonsense")


def _printed(code: str) -> str:
    run = [sys.executable, "-c", code]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("option", ["rsa_public_key", "ecdsa_public_key", "jwks_public_endpoint"])
def test_missing_library_is_told(option) -> None:
    """In one sentence that says what to install; secrets need it not."""
    code = f"""
import asyncio, sys
sys.modules["cryptography"] = None
from realtime_message.centrifugo.tokens import TokenKeys, make_connection_token
from realtime_message.errors import ConfigurationError
from realtime_message.key_sets import make_verifier
token = make_connection_token({SECRET!r}, "56")
verifier = make_verifier(TokenKeys(hmac_secret_key={SECRET!r}))
print(asyncio.run(verifier.verify_connection(token)).user)
try:
    make_verifier(TokenKeys({option}="https://keys.example/"))
except ConfigurationError as error:
    print(error)
"""
    assert re.fullmatch(r"56\n.* pip install '.*\[asymmetric\]'\n", _printed(code))


def test_library_for_tokens_is_loaded_with_the_first_one() -> None:
    """It costs each process 9 MB, and many a process sees no token."""
    code = f"""
import asyncio, sys
import realtime_message.callback.service, realtime_message.gateway.server
from realtime_message.key_sets import make_verifier
from realtime_message.centrifugo.tokens import InvalidTokenError, TokenKeys
verifier = make_verifier(TokenKeys(hmac_secret_key={SECRET!r}))
print([name for name in ("jwt", "cryptography.hazmat", "httpx") if name in sys.modules])
try:
    asyncio.run(verifier.verify_connection("a.b.c"))
except InvalidTokenError:
    print("jwt" in sys.modules)
"""
    assert _printed(code) == "[]\nTrue\n"
