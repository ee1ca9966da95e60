"""The callback service's numbers: plain integers, read when Prometheus asks.

Counting is on the path of every request, so it only adds to the process's own list. Several times a
second, and when asked, a process copies its list into a block of memory that all processes of the
service share; whichever of them is asked adds the copies up. No locks: each part of the block has
one writer.

For each proxy event, at any moment:
received = appended + duplicate + accepted + rejected + failed + in flight.
"""

from __future__ import annotations

import mmap
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class Outcome(StrEnum):
    """What became of a proxy event."""

    appended = "appended"
    """A publish: Redis confirmed the entry."""
    duplicate = "duplicate"
    """A publish: the message was there already, and the first answer was given again."""
    accepted = "accepted"
    """Another event: permitted."""
    rejected = "rejected"
    """Refused, by a rule, a hook or a limit."""
    failed = "failed"
    """It did not work, or nobody knows: a temporary error."""


#: Upper bounds of the latency histogram's buckets, in seconds.
LATENCY_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

# Where an event's numbers are, from its first one: received, one for each outcome, one for each
# latency bucket, the sum of the latencies in microseconds.
_RECEIVED = 0
_OUTCOMES = {outcome: 1 + index for index, outcome in enumerate(Outcome)}
_LATENCY = 1 + len(Outcome)
_MICROSECONDS = _LATENCY + len(LATENCY_BOUNDS) + 1
_EVENT_SIZE = _MICROSECONDS + 1


class _Layout:
    """Where each number is in a part: the events', then one for each code, then the others."""

    def __init__(self, events: Sequence[str], codes: Sequence[int]) -> None:
        self.events = {event: index * _EVENT_SIZE for index, event in enumerate(events)}
        first_code = _EVENT_SIZE * len(events)
        self.codes = {int(code): first_code + index for index, code in enumerate(codes)}
        self.other_code = first_code + len(codes)
        self.unauthenticated = self.other_code + 1
        self.late = self.unauthenticated + 1
        self.size = self.late + 1


class CallbackMetrics:
    """The numbers of one process, to be counted up; made by MetricsBlock.part."""

    def __init__(self, part: memoryview, layout: _Layout) -> None:
        self._part = part
        self._layout = layout
        self._events = layout.events
        # A process that takes a dead one's place counts on from there.
        self._counts: list[float] = [*part]

    def received(self, event: str) -> None:
        """Count a proxy event that arrived whole and from a known caller."""
        self._counts[self._events[event]] += 1

    def answered(self, event: str, outcome: Outcome, seconds: float) -> None:
        """Count an answer, and how long it took."""
        counts = self._counts
        offset = self._events[event]
        counts[offset + _OUTCOMES[outcome]] += 1
        counts[offset + _LATENCY + bisect_left(LATENCY_BOUNDS, seconds)] += 1
        counts[offset + _MICROSECONDS] += seconds * 1e6

    def error(self, code: int) -> None:
        """Count an error reply by its code."""
        self._counts[self._layout.codes.get(code, self._layout.other_code)] += 1

    def unauthenticated(self) -> None:
        """Count a request of a caller that is not the gateway."""
        self._counts[self._layout.unauthenticated] += 1

    def late(self) -> None:
        """Count an entry that Redis confirmed after its request had been given up."""
        self._counts[self._layout.late] += 1

    def settle(self) -> None:
        """Count as failed what a dead process of this part left unanswered."""
        for offset in self._events.values():
            answered = sum(self._counts[offset + index] for index in _OUTCOMES.values())
            self._counts[offset + _OUTCOMES[Outcome.failed]] += (
                self._counts[offset + _RECEIVED] - answered
            )

    def share(self) -> None:
        """Let the other processes see the numbers."""
        self._part[:] = array("q", map(int, self._counts))


class MetricsBlock(Collector):
    """The block of all processes of one service, and what Prometheus reads of it.

    Args:
        events: the names of the proxy events.
        codes: the error codes that have a counter of their own; all others share one.
        process_count: how many parts it has. Processes that are forked later share the block.
    """

    def __init__(self, events: Sequence[str], codes: Sequence[int], process_count: int = 1) -> None:
        self._layout = _Layout(events, codes)
        self._process_count = process_count
        memory = mmap.mmap(-1, self._layout.size * process_count * 8)
        self._block = memoryview(memory).cast("q")
        self._own: dict[int, CallbackMetrics] = {}

    def part(self, process: int = 0) -> CallbackMetrics:
        """Return the numbers of one process, counted from 0; this process must be that one."""
        if process not in self._own:
            self._own[process] = CallbackMetrics(self._part(process), self._layout)
        return self._own[process]

    def outcomes(self, event: str) -> dict[str, int]:
        """Return `received`, each outcome and `in_flight` of one event, over all processes."""
        totals = self._totals()
        offset = self._layout.events[event]
        counts = {outcome.value: totals[offset + index] for outcome, index in _OUTCOMES.items()}
        received = totals[offset + _RECEIVED]
        return {"received": received, **counts, "in_flight": received - sum(counts.values())}

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics; called by the Prometheus client at each scrape."""
        totals = self._totals()
        yield from self._event_counts()
        yield self._latencies(totals)
        errors = CounterMetricFamily(
            "rtm_callback_errors", "Error replies by the code that clients see.", labels=["code"]
        )
        for code, index in self._layout.codes.items():
            errors.add_metric([str(code)], totals[index])
        errors.add_metric(["other"], totals[self._layout.other_code])
        yield errors
        yield CounterMetricFamily(
            "rtm_callback_unauthenticated",
            "Requests of callers that are not the gateway.",
            value=totals[self._layout.unauthenticated],
        )
        yield CounterMetricFamily(
            "rtm_callback_late_appends",
            "Entries that were confirmed after their request had failed by its deadline.",
            value=totals[self._layout.late],
        )

    def _event_counts(self) -> Iterator[Metric]:
        received = CounterMetricFamily(
            "rtm_callback_received", "Proxy events received.", labels=["event"]
        )
        answered = CounterMetricFamily(
            "rtm_callback_answered", "Proxy events answered.", labels=["event", "outcome"]
        )
        in_flight = GaugeMetricFamily(
            "rtm_callback_in_flight", "Proxy events being worked on.", labels=["event"]
        )
        for event in self._layout.events:
            counts = self.outcomes(event)
            received.add_metric([event], counts["received"])
            in_flight.add_metric([event], counts["in_flight"])
            for outcome in Outcome:
                answered.add_metric([event, outcome], counts[outcome])
        yield from (received, answered, in_flight)

    def _latencies(self, totals: list[int]) -> Metric:
        family = HistogramMetricFamily(
            "rtm_callback_duration_seconds", "From a whole request to its answer.", labels=["event"]
        )
        for event, offset in self._layout.events.items():
            count = 0
            buckets: list[tuple[str, float]] = []
            for index, bound in enumerate((*map(str, LATENCY_BOUNDS), "+Inf")):
                count += totals[offset + _LATENCY + index]
                buckets.append((bound, count))
            family.add_metric([event], buckets, totals[offset + _MICROSECONDS] / 1e6)
        return family

    def _part(self, process: int) -> memoryview:
        return self._block[process * self._layout.size : (process + 1) * self._layout.size]

    def _totals(self) -> list[int]:
        for part in self._own.values():
            part.share()
        parts = (self._part(process) for process in range(self._process_count))
        return [sum(column) for column in zip(*parts, strict=True)]
