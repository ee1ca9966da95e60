"""A client's call of a method: the hook for the method answers."""

from __future__ import annotations

from realtime_message.callback.bound_hooks import BoundHook
from realtime_message.callback.exchange import Exchange
from realtime_message.callback.hooks import HookRunner
from realtime_message.callback.rate_limits import RateLimits
from realtime_message.centrifugo.events import MalformedEventError, RpcEvent, event_decoder
from realtime_message.centrifugo.replies import Code, RpcReply, encode_result
from realtime_message.errors import Refuse
from realtime_message.patterns import PatternTable
from realtime_message.telemetry.callback_metrics import Outcome

_decode = event_decoder(RpcEvent)
_NOTHING = RpcReply()


class RpcHandler:
    """The event handler of rpc."""

    def __init__(
        self, hooks: PatternTable[BoundHook], runner: HookRunner, limits: RateLimits
    ) -> None:
        self._hooks = hooks
        self._runner = runner
        self._limits = limits

    def handle(self, body: bytes, exchange: Exchange) -> None:
        """Answer one rpc event."""
        try:
            event = _decode(body)
            self._limits.check(event.user, event.client)
        except MalformedEventError as error:
            exchange.refuse(Code.INVALID_PAYLOAD, str(error))
            return
        except Refuse as refusal:
            exchange.obey(refusal)
            return
        hook = self._hooks.find(event.method)
        if hook is None:
            exchange.refuse(Code.UNKNOWN_METHOD, "there is no such method")
            return

        def answer(reply: RpcReply | None) -> None:
            exchange.answer(Outcome.accepted, encode_result(reply or _NOTHING))

        self._runner.run(exchange, hook, event, RpcReply, answer)
