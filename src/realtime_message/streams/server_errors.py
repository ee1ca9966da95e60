"""What Redis and redis-py complain about, told in our own exceptions."""

from __future__ import annotations

import os
import ssl

import redis.exceptions as client

from realtime_message.errors import (
    StreamsError,
    StreamsFullError,
    StreamsRefusedError,
    StreamsUnavailableError,
)
from realtime_message.redis_url import Address

_ABOUT_THE_SERVER = ("Redis ", "no Sentinel ")


class GroupMissingError(StreamsRefusedError):
    """NOGROUP: the stream or its consumer group is gone. The reader restores it."""


class StreamSealedError(StreamsUnavailableError):
    """A resize has closed the stream for appends. The appender waits for its end."""


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


class WrongTargetError(StreamsRefusedError):
    """What answers is not what the URL says; the text says what to do."""


class NotDoneError(StreamsUnavailableError):
    """The server has not done it and says so: the same may be sent again, here or elsewhere."""


class RedirectError(NotDoneError):
    """MOVED: another node of the cluster has the slot. ASK: it will soon, and has this key now."""

    @property
    def is_ask(self) -> bool:
        """Whether it holds for this command only, which must follow ASKING."""
        return self._words[0] == "ASK"

    @property
    def slot(self) -> int:
        """The slot that it is about."""
        return int(self._words[1])

    def address(self, asked: Address) -> Address:
        """Return where to go; a node may leave out a host that is the asked one's."""
        host, _, port = self._words[2].rpartition(":")
        return Address(host.removeprefix("[").removesuffix("]") or asked.host, int(port))

    @property
    def _words(self) -> list[str]:
        return str(self).removeprefix("Redis answered: ").split()


#: First word of an error reply → what it means to a caller. All else is a refusal.
_REPLY_CODES: dict[str, type[StreamsError]] = {
    "LOADING": NotDoneError,  # still reading its data after a start
    "MASTERDOWN": NotDoneError,  # a replica that lost its primary
    "CLUSTERDOWN": NotDoneError,
    "TRYAGAIN": NotDoneError,  # keys of a slot are on their way to another node
    "MOVED": RedirectError,
    "ASK": RedirectError,
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
        if "exhausted the last possible ID" in text:
            return StreamSealedError(f"Redis answered: {text}")
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
    text = f"Redis at {where}: {_reason(error)}"
    hint = _tls_hint(error)
    if hint is not None:
        return WrongTargetError(f"Redis at {where}: {hint}")
    for parent in type(error).__mro__:
        if parent in _CLIENT_CLASSES:
            return _CLIENT_CLASSES[parent](text)
    return StreamsRefusedError(text)


def unreachable(error: StreamsError, where: str, within: str = "") -> str:
    """Say that a server does not take part, why, and what to do.

    Args:
        error: what was raised.
        where: the server, without its password.
        within: for how long it was tried, in words.
    """
    return (
        f"Redis at {where} could not be reached{within} ({_bare(error, where)}): start it, or "
        "correct redis.url (REDIS_URL)"
    )


def login_refused(error: StreamsError, where: str) -> str:
    """Say that a server refused the login, why, and what to do. Arguments as above."""
    return (
        f"Redis at {where} refused the login ({_bare(error, where)}): correct user and password in "
        "redis.url (REDIS_URL), redis://user:password@host:port"
    )


def explained(error: StreamsError, where: str) -> StreamsError:
    """Return an error of a whole look or command with what to do about it.

    Args:
        error: what was raised.
        where: the server, without its password.
    """
    if isinstance(error, LoginRefusedError):
        return LoginRefusedError(login_refused(error, where))
    # Other unavailability tells what became of a write.
    if isinstance(error, StreamsUnavailableError) and str(error).startswith(_ABOUT_THE_SERVER):
        return StreamsUnavailableError(unreachable(error, where))
    return error


def _bare(error: StreamsError, where: str) -> str:
    return str(error).removeprefix(f"Redis at {where}: ")


def _reason(error: BaseException) -> str:
    """Return what went wrong in the system's words, else in redis-py's."""
    cause: BaseException | None = error
    while cause is not None:
        # asyncio's own text of a refused connection is "Connect call failed (…)".
        if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.errno:
            known = os.strerror(cause.errno) if cause.errno > 0 else cause.strerror
            return known or str(cause)
        cause = cause.__cause__ or cause.__context__
    return str(error).rstrip(".") or type(error).__name__


def _tls_hint(error: BaseException) -> str | None:
    """Return what to do about a handshake that can never succeed; None for other errors."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"its certificate does not verify ({cause.verify_message}): name the authority that "
            "signed it by ?ssl_ca_certs=/path/to/ca.crt in redis.url (REDIS_URL), and address it "
            "by a host name or IP address that the certificate contains"
        )
    if cause is not None and cause.reason == "WRONG_VERSION_NUMBER":
        return "it does not speak TLS on this port: use redis instead of rediss, or its TLS port"
    return None
