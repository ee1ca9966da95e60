"""Every script's keys lie in one hash slot, as a cluster wants it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.crc import key_slot

import realtime_message.streams
from realtime_message.settings import RedisSettings
from realtime_message.streams import open_streams
from realtime_message.streams.contracts import Dedup
from realtime_message.streams.leases import RedisLeaseRenewer
from realtime_message.streams.letter_selection import LetterPlace
from realtime_message.streams.pipeline import Pipeline
from realtime_message.streams.scripts import Script, load_script
from realtime_message.streams.session import Session
from support.streams_use import resize_once

FOLDER = Path(realtime_message.streams.__file__).parent / "lua"
NAMES = {path.stem for path in FOLDER.glob("*.lua")}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The keys with which each script was called while everything was used once."""
    calls: dict[str, list[str]] = {}
    run_script = Session.run_script

    async def watch(self: Session, script: Script, keys: list[str], arguments: object) -> object:
        calls[script.name] = list(keys)
        return await run_script(self, script, keys, arguments)

    monkeypatch.setattr(Session, "run_script", watch)
    enqueue = Pipeline.enqueue

    def watch_append(self: Pipeline, command: bytes, told: object, call: tuple = ()) -> None:
        if call:
            calls["entry_append"] = list(call[1:3])
        enqueue(self, command, told, call)

    monkeypatch.setattr(Pipeline, "enqueue", watch_append)
    evaluate = RedisLeaseRenewer._evaluate

    async def watch_renew(self: RedisLeaseRenewer, *arguments: Any) -> list:
        leases, keys = arguments[2], self._keys
        calls["lease_renew"] = [keys.lease(leases[0].partition), keys.epoch(leases[0].partition)]
        return await evaluate(self, *arguments)

    monkeypatch.setattr(RedisLeaseRenewer, "_evaluate", watch_renew)
    return calls


async def test_keys_of_every_script_share_a_slot(
    seen: dict[str, list[str]], redis_settings: RedisSettings
) -> None:
    """Whatever the streams do, no script is given keys of two slots."""
    streams = await open_streams(msgspec.structs.replace(redis_settings, partition_count=2))
    appender = await streams.appender()
    await appender.append(0, b"x", Dedup("u|c|1", b"r", 1000))
    await streams.members.heartbeat("w", 1)
    await streams.members.store_assignment({0: "w"}, 0)
    lease = await streams.leases.acquire(0, "w", 60)
    assert lease is not None
    renewer = streams.renewer()
    await asyncio.to_thread(renewer.renew, [lease], 60)
    await asyncio.to_thread(renewer.close)
    reader = streams.reader(lease, "worker-w-1")
    (entry,) = await reader.cycle([], 10)
    await reader.claim_pending(10)
    await reader.record_attempt(entry.id, 1)
    await streams._session.run("XGROUP", "DESTROY", streams.keys.stream(0), streams.keys.group(0))
    await reader.cycle([], 10)
    await reader._run_fenced("entries_read", [], ["g", "c", 0])  # as on a full Redis 7.0
    await reader.bury(entry, reason="r", error="e", attempts=1)
    (letter,) = await streams.dead_letters.list_page(0, 1)
    assert await streams.replayer.replay(LetterPlace((1, 1), 0, letter.id))
    moved = msgspec.structs.replace(letter, fields=(b"payload", b"{}"))
    await streams.replayer._append_to(1, moved)
    await streams.trimmer.trim(0, 0)
    parker = streams.parker(lease)
    await parker.park("c")
    await reader.set_aside("c", entry)
    await parker.record_attempt("c", "0-1", 1)
    await parker.finish("c", "0-1")
    await parker.unpark("c")
    await streams.retire_consumers(lease, "worker-w-1", is_leaving=True)
    await streams.leases.revoke(0, lease.epoch)
    await streams.leases.release(lease)
    await reader.close()
    await resize_once(streams)
    await streams.close()
    assert set(seen) == NAMES, "a script is not used above: add it"
    for name, keys in seen.items():
        assert len({key_slot(key.encode()) for key in keys}) == 1, (name, keys)


def test_script_hash_is_what_redis_computes(redis_settings: RedisSettings) -> None:
    """The hash that EVALSHA is sent with is the server's own."""
    from redis import Redis  # noqa: PLC0415 - for this one look

    with Redis.from_url(redis_settings.url, decode_responses=True) as client:
        for name in NAMES:
            assert client.script_load(load_script(name).text) == load_script(name).sha
