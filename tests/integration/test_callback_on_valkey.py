"""The callback service on a real server: what is stored, and what its faults lead to."""

import json
import time
import urllib.request

import pytest

from realtime_message.partitions import partition_of
from support.callback_process import CallbackProcesses
from support.callback_thread import Wire
from support.held_link import HeldLink
from support.proxy_bodies import publish_body
from support.valkey_server import ValkeyServer, unique_prefix

RESEND = publish_body({"text": "hello", "id": "m1"})


@pytest.fixture
def own_valkey():
    server = ValkeyServer().start()
    yield server
    server.close()


def entries(server: ValkeyServer, prefix: str) -> list[tuple[str, dict[str, str]]]:
    """Every entry of every stream, with its stream's name."""
    client = server.client()
    names = sorted(client.keys(f"{prefix}:partition:*"))
    return [(name, fields) for name in names for _, fields in client.xrange(name)]


def error_of(port: int, body: bytes = RESEND) -> dict:
    """The error that a publish gets; its answer comes within Centrifugo's time-out of a second."""
    with Wire(port) as wire:
        begun = time.monotonic()
        answer = wire.call(body)
        assert answer.status == 200
        assert time.monotonic() - begun < 3  # generous on a busy machine; 0.9 s are asked for
        return answer.json["error"]


def readiness(port: int) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def wait_until_taken(port: int, body: bytes) -> dict:
    """Publish until it succeeds; return the reply."""
    deadline = time.monotonic() + 20
    while True:
        with Wire(port) as wire:
            reply = wire.call(body).json
        if "result" in reply:
            return reply
        assert time.monotonic() < deadline, reply


def test_a_publish_is_an_entry_in_the_stream_of_its_partition(valkey) -> None:
    """Stream name and fields are the wire format's."""
    prefix = unique_prefix()
    with CallbackProcesses(valkey.url, prefix) as service, Wire(service.port) as wire:
        data = wire.call(publish_body({"text": "hello"}, channel="room:1")).json["result"]["data"]
        assert readiness(service.port) == (200, {"status": "ready"})
    ((stream, fields),) = entries(valkey, prefix)
    partition = partition_of("room:1", 8)
    assert stream == f"{prefix}:partition:{partition}"
    assert list(fields) == ["payload"]
    assert json.loads(fields["payload"]) == {
        "id": data["id"],
        "channel": "room:1",
        "partitionId": partition,
        "userId": "56",
        "userName": "56",
        "text": "hello",
        "timestamp": data["timestamp"],
        "raw": '{"text": "hello"}',
        "clientId": "C2",
    }


def test_a_resend_to_another_process_gets_the_same_answer(valkey) -> None:
    """One entry, one reply, whichever process is asked."""
    prefix = unique_prefix()
    with (
        CallbackProcesses(valkey.url, prefix) as one,
        CallbackProcesses(valkey.url, prefix) as other,
        Wire(one.port) as first,
        Wire(other.port) as second,
    ):
        replies = [wire.call(RESEND).body for wire in (first, second, first)]
    assert len(set(replies)) == 1
    assert len(entries(valkey, prefix)) == 1


def test_killed_between_append_and_answer(own_valkey) -> None:
    """The client resends to another process: one entry, and the answer that it did not get."""
    prefix = unique_prefix()
    # On a busy machine it must not answer that Redis takes too long before it is killed.
    patient = {
        "RTM_REDIS__COMMAND_TIMEOUT_SECONDS": "10",
        "RTM_CALLBACK__DEADLINE_SECONDS": "20",
        "RTM_GATEWAY__PROXY_TIMEOUT_SECONDS": "30",
    }
    with (
        HeldLink(own_valkey.port) as link,
        CallbackProcesses(f"redis://127.0.0.1:{link.port}", prefix, environment=patient) as doomed,
        CallbackProcesses(own_valkey.url, prefix) as other,
    ):
        with Wire(doomed.port) as wire:
            link.hold()
            wire.post(RESEND)
            deadline = time.monotonic() + 10
            while not (stored := entries(own_valkey, prefix)):
                assert time.monotonic() < deadline
            doomed.kill_all()
            with pytest.raises((EOFError, ConnectionResetError)):
                wire.answer()
        with Wire(other.port) as wire:
            replies = [wire.call(RESEND).json for _ in range(2)]
        assert entries(own_valkey, prefix) == stored
        assert len(stored) == 1
        kept = json.loads(stored[0][1]["payload"])
        for reply in replies:
            assert reply["result"]["idempotency_key"] == kept["id"]
            assert reply["result"]["data"]["timestamp"] == kept["timestamp"]


def test_redis_is_stopped_and_comes_back(own_valkey) -> None:
    """Temporary errors meanwhile, readiness says why, then all is well; a resend is one entry."""
    prefix = unique_prefix()
    with CallbackProcesses(own_valkey.url, prefix) as service:
        with Wire(service.port) as wire:
            first = wire.call(RESEND).json
        own_valkey.stop()
        for _ in range(3):
            error = error_of(service.port)
            assert error["code"] in {503, 504}
            assert error["temporary"] is True
        status, body = readiness(service.port)
        assert status == 503
        assert "Redis" in body["message"]
        own_valkey.start()
        assert wait_until_taken(service.port, RESEND) == first
        assert readiness(service.port)[0] == 200
        assert len(entries(own_valkey, prefix)) == 1


def test_redis_does_not_answer(own_valkey) -> None:
    """Frozen: a temporary error before Centrifugo gives up, for each request."""
    with CallbackProcesses(own_valkey.url, unique_prefix()) as service:
        own_valkey.pause()
        try:
            for _ in range(3):
                error = error_of(service.port)
                assert error["code"] in {503, 504}
                assert error["temporary"] is True
        finally:
            own_valkey.resume()
        wait_until_taken(service.port, RESEND)


def test_redis_is_full(own_valkey) -> None:
    """Its own code, temporary; room made is room used."""
    client = own_valkey.client()
    with CallbackProcesses(own_valkey.url, unique_prefix()) as service:
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", str(used - 1))
        for body in (RESEND, publish_body({"text": "without an id"})):
            error = error_of(service.port, body)
            assert (error["code"], error["temporary"]) == (507, True)
        assert readiness(service.port)[0] == 503
        client.config_set("maxmemory", "0")
        wait_until_taken(service.port, RESEND)


def test_redis_becomes_a_replica(own_valkey) -> None:
    """A server that takes no writes is a temporary error."""
    client = own_valkey.client()
    with CallbackProcesses(own_valkey.url, unique_prefix()) as service:
        client.replicaof("127.0.0.1", "1")
        error = error_of(service.port)
        assert (error["code"], error["temporary"]) == (503, True)
        client.replicaof("NO", "ONE")
        wait_until_taken(service.port, RESEND)


def test_redis_forgets_its_scripts(own_valkey) -> None:
    """SCRIPT FLUSH is nothing that a client would notice."""
    with CallbackProcesses(own_valkey.url, unique_prefix()) as service, Wire(service.port) as wire:
        assert "result" in wire.call(RESEND).json
        own_valkey.client().script_flush()
        assert "result" in wire.call(publish_body({"text": "x", "id": "m2"})).json
