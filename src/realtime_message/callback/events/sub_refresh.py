"""A subscription reached its expiry: the hook extends it, else it ends."""

from __future__ import annotations

from realtime_message.callback.bound_hooks import BoundHook
from realtime_message.callback.exchange import Exchange
from realtime_message.callback.hooks import HookRunner
from realtime_message.centrifugo.events import MalformedEventError, SubRefreshEvent, event_decoder
from realtime_message.centrifugo.replies import EXPIRED, Code, SubRefreshReply, encode_result
from realtime_message.patterns import PatternTable
from realtime_message.telemetry.callback_metrics import Outcome

_decode = event_decoder(SubRefreshEvent)


class SubRefreshHandler:
    """The event handler of sub_refresh.

    The channel's rule is not asked: a subscription may have begun with a token, past that rule.
    """

    def __init__(self, hooks: PatternTable[BoundHook], runner: HookRunner) -> None:
        self._hooks = hooks
        self._runner = runner

    def handle(self, body: bytes, exchange: Exchange) -> None:
        """Answer one sub_refresh event."""
        try:
            event = _decode(body)
        except MalformedEventError as error:
            exchange.refuse(Code.INVALID_PAYLOAD, str(error))
            return

        def answer(reply: SubRefreshReply | None) -> None:
            body = EXPIRED if reply is None else encode_result(reply)
            exchange.answer(Outcome.accepted, body)

        hook = self._hooks.find(event.channel)
        if hook is None:
            answer(None)
        else:
            self._runner.run(exchange, hook, event, SubRefreshReply, answer)
