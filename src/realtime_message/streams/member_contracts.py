"""What the streams promise about members, in types; the rules stand in contracts.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from realtime_message.streams.layout_view import LayoutView


@dataclass(frozen=True, slots=True)
class MemberView:
    """What one heartbeat shows.

    Attributes:
        members: the live members, sorted.
        assignment: partition → member, as last stored; may name members that are gone.
        version: grows with each stored assignment.
        layout: as it was at the same moment; None where it never changes.
    """

    members: tuple[str, ...]
    assignment: dict[int, str]
    version: int
    layout: LayoutView | None = None


class MemberStore(Protocol):
    """Who is there, and who should own what."""

    async def heartbeat(self, member: str, ttl_seconds: float) -> MemberView:
        """Say that a member lives for another `ttl_seconds` by the server's clock."""
        ...

    async def leave(self, member: str) -> None:
        """Take a member out at once."""
        ...

    async def store_assignment(self, assignment: dict[int, str], version: int) -> bool:
        """Store an assignment computed from `version`; False if another one came first."""
        ...
