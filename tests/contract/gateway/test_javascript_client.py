"""The official JavaScript client, unchanged, under Node."""

import asyncio
import json
from pathlib import Path

import pytest

from realtime_message.centrifugo.tokens import make_connection_token
from support.gateway_callback import Answer
from support.gateway_client import unique
from support.gateway_rig import TOKEN_SECRET
from support.node_packages import install_node_packages, needs_node

DEADLINE_SECONDS = 15
SCRIPT = Path(__file__).with_name("client.mjs")

pytestmark = needs_node


@pytest.fixture(scope="session")
def node_modules():
    """The folder of installed packages."""
    return install_node_packages()


class NodeClient:
    """The client in its own process."""

    def __init__(self, process):
        self._process = process
        self._passed = []

    async def event(self, name):
        """Return the value of the next event of a name; others wait for their turn."""
        for index, line in enumerate(self._passed):
            if line["event"] == name:
                return self._passed.pop(index)["value"]
        while True:
            async with asyncio.timeout(DEADLINE_SECONDS):
                text = await self._process.stdout.readline()
            assert text, f"node ended while waiting for {name}; seen: {self._passed}"
            line = json.loads(text)
            if line["event"] == name:
                return line["value"]
            self._passed.append(line)

    async def call(self, name, argument=None, *, expect="result"):
        """Call a method of the client and return its result."""
        self._process.stdin.write(json.dumps({"call": name, "argument": argument}).encode() + b"\n")
        return await self.event(expect)


@pytest.fixture
async def start(node_modules, rig):
    """Return a function that starts a client subscribed to a channel."""
    processes = []

    async def start(channel, token=""):
        process = await asyncio.create_subprocess_exec(
            "node",
            str(SCRIPT),
            str(node_modules),
            rig.url,
            channel,
            token,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        processes.append(process)
        client = NodeClient(process)
        await client.event("subscribed")
        return client

    yield start
    for process in processes:
        process.stdin.close()
        async with asyncio.timeout(DEADLINE_SECONDS):
            await process.communicate()


async def test_everyday_calls(start, rig):
    """Publish, subscribe, presence, history, rpc, errors and leaving."""
    channel = unique()
    rig.callback.scripts["connect"] = Answer({"result": {"user": "56", "data": {"motd": "hi"}}})
    client = await start(channel)
    connected = await client.event("connected")
    assert connected["data"] == {"motd": "hi"}
    assert (await client.event("join"))["client"] == connected["client"]
    assert await client.call("publish", {"text": "<hello>"}) == {}
    assert await client.event("publication") == {"data": {"text": "<hello>"}, "offset": 1}
    assert (await client.call("presence")).keys() == {connected["client"]}
    assert await client.call("presenceStats") == {"numClients": 1, "numUsers": 1}
    history = await client.call("history", {"limit": 5})
    assert [publication["data"] for publication in history] == [{"text": "<hello>"}]
    rig.callback.scripts["rpc"] = Answer({"result": {"data": [1, 2]}})
    assert await client.call("rpc", {"method": "m", "data": {}}) == {"data": [1, 2]}
    rig.callback.scripts["publish"] = Answer(
        {"error": {"code": 1000, "message": "busy", "temporary": True}}
    )
    error = await client.call("publish", {"text": "x"}, expect="error")
    assert error == {"code": 1000, "message": "busy", "temporary": True}
    await client.call("unsubscribe")
    assert (await client.event("unsubscribed"))["code"] == 0


async def test_reconnect_with_recovery_and_final_disconnect(start, api):
    """The client comes back by itself, gets what it missed, and stays away when told to."""
    channel, user = unique(), unique("user")
    client = await start(channel, make_connection_token(TOKEN_SECRET, user))
    await client.event("connected")
    await api("publish", {"channel": channel, "data": 0})
    assert (await client.event("publication"))["data"] == 0
    await client.event("connecting")
    await api("disconnect", {"user": user, "disconnect": {"code": 4000, "reason": "again"}})
    assert await client.event("connecting") == {"code": 4000, "reason": "again"}
    for n in (1, 2):
        await api("publish", {"channel": channel, "data": n})
    assert [(await client.event("publication"))["data"] for _ in range(2)] == [1, 2]
    assert (await client.event("subscribed"))["wasRecovering"] is True
    await api("disconnect", {"user": user, "disconnect": {"code": 4501, "reason": "banned"}})
    assert await client.event("disconnected") == {"code": 4501, "reason": "banned"}
