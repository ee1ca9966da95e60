"""What `[console]` holds."""

from __future__ import annotations

from typing import Annotated

import msgspec

from realtime_message.settings.sections.option import Section, option


class ConsoleSettings(Section, frozen=True, kw_only=True):
    """The web console, `rtm console`. It reads, and changes nothing."""

    host: Annotated[
        str,
        option(
            "Address to listen on. One that other machines reach needs console.password.",
            min_length=1,
        ),
    ] = "127.0.0.1"
    port: Annotated[int, option("Port to listen on.", ge=1, le=65535)] = 8090
    password: Annotated[
        str,
        option(
            "What browsers ask for before they show a page, with any user name. Empty: whoever "
            "reaches the port reads what the console shows, payloads of dead letters too.",
            secret=True,
        ),
    ] = ""
    allowed_hosts: Annotated[
        list[str],
        option(
            "Names by which a proxy asks for the pages, such as console.example.com; addresses "
            "and local names always may."
        ),
    ] = msgspec.field(default_factory=list)
    refresh_seconds: Annotated[
        float,
        option(
            "How long Redis is left alone between two looks; open pages follow.",
            unit="seconds",
            ge=0.2,
            le=3600,
        ),
    ] = 2.0
