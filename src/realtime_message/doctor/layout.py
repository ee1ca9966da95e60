"""The stored layout against the settings, and a resize that stands still."""

from __future__ import annotations

from collections.abc import Iterator

from realtime_message.doctor.findings import Finding, error, note, warning
from realtime_message.settings import RedisSettings
from realtime_message.streams.layout_view import LayoutView, Phase

#: Workers carry on or give up a resize that stood still for some seconds.
STANDING_SECONDS = 10.0


def review_layout(view: LayoutView, settings: RedisSettings) -> Iterator[Finding]:
    """Yield what is wrong with a layout that the settings do not contradict.

    Args:
        view: as it is stored.
        settings: as this machine has them.
    """
    if view.partition_count != settings.partition_count:
        yield warning(
            f"redis.partition_count is {settings.partition_count} here, but the streams have been "
            f"resized to {view.partition_count}",
            "the stored number is used, and third-party publishers may go by the setting",
            f"set redis.partition_count to {view.partition_count}",
        )
    elif view.is_stable:
        yield note(f"the streams under prefix {settings.prefix!r} fit the settings")
    if view.is_stable:
        return
    since = f"for {view.standing_seconds:.0f} s"
    if view.phase is Phase.draining:
        yield note(
            f"a resize from {view.previous_count} to {view.partition_count} partitions waits "
            f"{since} until what was appended before it is handled",
            "what came after it is kept and handled then",
            "rtm partitions list",
        )
    elif view.standing_seconds > STANDING_SECONDS:
        yield error(
            f"a resize stands still in its phase {view.phase.value} {since}",
            "publishes get temporary errors meanwhile",
            "run `rtm partitions resize N` again, or with --undo; or start a worker, which ends it",
        )
