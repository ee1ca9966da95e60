"""The lease protocol: every order of its steps, and the same steps on real streams."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_message.errors import LeaseLostError
from realtime_message.settings import RedisSettings
from realtime_message.streams import open_streams
from realtime_message.streams.contracts import Lease
from realtime_message.testing import MemoryStreams
from support.lease_model import BrokenRuleError, Rules, explore
from support.streams_outside import AnyStreams, end_lease
from support.valkey_server import ValkeyServer, unique_prefix


@pytest.mark.parametrize(("workers", "depth"), [(2, 30), (3, 12)])
def test_every_order_of_steps_keeps_the_rules(workers: int, depth: int) -> None:
    """No two rely on the lease at once, and nobody works beside the owner of the epoch."""
    assert explore(workers, depth) > 400


@pytest.mark.parametrize("rule", list(Rules.__dataclass_fields__))
def test_each_rule_is_needed(rule: str) -> None:
    """Without any one of them the search finds steps that lead to harm."""
    with pytest.raises(BrokenRuleError, match="after: "):
        explore(2, 12, replace(Rules(), **{rule: False}))


HOLDERS = ("a", "b", "c")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["acquire", "release", "renew", "end", "work"]), st.sampled_from(HOLDERS)
    ),
    max_size=25,
)


async def _answers(streams: AnyStreams, taken: list[tuple[str, str]]) -> list[object]:
    """Do the steps and return what each answered; epochs by the order in which they were given."""
    leases: dict[str, Lease] = {}
    order: list[int] = []
    answers: list[object] = []
    renewer = streams.renewer()
    for name, holder in taken:
        lease = leases.get(holder)
        if name == "acquire":
            acquired = await streams.leases.acquire(0, holder, 600)
            if acquired is not None:
                assert all(acquired.epoch > epoch for epoch in order)
                order.append(acquired.epoch)
                leases[holder] = acquired
            answers.append(acquired and (order.index(acquired.epoch), acquired.is_handed_over))
        elif name == "end":
            await end_lease(streams, 0)
        elif lease is None:
            continue
        elif name == "release":
            answers.append(await streams.leases.release(lease))
        elif name == "renew":
            answers.append(await asyncio.to_thread(renewer.renew, [lease], 600))
        else:
            answers.append(await _can_work(streams, lease))
    await asyncio.to_thread(renewer.close)
    return answers


async def _can_work(streams: AnyStreams, lease: Lease) -> bool:
    reader = streams.reader(lease, f"worker-{lease.holder}-1")
    try:
        await reader.cycle([], 1)
    except LeaseLostError:
        return False
    finally:
        await reader.close()
    return True


def _expected(taken: list[tuple[str, str]]) -> list[object]:
    """What the rules say: the model's answers, with a clock that only `end` moves."""
    epochs: dict[str, int] = {}
    count, current, holder, is_held, is_released = 0, -1, "", False, True
    answers: list[object] = []
    for name, who in taken:
        is_ours = epochs.get(who) == current
        if name == "acquire":
            if is_held and holder != who:
                answers.append(None)
                continue
            answers.append((count, is_released))
            current = epochs[who] = count
            count, holder, is_held, is_released = count + 1, who, True, False
        elif name == "end":
            # The trace of a release is no lease that could run out; on a server it goes with it.
            is_held = False
        elif who not in epochs:
            continue
        elif name == "release":
            answers.append(is_ours)
            if is_ours:
                is_held, is_released = False, True
        elif name == "renew":
            can = is_ours and not is_released
            answers.append([can])
            if can:
                holder, is_held = who, True
        else:
            answers.append(is_ours)
    return answers


def _without_end_after_release(taken: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Let leases run out only while one is held: nothing else runs out on a server."""
    kept: list[tuple[str, str]] = []
    for step in taken:
        if step[0] == "end" and any(name == "release" for name, _ in kept[-25:]):
            continue
        kept.append(step)
    return kept


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_streams_in_memory_answer_as_the_rules_say(taken: list[tuple[str, str]]) -> None:
    """Each acquire, renewal, release and piece of work, in any order."""

    async def run() -> list[object]:
        return await _answers(MemoryStreams(1), taken)

    assert asyncio.run(run()) == _expected(taken)


@settings(max_examples=50, deadline=None)
@given(STEPS)
def test_a_server_answers_as_the_rules_say(
    valkey: ValkeyServer, taken: list[tuple[str, str]]
) -> None:
    """The Lua scripts and the fence, in the same orders."""
    taken = _without_end_after_release(taken)

    async def run() -> list[object]:
        streams = await open_streams(
            RedisSettings(
                url=valkey.url,
                prefix=unique_prefix(),
                partition_count=1,
                command_timeout_seconds=10.0,
            )
        )
        try:
            return await _answers(streams, taken)
        finally:
            await streams.close()

    assert asyncio.run(run()) == _expected(taken)
