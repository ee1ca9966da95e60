"""What should not happen on a healthy server, and was healed by rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from realtime_message.telemetry.logs import get_logger

_log = get_logger("streams.incidents")


class Incident(msgspec.Struct, frozen=True, gc=False):
    """Something that should not happen on a healthy server, and was healed.

    Attributes:
        kind: `group_restored`: the stream or its consumer group was gone. `entries_missing`:
            pending entries were deleted from the stream by someone else; they are lost.
            `position_went_back`: the group read what it had read before. `entries_forgotten`:
            entries were handled of which the server does not know any more that they were read.
            These two follow when a server lost its latest writes (a restart, a failover), or when
            someone moved the group or acknowledged for it.
        partition: where.
        count: how many entries it concerns.
    """

    kind: Literal["group_restored", "entries_missing", "position_went_back", "entries_forgotten"]
    partition: int
    count: int


#: Told of each incident, for metrics; the reader has logged it. Must not raise.
OnIncident = Callable[[Incident], None]


def leave_uncounted(incident: Incident) -> None:
    """Do nothing: an OnIncident for processes that have no metrics."""


def report(incident: Incident, on_incident: OnIncident) -> None:
    """Log an incident and tell whoever counts them."""
    _log.error(
        f"{incident.kind.replace('_', '.', 1)}", partition=incident.partition, count=incident.count
    )
    on_incident(incident)
