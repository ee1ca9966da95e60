"""What Centrifugo reads from a token, and what a verified one says.

Other claims are ignored, `null` counts as absent. `info`, `data` and `meta` keep the bytes that
were signed.
"""

from __future__ import annotations

import msgspec

from realtime_message.centrifugo.subscription_options import Override, SubscriptionOptions

_NONE = msgspec.Raw(b"")


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of both kinds of token."""

    sub: str | None = ""
    exp: float | None = None
    nbf: float | None = None
    aud: str | list[str] | None = None
    iss: str | None = ""
    expire_at: int | None = None
    channel: str | None = ""
    info: msgspec.Raw = _NONE
    b64info: str | None = ""

    @property
    def end_at(self) -> int:
        """Unix time at which a refresh is due: `expire_at` replaces `exp`; 0 and less is never."""
        if self.expire_at is not None:
            return max(self.expire_at, 0)
        return int(self.exp or 0)


class ConnectionClaims(Claims, frozen=True, kw_only=True):
    """The claims of a connection token."""

    meta: msgspec.Raw = _NONE
    channels: list[str] | None = None
    subs: dict[str, SubscriptionOptions | None] | None = None


class SubscriptionClaims(Claims, frozen=True, kw_only=True):
    """The claims of a subscription token."""

    client: str | None = ""
    data: msgspec.Raw = _NONE
    b64data: str | None = ""
    override: Override | None = None


class ConnectionToken(msgspec.Struct, frozen=True, kw_only=True):
    """A verified connection token.

    Attributes:
        user: the user id; empty for an anonymous user.
        expire_at: Unix time at which the connection must be refreshed; 0 for never.
        info: shown to others in presence, join and leave; JSON, or empty.
        meta: attached to the connection, sent with every proxy event; JSON, or empty.
        subs: server-side subscriptions by channel.
    """

    user: str
    expire_at: int = 0
    info: bytes = b""
    meta: bytes = b""
    subs: dict[str, SubscriptionOptions] = {}


class SubscriptionToken(msgspec.Struct, frozen=True, kw_only=True):
    """A verified subscription token.

    Attributes:
        user: the user it is for.
        channel: the channel it opens.
        client: the connection it is bound to; empty for any of the user's.
        expire_at: Unix time at which the subscription must be refreshed; 0 for never.
        info: shown to others in this channel; JSON, or empty.
        data: sent to the client with the subscription; JSON, or empty.
        override: options that differ from the namespace's.
    """

    user: str
    channel: str
    client: str = ""
    expire_at: int = 0
    info: bytes = b""
    data: bytes = b""
    override: Override | None = None
