"""Bodies as Centrifugo 6.9.1 sends them, and a way to hand one to an event handler."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from realtime_message.callback.exchange import Exchange, InFlight
from realtime_message.centrifugo.events import EventKind
from realtime_message.centrifugo.replies import Code
from realtime_message.telemetry.callback_metrics import MetricsBlock

CONNECT = b'{"client":"C1","transport":"websocket","protocol":"json","encoding":"json"}'
CONNECT_FULL = (
    b'{"client":"C1","transport":"websocket","protocol":"json","encoding":"json",'
    b'"data":{"k":1},"name":"js","version":"1.2","channels":["want:1","w2"]}'
)
CONNECT_BINARY = (
    b'{"client":"C1","transport":"websocket","protocol":"json","encoding":"binary",'
    b'"b64data":"eyJrIjoxfQ=="}'
)
SUBSCRIBE = (
    b'{"client":"C1","transport":"websocket","protocol":"json","encoding":"json",'
    b'"user":"56","channel":"chat:index","data":{"q":1}}'
)
SUBSCRIBE_META = (
    b'{"client":"C2","transport":"websocket","protocol":"json","encoding":"json",'
    b'"user":"56","channel":"chat:index","meta":{"tenant":"t1"}}'
)
SUBSCRIBE_BINARY = (
    b'{"client":"C1","transport":"websocket","protocol":"json","encoding":"binary",'
    b'"user":"56","channel":"x","b64data":"eyJxIjoxfQ=="}'
)
PUBLISH = (
    b'{"client":"C2","transport":"websocket","protocol":"json","encoding":"json",'
    b'"user":"56","channel":"chat:index","data":{"a":1},"meta":{"tenant":"t1"}}'
)
REFRESH = b'{"client":"C1","transport":"websocket","protocol":"json","encoding":"json","user":"56"}'
SUB_REFRESH = (
    b'{"client":"C1","transport":"websocket","protocol":"json","encoding":"json",'
    b'"user":"56","channel":"s1"}'
)
RPC = (
    b'{"client":"C1","transport":"websocket","protocol":"json","encoding":"json",'
    b'"user":"56","method":"echo","data":{"z":1}}'
)
RPC_EMPTY = (
    b'{"client":"C1","transport":"websocket","protocol":"json","encoding":"json","user":"56"}'
)


def publish_body(data: Any = None, **fields: Any) -> bytes:
    """Return a publish event; `data` may be JSON bytes, which are put in as they are.

    A field of the event that is None is left out, as Centrifugo leaves out what is empty.
    """
    head: dict[str, Any] = {
        "client": "C2",
        "transport": "websocket",
        "protocol": "json",
        "encoding": "json",
        "user": "56",
        "channel": "chat:index",
        **fields,
    }
    kept = json.dumps({key: value for key, value in head.items() if value is not None})
    raw = data if isinstance(data, bytes) else json.dumps(data or {"text": "hello"}).encode()
    return kept[:-1].encode() + b',"data":' + raw + b"}"


@runtime_checkable
class EventHandler(Protocol):
    """What answers one kind of proxy event."""

    def handle(self, body: bytes, exchange: Exchange) -> None:
        """Answer it."""


class Caller:
    """Hands bodies to an event handler, as the HTTP side does.

    Args:
        handler: the event handler, or a function that makes it at the first call.
        event: which event it is for.
        deadline_seconds: when an exchange is given up.
    """

    def __init__(
        self,
        handler: EventHandler | Callable[[], EventHandler],
        event: EventKind,
        *,
        deadline_seconds: float = 5.0,
    ) -> None:
        self.block = MetricsBlock(tuple(EventKind), tuple(Code))
        self.event = event
        self.in_flight = InFlight(100, deadline_seconds, self.block.part())
        self._handler = handler
        self.headers: dict[str, str] = {}

    async def call(self, body: bytes) -> dict[str, Any]:
        """Return the answer to a body."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        exchange = self.in_flight.open(self.event, lambda _, reply: answer.set_result(reply))
        assert exchange is not None
        exchange.headers = self.headers
        if not isinstance(self._handler, EventHandler):
            self._handler = self._handler()
        self._handler.handle(body, exchange)
        sweeping = asyncio.create_task(self.in_flight.keep_sweeping())
        try:
            async with asyncio.timeout(10):
                return dict(json.loads(await answer))
        finally:
            sweeping.cancel()

    @property
    def outcomes(self) -> dict[str, int]:
        """What became of the events, without what never happened."""
        return {name: n for name, n in self.block.outcomes(self.event).items() if n}
