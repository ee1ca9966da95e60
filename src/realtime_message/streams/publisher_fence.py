"""Cutting off publishers that still go by an older generation of the layout.

Every connection that appends gives itself a name with a generation *before* it reads the layout and
appends, and appends only by the layout that it read after that. So once a new layout is stored, a
connection with an older name may still send to the wrong partition, and one that gets its name
later cannot: it has read the new layout. Killing those with older names therefore leaves nobody who
goes by the old one, not even a process that stood still all the time.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from realtime_message.errors import StreamsError
from realtime_message.streams.keys import publisher_name
from realtime_message.streams.session import Place, Session

#: Publishers that are at work notice the change by themselves, within milliseconds, and take on the
#: new generation without losing an answer that is under way. Idle ones do not.
_GRACE_SECONDS = 0.05
#: A killed connection may still be listed while the server gets round to closing it.
_LOOK_AGAIN_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Publisher:
    """A connection that appends.

    Attributes:
        server: which of the masters of a cluster; None of a server alone.
        connection_id: as the server counts connections.
        address: of the client.
        generation: of the layout by which it appends.
    """

    server: Place
    connection_id: int
    address: str
    generation: int


class PublisherFence:
    """Finds and cuts off the publishers of one prefix.

    Args:
        session: where the commands go.
        prefix: of the installation.
    """

    def __init__(self, session: Session, prefix: str) -> None:
        self._session = session
        name = re.escape(publisher_name(prefix, 0).removesuffix("0"))
        self._line = re.compile(rf"^id=(\d+) addr=(\S*) .*?\bname={name}(\d+) ", re.MULTILINE)

    async def publishers(self) -> list[Publisher]:
        """Return the connections that append. Raises StreamsError."""
        found = []
        for server in await self._session.masters():
            (listed,) = await self._session.call_at(server, ("CLIENT", "LIST"))
            if isinstance(listed, StreamsError):
                raise listed
            rows = self._line.findall(listed.decode(errors="replace"))
            found += [Publisher(server, int(n), address, int(g)) for n, address, g in rows]
        return found

    async def cut_off(self, generation: int) -> int:
        """Close the connections of every generation before this one; return how many.

        Raises:
            StreamsError: the server did not answer, or refused.
        """
        killed: set[Publisher] = set()
        kill_at = asyncio.get_running_loop().time() + _GRACE_SECONDS
        while stale := [p for p in await self.publishers() if p.generation < generation]:
            is_due = asyncio.get_running_loop().time() >= kill_at
            for publisher in stale if is_due else ():
                # One that has ended meanwhile is no error: the reply tells 0.
                kill = ("CLIENT", "KILL", "ID", publisher.connection_id)
                (reply,) = await self._session.call_at(publisher.server, kill)
                if isinstance(reply, StreamsError):
                    raise reply
                killed.add(publisher)
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        return len(killed)
