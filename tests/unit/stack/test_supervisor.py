"""Parts together: ready, restarted, given up, ended in order. The parts are real processes."""

import asyncio
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from realtime_message.stack.combined_log import CombinedLog
from realtime_message.stack.kept_part import Part
from realtime_message.stack.supervisor import Supervisor

_DEADLINE_SECONDS = 20.0

# Says that it is up, and ends at SIGTERM.
_SERVES = 'trap "echo ended; exit 0" TERM; echo up; while :; do sleep 0.05; done'


class Stage:
    """A supervisor under test, and what it wrote."""

    def __init__(self, *parts: Part, reloads: bool = False, start_timeout_seconds: float = 20.0):
        self.stream = io.StringIO()
        self.ready = asyncio.Event()
        log = CombinedLog([part.name for part in parts], has_colour=False, stream=self.stream)
        self.supervisor = Supervisor(
            parts,
            log,
            on_ready=self.ready.set,
            reloads=reloads,
            start_timeout_seconds=start_timeout_seconds,
        )
        self.running = asyncio.create_task(self.supervisor.run())

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            while not condition():  # noqa: ASYNC110 - what other processes do tells nobody
                await asyncio.sleep(0.02)

    async def end(self) -> int:
        self.supervisor.request_stop()
        return await self.exit_code()

    async def exit_code(self) -> int:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            return await self.running


def _part(name: str, script: str, **options: object) -> Part:
    defaults: dict[str, object] = {"ready_line": "up", "environment": dict(os.environ)}
    return Part(name=name, command=["/bin/sh", "-c", script], **(defaults | options))  # type: ignore[arg-type]


async def test_ready_is_told_once_all_are_ready(tmp_path: Path) -> None:
    """The slowest part decides."""
    gate = tmp_path / "gate"
    slow = f"while [ ! -e {gate} ]; do sleep 0.02; done; {_SERVES}"
    stage = Stage(_part("fast", _SERVES), _part("slow", slow))
    await stage.until(lambda: "fast │ up" in stage.text)
    assert not stage.ready.is_set()
    gate.touch()
    await stage.until(stage.ready.is_set)
    assert await stage.end() == 0


async def test_parts_end_in_their_order() -> None:
    """What takes in ends first, the store last, each after the one before has ended."""
    stage = Stage(
        _part("store", _SERVES, stop_after=2),
        _part("worker", _SERVES, stop_after=1),
        _part("gateway", _SERVES, stop_after=0),
    )
    await stage.until(stage.ready.is_set)
    assert await stage.end() == 0
    ended = [line.split()[0] for line in stage.text.splitlines() if line.endswith("│ ended")]
    assert ended == ["gateway", "worker", "store"]


async def test_part_that_dies_is_named_with_its_last_lines_and_started_again() -> None:
    """SIGKILL is told with its name, and the part comes back with another process."""
    stage = Stage(_part("worker", f"echo pid $$; {_SERVES}"))
    await stage.until(stage.ready.is_set)
    pid = int(stage.text.split("pid ")[1].split()[0])
    os.kill(pid, signal.SIGKILL)
    await stage.until(lambda: stage.text.count("│ up") == 2)
    assert "worker died (killed by SIGKILL); its last lines:" in stage.text
    assert f"    pid {pid}" in stage.text
    assert "worker starts again in 0.1 s" in stage.text
    await stage.until(lambda: "worker is back after" in stage.text)
    assert await stage.end() == 0


async def test_part_that_could_not_start_ends_everything_with_3() -> None:
    """Before all was ready, exit code 3 of a part is the exit code of all."""
    stage = Stage(
        _part("other", _SERVES), _part("worker", "echo no such app >&2; exit 3", stop_after=1)
    )
    assert await stage.exit_code() == 3
    assert "worker died (exit code 3)\n" in stage.text
    assert "other  │ ended" in stage.text
    first, *_, last = (line for line in stage.text.splitlines() if "is given up" in line)
    assert stage.text.endswith(f"{last}\n")
    assert last.endswith("would not help; its last line: no such app")
    assert first.endswith("would not help")


async def test_part_that_keeps_dying_is_given_up_with_1(tmp_path: Path) -> None:
    """After the start, six deaths in a minute end everything with exit code 1."""
    flag = tmp_path / "was_ready"
    dies = f"[ -e {flag} ] && exit 1; touch {flag}; echo up; sleep 0.3; exit 1"
    stage = Stage(_part("worker", dies))
    async with asyncio.timeout(60):
        assert await stage.running == 1
    assert "worker is given up: it died 6 times within 60 s" in stage.text


async def test_program_that_is_not_there_is_told() -> None:
    """A command that cannot be run is named."""
    stage = Stage(Part(name="x", command=["/no/such/program"], environment={}, ready_line="up"))
    assert await stage.exit_code() == 3
    assert "/no/such/program cannot be run: No such file or directory" in stage.text


async def test_late_part_is_named() -> None:
    """A part that never becomes ready is named, and everything ends with 3."""
    stage = Stage(
        _part("slow", 'trap "exit 0" TERM; while :; do sleep 0.05; done'), start_timeout_seconds=0.5
    )
    assert await stage.exit_code() == 3
    assert stage.text.endswith("not ready within 0.5 s: slow\n")


async def test_part_that_does_not_end_is_killed() -> None:
    """The order of ending never hangs on one part."""
    deaf = 'trap "" TERM; echo up; while :; do sleep 0.05; done'
    stage = Stage(_part("deaf", deaf, stop_timeout_seconds=0.3))
    await stage.until(stage.ready.is_set)
    assert await stage.end() == 0
    assert "deaf did not end within 0.3 s and is killed" in stage.text


async def test_second_request_kills() -> None:
    """Whoever asks twice does not want to wait."""
    deaf = 'trap "" TERM; echo up; while :; do sleep 0.05; done'
    stage = Stage(_part("deaf", deaf, stop_timeout_seconds=60.0))
    await stage.until(stage.ready.is_set)
    stage.supervisor.request_stop()
    await stage.until(lambda: "ending deaf" in stage.text)
    stage.supervisor.request_stop()
    assert await stage.exit_code() == 0
    assert "asked again: everything is killed" in stage.text


async def test_what_a_part_leaves_behind_is_ended() -> None:
    """A child that outlives its part would hold its port and its pipe."""
    stage = Stage(_part("worker", f"sleep 300 & echo child $!; {_SERVES}"))
    await stage.until(stage.ready.is_set)
    child = int(stage.text.split("child ")[1].split()[0])
    await stage.end()
    await stage.until(lambda: not _is_alive(child))


async def test_quiet_part_speaks_once_it_is_ready() -> None:
    """A server's greeting is not shown, what comes later is."""
    script = f"echo greeting; {_SERVES}"
    stage = Stage(_part("store", script, is_quiet_start=True))
    await stage.until(stage.ready.is_set)
    await stage.end()
    assert "greeting" not in stage.text
    assert "store │ ended" in stage.text


async def test_only_what_is_worth_it_is_shown() -> None:
    """A server's chatter is not shown while it runs; when it dies, its last lines are."""
    script = "echo up; sleep 0.2; echo chatter; echo '# warning'; exit 1"
    stage = Stage(_part("store", script, shows=lambda line: line.startswith("#")))
    await stage.until(lambda: "store died (exit code 1); its last lines:" in stage.text)
    shown, _, told = stage.text.partition("store died")
    assert "store │ # warning" in shown
    assert "chatter" not in shown
    assert "    chatter" in told
    await stage.end()


async def test_what_a_worker_says_of_many_partitions_is_one_line() -> None:
    """Also when it ends right after."""
    line = "12:00:00 partition.released partition=%d epoch=1\\n"
    script = f"printf '{line}' 0 1 2; exit 3"
    stage = Stage(_part("worker", script, joins_partitions=True))
    assert await stage.exit_code() == 3
    assert "worker │ 12:00:00 partition.released partitions=0-2\n" in stage.text


async def test_long_and_broken_lines_are_shown() -> None:
    """Output that is no text, or has no end, does no harm."""
    script = f"printf '\\377\\n'; head -c 200000 /dev/zero | tr '\\0' x; echo; {_SERVES}"
    stage = Stage(_part("noisy", script))
    await stage.until(stage.ready.is_set)
    assert stage.text.count("x") >= 200_000
    await stage.end()


async def test_reload_starts_anew_what_follows_the_source() -> None:
    """The worker starts again without a word of death; the store stays."""
    stage = Stage(
        _part("worker", _SERVES, follows_source=True), _part("store", _SERVES), reloads=True
    )
    await stage.until(stage.ready.is_set)
    stage.supervisor.reload()
    await stage.until(lambda: stage.text.count("worker │ up") == 2)
    assert stage.text.count("store  │ up") == 1
    assert "died" not in stage.text
    assert await stage.end() == 0


async def test_broken_source_waits_for_the_next_change(tmp_path: Path) -> None:
    """With reload on, a module that does not import is no reason to end."""
    mended = tmp_path / "mended"
    script = f"[ -e {mended} ] || {{ echo broken; exit 3; }}; {_SERVES}"
    stage = Stage(_part("worker", script, follows_source=True), reloads=True)
    await stage.until(lambda: "worker waits for a change of the source" in stage.text)
    mended.touch()
    stage.supervisor.reload()
    await stage.until(stage.ready.is_set)
    assert await stage.end() == 0


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.mark.parametrize("text", ["", "a\n"])
async def test_silent_part_that_dies_is_told(text: str) -> None:
    """There is always something below "its last lines"."""
    stage = Stage(_part("worker", f"printf '{text}'; exit 3", is_quiet_start=True))
    assert await stage.exit_code() == 3
    assert ("(it wrote nothing)" in stage.text) == (text == "")
