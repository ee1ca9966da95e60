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
        #: Its number, as the Sentinels count them; -1 until one was heard of.
        self._last_failover = -1

    async def primary(self) -> Address:
        """Return where the primary is, as the first Sentinel that answers says.

        One that has not heard of a failover which others knew of is passed over: appends to the
        primary that it names would be lost.

        Raises:
            StreamsUnavailableError: no Sentinel answers that knows of the last failover.
            WrongTargetError: none knows the name, or what answers is no Sentinel.
            StreamsRefusedError: those that answer refuse.
        """
        reasons: list[StreamsError] = []
        outdated: list[tuple[int, Address]] = []
        for host in tuple(self._hosts):
            # Before the address: it may hear of a failover between the two questions.
            failover = await self._failover_known_to(host)
            if isinstance(failover, StreamsUnavailableError):
                reasons.append(failover)
                continue
            reply = await self._answer(host, "GET-MASTER-ADDR-BY-NAME", self._name)
            if not isinstance(reply, list):
                known = isinstance(reply, StreamsError)
                reasons.append(reply if known else await self._unknown(host))
                continue
            name, port = reply
            address = Address(name.decode(), int(port))
            if failover is None or failover >= self._last_failover:
                # It is asked first the next time.
                self._hosts.remove(host)
                self._hosts.insert(0, host)
                return address
            outdated.append((failover, address))
            reasons.append(
                StreamsUnavailableError(f"Sentinel at {host} has not heard of the last failover")
            )
        if len(outdated) == len(self._hosts):
            # All of them: they were set up anew, and count from the beginning.
            self._last_failover, address = max(outdated)
            return address
        for kind in (LoginRefusedError, WrongTargetError):
            for reason in reasons:
                if isinstance(reason, kind):
                    raise reason
        texts = "; ".join(str(reason) for reason in reasons)
        raise StreamsUnavailableError(f"no Sentinel of {self._where} answers ({texts})")

    def distrust_first(self) -> None:
        """Ask another Sentinel first the next time: what this one named is no primary."""
        self._hosts.append(self._hosts.pop(0))

    async def replacement(self) -> Address | None:
        """Return the primary since the last failover, if that one was not heard of before.

        One that was cut off from the others still names the primary from before, so all of them
        are asked.
        """
        states = await asyncio.gather(*map(self._state, self._hosts))
        known = [state for state in states if not isinstance(state, StreamsError)]
        if not known:
            return None
        newest, address = max(known)
        if newest <= self._last_failover:
            return None  # while the next one is under way they name the old primary
        self._last_failover = newest
        return address

    async def _failover_known_to(self, host: Address) -> int | StreamsUnavailableError | None:
        """Return the last failover that a Sentinel knows of; None if it does not say."""
        if self._last_failover < 0:
            return None  # there is nothing to compare it with
        state = await self._state(host)
        if not isinstance(state, StreamsError):
            return state[0]
        return state if isinstance(state, StreamsUnavailableError) else None

    async def _state(self, host: Address) -> tuple[int, Address] | StreamsError:
        """Return the number of the last failover that a Sentinel knows of, and its primary."""
        reply = await self._answer(host, "MASTER", self._name)
        if isinstance(reply, StreamsError):
            return reply
        fields = pair_up(reply)
        address = Address(fields[b"ip"].decode(), int(fields[b"port"]))
        return int(fields[b"config-epoch"]), address

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
