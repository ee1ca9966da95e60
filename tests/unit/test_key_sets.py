"""Key sets: fetched once, remembered, renewed; and never a key that nobody vouches for."""

import asyncio
import threading

import jwt
import pytest

from realtime_message import key_sets
from realtime_message.centrifugo.token_errors import InvalidTokenError, KeysUnavailableError
from realtime_message.centrifugo.tokens import TokenKeys, TokenVerifier
from realtime_message.key_sets import (
    FAILURE_PAUSE_SECONDS,
    LIFETIME_SECONDS,
    PAUSE_SECONDS,
    REFRESH_AFTER_SECONDS,
    KeySets,
    fetch,
)
from support.token_keys import KeyPair, KeySetServer, ScriptedFetch

ONE, TWO = KeyPair("ES256", "one"), KeyPair("ES256", "two")
URL = "http://keys.example/set"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def network():
    return ScriptedFetch(ONE.jwk())


@pytest.fixture
def sets(network, clock):
    return KeySets(URL, network, clock)


async def test_set_is_fetched_once(sets, network):
    """A thousand tokens at once cost one fetch."""
    network.gate.clear()
    finding = [asyncio.create_task(sets.find("one", {})) for _ in range(1000)]
    await asyncio.sleep(0)
    network.gate.set()
    keys = await asyncio.gather(*finding)
    await sets.find("one", {})
    assert network.urls == [URL]
    assert len(set(map(id, keys))) == 1


async def test_unknown_key_makes_the_set_be_fetched_again_but_rarely(sets, network, clock):
    """A new key is found; tokens with made-up ids do not turn us against the key server."""
    await sets.find("one", {})
    network.keys(ONE.jwk(), TWO.jwk())
    for number in range(100):
        with pytest.raises(InvalidTokenError) as caught:
            await sets.find(f"made up {number}", {})
        assert not isinstance(caught.value, KeysUnavailableError)
    assert len(network.urls) == 1
    clock.now += PAUSE_SECONDS
    assert await sets.find("two", {})
    assert len(network.urls) == 2


async def test_token_that_names_no_key_is_invalid(sets, network):
    """As in Centrifugo; no key is tried on the off chance."""
    with pytest.raises(InvalidTokenError, match="kid"):
        await sets.find("", {})
    assert not network.urls


async def test_server_that_is_down_is_no_verdict(sets, network, clock):
    """The token is neither accepted nor called invalid, and the server is not flooded."""
    network.answer = OSError("connection refused")
    for _ in range(10):
        with pytest.raises(KeysUnavailableError, match="connection refused"):
            await sets.find("one", {})
    assert len(network.urls) == 1
    clock.now += FAILURE_PAUSE_SECONDS
    network.keys(ONE.jwk())
    assert await sets.find("one", {})


@pytest.mark.parametrize("answer", [b"<html>", b'{"keys": 1}'])
async def test_answer_that_is_no_set_is_no_verdict(sets, network, answer):
    """The page of a proxy in between, say."""
    network.answer = answer
    with pytest.raises(KeysUnavailableError, match="no key set"):
        await sets.find("one", {})


async def test_keys_are_renewed_before_they_end(sets, network, clock):
    """In the background: nobody waits, and an outage is bridged."""
    await sets.find("one", {})
    clock.now += REFRESH_AFTER_SECONDS + 1
    network.gate.clear()
    assert await sets.find("one", {})  # does not wait for the fetch
    await asyncio.sleep(0)
    assert len(network.urls) == 2
    network.answer = OSError("down")
    network.gate.set()
    await asyncio.sleep(0.01)
    assert await sets.find("one", {})


async def test_old_keys_are_not_used(sets, network, clock):
    """A key that was withdrawn long ago must not live on because its server is down."""
    await sets.find("one", {})
    clock.now += LIFETIME_SECONDS
    network.answer = OSError("down")
    with pytest.raises(KeysUnavailableError):
        await sets.find("one", {})


async def test_withdrawn_key_ends_with_the_next_fetch(sets, network, clock):
    """A set replaces the one before as a whole."""
    await sets.find("one", {})
    network.keys(TWO.jwk())
    clock.now += PAUSE_SECONDS
    await sets.find("two", {})
    with pytest.raises(InvalidTokenError):
        await sets.find("one", {})


async def test_who_gives_up_does_not_end_the_fetch(sets, network):
    """A request's deadline passes; the next one finds the keys."""
    network.gate.clear()
    first = asyncio.create_task(sets.find("one", {}))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    network.gate.set()
    assert await sets.find("one", {})
    assert len(network.urls) == 1


def verifier(endpoint, network, **options):
    keys = TokenKeys(jwks_public_endpoint=endpoint, **options)
    return TokenVerifier(keys, KeySets(endpoint, network))


async def test_key_is_another_one_for_each_issuer(network):
    """One tenant's key of the same id does not open the other's door."""
    both = verifier(
        "http://{{tenant}}.example/{{tenant}}/keys",
        network,
        issuer_regex="^https://(?<tenant>red|blue)/$",
    )
    red = KeyPair("ES256", "same")
    network.keys(red.jwk())
    claims = {"sub": "1", "iss": "https://red/"}
    assert (await both.verify_connection(red.token(claims))).user == "1"
    network.keys(KeyPair("ES256", "same").jwk())
    with pytest.raises(InvalidTokenError):
        await both.verify_connection(red.token(claims | {"iss": "https://blue/"}))
    assert network.urls == ["http://red.example/red/keys", "http://blue.example/blue/keys"]
    with pytest.raises(InvalidTokenError, match="issuer"):
        await both.verify_connection(red.token(claims | {"iss": "https://evil/"}))
    assert len(network.urls) == 2


async def test_with_an_endpoint_no_other_key_counts(network):
    """As in Centrifugo: who moves to a key set leaves the shared secret behind."""
    one = verifier(URL, network, hmac_secret_key="s" * 32)
    assert (await one.verify_connection(ONE.token())).user == "56"
    for header in ({}, {"kid": "one"}):
        token = jwt.encode({"sub": "1"}, "s" * 32, algorithm="HS256", headers=header)
        with pytest.raises(InvalidTokenError):
            await one.verify_connection(token)


async def test_key_of_another_token_does_not_verify(network):
    """A token that names a key it was not signed with is invalid."""
    network.keys(ONE.jwk(), TWO.jwk())
    with pytest.raises(InvalidTokenError, match="not signed"):
        await verifier(URL, network).verify_connection(ONE.token(kid="two"))


@pytest.fixture
def server():
    server = KeySetServer()
    yield server
    server.close()


async def test_set_comes_over_http(server):
    """Redirects and all that is HTTP's are the library's."""
    server.serve(ONE.jwk())
    assert await KeySets(f"{server.url}/keys").find("one", {})


@pytest.mark.parametrize("fault", ["status", "missing", "size", "closed", "silent"])
async def test_faults_of_the_server_are_told(server, fault, monkeypatch):
    """Each ends within the time-out, with one reason."""
    server.serve(ONE.jwk())
    url = f"{server.url}/keys"
    gate = threading.Event()
    if fault == "status":
        server.status = 500
    elif fault == "missing":
        url = f"{server.url}/none"
    elif fault == "size":
        monkeypatch.setattr(key_sets, "MAX_SET_BYTES", 10)
    elif fault == "closed":
        url = "http://127.0.0.1:1/keys"
    else:
        monkeypatch.setattr(key_sets, "FETCH_TIMEOUT_SECONDS", 0.2)
        server.documents = _Slow(gate)
    try:
        with pytest.raises(OSError, match=r"status|larger|no answer|attempts failed|refused"):
            await fetch(url)
    finally:
        gate.set()


class _Slow(dict):
    def __init__(self, gate):
        super().__init__()
        self._gate = gate

    def get(self, _path, _default=None):
        self._gate.wait(10)
        return {}
