"""What happens to one published message, from Centrifugo's request to the answer.

1. decode the event, admit the user to the channel, check the payload;
2. ask the hook of the user's App, if there is one for the channel;
3. append the message to the stream of the channel's partition;
4. answer when Redis has it, as durably as the channel asks, with what subscribers shall see.

The answer to a message that carries the client's own id is kept beside the entry: whoever resends
it gets the same answer, also from another process. Everything that is not a confirmed append is
answered with an error, because Centrifugo takes any other answer as permission to broadcast.
"""

from __future__ import annotations

from functools import partial

import msgspec

from realtime_message.callback.admit import Admission, Channel
from realtime_message.callback.bound_hooks import BoundHook
from realtime_message.callback.exchange import Exchange
from realtime_message.callback.hooks import HookRunner
from realtime_message.callback.payloads import Payload, read_payload, replaced_payload
from realtime_message.callback.publication import dedup_key, reply_body
from realtime_message.callback.rate_limits import RateLimits
from realtime_message.callback.stamps import Clock, MessageIds
from realtime_message.centrifugo.events import MalformedEventError, PublishEvent, event_decoder
from realtime_message.centrifugo.replies import PERMIT_PUBLISH, Code, PublishReply
from realtime_message.errors import Refuse, StreamsError, StreamsFullError
from realtime_message.message import Message, encode_message
from realtime_message.patterns import PatternTable
from realtime_message.settings import CallbackSettings
from realtime_message.streams.contracts import Appended, Dedup
from realtime_message.streams.trace_contracts import Submit
from realtime_message.telemetry.callback_metrics import Outcome
from realtime_message.telemetry.logs import get_logger

_log = get_logger("callback.publish")
_decode = event_decoder(PublishEvent)


class PublishHandler:
    """The event handler of publish."""

    def __init__(
        self,
        settings: CallbackSettings,
        *,
        hooks: PatternTable[BoundHook],
        runner: HookRunner,
        admission: Admission,
        limits: RateLimits,
        submit: Submit,
    ) -> None:
        self._hooks = hooks
        self._runner = runner
        self._admission = admission
        self._limits = limits
        self._submit = submit
        self._id_field = settings.dedup_field
        self._window_ms = int(settings.dedup_window_seconds * 1000)
        self._ids = MessageIds()
        self._clock = Clock()

    def handle(self, body: bytes, exchange: Exchange) -> None:
        """Answer one publish event; see the top of this module."""
        try:
            event = _decode(body)
            self._limits.check(event.user, event.client)
            channel = self._admission.channel(event.channel)
            channel.check_publish(event.user)
            payload = read_payload(
                event.data_bytes, takes_any=channel.takes_any_payload, id_field=self._id_field
            )
        except MalformedEventError as error:
            exchange.refuse(Code.INVALID_PAYLOAD, str(error))
            return
        except Refuse as refusal:
            exchange.obey(refusal)
            return
        hook = self._hooks.find(channel.name)
        if hook is None:
            self._append(exchange, event, channel, payload, PERMIT_PUBLISH)
            return

        def go_on(reply: PublishReply | None) -> None:
            # Looked up again: the hook took its time, and partitions may have been resized in it.
            now = self._admission.channel(event.channel)
            self._append(exchange, event, now, payload, reply or PERMIT_PUBLISH)

        self._runner.run(exchange, hook, event, PublishReply, go_on)

    def _append(
        self,
        exchange: Exchange,
        event: PublishEvent,
        channel: Channel,
        payload: Payload,
        reply: PublishReply,
    ) -> None:
        if reply.data is not msgspec.UNSET and reply.data is not None:
            payload = replaced_payload(payload, reply.data)
        name = event.meta.get("name")
        message = Message(
            id=self._ids.next(),
            channel=channel.name,
            partition_id=channel.partition,
            user_id=event.user,
            user_name=name if name and isinstance(name, str) else event.user,
            text=payload.text,
            timestamp=self._clock.now(),
            raw=payload.raw,
            client_id=event.client,
        )
        body = reply_body(message, payload, reply)
        dedup = None
        if payload.client_message_id is not None:
            key = dedup_key(message, payload.client_message_id)
            dedup = Dedup(key=key, reply=body, window_ms=self._window_ms)
        self._submit(
            channel.partition,
            encode_message(message),
            partial(_appended, exchange, body),
            dedup,
            channel.durability,
        )


def _appended(exchange: Exchange, body: bytes, outcome: Appended | Exception) -> None:
    """Answer with what became of the append. Runs in the appender's read, so it must not raise."""
    if isinstance(outcome, Appended):
        if outcome.stored_reply is None:
            exchange.answer(Outcome.appended, body)
        else:
            exchange.answer(Outcome.duplicate, outcome.stored_reply)
    elif isinstance(outcome, StreamsFullError):
        exchange.fail(Code.BACKLOG_FULL, "there is no room for more messages; try again later")
    elif isinstance(outcome, StreamsError):
        exchange.fail(Code.UNAVAILABLE, "the message could not be stored; try again")
    else:
        _log.error("append.failed", error=repr(outcome))
        exchange.fail(Code.INTERNAL_ERROR, "the message could not be stored")
