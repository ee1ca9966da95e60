"""The embedded gateway lives through any bytes, frames and commands, and others are served on."""

import json
import re
import socket

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fuzzing import (
    FUZZ,
    FUZZ_SECONDS,
    client_frame,
    damage,
    damaged,
    growth_bytes,
    json_texts,
    open_socket,
    search,
    send_and_end,
    server_frames,
)
from support.gateway_rig import API_KEY, GatewayRig

pytestmark = pytest.mark.timeout(120 + 4 * FUZZ_SECONDS)

HANDSHAKE = (
    b"GET /connection/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
CONNECT = b'{"id":1,"connect":{}}'
METHODS = [
    "subscribe",
    "unsubscribe",
    "publish",
    "presence",
    "presence_stats",
    "history",
    "ping",
    "send",
    "rpc",
    "refresh",
    "sub_refresh",
    "connect",
]
FIELDS = ["channel", "data", "token", "offset", "epoch", "recover", "limit", "since", "reverse"]
FIELDS += ["method", "subs", "delta", "flag", "type", "positioned", "recoverable", "headers"]
VALID = [
    b'{"id":2,"subscribe":{"channel":"fuzz","recover":true,"epoch":"x","offset":1}}',
    b'{"id":3,"publish":{"channel":"fuzz","data":{"text":"a"}}}\n{"id":4,"ping":{}}',
    b'{"id":5,"history":{"channel":"fuzz","limit":5,"since":{"offset":1,"epoch":"x"}}}',
    b'{"id":6,"rpc":{"method":"m","data":[1]}}',
    b'{"id":7,"presence":{"channel":"fuzz"}}\n{"id":8,"unsubscribe":{"channel":"fuzz"}}',
]
CLOSES = {1000, 1002, 1003, 1007, 1009, *range(3000, 3100), *range(3500, 3600)}


@st.composite
def commands(draw: st.DrawFn) -> bytes:
    """Lines of commands whose fields hold any JSON, right or broken."""
    lines = []
    for number in range(draw(st.integers(1, 3))):
        method = draw(st.sampled_from(METHODS))
        fields = {"channel": '"fuzz"'}
        for name in draw(st.lists(st.sampled_from(FIELDS), max_size=3)):
            fields[name] = draw(json_texts)
        inner = ",".join(f'"{name}":{value}' for name, value in fields.items())
        number_text = draw(st.just(str(number + 2)) | json_texts)
        lines.append(f'{{"id":{number_text},"{method}":{{{inner}}}}}')
    return "\n".join(lines).encode("utf-8", "surrogatepass")


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """A frame: any opcode, any flags, masked or not, with commands or with anything in it."""
    opcode = draw(st.sampled_from([0, 1, 1, 1, 2, 8, 9, 10, 3, 15]))
    first = draw(st.sampled_from([0x80, 0x80, 0x80, 0x00, 0xC0, 0xF0]))
    content = draw(commands() | st.sampled_from(VALID) | st.binary(max_size=200))
    if draw(st.integers(0, 30)) == 0:
        content *= 1 + 70_000 // (len(content) or 1)
    return client_frame(opcode, content, first=first, is_masked=draw(st.integers(0, 9)) > 0)


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A gateway; its loop has complained of nothing, and nobody is left in it, at the end."""
    rig = GatewayRig("embedded", tmp_path_factory.mktemp("gateway"))
    rig.callback.reset()
    faults = []
    loop = rig._background.loop
    loop.call_soon_threadsafe(loop.set_exception_handler, lambda _, context: faults.append(context))
    yield rig
    try:
        assert not faults
        assert clients(rig) == 0
    finally:
        rig.close()


def clients(rig: GatewayRig) -> int:
    """Return how many clients the gateway thinks it has."""
    answer = httpx.post(f"{rig.http_url}/api/info", json={}, headers={"X-API-Key": API_KEY})
    (node,) = answer.json()["result"]["nodes"]
    count = node.get("num_clients", 0)
    assert isinstance(count, int)
    return count


def shake_hands(sock: socket.socket) -> None:
    """Open the WebSocket: a client sends nothing before the answer is there."""
    sock.sendall(HANDSHAKE)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += sock.recv(1)
    assert answer.startswith(b"HTTP/1.1 101"), answer


def is_well(rig: GatewayRig) -> None:
    """Another client is served as ever."""
    text = b'{"id":2,"rpc":{"method":"m","data":1}}'
    with open_socket(rig.port) as sock:
        shake_hands(sock)
        sock.sendall(client_frame(1, CONNECT) + client_frame(1, text))
        received = b""
        while b'"id":2' not in received:
            data = sock.recv(65536)
            assert data, received
            received += data
    # What it noted of all the calls would be growth.
    rig.callback.reset()


def check_end(received: bytes) -> None:
    """Only whole frames came, of lines of JSON, and at most one close frame."""
    for opcode, content in server_frames(received):
        if opcode == 1:
            for line in content.split(b"\n"):
                check_line(json.loads(line))
        elif opcode == 8 and content:
            assert int.from_bytes(content[:2], "big") in CLOSES, content
        else:
            assert opcode in {8, 10}


def check_line(line: dict[str, object]) -> None:
    """A line is a ping, a push, or a reply with an id and one thing in it."""
    if line and "push" not in line:
        (kind,) = line.keys() - {"id"}
        assert kind == "error" or kind in METHODS
        if kind == "error":
            assert 100 <= line["error"]["code"] <= 1999
            assert line["error"]["message"]


def test_handshakes(rig) -> None:
    """Any request: an HTTP answer or the end, never a hang."""

    @FUZZ
    @given(damaged([HANDSHAKE, HANDSHAKE + client_frame(1, CONNECT)]) | st.binary(max_size=200))
    def check(data: bytes) -> None:
        with open_socket(rig.port) as sock:
            received = send_and_end(sock, data)
        assert not received or re.match(rb"HTTP/1\.1 [1-5]\d\d", received), received
        is_well(rig)

    search(check)


def test_frames(rig) -> None:
    """Any frames, before and after connect, also cut off: whole replies and a known close code."""

    @FUZZ
    @given(st.booleans(), st.lists(frames(), max_size=4), st.integers(0, 60))
    def check(is_connected: bool, sent: list[bytes], cut: int) -> None:
        data = b"".join(sent)
        data = data[: len(data) - cut] if cut < 20 else data
        start = client_frame(1, CONNECT) if is_connected else b""
        with open_socket(rig.port) as sock:
            shake_hands(sock)
            check_end(send_and_end(sock, start, data))
        is_well(rig)

    search(check)


def test_commands(rig) -> None:
    """Any commands of a connected client: each reply has one meaning."""

    @FUZZ
    @given(st.lists(commands() | damaged(VALID), min_size=1, max_size=4))
    def check(texts: list[bytes]) -> None:
        sent = [client_frame(1, text) for text in (CONNECT, *texts)]
        with open_socket(rig.port) as sock:
            shake_hands(sock)
            # The gateway answers the close frame and ends the connection.
            check_end(send_and_end(sock, *sent, client_frame(8, b"\x03\xe8"), half_closes=False))
        is_well(rig)

    search(check)


def test_memory_does_not_grow(rig) -> None:
    """A thousand connections with right and damaged commands leave nothing behind."""

    def step(rng) -> None:
        texts = [CONNECT, *rng.choices(VALID, k=2)]
        sent = b"".join(client_frame(1, text) for text in texts)
        if rng.random() < 0.5:
            sent = damage(rng, sent)
        with open_socket(rig.port) as sock:
            shake_hands(sock)
            send_and_end(sock, sent)
        rig.callback.reset()

    python, process = growth_bytes(step, 500)
    assert python < 400_000, f"{python} bytes over 500 connections"
    assert process < 24_000_000, f"{process} bytes over 500 connections"
