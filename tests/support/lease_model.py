"""The lease protocol as a small pure model, and a search through every order of its steps.

One partition, a few workers, a clock of whole ticks. What a worker knows (its lease, and until when
it relies on it by its own clock) is kept apart from what the server knows. A worker may stand still
at any time; then neither its clock is looked at nor anything done, until it goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

DURATION, RELY_ON = 3, 2


@dataclass(frozen=True, slots=True)
class Rules:
    """Which rules hold; a test switches one off and must see the model fail.

    Attributes:
        is_fenced: whether work is refused under an epoch that has passed.
        grows_epoch: whether each take makes the epoch greater.
        respects_holder: whether a lease that has not run out is refused to others.
        renews_own_epoch_only: whether a renewal needs the present epoch.
        forgets_released: whether a released lease can be renewed no more.
        minds_own_clock: whether a worker begins nothing after it has relied on its lease for as
            long as it may.
    """

    is_fenced: bool = True
    grows_epoch: bool = True
    respects_holder: bool = True
    renews_own_epoch_only: bool = True
    forgets_released: bool = True
    minds_own_clock: bool = True


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker knows: its epoch (0 for none), and for how many ticks it relies on it."""

    epoch: int = 0
    relies_for: int = 0
    is_standing: bool = False
    has_released: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """All of it.

    Attributes:
        epoch: of the last take.
        holder: who holds the lease, -1 for nobody.
        left: for how many ticks.
        is_released: whether the last holder gave it back.
        workers: what each knows.
    """

    workers: tuple[Worker, ...]
    epoch: int = 0
    holder: int = -1
    left: int = 0
    is_released: bool = True


class BrokenRuleError(AssertionError):
    """A step that must be impossible."""


def steps(state: State, rules: Rules) -> Iterator[tuple[str, State]]:
    """Yield every step that may come next, and check what each one does.

    Raises:
        BrokenRuleError: a step does what must not happen.
    """
    yield "tick", _tick(state)
    for n, worker in enumerate(state.workers):
        if worker.is_standing:
            yield f"{n} goes on", _with(state, n, replace(worker, is_standing=False))
            continue
        yield f"{n} stands still", _with(state, n, replace(worker, is_standing=True))
        if not worker.epoch:
            yield f"{n} acquires", _acquire(state, n, rules)
            continue
        yield f"{n} renews", _renew(state, n, rules)
        yield f"{n} releases", _release(state, n)
        if worker.relies_for > 0 or not rules.minds_own_clock:
            _begin(state, n)
        _work(state, n, rules)


def explore(worker_count: int, depth: int, rules: Rules | None = None) -> int:
    """Look at every state within so many steps; return how many there are.

    Raises:
        BrokenRuleError: with the steps that lead there.
    """
    start = State((Worker(),) * worker_count)
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    queue = deque([(start, 0)])
    while queue:
        state, distance = queue.popleft()
        if distance == depth:
            continue
        try:
            for name, following in steps(state, rules or Rules()):
                if following not in came_from:
                    came_from[following] = (state, name)
                    queue.append((following, distance + 1))
        except BrokenRuleError as broken:
            raise BrokenRuleError(
                f"{broken}, after: {', '.join(_path(came_from, state))}"
            ) from None
    return len(came_from)


def _path(came_from: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    names: list[str] = []
    while (before := came_from[state]) is not None:
        state, name = before
        names.append(name)
    return names[::-1]


def _with(state: State, n: int, worker: Worker, **changes: object) -> State:
    workers = (*state.workers[:n], worker, *state.workers[n + 1 :])
    return replace(state, workers=workers, **changes)


def _tick(state: State) -> State:
    # The clock of a process that stands still goes on all the same: it sees so when it goes on.
    workers = tuple(replace(w, relies_for=max(0, w.relies_for - 1)) for w in state.workers)
    return replace(state, workers=workers, left=max(0, state.left - 1))


def _acquire(state: State, n: int, rules: Rules) -> State:
    is_others = state.holder not in (-1, n) and state.left > 0
    if is_others and rules.respects_holder:
        return state
    epoch = state.epoch + 1 if rules.grows_epoch else max(1, state.epoch)
    worker = Worker(epoch, RELY_ON)
    return _with(state, n, worker, epoch=epoch, holder=n, left=DURATION, is_released=False)


def _renew(state: State, n: int, rules: Rules) -> State:
    worker = state.workers[n]
    is_ours = worker.epoch == state.epoch or not rules.renews_own_epoch_only
    if not is_ours or (state.is_released and rules.forgets_released):
        return _with(state, n, Worker())
    if worker.has_released:
        raise BrokenRuleError(f"{n} has the lease again that it gave back")
    renewed = replace(worker, relies_for=RELY_ON)
    return _with(state, n, renewed, holder=n, left=DURATION, is_released=False)


def _release(state: State, n: int) -> State:
    """Give it back; the reply may be lost, so the worker may try to renew it afterwards."""
    worker = state.workers[n]
    if worker.epoch != state.epoch or (state.holder not in (-1, n) and state.left > 0):
        return _with(state, n, Worker())
    given_back = replace(worker, relies_for=0, has_released=True)
    return _with(state, n, given_back, holder=-1, left=0, is_released=True)


def _begin(state: State, n: int) -> None:
    """A handler begins, as far as the worker itself knows."""
    if state.workers[n].epoch != state.epoch:
        raise BrokenRuleError(f"{n} begins a handler although another one has taken the lease")
    for m, other in enumerate(state.workers):
        if m != n and other.relies_for > 0 and other.epoch:
            raise BrokenRuleError(f"{n} and {m} both rely on the lease")


def _work(state: State, n: int, rules: Rules) -> None:
    """A worker reads and acknowledges, however late."""
    is_let_through = state.workers[n].epoch == state.epoch or not rules.is_fenced
    if is_let_through:
        holders = [m for m, w in enumerate(state.workers) if w.epoch == state.epoch]
        if holders != [n]:
            raise BrokenRuleError(f"{n} reads and acknowledges beside {holders}")
