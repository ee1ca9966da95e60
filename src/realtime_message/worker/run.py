"""The worker's process: opens what a worker needs, runs it until a signal, and closes it."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

from realtime_message.app import App, check_handlers, open_resources, takes_context
from realtime_message.errors import EXIT_INTERRUPTED, RealtimeMessageError
from realtime_message.settings import Settings, check_settings, load_settings
from realtime_message.streams import open_streams
from realtime_message.telemetry.logs import configure_logging, get_logger
from realtime_message.telemetry.tracing_extra import open_tracing
from realtime_message.telemetry.worker_metrics import WorkerMetrics
from realtime_message.worker.equipment import Equipment
from realtime_message.worker.lease_hold import steady_clock
from realtime_message.worker.lifecycle import StopRequest, stop_on_signals
from realtime_message.worker.names import make_names
from realtime_message.worker.process_end import run_process
from realtime_message.worker.receipts import Receipts
from realtime_message.worker.server_api import ServerApi
from realtime_message.worker.settle import Observer
from realtime_message.worker.status_server import StatusServer
from realtime_message.worker.worker import Worker

if TYPE_CHECKING:
    from realtime_message.telemetry.tracing import Tracing

log = get_logger("worker.run")


def main(app: App) -> int:
    """Run a worker as a whole program, with the settings of the environment and of `rtm.toml`.

    For scripts: `raise SystemExit(main(app))`.

    Args:
        app: the user's handlers.

    Returns:
        The exit code. What is wrong with the settings is told on stderr in one sentence.
    """
    try:
        loaded = load_settings(os.environ)
        configure_logging(loaded.settings.log.level, loaded.settings.log.format)
        check_settings(loaded, "worker")
        return run_worker(loaded.settings, app)
    except RealtimeMessageError as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201 - the sentence is the product
        return error.exit_code


def run_worker(settings: Settings, app: App) -> int:
    """Run a worker until SIGTERM or SIGINT; return the exit code.

    The first signal drains: what is in hand is finished and acknowledged, partitions are handed
    over. A second one ends at once; what was in hand is delivered again to the next owner. What
    ignores both ends with the process, within seconds.

    Args:
        settings: all settings.
        app: the user's handlers.

    Raises:
        StartupError: it cannot start; the text says what to do.
    """
    stop = StopRequest()

    def exit_code() -> int:
        was_interrupted = stop.signal is signal.SIGINT or stop.force.is_set()
        return EXIT_INTERRUPTED if was_interrupted else 0

    return run_process(serve(settings, app, stop), exit_code)


async def serve(settings: Settings, app: App, stop: StopRequest) -> None:
    """Run a worker in the current event loop until asked to stop.

    Raises:
        StartupError: it cannot start; the text says what to do.
    """
    check_handlers(app)
    names = make_names(settings.worker.id)
    metrics = WorkerMetrics()
    tracing = open_tracing() if settings.telemetry.tracing else None
    _warn_of_missing_key(settings, app)
    replies = _server_api(settings, tracing)
    channel = settings.worker.receipts_channel
    receipts = Receipts(replies, channel, names, metrics) if channel else None
    async with contextlib.AsyncExitStack() as stack:
        if tracing is not None:
            stack.push_async_callback(tracing.flush)
        streams = await open_streams(
            settings.redis,
            lambda incident: metrics.count_incident(incident.kind),
            keeps_traces=tracing is not None,
        )
        stack.push_async_callback(streams.close)
        stack.push_async_callback(replies.close)
        if receipts is not None:
            stack.push_async_callback(receipts.close)
        resources = await stack.enter_async_context(open_resources(app))
        worker = Worker(
            Equipment(
                settings=settings.worker,
                app=app,
                resources=resources,
                streams=streams,
                names=names,
                replies=replies,
                metrics=metrics,
                observe=_observer(metrics, receipts),
                clock=steady_clock,
                tracing=tracing,
            )
        )
        metrics.owned = worker.ownership.in_hand
        _open_status(settings, worker, stack)
        # What is there now stays: the garbage collector need not look at it again.
        gc.collect()
        gc.freeze()
        stack.enter_context(stop_on_signals(stop))
        await worker.run(stop)


def _server_api(settings: Settings, tracing: Tracing | None) -> ServerApi:
    """Return what handlers answer with; their calls carry the trace, if there is one."""
    gateway = settings.gateway
    return ServerApi(
        gateway.api_url,
        gateway.api_key,
        gateway.previous_api_key,
        more_headers=tracing.headers if tracing is not None else None,
    )


def _open_status(settings: Settings, worker: Worker, stack: contextlib.AsyncExitStack) -> None:
    """Serve metrics and health, unless that is off."""
    chosen, metrics = settings.worker, worker.equipment.metrics
    if chosen.metrics_port:
        status = StatusServer(chosen.metrics_host, chosen.metrics_port, metrics, worker.health)
        stack.callback(status.close)


def _observer(metrics: WorkerMetrics, receipts: Receipts | None) -> Observer:
    """Return who is told of each attempt."""
    if receipts is None:
        return metrics.attempt_done
    return receipts.observed_with(metrics.attempt_done)


def _warn_of_missing_key(settings: Settings, app: App) -> None:
    if not settings.gateway.api_key and takes_context(app):
        log.warning(
            "gateway.key_missing",
            setting="gateway.api_key",
            advice="handlers cannot publish: set CENTRIFUGO_HTTP_API_KEY, the same as Centrifugo's",
        )
