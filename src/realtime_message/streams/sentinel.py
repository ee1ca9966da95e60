"""Who the primary is, asked of the Sentinels in turn.

(Redis: "Guidelines for Redis clients with support for Redis Sentinel".)
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from realtime_message.errors import StreamsError, StreamsUnavailableError
from realtime_message.redis_url import Address
from realtime_message.streams.cluster_map import AskNode
from realtime_message.streams.server_errors import (
    CommandUnknownError,
    LoginRefusedError,
    WrongTargetError,
)
from realtime_message.streams.wire import pair_up


class Sentinels:
    """The Sentinels that a URL names.

    Args:
        hosts: where they listen.
        name: by which they know the primary.
        ask: how to ask one; it raises, or returns, a StreamsError.
        where: the URL without its password, for texts.
    """

    def __init__(self, hosts: Sequence[Address], name: str, ask: AskNode, where: str) -> None:
        self._hosts = list(hosts)
        self._name = name
        self._ask = ask
        self._where = where

    async def primary(self) -> Address:
        """Return where the primary is, as the first Sentinel that answers says.

        Raises:
            StreamsUnavailableError: no Sentinel answers.
            WrongTargetError: none knows the name, or what answers is no Sentinel.
            StreamsRefusedError: those that answer refuse.
        """
        reasons: list[StreamsError] = []
        for host in tuple(self._hosts):
            reply = await self._answer(host, "GET-MASTER-ADDR-BY-NAME", self._name)
            if isinstance(reply, list):
                # It is asked first the next time.
                self._hosts.remove(host)
                self._hosts.insert(0, host)
                name, port = reply
                return Address(name.decode(), int(port))
            reasons.append(reply if isinstance(reply, StreamsError) else await self._unknown(host))
        for kind in (LoginRefusedError, WrongTargetError):
            for reason in reasons:
                if isinstance(reason, kind):
                    raise reason
        texts = "; ".join(str(reason) for reason in reasons)
        raise StreamsUnavailableError(f"no Sentinel of {self._where} answers ({texts})")

    def distrust_first(self) -> None:
        """Ask another Sentinel first the next time: what this one named is no primary."""
        self._hosts.append(self._hosts.pop(0))

    async def newest_primary(self) -> tuple[int, Address | None]:
        """Return the number of the last failover that any Sentinel knows of, and its primary.

        One that was cut off from the others still names the primary from before. -1 and None if
        none answers.
        """
        replies = await asyncio.gather(
            *(self._answer(host, "MASTER", self._name) for host in self._hosts)
        )
        newest = -1
        address: Address | None = None
        for reply in replies:
            if isinstance(reply, list):
                fields = pair_up(reply)
                epoch = int(fields[b"config-epoch"])
                if epoch > newest:
                    newest, address = epoch, Address(fields[b"ip"].decode(), int(fields[b"port"]))
        return newest, address

    async def _answer(self, host: Address, *command: str) -> Any:
        try:
            reply = await self._ask(host, ("SENTINEL", *command))
        except LoginRefusedError as error:
            return LoginRefusedError(
                f"Sentinel at {host}: {error}; its own user and password are the options "
                "sentinel_username and sentinel_password of redis.url (REDIS_URL)"
            )
        except StreamsError as error:
            return error
        if isinstance(reply, LoginRefusedError):
            return LoginRefusedError(
                f"Sentinel at {host} wants a password: give ?sentinel_password=… in redis.url "
                "(REDIS_URL)"
            )
        if isinstance(reply, CommandUnknownError):
            return WrongTargetError(
                f"{host} is no Sentinel: let redis.url (REDIS_URL) name the Sentinels, mostly on "
                "port 26379, or use redis:// for the server itself"
            )
        return reply

    async def _unknown(self, host: Address) -> WrongTargetError:
        rows = await self._answer(host, "MASTERS")
        known = "none"
        if isinstance(rows, list) and rows:
            fields = [pair_up(row) for row in rows]
            known = ", ".join(sorted(field[b"name"].decode() for field in fields))
        return WrongTargetError(
            f"Sentinel at {host} knows no primary {self._name!r}, it knows {known}: correct the "
            "name in redis.url (REDIS_URL)"
        )
