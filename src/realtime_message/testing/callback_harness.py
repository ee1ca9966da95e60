"""The callback service under test: its real rules and the app's hooks, without HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from realtime_message.app import App
from realtime_message.callback.bound_hooks import bind_hooks
from realtime_message.callback.dispatch import Dispatcher
from realtime_message.callback.events.table import make_dispatcher
from realtime_message.callback.exchange import InFlight
from realtime_message.callback.hooks import HookRunner
from realtime_message.centrifugo.events import EventKind
from realtime_message.centrifugo.replies import Code
from realtime_message.centrifugo.tokens import make_connection_token
from realtime_message.settings import CallbackSettings, RedisSettings, Settings
from realtime_message.telemetry.callback_metrics import MetricsBlock
from realtime_message.testing.memory.streams import MemoryStreams

if TYPE_CHECKING:
    from realtime_message.telemetry.tracing import Tracing

_SECRET = "a secret for tests, as long as a real one has to be"  # noqa: S105 - protects nothing


class Refusal(msgspec.Struct, frozen=True):
    """An error, or a disconnect.

    Attributes:
        code: which one.
        message: for an error, what the client is told.
        temporary: for an error, whether the client may try again.
        reason: for a disconnect, what the client is told.
    """

    code: int
    message: str = ""
    temporary: bool = False
    reason: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What the callback service answers to Centrifugo.

    Attributes:
        result: what it lets through, and with what; None if it refused.
        error: the client gets this error.
        disconnect: the client's connection is closed.
    """

    result: dict[str, Any] | None = None
    error: Refusal | None = None
    disconnect: Refusal | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the client may do what it asked for."""
        return self.error is None and self.disconnect is None


class CallbackHarness:
    """Answers proxy events as the callback service does; messages go to streams in memory.

    Part of a WorkerHarness, as `harness.callback`.

    Args:
        app: the hooks under test.
        streams: where messages go.
        settings: of the callback service; tokens are signed with a key of the harness's own
            unless they name one.
    """

    def __init__(
        self, app: App, streams: MemoryStreams, settings: CallbackSettings | None = None
    ) -> None:
        chosen = settings or CallbackSettings()
        self._app = app
        self._streams = streams
        self._secret = chosen.token_secret or _SECRET
        self._settings = Settings(
            callback=msgspec.structs.replace(chosen, token_secret=self._secret),
            redis=RedisSettings(partition_count=streams.partition_count),
        )
        self._stack = contextlib.ExitStack()
        self._in_flight: InFlight | None = None
        self._dispatcher: Dispatcher | None = None
        self._tracing: Tracing | None = None

    def open(self, resources: Mapping[str, Any], tracing: Tracing | None = None) -> None:
        """Bind the hooks to what they take, with spans around publishes if there is tracing.

        Raises:
            AppError: a hook asks for what nothing fits.
        """
        callback, self._tracing = self._settings.callback, tracing
        runner = HookRunner(callback.hook_threads)
        self._stack.callback(runner.close)
        metrics = MetricsBlock(tuple(EventKind), tuple(Code)).part()
        self._in_flight = InFlight(callback.max_in_flight, callback.deadline_seconds, metrics)
        hooks = bind_hooks(self._app, resources)
        self._dispatcher = make_dispatcher(
            self._settings,
            hooks,
            runner,
            self._streams.attached,
            self._in_flight,
            tracing=tracing,
        )

    def close(self) -> None:
        """Let go of the threads."""
        self._stack.close()

    def token(self, user: str, **claims: Any) -> str:
        """Return a connection token of a user, such as a client puts into its connect data."""
        return make_connection_token(self._secret, user, claims=claims)

    async def connect(
        self,
        data: Any = None,
        *,
        user: str | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> Answer:
        """Let a client connect.

        Args:
            data: what it sends.
            user: with one, its data hold a token of that user.
            headers: of its handshake, which the hook gets as `event.headers`.
            fields: Centrifugo's fields of the event.
        """
        if user is not None:
            data = {**(data or {}), "token": self.token(user)}
        return await self.send(EventKind.connect, data=data, headers=headers, **fields)

    async def subscribe(
        self, channel: str, *, user: str = "user", data: Any = None, **fields: Any
    ) -> Answer:
        """Let a client subscribe."""
        return await self.send(EventKind.subscribe, channel=channel, user=user, data=data, **fields)

    async def publish(
        self, channel: str, data: Any, *, user: str = "user", **fields: Any
    ) -> Answer:
        """Let a client publish; what is let through is stored, and the worker gets it."""
        return await self.send(EventKind.publish, channel=channel, user=user, data=data, **fields)

    async def rpc(
        self, method: str, data: Any = None, *, user: str = "user", **fields: Any
    ) -> Answer:
        """Let a client call a method."""
        return await self.send(EventKind.rpc, method=method, user=user, data=data, **fields)

    async def refresh(self, *, user: str = "user", **fields: Any) -> Answer:
        """Let a connection reach its expiry."""
        return await self.send(EventKind.refresh, user=user, **fields)

    async def sub_refresh(self, channel: str, *, user: str = "user", **fields: Any) -> Answer:
        """Let a subscription reach its expiry."""
        return await self.send(EventKind.sub_refresh, channel=channel, user=user, **fields)

    async def send(
        self,
        event: EventKind,
        *,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> Answer:
        """Send a proxy event with Centrifugo's fields, such as `meta={"name": "Ann"}`.

        With tracing, the current span goes with it.
        """
        if self._dispatcher is None or self._in_flight is None:
            raise RuntimeError("use the harness in `async with WorkerHarness(app) as harness:`")
        body: dict[str, Any] = {
            "client": "client",
            "transport": "websocket",
            "protocol": "json",
            "encoding": "json",
            **fields,
        }
        if data is not None:
            body["data"] = data
        current = {} if self._tracing is None else self._tracing.headers()
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._dispatcher.dispatch(
            event,
            msgspec.json.encode(body),
            lambda _, reply: answer.set_result(reply),
            {**current, **{name.lower(): value for name, value in (headers or {}).items()}},
        )
        # Gives up what takes longer than the deadline.
        sweeping = asyncio.create_task(self._in_flight.keep_sweeping())
        try:
            return msgspec.json.decode(await answer, type=Answer)
        finally:
            sweeping.cancel()
