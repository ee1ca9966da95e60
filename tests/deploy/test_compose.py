"""docker-compose.yml on a real Docker engine: up, chat, down and up again with the data kept."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.chat_load import ChatLoad
from support.containers import CommandFailedError, Podman
from support.containers_compose import Docker, Project, why_no_docker
from support.containers_images import (
    CENTRIFUGO_IMAGE,
    NGINX_IMAGE,
    PYTHON_IMAGE,
    REDIS_IMAGE,
    provide,
)
from support.containers_site import IMAGE
from support.deploy_tests import centrifugo, only_when_asked
from support.readme_commands import copy_project
from support.remarks import remark
from support.worker_process import wait_until

pytestmark = [only_when_asked, pytest.mark.timeout(1200)]

FOLLOWERS = 2 if centrifugo() else 0


@pytest.fixture(scope="module")
def docker(podman: Podman, source: Path) -> Iterator[Docker]:
    """A Docker engine that holds the images; ours is built by Docker's classic builder."""
    reason = why_no_docker()
    if reason:
        pytest.skip(reason)
    docker = Docker()
    try:
        docker.start()
        bases = (PYTHON_IMAGE, CENTRIFUGO_IMAGE, REDIS_IMAGE, NGINX_IMAGE)
        provide(podman, *bases)
        for name in bases:
            docker.take_image(podman, name)
        # This engine has no bridge of its own, so the build uses the machine's network.
        docker.shell(f"docker build --network=host -t {IMAGE} .", source)
        yield docker
    finally:
        docker.close()


@pytest.fixture
def project(docker: Docker, tmp_path: Path) -> Iterator[Project]:
    """The project as a clone would be, with nothing running."""
    project = Project(docker, copy_project(tmp_path / "clone"))
    try:
        yield project
    finally:
        project.close()


def _health(project: Project) -> dict[str, list[str]]:
    """Return the health of each service's containers."""
    rows = project.shell("docker compose --profile nginx ps --all --format json").splitlines()
    found: dict[str, list[str]] = {}
    for row in map(json.loads, rows):
        found.setdefault(row["Service"], []).append(row["Health"] or row["State"])
    return found


def _entries(project: Project) -> int:
    """Return how many messages the streams hold."""
    lines = "".join(f"XLEN messages:partition:{number}\\n" for number in range(8))
    printed = project.shell(f"printf '{lines}' | docker compose exec -T redis redis-cli")
    return sum(int(line) for line in printed.split())


def test_without_a_secret_nothing_starts_and_the_sentence_says_what_to_do(
    project: Project,
) -> None:
    """The first `docker compose up -d` of a newcomer."""
    with pytest.raises(CommandFailedError, match=r"run \./deploy/make-env once"):
        project.shell("docker compose up -d")


def test_secrets_are_made_once_and_for_the_owner_alone(project: Project) -> None:
    """`make-env` writes random secrets with mode 0600 and never overwrites."""
    project.shell("./deploy/make-env")
    file = project.folder / ".env"
    text = file.read_text("utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(project.secret("CENTRIFUGO_TOKEN_HMAC_SECRET_KEY")) == 64
    project.shell("./deploy/make-env")
    assert file.read_text("utf-8") == text
    project.shell("docker compose config --quiet")


async def test_system_comes_up_and_down_twice_and_keeps_the_data(project: Project) -> None:
    """Messages are chatted, handled, stored; after down and up they are still there."""
    project.shell("./deploy/make-env")
    project.shell("docker compose up -d --wait")
    assert _health(project) == {
        "redis": ["healthy"],
        "instance": ["healthy"],
        "worker": ["healthy"],
    }
    ready = f"curl --silent --fail http://127.0.0.1:{project.callback_port}/health/ready"
    assert "ready" in project.shell(ready)
    secret = project.secret("CENTRIFUGO_TOKEN_HMAC_SECRET_KEY")
    load = ChatLoad(project.url, secret, channels=4, writers=2, followers=FOLLOWERS)
    async with load.running():
        await load.wait_for(60)
    assert load.missing() == []
    assert load.failures == []
    wait_until(
        lambda: (
            project.shell("docker compose logs worker").count(" says '") >= len(load.acknowledged)
        ),
        30,
    )
    logs = project.shell("docker compose logs")
    for line in ("gateway  │", "callback │ ", "redis-1", "worker-1"):
        assert line in logs
    assert secret not in logs
    assert _entries(project) == len(load.acknowledged)
    project.shell("docker compose down")
    assert _health(project) == {}
    project.shell("docker compose up -d --wait")
    assert _entries(project) == len(load.acknowledged)
    published = project.shell("docker compose exec -T instance rtm publish room:lobby hello")
    assert "1 of 1 acknowledged" in published
    project.shell("docker compose exec -T redis redis-cli BGREWRITEAOF")
    project.shell("docker compose cp redis:/data ./backup")
    assert list((project.folder / "backup").rglob("*.manifest"))


async def test_redis_that_dies_is_waited_for(project: Project) -> None:
    """SIGKILL to Redis: what was acknowledged is there again, and all goes on by itself."""
    project.shell("./deploy/make-env")
    project.shell("docker compose up -d --wait")
    secret = project.secret("CENTRIFUGO_TOKEN_HMAC_SECRET_KEY")
    load = ChatLoad(project.url, secret, channels=4, writers=2, followers=0)
    async with load.running():
        await load.wait_for(40)
        await asyncio.sleep(1.5)  # appendfsync everysec: what is older is on the disk
        before = len(load.acknowledged)
        await asyncio.to_thread(project.shell, "docker compose kill -s KILL redis")
        await asyncio.to_thread(project.shell, "docker compose start redis")
        await load.wait_for(40)
    assert _entries(project) >= before
    wait_until(lambda: set(map(tuple, _health(project).values())) == {("healthy",)}, 90)


async def test_streams_on_a_cluster_survive_the_death_of_a_master(project: Project) -> None:
    """Six nodes become a cluster by themselves; one master is killed under load."""
    project.shell("./deploy/make-env")
    with (project.folder / ".env").open("a", encoding="utf-8") as file:
        file.write("STREAMS_REDIS_URL=redis+cluster://node-1:6379,node-2:6379,node-3:6379\n")
    project.shell("docker compose --profile cluster up -d")
    wait_until(lambda: "cluster is ready" in project.shell("docker compose logs cluster"), 90)
    project.shell("docker compose up -d --wait")
    secret = project.secret("CENTRIFUGO_TOKEN_HMAC_SECRET_KEY")
    load = ChatLoad(project.url, secret, channels=8, writers=2, followers=0)
    async with load.running():
        await load.wait_for(80)
        await asyncio.sleep(1.5)  # what is older has reached the replica
        await asyncio.to_thread(project.shell, "docker compose kill -s KILL node-2")
        await load.wait_for(80)
        await asyncio.to_thread(project.shell, "docker compose start node-2")
        await load.wait_for(80)
    wait_until(
        lambda: (
            project.shell("docker compose logs worker").count(" says '") >= len(load.acknowledged)
        ),
        30,
    )
    remark(
        f"compose with a cluster: a master killed, {len(load.acknowledged)} acknowledged and "
        f"handled, {len(load.failures)} attempts repeated"
    )


async def test_key_of_the_tokens_is_changed_while_clients_write(project: Project) -> None:
    """The steps of the page: instance and replica are replaced in turn, nobody is refused."""
    project.shell("./deploy/make-env")
    project.shell("docker compose --profile nginx up -d --wait")
    old, new = project.secret("CENTRIFUGO_TOKEN_HMAC_SECRET_KEY"), "b7" * 8 + "0f9e8d7c6a5b4321"
    load = ChatLoad(project.door_url, old, channels=4, writers=2, followers=0)
    file = project.folder / ".env"
    async with load.running():
        await load.wait_for(40)
        file.write_text(
            file.read_text("utf-8").replace(old, new) + f"PREVIOUS_TOKEN_SECRET={old}\n"
        )
        for command in (
            "docker compose --profile nginx up -d --no-deps --wait instance",
            "docker compose kill -s HUP nginx",
            "docker compose --profile nginx up -d --no-deps --wait replica",
            "docker compose kill -s HUP nginx",
            "docker compose up -d --no-deps --wait worker",
        ):
            await asyncio.to_thread(project.shell, command)
            await load.wait_for(40)
    assert load.refusals == []
    assert _entries(project) == len(load.acknowledged)
    later = ChatLoad(project.door_url, new, channels=2, writers=2, followers=0, namespace="new")
    async with later.running():
        await later.wait_for(20)
    assert later.failures == []


async def test_profile_puts_instances_behind_nginx(project: Project) -> None:
    """Three instances through one door; one of them is killed, and nothing is lost."""
    project.shell("./deploy/make-env")
    project.shell("docker compose --profile nginx up -d --scale replica=2 --scale worker=3")
    wait_until(
        lambda: {state for states in _health(project).values() for state in states} == {"healthy"},
        120,
    )
    health = _health(project)
    assert health["replica"] == ["healthy"] * 2
    assert health["worker"] == ["healthy"] * 3
    assert health["nginx"] == ["healthy"]
    secret = project.secret("CENTRIFUGO_TOKEN_HMAC_SECRET_KEY")
    load = ChatLoad(project.door_url, secret, followers=FOLLOWERS)
    async with load.running():
        await load.wait_for(100)
        first = (await asyncio.to_thread(project.shell, "docker compose ps -q replica")).split()[0]
        await asyncio.to_thread(project.shell, f"docker kill {first}")
        await load.wait_for(200)
        # Another number of replicas: Nginx looks them up again.
        scale = "docker compose --profile nginx up -d --wait --scale replica=3"
        await asyncio.to_thread(project.shell, scale)
        await asyncio.to_thread(project.shell, "docker compose kill -s HUP nginx")
        await load.wait_for(100)
    assert load.missing() == []
    assert load.disordered() == []
    assert _entries(project) == len(load.acknowledged)
    remark(
        f"compose with Nginx: an instance killed, {len(load.acknowledged)} acknowledged, 0 lost, "
        f"{len(load.failures)} attempts repeated"
    )
