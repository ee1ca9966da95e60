"""What handlers do with the messages of a schedule."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from realtime_message import App, Context, Message, Reject, Retry, Skip
from simulation.history import AtWork

if TYPE_CHECKING:
    from simulation.process import Process

HANDLER_TIMEOUT_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What happens when a message is handled.

    Attributes:
        kind: ok, skip, reject, retry (asks for it), fail (raises), hang (over the time limit),
            stubborn (goes on for a while when it is cancelled), deadly (kills its worker),
            broken (the entry is no message).
        seconds: how long the handler waits.
        times: how often it does so before all goes well.
    """

    kind: str = "ok"
    seconds: float = 0.0
    times: int = 0

    @property
    def may_die(self) -> bool:
        """Whether it may become a dead letter."""
        return self.kind in ("reject", "broken") or self.times > 1


def choose_behaviour(random: Random) -> Behaviour:
    """Return a behaviour; most go well."""
    chance = random.random()
    seconds = 0.0 if random.random() < 0.3 else random.random() * 0.04
    if chance < 0.6:
        return Behaviour("ok", seconds)
    if chance > 0.985:
        return Behaviour("deadly", seconds, random.choice((1, 2, 99)))
    kind = random.choice(
        ("ok", "ok", "skip", "reject", "retry", "fail", "fail", "hang", "stubborn", "broken")
    )
    if kind == "ok":
        return Behaviour("ok", 0.1 + 0.2 * random.random())
    # Every message but those that may die is handled in the end: one failure is not enough.
    times = random.choice((1, 1, 2, 99)) if kind in ("retry", "fail", "hang") else 0
    return Behaviour(kind, seconds, times)


class Handlers:
    """The app of all schedules: its handlers ask the process that runs them.

    Args:
        is_batched: whether messages are taken in batches.
    """

    def __init__(self, *, is_batched: bool) -> None:
        self.app = App()
        if is_batched:

            @self.app.on_batch(max_messages=4, max_wait_seconds=0.02)
            async def handle_all(messages: list[Message]) -> None:
                await _handle_batch(messages)
        else:

            @self.app.on_message()
            async def handle(message: Message, context: Context) -> None:
                await _handle(_process(), message, context.epoch)


def _process() -> Process:
    return asyncio.get_running_loop().process


async def _handle(process: Process, given: Message, epoch: int) -> None:
    message = process.history.messages[given.id]
    work = process.begin(message, epoch)
    is_success = False
    try:
        await _behave(process, work)
        is_success = True
    except Skip:
        is_success = True
        raise
    except Reject:
        raise
    finally:
        process.end(work, is_success=is_success)


async def _behave(process: Process, work: AtWork) -> None:
    message, behaviour = work.message, work.message.behaviour
    if message.failures < behaviour.times:
        message.failures += 1
        await _misbehave(process, behaviour)
    if behaviour.kind == "skip":
        raise Skip
    if behaviour.kind == "reject":
        raise Reject("never")
    try:
        if behaviour.seconds:
            await asyncio.sleep(behaviour.seconds)
    except asyncio.CancelledError:
        if behaviour.kind == "stubborn" and not process.is_gone:
            await asyncio.sleep(0.05)
        raise


async def _misbehave(process: Process, behaviour: Behaviour) -> None:
    if behaviour.kind == "deadly":
        process.die_soon()
        await asyncio.sleep(3600)
    if behaviour.kind == "hang":
        await asyncio.sleep(HANDLER_TIMEOUT_SECONDS * 2)
    if behaviour.kind == "retry":
        raise Retry(after_seconds=behaviour.seconds)
    raise ValueError("no")


async def _handle_batch(given: list[Message]) -> None:
    """A batch of several fails as a whole before anything is done; a single one as it behaves."""
    process = _process()
    messages = [process.history.messages[one.id] for one in given]
    epoch = process.epoch_of(messages[0].partition)
    if len(given) == 1:
        await _handle(process, given[0], epoch)
        return
    if any(m.behaviour.kind not in ("ok", "stubborn") for m in messages):
        raise ValueError("one of them is no good")
    # The later ones of a channel begin when the first one does; they are done together.
    works: dict[str, AtWork] = {}
    for message in messages:
        if message.channel not in works:
            works[message.channel] = process.begin(message, epoch)
    is_success = False
    try:
        await asyncio.sleep(max(m.behaviour.seconds for m in messages))
        is_success = not process.is_gone
    finally:
        for work in works.values():
            process.end(work, is_success=is_success)
    for message in messages:
        if message is not works[message.channel].message:
            process.history.ends_with(works[message.channel], message)
