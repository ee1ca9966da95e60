"""Health, other paths, a port of its own for operators, and stopping."""

import asyncio

import httpx
import pytest
from websockets.frames import Close, Frame, Opcode

from support.eventually import eventually
from support.gateway_callback import Answer
from support.gateway_client import RawClient, unique
from support.gateway_rig import API_KEY
from support.ports import free_port


async def test_health_and_other_paths(rig):
    """Health answers every usual method; what is not there is 404; no upgrade is 400."""
    async with httpx.AsyncClient(base_url=rig.http_url) as http:
        for method in ("GET", "POST", "HEAD"):
            answer = await http.request(method, "/health")
            assert answer.status_code == 200
            if method != "HEAD":
                assert answer.json() == {}
        assert (await http.get("/")).status_code == 404
        assert (await http.get("/connection/websocket")).status_code == 400
        assert (await http.get("/connection/sse")).status_code == 404


async def test_internal_port_has_health_and_api(own_rig):
    """With a port of its own, health and server API leave the clients' port."""
    rig = own_rig({"http_server": {"internal_port": str(free_port())}})
    async with httpx.AsyncClient(headers={"X-API-Key": API_KEY}) as http:
        for url, status in ((rig.internal_url, 200), (rig.http_url, 404)):
            assert (await http.get(f"{url}/health")).status_code == status
            assert (await http.post(f"{url}/api/info", json={})).status_code == status
    await (await RawClient.connect(rig.url)).close()


async def test_stop_tells_clients_to_come_back(own_rig):
    """Everybody is closed with 3001, which clients answer by reconnecting; the exit is clean."""
    rig = own_rig()
    clients = [await RawClient.connect(rig.url) for _ in range(3)]
    idle = await RawClient.open(rig.url)
    rig.begin_stop()
    for client in clients:
        assert await client.closed() == (3001, "shutdown")
    await idle.close()
    assert await asyncio.to_thread(rig.wait_stopped) == 0


async def test_stop_waits_for_a_command_in_progress(own_rig):
    """The client is told at once; the callback's answer is still received."""
    rig = own_rig()
    answered = []

    def slow(call):
        answered.append(call.event)
        return Answer(delay_seconds=0.5)

    rig.callback.scripts["publish"] = slow
    client = await RawClient.connect(rig.url)
    await client.send({"id": 2, "publish": {"channel": unique(), "data": 1}})
    await rig.callback.wait_for("publish")
    started = asyncio.get_running_loop().time()
    rig.begin_stop()
    assert await client.closed() == (3001, "shutdown")
    assert await asyncio.to_thread(rig.wait_stopped) == 0
    assert asyncio.get_running_loop().time() - started > 0.3
    assert answered == ["publish"]


async def test_client_that_left_without_reading_delays_no_stop(own_rig):
    """It said goodbye while more was on its way than it ever reads; its connection ends all the
    same."""
    patient = {"websocket": {"write_timeout": "30s"}, "client": {"queue_max_size": 100_000_000}}
    rig = own_rig(patient)
    channel = unique()
    client = await RawClient.connect(rig.url)
    await client.request("subscribe", channel=channel)
    client.socket.transport.pause_reading()
    async with httpx.AsyncClient(headers={"X-API-Key": API_KEY}) as http:
        for _ in range(8):
            body = {"channel": channel, "data": "x" * 1_000_000}
            await http.post(f"{rig.http_url}/api/publish", json=body)
        goodbye = Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=True)
        client.socket.transport.write(goodbye)

        async def is_gone():
            url = f"{rig.http_url}/api/presence_stats"
            answer = await http.post(url, json={"channel": channel})
            return answer.json()["result"]["num_clients"] == 0

        await eventually(is_gone)
    rig.begin_stop()
    try:
        assert await asyncio.to_thread(rig.wait_stopped) == 0
    finally:
        client.socket.transport.abort()


@pytest.mark.gateway(changes={"http_api": {"disabled": True}, "health": {"enabled": True}})
async def test_server_api_can_be_off(rig):
    """Then its paths are not there."""
    async with httpx.AsyncClient(headers={"X-API-Key": API_KEY}) as http:
        assert (await http.post(f"{rig.http_url}/api/info", json={})).status_code == 404
