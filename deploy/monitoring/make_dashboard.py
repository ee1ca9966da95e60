"""Writes the Grafana dashboard: `python deploy/monitoring/make_dashboard.py`.

A dashboard by hand is a thousand lines in which nobody sees a wrong name. Here each panel is its
title, its unit and its queries; a test compares the file, and the names with what is exported.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "grafana" / "realtime.json"
COLUMNS, WIDTH, HEIGHT = 3, 8, 8
DATASOURCE = {"type": "prometheus", "uid": "prometheus"}


@dataclass(frozen=True)
class Panel:
    """A graph.

    Attributes:
        title: what it shows.
        unit: Grafana's name of the unit.
        queries: PromQL, and what its lines are called.
        about: how to read it.
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    about: str = ""


def _quantiles(metric: str, *shares: float, where: str = "") -> tuple[tuple[str, str], ...]:
    rate = f"rate({metric}_bucket{where}[$__rate_interval])"
    return tuple(
        (f"histogram_quantile({share}, sum by (le) ({rate}))", f"p{share * 100:g}")
        for share in shares
    )


def _rate(metric: str) -> str:
    return f"sum (rate({metric}[$__rate_interval]))"


def _rates(metric: str, label: str) -> tuple[str, str]:
    """Return a rate for each value of a label, and the value as the name of its line."""
    return f"sum by ({label}) (rate({metric}[$__rate_interval]))", f"{{{{{label}}}}}"


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "From clients to streams",
        (
            Panel(
                "Publishes by outcome",
                "reqps",
                (_rates('rtm_callback_answered_total{event="publish"}', "outcome"),),
                "failed: clients get a temporary error and may send again.",
            ),
            Panel(
                "Errors by code",
                "reqps",
                (_rates("rtm_callback_errors_total", "code"),),
            ),
            Panel(
                "Time to answer a publish",
                "s",
                _quantiles(
                    "rtm_callback_duration_seconds", 0.5, 0.99, 0.999, where='{event="publish"}'
                ),
            ),
            Panel(
                "Connects, subscribes and others",
                "reqps",
                (_rates('rtm_callback_received_total{event!="publish"}', "event"),),
            ),
            Panel(
                "In flight", "short", (("sum by (event) (rtm_callback_in_flight)", "{{event}}"),)
            ),
            Panel(
                "Callers without the secret",
                "reqps",
                ((_rate("rtm_callback_unauthenticated_total"), "refused"),),
                "Nobody but the gateway should call the callback service.",
            ),
        ),
    ),
    (
        "Streams",
        (
            Panel(
                "Unread and pending by partition",
                "short",
                (("max by (partition) (rtm_callback_backlog_entries)", "{{partition}}"),),
                "Grows for as long as workers do not keep up.",
            ),
            Panel(
                "Partitions that are full",
                "short",
                (("max by (partition) (rtm_callback_backlog_full)", "{{partition}}"),),
                "1: publishes to its channels get a temporary error.",
            ),
            Panel(
                "Appended against read",
                "reqps",
                (
                    (
                        _rate('rtm_callback_answered_total{event="publish", outcome="appended"}'),
                        "appended",
                    ),
                    (_rate("rtm_worker_read_total"), "read"),
                ),
            ),
        ),
    ),
    (
        "Workers",
        (
            Panel(
                "Attempts by outcome",
                "reqps",
                (_rates("rtm_worker_attempts_total", "outcome"),),
                "retry: the handler failed; dead_letter: it was given up.",
            ),
            Panel(
                "Time in handlers",
                "s",
                _quantiles("rtm_worker_handling_seconds", 0.5, 0.99),
            ),
            Panel(
                "Age of messages when handled",
                "s",
                _quantiles("rtm_worker_age_seconds", 0.5, 0.99),
            ),
            Panel(
                "Partitions by worker",
                "short",
                (("sum by (instance) (rtm_worker_partitions)", "{{instance}}"),),
            ),
            Panel(
                "Partitions that moved",
                "short",
                (
                    ("sum (increase(rtm_worker_acquired_total[$__rate_interval]))", "acquired"),
                    ("sum (increase(rtm_worker_released_total[$__rate_interval]))", "handed over"),
                    (
                        "sum by (reason) (increase(rtm_worker_lost_total[$__rate_interval]))",
                        "lost: {{reason}}",
                    ),
                ),
            ),
            Panel(
                "In hand by partition",
                "short",
                (("sum by (partition) (rtm_worker_in_hand)", "{{partition}}"),),
            ),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS:
        place = {"x": 0, "y": y, "w": COLUMNS * WIDTH, "h": 1}
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "gridPos": place})
        y += 1
        for number, panel in enumerate(row):
            x, line = number % COLUMNS * WIDTH, number // COLUMNS
            place = {"x": x, "y": y + line * HEIGHT, "w": WIDTH, "h": HEIGHT}
            panels.append(_graph(len(panels) + 1, panel, place))
        y += -(-len(row) // COLUMNS) * HEIGHT
    return {
        "uid": "realtime-message",
        "title": "Realtime messages",
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "panels": panels,
    }


def _graph(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "gridPos": place,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": query, "legendFormat": legend}
            for index, (query, legend) in enumerate(panel.queries)
        ],
    }


def main() -> None:
    """Write the file."""
    FILE.write_text(json.dumps(dashboard(), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
