"""Why a token is not accepted."""

from __future__ import annotations

from realtime_message.errors import RealtimeMessageError


class InvalidTokenError(RealtimeMessageError):
    """The token is malformed, signed by another key, or not one for this purpose."""


class KeysUnavailableError(InvalidTokenError):
    """Nobody can say now whether the token is valid: its public key cannot be had.

    To Centrifugo that is an invalid token, and so it is to who does not look more closely.
    """


class TokenExpiredError(RealtimeMessageError):
    """The token was valid once, or is not valid yet."""
