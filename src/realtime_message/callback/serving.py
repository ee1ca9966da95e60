"""The callback service, wired: settings and App in, a listening server out."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from realtime_message.app import App, open_resources
from realtime_message.callback.authenticate import Authentication
from realtime_message.callback.bound_hooks import (
    BoundHooks,
    bind_hooks,
    check_hooks,
    decorators_of_hooks,
    resources_of_hooks,
)
from realtime_message.callback.events.table import make_dispatcher
from realtime_message.callback.exchange import InFlight
from realtime_message.callback.hooks import HookRunner
from realtime_message.callback.hot_queue import HOT_TARGET, HotRoute
from realtime_message.callback.routes import create_routes
from realtime_message.callback.server import CallbackServer, bind
from realtime_message.callback.tls import make_tls_context
from realtime_message.centrifugo.events import EventKind
from realtime_message.centrifugo.replies import Code
from realtime_message.errors import ConfigurationError, StreamsUnavailableError
from realtime_message.settings import Settings
from realtime_message.settings.checks import MIN_SECRET_CHARACTERS
from realtime_message.streams import open_streams
from realtime_message.streams.trace_contracts import TraceAppender
from realtime_message.telemetry.backlog_metrics import BacklogMetrics
from realtime_message.telemetry.callback_metrics import MetricsBlock
from realtime_message.telemetry.logs import get_logger
from realtime_message.telemetry.tracing_extra import open_tracing

if TYPE_CHECKING:
    from realtime_message.telemetry.tracing import Tracing

_log = get_logger("callback.serving")


class Appender(TraceAppender, Protocol):
    """An appender that can say whether it would take an entry."""

    async def check(self) -> None:
        """Raise the StreamsError that an append would end with now."""
        ...


@dataclass(frozen=True, slots=True)
class Serving:
    """A service that is up.

    Attributes:
        url: where it listens.
        metrics: its numbers.
        server: its connections.
        in_flight: what it works on.
    """

    url: str
    metrics: MetricsBlock
    server: CallbackServer
    in_flight: InFlight


@asynccontextmanager
async def serve_callback(
    settings: Settings,
    app: App,
    *,
    appender: Appender | None = None,
    listener: socket.socket | None = None,
    metrics: MetricsBlock | None = None,
    process: int = 0,
    hot_target: bytes = HOT_TARGET,
) -> AsyncIterator[Serving]:
    """Serve in this event loop until the block ends, then drain.

    Args:
        settings: all of them.
        app: the user's hooks.
        appender: where messages go; None opens the streams that the settings name, and waits for
            Redis up to startup_timeout_seconds.
        listener: a bound socket to listen on; None binds the one that the settings name.
        metrics: shared with other processes; None makes one for this process.
        process: which part of the metrics is this process's.
        hot_target: the request target that is answered below ASGI.

    Raises:
        StartupError: a setting or the app does not fit, the port is taken, Redis cannot be used.
    """
    callback = settings.callback
    check_token_secret(settings)
    tls = make_tls_context(callback)
    check_hooks(app)
    block = metrics or make_metrics()
    part, registry = block.part(process), _make_registry(block)
    async with AsyncExitStack() as stack:
        stack.callback(part.share)
        tracing = _open_tracing(settings, stack)
        if listener is None:
            listener = bind(callback.host, callback.port)
            stack.callback(listener.close)
        if appender is None:
            appender = await _open_appender(settings, stack, registry)
        in_flight = InFlight(callback.max_in_flight, callback.deadline_seconds, part)
        hooks, runner = await _open_hooks(settings, app, stack)
        dispatcher = make_dispatcher(settings, hooks, runner, appender, in_flight, tracing=tracing)
        hot_route = HotRoute(dispatcher, Authentication(callback, part), hot_target)
        routes = _make_routes(hot_route, registry, appender)
        server = CallbackServer(callback, routes, hot_route, in_flight, tls)
        for work in (in_flight.keep_sweeping(), server.close_idle()):
            stack.callback(asyncio.create_task(work).cancel)
        await server.start(listener)
        stack.push_async_callback(server.drain)
        yield Serving(_url(listener, tls), block, server, in_flight)


def make_metrics(process_count: int = 1) -> MetricsBlock:
    """Return the numbers of a service of so many processes, all at 0."""
    return MetricsBlock(tuple(EventKind), tuple(Code), process_count)


def check_token_secret(settings: Settings) -> None:
    """Check the key that signs connection tokens.

    Raises:
        ConfigurationError: it is so short that it could be guessed, or missing though there is no
            public key either.
    """
    secret = settings.callback.token_secret
    if not secret and settings.tokens.has_public_keys:
        return
    if len(secret) < MIN_SECRET_CHARACTERS:
        raise ConfigurationError(
            f"callback.token_secret (CENTRIFUGO_TOKEN_HMAC_SECRET_KEY) has {len(secret)} "
            f"characters: set it to the key that signs the clients' tokens, at least "
            f"{MIN_SECRET_CHARACTERS} characters"
        )


def _make_registry(block: MetricsBlock) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(block)
    return registry


def _make_routes(
    hot_route: HotRoute,
    registry: CollectorRegistry,
    appender: Appender,
) -> Starlette:
    return create_routes(
        hot_route.dispatcher,
        hot_route.authentication,
        registry,
        events=hot_route.dispatcher.events,
        check_ready=lambda: _check_ready(hot_route, appender),
    )


async def _check_ready(hot_route: HotRoute, appender: Appender) -> None:
    if hot_route.is_draining:
        raise StreamsUnavailableError("the service is draining")
    await appender.check()


async def _open_appender(
    settings: Settings, stack: AsyncExitStack, registry: CollectorRegistry
) -> Appender:
    streams = await open_streams(settings.redis)
    stack.push_async_callback(streams.close)
    registry.register(BacklogMetrics(streams.backlog))
    return await streams.appender(rule.durability for rule in settings.callback.channels)


def _open_tracing(settings: Settings, stack: AsyncExitStack) -> Tracing | None:
    """Return what makes spans, if that is on."""
    if not settings.telemetry.tracing:
        return None
    tracing = open_tracing()
    stack.push_async_callback(tracing.flush)
    return tracing


async def _open_hooks(
    settings: Settings, app: App, stack: AsyncExitStack
) -> tuple[BoundHooks, HookRunner]:
    """Open what the hooks take, and return them with what calls them."""
    resources = await stack.enter_async_context(open_resources(app, resources_of_hooks(app)))
    _warn_of_events(settings, app)
    runner = HookRunner(settings.callback.hook_threads)
    stack.callback(runner.close)
    return bind_hooks(app, resources), runner


def _warn_of_events(settings: Settings, app: App) -> None:
    """Tell of hooks that the generated gateway never calls, and of ends that no hook prevents."""
    hooks = {decorator.removeprefix("on_") for decorator in decorators_of_hooks(app)}
    events = settings.gateway.events
    for event in sorted(hooks.difference(events)):
        _log.warning(
            "hook.never_called",
            proxy_event=event,
            reason=f"gateway.events does not hold {event}: the gateway does not ask about it",
        )
    for event in {"refresh", "sub_refresh"}.intersection(events) - hooks:
        _log.warning(
            "hook.missing",
            proxy_event=event,
            reason=f"gateway.events holds {event}, and without a hook everything ends that expires",
        )


def _url(listener: socket.socket, tls: ssl.SSLContext | None) -> str:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'http' if tls is None else 'https'}://{shown}:{port}"
