"""Which event handler answers which proxy event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_message.callback.admit import Admission
from realtime_message.callback.bound_hooks import BoundHooks
from realtime_message.callback.dispatch import Dispatcher, EventHandler
from realtime_message.callback.events.connect import ConnectHandler
from realtime_message.callback.events.publish import PublishHandler
from realtime_message.callback.events.refresh import RefreshHandler
from realtime_message.callback.events.rpc import RpcHandler
from realtime_message.callback.events.sub_refresh import SubRefreshHandler
from realtime_message.callback.events.subscribe import SubscribeHandler
from realtime_message.callback.exchange import InFlight
from realtime_message.callback.hooks import HookRunner
from realtime_message.callback.rate_limits import RateLimits
from realtime_message.centrifugo.events import EventKind
from realtime_message.settings import Settings
from realtime_message.streams.contracts import EntryAppender
from realtime_message.streams.trace_contracts import Submit, TraceAppender

if TYPE_CHECKING:
    from realtime_message.telemetry.tracing import Tracing


def make_event_handlers(
    settings: Settings,
    hooks: BoundHooks,
    runner: HookRunner,
    appender: EntryAppender,
    submit: Submit | None = None,
) -> dict[EventKind, EventHandler]:
    """Return the event handler of every proxy event.

    Args:
        settings: all of them.
        hooks: the user's.
        runner: calls them.
        appender: where messages go.
        submit: takes them in its place; None for its own.

    Raises:
        ConfigurationError: the access rules make no sense, or a key of tokens is none.
    """
    callback = settings.callback
    admission = Admission(callback, appender.partition_count)
    appender.on_partition_count(admission.use_partition_count)
    limits = RateLimits(callback)
    return {
        EventKind.connect: ConnectHandler(settings, hooks.connect, runner),
        EventKind.refresh: RefreshHandler(hooks.refresh, runner),
        EventKind.subscribe: SubscribeHandler(hooks.subscribe, runner, admission),
        EventKind.sub_refresh: SubRefreshHandler(hooks.sub_refresh, runner),
        EventKind.publish: PublishHandler(
            callback,
            hooks=hooks.publish,
            runner=runner,
            admission=admission,
            limits=limits,
            submit=submit or appender.submit,
        ),
        EventKind.rpc: RpcHandler(hooks.rpc, runner, limits),
    }


def make_dispatcher(
    settings: Settings,
    hooks: BoundHooks,
    runner: HookRunner,
    appender: TraceAppender,
    in_flight: InFlight,
    *,
    tracing: Tracing | None,
) -> Dispatcher:
    """Return what hands bodies to the event handlers; with spans where there is tracing.

    Raises:
        ConfigurationError: as make_event_handlers.
    """
    max_body_bytes = settings.callback.max_body_bytes
    if tracing is None:
        handlers = make_event_handlers(settings, hooks, runner, appender)
        return Dispatcher(handlers, in_flight, max_body_bytes)
    # Imported here: OpenTelemetry is an extra.
    from realtime_message.callback.traced_dispatch import (  # noqa: PLC0415
        TracedDispatcher,
        traced_submit,
    )

    submit = traced_submit(appender, tracing)
    handlers = make_event_handlers(settings, hooks, runner, appender, submit)
    return TracedDispatcher(handlers, in_flight, max_body_bytes, tracing)
