"""Structured logs: an event in the form noun.verb, and fields. Payloads and secrets never.

Text for people, one JSON object a line for machines, always on stderr: stdout belongs to the
commands that print data.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

# structlog imports rich wherever it is installed, only for tracebacks in colour: 4 MB and 50 ms
# that a process that serves need not pay. None in sys.modules means "not there" to an import.
if "structlog" not in sys.modules and "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog

    del sys.modules["rich"]
else:
    import structlog

_EVENT_WIDTH = 24
_DIM, _BOLD, _RED, _YELLOW, _CYAN, _RESET = (
    "\x1b[2m",
    "\x1b[1m",
    "\x1b[31m",
    "\x1b[33m",
    "\x1b[36m",
    "\x1b[0m",
)
_LEVEL_COLOURS = {"error": _RED, "critical": _RED, "warning": _YELLOW}


def configure_logging(level: str = "info", log_format: str = "auto") -> None:
    """Set up logging for this process.

    Args:
        level: the least severe level that is logged: `debug`, `info`, `warning` or `error`.
        log_format: `text`, `json`, or `auto`: text on a terminal, json elsewhere.
    """
    is_terminal = sys.stderr.isatty()
    is_text = log_format == "text" or (log_format == "auto" and is_terminal)
    _configure(
        level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f" if is_text else "iso", utc=not is_text),
        structlog.processors.format_exc_info,
        _TextLine(has_colour=has_colour(os.environ, is_terminal=is_terminal))
        if is_text
        else structlog.processors.JSONRenderer(),
    )


def configure_command_logging(level: str) -> None:
    """Set up logging for a command that only looks: what it has to tell reads `rtm: …`."""
    _configure(level, structlog.processors.format_exc_info, _command_line)


def _configure(level: str, *processors: Any) -> None:
    structlog.configure(
        processors=[structlog.processors.add_log_level, *processors],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        # One write a line, so that the lines of several processes do not mix.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library: only what an operator must see.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")


def get_logger(name: str) -> Any:
    """Return the logger of a part of the system, such as `worker.lease_keeper`."""
    # Lazy: modules ask for their logger before the process has set up logging.
    return structlog.get_logger(part=name)


def has_colour(environment: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Whether to write colours: on a terminal, unless NO_COLOR; elsewhere only with FORCE_COLOR."""
    if environment.get("NO_COLOR"):
        return False
    return is_terminal or bool(environment.get("FORCE_COLOR"))


def _command_line(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    """Make one line as commands write them: event, fields, and what to do."""
    exception, advice = event.pop("exception", None), event.pop("advice", None)
    name = event.pop("event", "")
    for noise in ("level", "part"):
        event.pop(noise, None)
    fields = ", ".join(f"{key}={_shown(value)}" for key, value in event.items())
    line = f"rtm: {name}" + (f" ({fields})" if fields else "") + (f": {advice}" if advice else "")
    return f"{line}\n{exception}" if exception else line


class _TextLine:
    """Makes one line for people: time, event, fields; the level where it is not info."""

    def __init__(self, *, has_colour: bool) -> None:
        self._has_colour = has_colour

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
        level = str(event.pop("level", "info"))
        time = str(event.pop("timestamp", ""))[:12]
        # Events are named after what they are about; which module said it is for machines.
        event.pop("part", None)
        exception = event.pop("exception", None)
        colour = _LEVEL_COLOURS.get(level, _BOLD)
        name = str(event.pop("event", "")).ljust(_EVENT_WIDTH)
        words = [self._paint(_DIM, time), self._paint(colour, name)]
        if level not in ("info", "debug"):
            words.append(self._paint(colour, level))
        words += [f"{self._paint(_CYAN, key)}={_shown(value)}" for key, value in event.items()]
        line = " ".join(words).rstrip()
        return f"{line}\n{exception}" if exception else line

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_RESET}" if self._has_colour else text


def _shown(value: Any) -> str:
    """Return a value on one line, quoted where its end would not be seen."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list | tuple):
        return ",".join(_shown(item) for item in value) or "none"
    text = value if isinstance(value, str) else str(value)
    is_plain = text.isprintable() and " " not in text and text != ""
    return text if is_plain else repr(text)
