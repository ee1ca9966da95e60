"""Key names: those of the wire format, and all of a partition in one hash slot."""

import pytest
from redis.crc import key_slot

from realtime_message.streams.keys import Keys, consumer_name

KEYS = Keys("messages")


def test_names_of_the_wire_format() -> None:
    """Consumers of the earlier system find streams, groups and consumers under these names."""
    assert KEYS.stream(3) == "messages:partition:3"
    assert KEYS.group(3) == "workers:partition-3"
    assert consumer_name("2", 4711) == "worker-2-4711"


def test_names_beside_a_stream() -> None:
    """Auxiliary keys carry the stream's whole name as their hash tag."""
    assert KEYS.lease(3) == "{messages:partition:3}:lease"
    assert KEYS.epoch(3) == "{messages:partition:3}:epoch"
    assert KEYS.dead_letters(3) == "{messages:partition:3}:dead"
    assert KEYS.dedup(3, "ab12") == "{messages:partition:3}:dedup:ab12"


@pytest.mark.parametrize("partition", [0, 7, 1023])
def test_keys_of_a_partition_share_its_streams_slot(partition: int) -> None:
    """One script may touch all keys of a partition on a cluster."""
    beside = [
        KEYS.lease(partition),
        KEYS.epoch(partition),
        KEYS.dead_letters(partition),
        KEYS.dedup(partition, "x{y}z"),
        KEYS.probe(KEYS.stream(partition)),
        KEYS.check(KEYS.stream(partition)),
    ]
    slots = {key_slot(key.encode()) for key in [KEYS.stream(partition), *beside]}
    assert len(slots) == 1


def test_keys_of_the_prefix_share_a_slot() -> None:
    """Members and assignment are read in one step."""
    keys = [KEYS.members, KEYS.assignment, KEYS.layout]
    assert len({key_slot(key.encode()) for key in keys}) == 1


def test_prefixes_share_no_key() -> None:
    """Another prefix is another installation."""
    other = Keys("messages2")
    mine = {KEYS.stream(0), KEYS.lease(0), KEYS.members, KEYS.layout}
    assert not mine & {other.stream(0), other.lease(0), other.members, other.layout}
