"""What a server falls back to that lost its latest writes."""

from __future__ import annotations

import copy

from realtime_message.testing import MemoryServer


class Snapshot:
    """The state of the server at one time."""

    def __init__(self, server: MemoryServer) -> None:
        self._states = [
            {
                name: copy.copy(getattr(state, name))
                for name in state.__slots__
                if name not in ("dead", "acknowledged", "pending", "aside")
            }
            | {
                "pending": {k: copy.copy(p) for k, p in state.pending.items()},
                "aside": {k: list(v) for k, v in state.aside.items()},
            }
            for state in server.partitions
        ]
        self._members = (dict(server.lives), dict(server.assignment), server.version)
        self.entry_ids = {
            e.first_id
            for state in server.partitions
            for e in [*state.entries, *(d.entry for d in state.dead)]
        }

    def restore(self, server: MemoryServer) -> None:
        for state, kept in zip(server.partitions, self._states, strict=True):
            for name, value in kept.items():
                setattr(state, name, value)
        server.lives, server.assignment, server.version = self._members
