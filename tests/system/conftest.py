"""What tests of whole processes share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from realtime_message.settings import RedisSettings
from support.traffic import Traffic
from support.worker_process import Start, WorkerProcess


@pytest.fixture
def start(redis_settings: RedisSettings, tmp_path: Path) -> Iterator[Start]:
    """Start a worker with some settings."""
    workers: list[WorkerProcess] = []

    def start(app: str = "support.fault_app:app", url: str = "", **settings: Any) -> WorkerProcess:
        redis = msgspec.structs.replace(redis_settings, url=url or redis_settings.url)
        log = tmp_path / f"worker-{len(workers)}.log"
        worker = WorkerProcess(redis, log, tmp_path / "history", app=app, settings=settings)
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.close()


@pytest.fixture
def traffic(redis_settings: RedisSettings) -> Iterator[Traffic]:
    """Messages for it."""
    traffic = Traffic(redis_settings)
    yield traffic
    traffic.close()
