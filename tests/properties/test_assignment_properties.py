"""What holds for every assignment, whatever the members and their history."""

from collections import Counter
from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_message.worker.assignment import assign

names = st.sampled_from([f"w{i}" for i in range(14)])
member_sets = st.sets(names, min_size=1, max_size=14)
counts = st.integers(min_value=1, max_value=40)
# A loaded machine is slow; how long an example takes says nothing here.
untimed = settings(deadline=None)
histories = st.lists(member_sets, min_size=1, max_size=8)


def _after(history: Sequence[set[str]], partition_count: int) -> dict[int, str]:
    assignment: dict[int, str] = {}
    for members in history:
        assignment = assign(assignment, sorted(members), partition_count)
    return assignment


def _moves(before: Mapping[int, str], after: Mapping[int, str]) -> int:
    return sum(before.get(p) != owner for p, owner in after.items())


def _fewest_moves(before: Mapping[int, str], members: set[str], partition_count: int) -> int:
    """The lower bound: what no balanced assignment can leave where it is."""
    base, extra = divmod(partition_count, len(members))
    held = Counter(owner for p, owner in before.items() if owner in members)
    above = sum(held[m] > base for m in members)
    kept = sum(min(held[m], base) for m in members) + min(above, extra)
    return partition_count - kept


@untimed
@given(histories, counts)
def test_every_partition_has_one_live_owner_and_shares_differ_by_one(
    history: list[set[str]], partition_count: int
) -> None:
    """The assignment is complete, names live members only, and is balanced within one."""
    assignment = _after(history, partition_count)
    members = history[-1]
    assert sorted(assignment) == list(range(partition_count))
    assert set(assignment.values()) <= members
    shares = Counter(dict.fromkeys(members, 0))
    shares.update(assignment.values())
    assert max(shares.values()) - min(shares.values()) <= 1


@untimed
@given(histories, member_sets, counts)
def test_no_balanced_assignment_moves_less(
    history: list[set[str]], members: set[str], partition_count: int
) -> None:
    """The number of moved partitions equals the lower bound."""
    before = _after(history, partition_count)
    after = assign(before, sorted(members), partition_count)
    assert _moves(before, after) == _fewest_moves(before, members, partition_count)


@untimed
@given(st.dictionaries(st.integers(-3, 50), names), member_sets, counts)
def test_any_previous_assignment_is_a_fine_start(
    previous: dict[int, str], members: set[str], partition_count: int
) -> None:
    """Unbalanced and foreign entries in the stored assignment are put right, with fewest moves."""
    after = assign(previous, sorted(members), partition_count)
    inside = {p: m for p, m in previous.items() if 0 <= p < partition_count}
    assert sorted(after) == list(range(partition_count))
    assert _moves(inside, after) == _fewest_moves(inside, members, partition_count)


@untimed
@given(histories, counts)
def test_an_assignment_of_the_same_members_is_left_alone(
    history: list[set[str]], partition_count: int
) -> None:
    """Assigning again without a change of members changes nothing: there is no oscillation."""
    assignment = _after(history, partition_count)
    assert assign(assignment, sorted(history[-1]), partition_count) == assignment


@untimed
@given(histories, counts, st.randoms())
def test_order_of_members_does_not_matter(
    history: list[set[str]], partition_count: int, random: object
) -> None:
    """All members compute the same assignment from the same facts."""
    before = _after(history[:-1], partition_count)
    shuffled = sorted(history[-1])
    random.shuffle(shuffled)
    assert assign(before, shuffled, partition_count) == _after(history, partition_count)


@untimed
@given(st.sets(names, min_size=2), counts, st.data())
def test_restarted_worker_gets_back_what_it_had(
    members: set[str], partition_count: int, data: st.DataObject
) -> None:
    """A worker that leaves a fresh fleet and returns holds nothing that it did not hold before.

    It may hold one partition less: the others keep the odd ones, because moving those back would
    be a move that balance does not ask for.
    """
    before = assign({}, sorted(members), partition_count)
    restarted = data.draw(st.sampled_from(sorted(members)))
    without = assign(before, sorted(members - {restarted}), partition_count)
    after = assign(without, sorted(members), partition_count)
    had = {p for p, owner in before.items() if owner == restarted}
    has = {p for p, owner in after.items() if owner == restarted}
    assert has <= had
    assert len(had) - len(has) <= 1


@untimed
@given(st.sets(names, min_size=2), st.integers(1, 5))
def test_rolling_restart_ends_where_it_began(members: set[str], share: int) -> None:
    """After every worker has left and returned in turn, each holds what it held before."""
    before = assign({}, sorted(members), len(members) * share)
    assignment = before
    for restarted in sorted(members):
        assignment = assign(assignment, sorted(members - {restarted}), len(before))
        assignment = assign(assignment, sorted(members), len(before))
    assert assignment == before
