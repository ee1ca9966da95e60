"""Which faults come when: chosen by a seed, and the same again with the same seed."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["kill", "freeze", "cut", "slow", "duplicate"]

#: Names the seed, to see the faults of an earlier run again.
SEED_VARIABLE = "REALTIME_FAULT_SEED"

ALL_KINDS: tuple[Kind, ...] = ("kill", "freeze", "cut", "slow", "duplicate")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        at_seconds: when, counted from the start.
        kind: what happens.
        seconds: how long it lasts, where it lasts.
        choice: a number from 0 to 1, to choose by: which process, which message.
    """

    at_seconds: float
    kind: Kind
    seconds: float
    choice: float

    def choose(self, count: int) -> int:
        """Return one of so many, from 0."""
        return min(count - 1, int(self.choice * count))


#: Does one kind of harm.
Action = Callable[[Fault], Awaitable[None] | None]


class FaultPlan:
    """Faults in the order of their times.

    Args:
        kinds: which may come.
        count: how many.
        within_seconds: in which time they come.
        longest_seconds: how long one lasts at most.
        seed: decides all of it; by default REALTIME_FAULT_SEED, else a new one.

    Attributes:
        seed: give it, or set it in REALTIME_FAULT_SEED, to have the same faults again.
        faults: in the order of their times.

    Raises:
        ValueError: no kind, an unknown one, or the variable holds no number.
    """

    def __init__(
        self,
        kinds: Sequence[Kind] = ALL_KINDS,
        *,
        count: int = 5,
        within_seconds: float = 5.0,
        longest_seconds: float = 1.0,
        seed: int | None = None,
    ) -> None:
        if not kinds:
            raise ValueError("FaultPlan: name at least one kind of fault")
        unknown = [kind for kind in kinds if kind not in ALL_KINDS]
        if unknown:
            raise ValueError(
                f"FaultPlan: there is no fault {', '.join(map(repr, unknown))}; there are "
                f"{', '.join(ALL_KINDS)}"
            )
        self.seed = seed if seed is not None else _seed()
        chance = random.Random(self.seed)  # noqa: S311 - a plan that can be repeated, no secret
        times = sorted(chance.uniform(0, within_seconds) for _ in range(count))
        self.faults = [
            Fault(
                at_seconds=round(at, 3),
                kind=chance.choice(list(kinds)),
                seconds=round(chance.uniform(0.1, 1.0) * longest_seconds, 3),
                choice=chance.random(),
            )
            for at in times
        ]

    def __str__(self) -> str:
        lines = [f"fault plan of seed {self.seed} ({SEED_VARIABLE}={self.seed} for the same again)"]
        lines += [f"  {f.at_seconds:7.3f} s  {f.kind}  {f.seconds:.3f} s" for f in self.faults]
        return "\n".join(lines)

    async def run(
        self,
        actions: Mapping[Kind, Action],
        wait: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Let each fault come at its time, and print the plan first.

        Args:
            actions: what each kind does; every kind of the plan needs one.
            wait: lets so many seconds pass, such as `harness.advance`.

        Raises:
            KeyError: a kind has no action.
        """
        missing = {fault.kind for fault in self.faults} - actions.keys()
        if missing:
            raise KeyError(f"the plan has faults without an action: {', '.join(sorted(missing))}")
        print(self)  # noqa: T201 - whoever looks at a failed test needs the seed
        now = 0.0
        for fault in self.faults:
            await wait(max(0.0, fault.at_seconds - now))
            now = max(now, fault.at_seconds)
            done = actions[fault.kind](fault)
            if done is not None:
                await done


def _seed() -> int:
    given = os.environ.get(SEED_VARIABLE, "")
    if not given:
        return secrets.randbelow(2**32)
    try:
        return int(given)
    except ValueError:
        raise ValueError(f"{SEED_VARIABLE} is {given!r}: set it to a number") from None
