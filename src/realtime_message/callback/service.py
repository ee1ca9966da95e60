"""Runs the callback service until it is told to stop: in this process, or in several."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection

import uvloop

from realtime_message.app import App
from realtime_message.callback.processes import (
    Processes,
    Ready,
    report_failure,
    report_ready,
)
from realtime_message.callback.server import bind
from realtime_message.callback.serving import check_token_secret, make_metrics, serve_callback
from realtime_message.errors import EXIT_INTERRUPTED, StartupError
from realtime_message.settings import Settings
from realtime_message.telemetry.callback_metrics import MetricsBlock
from realtime_message.telemetry.logs import get_logger

# Beyond the drain itself: the streams close, the interpreter ends.
_STOP_MARGIN_SECONDS = 5.0

_log = get_logger("callback.service")


def run_callback(
    settings: Settings, app: App | Callable[[], App], *, processes: int = 1
) -> int | None:
    """Run the callback service until SIGTERM or SIGINT, then drain.

    With several processes, SIGHUP replaces them one after the other without losing a request, and
    one that dies is replaced. Each process loads the app itself if a function that loads it is
    given, so a replacement has its current source.

    Args:
        settings: all of them.
        app: the user's hooks, or what loads them.
        processes: how many processes listen on the port.

    Returns:
        the exit code: 0 after SIGTERM, 130 after SIGINT.

    Raises:
        StartupError: as serving.serve_callback.
        RealtimeMessageError: the processes died again and again.
    """
    check_token_secret(settings)
    with bind(settings.callback.host, settings.callback.port) as listener:
        if processes == 1:
            one = _Process(settings, app, listener, make_metrics())
            told = one.run(lambda ready: _log.info("callback.ready", **ready))
            return EXIT_INTERRUPTED if told == signal.SIGINT else 0
        # A process that replaces another writes its numbers beside those of the one that leaves.
        metrics = make_metrics(processes * 2)
        group = Processes(
            processes,
            lambda part, lifeline, reports: _run_child(
                _Process(settings, app, listener, metrics, part), lifeline, reports
            ),
            stop_timeout_seconds=settings.callback.drain_timeout_seconds + _STOP_MARGIN_SECONDS,
            on_ready=lambda ready: _log.info("callback.ready", **ready, processes=processes),
            # Or who connects now would wait for an answer until the last child is gone.
            on_stop=listener.close,
        )
        return group.run()


class _Process:
    """One process of the service.

    Args:
        settings: all of them.
        app: the user's hooks, or what loads them.
        listener: a bound socket.
        metrics: shared by all processes.
        part: which part of the metrics is this process's.
    """

    def __init__(
        self,
        settings: Settings,
        app: App | Callable[[], App],
        listener: socket.socket,
        metrics: MetricsBlock,
        part: int = 0,
    ) -> None:
        self._settings = settings
        self._app = app
        self._listener = listener
        self._metrics = metrics
        self._part = part
        self._told: int = 0
        self._is_up = False

    def run(self, on_ready: Callable[[Ready], None], lifeline: int | None = None) -> int:
        """Serve until a signal, or until the lifeline ends; return the signal's number.

        Args:
            on_ready: told the URL, the app and its hooks once requests are taken.
            lifeline: a file that ends when the parent process does.
        """
        app = self._app if isinstance(self._app, App) else self._app()
        with (
            contextlib.suppress(asyncio.CancelledError),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(self._serve(app, on_ready, lifeline))
        return self._told

    async def _serve(
        self, app: App, on_ready: Callable[[Ready], None], lifeline: int | None
    ) -> None:
        stop = asyncio.Event()
        self._listen_to_signals(stop, lifeline)
        self._metrics.part(self._part).settle()
        async with serve_callback(
            self._settings,
            app,
            listener=self._listener,
            metrics=self._metrics,
            process=self._part,
        ) as serving:
            self._is_up = True
            # What is there now stays: looking through it again and again for garbage costs more
            # than answering requests.
            gc.collect()
            gc.freeze()
            on_ready({"url": serving.url, **_described(app)})
            await stop.wait()
            _log.info("callback.draining", in_flight=len(serving.in_flight), process=os.getpid())
        _log.info("callback.stopped", process=os.getpid())

    def _listen_to_signals(self, stop: asyncio.Event, lifeline: int | None) -> None:
        """Drain at the first signal; end at once at a second one, or at one before it is up."""
        loop = asyncio.get_running_loop()
        this = asyncio.current_task()
        assert this is not None  # noqa: S101 - run by asyncio.Runner

        def on_signal(number: int) -> None:
            if self._told or not self._is_up:
                this.cancel()
            self._told = number
            stop.set()

        loop.add_signal_handler(signal.SIGTERM, on_signal, signal.SIGTERM)
        if lifeline is None:
            loop.add_signal_handler(signal.SIGINT, on_signal, signal.SIGINT)
        else:
            # Ctrl-C goes to the whole group of processes; the parent passes it on as SIGTERM.
            loop.add_reader(lifeline, stop.set)


def _described(app: App) -> Ready:
    """Name an app and its hooks, each with the pattern that it has."""
    single = ("on_connect", "on_refresh")
    hooks = [
        decorator if decorator in single else f"{decorator} {hook.pattern}"
        for decorator, hook in app.hooks()
    ]
    return {**({"app": app.name} if app.name else {}), "hooks": hooks}


def _run_child(process: _Process, lifeline: int, reports: Connection) -> None:
    """Be one of several processes. Ends by the parent's word, so Ctrl-C is left to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.run(lambda ready: report_ready(reports, ready), lifeline)
    except StartupError as error:
        report_failure(reports, error)
