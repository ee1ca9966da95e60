"""The claims that Centrifugo reads from a token; others are ignored.

`null` counts as absent. `info`, `data` and `meta` keep the bytes they were signed with.
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
    subs: dict[str, SubscriptionOptions] | None = None


class SubscriptionClaims(Claims, frozen=True, kw_only=True):
    """The claims of a subscription token."""

    client: str | None = ""
    data: msgspec.Raw = _NONE
    b64data: str | None = ""
    override: Override | None = None
