"""Structured logs: an event in the form noun.verb, and fields. Payloads and secrets never.

Text for people, one JSON object a line for machines, always on stderr: stdout belongs to the
commands that print data.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def configure_logging(level: str = "info", log_format: str = "auto") -> None:
    """Set up logging for this process.

    Args:
        level: the least severe level that is logged: `debug`, `info`, `warning` or `error`.
        log_format: `text`, `json`, or `auto`: text on a terminal, json elsewhere.
    """
    is_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24)
        if is_text
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library: only what an operator must see.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")


def get_logger(name: str) -> Any:
    """Return the logger of a part of the system, such as `worker.lease_keeper`."""
    return structlog.get_logger().bind(part=name)
