"""The whole callback service on real servers that fail under load.

Whatever happens, each answer is the truth or a temporary error in time; clients that resend get
every message through, stored once and in order; and the numbers add up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from realtime_message.partitions import partition_of
from support.callback_process import CallbackProcesses
from support.callback_thread import Wire
from support.held_link import HeldLink
from support.persistent_publishers import (
    PersistentPublishers,
    metrics_text,
    publish_counts,
    stored_messages,
)
from support.ports import free_port
from support.proxy_bodies import publish_body
from support.replicated_servers import ReplicatedServers
from support.valkey_server import ValkeyServer, unique_prefix

Fault = Callable[[ValkeyServer], contextlib.AbstractContextManager[None]]


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A server to break; what it confirmed survives SIGKILL."""
    with ValkeyServer({"enable-debug-command": "yes"}, durable=True) as server:
        yield server


@contextlib.contextmanager
def _stopped(server: ValkeyServer) -> Iterator[None]:
    server.stop()
    yield
    server.start()


@contextlib.contextmanager
def _killed(server: ValkeyServer) -> Iterator[None]:
    server.kill()
    yield
    server.start()


@contextlib.contextmanager
def _frozen(server: ValkeyServer) -> Iterator[None]:
    server.pause()
    yield
    server.resume()


@contextlib.contextmanager
def _full(server: ValkeyServer) -> Iterator[None]:
    server.client().config_set("maxmemory", "1")
    yield
    server.client().config_set("maxmemory", "0")


@contextlib.contextmanager
def _read_only(server: ValkeyServer) -> Iterator[None]:
    server.client().replicaof("127.0.0.1", str(free_port()))
    yield
    server.client().replicaof("NO", "ONE")


@contextlib.contextmanager
def _slow(server: ValkeyServer, seconds: float = 1.5) -> Iterator[None]:
    """Let every command wait for others that take long."""
    is_over = threading.Event()

    def keep_busy() -> None:
        client = server.client()
        while not is_over.is_set():
            client.execute_command("DEBUG", "SLEEP", seconds)

    thread = threading.Thread(target=keep_busy)
    thread.start()
    yield
    is_over.set()
    thread.join()


def _check(
    server: ValkeyServer,
    prefix: str,
    service: CallbackProcesses,
    load: PersistentPublishers,
    *,
    others: int = 0,
) -> dict[str, int]:
    """Check what clients were told against what is stored, and the numbers; return the numbers.

    `others` is how many messages were acknowledged beside the load's.
    """
    assert load.wrong == []
    stored = stored_messages(server, prefix)
    for channel, replies in load.acknowledged.items():
        assert [message["text"] for message in stored[channel]] == [
            str(number) for number in range(len(replies))
        ], "lost, doubled or out of order"
        assert [(m["id"], m["timestamp"]) for m in stored[channel]] == [
            (reply["id"], reply["timestamp"]) for reply in replies
        ], "another reply than that of the entry that is stored"
    counts = publish_counts(service.port)
    assert counts["received"] == (
        counts["appended"] + counts["duplicate"] + counts["rejected"] + counts["failed"]
    )
    assert counts["rejected"] == 0
    assert counts["failed"] == load.errors.total()
    assert counts["appended"] + counts["duplicate"] == load.count + others
    assert counts["appended"] + counts["late"] <= load.count + others
    return counts


@pytest.mark.parametrize("fault", [_stopped, _killed, _frozen, _full, _read_only, _slow])
def test_redis_fails_under_load(own_valkey: ValkeyServer, fault: Fault) -> None:
    """Temporary errors while it lasts, twice in a row, and none once it is over."""
    prefix = unique_prefix()
    with CallbackProcesses(own_valkey.url, prefix) as service:
        with PersistentPublishers(service.port) as load:
            load.wait_for_more()
            for _ in range(2):
                with fault(own_valkey):
                    load.wait_for_errors()
                load.wait_for_more()
            load.wait_for_more(200)
        assert set(load.errors) <= {503, 504, 507}
        assert load.broken == 0
        counts = _check(own_valkey, prefix, service, load)
        assert counts["failed"] >= 20


def test_redis_is_slow_within_the_deadline(own_valkey: ValkeyServer) -> None:
    """A server that takes its time, but not too much, costs no error."""
    prefix = unique_prefix()
    environment = {
        "RTM_REDIS__COMMAND_TIMEOUT_SECONDS": "10",
        "RTM_CALLBACK__DEADLINE_SECONDS": "11",
    }
    with CallbackProcesses(own_valkey.url, prefix, environment=environment) as service:
        with PersistentPublishers(service.port) as load, _slow(own_valkey, 0.1):
            load.wait_for_more(50)
        assert not load.errors
        counts = _check(own_valkey, prefix, service, load)
        assert counts["appended"] == load.count


def test_a_callback_process_is_killed_again_and_again(own_valkey: ValkeyServer) -> None:
    """Whoever resends to another service, or to the process that takes its place, gets the reply
    of the first append."""
    prefix = unique_prefix()
    with (
        CallbackProcesses(own_valkey.url, prefix, processes=2) as one,
        CallbackProcesses(own_valkey.url, prefix) as other,
    ):
        with PersistentPublishers(one.port, other.port) as load:
            for count in range(1, 4):
                load.wait_for_more()
                os.kill(one.children[0], signal.SIGKILL)
                one.wait_for("process.died", count)
            load.wait_for_more()
        assert load.wrong == []
        stored = stored_messages(own_valkey, prefix)
        for channel, replies in load.acknowledged.items():
            assert [m["text"] for m in stored[channel]] == [str(n) for n in range(len(replies))]
            assert [m["id"] for m in stored[channel]] == [reply["id"] for reply in replies]


@pytest.mark.parametrize("processes", [1, 2])
def test_killed_between_append_and_reply(valkey: ValkeyServer, processes: int) -> None:
    """The entry is there, the answer never came: a resend finds the one and gets the other."""
    prefix = unique_prefix()
    body = publish_body({"text": "once", "id": "m1"})
    patient = {
        "RTM_REDIS__COMMAND_TIMEOUT_SECONDS": "20",
        "RTM_CALLBACK__DEADLINE_SECONDS": "21",
    }
    with (
        HeldLink(valkey.port) as link,
        CallbackProcesses(
            f"redis://127.0.0.1:{link.port}", prefix, processes=processes, environment=patient
        ) as service,
        CallbackProcesses(valkey.url, prefix) as other,
    ):
        with Wire(service.port) as wire:
            link.hold()
            wire.post(body)
            deadline = time.monotonic() + 10
            while not stored_messages(valkey, prefix):
                assert time.monotonic() < deadline, "nothing was appended"
                time.sleep(0.005)
            service.kill_all()
            with pytest.raises((EOFError, ConnectionError)):
                wire.answer()
        with Wire(other.port) as wire:
            first, second = wire.call(body), wire.call(body)
        assert first.body == second.body
        ((message,),) = stored_messages(valkey, prefix).values()
        seen = first.json["result"]["data"]
        assert (seen["id"], seen["timestamp"]) == (message["id"], message["timestamp"])
        assert publish_counts(other.port)["duplicate"] == 2


def test_a_replica_is_frozen_under_load() -> None:
    """At the level `replicated` publishes fail while the replica is away; in memory they do not;
    what was acknowledged is on the replica."""
    prefix = unique_prefix()
    rules = '[{"pattern": "room:*", "durability": "replicated"}]'
    with (
        ReplicatedServers() as servers,
        CallbackProcesses(
            servers.primary.url, prefix, environment={"RTM_CALLBACK__CHANNELS": rules}
        ) as service,
        Wire(service.port) as wire,
    ):
        replica = servers.replicas[0]
        with PersistentPublishers(service.port) as load:
            load.wait_for_more()
            with _frozen(replica):
                load.wait_for_errors()
                assert "result" in wire.call(publish_body(channel="hall:1")).json
            load.wait_for_more()
        assert set(load.errors) <= {503, 504}
        _check(servers.primary, prefix, service, load, others=1)
        servers.wait_until_in_sync()
        _check(replica, prefix, service, load, others=1)


def test_workers_that_do_not_keep_up(own_valkey: ValkeyServer) -> None:
    """A partition whose backlog is full refuses, others go on; it is shown, logged once, and over
    once the workers have caught up."""
    prefix = unique_prefix()
    limit = {"RTM_REDIS__MAX_BACKLOG_ENTRIES": "50"}
    partition = partition_of("room:0", 8)
    elsewhere = next(f"c{n}" for n in range(99) if partition_of(f"c{n}", 8) != partition)
    shown = f'rtm_callback_backlog_full{{partition="{partition}"}}'
    with (
        CallbackProcesses(own_valkey.url, prefix, environment=limit) as service,
        Wire(service.port) as wire,
    ):
        with PersistentPublishers(service.port, clients=1) as load:
            load.wait_for_errors()
            service.wait_for("backlog.filled")
            assert f"{shown} 1.0" in metrics_text(service.port)
            assert "result" in wire.call(publish_body(channel=elsewhere)).json
            before = load.count
            _handle_all(own_valkey, prefix, partition)
            load.wait_for_more(1)
            service.wait_for("backlog.drained")
            assert before >= 50
        assert set(load.errors) == {507}
        _check(own_valkey, prefix, service, load, others=1)
        filled = [line for line in service.log if line["event"] == "backlog.filled"]
        drained = [line for line in service.log if line["event"] == "backlog.drained"]
        assert 0 <= len(filled) - len(drained) <= 1


def _handle_all(server: ValkeyServer, prefix: str, partition: int) -> None:
    """Read and acknowledge everything, as a worker would."""
    client = server.client()
    stream, group = f"{prefix}:partition:{partition}", f"workers:partition-{partition}"
    for _, entries in client.xreadgroup(group, "worker-0-1", {stream: ">"}):
        client.xack(stream, group, *[entry_id for entry_id, _ in entries])
