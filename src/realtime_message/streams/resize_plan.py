"""What a change of the partition count would do, and what speaks against it. Changes nothing."""

from __future__ import annotations

import math

import msgspec

from realtime_message.errors import StreamsError
from realtime_message.partitions import shown_partitions
from realtime_message.streams.inspect import Inspector
from realtime_message.streams.keys import Keys
from realtime_message.streams.layout_view import LayoutView
from realtime_message.streams.publisher_fence import PublisherFence
from realtime_message.streams.server_errors import CommandForbiddenError, CommandUnknownError
from realtime_message.streams.session import Session

#: redis.partition_count may not be more.
MAX_PARTITIONS = 1024


class ResizePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen.

    Attributes:
        partition_count: now.
        target_count: then.
        is_under_way: whether this resize was begun before, and would be carried on.
        moving_share: about which share of the channels gets another partition.
        added: streams that are made, or used again.
        dropped: streams that are not used any more; they and their dead letters stay.
        unhandled: entries that must be handled before any that is published afterwards.
        publishers: connections that append now.
        workers: how many live.
        unowned: partitions that no worker holds.
        refusals: why it cannot be done; empty if it can.
        advice: what to look at before or after.
    """

    partition_count: int
    target_count: int
    is_under_way: bool
    moving_share: float
    added: list[str]
    dropped: list[str]
    unhandled: int
    publishers: int
    workers: int
    unowned: list[int]
    refusals: list[str]
    advice: list[str]


class Planner:
    """Makes plans.

    Args:
        session: where the commands go.
        keys: the key names.
        inspector: shows partitions and workers.
        fence: knows the publishers.
    """

    def __init__(
        self, session: Session, keys: Keys, inspector: Inspector, fence: PublisherFence
    ) -> None:
        self._session = session
        self._keys = keys
        self._inspector = inspector
        self._fence = fence

    async def plan(self, view: LayoutView, count: int) -> ResizePlan:
        """Return what a resize to a count would do now. Raises StreamsError."""
        now = view.partition_count
        refusals = await self._missing_rights()
        if refusal := _refusal(view, count):
            refusals.insert(0, refusal)
        publishers = 0 if refusals else len(await self._fence.publishers())
        partitions = await self._inspector.partitions()
        members = await self._inspector.members()
        owners = {p.owner.holder for p in partitions if p.owner is not None}
        unowned = [p.partition for p in partitions[:now] if p.owner is None]
        return ResizePlan(
            partition_count=now,
            target_count=count,
            is_under_way=not view.is_stable and count in (view.target_count, now),
            moving_share=round(moving_share(now, count), 3) if count > 0 else 0.0,
            added=[self._keys.stream(p) for p in range(now, count)],
            dropped=[self._keys.stream(p) for p in range(max(count, 0), now)],
            unhandled=sum(p.pending + (p.lag or 0) for p in partitions[:now]),
            publishers=publishers,
            workers=len(owners | set(members.members)),
            unowned=unowned,
            refusals=refusals,
            advice=_advice(count, publishers, unowned),
        )

    async def _missing_rights(self) -> list[str]:
        """Ask for every right that a resize needs in a form that changes nothing."""
        rights = {
            "+client|list": ("CLIENT", "LIST", "ID", 1),
            "+client|kill": ("CLIENT", "KILL", "ID", (1 << 63) - 1),
            "+xsetid": ("XSETID", self._keys.probe(self._keys.stream(0)), "1-1"),
        }
        replies = await self._session.call(*rights.values())
        answers = list(zip(rights, replies, strict=True))
        forbidden = [right for right, reply in answers if isinstance(reply, CommandForbiddenError)]
        missing = [
            f"the server lacks what a resize needs ({reply})"
            for _, reply in answers
            if isinstance(reply, CommandUnknownError)
        ]
        if forbidden:
            named = " ".join(forbidden)
            missing.append(f"the Redis user may not do what a resize needs: give it {named}")
        return missing


def moving_share(count: int, target: int) -> float:
    """Return the share of evenly spread channels whose partition is another one then."""
    period = math.lcm(count, target)
    return sum(h % count != h % target for h in range(period)) / period


def _refusal(view: LayoutView, count: int) -> str | None:
    """Return what in the layout speaks against a resize to a count."""
    if not 1 <= count <= MAX_PARTITIONS:
        return f"{count} is no partition count: it is a number from 1 to {MAX_PARTITIONS}"
    if view.is_stable and count == view.partition_count:
        there = "is 1 partition" if count == 1 else f"are {count} partitions"
        return f"there {there} already"
    if view.target_count and count != view.target_count:
        return (
            f"a resize from {view.partition_count} to {view.target_count} is under way: run "
            f"`rtm partitions resize {view.target_count}` to carry it on, or "
            "`rtm partitions resize --undo` to give it up"
        )
    if not view.is_stable and not view.target_count and count != view.partition_count:
        return (
            f"a resize from {view.previous_count} to {view.partition_count} is under way, and it "
            "is too late to give it up: wait for its end (`rtm partitions list` shows it)"
        )
    return None


def _advice(count: int, publishers: int, unowned: list[int]) -> list[str]:
    setting = (
        f"afterwards set redis.partition_count to {count} wherever it is set; processes that are "
        "set to the count before still start, and say so"
    )
    releases = (
        "every process must be of a release that knows resizing; third-party consumers that "
        "compute partitions themselves must be told the new count"
    )
    advice = [setting, releases]
    if not publishers:
        advice.append("no callback service is connected")
    if unowned:
        named = shown_partitions(unowned, ", ")
        advice.append(
            f"no worker holds partition {named}: until one does, what is published after the "
            "resize waits"
        )
    return advice


def explain(error: StreamsError) -> str:
    """Return what to tell somebody whose resize ended with an error halfway."""
    return (
        f"{error}; publishers may get temporary errors until you run the command again, which "
        "carries the resize on, or with --undo; if nobody does, a worker gives it up within seconds"
    )
