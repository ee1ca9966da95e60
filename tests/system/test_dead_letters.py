"""What failed, from the command line: listed, shown, replayed once, purged; with real workers."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import CliRunner

from realtime_message.cli import streams_access
from realtime_message.cli.application import application
from realtime_message.errors import RealtimeMessageError
from realtime_message.message import decode_message, encode_message
from realtime_message.partitions import partition_of
from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams
from realtime_message.testing.memory.streams import make_message
from support.checker import read_notes
from support.traffic import Traffic
from support.up_stack import RTM, clean_environment
from support.worker_process import Start, wait_until

pytestmark = pytest.mark.timeout(180)


@dataclass
class Result:
    """What a command printed."""

    stdout: str
    stderr: str

    @property
    def data(self) -> Any:
        """Its JSON."""
        return json.loads(self.stdout)


Rtm = Callable[..., Any]
Quick = Callable[..., Result]


@pytest.fixture
def environment(redis_settings: RedisSettings) -> dict[str, str]:
    """What points a command at the test's own streams."""
    return clean_environment(
        REDIS_URL=redis_settings.url,
        RTM_REDIS__PREFIX=redis_settings.prefix,
        RTM_REDIS__COMMAND_TIMEOUT_SECONDS="10",
        RTM_CALLBACK__DEADLINE_SECONDS="20",
        RTM_GATEWAY__PROXY_TIMEOUT_SECONDS="30",
    )


@pytest.fixture
def rtm(environment: dict[str, str], tmp_path: Path) -> Rtm:
    """Run a command; return its JSON, or the finished process if it asked for none."""

    def run(*arguments: str, code: int = 0) -> Any:
        done = subprocess.run(
            [*RTM, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done

    return run


@pytest.fixture
def quick(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Run a command in this process, which takes a tenth of the time."""
    for name in set(os.environ) - set(environment):
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    # It would hold on to the streams of this run.
    monkeypatch.setattr(streams_access, "configure_command_logging", lambda *_: None)

    def run(*arguments: str, code: int = 0) -> Result:
        done = CliRunner().invoke(application, list(arguments))
        exception, stderr = done.exception, done.stderr
        found = done.exit_code
        if isinstance(exception, RealtimeMessageError):
            found, stderr = exception.exit_code, str(exception)
        assert found == code, (stderr, exception)
        return Result(done.stdout, stderr)

    return run


class Letters:
    """Dead letters, written as a worker does, some in partitions where their channel is not.

    Args:
        settings: where the streams are.
        count: how many.
    """

    def __init__(self, settings: RedisSettings, count: int) -> None:
        self.settings = settings
        self.client = redis.Redis.from_url(settings.url)
        self.client.hset(
            f"{{{settings.prefix}}}:layout",
            mapping={"partition_count": 8, "hash": "md5-first-4-bytes-big-endian"},
        )
        self.channels = [f"room:{n}" for n in range(6)]
        for number in range(count):
            channel = self.channels[number % 6]
            home = partition_of(channel, 8)
            # As if it had lived elsewhere before the number of partitions was changed.
            partition = home if number % 12 < 6 else (home + 1) % 8
            payload = encode_message(make_message(channel, str(number), number, partition))
            buried = {"entry_id": f"{1000 + number}-0", "reason": "r", "error": "e", "attempts": 1}
            self.client.xadd(self._dead(partition), {"payload": payload, **buried})

    @property
    def left(self) -> int:
        """How many there are still."""
        return sum(self.client.xlen(self._dead(partition)) for partition in range(8))

    @property
    def replayed(self) -> dict[str, list[int]]:
        """The numbers of the messages in each channel's stream of today, in order."""
        found: dict[str, list[int]] = defaultdict(list)
        for partition in range(8):
            rows: Any = self.client.xrange(f"{self.settings.prefix}:partition:{partition}")
            for _, fields in rows:
                stored = decode_message(fields[b"payload"])
                assert partition_of(stored.channel, 8) == partition == stored.partition_id
                found[stored.channel].append(int(stored.text))
        return dict(found)

    def _dead(self, partition: int) -> str:
        return f"{{{self.settings.prefix}:partition:{partition}}}:dead"


def test_replay_that_is_killed_again_and_again_doubles_and_loses_nothing(
    redis_settings: RedisSettings, environment: dict[str, str], tmp_path: Path
) -> None:
    """SIGKILL at any point; the next run goes on where it ended, in order."""
    letters, count = Letters(redis_settings, 420), 420
    chance = random.Random(7)
    kills = 0
    while (left := letters.left) > 0:
        process = subprocess.Popen(
            [*RTM, "dead-letters", "replay", "--all"], cwd=tmp_path, env=environment
        )
        goal = max(0, left - chance.randint(40, 100))
        wait_until(lambda goal=goal, p=process: letters.left <= goal or p.poll() is not None, 60)  # type: ignore[misc]
        kills += process.poll() is None
        process.kill()
        process.wait(10)
    found = letters.replayed
    assert {c: len(n) for c, n in found.items()} == Counter(
        letters.channels[n % 6] for n in range(count)
    )
    assert all(numbers == sorted(set(numbers)) for numbers in found.values())
    assert kills >= 3


def test_two_replays_at_once_double_nothing(redis_settings: RedisSettings, rtm: Rtm) -> None:
    """Each message comes from one of them."""
    letters = Letters(redis_settings, 300)
    results: list[Any] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(rtm("dead-letters", "replay", "--all", "--json"))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert letters.left == 0
    assert sorted(n for numbers in letters.replayed.values() for n in numbers) == list(range(300))
    assert len(results) == 2


def test_replay_follows_a_change_of_the_partition_count(
    redis_settings: RedisSettings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Before its stream's marker each message lies by the old count, behind it by the new one."""
    letters, count = Letters(redis_settings, 400), 11
    process = subprocess.Popen(
        [*RTM, "dead-letters", "replay", "--all", "--rate", "200"], cwd=tmp_path, env=environment
    )
    wait_until(lambda: letters.left < 300, 60)

    async def resize() -> None:
        streams = Streams(redis_settings)
        view = await streams.resizer.begin(await streams.layout.read(), count)
        await streams.resizer.carry_on(view)
        await streams.close()

    asyncio.run(resize())
    assert letters.left > 0, "the replay was over too soon"
    assert process.wait(60) == 0
    assert letters.left == 0
    numbers = []
    for partition in range(count):
        in_force = 8
        rows: Any = letters.client.xrange(f"{redis_settings.prefix}:partition:{partition}")
        for _, fields in rows:
            if b"layout" in fields:
                in_force = count
                continue
            stored = decode_message(fields[b"payload"])
            assert partition_of(stored.channel, in_force) == partition == stored.partition_id
            numbers.append(int(stored.text))
    assert sorted(numbers) == list(range(400))


def test_letters_are_listed_shown_dry_run_and_purged(
    redis_settings: RedisSettings, quick: Quick
) -> None:
    """Pages, filters, the whole letter, counts by channel; purging asks first."""
    letters = Letters(redis_settings, 30)
    page = quick("dead-letters", "list", "--limit", "20", "--json").data
    rest = quick(
        "dead-letters", "list", "--limit", "20", "--after", page["next_after"], "--json"
    ).data
    assert [len(page["letters"]), len(rest["letters"]), rest["next_after"]] == [20, 10, None]
    assert len({letter["id"] for letter in [*page["letters"], *rest["letters"]]}) == 30
    table = quick("dead-letters", "list", "--channel", "room:1").stdout
    assert table.count("room:1") == 5
    assert "room:2" not in table
    whole = quick("dead-letters", "show", page["letters"][0]["id"], "--json").data
    assert decode_message(whole["payload"]).channel == whole["channel"]
    assert (whole["error"], whole["attempts"]) == ("e", 1)
    assert "payload:\n{" in quick("dead-letters", "show", page["letters"][0]["id"]).stdout
    dry = quick("dead-letters", "replay", "--channel", "room:[12]", "--dry-run", "--json").data
    assert dry == {"dry_run": True, "would_replay": 0, "channels": {}}
    dry = quick("dead-letters", "replay", "--all", "--dry-run", "--json").data
    assert dry["channels"] == dict.fromkeys(letters.channels, 5)
    assert "add --yes" in quick("dead-letters", "purge", "--channel", "room:1", code=2).stderr
    assert letters.left == 30
    assert quick("dead-letters", "purge", "--channel", "room:1", "--yes", "--json").data == {
        "purged": 5
    }
    assert quick("dead-letters", "purge", "--all", "--older-than", "1h", "--yes", code=2)
    assert quick("dead-letters", "purge", "--older-than", "1h", "--yes", "--json").data == {
        "purged": 0
    }
    assert letters.left == 25


def test_letter_steers_no_terminal(redis_settings: RedisSettings, quick: Quick) -> None:
    """What an error or a payload holds is shown, and not obeyed."""
    letters = Letters(redis_settings, 1)
    fields = {"payload": "\x1b[2J", "entry_id": "1-1", "reason": "\x07", "error": "a\n\x1b[31m"}
    letters.client.xadd(letters._dead(5), fields, id="5-0")
    shown = quick("dead-letters", "show", "5:5-0").stdout
    assert "\x1b" not in shown
    assert "payload:\n\\x1b[2J\nerror:\na\n\\x1b[31m\n" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "nonsense"], 2, "expected one such as 3:1764000000000-0"),
        (["show", "3:5-0"], 1, "there is no dead letter 3:5-0"),
        (["replay"], 2, "say which: ids, filters such as --channel, or --all"),
        (["purge", "--yes"], 2, "say which"),
        (["list", "--older-than", "soon"], 2, "expected an age such as 90s, 15m, 2h or 7d"),
        (["list", "--channel", ""], 2, "an empty pattern fits nothing"),
        (["list", "--after", "x"], 2, "expected one such as"),
    ],
)
def test_mistakes_get_a_sentence(
    quick: Quick, redis_settings: RedisSettings, arguments: list[str], code: int, said: str
) -> None:
    """What was wrong, and what to write instead."""
    done = quick("dead-letters", *arguments, code=code)
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""


def _others_done(traffic: Traffic, history: Path, poison: str) -> bool:
    done = {(n.channel, n.number) for n in read_notes(history) if n.event == "end"}
    return all((s.channel, s.number) in done for s in traffic.sent if s.channel != poison)


def _append(traffic: Traffic, poison: str) -> None:
    """Three messages to each of 1000 channels, one of which fails with its first."""
    traffic.append(poison, "fail")
    for _ in range(3):
        for number in range(999):
            traffic.append(f"well:{number}")
        traffic.append(poison)


def test_poison_channel_that_is_retried_holds_up_no_other(
    start: Start, traffic: Traffic, rtm: Rtm, tmp_path: Path
) -> None:
    """Policy skip: 999 channels are done while it waits; then it goes on past its dead letter."""
    history = tmp_path / "history"
    worker = start(max_attempts=2, backoff_initial_seconds=120, backoff_max_seconds=120)
    _append(traffic, "ill")
    wait_until(lambda: traffic.pending_and_unread() == 4, 60)  # what waits is the ill channel's
    assert _others_done(traffic, history, "ill")
    assert worker.said("message.failed", channel="ill")
    assert not [n for n in read_notes(history) if n.channel == "ill" and n.event == "end"]
    assert worker.stop() == 0
    start(max_attempts=1)
    wait_until(lambda: traffic.pending_and_unread() == 0, 30)
    ill = [n.number for n in read_notes(history) if n.channel == "ill" and n.event == "end"]
    assert ill == [1, 2, 3]
    (letter,) = rtm("dead-letters", "list", "--json")["letters"]
    assert (letter["channel"], letter["attempts"]) == ("ill", 1)
    assert rtm("dead-letters", "replay", letter["id"], "--json")["replayed"][0]["channel"] == "ill"
    wait_until(lambda: bool(rtm("dead-letters", "list", "--json")["letters"]), 30)
    (again,) = rtm("dead-letters", "list", "--error", "valueerror", "--json")["letters"]
    assert again["first_seen_at"] == letter["first_seen_at"]
    assert again["entry_id"] != letter["entry_id"]


def test_parked_channel_holds_up_no_other_and_comes_back_in_order(
    start: Start, traffic: Traffic, rtm: Rtm, redis_settings: RedisSettings, tmp_path: Path
) -> None:
    """Policy halt_channel: set aside, shown with since when and why, first when resumed."""
    history = tmp_path / "history"
    start(max_attempts=1, dead_letter_policy="halt_channel")
    _append(traffic, "ill")
    wait_until(lambda: traffic.pending_and_unread() == 0, 60)
    assert _others_done(traffic, history, "ill")
    (parked,) = rtm("channels", "parked", "--json")
    assert (parked["channel"], parked["entry_count"], parked["is_resuming"]) == ("ill", 3, False)
    assert parked["parked_at"] > 1_600_000_000
    assert "ValueError: fail" in parked["reason"]
    assert "ValueError: fail" in rtm("channels", "parked").stdout
    assert "well:1 is not parked" in rtm("channels", "resume", "well:1", code=1).stderr
    traffic.append("ill")
    assert "ill goes on (" in rtm("channels", "resume", "ill").stdout
    traffic.append("ill")
    wait_until(lambda: rtm("channels", "parked", "--json") == [], 30)
    wait_until(lambda: traffic.pending_and_unread() == 0, 30)
    ill = [n.number for n in read_notes(history) if n.channel == "ill" and n.event == "end"]
    assert ill == [1, 2, 3, 4, 5]
    keys = redis.Redis.from_url(redis_settings.url).keys(f"*{redis_settings.prefix}*parked*")
    assert keys == []
    assert rtm("channels", "resume", "--all", "--json")["resumed"] == []


def test_commands_without_redis_end_with_one_sentence(
    rtm: Rtm, environment: dict[str, str]
) -> None:
    """No hang, no traceback."""
    environment["REDIS_URL"] = "redis://127.0.0.1:1"
    for command in (["dead-letters", "list"], ["channels", "parked"]):
        done = rtm(*command, code=1)
        assert "127.0.0.1:1" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
