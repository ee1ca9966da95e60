"""What the doctor says about an overview: for the live views, without asking Redis again."""

from __future__ import annotations

from realtime_message.console.overview import Overview
from realtime_message.doctor.findings import SEVERITIES, Finding
from realtime_message.doctor.layout import review_layout
from realtime_message.doctor.limits import review_limits
from realtime_message.doctor.partition_work import Work, review_work
from realtime_message.settings import Settings
from realtime_message.streams.keys import Keys


def review_overview(overview: Overview, settings: Settings) -> list[Finding]:
    """Return what needs attention, the worst first; notes are left out.

    Args:
        overview: what was seen.
        settings: as this machine has them.
    """
    work = Work(
        keys=Keys(settings.redis.prefix),
        partitions=[row.view for row in overview.partitions],
        flows=[row.flow for row in overview.partitions],
        members=overview.members,
        parked=overview.parked,
        registered_groups=settings.worker.registered_groups,
    )
    findings = [
        *review_limits(work.partitions, overview.memory.share, settings.redis),
        *review_layout(overview.layout, settings.redis),
        *review_work(work),
    ]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return [finding for finding in findings if finding.severity != "note"]
