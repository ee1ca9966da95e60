"""Options of one subscription as they arrive: in tokens, callback replies and API calls."""

from __future__ import annotations

import base64
import binascii

import msgspec

_NONE = msgspec.Raw(b"")


class Switch(msgspec.Struct, frozen=True):
    """Centrifugo writes an overridden option as `{"value": true}`."""

    value: bool = False


class Override(msgspec.Struct, frozen=True):
    """Options of a subscription that differ from its namespace's; None leaves them."""

    presence: Switch | None = None
    join_leave: Switch | None = None
    force_recovery: Switch | None = None
    force_positioning: Switch | None = None
    force_push_join_leave: Switch | None = None


class SubscriptionOptions(msgspec.Struct, frozen=True):
    """One server-side subscription, in a connection token's or a connect reply's `subs`.

    Attributes:
        info: shown to others in this channel; any JSON, kept as it was written.
        b64info: the same in base64; wins when it is set.
        data: sent to the client with the subscription.
        b64data: the same in base64; wins when it is set.
        override: options that differ from the namespace's.
    """

    info: msgspec.Raw = _NONE
    b64info: str | None = ""
    data: msgspec.Raw = _NONE
    b64data: str | None = ""
    override: Override | None = None


def decode_payload(raw: msgspec.Raw, b64: str | None) -> bytes:
    """Return a payload that may be written as JSON or as base64; base64 wins.

    Raises:
        ValueError: the base64 is broken (standard alphabet, padded).
    """
    if not b64:
        return bytes(raw)
    try:
        return base64.b64decode(b64, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None
