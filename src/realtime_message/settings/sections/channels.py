"""What each `[[callback.channels]]` holds."""

from __future__ import annotations

from typing import Annotated, Literal

from realtime_message.settings.sections.option import Section, option

Who = Literal["anyone", "users", "owner", "nobody"]

#: A Durability, or the default one, which redis.durability names.
ChannelDurability = Literal["default", "memory", "replicated", "fsynced"]


class ChannelRule(Section, frozen=True, kw_only=True):
    """Who may use the channels of one pattern; the most specific pattern decides."""

    pattern: Annotated[str, option("Channel pattern; `*` is any run of characters.", min_length=1)]
    subscribe: Annotated[
        Who,
        option(
            "`anyone`, `users` (not anonymous), `owner` (the user whose id stands where the "
            "pattern has its `*`), `nobody`."
        ),
    ] = "users"
    publish: Annotated[Who, option("As for subscribe.")] = "users"
    payload: Annotated[
        Literal["chat", "any"],
        option("`chat` wants a text of 1 to 5000 characters; `any` takes every JSON value."),
    ] = "chat"
    durability: Annotated[
        ChannelDurability,
        option(
            "What must have happened before a message is acknowledged: `memory`, `replicated` or "
            "`fsynced`, as for redis.durability, which `default` stands for."
        ),
    ] = "default"
