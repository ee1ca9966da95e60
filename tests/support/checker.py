"""Judges what workers did with messages, from the histories that producer and handlers wrote.

A handler writes when it starts and ends, with the time of the machine's monotonic clock, which all
processes share. Terms as in the fault table:

    lost          appended, never handled to its end
    phantom       handled, never appended
    duplicate     handed to a handler again after the first time (retries of a failure apart)
    out of order  begun before an earlier message of its channel had ended once
    overlap       two handlers of one channel at work at once
    double owner  begun under an epoch older than one seen before in the partition
    recovery      from a fault to the first message begun in the slowest partition concerned
    stall         the longest time in which a partition with work to do began nothing
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Sent:
    """A message that was appended, in the producer's words."""

    channel: str
    number: int
    partition: int
    at: float


@dataclass(frozen=True)
class Note:
    """What a handler wrote: start, end, failed or cancelled."""

    event: str
    channel: str
    number: int
    partition: int
    epoch: int
    attempt: int
    pid: int
    at: float


@dataclass
class Report:
    """The verdict on one run."""

    name: str
    sent: int = 0
    handled: int = 0
    lost: list[tuple[str, int]] = field(default_factory=list)
    phantom: list[tuple[str, int]] = field(default_factory=list)
    duplicates: int = 0
    out_of_order: list[str] = field(default_factory=list)
    overlaps: list[str] = field(default_factory=list)
    double_owners: list[str] = field(default_factory=list)
    recovery_seconds: float = 0.0
    stall_seconds: float = 0.0

    @property
    def is_sound(self) -> bool:
        """Whether every guarantee held, duplicates apart."""
        return not (
            self.lost or self.phantom or self.out_of_order or self.overlaps or self.double_owners
        )

    def row(self) -> str:
        """One line of the table."""
        return (
            f"{self.name:<28}{self.sent:>7}{self.handled:>9}{len(self.lost):>6}"
            f"{len(self.phantom):>9}{self.duplicates:>11}{len(self.out_of_order):>10}"
            f"{len(self.overlaps):>9}{len(self.double_owners):>8}"
            f"{self.recovery_seconds:>10.2f}{self.stall_seconds:>8.2f}"
        )

    @staticmethod
    def header() -> str:
        """The first line of the table."""
        return (
            f"{'run':<28}{'sent':>7}{'handled':>9}{'lost':>6}{'phantom':>9}{'duplicate':>11}"
            f"{'disorder':>10}{'overlap':>9}{'owners':>8}{'recovery':>10}{'stall':>8}"
        )


def write_row(report: Report) -> None:
    """Print a run's row, and append it to the file that TESTS_FAULT_TABLE names."""
    print(f"\n{Report.header()}\n{report.row()}")
    table = os.environ.get("TESTS_FAULT_TABLE")
    if table:
        with Path(table).open("a", encoding="utf-8") as file:
            if not file.tell():
                file.write(Report.header() + "\n")
            file.write(report.row() + "\n")


def read_notes(path: Path) -> list[Note]:
    """Return a history in the order of time. A line cut short by a kill is left out."""
    notes = []
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        try:
            notes.append(Note(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return sorted(notes, key=lambda note: note.at)


def check(
    name: str,
    sent: Iterable[Sent],
    notes: Iterable[Note],
    *,
    deaths: Mapping[int, float] | None = None,
    faults: Iterable[float] = (),
    frozen: Mapping[int, Sequence[tuple[float, float]]] | None = None,
) -> Report:
    """Judge a run.

    Args:
        name: of the run, for the table.
        sent: what was appended and confirmed.
        notes: what handlers wrote.
        deaths: when which process was killed: what it had begun has ended by then.
        faults: when something was broken, for the time to recover.
        frozen: when which process stood still, from and to: no lease can end a handler that is at
            work in it, so its successor may begin the same message.
    """
    sent, notes = list(sent), sorted(notes, key=lambda note: note.at)
    report = Report(name, sent=len(sent))
    _count(report, sent, notes)
    _check_order(report, notes)
    _check_overlap(report, notes, deaths or {}, frozen or {})
    _check_owners(report, notes)
    report.recovery_seconds = max((_recovery(notes, at) for at in faults), default=0.0)
    report.stall_seconds = _stall(sent, notes)
    return report


def _count(report: Report, sent: list[Sent], notes: list[Note]) -> None:
    known = {(s.channel, s.number) for s in sent}
    ended = {(n.channel, n.number) for n in notes if n.event == "end"}
    report.handled = len(ended)
    report.lost = sorted(known - ended)
    report.phantom = sorted(ended - known)
    failed: dict[tuple[str, int], int] = defaultdict(int)
    started: dict[tuple[str, int], int] = defaultdict(int)
    for note in notes:
        if note.event == "start":
            started[note.channel, note.number] += 1
        elif note.event == "failed":
            failed[note.channel, note.number] += 1
    report.duplicates = sum(count - 1 - failed[key] for key, count in started.items())


def _check_order(report: Report, notes: list[Note]) -> None:
    """A message may begin only after every earlier one of its channel has ended once."""
    done_to: dict[str, int] = defaultdict(lambda: -1)
    ended: dict[str, set[int]] = defaultdict(set)
    for note in notes:
        if note.event == "start" and note.number > done_to[note.channel] + 1:
            report.out_of_order.append(
                f"{note.channel}: {note.number} begun after {done_to[note.channel]}"
            )
        elif note.event == "end":
            ended[note.channel].add(note.number)
            while done_to[note.channel] + 1 in ended[note.channel]:
                done_to[note.channel] += 1
                ended[note.channel].discard(done_to[note.channel])


def _check_overlap(
    report: Report,
    notes: list[Note],
    deaths: Mapping[int, float],
    frozen: Mapping[int, Sequence[tuple[float, float]]],
) -> None:
    at_work: dict[str, Note] = {}
    for note in notes:
        current = at_work.get(note.channel)
        if note.event != "start":
            if current is not None and current.pid == note.pid:
                del at_work[note.channel]
            continue
        if current is not None:
            is_dead = deaths.get(current.pid, float("inf")) <= note.at
            stands_still = any(a <= note.at <= b for a, b in frozen.get(current.pid, ()))
            if not is_dead and not stands_still:
                report.overlaps.append(
                    f"{note.channel}: {note.number} in {note.pid} begun while {current.number} "
                    f"was at work in {current.pid}"
                )
        at_work[note.channel] = note


def _check_owners(report: Report, notes: list[Note]) -> None:
    newest: dict[int, int] = defaultdict(int)
    for note in notes:
        if note.event != "start":
            continue
        if note.epoch < newest[note.partition]:
            report.double_owners.append(
                f"partition {note.partition}: {note.pid} began under epoch {note.epoch} after "
                f"{newest[note.partition]}"
            )
        newest[note.partition] = max(newest[note.partition], note.epoch)


def _recovery(notes: list[Note], fault_at: float) -> float:
    """From the fault to the first start in each partition; the slowest counts."""
    first: dict[int, float] = {}
    for note in notes:
        if note.event == "start" and note.at > fault_at:
            first.setdefault(note.partition, note.at - fault_at)
    return max(first.values(), default=0.0)


def _stall(sent: list[Sent], notes: list[Note]) -> float:
    """The longest time in which a partition had unbegun messages and began none."""
    begun: dict[tuple[str, int], float] = {}
    for note in notes:
        if note.event == "start":
            begun.setdefault((note.channel, note.number), note.at)
    longest = 0.0
    partitions: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for message in sent:
        began = begun.get((message.channel, message.number))
        if began is not None:
            partitions[message.partition].append((began, message.at))
    for rows in partitions.values():
        previous = 0.0
        for began, appended in sorted(rows):
            longest = max(longest, began - max(previous, appended))
            previous = began
    return longest
