"""Whether a server can be used: what it knows, what it allows, and how long to wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from realtime_message.errors import (
    ConfigurationError,
    StartupError,
    StreamsError,
    StreamsRefusedError,
    StreamsUnavailableError,
    UnsupportedServerError,
)
from realtime_message.streams.keys import Keys
from realtime_message.streams.server_errors import (
    CommandForbiddenError,
    CommandUnknownError,
    LoginRefusedError,
    ReadOnlyServerError,
    RedirectError,
    WrongTargetError,
    login_refused,
    unreachable,
)
from realtime_message.streams.session import Place, Session
from realtime_message.streams.wire import Command, information_fields
from realtime_message.telemetry.logs import get_logger

#: Groups with their lag, and scripts whose errors keep their code.
OLDEST_VERSION = (7, 0)

RETRY_INITIAL_SECONDS = 0.05
RETRY_MAX_SECONDS = 1.0

_log = get_logger("streams.startup")


async def wait_until_ready(
    start: Callable[[], Awaitable[None]], where: str, timeout_seconds: float
) -> None:
    """Run a start until Redis takes part in it, with growing pauses.

    Args:
        start: what needs Redis; it may be run several times.
        where: the server, without its password.
        timeout_seconds: for how long to try; at least one attempt is made.

    Raises:
        StartupError: it cannot work, or not within the time; the text says what to do.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + timeout_seconds
    pause_seconds = RETRY_INITIAL_SECONDS
    while True:
        try:
            await start()
            return
        except StreamsUnavailableError as error:
            if loop.time() + pause_seconds >= give_up_at:
                within = f" within {timeout_seconds:g} s"
                raise StartupError(unreachable(error, where, within)) from None
            _log.info("redis.waiting", redis=where, reason=str(error))
        except LoginRefusedError as error:
            raise ConfigurationError(login_refused(error, where)) from None
        except WrongTargetError as error:
            raise ConfigurationError(str(error)) from None
        except ReadOnlyServerError:
            raise ConfigurationError(
                f"Redis at {where} is a read-only replica: let redis.url (REDIS_URL) name the "
                "primary"
            ) from None
        except (CommandForbiddenError, CommandUnknownError) as error:
            raise UnsupportedServerError(f"Redis at {where} cannot be used: {error}") from None
        except StreamsRefusedError as error:
            raise StartupError(f"Redis at {where} refused the start: {error}") from None
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 2, RETRY_MAX_SECONDS)


async def check_server(session: Session, keys: Keys) -> None:
    """Check that every server is new enough, and knows and allows what is needed.

    Args:
        session: to the server, or to all nodes of the cluster.
        keys: the key names.

    Raises:
        UnsupportedServerError: one is not, or does not; the text names every command.
        StreamsError: no answer, or a refusal that has nothing to do with commands.
    """
    for place in await session.masters():
        await _check_one(session, place, keys)


async def _check_one(session: Session, place: Place, keys: Keys) -> None:
    where = session.shown(place)
    (information,) = await session.call_at(place, ("INFO",))
    if isinstance(information, CommandForbiddenError):
        information = b""  # the commands themselves are asked for below
    elif isinstance(information, StreamsError):
        raise information
    _check_information(information_fields(information), where)
    commands = _harmless_commands(keys)
    if place is not None:
        commands += [("CLUSTER", "SLOTS"), ("ASKING",), ("GET", keys.epoch(0))]
    # A node that does not have the slot says whether it would be allowed, all the same.
    replies = await session.call_at(place, *commands)
    wrong = [r for r in replies if isinstance(r, CommandForbiddenError | CommandUnknownError)]
    if wrong:
        texts = "; ".join(dict.fromkeys(str(error) for error in wrong))
        raise UnsupportedServerError(
            f"Redis at {where} does not know, or does not allow this user, what is needed: {texts}."
            " Give the user these commands on all keys of the prefix (two patterns: "
            f"~{keys.prefix}:* and ~{{{keys.prefix}*), or use another server"
        )
    for reply in replies:
        is_redirect = isinstance(reply, RedirectError)
        grave = StreamsUnavailableError | ReadOnlyServerError | LoginRefusedError
        if isinstance(reply, grave) and not is_redirect:
            raise reply


def _check_information(fields: Mapping[str, str], where: str) -> None:
    version = fields.get("redis_version", "")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers and numbers < OLDEST_VERSION:
        oldest = ".".join(map(str, OLDEST_VERSION))
        raise UnsupportedServerError(
            f"Redis at {where} has version {version}; {oldest} or newer is needed, or Valkey"
        )
    policy = fields.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and fields.get("maxmemory", "0") != "0":
        # Streams, resend marks and leases would be thrown away without a word.
        _log.warning("eviction.allowed", redis=where, maxmemory_policy=policy, needed="noeviction")


def _harmless_commands(keys: Keys) -> list[Command]:
    """Return every command we use, in a form that changes nothing and reads no user's data.

    On a key that never exists each is a no-op or an error; what counts is whether the error says
    that the command is unknown or not allowed.
    """
    return [*_about_streams(keys), *_about_others(keys.probe(keys.stream(0)))]


def _about_streams(keys: Keys) -> list[Command]:
    probe = keys.probe(keys.stream(0))
    return [
        ("XLEN", keys.stream(0)),
        ("GET", keys.epoch(0)),
        ("XADD", probe, "NOMKSTREAM", "*", "payload", ""),
        ("XRANGE", probe, "-", "+", "COUNT", 1),
        ("XREAD", "COUNT", 1, "STREAMS", probe, "0-0"),
        ("XREADGROUP", "GROUP", "probe", "probe", "COUNT", 1, "STREAMS", probe, ">"),
        ("XACK", probe, "probe", "0-1"),
        ("XPENDING", probe, "probe"),
        ("XCLAIM", probe, "probe", "probe", 0, "0-1", "JUSTID"),
        ("XTRIM", probe, "MINID", "0-1"),
        ("XDEL", probe, "0-1"),
        ("XGROUP", "CREATE", probe, "probe", "0"),
        ("XGROUP", "DELCONSUMER", probe, "probe", "probe"),
        ("XINFO", "GROUPS", probe),
        ("XINFO", "CONSUMERS", probe, "probe"),
        ("XINFO", "STREAM", probe),
    ]


def _about_others(probe: str) -> list[Command]:
    return [
        ("WATCH", probe),
        # What would write is only queued: a command without its arguments ends the transaction.
        ("MULTI",),
        ("HSET", probe, "probe", ""),
        ("HSETNX", probe, "probe", ""),
        ("GET",),
        ("EXEC",),
        ("GET", probe),
        ("SET", probe, "", "XX"),
        ("DEL", probe),
        ("EXISTS", probe),
        ("PEXPIRE", probe, 1),
        ("PTTL", probe),
        ("HGET", probe, "probe"),
        ("HDEL", probe, "probe"),
        ("HMGET", probe, "probe"),
        ("HGETALL", probe),
        ("ZADD", probe, "XX", 0, "probe"),
        ("ZREM", probe, "probe"),
        ("ZSCORE", probe, "probe"),
        ("ZRANGE", probe, 0, -1),
        ("ZREMRANGEBYSCORE", probe, "-inf", "-inf"),
        ("TIME",),
        ("CLIENT", "SETNAME", ""),
        ("SCRIPT", "LOAD", "return 1"),
        ("EVALSHA", "0" * 40, 0),
        ("EVAL", "return 1", 0),
    ]
