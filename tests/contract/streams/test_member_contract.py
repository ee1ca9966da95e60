"""Members and the stored assignment."""

from support.eventually import eventually
from support.streams_outside import AnyStreams


async def test_heartbeat_shows_all_live_members_sorted(streams: AnyStreams) -> None:
    """A heartbeat shows the member itself and the others, sorted."""
    await streams.members.heartbeat("b", 60)
    view = await streams.members.heartbeat("a", 60)
    assert view.members == ("a", "b")
    assert (view.assignment, view.version) == ({}, 0)


async def test_silent_member_is_forgotten(streams: AnyStreams) -> None:
    """A member that did not speak within its time is gone for the others."""
    await streams.members.heartbeat("silent", 0.05)

    async def is_alone() -> bool:
        return (await streams.members.heartbeat("a", 60)).members == ("a",)

    await eventually(is_alone)


async def test_heartbeat_prolongs_the_life(streams: AnyStreams) -> None:
    """A second heartbeat counts from its own time."""
    await streams.members.heartbeat("a", 0.05)
    await streams.members.heartbeat("a", 60)
    view = await streams.inspect.members()
    assert view.members == ("a",)


async def test_leaving_member_is_gone_at_once(streams: AnyStreams) -> None:
    """Leaving needs no waiting."""
    await streams.members.heartbeat("a", 60)
    await streams.members.heartbeat("b", 60)
    await streams.members.leave("a")
    assert (await streams.members.heartbeat("b", 60)).members == ("b",)


async def test_assignment_replaces_the_one_it_was_computed_from(streams: AnyStreams) -> None:
    """Storing grows the version and replaces all of the old assignment."""
    assert await streams.members.store_assignment({0: "a", 1: "b"}, 0)
    assert await streams.members.store_assignment({1: "a"}, 1)
    view = await streams.members.heartbeat("a", 60)
    assert (view.assignment, view.version) == ({1: "a"}, 2)


async def test_second_assignment_from_the_same_version_is_refused(streams: AnyStreams) -> None:
    """Of two assignments computed from one version the first wins."""
    assert await streams.members.store_assignment({0: "a"}, 0)
    assert not await streams.members.store_assignment({0: "b"}, 0)
    assert (await streams.inspect.members()).assignment == {0: "a"}


async def test_empty_assignment_can_be_stored(streams: AnyStreams) -> None:
    """Nobody owning anything is an assignment too."""
    assert await streams.members.store_assignment({0: "a"}, 0)
    assert await streams.members.store_assignment({}, 1)
    assert (await streams.inspect.members()).assignment == {}


async def test_large_assignment_is_stored_whole(streams: AnyStreams) -> None:
    """The largest partition count fits into one assignment."""
    assignment = {partition: f"worker-{partition % 7}" for partition in range(1024)}
    assert await streams.members.store_assignment(assignment, 0)
    assert (await streams.inspect.members()).assignment == assignment
