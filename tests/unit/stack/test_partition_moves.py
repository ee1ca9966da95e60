"""What a worker says of its partitions is one line in the view of `rtm up`."""

import asyncio

from realtime_message.stack.partition_moves import PartitionMoves


def _line(event: str, partition: int) -> str:
    return f"14:19:52.5{partition} {event:<24} partition={partition} epoch=17{partition}"


async def test_partitions_that_come_together_are_one_line() -> None:
    """With the time of the first; what comes in between keeps its place."""
    shown: list[str] = []
    moves = PartitionMoves(shown.append)
    for number in (1, 0, 12):
        moves.take(_line("partition.acquired", number))
    moves.take(_line("partition.released", 3))
    moves.take("14:19:53.000 worker.stopped           worker=2")
    assert shown == [
        "14:19:52.51 partition.acquired       partitions=0,1,12",
        "14:19:52.53 partition.released       partitions=3",
        "14:19:53.000 worker.stopped           worker=2",
    ]


async def test_line_is_not_held_for_long() -> None:
    """Also when nothing follows."""
    shown: list[str] = []
    moves = PartitionMoves(shown.append)
    moves.take(_line("partition.acquired", 4))
    assert shown == []
    async with asyncio.timeout(10):
        while not shown:  # noqa: ASYNC110 - a timer tells nobody
            await asyncio.sleep(0.01)
    assert shown == ["14:19:52.54 partition.acquired       partitions=4"]


async def test_colours_stay_and_other_lines_are_let_alone() -> None:
    """JSON, and events of other names."""
    shown: list[str] = []
    moves = PartitionMoves(shown.append)
    dim, bold, cyan, off = "\x1b[2m", "\x1b[1m", "\x1b[36m", "\x1b[0m"
    begin = f"{dim}14:19:52.5{off} {bold}partition.acquired      {off} "
    moves.take(f"{begin}{cyan}partition{off}=5 {cyan}epoch{off}=6")
    moves.flush()
    others = ['{"event": "partition.acquired", "partition": 1}', _line("partition.lost", 1)]
    for other in others:
        moves.take(other)
    assert shown == [f"{begin}{cyan}partitions{off}=5", *others]
