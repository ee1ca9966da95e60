"""What a worker works with; made once, by whoever starts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from realtime_message.app import App
from realtime_message.context import Replies
from realtime_message.settings import WorkerSettings
from realtime_message.streams.contracts import (
    Lease,
    LeaseRenewer,
    LeaseStore,
    PartitionReader,
    StreamTrimmer,
)
from realtime_message.streams.member_contracts import MemberStore
from realtime_message.streams.resize_contracts import Gatekeeper, ResizeStore
from realtime_message.telemetry.worker_metrics import WorkerMetrics
from realtime_message.worker.lease_hold import Clock
from realtime_message.worker.names import Names
from realtime_message.worker.parking import ChannelParker
from realtime_message.worker.settle import Observer

if TYPE_CHECKING:
    from realtime_message.telemetry.tracing import Tracing


class WorkerStreams(Protocol):
    """What a worker needs of the streams; `streams.Streams` has it."""

    @property
    def partition_count(self) -> int:
        """How many partitions there are."""
        ...

    @property
    def leases(self) -> LeaseStore:
        """Takes and gives back leases."""
        ...

    @property
    def members(self) -> MemberStore:
        """Who is there, and who should own what."""
        ...

    @property
    def resizer(self) -> ResizeStore:
        """What is known of a change of the partition count."""
        ...

    @property
    def trimmer(self) -> StreamTrimmer:
        """Removes handled entries."""
        ...

    async def find_oldest(self, partition: int) -> str | None:
        """Return the id of the oldest entry that is not acknowledged; None if there is none."""
        ...

    def reader(self, lease: Lease, consumer: str) -> PartitionReader:
        """Return a fenced reader under a lease, for a consumer of the group."""
        ...

    async def retire_consumers(self, lease: Lease, consumer: str, *, is_leaving: bool) -> int:
        """Delete consumers that hold nothing: those of ended processes; ours if we leave."""
        ...

    def parker(self, lease: Lease) -> ChannelParker:
        """Return what parks channels under a lease."""
        ...

    def gatekeeper(self, lease: Lease) -> Gatekeeper:
        """Return what the owner of a partition does at a marker, under a lease."""
        ...

    def renewer(self) -> LeaseRenewer:
        """Return a renewer for a thread of its own; the thread closes it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What a worker works with.

    Attributes:
        settings: the worker's section.
        app: the user's handlers.
        resources: what the app's resources opened, by name.
        streams: where the messages are.
        names: the worker's names.
        replies: Centrifugo's server API, for handlers that answer.
        metrics: counts.
        observe: is told of every attempt.
        clock: seconds, never jumping.
        tracing: makes spans; None where it is off.
    """

    settings: WorkerSettings
    app: App
    resources: Mapping[str, Any]
    streams: WorkerStreams
    names: Names
    replies: Replies
    metrics: WorkerMetrics
    observe: Observer
    clock: Clock
    tracing: Tracing | None = None
