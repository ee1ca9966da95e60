"""Gateways to test: the embedded one and Centrifugo, from the same configuration file."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from realtime_message.centrifugo.configuration import (
    GatewayOptions,
    build_configuration,
    launch_environment,
    read_configuration,
)
from realtime_message.gateway.server import Listening, serve
from support.gateway_callback import DEADLINE_SECONDS, BackgroundLoop, ScriptedCallback
from support.ports import free_port

Kind = Literal["embedded", "centrifugo"]

TOKEN_SECRET = "a-token-secret-for-tests-" * 3
API_KEY = "an-api-key-for-tests"
CALLBACK_SECRET = "a-callback-secret-for-tests"

#: The proxy events of the base configuration; with refresh the client could not do it itself.
BASE_EVENTS = ("connect", "subscribe", "publish", "rpc")


def centrifugo_binary() -> str | None:
    """Return where Centrifugo is, if it is anywhere."""
    return os.environ.get("RTM_CENTRIFUGO_BIN") or shutil.which("centrifugo")


class GatewayRig:
    """A running gateway with its callback service.

    Args:
        kind: which gateway.
        folder: for its configuration file and log.
        changes: options that differ from the base configuration, as a nested dict; None removes.
        events: the proxy events that the callback service answers.
        tls: the callback service's certificate; None for plain HTTP.
    """

    def __init__(
        self,
        kind: Kind,
        folder: Path,
        changes: Mapping[str, Any] | None = None,
        events: tuple[Any, ...] = BASE_EVENTS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.kind = kind
        self._background = BackgroundLoop()
        self.callback = ScriptedCallback(self._background, tls)
        self.port = free_port()
        options = GatewayOptions(
            port=self.port,
            callback_url=self.callback.url,
            events=events,
            has_callback_secret=True,
            emulated_headers=("X-Emulated", "Authorization"),
        )
        self.configuration = build_configuration(options)
        _merge(self.configuration, copy.deepcopy(dict(changes or {})))
        self._path = folder / f"{kind}-{self.port}.json"
        self._path.write_text(json.dumps(self.configuration), "utf-8")
        self._environment = launch_environment(
            options, token_secret=TOKEN_SECRET, api_key=API_KEY, callback_secret=CALLBACK_SECRET
        )
        self.url = f"ws://127.0.0.1:{self.port}/connection/websocket"
        self.http_url = f"http://127.0.0.1:{self.port}"
        internal_port = self.configuration["http_server"].get("internal_port") or self.port
        self.internal_url = f"http://127.0.0.1:{internal_port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._log = (folder / f"{kind}-{self.port}.log").open("wb")
        self._stop: asyncio.Event | None = None
        self._serving: Any = None
        try:
            if kind == "embedded":
                self._start_embedded()
            else:
                self._start_centrifugo()
        except BaseException:
            self.close()
            raise

    def log_text(self) -> str:
        """Return what Centrifugo has logged."""
        return Path(self._log.name).read_text("utf-8", "replace")

    def begin_stop(self) -> None:
        """Ask the gateway to stop, as SIGTERM does."""
        if self.process is not None:
            self.process.terminate()
        elif self._stop is not None:
            self._background.loop.call_soon_threadsafe(self._stop.set)

    def wait_stopped(self) -> int:
        """Wait for the end; return the exit code."""
        if self.process is not None:
            return self.process.wait(DEADLINE_SECONDS)
        if self._serving is not None:
            self._serving.result(DEADLINE_SECONDS)
        return 0

    def close(self) -> None:
        """Stop the gateway and the callback service."""
        self.begin_stop()
        try:
            self.wait_stopped()
        finally:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.callback.close()
            self._background.close()
            self._log.close()

    def _start_embedded(self) -> None:
        ready: asyncio.Future[Listening] = self._background.loop.create_future()
        configuration = read_configuration(self._path, self._environment)

        async def start() -> None:
            self._stop = asyncio.Event()
            self._serving = asyncio.run_coroutine_threadsafe(
                serve(configuration, stop=self._stop, on_ready=ready.set_result),
                self._background.loop,
            )
            await ready

        self._background.run(start())

    def _start_centrifugo(self) -> None:
        binary = centrifugo_binary()
        assert binary is not None
        self.process = subprocess.Popen(
            [binary, "-c", str(self._path)],
            env={**os.environ, **self._environment},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            assert self.process.poll() is None, self.log_text()
            assert time.monotonic() < deadline, self.log_text()
            try:
                urllib.request.urlopen(f"{self.internal_url}/health", timeout=1).close()
            except (urllib.error.URLError, OSError):
                time.sleep(0.01)
            else:
                return


def _merge(target: dict[str, Any], changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value)
        else:
            target[name] = value
