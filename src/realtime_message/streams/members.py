"""Who is there, and who should own what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from realtime_message.streams.keys import Keys
from realtime_message.streams.layout_view import parse_layout
from realtime_message.streams.leases import to_ms
from realtime_message.streams.member_contracts import MemberView
from realtime_message.streams.scripts import load_script
from realtime_message.streams.session import Session
from realtime_message.streams.wire import pair_up

VERSION_FIELD = "version"


class RedisMemberStore:
    """Members in a sorted set by the end of their life. See contracts.MemberStore.

    Args:
        session: where the commands go.
        keys: the key names.
    """

    def __init__(self, session: Session, keys: Keys) -> None:
        self._session = session
        self._keys = keys

    async def heartbeat(self, member: str, ttl_seconds: float) -> MemberView:
        """Say that a member lives for another `ttl_seconds` by the server's clock."""
        members, stored, layout, now_ms = await self._session.run_script(
            load_script("member_heartbeat"),
            [self._keys.members, self._keys.assignment, self._keys.layout],
            [member, to_ms(ttl_seconds)],
        )
        view = member_view(members, stored)
        if not layout:
            return view
        return replace(view, layout=parse_layout(pair_up(layout), int(now_ms) / 1000))

    async def leave(self, member: str) -> None:
        """Take a member out at once."""
        await self._session.run("ZREM", self._keys.members, member)

    async def store_assignment(self, assignment: dict[int, str], version: int) -> bool:
        """Store an assignment computed from `version`; False if another one came first."""
        fields: list[str | int] = []
        for partition, member in assignment.items():
            fields += (partition, member)
        stored = await self._session.run_script(
            load_script("assignment_store"), [self._keys.assignment], [version, *fields]
        )
        return bool(stored)


def member_view(members: list[bytes], stored: list[Any]) -> MemberView:
    """Return what the member set and the assignment hash (as a flat list) say."""
    fields = {key.decode(): value.decode() for key, value in zip(*[iter(stored)] * 2, strict=True)}
    version = int(fields.pop(VERSION_FIELD, "0"))
    return MemberView(
        members=tuple(sorted(member.decode() for member in members)),
        assignment={int(partition): member for partition, member in fields.items()},
        version=version,
    )
