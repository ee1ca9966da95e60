"""From a request's body to the event handler that answers it: the same for both ways in."""

from __future__ import annotations

from collections.abc import Mapping
from secrets import token_hex
from typing import Protocol

from realtime_message.callback.exchange import Exchange, InFlight, OnAnswered
from realtime_message.centrifugo.events import EventKind
from realtime_message.centrifugo.replies import Code
from realtime_message.telemetry.logs import get_logger

_log = get_logger("callback.dispatch")


class EventHandler(Protocol):
    """Answers one kind of proxy event."""

    def handle(self, body: bytes, exchange: Exchange) -> None:
        """Answer the exchange now or later; what is forgotten is given up at its deadline."""
        ...


class Dispatcher:
    """Hands bodies to event handlers.

    Args:
        handlers: by proxy event.
        in_flight: where exchanges are opened.
        max_body_bytes: larger bodies are refused.

    Attributes:
        takes_traces: whether it is to be given the headers that a trace comes in by.
    """

    takes_traces = False

    def __init__(
        self, handlers: Mapping[EventKind, EventHandler], in_flight: InFlight, max_body_bytes: int
    ) -> None:
        self._handlers = handlers
        self._in_flight = in_flight
        self.max_body_bytes = max_body_bytes

    @property
    def events(self) -> list[EventKind]:
        """The proxy events that are answered."""
        return list(self._handlers)

    def dispatch(
        self,
        event: EventKind,
        body: bytes,
        on_answered: OnAnswered,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer a request, now or later, exactly once.

        Args:
            event: which one it is.
            body: its whole body.
            on_answered: takes the answer; it must not raise.
            headers: the request's, by names in lower case, where they are kept.
        """
        exchange = self._in_flight.open(event, on_answered)
        if exchange is None:
            return
        if headers is not None:
            exchange.headers = headers
        try:
            self._handlers[event].handle(body, exchange)
        except Exception:  # noqa: BLE001 - a fault of ours must be an answer too
            request_id = token_hex(4)
            _log.exception("event.failed", proxy_event=event, request_id=request_id)
            exchange.fail(Code.INTERNAL_ERROR, f"internal error (request {request_id})")

    def refuse_large(self, event: EventKind, on_answered: OnAnswered) -> None:
        """Answer a request whose body was larger than max_body_bytes and was not kept."""
        exchange = self._in_flight.open(event, on_answered)
        if exchange is not None:
            exchange.refuse(
                Code.PAYLOAD_TOO_LARGE, f"the request is larger than {self.max_body_bytes} bytes"
            )
