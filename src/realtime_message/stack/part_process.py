"""One run of a part: a process of its own session, its output line by line, its end.

asyncio's own `Process.wait()` waits for the output's end too, which never comes while something
that the process started lives on. Here the end of the process is seen at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from realtime_message.stack.parent_death import bound_to_parent

_MAX_LINE_BYTES = 65536
_LAST_OUTPUT_SECONDS = 1.0


class PartProcess:
    """A running process. Made by `start`."""

    def __init__(self, transport: asyncio.SubprocessTransport, output: _Output) -> None:
        self._transport = transport
        self._output = output

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path | None,
        on_line: Callable[[str], None],
    ) -> PartProcess:
        """Start a process that ends with us, whatever ends us.

        Args:
            command: program and arguments.
            environment: all of its environment.
            directory: its working directory; None for ours.
            on_line: called with each line that it writes, stdout and stderr alike.

        Raises:
            OSError: it cannot be started.
        """
        bound, in_child = bound_to_parent(command)
        # A session of its own: Ctrl-C in the terminal reaches us alone, and the order of ending
        # stays ours.
        transport, output = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Output(on_line),
            *bound,
            env=environment,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=in_child,
        )
        return cls(transport, output)

    async def wait(self) -> int:
        """Wait for the end; return the exit code, negative for a signal."""
        await asyncio.shield(self._output.exited)
        exit_code = self._transport.get_returncode()
        assert exit_code is not None  # noqa: S101 - it has exited
        return exit_code

    async def clear_away(self) -> None:
        """After the end: kill what it left behind, and take the rest of the output."""
        self.kill()
        with contextlib.suppress(TimeoutError):
            # What made a session of its own and lives on would keep the pipe open for ever.
            async with asyncio.timeout(_LAST_OUTPUT_SECONDS):
                await asyncio.shield(self._output.closed)
        self._transport.close()

    def terminate(self) -> None:
        """Ask it to end."""
        with contextlib.suppress(ProcessLookupError):
            self._transport.terminate()

    def kill(self) -> None:
        """Kill it and everything that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._transport.get_pid(), signal.SIGKILL)


class _Output(asyncio.SubprocessProtocol):
    """Cuts the output into lines and notes the end."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._on_line = on_line
        self._rest = b""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        del fd  # stderr goes the same way
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._on_line(line.decode("utf-8", "replace").rstrip())

    def process_exited(self) -> None:
        self.exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._rest:
            self._on_line(self._rest.decode("utf-8", "replace").rstrip())
        self.closed.set_result(None)
