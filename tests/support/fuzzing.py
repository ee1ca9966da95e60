"""Searching with random input for a while, and measuring whether memory grows meanwhile."""

from __future__ import annotations

import gc
import json
import os
import random
import socket
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: How long each test searches; more on purpose than in every run.
FUZZ_SECONDS = float(os.environ.get("TESTS_FUZZ_SECONDS") or 6)
#: After this long without an answer or an end, the other side hangs.
PATIENCE_SECONDS = 10.0

FUZZ = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)

#: JSON texts, also ones that a serialiser would never write.
odd_json = st.sampled_from(
    [
        "",
        "null",
        "NaN",
        "-Infinity",
        "1e999",
        "-0",
        "9" * 400,
        "1" * 5000,
        '"\\ud83d"',
        '"\\udfff\\ud800"',
        '"\\u0000"',
        "\x00",
        "[" * 3000 + "]" * 3000,
        '{"a":' * 2000 + "1" + "}" * 2000,
        "[" * 100_000,
        '{"text":"a","text":"b"}',
        ' \t\n{"text" : "a"}\r\n ',
        "{} {}",
        "\ufeff{}",
        "'a'",
    ]
)
plain_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "id", "user", "token"]), inner, max_size=3)
    ),
    max_leaves=6,
)
json_texts = plain_json.map(json.dumps) | odd_json


def search(check: Callable[[], None]) -> None:
    """Run a hypothesis test again and again, with other input each time, until the time is over."""
    ends_at = time.monotonic() + FUZZ_SECONDS
    while True:
        check()
        if time.monotonic() >= ends_at:
            return


def damage(rng: random.Random, original: bytes) -> bytes:
    """Return bytes with some of them changed, cut out, repeated or put in."""
    data = bytearray(original)
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(data))
        kind = rng.randrange(4)
        if kind == 0 and data:
            data[at % len(data)] = rng.randrange(256)
        elif kind == 1:
            del data[at : at + rng.randint(1, 10)]
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 10))
        else:
            data[at:at] = data[at : at + rng.randint(1, 30)]
    return bytes(data)


@st.composite
def damaged(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """As `damage`, chosen by hypothesis."""
    original = draw(st.sampled_from(originals))
    return damage(random.Random(draw(st.integers(0, 2**32))), original)


def growth_bytes(step: Callable[[random.Random], None], count: int) -> tuple[int, int]:
    """Return how much Python's memory and the process grew over `count` steps after as many.

    Args:
        step: one iteration; it gets a source of chance with a fixed seed.
        count: how many steps warm up, and how many are measured.
    """
    rng = random.Random(20_240_229)
    for _ in range(count):
        step(rng)
    gc.collect()
    tracemalloc.start()
    try:
        # Once more: caches that were filled before tracing began are filled anew as others.
        for _ in range(count // 2):
            step(rng)
        gc.collect()
        before, resident = tracemalloc.get_traced_memory()[0], _resident_bytes()
        for _ in range(count):
            step(rng)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before, _resident_bytes() - resident
    finally:
        tracemalloc.stop()


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_socket(port: int) -> socket.socket:
    """Connect to a port of this machine; what takes too long raises TimeoutError."""
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)


def send_and_end(sock: socket.socket, *pieces: bytes, half_closes: bool = True) -> bytes:
    """Send pieces, say that nothing more comes, and return everything that came back.

    Args:
        sock: where to.
        pieces: what is sent, one after the other.
        half_closes: whether TCP says that nothing more comes; else the pieces do.

    Raises:
        TimeoutError: the other side neither answers nor ends.
    """
    received = bytearray()
    try:
        for piece in pieces:
            sock.sendall(piece)
        if half_closes:
            sock.shutdown(socket.SHUT_WR)
    except TimeoutError:
        raise
    except OSError:
        pass  # ended before everything was sent
    try:
        while data := sock.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return bytes(received)


def client_frame(
    opcode: int, content: bytes, *, first: int = 0x80, is_masked: bool = True
) -> bytes:
    """Return a WebSocket frame as a client sends it (RFC 6455, section 5.2)."""
    mask_bit = 0x80 if is_masked else 0
    length = len(content)
    if length < 126:
        head = struct.pack("!BB", first | opcode, mask_bit | length)
    elif length < 65536:
        head = struct.pack("!BBH", first | opcode, mask_bit | 126, length)
    else:
        head = struct.pack("!BBQ", first | opcode, mask_bit | 127, length)
    if not is_masked:
        return head + content
    key = b"\x11\x22\x33\x44"
    return head + key + bytes(byte ^ key[index % 4] for index, byte in enumerate(content))


def server_frames(data: bytes) -> list[tuple[int, bytes]]:
    """Return opcode and content of the frames that a server sent; they have to be whole."""
    frames = []
    while data:
        assert data[0] & 0x70 == 0, "a reserved bit is set"
        length, at = data[1], 2
        assert length < 128, "a server's frame is masked"
        if length == 126:
            length, at = struct.unpack_from("!H", data, 2)[0], 4
        elif length == 127:
            length, at = struct.unpack_from("!Q", data, 2)[0], 10
        assert len(data) >= at + length, "the last frame is cut"
        frames.append((data[0] & 0x0F, data[at : at + length]))
        data = data[at + length :]
    return frames
