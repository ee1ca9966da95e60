"""By which layout this process appends, and how its connections show that.

A connection that appends is given the name of a generation first; then the layout is read. If it is
still that generation, whatever is appended on the connection is routed by it. What that is good for
is told in publisher_fence.py.
"""

from __future__ import annotations

from collections.abc import Callable

from realtime_message.errors import StreamsError
from realtime_message.streams.keys import publisher_name
from realtime_message.streams.layout import Layout
from realtime_message.streams.layout_view import LayoutView
from realtime_message.streams.wire import Command, Wire


class Route:
    """The layout by which this process appends.

    Args:
        prefix: of the installation.
        layout: the stored layout, which was read.
        timeout_seconds: how long a command may take.

    Attributes:
        view: the layout.
        listeners: called with the layout when it is another generation; the first ones first.
            Whatever was routed before and is not sent yet must be taken back by one of them.
    """

    def __init__(self, prefix: str, layout: Layout, timeout_seconds: float) -> None:
        self._prefix = prefix
        self._layout = layout
        self._timeout_seconds = timeout_seconds
        self.view = layout.view
        self.listeners: list[Callable[[LayoutView], None]] = []

    @property
    def naming(self) -> Command:
        """The command that makes a connection one of this generation."""
        return ("CLIENT", "SETNAME", publisher_name(self._prefix, self.view.generation))

    async def follow(self) -> LayoutView:
        """Read the layout and go by it from now on; return it. Raises StreamsError."""
        view = await self._layout.read()
        # Of two that read at the same time the older answer may come last.
        age = (view.read_at, view.generation)
        if age >= (self.view.read_at, self.view.generation):
            has_changed = view.generation != self.view.generation
            self.view = view
            if has_changed:
                for listener in self.listeners:
                    listener(view)
        return self.view

    async def introduce(self, wire: Wire) -> None:
        """Make a new connection one of the present generation, or close it.

        Raises:
            StreamsError: the server did not answer, or refused.
        """
        try:
            await self.follow()  # or the name would be an old one if this was cut off just now
            named: int | None = None
            while named != self.view.generation:
                named = self.view.generation
                await self._name(wire)
                await self.follow()
        except BaseException:
            wire.close()
            raise

    async def _name(self, wire: Wire) -> None:
        (reply,) = await wire.call([self.naming], self._timeout_seconds)
        if isinstance(reply, StreamsError):
            raise reply
