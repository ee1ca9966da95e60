"""What a reply says about an append, and telling whoever waits for it."""

from __future__ import annotations

from typing import Any

from realtime_message.errors import StreamsRefusedError
from realtime_message.streams.contracts import Appended, OnAppended
from realtime_message.telemetry.logs import get_logger

_log = get_logger("streams.append")


def outcome_of(reply: Any) -> Appended | Exception:
    """Return the outcome that a reply to an append, or to a check, stands for."""
    if isinstance(reply, bytes):
        return Appended(str(reply, "ascii"))
    if isinstance(reply, list):  # of the script: the first entry's id and what was kept beside it
        entry_id, stored_reply = reply
        return Appended(str(entry_id, "ascii"), stored_reply)
    if reply is None:  # of a check
        return Appended("")
    if isinstance(reply, Exception):
        return reply
    return StreamsRefusedError(f"Redis answered {reply!r} to an append")


def tell(on_appended: OnAppended, outcome: Appended | Exception) -> None:
    """Tell a caller the outcome; what it raises is logged."""
    try:
        on_appended(outcome)
    except Exception:  # noqa: BLE001 - logged; a user's hook may raise anything
        # One broken caller must not stall the connection that all the others share.
        _log.exception("append.callback_failed")
