"""The image, built and run by a user without root's rights, as the documentation says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.chat_load import ChatLoad
from support.containers import Podman, rootless_user, why_no_podman
from support.containers_images import CENTRIFUGO_IMAGE, PYTHON_IMAGE, REDIS_IMAGE, provide
from support.containers_site import HARDENED, IMAGE, Instance, Site, running_site, stored
from support.deploy_tests import only_when_asked
from support.instance_process import SECRET
from support.readme_commands import copy_project
from support.remarks import remark
from support.worker_process import wait_until

pytestmark = [only_when_asked, pytest.mark.timeout(900)]


@pytest.fixture
def site() -> Iterator[Site]:
    """A network of the user's own with Redis, and the image built by him."""
    reason = why_no_podman()
    user = rootless_user()
    if reason or not user:
        pytest.skip(reason or "TESTS_ROOTLESS_USER names no user with subordinate ids (subuid(5))")
    podman = Podman(user)
    try:
        provide(podman, PYTHON_IMAGE, CENTRIFUGO_IMAGE, REDIS_IMAGE)
        podman.try_out(PYTHON_IMAGE)
        source = copy_project(podman.folder / "source")
        podman.shell("podman build -t centrifuge-realtime-message .", source)
        with running_site(podman) as site:
            yield site
    finally:
        podman.close()


async def test_stop_under_load_loses_nothing_without_root(site: Site) -> None:
    """Clients chat, a worker handles all of it, `podman stop` loses nothing acknowledged."""
    instance = Instance(site, options=HARDENED)
    instance.wait_until_healthy()
    worker = ("-e", "REDIS_URL=redis://redis:6379", *HARDENED, IMAGE, "worker")
    site.run("worker", *worker, "examples.worker:app")
    load = ChatLoad(instance.url, SECRET, channels=10, writers=5, followers=0)
    async with load.running():
        await load.wait_for(300)
        site.podman.run("stop", site.container("instance"))
        load.abandon()
    acknowledged = {(sent.channel, sent.number) for sent in load.acknowledged}
    in_streams = stored(site)
    assert acknowledged <= in_streams
    wait_until(lambda: site.logs("worker").count(" says ") == len(in_streams), 60)
    remark(f"rootless: {len(acknowledged)} acknowledged, 0 lost")
