"""The image, built with Podman and run as the documentation says."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from realtime_message.centrifugo.tokens import make_connection_token
from support.chat_load import ChatLoad
from support.checker import Report, check, read_notes
from support.containers import Podman
from support.containers_site import HARDENED, Instance, Site, run_worker, stored
from support.deploy_files import PROJECT
from support.deploy_tests import only_when_asked
from support.instance_process import SECRET
from support.node_packages import install_node_packages, needs_node
from support.remarks import remark
from support.worker_process import wait_until

pytestmark = [only_when_asked, pytest.mark.timeout(900)]


def test_image_has_no_compiler_and_its_user_no_rights(podman: Podman, image: str) -> None:
    """What is not needed to run is not there, and the user can write nothing of ours."""
    script = (
        "id -u; id -g; for p in gcc cc g++ clang make ld as git; do command -v $p; done; "
        "for f in /app /opt/rtm /usr/local/bin; do [ -w $f ] && echo writable $f; done; true"
    )
    printed = podman.run("run", "--rm", "--entrypoint", "sh", image, "-c", script)
    assert printed.split() == ["10001", "10001"]


def test_image_runs_every_command(podman: Podman, image: str) -> None:
    """`rtm` and its commands, with and without the word; a mistake gets its exit code."""
    assert podman.run("run", "--rm", image, "rtm", "--version").startswith("rtm ")
    secret = ("-e", f"CENTRIFUGO_TOKEN_HMAC_SECRET_KEY={SECRET}")
    assert podman.run("run", "--rm", *secret, image, "token", "ada").count(".") == 2
    assert podman.result("run", "--rm", image, "no-such-command").returncode == 2


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (None, "is missing"),
        ("your-secret", "11 characters"),
        ("change-me-to-a-long-random-string", "placeholder of an example"),
    ],
)
def test_instance_refuses_a_secret_that_is_none(
    podman: Podman, image: str, secret: str | None, reason: str
) -> None:
    """Exit code 3, one sentence that names the variable, and no traceback."""
    given = ("-e", f"CENTRIFUGO_TOKEN_HMAC_SECRET_KEY={secret}") if secret else ()
    done = podman.result("run", "--rm", *given, image)
    text = done.stdout + done.stderr
    assert done.returncode == 3, text
    assert reason in text
    assert "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY" in text
    assert "Traceback" not in text


def test_instance_waits_for_redis_and_gives_up(podman: Podman, image: str) -> None:
    """A line a second says what is missing; then exit code 3."""
    done = podman.result(
        *("run", "--rm", "-e", f"CENTRIFUGO_TOKEN_HMAC_SECRET_KEY={SECRET}"),
        *("-e", "REDIS_URL=redis://:hunter2@127.0.0.1:1"),
        *("-e", "RTM_REDIS__STARTUP_TIMEOUT_SECONDS=3", image),
    )
    text = done.stdout + done.stderr
    assert done.returncode == 3, text
    assert text.count("waiting for Redis") == 3
    assert "waited 3 s" in text
    assert "hunter2" not in text


def test_instance_needs_one_writable_folder_and_says_so(podman: Podman, image: str) -> None:
    """A read-only file system without /tmp: the sentence says what to add."""
    secret = ("-e", f"CENTRIFUGO_TOKEN_HMAC_SECRET_KEY={SECRET}")
    options = ("--read-only", "--read-only-tmpfs=false", *secret)
    done = podman.result("run", "--rm", *options, image)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "--tmpfs /tmp" in done.stdout + done.stderr


@pytest.mark.parametrize("options", [(), HARDENED], ids=["plain", "hardened"])
async def test_clients_chat_through_the_image_and_a_worker_handles(
    site: Site, tmp_path: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The official Python client publishes and follows; a worker of the same image handles all."""
    began_at = time.monotonic()
    instance = Instance(site, options=options)
    instance.wait_until_healthy()
    started_seconds = time.monotonic() - began_at
    history = await asyncio.to_thread(run_worker, site, "worker", tmp_path)
    load = ChatLoad(instance.url, SECRET, channels=6, writers=3, followers=2)
    async with load.running():
        await load.wait_for(200)
        memory = await asyncio.to_thread(_memory, site, "instance")
        worker_memory = await asyncio.to_thread(_memory, site, "worker")
    report = await asyncio.to_thread(_judge, history, load)
    remark(f"start: healthy {started_seconds:.1f} s after podman run")
    remark(f"memory, RSS (proportional share): {memory}; worker: {worker_memory}")
    with capsys.disabled():
        print(f"\n{Report.header()}\n{report.row()}")
    assert report.is_sound, report
    assert report.duplicates == 0
    assert load.missing() == []
    assert load.failures == []


@needs_node
async def test_javascript_client_reaches_a_worker_of_the_image(site: Site, tmp_path: Path) -> None:
    """What npm centrifuge publishes comes back to it, and a worker handles it."""
    instance = Instance(site)
    instance.wait_until_healthy()
    history = await asyncio.to_thread(run_worker, site, "worker", tmp_path)
    token = make_connection_token(SECRET, "bob", ttl_seconds=600)
    script = PROJECT / "tests/system/chat.mjs"
    words = ["node", str(script), str(install_node_packages()), instance.url, token, "room:js"]
    done = await asyncio.to_thread(
        subprocess.run, [*words, "0", "1", "2"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    seen = [json.loads(line)["text"] for line in done.stdout.splitlines()]
    assert seen == ["0", "1", "2"]
    await asyncio.to_thread(_wait_until_handled, history, {("room:js", n) for n in range(3)})


@pytest.mark.parametrize("limit", [4, 24])
def test_too_few_processes_end_the_container_with_a_sentence(site: Site, limit: int) -> None:
    """A PID limit below what an instance needs is told before anything starts."""
    Instance(site, options=("--pids-limit", str(limit)))
    assert site.podman.wait(site.container("instance")) == 3
    assert f"may have {limit} processes and threads" in site.logs("instance")


async def test_stop_under_load_loses_nothing_acknowledged(site: Site, tmp_path: Path) -> None:
    """`podman stop` with its default patience: the gateway ends first, the callback drains."""
    instance = Instance(site)
    instance.wait_until_healthy()
    history = await asyncio.to_thread(run_worker, site, "worker", tmp_path)
    load = ChatLoad(instance.url, SECRET, channels=30, writers=10, followers=0, pause_seconds=0)
    async with load.running():
        await load.wait_for(1000)
        began_at = time.monotonic()
        await asyncio.to_thread(site.podman.run, "stop", site.container("instance"))
        took_seconds = time.monotonic() - began_at
        load.abandon()
    assert await asyncio.to_thread(site.podman.wait, site.container("instance")) == 0
    log = site.logs("instance")
    steps = ["ending gateway", "ending callback", "callback.draining", "callback.stopped"]
    places = [log.index(step) for step in steps]
    assert places == sorted(places), log
    acknowledged = {(sent.channel, sent.number) for sent in load.acknowledged}
    in_streams = await asyncio.to_thread(stored, site)
    assert acknowledged <= in_streams
    assert in_streams <= acknowledged | load.unknown
    await asyncio.to_thread(_wait_until_handled, history, in_streams)
    remark(
        f"podman stop under load: {took_seconds:.1f} s, {len(acknowledged)} acknowledged, 0 lost, "
        f"{len(in_streams - acknowledged)} stored without an answer that arrived"
    )
    assert took_seconds < 10


def test_part_that_keeps_dying_ends_the_container(site: Site) -> None:
    """Not a loop for ever: the engine's restart policy decides."""
    options = ("-e", "RTM_GATEWAY=centrifugo", "-e", "RTM_CENTRIFUGO_BIN=/bin/false")
    Instance(site, options=options)
    assert site.podman.wait(site.container("instance")) == 1
    log = site.logs("instance")
    assert log.count("gateway died (exit code 1)") == 6
    assert "is given up: it died 6 times" in log


def test_killed_callback_comes_back(site: Site) -> None:
    """One death is no end: the part starts again, and the container stays."""
    instance = Instance(site)
    instance.wait_until_healthy()
    first = next(
        pid for pid, words in _processes(site, "instance") if "stack.part callback" in words
    )
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: "callback died (killed" in site.logs("instance"), 20)
    instance.wait_until_healthy()


def test_lost_redis_makes_the_container_unhealthy_and_is_found_again(site: Site) -> None:
    """Readiness says no while Redis is away; nothing has to be restarted."""
    instance = Instance(site)
    instance.wait_until_healthy()
    site.podman.run("stop", "--time", "5", site.container("redis"))
    assert not site.is_healthy("instance")
    site.podman.run("start", site.container("redis"))
    site.wait_for_redis()
    instance.wait_until_healthy()
    assert "given up" not in site.logs("instance")


def test_embedded_gateway_runs_by_setting(site: Site) -> None:
    """RTM_GATEWAY=embedded: no Centrifugo, the same ports."""
    instance = Instance(site, options=("-e", "RTM_GATEWAY=embedded"))
    instance.wait_until_healthy()
    assert "gateway.ready" in site.logs("instance")
    published = site.exec("instance", "rtm", "publish", "room:lobby", "hello")
    assert "1 of 1 acknowledged" in published


def test_logs_are_json_by_setting(site: Site) -> None:
    """Every line of every part is an object that says where it comes from."""
    instance = Instance(site, options=("-e", "RTM_LOG__FORMAT=json"))
    instance.wait_until_healthy()
    site.podman.run("stop", site.container("instance"))
    entries = [json.loads(line) for line in site.logs("instance").splitlines() if line[:1] == "{"]
    others = [line for line in site.logs("instance").splitlines() if line[:1] != "{"]
    assert not [line for line in others if "level=error" not in line], others
    assert {entry["source"] for entry in entries} == {"gateway", "callback", "rtm"}


def _judge(history: Path, load: ChatLoad) -> Report:
    _wait_until_handled(history, {(sent.channel, sent.number) for sent in load.acknowledged})
    return check("through the image", load.acknowledged, read_notes(history))


def _wait_until_handled(history: Path, wanted: set[tuple[str, int]]) -> None:
    def is_handled() -> bool:
        return wanted <= {(n.channel, n.number) for n in read_notes(history) if n.event == "end"}

    wait_until(is_handled, 60, lambda: "acknowledged messages are not handled")


def _processes(site: Site, name: str) -> list[tuple[int, str]]:
    """Return a container's processes: the number on this machine, and the command line."""
    lines = site.podman.run("top", site.container(name), "hpid", "args").splitlines()[1:]
    return [(int(pid), words) for pid, words in (line.split(maxsplit=1) for line in lines)]


def _memory(site: Site, name: str) -> str:
    """Return the memory of each process of a container, and their sum."""
    rows, total = [], 0.0
    for pid, words in _processes(site, name):
        text = (Path("/proc") / str(pid) / "smaps_rollup").read_text("utf-8")
        sizes = dict(row.split(":") for row in text.splitlines()[1:])
        rss, pss = (int(sizes[name].split()[0]) / 1024 for name in ("Rss", "Pss"))
        total += pss
        rows.append(f"{_short_name(words)} {rss:.0f} MB ({pss:.0f})")
    return f"{', '.join(rows)}; together {total:.0f} MB"


def _short_name(words: str) -> str:
    for part in ("supervision", "callback", "centrifugo", "gateway", "worker"):
        if part in words:
            return part
    return words.split(maxsplit=1)[0]
