"""Where in the code threads are: which handler is on a stack, and the stack as text."""

from __future__ import annotations

import sys
import traceback
from types import CodeType, FrameType

from realtime_message.app import Handler

_MAX_FRAMES = 12


def code_of(handler: Handler) -> CodeType | None:
    """Return the code by which a handler is recognised on a stack; None for a callable object."""
    code = getattr(handler.function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def frame_of(thread_id: int) -> FrameType | None:
    """Return where a thread is now."""
    return sys._current_frames().get(thread_id)  # noqa: SLF001 - documented, despite its name


def is_on_stack(code: CodeType, frame: FrameType | None) -> bool:
    """Whether a function is at work somewhere on a stack."""
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False


def stack_text(frame: FrameType | None) -> str:
    """Return the innermost part of a stack, as in a traceback."""
    return "".join(traceback.format_stack(frame)[-_MAX_FRAMES:]) if frame is not None else ""


def stack_of_handler(handler: Handler) -> str:
    """Return the stack of a thread in which a handler is at work; empty if there is none."""
    code = code_of(handler)
    if code is None:
        return ""
    frames = sys._current_frames().values()  # noqa: SLF001 - as above
    return next((stack_text(frame) for frame in frames if is_on_stack(code, frame)), "")
