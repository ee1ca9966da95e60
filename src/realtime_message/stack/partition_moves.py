"""What a worker says of each of its partitions, joined to one line for people."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from realtime_message.partitions import shown_partitions

_COLOUR = r"(?:\x1b\[\d+m)*"
_MOVE = re.compile(
    rf"(?P<begin>\S+ {_COLOUR}(?P<event>partition\.(?:acquired|released)){_COLOUR} .*?)"
    rf"(?P<on>{_COLOUR})partition(?P<off>{_COLOUR})=(?P<partition>\d+)\b.*"
)
# What comes within this time belongs together.
_WAIT_SECONDS = 0.1


class PartitionMoves:
    """Holds lines about partitions that come or go back for a moment, to write them as one.

    Args:
        write: takes each line that is to be shown, in order.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._begin = self._event = ""
        self._partitions: list[int] = []
        self._timer: asyncio.TimerHandle | None = None

    def take(self, line: str) -> None:
        """Take a line of the worker's log, in its form for people."""
        move = _MOVE.fullmatch(line)
        if move is None or move["event"] != self._event:
            self.flush()
        if move is None:
            self._write(line)
            return
        if not self._partitions:
            self._event = move["event"]
            self._begin = f"{move['begin']}{move['on']}partitions{move['off']}="
            self._timer = asyncio.get_running_loop().call_later(_WAIT_SECONDS, self.flush)
        self._partitions.append(int(move["partition"]))

    def flush(self) -> None:
        """Write what is held back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._partitions:
            numbers = shown_partitions(self._partitions)
            self._partitions, self._event = [], ""
            self._write(f"{self._begin}{numbers}")
