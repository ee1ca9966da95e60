"""Whether the numbers add up, as far as Redis can tell: nothing that waits may be missing.

Every entry that was appended is handled, pending, unread or a dead letter. Redis counts appends,
and what the workers' group has read; it does not count acknowledgements. So this is what can be
checked: the group has not read more than was appended, and what is pending or unread is still in
the stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from realtime_message.doctor.findings import Finding, counted, error, note
from realtime_message.streams.flow import FlowCount


def review_accounts(
    counts: Sequence[FlowCount | None], dead_letters: Sequence[int], set_aside: int
) -> Iterator[Finding]:
    """Yield where the numbers do not add up, and the sum where they do.

    Args:
        counts: each partition's counters; None where a stream or group is not there.
        dead_letters: how many each partition has.
        set_aside: how many entries of parked channels are set aside.
    """
    known = [count for count in counts if count is not None and count.read is not None]
    for partition, count in enumerate(counts):
        if count is not None:
            yield from _partition(partition, count)
    appended = sum(count.added for count in known)
    unread = sum(count.added - (count.read or 0) for count in known)
    pending = sum(count.pending for count in known)
    dead = sum(dead_letters)
    handled = max(0, appended - unread - pending - dead - set_aside)
    yield note(
        f"entries appended: {appended}; of these handled: {handled}, pending: {pending}, unread: "
        f"{unread}, dead letters: {dead}, set aside: {set_aside}",
        "replayed or purged dead letters count as handled",
    )
    unknown = sum(count is not None and count.read is None for count in counts)
    if unknown:
        yield note(
            f"{counted(unknown, 'partition', 'partitions')} left out: the server cannot tell how "
            "far the group has read",
            "so it is after entries were deleted by hand, until the group has read to the end",
        )


def _partition(partition: int, count: FlowCount) -> Iterator[Finding]:
    if count.read is None:
        return
    unread = count.added - count.read
    if unread < 0:
        yield error(
            f"partition {partition}: the workers' group has read "
            f"{counted(count.read, 'entry', 'entries')}, but only {count.added} appended",
            "the stream was deleted, or replaced by an older copy, and the group was not",
            "compare the stream with a backup before anything else is done; workers go on with "
            "what is there",
        )
    elif unread + count.pending > count.length:
        yield error(
            f"partition {partition}: {counted(unread, 'entry is', 'entries are')} unread and "
            f"{count.pending} pending, but "
            f"the stream holds only {count.length}",
            "messages that nobody has handled were deleted from outside (XDEL, XTRIM, MAXLEN): "
            "they are lost",
            "find out which program trims or deletes in the streams; workers remove what every "
            "group has handled, and nothing else",
        )
