"""The parts of an installation as processes of their own: gateway, callback service, workers."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from realtime_message.centrifugo.tokens import make_connection_token
from realtime_message.settings import RedisSettings
from support.background import Background
from support.ports import free_port
from support.worker_process import TESTS, WorkerProcess

SECRET = "a-secret-of-the-tests-that-is-long-enough"


class Parts:
    """A gateway and a callback service that know each other, on a server of the test's.

    Args:
        redis: where the streams are.
        folder: for logs and the handlers' history.
        settings: more settings, by their environment names.
    """

    def __init__(self, redis: RedisSettings, folder: Path, settings: dict[str, str]) -> None:
        self.redis = redis
        self.folder = folder
        self.gateway_port, self.callback_port = free_port(), free_port()
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("RTM_", "REDIS_"))},
            "PYTHONPATH": str(TESTS),
            "REDIS_URL": redis.url,
            "RTM_REDIS__PREFIX": redis.prefix,
            "RTM_GATEWAY__PORT": str(self.gateway_port),
            "RTM_GATEWAY__API_KEY": "api-key",
            "RTM_GATEWAY__CALLBACK_URL": f"http://127.0.0.1:{self.callback_port}",
            "PORT": str(self.callback_port),
            "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": SECRET,
            **settings,
        }
        self.history = folder / "history.jsonl"
        self.workers: list[WorkerProcess] = []
        self._background: list[Background] = []

    def start(self) -> Parts:
        """Start both and wait until they are ready."""
        for command, ready in (("callback", "callback.ready"), ("gateway", "gateway.ready")):
            words = [sys.executable, "-m", "realtime_message", command]
            part = Background(words, self.folder, self.environment)
            self._background.append(part)
            part.wait_for(ready, timeout_seconds=40)
        return self

    def add_worker(self, **settings: Any) -> WorkerProcess:
        """Start a worker; it is not waited for."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        worker = WorkerProcess(
            self.redis,
            log,
            self.history,
            settings=settings,
            environment={
                name: value
                for name, value in self.environment.items()
                if name.startswith("RTM_GATEWAY__")
            },
        )
        self.workers.append(worker)
        return worker

    @property
    def gateway_url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.gateway_port}/connection/websocket"

    def token(self, user: str) -> str:
        """Return a connection token; the user's name is the id in capitals."""
        name = {"name": user.upper()}
        claims = {"info": name, "meta": name}
        return make_connection_token(SECRET, user, ttl_seconds=600, claims=claims)

    def close(self) -> None:
        """End everything, the gateway first."""
        for worker in self.workers:
            worker.close()
        for part in reversed(self._background):
            if part.process.poll() is None:
                part.send(signal.SIGTERM)
                part.wait(timeout_seconds=30)
            part.kill()
