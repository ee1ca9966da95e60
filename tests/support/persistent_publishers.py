"""Clients that publish over HTTP as the gateway does, and resend until they are acknowledged."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from collections import Counter
from typing import Any, Self

from support.callback_thread import Wire
from support.proxy_bodies import publish_body
from support.valkey_server import ValkeyServer

TIMEOUT_SECONDS = 60.0
RESEND_SECONDS = 0.02
#: An answer is due after 0.9 s, on a machine that may be as busy as it likes. Later it hangs.
HANGS_AFTER_SECONDS = 20.0


class PersistentPublishers:
    """A context manager; the clients publish while its block runs, each to a channel of its own.

    A message that ends with an error, or whose connection breaks, is sent again with the same id,
    to the next port, until it is acknowledged; then comes the client's next message.

    Args:
        ports: where the callback services listen.
        clients: how many publish at once.
        with_ids: whether messages carry an id; without one a resend is another message.
        pause_seconds: how long each client waits before its next message.

    Attributes:
        acknowledged: for each channel the replies' data, in the order of the messages.
        errors: how often each error code was answered.
        broken: how many requests ended without an answer.
        longest_wait_seconds: how long the latest answer took, to be shown.
        wrong: what must never happen.
    """

    def __init__(
        self, *ports: int, clients: int = 8, with_ids: bool = True, pause_seconds: float = 0.0
    ) -> None:
        self._ports = ports
        self._pause_seconds = pause_seconds
        self._with_ids = with_ids
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: dict[str, list[dict[str, Any]]] = {
            f"room:{client}": [] for client in range(clients)
        }
        self.errors: Counter[int] = Counter()
        self.broken = 0
        self.longest_wait_seconds = 0.0
        self.wrong: list[str] = []
        self._threads = [
            threading.Thread(target=self._run, args=(channel,), daemon=True)
            for channel in self.acknowledged
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def count(self) -> int:
        """How many messages were acknowledged."""
        return sum(len(replies) for replies in self.acknowledged.values())

    def wait_for_more(self, count: int = 100) -> None:
        """Wait until so many more messages were acknowledged."""
        wanted = self.count + count
        self._wait(lambda: self.count >= wanted)

    def wait_for_errors(self, count: int = 10) -> None:
        """Wait until so many more errors were answered."""
        wanted = self.errors.total() + count
        self._wait(lambda: self.errors.total() >= wanted)

    def stop(self) -> None:
        """Let each client get its last message through, then end."""
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT_SECONDS)
            assert not thread.is_alive(), (self.errors, self.wrong)

    def _wait(self, condition: Any) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not condition():
            assert time.monotonic() < deadline, (self.count, self.errors, self.broken, self.wrong)
            time.sleep(0.005)

    def _run(self, channel: str) -> None:
        number, attempt = 0, 0
        while not self._stop.is_set() or attempt:
            data = {"text": f"{number}", **({"id": f"m{number}"} if self._with_ids else {})}
            body = publish_body(data, channel=channel)
            if self._publish(channel, body, self._ports[attempt % len(self._ports)]):
                number, attempt = number + 1, 0
                time.sleep(self._pause_seconds)
            else:
                attempt += 1
                time.sleep(RESEND_SECONDS)

    def _publish(self, channel: str, body: bytes, port: int) -> bool:
        begun = time.monotonic()
        try:
            with Wire(port) as wire:
                reply = wire.call(body).json
        except (EOFError, OSError):
            with self._lock:
                self.broken += 1
            return False
        with self._lock:
            waited = time.monotonic() - begun
            self.longest_wait_seconds = max(self.longest_wait_seconds, waited)
            if waited > HANGS_AFTER_SECONDS:
                self.wrong.append(f"answered after {waited:.1f} s")
            if "result" in reply:
                self.acknowledged[channel].append(reply["result"]["data"])
                return True
            if reply.get("error", {}).get("temporary") is not True:
                self.wrong.append(f"neither a result nor temporary: {reply}")
            self.errors[reply.get("error", {}).get("code")] += 1
        return False


def stored_messages(server: ValkeyServer, prefix: str) -> dict[str, list[dict[str, Any]]]:
    """Return the stored messages of each channel, in stream order."""
    client = server.client()
    found: dict[str, list[dict[str, Any]]] = {}
    for stream in client.scan_iter(f"{prefix}:partition:*"):
        for _, fields in client.xrange(stream):
            message = json.loads(fields["payload"])
            found.setdefault(message["channel"], []).append(message)
    return found


def metrics_text(port: int) -> str:
    """Return what a callback service shows to Prometheus."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def publish_counts(port: int) -> dict[str, int]:
    """Return how many publishes were received and were late, and how many had each outcome."""
    text = metrics_text(port)
    outcomes = re.findall(
        r'^rtm_callback_answered_total{event="publish",outcome="(\w+)"} (\S+)$', text, re.MULTILINE
    )
    counts = {outcome: int(float(count)) for outcome, count in outcomes}
    for name, series in (
        ("received", 'rtm_callback_received_total{event="publish"}'),
        ("late", "rtm_callback_late_appends_total"),
    ):
        (line,) = [line for line in text.splitlines() if line.startswith(f"{series} ")]
        counts[name] = int(float(line.rpartition(" ")[2]))
    return counts
