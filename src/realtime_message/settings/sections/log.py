"""What `[log]` holds."""

from __future__ import annotations

from typing import Annotated, Literal

from realtime_message.settings.sections.option import Section, option


class LogSettings(Section, frozen=True, kw_only=True):
    """Logs."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        option("The least severe level that is logged."),
    ] = "info"
    format: Annotated[
        Literal["auto", "text", "json"],
        option("`text`, `json`, or `auto`: text on a terminal, json elsewhere."),
    ] = "auto"
