"""What a command must name, and what a client may do without the callback service."""

from __future__ import annotations

from realtime_message.centrifugo.gateway_configuration import ChannelOptions
from realtime_message.gateway import codes
from realtime_message.gateway.codes import ConnectionClose


def required_channel(channel: str | None) -> str:
    """Return a command's channel.

    Raises:
        ConnectionClose: there is none (3501).
    """
    if not channel:
        raise ConnectionClose(codes.CLOSE_BAD_REQUEST)
    return channel


def may(rules: ChannelOptions, verb: str, *, user: str, is_subscribed: bool) -> bool:
    """Whether `allow_<verb>_for_*` let a client do something in a channel by itself.

    Args:
        rules: the channel's options.
        verb: subscribe, publish, presence or history.
        user: the user id; an anonymous user needs `for_anonymous` beside another permission.
        is_subscribed: whether the client is in the channel.
    """
    is_allowed = getattr(rules, f"allow_{verb}_for_client") or (
        is_subscribed and getattr(rules, f"allow_{verb}_for_subscriber", False)
    )
    return bool(is_allowed and (user or getattr(rules, f"allow_{verb}_for_anonymous")))
