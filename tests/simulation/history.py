"""What happened in one schedule, and the rules that it must keep, checked as it happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.behaviours import Behaviour
    from simulation.process import Process

MAX_ATTEMPTS = 3


class ViolationError(AssertionError):
    """A guarantee was broken."""


@dataclass
class SimulatedMessage:
    """One message, how it behaves, and what became of it.

    Attributes:
        number: its place in its channel.
        behaviour: what its handler does.
        entry_id: its entry.
        failures: how often its handler failed.
        takeovers: the tenures that got it from a former owner:
            each may have cost an attempt that had been written down.
        successes: under which tenure each of its successful attempts ended.
        is_done: whether it was handled, or given up.
        is_lost: whether the server lost it together with its latest writes.
        was_in_loss: whether it was there when the server lost its latest writes. What had become of
            it may be forgotten, and is found out late: it may come after later ones.
    """

    id: str
    channel: str
    number: int
    behaviour: Behaviour
    entry_id: str = ""
    partition: int = 0
    successes: list[tuple[int, int]] = field(default_factory=list)
    failures: int = 0
    takeovers: set[int] = field(default_factory=set)
    is_done: bool = False
    is_dead: bool = False
    is_lost: bool = False
    was_in_loss: bool = False


@dataclass
class AtWork:
    """A handler at work.

    Attributes:
        is_excused: whether its process stood still meanwhile, or its lease was taken from
            outside: then another handler of the channel may be at work too.
    """

    process: Process
    message: SimulatedMessage
    epoch: int
    is_excused: bool = False


class History:
    """Knows every message, and refuses what must not happen.

    Attributes:
        messages: by id.
        by_entry: by entry id.
        channels: in the order in which they were appended.
        generation: counts the server's losses of data; what was done before may be done again.
        at_work: the handlers at work.
        lines: a trace for people.
    """

    def __init__(self, *, keeps_trace: bool = False) -> None:
        self.messages: dict[str, SimulatedMessage] = {}
        self.by_entry: dict[str, SimulatedMessage] = {}
        self.channels: dict[str, list[SimulatedMessage]] = {}
        self.generation = 0
        self.at_work: list[AtWork] = []
        self.lines: list[str] = []
        self.keeps_trace = keeps_trace
        self.violation: ViolationError | None = None
        #: Whether the server may have forgotten that a channel is parked.
        self.has_lost_parking = False
        #: By partition, epochs up to this one: their lease was taken away from outside, or given by
        #: a server that then lost its latest writes. Their holders may learn late that it is over.
        self.doomed: dict[int, int] = {}
        self._last_begun: dict[tuple[str, int], int] = {}
        #: The epochs whose lease was given back in order, by partition.
        self.released: set[tuple[int, int]] = set()
        self.duplicates = 0

    def refuse(self, text: str) -> ViolationError:
        """Keep the first violation, whatever the code that runs into it makes of it."""
        if self.violation is None:
            self.violation = ViolationError(text)
        return self.violation

    def note(self, now: float, *what: object) -> None:
        """Write a line of the trace."""
        if self.keeps_trace:
            self.lines.append(f"{now - 1000:9.4f}  " + " ".join(str(part) for part in what))

    def appended(self, message: SimulatedMessage) -> None:
        self.messages[message.id] = message
        self.by_entry[message.entry_id] = message
        self.channels.setdefault(message.channel, []).append(message)

    def begins(
        self, process: Process, message: SimulatedMessage, epoch: int, current_epoch: int
    ) -> AtWork:
        """A handler begins."""
        is_doomed = epoch <= self.doomed.get(message.partition, 0)
        for other in self.at_work:
            is_excused = other.is_excused or is_doomed or process.is_clock_wrong
            if other.message.channel == message.channel and not is_excused:
                raise self.refuse(
                    f"overlap: {_of(message)} begins at {process.name} while {_of(other.message)} "
                    f"is at work at {other.process.name}"
                )
        if epoch != current_epoch and not is_doomed and not process.is_clock_wrong:
            raise self.refuse(f"{_of(message)} begins at {process.name} under a past epoch {epoch}")
        for earlier in self.channels[message.channel][: message.number]:
            if not (earlier.is_done or earlier.was_in_loss or is_doomed or self.has_lost_parking):
                raise self.refuse(f"order: {_of(message)} begins before {_of(earlier)} is done")
        # After a loss of data, what comes again may come behind what was set aside before it.
        if not is_doomed and not self.generation:
            key = (message.channel, epoch)
            if message.number < self._last_begun.get(key, 0):
                raise self.refuse(f"order: {_of(message)} begins after a later one in one tenure")
            self._last_begun[key] = message.number
        if not is_doomed:
            self._check_repeat(message, epoch)
        work = AtWork(process, message, epoch, is_doomed or process.is_clock_wrong)
        self.at_work.append(work)
        return work

    def ends(self, work: AtWork, *, is_success: bool) -> None:
        """A handler has ended."""
        self.at_work.remove(work)
        if is_success:
            if work.message.successes:
                self.duplicates += 1
            work.message.successes.append((work.epoch, self.generation))
            work.message.is_done = True

    def ends_with(self, work: AtWork, message: SimulatedMessage) -> None:
        """A later message of the same channel and batch has been handled too."""
        self._check_repeat(message, work.epoch)
        message.successes.append((work.epoch, self.generation))
        message.is_done = True

    def vanished(self, process: Process) -> None:
        """A process is no more, and its handlers with it."""
        self.at_work = [work for work in self.at_work if work.process is not process]

    def doom(self, partition: int, epoch: int) -> None:
        """The lease of an epoch is not what its holder takes it for."""
        self.doomed[partition] = epoch
        for work in self.at_work:
            if work.message.partition == partition:
                work.is_excused = True

    def excuse(self, process: Process) -> None:
        """A process stood still: what it had at work may overlap with the next owner's."""
        for work in self.at_work:
            if work.process is process:
                work.is_excused = True

    def acknowledged(self, entry_id: str) -> None:
        """An entry is acknowledged."""
        message = self.by_entry.get(entry_id)
        if message is not None and not message.is_done:
            raise self.refuse(f"{_of(message)} is acknowledged before its handler has ended well")

    def buried(self, entry_id: str, reason: str) -> None:
        """An entry is a dead letter."""
        message = self.by_entry.get(entry_id)
        if message is None:
            return
        counted = message.failures + len(message.takeovers)
        if not message.behaviour.may_die and counted < MAX_ATTEMPTS:
            raise self.refuse(f"{_of(message)} is a dead letter ({reason}), but it never failed")
        message.is_done = message.is_dead = True

    def lost(self, kept: set[str]) -> None:
        """The server lost what it was told last: only these entries are left."""
        self.generation += 1
        for entry_id, message in self.by_entry.items():
            message.was_in_loss = True
            if entry_id not in kept:
                message.is_lost = True

    def check_end(self, set_aside: set[str]) -> None:
        """Nothing is lost: every message is handled, given up, or set aside."""
        for entry_id, message in self.by_entry.items():
            if not (message.is_done or message.is_lost or entry_id in set_aside):
                raise self.refuse(f"lost: {_of(message)} is neither handled nor given up")

    def _check_repeat(self, message: SimulatedMessage, epoch: int) -> None:
        for former, generation in message.successes:
            if generation != self.generation or former <= self.doomed.get(message.partition, 0):
                continue
            if former == epoch:
                raise self.refuse(f"{_of(message)} is handled twice in one tenure")
            if (message.partition, former) in self.released:
                raise self.refuse(f"{_of(message)} is handled again after an orderly hand-over")


def _of(message: SimulatedMessage) -> str:
    return f"{message.channel}[{message.number}]"
