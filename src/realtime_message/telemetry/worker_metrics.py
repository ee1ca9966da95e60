"""The worker's numbers: plain integers, read when Prometheus asks.

Counting is on the path of every message, so it is an addition to a list and nothing else. Labels
come from closed sets: partition and outcome, never channel, user or message.

    read = done (ack, skip, unhandled, dead_letter) + abandoned + in hand
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from enum import StrEnum

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


class _Histogram:
    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

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
        #: By partition and outcome.
        self.outcomes: dict[int, dict[Outcome, int]] = {}
        self.losses = dict.fromkeys(Loss, 0)
        self.read_count = 0
        self.acquired_count = 0
        self.released_count = 0
        self.incidents: dict[str, int] = {}
        self.lost_receipts = 0
        self._handling = _Histogram()
        self._age = _Histogram()

    def attempt_done(
        self, partition: int, outcome: Outcome, took_seconds: float, age_seconds: float
    ) -> None:
        """Count an attempt.

        Args:
            partition: the message's partition.
            outcome: how it ended.
            took_seconds: how long the handler took.
            age_seconds: how long ago the callback service stored the message.
        """
        outcomes = self.outcomes.get(partition)
        if outcomes is None:
            outcomes = self.outcomes[partition] = dict.fromkeys(Outcome, 0)
        outcomes[outcome] += 1
        # Written out: two calls would cost as much as the rest.
        handling, age = self._handling, self._age
        handling.buckets[bisect_left(BOUNDS, took_seconds)] += 1
        handling.total += took_seconds
        age.buckets[bisect_left(BOUNDS, age_seconds)] += 1
        age.total += age_seconds

    def count_incident(self, kind: str) -> None:
        """Count something that should not happen on a healthy server and was healed."""
        self.incidents[kind] = self.incidents.get(kind, 0) + 1

    def total(self, outcome: Outcome) -> int:
        """How many attempts ended so, over all partitions."""
        return sum(outcomes[outcome] for outcomes in list(self.outcomes.values()))

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics; called by the Prometheus client at each scrape, in its thread."""
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

    def _messages(self) -> Iterable[Metric]:
        attempts = CounterMetricFamily(
            "rtm_worker_attempts",
            "Attempts to handle a message, by how they ended.",
            labels=["partition", "outcome"],
        )
        for partition, outcomes in list(self.outcomes.items()):
            for outcome, count in outcomes.items():
                attempts.add_metric([str(partition), outcome], count)
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
