"""Time-outs against each other, beyond what every process checks at its start."""

from __future__ import annotations

from collections.abc import Iterator

from realtime_message.doctor.findings import Finding, note, warning
from realtime_message.settings import Settings

#: What a process needs to end after its drain, at least.
_ENDING_SECONDS = 2.0


def review_time_outs(
    settings: Settings, stop_grace_seconds: float | None = None
) -> Iterator[Finding]:
    """Yield time-outs that do not fit together.

    Args:
        settings: all of them.
        stop_grace_seconds: how long the supervisor waits between SIGTERM and SIGKILL; None if
            nobody said.
    """
    yield from _lease(settings)
    yield from _drain(settings)
    if stop_grace_seconds is not None:
        yield from _grace(settings, stop_grace_seconds)


def _lease(settings: Settings) -> Iterator[Finding]:
    redis, lease = settings.redis, settings.worker.lease_seconds
    # A worker gives a partition up after two thirds of a lease without a renewal, and renews after
    # one third: one slow attempt, with a connection that has to be made anew, must fit in between.
    attempt = redis.connect_timeout_seconds + redis.command_timeout_seconds
    if attempt > lease / 3:
        yield warning(
            f"worker.lease_seconds = {lease:g}: a renewal that meets a lost connection may take "
            f"{attempt:g} s (redis.connect_timeout_seconds + redis.command_timeout_seconds), more "
            "than a third of it",
            "a short disturbance of the network makes workers give up their partitions",
            f"set worker.lease_seconds to {3 * attempt:g} or more, or the time-outs lower",
        )


def _drain(settings: Settings) -> Iterator[Finding]:
    worker, callback = settings.worker, settings.callback
    limit = worker.handler_timeout_seconds
    if limit == 0 or limit > worker.drain_timeout_seconds:
        allowed = "forever" if limit == 0 else f"{limit:g} s"
        yield note(
            f"worker.drain_timeout_seconds = {worker.drain_timeout_seconds:g}, but a handler may "
            f"take {allowed} (worker.handler_timeout_seconds)",
            "a planned stop cancels handlers that take longer, and their messages are handled "
            "again by the next owner",
            "set worker.drain_timeout_seconds to the longest time a handler really takes",
        )
    if callback.drain_timeout_seconds < callback.deadline_seconds:
        yield warning(
            f"callback.drain_timeout_seconds = {callback.drain_timeout_seconds:g} is below "
            f"callback.deadline_seconds = {callback.deadline_seconds:g}",
            "a stop cuts requests that would still have been answered",
            f"set it to {callback.deadline_seconds:g} or more",
        )


def _grace(settings: Settings, grace: float) -> Iterator[Finding]:
    for part, path, drain in (
        ("worker", "worker.drain_timeout_seconds", settings.worker.drain_timeout_seconds),
        (
            "callback service",
            "callback.drain_timeout_seconds",
            settings.callback.drain_timeout_seconds,
        ),
        ("gateway", "gateway.shutdown_timeout_seconds", settings.gateway.shutdown_timeout_seconds),
    ):
        if drain + _ENDING_SECONDS > grace:
            yield warning(
                f"the stop's grace of {grace:g} s is too short for the {part}: {path} = {drain:g}",
                "it is killed before it has finished and handed over: messages are handled again, "
                "and partitions stay without an owner until their leases run out",
                f"allow {drain + _ENDING_SECONDS:g} s or more (stop_grace_period, "
                "terminationGracePeriodSeconds, TimeoutStopSec), or lower the setting",
            )
