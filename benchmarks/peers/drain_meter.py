"""Counts messages and says what they cost when all have come. Standard library only."""

from __future__ import annotations

import json
import os
import time

WARM_UP = int(os.environ.get("WARM_UP", "0"))
TOTAL = int(os.environ.get("TOTAL", "0"))
PARTITIONS = int(os.environ.get("PARTITIONS", "8"))
REDIS_PORT = os.environ.get("REDIS_PORT", "")


class Meter:
    """See the module. Prints one line and ends the process without a word to anyone."""

    def __init__(self) -> None:
        self.count = 0
        self._at = self._used = 0.0

    def add(self, count: int = 1) -> None:
        """Count messages that were handled."""
        before, self.count = self.count, self.count + count
        if before < WARM_UP <= self.count:
            self._at, self._used = time.perf_counter(), time.process_time()
        if TOTAL and before < TOTAL <= self.count:
            self._tell()

    def _tell(self) -> None:
        done = TOTAL - WARM_UP
        result = {
            "per_second": done / (time.perf_counter() - self._at),
            "cpu_us": (time.process_time() - self._used) / done * 1e6,
        }
        print("RESULT " + json.dumps(result), flush=True)
        os._exit(0)
