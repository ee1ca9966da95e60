"""What an operator sees of the streams in memory: the same views as of a real server."""

from __future__ import annotations

from realtime_message.streams.contracts import Entry
from realtime_message.streams.dead_letters import DeadLetter
from realtime_message.streams.inspect import GroupView, LoadView, OwnerView, PartitionView
from realtime_message.streams.keys import Keys
from realtime_message.streams.member_contracts import MemberView
from realtime_message.streams.trace_contracts import trace_of
from realtime_message.testing.memory.state import MemoryDeadLetter, MemoryServer, PartitionState


class MemoryInspector:
    """See streams.inspect.Inspector."""

    def __init__(self, server: MemoryServer, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    async def partitions(self) -> list[PartitionView]:
        """Return every partition."""
        return [self._partition(n, state) for n, state in enumerate(self._server.partitions)]

    async def load(self) -> LoadView:
        """Return how much waits for the workers."""
        entries: list[int | None] = [
            len(s.entries) - s.read_count + len(s.pending) for s in self._server.partitions
        ]
        return LoadView(entries=entries, memory_share=None)

    async def members(self) -> MemberView:
        """Return the live members and the stored assignment."""
        server = self._server
        return MemberView(server.live_members(), dict(server.assignment), server.version)

    def _partition(self, number: int, state: PartitionState) -> PartitionView:
        lag = len(state.entries) - state.read_count
        last_read = state.entries[state.read_count - 1].id if state.read_count else "0-0"
        group = GroupView(
            name=self._keys.group(number),
            consumers=len({pending.consumer for pending in state.pending.values()}),
            pending=len(state.pending),
            lag=lag,
            last_read=last_read,
        )
        return PartitionView(
            partition=number,
            stream=self._keys.stream(number),
            length=len(state.entries),
            pending=len(state.pending),
            lag=lag,
            dead_letters=len(state.dead),
            owner=self._owner(state),
            groups=[group],
        )

    def _owner(self, state: PartitionState) -> OwnerView | None:
        remaining_seconds = state.held_until - self._server.clock()
        if state.holder is None or remaining_seconds <= 0:
            return None
        return OwnerView(
            holder=state.holder,
            epoch=state.epoch,
            acquired_at=state.acquired_at,
            remaining_seconds=remaining_seconds,
        )


class MemoryDeadLetters:
    """See streams.dead_letters."""

    def __init__(self, server: MemoryServer) -> None:
        self._server = server

    async def list_page(self, partition: int, count: int, after: str = "0-0") -> list[DeadLetter]:
        """Return up to `count` dead letters of a partition after an id, the oldest first."""
        letters = self._server.partitions[partition].dead
        begin = next((n + 1 for n, letter in enumerate(letters) if letter.id == after), 0)
        return [_shown(partition, letter) for letter in letters[begin : begin + count]]

    async def find(self, partition: int, dead_id: str) -> DeadLetter | None:
        """Return one dead letter, or None if there is none with this id."""
        letters = self._server.partitions[partition].dead
        return next((_shown(partition, letter) for letter in letters if letter.id == dead_id), None)


def _shown(partition: int, letter: MemoryDeadLetter) -> DeadLetter:
    return DeadLetter(
        id=letter.id,
        partition=partition,
        entry_id=letter.entry.id,
        payload=letter.entry.payload or b"",
        reason=letter.reason,
        error=letter.error,
        attempts=letter.attempts,
        worker=letter.worker,
        buried_at=letter.buried_at,
        first_entry_id=letter.entry.id,
        fields=(b"payload", letter.entry.payload or b"", *_trace(letter.entry)),
    )


def _trace(entry: Entry) -> list[bytes]:
    trace = trace_of(entry)
    return [] if trace is None else [text.encode() for text in trace.fields]
