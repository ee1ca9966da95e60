"""Commands one after the other, on a connection that is opened again when it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from realtime_message.errors import StreamsError, StreamsUnavailableError
from realtime_message.streams.connection import Connector
from realtime_message.streams.scripts import Script
from realtime_message.streams.server_errors import ReadOnlyServerError, ScriptMissingError
from realtime_message.streams.wire import Command, Wire


class Session:
    """The rare paths share one of these: leases, members, dead letters, inspection.

    Calls may overlap; their commands go out in the order of the calls.

    Args:
        connector: opens the connection at the first call and after each loss.
        timeout_seconds: how long a call may take once it is connected.
    """

    def __init__(self, connector: Connector, timeout_seconds: float) -> None:
        self._connector = connector
        self._timeout_seconds = timeout_seconds
        self._wire: Wire | None = None
        self._connecting = asyncio.Lock()
        self._is_closed = False

    async def call(self, *commands: Command) -> list[Any]:
        """Send commands in one write and return their replies, error replies among them.

        Raises:
            StreamsUnavailableError: no connection or no answer; whether they were done is unknown.
            StreamsRefusedError: the login was refused.
        """
        wire = await self._connected()
        replies = await wire.call(commands, self._timeout_seconds)
        if any(isinstance(reply, ReadOnlyServerError) for reply in replies):
            wire.drop("leads to a server that is read-only")
        return replies

    async def run(self, *command: str | bytes | int) -> Any:
        """Send one command and return its reply; an error reply is raised."""
        (reply,) = await self.call(command)
        if isinstance(reply, StreamsError):
            raise reply
        return reply

    async def run_script(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str | bytes | int]
    ) -> Any:
        """Run a script and return its reply.

        Args:
            script: what to run.
            keys: every key that it touches, all in one hash slot.
            arguments: its ARGV.
        """
        rest = (len(keys), *keys, *arguments)
        try:
            return await self.run("EVALSHA", script.sha, *rest)
        except ScriptMissingError:
            # EVAL also keeps the script for the next time.
            return await self.run("EVAL", script.text, *rest)

    def close(self) -> None:
        """Close the connection; later calls raise StreamsUnavailableError."""
        self._is_closed = True
        if self._wire is not None:
            self._wire.close()

    async def _connected(self) -> Wire:
        if self._is_closed:
            raise StreamsUnavailableError("the streams are closed")
        if self._wire is None or not self._wire.is_open:
            async with self._connecting:
                if self._wire is None or not self._wire.is_open:
                    self._wire = await self._connector.connect()
        return self._wire
