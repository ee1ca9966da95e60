"""A connection reached its expiry: the hook extends it, else it ends."""

from __future__ import annotations

from realtime_message.callback.bound_hooks import BoundHook
from realtime_message.callback.exchange import Exchange
from realtime_message.callback.hooks import HookRunner
from realtime_message.centrifugo.events import MalformedEventError, RefreshEvent, event_decoder
from realtime_message.centrifugo.replies import EXPIRED, Code, RefreshReply, encode_result
from realtime_message.telemetry.callback_metrics import Outcome

_decode = event_decoder(RefreshEvent)


class RefreshHandler:
    """The event handler of refresh."""

    def __init__(self, hook: BoundHook | None, runner: HookRunner) -> None:
        self._hook = hook
        self._runner = runner

    def handle(self, body: bytes, exchange: Exchange) -> None:
        """Answer one refresh event."""
        try:
            event = _decode(body)
        except MalformedEventError as error:
            exchange.refuse(Code.INVALID_PAYLOAD, str(error))
            return

        def answer(reply: RefreshReply | None) -> None:
            body = EXPIRED if reply is None else encode_result(reply)
            exchange.answer(Outcome.accepted, body)

        if self._hook is None:
            answer(None)
        else:
            self._runner.run(exchange, self._hook, event, RefreshReply, answer)
