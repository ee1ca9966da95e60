"""The doctor on real servers, healthy and broken."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from realtime_message.doctor.examination import Examination, Question
from realtime_message.settings import load_settings
from support.callback_thread import CallbackThread
from support.cluster_servers import ClusterServers
from support.ports import free_port
from support.up_stack import RTM, UpStack, clean_environment
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.timeout(120)

KEY = "3f9a7c2e8b1d4f60a5c7"
API_KEY = "e1b84d7730fa92c6d50b"
OUTSIDE = ("callback", "gateway")


class Result:
    """What the doctor found.

    Args:
        checks: each check, as in its JSON.
        code: the exit code that follows.
    """

    def __init__(self, checks: list[dict[str, Any]], code: int) -> None:
        self.code = code
        self.findings = {
            check["check"]: [f"{f['severity']}: {f['what']}" for f in check["findings"]]
            for check in checks
        }
        self.outcomes = {check["check"]: check["outcome"] for check in checks}

    @property
    def bad(self) -> list[str]:
        """All findings but the notes."""
        return [t for texts in self.findings.values() for t in texts if not t.startswith("note")]


def doctor(url: str, without: tuple[str, ...] = OUTSIDE, **settings: Any) -> Result:
    """Examine an installation; settings by their paths."""
    flags = {
        "redis.url": url,
        "callback.token_secret": KEY,
        "gateway.api_key": API_KEY,
        **{name.replace("__", "."): value for name, value in settings.items()},
    }
    question = Question(load_settings({}, flags=flags), None, None, frozenset(without))
    checked = asyncio.run(Examination(question).run())
    code = int(any(f.severity == "error" for check in checked for f in check.findings))
    return Result([msgspec.to_builtins(check) for check in checked], code)


def rtm_doctor(
    folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    done = subprocess.run(
        [*RTM, "doctor", *arguments],
        cwd=folder,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def _url(service: CallbackThread) -> str:
    return f"http://127.0.0.1:{service.port}"


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    """A server of these tests' own, to be set up badly."""
    with ValkeyServer() as running:
        yield running


def test_running_system_is_in_order(tmp_path: Path) -> None:
    """`rtm up`: no error and no warning, from inside and outside."""
    with UpStack(tmp_path) as stack:
        stack.wait_until_ready()
        done = rtm_doctor(tmp_path, "--json")
        result = Result(json.loads(done.stdout)["checks"], done.returncode)
        assert result.bad == []
        assert result.code == 0
        assert set(result.outcomes.values()) == {"done"}
        assert any("callback service answers" in text for text in result.findings["callback"])
        assert any("gateway answers" in text for text in result.findings["gateway"])


@pytest.mark.parametrize("how", ["away", "frozen"])
def test_dead_redis_is_one_finding_and_no_hang(how: str) -> None:
    """What needs Redis is left out."""
    with ValkeyServer() as server:
        begin = time.monotonic()
        if how == "frozen":
            server.pause()
            result = doctor(server.url)
        else:
            server.kill()
            result = doctor(server.url)
        assert time.monotonic() - begin < 30
    assert result.code == 1
    assert len(result.findings["redis"]) == 1
    assert result.findings["redis"][0].startswith("error: Redis at redis://127.0.0.1")
    assert result.outcomes["partitions"] == "left out"
    assert len(result.bad) == 1


@pytest.mark.parametrize(
    ("options", "settings", "expected"),
    [
        (
            {"maxmemory-policy": "allkeys-lru", "maxmemory": "100mb"},
            {},
            "maxmemory-policy allkeys-lru",
        ),
        ({"appendonly": "no"}, {}, "keeps no append-only file, and saves no snapshots"),
        ({"appendfsync": "no"}, {}, "has appendfsync no"),
        ({}, {"redis__durability": "fsynced"}, "has appendfsync everysec"),
        ({}, {"redis__durability": "replicated"}, "has 0"),
    ],
)
def test_server_that_does_not_fit_is_named(
    server: ValkeyServer,
    options: dict[str, str],
    settings: dict[str, str],
    expected: str,
) -> None:
    """As its own INFO and CONFIG say it."""
    sound = {
        "maxmemory-policy": "noeviction",
        "maxmemory": "0",
        "appendonly": "yes",
        "appendfsync": "everysec",
    }
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        for name, value in {**sound, **options}.items():
            client.config_set(name, value)
        result = doctor(server.url, **settings)
        for name, value in sound.items():
            client.config_set(name, value)
    assert any(expected in text for text in result.findings["redis"]), result.findings["redis"]


def test_limit_above_which_publishers_are_refused_is_told(server: ValkeyServer) -> None:
    """By what is in the streams and in the server's memory."""
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        client.xgroup_create("messages:partition:2", "workers:partition-2", "0", mkstream=True)
        for _ in range(3):
            client.xadd("messages:partition:2", {"payload": "x"})
        client.config_set("maxmemory", "100mb")
        result = doctor(server.url, redis__max_backlog_entries=2, redis__max_memory_share=0.001)
        client.config_set("maxmemory", "0")
    found = " ".join(result.findings["partitions"])
    assert "partition 2: 3 messages wait, more than redis.max_backlog_entries = 2" in found
    assert "of its maxmemory, more than redis.max_memory_share = 0.001" in found


def test_release_with_known_bugs_is_told() -> None:
    """The oldest server that is supported has some."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on PATH")
    with ValkeyServer(binary=binary) as old:
        found = doctor(old.url).findings["redis"]
        with redis.Redis.from_url(old.url) as client:
            is_7_0 = client.info()["redis_version"].startswith("7.0.")  # type: ignore[union-attr]
    if not is_7_0:
        pytest.skip(f"{binary} is not Redis 7.0")
    assert any("CVE-2025-49844" in text for text in found)
    assert any("tells a wrong lag" in text for text in found)


def test_masters_of_a_cluster_are_looked_at_one_by_one() -> None:
    """Each is named; one without a partition is a warning."""
    with ClusterServers(masters=3, replicas=0) as cluster:
        result = doctor(cluster.url)
        assert sum("answers" in text for text in result.findings["redis"]) == 3
        (spread,) = result.findings["spread"]
        assert spread.startswith("note: partitions on the masters: ")
        assert sum(int(part.rsplit(" ", 1)[1]) for part in spread.split(", ")) == 8
        (few,) = doctor(cluster.url, redis__partition_count=2).findings["spread"]
        assert few.startswith("warning: of 3 masters 2 are without a partition")


def test_wrong_password_and_missing_right_are_told(server: ValkeyServer) -> None:
    """Not as a server that does not answer."""
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "few", "on", ">pw", "~*", "+@all", "-xdel")
    wrong = doctor(f"redis://few:no@127.0.0.1:{server.port}")
    assert "invalid username-password" in wrong.findings["redis"][0]
    few = doctor(f"redis://few:pw@127.0.0.1:{server.port}")
    assert any("'xdel" in text for text in few.findings["redis"])
    assert few.code == 1


def test_partitions_in_disorder_are_told(server: ValkeyServer) -> None:
    """Other layout, foreign group, dead letters, parked channel, unread messages deleted."""
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        mismatch = {"partition_count": 4, "hash": "md5-first-4-bytes-big-endian"}
        client.hset("{messages}:layout", mapping=mismatch)  # type: ignore[arg-type]
        assert "were made with 4" in doctor(server.url).findings["layout"][0]
        client.flushall()
        for partition in range(8):
            stream = f"messages:partition:{partition}"
            client.xgroup_create(stream, f"workers:partition-{partition}", "0", mkstream=True)
        for number in range(5):
            client.xadd("messages:partition:3", {"payload": "x"}, id=f"{number + 1}-0")
        client.xgroup_create("messages:partition:3", "audit", "0")
        client.xadd("{messages:partition:3}:dead", {"payload": "x", "entry_id": "1-1"})
        client.zadd("{messages:partition:3}:parked", {"room:1": 1})
        first = doctor(server.url)
        found = first.findings["partitions"]
        assert any("no worker is running; 5 messages wait" in text for text in found)
        assert any("'audit' on messages:partition:3 is not registered" in text for text in found)
        assert any("1 dead letter waits in partition 3" in text for text in found)
        assert any("1 channel is parked: room:1" in text for text in found)
        assert "entries appended: 5;" in first.findings["numbers"][0]
        known = doctor(server.url, worker__registered_groups=["audit"])
        assert not any("audit" in text for text in known.findings["partitions"])
        client.xreadgroup("workers:partition-3", "c", {"messages:partition:3": ">"}, count=5)
        client.xtrim("messages:partition:3", maxlen=1, approximate=False)
        lost = doctor(server.url)
        assert lost.code == 1
        assert any("5 pending, but the stream holds only 1" in t for t in lost.findings["numbers"])


def test_callback_service_is_asked_as_a_stranger(server: ValkeyServer) -> None:
    """One that demands the secret is fine; one that serves without it is not."""
    where = {"gateway__callback_url": "", "callback__secret": "b77d20c93e5f8a164d0e"}
    with CallbackThread(secret=where["callback__secret"]) as guarded:
        where["gateway__callback_url"] = _url(guarded)
        found = doctor(server.url, ("gateway",), **where).findings["callback"]
        assert found == [f"note: the callback service answers at {_url(guarded)}"]
    with CallbackThread() as open_to_all:
        where["gateway__callback_url"] = _url(open_to_all)
        found = doctor(server.url, ("gateway",), **where).findings["callback"]
        assert any("serves callers without the secret" in text for text in found)


class _OpenGateway(BaseHTTPRequestHandler):
    """A gateway that lets everyone in."""

    def _answer(self) -> None:
        body = b"{}"
        self.send_response(404 if self.path == "/health" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def test_open_gateway_is_told(server: ValkeyServer) -> None:
    """Server API without a key, admin page without a password, no health."""
    gateway = ThreadingHTTPServer(("127.0.0.1", 0), _OpenGateway)
    threading.Thread(target=gateway.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{gateway.server_port}/api"
    found = doctor(server.url, ("callback",), gateway__api_url=url).findings["gateway"]
    gateway.shutdown()
    gateway.server_close()
    assert any("answers without a key" in text for text in found)
    assert any("lets everyone in" in text for text in found)
    assert any("has no /health" in text for text in found)


def test_what_does_not_answer_is_told(server: ValkeyServer) -> None:
    """Each by its address."""
    port = free_port()
    urls = {
        "gateway__callback_url": f"http://127.0.0.1:{port}",
        "gateway__api_url": f"http://127.0.0.1:{port}/api",
    }
    result = doctor(server.url, (), **urls)
    assert result.code == 1
    assert "does not answer at" in result.findings["callback"][0]
    assert "does not answer at" in result.findings["gateway"][0]


def _environment(server: ValkeyServer) -> dict[str, str]:
    return {
        "REDIS_URL": server.url,
        "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": KEY,
        "CENTRIFUGO_HTTP_API_KEY": API_KEY,
    }


def test_configuration_of_centrifugo_is_held_against_the_settings(
    server: ValkeyServer, tmp_path: Path
) -> None:
    """A file with the server API open to everyone; one that is not there."""
    (tmp_path / "c.json").write_text('{"http_api": {"insecure": true}}')
    leave_out = [w for check in (*OUTSIDE, "redis") for w in ("--without", check)]
    for file, expected in (("c.json", "http_api.insecure"), ("none.json", "cannot be read")):
        done = rtm_doctor(tmp_path, "--centrifugo", file, *leave_out, **_environment(server))
        assert done.returncode == 1
        assert expected in done.stdout


def test_strict_counts_warnings_and_unknown_checks_are_refused(
    server: ValkeyServer, tmp_path: Path
) -> None:
    """Exit codes 0, 1 and 2; for people each finding has its fix, and stdout is theirs alone."""
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    leave_out = [w for check in OUTSIDE for w in ("--without", check)]
    plain = rtm_doctor(tmp_path, *leave_out, **_environment(server))
    assert plain.returncode == 0, plain.stdout
    assert "fix: start a worker or the callback service" in plain.stdout
    assert "note:" not in plain.stdout
    strict = rtm_doctor(tmp_path, "--strict", "--verbose", *leave_out, **_environment(server))
    assert strict.returncode == 1
    unknown = rtm_doctor(tmp_path, "--without", "nothing", **_environment(server))
    assert unknown.returncode == 2
    assert "there is no check nothing" in unknown.stderr
