"""What happens to one published message, from Centrifugo's request to the answer.

1. decode the event, admit the channel and the user, check the payload;
2. ask the hook of the user's App, if there is one for the channel;
3. append the message to the stream of the channel's partition;
4. answer when Redis has it, with what subscribers shall see.

The answer to a message that carries the client's own id is kept beside the entry: whoever resends
it gets the same answer, also from another process. Everything that is not a confirmed append is
answered with an error, because Centrifugo takes any other answer as permission to broadcast.
"""

from __future__ import annotations

from functools import partial

import msgspec

from realtime_message.app import App
from realtime_message.callback.admit import Admission, Channel, Refusal
from realtime_message.callback.exchange import Exchange
from realtime_message.callback.hooks import HookRunner
from realtime_message.callback.payloads import (
    InvalidPayloadError,
    Payload,
    client_message_id,
    dedup_key,
    publication,
    read_payload,
)
from realtime_message.callback.stamps import Clock, MessageIds
from realtime_message.centrifugo.events import MalformedEventError, PublishEvent, event_decoder
from realtime_message.centrifugo.replies import Code, PublishReply, encode_publish_result
from realtime_message.errors import StreamsError, StreamsFullError
from realtime_message.message import Message, encode_message
from realtime_message.settings import CallbackSettings
from realtime_message.streams.contracts import Appended, Dedup, EntryAppender
from realtime_message.telemetry.callback_metrics import Outcome
from realtime_message.telemetry.logs import get_logger

_log = get_logger("callback.publish")
_decode = event_decoder(PublishEvent)
_UNCHANGED = PublishReply()


class Checked(msgspec.Struct, frozen=True, gc=False):
    """A publish event that may go on."""

    event: PublishEvent
    channel: Channel
    payload: Payload
    client_id: msgspec.Raw | None


class PublishHandler:
    """The event handler of publish."""

    def __init__(
        self,
        settings: CallbackSettings,
        app: App,
        admission: Admission,
        hooks: HookRunner,
        appender: EntryAppender,
    ) -> None:
        self._app = app
        self._admission = admission
        self._hooks = hooks
        self._appender = appender
        self._dedup_field = settings.dedup_field
        self._window_ms = int(settings.dedup_window_seconds * 1000)
        self._ids = MessageIds()
        self._clock = Clock()

    def handle(self, body: bytes, exchange: Exchange) -> None:
        """Answer one publish event; see the top of this module."""
        checked = self._check(body)
        if isinstance(checked, Refusal):
            exchange.refuse(checked.code, checked.message)
            return
        hook = self._app.publish_hooks.find(checked.event.channel)
        if hook is None:
            self._append(exchange, checked, _UNCHANGED)
            return

        def go_on(reply: PublishReply | None) -> None:
            self._append(exchange, checked, reply or _UNCHANGED)

        self._hooks.run(exchange, hook, checked.event, PublishReply, go_on)

    def _check(self, body: bytes) -> Checked | Refusal:
        try:
            event = _decode(body)
            channel = self._admission.channel(event.channel)
            if isinstance(channel, Refusal):
                return channel
            refusal = channel.publish_refusal(event.user)
            if refusal is not None:
                return refusal
            payload = read_payload(event.data_bytes, takes_any=channel.takes_any_payload)
            client_id = self._client_id(payload, channel)
        except (MalformedEventError, InvalidPayloadError) as error:
            return Refusal(Code.INVALID_PAYLOAD, str(error))
        return Checked(event, channel, payload, client_id)

    def _client_id(self, payload: Payload, channel: Channel) -> msgspec.Raw | None:
        if payload.fields is None or not self._dedup_field:
            return None
        return client_message_id(
            payload.fields, self._dedup_field, takes_any=channel.takes_any_payload
        )

    def _append(self, exchange: Exchange, checked: Checked, reply: PublishReply) -> None:
        event, channel, payload = checked.event, checked.channel, checked.payload
        if reply.data is not msgspec.UNSET and reply.data is not None:
            payload = read_payload(msgspec.json.encode(reply.data), takes_any=True)
        message = Message(
            id=self._ids.next(),
            channel=channel.name,
            partition_id=channel.partition,
            user_id=event.user,
            user_name=_user_name(event),
            text=payload.text,
            timestamp=self._clock.now(),
            raw=payload.raw,
            client_id=event.client,
        )
        body = _reply_body(message, payload, checked.client_id, reply)
        dedup = None
        if checked.client_id is not None:
            key = dedup_key(event.user, event.client, channel.name, checked.client_id)
            dedup = Dedup(key=key, reply=body, window_ms=self._window_ms)
        self._appender.submit(
            channel.partition, encode_message(message), partial(_appended, exchange, body), dedup
        )


def _user_name(event: PublishEvent) -> str:
    name = event.meta.get("name")
    return name if name and isinstance(name, str) else event.user


def _reply_body(
    message: Message, payload: Payload, client_id: msgspec.Raw | None, reply: PublishReply
) -> bytes:
    data = (
        msgspec.UNSET if payload.fields is None else publication(payload.fields, message, client_id)
    )
    # Only a message with an id of the client's can be broadcast a second time. Centrifugo keeps
    # each key for five minutes, so the others go without.
    key = message.id if client_id is not None else ""
    return encode_publish_result(reply, data, idempotency_key=key)


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
