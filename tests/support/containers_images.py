"""The images that ours is built from and runs with: real ones, or stand-ins of Debian packages.

An image that is in the storage is taken as it is; TESTS_PULL_IMAGES=1 pulls what is missing.
Without a registry a stand-in is made under the same name, and the report says so. Its packages are
Debian's own of the same versions: Python 3.13, Redis 8.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.containers import WORK, Podman
from support.deploy_files import Dockerfile, compose_services, default_of
from support.deploy_tests import centrifugo
from support.remarks import remark

_KEPT_SECONDS = 7 * 24 * 3600
_SUITE = "trixie"
_CERTIFICATES = "/usr/local/share/host-certificates.crt"


@dataclass(frozen=True)
class StandIn:
    """What an image is made of when it cannot be had.

    Attributes:
        packages: Debian's.
        hooks: shell lines that run on the finished tree, whose folder is $1.
        changes: instructions for the image.
    """

    packages: tuple[str, ...]
    hooks: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


_PYTHON = StandIn(
    ("ca-certificates", "python3", "python3-venv", "python3-pip"),
    (
        'ln -s ../../bin/python3 "$1/usr/local/bin/python"',
        'ln -s ../../bin/python3 "$1/usr/local/bin/python3"',
        'ln -s ../../bin/pip3 "$1/usr/local/bin/pip"',
        'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
    ),
    (
        'CMD ["python3"]',
        "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
)
_REDIS_PROGRAM = r'#!/bin/sh\nexec /usr/bin/redis-server "$@" --protected-mode no\n'
_REDIS = StandIn(
    ("redis-server", "redis-tools"),
    (
        'mkdir -p "$1/data" && chroot "$1" chown redis:redis /data',
        # The official image is built without the protected mode.
        f"printf '{_REDIS_PROGRAM}' > \"$1/usr/local/bin/redis-server\"",
        'chmod +x "$1/usr/local/bin/redis-server"',
    ),
    (
        "USER redis",
        "WORKDIR /data",
        "ENV PATH=/usr/local/bin:/usr/bin:/bin",
        'CMD ["redis-server"]',
    ),
)
_NGINX = StandIn(
    ("nginx-light",),
    ('rm -f "$1/etc/nginx/sites-enabled/default"',),
    ('CMD ["nginx", "-g", "daemon off;"]',),
)

PYTHON_IMAGE = Dockerfile.read().arguments["PYTHON_IMAGE"]
CENTRIFUGO_IMAGE = Dockerfile.read().arguments["CENTRIFUGO_IMAGE"]
REDIS_IMAGE = default_of(compose_services()["redis"]["image"])
NGINX_IMAGE = default_of(compose_services()["nginx"]["image"])
_STAND_INS = {PYTHON_IMAGE: _PYTHON, REDIS_IMAGE: _REDIS, NGINX_IMAGE: _NGINX}


def provide(podman: Podman, *images: str) -> None:
    """Have images in the storage, or skip the test with the reason."""
    for image in images:
        if podman.has_image(image):
            continue
        if os.environ.get("TESTS_PULL_IMAGES") == "1":
            podman.run("pull", "--quiet", image, timeout_seconds=600)
        elif image == CENTRIFUGO_IMAGE:
            _make_centrifugo(podman)
        else:
            _make(podman, image, _STAND_INS[image])


def _make(podman: Podman, image: str, stand_in: StandIn) -> None:
    if shutil.which("mmdebstrap") is None:
        pytest.skip(
            f"there is no {image}: TESTS_PULL_IMAGES=1 pulls it, or install mmdebstrap for a "
            "stand-in"
        )
    archive = WORK / "images" / f"{image.rpartition('/')[2].replace(':', '-')}.tar"
    if not archive.exists() or time.time() - archive.stat().st_mtime > _KEPT_SECONDS:
        _bootstrap(archive, stand_in)
    changes = [word for change in stand_in.changes for word in ("--change", change)]
    podman.run("import", "--quiet", *changes, str(podman.lend(archive)), image)
    remark(f"{image}: stand-in of Debian {_SUITE} packages ({', '.join(stand_in.packages)})")


def _bootstrap(archive: Path, stand_in: StandIn) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    mirror = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()[0]
    hooks = [f"--customize-hook={line}" for line in (*stand_in.hooks, *_certificates(stand_in))]
    subprocess.run(
        [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--include={','.join(stand_in.packages)}",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            *hooks,
            _SUITE,
            str(archive),
            mirror,
        ],
        check=True,
        capture_output=True,
        timeout=900,
    )


def _certificates(stand_in: StandIn) -> list[str]:
    """Return hooks after which pip trusts in the image whom it trusts here."""
    bundle = os.environ.get("SSL_CERT_FILE")
    if not bundle or "python3-pip" not in stand_in.packages:
        return []
    lines = ["[global]", f"cert = {_CERTIFICATES}"]
    if os.environ.get("PIP_INDEX_URL"):
        lines.append(f"index-url = {os.environ['PIP_INDEX_URL']}")
    return [
        f'cp "{bundle}" "$1{_CERTIFICATES}"',
        f"""printf '%s\\n' {" ".join(f"'{line}'" for line in lines)} > "$1/etc/pip.conf" """,
    ]


def _make_centrifugo(podman: Podman) -> None:
    """Put the program of this machine under the image's name; without one, one that says so."""
    program = centrifugo()
    folder = podman.folder / "centrifugo"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "centrifugo"
    if program is None:
        target.write_text("#!/bin/sh\necho 'this image holds no Centrifugo' >&2\nexit 3\n", "utf-8")
        target.chmod(0o755)
        remark(f"{CENTRIFUGO_IMAGE}: stand-in without Centrifugo; the embedded gateway is tested")
    else:
        shutil.copy2(program, target)
        remark(f"{CENTRIFUGO_IMAGE}: made from the Centrifugo program of this machine")
    (folder / "Dockerfile").write_text(
        "FROM scratch\nCOPY centrifugo /usr/local/bin/centrifugo\n", "utf-8"
    )
    podman.run("build", "--quiet", "--tag", CENTRIFUGO_IMAGE, str(folder))
    shutil.rmtree(folder)
