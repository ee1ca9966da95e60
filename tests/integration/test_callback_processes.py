"""Several processes on one port: replaced, rolled and stopped without losing a request."""

import json
import os
import re
import signal
import socket
import threading
import time
import urllib.request
from typing import Self

import pytest

from support.callback_process import CallbackProcesses
from support.callback_thread import Answer, Wire
from support.ports import free_port
from support.proxy_bodies import publish_body
from support.valkey_server import ValkeyServer, unique_prefix


class Load:
    """Clients that publish without a pause, as Centrifugo does: one request at a time each.

    A connection whose answer says that it closes is replaced; one that ends in any other way is an
    error, for Centrifugo does not repeat a request. One that was never served is counted apart.
    """

    def __init__(self, port: int, clients: int = 8) -> None:
        self._port = port
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.taken: list[str] = []
        self.errors: list[str] = []
        self.unserved = 0
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop after the requests under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def wait_for_more(self, count: int) -> None:
        """Wait until so many more publishes have succeeded."""
        wanted = len(self.taken) + count
        deadline = time.monotonic() + 30
        while len(self.taken) < wanted:
            assert time.monotonic() < deadline, (len(self.taken), self.errors)
            time.sleep(0.005)

    def _run(self) -> None:
        while not self._stop.is_set() and self._use_connection():
            pass

    def _use_connection(self) -> bool:
        """Publish on one connection until its end; False when nobody listens."""
        served = 0
        try:
            with Wire(self._port) as wire:
                while not self._stop.is_set():
                    answer = wire.call(publish_body())
                    served += 1
                    self._note(answer)
                    if answer.closes:
                        break
        except ConnectionRefusedError:
            return False
        except (EOFError, OSError) as error:
            with self._lock:
                if served:
                    self.errors.append(repr(error))
                else:
                    self.unserved += 1
        return True

    def _note(self, answer: Answer) -> None:
        with self._lock:
            if "result" in answer.json:
                self.taken.append(answer.json["result"]["data"]["id"])
            else:
                self.errors.append(answer.body.decode())


def stored_ids(valkey, prefix: str) -> list[str]:
    client = valkey.client()
    return [
        json.loads(fields["payload"])["id"]
        for name in client.keys(f"{prefix}:partition:*")
        for _, fields in client.xrange(name)
    ]


def outcomes(port: int) -> dict[str, int]:
    """What became of the publishes, as whichever process answers tells it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    answered = re.compile(
        r'^rtm_callback_answered_total{event="publish",outcome="(\w+)"} (\S+)$', re.MULTILINE
    )
    received = re.compile(r'^rtm_callback_received_total{event="publish"} (\S+)$', re.MULTILINE)
    counts = {outcome: int(float(count)) for outcome, count in answered.findall(text)}
    return {"received": int(float(received.findall(text)[0])), **counts}


def wait_for_identity(port: int) -> dict[str, int]:
    """Wait until received = appended + duplicate + accepted + rejected + failed."""
    deadline = time.monotonic() + 20
    while True:
        counts = outcomes(port)
        if 2 * counts["received"] == sum(counts.values()):
            return counts
        assert time.monotonic() < deadline, counts
        time.sleep(0.01)


def wait_for_children(service: CallbackProcesses, condition) -> list[int]:
    """Wait until a condition holds for the pids of the children."""
    deadline = time.monotonic() + 30
    while not condition(children := service.children):
        assert time.monotonic() < deadline, (children, service.log)
        time.sleep(0.02)
    return children


def test_a_rolling_replacement_under_load_shows_no_error(valkey) -> None:
    """SIGHUP: every process is another one afterwards, and no client noticed."""
    prefix = unique_prefix()
    with CallbackProcesses(valkey.url, prefix, processes=2) as service:
        before = wait_for_children(service, lambda children: len(children) == 2)
        with Load(service.port) as load:
            load.wait_for_more(100)
            service.signal(signal.SIGHUP)
            service.wait_for("processes.rolled")
            load.wait_for_more(100)
        after = wait_for_children(service, lambda children: len(children) == 2)
        assert not set(before) & set(after)
        assert (load.errors, load.unserved) == ([], 0)
        assert sorted(stored_ids(valkey, prefix)) == sorted(load.taken)
        assert wait_for_identity(service.port)["appended"] == len(load.taken)
        assert service.stop() == 0


def test_a_killed_process_is_replaced(valkey) -> None:
    """The others go on; what was in flight in it is counted as failed; the numbers add up."""
    prefix = unique_prefix()
    with CallbackProcesses(valkey.url, prefix, processes=2) as service:
        children = wait_for_children(service, lambda children: len(children) == 2)
        with Load(service.port) as load:
            load.wait_for_more(100)
            os.kill(children[0], signal.SIGKILL)
            service.wait_for("process.died")
            wait_for_children(service, lambda now: len(now) == 2 and children[0] not in now)
            load.wait_for_more(100)
        # Only what went through the killed process can have failed, one request a client.
        assert len(load.errors) + load.unserved <= 8
        assert set(load.taken) <= set(stored_ids(valkey, prefix))
        counts = wait_for_identity(service.port)
        # What the killed process had not shared yet is not counted: up to a fortieth of a second.
        assert counts["appended"] + counts["failed"] <= len(stored_ids(valkey, prefix)) + 8
        assert service.stop() == 0


def test_sigterm_under_load_finishes_what_is_in_flight(valkey) -> None:
    """Every answer that a client got is true, and every other client was told to close."""
    prefix = unique_prefix()
    with CallbackProcesses(valkey.url, prefix, processes=2) as service:
        with Load(service.port) as load:
            load.wait_for_more(100)
            assert service.stop() == 0
        assert load.errors == []
        assert sorted(stored_ids(valkey, prefix)) == sorted(load.taken)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_how_it_ends(valkey, processes, number, code) -> None:
    """0 after SIGTERM, 130 after Ctrl-C, and nothing is left."""
    with CallbackProcesses(valkey.url, unique_prefix(), processes=processes) as service:
        children = service.children
        service.signal(number)
        assert service.wait() == code
        for pid in children:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_in_a_terminal_drains(valkey, processes) -> None:
    """The signal reaches every process at once; still every answer is given."""
    prefix = unique_prefix()
    with CallbackProcesses(valkey.url, prefix, processes=processes) as service:
        with Load(service.port) as load:
            load.wait_for_more(100)
            service.signal_group(signal.SIGINT)
            assert service.wait() == 130
        assert load.errors == []
        assert sorted(stored_ids(valkey, prefix)) == sorted(load.taken)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_second_signal_ends_the_wait(valkey, processes) -> None:
    """Somebody is in a hurry: what is still being worked on is cut off, without a traceback."""
    with (
        CallbackProcesses(
            valkey.url,
            unique_prefix(),
            processes=processes,
            app="support.callback_apps:hanging",
            environment={
                "RTM_CALLBACK__DEADLINE_SECONDS": "60",
                "RTM_CALLBACK__DRAIN_TIMEOUT_SECONDS": "60",
                "RTM_GATEWAY__PROXY_TIMEOUT_SECONDS": "70",
            },
        ) as service,
        Wire(service.port) as wire,
    ):
        wire.post(publish_body())
        service.wait_for("hook.reached")
        service.signal(signal.SIGTERM)
        service.wait_for("callback.draining")
        service.signal(signal.SIGTERM)
        assert service.wait() == 0
        assert not [line for line in service.log if "Traceback" in line.get("text", "")]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_while_it_waits_for_redis(processes) -> None:
    """It is obeyed at once."""
    service = CallbackProcesses(
        f"redis://127.0.0.1:{free_port()}",
        unique_prefix(),
        processes=processes,
        environment={"RTM_REDIS__STARTUP_TIMEOUT_SECONDS": "600"},
    )
    service.wait_for("redis.waiting", processes)
    assert service.stop() == 0
    assert not [line for line in service.log if "Traceback" in line.get("text", "")]


def test_children_do_not_outlive_their_parent(valkey) -> None:
    """A parent that is killed takes them along, drained."""
    with CallbackProcesses(valkey.url, unique_prefix(), processes=2) as service:
        children = wait_for_children(service, lambda children: len(children) == 2)
        os.kill(service.pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while any(_is_alive(pid) for pid in children):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_processes_that_die_again_and_again_are_given_up(valkey) -> None:
    """It ends with one sentence and exit code 1."""
    with CallbackProcesses(
        valkey.url, unique_prefix(), processes=2, app="support.callback_apps:deadly"
    ) as service:
        deadline = time.monotonic() + 60
        while True:
            assert time.monotonic() < deadline
            try:
                with Wire(service.port) as wire:
                    wire.call(publish_body())
            except ConnectionRefusedError:
                break
            except (EOFError, OSError):
                continue
        assert service.wait() == 1
        assert "died 6 times within 60 s" in service.wait_for("error")["text"]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_port_in_use(valkey, processes) -> None:
    """One sentence that names the port, and exit code 3."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        service = CallbackProcesses(
            valkey.url,
            unique_prefix(),
            processes=processes,
            environment={"RTM_CALLBACK__PORT": str(port)},
        )
        assert f"port {port}" in service.wait_for("error")["text"]
        assert service.wait() == 3


@pytest.mark.parametrize("processes", [1, 2])
def test_redis_that_is_not_there(processes) -> None:
    """It waits for the time that is set, then says what to do, with exit code 3."""
    service = CallbackProcesses(
        f"redis://127.0.0.1:{free_port()}",
        unique_prefix(),
        processes=processes,
        environment={"RTM_REDIS__STARTUP_TIMEOUT_SECONDS": "0.3"},
    )
    assert "REDIS_URL" in service.wait_for("error")["text"]
    assert service.wait() == 3


def impatient_processes(server: ValkeyServer) -> CallbackProcesses:
    """Return two processes that wait only for a moment for a Redis that is not there."""
    return CallbackProcesses(
        server.url,
        unique_prefix(),
        processes=2,
        environment={"RTM_REDIS__STARTUP_TIMEOUT_SECONDS": "0.2"},
    )


def test_a_process_that_dies_while_redis_is_away_is_replaced_later() -> None:
    """The other one goes on meanwhile, however often the replacement cannot start."""
    with (
        ValkeyServer() as server,
        impatient_processes(server) as service,
    ):
        killed, other = wait_for_children(service, lambda children: len(children) == 2)
        server.kill()
        os.kill(killed, signal.SIGKILL)
        assert "REDIS_URL" in service.wait_for("process.not_replaced", 6)["reason"]
        assert other in service.children
        server.start()
        wait_for_children(service, lambda now: len(now) == 2 and other in now)
        with Load(service.port) as load:
            load.wait_for_more(20)
        assert service.stop() == 0


def test_processes_that_all_die_while_redis_is_away_end_the_service() -> None:
    """Nobody would answer: whoever started it is told, and may start it anew."""
    with (
        ValkeyServer() as server,
        impatient_processes(server) as service,
    ):
        children = wait_for_children(service, lambda children: len(children) == 2)
        server.kill()
        for child in children:
            os.kill(child, signal.SIGKILL)
        assert service.wait() == 3


def test_an_app_that_cannot_be_loaded(valkey) -> None:
    """The reason reaches the parent's one sentence."""
    service = CallbackProcesses(
        valkey.url, unique_prefix(), processes=2, app="support.callback_apps:unusable"
    )
    assert service.wait_for("error")["text"] == "support.callback_apps: no App, on purpose"
    assert service.wait() == 3
