"""The partition rule: its numbers are part of the wire format."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from realtime_message.partitions import hash_tag, partition_of, shown_partitions


@pytest.mark.parametrize(
    ("channel", "digest", "of_8", "of_5"),
    [
        ("news", 0x508C75C8, 0, 2),
        ("", 0xD41D8CD9, 1, 3),
        ("room:1", 0xF6701C5A, 2, 1),
        ("chat:räume", 0x6359775C, 4, 4),
        ("a:b:c", 0x02CC8F08, 0, 2),
        ("聊天", 0xC0ABBFB4, 4, 4),
    ],
)
def test_partitions_of_known_channels(channel: str, digest: int, of_8: int, of_5: int) -> None:
    """The first four bytes of md5sum's output, modulo the partition count."""
    assert (digest % 8, digest % 5) == (of_8, of_5)
    assert (partition_of(channel, 8), partition_of(channel, 5)) == (of_8, of_5)


@given(channel=st.text(max_size=300), count=st.integers(1, 1024))
def test_every_channel_has_one_partition_in_range(channel: str, count: int) -> None:
    """Any text is in exactly one partition, always the same."""
    partition = partition_of(channel, count)
    assert 0 <= partition < count
    assert partition == partition_of(channel, count)


def test_channels_spread_evenly() -> None:
    """Ten thousand rooms fill eight partitions within a tenth of the mean."""
    sizes = Counter(partition_of(f"room:{n}", 8) for n in range(10_000))
    assert len(sizes) == 8
    assert max(sizes.values()) < 1250 * 1.1
    assert min(sizes.values()) > 1250 * 0.9


def test_hash_tag_puts_a_key_beside_its_stream() -> None:
    """A key with the tag hashes like the plain key."""
    stream = "messages:partition:3"
    assert key_slot(f"{hash_tag(stream)}:lease".encode()) == key_slot(stream.encode())


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        ([], ""),
        ([3], "3"),
        ([3, 2, 1, 0, 7, 10, 9], "0-3,7,9,10"),
        (range(256), "0-255"),
    ],
)
def test_runs_of_partitions_are_drawn_together(numbers: list[int], shown: str) -> None:
    """There may be hundreds."""
    assert shown_partitions(numbers) == shown
    assert shown_partitions(numbers, ", ") == shown.replace(",", ", ")
