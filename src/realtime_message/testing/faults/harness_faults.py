"""What each kind of fault means for a worker in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_message.testing.faults.plan import Action, Fault, Kind

if TYPE_CHECKING:
    from realtime_message.testing.worker_harness import WorkerHarness


def harness_faults(harness: WorkerHarness) -> dict[Kind, Action]:
    """Return actions for `FaultPlan.run` with a WorkerHarness.

    `kill` ends the worker, another one takes over; `freeze` and `cut` take the streams away for a
    while; `slow` delays each call to them; `duplicate` delivers a handled message again.

    Args:
        harness: entered.
    """
    line = harness.streams.line

    async def kill(_fault: Fault) -> None:
        await harness.crash()

    async def cut(fault: Fault) -> None:
        line.go_away()
        await harness.advance(fault.seconds)
        line.come_back()

    async def slow(fault: Fault) -> None:
        line.delay_seconds = fault.seconds / 10
        await harness.advance(fault.seconds)
        line.delay_seconds = 0.0

    async def duplicate(fault: Fault) -> None:
        handled = harness.handled
        if handled:
            await harness.redeliver(handled[fault.choose(len(handled))])

    return {"kill": kill, "freeze": cut, "cut": cut, "slow": slow, "duplicate": duplicate}
