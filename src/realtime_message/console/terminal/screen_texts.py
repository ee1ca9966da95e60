"""Texts and styles of the live screen."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_message.console.terminal.rows import Order

_GAP = "   "
# Wide enough for usual numbers, so that nothing moves when they grow.
_LEAST_WIDTH = 8

STYLES = """
Screen { layout: vertical; overflow: hidden; }
#top { height: 1; }
#where { width: 1fr; height: 1; text-wrap: nowrap; text-overflow: ellipsis; text-style: bold; }
#age { width: auto; height: 1; padding-left: 2; text-style: bold; }
#figures { height: 2; text-wrap: nowrap; text-overflow: clip; }
#failure { height: auto; max-height: 4; text-style: bold reverse; }
#attention { height: auto; max-height: 35%; margin: 0 0 1 0; text-style: bold; }
ContentSwitcher { height: 1fr; }
#system, #failed { height: 1fr; layout: vertical; }
#workers { height: 1fr; margin-top: 1; }
#letters, #parked { height: 1fr; }
#letters { margin-top: 1; height: 2fr; }
.-wide #system { layout: horizontal; }
.-wide #partitions { width: 3fr; }
.-wide #workers { width: 2fr; margin: 0 0 0 3; }
#help { height: 1fr; margin-top: 1; }
#keys { height: 1; dock: bottom; text-wrap: nowrap; text-overflow: clip; }
"""

HELP = """\
q            end; Ctrl-C ends with exit code 130
p, Space     pause; press it again to go on
o            sort partitions by number, oldest message, most unhandled
d            parked channels and the newest dead letters, and back
?, h         this page, and back; Escape goes back from everywhere
Tab          go to the next table
arrows       scroll it, as do Page Up, Page Down, Home and End

unread       in the stream; no worker has read it yet
pending      read by a worker and not acknowledged yet
unhandled    both together
dead         given up; kept until rtm dead-letters replays or purges it
oldest       how long the oldest message that is not handled has waited
in/s         entries that came, since the look before
done/s       entries that were handled, since the look before

The monitor only reads. rtm doctor says what to do."""


def figure_lines(figures: Sequence[tuple[str, str]]) -> str:
    """Return names above their values, in columns."""
    widths = [max(_LEAST_WIDTH, len(name), len(value)) for name, value in figures]
    pairs = list(zip(figures, widths, strict=True))
    names = _GAP.join(name.rjust(width) for (name, _), width in pairs)
    values = _GAP.join(value.rjust(width) for (_, value), width in pairs)
    return f"{names}\n{values}"


def keys_line(order: Order, *, is_paused: bool) -> str:
    """Return what the keys do now."""
    pause = "go on" if is_paused else "pause"
    return f"q end   p {pause}   o order: {order.value}   d dead and parked   ? help"
