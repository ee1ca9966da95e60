"""supervisord, in this process, with what it lacks: a prefix before each line, and an end.

supervisord starts a part again for ever once that part has run for a moment, and always exits with
0. Here a part that keeps dying, or says that it cannot start (exit code 3), ends the container with
a code that tells, and whoever runs the container decides about another start.

supervisord tells of output and of deaths by events. They are taken here directly; a listener
process of its own would miss lines when many come at once.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.states import SupervisorStates
from supervisor.supervisord import Supervisor

from realtime_message.errors import EXIT_COULD_NOT_START, EXIT_FAILED
from realtime_message.stack.container.part_lines import PartLines, open_log
from realtime_message.stack.restarts import GiveUp, RestartRule, describe_exit
from realtime_message.stack.terminal import prepare_output

CONFIGURATION = Path(__file__).with_name("supervisord.conf")


def main() -> int:
    """Run the parts until SIGTERM, or until one is given up; return the exit code."""
    prepare_output()
    log_format = sys.argv[1] if len(sys.argv) > 1 else "text"
    return supervise(CONFIGURATION, open_log(log_format))


def supervise(configuration: Path, log: PartLines) -> int:
    """Run what a supervisord configuration names; return the exit code.

    Args:
        configuration: the file.
        log: where lines go.
    """
    options = ServerOptions()
    options.realize(["-c", str(configuration)], doc=__doc__)
    # The types of supervisor know neither; its main program sets both.
    vars(options).update(first=True, test=False)
    supervisor = InstanceSupervisor(options, log)
    try:
        supervisor.main()
    except asyncore.ExitNow:
        pass
    finally:
        options.close_logger()
    return supervisor.exit_code


class InstanceSupervisor(Supervisor):  # type: ignore[misc] # supervisor has no types
    """A supervisord that tells what happens, and gives up by rule.

    Args:
        options: supervisord's own, with the configuration read.
        log: where lines go.
    """

    def __init__(self, options: Any, log: PartLines) -> None:
        super().__init__(options)
        self.exit_code = 0
        self._log = log
        self._rests: dict[str, bytes] = {}
        self._rules: dict[str, RestartRule] = {}

    def runforever(self) -> None:
        """Serve until the end; supervisord calls this when its own set-up is done."""
        events.subscribe(events.ProcessLogEvent, self._take_output)
        events.subscribe(events.ProcessStateExitedEvent, self._take_death)
        events.subscribe(events.ProcessStateStoppingEvent, self._tell_ending)
        events.subscribe(events.ProcessStateStoppedEvent, self._tell_ended)
        super().runforever()

    def _take_output(self, event: Any) -> None:
        name = event.process.config.name
        *lines, self._rests[name] = (self._rests.get(name, b"") + event.data).split(b"\n")
        for line in lines:
            self._write(name, line)

    def _take_death(self, event: Any) -> None:
        name = event.process.config.name
        self._flush(name)
        exit_code = event.process.exitstatus
        rule = self._rules.setdefault(name, RestartRule())
        decision = rule.decide(exit_code, died_at=time.monotonic())
        cause = describe_exit(exit_code) if exit_code >= 0 else "killed by a signal"
        if isinstance(decision, GiveUp):
            self._log.say(f"{name} died ({cause}) and is given up: {decision.reason}")
            is_at_start = exit_code == EXIT_COULD_NOT_START
            self.exit_code = EXIT_COULD_NOT_START if is_at_start else EXIT_FAILED
            self.options.mood = SupervisorStates.SHUTDOWN
        else:
            self._log.say(f"{name} died ({cause}) and starts again")

    def _tell_ending(self, event: Any) -> None:
        self._log.say(f"ending {event.process.config.name}")

    def _tell_ended(self, event: Any) -> None:
        name = event.process.config.name
        self._flush(name)
        if event.process.exitstatus != 0:
            self._log.say(f"{name} did not end in order (exit code {event.process.exitstatus})")

    def _flush(self, name: str) -> None:
        rest = self._rests.pop(name, b"")
        if rest:
            self._write(name, rest)

    def _write(self, name: str, line: bytes) -> None:
        self._log.line(name, line.decode("utf-8", "replace").rstrip())


if __name__ == "__main__":
    sys.exit(main())
