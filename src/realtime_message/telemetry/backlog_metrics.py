"""The back-pressure's numbers, as the callback process that is asked last saw them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class BacklogState(Protocol):
    """What is known of the backlog.

    Attributes:
        refusals: for each partition why it takes no more; None while it does.
        entries: for each partition how many entries are unread or pending; None if unknown.
        memory_share: the share of Redis' maxmemory in use; None without one.
    """

    @property
    def refusals(self) -> Sequence[str | None]: ...
    @property
    def entries(self) -> Sequence[int | None]: ...
    @property
    def memory_share(self) -> float | None: ...


class BacklogMetrics(Collector):
    """Shows a backlog.

    Args:
        state: read at each scrape.
    """

    def __init__(self, state: BacklogState) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics; called by the Prometheus client at each scrape."""
        entries = GaugeMetricFamily(
            "rtm_callback_backlog_entries",
            "Entries that workers have not read or not acknowledged.",
            labels=["partition"],
        )
        for partition, count in enumerate(self._state.entries):
            if count is not None:
                entries.add_metric([str(partition)], count)
        refusing = GaugeMetricFamily(
            "rtm_callback_backlog_full",
            "1 while publishes are refused because of the backlog or of Redis' memory.",
            labels=["partition"],
        )
        for partition, refusal in enumerate(self._state.refusals):
            refusing.add_metric([str(partition)], refusal is not None)
        yield from (entries, refusing)
        if self._state.memory_share is not None:
            yield GaugeMetricFamily(
                "rtm_callback_redis_memory_ratio",
                "Share of Redis' maxmemory that is in use.",
                value=self._state.memory_share,
            )
