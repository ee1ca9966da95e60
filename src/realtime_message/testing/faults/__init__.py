"""Harm for tests: processes that are killed or stand still, links that are cut or slow, by a plan.

The plan comes from a seed, which it prints; the same seed gives the same plan.
"""

from realtime_message.testing.faults.harness_faults import harness_faults
from realtime_message.testing.faults.link import FaultyLink
from realtime_message.testing.faults.plan import Fault, FaultPlan, Kind
from realtime_message.testing.faults.processes import freeze, kill, thaw

__all__ = [
    "Fault",
    "FaultPlan",
    "FaultyLink",
    "Kind",
    "freeze",
    "harness_faults",
    "kill",
    "thaw",
]
