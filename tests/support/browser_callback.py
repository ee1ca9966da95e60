"""A stand-in for callback service and worker, for pages tested against a bare gateway.

It keeps the rules that a page can see: what is refused, what a stored message looks like, that a
resend is stored once, and a receipt for each message.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import urllib.request
import uuid
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PARTITIONS = 8


class BrowserCallback:
    """Answers subscribe and publish as the callback service does, and sends receipts.

    Attributes:
        gateway_port: set it once the gateway listens; receipts go there.
    """

    def __init__(self, api_key: str, receipts_channel: str) -> None:
        self._api_key = api_key
        self._receipts_channel = receipts_channel
        self._stored: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.gateway_port = 0
        self.app = Starlette(
            routes=[
                Route("/centrifugo/subscribe", self._subscribe, methods=["POST"]),
                Route("/centrifugo/publish", self._publish, methods=["POST"]),
            ]
        )

    async def _subscribe(self, request: Request) -> Response:
        event = await request.json()
        return _refused(403, "permission denied") if _is_foreign(event) else _permitted({})

    async def _publish(self, request: Request) -> Response:
        event = await request.json()
        if _is_foreign(event):
            return _refused(403, "permission denied")
        data = event["data"]
        text = data.get("text") if isinstance(data, dict) else None
        if not isinstance(text, str) or not text.strip() or len(text) > 5000:
            return _refused(400, "text must be a non-empty string of at most 5000 characters")
        key = (event["channel"], event["user"], data.get("id") or str(uuid.uuid4()))
        is_resend = key in self._stored
        if not is_resend:
            self._stored[key] = _stored_message(event)
            threading.Thread(target=self._handle, args=(event, self._stored[key])).start()
        stored = self._stored[key]
        return _permitted({"data": stored, "idempotency_key": stored["id"]})

    def _handle(self, event: dict[str, Any], stored: dict[str, Any]) -> None:
        """Be the worker: publish a receipt through the gateway's server API."""
        started_at = time.perf_counter()
        channel = event["channel"]
        partition = int.from_bytes(hashlib.md5(channel.encode()).digest()[:4]) % PARTITIONS
        receipt = {
            "id": stored["id"],
            "channel": channel,
            "partition": partition,
            "worker": f"worker-{partition % 2}",
            "attempt": 1,
            "outcome": "ack",
            "took_ms": (time.perf_counter() - started_at) * 1000 + 0.4 + partition / 10,
            "age_ms": 3.1 + partition / 10,
        }
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.gateway_port}/api/publish",
            json.dumps(
                {"channel": self._receipts_channel, "data": {"receipts": [receipt]}}
            ).encode(),
            {"X-API-Key": self._api_key, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            answer.read()


def _is_foreign(event: dict[str, Any]) -> bool:
    channel = event["channel"]
    return channel.startswith("user:") and channel != f"user:{event['user']}"


def _stored_message(event: dict[str, Any]) -> dict[str, Any]:
    data = dict(event["data"])
    if "id" in data:
        data["clientMessageId"] = data["id"]
    name = event.get("meta", {}).get("name", event["user"])
    timestamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    user = {"id": event["user"], "name": name}
    return {**data, "id": str(uuid.uuid4()), "user": user, "timestamp": timestamp}


def _permitted(result: dict[str, Any]) -> Response:
    return JSONResponse({"result": result})


def _refused(code: int, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}})
