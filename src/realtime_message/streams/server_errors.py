"""What Redis and redis-py complain about, told in our own exceptions."""

from __future__ import annotations

import redis.exceptions as client

from realtime_message.errors import (
    StreamsError,
    StreamsFullError,
    StreamsRefusedError,
    StreamsUnavailableError,
)


class GroupMissingError(StreamsRefusedError):
    """NOGROUP: the stream or its consumer group is gone. The reader restores it."""


class ScriptMissingError(StreamsRefusedError):
    """NOSCRIPT: the server does not know the script (yet, or any more). It is sent again."""


class ReadOnlyServerError(StreamsRefusedError):
    """READONLY: a replica, or a primary that was demoted. A new connection may find the primary."""


class LoginRefusedError(StreamsRefusedError):
    """Wrong user or password, or none where one is needed."""


class CommandForbiddenError(StreamsRefusedError):
    """NOPERM: the user lacks the right for a command or a key; the text names it."""


class CommandUnknownError(StreamsRefusedError):
    """The server does not know a command."""


#: First word of an error reply → what it means to a caller. All else is a refusal.
_REPLY_CODES: dict[str, type[StreamsError]] = {
    "LOADING": StreamsUnavailableError,  # still reading its data after a start
    "MASTERDOWN": StreamsUnavailableError,  # a replica that lost its primary
    "CLUSTERDOWN": StreamsUnavailableError,
    "TRYAGAIN": StreamsUnavailableError,  # keys of a slot are on their way to another node
    "MOVED": StreamsUnavailableError,
    "ASK": StreamsUnavailableError,
    "BUSY": StreamsUnavailableError,  # a script runs for too long
    "UNBLOCKED": StreamsUnavailableError,
    "NOGROUP": GroupMissingError,
    "NOSCRIPT": ScriptMissingError,
    "OOM": StreamsFullError,
    "READONLY": ReadOnlyServerError,
    "NOAUTH": LoginRefusedError,
    "WRONGPASS": LoginRefusedError,
    "NOPERM": CommandForbiddenError,
}

#: Classes of redis-py → ours, looked up along the class's own bases. A connection error is mostly
#: something that passes, except where redis-py derives a refused login from it.
_CLIENT_CLASSES: dict[type[BaseException], type[StreamsError]] = {
    client.AuthenticationError: LoginRefusedError,
    client.AuthenticationWrongNumberOfArgsError: LoginRefusedError,
    client.AuthorizationError: LoginRefusedError,
    client.NoPermissionError: CommandForbiddenError,
    client.NoScriptError: ScriptMissingError,
    client.OutOfMemoryError: StreamsFullError,
    client.ReadOnlyError: ReadOnlyServerError,
    client.ConnectionError: StreamsUnavailableError,
    client.TimeoutError: StreamsUnavailableError,
    client.InvalidResponse: StreamsUnavailableError,
    client.ClusterError: StreamsUnavailableError,
    client.AskError: StreamsUnavailableError,
    client.TryAgainError: StreamsUnavailableError,
    client.SlotNotCoveredError: StreamsUnavailableError,
    client.RedisError: StreamsRefusedError,
    client.RedisClusterException: StreamsRefusedError,
    OSError: StreamsUnavailableError,
    TimeoutError: StreamsUnavailableError,
}


def from_reply(text: str) -> StreamsError:
    """Return the exception for an error reply, such as `OOM command not allowed …`."""
    code = text.partition(" ")[0]
    if code == "EXECABORT":
        # `… because of: NOPERM …` when EXEC itself was refused.
        _, _, reason = text.partition("because of: ")
        return from_reply(reason) if reason else StreamsRefusedError(f"Redis answered: {text}")
    if code == "ERR":
        if "max number of clients" in text:
            return StreamsUnavailableError(f"Redis answered: {text}")
        if "unknown command" in text or "unknown subcommand" in text:
            return CommandUnknownError(f"Redis answered: {text}")
    return _REPLY_CODES.get(code, StreamsRefusedError)(f"Redis answered: {text}")


def from_client(error: BaseException, where: str) -> StreamsError:
    """Return the exception for one that redis-py or the network raised.

    Args:
        error: what was raised.
        where: the server, without its password.
    """
    if isinstance(error, StreamsError):
        return error
    text = f"Redis at {where}: {error or type(error).__name__}"
    for parent in type(error).__mro__:
        if parent in _CLIENT_CLASSES:
            return _CLIENT_CLASSES[parent](text)
    return StreamsRefusedError(text)
