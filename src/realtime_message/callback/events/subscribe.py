"""Whether a client may subscribe to a channel."""

from __future__ import annotations

from realtime_message.callback.admit import Admission
from realtime_message.callback.bound_hooks import BoundHook
from realtime_message.callback.exchange import Exchange
from realtime_message.callback.hooks import HookRunner
from realtime_message.centrifugo.events import MalformedEventError, SubscribeEvent, event_decoder
from realtime_message.centrifugo.replies import Code, SubscribeReply, encode_result
from realtime_message.errors import Refuse
from realtime_message.patterns import PatternTable
from realtime_message.telemetry.callback_metrics import Outcome

_decode = event_decoder(SubscribeEvent)
_PERMIT = SubscribeReply()


class SubscribeHandler:
    """The event handler of subscribe: the channel's rule first, then the hook."""

    def __init__(
        self, hooks: PatternTable[BoundHook], runner: HookRunner, admission: Admission
    ) -> None:
        self._hooks = hooks
        self._runner = runner
        self._admission = admission

    def handle(self, body: bytes, exchange: Exchange) -> None:
        """Answer one subscribe event."""
        try:
            event = _decode(body)
            self._admission.channel(event.channel).check_subscribe(event.user)
        except MalformedEventError as error:
            exchange.refuse(Code.INVALID_PAYLOAD, str(error))
            return
        except Refuse as refusal:
            exchange.obey(refusal)
            return

        def permit(reply: SubscribeReply | None) -> None:
            exchange.answer(Outcome.accepted, encode_result(reply or _PERMIT))

        hook = self._hooks.find(event.channel)
        if hook is None:
            permit(None)
        else:
            self._runner.run(exchange, hook, event, SubscribeReply, permit)
