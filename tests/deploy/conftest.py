"""One Podman and one image for the whole run, and a report of what was not the real thing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.containers import Podman, why_no_podman
from support.containers_images import CENTRIFUGO_IMAGE, PYTHON_IMAGE, REDIS_IMAGE, provide
from support.containers_site import Site, running_site
from support.readme_commands import copy_project
from support.remarks import remark


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    """Podman with a storage of its own."""
    reason = why_no_podman()
    if reason:
        pytest.skip(reason)
    podman = Podman()
    try:
        provide(podman, PYTHON_IMAGE)
        podman.try_out(PYTHON_IMAGE)
        yield podman
    finally:
        podman.close()


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, as a clone would be."""
    return copy_project(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session")
def image(podman: Podman, source: Path) -> str:
    """The image, built by the command of the documentation; returns its name."""
    provide(podman, CENTRIFUGO_IMAGE, REDIS_IMAGE)
    began_at = time.monotonic()
    podman.shell("podman build -t centrifuge-realtime-message .", source)
    size = int(
        podman.run("image", "inspect", "--format", "{{.Size}}", "centrifuge-realtime-message")
    )
    remark(
        f"image: built in {time.monotonic() - began_at:.0f} s, {size / 1e6:.0f} MB with its bases"
    )
    return "centrifuge-realtime-message"


@pytest.fixture
def site(podman: Podman, image: str) -> Iterator[Site]:
    """A network with Redis, for containers of the image."""
    with running_site(podman) as site:
        yield site
