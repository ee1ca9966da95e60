"""Fixed assignments, and what a wrong one is answered with."""

import pytest

from realtime_message.errors import ConfigurationError
from realtime_message.worker.assignment import assign, static_partitions


def test_nobody_gets_nothing() -> None:
    """Without members there is no assignment."""
    assert assign({0: "gone"}, [], 8) == {}


def test_assignment_is_the_same_in_every_release() -> None:
    """A rolling upgrade must not move partitions, so the first assignment is written down here."""
    assert assign({}, ["a", "b", "c"], 8) == assign({}, ["c", "b", "a", "a"], 8)
    assert "".join(assign({}, ["a", "b", "c"], 8).values()) == "abcbcabc"


def test_more_workers_than_partitions_leaves_some_standing_by() -> None:
    """Each partition has an owner of its own and the others wait."""
    assignment = assign({}, [f"w{i}" for i in range(12)], 8)
    assert len(set(assignment.values())) == 8


@pytest.mark.parametrize(
    ("worker_id", "total", "expected"),
    [
        ("0", 2, {0, 2, 4, 6}),
        ("1", 2, {1, 3, 5, 7}),
        ("2", 3, {2, 5}),
        ("", 1, set(range(8))),
        ("7", 8, {7}),
    ],
)
def test_static_assignment_is_the_remainder(worker_id: str, total: int, expected: set) -> None:
    """Partition i belongs to the worker whose number is i mod TOTAL_WORKERS."""
    assert static_partitions(worker_id, total, "", 8) == expected


def test_listed_partitions_win() -> None:
    """PARTITIONS names them, whatever the numbers of workers."""
    assert static_partitions("5", 2, " 0, 1,7 ", 8) == {0, 1, 7}


def test_without_settings_assignment_is_automatic() -> None:
    """A name alone fixes nothing."""
    assert static_partitions("alpha", 0, "", 8) is None


@pytest.mark.parametrize(
    ("worker_id", "total", "partitions", "said"),
    [
        ("2", 2, "", 'WORKER_ID="2" does not fit TOTAL_WORKERS=2'),
        ("", 2, "", "give each worker its own number from 0 to 1"),
        ("alpha", 3, "", 'WORKER_ID="alpha"'),
        ("-1", 3, "", 'WORKER_ID="-1"'),
        ("9", 12, "", "has no partition: there are only 8"),
        ("", 0, "0,8", "PARTITIONS names 8, but the partitions are 0 to 7"),
        ("", 0, "0,-2", "PARTITIONS names -2"),
        ("", 0, "one", "write numbers such as 0,1,2"),
        ("", 0, " , ", "write numbers such as 0,1,2"),
    ],
)
def test_wrong_settings_are_named(worker_id: str, total: int, partitions: str, said: str) -> None:
    """A setting that contradicts the layout is refused with what to do."""
    with pytest.raises(ConfigurationError, match=said):
        static_partitions(worker_id, total, partitions, 8)
