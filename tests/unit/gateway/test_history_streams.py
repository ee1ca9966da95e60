"""History's streams over time; the clock is the test's."""

import pytest

from realtime_message.gateway.codes import CommandError
from realtime_message.gateway.history import History, Position, Retention
from realtime_message.gateway.replies import Publication, payload

META_TTL = 100.0
RETENTION = Retention(size=3, ttl_seconds=10, meta_ttl_seconds=META_TTL)


class Clock:
    """Monotonic seconds that stand still."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def history(clock):
    return History(clock)


def add(history, data, *, channel="c", **options):
    return history.add(channel, Publication(payload(data)), RETENTION, **options)


def read(history, channel="c", **query):
    query = {"since": None, "limit": -1, "meta_ttl_seconds": META_TTL, **query}
    publications, position = history.read(channel, **query)
    return [publication.offset for publication in publications], position


def test_offsets_count_on_while_old_publications_go(history):
    """Only the newest are kept, and offsets are never used again."""
    for n in range(5):
        add(history, b"%d" % n)
    offsets, position = read(history)
    assert offsets == [3, 4, 5]
    assert position.offset == 5


def test_publications_expire_and_the_position_stays(history, clock):
    """The TTL counts from the last publication."""
    _, before = add(history, b"1")
    clock.now += RETENTION.ttl_seconds - 1
    assert read(history)[0] == [1]
    clock.now += 1
    assert read(history) == ([], before)
    assert add(history, b"2")[1].offset == 2


def test_position_is_forgotten_after_the_meta_ttl(history, clock):
    """Then the channel begins again, in another epoch."""
    _, before = add(history, b"1")
    clock.now += META_TTL
    _, after = read(history)
    assert after.offset == 0
    assert after.epoch != before.epoch
    with pytest.raises(CommandError) as caught:
        read(history, since=before)
    assert caught.value.body.code == 112


def test_reading_keeps_the_position_alive(history, clock):
    """A channel that somebody looks at is not forgotten."""
    _, before = add(history, b"1")
    for _ in range(3):
        clock.now += META_TTL - 1
        assert history.position("c", META_TTL) == before


def test_sweep_frees_channels_that_nobody_uses(history, clock):
    """Publications go with their TTL, the stream with the meta TTL."""
    add(history, b"1")
    clock.now += RETENTION.ttl_seconds
    history.sweep()
    assert not history._streams["c"].entries
    clock.now += META_TTL
    history.sweep()
    assert not history._streams


@pytest.mark.parametrize(
    ("offset", "reverse", "expected"),
    [
        (0, False, [3, 4, 5]),
        (3, False, [4, 5]),
        (5, False, []),
        (5, True, [4, 3]),
        (4, True, [3]),
        (3, True, []),
        (9, True, []),
    ],
)
def test_reading_from_a_position(history, offset, reverse, expected):
    """Forwards after it, backwards before it; backwards only while its neighbour is kept."""
    for n in range(5):
        add(history, b"%d" % n)
    assert read(history, since=Position(offset, ""), reverse=reverse)[0] == expected


def test_versions_within_an_epoch_only_grow(history):
    """An old version is not stored; another epoch of versions, or none, starts anew."""
    assert add(history, b"1", version=2, version_epoch="a")[0] is not None
    stored, position = add(history, b"2", version=2, version_epoch="a")
    assert stored is None
    assert position.offset == 1
    assert add(history, b"3", version=1, version_epoch="b")[0] is not None
    assert add(history, b"4", version=1)[0] is None
    assert add(history, b"5")[0] is not None
    assert add(history, b"6", version=1)[0] is not None
