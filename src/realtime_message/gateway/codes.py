"""Centrifugo's built-in error, disconnect and unsubscribe codes.

An error answers one command; a close ends the connection, its code and reason travel in the
WebSocket close frame. The numbers and texts are those of Centrifugo v6.
"""

from __future__ import annotations

import msgspec


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as the client sees it."""

    code: int = 0
    message: str = ""
    temporary: bool = False


class Close(msgspec.Struct, frozen=True):
    """How a connection ends."""

    code: int = 0
    reason: str = ""


class Unsubscription(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the server ends a subscription; from 2500 on the client subscribes again."""

    code: int = 0
    reason: str = ""


class CommandError(Exception):
    """A command is answered with an error."""

    def __init__(self, body: ErrorBody) -> None:
        super().__init__(f"{body.code} {body.message}")
        self.body = body


class ConnectionClose(Exception):  # noqa: N818 - it says what happens next, it is not a failure
    """A command ends the connection."""

    def __init__(self, close: Close) -> None:
        super().__init__(f"{close.code} {close.reason}")
        self.close = close


INTERNAL = ErrorBody(100, "internal server error", temporary=True)
UNKNOWN_CHANNEL = ErrorBody(102, "unknown channel")
PERMISSION_DENIED = ErrorBody(103, "permission denied")
METHOD_NOT_FOUND = ErrorBody(104, "method not found")
ALREADY_SUBSCRIBED = ErrorBody(105, "already subscribed")
LIMIT_EXCEEDED = ErrorBody(106, "limit exceeded")
BAD_REQUEST = ErrorBody(107, "bad request")
NOT_AVAILABLE = ErrorBody(108, "not available")
TOKEN_EXPIRED = ErrorBody(109, "token expired")
EXPIRED = ErrorBody(110, "expired")
UNRECOVERABLE_POSITION = ErrorBody(112, "unrecoverable position")

CLOSE_SHUTDOWN = Close(3001, "shutdown")
CLOSE_INTERNAL = Close(3004, "internal server error")
CLOSE_EXPIRED = Close(3005, "connection expired")
CLOSE_SUBSCRIPTION_EXPIRED = Close(3006, "subscription expired")
CLOSE_SLOW = Close(3008, "slow")
CLOSE_WRITE_ERROR = Close(3009, "write error")
CLOSE_INSUFFICIENT_STATE = Close(3010, "insufficient state")
CLOSE_NO_PONG = Close(3012, "no pong")
CLOSE_INVALID_TOKEN = Close(3500, "invalid token")
CLOSE_BAD_REQUEST = Close(3501, "bad request")
CLOSE_STALE = Close(3502, "stale")
CLOSE_FORCED = Close(3503, "force disconnect")
CLOSE_CONNECTION_LIMIT = Close(3504, "connection limit")
CLOSE_CHANNEL_LIMIT = Close(3505, "channel limit")
CLOSE_INAPPROPRIATE_PROTOCOL = Close(3506, "inappropriate protocol")
CLOSE_PERMISSION_DENIED = Close(3507, "permission denied")
CLOSE_NOT_AVAILABLE = Close(3508, "not available")

UNSUBSCRIBED_BY_SERVER = Unsubscription(2000, "server unsubscribe")
UNSUBSCRIBED_INSUFFICIENT_STATE = Unsubscription(2500, "insufficient state")
UNSUBSCRIBED_EXPIRED = Unsubscription(2501, "subscription expired")
