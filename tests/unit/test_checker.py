"""The checker finds each kind of wrong, and nothing in a run that is right."""

import json
from dataclasses import asdict
from pathlib import Path

from support.checker import Note, Sent, check, read_notes


def note(event: str, number: int, at: float, **changes: object) -> Note:
    fields = {"channel": "a", "partition": 0, "epoch": 1, "attempt": 1, "pid": 1, **changes}
    return Note(event=event, number=number, at=at, **fields)


def handled(number: int, at: float, **changes: object) -> list[Note]:
    return [note("start", number, at, **changes), note("end", number, at + 0.5, **changes)]


def sent(*numbers: int, channel: str = "a") -> list[Sent]:
    return [Sent(channel, number, 0, float(number)) for number in numbers]


RIGHT = [*handled(0, 0), *handled(1, 1), *handled(2, 2)]


def test_right_run_is_sound() -> None:
    """In order, each once."""
    report = check("run", sent(0, 1, 2), RIGHT)
    assert report.is_sound
    assert (report.sent, report.handled, report.duplicates) == (3, 3, 0)
    assert len(report.row()) == len(report.header())


def test_lost_message_is_found() -> None:
    """Begun is not enough."""
    report = check("run", sent(0, 1, 2, 3), [*RIGHT, note("start", 3, 3)])
    assert report.lost == [("a", 3)]
    assert not report.is_sound


def test_phantom_is_found() -> None:
    """Handled, never sent."""
    assert check("run", sent(0, 1), RIGHT).phantom == [("a", 2)]


def test_duplicates_are_counted_and_retries_are_none() -> None:
    """After a crash the same message begins again; after a failure that is its next attempt."""
    again = [*handled(0, 0), *handled(0, 1, epoch=2, pid=2)]
    report = check("run", sent(0), again, deaths={1: 0.9})
    assert (report.duplicates, report.is_sound) == (1, True)
    retried = [note("start", 0, 0), note("failed", 0, 0.5), *handled(0, 1, attempt=2)]
    assert check("run", sent(0), retried).duplicates == 0


def test_disorder_is_found() -> None:
    """A message begins before an earlier one of its channel has ended once."""
    report = check("run", sent(0, 1), [*handled(1, 0), *handled(0, 1)])
    assert report.out_of_order


def test_repeating_in_order_after_a_crash_is_no_disorder() -> None:
    """5, 6, then 5, 6 again by the next owner."""
    notes = [*handled(0, 0), *handled(1, 1), *handled(0, 2, pid=2), *handled(1, 3, pid=2)]
    report = check("run", sent(0, 1), notes, deaths={1: 1.9})
    assert (report.is_sound, report.duplicates) == (True, 2)


def test_overlap_is_found_unless_the_first_is_dead_or_frozen() -> None:
    """Two handlers of a channel at once."""
    notes = [note("start", 0, 0), *handled(0, 1, pid=2), note("end", 0, 2)]
    assert check("run", sent(0), notes).overlaps
    assert not check("run", sent(0), notes[:-1], deaths={1: 0.5}).overlaps
    assert not check("run", sent(0), notes, frozen={1: [(0.5, 1.5)]}).overlaps
    assert check("run", sent(0), notes, frozen={1: [(1.2, 1.5)]}).overlaps


def test_double_owner_is_found() -> None:
    """A message begins under an epoch older than one seen in the partition."""
    notes = [*handled(0, 0, epoch=5), *handled(0, 1, epoch=4, channel="b")]
    assert check("run", sent(0) + sent(0, channel="b"), notes).double_owners


def test_recovery_and_stall_are_measured() -> None:
    """From the fault to the next start; the longest time with work and no start."""
    notes = [*handled(0, 0), *handled(1, 7)]
    report = check("run", [Sent("a", 0, 0, 0.0), Sent("a", 1, 0, 2.0)], notes, faults=[3.0])
    assert report.recovery_seconds == 4.0
    assert report.stall_seconds == 5.0


def test_history_with_a_line_cut_short_is_read(tmp_path: Path) -> None:
    """A killed process may leave half a line."""
    path = tmp_path / "history"
    lines = [json.dumps(asdict(each)) for each in RIGHT]
    path.write_text("\n".join([*lines, lines[0][:20]]), "utf-8")
    assert read_notes(path) == RIGHT
    assert read_notes(tmp_path / "none") == []
