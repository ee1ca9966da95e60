"""What was acknowledged at a level survives what the level is for."""

from __future__ import annotations

import asyncio

import pytest

from support.loss_load import LossLoad, load_until_crash
from support.replicated_servers import ReplicatedServers
from support.server_abilities import require_waitaof
from support.valkey_server import ValkeyServer

ENOUGH = 1000


def _is_enough(load: LossLoad) -> bool:
    return len(load.acknowledged) >= ENOUGH


@pytest.mark.parametrize("attempt", range(2))
async def test_fsynced_survives_the_servers_sudden_end(attempt: int) -> None:
    """SIGKILL under load and a restart: not one acknowledged message is missing."""
    with ValkeyServer(durable=True) as server:
        require_waitaof(server)

        async def crash() -> None:
            await asyncio.to_thread(server.kill)

        load = await load_until_crash(
            server.url,
            "fsynced",
            messages_per_second=2000,
            payload_bytes=400,
            until=_is_enough,
            crash=crash,
        )
        server.start()
        assert load.lost(server) == []
        assert len(load.acknowledged) >= ENOUGH


@pytest.mark.parametrize("attempt", range(2))
async def test_replicated_survives_the_loss_of_the_primary(attempt: int) -> None:
    """The primary is killed under load and its replica promoted: nothing is missing there."""
    with ReplicatedServers() as servers:

        async def crash() -> None:
            await asyncio.to_thread(servers.primary.kill)

        load = await load_until_crash(
            servers.primary.url,
            "replicated",
            messages_per_second=2000,
            payload_bytes=400,
            until=_is_enough,
            crash=crash,
        )
        assert load.lost(servers.promote()) == []
        assert len(load.acknowledged) >= ENOUGH
