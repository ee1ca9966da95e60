"""The worker's numbers: plain integers, read when Prometheus asks.

Counting is on the path of every message, so that only notes what there is to count; it is counted
for many at once. Labels come from closed sets: partition and outcome, never channel, user or
message.

    read = done (ack, skip, unhandled, dead_letter) + abandoned + in hand
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from operator import sub
from time import time
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class Outcome(StrEnum):
    """How an attempt ended. Metric labels, log values and receipts use these words."""

    # An enumeration's own hash is a function in Python, too slow for what is counted per message.
    __hash__ = str.__hash__

    ack = "ack"
    """The handler returned: done."""
    skip = "skip"
    """The handler raised Skip: done, and counted apart."""
    unhandled = "unhandled"
    """No handler wants the channel, and the policy is to acknowledge."""
    retry = "retry"
    """Another attempt follows; the channel waits for it."""
    dead_letter = "dead_letter"
    """Given up and kept among the dead letters."""
    abandoned = "abandoned"
    """Cut short because the partition was lost or the worker stops; the next owner gets it."""


class Loss(StrEnum):
    """Why a partition was not given back in order."""

    taken = "taken"
    """The streams say that another worker has it."""
    expired = "expired"
    """No renewal succeeded in time; given up by the worker's own clock."""
    blocked = "blocked"
    """A handler blocked the event loop beyond the limit."""
    stuck = "stuck"
    """A handler did not end when the partition was to be handed over."""
    stalled = "stalled"
    """Its oldest entry stayed although nothing was at work; it is read anew."""


#: Upper bounds of the histograms' buckets, in seconds.
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)

#: Of an entry id's milliseconds, until the year 2286.
_MS_DIGITS = 13

#: So many attempts are noted before they are counted.
_MAX_NOTED = 256

#: What is noted of an attempt: partition, outcome, seconds it took, entry id, when it ended.
_Attempt = tuple[int, Outcome, float, str, float]


class _Partition(Protocol):
    number: int


class _Entry(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def aside_of(self) -> str: ...


class Attempted(Protocol):
    """As much of a delivery as is counted."""

    @property
    def held(self) -> _Partition:
        """Its partition."""
        ...

    @property
    def entry(self) -> _Entry:
        """What the stream holds."""
        ...


class _Histogram:
    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, values: Sequence[float]) -> None:
        # To sort many and look for the few bounds takes less than to look for each one's bucket.
        ordered = sorted(values)
        place = 0
        for bucket, bound in enumerate(BOUNDS):
            begin, place = place, bisect_right(ordered, bound, place)
            self.buckets[bucket] += place - begin
        self.buckets[-1] += len(ordered) - place
        # Clocks of two machines may make a time negative, but a sum must not go down.
        self.total += max(0.0, sum(values))

    def fill(self, family: HistogramMetricFamily) -> None:
        count = 0
        rows: list[tuple[str, float]] = []
        for bound, bucket in zip((*map(str, BOUNDS), "+Inf"), self.buckets, strict=True):
            count += bucket
            rows.append((bound, count))
        family.add_metric([], rows, self.total)


class WorkerMetrics(Collector):
    """The numbers of one worker process.

    Args:
        owned: returns the partitions held now and how many messages each has in hand.
    """

    def __init__(self, owned: Callable[[], dict[int, int]] = dict) -> None:
        self.owned = owned
        self._noted: list[_Attempt] = []
        self._counting = threading.Lock()
        self._outcomes: Counter[tuple[int, Outcome]] = Counter()
        self.losses = dict.fromkeys(Loss, 0)
        self.read_count = 0
        self.acquired_count = 0
        self.released_count = 0
        self.incidents: dict[str, int] = {}
        self.lost_receipts = 0
        self._handling = _Histogram()
        self._age = _Histogram()

    def attempt_done(self, delivery: Attempted, outcome: Outcome, took_seconds: float) -> None:
        """Count an attempt that has just ended.

        Args:
            delivery: what was attempted.
            outcome: how it ended.
            took_seconds: how long the handler took.
        """
        entry, noted = delivery.entry, self._noted
        first_id = entry.aside_of or entry.id
        noted.append((delivery.held.number, outcome, took_seconds, first_id, time()))
        if len(noted) >= _MAX_NOTED:
            self._count()

    def count_incident(self, kind: str) -> None:
        """Count something that should not happen on a healthy server and was healed."""
        self.incidents[kind] = self.incidents.get(kind, 0) + 1

    def total(self, outcome: Outcome) -> int:
        """How many attempts ended so, over all partitions."""
        self._count()
        return sum(count for (_, ended), count in list(self._outcomes.items()) if ended is outcome)

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics; called by the Prometheus client at each scrape, in its thread."""
        self._count()
        yield from self._messages()
        yield from self._partitions()
        incidents = CounterMetricFamily(
            "rtm_worker_incidents",
            "What should not happen on a healthy Redis and was healed by rule.",
            labels=["kind"],
        )
        for kind, count in list(self.incidents.items()):
            incidents.add_metric([kind], count)
        yield incidents
        yield CounterMetricFamily(
            "rtm_worker_lost_receipts",
            "Receipts that could not be published.",
            value=self.lost_receipts,
        )

    def _count(self) -> None:
        """Count what was noted; two threads may want to."""
        with self._counting:
            noted = self._noted[:]
            if not noted:
                return
            del self._noted[: len(noted)]  # not `clear`: there may be more by now
            partitions, outcomes, took, entry_ids, ended_at = zip(*noted, strict=True)
            self._outcomes.update(zip(partitions, outcomes, strict=True))
            self._handling.add(took)
            # Two machines' clocks: only for people to look at, never to decide by.
            self._age.add(list(map(sub, ended_at, _stored_at(entry_ids))))

    def _messages(self) -> Iterable[Metric]:
        attempts = CounterMetricFamily(
            "rtm_worker_attempts",
            "Attempts to handle a message, by how they ended.",
            labels=["partition", "outcome"],
        )
        for partition in sorted({partition for partition, _ in list(self._outcomes)}):
            for outcome in Outcome:
                attempts.add_metric([str(partition), outcome], self._outcomes[partition, outcome])
        yield attempts
        yield CounterMetricFamily(
            "rtm_worker_read", "Entries read from the streams.", value=self.read_count
        )
        for name, text, histogram in (
            ("rtm_worker_handling_seconds", "Time a handler took.", self._handling),
            ("rtm_worker_age_seconds", "From the stored message to its handler's end.", self._age),
        ):
            family = HistogramMetricFamily(name, text, labels=[])
            histogram.fill(family)
            yield family

    def _partitions(self) -> Iterable[Metric]:
        in_hand = GaugeMetricFamily(
            "rtm_worker_in_hand",
            "Messages read and not yet done, for each partition held.",
            labels=["partition"],
        )
        owned = self.owned()
        for partition, count in sorted(owned.items()):
            in_hand.add_metric([str(partition)], count)
        yield in_hand
        yield GaugeMetricFamily("rtm_worker_partitions", "Partitions held.", value=len(owned))
        yield CounterMetricFamily(
            "rtm_worker_acquired", "Partitions acquired.", value=self.acquired_count
        )
        yield CounterMetricFamily(
            "rtm_worker_released", "Partitions handed over in order.", value=self.released_count
        )
        lost = CounterMetricFamily(
            "rtm_worker_lost", "Partitions lost, by reason.", labels=["reason"]
        )
        for reason, count in self.losses.items():
            lost.add_metric([reason], count)
        yield lost


def _stored_at(entry_ids: Sequence[str]) -> Iterable[float]:
    """Return when entries were stored, in seconds since 1970: their ids begin with it."""
    # Of many that come together, most share a millisecond.
    starts = [entry_id[:_MS_DIGITS] for entry_id in entry_ids]
    whole = dict(zip(starts, entry_ids, strict=True))
    seconds = {start: int(one.partition("-")[0]) / 1000 for start, one in whole.items()}
    return map(seconds.__getitem__, starts)
