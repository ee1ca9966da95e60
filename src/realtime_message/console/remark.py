"""What needs attention; whoever runs the console says it of each overview."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from realtime_message.console.overview import Overview


class Remark(Protocol):
    """One thing that needs attention."""

    @property
    def severity(self) -> str:
        """`error`, `warning` or `note`."""
        ...

    @property
    def what(self) -> str:
        """What is so, and where."""
        ...

    @property
    def why(self) -> str:
        """Why it matters; may be empty."""
        ...

    @property
    def fix(self) -> str:
        """What to do; may be empty."""
        ...


#: Says what needs attention in an overview, the worst first.
Review = Callable[[Overview], Sequence[Remark]]
